/**
 * Bytes that a service keeps sealed, in rows when they are small and as blobs when they are large: the objects of S3, the archives of vaults. Which rows
 * they are is the service's (`ContentTables`); the order that keeps rows and blobs together is the plane's (planes/blobs/types.ts): stored, row
 * committed, kept. Several services share the plane, so each draws ids of a sort of its own and sees to these alone.
 */
import { type IdSort, isIdOf } from '../base/ids.ts';
import { cipherAt, counterBytes, through } from '../planes/blobs/cipher.ts';
import { inlineBytesMax } from '../planes/blobs/types.ts';
import type { Table } from '../store/tables.ts';
import type { Context, Transaction } from './context.ts';
import type { Reconciler } from './service.ts';

export interface ContentRow {
  id: string;
  bytes: number;
  /** Initial counter of the cipher. */
  counter: Uint8Array;
  /** The sealed bytes, unless they are a blob. */
  inline?: Uint8Array | undefined;
}

/** A blob whose row is gone and that is to be removed. */
export interface GarbageRow {
  id: string;
}

/** Where a service keeps its contents: both tables of the cloud's scope, and the name under which `garbageReconciler` is registered. */
export interface ContentTables {
  ids: IdSort;
  contents: Table<ContentRow>;
  garbage: Table<GarbageRow>;
  reconciler: string;
}

/**
 * Takes a source to its end, sealed under `key`; undefined for an empty one. The content belongs to nobody until its row is committed;
 * `discardContent` when that will not happen. Throws what the source throws, and BlobsFullError.
 */
export async function storeSealed(
  ctx: Context,
  { ids }: ContentTables,
  source: AsyncIterable<Uint8Array>,
  key: Uint8Array,
): Promise<ContentRow | undefined> {
  const id = ctx.id(ids);
  const counter = Uint8Array.from(ctx.bytes(counterBytes));
  const { bytes, inline } = await ctx.part('blobs').write(id, through(cipherAt(key, counter, 0), source));
  if (bytes === 0) return undefined;
  return { id, bytes, counter, ...(inline === undefined ? {} : { inline: Uint8Array.from(inline) }) };
}

/** The same for bytes that are here already: those that belong into the row are sealed at once; undefined for others, which `storeSealed` takes. */
export function sealSmall(ctx: Context, { ids }: ContentTables, bytes: Uint8Array, key: Uint8Array): ContentRow | undefined {
  if (bytes.byteLength === 0 || bytes.byteLength > inlineBytesMax) return undefined;
  const counter = ctx.bytes(counterBytes);
  return { id: ctx.id(ids), bytes: bytes.byteLength, counter, inline: plainBytes(cipherAt(key, counter, 0).update(bytes)) };
}

/** Rows hold bytes, not Node's buffers. */
function plainBytes({ buffer, byteOffset, byteLength }: Buffer): Uint8Array {
  return new Uint8Array(buffer, byteOffset, byteLength);
}

/** Removes what `storeSealed` stored and no row will point to. */
export async function discardContent(ctx: Context, row: ContentRow | undefined): Promise<void> {
  if (row !== undefined && row.inline === undefined) await ctx.part('blobs').remove(row.id);
}

/** Tells the plane that the row is committed. */
export async function keepContent(ctx: Context, row: ContentRow | undefined): Promise<void> {
  if (row !== undefined && row.inline === undefined) await ctx.part('blobs').keep(row.id);
}

/** Removes contents with the transaction; their blobs soon after it. */
export async function dropSealed(tx: Transaction, tables: ContentTables, ids: readonly string[]): Promise<void> {
  for (const id of ids) {
    const row = await tx.table(tables.contents).get(id);
    if (row === undefined) continue;
    await tx.table(tables.contents).delete(id);
    if (row.inline !== undefined) continue;
    await tx.table(tables.garbage).put({ id });
    tx.hint(tables.reconciler, id);
  }
}

/** Opened bytes, held until they are read or let go. */
export interface OpenContents {
  /** All of it, where it was in one row: then nothing is held. */
  whole?: Uint8Array | undefined;
  pieces: AsyncIterable<Uint8Array>;
  release(): void;
}

interface Section {
  row: ContentRow;
  start: number;
  end: number;
}

/**
 * Opens bytes [start, end) of contents that follow each other. Undefined when one of them is gone: what they belong to was replaced or deleted since
 * its row was read, and should be read again. What has been opened can be read to its end whatever happens.
 */
export async function openSealed(
  ctx: Context,
  tables: ContentTables,
  contents: readonly { id: string; bytes: number }[],
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
    const row = await ctx.table(tables.contents).get(id);
    if (row === undefined) {
      release();
      return undefined;
    }
    sections.push({ row, start: from, end: to });
  }
  const [only] = sections;
  if (sections.length === 1 && only?.row.inline !== undefined) {
    release();
    const whole = cipherAt(key, only.row.counter, only.start).update(only.row.inline.subarray(only.start, only.end));
    return { whole, pieces: oneOf(whole), release };
  }
  return { pieces: readSections(ctx, sections, key, release), release };
}

async function* oneOf(piece: Uint8Array): AsyncGenerator<Uint8Array> {
  yield piece;
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

/**
 * The same with its first piece read already, so that what cannot be read fails before an answer begins. Who takes it reads it, or lets it go by its
 * iterator's `return`.
 */
export async function begun({ pieces }: OpenContents): Promise<AsyncIterable<Uint8Array>> {
  const iterator = pieces[Symbol.asyncIterator]();
  let first: IteratorResult<Uint8Array> | undefined = await iterator.next();
  const next = (): Promise<IteratorResult<Uint8Array>> => {
    const ready = first;
    first = undefined;
    return ready === undefined ? iterator.next() : Promise.resolve(ready);
  };
  const leave = async (): Promise<IteratorResult<Uint8Array>> => {
    await iterator.return?.();
    return { done: true, value: undefined };
  };
  return { [Symbol.asyncIterator]: () => ({ next, return: leave }) };
}

/** The pieces in one: for small ranges, which are cheaper to answer whole. */
export async function collectPieces(open: OpenContents): Promise<Uint8Array> {
  if (open.whole !== undefined) return open.whole;
  const pieces: Uint8Array[] = [];
  for await (const piece of open.pieces) pieces.push(piece);
  return pieces.length === 1 ? pieces[0]! : Buffer.concat(pieces);
}

/** Removes blobs whose rows are gone, and then the rows that asked for it. */
export function garbageReconciler({ garbage }: ContentTables): Reconciler {
  return {
    async keys(ctx) {
      return (await ctx.table(garbage).list()).map(({ id }) => ({ account: '', region: '', key: id }));
    },
    async run({ key }, ctx) {
      await ctx.part('blobs').remove(key);
      await ctx.transact((tx) => tx.table(garbage).delete(key));
    },
  };
}

/** At start: blobs that were written and not kept belong to a row that was committed just before a crash, or to nobody. */
export async function sortPending(ctx: Context, tables: ContentTables): Promise<void> {
  const blobs = ctx.part('blobs');
  for (const id of await blobs.pending()) {
    if (!isIdOf(tables.ids, id)) continue;
    if ((await ctx.table(tables.contents).get(id)) === undefined) await blobs.remove(id);
    else await blobs.keep(id);
  }
}
