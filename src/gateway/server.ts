/**
 * The HTTP edge: sockets in, exchanges through the pipeline, answers out. Bodies are read by the stages that need them (request-body.ts). Before the pipeline, a short
 * list of routers may take a request for itself: the admin API, names that lead to something running inside the cloud.
 */
import http, { type IncomingMessage, type ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import type { Kernel } from '../kernel/kernel.ts';
import type { ClientCertificate } from '../kernel/web.ts';
import type { WireRequest, WireResponse } from '../model/types.ts';
import type { Exchange } from './exchange.ts';
import { tellAnswered } from './answered.ts';
import { RequestBody } from './request-body.ts';
import { httpHead } from './signature/signature.ts';

/** Request line and headers together; AWS answers larger ones with 431 as well. */
const headerBytesMax = 64 * 1024;
/** Real milliseconds that a client may take to send its headers. */
const headersTimeout = 20_000;
/** Real milliseconds that a client may take to send a whole request: an hour, for 5 GiB on a slow link. */
const requestTimeout = 3_600_000;

/** Who announces no more than this is told to send at once. */
const promptBytesMax = 64 * 1024;

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
  /** How to tell clients to go on that wait for it. */
  const waiting = new WeakMap<IncomingMessage, () => void>();
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
  server.on('checkContinue', (request: IncomingMessage, response: ServerResponse) => {
    let told = false;
    const goOn = (): void => {
      if (!told && !response.headersSent) response.writeContinue();
      told = true;
    };
    waiting.set(request, goOn);
    // Routers read the request themselves, and none reads much but by letting it flow.
    if (Number(request.headers['content-length'] ?? 0) <= promptBytesMax) goOn();
    else request.once('resume', goOn);
    server.emit('request', request, response);
  });
  server.on('upgrade', (request: IncomingMessage, socket: Socket, head: Buffer) => {
    if (upgrade?.(request, socket, head) !== true) socket.end('HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n');
  });

  async function handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const began = performance.now();
    toOriginForm(request);
    for (const router of routers) {
      const taken = router(request, response);
      if (taken === true || (taken !== false && (await taken))) return;
    }
    const body = new RequestBody(request, waiting.get(request));
    const exchange = openExchange(kernel, request, response, body);
    await pipeline(exchange);
    if (exchange.response === undefined) throw new Error('The pipeline left no answer.');
    // Nobody will read what is still to come: it is not the next request of this connection.
    if (!body.isFinished) exchange.response.headers['connection'] = 'close';
    const bytesSent = await send(exchange.response, exchange.requestId, request, response, body);
    tellAnswered(kernel, exchange, request, bytesSent, performance.now() - began);
  }
  return server;
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

/** Opens the exchange of a request. `gone` is what closes when nobody waits for the answer any more. */
export function openExchange(
  kernel: Kernel,
  request: IncomingMessage,
  gone: Pick<ServerResponse | Socket, 'on' | 'off'>,
  arriving: RequestBody,
): Exchange {
  const head = httpHead(request.method ?? 'GET', request.url ?? '/', request.rawHeaders);
  const requestId = kernel.ids.uuid();
  const wire: WireRequest = {
    method: head.method,
    path: head.rawPath,
    query: parseQuery(head.rawQuery),
    headers: head.headers,
    body: noBytes,
  };
  return {
    requestId,
    trace: kernel.traces.begin(requestId),
    head,
    rawHeaders: request.rawHeaders,
    host: request.headers.host ?? (request.headers[':authority'] as string | undefined) ?? '',
    sourceIp: (request.socket.remoteAddress ?? '').replace(/^::ffff:/, ''),
    arrivedAt: (request.socket.localAddress ?? '').replace(/^::ffff:/, ''),
    secureTransport: (request.socket as { encrypted?: boolean }).encrypted === true,
    clientCertificate: () => clientCertificateOf(request.socket as Partial<TLSSocket>),
    onGone(listener) {
      gone.on('close', listener);
      return () => gone.off('close', listener);
    },
    request: wire,
    arriving,
  };
}

function clientCertificateOf(socket: Partial<TLSSocket>): ClientCertificate | undefined {
  const shown = socket.getPeerX509Certificate?.();
  if (shown === undefined) return undefined;
  return {
    pem: shown.toString(),
    subject: nameOf(shown.subject),
    issuer: nameOf(shown.issuer),
    serialNumber: shown.serialNumber.toLowerCase().replace(/(..)(?=.)/g, '$1:'),
    notBefore: shown.validFrom,
    notAfter: shown.validTo,
    problem: socket.authorized === true ? undefined : String(socket.authorizationError),
  };
}

/** Node writes the parts of a name in lines, the widest first. */
function nameOf(lines: string): string {
  return lines.split('\n').reverse().join(',');
}

const noBytes = new Uint8Array();

/** Query parameters in order. A name without `=` has an empty value; broken escapes stay as they are. */
function parseQuery(rawQuery: string): [string, string][] {
  if (rawQuery === '') return [];
  return rawQuery.split('&').map((part) => {
    const equals = part.indexOf('=');
    return equals < 0 ? [decode(part), ''] : [decode(part.slice(0, equals)), decode(part.slice(equals + 1))];
  });
}

function decode(text: string): string {
  if (!text.includes('%') && !text.includes('+')) return text;
  try {
    return decodeURIComponent(text.replaceAll('+', ' '));
  } catch {
    return text;
  }
}

async function send(
  answer: WireResponse,
  requestId: string,
  request: IncomingMessage,
  response: ServerResponse,
  body: RequestBody,
): Promise<number> {
  if (response.destroyed) {
    await letGo(answer.body);
    return 0;
  }
  const headers: Record<string, string | number> = { 'x-amzn-requestid': requestId, ...answer.headers };
  if (typeof answer.body === 'string' || answer.body instanceof Uint8Array) {
    headers['content-length'] ??= Buffer.byteLength(answer.body);
    response.writeHead(answer.status, headers);
    const content = request.method === 'HEAD' ? undefined : answer.body;
    const bytesSent = content === undefined ? 0 : Buffer.byteLength(content);
    if (body.isFinished) {
      response.end(content);
      return bytesSent;
    }
    response.write(content ?? '');
    await body.drain();
    response.end();
    return bytesSent;
  }
  response.writeHead(answer.status, headers);
  if (request.method === 'HEAD') await letGo(answer.body);
  const bytesSent = request.method === 'HEAD' ? 0 : await sendPieces(answer.body, response);
  response.end();
  return bytesSent;
}

/** What holds a body open for nobody's reading goes. */
async function letGo(body: WireResponse['body']): Promise<void> {
  if (typeof body === 'object' && Symbol.asyncIterator in body) await body[Symbol.asyncIterator]().return?.();
}

/** Writes no faster than the client reads, and resolves with how much. A client that goes away ends the loop, which lets the source go. */
async function sendPieces(pieces: AsyncIterable<Uint8Array>, response: ServerResponse): Promise<number> {
  let bytesSent = 0;
  for await (const piece of pieces) {
    if (response.destroyed) return bytesSent;
    bytesSent += piece.byteLength;
    if (response.write(piece)) continue;
    await new Promise<void>((resolve) => {
      const done = (): void => {
        response.off('drain', done).off('close', done);
        resolve();
      };
      response.on('drain', done).on('close', done);
    });
    if (response.destroyed) return bytesSent;
  }
  return bytesSent;
}
