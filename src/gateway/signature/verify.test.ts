import { SignatureV4a } from '@aws-sdk/signature-v4a';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Sha256 } from '../../../test/support/sign.ts';
import { cachedKeys, publicKeyOf, publicKeysMax, signingKey, signingKeysMax } from './keys.ts';
import {
  type HttpHead,
  httpHead,
  parseSignature,
  SignatureError,
  signatureErrorFor,
  type SignedRequest,
  verify,
} from './signature.ts';

const minute = 60_000;

function parsed(head: HttpHead): SignedRequest {
  const signed = parseSignature(head);
  if (signed.kind === 'none' || signed.kind === 'legacy') throw new Error('The request is not signed.');
  return signed;
}

function check(
  head: HttpHead,
  secret: string,
  realNow: number,
  payload: Uint8Array | 'unsigned' | 'streaming' = new Uint8Array(),
): void {
  verify(head, parsed(head), secret, { realNow, payload });
}

function refusal(act: () => void): SignatureError {
  try {
    act();
  } catch (error) {
    if (error instanceof SignatureError) return error;
    throw error;
  }
  throw new Error('Nothing was refused.');
}

describe('the examples of the S3 API reference', () => {
  const secret = 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY';
  const at = Date.UTC(2013, 4, 24);
  const empty = 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855';
  const example = (method: string, target: string, headers: Record<string, string>, signature: string): HttpHead => {
    const all: Record<string, string> = {
      host: 'examplebucket.s3.amazonaws.com',
      'x-amz-content-sha256': empty,
      'x-amz-date': '20130524T000000Z',
      ...headers,
    };
    const authorization =
      'AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,' +
      `SignedHeaders=${Object.keys(all).sort().join(';')},Signature=${signature}`;
    return httpHead(method, target, [...Object.entries(all).flat(), 'Authorization', authorization]);
  };

  test.each([
    [
      'get object',
      example('GET', '/test.txt', { range: 'bytes=0-9' }, 'f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41'),
      '',
    ],
    [
      'put object',
      example(
        'PUT',
        '/test$file.text',
        {
          date: 'Fri, 24 May 2013 00:00:00 GMT',
          'x-amz-storage-class': 'REDUCED_REDUNDANCY',
          'x-amz-content-sha256': '44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072',
        },
        '98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd',
      ),
      'Welcome to Amazon S3.',
    ],
    [
      'get bucket lifecycle',
      example('GET', '/?lifecycle', {}, 'fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543'),
      '',
    ],
    [
      'list objects',
      example('GET', '/?max-keys=2&prefix=J', {}, '34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7'),
      '',
    ],
  ])('%s', (_name, head, body) => {
    check(head, secret, at, Buffer.from(body));
    expect(refusal(() => check(head, `${secret}x`, at, Buffer.from(body))).kind).toBe('mismatch');
  });

  const presigned =
    '/test.txt?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2Faws4_request&' +
    'X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host&' +
    'X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404';
  const url = httpHead('GET', presigned, ['Host', 'examplebucket.s3.amazonaws.com']);

  test.each([
    [-15, undefined],
    [-15.1, 'not-yet-valid'],
    [0, undefined],
    [1440, undefined],
    [1440.1, 'expired'],
  ])('a presigned URL for a day, used after %d minutes: %s', (minutes, kind) => {
    const use = () => check(url, secret, at + minutes * minute, 'unsigned');
    if (kind === undefined) use();
    else expect(refusal(use).kind).toBe(kind);
  });

  test('whoever has a presigned URL cannot add instructions to it', () => {
    const more = {
      ...url,
      headers: { ...url.headers, 'x-amz-acl': 'public-read', 'x-amz-content-sha256': empty, 'x-amzn-trace-id': 'Root=1' },
    };
    expect(
      signatureErrorFor(
        refusal(() => check(more, secret, at, 'unsigned')),
        's3',
      ),
    ).toMatchObject({
      code: 'AccessDenied',
      message: 'There were headers present in the request which were not signed',
      members: { HeadersNotSigned: 'x-amz-acl' },
    });
  });
});

test('the example of the IAM User Guide', () => {
  const head = httpHead('GET', '/?Action=ListUsers&Version=2010-05-08', [
    'Content-Type',
    'application/x-www-form-urlencoded; charset=utf-8',
    'Host',
    'iam.amazonaws.com',
    'X-Amz-Date',
    '20150830T123600Z',
    'Authorization',
    'AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/iam/aws4_request, SignedHeaders=content-type;host;x-amz-date, ' +
      'Signature=5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7',
  ]);
  const secret = 'wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY';
  const at = Date.UTC(2015, 7, 30, 12, 36);
  check(head, secret, at);
  check(head, secret, at + 5 * minute);
  check(head, secret, at - 5 * minute);
  expect(refusal(() => check(head, secret, at + 5 * minute + 1)).kind).toBe('skewed-past');
  expect(refusal(() => check(head, secret, at - 5 * minute - 1)).kind).toBe('skewed-future');
});

/** What verify sees of a request that was not signed by anyone: enough for rules that come before the signature. */
function unsignedBy(service: string, signedHeaders = 'host;x-amz-date', more: readonly string[] = []): HttpHead {
  const authorization = `AWS4-HMAC-SHA256 Credential=AKID/20260926/eu-north-1/${service}/aws4_request, SignedHeaders=${signedHeaders}, Signature=${'0'.repeat(64)}`;
  return httpHead('GET', '/', ['Host', 'h', 'X-Amz-Date', '20260926T120000Z', 'Authorization', authorization, ...more]);
}

const noon = Date.UTC(2026, 8, 26, 12);

describe('time', () => {
  test.each([
    ['sts', 15],
    ['sqs', 15],
    ['ec2', 15],
    ['dynamodb', 15],
    ['lambda', 5],
    ['kms', 5],
  ])('%s gives %d minutes either way', (service, minutes) => {
    const head = unsignedBy(service);
    for (const [sign, kind] of [
      [1, 'skewed-past'],
      [-1, 'skewed-future'],
    ] as const) {
      expect(refusal(() => check(head, 's', noon + sign * minutes * minute)).kind).toBe('mismatch');
      const error = refusal(() => check(head, 's', noon + sign * (minutes * minute + 1)));
      expect([error.kind, error.details.windowMinutes]).toEqual([kind, minutes]);
    }
  });

  test('S3 looks at the signature first', () => {
    const head = unsignedBy('s3', 'host;x-amz-date', ['x-amz-content-sha256', 'UNSIGNED-PAYLOAD']);
    expect(refusal(() => check(head, 's', 0, 'unsigned')).kind).toBe('mismatch');
  });
});

describe('what must be signed', () => {
  test('the host, everywhere', () => {
    expect(refusal(() => check(unsignedBy('sqs', 'x-amz-date'), 's', noon)).kind).toBe('host-not-signed');
    const s3 = unsignedBy('s3', 'x-amz-date', ['x-amz-content-sha256', 'UNSIGNED-PAYLOAD']);
    expect(
      signatureErrorFor(
        refusal(() => check(s3, 's', noon, 'unsigned')),
        's3',
      ).members,
    ).toEqual({ HeadersNotSigned: 'host' });
  });

  test('every x-amz header, at S3', () => {
    const more = ['x-amz-content-sha256', 'UNSIGNED-PAYLOAD', 'x-amz-tagging', 'a=b', 'x-amz-meta-b', 'c'];
    expect(refusal(() => check(unsignedBy('s3', 'host;x-amz-date', more), 's', noon, 'unsigned')).details.missing).toEqual([
      'x-amz-meta-b',
      'x-amz-tagging',
    ]);
    expect(refusal(() => check(unsignedBy('sqs', 'host;x-amz-date', more), 's', noon, 'unsigned')).kind).toBe('mismatch');
  });
});

describe('what was signed, as verify rebuilds it', () => {
  const rebuilt = (service: string, target: string, more: readonly string[] = []) => {
    const { headers } = unsignedBy(service, 'host;x-amz-date', more);
    const head = { ...httpHead('GET', target, []), headers };
    const lines = refusal(() =>
      check(head, 's', noon, more.length > 0 ? 'unsigned' : new Uint8Array()),
    ).details.canonicalRequest!.split('\n');
    return lines.slice(1, 3).join('?');
  };
  const hash = ['x-amz-content-sha256', 'UNSIGNED-PAYLOAD'];

  test.each([
    ['/a%20b/a+b', '/a%20b/a%2Bb?'],
    ['/a(b)%28%7e', '/a%28b%29%28~?'],
    ['/%c3%bc/ü', '/%C3%BC/%FC?'],
    ['/a//b/../c/./', '/a//b/../c/./?'],
    ['/a%2Fb%zz%', '/a%2Fb%25zz%25?'],
    ['/?k=%c3%bc~!*()&l=a=b&m=a:b/c', '/?k=%C3%BC~%21%2A%28%29&l=a%3Db&m=a%3Ab%2Fc'],
    ['/?b=2&a=1&a=&A=3&acl&&=x', '/?=x&A=3&a=&a=1&acl=&b=2'],
    ['/?a=b+c&d=e%2Bf&g=%20', '/?a=b%20c&d=e%2Bf&g=%20'],
  ])('S3: %s is %s', (target, expected) => {
    expect(rebuilt('s3', target, hash)).toBe(expected);
  });

  test.each([
    ['/a%20b/(c)', '/a%2520b/%28c%29?'],
    ['/a//b/../c/./', '/a/c/?'],
    ['/../..', '/?'],
    ['/2015-03-31/functions/arn%3Aaws', '/2015-03-31/functions/arn%253Aaws?'],
  ])('others: %s is %s', (target, expected) => {
    expect(rebuilt('lambda', target)).toBe(expected);
  });
});

test('a caller that hides the body from verify is told so, not obeyed', () => {
  expect(() => check(unsignedBy('sqs'), 's', noon, 'unsigned')).toThrow(TypeError);
  const hash = ['x-amz-content-sha256', 'a'.repeat(64)];
  expect(() => check(unsignedBy('sqs', 'host', hash), 's', noon, 'unsigned')).toThrow(TypeError);
});

describe('SigV4A against the signer of the official SDK', () => {
  const secret = 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY';

  async function sign(
    accessKeyId: string,
    secretAccessKey: string,
    region: string,
    path: string,
    body: Uint8Array,
    service = 's3',
  ): Promise<HttpHead> {
    const signer = new SignatureV4a({
      credentials: { accessKeyId, secretAccessKey },
      region,
      service,
      sha256: Sha256,
      uriEscapePath: service !== 's3',
    });
    const request = { method: 'PUT', protocol: 'http:', hostname: 'h', path, headers: { host: 'h' }, body };
    const signed = await signer.sign(request, { signingDate: new Date(noon) });
    return httpHead('PUT', path, Object.entries(signed.headers as Record<string, string>).flat());
  }

  test('whatever it signs verifies, and any single change is refused', async () => {
    const words = fc.stringMatching(/^[A-Za-z0-9/+]{1,40}$/);
    const runs = fc.tuple(
      words,
      words,
      fc.constantFrom('s3', 'sts'),
      fc.stringMatching(/^[a-z0-9.~-]{0,12}$/),
      fc.uint8Array({ maxLength: 20 }),
    );
    await fc.assert(
      fc.asyncProperty(runs, async ([id, key, service, path, body]) => {
        const accessKeyId = id.replaceAll('/', '');
        fc.pre(accessKeyId !== '');
        const head = await sign(accessKeyId, key, '*', `/${path}`, body, service);
        check(head, key, noon, body);
        const changes: (() => void)[] = [
          () => check(head, `${key}x`, noon, body),
          () => check({ ...head, method: 'GET' }, key, noon, body),
          () => check({ ...head, rawPath: `${head.rawPath}x` }, key, noon, body),
          () => check({ ...head, headers: { ...head.headers, 'x-amz-region-set': 'us-east-1' } }, key, noon, body),
          () =>
            check(
              {
                ...head,
                headers: {
                  ...head.headers,
                  authorization: head.headers['authorization']!.replace(`=${accessKeyId}/`, `=${accessKeyId}A/`),
                },
              },
              key,
              noon,
              body,
            ),
          () => check(head, key, noon, Buffer.concat([body, Buffer.from('x')])),
        ];
        for (const change of changes) expect(['mismatch', 'payload-mismatch']).toContain(refusal(change).kind);
      }),
      { numRuns: 25 },
    );
  });

  test.each(['', '30', 'zz'.repeat(40), `3006${'02'.repeat(6)}`, '00'.repeat(80)])('%j is no signature', async (signature) => {
    const head = await sign('AKID', secret, '*', '/', new Uint8Array());
    const authorization = head.headers['authorization']!.replace(/Signature=\w+/, `Signature=${signature}`);
    expect(['mismatch', 'incomplete']).toContain(
      refusal(() => check({ ...head, headers: { ...head.headers, authorization } }, secret, noon)).kind,
    );
  });

  test('the set of regions must be signed', async () => {
    const head = await sign('AKID', secret, '*', '/', new Uint8Array(), 'sts');
    const authorization = head.headers['authorization']!.replace(';x-amz-region-set', '');
    expect(refusal(() => check({ ...head, headers: { ...head.headers, authorization } }, secret, noon)).kind).toBe(
      'headers-not-signed',
    );
  });
});

describe('keys', () => {
  test('are cached, and the caches are bounded', () => {
    expect(signingKey('s', '20260926', 'r', 'x')).toBe(signingKey('s', '20260926', 'r', 'x'));
    expect(signingKey('t', '20260926', 'r', 'x')).not.toEqual(signingKey('s', '20260926', 'r', 'x'));
    expect(publicKeyOf('AKID', 's')).toBe(publicKeyOf('AKID', 's'));
    for (let n = 0; n < signingKeysMax + 10; n++) signingKey(`secret ${n}`, '20260926', 'r', 'x');
    for (let n = 0; n < publicKeysMax + 10; n++) publicKeyOf('AKID', `secret ${n}`);
    expect(cachedKeys()).toEqual({ signing: signingKeysMax, public: publicKeysMax });
  });
});
