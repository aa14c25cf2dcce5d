/** Limits and forms of CloudWatch: pure. Sources: CloudWatch User Guide, "CloudWatch service quotas"; PutMetricData, PutMetricAlarm. */
import type { Dimension } from '@aws-sdk/client-cloudwatch';
import { createHash } from 'node:crypto';
import { invalidValue, missingParameter } from './errors.ts';
import { parseStatistic } from './points.ts';
import type { Dimensions } from './state.ts';

const minute = 60_000;
const hour = 60 * minute;
const day = 24 * hour;

/** Milliseconds of cloud time. */
export const times = {
  minute,
  hour,
  day,
  /** How old and how far ahead a point may be (PutMetricData: two weeks, two hours). */
  oldest: 14 * day,
  newest: 2 * hour,
  /** How long each period can be asked for ("Metrics retention"). */
  keptSeconds: 3 * hour,
  keptMinutes: 15 * day,
  keptFiveMinutes: 63 * day,
  keptHours: 455 * day,
  /** ListMetrics shows metrics with points in this time. */
  listed: 14 * day,
} as const;

export const limits = {
  dimensions: 30,
  dataPerCall: 1000,
  valuesPerDatum: 150,
  queriesPerCall: 500,
  pointsPerCall: 100_800,
  alarmActions: 5,
  alarmNameChars: 255,
  childrenOfComposite: 100,
  historyDays: 30,
} as const;

const units: readonly string[] = [
  'Seconds',
  'Microseconds',
  'Milliseconds',
  'Bytes',
  'Kilobytes',
  'Megabytes',
  'Gigabytes',
  'Terabytes',
  'Bits',
  'Kilobits',
  'Megabits',
  'Gigabits',
  'Terabits',
  'Percent',
  'Count',
  'Bytes/Second',
  'Kilobytes/Second',
  'Megabytes/Second',
  'Gigabytes/Second',
  'Terabytes/Second',
  'Bits/Second',
  'Kilobits/Second',
  'Megabits/Second',
  'Gigabits/Second',
  'Terabits/Second',
  'Count/Second',
  'None',
];

/** Namespace, name and dimensions as one short key. */
export function metricId(namespace: string, name: string, dimensions: Dimensions): string {
  const sorted = Object.entries(dimensions).sort(([a], [b]) => (a < b ? -1 : 1));
  return createHash('sha256')
    .update(JSON.stringify([namespace, name, sorted]))
    .digest('base64url')
    .slice(0, 22);
}

/** Dimensions as a record. Throws for too many, empty or repeated ones. `member` names the list in messages. */
export function readDimensions(list: readonly Dimension[] | undefined, member: string): Dimensions {
  if ((list?.length ?? 0) > limits.dimensions)
    throw invalidValue(`The collection ${member} must not have a size greater than ${limits.dimensions}.`);
  const dimensions: Record<string, string> = {};
  (list ?? []).forEach(({ Name = '', Value = '' }, index) => {
    const at = `${member}.member.${index + 1}`;
    if (Name === '') throw missingParameter(`The parameter ${at}.Name is required.`);
    if (Value === '') throw missingParameter(`The parameter ${at}.Value is required.`);
    if (Name.length > 255 || Name.startsWith(':')) throw invalidValue(`The value ${Name} for parameter ${at}.Name is invalid.`);
    if (Value.length > 1024) throw invalidValue(`The value ${Value} for parameter ${at}.Value is invalid.`);
    if (Name in dimensions) throw invalidValue(`Dimension names must be unique: ${Name}.`);
    dimensions[Name] = Value;
  });
  return dimensions;
}

export function describeDimensions(dimensions: Dimensions): Dimension[] {
  return Object.entries(dimensions).map(([Name, Value]) => ({ Name, Value }));
}

/** Throws InvalidParameterValue unless the period is 1, 5, 10, 20, 30 or a multiple of 60 seconds. */
export function checkPeriod(period: number, member = 'Period'): void {
  if (![1, 5, 10, 20, 30].includes(period) && (period < 60 || period % 60 !== 0))
    throw invalidValue(`Period must be 1, 5, 10, 20, 30 or a multiple of 60: ${member} is ${period}.`);
}

/** Throws InvalidParameterValue for a statistic that there is not. */
export function checkStatistic(name: string, member: string): void {
  if (parseStatistic(name) === undefined) throw invalidValue(`The value ${name} for parameter ${member} is not supported.`);
}

/** Throws InvalidParameterValue for a unit that there is not. */
export function checkUnit(unit: string | undefined, member: string): void {
  if (unit !== undefined && !units.includes(unit))
    throw invalidValue(`The value ${unit} for parameter ${member} is not a valid unit.`);
}
