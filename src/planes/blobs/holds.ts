/** Who reads which blobs, so that what is removed meanwhile stays readable until the last reader has left. */
export class Holds {
  /** Readers by id, and what is to be removed when the last of them leaves. */
  readonly #held = new Map<string, number>();
  readonly #leaving = new Set<string>();
  readonly #remove: (id: string) => void;

  /** `remove` is called when the last reader of a blob leaves whose removal was put off. */
  constructor(remove: (id: string) => void) {
    this.#remove = remove;
  }

  /** Holds these until the returned function is called, which may be called again. */
  hold(ids: readonly string[]): () => void {
    for (const id of ids) this.#held.set(id, (this.#held.get(id) ?? 0) + 1);
    let released = false;
    return () => {
      if (released) return;
      released = true;
      for (const id of ids) this.#release(id);
    };
  }

  /** True when somebody reads it: its removal is then put off. */
  putsOff(id: string): boolean {
    if (!this.#held.has(id)) return false;
    this.#leaving.add(id);
    return true;
  }

  #release(id: string): void {
    const left = (this.#held.get(id) ?? 1) - 1;
    if (left > 0) {
      this.#held.set(id, left);
      return;
    }
    this.#held.delete(id);
    if (this.#leaving.delete(id)) this.#remove(id);
  }
}
