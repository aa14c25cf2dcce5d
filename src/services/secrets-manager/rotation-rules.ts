/**
 * When secrets are rotated: pure. A rule opens windows, and a rotation begins within one. Sources: User Guide, "Rotation schedules" and "Schedule
 * expressions in Secrets Manager rotation"; API Reference, RotationRulesType.
 */
import type { RotationRulesType, SecretListEntry } from '@aws-sdk/client-secrets-manager';
import type { Millis } from '../../base/clock.ts';
import { parseSchedule } from '../../base/schedule-expression.ts';
import { invalidParameter } from './errors.ts';
import type { RotationFacts, RotationRules } from './state.ts';

const hour = 3_600_000;
const day = 24 * hour;
const daysMax = 1000;
const rateHoursMin = 4;
const rateDaysMax = 999;

const dayOf = (time: Millis): Millis => time - (time % day);

function checkExpression(text: string): void {
  const [, amount, unit] = /^rate\(\s*(\d+)\s+(hours?|days?)\s*\)$/.exec(text) ?? [];
  const inHours = unit?.startsWith('hour') === true;
  const fits = inHours ? Number(amount) >= rateHoursMin : Number(amount) <= rateDaysMax;
  const [, minutes, , , , , year] = /^cron\((\S+) (\S+) (\S+) (\S+) (\S+) (\S+)\)$/.exec(text) ?? [];
  // "Cron expressions: Minutes must be 0, Year must be *", because windows open on the hour.
  const known = unit === undefined ? minutes === '0' && year === '*' : fits;
  if (!known || parseSchedule(text) === undefined) throw invalidParameter('Invalid ScheduleExpression.');
}

/** The rules of a request. Throws InvalidParameterException. */
export function readRotationRules(input: RotationRulesType): RotationRules {
  const { AutomaticallyAfterDays: days, ScheduleExpression: expression, Duration: duration } = input;
  if (days !== undefined && expression !== undefined)
    throw invalidParameter('You can only specify one of AutomaticallyAfterDays or ScheduleExpression.');
  if (days !== undefined && (days < 1 || days > daysMax))
    throw invalidParameter('RotationRules.AutomaticallyAfterDays must be within 1-1000.');
  if (expression !== undefined) checkExpression(expression);
  if (duration === undefined) return { days, expression };
  const [, hours] = /^(\d{1,2})h$/.exec(duration) ?? [];
  if (hours === undefined || Number(hours) < 1 || Number(hours) > 24) throw invalidParameter('Invalid Duration.');
  const rules = { days, expression, durationHours: Number(hours) };
  if (isHourly(rules) && Number(hours) > hoursBetween(rules))
    throw invalidParameter('The rotation window must not extend into the next rotation window.');
  return rules;
}

/** "A schedule in hours": its windows last an hour unless told otherwise, others to the end of their day (UTC). */
function isHourly({ expression = '' }: RotationRules): boolean {
  return expression.includes('hour') || /^cron\(0 \S*[/,*-]/.test(expression);
}

function hoursBetween({ expression = '' }: RotationRules): number {
  const [, rate] = /^rate\(\s*(\d+)/.exec(expression) ?? [];
  const [, step] = /^cron\(0 \S*\/(\d+)/.exec(expression) ?? [];
  return Number(rate ?? step ?? 24);
}

/**
 * The next rotation after `after` (the last one, or when the rules were set). Rules in days rotate at the time of day of the last one, if that is still within
 * the window; all others when their window opens. Undefined when the rules open no window.
 */
export function nextRotation({ rules, since }: Pick<RotationFacts, 'rules' | 'since'>, after: Millis): RotationFacts['next'] {
  const windowOf = (start: Millis): Millis => {
    const length = (rules.durationHours ?? (isHourly(rules) ? 1 : 24)) * hour;
    return Math.min(start + length, dayOf(start) + day) - 1000;
  };
  const [, rateDays] = /^rate\(\s*(\d+)\s+day/.exec(rules.expression ?? '') ?? [];
  const days = rules.days ?? (rateDays === undefined ? undefined : Number(rateDays));
  if (days !== undefined) {
    const windowEnd = windowOf(dayOf(after + days * day));
    return { due: Math.min(after + days * day, windowEnd), windowEnd };
  }
  const start = rules.expression === undefined ? undefined : parseSchedule(rules.expression)?.(after, dayOf(since));
  return start === undefined ? undefined : { due: start, windowEnd: windowOf(start) };
}

/** What DescribeSecret and ListSecrets show of a rotation. The days between rotations are reckoned from an expression. */
export function describeRotation(rotation: RotationFacts | undefined): Partial<SecretListEntry> {
  if (rotation === undefined) return {};
  const { enabled, lambda, rules, next, rotated } = rotation;
  const reckoned = next === undefined ? undefined : Math.floor((next.due - (rotated ?? rotation.since)) / day);
  const days = rules.days ?? reckoned;
  return {
    RotationEnabled: enabled,
    RotationLambdaARN: lambda,
    RotationRules: {
      ...(days === undefined ? {} : { AutomaticallyAfterDays: days }),
      ...(rules.expression === undefined ? {} : { ScheduleExpression: rules.expression }),
      ...(rules.durationHours === undefined ? {} : { Duration: `${rules.durationHours}h` }),
    },
    ...(rotated === undefined ? {} : { LastRotatedDate: new Date(rotated) }),
    ...(next === undefined || !enabled ? {} : { NextRotationDate: new Date(next.windowEnd) }),
  };
}
