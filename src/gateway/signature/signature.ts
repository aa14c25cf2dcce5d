/**
 * AWS signatures, as the gateway sees them: what a request says about who sent it (`parseSignature`) and whether that is true (`verify`). Pure:
 * no socket, no clock, no store. Signature Version 4 in the header and in the query string, and Version 4A (ECDSA) in both; Version 2 for S3, which
 * alone still takes it. The signature of chunked bodies is in chunked.ts. Not here: S3 POST policies, which sign a form
 * and not a request; they come with S3.
 *
 * One file per matter: parse-header.ts and parse-query.ts read, canonical.ts rebuilds what the client signed, keys.ts derives keys, verify.ts judges,
 * chunked.ts checks bodies, legacy.ts is Version 2, errors.ts and s3-errors.ts word it. This file is the face of the folder: others import only from here.
 * Rejected: checking with the SDK's own signer (@smithy/signature-v4), because it signs the request it is given instead of checking the one
 * that came, costs ten times as much, and is more use as the independent reference of the tests.
 */
import { type LegacyRequest, parseLegacyHeader, parseLegacyQuery } from './legacy.ts';
import { parseSignedHeader } from './parse-header.ts';
import { hasLegacyQuery, hasQuerySignature, parseSignedQuery } from './parse-query.ts';

export { type SignedBody, signedBody, unsignedBody } from './chunked.ts';
export { type ServiceFamily, SignatureError, signatureErrorFor } from './errors.ts';
export { signingKey } from './keys.ts';
export { type LegacyRequest, provesLegacyForm, verifyLegacy } from './legacy.ts';
export { verify } from './verify.ts';

/** The head of an HTTP request, exactly as it came. Text is latin-1: one character for each byte, as Node gives it. */
export interface HttpHead {
  method: string;
  /** As sent, before the question mark. */
  rawPath: string;
  /** As sent, after the question mark; empty when there is none. */
  rawQuery: string;
  /** Names in lower case, values as received; the values of a repeated header joined by a comma. */
  headers: Readonly<Record<string, string>>;
}

export type SignatureAlgorithm = 'AWS4-HMAC-SHA256' | 'AWS4-ECDSA-P256-SHA256';

/** What a request claims; nothing of it is proven before `verify` has returned. */
export interface SignedRequest {
  /** Where the signature was: the Authorization header, or the query string (a presigned URL). */
  kind: 'header' | 'query';
  algorithm: SignatureAlgorithm;
  accessKeyId: string;
  /** Day of the credential scope, YYYYMMDD. */
  date: string;
  /** The one region of a SigV4 scope; for SigV4A the region set, whose entries may hold `*`. */
  regions: readonly string[];
  /** Signing name of the service. */
  service: string;
  /** Everything of the credential after the key. */
  scope: string;
  /** Names as sent; they are in lower case when the client follows the rules. */
  signedHeaders: readonly string[];
  /** Hexadecimal, as sent. */
  signature: string;
  sessionToken: string | undefined;
  /** Seconds for which a presigned S3 request is valid. */
  expires: number | undefined;
  /** As in the string to sign: 20260926T120000Z. */
  amzDate: string;
  /** The same in milliseconds since the epoch. */
  signedAt: number;
  /** What stands for the body in the canonical request: a hash, a literal such as UNSIGNED-PAYLOAD, or undefined for "the hash of the body". */
  payloadHash: string | undefined;
}

export type ParsedSignature = { kind: 'none' } | SignedRequest | LegacyRequest;

/**
 * Reads the signature of a request, wherever it is. Throws SignatureError when there is one and it is malformed, of an unknown kind, or there are
 * two. An unsigned request is no error here: some operations are open to all.
 */
export function parseSignature(head: HttpHead): ParsedSignature {
  const authorization = head.headers['authorization'];
  if (hasQuerySignature(head.rawQuery)) return parseSignedQuery(head);
  if (hasLegacyQuery(head.rawQuery)) return parseLegacyQuery(head);
  if (authorization === undefined || authorization === '') return { kind: 'none' };
  return /^AWS\s/.test(authorization) ? parseLegacyHeader(head, authorization.trim()) : parseSignedHeader(head, authorization);
}

/**
 * Makes the head from what Node's parser kept of the request line and the header lines (`IncomingMessage.rawHeaders`). Not from
 * `IncomingMessage.headers`: that drops repeats of some headers and joins the others by comma and space, which is not what the client signed.
 * `target` may be in absolute form, as proxies send it.
 */
export function httpHead(method: string, target: string, rawHeaders: readonly string[]): HttpHead {
  const path = /^[a-z][a-z0-9+.-]*:\/\/[^/?#]*/i.test(target) ? target.replace(/^[^:]*:\/\/[^/?#]*/, '') : target;
  const mark = path.indexOf('?');
  const headers: Record<string, string> = {};
  for (let i = 0; i + 1 < rawHeaders.length; i += 2) {
    const name = rawHeaders[i]!.toLowerCase();
    const value = rawHeaders[i + 1]!;
    const before = headers[name];
    headers[name] = before === undefined ? value : `${before},${value}`;
  }
  // HTTP/2 has `:authority` for it (RFC 9113, 8.3.1); clients that sign before they know which version they will speak sign `host`.
  const authority = headers[':authority'];
  if (authority !== undefined) headers['host'] ??= authority;
  return {
    method,
    rawPath: (mark < 0 ? path : path.slice(0, mark)) || '/',
    rawQuery: mark < 0 ? '' : path.slice(mark + 1),
    headers,
  };
}
