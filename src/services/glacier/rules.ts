/** Limits and forms of requests ("Amazon Glacier quotas", and the API reference of each operation). Pure. */
import type { Millis } from '../../base/clock.ts';
import { invalidParameter } from './errors.ts';
import { leafBytes } from './tree-hash.ts';

export const limits = {
  vaults: 1000,
  tags: 50,
  archiveBytesMax: 4 * 1024 ** 3,
  parts: 10_000,
  policyCharsMax: 20_480,
  descriptionCharsMax: 1024,
  pageMax: 50,
  /** "You can list up to ten vaults" at once. */
  vaultPageMax: 10,
} as const;

const minute = 60_000;
export const hour = 60 * minute;
export const day = 24 * hour;

/** Time until a retrieval has completed: within 1-5 minutes, 3-5 hours, 5-12 hours ("Archive Retrieval Options"). */
export const waits: Readonly<Record<string, Millis>> = { Expedited: 3 * minute, Standard: 4 * hour, Bulk: 8 * hour };

/** Throws InvalidParameterValueException. */
export function checkVaultName(name: string): void {
  if (!/^[a-zA-Z0-9_.-]{1,255}$/.test(name)) throw invalidParameter(`Invalid vault name: ${name}`);
}

/** A description of an archive or a job: printable ASCII. Throws InvalidParameterValueException. */
export function checkDescription(what: string, text: string): void {
  if (text.length > limits.descriptionCharsMax || !/^[\x20-\x7e]*$/.test(text))
    throw invalidParameter(`Invalid ${what}: ${text}`);
}

/** Size of the parts of an upload: a MiB times a power of two, up to 4 GiB. Throws InvalidParameterValueException. */
export function readPartSize(text: string | undefined): number {
  const size = Number(text ?? Number.NaN);
  const power = Math.log2(size / leafBytes);
  if (!/^\d+$/.test(text ?? '') || !Number.isInteger(power) || power < 0 || size > limits.archiveBytesMax) {
    const rule = `Part size must not be null, must be a power of two and be between ${leafBytes} and ${limits.archiveBytesMax} bytes.`;
    throw invalidParameter(`Invalid part size: ${text ?? 'null'}. ${rule}`);
  }
  return size;
}

/** `0-1048575` as [start, end), with an optional prefix such as `bytes=`; undefined for another form. */
export function readByteRange(text: string, prefix = ''): { start: number; end: number } | undefined {
  const found = text.startsWith(prefix) ? /^(\d+)-(\d+)$/.exec(text.slice(prefix.length)) : null;
  if (found === null) return undefined;
  const [start, last] = [Number(found[1]), Number(found[2])];
  return start <= last && Number.isSafeInteger(last) ? { start, end: last + 1 } : undefined;
}

/** The size of a page: at most `max`, which stands for none. Throws InvalidParameterValueException. */
export function readLimit(asked: number | undefined, max: number): number {
  if (asked === undefined) return max;
  if (!Number.isInteger(asked) || asked < 1) throw invalidParameter(`Invalid limit: ${asked}`);
  return Math.min(asked, max);
}
