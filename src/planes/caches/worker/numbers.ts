/**
 * Numbers of items: text outside, on the wire whole numbers, doubles or decimals, and in sort keys an order-preserving form in which three digits
 * take ten bits, after a byte or five of sign and exponent.
 */
import { type Cbor, float, integer, list, ProtocolError, Tagged, tag, whole } from './cbor.ts';

/** Longest exponent that is written out: an item's number ends at 125. */
const exponentMax = 400;

/** ±digits × 10^-scale as plain text: no exponent, no needless zeros. */
export function plainNumber(negative: boolean, digits: string, scale: number): string {
  const trimmed = digits.replace(/^0+(?=\d)/, '');
  if (trimmed === '0' || trimmed === '') return '0';
  if (Math.abs(scale) > exponentMax) throw new ProtocolError('A number beyond all bounds');
  const sign = negative ? '-' : '';
  if (scale <= 0) return `${sign}${trimmed}${'0'.repeat(-scale)}`;
  const padded = trimmed.padStart(scale + 1, '0');
  const fraction = padded.slice(-scale).replace(/0+$/, '');
  return `${sign}${padded.slice(0, -scale)}${fraction === '' ? '' : `.${fraction}`}`;
}

/** The text of a number as it came. Throws ProtocolError for what is none. */
export function numberText(value: Cbor): string {
  if (typeof value === 'bigint') return String(value);
  if (typeof value === 'number') {
    const match = /^(-?)(\d+)(?:\.(\d+))?(?:e([+-]\d+))?$/.exec(String(value));
    if (match === null) throw new ProtocolError('Not a number');
    const [, sign, units = '', fraction = '', exponent = '0'] = match;
    return plainNumber(sign === '-', units + fraction, fraction.length - Number(exponent));
  }
  if (value instanceof Tagged && value.tag === 4 && Array.isArray(value.value)) {
    const [exponent, mantissa] = value.value;
    const digits = String(mantissa);
    if (typeof exponent === 'number' && /^-?\d+$/.test(digits))
      return plainNumber(digits.startsWith('-'), digits.replace('-', ''), -exponent);
  }
  throw new ProtocolError('Not a number');
}

/** A number as text to the wire. */
export function encodeNumber(value: string): Buffer {
  if (/^-?\d+$/.test(value)) return whole(BigInt(value));
  if (String(Number(value)) === value) return float(Number(value));
  const [units = '', fraction = ''] = value.split('.');
  return tag(4, list([integer(-fraction.length), whole(BigInt(units + fraction))]));
}

/** A sort key's number. */
export function encodeSortNumber(value: string): Buffer {
  const negative = value.startsWith('-');
  const [units = '', fraction = ''] = value.replace('-', '').split('.');
  const digits = (units + fraction).replace(/^0+/, '');
  if (digits === '') return Buffer.of(0x80);
  const exponent = digits.length - fraction.length;
  const groups: number[] = [];
  const spare = (3 - (digits.length % 3)) % 3;
  const padded = digits + '0'.repeat(spare);
  for (let at = 0; at < padded.length; at += 3) {
    const group = Number(padded.slice(at, at + 3));
    groups.push(negative ? 1011 - group : group + 12);
  }
  const last = 2 - spare;
  groups.push(negative ? 1023 - last : last);
  const bits = groups.map((group) => group.toString(2).padStart(10, '0')).join('');
  const bytes = bits.padEnd(Math.ceil(bits.length / 8) * 8, '0').match(/.{8}/g)!;
  return Buffer.concat([sortHead(negative, exponent), Buffer.from(bytes.map((each) => Number.parseInt(each, 2)))]);
}

function sortHead(negative: boolean, exponent: number): Buffer {
  if (exponent >= -0x3e && exponent < 0x3e) return Buffer.of(negative ? 0x3f - exponent : exponent + 0xc0);
  const head = Buffer.alloc(5);
  if (negative) head[0] = exponent < 0 ? 0x7e : 1;
  else head[0] = exponent < 0 ? 0x81 : 0xfe;
  head.writeInt32BE((exponent ^ (negative ? 0x7fffffff : 0x80000000)) | 0, 1);
  return head;
}

/** The text of a sort key's number, which takes all of the bytes. */
export function sortNumberText(bytes: Buffer): string {
  const first = bytes[0] ?? 0;
  if (first === 0x7f || first === 0x80) return '0';
  const negative = first < 0x80;
  const far = [1, 0x7e, 0x81, 0xfe].includes(first);
  if (far && bytes.length < 5) throw new ProtocolError('A key that ends too early');
  const exponent = far ? bytes.readInt32BE(1) ^ (negative ? 0x7fffffff : 0x80000000) : negative ? 0x3f - first : first - 0xc0;
  let digits = '';
  let window = 0;
  let width = 0;
  for (const byte of bytes.subarray(far ? 5 : 1)) {
    window = ((window << 8) | byte) & 0x3ffff;
    width += 8;
    if (width < 10) continue;
    width -= 10;
    const group = (window >> width) & 0x3ff;
    const end = negative ? 1023 - group : group;
    if (end <= 2) {
      const kept = digits.slice(0, digits.length - (2 - end));
      return plainNumber(negative, kept, kept.length - exponent);
    }
    digits += String(negative ? 1011 - group : group - 12).padStart(3, '0');
  }
  throw new ProtocolError('A key that ends too early');
}
