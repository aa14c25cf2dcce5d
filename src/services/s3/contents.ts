/**
 * Bytes of objects on their way in and out: hashed, sealed, stored in a row or as a blob; opened and read from any place. The order that keeps rows and
 * blobs together is the plane's (planes/blobs/types.ts): stored, row committed, kept.
 */
import { createHash, type Hash } from 'node:crypto';
import { type Checksum, type ChecksumAlgorithm, createChecksum } from '../../base/checksum.ts';
import type { Context, Transaction } from '../../kernel/context.ts';
import { AwsError } from '../../kernel/errors.ts';
import type { BodyStream } from '../../model/types.ts';
import { cipherAt, counterBytes, through } from '../../planes/blobs/cipher.ts';
import { BlobsFullError } from '../../planes/blobs/types.ts';
import { type ContentRow, Contents, Garbage, type PartContent } from './state.ts';

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
  const id = ctx.id('content');
  const counter = Uint8Array.from(ctx.bytes(counterBytes));
  const digests = new Digests(algorithms);
  const source = body instanceof Uint8Array ? oneOf(body) : body;
  const sealed = through(cipherAt(key, counter, 0), tapped(source, digests));
  try {
    const { bytes, inline } = await ctx.part('blobs').write(id, sealed);
    const row =
      bytes === 0 ? undefined : { id, bytes, counter, ...(inline === undefined ? {} : { inline: Uint8Array.from(inline) }) };
    return { row, ...digests.finish() };
  } catch (error) {
    if (!(error instanceof BlobsFullError)) throw error;
    const text = 'Service is unable to handle request: the disk that holds the bytes of this cloud is full.';
    throw new AwsError('ServiceUnavailable', text, { status: 503, cause: error });
  }
}

/** Removes what `storeContent` stored and no row will point to. */
export async function discardContent(ctx: Context, row: ContentRow | undefined): Promise<void> {
  if (row !== undefined && row.inline === undefined) await ctx.part('blobs').remove(row.id);
}

/** Tells the plane that the row is committed. */
export async function keepContent(ctx: Context, row: ContentRow | undefined): Promise<void> {
  if (row !== undefined && row.inline === undefined) await ctx.part('blobs').keep(row.id);
}

/** Name of the reconciler that removes the blobs whose rows are gone. */
export const garbageReconciler = 'garbage';

/** Removes contents with the transaction; their blobs soon after it. */
export async function dropContents(tx: Transaction, contents: readonly PartContent[] | undefined): Promise<void> {
  for (const { id } of contents ?? []) {
    const row = await tx.table(Contents).get(id);
    if (row === undefined) continue;
    await tx.table(Contents).delete(id);
    if (row.inline !== undefined) continue;
    await tx.table(Garbage).put({ id });
    tx.hint(garbageReconciler, id);
  }
}

/** Opened bytes, held until they are read or let go. */
export interface OpenContents {
  pieces: AsyncIterable<Uint8Array>;
  release(): void;
}

interface Section {
  row: ContentRow;
  start: number;
  end: number;
}

/**
 * Opens bytes [start, end) of an object's contents. Undefined when a content is gone: the object was replaced or deleted since its row was read,
 * and should be read again. What has been opened can be read to its end whatever happens to the object.
 */
export async function openContents(
  ctx: Context,
  contents: readonly PartContent[],
  key: Uint8Array,
  start: number,
  end: number,
): Promise<OpenContents | undefined> {
  const blobs = ctx.part('blobs');
  const wanted: { id: string; start: number; end: number }[] = [];
  let offset = 0;
  for (const { id, bytes } of contents) {
    const from = Math.max(start - offset, 0);
    const to = Math.min(end - offset, bytes);
    if (from < to) wanted.push({ id, start: from, end: to });
    offset += bytes;
  }
  // Held before the rows are read: a row that is there now has a blob that stays.
  const release = blobs.hold(wanted.map(({ id }) => id));
  const sections: Section[] = [];
  for (const { id, start: from, end: to } of wanted) {
    const row = await ctx.table(Contents).get(id);
    if (row === undefined) {
      release();
      return undefined;
    }
    sections.push({ row, start: from, end: to });
  }
  return { pieces: readSections(ctx, sections, key, release), release };
}

async function* readSections(
  ctx: Context,
  sections: readonly Section[],
  key: Uint8Array,
  release: () => void,
): AsyncGenerator<Uint8Array> {
  try {
    for (const { row, start, end } of sections) {
      const cipher = cipherAt(key, row.counter, start);
      if (row.inline !== undefined) {
        yield cipher.update(row.inline.subarray(start, end));
        continue;
      }
      const blob = await ctx.part('blobs').open(row.id);
      if (blob === undefined) throw new Error(`The bytes of content ${row.id} are missing.`);
      yield* through(cipher, blob.read(start, end));
    }
  } finally {
    release();
  }
}

/** The pieces in one: for small ranges, which are cheaper to answer whole. */
export async function collectPieces(open: OpenContents): Promise<Uint8Array> {
  const pieces: Uint8Array[] = [];
  for await (const piece of open.pieces) pieces.push(piece);
  return pieces.length === 1 ? pieces[0]! : Buffer.concat(pieces);
}
