/** SelectObjectContent: queries over one object ("Filtering and retrieving data using Amazon S3 Select"). */
import { gzipSync } from 'node:zlib';
import type { S3, SelectObjectContentCommandInput } from '@aws-sdk/client-s3';
import { beforeAll, describe, expect, test } from 'vitest';
import { refused } from '../../support/cloud.ts';
import { freshBucket } from './support.ts';

let s3: S3;
let Bucket: string;

const people = ['name,city,age,note', 'Ann,Oulu,31,"a, b"', 'Bob,Turku,27,"say ""hi"""', '# left out', 'Åke,Oulu,45,', ''].join(
  '\r\n',
);
const lines = ['{"id":1,"tags":["a","b"],"at":{"x":2.5}}', '{"id":2,"tags":[],"name":"two"}', '{"id":3,"name":null}'].join('\n');
const document = JSON.stringify({ rules: [{ id: 'one', on: true }, { expr: 'y' }, { id: 'three', on: false }], name: 'doc' });

beforeAll(async () => {
  ({ s3, Bucket } = await freshBucket());
  for (const [Key, Body] of Object.entries({ people, lines, document })) await s3.putObject({ Bucket, Key, Body });
  await s3.putObject({ Bucket, Key: 'people.gz', Body: gzipSync(people) });
});

type Ask = Partial<SelectObjectContentCommandInput>;

async function select(Key: string, Expression: string, ask: Ask = {}) {
  const json = Key.startsWith('people') ? undefined : { JSON: { Type: Key === 'document' ? 'DOCUMENT' : 'LINES' } as const };
  const { Payload } = await s3.selectObjectContent({
    ...{ Bucket, Key, Expression, ExpressionType: 'SQL' },
    InputSerialization: json ?? { CSV: { FileHeaderInfo: 'USE' } },
    OutputSerialization: { JSON: {} },
    ...ask,
  });
  let text = '';
  const kinds: string[] = [];
  const seen: { stats?: object | undefined } = {};
  for await (const event of Payload ?? []) {
    kinds.push(Object.keys(event)[0] ?? '');
    if (event.Records !== undefined) text += Buffer.from(event.Records.Payload ?? '').toString();
    if (event.Stats !== undefined) seen.stats = event.Stats.Details;
  }
  return { text, kinds, stats: seen.stats };
}

const rows = async (key: string, query: string, ask: Ask = {}): Promise<unknown[]> =>
  (await select(key, query, ask)).text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as unknown);

describe('a query over CSV', () => {
  test('gives the rows that it asks for, and tells what it has read', async () => {
    const found = await select('people', "SELECT s.name, s.note FROM S3Object s WHERE s.city = 'Oulu' AND s.age > 30");
    expect(found.text).toBe('{"name":"Ann","note":"a, b"}\n{"name":"Åke","note":""}\n');
    expect(found.kinds).toEqual(['Records', 'Stats', 'End']);
    const bytes = Buffer.byteLength(people);
    expect(found.stats).toEqual({ BytesScanned: bytes, BytesProcessed: bytes, BytesReturned: Buffer.byteLength(found.text) });
    const watched = await select('people', 'SELECT * FROM S3Object LIMIT 1', { RequestProgress: { Enabled: true } });
    expect(watched.kinds).toEqual(['Records', 'Progress', 'Stats', 'End']);
    expect(watched.text).toBe('{"name":"Ann","city":"Oulu","age":"31","note":"a, b"}\n');
    const none = await select('people', "SELECT * FROM S3Object WHERE name = 'Nobody'");
    expect([none.text, none.kinds]).toEqual(['', ['Stats', 'End']]);
  });

  test('knows columns by place, other delimiters, gzip, and writes CSV', async () => {
    const CSV = { FileHeaderInfo: 'IGNORE' } as const;
    expect(await rows('people', 'SELECT _1 FROM S3Object', { InputSerialization: { CSV } })).toHaveLength(3);
    const whole = await rows('people', 'SELECT s._2 FROM S3Object s', { InputSerialization: { CSV: {} } });
    expect(whole[0]).toEqual({ _2: 'city' });
    const OutputSerialization = { CSV: { FieldDelimiter: ';' } };
    const written = await select('people', 'SELECT note, name FROM S3Object', { OutputSerialization });
    expect(written.text).toBe('a, b;Ann\n"say ""hi""";Bob\n;Åke\n');
    const always = await select('people', 'SELECT name FROM S3Object', {
      OutputSerialization: { CSV: { QuoteFields: 'ALWAYS' } },
    });
    expect(always.text).toBe('"Ann"\n"Bob"\n"Åke"\n');
    const InputSerialization = { CSV: { FileHeaderInfo: 'USE' }, CompressionType: 'GZIP' } as const;
    expect(await rows('people.gz', 'SELECT COUNT(*) AS n FROM S3Object', { InputSerialization })).toEqual([{ n: 3 }]);
    await s3.putObject({ Bucket, Key: 'people-2', Body: "a|'x|y'|'line\none'~b|z|w~" });
    const odd = { FieldDelimiter: '|', RecordDelimiter: '~', QuoteCharacter: "'", AllowQuotedRecordDelimiter: true };
    expect(await rows('people-2', 'SELECT _2, _3 FROM S3Object', { InputSerialization: { CSV: odd } })).toEqual([
      { _2: 'x|y', _3: 'line\none' },
      { _2: 'z', _3: 'w' },
    ]);
  });

  test('sums up, and reads only the records of a range', async () => {
    const sums =
      'SELECT COUNT(*), SUM(CAST(age AS INT)) AS total, AVG(age) AS mean, MIN(age) AS least, MAX(age) AS most FROM S3Object';
    expect(await rows('people', sums)).toEqual([{ _1: 3, total: 103, mean: 103 / 3, least: 27, most: 45 }]);
    const some = "SELECT COUNT(name) AS n FROM S3Object WHERE city LIKE 'T%'";
    expect(await rows('people', some)).toEqual([{ n: 1 }]);
    const csv = { InputSerialization: { CSV: {} } };
    const second = people.indexOf('Ann');
    const range = { ...csv, ScanRange: { Start: 1, End: second } };
    expect(await rows('people', 'SELECT _1 FROM S3Object', range)).toEqual([{ _1: 'Ann' }]);
    const last = { ...csv, ScanRange: { End: 12 } };
    expect(await rows('people', 'SELECT _2 FROM S3Object', last)).toEqual([]);
    expect(await rows('people', 'SELECT _2 FROM S3Object', { ...csv, ScanRange: { End: 18 } })).toEqual([{ _2: 'Oulu' }]);
  });
});

describe('a query over JSON', () => {
  test('reads lines and documents by paths', async () => {
    expect(await rows('lines', 'SELECT s.tags[0] AS first, s.at.x FROM S3Object s')).toEqual([{ first: 'a', x: 2.5 }, {}, {}]);
    expect(await rows('lines', 'SELECT * FROM S3Object s WHERE s.name IS NULL AND s.name IS NOT MISSING')).toEqual([
      { id: 3, name: null },
    ]);
    expect(await rows('document', 'SELECT s.id FROM S3Object[*].rules[*] s WHERE s."on" = true')).toEqual([{ id: 'one' }]);
    expect(await rows('document', 'SELECT id FROM S3Object[*].rules[*].id')).toEqual([{ id: 'one' }, {}, { id: 'three' }]);
    expect(await rows('document', 'SELECT d.name, d.rules[2] AS r FROM S3Object[*] d')).toEqual([
      { name: 'doc', r: { id: 'three', on: false } },
    ]);
  });

  test.each([
    ["CASE WHEN id = 1 THEN 'one' ELSE 'more' END", 'one'],
    ["UPPER(TRIM(BOTH 'x' FROM 'xabcx'))", 'ABC'],
    ["SUBSTRING('hello' FROM 2 FOR 3)", 'ell'],
    ["CHAR_LENGTH('åäö')", 3],
    ['COALESCE(nothing, 7)', 7],
    ['NULLIF(id, 1)', null],
    ["CAST('12.7' AS INT) + 2 * 3", 18],
    ['7 / 2', 3],
    ['7.0 % 4', 3],
    ["'a_b' LIKE 'a\\_%' ESCAPE '\\'", true],
    ['id IN (5, 1)', true],
    ['id NOT BETWEEN 2 AND 3', true],
    ["EXTRACT(YEAR FROM TO_TIMESTAMP('2026-11-21T10:00:00Z'))", 2026],
    ["DATE_DIFF(month, TO_TIMESTAMP('2026-01-31T'), TO_TIMESTAMP('2026-03-01T'))", 1],
    ["DATE_ADD(month, 1, TO_TIMESTAMP('2026-01-31T'))", '2026-02-28T00:00:00.000Z'],
    ['nothing = 1 OR NOT false', true],
  ])('%s', async (expression, value) => {
    expect(await rows('lines', `SELECT ${expression} AS v FROM S3Object LIMIT 1`)).toEqual([{ v: value }]);
  });
});

test('queries that cannot be are refused', async () => {
  const bad = (query: string, code: string, text?: string | RegExp, ask: Ask = {}, key = 'people') =>
    refused(select(key, query, ask), code, text, 400);
  await bad('SELECT name', 'ParseSelectMissingFrom', 'The SELECT clause is missing a FROM clause.');
  await bad('SELECT name FROM People', 'InvalidDataSource');
  await bad('SELECT name FROM S3Object WHERE (age > 3', 'ParseUnexpectedToken', /^Unexpected token found END/);
  await bad('SELECT age FROM S3Object GROUP BY age', 'ParseUnexpectedToken');
  await bad('SELECT ? FROM S3Object', 'LexerInvalidChar');
  await bad('SELECT SQRT(age) FROM S3Object', 'UnsupportedFunction', 'Encountered an unsupported SQL function: SQRT.');
  await bad('SELECT name, COUNT(*) FROM S3Object', 'ParseUnsupportedSyntax');
  await bad('SELECT height FROM S3Object', 'MissingHeaders');
  await bad('SELECT CAST(name AS INT) FROM S3Object', 'CastFailed');
  await bad('SELECT 1/0 FROM S3Object', 'EvaluatorDivideByZero');
  await bad(`SELECT ${'('.repeat(500)}1 FROM S3Object`, 'ExpressionTooLong');
  await bad(`SELECT 1${' + 1'.repeat(50_000)} FROM S3Object`, 'ExpressionTooLong', 'The SQL expression has too many operators.');
  const any = 'SELECT * FROM S3Object';
  await bad(any, 'InvalidExpressionType', undefined, { ExpressionType: 'XQUERY' as 'SQL' });
  await bad(any, 'InvalidCompressionFormat', undefined, { InputSerialization: { CSV: {}, CompressionType: 'GZIP' } });
  await bad(any, 'InvalidDataSource', undefined, { InputSerialization: {} });
  await bad(any, 'JSONParsingError', undefined, { InputSerialization: { JSON: { Type: 'LINES' } } });
  const ScanRange = { Start: 5, End: 1 };
  await bad(any, 'InvalidScanRange', 'The provided scan range is not valid.', { ScanRange });
  const document1 = { ScanRange: { Start: 0, End: 1 } };
  await bad(any, 'UnsupportedScanRangeInput', undefined, document1, 'document');
  await refused(select('people', any, { InputSerialization: { Parquet: {} } }), 'NotImplemented', /Parquet/, 501);
  await refused(select('absent', any), 'NoSuchKey', undefined, 404);
  await s3.putObject({ Bucket, Key: 'people-long', Body: `a\n${'x'.repeat(1_100_000)}\n` });
  await bad(
    'SELECT _1 FROM S3Object',
    'OverMaxRecordSize',
    undefined,
    { InputSerialization: { CSV: { FileHeaderInfo: 'IGNORE' } } },
    'people-long',
  );
});

test('what fails in the middle ends the stream with an error', async () => {
  const many = Array.from({ length: 30_000 }, (_, index) => `row-${index},${index === 29_000 ? 'none' : index}`);
  await s3.putObject({ Bucket, Key: 'people-many', Body: `name,n\n${many.join('\n')}\n` });
  const query = 'SELECT name, CAST(n AS INT) AS n FROM S3Object';
  const { Payload } = await s3.selectObjectContent({
    ...{ Bucket, Key: 'people-many', Expression: query, ExpressionType: 'SQL' },
    InputSerialization: { CSV: { FileHeaderInfo: 'USE' } },
    OutputSerialization: { JSON: {} },
  });
  let records = 0;
  const read = (async () => {
    for await (const event of Payload ?? []) if (event.Records !== undefined) records += 1;
  })();
  await expect(read).rejects.toThrow(/CAST failed/);
  expect(records).toBeGreaterThan(0);
  const fine = await select('people-many', 'SELECT name FROM S3Object WHERE n > 29000');
  expect(fine.text.split('\n')).toHaveLength(1000);
});
