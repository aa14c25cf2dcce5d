/**
 * Values of conditions: dates, numbers and addresses, from their text. Pure arithmetic; nothing here reads a clock.
 * Source: IAM User Guide, "IAM JSON policy elements: Condition operators".
 */

import { type Cidr, isCidr4, parseCidr, parseIp4, parseIp6 } from '../../base/cidr.ts';

const monthsMax = 12;
const daysMax = 31;
const secondMs = 1000;
const dayMs = 86_400_000;

/** Days from 1970-01-01 to a date of the proleptic Gregorian calendar, for any year. */
function daysFromCivil(year: number, month: number, day: number): number {
  const shifted = month <= 2 ? year - 1 : year;
  const era = Math.floor(shifted / 400);
  const yearOfEra = shifted - era * 400;
  const dayOfYear = Math.floor((153 * (month + (month > 2 ? -3 : 9)) + 2) / 5) + day - 1;
  return era * 146_097 + yearOfEra * 365 + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100) + dayOfYear - 719_468;
}

const isoPattern =
  /^(-?\d+)(?:-(\d{1,2})(?:-(\d{1,2}))?)?(?:t(?:(\d{1,2})(?::(\d{1,2})(?::(\d{1,2})(?:\.(\d{1,9}))?)?)?)?(z|[+-]\d{2}(?::?\d{2})?)?)?$/;
const epochMax = 2n ** 63n - 1n;
/** Years that the Java calendar behind IAM knows. */
const yearMin = -292_275_054;
const yearMax = 292_278_993;

function offsetMs(zone: string | undefined): number | undefined {
  if (zone === undefined || zone === 'z') return 0;
  const hours = Number(zone.slice(1, 3));
  const minutes = Number(zone.slice(3).replace(':', ''));
  if (hours > 23 || minutes > 59) return undefined;
  return (zone.startsWith('-') ? -1 : 1) * (hours * 60 + minutes) * 60 * secondMs;
}

/**
 * Milliseconds since the epoch of a date: W3C's ISO 8601 forms, or seconds since the epoch. Undefined when the text is neither.
 * A form without a zone is UTC. Case of `T` and `Z` and leading zeros of the time are not insisted on, as IAM does not.
 */
export function parseInstant(text: string): number | undefined {
  const lower = text.toLowerCase();
  if (/^\d+$/.test(lower)) return BigInt(lower) > epochMax ? undefined : Number(lower) * secondMs;
  if (!lower.includes('t') && !lower.includes('-')) return undefined;
  const match = isoPattern.exec(lower);
  if (match === null) return undefined;
  const [, yearText, monthText, dayText, hourText, minuteText, secondText, fraction, zone] = match;
  const year = Number(yearText);
  const month = Number(monthText ?? 1);
  const day = Number(dayText ?? 1);
  const hour = Number(hourText ?? 0);
  const minute = Number(minuteText ?? 0);
  const second = Number(secondText ?? 0);
  const offset = offsetMs(zone);
  if (year < yearMin || year > yearMax || month < 1 || month > monthsMax || day < 1 || day > daysMax) return undefined;
  if (hour > 23 || minute > 59 || second > 59 || offset === undefined) return undefined;
  const time = ((hour * 60 + minute) * 60 + second) * secondMs + Math.floor(Number(`0.${fraction ?? '0'}`) * secondMs);
  return daysFromCivil(year, month, day) * dayMs + time - offset;
}

/** An integer or decimal, or undefined. */
export function parseNumber(text: string): number | undefined {
  return /^[+-]?(\d+(\.\d*)?|\.\d+)(e[+-]?\d+)?$/i.test(text) ? Number(text) : undefined;
}

/** Lower-case `true` or `false`, or undefined. */
export function parseBoolean(text: string): 'true' | 'false' | undefined {
  const lower = text.toLowerCase();
  return lower === 'true' || lower === 'false' ? lower : undefined;
}

/** First address of `::ffff:0:0/96`, where IPv6 holds the IPv4 addresses. */
const mappedBase = 0xffff_0000_0000n;
const mappedPrefix = 96;
const mappedCount = 2n ** 32n;

/** An address, or undefined. An IPv4-mapped IPv6 address is its IPv4 address. */
export function parseAddress(text: string): number | bigint | undefined {
  const four = parseIp4(text);
  if (four !== undefined) return four;
  const six = parseIp6(text);
  return six !== undefined && six >= mappedBase && six < mappedBase + mappedCount ? Number(six - mappedBase) : six;
}

/** A network in CIDR form, or one address ("IAM uses the default prefix value of /32"). Undefined when the text is neither. */
export function parseNetwork(text: string): Cidr | undefined {
  const cidr = text.includes('/') ? parseCidr(text) : undefined;
  if (cidr !== undefined) {
    const mapped =
      !isCidr4(cidr) && cidr.prefix >= mappedPrefix && cidr.base >= mappedBase && cidr.base < mappedBase + mappedCount;
    return mapped ? { base: Number(cidr.base - mappedBase), prefix: cidr.prefix - mappedPrefix } : cidr;
  }
  const address = parseAddress(text);
  if (typeof address === 'number') return { base: address, prefix: 32 };
  return address === undefined ? undefined : { base: address, prefix: 128 };
}
