/** Bytes of archives: stored with their tree hash, sealed under a key of each archive, and let go when nothing needs them any more. */
import type { Context, Transaction } from '../../kernel/context.ts';
import {
  type ContentRow,
  type ContentTables,
  discardContent,
  dropSealed,
  openSealed,
  storeSealed,
} from '../../kernel/sealed-bytes.ts';
import type { BodyStream } from '../../model/types.ts';
import { BlobsFullError } from '../../planes/blobs/types.ts';
import { invalidParameter, missingParameter, storageFull } from './errors.ts';
import type { Reading } from './lookup.ts';
import { type ArchiveRow, Contents, Garbage, type JobRow, Jobs, type PartContent } from './state.ts';
import { TreeHash } from './tree-hash.ts';

/** Glacier's rows for what is done with sealed bytes in general. */
export const glacierContents: ContentTables = {
  ids: 'archiveContent',
  contents: Contents,
  garbage: Garbage,
  reconciler: 'garbage',
};

const label = 'glacier-archive';
const keyBytes = 32;

/** A new key, open and as it is kept. */
export function newKey(ctx: Context): { key: Uint8Array; wrapped: Uint8Array } {
  const key = Uint8Array.from(ctx.bytes(keyBytes));
  return { key, wrapped: ctx.part('vault').seal(key, label) };
}

export function openKey(ctx: Context, wrapped: Uint8Array): Uint8Array {
  return ctx.part('vault').open(wrapped, label);
}

function isStream(body: object): body is BodyStream {
  return Symbol.asyncIterator in body;
}

async function* piecesOf(given: unknown): AsyncGenerator<Uint8Array> {
  if (given instanceof Uint8Array) yield given;
  else if (typeof given === 'string') yield Buffer.from(given);
  else if (typeof given === 'object' && given !== null && isStream(given)) yield* given;
  else if (given !== undefined) throw new TypeError('A body is bytes, text or a stream.');
}

async function* hashed(source: AsyncIterable<Uint8Array>, hash: TreeHash, bytesMax: number): AsyncGenerator<Uint8Array> {
  for await (const piece of source) {
    hash.update(piece);
    if (hash.bytes > bytesMax) throw invalidParameter(`Request body is larger than the maximum allowed: ${bytesMax} bytes.`);
    yield piece;
  }
}

export interface StoredBytes {
  row: ContentRow | undefined;
  bytes: number;
  treeHash: string;
}

/** Stores bytes that the service itself makes. Throws ServiceUnavailableException when the disk is full. */
export async function storeBytes(
  ctx: Context,
  source: AsyncIterable<Uint8Array>,
  key: Uint8Array,
  bytesMax = Number.MAX_SAFE_INTEGER,
): Promise<StoredBytes> {
  const hash = new TreeHash();
  try {
    const row = await storeSealed(ctx, glacierContents, hashed(source, hash, bytesMax), key);
    return { row, bytes: hash.bytes, treeHash: hash.digest() };
  } catch (error) {
    throw error instanceof BlobsFullError ? storageFull(error) : error;
  }
}

/**
 * Stores the body of a request and holds it against the hash that the client has computed. Throws MissingParameterValueException,
 * InvalidParameterValueException.
 */
export async function storeBody(
  ctx: Context,
  input: { body?: unknown; checksum?: string | undefined },
  key: Uint8Array,
  bytesMax: number,
): Promise<StoredBytes & { row: ContentRow }> {
  if (input.checksum === undefined) throw missingParameter('x-amz-sha256-tree-hash');
  const { row, bytes, treeHash } = await storeBytes(ctx, piecesOf(input.body), key, bytesMax);
  if (row === undefined) throw invalidParameter('Invalid content length: 0');
  if (input.checksum.toLowerCase() !== treeHash) {
    await discardContent(ctx, row);
    throw invalidParameter(`Checksum mismatch: expected ${input.checksum}, computed ${treeHash}`);
  }
  return { row, bytes, treeHash };
}

/** Opens [start, end) of contents. Throws when they are gone, which no job that has them ready lets happen. */
export async function openBytes(
  ctx: Context,
  contents: readonly PartContent[],
  wrapped: Uint8Array,
  start: number,
  end: number,
): Promise<AsyncIterable<Uint8Array>> {
  const open = await openSealed(ctx, glacierContents, contents, openKey(ctx, wrapped), start, end);
  if (open === undefined) throw new Error('The bytes of an archive are missing.');
  return open.pieces;
}

/** Jobs that have this archive ready to be downloaded. */
export async function readyJobs(reading: Reading, vault: string, archive: string): Promise<JobRow[]> {
  return (await reading.table(Jobs).byIndex('byArchive', [vault, archive])).filter(({ status }) => status === 'Succeeded');
}

/** Lets the bytes go; the row is the caller's. */
export async function dropArchive(tx: Transaction, { contents }: Pick<ArchiveRow, 'contents'>): Promise<void> {
  await dropSealed(
    tx,
    glacierContents,
    contents.map(({ id }) => id),
  );
}
