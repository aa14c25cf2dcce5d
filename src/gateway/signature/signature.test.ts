import { SignatureV4 } from '@smithy/signature-v4';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Sha256 } from '../../../test/support/sign.ts';
import { type HttpHead, parseSignature, SignatureError, verify } from './signature.ts';

const now = Date.UTC(2026, 8, 26, 12, 0, 0);
const secret = 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY';

interface Plain {
  service: string;
  method: string;
  /** Percent-encoded, as it goes onto the wire. */
  path: string;
  query: Record<string, string | string[]>;
  headers: Record<string, string>;
  body: Uint8Array;
  token: string | undefined;
}

function signer(plain: Plain, region = 'eu-north-1', secretAccessKey = secret): SignatureV4 {
  return new SignatureV4({
    service: plain.service,
    region,
    sha256: Sha256,
    uriEscapePath: plain.service !== 's3',
    credentials: { accessKeyId: 'AKIDEXAMPLE', secretAccessKey, ...(plain.token ? { sessionToken: plain.token } : {}) },
  });
}

const strict = (text: string) =>
  encodeURIComponent(text).replace(/[!'()*]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`);

/** The query as a client may write it: `loose` leaves reserved characters bare and writes a space as a plus sign. */
function writeQuery(query: Record<string, string | string[]>, loose: boolean): string {
  const write = loose ? (text: string) => encodeURIComponent(text).replaceAll('%20', '+') : strict;
  return Object.entries(query)
    .flatMap(([name, values]) => [values].flat().map((value) => `${write(name)}=${write(value)}`))
    .join('&');
}

const latin1 = (text: string) => Buffer.from(text, 'utf8').toString('latin1');

async function sign(plain: Plain, loose = false, presigned = false): Promise<HttpHead> {
  const request = {
    method: plain.method,
    protocol: 'http:',
    hostname: '127.0.0.1',
    port: 4566,
    path: plain.path,
    query: plain.query,
    headers: { ...plain.headers, host: '127.0.0.1:4566' },
    body: plain.body,
  };
  const options = { signingDate: new Date(now) };
  const signed = presigned
    ? await signer(plain).presign(request, { ...options, expiresIn: 600 })
    : await signer(plain).sign(request, options);
  const headers: Record<string, string> = {};
  for (const [name, value] of Object.entries(signed.headers)) headers[name.toLowerCase()] = latin1(value);
  const query = writeQuery((signed.query ?? {}) as Record<string, string | string[]>, loose);
  return { method: signed.method, rawPath: signed.path, rawQuery: query, headers };
}

function check(head: HttpHead, body: Uint8Array, key = secret, realNow = now): void {
  const parsed = parseSignature(head);
  if (parsed.kind === 'none' || parsed.kind === 'legacy') throw new Error('The request is not signed.');
  verify(head, parsed, key, { realNow, payload: body });
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

const text = fc.oneof(
  fc.string({ unit: 'grapheme', maxLength: 12 }),
  fc.constantFrom('', ' ', '+', 'a b', '%', '/', '=', '&', "~*'()!", 'ä€𝄞'),
);
const headerName = fc.stringMatching(/^x-test-[a-z]{1,8}$/);
const headerValue = fc.oneof(
  fc.stringMatching(/^[!-~]{0,20}$/),
  fc.constantFrom('a   b', '  padded  ', '"quoted  twice"', 'ü€', 'a,b', 'tab\tbed'),
);
const segment = fc.oneof(text.map(strict), fc.constantFrom('.', '..', ''));
const loosePath = fc.array(fc.oneof(segment, fc.stringMatching(/^[!$&'()*,;:@=a-z]{1,8}$/)), { maxLength: 5 });
const anyQuery = fc.dictionary(
  text.filter((name) => name !== '' && !/^x-amz-/i.test(name) && name !== '__proto__'),
  fc.oneof(text, fc.array(text, { minLength: 1, maxLength: 3 })),
  { maxKeys: 4 },
);

const plainRequest: fc.Arbitrary<Plain> = fc.constantFrom('s3', 'sqs', 'lambda').chain((service) =>
  fc.record({
    service: fc.constant(service),
    method: fc.constantFrom('GET', 'PUT', 'POST', 'DELETE', 'HEAD', 'PATCH'),
    path: (service === 's3' ? fc.array(segment, { maxLength: 5 }) : loosePath).map((parts) => `/${parts.join('/')}`),
    query: anyQuery,
    headers: fc.dictionary(headerName, headerValue, { maxKeys: 4 }),
    body: fc.uint8Array({ maxLength: 64 }),
    token: fc.option(fc.stringMatching(/^[A-Za-z0-9+/=]{1,40}$/), { nil: undefined }),
  }),
);

/** One change of what was signed. Returns undefined where the request offers nothing to change. */
type Mutation = (head: HttpHead, body: Uint8Array, pick: number) => { head: HttpHead; body: Uint8Array } | undefined;

const inAuthorization = (head: HttpHead, from: RegExp, to: string): HttpHead => ({
  ...head,
  headers: { ...head.headers, authorization: head.headers['authorization']!.replace(from, to) },
});

const mutations: Record<string, Mutation> = {
  method: (head, body) => ({ head: { ...head, method: head.method === 'GET' ? 'PUT' : 'GET' }, body }),
  path: (head, body) => ({ head: { ...head, rawPath: `${head.rawPath}x` }, body }),
  'another parameter': (head, body) => ({ head: { ...head, rawQuery: `${head.rawQuery}&extra=1` }, body }),
  'a changed parameter': (head, body) =>
    head.rawQuery === '' ? undefined : { head: { ...head, rawQuery: `${head.rawQuery}x` }, body },
  'a signed header': (head, body, pick) => {
    const names = Object.keys(head.headers).filter((name) => name !== 'authorization' && name !== 'x-amz-date');
    const name = names[pick % names.length]!;
    return { head: { ...head, headers: { ...head.headers, [name]: `${head.headers[name]}0` } }, body };
  },
  date: (head, body) => ({ head: { ...head, headers: { ...head.headers, 'x-amz-date': '20260926T120001Z' } }, body }),
  'a digit of the signature': (head, body, pick) => {
    const at = pick % 64;
    const signature = /Signature=(\w+)/.exec(head.headers['authorization']!)![1]!;
    const other = signature[at] === '0' ? '1' : '0';
    return {
      head: inAuthorization(head, /Signature=\w+/, `Signature=${signature.slice(0, at)}${other}${signature.slice(at + 1)}`),
      body,
    };
  },
  region: (head, body) => ({ head: inAuthorization(head, /eu-north-1/, 'eu-north-2'), body }),
  service: (head, body) => ({ head: inAuthorization(head, /\/(s3|sqs|lambda)\//, '/iam/'), body }),
  'the list of headers': (head, body) => ({ head: inAuthorization(head, /;x-amz-date/, ''), body }),
  body: (head, body, pick) => {
    if (body.length === 0) return { head, body: new Uint8Array([1]) };
    const changed = Uint8Array.from(body);
    changed[pick % body.length]! ^= 1;
    return { head, body: changed };
  },
};

describe('against the signer of the official SDK', () => {
  test('whatever it signs in the header verifies', async () => {
    await fc.assert(
      fc.asyncProperty(plainRequest, fc.boolean(), async (plain, loose) => {
        check(await sign(plain, loose), plain.body);
      }),
      { numRuns: 200 },
    );
  });

  test('parameters are ordered by name, not as text: a hyphen and a full stop come before the equals sign', async () => {
    const query = { k: '1', 'k-x': '2', 'k.y': '3', k0: '4', K: ['b', 'a', ''] };
    for (const service of ['s3', 'sqs']) {
      const plain: Plain = { service, method: 'GET', path: '/', query, headers: {}, body: new Uint8Array(), token: undefined };
      check(await sign(plain), plain.body);
    }
  });

  test('whatever it presigns verifies', async () => {
    await fc.assert(
      fc.asyncProperty(plainRequest, async (plain) => {
        const bare =
          plain.service === 's3'
            ? { ...plain, headers: { ...plain.headers, 'x-amz-content-sha256': 'UNSIGNED-PAYLOAD' } }
            : plain;
        check(await sign(bare, false, true), plain.body);
      }),
      { numRuns: 150 },
    );
  });

  test('any single change is refused', async () => {
    const picks = fc.tuple(plainRequest, fc.constantFrom(...Object.keys(mutations)), fc.nat());
    await fc.assert(
      fc.asyncProperty(picks, async ([plain, name, pick]) => {
        const changed = mutations[name]!(await sign(plain), plain.body, pick);
        fc.pre(changed !== undefined);
        expect(refusal(() => check(changed.head, changed.body))).toBeInstanceOf(SignatureError);
      }),
      { numRuns: 300 },
    );
  });

  test('another secret is refused, and the error holds what should have been signed', async () => {
    const plain: Plain = {
      service: 'sqs',
      method: 'POST',
      path: '/',
      query: {},
      headers: {},
      body: new Uint8Array(),
      token: undefined,
    };
    const head = await sign(plain);
    const error = refusal(() => check(head, plain.body, `${secret}x`));
    expect(error.kind).toBe('mismatch');
    expect(error.details.canonicalRequest).toMatch(/^POST\n\/\n\nhost:127.0.0.1:4566\nx-amz-content-sha256:e3b0c442/);
    expect(error.details.stringToSign).toMatch(
      /^AWS4-HMAC-SHA256\n20260926T120000Z\n20260926\/eu-north-1\/sqs\/aws4_request\n[0-9a-f]{64}$/,
    );
  });
});
