/**
 * DynamoDB's numbers: 38 significant digits, exact, magnitudes from 1E-130 to 9.99…E+125 ("Data types", Number). Numbers stay text; arithmetic is in
 * whole numbers of a common exponent, so nothing is ever rounded. Rejected: doubles (15 digits) and a decimal library (text in, text out is all we need).
 */

/** A number taken apart: ±d.ddd × 10^exponent, digits without leading or trailing zeros; zero has the digits `0`. */
export interface Decimal {
  negative: boolean;
  digits: string;
  exponent: number;
}

export type NumberProblem = 'syntax' | 'overflow' | 'underflow' | 'precision';

const digitsMax = 38;
const exponentMax = 125;
const exponentMin = -130;
/** Canonical already, and short enough that no limit can be broken. */
const plainInteger = /^(?:0|-?[1-9]\d{0,36})$/;
const number = /^([+-]?)(\d*)(?:\.(\d*))?(?:[eE]([+-]?\d+))?$/;

/** Reads a number; a problem's name when it is none that DynamoDB stores. */
export function parseDecimal(text: string): Decimal | NumberProblem {
  const match = number.exec(text);
  if (match === null) return 'syntax';
  const whole = match[2] ?? '';
  const fraction = match[3] ?? '';
  if (whole === '' && fraction === '') return 'syntax';
  const all = whole + fraction;
  const leading = all.search(/[1-9]/);
  if (leading < 0) return { negative: false, digits: '0', exponent: 0 };
  const digits = all.slice(leading).replace(/0+$/, '');
  const exponent = whole.length - 1 - leading + Number(match[4] ?? 0);
  if (exponent > exponentMax) return 'overflow';
  if (exponent < exponentMin) return 'underflow';
  if (digits.length > digitsMax) return 'precision';
  return { negative: match[1] === '-', digits, exponent };
}

/** The form in which DynamoDB returns a number: no exponent, no needless zeros. */
export function formatDecimal({ negative, digits, exponent }: Decimal): string {
  if (digits === '0') return '0';
  const sign = negative ? '-' : '';
  if (exponent < 0) return `${sign}0.${'0'.repeat(-exponent - 1)}${digits}`;
  if (digits.length <= exponent + 1) return `${sign}${digits.padEnd(exponent + 1, '0')}`;
  return `${sign}${digits.slice(0, exponent + 1)}.${digits.slice(exponent + 1)}`;
}

/** The canonical text of a number, or what is wrong with it. */
export function normaliseNumber(text: string): { text: string } | NumberProblem {
  if (plainInteger.test(text)) return { text };
  const decimal = parseDecimal(text);
  return typeof decimal === 'string' ? decimal : { text: formatDecimal(decimal) };
}

/** Takes apart a number that has been stored, so is one. */
export function storedDecimal(text: string): Decimal {
  const decimal = parseDecimal(text);
  if (typeof decimal === 'string') throw new Error(`A stored number is none: ${text}`);
  return decimal;
}

/** a + b or a − b, canonical; a problem's name when the result is beyond what a number can hold. */
export function addNumbers(a: string, b: string, sign: 1 | -1): { text: string } | NumberProblem {
  const left = scaled(storedDecimal(a));
  const right = scaled(storedDecimal(b));
  const scale = Math.min(left.scale, right.scale);
  const raise = (value: { units: bigint; scale: number }): bigint => value.units * 10n ** BigInt(value.scale - scale);
  const sum = raise(left) + (sign === 1 ? raise(right) : -raise(right));
  return normaliseNumber(`${sum}e${scale}`);
}

function scaled({ negative, digits, exponent }: Decimal): { units: bigint; scale: number } {
  const units = BigInt(digits);
  return { units: negative ? -units : units, scale: exponent - digits.length + 1 };
}

/** Order of two canonical numbers: negative, zero or positive. */
export function compareNumbers(a: string, b: string): number {
  if (a === b) return 0;
  if (a.length < 15 && b.length < 15) return Number(a) - Number(b);
  const left = sortableNumber(a);
  const right = sortableNumber(b);
  return left < right ? -1 : left > right ? 1 : 0;
}

/**
 * Text that sorts as the number does: sign, exponent shifted to 000…255, digits; for negative numbers the complements, ended by a character above all
 * digits, so that −1.5 comes before −1.
 */
export function sortableNumber(text: string): string {
  const { negative, digits, exponent } = storedDecimal(text);
  if (digits === '0') return '2';
  const shifted = exponent - exponentMin;
  if (!negative) return `3${String(shifted).padStart(3, '0')}${digits}`;
  let complement = '';
  for (const digit of digits) complement += String(9 - Number(digit));
  return `1${String(255 - shifted).padStart(3, '0')}${complement}~`;
}

/** Pairs of digits of the mantissa in base 100, as DynamoDB stores them: two digits take a byte. */
export function numberPairs({ digits, exponent }: Decimal): number[] {
  let aligned = exponent % 2 === 0 ? `0${digits}` : digits;
  if (aligned.length % 2 === 1) aligned += '0';
  const pairs: number[] = [];
  for (let at = 0; at < aligned.length; at += 2) pairs.push(Number(aligned.slice(at, at + 2)));
  return pairs;
}

/** Bytes that a number counts: one, one for every two significant digits, one more when negative ("Item sizes and formats"). */
export function numberSize(text: string): number {
  const { negative, digits, exponent } = plainInteger.test(text) ? integerParts(text) : storedDecimal(text);
  if (digits === '0') return 1;
  const pairs = Math.ceil((digits.length + (exponent % 2 === 0 ? 1 : 0)) / 2);
  return 1 + pairs + (negative ? 1 : 0);
}

function integerParts(text: string): Decimal {
  const negative = text.startsWith('-');
  const all = negative ? text.slice(1) : text;
  let end = all.length;
  while (end > 1 && all.charCodeAt(end - 1) === 48) end--;
  return { negative, digits: all.slice(0, end), exponent: all.length - 1 };
}
