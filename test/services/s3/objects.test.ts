/** Objects: bytes, metadata, conditions, ranges, checksums, copies. */
import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import { crc32 } from 'node:zlib';
import { getSignedUrl } from '@aws-sdk/s3-request-presigner';
import { GetObjectCommand, PutObjectCommand } from '@aws-sdk/client-s3';
import { beforeAll, describe, expect, test } from 'vitest';
import { freshAccount, refused } from '../../support/cloud.ts';
import { sendSigned } from '../../support/raw.ts';
import { clientOf, freshBucket, type TestBucket, textOf } from './support.ts';

let at: TestBucket;
beforeAll(async () => {
  at = await freshBucket();
});

const noKey = 'The specified key does not exist.';

describe('an object', () => {
  test('S3-001 is data and metadata under a key', async () => {
    const { s3, Bucket } = at;
    const bytes = Buffer.from(Array.from({ length: 1000 }, (_, index) => index % 256));
    const { ETag } = await s3.putObject({ Bucket, Key: 'data', Body: bytes, Metadata: { a: '1' }, ContentType: 'x/y' });
    expect(ETag).toBe(`"${createHash('md5').update(bytes).digest('hex')}"`);
    const got = await s3.getObject({ Bucket, Key: 'data' });
    expect(Buffer.from((await got.Body?.transformToByteArray()) ?? [])).toEqual(bytes);
    expect(got).toMatchObject({ Metadata: { a: '1' }, ETag, ContentLength: 1000, ContentType: 'x/y' });
    const head = await s3.headObject({ Bucket, Key: 'data' });
    expect(head).toMatchObject({ Metadata: { a: '1' }, ETag, ContentLength: 1000, ContentType: 'x/y' });
    await refused(s3.getObject({ Bucket, Key: 'other' }), 'NoSuchKey', noKey, 404);
    await refused(s3.headObject({ Bucket, Key: 'other' }), 'NotFound', undefined, 404);
  });

  test('S3-003 lies in a flat space of keys', async () => {
    const { s3, Bucket } = await freshBucket();
    await s3.putObject({ Bucket, Key: 'a/b/1.txt', Body: 'one' });
    expect(await textOf(s3, { Bucket, Key: 'a/b/1.txt' })).toBe('one');
    const listed = await s3.listObjectsV2({ Bucket, Delimiter: '/' });
    expect(listed.CommonPrefixes).toEqual([{ Prefix: 'a/' }]);
    expect(listed.Contents ?? []).toEqual([]);
    await s3.deleteObject({ Bucket, Key: 'a/' });
    expect(await textOf(s3, { Bucket, Key: 'a/b/1.txt' })).toBe('one');
  });

  test.each([
    ['dots', '../../etc/passwd'],
    ['a dot', './x/./y'],
    ['slashes', '//double//slash//'],
    ['spaces and signs', ' a b+c%d&e=f?g#h;i:j@k '],
    ['every ASCII sign', '!"#$%&\'()*+,-./:;<=>?@[\\]^_`{|}~'],
    ['accents', 'Ärger/façade/naïve'],
    ['other scripts', '日本語/עברית/العربية/हिन्दी'],
    ['what is beyond the basic plane', '😀/𝒳/\u{10ffff}'],
    ['combining letters', 'e\u0301 and \u00e9'],
    ['control characters', 'a\u0001b\u001fc\tnew\nline'],
    ['the longest', 'k'.repeat(1024)],
  ])('may have a key of %s', async (_what, Key) => {
    const { s3, Bucket } = await freshBucket();
    await s3.putObject({ Bucket, Key, Body: Key });
    expect(await textOf(s3, { Bucket, Key })).toBe(Key);
    const url = await s3.listObjectsV2({ Bucket, EncodingType: 'url' });
    expect(decodeURIComponent((url.Contents?.[0]?.Key ?? '').replaceAll('+', ' '))).toBe(Key);
    await s3.deleteObject({ Bucket, Key });
    expect((await s3.listObjectsV2({ Bucket })).KeyCount).toBe(0);
  });

  test('has a key of at most 1024 bytes and metadata of at most 2 KB', async () => {
    const { s3, Bucket } = at;
    await refused(s3.putObject({ Bucket, Key: 'ä'.repeat(513), Body: '' }), 'KeyTooLongError', 'Your key is too long', 400);
    await refused(
      s3.putObject({ Bucket, Key: 'k', Body: '', Metadata: { m: 'x'.repeat(2048) } }),
      'MetadataTooLarge',
      'Your metadata headers exceed the maximum allowed metadata size',
      400,
    );
  });

  test('is replaced by the next of its key, whole', async () => {
    const { s3, Bucket } = at;
    await s3.putObject({ Bucket, Key: 'again', Body: 'first', Metadata: { old: '1' }, CacheControl: 'no-store' });
    await s3.putObject({ Bucket, Key: 'again', Body: '' });
    const got = await s3.getObject({ Bucket, Key: 'again' });
    expect(await got.Body?.transformToString()).toBe('');
    expect([got.Metadata, got.CacheControl, got.ContentLength]).toEqual([{}, undefined, 0]);
  });

  test('keeps its headers, and a signed request may replace them in the answer', async () => {
    const { s3, Bucket } = at;
    const headers = {
      CacheControl: 'max-age=60',
      ContentDisposition: 'attachment; filename="x"',
      ContentEncoding: 'gzip',
      ContentLanguage: 'fi',
      ContentType: 'text/x',
      Expires: new Date('2030-01-01T00:00:00Z'),
    };
    await s3.putObject({ Bucket, Key: 'headers', Body: 'x', ...headers });
    expect(await s3.headObject({ Bucket, Key: 'headers' })).toMatchObject(headers);
    const changed = await s3.getObject({ Bucket, Key: 'headers', ResponseContentType: 'text/y', ResponseCacheControl: 'none' });
    expect(changed).toMatchObject({ ContentType: 'text/y', CacheControl: 'none', ContentLanguage: 'fi' });
  });

  test('S3-027 has a storage class', async () => {
    const { s3, Bucket } = await freshBucket();
    for (const StorageClass of [
      'STANDARD_IA',
      'ONEZONE_IA',
      'INTELLIGENT_TIERING',
      'GLACIER_IR',
      'GLACIER',
      'DEEP_ARCHIVE',
    ] as const) {
      await s3.putObject({ Bucket, Key: StorageClass, Body: 'x', StorageClass });
      expect((await s3.headObject({ Bucket, Key: StorageClass })).StorageClass).toBe(StorageClass);
    }
    await s3.putObject({ Bucket, Key: 'plain', Body: 'x' });
    expect((await s3.headObject({ Bucket, Key: 'plain' })).StorageClass).toBeUndefined();
    const listed = (await s3.listObjectsV2({ Bucket })).Contents ?? [];
    for (const { Key, StorageClass } of listed) expect(StorageClass).toBe(Key === 'plain' ? 'STANDARD' : Key);
    await refused(
      s3.putObject({ Bucket, Key: 'k', Body: 'x', StorageClass: 'FAST' as 'GLACIER' }),
      'InvalidStorageClass',
      'The storage class you specified is not valid',
      400,
    );
    await refused(
      s3.getObject({ Bucket, Key: 'GLACIER' }),
      'InvalidObjectState',
      "The operation is not valid for the object's storage class",
      403,
    );
  });
});

describe('a read', () => {
  const Key = 'digits';
  let ETag = '';
  beforeAll(async () => {
    ETag = (await at.s3.putObject({ Bucket: at.Bucket, Key, Body: '0123456789' })).ETag ?? '';
  });

  test.each([
    ['bytes=0-0', '0', 'bytes 0-0/10'],
    ['bytes=2-4', '234', 'bytes 2-4/10'],
    ['bytes=7-', '789', 'bytes 7-9/10'],
    ['bytes=-2', '89', 'bytes 8-9/10'],
    ['bytes=-99', '0123456789', 'bytes 0-9/10'],
    ['bytes=5-99', '56789', 'bytes 5-9/10'],
  ])('of range %s', async (Range, text, ContentRange) => {
    const got = await at.s3.getObject({ Bucket: at.Bucket, Key, Range });
    expect([await got.Body?.transformToString(), got.ContentRange, got.$metadata.httpStatusCode]).toEqual([
      text,
      ContentRange,
      206,
    ]);
  });

  test.each(['bytes=4-2', 'bytes=a-b', 'lines=1-2', 'bytes=0-1,3-4'])('of range %s is of the whole', async (Range) => {
    const got = await at.s3.getObject({ Bucket: at.Bucket, Key, Range });
    expect([await got.Body?.transformToString(), got.$metadata.httpStatusCode]).toEqual(['0123456789', 200]);
  });

  test.each(['bytes=10-', 'bytes=99-100', 'bytes=-0'])('of range %s is refused', async (Range) => {
    const error = await refused(
      at.s3.getObject({ Bucket: at.Bucket, Key, Range }),
      'InvalidRange',
      'The requested range is not satisfiable',
      416,
    );
    expect(error).toMatchObject({ ActualObjectSize: '10', RangeRequested: Range });
  });

  test('has conditions', async () => {
    const { s3, Bucket } = at;
    const early = new Date('2020-01-01');
    const late = new Date(Date.now() + 86_400_000);
    const other = '"0123"';
    const read = (condition: object) => s3.getObject({ Bucket, Key, ...condition });
    for (const condition of [
      { IfMatch: ETag },
      { IfNoneMatch: other },
      { IfModifiedSince: early },
      { IfUnmodifiedSince: late },
      { IfMatch: ETag, IfUnmodifiedSince: early },
      { IfNoneMatch: other, IfModifiedSince: late },
    ])
      expect((await read(condition)).ContentLength).toBe(10);
    const text = 'At least one of the pre-conditions you specified did not hold';
    await refused(read({ IfMatch: other }), 'PreconditionFailed', text, 412);
    await refused(read({ IfUnmodifiedSince: early }), 'PreconditionFailed', text, 412);
    for (const condition of [
      { IfNoneMatch: ETag },
      { IfNoneMatch: '*' },
      { IfModifiedSince: late },
      { IfNoneMatch: ETag, IfModifiedSince: early },
    ]) {
      const error = (await read(condition).catch((thrown: unknown) => thrown)) as { $metadata: { httpStatusCode: number } };
      expect(error.$metadata.httpStatusCode).toBe(304);
    }
  });

  test('by a presigned URL S3-006 needs no other credentials', async () => {
    const { s3, Bucket } = at;
    const url = await getSignedUrl(s3, new GetObjectCommand({ Bucket, Key }), { expiresIn: 60 });
    expect(await (await fetch(url)).text()).toBe('0123456789');
    const plain = await fetch(url.slice(0, url.indexOf('?')));
    expect([plain.status, await plain.text()]).toEqual([
      403,
      expect.stringContaining('<Code>AccessDenied</Code><Message>Access Denied</Message>'),
    ]);
    const changed = await fetch(url.replace(/.$/, (last) => (last === 't' ? 'u' : 't')));
    expect(changed.status).toBe(403);
    const put = await getSignedUrl(s3, new PutObjectCommand({ Bucket, Key: 'by-url' }), { expiresIn: 60 });
    expect((await fetch(put, { method: 'PUT', body: 'sent' })).status).toBe(200);
    expect(await textOf(s3, { Bucket, Key: 'by-url' })).toBe('sent');
  });
});

describe('a conditional write', () => {
  test('makes what is not there, or changes what is as expected', async () => {
    const { s3, Bucket } = at;
    const Key = 'conditional';
    const text = 'At least one of the pre-conditions you specified did not hold';
    await refused(s3.putObject({ Bucket, Key, Body: 'x', IfMatch: '"0"' }), 'NoSuchKey', noKey, 404);
    const { ETag } = await s3.putObject({ Bucket, Key, Body: 'one', IfNoneMatch: '*' });
    await refused(s3.putObject({ Bucket, Key, Body: 'two', IfNoneMatch: '*' }), 'PreconditionFailed', text, 412);
    await refused(s3.putObject({ Bucket, Key, Body: 'two', IfMatch: '"0"' }), 'PreconditionFailed', text, 412);
    await refused(s3.putObject({ Bucket, Key, Body: 'two', IfNoneMatch: '"0"' }), 'NotImplemented', undefined, 501);
    expect(await textOf(s3, { Bucket, Key })).toBe('one');
    await s3.putObject({ Bucket, Key, Body: 'two', IfMatch: ETag });
    await refused(s3.deleteObject({ Bucket, Key, IfMatch: ETag }), 'PreconditionFailed', text, 412);
    expect(await textOf(s3, { Bucket, Key })).toBe('two');
  });

  test('of many at once succeeds for one', async () => {
    const { s3, Bucket } = at;
    const tries = await Promise.allSettled(
      Array.from({ length: 20 }, (_, index) => s3.putObject({ Bucket, Key: 'race', Body: String(index), IfNoneMatch: '*' })),
    );
    expect(tries.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
  });
});

describe('a body', () => {
  const put = (headers: Record<string, string>, body = 'hello') =>
    sendSigned({ service: 's3', account: at.account.id, method: 'PUT', path: `/${at.Bucket}/digest`, headers, body });

  test.each([
    ['CRC32', 'NhCmhg=='],
    ['CRC32C', 'mnG7TA=='],
    ['CRC64NVME', 'M3eFcAZSQlc='],
    ['SHA1', 'qvTGHdzF6KLavt4PO0gs2a6pQ00='],
    ['SHA256', 'LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ='],
  ])('is checked by %s', async (algorithm, value) => {
    const { s3, Bucket } = at;
    const member = `Checksum${algorithm}`;
    const stored = await s3.putObject({ Bucket, Key: algorithm, Body: 'hello', [member]: value });
    expect(stored).toMatchObject({ [member]: value, ChecksumType: 'FULL_OBJECT' });
    expect(await s3.headObject({ Bucket, Key: algorithm, ChecksumMode: 'ENABLED' })).toMatchObject({ [member]: value });
    await refused(
      s3.putObject({ Bucket, Key: 'wrong', Body: 'other', [member]: value }),
      'BadDigest',
      `The ${algorithm} you specified did not match the calculated checksum.`,
      400,
    );
    await refused(
      s3.putObject({ Bucket, Key: 'wrong', Body: 'other', [member]: 'x' }),
      'InvalidRequest',
      /header is invalid\.$/,
      400,
    );
    await refused(s3.headObject({ Bucket, Key: 'wrong' }), 'NotFound', undefined, 404);
  });

  test('without any checksum gets CRC64NVME', async () => {
    expect((await put({})).headers).toMatchObject({
      'x-amz-checksum-crc64nvme': 'M3eFcAZSQlc=',
      'x-amz-checksum-type': 'FULL_OBJECT',
    });
  });

  test('is checked by Content-MD5', async () => {
    expect((await put({ 'content-md5': 'XUFAKrxLKna5cZ2REBfFkg==' })).status).toBe(200);
    const wrong = await put({ 'content-md5': 'XUFAKrxLKna5cZ2REBfFkg==' }, 'other');
    expect([wrong.status, wrong.body]).toEqual([
      400,
      expect.stringContaining(
        '<Code>BadDigest</Code><Message>The Content-MD5 you specified did not match what we received.</Message>',
      ),
    ]);
    const bad = await put({ 'content-md5': 'x' });
    expect([bad.status, bad.body]).toEqual([400, expect.stringContaining('<Code>InvalidDigest</Code>')]);
  });

  test('that flows arrives whole, whatever its size', async () => {
    const { s3, Bucket } = at;
    const piece = Buffer.alloc(1 << 20, 'abcdefghij');
    for (const pieces of [1, 3, 20]) {
      const Body = Readable.from(Array.from({ length: pieces }, () => piece));
      await s3.putObject({ Bucket, Key: 'flow', Body, ContentLength: pieces * piece.length });
      const got = Buffer.from((await (await s3.getObject({ Bucket, Key: 'flow' })).Body?.transformToByteArray()) ?? []);
      expect([got.length, crc32(got)]).toEqual([
        pieces * piece.length,
        crc32(Buffer.concat(Array.from({ length: pieces }, () => piece))),
      ]);
      const Range = `bytes=${piece.length - 3}-${piece.length + 2}`;
      if (pieces > 1)
        expect(await textOf(s3, { Bucket, Key: 'flow', Range })).toBe(`${piece.subarray(-3)}${piece.subarray(0, 3)}`);
    }
  });

  test('that flows and is not what was signed leaves nothing', async () => {
    const { s3, Bucket, account } = at;
    const body = Buffer.alloc(1 << 20, 'x');
    const declared = createHash('sha256').update('something else').digest('hex');
    const answer = await sendSigned({
      service: 's3',
      account: account.id,
      method: 'PUT',
      path: `/${Bucket}/forged`,
      headers: { 'x-amz-content-sha256': declared },
      body,
    });
    expect([answer.status, answer.body]).toEqual([400, expect.stringContaining('<Code>XAmzContentSHA256Mismatch</Code>')]);
    await refused(s3.headObject({ Bucket, Key: 'forged' }), 'NotFound', undefined, 404);
  });
});

describe('a copy', () => {
  test('takes bytes, metadata and tags along, or takes new ones', async () => {
    const { s3, Bucket } = at;
    await s3.putObject({ Bucket, Key: 'source ü', Body: 'copied', Metadata: { m: '1' }, Tagging: 't=1', ContentType: 'a/b' });
    const CopySource = `${Bucket}/${encodeURIComponent('source ü')}`;
    await s3.copyObject({ Bucket, Key: 'copy', CopySource });
    expect(await s3.headObject({ Bucket, Key: 'copy' })).toMatchObject({
      Metadata: { m: '1' },
      ContentType: 'a/b',
      ContentLength: 6,
    });
    expect(await textOf(s3, { Bucket, Key: 'copy' })).toBe('copied');
    expect((await s3.getObjectTagging({ Bucket, Key: 'copy' })).TagSet).toEqual([{ Key: 't', Value: '1' }]);
    await s3.copyObject({
      Bucket,
      Key: 'copy',
      CopySource,
      MetadataDirective: 'REPLACE',
      Metadata: { n: '2' },
      TaggingDirective: 'REPLACE',
      Tagging: 'u=2',
    });
    expect((await s3.headObject({ Bucket, Key: 'copy' })).Metadata).toEqual({ n: '2' });
    expect((await s3.getObjectTagging({ Bucket, Key: 'copy' })).TagSet).toEqual([{ Key: 'u', Value: '2' }]);
  });

  test('is refused for what cannot be copied', async () => {
    const { s3, Bucket } = at;
    await s3.putObject({ Bucket, Key: 'self', Body: 'x' });
    await refused(
      s3.copyObject({ Bucket, Key: 'self', CopySource: `${Bucket}/self` }),
      'InvalidRequest',
      /^This copy request is illegal/,
      400,
    );
    await refused(s3.copyObject({ Bucket, Key: 'c', CopySource: `${Bucket}/none` }), 'NoSuchKey', noKey, 404);
    await refused(
      s3.copyObject({ Bucket, Key: 'c', CopySource: 'nowhere' }),
      'InvalidArgument',
      /^Copy Source must mention/,
      400,
    );
    await refused(
      s3.copyObject({ Bucket, Key: 'c', CopySource: `${Bucket}/self`, CopySourceIfMatch: '"0"' }),
      'PreconditionFailed',
      undefined,
      412,
    );
    const stranger = clientOf(freshAccount());
    const own = `stranger-${at.account.id}`;
    await stranger.createBucket({ Bucket: own });
    await refused(
      stranger.copyObject({ Bucket: own, Key: 'c', CopySource: `${Bucket}/self` }),
      'AccessDenied',
      'Access Denied',
      403,
    );
  });
});

test('attributes of an object are told as asked', async () => {
  const { s3, Bucket } = at;
  await s3.putObject({ Bucket, Key: 'attributes', Body: 'hello', ChecksumAlgorithm: 'SHA256' });
  const told = await s3.getObjectAttributes({
    Bucket,
    Key: 'attributes',
    ObjectAttributes: ['ETag', 'Checksum', 'ObjectSize', 'StorageClass'],
  });
  expect(told).toMatchObject({
    ETag: '5d41402abc4b2a76b9719d911017c592',
    ObjectSize: 5,
    StorageClass: 'STANDARD',
    Checksum: { ChecksumSHA256: 'LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ=', ChecksumType: 'FULL_OBJECT' },
  });
  await refused(
    s3.getObjectAttributes({ Bucket, Key: 'attributes', ObjectAttributes: ['Nothing' as 'ETag'] }),
    'InvalidArgument',
    'Invalid attribute name specified.',
    400,
  );
});

test('many are deleted at once, and what fails is told', async () => {
  const { s3, Bucket } = at;
  for (const Key of ['d1', 'd2']) await s3.putObject({ Bucket, Key, Body: 'x' });
  const done = await s3.deleteObjects({
    Bucket,
    Delete: { Objects: [{ Key: 'd1' }, { Key: 'd2', VersionId: 'bad' }, { Key: 'absent' }] },
  });
  expect(done.Deleted?.map(({ Key }) => Key)).toEqual(['d1', 'absent']);
  expect(done.Errors).toEqual([
    { Key: 'd2', VersionId: 'bad', Code: 'InvalidArgument', Message: 'Invalid version id specified' },
  ]);
  expect(await textOf(s3, { Bucket, Key: 'd2' })).toBe('x');
  await refused(s3.deleteObjects({ Bucket, Delete: { Objects: [] } }), 'MalformedXML', undefined, 400);
});
