/** Names of objects: prefixes with expressions, and what follows them ("Understand custom prefixes for Amazon S3 objects"). Pure. */
import type { Millis } from '../../base/clock.ts';
import { invalidArgument } from './errors.ts';

const expressionForm = /!\{([^:{}]*):([^{}]*)\}/g;
const randomLetters = 11;

/** Parts of a time in a zone. */
interface ZonedTime {
  year: number;
  month: number;
  day: number;
  hour: number;
  minute: number;
  second: number;
}

/** A time as clocks of the zone show it. Throws RangeError for a zone that is none. */
function zoned(at: Millis, timeZone: string): ZonedTime {
  const format = new Intl.DateTimeFormat('en-US-u-ca-gregory', {
    timeZone,
    hourCycle: 'h23',
    year: 'numeric',
    month: 'numeric',
    day: 'numeric',
    hour: 'numeric',
    minute: 'numeric',
    second: 'numeric',
  });
  const parts = Object.fromEntries(format.formatToParts(at).map(({ type, value }) => [type, Number(value)]));
  const { year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0 } = parts;
  return { year, month, day, hour, minute, second };
}

/** The letters of Java's DateTimeFormatter that stand for a part of a time. Throws InvalidArgumentException for others. */
function formatLetter(time: ZonedTime, run: string): string {
  const pad = (value: number): string => String(value).padStart(run.length, '0');
  switch (run[0]) {
    case 'y':
    case 'Y':
    case 'u':
      return run.length === 2 ? String(time.year % 100).padStart(2, '0') : pad(time.year);
    case 'M':
    case 'L':
      if (run.length <= 2) return pad(time.month);
      return new Intl.DateTimeFormat('en-US', { month: run.length === 3 ? 'short' : 'long', timeZone: 'UTC' }).format(
        Date.UTC(time.year, time.month - 1, 1),
      );
    case 'd':
      return pad(time.day);
    case 'D':
      return pad((Date.UTC(time.year, time.month - 1, time.day) - Date.UTC(time.year, 0, 0)) / 86_400_000);
    case 'E':
      return new Intl.DateTimeFormat('en-US', { weekday: run.length > 3 ? 'long' : 'short', timeZone: 'UTC' }).format(
        Date.UTC(time.year, time.month - 1, time.day),
      );
    case 'H':
      return pad(time.hour);
    case 'h':
      return pad(time.hour % 12 || 12);
    case 'a':
      return time.hour < 12 ? 'AM' : 'PM';
    case 'm':
      return pad(time.minute);
    case 's':
      return pad(time.second);
    case 'S':
      return '0'.repeat(run.length);
    default:
      throw invalidArgument(`The pattern letter ${run[0]} of an expression timestamp: is not supported.`);
  }
}

/** A pattern of Java's DateTimeFormatter, with texts in quotes. Throws InvalidArgumentException. */
function formatTime(time: ZonedTime, pattern: string): string {
  return pattern.replaceAll(/'((?:[^']|'')*)'|([A-Za-z])\2*/g, (run, quoted: string | undefined) =>
    quoted === undefined ? formatLetter(time, run) : quoted === '' ? "'" : quoted.replaceAll("''", "'"),
  );
}

export interface Occasion {
  /** Arrival of the oldest record. */
  at: Millis;
  timeZone: string;
  random: string;
  errorType?: string | undefined;
  /** Keys of the partition. */
  keys?: Readonly<Record<string, string>> | undefined;
}

/** The prefix on one occasion. Without a time of its own it gets `yyyy/MM/dd/HH/`. Throws InvalidArgumentException. */
export function evaluatePrefix(prefix: string, { at, timeZone, random, errorType, keys }: Occasion): string {
  const time = zoned(at, timeZone);
  let dated = false;
  const text = prefix.replaceAll(expressionForm, (_whole, namespace: string, value: string) => {
    if (namespace === 'timestamp') {
      dated = true;
      return formatTime(time, value);
    }
    if (namespace === 'firehose' && value === 'random-string') return random.slice(0, randomLetters);
    if (namespace === 'firehose') return errorType ?? '';
    // "Custom prefix you specify will override the default prefix": keys of partitions stand in for the time.
    dated = true;
    return keys?.[value] ?? '';
  });
  return dated ? text : `${text}${formatTime(time, 'yyyy/MM/dd/HH/')}`;
}

/** Names of the partition keys in a prefix. */
export function partitionKeysOf(prefix = ''): string[] {
  return [...prefix.matchAll(/!\{partitionKeyFrom(?:Query|Lambda):([^{}]*)\}/g)].map(([, name = '']) => name);
}

function checkExpressions(prefix: string, allowed: readonly string[], timeZone: string): void {
  for (const [whole, namespace = '', value = ''] of prefix.matchAll(expressionForm)) {
    if (namespace === 'timestamp') formatTime(zoned(0, timeZone), value);
    else if (/^partitionKeyFrom(Query|Lambda)$/.test(namespace) && allowed.includes('partition keys')) continue;
    else if (namespace !== 'firehose' || !allowed.includes(value))
      throw invalidArgument(`The expression ${whole} is not valid in this prefix.`);
  }
  if (prefix.replaceAll(expressionForm, '').includes('!{'))
    throw invalidArgument(`The prefix ${prefix} has a malformed expression.`);
}

/** Throws InvalidArgumentException for prefixes that break the "Semantic rules" of custom prefixes. */
export function checkPrefixes(
  prefix: string | undefined,
  errorPrefix: string | undefined,
  timeZone: string,
  partitioned: boolean,
): void {
  try {
    zoned(0, timeZone);
  } catch {
    throw invalidArgument(`CustomTimeZone ${timeZone} is not valid.`);
  }
  checkExpressions(prefix ?? '', partitioned ? ['random-string', 'partition keys'] : ['random-string'], timeZone);
  checkExpressions(errorPrefix ?? '', ['random-string', 'error-output-type'], timeZone);
  const withExpression = prefix?.includes('!{') === true;
  if (withExpression && (errorPrefix ?? '') === '')
    throw invalidArgument('ErrorOutputPrefix cannot be null or empty when Prefix contains expressions.');
  if (errorPrefix?.includes('!{') === true && !errorPrefix.includes('!{firehose:error-output-type}'))
    throw invalidArgument('ErrorOutputPrefix must contain at least one instance of !{firehose:error-output-type}.');
}

/** What follows the prefix: stream, its version, the time, a UUID, and an extension ("Configure Amazon S3 object name format"). */
export function suffix(stream: string, version: number, { at, timeZone }: Occasion, uuid: string, extension: string): string {
  return `${stream}-${version}-${formatTime(zoned(at, timeZone), 'yyyy-MM-dd-HH-mm-ss')}-${uuid}${extension}`;
}
