/** Who waits for records of a shard, in this process: told when some were put. Nobody polls; after a restart nobody waits. */
import type { Clock, Millis } from '../../base/clock.ts';

class Arrivals {
  readonly #clock: Clock;
  readonly #waiters = new Map<string, Set<() => void>>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Something came to a shard, or it was closed. */
  tell(shard: string): void {
    for (const done of [...(this.#waiters.get(shard) ?? [])]) done();
  }

  /** Resolves when something may have come to one of these, cloud time has reached `deadline`, or `interrupt` calls back. */
  wait(names: readonly string[], deadline: Millis, interrupt: (done: () => void) => () => void): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        for (const name of names) {
          const waiters = this.#waiters.get(name);
          waiters?.delete(done);
          if (waiters?.size === 0) this.#waiters.delete(name);
        }
        cancel();
        forget();
        resolve();
      };
      for (const name of names) {
        const waiters = this.#waiters.get(name) ?? new Set();
        this.#waiters.set(name, waiters);
        waiters.add(done);
      }
      const cancel = this.#clock.at(deadline, done, 'passing');
      const forget = interrupt(done);
    });
  }
}

/** One per cloud, found by its clock: a cache. */
const arrivalsCache = new WeakMap<Clock, Arrivals>();

export function arrivals(clock: Clock): Arrivals {
  let known = arrivalsCache.get(clock);
  if (known === undefined) {
    known = new Arrivals(clock);
    arrivalsCache.set(clock, known);
  }
  return known;
}
