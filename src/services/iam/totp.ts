/** Time-based one-time codes as MFA devices show them: RFC 6238 with HMAC-SHA-1, steps of 30 seconds, six digits. Pure. */
import { createHmac } from 'node:crypto';
import type { Millis } from '../../base/clock.ts';

const stepMillis = 30_000;
const digits = 6;

/** The number of the time step that a time falls in. */
export function stepAt(time: Millis): number {
  return Math.floor(time / stepMillis);
}

/** The code of a step, six digits with leading zeros. */
export function codeAt(seed: Uint8Array, step: number): string {
  const counter = Buffer.alloc(8);
  counter.writeBigUInt64BE(BigInt(Math.max(step, 0)));
  const digest = createHmac('sha1', seed).update(counter).digest();
  // RFC 4226, section 5.3: the last four bits say where the 31 bits are taken from.
  const bits = digest.readUInt32BE((digest.at(-1) ?? 0) & 0xf) & 0x7fffffff;
  return String(bits % 10 ** digits).padStart(digits, '0');
}

/** Steps that a device's clock may be off by when it is enabled or synchronised: an hour. */
const searchSteps = 120;
/** Steps before and after the expected one whose codes are taken. */
const toleranceSteps = 1;

/**
 * Looks for two consecutive codes around a time, nearest first. Returns the step of the second, or undefined when they are not of this device.
 */
export function findConsecutive(seed: Uint8Array, first: string, second: string, now: Millis): number | undefined {
  const expected = stepAt(now);
  for (let distance = 0; distance <= searchSteps; distance += 1) {
    for (const step of distance === 0 ? [expected] : [expected - distance, expected + distance]) {
      if (codeAt(seed, step - 1) === first && codeAt(seed, step) === second) return step;
    }
  }
  return undefined;
}

/** Drift to remember for a device whose latest code was of `step`: none within the tolerance, since codes are typed in a little late or early. */
export function driftOf(step: number, now: Millis): number {
  const off = step - stepAt(now);
  return Math.abs(off) <= toleranceSteps ? 0 : off;
}

/** The step whose code this is, around now and later than `after`; undefined for a wrong, old or used code. */
export function findCode(seed: Uint8Array, code: string, now: Millis, drift: number, after: number): number | undefined {
  const expected = stepAt(now) + drift;
  for (let step = expected - toleranceSteps; step <= expected + toleranceSteps; step += 1) {
    if (step > after && codeAt(seed, step) === code) return step;
  }
  return undefined;
}

const base32Alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567';

/** Base32 of RFC 4648 without padding, as authenticator apps take seeds. */
export function toBase32(bytes: Uint8Array): string {
  let text = '';
  let bits = 0;
  let held = 0;
  for (const byte of bytes) {
    bits = (bits << 8) | byte;
    held += 8;
    while (held >= 5) {
      held -= 5;
      text += base32Alphabet[(bits >> held) & 31];
    }
    bits &= (1 << held) - 1;
  }
  return held > 0 ? text + base32Alphabet[(bits << (5 - held)) & 31] : text;
}
