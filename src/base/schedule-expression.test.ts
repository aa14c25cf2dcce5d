import { expect, test } from 'vitest';
import { parseSchedule } from './schedule-expression.ts';

const next = (text: string, after: string, start = after): string | undefined => {
  const at = parseSchedule(text)?.(Date.parse(after), Date.parse(start));
  return at === undefined ? undefined : new Date(at).toISOString().slice(0, 16);
};

test.each([
  ['rate(5 minutes)', '2026-01-01T00:00Z', '2026-01-01T00:05'],
  ['rate(1 day)', '2026-01-01T00:00Z', '2026-01-02T00:00'],
  ['cron(0 12 * * ? *)', '2026-01-01T12:00Z', '2026-01-02T12:00'],
  ['cron(0/15 8-9 ? * MON-FRI *)', '2026-01-02T09:45Z', '2026-01-05T08:00'],
  ['cron(30 6 L * ? *)', '2026-02-01T00:00Z', '2026-02-28T06:30'],
  ['cron(0 0 15W * ? *)', '2026-08-01T00:00Z', '2026-08-14T00:00'],
  ['cron(0 0 ? * 6L *)', '2026-01-01T00:00Z', '2026-01-30T00:00'],
  ['cron(0 0 ? * 3#2 *)', '2026-01-01T00:00Z', '2026-01-13T00:00'],
  ['cron(0 0 1 JAN ? 2027)', '2026-05-05T00:00Z', '2027-01-01T00:00'],
  ['cron(0 0 29 2 ? *)', '2026-01-01T00:00Z', '2028-02-29T00:00'],
])('%s after %s fires at %s', (text, after, at) => expect(next(text, after)).toBe(at));

test('one that is over fires no more', () => expect(next('cron(0 0 1 1 ? 2020)', '2026-01-01T00:00Z')).toBeUndefined());

test.each([
  'rate(1 minutes)',
  'rate(5 minute)',
  'rate(0 minutes)',
  'rate(5 seconds)',
  'cron(0 12 * * * *)',
  'cron(0 12 * * ?)',
  'cron(60 12 * * ? *)',
  'cron(0 12 ? * ? *)',
  'cron(0 12 32 * ? *)',
  'every day',
])('%s is malformed', (text) => expect(parseSchedule(text)).toBeUndefined());
