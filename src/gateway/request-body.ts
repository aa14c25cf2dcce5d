/**
 * The body of a request while it arrives: read whole within a bound, or handed on piece by piece. A client that waits for `100 Continue`
 * is told to go on when somebody begins to read, so that a refusal by the head alone reaches it before it has sent a byte (RFC 9110, 10.1.1).
 */
import type { IncomingMessage } from 'node:http';
import { AwsError } from '../kernel/errors.ts';

/** Largest body that is collected; AWS's own limits are lower for every operation but object uploads, which stream. */
export const collectedBytesMax = 72 * 1024 * 1024;

export class RequestBody {
  readonly #request: IncomingMessage;
  readonly #goOn: (() => void) | undefined;
  #begun = false;

  /** `goOn` tells the client to send; absent when it did not ask. */
  constructor(request: IncomingMessage, goOn: (() => void) | undefined) {
    this.#request = request;
    this.#goOn = goOn;
  }

  /** Bytes announced; undefined for a chunked transfer. */
  get announcedBytes(): number | undefined {
    const text = this.#request.headers['content-length'];
    return text === undefined ? undefined : Number(text);
  }

  /** True when nothing of it will come any more. */
  get isFinished(): boolean {
    return this.#request.complete || (this.#goOn !== undefined && !this.#begun);
  }

  /**
   * The whole body, or undefined when it is larger than allowed; the request is then paused. Rejects with AwsError RequestTimeout when the
   * client goes away before its end.
   * By events, because an iterator over a request costs more than all else that reads it.
   */
  collect(bytesMax = collectedBytesMax): Promise<Uint8Array | undefined> {
    const request = this.#request;
    if ((this.announcedBytes ?? 0) > bytesMax) return Promise.resolve(undefined);
    this.#begin();
    return new Promise((resolve, reject) => {
      const chunks: Buffer[] = [];
      let length = 0;
      const take = (chunk: Buffer): void => {
        length += chunk.byteLength;
        if (length <= bytesMax) {
          chunks.push(chunk);
          return;
        }
        request.off('data', take).pause();
        resolve(undefined);
      };
      request.on('data', take);
      request.on('end', () => resolve(chunks.length === 1 ? chunks[0] : Buffer.concat(chunks)));
      request.on('error', (cause) => reject(clientGone({ cause })));
      request.on('close', () => {
        if (!request.complete) reject(clientGone());
      });
    });
  }

  /**
   * The body's pieces, as fast as they are taken; can be read once. Leaving the loop early leaves the connection open, so that an answer can still
   * be sent on it. Throws AwsError RequestTimeout when the client goes away before its end.
   */
  async *pieces(): AsyncGenerator<Uint8Array> {
    this.#begin();
    try {
      yield* this.#request.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>;
    } catch (cause) {
      throw clientGone({ cause });
    }
    if (!this.#request.complete) throw clientGone();
  }

  /** Reads and forgets what still comes, at most `bytesMax` bytes, so that a client busy sending sees the answer and not a reset (RFC 9112, 9.6). */
  async drain(bytesMax = collectedBytesMax): Promise<void> {
    if (this.isFinished || this.#request.destroyed) return;
    let length = 0;
    try {
      for await (const piece of this.#request.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
        length += piece.byteLength;
        if (length > bytesMax) return;
      }
    } catch {
      // Whoever goes away needs no answer.
    }
  }

  #begin(): void {
    if (!this.#begun) this.#goOn?.();
    this.#begun = true;
  }
}

/** The client closed the connection in the middle of its request: nobody's fault, and S3's words for those who still listen. */
function clientGone(options?: ErrorOptions): AwsError {
  const text =
    'Your socket connection to the server was not read from or written to within the timeout period. Idle connections will be closed.';
  return new AwsError('RequestTimeout', text, { status: 400, ...options });
}
