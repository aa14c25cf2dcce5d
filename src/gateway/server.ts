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
        kernel.log('error', 'A request could not be answered.', { error });
        response.destroy();
      });
    },
  );
  server.on('checkContinue', (request, response) => {
    response.writeContinue();
    server.emit('request', request, response);
  });
  server.on('upgrade', (request: IncomingMessage, socket: Socket, head: Buffer) => {
    if (upgrade?.(request, socket, head) !== true) socket.end('HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n');
  });

  async function handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    for (const router of routers) {
      const taken = router(request, response);
      if (taken === true || (taken !== false && (await taken))) return;
    }
    const body = await collect(request);
    if (body === undefined) {
      response.writeHead(413, { connection: 'close' }).end();
      request.destroy();
      return;
    }
    const exchange = openExchange(kernel, request, body);
    await pipeline(exchange);
    if (exchange.response === undefined) throw new Error('The pipeline left no answer.');
    await send(exchange.response, exchange.requestId, request, response);
  }
  return server;
}

/** The whole body, or undefined when it is larger than allowed. */
export async function collect(request: IncomingMessage, bytesMax = requestBodyBytesMax): Promise<Uint8Array | undefined> {
  if (Number(request.headers['content-length'] ?? 0) > bytesMax) return undefined;
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    length += chunk.byteLength;
    if (length > bytesMax) return undefined;
    chunks.push(chunk);
  }
  return chunks.length === 1 ? chunks[0] : Buffer.concat(chunks);
}

function openExchange(kernel: Kernel, request: IncomingMessage, body: Uint8Array): Exchange {
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
    host: head.headers['host'] ?? '',
    sourceIp: (request.socket.remoteAddress ?? '').replace(/^::ffff:/, ''),
    secureTransport: 'encrypted' in request.socket,
    request: wire,
  };
}

/** Query parameters in order. A name without `=` has an empty value; broken escapes stay as they are. */
export function parseQuery(rawQuery: string): [string, string][] {
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
