/** Reads the Authorization header: `AWS4-HMAC-SHA256 Credential=…, SignedHeaders=…, Signature=…`. */
import { readCredential } from './credential.ts';
import { parseAmzDate, parseHttpDate } from './dates.ts';
import { formatAmzDate, SignatureError } from './errors.ts';
import { isS3, readPayloadHash } from './payload-hash.ts';
import type { HttpHead, SignatureAlgorithm, SignedRequest } from './signature.ts';

/** Longest Authorization header that is read, in characters. A hundred signed headers of forty characters fit. */
const authorizationCharsMax = 8192;

const scheme = /^(AWS4-HMAC-SHA256|AWS4-ECDSA-P256-SHA256)(?=\s|$)/;

/** Throws SignatureError. `authorization` is the value of the header, not empty. */
export function parseSignedHeader(head: HttpHead, authorization: string): SignedRequest {
  const text = authorization.trim();
  const algorithm = scheme.exec(text)?.[1] as SignatureAlgorithm | undefined;
  if (algorithm === undefined) throw refuseScheme(text);
  if (text.length > authorizationCharsMax)
    throw new SignatureError('not-a-pair', { authorization: text.slice(0, authorizationCharsMax) });
  const fields = readFields(text, text.slice(algorithm.length));
  const sent = sentDate(head);
  requireFields(text, fields, sent !== undefined);
  const date = readDate(sent ?? '');
  const credential = readCredential(fields.get('Credential')!, algorithm, date.amzDate, false);
  const signedHeaders = fields.get('SignedHeaders')!.split(';');
  const regions = algorithm === 'AWS4-HMAC-SHA256' ? [credential.region] : regionSet(head, text);
  const s3 = isS3(credential.service);
  const payloadHash = readPayloadHash(head.headers['x-amz-content-sha256'], s3);
  if (s3 && payloadHash === undefined) throw new SignatureError('missing-payload-hash');
  return {
    kind: 'header',
    algorithm,
    accessKeyId: credential.accessKeyId,
    date: credential.date,
    regions,
    service: credential.service,
    scope: credential.scope,
    signedHeaders,
    signature: fields.get('Signature')!,
    // Sessions of directory buckets have a header of their own.
    sessionToken: head.headers['x-amz-security-token'] ?? head.headers['x-amz-s3session-token'],
    expires: undefined,
    ...date,
    payloadHash,
  };
}

/** Any other scheme. Names that only resemble ours are algorithms that AWS does not know. */
function refuseScheme(text: string): SignatureError {
  const name = text.split(/\s/, 1)[0] ?? '';
  const details = { authorization: text.slice(0, authorizationCharsMax) };
  if (name.startsWith('AWS')) return new SignatureError('unsupported-algorithm', { ...details, text: name });
  return new SignatureError('unsupported-authorization', { ...details, text: text.slice(name.length).trim() });
}

/** Fields are separated by commas, spaces or both, as AWS takes them. A repeated name is refused: which one counts would be a guess. */
function readFields(authorization: string, text: string): Map<string, string> {
  const fields = new Map<string, string>();
  for (const part of text.split(/[\s,]+/)) {
    if (part === '') continue;
    const equals = part.indexOf('=');
    const name = part.slice(0, equals);
    if (equals <= 0 || fields.has(name)) throw new SignatureError('not-a-pair', { text: part, authorization });
    fields.set(name, part.slice(equals + 1));
  }
  return fields;
}

function requireFields(authorization: string, fields: ReadonlyMap<string, string>, dated: boolean): void {
  const missing = ['Credential', 'Signature', 'SignedHeaders'].filter((name) => !fields.get(name));
  if (!dated) missing.push('Date');
  if (missing.length > 0) throw new SignatureError('incomplete', { missing, authorization });
}

/** X-Amz-Date goes before Date. */
function sentDate(head: HttpHead): string | undefined {
  return head.headers['x-amz-date'] ?? head.headers['date'];
}

/** X-Amz-Date is in ISO 8601 basic format; Date may also be in HTTP's own, and then stands in the string to sign in basic format. */
function readDate(text: string): { amzDate: string; signedAt: number } {
  const basic = parseAmzDate(text.trim());
  if (basic !== undefined) return { amzDate: text.trim(), signedAt: basic };
  const http = parseHttpDate(text.trim());
  if (http === undefined) throw new SignatureError('bad-date', { text });
  return { amzDate: formatAmzDate(http), signedAt: http };
}

/** SigV4A names its regions in a header, which must be signed because the scope does not hold them. */
function regionSet(head: HttpHead, authorization: string): string[] {
  const regions = (head.headers['x-amz-region-set'] ?? '')
    .split(',')
    .map((region) => region.trim())
    .filter((region) => region !== '');
  if (regions.length === 0) throw new SignatureError('incomplete', { missing: ['X-Amz-Region-Set'], authorization });
  return regions;
}
