/** Lengths of WebSocket frames as they arrive: the library checks whole messages only. */
import type { Duplex } from 'node:stream';

/** Reads the heads of a client's frames (RFC 6455, 5.2) beside whoever else reads the socket. */
export class FrameWatch {
  /** Bytes of the frame's body that are still to come. */
  #left = 0;
  #head: number[] = [];
  #tooLong: (() => void) | undefined;
  readonly #bytesMax: number;

  constructor(socket: Duplex, bytesMax: number) {
    this.#bytesMax = bytesMax;
    socket.on('data', (piece: Buffer) => this.#read(piece));
  }

  /** Calls back at a frame that is longer than allowed. */
  onTooLong(listener: () => void): void {
    this.#tooLong = listener;
  }

  #read(piece: Buffer): void {
    let at = 0;
    while (at < piece.byteLength) {
      if (this.#left > 0) {
        const taken = Math.min(this.#left, piece.byteLength - at);
        this.#left -= taken;
        at += taken;
        continue;
      }
      this.#head.push(piece[at] ?? 0);
      at += 1;
      const length = this.#bodyLength();
      if (length === undefined) continue;
      this.#head = [];
      this.#left = length;
      if (length > this.#bytesMax) this.#tooLong?.();
    }
  }

  /** Length of the body once its head is whole: two bytes, a longer length, and the mask's four bytes. */
  #bodyLength(): number | undefined {
    const [, second] = this.#head;
    if (second === undefined) return undefined;
    const short = second & 0x7f;
    const extra = short === 126 ? 2 : short === 127 ? 8 : 0;
    const mask = (second & 0x80) === 0 ? 0 : 4;
    if (this.#head.length < 2 + extra + mask) return undefined;
    if (extra === 0) return short;
    return this.#head.slice(2, 2 + extra).reduce((sum, byte) => sum * 256 + byte, 0);
  }
}
