/** A request to a function: its body is gathered, bounded, and the whole handed over at once. */
import { BodyReader } from './http-body.ts';
import type { BodyKind } from './http-head.ts';

/** Bytes of a body that a function takes. */
const functionBodyBytesMax = 1_048_576;

export class FunctionCall {
  /** The body is longer than functions take. */
  tooLong: boolean;
  readonly #reader: BodyReader;
  readonly #parts: Buffer[] = [];
  #bytes = 0;

  constructor(kind: BodyKind) {
    this.tooLong = typeof kind === 'number' && kind > functionBodyBytesMax;
    this.#reader = new BodyReader(kind, (bytes) => this.#take(bytes));
  }

  /** Bytes of the body as they came, chunks and all. */
  onBody(bytes: Buffer): void {
    if (!this.tooLong) this.#reader.take(bytes, 0);
  }

  /** What the body holds, in base64. */
  get body(): string {
    return Buffer.concat(this.#parts).toString('base64');
  }

  #take(bytes: Buffer): void {
    this.#bytes += bytes.length;
    this.tooLong ||= this.#bytes > functionBodyBytesMax;
    if (!this.tooLong) this.#parts.push(bytes);
  }
}

/** Headers of a head that a node wrote for a target, names in lower case. */
export function headersOf(head: string): [name: string, value: string][] {
  return head
    .split('\r\n')
    .slice(1)
    .filter((line) => line !== '')
    .map((line): [string, string] => {
      const colon = line.indexOf(': ');
      return [line.slice(0, colon).toLowerCase(), line.slice(colon + 2)];
    })
    .filter(([name]) => name !== 'transfer-encoding' && name !== 'expect');
}
