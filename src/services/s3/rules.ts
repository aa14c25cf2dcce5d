/** Names, sizes and texts that S3 checks, pure. Sources: S3 User Guide, "Bucket naming rules", "Naming Amazon S3 objects", "Amazon S3 multipart upload limits". */
import { createHash } from 'node:crypto';
import { invalidArgument, invalidBucketName, s3Error } from './errors.ts';

const mebibyte = 1024 * 1024;
const gibibyte = 1024 * mebibyte;

/** Largest object of one PUT, and largest part. */
export const putBytesMax = 5 * gibibyte;
/** Smallest part that is not the last. */
export const partBytesMin = 5 * mebibyte;
export const partsMax = 10_000;
const keyBytesMax = 1024;
/** Names and values of user metadata together, in bytes. */
const metadataBytesMax = 2048;

/** What any bucket may be called (general purpose buckets). Throws InvalidBucketName. */
export function checkBucketName(name: string): void {
  const formed =
    /^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/.test(name) &&
    !/\.\.|\.-|-\./.test(name) &&
    !/^\d{1,3}(?:\.\d{1,3}){3}$/.test(name) &&
    !/^(?:xn--|sthree-|amzn-s3-demo-)/.test(name) &&
    !/(?:-s3alias|--ol-s3|\.mrap|--x-s3|--table-s3)$/.test(name);
  if (!formed) throw invalidBucketName(name);
}

/** Throws KeyTooLongError. */
export function checkKey(key: string): void {
  const bytes = Buffer.byteLength(key);
  if (bytes <= keyBytesMax) return;
  throw s3Error('KeyTooLongError', 'Your key is too long', 400, { Size: String(bytes), MaxSizeAllowed: String(keyBytesMax) });
}

/**
 * User metadata as it is kept. Header values come as bytes in latin-1; they are read as UTF-8 where they are. Throws MetadataTooLarge.
 */
export function readMetadata(sent: Readonly<Record<string, string>> | undefined): Record<string, string> {
  const metadata: Record<string, string> = {};
  let bytes = 0;
  for (const [name, value] of Object.entries(sent ?? {})) {
    const text = utf8OfHeader(value);
    bytes += Buffer.byteLength(name) + Buffer.byteLength(text);
    metadata[name] = text;
  }
  if (bytes > metadataBytesMax) {
    const text = 'Your metadata headers exceed the maximum allowed metadata size';
    throw s3Error('MetadataTooLarge', text, 400, { Size: String(bytes), MaxSizeAllowed: String(metadataBytesMax) });
  }
  return metadata;
}

function utf8OfHeader(value: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: only text of ASCII is the same in both
  if (/^[\x00-\x7f]*$/.test(value)) return value;
  const text = Buffer.from(value, 'latin1').toString('utf8');
  return text.includes('\ufffd') ? value : text;
}

const storageClasses: ReadonlySet<string> = new Set([
  'STANDARD',
  'REDUCED_REDUNDANCY',
  'STANDARD_IA',
  'ONEZONE_IA',
  'INTELLIGENT_TIERING',
  'GLACIER',
  'DEEP_ARCHIVE',
  'GLACIER_IR',
]);

/** The storage class asked for; STANDARD when none is, and in directory buckets their own and no other. Throws InvalidStorageClass. */
export function readStorageClass(asked: string | undefined, directory = false): string {
  const name = asked ?? (directory ? 'EXPRESS_ONEZONE' : 'STANDARD');
  if (directory ? name !== 'EXPRESS_ONEZONE' : !storageClasses.has(name)) {
    const text = 'The storage class you specified is not valid';
    throw s3Error('InvalidStorageClass', text, 400, { StorageClassRequested: name });
  }
  return name;
}

/** Whether an object of this class must be restored before it is read. */
export function isArchived(storageClass: string): boolean {
  return storageClass === 'GLACIER' || storageClass === 'DEEP_ARCHIVE';
}

/** Canonical user id of an account: 64 hexadecimal digits that never change ("Finding the canonical user ID"). */
export function canonicalId(account: string): string {
  return createHash('sha256').update(`canonical user ${account}`).digest('hex');
}

export const objectTagsMax = 10;
export const bucketTagsMax = 50;

/** A tag set in the API's form as a record. Throws InvalidTag, BadRequest for too many. */
export function readTags(
  tags: readonly { Key?: string | undefined; Value?: string | undefined }[],
  countMax: number,
): Record<string, string> {
  if (tags.length > countMax) {
    const what = countMax === objectTagsMax ? 'Object' : 'Bucket';
    throw s3Error('BadRequest', `${what} tags cannot be greater than ${countMax}`, 400);
  }
  const out: Record<string, string> = {};
  for (const { Key: key = '', Value: value = '' } of tags) {
    if (key === '' || key.length > 128) throw invalidTag('The TagKey you have provided is invalid', key);
    if (value.length > 256) throw invalidTag('The TagValue you have provided is invalid', key);
    if (!/^[\p{L}\p{Z}\p{N}_.:/=+\-@]*$/u.test(key)) throw invalidTag('The TagKey you have provided is invalid', key);
    if (!/^[\p{L}\p{Z}\p{N}_.:/=+\-@]*$/u.test(value)) throw invalidTag('The TagValue you have provided is invalid', key);
    if (key.toLowerCase().startsWith('aws:')) throw invalidTag('System tags cannot be added/updated by requester', key);
    if (Object.hasOwn(out, key)) throw invalidTag('Cannot provide multiple Tags with the same key', key);
    out[key] = value;
  }
  return out;
}

/** The header x-amz-tagging: `a=1&b=2`, URL-encoded. Throws InvalidArgument, InvalidTag. */
export function readTagHeader(header: string | undefined): Record<string, string> {
  if (header === undefined || header === '') return {};
  const pairs: { Key: string; Value: string }[] = [];
  for (const pair of header.split('&')) {
    const equals = pair.indexOf('=');
    try {
      const decode = (text: string): string => decodeURIComponent(text.replaceAll('+', ' '));
      pairs.push({
        Key: decode(equals < 0 ? pair : pair.slice(0, equals)),
        Value: equals < 0 ? '' : decode(pair.slice(equals + 1)),
      });
    } catch {
      throw invalidArgument(
        "The header 'x-amz-tagging' shall be encoded as UTF-8 then URLEncoded URL query parameters without tag name duplicates.",
        'x-amz-tagging',
        header,
      );
    }
  }
  return readTags(pairs, objectTagsMax);
}

function invalidTag(message: string, key: string): Error {
  return s3Error('InvalidTag', message, 400, { TagKey: key });
}

/** Tags in the API's form. */
export function describeTags(tags: Readonly<Record<string, string>>): { Key: string; Value: string }[] {
  return Object.entries(tags).map(([Key, Value]) => ({ Key, Value }));
}
