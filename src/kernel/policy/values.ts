/**
 * Values of conditions: dates, numbers and addresses, from their text. Pure arithmetic; nothing here reads a clock.
 * Source: IAM User Guide, "IAM JSON policy elements: Condition operators".
 */

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

/** An address as bytes (4 or 16), or undefined. An IPv4-mapped IPv6 address is its IPv4 address. */
export function parseAddress(text: string): readonly number[] | undefined {
  const lastColon = text.lastIndexOf(':');
  if (lastColon === -1) return parseFour(text);
  const dotted = text.includes('.') ? parseFour(text.slice(lastColon + 1)) : undefined;
  if (text.includes('.') && dotted === undefined) return undefined;
  const words = dotted === undefined ? text : `${text.slice(0, lastColon + 1)}${hexWord(dotted, 0)}:${hexWord(dotted, 2)}`;
  const bytes = parseSixteen(words);
  const mapped = bytes?.slice(0, 10).every((byte) => byte === 0) === true && bytes[10] === 255 && bytes[11] === 255;
  return mapped ? bytes.slice(12) : bytes;
}

function hexWord(bytes: readonly number[], at: number): string {
  return (bytes[at]! * 256 + bytes[at + 1]!).toString(16);
}

function parseFour(text: string): number[] | undefined {
  const parts = text.split('.');
  if (parts.length !== 4) return undefined;
  const bytes = parts.map((part) => (/^\d{1,3}$/.test(part) ? Number(part) : 256));
  return bytes.every((byte) => byte < 256) ? bytes : undefined;
}

function parseSixteen(text: string): number[] | undefined {
  const halves = text.split('::');
  if (halves.length > 2) return undefined;
  const wordsOf = (half: string): string[] => (half === '' ? [] : half.split(':'));
  const head = wordsOf(halves[0]!);
  const tail = halves.length === 2 ? wordsOf(halves[1]!) : [];
  const missing = 8 - head.length - tail.length;
  if (halves.length === 2 ? missing < 1 : missing !== 0) return undefined;
  const words = [...head, ...Array<string>(missing).fill('0'), ...tail];
  if (!words.every((word) => /^[0-9a-f]{1,4}$/i.test(word))) return undefined;
  return words.flatMap((word) => {
    const value = Number.parseInt(word, 16);
    return [value >> 8, value & 255];
  });
}

export interface Network {
  bytes: readonly number[];
  prefixBits: number;
}

/** A network in CIDR form, or one address. Undefined when the text is neither. */
export function parseNetwork(text: string): Network | undefined {
  const slash = text.indexOf('/');
  const address = slash === -1 ? text : text.slice(0, slash);
  const bytes = parseAddress(address);
  if (bytes === undefined) return undefined;
  const bits = bytes.length * 8;
  if (slash === -1) return { bytes, prefixBits: bits };
  const prefixText = text.slice(slash + 1);
  if (!/^\d{1,3}$/.test(prefixText)) return undefined;
  // An IPv4 network written as a mapped IPv6 one counts its prefix from the mapped form's 96 bits.
  const prefixBits = Number(prefixText) - (address.includes(':') && bits === 32 ? 96 : 0);
  return prefixBits >= 0 && prefixBits <= bits ? { bytes, prefixBits } : undefined;
}

/** Whether an address lies in a network; never across address families. */
export function inNetwork(bytes: readonly number[], network: Network): boolean {
  if (bytes.length !== network.bytes.length) return false;
  for (let bit = 0; bit < network.prefixBits; bit += 8) {
    const index = bit >> 3;
    const rest = network.prefixBits - bit;
    const mask = rest >= 8 ? 255 : (255 << (8 - rest)) & 255;
    if (((bytes[index]! ^ network.bytes[index]!) & mask) !== 0) return false;
  }
  return true;
}
