/**
 * HTTP/2 towards the client: each stream becomes a request of HTTP/1 on a connection inside the process, so that one path decides, forwards and counts.
 */
import http2, { type Http2Stream, type ServerHttp2Stream } from 'node:http2';
import { Duplex } from 'node:stream';
import type { TLSSocket } from 'node:tls';
import { BodyReader } from './http-body.ts';
import { headEnd, parseResponse, type ResponseHead } from './http-head.ts';

const streamsMax = 128;

/** A server that takes sockets which agreed on `h2`; `serve` gets each stream's connection. */
export function createHttp2(serve: (connection: Duplex, over: TLSSocket) => void): (socket: TLSSocket) => void {
  const server = http2.createServer({
    settings: { maxConcurrentStreams: streamsMax },
    maxSessionMemory: 4,
  });
  server.on('session', (session) => session.on('error', () => {}));
  server.on('stream', (stream, headers) => {
    stream.on('error', () => {});
    const lines = requestLines(headers, stream.endAfterHeaders);
    if (lines === undefined) {
      stream.respond({ ':status': 400 }, { endStream: true });
      return;
    }
    serve(new StreamConnection(stream, lines), stream.session?.socket as unknown as TLSSocket);
  });
  return (socket) => void server.emit('connection', socket);
}

const single = (value: string | readonly string[] | undefined): string =>
  value === undefined ? '' : typeof value === 'string' ? value : value.join('; ');

/** The head as HTTP/1 writes it; undefined for what cannot be written. */
function requestLines(
  headers: http2.IncomingHttpHeaders,
  ended: boolean,
): { head: string; chunked: boolean; method: string } | undefined {
  const method = headers[':method'] ?? 'GET';
  const path = headers[':path'] ?? '/';
  let head = `${method} ${path} HTTP/1.1\r\nHost: ${headers[':authority'] ?? single(headers.host)}\r\n`;
  for (const [name, value] of Object.entries(headers)) {
    if (name.startsWith(':') || name === 'host' || name === 'transfer-encoding' || value === undefined) continue;
    for (const each of name === 'cookie' || typeof value === 'string' ? [single(value)] : value) {
      if (/[\r\n\0]/.test(each)) return undefined;
      head += `${name}: ${each}\r\n`;
    }
  }
  const chunked = !ended && headers['content-length'] === undefined;
  return { head: `${head}${chunked ? 'Transfer-Encoding: chunked\r\n' : ''}\r\n`, chunked, method };
}

/** Reads as the client's bytes in HTTP/1; what is written to it, an answer in HTTP/1, goes out on the stream. */
class StreamConnection extends Duplex {
  readonly #stream: ServerHttp2Stream;
  readonly #method: string;
  #pending: Buffer = Buffer.alloc(0);
  #answer: ResponseHead | undefined;
  #body: BodyReader | undefined;

  constructor(stream: ServerHttp2Stream, { head, chunked, method }: { head: string; chunked: boolean; method: string }) {
    super({ allowHalfOpen: true });
    this.#stream = stream;
    this.#method = method;
    this.push(Buffer.from(head, 'latin1'));
    stream.on('data', (bytes: Buffer) => {
      const part = chunked ? Buffer.concat([Buffer.from(`${bytes.length.toString(16)}\r\n`), bytes, Buffer.from('\r\n')]) : bytes;
      if (bytes.length > 0 && !this.push(part)) stream.pause();
    });
    stream.on('end', () => {
      if (chunked) this.push(Buffer.from('0\r\n\r\n'));
    });
    stream.on('close', () => this.destroy());
  }

  override _read(): void {
    this.#stream.resume();
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    try {
      this.#take(chunk);
    } catch (error) {
      this.#stream.close(http2.constants.NGHTTP2_INTERNAL_ERROR);
      done(error as Error);
      return;
    }
    if (this.#stream.writableNeedDrain) this.#stream.once('drain', () => done());
    else done();
  }

  override _final(done: (error?: Error | null) => void): void {
    if (!this.#stream.writableEnded) this.#stream.end();
    done();
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    const whole = this.#body?.done === true;
    if (!this.#stream.destroyed && !whole) this.#stream.close(http2.constants.NGHTTP2_INTERNAL_ERROR);
    done(error);
  }

  #take(chunk: Buffer): void {
    if (this.#answer === undefined) {
      this.#pending = Buffer.concat([this.#pending, chunk]);
      const end = headEnd(this.#pending, 0);
      if (end < 0) return;
      const answer = parseResponse(this.#pending.toString('latin1', 0, end), this.#method);
      const rest = this.#pending.subarray(end);
      this.#pending = Buffer.alloc(0);
      if (answer.status < 200) {
        if (rest.length > 0) this.#take(rest);
        return;
      }
      this.#answer = answer;
      this.#respond(this.#stream, answer);
      this.#body = new BodyReader(answer.body, (bytes) => void this.#stream.write(bytes));
      this.#takeBody(rest);
      return;
    }
    this.#takeBody(chunk);
  }

  #takeBody(bytes: Buffer): void {
    this.#body!.take(bytes, 0);
    if (this.#body!.done && !this.#stream.writableEnded) this.#stream.end();
  }

  #respond(stream: Http2Stream & ServerHttp2Stream, answer: ResponseHead): void {
    const headers: Record<string, string | number | string[]> = { ':status': answer.status };
    for (const { lower, value } of answer.headers) {
      if (['connection', 'transfer-encoding', 'keep-alive', 'upgrade', 'proxy-connection'].includes(lower)) continue;
      const known = headers[lower];
      headers[lower] = known === undefined ? value : [...(Array.isArray(known) ? known : [String(known)]), value];
    }
    stream.respond(headers);
  }
}
