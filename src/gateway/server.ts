/**
 * The HTTP edge: sockets in, exchanges through the pipeline, answers out. Bodies are bounded and collected here. Before the pipeline, a short
 * list of routers may take a request for itself: the admin API, names that lead to something running inside the cloud.
 */
import http, { type IncomingMessage, type ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Kernel } from '../kernel/kernel.ts';
import type { WireRequest, WireResponse } from '../model/types.ts';
import type { Exchange } from './exchange.ts';
import { httpHead } from './signature/signature.ts';

/** Largest body that is collected; AWS's own limits are lower for every operation but object uploads. */
const requestBodyBytesMax = 64 * 1024 * 1024;
/** Request line and headers together; AWS answers larger ones with 431 as well. */
const headerBytesMax = 64 * 1024;
/** Real milliseconds that a client may take to send its headers. */
const headersTimeout = 20_000;
/** Real milliseconds that a client may take to send a whole request. */
const requestTimeout = 300_000;

/** Takes a request for itself and answers it, or returns false. */
export type Router = (request: IncomingMessage, response: ServerResponse) => boolean | Promise<boolean>;

export interface ServerOptions {
  kernel: Kernel;
  pipeline: (exchange: Exchange) => Promise<void>;
  routers: readonly Router[];
  /** Takes over a connection that asks for another protocol (WebSocket), or returns false. */
  upgrade?: (request: IncomingMessage, socket: Socket, head: Buffer) => boolean;
}

/** An HTTP server that is not listening yet. */
export function createServer({ kernel, pipeline, routers, upgrade }: ServerOptions): http.Server {
  const server = http.createServer(
    { maxHeaderSize: headerBytesMax, headersTimeout, requestTimeout, keepAliveTimeout: 75_000 },
    (request, response) => {
      handle(request, response).catch((error) => {
        // A client that goes away in the middle is no fault of anybody's.
        if (!isGone(request)) kernel.log('error', 'A request could not be answered by a bug of Pilvi.', { error });
        response.destroy();
      });
    },
  );
  server.on('checkContinue', (request, response) => {
    // Who announces too much is told before sending it.
    if (!announcesTooMuch(request, requestBodyBytesMax)) response.writeContinue();
    server.emit('request', request, response);
  });
  server.on('upgrade', (request: IncomingMessage, socket: Socket, head: Buffer) => {
    if (upgrade?.(request, socket, head) !== true) socket.end('HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n');
  });

  async function handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    toOriginForm(request);
    for (const router of routers) {
      const taken = router(request, response);
      if (taken === true || (taken !== false && (await taken))) return;
    }
    const body = await collect(request);
    if (body === undefined) return refuseTooLarge(request, response);
    const exchange = openExchange(kernel, request, response, body);
    await pipeline(exchange);
    if (exchange.response === undefined) throw new Error('The pipeline left no answer.');
    await send(exchange.response, exchange.requestId, request, response);
  }
  return server;
}

/**
 * The whole body, or undefined when it is larger than allowed; the request is then paused. Rejects when the client goes away before its end. By
 * events, because an iterator over a request costs more than all else that reads it.
 */
function collect(request: IncomingMessage, bytesMax = requestBodyBytesMax): Promise<Uint8Array | undefined> {
  if (announcesTooMuch(request, bytesMax)) return Promise.resolve(undefined);
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
    request.on('error', reject);
    request.on('close', () => {
      if (!request.complete) reject(new Error('The client closed the connection in the middle of a request.'));
    });
  });
}

/** The body's pieces; leaving the loop early leaves the connection open, so that an answer can still be sent on it. */
function piecesOf(request: IncomingMessage): AsyncIterable<Buffer> {
  return request.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>;
}

function announcesTooMuch(request: IncomingMessage, bytesMax: number): boolean {
  return Number(request.headers['content-length'] ?? 0) > bytesMax;
}

/**
 * Answers 413, then reads and forgets what still comes, within a bound, and closes the connection. Closing at once would reset it, and most
 * clients, busy sending, would see the reset and not the answer (RFC 9112, 9.6).
 */
async function refuseTooLarge(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const text = `The body is larger than ${requestBodyBytesMax} bytes.\n`;
  response.writeHead(413, { connection: 'close', 'content-type': 'text/plain', 'content-length': Buffer.byteLength(text) });
  response.write(text);
  let length = 0;
  // A client that waits for `100 Continue` sends nothing after the answer.
  if (request.headers.expect === undefined) {
    for await (const chunk of piecesOf(request)) {
      length += chunk.byteLength;
      if (length > requestBodyBytesMax) break;
    }
  }
  response.end();
}

function isGone(request: IncomingMessage): boolean {
  return request.socket.destroyed || request.errored !== null;
}

/** A target in absolute form (`GET http://host/path`, as proxies' clients send it) becomes path and host; the target's host counts (RFC 9112, 3.2.2). */
function toOriginForm(request: IncomingMessage): void {
  const [whole, host = ''] = /^https?:\/\/([^/?#]*)/i.exec(request.url ?? '') ?? [];
  if (whole === undefined) return;
  const rest = (request.url ?? '').slice(whole.length);
  request.url = rest.startsWith('/') ? rest : `/${rest}`;
  request.headers.host = host;
}

function openExchange(kernel: Kernel, request: IncomingMessage, response: ServerResponse, body: Uint8Array): Exchange {
  const head = httpHead(request.method ?? 'GET', request.url ?? '/', request.rawHeaders);
  const requestId = kernel.ids.uuid();
  const wire: WireRequest = {
    method: head.method,
    path: head.rawPath,
    query: parseQuery(head.rawQuery),
    headers: head.headers,
    body,
  };
  return {
    requestId,
    trace: kernel.traces.begin(requestId),
    head,
    host: request.headers.host ?? '',
    sourceIp: (request.socket.remoteAddress ?? '').replace(/^::ffff:/, ''),
    secureTransport: 'encrypted' in request.socket,
    onGone(listener) {
      response.on('close', listener);
      return () => response.off('close', listener);
    },
    request: wire,
  };
}

/** Query parameters in order. A name without `=` has an empty value; broken escapes stay as they are. */
function parseQuery(rawQuery: string): [string, string][] {
  if (rawQuery === '') return [];
  return rawQuery.split('&').map((part) => {
    const equals = part.indexOf('=');
    return equals < 0 ? [decode(part), ''] : [decode(part.slice(0, equals)), decode(part.slice(equals + 1))];
  });
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text.replaceAll('+', ' '));
  } catch {
    return text;
  }
}

async function send(answer: WireResponse, requestId: string, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const headers: Record<string, string | number> = { 'x-amzn-requestid': requestId, ...answer.headers };
  if (typeof answer.body === 'string' || answer.body instanceof Uint8Array) {
    headers['content-length'] ??= Buffer.byteLength(answer.body);
    response.writeHead(answer.status, headers);
    response.end(request.method === 'HEAD' ? undefined : answer.body);
    return;
  }
  response.writeHead(answer.status, headers);
  for await (const chunk of answer.body) {
    if (!response.write(chunk)) await new Promise<void>((resolve) => response.once('drain', resolve).once('close', resolve));
    if (response.destroyed) return;
  }
  response.end();
}
