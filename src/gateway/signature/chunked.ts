/**
 * Bodies that are checked while they are read. `signedBody` takes any body that a signed request may have, also in the aws-chunked
 * encoding, in which S3 clients send what they cannot hash beforehand: chunks, each with its size and a signature that depends on the one
 * before, and trailers with a checksum. Source: S3 API reference, "Signature calculations for the Authorization header: Transferring payload in
 * multiple chunks" and "... including trailing headers"; for ECDSA "AWS4-ECDSA-P256-SHA256-PAYLOAD" in "SigV4A".
 *
 * A signed chunk is held back until its signature has been verified, so its size is bounded. Unsigned chunks pass as they come: SDKs send
 * whole objects in one. Whatever is wrong with the encoding is IncompleteBody at S3 (versity/versitygw #1660, #1666 compared with it).
 */
import { createHmac, createHash, hash } from 'node:crypto';
import { type Checksum, type ChecksumAlgorithm, checksumAlgorithms, createChecksum, digestBytes } from '../../base/checksum.ts';
import { ByteReader } from './byte-reader.ts';
import { SignatureError } from './errors.ts';
import { signingKey } from './keys.ts';
import { isSha256Hex } from './payload-hash.ts';
import type { HttpHead, SignedRequest } from './signature.ts';
import { ecdsaHolds, sameHex } from './verify.ts';

/** Largest signed chunk, in bytes. SDKs send 64 KiB to 1 MiB. */
const signedChunkBytesMax = 16 * 1024 * 1024;
/** Longest line that says how large a chunk is, in bytes: size, and a padded ECDSA signature of 144 characters. */
const chunkHeaderBytesMax = 256;
/** Longest trailer, in bytes, and most trailers. */
const trailerBytesMax = 1024;
const trailersMax = 8;
/** S3: "Only the last chunk is allowed to have a size less than 8192 bytes". */
const chunkBytesMin = 8192;

export interface SignedBody {
  /** The plain bytes. Can be read once; throws SignatureError as soon as something is wrong. */
  body: AsyncIterable<Uint8Array>;
  /** Trailers by name in lower case, once the body has been read to its end; rejects when the body fails or is left before its end. */
  trailers: Promise<Record<string, string>>;
}

/**
 * The body of a request whose head has been verified, in plain bytes: decoded when it is chunked, compared with its signed hash otherwise (throws
 * `payload-mismatch` at its end). When the reader stops early, the source is told to stop: hand over a Node request as
 * `request.iterator({ destroyOnReturn: false })`, or its socket is closed before the answer is written.
 */
export function signedBody(head: HttpHead, signed: SignedRequest, secret: string, source: AsyncIterable<Uint8Array>): SignedBody {
  const declared = signed.payloadHash;
  if (declared?.startsWith('STREAMING-')) return decodeChunked(head, signed, secret, source);
  const plain = declared !== undefined && isSha256Hex(declared) ? hashed(declared, source) : source;
  return { body: plain, trailers: Promise.resolve({}) };
}

/** The body of a request without signature: decoded when it says that it is chunked, else as it comes. */
export function unsignedBody(head: HttpHead, source: AsyncIterable<Uint8Array>): SignedBody {
  const declared = head.headers['x-amz-content-sha256'];
  if (declared !== 'STREAMING-UNSIGNED-PAYLOAD-TRAILER') return { body: source, trailers: Promise.resolve({}) };
  return decodeChunked(head, { ...nobody, payloadHash: declared }, '', source);
}

/** Stands for the signature of a request that has none. */
const nobody: SignedRequest = {
  kind: 'header',
  algorithm: 'AWS4-HMAC-SHA256',
  accessKeyId: '',
  date: '',
  regions: [''],
  service: 's3',
  scope: '',
  signedHeaders: [],
  signature: '',
  sessionToken: undefined,
  expires: undefined,
  amzDate: '',
  signedAt: 0,
  payloadHash: undefined,
};

async function* hashed(declaredHash: string, source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const digest = createHash('sha256');
  for await (const piece of source) {
    digest.update(piece);
    yield piece;
  }
  const computedHash = digest.digest('hex');
  if (computedHash !== declaredHash.toLowerCase()) throw new SignatureError('payload-mismatch', { declaredHash, computedHash });
}

/**
 * Decodes aws-chunked. `head` is needed for x-amz-decoded-content-length and x-amz-trailer. Throws SignatureError at once when the head does not
 * fit a chunked body; what is wrong with the body is thrown to its reader.
 */
function decodeChunked(head: HttpHead, signed: SignedRequest, secret: string, source: AsyncIterable<Uint8Array>): SignedBody {
  const decoder = new ChunkDecoder(head, signed, secret, new ByteReader(source));
  return { body: decoder.run(), trailers: decoder.trailers };
}

/** What a value of x-amz-content-sha256 promises of the chunks. Throws SignatureError for a form that does not go with the request's own signature. */
function readMode(signed: SignedRequest): { signedChunks: boolean; hasTrailers: boolean } {
  const declared = signed.payloadHash ?? '';
  if (declared === 'STREAMING-UNSIGNED-PAYLOAD-TRAILER') return { signedChunks: false, hasTrailers: true };
  if (declared === `STREAMING-${signed.algorithm}-PAYLOAD`) return { signedChunks: true, hasTrailers: false };
  if (declared === `STREAMING-${signed.algorithm}-PAYLOAD-TRAILER`) return { signedChunks: true, hasTrailers: true };
  throw new SignatureError('bad-payload-hash', { text: declared });
}

/** Checksums that may come as trailers, by the name of their header. */
const checksumOfTrailer: ReadonlyMap<string, ChecksumAlgorithm> = new Map(
  checksumAlgorithms.map((algorithm) => [`x-amz-checksum-${algorithm.toLowerCase()}`, algorithm]),
);

/** The one checksum that x-amz-trailer announces, if it announces any. S3 knows no other trailers. */
function readAnnouncedTrailer(head: HttpHead): { name: string; algorithm: ChecksumAlgorithm } | undefined {
  const name = head.headers['x-amz-trailer']?.trim().toLowerCase();
  if (name === undefined || name === '') return undefined;
  const algorithm = checksumOfTrailer.get(name);
  if (algorithm === undefined) throw new SignatureError('bad-trailer-name', { text: name });
  return { name, algorithm };
}

function readDecodedLength(head: HttpHead): number {
  const text = head.headers['x-amz-decoded-content-length']?.trim() ?? '';
  if (!/^\d{1,15}$/.test(text)) throw new SignatureError('missing-decoded-length');
  return Number(text);
}

interface Settle {
  resolve: (trailers: Record<string, string>) => void;
  reject: (error: unknown) => void;
}

class ChunkDecoder {
  readonly trailers: Promise<Record<string, string>>;
  readonly #reader: ByteReader;
  readonly #mode: { signedChunks: boolean; hasTrailers: boolean };
  readonly #length: number;
  readonly #announced: { name: string; algorithm: ChecksumAlgorithm } | undefined;
  readonly #checksum: Checksum | undefined;
  readonly #signatures: SignatureChain;
  readonly #settle: Settle;

  constructor(head: HttpHead, signed: SignedRequest, secret: string, reader: ByteReader) {
    this.#mode = readMode(signed);
    this.#length = readDecodedLength(head);
    this.#announced = this.#mode.hasTrailers ? readAnnouncedTrailer(head) : undefined;
    this.#checksum = this.#announced === undefined ? undefined : createChecksum(this.#announced.algorithm);
    this.#signatures = new SignatureChain(signed, secret);
    this.#reader = reader;
    let settle: Settle | undefined;
    this.trailers = new Promise((resolve, reject) => {
      settle = { resolve, reject };
    });
    this.#settle = settle!;
    // Whoever only reads the body hears of a failure there; without this the same failure would count as unhandled.
    this.trailers.catch(() => undefined);
  }

  async *run(): AsyncGenerator<Uint8Array> {
    try {
      yield* this.#chunks();
      const trailers = await this.#readTrailers();
      if (!(await this.#reader.atEnd())) throw new SignatureError('malformed-chunk', { text: 'more after the end' });
      this.#settle.resolve(trailers);
    } catch (error) {
      this.#settle.reject(error);
      throw error;
    } finally {
      // Too late to matter after success or failure: a promise settles once.
      this.#settle.reject(new SignatureError('incomplete-body', { text: 'the body was not read to its end' }));
      await this.#reader.close();
    }
  }

  async *#chunks(): AsyncGenerator<Uint8Array> {
    let total = 0;
    let sizeBefore = chunkBytesMin;
    for (let number = 1; ; number++) {
      const { size, signature } = await this.#readChunkHeader();
      if (size > 0 && sizeBefore < chunkBytesMin) {
        // S3 counts the chunk that makes it notice (versity/versitygw #1683: Chunk 2, BadChunkSize 3).
        throw new SignatureError('chunk-too-small', { chunk: number, chunkBytes: sizeBefore });
      }
      total += size;
      if (total > this.#length || (size === 0 && total < this.#length)) throw new SignatureError('incomplete-body');
      if (this.#mode.signedChunks) {
        const data = await this.#readSignedChunk(size, signature);
        this.#checksum?.update(data);
        if (size > 0) yield data;
      } else {
        yield* this.#passChunk(size);
      }
      if (size === 0) return;
      await this.#expectLineEnd();
      sizeBefore = size;
    }
  }

  async #readChunkHeader(): Promise<{ size: number; signature: string }> {
    const line = await this.#reader.line(chunkHeaderBytesMax);
    const match = /^([0-9a-fA-F]{1,12})(?:;chunk-signature=([0-9a-fA-F]+\**))?$/.exec(line ?? '');
    if (match === null || (match[2] === undefined) === this.#mode.signedChunks) {
      throw new SignatureError('malformed-chunk', { text: 'no header of a chunk' });
    }
    return { size: Number.parseInt(match[1]!, 16), signature: match[2] ?? '' };
  }

  async #readSignedChunk(size: number, signature: string): Promise<Uint8Array> {
    if (size > signedChunkBytesMax) throw new SignatureError('malformed-chunk', { text: `a signed chunk of ${size} bytes` });
    const data = await this.#reader.exactly(size);
    if (data === undefined) throw new SignatureError('malformed-chunk', { text: 'the body ends in a chunk' });
    this.#signatures.verifyChunk(data, signature);
    return data;
  }

  async *#passChunk(size: number): AsyncGenerator<Uint8Array> {
    for (let missing = size; missing > 0; ) {
      const data = await this.#reader.some(missing);
      if (data === undefined) throw new SignatureError('malformed-chunk', { text: 'the body ends in a chunk' });
      missing -= data.length;
      this.#checksum?.update(data);
      yield data;
    }
  }

  async #expectLineEnd(): Promise<void> {
    if ((await this.#reader.line(0)) !== '')
      throw new SignatureError('malformed-chunk', { text: 'a chunk is longer than it says' });
  }

  /** Name and value in each line, an empty line at the end; signed trailers end in their signature. */
  async #readTrailers(): Promise<Record<string, string>> {
    const trailers = new Map<string, string>();
    for (;;) {
      const line = await this.#reader.line(trailerBytesMax);
      if (line === undefined) throw new SignatureError('malformed-chunk', { text: 'the body ends in its trailers' });
      if (line === '') break;
      const colon = line.indexOf(':');
      const name = line.slice(0, colon).trim().toLowerCase();
      const last = trailers.has(signatureTrailer);
      if (colon <= 0 || last || trailers.has(name) || trailers.size >= trailersMax) throw new SignatureError('malformed-trailer');
      trailers.set(name, line.slice(colon + 1).trim());
    }
    const signature = trailers.get(signatureTrailer);
    trailers.delete(signatureTrailer);
    this.#checkTrailers(trailers, signature);
    return Object.fromEntries(trailers);
  }

  #checkTrailers(trailers: ReadonlyMap<string, string>, signature: string | undefined): void {
    const { signedChunks, hasTrailers } = this.#mode;
    if (signedChunks && hasTrailers) {
      if (signature === undefined) throw new SignatureError('malformed-chunk', { text: 'the trailers are not signed' });
      this.#signatures.verifyTrailers(trailers, signature);
    } else if (signature !== undefined) {
      throw new SignatureError('malformed-trailer');
    }
    const announced = this.#announced;
    const value = announced === undefined ? undefined : trailers.get(announced.name);
    if (trailers.size !== (announced === undefined ? 0 : 1)) throw new SignatureError('malformed-trailer');
    if (announced === undefined) return;
    if (value === undefined) throw new SignatureError('malformed-trailer');
    this.#compareChecksum(announced, value);
  }

  #compareChecksum({ name, algorithm }: { name: string; algorithm: ChecksumAlgorithm }, value: string): void {
    const sent = Buffer.from(value, 'base64');
    if (sent.length !== digestBytes[algorithm] || sent.toString('base64') !== value) {
      throw new SignatureError('bad-checksum-value', { checksum: name });
    }
    if (!sent.equals(this.#checksum!.digest())) throw new SignatureError('bad-digest', { checksum: algorithm });
  }
}

const signatureTrailer = 'x-amz-trailer-signature';
const emptyHash = hash('sha256', '', 'hex');

/** The signatures of a chunked body: each is made over the one before, the first over that of the request. */
class SignatureChain {
  readonly #signed: SignedRequest;
  readonly #secret: string;
  #before: string;

  constructor(signed: SignedRequest, secret: string) {
    this.#signed = signed;
    this.#secret = secret;
    this.#before = signed.signature;
  }

  /** Throws `mismatch`. */
  verifyChunk(data: Uint8Array, signature: string): void {
    this.#verify('PAYLOAD', `${emptyHash}\n${hash('sha256', data, 'hex')}`, signature);
  }

  /** Throws `mismatch`. Signed is `name:value` and a line feed for each trailer. */
  verifyTrailers(trailers: ReadonlyMap<string, string>, signature: string): void {
    const text = [...trailers].map(([name, value]) => `${name}:${value}\n`).join('');
    this.#verify('TRAILER', hash('sha256', Buffer.from(text, 'latin1'), 'hex'), signature);
  }

  #verify(form: 'PAYLOAD' | 'TRAILER', content: string, padded: string): void {
    const { algorithm, amzDate, scope, accessKeyId } = this.#signed;
    // ECDSA signatures differ in length; clients pad them with asterisks so that the length of the body is known beforehand.
    const signature = padded.replace(/\*+$/, '');
    const stringToSign = `${algorithm}-${form}\n${amzDate}\n${scope}\n${this.#before}\n${content}`;
    if (!this.#holds(stringToSign, signature)) {
      throw new SignatureError('mismatch', { accessKeyId, signatureProvided: signature, stringToSign });
    }
    this.#before = signature;
  }

  #holds(text: string, signature: string): boolean {
    const { algorithm, date, regions, service, accessKeyId } = this.#signed;
    if (algorithm !== 'AWS4-HMAC-SHA256') return ecdsaHolds(accessKeyId, this.#secret, text, signature);
    const key = signingKey(this.#secret, date, regions[0]!, service);
    return sameHex(createHmac('sha256', key).update(text).digest(), signature);
  }
}
