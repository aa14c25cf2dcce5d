/**
 * One shard of a mapping: its records, read ahead a little, in as many lanes as batches may run at once; records of one key are in one lane, so they
 * keep their order. How far the shard has been read is kept as the last record before which all are done. With a tumbling window there is one lane,
 * and its batches share a state until the window is over ("Tumbling windows").
 */
import type { Millis } from '../../../base/clock.ts';
import type { Context } from '../../../kernel/context.ts';
import { AwsError } from '../../../kernel/errors.ts';
import type { Target } from '../lookup.ts';
import { type MappingRow, Mappings, type PositionRow, Positions, type WindowState } from '../state.ts';
import { Delivery } from './delivery.ts';
import type { Beat } from './pollers.ts';
import type { Entry, Source } from './stream-sources.ts';

/** Real milliseconds between two looks at a shard that had nothing new; AWS looks once a second. */
const idleMillis = 200;
const refusalMillis = 1000;
/** What a shard that its stream has dropped is refused with. */
const goneCodes: ReadonlySet<string> = new Set(['ResourceNotFoundException', 'TrimmedDataAccessException']);
/** Batches of each lane that are read ahead. */
const aheadMax = 2;
/** "The payload size reaches 6 MB", with room for what surrounds the records. */
const batchBytesMax = 6_000_000;
/** "Lambda waits for up to 2 minutes before assuming that the window is over." */
const lateMillis: Millis = 120_000;
const stateBytesMax = 1024 * 1024;

export interface Lane {
  ctx: Context;
  mapping: MappingRow;
  target: Target;
  source: Source;
  beat: Beat;
  stopped: AbortSignal;
}

interface Waiting extends Entry {
  bytes: number;
}

export class ShardReader {
  readonly #lane: Lane;
  #position: PositionRow;
  readonly #queues: Waiting[][];
  /** Records that have been read, in order, until all before them are done. */
  readonly #outstanding: Entry[] = [];
  readonly #done = new Set<Entry>();
  #saved: PositionRow;
  #readAll = false;
  /** It was read before this reader began. */
  #known = false;
  #wakers: (() => void)[] = [];
  readonly #delivery: Delivery;

  constructor(lane: Lane, position: PositionRow) {
    this.#lane = lane;
    this.#position = this.#saved = position;
    this.#queues = Array.from({ length: lane.mapping.parallel ?? 1 }, () => []);
    this.#delivery = new Delivery(lane, position.shard);
  }

  /** Resolves when the shard is done with, or the reader is stopped. Throws what reading is refused with, after a rest. */
  async run(): Promise<void> {
    const { ctx, stopped } = this.#lane;
    const wake = (): void => this.#wake();
    stopped.addEventListener('abort', wake);
    try {
      const { mapping, shard } = this.#position;
      this.#known = (await ctx.table(Positions).get(mapping, shard)) !== undefined;
      if (!this.#known) await this.#save();
      const works = this.#queues.map((queue) => (this.#windowMillis > 0 ? this.#runWindows(queue) : this.#runBatches(queue)));
      await Promise.all([this.#read(), ...works]);
      if (stopped.aborted) return;
      this.#position = { ...this.#position, ended: true };
      await this.#save();
    } finally {
      stopped.removeEventListener('abort', wake);
    }
  }

  get #windowMillis(): Millis {
    return (this.#lane.mapping.tumblingSeconds ?? 0) * 1000;
  }

  async #read(): Promise<void> {
    const { ctx, mapping, source, stopped, beat } = this.#lane;
    const { shard } = this.#position;
    const limit = mapping.batchSize * this.#queues.length * aheadMax;
    let iterator: string | undefined;
    let last = this.#position.sequence;
    let again = this.#known;
    while (!stopped.aborted) {
      if (this.#outstanding.length >= limit) {
        await this.#change();
        continue;
      }
      try {
        iterator ??= await source.open({ shard, sequence: last, since: this.#position.since ?? 0, again });
        if (iterator === undefined) break;
        again = true;
        const { entries, next } = await source.read(
          shard,
          iterator,
          Math.min(mapping.batchSize, limit - this.#outstanding.length),
        );
        iterator = next;
        last = entries.at(-1)?.sequence ?? last;
        for (const entry of entries) this.#take(entry);
        if (entries.length > 0) this.#wake();
        if (next === undefined) break;
        if (entries.length === 0) await ctx.rest(idleMillis, stopped);
      } catch (error) {
        if (!(error instanceof AwsError)) throw error;
        // Others read the shard too, or the clock stands: a little later there is room again, and the iterator is still good.
        if (error.code === 'ProvisionedThroughputExceededException') {
          await ctx.rest(idleMillis, stopped);
          continue;
        }
        // An iterator is made again from the last record: many hours may have passed between two looks, and none of that is the mapping's trouble.
        iterator = undefined;
        if (error.code === 'ExpiredIteratorException') continue;
        if (error.code === 'TrimmedDataAccessException' && last !== undefined) {
          last = undefined;
          continue;
        }
        // What was in a shard that its stream no longer has was kept as long as it is kept.
        if (goneCodes.has(error.code) && (await this.#isGone())) break;
        beat.note(`PROBLEM: ${error.message}`);
        await ctx.clock.pause(refusalMillis, stopped);
      }
    }
    this.#readAll = true;
    this.#wake();
  }

  /** The stream is there, and this shard is none of its shards any more. */
  async #isGone(): Promise<boolean> {
    try {
      return !(await this.#lane.source.shards()).some(({ id }) => id === this.#position.shard);
    } catch (error) {
      if (error instanceof AwsError) return false;
      throw error;
    }
  }

  #take(entry: Entry): void {
    this.#outstanding.push(entry);
    const queue = this.#queues[laneOf(entry.lane, this.#queues.length)] as Waiting[];
    queue.push(Object.assign(entry, { bytes: Buffer.byteLength(JSON.stringify(entry.record)) + 1 }));
  }

  async #runBatches(queue: Waiting[]): Promise<void> {
    for (;;) {
      const batch = await this.#nextBatch(queue);
      if (batch === undefined) return;
      await this.#delivery.deliver(batch, { onDone: (entries) => this.#finish(entries) });
    }
  }

  /** A batch that is full, or has waited as long as it may; undefined when there are no more. */
  async #nextBatch(queue: Waiting[], until: Millis = Number.POSITIVE_INFINITY): Promise<Entry[] | undefined> {
    const { ctx, mapping, stopped } = this.#lane;
    for (;;) {
      if (stopped.aborted) return undefined;
      const [oldest] = queue;
      if (oldest === undefined && this.#readAll) return undefined;
      const due = oldest === undefined ? undefined : oldest.at + mapping.windowSeconds * 1000;
      // Records of a later window end the wait for more of this one.
      const full =
        (queue.at(-1)?.at ?? 0) >= until ||
        queue.length >= mapping.batchSize ||
        queue.reduce((sum, { bytes }) => sum + bytes, 0) >= batchBytesMax;
      if (oldest !== undefined && (full || this.#readAll || ctx.clock.now() >= (due ?? 0))) return this.#cut(queue, until);
      await this.#change(due);
    }
  }

  #cut(queue: Waiting[], until: Millis): Entry[] {
    let [count, bytes] = [0, 0];
    for (const entry of queue) {
      if (count === this.#lane.mapping.batchSize || entry.at >= until || (count > 0 && bytes + entry.bytes > batchBytesMax))
        break;
      bytes += entry.bytes;
      count += 1;
    }
    return queue.splice(0, count);
  }

  async #runWindows(queue: Waiting[]): Promise<void> {
    const { ctx, stopped } = this.#lane;
    while (!stopped.aborted) {
      const { window } = this.#position;
      const [oldest] = queue;
      if (window !== undefined) {
        const over = oldest !== undefined ? oldest.at >= window.end : this.#readAll || ctx.clock.now() >= window.end + lateMillis;
        if (over) {
          const outcome = await this.#delivery.deliver([], { window: { ...window, final: true }, onDone: async () => {} });
          if (outcome === 'stopped') return;
          this.#position = { ...this.#position, window: undefined };
          await this.#save();
          continue;
        }
      }
      if (oldest === undefined && this.#readAll) return;
      if (oldest === undefined) {
        await this.#change(window === undefined ? undefined : window.end + lateMillis);
        continue;
      }
      const start = Math.floor(oldest.at / this.#windowMillis) * this.#windowMillis;
      await this.#runWindow(queue, window ?? { start, end: start + this.#windowMillis, state: '{}' });
    }
  }

  /** The next batch of a window; a state that has grown too large ends it early, and it goes on with none. */
  async #runWindow(queue: Waiting[], window: WindowState): Promise<void> {
    const batch = await this.#nextBatch(queue, window.end);
    if (batch === undefined) return;
    this.#position = { ...this.#position, window };
    let { state } = window;
    await this.#delivery.deliver(batch, {
      window,
      onState: (told) => {
        state = told;
      },
      onDone: async (entries) => {
        this.#position = { ...this.#position, window: { ...window, state } };
        await this.#finish(entries);
      },
    });
    if (Buffer.byteLength(state) <= stateBytesMax) return;
    await this.#delivery.deliver([], { window: { ...window, state, early: true }, onDone: async () => {} });
    this.#position = { ...this.#position, window: { ...window, state: '{}' } };
    await this.#save();
  }

  /** Entries are done with: the position moves behind the last before which all are. */
  async #finish(entries: readonly Entry[]): Promise<void> {
    for (const entry of entries) this.#done.add(entry);
    let last: Entry | undefined;
    for (let [head] = this.#outstanding; head !== undefined && this.#done.delete(head); [head] = this.#outstanding)
      last = this.#outstanding.shift();
    if (last === undefined) return;
    this.#position = { ...this.#position, sequence: last.sequence };
    await this.#save();
    this.#wake();
  }

  async #save(): Promise<void> {
    const row = this.#position;
    if (row === this.#saved && row.sequence !== undefined) return;
    this.#saved = row;
    await this.#lane.ctx.transact(async (tx) => {
      // A mapping that is gone has taken its positions along.
      if ((await tx.table(Mappings).get(row.mapping)) !== undefined) await tx.table(Positions).put(row);
    });
  }

  #wake(): void {
    for (const wake of this.#wakers.splice(0)) wake();
  }

  /** Resolves when something has changed, or at this time of the cloud's clock. */
  #change(due?: Millis): Promise<void> {
    if (this.#lane.stopped.aborted) return Promise.resolve();
    return new Promise((resolve) => {
      const cancel = due === undefined ? undefined : this.#lane.ctx.clock.at(due, () => wake());
      const wake = (): void => {
        cancel?.();
        resolve();
      };
      this.#wakers.push(wake);
    });
  }
}

/** The lane of a key: the same one for the same key. */
function laneOf(key: string, lanes: number): number {
  let sum = 0;
  for (let i = 0; i < key.length; i++) sum = (sum * 31 + key.charCodeAt(i)) >>> 0;
  return sum % lanes;
}
