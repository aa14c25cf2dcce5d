import { describe, expect, test } from 'vitest';
import { coversRegion } from '../../base/regions.ts';
import { type HttpHead, httpHead, parseSignature, SignatureError, type SignedRequest } from './signature.ts';

const signature = 'a'.repeat(64);
const credential = 'AKID/20260926/eu-north-1/sqs/aws4_request';
const good = `AWS4-HMAC-SHA256 Credential=${credential}, SignedHeaders=host;x-amz-date, Signature=${signature}`;

const head = (headers: Record<string, string>, rawQuery = ''): HttpHead => ({
  method: 'GET',
  rawPath: '/',
  rawQuery,
  headers: { host: 'h', ...headers },
});
const dated = (authorization: string, more: Record<string, string> = {}) =>
  head({ 'x-amz-date': '20260926T120000Z', authorization, ...more });

function kindOf(request: HttpHead): string {
  try {
    return `parsed ${parseSignature(request).kind}`;
  } catch (error) {
    if (error instanceof SignatureError) return error.kind;
    throw error;
  }
}

function parsed(request: HttpHead): SignedRequest {
  const result = parseSignature(request);
  if (result.kind === 'none' || result.kind === 'legacy') throw new Error('The request is not signed.');
  return result;
}

const presigned = (changes: Record<string, string | undefined> = {}, service = 's3') => {
  const parameters: Record<string, string | undefined> = {
    'X-Amz-Algorithm': 'AWS4-HMAC-SHA256',
    'X-Amz-Credential': `AKID/20260926/eu-north-1/${service}/aws4_request`,
    'X-Amz-Date': '20260926T120000Z',
    'X-Amz-Expires': '60',
    'X-Amz-SignedHeaders': 'host',
    'X-Amz-Signature': signature,
    ...changes,
  };
  const pairs = Object.entries(parameters).filter((pair): pair is [string, string] => pair[1] !== undefined);
  return head({}, pairs.map(([name, value]) => `${name}=${encodeURIComponent(value)}`).join('&'));
};

describe('the Authorization header', () => {
  test('is read whole', () => {
    expect(parsed(dated(good, { 'x-amz-security-token': 'token' }))).toEqual({
      kind: 'header',
      algorithm: 'AWS4-HMAC-SHA256',
      accessKeyId: 'AKID',
      date: '20260926',
      regions: ['eu-north-1'],
      service: 'sqs',
      scope: '20260926/eu-north-1/sqs/aws4_request',
      signedHeaders: ['host', 'x-amz-date'],
      signature,
      sessionToken: 'token',
      expires: undefined,
      amzDate: '20260926T120000Z',
      signedAt: Date.UTC(2026, 8, 26, 12),
      payloadHash: undefined,
    });
  });

  test.each([good.replaceAll(', ', ','), good.replaceAll(', ', ' '), `  ${good.replaceAll(', ', ' ,\t')}  `])(
    '%j is the same',
    (text) => {
      expect(parsed(dated(text))).toEqual(parsed(dated(good)));
    },
  );

  test('a Date header serves where X-Amz-Date is missing, and is signed in basic format', () => {
    expect(parsed(head({ date: 'Sat, 26 Sep 2026 12:00:00 GMT', authorization: good })).amzDate).toBe('20260926T120000Z');
    expect(parsed(head({ date: '20260926T120000Z', authorization: good })).amzDate).toBe('20260926T120000Z');
  });

  test.each([
    ['none', undefined, 'parsed none'],
    ['an empty one', '', 'parsed none'],
    ['Signature Version 2', 'AWS AKID:c2lnbmF0dXJl', 'parsed legacy'],
    ['Signature Version 2 without a key', 'AWS c2lnbmF0dXJl', 'legacy-malformed'],
    ['another algorithm', good.replace('HMAC-SHA256', 'HMAC-SHA1'), 'unsupported-algorithm'],
    ['another scheme', 'Bearer abc', 'unsupported-authorization'],
    ['basic authentication', 'Basic dXNlcjpwYXNz', 'unsupported-authorization'],
    ['no parameters', 'AWS4-HMAC-SHA256', 'incomplete'],
    ['no credential', good.replace(/Credential=[^,]*, /, ''), 'incomplete'],
    ['an empty signature', good.replace(signature, ''), 'incomplete'],
    ['a parameter without a value', good.replace('Signature=', 'Signature'), 'not-a-pair'],
    ['a parameter twice', `${good}, Signature=${signature}`, 'not-a-pair'],
    ['a credential of four parts', good.replace('/sqs/', '/'), 'malformed-credential'],
    ['a credential of six parts', good.replace('AKID', 'AK/ID'), 'malformed-credential'],
    ['a credential with an empty part', good.replace('/sqs/', '//'), 'malformed-credential'],
    ['another terminator', good.replace('aws4_request', 'aws5_request'), 'wrong-terminator'],
    ['the scope of another day', good.replace('20260926', '20260925'), 'wrong-date'],
    ['more than anybody needs', `${good}${' '.repeat(9000)}x=y`, 'not-a-pair'],
  ])('%s', (_name, authorization, kind) => {
    expect(kindOf(authorization === undefined ? head({}) : dated(authorization))).toBe(kind);
  });

  test.each(['2026-09-26T12:00:00Z', '20260926', '20261326T120000Z', '20260231T120000Z', '20260926T250000Z', 'yesterday', ''])(
    '%j is no date',
    (date) => {
      expect(['bad-date', 'incomplete']).toContain(kindOf(dated(good, { 'x-amz-date': date })));
    },
  );

  test('without any date it is incomplete', () => expect(kindOf(head({ authorization: good }))).toBe('incomplete'));

  test('S3 wants to know what the body is', () => {
    const s3 = good.replace('/sqs/', '/s3/');
    expect(kindOf(dated(s3))).toBe('missing-payload-hash');
    expect(kindOf(dated(s3, { 'x-amz-content-sha256': 'abc' }))).toBe('bad-payload-hash');
    for (const hash of ['a'.repeat(64), 'UNSIGNED-PAYLOAD', 'STREAMING-AWS4-HMAC-SHA256-PAYLOAD']) {
      expect(parsed(dated(s3, { 'x-amz-content-sha256': hash })).payloadHash).toBe(hash);
    }
  });

  test('other services make nothing of an unknown payload hash', () => {
    expect(parsed(dated(good, { 'x-amz-content-sha256': 'abc' })).payloadHash).toBeUndefined();
  });
});

describe('a presigned URL', () => {
  test('is read whole', () => {
    expect(parsed(presigned({ 'X-Amz-Security-Token': 'a+b/c=' }))).toMatchObject({
      kind: 'query',
      accessKeyId: 'AKID',
      service: 's3',
      signedHeaders: ['host'],
      expires: 60,
      sessionToken: 'a+b/c=',
      payloadHash: 'UNSIGNED-PAYLOAD',
    });
  });

  test('for another service than S3 signs its body and knows no time of its own', () => {
    expect(parsed(presigned({}, 'sqs'))).toMatchObject({ payloadHash: undefined, expires: undefined });
    expect(kindOf(presigned({ 'X-Amz-Expires': 'never' }, 'sts'))).toBe('parsed query');
  });

  test('may have the names of its parameters in any case', () => {
    const request = presigned();
    expect(parsed({ ...request, rawQuery: request.rawQuery.replaceAll('X-Amz', 'x-amz') }).accessKeyId).toBe('AKID');
  });

  test.each([
    ...['Algorithm', 'Credential', 'Date', 'Expires', 'SignedHeaders', 'Signature'].map(
      (name) => [{ [`X-Amz-${name}`]: undefined }, 'incomplete-query'] as const,
    ),
    [{ 'X-Amz-Algorithm': 'AWS4-HMAC-SHA1' }, 'unsupported-algorithm'],
    [{ 'X-Amz-Date': '2026-09-26' }, 'bad-date'],
    [{ 'X-Amz-Credential': 'AKID' }, 'malformed-credential'],
    [{ 'X-Amz-Credential': 'AKID/20260926/eu-north-1/x/s3/aws4_request' }, 'malformed-credential'],
    [{ 'X-Amz-Expires': '604801' }, 'expires-too-long'],
    [{ 'X-Amz-Expires': '-1' }, 'expires-negative'],
    [{ 'X-Amz-Expires': '1h' }, 'expires-not-a-number'],
    [{ 'X-Amz-Content-Sha256': 'x' }, 'bad-payload-hash'],
  ] as const)('with %j is refused', (changes, kind) => {
    expect(kindOf(presigned(changes))).toBe(kind);
  });

  test('with a parameter twice is refused', () => {
    const request = presigned();
    expect(kindOf({ ...request, rawQuery: `${request.rawQuery}&X-Amz-Date=20260926T120000Z` })).toBe('incomplete-query');
  });

  test('and a signed header at once are refused', () => {
    expect(kindOf({ ...presigned(), headers: { host: 'h', authorization: good } })).toBe('two-signatures');
  });

  test('of Signature Version 2 is read in the form of S3 alone', () => {
    const url = 'AWSAccessKeyId=AKID&Signature=abc%3D&Expires=12';
    expect(parseSignature(head({}, url))).toMatchObject({ kind: 'legacy', accessKeyId: 'AKID', signature: 'abc=', time: 12_000 });
    expect(kindOf(head({}, 'AWSAccessKeyId=AKID&Signature=abc'))).toBe('legacy-incomplete');
    expect(kindOf(head({}, 'AWSAccessKeyId=AKID&Signature=abc&Expires=soon'))).toBe('legacy-bad-expires');
    expect(kindOf(head({}, `${url}&SignatureVersion=2`))).toBe('legacy-signature');
  });

  test('takes a hash header of whoever uses the URL for nothing', () => {
    const request = presigned();
    expect(parsed({ ...request, headers: { ...request.headers, 'x-amz-content-sha256': 'b'.repeat(64) } }).payloadHash).toBe(
      'UNSIGNED-PAYLOAD',
    );
  });
});

describe('SigV4A', () => {
  const text = `AWS4-ECDSA-P256-SHA256 Credential=AKID/20260926/s3/aws4_request, SignedHeaders=host;x-amz-region-set, Signature=30${'00'.repeat(8)}`;
  const hash = { 'x-amz-content-sha256': 'UNSIGNED-PAYLOAD' };

  test('names its regions outside the scope', () => {
    expect(parsed(dated(text, { ...hash, 'x-amz-region-set': 'us-east-1, eu-*' })).regions).toEqual(['us-east-1', 'eu-*']);
    expect(kindOf(dated(text, hash))).toBe('incomplete');
    expect(kindOf(dated(text.replace('/s3/', '/eu-north-1/s3/'), { ...hash, 'x-amz-region-set': '*' }))).toBe(
      'malformed-credential',
    );
  });

  test.each([
    ['*', 'eu-north-1', true],
    ['us-east-1,eu-north-1', 'eu-north-1', true],
    ['eu-*', 'eu-north-1', true],
    ['eu-*', 'us-east-1', false],
    ['eu-north-1', 'eu-north-12', false],
    ['eu.north.1', 'eu-north-1', false],
    ['*-north-*', 'eu-north-1', true],
  ])('the set %s and %s: %s', (set, region, covered) => {
    expect(coversRegion(parsed(dated(text, { ...hash, 'x-amz-region-set': set })).regions, region)).toBe(covered);
  });
});

describe('the head', () => {
  test('keeps what Node would lose: repeats, their order, the raw target', () => {
    const raw = ['Host', 'a:1', 'X-Test', 'one', 'x-test', 'two', 'Content-Type', 'a', 'content-type', 'b'];
    expect(httpHead('PUT', '/a%20b?x=1&y', raw)).toEqual({
      method: 'PUT',
      rawPath: '/a%20b',
      rawQuery: 'x=1&y',
      headers: { host: 'a:1', 'x-test': 'one,two', 'content-type': 'a,b' },
    });
  });

  test.each([
    ['http://proxy.example:80/a?b', '/a', 'b'],
    ['http://proxy.example', '/', ''],
    ['http://proxy.example?b', '/', 'b'],
    ['/http://x/', '/http://x/', ''],
    ['?a', '/', 'a'],
    ['/a?b?c', '/a', 'b?c'],
  ])('the target %s has the path %s and the query %j', (target, rawPath, rawQuery) => {
    expect(httpHead('GET', target, [])).toMatchObject({ rawPath, rawQuery });
  });
});
