/** x-amz-content-sha256: what stands for the body in the canonical request. */
import { SignatureError } from './errors.ts';

/** Values that are not hashes. Those that start with STREAMING announce a body in aws-chunked encoding (chunked.ts). */
const payloadLiterals: ReadonlySet<string> = new Set([
  'UNSIGNED-PAYLOAD',
  'STREAMING-UNSIGNED-PAYLOAD-TRAILER',
  'STREAMING-AWS4-HMAC-SHA256-PAYLOAD',
  'STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER',
  'STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD',
  'STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD-TRAILER',
]);

/** Services that sign the path as it is and may leave the body unsigned. The SDK's endpoint rules for them say disableDoubleEncoding. */
const s3Like: ReadonlySet<string> = new Set(['s3', 's3-outposts', 's3-object-lambda', 's3express']);

export function isS3(service: string): boolean {
  return s3Like.has(service);
}

export function isSha256Hex(text: string): boolean {
  return /^[0-9a-fA-F]{64}$/.test(text);
}

/**
 * The declared hash. S3 refuses (SignatureError) what it does not know; other services make nothing of it, so that the hash of the body counts.
 */
export function readPayloadHash(text: string | undefined, s3: boolean): string | undefined {
  if (text === undefined || payloadLiterals.has(text) || isSha256Hex(text)) return text;
  if (s3) throw new SignatureError('bad-payload-hash', { text });
  return undefined;
}
