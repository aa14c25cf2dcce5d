/**
 * Bytes of objects on their way in and out: hashed, sealed, stored in a row or as a blob; opened and read from any place (kernel/sealed-bytes.ts).
 */
import { createHash, type Hash } from 'node:crypto';
import { type Checksum, type ChecksumAlgorithm, createChecksum } from '../../base/checksum.ts';
import type { Context, Transaction } from '../../kernel/context.ts';
import { AwsError } from '../../kernel/errors.ts';
import {
  type ContentRow,
  type ContentTables,
  dropSealed,
  type OpenContents,
  openSealed,
  sealSmall,
  storeSealed,
} from '../../kernel/sealed-bytes.ts';
import type { BodyStream } from '../../model/types.ts';
import { BlobsFullError } from '../../planes/blobs/types.ts';
import { Contents, Garbage, type PartContent } from './state.ts';

export { begun, collectPieces, discardContent, keepContent } from '../../kernel/sealed-bytes.ts';

/** A body as handlers get it: small ones whole, large ones on their way; from services in process also text. */
export type Body = Uint8Array | BodyStream;

export interface StoredContent {
  /** Undefined for an empty one. */
  row: ContentRow | undefined;
  bytes: number;
  md5: Buffer;
  /** Base 64, in the order asked for. */
  checksums: ReadonlyMap<ChecksumAlgorithm, string>;
}

/** The body of an input, whatever the client types call it. Throws TypeError for what no client and no service sends. */
export function bodyOf(given: unknown): Body {
  if (given === undefined) return new Uint8Array();
  if (given instanceof Uint8Array) return given;
  if (typeof given === 'string') return Buffer.from(given);
  if (typeof given === 'object' && given !== null && Symbol.asyncIterator in given && 'trailers' in given)
    return given as BodyStream;
  throw new TypeError('A body is bytes, text or a stream.');
}

/** Bytes of a body, as far as it says. */
export function bytesOf(body: Body): number | undefined {
  return body instanceof Uint8Array ? body.byteLength : body.bytes;
}

class Digests {
  bytes = 0;
  readonly #md5: Hash = createHash('md5');
  readonly #checksums: readonly [ChecksumAlgorithm, Checksum][];

  constructor(algorithms: readonly ChecksumAlgorithm[]) {
    this.#checksums = algorithms.map((algorithm) => [algorithm, createChecksum(algorithm)]);
  }

  update(piece: Uint8Array): void {
    this.bytes += piece.byteLength;
    this.#md5.update(piece);
    for (const [, checksum] of this.#checksums) checksum.update(piece);
  }

  finish(): Pick<StoredContent, 'bytes' | 'md5' | 'checksums'> {
    const checksums = this.#checksums.map(
      ([algorithm, checksum]) => [algorithm, Buffer.from(checksum.digest()).toString('base64')] as const,
    );
    return { bytes: this.bytes, md5: this.#md5.digest(), checksums: new Map(checksums) };
  }
}

async function* tapped(source: AsyncIterable<Uint8Array>, digests: Digests): AsyncGenerator<Uint8Array> {
  for await (const piece of source) {
    digests.update(piece);
    yield piece;
  }
}

async function* oneOf(piece: Uint8Array): AsyncGenerator<Uint8Array> {
  yield piece;
}

/**
 * Takes a body to its end, sealed under `key`. The content belongs to nobody until `putContent` is committed; `discardContent` when that will not
 * happen. Throws what is wrong with the body, and ServiceUnavailable when the disk is full.
 */
export async function storeContent(
  ctx: Context,
  body: Uint8Array | AsyncIterable<Uint8Array>,
  key: Uint8Array,
  algorithms: readonly ChecksumAlgorithm[],
): Promise<StoredContent> {
  const digests = new Digests(algorithms);
  const small = body instanceof Uint8Array ? sealSmall(ctx, s3Contents, body, key) : undefined;
  if (small !== undefined) {
    digests.update(body as Uint8Array);
    return { row: small, ...digests.finish() };
  }
  const source = body instanceof Uint8Array ? oneOf(body) : body;
  try {
    const row = await storeSealed(ctx, s3Contents, tapped(source, digests), key);
    return { row, ...digests.finish() };
  } catch (error) {
    if (!(error instanceof BlobsFullError)) throw error;
    const text = 'Service is unable to handle request: the disk that holds the bytes of this cloud is full.';
    throw new AwsError('ServiceUnavailable', text, { status: 503, cause: error });
  }
}

/** S3's contents, for what is done with sealed bytes in general. */
export const s3Contents: ContentTables = { ids: 'content', contents: Contents, garbage: Garbage, reconciler: 'garbage' };

/** Removes contents with the transaction; their blobs soon after it. */
export function dropContents(tx: Transaction, contents: readonly PartContent[] | undefined): Promise<void> {
  return dropSealed(
    tx,
    s3Contents,
    (contents ?? []).map(({ id }) => id),
  );
}

/** Opens bytes [start, end) of an object's contents. Undefined when the object should be read again (`openSealed`). */
export function openContents(
  ctx: Context,
  contents: readonly PartContent[],
  key: Uint8Array,
  start: number,
  end: number,
): Promise<OpenContents | undefined> {
  return openSealed(ctx, s3Contents, contents, key, start, end);
}
