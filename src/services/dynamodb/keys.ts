/**
 * Where items lie in the store. A key is: space of the table or index, six hexadecimal digits of the hash of the partition key, the partition key, the sort
 * key, and what makes it unique. So the items of a partition key lie together in order of the sort key, a Scan walks the hash space as in AWS (the order it
 * gives items in, and its segments, are those of the hash), and Query is one range.
 *
 * The store takes keys of 4026 bytes. A partition key has no order, so a long one is replaced by its SHA-256; a sort key of 1024 bytes fits as it
 * is, even with every byte escaped. Numbers and bytes become text that sorts alike.
 */
import { hash } from 'node:crypto';
import type { Key } from '../../store/store.ts';
import { numberPairs, sortableNumber, storedDecimal } from './numbers.ts';
import { type Item, typeOf, type Value } from './values.ts';

/** Partition keys longer than this are kept by their digest; zero bytes may double the room that one takes. */
const plainBytesMax = 400;
/** Above every text that a key part can be. */
const lastText = '\u{10ffff}';

export type KeyType = 'S' | 'N' | 'B';

/** Names of the attributes of a primary key. */
export interface KeyNames {
  hash: string;
  range?: string | undefined;
}

/** Text that sorts as the key value does. */
export function sortableText(value: Value): string {
  if (value.S !== undefined) return value.S;
  if (value.N !== undefined) return sortableNumber(value.N);
  return Buffer.from(value.B ?? '', 'base64').toString('latin1');
}

/** Digits that place a partition key in the hash space; 24 bits. */
export const hashDigits = 6;

/** The hash of a partition key: MD5 over a fixed word and the key's bytes, which is the order that AWS's Scan shows. */
export function hashPrefix(value: Value): string {
  if (value.S !== undefined) return hash('md5', `Outliers${value.S}`, 'hex').slice(0, hashDigits);
  const bytes = value.N === undefined ? Buffer.from(value.B ?? '', 'base64') : numberBytes(value.N);
  return hash('md5', Buffer.concat([outliers, bytes]), 'hex').slice(0, hashDigits);
}

const outliers = Buffer.from('Outliers');

/** A number's bytes as DynamoDB hashes them: exponent in base 100, then the pairs of digits raised by one; complements when negative. */
function numberBytes(text: string): Buffer {
  const decimal = storedDecimal(text);
  if (decimal.digits === '0') return Buffer.from([0x80]);
  const pairs = numberPairs(decimal);
  const exponent = Math.ceil((decimal.exponent + 1) / 2) - 64;
  const bytes = [decimal.negative ? ~exponent : exponent, ...pairs.map((pair) => (decimal.negative ? 101 - pair : pair + 1))];
  if (decimal.negative && pairs.length < 20) bytes.push(102);
  return Buffer.from(bytes.map((byte) => byte & 0xff));
}

function isPlain(text: string): boolean {
  return text.length <= plainBytesMax && Buffer.byteLength(text, 'utf8') <= plainBytesMax;
}

/** Key of everything under one partition key. */
export function partitionKey(space: string, value: Value): Key {
  const text = sortableText(value);
  if (isPlain(text)) return [space, hashPrefix(value), text];
  return [space, hashPrefix(value), 1, hash('sha256', text, 'base64')];
}

/** Key of an item. A last part, empty, lets a range begin or end beside an item (see `beside`). */
export function itemKey(space: string, item: Item, { hash: name, range }: KeyNames): Key {
  const head = partitionKey(space, item[name]!);
  return range === undefined ? [...head, ''] : [...head, sortableText(item[range]!), ''];
}

/** Key of an entry of an index: the index's own key, then that of the item. */
export function entryKey(space: string, item: Item, names: KeyNames, table: KeyNames): Key {
  const head = partitionKey(space, item[names.hash]!);
  const tail = itemTail(item, table);
  return names.range === undefined ? [...head, tail] : [...head, sortableText(item[names.range]!), tail];
}

function itemTail(item: Item, { hash: name, range }: KeyNames): string {
  const parts = [hashPrefix(item[name]!), sortableText(item[name]!)];
  if (range !== undefined) parts.push(sortableText(item[range]!));
  const text = parts.join('\u0001');
  return isPlain(text) ? text : hash('sha256', text, 'base64');
}

/** A bound just before or just behind everything that begins with these parts; as `after` or `before` of a range. */
export function beside(head: Key, side: 'before' | 'behind'): Key {
  return side === 'before' ? head : [...head, lastText];
}

/** A bound behind every sort key that begins with this text. */
export function behindPrefix(head: Key, text: string): Key {
  return [...head, `${text}${lastText}`, lastText];
}

/** The hash space from `segment` to the next of `total`, as bounds of a Scan. */
export function segmentBounds(space: string, segment: number, total: number): { low: Key; high: Key } {
  const digitsAt = (position: number): string => {
    const place = Math.ceil((16 ** hashDigits * position) / total);
    return place >= 16 ** hashDigits ? lastText : place.toString(16).padStart(hashDigits, '0');
  };
  return { low: [space, digitsAt(segment)], high: [space, digitsAt(segment + 1)] };
}

/** Bytes of a key value, for the limits of 2048 and 1024. */
export function keySize(value: Value): number {
  if (value.S !== undefined) return Buffer.byteLength(value.S, 'utf8');
  return value.B === undefined ? 0 : Buffer.from(value.B, 'base64').length;
}

/** Whether a value may be a key of this type. */
export function isOfType(value: Value, type: KeyType): boolean {
  return typeOf(value) === type;
}
