/**
 * What it costs to know who sent a request: parse and verify, signing key cached as it is from the second request on. The first request of a
 * key, SigV4A and chunked bodies stand beside it, and the official signer's signing of the same request for comparison.
 */
import { performance } from 'node:perf_hooks';
import { SignatureV4 } from '@smithy/signature-v4';
import { SignatureV4a } from '@aws-sdk/signature-v4a';
import { checksumAlgorithms, createChecksum } from '../../src/base/checksum.ts';
import { signedBody } from '../../src/gateway/signature/chunked.ts';
import { type HttpHead, httpHead, parseSignature, verify } from '../../src/gateway/signature/signature.ts';
import { Sha256 } from '../support/sign.ts';

const roundMs = 400;
const rounds = 3;
const now = Date.UTC(2026, 8, 26, 12);
const secret = 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY';
const credentials = { accessKeyId: 'AKIDEXAMPLE', secretAccessKey: secret };

/** Calls a second of `call`, the best of a few rounds. */
function rate(call: (index: number) => unknown): number {
  let best = 0;
  for (let round = 0; round < rounds; round++) {
    const start = performance.now();
    let calls = 0;
    while (performance.now() - start < roundMs) {
      for (let index = 0; index < 100; index++) call(calls + index);
      calls += 100;
    }
    best = Math.max(best, (calls * 1_000) / (performance.now() - start));
  }
  return Math.round(best);
}

const body = Buffer.from('{"TableName":"orders","Key":{"id":{"S":"4711"}}}');

const request = (service: string) => ({
  method: 'POST',
  protocol: 'http:',
  hostname: '127.0.0.1',
  port: 4566,
  path: '/',
  headers: {
    host: '127.0.0.1:4566',
    'content-type': 'application/x-amz-json-1.0',
    'x-amz-target': `${service}.GetItem`,
    'amz-sdk-invocation-id': '2d8c2a5e-3b0c-4b7a-9a43-0d8f4e1b0a55',
    'amz-sdk-request': 'attempt=1; max=3',
    'x-amz-user-agent': 'aws-sdk-js/3.1169.0 ua/2.1 os/linux lang/js md/nodejs#20.20.2 api/dynamodb#3.1169.0',
  },
  body,
});

async function signed(asymmetric: boolean): Promise<HttpHead> {
  const settings = { credentials, region: 'eu-north-1', service: 'dynamodb', sha256: Sha256 };
  const signer = asymmetric ? new SignatureV4a(settings) : new SignatureV4(settings);
  const { headers } = await signer.sign(request('DynamoDB_20120810'), { signingDate: new Date(now) });
  return httpHead('POST', '/', Object.entries(headers as Record<string, string>).flat());
}

function check(head: HttpHead, key: string): void {
  const parsed = parseSignature(head);
  if (parsed.kind === 'none' || parsed.kind === 'legacy') throw new Error('The request is not signed.');
  verify(head, parsed, key, { realNow: now, payload: body });
}

function refused(head: HttpHead, key: string): void {
  try {
    check(head, key);
  } catch {
    return;
  }
  throw new Error('A wrong secret was accepted.');
}

/** Signatures a second of the official signer, which is asynchronous. */
async function signingRate(): Promise<number> {
  const signer = new SignatureV4({ credentials, region: 'eu-north-1', service: 'dynamodb', sha256: Sha256 });
  const start = performance.now();
  let calls = 0;
  for (; performance.now() - start < roundMs * rounds; calls++) await signer.sign(request('x'), { signingDate: new Date(now) });
  return Math.round((calls * 1_000) / (performance.now() - start));
}

/** MB a second of an unsigned chunked upload with a checksum, in pieces as a socket gives them. */
async function chunkedRate(): Promise<number> {
  const piece = Buffer.alloc(65_536, 'x');
  const pieces = 1024;
  const checksum = createChecksum('CRC64NVME');
  for (let index = 0; index < pieces; index++) checksum.update(piece);
  const value = Buffer.from(checksum.digest()).toString('base64');
  async function* source(): AsyncGenerator<Uint8Array> {
    for (let index = 0; index < pieces; index++) {
      yield Buffer.from('10000\r\n');
      yield piece;
      yield Buffer.from('\r\n');
    }
    yield Buffer.from(`0\r\nx-amz-checksum-crc64nvme:${value}\r\n\r\n`);
  }
  const head = httpHead('PUT', '/b/k', [
    'Host',
    'h',
    'X-Amz-Date',
    '20260926T120000Z',
    'X-Amz-Content-Sha256',
    'STREAMING-UNSIGNED-PAYLOAD-TRAILER',
    'X-Amz-Trailer',
    'x-amz-checksum-crc64nvme',
    'X-Amz-Decoded-Content-Length',
    String(pieces * piece.length),
    'Authorization',
    `AWS4-HMAC-SHA256 Credential=AKID/20260926/eu-north-1/s3/aws4_request, SignedHeaders=host, Signature=${'0'.repeat(64)}`,
  ]);
  const parsed = parseSignature(head);
  if (parsed.kind === 'none' || parsed.kind === 'legacy') throw new Error('The request is not signed.');
  const start = performance.now();
  let length = 0;
  for await (const part of signedBody(head, parsed, secret, source()).body) length += part.length;
  return Math.round(length / 1_000 / (performance.now() - start));
}

/** Verifies a second on one core, and megabytes a second of what bodies need. */
export async function bench(): Promise<{ name: string; value: number; unit: string }[]> {
  const head = await signed(false);
  const asymmetric = await signed(true);
  check(head, secret);
  check(asymmetric, secret);
  const megabyte = Buffer.alloc(1_000_000, 'x');
  return [
    { name: 'signature: SigV4, key cached', value: rate(() => check(head, secret)), unit: 'verifies/s' },
    { name: 'signature: SigV4, every key new', value: rate((index) => refused(head, `secret ${index}`)), unit: 'verifies/s' },
    { name: 'signature: SigV4A', value: rate(() => check(asymmetric, secret)), unit: 'verifies/s' },
    { name: 'signature: official signer signs the same', value: await signingRate(), unit: 'signs/s' },
    { name: 'signature: chunked body with CRC64NVME', value: await chunkedRate(), unit: 'MB/s' },
    ...checksumAlgorithms.map((algorithm) => ({
      name: `checksum: ${algorithm}`,
      value: rate(() => createChecksum(algorithm).update(megabyte)),
      unit: 'MB/s',
    })),
  ];
}
