/** Pieces of an answer on their way from a function to whoever reads them, no faster than they are read and than AWS lets them go. */
import type { Clock } from '../../../base/clock.ts';

/** Pieces that wait to be read before the function is held up. */
const waitingMax = 16;
/** "The first 6 MB of your function's response stream has uncapped bandwidth", then "2 MBps" (bytes, real milliseconds). */
const freeBytes = 6 * 1024 * 1024;
const bytesPerMilli = (2 * 1024 * 1024) / 1000;

export class Pieces {
  readonly #clock: Pick<Clock, 'pause'>;
  readonly #pieces: Uint8Array[] = [];
  #wake: () => void = () => {};
  #drained: () => void = () => {};
  #ended = false;
  #gone = false;
  #failure: unknown;
  #bytes = 0;
  /** When the bytes so far that are not free may have gone, by the host's monotonic clock. */
  #free = 0;

  constructor(clock: Pick<Clock, 'pause'>) {
    this.#clock = clock;
  }

  /** Takes a piece; resolves when the next may come. What nobody reads any more is dropped. */
  async push(piece: Uint8Array): Promise<void> {
    if (this.#gone) return;
    await this.#paced(piece.byteLength);
    this.#pieces.push(Buffer.from(piece));
    this.#wake();
    if (this.#pieces.length < waitingMax) return;
    await new Promise<void>((resolve) => {
      this.#drained = resolve;
    });
  }

  /** No piece comes after this; with a failure the reader gets it after the last piece. */
  end(failure?: unknown): void {
    this.#failure ??= failure;
    this.#ended = true;
    this.#wake();
  }

  async *read(): AsyncGenerator<Uint8Array> {
    try {
      for (;;) {
        const piece = this.#pieces.shift();
        if (piece !== undefined) {
          if (this.#pieces.length < waitingMax) this.#drained();
          yield piece;
          continue;
        }
        if (this.#failure !== undefined) throw this.#failure;
        if (this.#ended) return;
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
      }
    } finally {
      // Nobody reads any more; the function may go on writing to nobody.
      this.#gone = true;
      this.#drained();
    }
  }

  async #paced(bytes: number): Promise<void> {
    this.#bytes += bytes;
    const counted = Math.min(bytes, this.#bytes - freeBytes);
    if (counted <= 0) return;
    const now = performance.now();
    this.#free = Math.max(this.#free, now) + counted / bytesPerMilli;
    if (this.#free - now > 1) await this.#clock.pause(this.#free - now);
  }
}
