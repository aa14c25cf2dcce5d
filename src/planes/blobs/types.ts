/**
 * Bytes that rows point to: objects, images, snapshots. A blob is written once, under an id that its owner draws, and never changes. The plane
 * knows ids and bytes, nothing of what they mean and no encryption; whoever wants them sealed seals them before (cipher.ts).
 *
 * Rows and bytes cannot be committed together, so the order is: `write`, commit the row, `keep`. What was written and not kept is `pending`: after
 * a crash the owner keeps the ones its rows know and removes the others, without looking at any other blob. Removal is the other way round: the
 * row goes first, leaving a row of its own that asks for the removal until it is done.
 */

/** What became of written bytes: small ones come back, for the owner to put into its row; nothing else is kept of them. */
export type Written = { bytes: number; inline: Uint8Array } | { bytes: number; inline?: undefined };

/** An open blob: it can be read to its end even when it is removed meanwhile. */
export interface OpenBlob {
  /** Pieces of [start, end); ends the reading and lets the blob go when the loop is left or has ended. Can be called once. */
  read(start: number, end: number): AsyncIterable<Uint8Array>;
  close(): Promise<void>;
}

/** Blobs up to this size live in their owner's row. */
export const inlineBytesMax = 64 * 1024;

/** Methods that need a store elsewhere throw BlobsAwayError when it does not answer. */
export interface Blobs {
  /**
   * Takes the source to its end. When it resolves, the bytes survive what the plane promises. Nothing is left when the source throws. Throws
   * BlobsFullError when there is no room.
   */
  write(id: string, source: AsyncIterable<Uint8Array>): Promise<Written>;
  /** Tells that a row points to it now. */
  keep(id: string): Promise<void>;
  /** Undefined when there is no such blob; where that is known only when it is read, reading throws. */
  open(id: string): Promise<OpenBlob | undefined>;
  /** A second blob of the same bytes, pending like one that was written. Throws when there is no such blob. */
  copy(from: string, to: string): Promise<void>;
  /** Until the returned function is called, `remove` leaves the bytes of these readable. */
  hold(ids: readonly string[]): () => void;
  /** Safe to repeat; readers that have it open or hold it are not disturbed. What is pending may go later, when a store elsewhere answers again. */
  remove(id: string): Promise<void>;
  /** Ids written and never kept. */
  pending(): Promise<string[]>;
  /** Removes every blob. */
  clear(): Promise<void>;
}

/** What holds the bytes does not answer, or refuses. What was acknowledged is there when it answers again. */
export class BlobsAwayError extends Error {
  override readonly name = 'BlobsAwayError';
}

/** There is no room for more bytes. */
export class BlobsFullError extends Error {
  override readonly name = 'BlobsFullError';
}
