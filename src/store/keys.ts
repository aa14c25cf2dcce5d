/**
 * Keys as bytes. An encoded key compares as bytes the way the store promises for arrays: element by element, numbers before strings, a prefix
 * before what it begins. A number is a tag and the eight bytes of an IEEE double turned so that they sort; a string is a tag, its UTF-8 and a
 * zero byte, a zero inside being escaped as 00 ff. So strings sort by code point (as PostgreSQL's "C" collation does, unlike JavaScript's `<`).
 *
 * The bytes are held in a JavaScript string, one character per byte: maps find it, `<` orders it, and a driver writes it as Latin-1.
 *
 * Rejected: the `ordered-binary` package that lmdb brings. It does not escape control characters in strings of 64 characters and more, and
 * an end of range for a prefix cannot be built from it without knowing what follows.
 */
import assert from 'node:assert/strict';
import type { Key } from './store.ts';

const numberTag = '\x10';
const textTag = '\x20';

/** Longest encoded key, in bytes: what LMDB takes with 8 KB pages. Both keys of a DynamoDB item (2048 + 1024) fit with their table. */
const keyBytesMax = 4026;

/** A key outside what the store holds: longer than `keyBytesMax`, empty, with NaN or half a surrogate pair. */
export class InvalidKeyError extends Error {
  override readonly name = 'InvalidKeyError';
}

const double = new DataView(new ArrayBuffer(8));
// biome-ignore lint/suspicious/noControlCharactersInRegex: all of ASCII but the zero, which is escaped
const plainText = /^[\x01-\x7f]*$/;

/** Encodes a key. Throws InvalidKeyError. The empty key gives the empty text: good as a prefix, not as a key. */
export function keyText(key: Key): string {
  let text = '';
  for (const part of key) {
    if (typeof part === 'number') text += numberText(part);
    else if (plainText.test(part)) text += `${textTag}${part}\0`;
    else text += `${textTag}${wideText(part)}\0`;
  }
  if (text.length > keyBytesMax) throw new InvalidKeyError(`A key is longer than ${keyBytesMax} bytes.`);
  return text;
}

/** Reads a key back. The text must come from `keyText`. */
export function parseKeyText(text: string): Key {
  const key: (string | number)[] = [];
  let at = 0;
  while (at < text.length) {
    const tag = text[at++];
    if (tag === numberTag) {
      key.push(parseNumber(text, at));
      at += 8;
    } else {
      assert(tag === textTag, 'A stored key is damaged.');
      let end = text.indexOf('\0', at);
      while (text[end + 1] === '\xff') end = text.indexOf('\0', end + 1);
      assert(end >= 0, 'A stored key is damaged.');
      key.push(parseText(text.slice(at, end)));
      at = end + 1;
    }
  }
  return key;
}

function numberText(part: number): string {
  if (Number.isNaN(part)) throw new InvalidKeyError('NaN cannot be part of a key.');
  // Adding zero makes -0 and 0 one key.
  double.setFloat64(0, part + 0);
  const flipHigh = part < 0 ? -1 : 0x80000000;
  const flipLow = part < 0 ? -1 : 0;
  const high = double.getInt32(0) ^ flipHigh;
  const low = double.getInt32(4) ^ flipLow;
  return (
    numberTag +
    String.fromCharCode(
      high >>> 24,
      (high >>> 16) & 0xff,
      (high >>> 8) & 0xff,
      high & 0xff,
      low >>> 24,
      (low >>> 16) & 0xff,
      (low >>> 8) & 0xff,
      low & 0xff,
    )
  );
}

function parseNumber(text: string, at: number): number {
  const positive = text.charCodeAt(at) >= 0x80;
  for (let i = 0; i < 8; i++) {
    double.setUint8(i, text.charCodeAt(at + i) ^ (positive ? (i === 0 ? 0x80 : 0) : 0xff));
  }
  return double.getFloat64(0);
}

function wideText(part: string): string {
  const utf8 = Buffer.from(part, 'utf8');
  // The encoder replaces half a surrogate pair by U+FFFD, which would make two strings one key.
  if (utf8.includes('\ufffd') && utf8.toString('utf8') !== part) {
    throw new InvalidKeyError('A key cannot hold half a surrogate pair.');
  }
  return utf8.toString('latin1').replaceAll('\0', '\0\xff');
}

function parseText(escaped: string): string {
  return plainText.test(escaped) ? escaped : Buffer.from(escaped.replaceAll('\0\xff', '\0'), 'latin1').toString('utf8');
}
