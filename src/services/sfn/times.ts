/** Times in data: ISO 8601 with milliseconds, as the context object and events have them. */
import type { Millis } from '../../base/clock.ts';

export function iso(at: Millis): string {
  return new Date(at).toISOString();
}
