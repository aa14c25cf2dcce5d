/** Finds the end of a body in the bytes that carry it, without changing them: a proxy passes chunks on as they came. */
import { type BodyKind, HeadError } from './http-head.ts';

/** Characters of the line with a chunk's size: extensions are allowed, and nobody uses them. */
const sizeLineMax = 256;
const trailerBytesMax = 16_384;
const lf = 10;
const cr = 13;

export class BodyReader {
  done: boolean;
  readonly #kind: BodyKind;
  /** Gets what chunks hold, for whoever wants a body without its framing. */
  readonly #content: ((bytes: Buffer) => void) | undefined;
  #left: number;
  #stage: 'size' | 'data' | 'data-end' | 'trailer' = 'size';
  #line = '';
  #trailerBytes = 0;

  constructor(kind: BodyKind, content?: (bytes: Buffer) => void) {
    this.#kind = kind;
    this.#content = content;
    this.#left = typeof kind === 'number' ? kind : 0;
    this.done = kind === 'none' || kind === 0;
  }

  /** How many bytes from `start` on belong to the body. Throws HeadError for malformed chunks. */
  take(bytes: Buffer, start: number): number {
    if (this.done) return 0;
    const available = bytes.length - start;
    if (this.#kind === 'close') {
      this.#content?.(bytes.subarray(start));
      return available;
    }
    if (this.#kind === 'chunked') return this.#chunks(bytes, start);
    const taken = Math.min(this.#left, available);
    this.#left -= taken;
    if (this.#left === 0) this.done = true;
    this.#content?.(bytes.subarray(start, start + taken));
    return taken;
  }

  #chunks(bytes: Buffer, start: number): number {
    let at = start;
    while (at < bytes.length && !this.done) {
      if (this.#stage === 'data') {
        const taken = Math.min(this.#left, bytes.length - at);
        this.#left -= taken;
        this.#content?.(bytes.subarray(at, at + taken));
        at += taken;
        if (this.#left === 0) this.#stage = 'data-end';
        continue;
      }
      const end = bytes.indexOf(lf, at);
      const stop = end < 0 ? bytes.length : end + 1;
      this.#line += bytes.toString('latin1', at, stop);
      at = stop;
      if (this.#line.length > sizeLineMax && this.#stage !== 'trailer') throw new HeadError(400, 'A chunk is malformed.');
      if (this.#stage === 'trailer') this.#trailerBytes += this.#line.length;
      if (this.#trailerBytes > trailerBytesMax) throw new HeadError(400, 'The trailer is too long.');
      if (end < 0) break;
      if (this.#line.charCodeAt(this.#line.length - 2) !== cr) throw new HeadError(400, 'A chunk is malformed.');
      const line = this.#line.slice(0, -2);
      this.#line = '';
      this.#endLine(line);
    }
    return at - start;
  }

  #endLine(line: string): void {
    if (this.#stage === 'data-end') {
      if (line !== '') throw new HeadError(400, 'A chunk is longer than it says.');
      this.#stage = 'size';
    } else if (this.#stage === 'trailer') {
      if (line === '') this.done = true;
    } else {
      const match = /^([0-9a-fA-F]{1,12})(?:[ \t]*;.*)?$/.exec(line);
      if (match === null) throw new HeadError(400, 'The size of a chunk is malformed.');
      this.#left = Number.parseInt(match[1]!, 16);
      this.#stage = this.#left === 0 ? 'trailer' : 'data';
    }
  }
}
