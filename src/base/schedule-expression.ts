/**
 * Schedule expressions: `rate(5 minutes)` and `cron(0 12 * * ? *)`, in UTC ("Setting a schedule pattern", EventBridge User Guide). Cron has six fields:
 * minutes, hours, day of month, month, day of week, year; one of the two days is `?`. Pure.
 */
import type { Millis } from './clock.ts';

/** The first time after `after` at which it fires; undefined when there is none any more. */
export type Schedule = (after: Millis, start: Millis) => Millis | undefined;

const unitMillis: Readonly<Record<string, Millis>> = { minute: 60_000, hour: 3_600_000, day: 86_400_000 };
const monthNames = ['JAN', 'FEB', 'MAR', 'APR', 'MAY', 'JUN', 'JUL', 'AUG', 'SEP', 'OCT', 'NOV', 'DEC'];
const dayNames = ['SUN', 'MON', 'TUE', 'WED', 'THU', 'FRI', 'SAT'];
const yearMin = 1970;
const yearMax = 2199;
const dayMillis = 86_400_000;

/** Reads an expression; undefined when it is malformed. */
export function parseSchedule(text: string): Schedule | undefined {
  const [, amount, unit] = /^rate\(\s*([1-9]\d{0,8})\s+(minutes?|hours?|days?)\s*\)$/.exec(text) ?? [];
  if (amount !== undefined && unit !== undefined) return rate(Number(amount), unit);
  const [, inside] = /^cron\((.+)\)$/.exec(text) ?? [];
  return inside === undefined ? undefined : cron(inside.trim().split(/\s+/));
}

/** A value of 1 takes the singular, others the plural; it counts from when the rule was made. */
function rate(amount: number, unit: string): Schedule | undefined {
  if ((amount === 1) === unit.endsWith('s')) return undefined;
  const step = amount * unitMillis[unit.replace(/s$/, '')]!;
  return (after, start) => start + (Math.floor((after - start) / step) + 1) * step;
}

/** Days that a field means in a month: the first of the month's days is 1, Sunday is 1. */
type DayTest = (day: number, weekday: number, lastDay: number) => boolean;

function cron(fields: readonly string[]): Schedule | undefined {
  if (fields.length !== 6) return undefined;
  const [minuteText, hourText, dayText, monthText, weekdayText, yearText] = fields as [
    string,
    string,
    string,
    string,
    string,
    string,
  ];
  if ((dayText === '?') === (weekdayText === '?')) return undefined;
  const minutes = numbers(minuteText, 0, 59);
  const hours = numbers(hourText, 0, 23);
  const months = numbers(monthText, 1, 12, monthNames);
  const years = numbers(yearText, yearMin, yearMax);
  const days = dayText === '?' ? weekdayTest(weekdayText) : dayTest(dayText);
  if (minutes === undefined || hours === undefined || months === undefined || years === undefined || days === undefined)
    return undefined;
  return (after) => {
    let midnight = Math.floor(after / dayMillis) * dayMillis;
    for (; ; midnight += dayMillis) {
      const date = new Date(midnight);
      const year = date.getUTCFullYear();
      if (year > yearMax) return undefined;
      if (!years.has(year)) {
        midnight = Date.UTC(year + 1, 0, 1) - dayMillis;
        continue;
      }
      const month = date.getUTCMonth() + 1;
      if (!months.has(month)) {
        midnight = Date.UTC(year, month, 1) - dayMillis;
        continue;
      }
      const lastDay = new Date(Date.UTC(year, month, 0)).getUTCDate();
      if (!days(date.getUTCDate(), date.getUTCDay() + 1, lastDay)) continue;
      for (const hour of hours) {
        for (const minute of minutes) {
          const at = midnight + hour * 3_600_000 + minute * 60_000;
          if (at > after) return at;
        }
      }
    }
  };
}

/** Numbers that a field lists, in order: `*`, `5`, `1-5`, `0/15`, and commas. Undefined when malformed. */
function numbers(text: string, min: number, max: number, names: readonly string[] = []): ReadonlySet<number> | undefined {
  const found: number[] = [];
  const read = (part: string): number => {
    const named = names.indexOf(part.toUpperCase());
    if (named >= 0) return named + min;
    return /^\d{1,4}$/.test(part) ? Number(part) : Number.NaN;
  };
  for (const item of text.split(',')) {
    const [range = '', stepText] = item.split('/');
    const step = stepText === undefined ? 1 : Number(stepText);
    const [low = '', high] = range.split('-');
    const from = range === '*' ? min : read(low);
    const to = range === '*' || (stepText !== undefined && high === undefined) ? max : read(high ?? low);
    if (!Number.isInteger(step) || step < 1 || !(from >= min && to <= max && from <= to)) return undefined;
    for (let value = from; value <= to; value += step) found.push(value);
  }
  return new Set(found.sort((a, b) => a - b));
}

/** Days of the month, with `L` the last and `15W` the weekday nearest to the 15th. */
function dayTest(text: string): DayTest | undefined {
  if (text === 'L') return (day, _weekday, lastDay) => day === lastDay;
  const nearest = /^(\d{1,2})W$/.exec(text);
  if (nearest !== null) {
    const wanted = Number(nearest[1]);
    if (wanted < 1 || wanted > 31) return undefined;
    return (day, weekday, lastDay) => {
      if (weekday === 1 || weekday === 7) return false;
      const friday = weekday === 6 && (day === wanted || day + 1 === wanted || (day + 2 === wanted && wanted === lastDay));
      const monday = weekday === 2 && (day === wanted || day - 1 === wanted || (day === 3 && wanted === 1));
      return weekday === 6 ? friday : weekday === 2 ? monday : day === wanted;
    };
  }
  const days = numbers(text, 1, 31);
  return days && ((day) => days.has(day));
}

/** Days of the week: 1 is Sunday; `6L` the month's last Friday, `3#2` its second Tuesday. */
function weekdayTest(text: string): DayTest | undefined {
  const [, nth, which] = /^([1-7])#([1-5])$/.exec(text) ?? [];
  if (nth !== undefined) return (day, weekday) => weekday === Number(nth) && Math.ceil(day / 7) === Number(which);
  const [, last] = /^([1-7])L$/.exec(text) ?? [];
  if (last !== undefined) return (day, weekday, lastDay) => weekday === Number(last) && day + 7 > lastDay;
  if (text === 'L') return (_day, weekday) => weekday === 7;
  const days = numbers(text, 1, 7, dayNames);
  return days && ((_day, weekday) => days.has(weekday));
}
