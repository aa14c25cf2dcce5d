/**
 * Rebuilds what the client signed: canonical request and string to sign. Source: IAM User Guide, "Create a signed AWS API request", and for S3
 * "Signature Calculations for the Authorization Header". S3 takes the path as the object's key: encoded once, not normalised. All others
 * normalise it (empty and dot segments) and encode what was sent once more.
 */
import { hash } from 'node:crypto';
import { asLatin1, encodePath, recodePath, recodeQueryPart } from './encode.ts';
import { isS3 } from './payload-hash.ts';
import type { HttpHead, SignedRequest } from './signature.ts';

/** The canonical request in latin-1; `payloadHash` is its last line. */
export function canonicalRequest(head: HttpHead, signed: SignedRequest, payloadHash: string): string {
  const path = isS3(signed.service) ? recodePath(head.rawPath) : encodePath(normalisePath(head.rawPath));
  let headers = '';
  for (const name of signed.signedHeaders) headers += `${name}:${canonicalValue(head.headers[name.toLowerCase()] ?? '')}\n`;
  const query = canonicalQuery(head.rawQuery, signed.kind === 'query');
  return asLatin1(`${head.method}\n${path}\n${query}\n${headers}\n${signed.signedHeaders.join(';')}\n${payloadHash}`);
}

/** What is signed in the end: algorithm, date, scope and the hash of the canonical request. */
export function stringToSign(signed: SignedRequest, canonical: string): string {
  return `${signed.algorithm}\n${signed.amzDate}\n${signed.scope}\n${hash('sha256', Buffer.from(canonical, 'latin1'), 'hex')}`;
}

/** RFC 3986 section 5.2.4, and repeated slashes become one. */
function normalisePath(path: string): string {
  if (!/\/\/|\/\./.test(path)) return path === '' ? '/' : path;
  const segments: string[] = [];
  for (const segment of path.split('/')) {
    if (segment === '..') segments.pop();
    else if (segment !== '' && segment !== '.') segments.push(segment);
  }
  return `/${segments.join('/')}${segments.length > 0 && path.endsWith('/') ? '/' : ''}`;
}

/** Parameters in canonical encoding, by name and then by value. The signature itself is left out of what a presigned URL signs. */
function canonicalQuery(rawQuery: string, presigned: boolean): string {
  if (rawQuery === '') return '';
  const pairs: [string, string][] = [];
  for (const pair of rawQuery.split('&')) {
    if (pair === '') continue;
    const equals = pair.indexOf('=');
    const name = recodeQueryPart(equals < 0 ? pair : pair.slice(0, equals));
    if (presigned && name.toLowerCase() === 'x-amz-signature') continue;
    pairs.push([name, equals < 0 ? '' : recodeQueryPart(pair.slice(equals + 1))]);
  }
  pairs.sort(([a, x], [b, y]) => (a < b ? -1 : a > b ? 1 : x < y ? -1 : x > y ? 1 : 0));
  return pairs.map(([name, value]) => `${name}=${value}`).join('&');
}

/** Without space around it, and runs of space inside become one. Only ASCII space: a byte of UTF-8 may look like a space of latin-1. */
function canonicalValue(value: string): string {
  if (!/^[ \t\r\n\f\v]|[ \t\r\n\f\v]$|[ \t\r\n\f\v]{2}|[\t\r\n\f\v]/.test(value)) return value;
  return value.replace(/[ \t\r\n\f\v]+/g, ' ').replace(/^ | $/g, '');
}
