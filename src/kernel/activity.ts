/**
 * Work under way that no row tells of: a function that runs, a request to somebody's endpoint, the steps of an execution. Whoever moves the clock waits for it,
 * within bounds, before going on, so that what follows counts from the time at which it happened. A cache: after a restart there is none.
 *
 * Not here: what waits for the clock itself or for somebody to come (a long poll), because that would be waited for in vain; and what runs as a job or in a
 * reconciler, which they tell themselves.
 */
import type { Clock, Millis } from '../base/clock.ts';

export class Activity {
  readonly #works = new Set<Promise<unknown>>();
  readonly #forgiven = new WeakSet<Promise<unknown>>();
  readonly #resting = new Set<() => void>();
  #waiters: (() => void)[] = [];

  /** Counts this as work under way until it has settled. Returns it. */
  track<T>(work: Promise<T>): Promise<T> {
    this.#works.add(work);
    const done = (): void => {
      this.#works.delete(work);
      if (!this.busy) for (const waiter of this.#waiters.splice(0)) waiter();
    };
    work.then(done, done);
    return work;
  }

  /** Something is under way that is worth waiting for. */
  get busy(): boolean {
    for (const work of this.#works) if (!this.#forgiven.has(work)) return true;
    return false;
  }

  /** Resolves when nothing is under way. */
  idle(): Promise<void> {
    if (!this.busy) return Promise.resolve();
    return new Promise((resolve) => this.#waiters.push(resolve));
  }

  /**
   * Rests between two looks at something that tells nobody when it changes: so many real milliseconds, until `signal`, or until a clock that is being moved
   * has come to a stop and asks for a look.
   */
  async rest(clock: Clock, real: Millis, signal: AbortSignal): Promise<void> {
    const over = new AbortController();
    const wake = (): void => over.abort();
    if (signal.aborted) return;
    signal.addEventListener('abort', wake);
    this.#resting.add(wake);
    await clock.pause(real, over.signal);
    this.#resting.delete(wake);
    signal.removeEventListener('abort', wake);
  }

  /** Has those that rest look. False when there are none. */
  look(): boolean {
    const resting = [...this.#resting];
    for (const wake of resting) wake();
    return resting.length > 0;
  }

  /** What is under way now was waited for long enough. Returns how much that is. */
  forgive(): number {
    let count = 0;
    for (const work of this.#works) {
      if (this.#forgiven.has(work)) continue;
      this.#forgiven.add(work);
      count += 1;
    }
    for (const waiter of this.#waiters.splice(0)) waiter();
    return count;
  }
}
