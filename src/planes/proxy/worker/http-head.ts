/**
 * Heads of HTTP/1 messages, read strictly (RFC 9112). Written by hand because a proxy must pass headers on as they came, tell every way of being wrong
 * apart, and never read a length differently from the server behind it (request smuggling). Node's own parser hides all that, and as a proxy it is
 * several times slower (bench `loadbalancer`).
 */

import type { Doubt, HttpOptions } from '../types.ts';
import { Doubts, HeadError } from './doubts.ts';

export { HeadError } from './doubts.ts';

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
  /** Both connections end with it. */
  breaks: boolean;
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

const plainName = /^[0-9A-Za-z-]+$/;
const token = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
// A control character in a value would end a line for some servers; tabs are allowed.
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const badValue = /[\x00-\x08\x0a-\x1f\x7f]/;
// biome-ignore lint/suspicious/noControlCharactersInRegex: likewise
const oddValue = /[\x00-\x08\x0a-\x1f\x7f-\xff]/;
// biome-ignore lint/suspicious/noControlCharactersInRegex: likewise
const badTarget = /[\x00-\x20\x7f]/;
const methods = new Set(['GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'OPTIONS', 'PATCH', 'TRACE', 'CONNECT']);

/** Where the head ends in these bytes (behind the empty line), or -1 while it has not ended. `from`: bytes looked at before. */
export function headEnd(bytes: Buffer, from: number): number {
  const end = bytes.indexOf('\r\n\r\n', Math.max(0, from - 3), 'latin1');
  return end < 0 ? -1 : end + 4;
}

/** Reads a request's head, the empty line included. Throws HeadError, also for what the mode refuses. */
export function parseRequest(text: string, mode: HttpOptions['desync']): RequestHead {
  const doubts = new Doubts(mode);
  const lineEnd = text.indexOf('\r\n');
  if (lineEnd > lineBytesMax) throw new HeadError(414, 'The request line is too long.');
  const line = text.slice(0, lineEnd);
  const first = line.indexOf(' ');
  const last = line.lastIndexOf(' ');
  const method = line.slice(0, first);
  const given = line.slice(first + 1, last);
  const version = line.slice(last + 1);
  if (first < 1 || last <= first || given === '') throw new HeadError(400, 'The request line is malformed.', 'BadUri');
  const target = badTarget.test(given) ? doubtfulTarget(given, doubts) : given;
  if (!methods.has(method) && !token.test(method)) throw new HeadError(400, 'The method is malformed.', 'BadMethod');
  if (method === 'CONNECT' || method === 'TRACE') throw new HeadError(405, `${method} is not allowed.`);
  if (version !== 'HTTP/1.1' && version !== 'HTTP/1.0')
    throw new HeadError(/^HTTP\/\d(\.\d)?$/.test(version) ? 505 : 400, 'The version is not supported.', 'BadVersion');
  if (target[0] !== '/' && !/^https?:\/\/./i.test(target) && !(method === 'OPTIONS' && target === '*'))
    throw new HeadError(400, 'The target is malformed.', 'BadUri');
  const minor = version === 'HTTP/1.1' ? 1 : 0;
  const headers = parseHeaders(text, lineEnd + 2, doubts);
  return interpretRequest({ method, target, minor, headers }, doubts);
}

/** A target with blanks or control characters: it goes on with the blanks encoded, so that nobody takes what follows them for the version. */
function doubtfulTarget(target: string, doubts: Doubts): string {
  if (/[\0\r\n]/.test(target)) throw new HeadError(400, 'The target holds the end of a line.', 'BadUri');
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
  if (/[\x01-\x1f\x7f]/.test(target)) doubts.note('ambiguous', 'AmbiguousUri', 'The target holds control characters.');
  else doubts.note('acceptable', 'SpaceInUri', 'The target holds a blank.');
  return target.replaceAll(' ', '%20');
}

function interpretRequest(
  { method, target, minor, headers }: Pick<RequestHead, 'method' | 'target' | 'minor' | 'headers'>,
  doubts: Doubts,
): RequestHead {
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
  const body = requestBody(headers, minor, doubts);
  if ((method === 'GET' || method === 'HEAD') && body !== 'none') noteBody(body, doubts);
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
    doubt: doubts.worst,
    breaks: doubts.breaks,
  };
}

/** A body of a request that has no use for one ("Desync mitigation mode": classification reasons). */
function noteBody(body: BodyKind, doubts: Doubts): void {
  if (body === 0) doubts.note('acceptable', 'GetHeadZeroContentLength', 'There is a length of nothing.');
  else if (body === 'chunked')
    doubts.note('ambiguous', 'UndefinedTransferEncodingSemantics', 'Nobody knows what this body means.');
  else doubts.note('ambiguous', 'UndefinedContentLengthSemantics', 'Nobody knows what this body means.');
}

/**
 * Length of a request's body. Two lengths that differ are what smuggling is made of. A length beside chunks is passed on without the length, so that nobody
 * behind can believe it. Where a mode only monitors, the first length and the last coding count, and the connections end with the request.
 */
function requestBody(headers: Header[], minor: 0 | 1, doubts: Doubts): BodyKind {
  let length: string | undefined;
  let coding: string | undefined;
  let twice = false;
  for (const { lower, value, name, plain } of headers) {
    if (lower === 'content-length') {
      if (length !== undefined && length !== value) doubts.note('severe', 'MultipleContentLength', 'There are two lengths.');
      else if (length !== undefined) doubts.note('ambiguous', 'DuplicateContentLength', 'There is a length twice.');
      twice ||= length === value;
      length ??= value;
    } else if (lower === 'transfer-encoding') {
      if (coding !== undefined) {
        const chunks = coding === 'chunked' && value.toLowerCase() === 'chunked';
        doubts.note(
          'severe',
          chunks ? 'MultipleTransferEncodingChunked' : 'BadTransferEncoding',
          'There are two transfer codings.',
        );
      }
      coding = value.toLowerCase();
    } else if (!plain && /^(transfer|content).(encoding|length)$/.test(lower))
      doubts.note('ambiguous', 'SuspiciousHeader', `The header ${name} looks like one that means a length.`);
  }
  if (length !== undefined && !/^\d{1,15}$/.test(length)) {
    doubts.note('severe', 'BadContentLength', 'The length is malformed.');
    length = /\d{1,15}/.exec(length)?.[0] ?? '0';
  }
  if (coding !== undefined && isChunked(coding, minor, doubts)) {
    if (length === undefined) return 'chunked';
    doubts.note('ambiguous', 'BothTeClPresent', 'There is a length beside chunks.');
    keepOnly(headers, ({ lower }) => lower !== 'content-length');
    return 'chunked';
  }
  if (twice) {
    const first = headers.find(({ lower }) => lower === 'content-length');
    keepOnly(headers, (header) => header.lower !== 'content-length' || header === first || header.value !== first?.value);
  }
  return length === undefined ? 'none' : Number(length);
}

/** Whether a transfer coding, in lower case, means chunks. Throws HeadError with 501 for a coding that is none of the doubtful ones. */
function isChunked(coding: string, minor: 0 | 1, doubts: Doubts): boolean {
  if (minor === 0) doubts.note('severe', 'BadTransferEncoding', 'HTTP/1.0 has no transfer codings.');
  if (coding === 'chunked') return true;
  if (!coding.includes('chunked')) throw new HeadError(501, 'The transfer coding is not supported.', 'BadTransferEncoding');
  doubts.note('severe', 'BadTransferEncoding', 'The transfer coding is malformed.');
  return coding.endsWith('chunked');
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

/** Reads header lines. Without doubts, as of an answer, everything that is malformed throws. */
function parseHeaders(text: string, from: number, doubts?: Doubts): Header[] {
  const headers: Header[] = [];
  let at = from;
  const stop = text.length - 2;
  while (at < stop) {
    const end = text.indexOf('\r\n', at);
    const colon = text.indexOf(':', at);
    if (end - at > lineBytesMax) throw new HeadError(400, 'A header is too long.');
    if (doubts !== undefined && (colon === at || /^[ \t]+$/.test(text.slice(at, Math.min(end, at + 64))))) {
      // Nothing in it could be passed on.
      doubts.note('ambiguous', 'EmptyHeader', 'A header is empty.');
      at = end + 2;
      continue;
    }
    if (colon < 0 || colon > end) throw new HeadError(400, 'A header has no colon.', 'BadHeader');
    const name = text.slice(at, colon);
    // Also refuses folded lines, and blanks between name and colon.
    const plain = plainName.test(name);
    if (!plain && !token.test(name)) throw new HeadError(400, 'The name of a header is malformed.', 'BadHeader');
    const value = fieldValue(text, colon + 1, end);
    if (doubts !== undefined ? oddValue.test(value) : badValue.test(value)) noteValue(value, doubts);
    headers.push({ name, lower: name.toLowerCase(), value, plain });
    at = end + 2;
  }
  return headers;
}

/** A value with characters that no header should have. What would end a line is refused in every mode: it would become another header. */
function noteValue(value: string, doubts: Doubts | undefined): void {
  if (doubts === undefined || /[\0\r\n]/.test(value))
    throw new HeadError(400, 'The value of a header is malformed.', 'BadHeader');
  doubts.note('acceptable', 'NonCompliantHeader', 'A header holds a character that is no visible ASCII.');
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
