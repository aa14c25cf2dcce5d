/**
 * The three forms of time on the wire (Smithy 2.0, "timestampFormat"): RFC 3339 date-time, IMF http-date, epoch seconds. Parsing is strict about
 * the form and lenient about the fraction; what is not a time gives undefined.
 */
import type { TimestampFormat } from './types.ts';

const dateTimePattern = /^(\d{4}-\d\d-\d\d)(?:[Tt ](\d\d:\d\d:\d\d)(\.\d{1,9})?(Z|z|[+-]\d\d:?\d\d)?)?$/;
const httpDatePattern = /^[A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT$/;
const epochPattern = /^-?\d{1,15}(?:\.\d{1,9})?(?:[eE][+]?\d{1,2})?$/;

/** A time in one of the forms, the given one first; text without a zone is UTC. */
export function parseTimestamp(text: string, format: TimestampFormat): Date | undefined {
  if (format === 'epoch-seconds') return parseEpoch(text) ?? parseDateTime(text);
  if (format === 'http-date') return parseHttpDate(text) ?? parseDateTime(text);
  return parseDateTime(text) ?? parseHttpDate(text) ?? parseEpoch(text);
}

/** Seconds since the epoch as a time, to the millisecond. */
export function dateOfEpoch(seconds: number): Date | undefined {
  return valid(new Date(Math.round(seconds * 1000)));
}

function parseDateTime(text: string): Date | undefined {
  const match = dateTimePattern.exec(text);
  if (match === null) return undefined;
  const [, day, time = '00:00:00', fraction = '', zone = 'Z'] = match;
  return valid(new Date(`${day}T${time}${fraction.slice(0, 4)}${zone.toUpperCase()}`));
}

function parseHttpDate(text: string): Date | undefined {
  return httpDatePattern.test(text) ? valid(new Date(text)) : undefined;
}

function parseEpoch(text: string): Date | undefined {
  return epochPattern.test(text) ? dateOfEpoch(Number(text)) : undefined;
}

function valid(date: Date): Date | undefined {
  return Number.isNaN(date.getTime()) ? undefined : date;
}

/** A time as text. Whole seconds have no fraction, except in date-times with `millis`, as EC2 and S3 write them. Throws for a value that is no time. */
export function formatTimestamp(value: Date, format: TimestampFormat, millis = false): string {
  if (format === 'epoch-seconds') return String(finite(value) / 1000);
  if (format === 'http-date') return value.toUTCString();
  const text = value.toISOString();
  return millis || !text.endsWith('.000Z') ? text : `${text.slice(0, -5)}Z`;
}

function finite(value: Date): number {
  const time = value.getTime();
  if (Number.isNaN(time)) throw new RangeError('An invalid date cannot be written.');
  return time;
}
