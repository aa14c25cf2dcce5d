/**
 * Judges a signature: what must be signed, the time, the signature itself, the body. S3 looks at the time after the signature, all others before it
 * (mhart/dynalite recorded the order of DynamoDB), which decides what a client hears that has a wrong clock and a wrong secret.
 */
import { createHmac, hash, timingSafeEqual, verify as verifyAsymmetric } from 'node:crypto';
import { canonicalRequest, stringToSign } from './canonical.ts';
import { SignatureError, type SignatureErrorDetails } from './errors.ts';
import { publicKeyOf, signingKey } from './keys.ts';
import { isS3, isSha256Hex } from './payload-hash.ts';
import type { HttpHead, SignedRequest } from './signature.ts';

/**
 * The body: all of it; `'unsigned'` when the request says that it is not signed; or `'streaming'` when it comes later and `signedBody` checks it.
 * The last two need a declared payload hash.
 */
export type Payload = Uint8Array | 'unsigned' | 'streaming';

export interface VerifyOptions {
  /** Real time, in milliseconds since the epoch. */
  realNow: number;
  payload: Payload;
}

/**
 * Services that give fifteen minutes. S3: MaxAllowedSkewMilliseconds 900000. EC2: "RequestExpired" in its error reference. The others answered
 * "Signature expired: … - 15 min." in public: STS (aws/aws-cli #6676), SQS (aws/aws-sdk-js #401), SNS (#1174), DynamoDB (#254).
 */
const fifteenMinutes: ReadonlySet<string> = new Set(['ec2', 'sts', 'sqs', 'sns', 'dynamodb']);

/**
 * Minutes by which a request may be older or newer than now: five for most ("Signature expired: … - 5 min.", aws/aws-sdk-js #573), fifteen for some
 * and for presigned requests (aws/aws-sdk-go #2167 and aws/aws-sdk-ruby #2498: STS and SQS disregard X-Amz-Expires and take 15 min.).
 */
function skewMinutes(service: string, presigned: boolean): number {
  return presigned || isS3(service) || fifteenMinutes.has(service) ? 15 : 5;
}

const emptyHash = hash('sha256', '', 'hex');

/**
 * Proves that the holder of `secret` signed this request, now. Returns nothing; throws SignatureError. Whether the key exists, is active and
 * goes with the session token is the caller's to judge.
 */
export function verify(head: HttpHead, signed: SignedRequest, secret: string, options: VerifyOptions): void {
  const s3 = isS3(signed.service);
  checkSignedHeaders(head, signed);
  if (!s3) checkTime(signed, options.realNow);
  const { declared, computed } = payloadHashes(signed, options.payload);
  const canonical = canonicalRequest(head, signed, declared ?? computed ?? emptyHash);
  const text = stringToSign(signed, canonical);
  if (!holds(signed, secret, text)) throw mismatch(signed, canonical, text);
  if (s3) checkTime(signed, options.realNow);
  if (declared !== undefined && computed !== undefined && declared.toLowerCase() !== computed) {
    if (!s3) throw mismatch(signed, canonical, text);
    throw new SignatureError('payload-mismatch', { declaredHash: declared, computedHash: computed });
  }
}

/**
 * Declared: what the canonical request holds, if the client said. Computed: the hash of the body, where it is here and is promised by a hash. Without
 * declaration the computed hash goes into the canonical request.
 */
function payloadHashes(signed: SignedRequest, payload: Payload): { declared: string | undefined; computed: string | undefined } {
  const declared = signed.payloadHash;
  if (typeof payload === 'string') {
    if (declared === undefined) throw new TypeError('A request without a declared payload hash needs its body to be verified.');
    if (payload === 'unsigned' && isSha256Hex(declared)) throw new TypeError('This request has a signed body.');
    return { declared, computed: undefined };
  }
  if (declared !== undefined && !isSha256Hex(declared)) return { declared, computed: undefined };
  return { declared, computed: payload.length === 0 ? emptyHash : hash('sha256', payload, 'hex') };
}

/** Throws SignatureError for a request outside its time. A presigned S3 request has its own time, from X-Amz-Date on. */
function checkTime(signed: SignedRequest, realNow: number): void {
  const windowMinutes = skewMinutes(signed.service, signed.kind === 'query');
  const window = windowMinutes * 60_000;
  const { signedAt, amzDate, expires } = signed;
  const details: SignatureErrorDetails = { signedAt, amzDate, now: realNow, windowMinutes, query: signed.kind === 'query' };
  if (signedAt - realNow > window) throw new SignatureError(expires === undefined ? 'skewed-future' : 'not-yet-valid', details);
  if (expires === undefined) {
    if (realNow - signedAt > window) throw new SignatureError('skewed-past', details);
    return;
  }
  // A URL for no time at all is never valid.
  if (expires === 0 || realNow > signedAt + expires * 1000) {
    throw new SignatureError('expired', { ...details, expiresSeconds: expires });
  }
}

/**
 * The host must be signed, or a captured request could be sent to another service. S3 also refuses every x-amz-* header that is not signed, but for
 * x-amz-content-sha256, which is in the canonical request anyway.
 */
function checkSignedHeaders(head: HttpHead, signed: SignedRequest): void {
  const names = new Set(signed.signedHeaders.map((name) => name.toLowerCase()));
  if (!names.has('host') && !names.has(':authority')) throw new SignatureError('host-not-signed');
  // The region set is not in the scope of SigV4A: unsigned, it could be exchanged.
  const regionSetUnsigned = signed.algorithm !== 'AWS4-HMAC-SHA256' && signed.kind === 'header' && !names.has('x-amz-region-set');
  if (!isS3(signed.service)) {
    if (regionSetUnsigned) throw new SignatureError('headers-not-signed', { missing: ['x-amz-region-set'] });
    return;
  }
  const missing: string[] = [];
  for (const name in head.headers) {
    if (name.startsWith('x-amz-') && name !== 'x-amz-content-sha256' && !names.has(name)) missing.push(name);
  }
  if (missing.length > 0) throw new SignatureError('headers-not-signed', { missing: missing.sort() });
}

/** Whether the signature is that of `text`. */
function holds(signed: SignedRequest, secret: string, text: string): boolean {
  if (signed.algorithm === 'AWS4-HMAC-SHA256') {
    const key = signingKey(secret, signed.date, signed.regions[0]!, signed.service);
    return sameHex(createHmac('sha256', key).update(text).digest(), signed.signature);
  }
  return ecdsaHolds(signed.accessKeyId, secret, text, signed.signature);
}

/** Compares in constant time. */
export function sameHex(expected: Buffer, hex: string): boolean {
  if (hex.length !== expected.length * 2 || !/^[0-9a-fA-F]+$/.test(hex)) return false;
  return timingSafeEqual(expected, Buffer.from(hex, 'hex'));
}

/** Whether `hex` is the DER signature of `text` by the SigV4A key of this secret. */
export function ecdsaHolds(accessKeyId: string, secret: string, text: string, hex: string): boolean {
  if (!/^(?:[0-9a-fA-F]{2}){8,72}$/.test(hex)) return false;
  const key = { key: publicKeyOf(accessKeyId, secret), dsaEncoding: 'der' as const };
  return verifyAsymmetric('sha256', Buffer.from(text, 'utf8'), key, Buffer.from(hex, 'hex'));
}

function mismatch(signed: SignedRequest, canonical: string, text: string): SignatureError {
  return new SignatureError('mismatch', {
    accessKeyId: signed.accessKeyId,
    signatureProvided: signed.signature,
    canonicalRequest: canonical,
    stringToSign: text,
    query: signed.kind === 'query',
  });
}
