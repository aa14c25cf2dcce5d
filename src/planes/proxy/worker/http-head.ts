/**
 * Heads of HTTP/1 messages, read strictly (RFC 9112). Written by hand because a proxy must pass headers on as they came, tell every way of being wrong
 * apart, and never read a length differently from the server behind it (request smuggling). Node's own parser hides all that, and as a proxy it is
 * several times slower (bench `loadbalancer`).
 */

import type { Doubt } from '../types.ts';

/** Bytes of a request line, of one header, of the whole head. */
const lineBytesMax = 16_384;
export const headBytesMax = 65_536;

export interface Header {
  name: string;
  /** The name in lower case. */
  lower: string;
  value: string;
  /** The name is of letters, digits and hyphens alone. */
  plain: boolean;
}

export interface RequestHead {
  method: string;
  /** As it came: origin form, or absolute form. */
  target: string;
  /** 0 for HTTP/1.0, 1 for HTTP/1.1. */
  minor: 0 | 1;
  headers: Header[];
  body: BodyKind;
  host: string;
  keepAlive: boolean;
  /** `websocket` or another protocol that the connection shall change to. */
  upgrade?: string | undefined;
  expectsContinue: boolean;
  /** What servers disagree about in it. */
  doubt?: Doubt | undefined;
  /** There is a header whose name is lawful, but not plain. */
  oddNames: boolean;
}

export interface ResponseHead {
  status: number;
  reason: string;
  minor: 0 | 1;
  headers: Header[];
  body: BodyKind;
  keepAlive: boolean;
}

/** How a body ends: there is none, after so many bytes, by its own chunks, with the connection. */
export type BodyKind = 'none' | 'chunked' | 'close' | number;

/** Why a request is refused, as the status of the answer. */
export class HeadError extends Error {
  readonly status: number;
  /** What it is called in logs. */
  readonly reason: string;

  constructor(status: number, message: string, reason = 'NonCompliantHeader') {
    super(message);
    this.status = status;
    this.reason = reason;
  }
}

const plainName = /^[0-9A-Za-z-]+$/;
const token = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
// A control character in a value would end a line for some servers; tabs are allowed.
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const badValue = /[\x00-\x08\x0a-\x1f\x7f]/;
// biome-ignore lint/suspicious/noControlCharactersInRegex: likewise
const badTarget = /[\x00-\x20\x7f]/;
const methods = new Set(['GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'OPTIONS', 'PATCH', 'TRACE', 'CONNECT']);

/** Where the head ends in these bytes (behind the empty line), or -1 while it has not ended. `from`: bytes looked at before. */
export function headEnd(bytes: Buffer, from: number): number {
  const end = bytes.indexOf('\r\n\r\n', Math.max(0, from - 3), 'latin1');
  return end < 0 ? -1 : end + 4;
}

/** Reads a request's head, the empty line included. Throws HeadError. */
export function parseRequest(text: string): RequestHead {
  const lineEnd = text.indexOf('\r\n');
  if (lineEnd > lineBytesMax) throw new HeadError(414, 'The request line is too long.');
  const line = text.slice(0, lineEnd);
  const first = line.indexOf(' ');
  const last = line.lastIndexOf(' ');
  const method = line.slice(0, first);
  const target = line.slice(first + 1, last);
  const version = line.slice(last + 1);
  if (first < 1 || last <= first || badTarget.test(target) || target === '')
    throw new HeadError(400, 'The request line is malformed.', 'BadUri');
  if (!methods.has(method) && !token.test(method)) throw new HeadError(400, 'The method is malformed.', 'BadMethod');
  if (method === 'CONNECT' || method === 'TRACE') throw new HeadError(405, `${method} is not allowed.`);
  if (version !== 'HTTP/1.1' && version !== 'HTTP/1.0')
    throw new HeadError(/^HTTP\/\d(\.\d)?$/.test(version) ? 505 : 400, 'The version is not supported.', 'BadVersion');
  if (target[0] !== '/' && !/^https?:\/\/./i.test(target) && !(method === 'OPTIONS' && target === '*'))
    throw new HeadError(400, 'The target is malformed.', 'BadUri');
  const minor = version === 'HTTP/1.1' ? 1 : 0;
  const headers = parseHeaders(text, lineEnd + 2);
  return interpretRequest({ method, target, minor, headers });
}

function interpretRequest({
  method,
  target,
  minor,
  headers,
}: Pick<RequestHead, 'method' | 'target' | 'minor' | 'headers'>): RequestHead {
  let host: string | undefined;
  let connection = '';
  let upgrade: string | undefined;
  let expectsContinue = false;
  let oddNames = false;
  for (const { lower, value, plain } of headers) {
    oddNames ||= !plain;
    if (lower === 'host') {
      if (host !== undefined) throw new HeadError(400, 'There are two Host headers.');
      host = value;
    } else if (lower === 'connection') connection += `,${value.toLowerCase()}`;
    else if (lower === 'upgrade') upgrade = value.toLowerCase();
    else if (lower === 'expect') expectsContinue = value.toLowerCase() === '100-continue';
  }
  if (host === undefined && minor === 1) throw new HeadError(400, 'There is no Host header.');
  if (host !== undefined && /[\s/\\@?#]/.test(host)) throw new HeadError(400, 'The Host header is malformed.');
  const { body, doubt } = requestBody(headers, minor);
  const absolute = /^https?:\/\/([^/?#]*)/i.exec(target);
  const tokens = connection.split(',').map((part) => part.trim());
  return {
    method,
    target: absolute === null ? target : target.slice(absolute[0].length) || '/',
    minor,
    headers,
    body,
    host: absolute?.[1] ?? host ?? '',
    keepAlive: minor === 1 ? !tokens.includes('close') : tokens.includes('keep-alive'),
    upgrade: tokens.includes('upgrade') ? upgrade : undefined,
    expectsContinue,
    oddNames,
    doubt: doubt ?? ((method === 'GET' || method === 'HEAD') && body !== 'none' ? doubtOfBody(body) : undefined),
  };
}

/** A body of a request that has no use for one ("Desync mitigation mode": classification reasons). */
function doubtOfBody(body: BodyKind): Doubt {
  if (body === 0) return { grade: 'acceptable', reason: 'GetHeadZeroContentLength' };
  return {
    grade: 'ambiguous',
    reason: body === 'chunked' ? 'UndefinedTransferEncodingSemantics' : 'UndefinedContentLengthSemantics',
  };
}

/**
 * Length of a request's body. Two lengths that differ are what smuggling is made of, and refused. A length beside chunks is passed on without the
 * length, so that nobody behind can believe it, and the connection ends with it.
 */
function requestBody(headers: Header[], minor: 0 | 1): { body: BodyKind; doubt?: Doubt | undefined } {
  let length: string | undefined;
  let coding: string | undefined;
  let doubt: Doubt | undefined;
  for (const { lower, value, name, plain } of headers) {
    if (lower === 'content-length') {
      if (length !== undefined && length !== value) throw new HeadError(400, 'There are two lengths.', 'MultipleContentLength');
      if (length !== undefined) doubt = { grade: 'ambiguous', reason: 'DuplicateContentLength' };
      length = value;
    } else if (lower === 'transfer-encoding') {
      if (coding !== undefined) throw new HeadError(400, 'There are two transfer codings.', 'BadTransferEncoding');
      coding = value.toLowerCase();
    } else if (!plain && /^(transfer|content).(encoding|length)$/.test(lower))
      throw new HeadError(400, `The header ${name} looks like one that means a length.`, 'SuspiciousHeader');
  }
  if (length !== undefined && !/^\d{1,15}$/.test(length))
    throw new HeadError(400, 'The length is malformed.', 'BadContentLength');
  if (coding !== undefined) {
    if (minor === 0) throw new HeadError(400, 'HTTP/1.0 has no transfer codings.', 'BadTransferEncoding');
    if (coding !== 'chunked')
      throw new HeadError(coding.includes('chunked') ? 400 : 501, 'The transfer coding is not supported.', 'BadTransferEncoding');
    if (length === undefined) return { body: 'chunked', doubt };
    keepOnly(headers, ({ lower }) => lower !== 'content-length');
    return { body: 'chunked', doubt: { grade: 'ambiguous', reason: 'BothTeClPresent' } };
  }
  if (doubt !== undefined) {
    const first = headers.find(({ lower }) => lower === 'content-length');
    keepOnly(headers, (header) => header.lower !== 'content-length' || header === first);
  }
  return { body: length === undefined ? 'none' : Number(length), doubt };
}

/** A value without the blanks and tabs around it, and those alone: String.trim takes more away, such as \x0b or \xa0, and would let it pass. */
function fieldValue(text: string, from: number, to: number): string {
  let [start, end] = [from, to];
  while (start < end && isBlank(text.charCodeAt(start))) start += 1;
  while (end > start && isBlank(text.charCodeAt(end - 1))) end -= 1;
  return text.slice(start, end);
}

const isBlank = (code: number): boolean => code === 32 || code === 9;

/** Takes headers out that shall not go on. */
function keepOnly(headers: Header[], wanted: (header: Header) => boolean): void {
  headers.splice(0, headers.length, ...headers.filter(wanted));
}

function parseHeaders(text: string, from: number): Header[] {
  const headers: Header[] = [];
  let at = from;
  const stop = text.length - 2;
  while (at < stop) {
    const end = text.indexOf('\r\n', at);
    const colon = text.indexOf(':', at);
    if (end - at > lineBytesMax) throw new HeadError(400, 'A header is too long.');
    if (colon < 0 || colon > end) throw new HeadError(400, 'A header has no colon.', 'BadHeader');
    const name = text.slice(at, colon);
    // Also refuses folded lines, and blanks between name and colon.
    const plain = plainName.test(name);
    if (!plain && !token.test(name)) throw new HeadError(400, 'The name of a header is malformed.', 'BadHeader');
    const value = fieldValue(text, colon + 1, end);
    if (badValue.test(value)) throw new HeadError(400, 'The value of a header is malformed.', 'BadHeader');
    headers.push({ name, lower: name.toLowerCase(), value, plain });
    at = end + 2;
  }
  return headers;
}

/** Reads an answer's head. Throws HeadError with status 502. `method` of the request: an answer to HEAD has no body, whatever it says. */
export function parseResponse(text: string, method: string): ResponseHead {
  const lineEnd = text.indexOf('\r\n');
  const match = /^HTTP\/1\.([01]) (\d{3})(?: (.*))?$/.exec(text.slice(0, lineEnd));
  if (match === null) throw new HeadError(502, 'The status line is malformed.');
  const minor = match[1] === '1' ? 1 : 0;
  const status = Number(match[2]);
  if (status < 100) throw new HeadError(502, 'The status is malformed.');
  let headers: Header[];
  try {
    headers = parseHeaders(text, lineEnd + 2);
  } catch (error) {
    throw new HeadError(502, (error as Error).message);
  }
  let connection = '';
  let length: string | undefined;
  let coding = '';
  for (const { lower, value } of headers) {
    if (lower === 'connection') connection += `,${value.toLowerCase()}`;
    else if (lower === 'content-length') {
      if (length !== undefined && length !== value) throw new HeadError(502, 'There are two lengths.');
      length = value;
    } else if (lower === 'transfer-encoding') coding += value.toLowerCase();
  }
  if (length !== undefined && (coding !== '' || !/^\d{1,15}$/.test(length))) throw new HeadError(502, 'The length is malformed.');
  if (coding !== '' && coding !== 'chunked') throw new HeadError(502, 'The transfer coding is not supported.');
  let body: BodyKind = coding === 'chunked' ? 'chunked' : length === undefined ? 'close' : Number(length);
  if (method === 'HEAD' || status === 204 || status === 304 || status < 200) body = 'none';
  const closes = minor === 1 ? /(^|[ ,])close/.test(connection) : !/keep-alive/.test(connection);
  return { status, reason: match[3] ?? '', minor, headers, body, keepAlive: !closes && body !== 'close' };
}
