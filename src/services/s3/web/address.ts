/** Bucket and key of requests that no operation of the model is for. */
import type { WireRequest } from '../../../model/types.ts';
import { s3Error } from '../errors.ts';

/** Reads host and path; both may be empty. Throws InvalidURI for broken percent-encoding. */
export function bucketAndKey({ path, hostPrefix }: WireRequest): { bucket: string; key: string } {
  try {
    if (hostPrefix !== undefined) return { bucket: hostPrefix, key: decodeURIComponent(path.slice(1)) };
    const [, bucket = '', key = ''] = /^\/([^/]*)\/?(.*)$/s.exec(path) ?? [];
    return { bucket: decodeURIComponent(bucket), key: decodeURIComponent(key) };
  } catch {
    throw s3Error('InvalidURI', "Couldn't parse the specified URI.", 400);
  }
}
