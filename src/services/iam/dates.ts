/** Times as IAM shows them: whole seconds. */
import type { Millis } from '../../base/clock.ts';

/** The date of a row's time. */
export function dateOf(time: Millis): Date {
  return new Date(Math.floor(time / 1000) * 1000);
}

/** The same for a time that may be missing. */
export function dateIfAny(time: Millis | undefined): Date | undefined {
  return time === undefined ? undefined : dateOf(time);
}
