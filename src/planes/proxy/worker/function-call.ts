/** A request to a function: its body is gathered, bounded, and the whole handed over at once. */
import { BodyReader } from './http-body.ts';
import type { HandedAnswer } from '../types.ts';
import { reasonOf } from './forwarded.ts';
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

/** Headers of a function's answer that the node writes itself. */
const ours = new Set(['connection', 'content-length', 'transfer-encoding', 'keep-alive', 'server', 'date', 'upgrade']);

/** The head of an answer that a function gave, as the client gets it. */
export function answerHead(
  { status, reason, headers }: Extract<HandedAnswer, { body: string }>,
  own: { length: number; date: Date; keeps: boolean; cookies: string },
): string {
  let text = `HTTP/1.1 ${status} ${reason ?? reasonOf(status)}\r\nServer: awselb/2.0\r\nDate: ${own.date.toUTCString()}\r\n`;
  if (!headers.some(([name]) => name.toLowerCase() === 'content-type')) text += 'Content-Type: application/octet-stream\r\n';
  for (const [name, value] of headers) if (!ours.has(name.toLowerCase())) text += `${name}: ${value}\r\n`;
  return `${text}${own.cookies}Content-Length: ${own.length}\r\nConnection: ${own.keeps ? 'keep-alive' : 'close'}\r\n\r\n`;
}
