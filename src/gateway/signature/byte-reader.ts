/** Reads an asynchronous source of bytes by line, by count, or as it comes, never holding more than it was asked for and one piece of the source. */
export class ByteReader {
  readonly #source: AsyncIterator<Uint8Array>;
  #piece: Uint8Array = new Uint8Array();
  #ended = false;

  constructor(source: AsyncIterable<Uint8Array>) {
    this.#source = source[Symbol.asyncIterator]();
  }

  /** Text up to the next CR LF, as latin-1 and without it; undefined when none comes within `bytesMax` bytes or before the end. */
  async line(bytesMax: number): Promise<string | undefined> {
    let text = '';
    while (await this.#fill()) {
      const end = this.#piece.indexOf(10);
      const part = Buffer.from(this.#take(end < 0 ? this.#piece.length : end + 1)).toString('latin1');
      text += part;
      if (text.length > bytesMax + 2) return undefined;
      if (end >= 0) return text.endsWith('\r\n') ? text.slice(0, -2) : undefined;
    }
    return undefined;
  }

  /** What is at hand, at most `bytesMax` bytes; undefined at the end. */
  async some(bytesMax: number): Promise<Uint8Array | undefined> {
    if (!(await this.#fill())) return undefined;
    return this.#take(Math.min(bytesMax, this.#piece.length));
  }

  /** Exactly so many bytes; undefined when the source ends before. */
  async exactly(count: number): Promise<Uint8Array | undefined> {
    const parts: Uint8Array[] = [];
    for (let missing = count; missing > 0; ) {
      const part = await this.some(missing);
      if (part === undefined) return undefined;
      parts.push(part);
      missing -= part.length;
    }
    return parts.length === 1 ? parts[0] : Buffer.concat(parts);
  }

  /** Whether nothing is left. */
  async atEnd(): Promise<boolean> {
    return !(await this.#fill());
  }

  /** Lets the source go, read to its end or not. */
  async close(): Promise<void> {
    if (!this.#ended) await this.#source.return?.();
    this.#ended = true;
  }

  #take(count: number): Uint8Array {
    const taken = this.#piece.subarray(0, count);
    this.#piece = this.#piece.subarray(count);
    return taken;
  }

  async #fill(): Promise<boolean> {
    while (this.#piece.length === 0) {
      if (this.#ended) return false;
      const { done, value } = await this.#source.next();
      if (done === true) this.#ended = true;
      else this.#piece = value;
    }
    return true;
  }
}
