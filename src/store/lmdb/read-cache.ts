/**
 * Decoded values of LMDB by their keys, absent ones too: rows that every request reads (its bucket, its user, a setting that is not there) are found
 * and decoded once. Values are frozen, so readers may share one. Two generations: what is used moves to the young one; when that is full it
 * becomes the old one, and what nobody used meanwhile goes. So a hit costs one or two looks into a map and no bookkeeping.
 */
import type { Value } from '../store.ts';

/** Encoded bytes of one generation, with `entryBytes` for each key. */
const generationBytesMax = 2 << 20;
/** Larger values are not kept: their bytes are what they cost, not finding them. */
const valueBytesMax = 4096;
const entryBytes = 128;

/** What `get` answers for a key that is not cached. */
export const uncached: unique symbol = Symbol('uncached');

export class ReadCache {
  #young = new Map<string, Value | undefined>();
  #old = new Map<string, Value | undefined>();
  #bytes = 0;

  get(text: string): Value | undefined | typeof uncached {
    const value = this.#young.get(text);
    if (value !== undefined || this.#young.has(text)) return value;
    if (!this.#old.has(text)) return uncached;
    const old = this.#old.get(text);
    this.set(text, old, 0);
    return old;
  }

  /** `bytes` is the size of the encoded value. */
  set(text: string, value: Value | undefined, bytes: number): void {
    if (bytes > valueBytesMax) return;
    this.#young.set(text, value);
    this.#bytes += bytes + text.length + entryBytes;
    if (this.#bytes <= generationBytesMax) return;
    this.#old = this.#young;
    this.#young = new Map();
    this.#bytes = 0;
  }

  /** To be called when LMDB has another value for the key. */
  delete(text: string): void {
    this.#young.delete(text);
    this.#old.delete(text);
  }
}
