/** An answer that a function gives piece by piece, as the HTTP response that it becomes: its head first, if it sends one, then what follows. */
import type { Clock } from '../../../base/clock.ts';
import { AwsError } from '../../../kernel/errors.ts';
import type { WireResponse } from '../../../model/types.ts';
import { Pieces } from '../execution/pieces.ts';

/** Content type of an answer that begins with a head: JSON, then eight zero bytes ("Lambda response streaming"). */
const withHead = 'application/vnd.awslambda.http-integration-response';
const separator = Buffer.alloc(8);
const headBytesMax = 65_536;

export class StreamedAnswer {
  readonly #pieces: Pieces;
  #response: ((response: WireResponse) => void) | undefined;
  #refuse: ((error: unknown) => void) | undefined;
  readonly #settled: Promise<WireResponse>;

  constructor(clock: Pick<Clock, 'pause'>) {
    this.#pieces = new Pieces(clock);
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
      return { write: (piece) => this.#pieces.push(piece) };
    }
    let unread: Buffer | undefined = Buffer.alloc(0);
    return {
      write: async (piece) => {
        if (unread === undefined) return this.#pieces.push(piece);
        unread = Buffer.concat([unread, piece]);
        const end = unread.indexOf(separator);
        if (end < 0 && unread.byteLength > headBytesMax)
          throw new AwsError('ServiceException', 'The head of the answer does not end.');
        if (end < 0) return undefined;
        const [head, rest] = [unread.subarray(0, end), unread.subarray(end + separator.byteLength)];
        unread = undefined;
        this.#readHead(head);
        return rest.byteLength > 0 ? this.#pieces.push(rest) : undefined;
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
    this.#pieces.end();
  }

  fail(error: unknown): void {
    this.#refuse?.(error);
    this.#pieces.end(error);
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
    this.#response?.({ status, headers, body: this.#pieces.read() });
  }
}
