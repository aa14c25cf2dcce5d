/**
 * Signature Version 2, which S3 alone still takes, and only in the Regions that were open before 2014 ("Signing and authenticating REST requests
 * (AWS signature version 2)", "AWS Signature Version 2 turned off"). boto3 and version 1 of the aws CLI presign with it unless told otherwise.
 * It covers neither host, Region nor body: what it proves is method, resource, Content-MD5, Content-Type, the x-amz-* headers and a time.
 */
import { createHmac, timingSafeEqual } from 'node:crypto';
import { parseAmzDate, parseHttpDate } from './dates.ts';
import { decodeQueryPart } from './encode.ts';
import { formatAmzDate, SignatureError } from './errors.ts';
import type { HttpHead } from './signature.ts';

/** What such a request claims. */
export interface LegacyRequest {
  kind: 'legacy';
  /** Whether the signature was in the query string: a presigned URL. */
  presigned: boolean;
  accessKeyId: string;
  /** Base 64. */
  signature: string;
  sessionToken: string | undefined;
  /** What stands for the date in the string to sign. */
  dateLine: string;
  /** A presigned URL's end; else the time of the request. In milliseconds since the epoch. */
  time: number;
}

/** Minutes by which a request with the signature in a header may be older or newer than now. */
const windowMinutes = 15;

/** Parameters of the query that belong to the resource, with their values ("Constructing the CanonicalizedResource element"). */
const signedParameters: ReadonlySet<string> = new Set([
  ...['accelerate', 'acl', 'analytics', 'cors', 'delete', 'encryption', 'inventory', 'legal-hold', 'lifecycle', 'location'],
  ...['logging', 'metrics', 'notification', 'object-lock', 'partNumber', 'policy', 'publicAccessBlock', 'replication'],
  ...['requestPayment', 'restore', 'retention', 'select', 'select-type', 'storageClass', 'tagging', 'torrent', 'uploadId'],
  ...['uploads', 'versionId', 'versioning', 'versions', 'website', 'defaultObjectAcl'],
  ...['response-content-type', 'response-content-language', 'response-expires', 'response-cache-control'],
  ...['response-content-disposition', 'response-content-encoding'],
]);

/** Reads `AWSAccessKeyId`, `Expires` and `Signature` of a URL. Throws SignatureError. */
export function parseLegacyQuery(head: HttpHead): LegacyRequest {
  const authorization = head.headers['authorization'];
  if (authorization) throw new SignatureError('two-signatures', { authorization });
  const parameters = new Map(queryPairs(head.rawQuery));
  // EC2's and its kin's form of Version 2, which nobody takes any more.
  if (parameters.has('SignatureVersion')) throw new SignatureError('legacy-signature', { query: true, text: 'AWS' });
  const [accessKeyId, signature, expires] = ['AWSAccessKeyId', 'Signature', 'Expires'].map((name) => parameters.get(name) ?? '');
  if (!accessKeyId || !signature || !expires) throw new SignatureError('legacy-incomplete');
  if (!/^\d{1,12}$/.test(expires)) throw new SignatureError('legacy-bad-expires', { text: expires });
  const sessionToken = amzHeaders(head).get('x-amz-security-token');
  return {
    kind: 'legacy',
    presigned: true,
    accessKeyId,
    signature,
    sessionToken,
    dateLine: expires,
    time: Number(expires) * 1000,
  };
}

/** Reads `Authorization: AWS key:signature`. Throws SignatureError. */
export function parseLegacyHeader(head: HttpHead, authorization: string): LegacyRequest {
  const [, accessKeyId, signature] = /^AWS\s+([^\s:]{1,128}):(\S{1,128})$/.exec(authorization) ?? [];
  if (accessKeyId === undefined || signature === undefined) throw new SignatureError('legacy-malformed', { authorization });
  const own = head.headers['x-amz-date'];
  const sent = own ?? head.headers['date'] ?? '';
  const time = parseHttpDate(sent.trim()) ?? parseAmzDate(sent.trim());
  if (time === undefined) throw new SignatureError('bad-date', { text: sent });
  const sessionToken = head.headers['x-amz-security-token'];
  // x-amz-date is among the headers already; the line stays empty then.
  return {
    kind: 'legacy',
    presigned: false,
    accessKeyId,
    signature,
    sessionToken,
    dateLine: own === undefined ? sent : '',
    time,
  };
}

/**
 * Proves that the holder of `secret` signed this request, and that its time has not passed.
 * Throws SignatureError.
 * @param bucket name that the host says; undefined when the path has it
 */
export function verifyLegacy(
  head: HttpHead,
  signed: LegacyRequest,
  secret: string,
  { realNow, bucket }: { realNow: number; bucket: string | undefined },
): void {
  const text = legacyStringToSign(head, signed, bucket);
  if (!sameBase64(createHmac('sha1', secret).update(text, 'latin1').digest(), signed.signature)) {
    const { accessKeyId, signature: signatureProvided } = signed;
    throw new SignatureError('mismatch', { accessKeyId, signatureProvided, stringToSign: text, query: signed.presigned });
  }
  if (signed.presigned) {
    if (realNow >= signed.time) throw new SignatureError('expired', { expiresAt: signed.time, now: realNow, query: true });
    return;
  }
  if (Math.abs(realNow - signed.time) > windowMinutes * 60_000) {
    const amzDate = formatAmzDate(signed.time);
    throw new SignatureError(signed.time > realNow ? 'skewed-future' : 'skewed-past', { amzDate, now: realNow, windowMinutes });
  }
}

/** Whether `signature`, base 64, is the one of a form's policy. */
export function provesLegacyForm(text: string, secret: string, signature: string): boolean {
  return sameBase64(createHmac('sha1', secret).update(text).digest(), signature);
}

function legacyStringToSign(head: HttpHead, signed: LegacyRequest, bucket: string | undefined): string {
  const headers = [...amzHeaders(head)].sort(([a], [b]) => (a < b ? -1 : 1)).map(([name, value]) => `${name}:${value}\n`);
  const plain = [head.method, head.headers['content-md5'] ?? '', head.headers['content-type'] ?? '', signed.dateLine];
  const parameters = queryPairs(head.rawQuery)
    .filter(([name]) => signedParameters.has(name))
    .sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0))
    .map(([name, value]) => (value === undefined ? name : `${name}=${value}`));
  const resource = `${bucket === undefined ? '' : `/${bucket}`}${head.rawPath}`;
  return `${plain.join('\n')}\n${headers.join('')}${resource}${parameters.length === 0 ? '' : `?${parameters.join('&')}`}`;
}

/** The x-amz-* headers, those included that a presigned URL carries in its query. */
function amzHeaders(head: HttpHead): Map<string, string> {
  const found = new Map<string, string>();
  for (const [name, value = ''] of queryPairs(head.rawQuery)) {
    const lower = name.toLowerCase();
    if (lower.startsWith('x-amz-')) found.set(lower, Buffer.from(value, 'utf8').toString('latin1'));
  }
  for (const [name, value] of Object.entries(head.headers)) {
    if (name.startsWith('x-amz-')) found.set(name, value.trim().replace(/\s*\r?\n\s*/g, ' '));
  }
  return found;
}

function queryPairs(rawQuery: string): [string, string | undefined][] {
  return rawQuery
    .split('&')
    .filter((pair) => pair !== '')
    .map((pair) => {
      const equals = pair.indexOf('=');
      return equals < 0
        ? [decodeQueryPart(pair), undefined]
        : [decodeQueryPart(pair.slice(0, equals)), decodeQueryPart(pair.slice(equals + 1))];
    });
}

/** Compares in constant time. */
function sameBase64(expected: Buffer, text: string): boolean {
  const given = Buffer.from(text, 'base64');
  return given.length === expected.length && timingSafeEqual(expected, given);
}
