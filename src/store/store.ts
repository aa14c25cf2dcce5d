/**
 * The store: ordered keys, atomic multi-key transactions. This file is the interface; lmdb/ implements it embedded, and the one suite in
 * store-suite.ts is what any implementation must pass (PostgreSQL next). Typed tables on top are in tables.ts.
 *
 * Keys are arrays of strings and numbers, ordered element by element (numbers before strings, a prefix before what it begins). Values are
 * plain data (what JSON holds, plus Uint8Array and bigint). Rows read are frozen.
 *
 * The rule that makes one interface serve both an in-process and a networked store: inside `transact` nothing but calls on `tx` is
 * awaited. The embedded store then runs the body as one step, a networked one as one serialisable transaction that it may run again, so the
 * body must have no effect except through `tx`.
 */
export type KeyPart = string | number;
export type Key = readonly KeyPart[];
export type Value =
  | string
  | number
  | boolean
  | null
  | bigint
  | Uint8Array
  | readonly Value[]
  | { readonly [member: string]: Value | undefined };

export interface Range {
  /** Only keys that begin with these parts. */
  prefix: Key;
  /** Start after this key (exclusive), in scan order: the page token. */
  after?: Key;
  /** First key, in scan order, that is no longer wanted (exclusive). */
  before?: Key;
  reverse?: boolean;
  /** At most so many entries. */
  limit?: number;
}

export interface Entry {
  key: Key;
  value: Value;
}

export interface StoreReader {
  get(key: Key): Promise<Value | undefined>;
  scan(range: Range): Promise<Entry[]>;
  count(range: Range): Promise<number>;
}

export interface StoreTransaction extends StoreReader {
  put(key: Key, value: Value): Promise<void>;
  delete(key: Key): Promise<void>;
  /** Runs after the commit has succeeded, never if it fails. For wake-ups only: what must not be lost is a row. */
  afterCommit(callback: () => void): void;
}

export interface Store extends StoreReader {
  /**
   * Runs `body` with a consistent view; its writes become visible together, or not at all when it throws. An acknowledged transaction
   * survives `kill -9`. Throws an assertion error, and writes nothing, when the body awaits anything but `tx`, another transaction included.
   */
  transact<T>(body: (tx: StoreTransaction) => Promise<T>): Promise<T>;
  /**
   * Removes every key with this prefix; an empty prefix empties the store. No transaction sees it half done, but it is not one itself: a reader
   * outside, or a crash, may meet it in the middle when the keys are many.
   */
  clear(prefix: Key): Promise<void>;
  /** Bytes the store takes on disk. */
  size(): Promise<number>;
  close(): Promise<void>;
}
