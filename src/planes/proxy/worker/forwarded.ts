/** The head of a request as a target gets it, and the node's own answers. */
import { randomBytes } from 'node:crypto';
import type { ActionSpec, HttpOptions } from '../types.ts';
import type { Header, RequestHead } from './http-head.ts';

export interface Arrival {
  /** Address and port of the client, and what it connected to. */
  client: string;
  clientPort: number;
  port: number;
  secure: boolean;
  /** The listener is secure, though perhaps the handshake failed. */
  listensSecurely: boolean;
  /** Real milliseconds in which the connection was opened, where that is logged. */
  began: number;
  /** Names as OpenSSL has them. */
  tls?: { version: string; cipher: string; serverName: string; certificate: string; handshakeSeconds: number } | undefined;
  /** Names the connection in logs; empty while nothing is logged. */
  connection: string;
}

const hopByHop = new Set(['connection', 'keep-alive', 'proxy-connection', 'te', 'upgrade']);
const ours = new Set(['x-forwarded-for', 'x-forwarded-proto', 'x-forwarded-port', 'x-amzn-trace-id', 'host']);
const tlsNames = new Set(['x-amzn-tls-version', 'x-amzn-tls-cipher-suite']);

/** Most addresses in X-Forwarded-For before a request is refused with 463. */
export const forwardedForMax = 30;

export function headerValue(headers: readonly Header[], lower: string): string | undefined {
  let found: string | undefined;
  for (const header of headers)
    if (header.lower === lower) found = found === undefined ? header.value : `${found}, ${header.value}`;
  return found;
}

/** The trace header: a root of our own, or the client's with our part in front. */
export function traceOf(headers: readonly Header[], now: number): string {
  const given = headerValue(headers, 'x-amzn-trace-id');
  const part = `1-${Math.floor(now / 1000)
    .toString(16)
    .padStart(8, '0')}-${randomPart()}`;
  if (given === undefined || given === '') return `Root=${part}`;
  const rest = given
    .split(';')
    .filter((field) => !field.trim().startsWith('Self='))
    .join(';');
  return /(^|;)\s*Root=/.test(rest) ? `Self=${part};${rest}` : `Root=${part};${rest}`;
}

/** 24 hexadecimal characters by chance. Random bytes are drawn in batches: a draw for each request would cost more than all the rest of its head. */
let batch = '';
let batchAt = 0;
export function randomPart(): string {
  if (batchAt + 24 > batch.length) {
    batch = randomBytes(12 * 256).toString('hex');
    batchAt = 0;
  }
  batchAt += 24;
  return batch.slice(batchAt - 24, batchAt);
}

/** Lines that go to the target, the empty one included. */
export function forwardedHead(head: RequestHead, arrival: Arrival, options: HttpOptions, trace: string): string {
  const { headers } = head;
  let text = `${head.method} ${head.target} HTTP/1.1\r\n`;
  const { forwardedFor } = options;
  if (forwardedFor !== 'remove') {
    const given = headerValue(headers, 'x-forwarded-for');
    const own = options.forwardedForPort ? `${bracket(arrival.client)}:${arrival.clientPort}` : arrival.client;
    const value = forwardedFor === 'preserve' ? given : given === undefined || given === '' ? own : `${given}, ${own}`;
    if (value !== undefined) text += `X-Forwarded-For: ${value}\r\n`;
  }
  text += `X-Forwarded-Proto: ${arrival.secure ? 'https' : 'http'}\r\nX-Forwarded-Port: ${arrival.port}\r\n`;
  text += `Host: ${options.preserveHost ? head.host : plainHost(head.host, arrival)}\r\nX-Amzn-Trace-Id: ${trace}\r\n`;
  if (options.tlsHeaders && arrival.tls !== undefined)
    text += `X-Amzn-Tls-Version: ${arrival.tls.version}\r\nX-Amzn-Tls-Cipher-Suite: ${arrival.tls.cipher}\r\n`;
  for (const { name, lower, value, plain } of headers) {
    if (hopByHop.has(lower) || ours.has(lower) || tlsNames.has(lower)) continue;
    if (options.dropInvalidHeaders && !plain) continue;
    text += `${name}: ${value}\r\n`;
  }
  if (head.upgrade !== undefined) text += `Connection: upgrade\r\nUpgrade: ${headerValue(headers, 'upgrade')}\r\n`;
  return `${text}\r\n`;
}

const bracket = (address: string): string => (address.includes(':') ? `[${address}]` : address);

/** The port stands in the host name unless it is the protocol's own ("Host header preservation"). */
function plainHost(host: string, { port, secure }: Arrival): string {
  const name = host.replace(/:\d+$/, '');
  return port === (secure ? 443 : 80) ? name : `${name}:${port}`;
}

/** A request's target taken apart at the question mark. */
export function splitTarget(target: string): { path: string; query: string } {
  const mark = target.indexOf('?');
  return mark < 0 ? { path: target, query: '' } : { path: target.slice(0, mark), query: target.slice(mark + 1) };
}

/** Location of a redirect, its place holders filled from the request. */
export function locationOf(action: Extract<ActionSpec, { kind: 'redirect' }>, head: RequestHead, arrival: Arrival): string {
  const { path, query: asked } = splitTarget(head.target);
  const facts: Readonly<Record<string, string>> = {
    protocol: arrival.secure ? 'HTTPS' : 'HTTP',
    host: head.host.replace(/:\d+$/, ''),
    port: String(arrival.port),
    path: path.slice(1),
    query: asked,
  };
  const fill = (text: string): string =>
    text.replace(/#\{(protocol|host|port|path|query)\}/g, (_all, name: string) => facts[name] ?? '');
  const query = fill(action.query);
  return `${fill(action.protocol).toLowerCase()}://${fill(action.host)}:${fill(action.port)}${fill(action.path)}${query === '' ? '' : `?${query}`}`;
}

const reasons: Readonly<Record<number, string>> = {
  400: 'Bad Request',
  405: 'Method Not Allowed',
  408: 'Request Time-out',
  413: 'Request Entity Too Large',
  414: 'Request-URI Too Large',
  463: 'Bad Request',
  464: 'Bad Request',
  501: 'Not Implemented',
  502: 'Bad Gateway',
  503: 'Service Temporarily Unavailable',
  504: 'Gateway Time-out',
  505: 'HTTP Version Not Supported',
  301: 'Moved Permanently',
  302: 'Found',
  200: 'OK',
  404: 'Not Found',
  403: 'Forbidden',
  500: 'Internal Server Error',
};

export function reasonOf(status: number): string {
  return reasons[status] ?? 'Unknown';
}

/** The page of an answer that the node gives by itself. */
export function ownPage(status: number): string {
  const title = `${status} ${reasonOf(status)}`;
  return `<html>\r\n<head><title>${title}</title></head>\r\n<body>\r\n<center><h1>${title}</h1></center>\r\n</body>\r\n</html>\r\n`;
}
