/**
 * When a schedule is due: `at(2026-11-20T13:00:00)`, `rate(…)` and `cron(…)`, the first and last in a time zone ("Schedule types in EventBridge
 * Scheduler", "Time zones", "Daylight savings time": a time that the clocks skip is skipped, one that comes twice is taken once). Pure.
 */
import type { Millis } from '../../base/clock.ts';
import { parseSchedule } from '../../base/schedule-expression.ts';
import type { ScheduleRow } from './state.ts';

const minute = 60_000;

/** What of a schedule says when it is due. */
export type Timing = Pick<ScheduleRow, 'expression' | 'timezone' | 'start' | 'end' | 'created'>;

/** Whether a time zone of the IANA database. */
export function isTimezone(name: string): boolean {
  try {
    return new Intl.DateTimeFormat('en-US', { timeZone: name }) !== undefined;
  } catch {
    return false;
  }
}

/** The moment of `at(…)`, as if its time zone were UTC; undefined for other expressions and malformed ones. */
function atLocal(expression: string): Millis | undefined {
  const [, text] = /^at\((\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2})\)$/.exec(expression) ?? [];
  const at = text === undefined ? Number.NaN : Date.parse(`${text}Z`);
  return Number.isNaN(at) ? undefined : at;
}

/** A rate with its unit in the number that rules of event buses demand: the Scheduler takes `rate(1 hours)` and `rate(5 minute)` as well. */
function inNumber(expression: string): string {
  return expression.replace(
    /^(rate\(\s*)(\d+)(\s+)(minute|hour|day)s?(\s*\))$/,
    (_, head: string, amount: string, space: string, unit: string, tail: string) =>
      `${head}${amount}${space}${unit}${Number(amount) === 1 ? '' : 's'}${tail}`,
  );
}

/** Whether the expression is one. */
export function isExpression(expression: string): boolean {
  return atLocal(expression) !== undefined || parseSchedule(inNumber(expression)) !== undefined;
}

/** Milliseconds that a zone's clocks are ahead of UTC at a moment. */
function ahead(at: Millis, timeZone: string): Millis {
  const format = new Intl.DateTimeFormat('en-US', {
    timeZone,
    hourCycle: 'h23',
    ...({ year: 'numeric', month: 'numeric', day: 'numeric', hour: 'numeric', minute: 'numeric', second: 'numeric' } as const),
  });
  const part = Object.fromEntries(format.formatToParts(at).map(({ type, value }) => [type, Number(value)]));
  const local = Date.UTC(part['year']!, part['month']! - 1, part['day'], part['hour'], part['minute'], part['second']);
  return local - Math.floor(at / 1000) * 1000;
}

/** The moment at which a zone's clocks show this; undefined when they never do. */
function fromLocal(local: Millis, timezone: string): Millis | undefined {
  for (const guess of [local - ahead(local - ahead(local, timezone), timezone), local - ahead(local, timezone)])
    if (guess + ahead(guess, timezone) === local) return guess;
  return undefined;
}

/** The first time after `after` at which it is due; undefined when there is none any more. */
export function nextTime({ expression, timezone = 'UTC', start, end, created }: Timing, after: Millis): Millis | undefined {
  const due = nextOf(expression, timezone, Math.max(after, (start ?? 0) - 1), start ?? created);
  return due === undefined || (end !== undefined && due > end) ? undefined : due;
}

function nextOf(expression: string, timezone: string, after: Millis, origin: Millis): Millis | undefined {
  const once = atLocal(expression);
  if (once !== undefined) {
    const at = fromLocal(once, timezone);
    return at !== undefined && at > after ? at : undefined;
  }
  const schedule = parseSchedule(inNumber(expression));
  if (schedule === undefined) return undefined;
  // A rate with a start begins there, one without a step after it was made.
  if (expression.startsWith('rate')) return after < origin && after === origin - 1 ? origin : schedule(after, origin);
  for (let local = schedule(after + ahead(after, timezone), 0); local !== undefined; local = schedule(local, 0)) {
    const at = fromLocal(local, timezone);
    if (at !== undefined && at > after) return at;
  }
  return undefined;
}

/** After when a new schedule is due: one for a time of the minute that has begun is due at once ("invokes within 60 seconds of the time"). */
export function beginning({ expression }: Pick<Timing, 'expression'>, now: Millis): Millis {
  return atLocal(expression) === undefined ? now : now - minute - 1;
}

/** Invocations are due at whole minutes or later, never within the minute that has begun. */
export function isPast({ expression, timezone = 'UTC' }: Pick<Timing, 'expression' | 'timezone'>, now: Millis): boolean {
  const once = atLocal(expression);
  const at = once === undefined ? undefined : fromLocal(once, timezone);
  return at !== undefined && at < now - minute;
}
