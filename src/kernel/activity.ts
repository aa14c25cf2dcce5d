/**
 * Work under way that no row tells of: a function that runs, a request to somebody's endpoint, the steps of an execution. Whoever moves the clock waits for it,
 * within bounds, before going on, so that what follows counts from the time at which it happened. A cache: after a restart there is none.
 *
 * Not here: what waits for the clock itself or for somebody to come (a long poll), because that would be waited for in vain; and what runs as a job or in a
 * reconciler, which they tell themselves.
 */
export class Activity {
  readonly #works = new Set<Promise<unknown>>();
  readonly #forgiven = new WeakSet<Promise<unknown>>();
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
