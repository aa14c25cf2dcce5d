/** An answer that a function gives piece by piece, as the HTTP response that it becomes: its head first, if it sends one, then what follows. */
import { AwsError } from '../../../kernel/errors.ts';
import type { WireResponse } from '../../../model/types.ts';

/** Content type of an answer that begins with a head: JSON, then eight zero bytes ("Lambda response streaming"). */
const withHead = 'application/vnd.awslambda.http-integration-response';
const separator = Buffer.alloc(8);
const headBytesMax = 65_536;
/** Pieces that wait to be read before the function is held up. */
const waitingMax = 16;

export class StreamedAnswer {
  readonly #pieces: Uint8Array[] = [];
  #response: ((response: WireResponse) => void) | undefined;
  #refuse: ((error: unknown) => void) | undefined;
  readonly #settled: Promise<WireResponse>;
  #wake: () => void = () => {};
  #drained: () => void = () => {};
  #ended = false;
  #gone = false;
  #failure: unknown;

  constructor() {
    this.#settled = new Promise((resolve, reject) => {
      this.#response = resolve;
      this.#refuse = reject;
    });
  }

  /** The response as soon as its head is known. Rejects with what `fail` was given before. */
  response(): Promise<WireResponse> {
    return this.#settled;
  }

  /** Begins; what is returned takes pieces, no faster than they are read. */
  open(contentType: string): { write(piece: Uint8Array): Promise<void> } {
    if (contentType !== withHead) {
      this.#begin(200, { 'content-type': contentType });
      return { write: (piece) => this.#push(piece) };
    }
    let unread: Buffer | undefined = Buffer.alloc(0);
    return {
      write: async (piece) => {
        if (unread === undefined) return this.#push(piece);
        unread = Buffer.concat([unread, piece]);
        const end = unread.indexOf(separator);
        if (end < 0 && unread.byteLength > headBytesMax)
          throw new AwsError('ServiceException', 'The head of the answer does not end.');
        if (end < 0) return undefined;
        const [head, rest] = [unread.subarray(0, end), unread.subarray(end + separator.byteLength)];
        unread = undefined;
        this.#readHead(head);
        return rest.byteLength > 0 ? this.#push(rest) : undefined;
      },
    };
  }

  /** The answer came in one piece. */
  whole(response: WireResponse): void {
    this.#response?.(response);
    this.end();
  }

  end(): void {
    // A stream that ended without a word is an empty answer.
    this.#begin(200, { 'content-type': 'application/octet-stream' });
    this.#ended = true;
    this.#wake();
  }

  fail(error: unknown): void {
    this.#failure = error;
    this.#refuse?.(error);
    this.end();
  }

  #readHead(head: Buffer): void {
    const told = JSON.parse(head.toString('utf8')) as {
      statusCode?: number;
      headers?: Record<string, string>;
      cookies?: string[];
    };
    const headers: Record<string, string> = {};
    for (const [name, value] of Object.entries(told.headers ?? {})) headers[name.toLowerCase()] = String(value);
    if ((told.cookies ?? []).length > 0) headers['set-cookie'] = (told.cookies ?? []).join(', ');
    this.#begin(told.statusCode ?? 200, { 'content-type': 'application/octet-stream', ...headers });
  }

  #begin(status: number, headers: Record<string, string>): void {
    this.#response?.({ status, headers, body: this.#read() });
  }

  async #push(piece: Uint8Array): Promise<void> {
    if (this.#gone) return;
    this.#pieces.push(Buffer.from(piece));
    this.#wake();
    if (this.#pieces.length < waitingMax) return;
    await new Promise<void>((resolve) => {
      this.#drained = resolve;
    });
  }

  async *#read(): AsyncIterable<Uint8Array> {
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
}
