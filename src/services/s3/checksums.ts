/**
 * Checksums of requests and objects ("Checking object integrity"): which algorithm counts, whether what was sent is right, how parts' checksums
 * become one. S3 itself adds CRC64NVME where the client sends nothing.
 */
import { type ChecksumAlgorithm, checksumAlgorithms, createChecksum, digestBytes } from '../../base/checksum.ts';
import type { BodyStream } from '../../model/types.ts';
import { combineCrc } from './crc-combine.ts';
import { badDigest, invalidRequest, s3Error } from './errors.ts';
import type { StoredContent } from './contents.ts';
import type { ChecksumValue } from './state.ts';

/** Bytes, whole, from a client (with what it announced), or out of another object. */
type Source = Uint8Array | AsyncIterable<Uint8Array> | BodyStream;

/** Members that carry checksums. */
export type ChecksumAsk = Readonly<Record<string, unknown>>;

export interface ExpectedChecksum {
  algorithm: ChecksumAlgorithm;
  /** Base 64, as a header said; undefined when the checksum is in a trailer, or nobody sent one. */
  value: string | undefined;
}

/** The API's name of the checksum's member, as `ChecksumCRC32`. */
export function memberOf(algorithm: ChecksumAlgorithm): `Checksum${ChecksumAlgorithm}` {
  return `Checksum${algorithm}`;
}

/** The algorithm that a text names, or undefined. */
export function algorithmOf(text: unknown): ChecksumAlgorithm | undefined {
  return checksumAlgorithms.find((algorithm) => algorithm === text);
}

/** Checksum headers of a request, at most one. Throws InvalidRequest. */
export function sentChecksum(ask: ChecksumAsk): ExpectedChecksum | undefined {
  const sent = checksumAlgorithms.filter((algorithm) => typeof ask[memberOf(algorithm)] === 'string');
  if (sent.length > 1)
    throw invalidRequest('Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.');
  const algorithm = sent[0];
  if (algorithm === undefined) return undefined;
  const value = ask[memberOf(algorithm)] as string;
  if (!isDigest(algorithm, value)) throw invalidRequest(`Value for x-amz-checksum-${algorithm.toLowerCase()} header is invalid.`);
  return { algorithm, value };
}

function isDigest(algorithm: ChecksumAlgorithm, value: string): boolean {
  const bytes = Buffer.from(value, 'base64');
  return bytes.length === digestBytes[algorithm] && bytes.toString('base64') === value;
}

/** What a body's checksum must be: by header, by trailer, or S3's own choice. Throws InvalidRequest. */
export function expectedChecksum(ask: ChecksumAsk, body: Source, fallback: ChecksumAlgorithm = 'CRC64NVME'): ExpectedChecksum {
  const sent = sentChecksum(ask);
  if (sent !== undefined) return sent;
  const trailer = 'announcedTrailer' in body ? body.announcedTrailer : undefined;
  const announced = checksumAlgorithms.find((algorithm) => trailer === `x-amz-checksum-${algorithm.toLowerCase()}`);
  if (announced !== undefined) return { algorithm: announced, value: undefined };
  const named = ask['ChecksumAlgorithm'];
  if (named === undefined) return { algorithm: fallback, value: undefined };
  if (algorithmOf(named) === undefined)
    throw invalidRequest(
      'Checksum algorithm provided is unsupported. Please try again with any of the valid types: [CRC32, CRC32C, CRC64NVME, SHA1, SHA256]',
    );
  throw invalidRequest(
    'x-amz-sdk-checksum-algorithm specified, but no corresponding x-amz-checksum-* or x-amz-trailer headers were found.',
  );
}

/** Compares a stored content with all that was promised of it. Throws BadDigest, InvalidDigest. Returns the checksum. */
export async function checkContent(
  stored: StoredContent,
  body: Source,
  expected: ExpectedChecksum,
  contentMd5: string | undefined,
): Promise<string> {
  // A trailer that differs has been refused while the body was read.
  if ('trailers' in body) await body.trailers;
  checkContentMd5(stored.md5, contentMd5);
  const value = stored.checksums.get(expected.algorithm) ?? '';
  if (expected.value !== undefined && expected.value !== value) throw badDigest(expected.algorithm);
  return value;
}

/** The header's form, before the body is read. Throws InvalidDigest. */
export function checkMd5Form(contentMd5: string | undefined): void {
  if (contentMd5 === undefined || (Buffer.from(contentMd5, 'base64').length === 16 && /^[A-Za-z0-9+/]{22}==$/.test(contentMd5)))
    return;
  throw s3Error('InvalidDigest', 'The Content-MD5 you specified was invalid.', 400, { 'Content-MD5': contentMd5 });
}

/** Compares a body's digest with the header. Throws BadDigest. */
export function checkContentMd5(md5: Buffer, contentMd5: string | undefined): void {
  if (contentMd5 === undefined || md5.toString('base64') === contentMd5) return;
  const members = { ExpectedDigest: contentMd5, CalculatedDigest: md5.toString('base64') };
  throw s3Error('BadDigest', 'The Content-MD5 you specified did not match what we received.', 400, members);
}

/** A checksum as members of an answer. */
export function describeChecksum(checksum: ChecksumValue | undefined): Record<string, string> {
  return checksum === undefined ? {} : { [memberOf(checksum.algorithm)]: checksum.value, ChecksumType: checksum.type };
}

/** Type of the checksum of a multipart upload when none is asked for: CRC64NVME covers the object, the others its parts. */
export function defaultType(algorithm: ChecksumAlgorithm): ChecksumValue['type'] {
  return algorithm === 'CRC64NVME' ? 'FULL_OBJECT' : 'COMPOSITE';
}

/** Throws InvalidRequest for a type that the algorithm does not have: CRC64NVME has no composite form, the hashes no full one. */
export function checkType(algorithm: ChecksumAlgorithm, type: string): asserts type is ChecksumValue['type'] {
  const allowed =
    algorithm === 'CRC64NVME' ? ['FULL_OBJECT'] : algorithm.startsWith('SHA') ? ['COMPOSITE'] : ['FULL_OBJECT', 'COMPOSITE'];
  if (!allowed.includes(type)) {
    throw invalidRequest(`The ${type} checksum type cannot be used with the ${algorithm.toLowerCase()} checksum algorithm.`);
  }
}

/** The checksum of an object out of those of its parts. */
export function joinChecksums(
  { algorithm, type }: Omit<ChecksumValue, 'value'>,
  parts: readonly { checksum: string; bytes: number }[],
): ChecksumValue {
  if (type === 'COMPOSITE') {
    const whole = createChecksum(algorithm);
    for (const { checksum } of parts) whole.update(Buffer.from(checksum, 'base64'));
    return { algorithm, type, value: `${Buffer.from(whole.digest()).toString('base64')}-${parts.length}` };
  }
  const value = combineCrc(
    algorithm,
    parts.map(({ checksum, bytes }) => ({ crc: Buffer.from(checksum, 'base64'), bytes })),
  );
  return { algorithm, type, value: value.toString('base64') };
}
