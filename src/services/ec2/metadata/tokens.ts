/** Session tokens of IMDSv2: bound to one instance, good for 1 s to 6 h, checked without being stored ("How IMDSv2 works"). */
import { createHmac, timingSafeEqual } from 'node:crypto';
import type { Millis } from '../../../base/clock.ts';

/** Seconds a token may live. */
export const tokenSeconds = { min: 1, max: 21_600 } as const;

export class MetadataTokens {
  readonly #key: Uint8Array;

  /** Tokens end with the key: a restart of the cloud asks instances for new ones, as a reboot of the service's host would. */
  constructor(key: Uint8Array) {
    this.#key = key;
  }

  /** A token for this instance until `expires`. */
  issue(instanceId: string, expires: Millis): string {
    return `${Buffer.from(String(expires)).toString('base64url')}.${this.#sign(instanceId, expires)}`;
  }

  /** Whether this is a token of the instance that has not expired. */
  accepts(token: string, instanceId: string, now: Millis): boolean {
    const [time = '', signature = ''] = token.split('.');
    const expires = Number(Buffer.from(time, 'base64url').toString());
    if (!Number.isSafeInteger(expires) || expires <= now) return false;
    const wanted = Buffer.from(this.#sign(instanceId, expires));
    const given = Buffer.from(signature);
    return given.byteLength === wanted.byteLength && timingSafeEqual(given, wanted);
  }

  #sign(instanceId: string, expires: Millis): string {
    return createHmac('sha256', this.#key).update(`${instanceId} ${expires}`).digest('base64url');
  }
}
