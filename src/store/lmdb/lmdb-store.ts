/**
 * The embedded store: one folder, one process, no server.
 *
 * A transaction buffers its writes in a layer (layer.ts) over the committed state, so its reads see them; transactions run one after the
 * other. The commit appends the layer as one record to a log (commit-log.ts) with one write(2), then puts it over the committed layer. When that
 * has grown (`layerLimits`) it is frozen, a new log begins, and LMDB's own thread writes the frozen layer into the tree with
 * a full sync; then its log is deleted. So the state is: LMDB, under at most one frozen layer, under the committed layer, and a restart
 * replays the logs into the committed layer.
 *
 * - `kill -9`: everything acknowledged is in the kernel, hence in the log. Nothing half: a record counts whole or not.
 * - Crash of the operating system: LMDB is always synced before its log goes, and a log is synced before LMDB learns from it. What comes back is
 *   a prefix of history; up to some 30 s of acknowledged commits (the kernel's writeback) may be missing.
 * - Full disk: a commit that cannot be logged is refused and leaves nothing; a layer that cannot go to LMDB stays in memory and in its log, and
 *   is tried again. When it overruns its bound four times, transactions wait for LMDB and get its error.
 *
 * Measured, 2 cores, ext4 on a fast disk (272 µs for an fdatasync), one put of 300 bytes per transaction: this 6 µs of processor time, LMDB's
 * thread included. LMDB alone: with a sync per commit 370 µs (10 ms and more on an ordinary disk); with lmdb-js's overlappingSync the same,
 * because a synchronous transaction flushes inside its commit, and asynchronous ones 300 µs, since each waits for the flush before it; noSync
 * 15 µs, but then a crash of the operating system may leave a tree that points at pages never written. So LMDB keeps its safest options here
 * and is out of the way of a commit. 8 KB pages, for keys of 4026 bytes. No map size: it grows. No cache of LMDB's own: what is read often is kept
 * decoded (read-cache.ts), because a read costs 2 µs and decoding as much again.
 *
 * A body that waits for anything but the store would hold up everybody. It is found without a timer: the process's tick queue runs only when no
 * microtask is left, and a transaction that is still open then waits for something else. AsyncLocalStorage could tell a nested `transact`
 * at the call, but makes every await of the process 2.5 times slower on Node 20 (80 → 200 ns), so nesting is found the same way.
 */
import assert, { AssertionError } from 'node:assert/strict';
import { existsSync, mkdirSync, rmSync, statSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import type { RootDatabase } from 'lmdb';
import { InvalidKeyError, keyText, parseKeyText } from '../keys.ts';
import type { Entry, Key, Range, Store, StoreTransaction, Value } from '../store.ts';
import { CommitLog, findLogs, logPath, replayLog, syncFolder } from './commit-log.ts';
import { type FolderLock, lockFolder } from './folder-lock.ts';
import { Layer, type LayerEntry, mergeLayers, type Slot, type Span, slotValue, spanOf } from './layer.ts';
import { ReadCache, uncached } from './read-cache.ts';
import { decodedBytes, decodeValue, encodeValue } from './values.ts';

/** LMDB's CommonJS form is one file instead of twelve: a start takes 13 ms less. */
const { open } = createRequire(import.meta.url)('lmdb') as typeof import('lmdb');

/** A committed layer with more than this goes to LMDB. */
export interface LayerLimits {
  keys: number;
  bytes: number;
  /** Deleted keys that LMDB still has: every scan steps over them. */
  tombstones: number;
}
const layerLimits: LayerLimits = { keys: 4096, bytes: 4 << 20, tombstones: 512 };
/** Transactions wait for LMDB when the committed layer has grown to so many times its bound. */
const layerOverrunMax = 4;
/** Keys handed to LMDB's thread in one go; bounds the pause of ours. */
const checkpointChunkKeys = 256;
/** `clear` deletes so many keys per transaction. */
const clearChunkKeys = 10_000;

/** Before every key of a caller (those begin with a tag of 0x10 or more): number of the last log that LMDB holds completely. */
const markKey = '\x01';

/**
 * Opens the store in a folder, which is made if missing. Throws PilviError DataFolderLocked when it is in use. Limits other than the default
 * are for tests, which want to see LMDB at work with few keys.
 */
export async function openLmdbStore(folder: string, limits: LayerLimits = layerLimits): Promise<Store> {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const lock = await lockFolder(folder);
  try {
    return new LmdbStore(folder, lock, limits);
  } catch (error) {
    await lock.release();
    throw error;
  }
}

type Tree = RootDatabase<Value | Uint8Array, string>;

/** Keys are texts of one character per byte already. */
const keyEncoder = {
  writeKey: (text: string, target: Buffer, start: number) => start + target.write(text, start, 'latin1'),
  readKey: (source: Buffer, start: number, end: number) => source.toString('latin1', start, end),
};

class LmdbStore implements Store {
  readonly #folder: string;
  readonly #lock: FolderLock;
  readonly #limits: LayerLimits;
  readonly #tree: Tree;
  /** What LMDB has for keys that were read; keys of a layer are dropped when LMDB has taken it. */
  readonly #readCache = new ReadCache();
  /** Committed, not in LMDB. */
  #committed = new Layer();
  /** On its way to LMDB. */
  #frozen: Layer | undefined;
  /** Logs of the frozen layer, then of the committed one; the last is open. */
  #logs: CommitLog[];
  #logNumber: number;
  #checkpoint: Promise<void> | undefined;
  /** Transactions that wait for their turn. */
  #waiting: (() => void)[] = [];
  #busy = false;
  #closed = false;

  constructor(folder: string, lock: FolderLock, limits: LayerLimits) {
    this.#folder = folder;
    this.#lock = lock;
    this.#limits = limits;
    this.#tree = open<Value | Uint8Array, string>({
      path: join(folder, 'data.mdb'),
      noSubdir: true,
      keyEncoder,
      encoder: { encode: (bytes: Uint8Array) => bytes, decode: decodeValue },
      overlappingSync: false,
      // Its implicit batches end in a promise that nobody holds: a full disk would end the process.
      eventTurnBatching: false,
      pageSize: 8192,
    });
    const { logs, number } = this.#recover();
    this.#logs = logs;
    this.#logNumber = number;
  }

  get(key: Key): Promise<Value | undefined> {
    return attempt(() => this.read(keyText(key), undefined));
  }

  scan(range: Range): Promise<Entry[]> {
    return attempt(() => this.readRange(range, undefined));
  }

  count(range: Range): Promise<number> {
    return attempt(() => this.countRange(range, undefined));
  }

  async transact<T>(body: (tx: StoreTransaction) => Promise<T>): Promise<T> {
    const turn = this.#turn();
    if (turn !== undefined) await turn;
    const tx = new Transaction(this);
    let result: T;
    try {
      assert(!this.#closed, 'The store is closed.');
      result = await tx.run(body);
      this.#commit(tx.writes);
    } finally {
      tx.end();
      this.#next();
    }
    for (const callback of tx.callbacks) runApart(callback);
    return result;
  }

  async clear(prefix: Key): Promise<void> {
    await this.#turn();
    try {
      assert(!this.#closed, 'The store is closed.');
      for (;;) {
        const writes = new Layer();
        for (const text of this.#texts(spanOf({ prefix }), clearChunkKeys)) writes.set(text, { bytes: undefined });
        if (writes.slots.size === 0) return;
        this.#commit(writes);
        if (this.#overrun()) await this.#checkpoint;
      }
    } finally {
      this.#next();
    }
  }

  async size(): Promise<number> {
    const tree = join(this.#folder, 'data.mdb');
    let bytes = existsSync(tree) ? statSync(tree).size : 0;
    for (const log of this.#logs) bytes += log.size;
    return bytes;
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    await this.#turn();
    this.#closed = true;
    this.#next();
    await this.#checkpoint?.catch(() => undefined);
    for (const log of this.#logs) log.close();
    await this.#tree.close();
    await this.#lock.release();
  }

  /** Value under `own` (the writes of a transaction) over the committed state. */
  read(text: string, own: Layer | undefined): Value | undefined {
    assert(!this.#closed, 'The store is closed.');
    const slot = own?.slots.get(text) ?? this.#committed.slots.get(text) ?? this.#frozen?.slots.get(text);
    if (slot !== undefined) return slotValue(slot);
    if (text === '') throw new InvalidKeyError('The empty key is no key.');
    const cached = this.#readCache.get(text);
    if (cached !== uncached) return cached;
    const value = this.#tree.get(text) as Value | undefined;
    this.#readCache.set(text, value, value === undefined ? 0 : decodedBytes());
    return value;
  }

  readRange(range: Range, own: Layer | undefined): Entry[] {
    assert(!this.#closed, 'The store is closed.');
    const span = spanOf(range);
    const limit = range.limit ?? Number.POSITIVE_INFINITY;
    const reverse = range.reverse === true;
    const entries: Entry[] = [];
    if (span.low >= span.high || limit <= 0) return entries;
    const over = mergeLayers(this.#layers(own), span, reverse);
    let top = over.next().value;
    const take = (entry: LayerEntry) => {
      const value = slotValue(entry.slot);
      if (value !== undefined) entries.push({ key: parseKeyText(entry.text), value });
      top = over.next().value;
    };
    for (const { key, value } of this.#tree.getRange(treeRange(span, reverse))) {
      while (top !== undefined && (reverse ? top.text > key : top.text < key) && entries.length < limit) take(top);
      if (entries.length >= limit) return entries;
      if (top?.text === key) take(top);
      else entries.push({ key: parseKeyText(key), value: value as Value });
      if (entries.length >= limit) return entries;
    }
    while (top !== undefined && entries.length < limit) take(top);
    return entries;
  }

  countRange(range: Range, own: Layer | undefined): number {
    assert(!this.#closed, 'The store is closed.');
    const span = spanOf(range);
    if (span.low >= span.high) return 0;
    let count = this.#tree.getKeysCount({ start: span.low, end: span.high });
    for (const { text, slot } of mergeLayers(this.#layers(own), span, false)) {
      const below = this.#tree.doesExist(text);
      if (slot.bytes === undefined && below) count--;
      if (slot.bytes !== undefined && !below) count++;
    }
    return Math.min(count, range.limit ?? count);
  }

  /** Up to `limit` keys that exist in a span, in no order. */
  #texts(span: Span, limit: number): string[] {
    const texts: string[] = [];
    const over = new Set<string>();
    for (const { text, slot } of mergeLayers(this.#layers(undefined), span, false)) {
      over.add(text);
      if (slot.bytes !== undefined && texts.length < limit) texts.push(text);
    }
    if (texts.length >= limit) return texts;
    for (const text of this.#tree.getKeys(treeRange(span, false))) {
      if (over.has(text)) continue;
      texts.push(text);
      if (texts.length >= limit) break;
    }
    return texts;
  }

  #layers(own: Layer | undefined): Layer[] {
    const layers = this.#frozen === undefined ? [this.#committed] : [this.#frozen, this.#committed];
    if (own !== undefined) layers.push(own);
    return layers;
  }

  /** Undefined when it is the caller's turn to change the store at once, else a promise of that; `#next` hands the turn on. */
  #turn(): Promise<void> | undefined {
    if (this.#busy || this.#overrun()) return this.#waitForTurn();
    this.#busy = true;
    return undefined;
  }

  async #waitForTurn(): Promise<void> {
    if (this.#busy) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    this.#busy = true;
    if (!this.#overrun()) return;
    try {
      await this.#checkpoint;
    } catch (error) {
      this.#next();
      throw error;
    }
  }

  #next(): void {
    const next = this.#waiting.shift();
    if (next === undefined) this.#busy = false;
    else next();
  }

  #commit(writes: Layer): void {
    if (writes.slots.size === 0) return;
    this.#logs.at(-1)!.append(writes.slots);
    for (const [text, slot] of writes.slots) this.#apply(text, slot);
    if (this.#exceeds(1) && this.#checkpoint === undefined) this.#startCheckpoint();
  }

  /** Puts a write over the committed layer. What is deleted and not there below leaves nothing behind: queues would drown in tombstones. */
  #apply(text: string, slot: Slot): void {
    if (slot.bytes !== undefined || this.#isBelow(text)) this.#committed.set(text, slot);
    else this.#committed.remove(text);
  }

  #isBelow(text: string): boolean {
    const slot = this.#frozen?.slots.get(text);
    return slot === undefined ? this.#tree.doesExist(text) : slot.bytes !== undefined;
  }

  #exceeds(times: number): boolean {
    const { slots, bytes, tombstones } = this.#committed;
    const { keys: keysMax, bytes: bytesMax, tombstones: tombstonesMax } = this.#limits;
    return slots.size > keysMax * times || bytes > bytesMax * times || tombstones > tombstonesMax * times;
  }

  #overrun(): boolean {
    return this.#checkpoint !== undefined && this.#exceeds(layerOverrunMax);
  }

  /** Begins to move the committed layer into LMDB. A failure (a full disk) reaches who waits for it; the next commit tries again. */
  #startCheckpoint(): void {
    this.#checkpoint = this.#writeFrozen().finally(() => {
      this.#checkpoint = undefined;
    });
    this.#checkpoint.catch(() => undefined);
  }

  #freeze(): Layer {
    const log = new CommitLog(logPath(this.#folder, this.#logNumber + 1), 0);
    const frozen = this.#committed;
    this.#frozen = frozen;
    this.#committed = new Layer();
    this.#logNumber++;
    this.#logs.push(log);
    return frozen;
  }

  async #writeFrozen(): Promise<void> {
    const frozen = this.#frozen ?? this.#freeze();
    const done = this.#logs.slice(0, -1);
    for (const log of done) await log.flush();
    const texts = [...frozen.slots.keys()];
    for (let from = 0; from < texts.length; from += checkpointChunkKeys) {
      await this.#writeTree((put) => {
        for (const text of texts.slice(from, from + checkpointChunkKeys)) put(text, frozen.slots.get(text)!.bytes);
      });
    }
    await this.#writeTree((put) => put(markKey, encodeValue(this.#logNumber - 1)));
    this.#frozen = undefined;
    for (const text of texts) this.#readCache.delete(text);
    this.#logs = this.#logs.slice(done.length);
    for (const log of done) {
      log.close();
      rmSync(log.path);
    }
  }

  /** One LMDB transaction, written and synced by LMDB's thread. Rejects with the system's reason when that fails. */
  async #writeTree(body: (put: (text: string, bytes: Uint8Array | undefined) => void) => void): Promise<void> {
    const writes: Promise<boolean>[] = [];
    const put = (text: string, bytes: Uint8Array | undefined) => {
      writes.push(bytes === undefined ? this.#tree.remove(text) : this.#tree.put(text, bytes));
    };
    writes.push(this.#tree.batch(() => body(put)));
    const [failed] = (await Promise.allSettled(writes)).filter((write) => write.status === 'rejected');
    if (failed === undefined) return;
    // The reason is a promise of its own that nobody else waits for.
    const reason = (failed.reason as { commitError?: Promise<unknown> }).commitError;
    throw await Promise.resolve(reason ?? Promise.reject(failed.reason)).catch((error: unknown) => error);
  }

  /** Replays the logs that LMDB does not hold, stopping for good at the first damage or gap: what follows it is not history's prefix. */
  #recover(): { logs: CommitLog[]; number: number } {
    const mark = (this.#tree.get(markKey) as number | undefined) ?? 0;
    const logs: CommitLog[] = [];
    let number = mark;
    let whole = true;
    for (const found of findLogs(this.#folder)) {
      const path = logPath(this.#folder, found);
      if (!whole || found !== number + 1) {
        rmSync(path);
        continue;
      }
      const replayed = replayLog(path, (text, slot) => this.#apply(text, slot));
      logs.push(new CommitLog(path, replayed.size));
      number = found;
      whole = replayed.whole;
    }
    if (logs.length === 0) {
      number = mark + 1;
      logs.push(new CommitLog(logPath(this.#folder, number), 0));
      syncFolder(this.#folder);
    }
    return { logs, number };
  }
}

/** What a body gets. Every call answers at once, by a promise that is already resolved or rejected. */
class Transaction implements StoreTransaction {
  readonly writes = new Layer();
  readonly callbacks: (() => void)[] = [];
  readonly #store: LmdbStore;
  #open = true;

  constructor(store: LmdbStore) {
    this.#store = store;
  }

  /** Runs the body to its end, or rejects when it waits for something that is not the store. */
  run<T>(body: (tx: StoreTransaction) => Promise<T>): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      queueMicrotask(() =>
        process.nextTick(() => {
          if (!this.#open) return;
          const message = 'awaited something other than the store inside a transaction (a nested transaction counts)';
          reject(new AssertionError({ message, operator: 'fail' }));
        }),
      );
      body(this).then(resolve, reject);
    });
  }

  end(): void {
    this.#open = false;
  }

  get(key: Key): Promise<Value | undefined> {
    return this.#attempt(() => this.#store.read(keyText(key), this.writes));
  }

  scan(range: Range): Promise<Entry[]> {
    return this.#attempt(() => this.#store.readRange(range, this.writes));
  }

  count(range: Range): Promise<number> {
    return this.#attempt(() => this.#store.countRange(range, this.writes));
  }

  put(key: Key, value: Value): Promise<void> {
    return this.#attempt(() => this.writes.set(keyToWrite(key), { bytes: encodeValue(value) }));
  }

  delete(key: Key): Promise<void> {
    return this.#attempt(() => this.writes.set(keyToWrite(key), { bytes: undefined }));
  }

  afterCommit(callback: () => void): void {
    assert(this.#open, 'The transaction is over.');
    this.callbacks.push(callback);
  }

  #attempt<T>(action: () => T): Promise<T> {
    if (!this.#open) return Promise.reject(new AssertionError({ message: 'The transaction is over.', operator: 'fail' }));
    return attempt(action);
  }
}

function attempt<T>(action: () => T): Promise<T> {
  try {
    return Promise.resolve(action());
  } catch (error) {
    return Promise.reject(error);
  }
}

/** The commit stands; an error of a wake-up is nobody's answer but a bug, and surfaces as an uncaught one. */
function runApart(callback: () => void): void {
  try {
    callback();
  } catch (error) {
    queueMicrotask(() => {
      throw error;
    });
  }
}

function keyToWrite(key: Key): string {
  const text = keyText(key);
  if (text === '') throw new InvalidKeyError('The empty key is no key.');
  return text;
}

function treeRange({ low, high }: Span, reverse: boolean) {
  return reverse ? { start: high, exclusiveStart: true, end: low, inclusiveEnd: true, reverse } : { start: low, end: high };
}
