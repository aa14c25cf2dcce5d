/**
 * SelectObjectContent: a query over one object, answered as a stream of events while the object is read ("Filtering and retrieving data using Amazon S3
 * Select"). CSV and JSON, plain or under gzip; Parquet and bzip2 are refused by name.
 */
import { Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';
import type {
  CSVOutput,
  InputSerialization,
  OutputSerialization,
  S3,
  SelectObjectContentEventStream,
  SelectObjectContentRequest,
} from '@aws-sdk/client-s3';
import { AwsError, parameterNotImplemented } from '../../../kernel/errors.ts';
import type { AuthorisationsOf, HandlersOf } from '../../../kernel/service.ts';
import { readChecks } from '../access/checks.ts';
import { openContents } from '../contents.ts';
import { noSuchKey, s3Error } from '../errors.ts';
import { requireBucket, requireVersion } from '../lookup.ts';
import { checkReadable } from '../objects/get.ts';
import { openSeal } from '../sealing.ts';
import { type Data, textOf } from './evaluate.ts';
import { aggregatesOf, type Row, runQuery } from './query.ts';
import { csvRecords, jsonDocument, jsonLines, readCsvForm, recordCharactersMax } from './records.ts';
import { type Expression, parseQuery, type Query } from './sql.ts';

const expressionBytesMax = 262_144;
/** Bytes of one event of records. */
const eventBytes = 131_072;

interface Counts {
  scanned: number;
  processed: number;
  returned: number;
}

function checkRequest(input: SelectObjectContentRequest): void {
  const { InputSerialization: from, OutputSerialization: to, Expression: expression = '', ScanRange: range } = input;
  if (input.ExpressionType !== 'SQL')
    throw s3Error('InvalidExpressionType', 'The ExpressionType is not valid. Only SQL expressions are supported.', 400);
  if (Buffer.byteLength(expression) > expressionBytesMax)
    throw s3Error(
      'ExpressionTooLong',
      'The SQL expression is too long. The maximum byte-length for an SQL expression is 256 KB.',
      400,
    );
  if (from?.Parquet !== undefined) throw parameterNotImplemented('SelectObjectContent', 'InputSerialization.Parquet');
  const compression = from?.CompressionType ?? 'NONE';
  if (compression === 'BZIP2') throw parameterNotImplemented('SelectObjectContent', 'InputSerialization.CompressionType BZIP2');
  if (compression !== 'NONE' && compression !== 'GZIP')
    throw s3Error(
      'InvalidCompressionFormat',
      'The file is not in a supported compression format. Only GZIP and BZIP2 are supported.',
      400,
    );
  const formats = [from?.CSV, from?.JSON].filter((one) => one !== undefined).length;
  if (formats !== 1)
    throw s3Error(
      'InvalidDataSource',
      'Exactly one of CSV, JSON, and Parquet must be specified in the InputSerialization element.',
      400,
    );
  if ([to?.CSV, to?.JSON].filter((one) => one !== undefined).length !== 1)
    throw s3Error(
      'InvalidRequestParameter',
      'Exactly one of CSV and JSON must be specified in the OutputSerialization element.',
      400,
    );
  const type = from?.JSON?.Type;
  if (from?.JSON !== undefined && type !== 'DOCUMENT' && type !== 'LINES')
    throw s3Error('InvalidJsonType', 'The JsonType is not valid. Only DOCUMENT and LINES are supported.', 400);
  if (range === undefined) return;
  const whole = type === 'DOCUMENT' || compression !== 'NONE' || from?.CSV?.AllowQuotedRecordDelimiter === true;
  if (whole) throw s3Error('UnsupportedScanRangeInput', 'Scan range queries are not supported on this type of object.', 400);
  const { Start: start, End: end } = range;
  const bad =
    (start === undefined && end === undefined) || (start ?? 0) < 0 || (end ?? 0) < 0 || (end ?? Infinity) < (start ?? 0);
  if (bad) throw s3Error('InvalidScanRange', 'The provided scan range is not valid.', 400);
}

/** Counts what passes. */
async function* counted(pieces: AsyncIterable<Uint8Array>, count: (bytes: number) => void): AsyncGenerator<Uint8Array> {
  for await (const piece of pieces) {
    count(piece.byteLength);
    yield piece;
  }
}

async function* expanded(pieces: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  try {
    yield* Readable.from(pieces).pipe(createGunzip()) as AsyncIterable<Uint8Array>;
  } catch (error) {
    if (error instanceof AwsError) throw error;
    const text = 'The GZIP file is not valid. Please check the file and try again.';
    throw s3Error('InvalidCompressionFormat', text, 400);
  }
}

function recordsOf(
  bytes: AsyncIterable<Uint8Array>,
  from: InputSerialization | undefined,
  input: SelectObjectContentRequest,
  size: number,
): AsyncIterable<Data> {
  if (from?.CSV !== undefined) return csvRecords(bytes, readCsvForm(from.CSV), input.ScanRange, size);
  return from?.JSON?.Type === 'DOCUMENT' ? jsonDocument(bytes) : jsonLines(bytes, input.ScanRange, size);
}

/** Throws MissingHeaders when the query names columns that a CSV file has not. */
async function* checkedColumns(records: AsyncIterable<Data>, query: Query): AsyncGenerator<Data> {
  const named = columnsOf(query);
  let checked = false;
  for await (const record of records) {
    if (!checked) {
      const known = new Set(Object.keys(record as object).map((name) => name.toLowerCase()));
      const missing = named.some((name) => !known.has(name.toLowerCase()) && !/^_\d+$/.test(name));
      if (missing) {
        const text = 'Some headers in the query are missing from the file. Please check the file and try again.';
        throw s3Error('MissingHeaders', text, 400);
      }
      checked = true;
    }
    yield record;
  }
}

/** Names of the columns that a query reads. */
function columnsOf({ projections = [], where, alias }: Query): string[] {
  const names: string[] = [];
  const sources = new Set(['s3object', alias?.toLowerCase()]);
  const visit = (value: unknown): void => {
    if (typeof value !== 'object' || value === null) return;
    const { kind, steps = [] } = value as Expression & { kind: 'column' };
    if (kind !== 'column') {
      for (const inner of Object.values(value)) visit(inner);
      return;
    }
    const members = steps.flatMap((step) => ('member' in step ? [step.member] : []));
    const [first = '', second] = members;
    const name = sources.has(first.toLowerCase()) ? second : first;
    if (name !== undefined) names.push(name);
  };
  for (const { expression } of projections ?? []) visit(expression);
  visit(where);
  return names;
}

/** How a row is written. */
function rowWriter({ CSV: csv, JSON: json }: OutputSerialization): (row: Row) => string {
  if (csv === undefined) {
    const delimiter = json?.RecordDelimiter ?? '\n';
    return (row) => `${JSON.stringify(Object.fromEntries(row))}${delimiter}`;
  }
  const { FieldDelimiter: field = ',', RecordDelimiter: record = '\n' } = csv;
  return (row) => `${row.map(([, value]) => quoted(textOf(value), csv)).join(field)}${record}`;
}

function quoted(text: string, csv: CSVOutput): string {
  const { QuoteFields: when = 'ASNEEDED', QuoteCharacter: quote = '"', QuoteEscapeCharacter: mark = '"' } = csv;
  const { FieldDelimiter: field = ',', RecordDelimiter: record = '\n' } = csv;
  const needed = when === 'ALWAYS' || [quote, field, record].some((one) => one !== '' && text.includes(one));
  return needed ? `${quote}${text.replaceAll(quote, () => mark + quote)}${quote}` : text;
}

async function* eventsOf(
  rows: AsyncIterable<Row>,
  write: (row: Row) => string,
  counts: Counts,
  progress: boolean,
): AsyncGenerator<SelectObjectContentEventStream> {
  let held: string[] = [];
  let size = 0;
  const flush = (): SelectObjectContentEventStream => {
    const Payload = Buffer.from(held.join(''));
    counts.returned += Payload.byteLength;
    [held, size] = [[], 0];
    return { Records: { Payload } };
  };
  for await (const row of rows) {
    const text = write(row);
    if (text.length > recordCharactersMax)
      throw s3Error(
        'OverMaxRecordSize',
        'The length of a record in the input or result is greater than the maxCharsPerRecord limit of 1 MB.',
        400,
      );
    held.push(text);
    size += text.length;
    if (size >= eventBytes) yield flush();
  }
  if (held.length > 0) yield flush();
  const Details = { BytesScanned: counts.scanned, BytesProcessed: counts.processed, BytesReturned: counts.returned };
  if (progress) yield { Progress: { Details } };
  yield { Stats: { Details } };
  yield { End: {} };
}

/** The same events; what is wrong before the first of them is thrown now, for an answer of its own. */
async function begun<T>(events: AsyncGenerator<T>): Promise<AsyncIterable<T>> {
  const first = await events.next();
  return {
    async *[Symbol.asyncIterator]() {
      if (first.done === true) return;
      yield first.value;
      yield* events;
    },
  };
}

export const selectHandlers: HandlersOf<S3> = {
  async SelectObjectContent(input, ctx) {
    const bucket = await requireBucket(ctx, input);
    checkRequest(input);
    const query = parseQuery(input.Expression ?? '');
    aggregatesOf(query);
    const row = await requireVersion(ctx, { Bucket: input.Bucket, Key: input.Key });
    await checkReadable(ctx, row);
    const key = row.seal === undefined ? new Uint8Array() : await openSeal(ctx, bucket.region, row.seal, input);
    const open = row.bytes === 0 ? undefined : await openContents(ctx, row.contents ?? [], key, 0, row.bytes);
    if (open === undefined && row.bytes > 0) throw noSuchKey(row.key);
    const { InputSerialization: from, OutputSerialization: to = {} } = input;
    const counts: Counts = { scanned: 0, processed: 0, returned: 0 };
    const read = counted(open?.pieces ?? nothing(), (bytes) => {
      counts.scanned += bytes;
    });
    const plain = counted(from?.CompressionType === 'GZIP' ? expanded(read) : read, (bytes) => {
      counts.processed += bytes;
    });
    const records = recordsOf(plain, from, input, row.bytes);
    const rows = runQuery(query, from?.CSV === undefined ? records : checkedColumns(records, query), ctx.now);
    const events = eventsOf(rows, rowWriter(to), counts, input.RequestProgress?.Enabled === true);
    return { Payload: await begun(events) };
  },
};

async function* nothing(): AsyncGenerator<Uint8Array> {
  // An empty object has no bytes.
}

export const selectChecks: AuthorisationsOf<S3> = {
  SelectObjectContent: (input, ctx) => readChecks(ctx, { ...input, VersionId: undefined }, 's3:GetObject'),
};
