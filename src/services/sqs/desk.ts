/**
 * What the process remembers of queues between requests, none of which is state: who waits for a message, where the orders of a shelf begin, how
 * fast a FIFO queue is called. After a restart it is all found again from rows.
 *
 * Receives that wait are woken one per message, the longest waiting first; each looks again and, when it took all it could, wakes the next. One
 * timer per shelf follows the earliest message that becomes visible. Nobody polls.
 */
import type { Clock, Millis } from '../../base/clock.ts';

/** A place in an order of times: no row stands before it. Spares each look the way over rows that are deleted but still in the tree. */
export type Place = readonly [at: Millis, sequence: number];
export type Order = 'waiting' | 'flights' | 'groups';

const start: Place = [Number.NEGATIVE_INFINITY, 0];

interface Bucket {
  tokens: number;
  at: Millis;
}

interface Shelf {
  waiters: Set<() => void>;
  cancelTimer: () => void;
  timerAt: Millis;
  first: Record<Order, Place>;
  /** Not more messages than this are in flight; undefined when nobody has counted. */
  flightsBound: number | undefined;
}

export class Desk {
  readonly #clock: Clock;
  readonly #shelves = new Map<string, Shelf>();
  readonly #buckets = new Map<string, Bucket>();
  #closed = false;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Where to begin to look in an order. */
  first(shelf: string, order: Order): Place {
    return this.#shelf(shelf).first[order];
  }

  /** A committed look has found that nothing stands before this place. */
  begins(shelf: string, order: Order, place: Place): void {
    this.#shelf(shelf).first[order] = place;
  }

  /** A row is being put at this place. Too early a beginning costs time only, so it may be told before the commit. */
  added(shelf: string, order: Order, place: Place): void {
    const known = this.#shelf(shelf);
    if (isBefore(place, known.first[order])) known.first[order] = place;
  }

  flightsBound(shelf: string): number | undefined {
    return this.#shelf(shelf).flightsBound;
  }

  setFlightsBound(shelf: string, bound: number): void {
    this.#shelf(shelf).flightsBound = bound;
  }

  /** Waits until something may have come, cloud time has reached `deadline`, or `onGone` reports that nobody listens any more. */
  wait(shelf: string, deadline: Millis, onGone: (listener: () => void) => () => void): Promise<void> {
    if (this.#closed) return Promise.resolve();
    return new Promise((resolve) => {
      const { waiters } = this.#shelf(shelf);
      const done = (): void => {
        waiters.delete(done);
        cancel();
        forget();
        resolve();
      };
      // Who gives up waiting starts nothing: a moving clock need not stop for it.
      const cancel = this.#clock.at(deadline, done, 'passing');
      const forget = onGone(done);
      waiters.add(done);
    });
  }

  /** Nobody is told of anything any more: the process ends. */
  get closed(): boolean {
    return this.#closed;
  }

  hasWaiters(shelf: string): boolean {
    return (this.#shelves.get(shelf)?.waiters.size ?? 0) > 0;
  }

  /** Wakes up to `count` who wait. */
  wake(shelf: string, count = 1): void {
    const waiters = this.#shelves.get(shelf)?.waiters;
    if (waiters === undefined) return;
    for (const done of [...waiters].slice(0, count)) done();
  }

  /** Something becomes visible at this time: wakes one who waits then. */
  wakeAt(shelf: string, at: Millis): void {
    const known = this.#shelf(shelf);
    if (at >= known.timerAt) return;
    known.cancelTimer();
    known.timerAt = at;
    known.cancelTimer = this.#clock.at(at, () => {
      known.timerAt = Number.POSITIVE_INFINITY;
      this.wake(shelf);
    });
  }

  /** Takes one of `perSecond` tokens of a bucket that holds a second's worth; false when it is empty. */
  takeToken(key: string, perSecond: number): boolean {
    const now = this.#clock.now();
    const bucket = this.#buckets.get(key) ?? { tokens: perSecond, at: now };
    const tokens = Math.min(perSecond, bucket.tokens + ((now - bucket.at) * perSecond) / 1000);
    if (tokens < 1) return false;
    this.#buckets.set(key, { tokens: tokens - 1, at: now });
    return true;
  }

  /** Forgets a shelf; who waits there looks once more, and finds it gone. */
  forget(shelf: string): void {
    const known = this.#shelves.get(shelf);
    if (known === undefined) return;
    known.cancelTimer();
    this.#shelves.delete(shelf);
    for (const done of [...known.waiters]) done();
  }

  /** Ends all waiting, at the end of the process or when rows were cleared. */
  clear(closed: boolean): void {
    this.#closed = closed;
    for (const shelf of [...this.#shelves.keys()]) this.forget(shelf);
    this.#buckets.clear();
  }

  #shelf(shelf: string): Shelf {
    let known = this.#shelves.get(shelf);
    if (known === undefined) {
      known = {
        waiters: new Set(),
        cancelTimer: () => undefined,
        timerAt: Number.POSITIVE_INFINITY,
        first: { waiting: start, flights: start, groups: start },
        flightsBound: undefined,
      };
      this.#shelves.set(shelf, known);
    }
    return known;
  }
}

/** One desk per cloud, found by its clock: a rebuildable cache. */
const desksCache = new WeakMap<Clock, Desk>();

export function deskOf({ clock }: { clock: Clock }): Desk {
  let desk = desksCache.get(clock);
  if (desk === undefined) {
    desk = new Desk(clock);
    desksCache.set(clock, desk);
  }
  return desk;
}

function isBefore(a: Place, b: Place): boolean {
  return a[0] < b[0] || (a[0] === b[0] && a[1] < b[1]);
}
