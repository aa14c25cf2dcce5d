/**
 * Envelope encryption for services that seal rows under a key of KMS: data keys that are used again for a while, so that not every message asks KMS, and
 * AES-256-GCM with nonce and tag beside what is hidden. Who asks KMS, and in whose name, is the service's business.
 */
import { createCipheriv, createDecipheriv } from 'node:crypto';
import type { Clock, Millis } from '../base/clock.ts';
import type { Context } from './context.ts';

/** A data key, as it is and as KMS has wrapped it (absent for a key that KMS did not make). */
export interface DataKey {
  plain: Uint8Array;
  wrapped: Uint8Array | undefined;
}

const nonceBytes = 12;
const tagBytes = 16;
const keysMax = 2000;
const keyMillisMax: Millis = 86_400_000;

/** Data keys in use, by cloud and name: a cache. */
const keysCache = new WeakMap<Clock, Map<string, { at: Millis; key: DataKey }>>();

/** The data key of this name, made by `make` unless one was made in the last `millis`. Whatever `make` throws is thrown on, and nothing is kept. */
export async function keepDataKey(
  { clock, service }: Pick<Context, 'clock' | 'service'>,
  name: string,
  millis: Millis,
  make: () => Promise<DataKey>,
): Promise<DataKey> {
  const keys = keysCache.get(clock) ?? new Map<string, { at: Millis; key: DataKey }>();
  keysCache.set(clock, keys);
  const now = clock.now();
  const whole = `${service} ${name}`;
  const known = keys.get(whole);
  if (known !== undefined && known.at + millis > now) return known.key;
  const key = await make();
  for (const [other, { at }] of keys) if (at + keyMillisMax <= now || keys.size >= keysMax) keys.delete(other);
  keys.set(whole, { at: now, key });
  return key;
}

/** What is hidden by a key of 32 bytes. */
export function encryptBytes(ctx: Pick<Context, 'bytes'>, key: Uint8Array, bytes: Uint8Array): Uint8Array {
  const nonce = ctx.bytes(nonceBytes);
  const cipher = createCipheriv('aes-256-gcm', key, nonce);
  const hidden = Buffer.concat([nonce, cipher.update(bytes), cipher.final()]);
  return Buffer.concat([hidden, cipher.getAuthTag()]);
}

/** The reverse of `encryptBytes`. Throws when the key is another or the bytes were changed. */
export function decryptBytes(key: Uint8Array, bytes: Uint8Array): Buffer {
  const end = bytes.byteLength - tagBytes;
  const cipher = createDecipheriv('aes-256-gcm', key, bytes.subarray(0, nonceBytes));
  cipher.setAuthTag(bytes.subarray(end));
  return Buffer.concat([cipher.update(bytes.subarray(nonceBytes, end)), cipher.final()]);
}
