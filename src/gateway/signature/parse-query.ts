/** Reads the signature of a presigned URL: the X-Amz-* parameters of the query string. */
import { readCredential } from './credential.ts';
import { parseAmzDate } from './dates.ts';
import { decodeQueryPart } from './encode.ts';
import { SignatureError } from './errors.ts';
import { isS3, readPayloadHash } from './payload-hash.ts';
import type { HttpHead, SignatureAlgorithm, SignedRequest } from './signature.ts';

/** Longest validity of a presigned URL: one week ("Authenticating Requests: Using Query Parameters", X-Amz-Expires). */
const expiresSecondsMax = 604_800;

/** Whether the query string carries a signature of Version 4. */
export function hasQuerySignature(rawQuery: string): boolean {
  return /(?:^|&)X-Amz-(?:Algorithm|Signature|Credential)=/i.test(rawQuery);
}

/** Whether it carries one of Version 2. */
export function hasLegacyQuery(rawQuery: string): boolean {
  return /(?:^|&)AWSAccessKeyId=/.test(rawQuery);
}

/** Throws SignatureError. */
export function parseSignedQuery(head: HttpHead): SignedRequest {
  const authorization = head.headers['authorization'];
  if (authorization) throw new SignatureError('two-signatures', { authorization });
  const parameters = signatureParameters(head.rawQuery);
  const s3 = isS3(parameters.get('x-amz-credential')?.split('/').at(-2) ?? '');
  requireParameters(parameters, s3);
  const algorithm = readAlgorithm(parameters.get('x-amz-algorithm')!);
  const amzDate = parameters.get('x-amz-date')!;
  const signedAt = parseAmzDate(amzDate);
  if (signedAt === undefined) throw new SignatureError('bad-date', { text: amzDate, query: true });
  const credential = readCredential(parameters.get('x-amz-credential')!, algorithm, amzDate, true);
  const signedHeaders = parameters.get('x-amz-signedheaders')!.split(';');
  // Whoever uses the URL may add the header; it counts only when the URL's maker signed it.
  const hashHeader = signedHeaders.includes('x-amz-content-sha256') ? head.headers['x-amz-content-sha256'] : undefined;
  const payloadHash = readPayloadHash(hashHeader ?? parameters.get('x-amz-content-sha256'), s3);
  const regions = algorithm === 'AWS4-HMAC-SHA256' ? [credential.region] : regionSet(parameters);
  return {
    kind: 'query',
    algorithm,
    accessKeyId: credential.accessKeyId,
    date: credential.date,
    regions,
    service: credential.service,
    scope: credential.scope,
    signedHeaders,
    signature: parameters.get('x-amz-signature')!,
    sessionToken:
      parameters.get('x-amz-security-token') ?? parameters.get('x-amz-s3session-token') ?? head.headers['x-amz-security-token'],
    expires: s3 ? readExpires(parameters.get('x-amz-expires')!) : undefined,
    amzDate,
    signedAt,
    // A presigned S3 request is open to any body unless it says otherwise.
    payloadHash: payloadHash ?? (s3 ? 'UNSIGNED-PAYLOAD' : undefined),
  };
}

/** Parameters that matter here, by name in lower case. AWS takes the names in any case; the canonical query keeps what was sent. */
function signatureParameters(rawQuery: string): Map<string, string> {
  const parameters = new Map<string, string>();
  for (const pair of rawQuery.split('&')) {
    const equals = pair.indexOf('=');
    const name = decodeQueryPart(equals < 0 ? pair : pair.slice(0, equals)).toLowerCase();
    if (!name.startsWith('x-amz-')) continue;
    if (parameters.has(name)) throw new SignatureError('incomplete-query', { missing: [name], query: true });
    parameters.set(name, equals < 0 ? '' : decodeQueryPart(pair.slice(equals + 1)));
  }
  return parameters;
}

/** Only S3 knows X-Amz-Expires: see checkTime. */
function requireParameters(parameters: ReadonlyMap<string, string>, s3: boolean): void {
  const names = ['X-Amz-Algorithm', 'X-Amz-Credential', 'X-Amz-Signature', 'X-Amz-SignedHeaders', 'X-Amz-Date'];
  if (s3) names.push('X-Amz-Expires');
  const missing = names.filter((name) => !parameters.get(name.toLowerCase()));
  if (missing.length > 0) throw new SignatureError('incomplete-query', { missing, query: true });
}

function readAlgorithm(text: string): SignatureAlgorithm {
  if (text === 'AWS4-HMAC-SHA256' || text === 'AWS4-ECDSA-P256-SHA256') return text;
  throw new SignatureError('unsupported-algorithm', { text, query: true });
}

function readExpires(text: string): number {
  if (!/^[+-]?\d{1,15}$/.test(text)) throw new SignatureError('expires-not-a-number', { text, query: true });
  const seconds = Number(text);
  if (seconds < 0) throw new SignatureError('expires-negative', { text, query: true });
  if (seconds > expiresSecondsMax) throw new SignatureError('expires-too-long', { text, query: true });
  return seconds;
}

function regionSet(parameters: ReadonlyMap<string, string>): string[] {
  const regions = (parameters.get('x-amz-region-set') ?? '')
    .split(',')
    .map((region) => region.trim())
    .filter((region) => region !== '');
  if (regions.length === 0) throw new SignatureError('incomplete-query', { missing: ['X-Amz-Region-Set'], query: true });
  return regions;
}
