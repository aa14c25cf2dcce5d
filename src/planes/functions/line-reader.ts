/** Lines out of what a sandbox prints: complete ones as they come, bounded, with a way to know that everything printed so far has been read. */
import type { Readable } from 'node:stream';
import type { LogLine } from './types.ts';

/** "An event is at most 256 KB" (CloudWatch Logs, as it was for years): longer lines are cut there. */
const lineBytesMax = 256 * 1024;
/** Turns of the event loop without a new piece after which everything that was printed has been read. */
const quietTurns = 2;
const finishMillisMax = 1000;

export class LineReader {
  readonly #tell: (line: LogLine) => void;
  #unread = Buffer.alloc(0);
  #pieces = 0;
  #closed: Promise<unknown> = Promise.resolve();

  constructor(tell: (line: LogLine) => void) {
    this.#tell = tell;
  }

  take(piece: Buffer): void {
    this.#pieces += 1;
    const at = Date.now();
    let rest = this.#unread.byteLength === 0 ? piece : Buffer.concat([this.#unread, piece]);
    for (;;) {
      const end = rest.indexOf(10);
      const cut = end < 0 && rest.byteLength >= lineBytesMax ? lineBytesMax : end;
      if (cut < 0) break;
      this.#say(rest.subarray(0, cut), at);
      rest = rest.subarray(end < 0 ? cut : cut + 1);
    }
    this.#unread = Buffer.from(rest);
  }

  watch(streams: readonly Readable[]): void {
    this.#closed = Promise.all(streams.map((stream) => new Promise((resolve) => stream.once('close', resolve))));
  }

  /** Resolves when the pipes hold nothing more that was printed before now. */
  async drained(): Promise<void> {
    let before = -1;
    for (let quiet = 0; quiet < quietTurns; ) {
      quiet = before === this.#pieces ? quiet + 1 : 0;
      before = this.#pieces;
      await new Promise((resolve) => setImmediate(resolve));
    }
  }

  /** Resolves when nobody can print any more, with the last line told though it has no end. */
  async finish(): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    await Promise.race([
      this.#closed,
      new Promise((resolve) => {
        timer = setTimeout(resolve, finishMillisMax);
      }),
    ]);
    clearTimeout(timer);
    if (this.#unread.byteLength > 0) this.#say(this.#unread, Date.now());
    this.#unread = Buffer.alloc(0);
  }

  #say(line: Uint8Array, at: number): void {
    // Our clients send messages of several lines with other separators (clients/node.ts).
    this.#tell({ at, text: Buffer.from(line).toString('utf8').replaceAll('\r', '\n') });
  }
}
