/** How often the name servers answered for each public zone: for bills. What a resolver answers from what it kept does not reach them and does not count. */

/** Queries for records, and those for aliases of names of other sources. */
export interface QueryCount {
  plain: number;
  aliases: number;
}

export class QueryCounts {
  #counts = new Map<string, QueryCount>();
  readonly #listeners = new Set<() => void>();

  add(zone: string, kind: keyof QueryCount): void {
    const known = this.#counts.get(zone);
    if (known !== undefined) {
      known[kind] += 1;
      return;
    }
    const first = this.#counts.size === 0;
    this.#counts.set(zone, { plain: 0, aliases: 0, [kind]: 1 });
    if (first) for (const listener of this.#listeners) listener();
  }

  /** Calls back when something is counted for the first time since all was taken; returns how to stop. */
  onFirst(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** All that was counted since the last time, by zone. */
  take(): ReadonlyMap<string, QueryCount> {
    const taken = this.#counts;
    this.#counts = new Map();
    return taken;
  }
}
