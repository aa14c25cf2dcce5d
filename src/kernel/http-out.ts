/**
 * Requests that services send to their users' endpoints (SNS's subscribers, Firehose's and EventBridge's HTTP destinations, what stands behind an API),
 * which run in the cloud's internet. By `node:http`, because `fetch` cannot be told which authority to trust, nor whom to ask for names.
 */
import dns from 'node:dns';
import http from 'node:http';
import https from 'node:https';
import { isIP, type LookupFunction, type Socket } from 'node:net';
import tls from 'node:tls';
import type { Context } from './context.ts';

/** Most of an answer that is kept, unless told. */
const answerBytesMax = 65_536;

export interface HttpRequest {
  url: string;
  method: string;
  headers: Readonly<Record<string, string | number | readonly string[]>>;
  body: string | Uint8Array;
  /** Real milliseconds of silence after which the endpoint counts as gone. */
  timeoutMillis: number;
  /** Bytes of the answer that are kept. */
  answerBytesMax?: number;
  /** Gives the request up. */
  signal?: AbortSignal;
  /** Take any certificate. */
  insecure?: boolean;
  /** Opens the connection by another way than by the address's name. */
  connect?: (() => Promise<Socket>) | undefined;
  /** The name that the endpoint's certificate must be for; the address's own unless told. */
  serverName?: string | undefined;
  /** The connection is kept for a while for the next request there; one that had gone meanwhile is replaced. Not with `connect`. */
  keep?: boolean;
  /** What is shown to endpoints that ask for a certificate, in PEM. */
  clientCertificate?: { certificate: string; privateKey: string } | undefined;
}

export interface HttpAnswer {
  /** 0 when there was no answer. */
  status: number;
  /** The beginning of its body as text; the reason when there was no answer. */
  body: string;
  /** The same as bytes; empty when there was no answer. */
  bytes: Buffer;
  /** Names and values of its headers in turn, as they came. */
  rawHeaders: readonly string[];
  retryAfter?: string | undefined;
  /** Its headers by name in lower case; absent when there was no answer. */
  headers?: Readonly<Record<string, readonly string[]>> | undefined;
}

/** Sends one request; certificates of the cloud's own authority are trusted. Follows no redirect. Never rejects. */
export function sendHttp(ctx: Context, request: HttpRequest): Promise<HttpAnswer> {
  return ctx.underWay(exchange(ctx, request));
}

async function exchange(ctx: Context, request: HttpRequest): Promise<HttpAnswer> {
  const { url: address, method, headers, body, timeoutMillis, signal } = request;
  const bytesMax = request.answerBytesMax ?? answerBytesMax;
  if (!URL.canParse(address)) return none(`Not a URL: ${address}`);
  const url = new URL(address);
  const secure = url.protocol === 'https:';
  const options: https.RequestOptions = {
    method,
    agent: request.keep === true ? keeperFor(secure) : false,
    timeout: timeoutMillis,
    lookup: lookupIn(ctx),
    headers: { ...headers, 'content-length': Buffer.byteLength(body) } as http.OutgoingHttpHeaders,
    ...(signal === undefined ? {} : { signal }),
    // Names and passwords in the address are the endpoint's own credentials ("HTTP/S endpoint authentication").
    ...(url.username === '' ? {} : { auth: `${decodeURIComponent(url.username)}:${decodeURIComponent(url.password)}` }),
  };
  if (secure) Object.assign(options, await tlsOptions(ctx, request, url));
  if (request.connect !== undefined) {
    let socket: Socket;
    try {
      socket = await request.connect();
    } catch (error) {
      return none((error as Error).message);
    }
    delete options.agent;
    options.createConnection = () => (secure ? tls.connect({ ...(options as tls.ConnectionOptions), socket }) : socket);
  }
  const answer = await send(request, url, options, bytesMax);
  // What the endpoint closed at the very moment was not read by it, so that it may be sent again.
  return answer === 'stale' ? ((await send(request, url, { ...options, agent: false }, bytesMax)) as HttpAnswer) : answer;
}

const none = (reason: string): HttpAnswer => ({ status: 0, body: reason, bytes: Buffer.alloc(0), rawHeaders: [] });

/** Real milliseconds that a connection is kept without a request. */
const keptMillis = 5_000;
const keptMax = 64;
const keepersCache: { plain?: http.Agent; secure?: http.Agent } = {};

/** Keeps connections. */
function keeperFor(secure: boolean): http.Agent {
  const options = { keepAlive: true, maxFreeSockets: keptMax, timeout: keptMillis };
  const kind = secure ? 'secure' : 'plain';
  const keeper = keepersCache[kind] ?? (secure ? new https.Agent(options) : new http.Agent(options));
  keepersCache[kind] = keeper;
  return keeper;
}

/** Sends one request; `stale` when a kept connection was closed instead of answering. */
function send({ body }: HttpRequest, url: URL, options: https.RequestOptions, bytesMax: number): Promise<HttpAnswer | 'stale'> {
  return new Promise((resolve) => {
    const fail = (reason: string): void => resolve(none(reason));
    const sent = (url.protocol === 'https:' ? https : http).request(url, options, (response) => {
      const pieces: Buffer[] = [];
      let kept = 0;
      response.on('data', (piece: Buffer) => {
        if (kept < bytesMax) pieces.push(piece.subarray(0, bytesMax - kept));
        kept += piece.byteLength;
      });
      response.on('end', () => {
        const bytes = Buffer.concat(pieces);
        resolve({
          status: response.statusCode ?? 0,
          get body() {
            return bytes.toString('utf8');
          },
          bytes,
          rawHeaders: response.rawHeaders,
          retryAfter: response.headers['retry-after'],
          headers: response.headersDistinct as Record<string, string[]>,
        });
      });
      response.on('error', (error) => fail(error.message));
    });
    sent.on('timeout', () => sent.destroy(new Error('The endpoint did not answer in time.')));
    sent.on('error', (error: NodeJS.ErrnoException) => {
      if (sent.reusedSocket && error.code === 'ECONNRESET' && options.agent !== false) resolve('stale');
      else fail(error.message);
    });
    sent.on('close', () => fail('The connection was closed.'));
    sent.end(body);
  });
}

async function tlsOptions(ctx: Context, request: HttpRequest, url: URL): Promise<tls.ConnectionOptions> {
  const { insecure, serverName = url.hostname, clientCertificate } = request;
  return {
    ca: await ctx.part('certificates').certificate(),
    rejectUnauthorized: insecure !== true,
    // An address has no name to greet with.
    ...(isIP(serverName) === 0 ? { servername: serverName } : {}),
    ...(clientCertificate === undefined ? {} : { cert: clientCertificate.certificate, key: clientCertificate.privateKey }),
  };
}

/** Names are asked of the cloud's own DNS first, as a client in its internet would: load balancers, hosted zones, instances; then of the system. */
function lookupIn(ctx: Context): LookupFunction {
  return (name, options, done) => {
    const failed = (): void => dns.lookup(name, options, done);
    ctx
      .part('dns')
      .resolve({ name, type: 'A' }, { address: '127.0.0.1' })
      .then(({ answers }) => {
        const addresses = answers.filter(({ type }) => type === 'A').map(({ data }) => ({ address: String(data), family: 4 }));
        const [first] = addresses;
        if (first === undefined) failed();
        else if (options.all === true) done(null, addresses);
        else done(null, first.address, 4);
      }, failed);
  };
}
