import { createHash, createHmac } from 'node:crypto';
import { SignatureV4a } from '@aws-sdk/signature-v4a';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Sha256 } from '../../../test/support/sign.ts';
import { type ChecksumAlgorithm, checksumAlgorithms, checksumOf } from '../../base/checksum.ts';
import { type HttpHead, parseSignature, SignatureError, type SignedRequest, signedBody } from './signature.ts';

const secret = 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY';
const scope = '20130524/us-east-1/s3/aws4_request';
const seed = '4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9';
const sha256 = (data: string | Uint8Array) => createHash('sha256').update(data).digest('hex');

/** Signs `text` (string to sign) as the holder of the secret would. */
type Sign = (text: string) => Promise<string>;

const hmacSign: Sign = async (text) => {
  let key: Buffer = Buffer.from(`AWS4${secret}`);
  for (const part of scope.split('/')) key = createHmac('sha256', key).update(part).digest();
  return createHmac('sha256', key).update(text).digest('hex');
};

interface Upload {
  mode: string;
  chunks: readonly Uint8Array[];
  trailer?: { name: string; value: string } | undefined;
  decodedLength?: string | undefined;
  sign?: Sign;
  seed?: string;
  pad?: (signature: string) => string;
}

/** The body as a client sends it, from the description of the encoding in the S3 API reference. */
async function encode({ mode, chunks, trailer, sign = hmacSign, seed: first = seed, pad = (s) => s }: Upload): Promise<Buffer> {
  const signedChunks = !mode.includes('UNSIGNED');
  const algorithm = mode.includes('ECDSA') ? 'AWS4-ECDSA-P256-SHA256' : 'AWS4-HMAC-SHA256';
  const parts: (string | Uint8Array)[] = [];
  let before = first;
  for (const chunk of [...chunks, new Uint8Array()]) {
    let extension = '';
    if (signedChunks) {
      before = await sign(`${algorithm}-PAYLOAD\n20130524T000000Z\n${scope}\n${before}\n${sha256('')}\n${sha256(chunk)}`);
      extension = `;chunk-signature=${pad(before)}`;
    }
    parts.push(`${chunk.length.toString(16)}${extension}\r\n`, chunk, chunk.length > 0 ? '\r\n' : '');
  }
  if (trailer !== undefined) {
    parts.push(`${trailer.name}:${trailer.value}\r\n`);
    if (signedChunks) {
      const signature = await sign(
        `${algorithm}-TRAILER\n20130524T000000Z\n${scope}\n${before}\n${sha256(`${trailer.name}:${trailer.value}\n`)}`,
      );
      parts.push(`x-amz-trailer-signature:${pad(signature)}\r\n`);
    }
  }
  parts.push('\r\n');
  return Buffer.concat(parts.map((part) => Buffer.from(part)));
}

function request(upload: Upload): { head: HttpHead; signed: SignedRequest } {
  const length = upload.chunks.reduce((sum, chunk) => sum + chunk.length, 0);
  const asymmetric = upload.mode.includes('ECDSA');
  const head: HttpHead = {
    method: 'PUT',
    rawPath: '/bucket/key',
    rawQuery: '',
    headers: {
      host: 's3.amazonaws.com',
      'x-amz-date': '20130524T000000Z',
      'x-amz-content-sha256': upload.mode,
      ...(asymmetric ? { 'x-amz-region-set': 'us-east-1' } : {}),
      ...(upload.decodedLength === '' ? {} : { 'x-amz-decoded-content-length': upload.decodedLength ?? String(length) }),
      ...(upload.trailer === undefined ? {} : { 'x-amz-trailer': upload.trailer.name }),
      authorization:
        `${asymmetric ? 'AWS4-ECDSA-P256-SHA256' : 'AWS4-HMAC-SHA256'} ` +
        `Credential=AKIAIOSFODNN7EXAMPLE/${asymmetric ? scope.replace('us-east-1/', '') : scope},` +
        `SignedHeaders=host;x-amz-date,Signature=${upload.seed ?? seed}`,
    },
  };
  const signed = parseSignature(head);
  if (signed.kind === 'none' || signed.kind === 'legacy') throw new Error('The request is not signed.');
  // The signature of the head is another test's business: only its value matters here.
  return { head, signed: { ...signed, scope } };
}

async function* inPieces(bytes: Uint8Array, size: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

async function read(
  upload: Upload,
  source: AsyncIterable<Uint8Array>,
): Promise<{ body: Buffer; trailers: Record<string, string> }> {
  const { head, signed } = request(upload);
  const opened = signedBody(head, signed, secret, source);
  const parts: Uint8Array[] = [];
  for await (const part of opened.body) parts.push(Uint8Array.from(part));
  return { body: Buffer.concat(parts), trailers: await opened.trailers };
}

async function refusal(upload: Upload, source: AsyncIterable<Uint8Array>): Promise<SignatureError> {
  const outcome = await read(upload, source).catch((error: unknown) => error);
  if (outcome instanceof SignatureError) return outcome;
  throw new Error(`Not refused: ${String(outcome)}`);
}

const as = (length: number) => Buffer.alloc(length, 'a');
const checksumTrailer = (algorithm: ChecksumAlgorithm, chunks: readonly Uint8Array[]) => ({
  name: `x-amz-checksum-${algorithm.toLowerCase()}`,
  value: checksumOf(algorithm, Buffer.concat(chunks)),
});

describe('the examples of the S3 API reference', () => {
  test('signed chunks', async () => {
    const upload = { mode: 'STREAMING-AWS4-HMAC-SHA256-PAYLOAD', chunks: [as(65536), as(1024)] };
    const wire = await encode(upload);
    for (const signature of [
      'ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648',
      '0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497',
      'b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9',
    ]) {
      expect(wire.includes(signature)).toBe(true);
    }
    expect(await read(upload, inPieces(wire, 1000))).toEqual({ body: as(66560), trailers: {} });
  });

  test('signed chunks and a signed trailer', async () => {
    const upload = {
      mode: 'STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER',
      seed: '106e2a8a18243abcf37539882f36619c00e2dfc72633413f02d3b74544bfeb8e',
      chunks: [as(65536), as(1024)],
      trailer: { name: 'x-amz-checksum-crc32c', value: 'sOO8/Q==' },
    };
    const wire = await encode(upload);
    expect(wire.includes('x-amz-trailer-signature:d81f82fc3505edab99d459891051a732e8730629a2e4a59689829ca17fe2e435')).toBe(true);
    expect(await read(upload, inPieces(wire, 70_000))).toEqual({
      body: as(66560),
      trailers: { 'x-amz-checksum-crc32c': 'sOO8/Q==' },
    });
  });
});

const chunks = fc
  .array(fc.integer({ min: 8192, max: 9000 }), { maxLength: 2 })
  .chain((sizes) =>
    fc.integer({ min: 1, max: 200 }).map((last) => [...sizes, last].map((size, index) => Buffer.alloc(size, `${index}chunk`))),
  );

const modes = [
  'STREAMING-AWS4-HMAC-SHA256-PAYLOAD',
  'STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER',
  'STREAMING-UNSIGNED-PAYLOAD-TRAILER',
];

const uploads: fc.Arbitrary<Upload> = fc
  .tuple(fc.constantFrom(...modes), chunks, fc.constantFrom(...checksumAlgorithms))
  .map(([mode, data, algorithm]) => ({
    mode,
    chunks: data,
    trailer: mode.endsWith('TRAILER') ? checksumTrailer(algorithm, data) : undefined,
  }));

describe('any upload', () => {
  test('is decoded, however the network cuts it', async () => {
    await fc.assert(
      fc.asyncProperty(uploads, fc.integer({ min: 1, max: 10_000 }), async (upload, size) => {
        const { body, trailers } = await read(upload, inPieces(await encode(upload), size));
        expect(body.equals(Buffer.concat(upload.chunks))).toBe(true);
        expect(trailers).toEqual(upload.trailer === undefined ? {} : { [upload.trailer.name]: upload.trailer.value });
      }),
      { numRuns: 150 },
    );
  });

  test('with one byte changed anywhere is refused', async () => {
    await fc.assert(
      fc.asyncProperty(uploads, fc.nat(), fc.integer({ min: 1, max: 255 }), async (upload, place, flip) => {
        const wire = await encode(upload);
        const at = place % wire.length;
        // Letters of hexadecimal numbers and of header names may be of either case, and the name of a trailer is not part of its checksum.
        fc.pre(String.fromCharCode(wire[at]!).toLowerCase() !== String.fromCharCode(wire[at]! ^ flip).toLowerCase());
        wire[at]! ^= flip;
        await refusal(upload, inPieces(wire, 4096));
      }),
      { numRuns: 250 },
    );
  });

  test('cut off anywhere is refused, and does not hang', async () => {
    for (const mode of modes) {
      const data = [as(20)];
      const upload = { mode, chunks: data, trailer: mode.endsWith('TRAILER') ? checksumTrailer('CRC32', data) : undefined };
      const wire = await encode(upload);
      for (let end = 0; end < wire.length; end++) {
        expect(['malformed-chunk', 'incomplete-body']).toContain(
          (await refusal(upload, inPieces(wire.subarray(0, end), 7))).kind,
        );
      }
    }
  });

  test('of garbage is refused', async () => {
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...modes), fc.uint8Array({ maxLength: 600 }), async (mode, garbage) => {
        await refusal({ mode, chunks: [as(5)] }, inPieces(garbage, 50));
      }),
    );
  });
});

/** A client that never stops; says whether it was told to. */
function endless(text: string): { source: AsyncIterable<Uint8Array>; pieces: () => number; stopped: () => boolean } {
  let pieces = 0;
  let stopped = false;
  async function* run(): AsyncGenerator<Uint8Array> {
    try {
      for (; pieces < 10_000; pieces++) yield Buffer.from(text);
    } finally {
      stopped = true;
    }
  }
  return { source: run(), pieces: () => pieces, stopped: () => stopped };
}

describe('a hostile body', () => {
  test.each([
    ['a header of a chunk without end', '0000000000000000'],
    ['zeros as size', '0'],
    ['a size beyond all sizes', 'ffffffffffff\r\n'],
    ['trailers without end', '0\r\nx-amz-checksum-crc32:AAAAAA==\r\nx:y\r\n'],
    ['a trailer line without end', '0\r\nx-amz-checksum-crc32:AAAAAA==AAAA'],
  ])('%s: refused early, and the source is let go', async (_name, text) => {
    const client = endless(text);
    const upload = {
      mode: 'STREAMING-UNSIGNED-PAYLOAD-TRAILER',
      chunks: [],
      trailer: { name: 'x-amz-checksum-crc32', value: '' },
    };
    await refusal(upload, client.source);
    expect(client.pieces()).toBeLessThan(300);
    expect(client.stopped()).toBe(true);
  });

  test('a signed chunk that would have to be held in memory', async () => {
    const upload = { mode: 'STREAMING-AWS4-HMAC-SHA256-PAYLOAD', chunks: [], decodedLength: '99999999999' };
    const client = endless(`7fffffff;chunk-signature=${seed}\r\n`);
    expect((await refusal(upload, client.source)).details.text).toBe('a signed chunk of 2147483647 bytes');
  });

  test('more after the end', async () => {
    const upload = { mode: 'STREAMING-AWS4-HMAC-SHA256-PAYLOAD', chunks: [as(3)] };
    expect((await refusal(upload, inPieces(Buffer.concat([await encode(upload), Buffer.from('x')]), 4096))).kind).toBe(
      'malformed-chunk',
    );
  });

  test('nothing of a chunk is passed on before its signature is verified', async () => {
    const upload = { mode: 'STREAMING-AWS4-HMAC-SHA256-PAYLOAD', chunks: [as(8192), as(8192)] };
    const wire = await encode(upload);
    wire[wire.length - 200]! ^= 1; // inside the second chunk
    const { head, signed } = request(upload);
    const seen: number[] = [];
    const { body, trailers } = signedBody(head, signed, secret, inPieces(wire, 512));
    await expect(
      (async () => {
        for await (const part of body) seen.push(part.length);
      })(),
    ).rejects.toMatchObject({ kind: 'mismatch' });
    expect(seen).toEqual([8192]);
    await expect(trailers).rejects.toMatchObject({ kind: 'mismatch' });
  });

  test('a reader that stops early lets the source go, and the trailers say so', async () => {
    const upload = { mode: 'STREAMING-UNSIGNED-PAYLOAD-TRAILER', chunks: [as(5)] };
    const client = endless('5\r\naaaaa\r\n');
    const { head, signed } = request(upload);
    const { body, trailers } = signedBody(head, signed, secret, client.source);
    for await (const _part of body) break;
    expect(client.stopped()).toBe(true);
    await expect(trailers).rejects.toMatchObject({ kind: 'incomplete-body' });
  });
});

describe('rules of S3', () => {
  const unsigned = 'STREAMING-UNSIGNED-PAYLOAD-TRAILER';
  const data = [as(10)];

  test.each<[string, Upload, string]>([
    ['no decoded length', { mode: unsigned, chunks: data, decodedLength: '' }, 'missing-decoded-length'],
    ['a decoded length that is no number', { mode: unsigned, chunks: data, decodedLength: 'abc' }, 'missing-decoded-length'],
    ['fewer bytes than announced', { mode: unsigned, chunks: data, decodedLength: '11' }, 'incomplete-body'],
    ['more bytes than announced', { mode: unsigned, chunks: data, decodedLength: '9' }, 'incomplete-body'],
    ['a small chunk before the last', { mode: unsigned, chunks: [as(8191), as(1)] }, 'chunk-too-small'],
    [
      'a trailer that S3 does not know',
      { mode: unsigned, chunks: data, trailer: { name: 'x-amz-meta-a', value: 'b' } },
      'bad-trailer-name',
    ],
    [
      'a checksum that is no base 64',
      { mode: unsigned, chunks: data, trailer: { name: 'x-amz-checksum-crc32', value: 'zz' } },
      'bad-checksum-value',
    ],
    [
      'the checksum of other bytes',
      { mode: unsigned, chunks: data, trailer: { name: 'x-amz-checksum-crc32', value: 'AAAAAA==' } },
      'bad-digest',
    ],
  ])('%s', async (_name, upload, kind) => {
    expect((await refusal(upload, inPieces(await encode(upload), 4096))).kind).toBe(kind);
  });

  test('a trailer that was announced and does not come', async () => {
    const upload = { mode: unsigned, chunks: data, trailer: checksumTrailer('CRC32', data) };
    const wire = await encode({ ...upload, trailer: undefined });
    expect((await refusal(upload, inPieces(wire, 4096))).kind).toBe('malformed-trailer');
  });

  test('a trailer that comes and was not announced', async () => {
    const wire = await encode({ mode: unsigned, chunks: data, trailer: checksumTrailer('CRC32', data) });
    expect((await refusal({ mode: unsigned, chunks: data }, inPieces(wire, 4096))).kind).toBe('malformed-trailer');
  });

  test('chunks of the right size in any number', async () => {
    const upload = { mode: unsigned, chunks: [as(8192), as(8192), as(1)], trailer: checksumTrailer('SHA256', [as(16385)]) };
    expect((await read(upload, inPieces(await encode(upload), 100))).body).toHaveLength(16385);
  });

  test('a plain body is compared with its hash', async () => {
    const upload = { mode: sha256('hello'), chunks: [] };
    expect((await read(upload, inPieces(Buffer.from('hello'), 2))).body.toString()).toBe('hello');
    const error = await refusal(upload, inPieces(Buffer.from('hellp'), 2));
    expect([error.kind, error.details.computedHash]).toEqual(['payload-mismatch', sha256('hellp')]);
  });
});

describe('SigV4A', () => {
  /** The part of the official signer that it keeps to itself. */
  interface Inside {
    getSignature(privateKey: Uint8Array, text: string): Promise<string>;
  }

  /** Signs with the official signer's own key derivation and curve arithmetic. */
  async function ecdsaSigner(): Promise<Sign> {
    const signer = new SignatureV4a({
      credentials: { accessKeyId: 'AKIAIOSFODNN7EXAMPLE', secretAccessKey: secret },
      region: 'us-east-1',
      service: 's3',
      sha256: Sha256,
    });
    const inside = signer as unknown as Inside;
    const original = inside.getSignature.bind(signer);
    let key = new Uint8Array();
    inside.getSignature = (privateKey, text) => {
      key = Uint8Array.from(privateKey);
      return original(privateKey, text);
    };
    await signer.sign({ method: 'GET', protocol: 'http:', hostname: 'x', path: '/', headers: { host: 'x' } }, {});
    return (text) => original(key, text);
  }

  test.each(['STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD', 'STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD-TRAILER'])(
    '%s, with padded signatures',
    async (mode) => {
      const data = [as(8192), as(10)];
      const sign = await ecdsaSigner();
      const upload: Upload = {
        mode,
        chunks: data,
        sign,
        seed: await sign('a request'),
        pad: (signature) => signature.padEnd(144, '*'),
        trailer: mode.endsWith('TRAILER') ? checksumTrailer('CRC64NVME', data) : undefined,
      };
      const wire = await encode(upload);
      expect((await read(upload, inPieces(wire, 333))).body).toEqual(as(8202));
      wire[4000]! ^= 1;
      expect((await refusal(upload, inPieces(wire, 333))).kind).toBe('mismatch');
    },
  );
});
