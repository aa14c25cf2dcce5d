/** Keys, paths, lengths and digests that nobody sends by accident, and uploads of as many parts as there can be. */
import { createHash } from 'node:crypto';
import http from 'node:http';
import type { ListPartsCommandOutput, S3 } from '@aws-sdk/client-s3';
import { describe, expect, inject, test } from 'vitest';
import { freshAccount, refused } from '../../support/cloud.ts';
import { sendSigned } from '../../support/raw.ts';
import { clientOf, freshBucket, freshName, type TestBucket, textOf } from './support.ts';

/** The general categories of Unicode, but halves of pairs, which are no text, and what is not assigned. */
const categories = 'Lu Ll Lt Lm Lo Mn Mc Me Nd Nl No Pc Pd Ps Pe Pi Pf Po Sm Sc Sk So Zs Zl Zp Cc Cf Co'
  .split(' ')
  .map((name) => ({
    name,
    pattern: new RegExp(`\\p{${name}}`, 'u'),
  }));

/** Of each category the first character, and the first beyond the basic plane where it has one. */
function specimens(): string[] {
  const found = new Map<string, string>();
  for (let code = 1; code <= 0x10ffff; code += 1) {
    if (code >= 0xd800 && code <= 0xdfff) continue;
    // Most of what lies beyond the first planes is private or not assigned.
    if (code === 0x32000) code = 0xe0001;
    const character = String.fromCodePoint(code);
    for (const { name, pattern } of categories) {
      const place = `${name}${code > 0xffff ? ' beyond' : ''}`;
      if (!found.has(place) && pattern.test(character)) found.set(place, character);
    }
  }
  return [...found.values(), '\ufffe', '\uffff', '\u{1ffff}', '\u{10ffff}'];
}

const byBytes = (a: string, b: string): number => Buffer.compare(Buffer.from(a), Buffer.from(b));

test('a key may hold characters of every class of Unicode, and a listing orders them by their bytes', async () => {
  const { s3, Bucket } = await freshBucket();
  const keys = specimens().map((character) => `k${character}/${character}`);
  expect(keys.length).toBeGreaterThan(45);
  await Promise.all(keys.map((Key) => s3.putObject({ Bucket, Key, Body: Key })));
  const listed = await s3.listObjectsV2({ Bucket, EncodingType: 'url' });
  const decoded = listed.Contents?.map(({ Key = '' }) => decodeURIComponent(Key.replaceAll('+', ' ')));
  expect(decoded).toEqual([...keys].sort(byBytes));
  for (const Key of keys) expect(await textOf(s3, { Bucket, Key })).toBe(Key);
  const rolled = await s3.listObjectsV2({ Bucket, Delimiter: '/', EncodingType: 'url' });
  expect(rolled.CommonPrefixes).toHaveLength(new Set(keys.map((key) => key.split('/')[0])).size);
  for (let page = 0, after: string | undefined; page < 100; page += 1) {
    const one = await s3.listObjectsV2({ Bucket, MaxKeys: 7, EncodingType: 'url', ContinuationToken: after });
    const at = page * 7;
    expect(one.Contents?.map(({ Key = '' }) => decodeURIComponent(Key.replaceAll('+', ' ')))).toEqual(decoded?.slice(at, at + 7));
    after = one.NextContinuationToken;
    if (after === undefined) break;
  }
  // XML has no way to say control characters and the like: those go one by one.
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are the point
  const sayable = keys.filter((key) => !/[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]/.test(key));
  const { Deleted } = await s3.deleteObjects({ Bucket, Delete: { Objects: sayable.map((Key) => ({ Key })) } });
  expect(Deleted).toHaveLength(sayable.length);
  for (const Key of keys.filter((key) => !sayable.includes(key))) await s3.deleteObject({ Bucket, Key });
  expect((await s3.listObjectsV2({ Bucket })).KeyCount).toBe(0);
}, 30_000);

/** Sends a path as it is, without anybody's tidying up, and without a signature. */
function sendPath(method: string, path: string, body = ''): Promise<{ status: number; body: string }> {
  const { hostname, port } = new URL(inject('endpoint'));
  return new Promise((resolve, reject) => {
    const request = http.request({ hostname, port, method, path, agent: false }, (answer) => {
      let text = '';
      answer.setEncoding('utf8').on('data', (chunk: string) => {
        text += chunk;
      });
      answer.on('end', () => resolve({ status: answer.statusCode ?? 0, body: text }));
    });
    request.on('error', reject).end(body);
  });
}

describe('a path', () => {
  async function openBucket(): Promise<TestBucket> {
    const at = await freshBucket();
    await at.s3.deletePublicAccessBlock({ Bucket: at.Bucket });
    const Statement = [{ Effect: 'Allow', Principal: '*', Action: 's3:*', Resource: `arn:aws:s3:::${at.Bucket}/*` }];
    await at.s3.putBucketPolicy({ Bucket: at.Bucket, Policy: JSON.stringify({ Version: '2012-10-17', Statement }) });
    return at;
  }

  test.each([
    ['..', '/../', '../'],
    ['an escaped ..', '/%2e%2e/', '../'],
    ['an escaped slash', '/..%2f', '../'],
    ['a backslash', '/..%5c', '..\\'],
    ['more of them', '/x/../../', 'x/../../'],
    ['an empty part', '//../', '/../'],
  ])('with %s leads to a key of that name, never out of its bucket', async (_what, trick, meant) => {
    const { s3, Bucket } = await openBucket();
    const other = await freshBucket();
    await other.s3.putObject({ Bucket: other.Bucket, Key: 'secret', Body: 'secret' });
    const path = `/${Bucket}${trick}${other.Bucket}/secret`;
    const answer = await sendPath('GET', path);
    expect(answer.body).not.toContain('<Code>NoSuchBucket');
    expect([answer.status === 200, answer.body.includes('>secret<') || answer.body === 'secret']).toEqual([false, false]);
    expect((await sendPath('PUT', path, 'mine')).status).toBe(200);
    expect(await textOf(s3, { Bucket, Key: `${meant}${other.Bucket}/secret` })).toBe('mine');
    expect(await textOf(other.s3, { Bucket: other.Bucket, Key: 'secret' })).toBe('secret');
  });

  test('that is broken is refused and changes nothing', async () => {
    const { s3, Bucket } = await openBucket();
    for (const path of [`/${Bucket}/%`, `/${Bucket}/%zz`, `/${Bucket}/%ff%fe`, `/${Bucket}/%c0%ae`]) {
      const answer = await sendPath('PUT', path, 'x');
      expect([path, answer.status, answer.body]).toEqual([path, 400, expect.stringContaining('<Code>InvalidURI</Code>')]);
    }
    expect((await s3.listObjectsV2({ Bucket })).KeyCount).toBe(0);
  });
});

describe('a body', () => {
  const sha256 = (text: string): string => createHash('sha256').update(text).digest('base64');

  test.each([
    ['x-amz-checksum-sha256', sha256('other'), 'BadDigest'],
    ['x-amz-checksum-sha1', createHash('sha1').update('other').digest('base64'), 'BadDigest'],
    ['x-amz-checksum-crc32', 'AAAAAA==', 'BadDigest'],
    ['x-amz-checksum-crc32c', 'AAAAAA==', 'BadDigest'],
    ['x-amz-checksum-crc64nvme', 'AAAAAAAAAAA=', 'BadDigest'],
    ['x-amz-checksum-sha256', 'no digest', 'InvalidRequest'],
    ['content-md5', 'AAAAAAAAAAAAAAAAAAAAAA==', 'BadDigest'],
  ])('with %s of %s leaves what was there, in one request and in parts', async (header, value, code) => {
    const { s3, Bucket, account } = await freshBucket();
    await s3.putObject({ Bucket, Key: 'k', Body: 'before' });
    const put = { service: 's3', account: account.id, method: 'PUT', path: `/${Bucket}/k`, headers: { [header]: value } };
    for (const body of ['body', 'large '.repeat(20_000)]) {
      const answer = await sendSigned({ ...put, body });
      expect([answer.status, answer.body]).toEqual([400, expect.stringContaining(`<Code>${code}</Code>`)]);
    }
    expect(await textOf(s3, { Bucket, Key: 'k' })).toBe('before');
    const { UploadId = '' } = await s3.createMultipartUpload({ Bucket, Key: 'k' });
    const part = await sendSigned({ ...put, query: { partNumber: '1', uploadId: UploadId }, body: 'part' });
    expect([part.status, part.body]).toEqual([400, expect.stringContaining(`<Code>${code}</Code>`)]);
    expect((await s3.listParts({ Bucket, Key: 'k', UploadId })).Parts ?? []).toEqual([]);
  });

  test.each([
    ['more', 9, 'IncompleteBody'],
    ['less', 1, 'IncompleteBody'],
  ])('in chunks that announces %s than it brings leaves nothing', async (_what, announced, code) => {
    const { s3, Bucket, account } = await freshBucket();
    const headers = {
      'x-amz-content-sha256': 'STREAMING-UNSIGNED-PAYLOAD-TRAILER',
      'content-encoding': 'aws-chunked',
      'x-amz-decoded-content-length': String(announced),
      'x-amz-trailer': 'x-amz-checksum-crc32',
    };
    const body = '4\r\nbody\r\n0\r\nx-amz-checksum-crc32:2IWLIw==\r\n\r\n';
    const answer = await sendSigned({ service: 's3', account: account.id, method: 'PUT', path: `/${Bucket}/k`, headers, body });
    expect([answer.status, answer.body]).toEqual([400, expect.stringContaining(`<Code>${code}</Code>`)]);
    await refused(s3.headObject({ Bucket, Key: 'k' }), 'NotFound', undefined, 404);
  });
});

/** Puts part by part over a few connections, unsigned: what is measured here is not signing. */
async function sendParts(path: (number: number) => string, numbers: readonly number[]): Promise<Map<number, string>> {
  const { hostname, port } = new URL(inject('endpoint'));
  const agent = new http.Agent({ keepAlive: true, maxSockets: 16 });
  const etags = new Map<number, string>();
  const send = (number: number): Promise<void> =>
    new Promise((resolve, reject) => {
      const request = http.request({ hostname, port, method: 'PUT', path: path(number), agent }, (answer) => {
        etags.set(number, String(answer.headers.etag));
        answer.resume().on('end', () => (answer.statusCode === 200 ? resolve() : reject(new Error(String(answer.statusCode)))));
      });
      request.on('error', reject).end(`part ${number}`);
    });
  const waiting = [...numbers];
  const sender = async (): Promise<void> => {
    for (let number = waiting.pop(); number !== undefined; number = waiting.pop()) await send(number);
  };
  await Promise.all(Array.from({ length: 16 }, sender));
  agent.destroy();
  return etags;
}

async function partNumbers(s3: S3, input: { Bucket: string; Key: string; UploadId: string }): Promise<(number | undefined)[]> {
  const found: (number | undefined)[] = [];
  for (let marker: string | undefined = '0'; marker !== undefined; ) {
    const page: ListPartsCommandOutput = await s3.listParts({ ...input, PartNumberMarker: marker });
    found.push(...(page.Parts ?? []).map(({ PartNumber }) => PartNumber));
    marker = page.IsTruncated === true ? page.NextPartNumberMarker : undefined;
  }
  return found;
}

test('ten thousand parts come in any order, are listed in order, and are told that they are too small', async () => {
  const account = freshAccount();
  const [s3, Bucket, Key] = [clientOf(account), freshName(account), 'k'];
  await s3.createBucket({ Bucket });
  await s3.deletePublicAccessBlock({ Bucket });
  const Statement = [{ Effect: 'Allow', Principal: '*', Action: 's3:PutObject', Resource: `arn:aws:s3:::${Bucket}/*` }];
  await s3.putBucketPolicy({ Bucket, Policy: JSON.stringify({ Version: '2012-10-17', Statement }) });
  const { UploadId = '' } = await s3.createMultipartUpload({ Bucket, Key });
  const numbers = Array.from({ length: 10_000 }, (_, index) => index + 1);
  // 7,919 is a prime: every number once, and no two neighbours in turn.
  const shuffled = numbers.map((number) => ((number * 7919) % 10_000) + 1);
  const path = (number: number): string => `/${Bucket}/${Key}?partNumber=${number}&uploadId=${encodeURIComponent(UploadId)}`;
  const etags = await sendParts(path, shuffled);
  expect(etags.size).toBe(10_000);
  expect(await partNumbers(s3, { Bucket, Key, UploadId })).toEqual(numbers);
  const partsOf = (list: readonly number[]) => list.map((PartNumber) => ({ PartNumber, ETag: etags.get(PartNumber) }));
  const complete = (list: readonly number[]) =>
    s3.completeMultipartUpload({ Bucket, Key, UploadId, MultipartUpload: { Parts: partsOf(list) } });
  const small = await refused(complete(numbers), 'EntityTooSmall', undefined, 400);
  expect(small).toMatchObject({ PartNumber: '1', ProposedSize: '6', MinSizeAllowed: '5242880' });
  await refused(complete(shuffled), 'InvalidPartOrder', undefined, 400);
  await refused(complete([...numbers, 10_000]), 'MalformedXML', undefined, 400);
  // Nothing of that was lost: the last part alone is an object, and the others go.
  await complete([10_000]);
  expect(await textOf(s3, { Bucket, Key })).toBe('part 10000');
  await refused(s3.listParts({ Bucket, Key, UploadId }), 'NoSuchUpload', undefined, 404);
}, 90_000);
