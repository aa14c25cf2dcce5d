/**
 * What S3 refuses of a request by its form, and what it makes of odd but right ones: cases that conformance suites of S3 clients go through, one
 * row each.
 */
import { createHash } from 'node:crypto';
import { beforeAll, describe, expect, test } from 'vitest';
import { refused } from '../../support/cloud.ts';
import { type RawRequest, sendSigned } from '../../support/raw.ts';
import { freshBucket, type TestBucket } from './support.ts';

let at: TestBucket;
beforeAll(async () => {
  at = await freshBucket();
  for (const Key of ['asdf', 'boo/bar', 'boo/baz/xyzzy', 'cquux/bla', 'cquux/thud', 'quux ab/thud'])
    await at.s3.putObject({ Bucket: at.Bucket, Key, Body: Key });
});

const malformed = 'The XML you provided was not well-formed or did not validate against our published schema';
const wrongMethod = 'The specified method is not allowed against this resource.';
const digestOf = (name: string, text: string) => createHash(name).update(text).digest('base64');

/** Sends a request with `{bucket}` in its path; resolves with `status code message`. */
async function outcome({ path = '/{bucket}', ...request }: Partial<RawRequest>): Promise<string> {
  const { account, Bucket } = at;
  const answer = await sendSigned({
    service: 's3',
    account: account.id,
    method: 'GET',
    ...request,
    path: path.replace('{bucket}', Bucket),
  });
  const [, code = ''] = /<Code>(.*?)<\/Code>/.exec(answer.body) ?? [];
  const [, message = ''] = /<Message>(.*?)<\/Message>/.exec(answer.body) ?? [];
  return `${answer.status} ${code} ${message}`.trim();
}

describe('a name of a bucket', () => {
  test.each([
    ...['a', 'ab', 'A-b-c', 'abc_def', '-abc', 'abc-', 'a..b', '.abc', 'abc.', 'abc.-d', 'abc-.d', '192.168.5.4'],
    ...[
      'xn--abc',
      'sthree-abc',
      'amzn-s3-demo-x',
      'abc-s3alias',
      'abc--ol-s3',
      'x.mrap',
      'x--x-s3',
      'x--table-s3',
      'a'.repeat(64),
    ],
  ])('cannot be %s', async (name) => {
    expect(await outcome({ method: 'PUT', path: `/${name}` })).toBe('400 InvalidBucketName The specified bucket is not valid.');
  });
});

describe('a method', () => {
  const refusals: [method: string, path: string, query: Record<string, string>][] = [
    ['PATCH', '/{bucket}/k', {}],
    ['POST', '/{bucket}/k', {}],
    ['POST', '/{bucket}/k', { foo: '' }],
    ['POST', '/{bucket}', {}],
    ['POST', '/', {}],
    ['PUT', '/', {}],
    ['DELETE', '/', {}],
    ...['acl', 'versioning', 'logging', 'notification', 'accelerate', 'requestPayment', 'location', 'uploads', 'versions'].map(
      (name): [string, string, Record<string, string>] => ['DELETE', '/{bucket}', { [name]: '' }],
    ),
    ...['acl', 'uploads', 'retention', 'legal-hold', 'attributes', 'restore', 'select'].map(
      (name): [string, string, Record<string, string>] => ['DELETE', '/{bucket}/asdf', { [name]: '' }],
    ),
    ['PUT', '/{bucket}/asdf', { uploads: '' }],
    ['PUT', '/{bucket}/asdf', { attributes: '' }],
    ['PUT', '/{bucket}', { location: '' }],
    ['PUT', '/{bucket}', { policyStatus: '' }],
    ['GET', '/{bucket}/asdf', { delete: '' }],
    ['POST', '/{bucket}', { acl: '' }],
  ];
  test.each(refusals)('%s of %s %o is refused, and changes nothing', async (method, path, query) => {
    expect(await outcome({ method, path, query })).toBe(`405 MethodNotAllowed ${wrongMethod}`);
    expect(await outcome({ path: '/{bucket}/asdf' })).toBe('200');
  });

  test('says of what it is refused', async () => {
    const { account, Bucket } = at;
    const send = (request: Partial<RawRequest>) =>
      sendSigned({ service: 's3', account: account.id, method: 'DELETE', ...request });
    expect((await send({ path: '/' })).body).toContain('<Method>DELETE</Method><ResourceType>SERVICE</ResourceType>');
    const acl = await send({ path: `/${Bucket}`, query: { acl: '' } });
    expect(acl.body).toContain('<Method>DELETE</Method><ResourceType>ACL</ResourceType>');
  });

  test('is for one subresource', async () => {
    const both = await outcome({ query: { acl: '', tagging: '' } });
    expect(both).toBe('400 InvalidArgument Conflicting query string parameters: acl, tagging');
  });
});

describe('a document', () => {
  const body = '<Delete><Object><Key>none</Key></Object></Delete>';
  const tags = '<Tagging><TagSet><Tag><Key>a</Key><Value>b</Value></Tag></TagSet></Tagging>';
  const noChecksum = 'Missing required header for this request: Content-MD5 OR x-amz-checksum-*';
  const cases: [what: string, headers: Record<string, string>, outcome: string][] = [
    ['a right MD5', { 'content-md5': digestOf('md5', body) }, '200'],
    ['a right SHA-1', { 'x-amz-checksum-sha1': digestOf('sha1', body) }, '200'],
    ['a right SHA-256', { 'x-amz-checksum-sha256': digestOf('sha256', body) }, '200'],
    ['no digest', {}, `400 InvalidRequest ${noChecksum}`],
    [
      'an MD5 of something else',
      { 'content-md5': digestOf('md5', 'x') },
      '400 BadDigest The Content-MD5 you specified did not match what we received.',
    ],
    ['an MD5 that is none', { 'content-md5': 'x' }, '400 InvalidDigest The Content-MD5 you specified was invalid.'],
    [
      'a CRC32 of something else',
      { 'x-amz-checksum-crc32': 'AAAAAA==' },
      '400 BadDigest The CRC32 you specified did not match the calculated checksum.',
    ],
    [
      'a CRC32 that is none',
      { 'x-amz-checksum-crc32': 'A' },
      '400 InvalidRequest Value for x-amz-checksum-crc32 header is invalid.',
    ],
    [
      'a SHA-256 of something else',
      { 'x-amz-checksum-sha256': digestOf('sha256', 'x') },
      '400 BadDigest The SHA256 you specified did not match the calculated checksum.',
    ],
    [
      'two checksums',
      { 'x-amz-checksum-sha1': digestOf('sha1', body), 'x-amz-checksum-sha256': digestOf('sha256', body) },
      '400 InvalidRequest Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.',
    ],
    [
      'an algorithm without a checksum',
      { 'x-amz-sdk-checksum-algorithm': 'CRC32' },
      '400 InvalidRequest x-amz-sdk-checksum-algorithm specified, but no corresponding x-amz-checksum-* or x-amz-trailer headers were found.',
    ],
  ];
  test.each(cases)('with %s', async (_what, headers, expected) => {
    expect(await outcome({ method: 'POST', query: { delete: '' }, headers, body })).toBe(expected);
  });

  test.each(['tagging', 'cors', 'lifecycle', 'replication', 'object-lock'])('needs a digest for %s', async (name) => {
    const answer = await outcome({ method: 'PUT', query: { [name]: '' }, body: tags });
    expect(answer).toBe(`400 InvalidRequest ${noChecksum}`);
  });

  test('needs none for versioning or an ACL', async () => {
    const versioning = '<VersioningConfiguration/>';
    expect(await outcome({ method: 'PUT', query: { versioning: '' }, body: versioning })).toMatch(
      /^400 IllegalVersioningConfigurationException /,
    );
    expect(await outcome({ method: 'PUT', query: { acl: '' }, body: '<x' })).toBe(`400 MalformedXML ${malformed}`);
  });
});

describe('a version', () => {
  const cases: [what: string, request: Partial<RawRequest>, outcome: string][] = [
    [
      'of another form',
      { path: '/{bucket}/asdf', query: { versionId: 'bad' } },
      '400 InvalidArgument Invalid version id specified',
    ],
    [
      'of no length',
      { path: '/{bucket}/asdf', query: { versionId: '' } },
      '400 InvalidArgument Version id cannot be the empty string',
    ],
    [
      'that is not there',
      { path: '/{bucket}/asdf', query: { versionId: `${'A'.repeat(22)}0000000001` } },
      '404 NoSuchVersion The specified version does not exist.',
    ],
    [
      'of an ACL, of another form',
      { path: '/{bucket}/asdf', query: { acl: '', versionId: 'bad' } },
      '400 InvalidArgument Invalid version id specified',
    ],
    [
      'of tags, of no length',
      { path: '/{bucket}/asdf', query: { tagging: '', versionId: '' } },
      '400 InvalidArgument Version id cannot be the empty string',
    ],
    [
      'to delete, of another form',
      { method: 'DELETE', path: '/{bucket}/asdf', query: { versionId: 'bad' } },
      '400 InvalidArgument Invalid version id specified',
    ],
    [
      'to delete, of no length',
      { method: 'DELETE', path: '/{bucket}/asdf', query: { versionId: '' } },
      '400 InvalidArgument Version id cannot be the empty string',
    ],
    [
      'to write',
      { method: 'PUT', path: '/{bucket}/new', query: { versionId: 'abc' }, body: 'x' },
      '400 InvalidArgument This operation does not accept a version-id.',
    ],
    [
      'to write a part of',
      { method: 'PUT', path: '/{bucket}/new', query: { partNumber: '1', uploadId: 'x', versionId: 'null' }, body: 'x' },
      '400 InvalidArgument This operation does not accept a version-id.',
    ],
    [
      'to copy, of no length',
      { method: 'PUT', path: '/{bucket}/new', headers: { 'x-amz-copy-source': '{source}?versionId=' } },
      '400 InvalidArgument Version id cannot be the empty string',
    ],
    [
      'to copy, of another form',
      { method: 'PUT', path: '/{bucket}/new', headers: { 'x-amz-copy-source': '{source}?versionId=abc' } },
      '400 InvalidRequest Invalid Request',
    ],
    [
      'to list from, without a key',
      { query: { versions: '', 'version-id-marker': 'bad' } },
      '400 InvalidArgument A version-id marker cannot be specified without a key marker.',
    ],
    [
      'to list from, of no length',
      { query: { versions: '', 'key-marker': 'a', 'version-id-marker': '' } },
      '400 InvalidArgument A version-id marker cannot be empty.',
    ],
    [
      'to list from, of another form',
      { query: { versions: '', 'key-marker': 'a', 'version-id-marker': 'bad' } },
      '400 InvalidArgument Invalid version id specified',
    ],
    ['to list from, behind a key', { query: { versions: '', 'key-marker': 'a', 'version-id-marker': 'null' } }, '200'],
  ];
  test.each(cases)('%s', async (_what, { headers = {}, ...request }, expected) => {
    const source = headers['x-amz-copy-source']?.replace('{source}', `/${at.Bucket}/asdf`);
    expect(await outcome({ ...request, headers: source === undefined ? {} : { 'x-amz-copy-source': source } })).toBe(expected);
  });

  test('that is a delete marker cannot be copied, nor given an ACL', async () => {
    const { s3, Bucket } = await freshBucket();
    await s3.putBucketVersioning({ Bucket, VersioningConfiguration: { Status: 'Enabled' } });
    const { VersionId: marker } = await s3.deleteObject({ Bucket, Key: 'k' });
    const byId = 'The source of a copy request may not specifically refer to a delete marker by version id.';
    const source = { Bucket, Key: 'copy', CopySource: `${Bucket}/k` };
    await refused(s3.copyObject(source), 'NoSuchKey', 'The specified key does not exist.', 404);
    await refused(s3.copyObject({ ...source, CopySource: `${Bucket}/k?versionId=${marker}` }), 'InvalidRequest', byId, 400);
    const { UploadId } = await s3.createMultipartUpload({ Bucket, Key: 'copy' });
    const part = { ...source, UploadId, PartNumber: 1 };
    await refused(s3.uploadPartCopy({ ...part, CopySource: `${Bucket}/k?versionId=${marker}` }), 'InvalidRequest', byId, 400);
    const abc = s3.uploadPartCopy({ ...part, CopySource: `${Bucket}/k?versionId=abc` });
    await refused(abc, 'InvalidArgument', 'Invalid version id specified', 400);
    await refused(s3.getObjectAcl({ Bucket, Key: 'k' }), 'NoSuchKey', undefined, 404);
    await refused(s3.getObjectAcl({ Bucket, Key: 'k', VersionId: marker }), 'MethodNotAllowed', wrongMethod, 405);
    await refused(s3.putObjectAcl({ Bucket, Key: 'k', ACL: 'private' }), 'MethodNotAllowed', wrongMethod, 405);
    const Tagging = { TagSet: [] };
    await refused(s3.putObjectTagging({ Bucket, Key: 'k', Tagging }), 'MethodNotAllowed', wrongMethod, 405);
  });

  test('that is named twice is deleted once, and told once', async () => {
    const { s3, Bucket } = await freshBucket();
    await s3.putBucketVersioning({ Bucket, VersioningConfiguration: { Status: 'Enabled' } });
    const { VersionId } = await s3.putObject({ Bucket, Key: 'k', Body: 'x' });
    const twice = { Key: 'k', VersionId };
    const { Deleted } = await s3.deleteObjects({ Bucket, Delete: { Objects: [twice, { Key: 'k' }, twice, { Key: 'k' }] } });
    expect(Deleted).toEqual([twice, { Key: 'k', DeleteMarker: true, DeleteMarkerVersionId: expect.any(String) }]);
  });
});

describe('a listing', () => {
  const pages: [what: string, ask: object, keys: string[], prefixes: string[]][] = [
    ['by a slash', { Delimiter: '/' }, ['asdf'], ['boo/', 'cquux/', 'quux ab/']],
    ['by a letter', { Delimiter: 'a' }, ['cquux/thud'], ['a', 'boo/ba', 'cquux/bla', 'quux a']],
    ['by several letters', { Delimiter: 'o/b' }, ['asdf', 'cquux/bla', 'cquux/thud', 'quux ab/thud'], ['boo/b']],
    ['by what no key has', { Delimiter: '%', Prefix: 'c' }, ['cquux/bla', 'cquux/thud'], []],
    ['by nothing', { Delimiter: '', Prefix: 'b' }, ['boo/bar', 'boo/baz/xyzzy'], []],
    ['by a space, encoded', { Delimiter: ' ', EncodingType: 'url', Prefix: 'q' }, [], ['quux+']],
    ['from the end', { Marker: 'zzz' }, [], []],
    ['from before all', { Marker: 'aaa', MaxKeys: 1 }, ['asdf'], []],
    ['from a prefix', { Marker: 'boo/', Delimiter: '/' }, [], ['cquux/', 'quux ab/']],
    ['of nothing', { MaxKeys: 0 }, [], []],
  ];
  test.each(pages)('%s', async (_what, ask, keys, prefixes) => {
    const { Contents = [], CommonPrefixes = [] } = await at.s3.listObjects({ Bucket: at.Bucket, ...ask });
    expect([Contents.map(({ Key }) => Key), CommonPrefixes.map(({ Prefix }) => Prefix)]).toEqual([keys, prefixes]);
  });

  const noInteger = (name: string) => `400 InvalidArgument Provided ${name} not an integer or within integer range`;
  test.each([
    [{ 'max-keys': 'blah' }, noInteger('max-keys')],
    [{ 'max-keys': '9999999999' }, noInteger('max-keys')],
    [{ versions: '', 'max-keys': 'blah', 'version-id-marker': 'bad' }, noInteger('max-keys')],
    [{ uploads: '', 'max-uploads': 'x' }, noInteger('max-uploads')],
    [{ 'list-type': '2', 'continuation-token': '' }, '400 InvalidArgument The continuation token provided is incorrect'],
    [{ 'encoding-type': 'x' }, '400 InvalidArgument Invalid Encoding Method specified in Request'],
  ])('refuses %o', async (query, expected) => {
    expect(await outcome({ query })).toBe(expected);
  });
});

test('an owner that is expected must be an account, and the owner', async () => {
  const { s3, Bucket } = at;
  const text = 'The value of the expected bucket owner parameter must be an AWS Account ID... [abc]';
  await refused(s3.getObject({ Bucket, Key: 'asdf', ExpectedBucketOwner: 'abc' }), 'InvalidBucketOwnerAWSAccountID', text, 400);
  await refused(s3.getObject({ Bucket, Key: 'asdf', ExpectedBucketOwner: '111111111111' }), 'AccessDenied', 'Access Denied', 403);
});

test('a PUT that object lock will keep needs a digest', async () => {
  const { account, s3, Bucket } = await freshBucket({ ObjectLockEnabledForBucket: true });
  const put = async (headers: Record<string, string>) => {
    const answer = await sendSigned({
      service: 's3',
      account: account.id,
      method: 'PUT',
      path: `/${Bucket}/k`,
      headers,
      body: 'x',
    });
    return `${answer.status} ${/<Message>(.*?)<\/Message>/.exec(answer.body)?.[1] ?? ''}`.trim();
  };
  const text = 'Content-MD5 OR x-amz-checksum- HTTP header is required for Put Object requests with Object Lock parameters';
  expect(await put({})).toBe('200');
  expect(await put({ 'x-amz-object-lock-legal-hold': 'ON' })).toBe(`400 ${text}`);
  expect(await put({ 'x-amz-object-lock-legal-hold': 'OFF', 'content-md5': digestOf('md5', 'x') })).toBe('200');
  const Rule = { DefaultRetention: { Mode: 'GOVERNANCE', Days: 1 } } as const;
  await s3.putObjectLockConfiguration({ Bucket, ObjectLockConfiguration: { ObjectLockEnabled: 'Enabled', Rule } });
  expect(await put({})).toBe(`400 ${text}`);
  expect(await put({ 'x-amz-checksum-sha256': digestOf('sha256', 'x') })).toBe('200');
});
