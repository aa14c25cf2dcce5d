/** What a node holds: entries with an end in cloud time, the least recently used pushed out above a number of bytes. */

interface Entry<V> {
  value: V;
  expires: number;
  bytes: number;
}

/** What an entry costs beside its key and value. */
const entryBytes = 120;

export class BoundedCache<V> {
  readonly #entries = new Map<string, Entry<V>>();
  #bytes = 0;
  bytesMax: number;

  constructor(bytesMax: number) {
    this.bytesMax = bytesMax;
  }

  /** Bytes of what is held. */
  get bytes(): number {
    return this.#bytes;
  }

  /** The value, as the most recently used; undefined when there is none any more. */
  get(key: string, now: number): V | undefined {
    const entry = this.#entries.get(key);
    if (entry === undefined) return undefined;
    if (entry.expires <= now) {
      this.delete(key);
      return undefined;
    }
    this.#entries.delete(key);
    this.#entries.set(key, entry);
    return entry.value;
  }

  /** `millis` 0: without an end. Returns the bytes of others that were pushed out. */
  set(key: string, value: V, valueBytes: number, now: number, millis: number): number {
    this.delete(key);
    const bytes = key.length + valueBytes + entryBytes;
    if (bytes > this.bytesMax) return 0;
    this.#entries.set(key, { value, bytes, expires: millis === 0 ? Number.POSITIVE_INFINITY : now + millis });
    this.#bytes += bytes;
    const before = this.#bytes;
    for (const oldest of this.#entries.keys()) {
      if (this.#bytes <= this.bytesMax) break;
      this.delete(oldest);
    }
    return before - this.#bytes;
  }

  delete(key: string): void {
    const entry = this.#entries.get(key);
    if (entry === undefined) return;
    this.#entries.delete(key);
    this.#bytes -= entry.bytes;
  }
}
