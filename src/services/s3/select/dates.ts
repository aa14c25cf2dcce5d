/** Timestamps in SelectObjectContent ("Date functions"): ISO 8601 to any precision from the year on. */
import { s3Error } from '../errors.ts';
import type { Data } from './evaluate.ts';

const form = /^(\d{4})(?:T|-(\d{2})(?:T|-(\d{2})(?:T(?:(\d{2}):(\d{2})(?::(\d{2})(?:\.(\d{1,9}))?)?(Z|[-+]\d{2}:\d{2}))?)?)?)?$/;

/** Throws ValueParseFailure for a text that is none. */
export function readTimestamp(text: string): Date {
  const [whole, year = '', month = '01', day = '01', hour = '00', minute = '00', second = '00', fraction = '', zone = 'Z'] =
    form.exec(text) ?? [];
  const date = new Date(`${year}-${month}-${day}T${hour}:${minute}:${second}.${fraction.padEnd(3, '0').slice(0, 3)}${zone}`);
  if (whole === undefined || Number.isNaN(date.getTime()))
    throw s3Error('ValueParseFailure', `Time stamp parse failure in the SQL expression: ${text}.`, 400);
  return date;
}

/** Units of a fixed length, in milliseconds. */
const units: Readonly<Record<string, number>> = { DAY: 86_400_000, HOUR: 3_600_000, MINUTE: 60_000, SECOND: 1000 };

/** EXTRACT, DATE_ADD and DATE_DIFF with their unit. Throws EvaluatorInvalidArguments. */
export function dateFunction(name: string, unit: string, values: readonly Data[]): Data {
  const invalid = s3Error('EvaluatorInvalidArguments', `${name} does not take these arguments.`, 400);
  const dateAt = (index: number): Date => {
    const value = values[index];
    if (value instanceof Date) return value;
    if (typeof value === 'string') return readTimestamp(value);
    throw invalid;
  };
  if (name === 'EXTRACT') return extract(unit, dateAt(0), invalid);
  if (name === 'DATE_ADD') {
    const quantity = Number(values[0]);
    if (!Number.isInteger(quantity)) throw invalid;
    return add(unit, quantity, dateAt(1), invalid);
  }
  return difference(unit, dateAt(0), dateAt(1), invalid);
}

function extract(unit: string, date: Date, invalid: Error): number {
  if (unit === 'YEAR') return date.getUTCFullYear();
  if (unit === 'MONTH') return date.getUTCMonth() + 1;
  if (unit === 'DAY') return date.getUTCDate();
  if (unit === 'HOUR') return date.getUTCHours();
  if (unit === 'MINUTE') return date.getUTCMinutes();
  if (unit === 'SECOND') return date.getUTCSeconds();
  if (unit === 'TIMEZONE_HOUR' || unit === 'TIMEZONE_MINUTE') return 0;
  throw invalid;
}

function add(unit: string, quantity: number, date: Date, invalid: Error): Date {
  const length = units[unit];
  if (length !== undefined) return new Date(date.getTime() + quantity * length);
  if (unit !== 'YEAR' && unit !== 'MONTH') throw invalid;
  const months = date.getUTCFullYear() * 12 + date.getUTCMonth() + (unit === 'YEAR' ? 12 : 1) * quantity;
  const [year, month] = [Math.floor(months / 12), months - Math.floor(months / 12) * 12];
  // The last day of a shorter month stands for those that it has not.
  const day = Math.min(date.getUTCDate(), new Date(Date.UTC(year, month + 1, 0)).getUTCDate());
  return new Date(Date.UTC(year, month, day) + (date.getTime() % 86_400_000));
}

/** Whole units from the first to the second, negative when that is earlier. */
function difference(unit: string, from: Date, to: Date, invalid: Error): number {
  const length = units[unit];
  if (length !== undefined) return Math.trunc((to.getTime() - from.getTime()) / length);
  if (unit !== 'YEAR' && unit !== 'MONTH') throw invalid;
  const [early, late] = from <= to ? [from, to] : [to, from];
  let months = (late.getUTCFullYear() - early.getUTCFullYear()) * 12 + late.getUTCMonth() - early.getUTCMonth();
  if (add('MONTH', months, early, invalid) > late) months -= 1;
  const whole = unit === 'YEAR' ? Math.trunc(months / 12) : months;
  return from <= to ? whole : -whole;
}
