/**
 * Keys as bytes. An encoded key compares as bytes the way the store promises for arrays: element by element, numbers before strings, a prefix
 * before what it begins. A number is a tag and eight bytes of an IEEE double turned so that it sorts; a string is a tag, its UTF-8 and a
 * zero byte, a zero inside being escaped as 00 ff. So strings sort by code point (as PostgreSQL's "C" collation does, unlike JavaScript's `<`).
 *
 * Rejected: the `ordered-binary` package that lmdb brings. It does not escape control characters in strings of 64 characters and more, and
 * an end of range for a prefix cannot be built from it without knowing what follows.
 */
import assert from 'node:assert/strict';
import type { Key } from './store.ts';

const numberTag = 0x10;
const stringTag = 0x20;
const escapedZero = 0xff;

/** Longest encoded key, in bytes: what LMDB takes with 8 KB pages. Two keys of a DynamoDB item (2048 + 1024) fit with their table. */
export const keyBytesMax = 4026;

/** A key outside what the store holds: longer than `keyBytesMax`, empty, not a number, or with half a surrogate pair. */
export class InvalidKeyError extends Error {
  override readonly name = 'InvalidKeyError';
}

const float = new DataView(new ArrayBuffer(8));
const scratch = Buffer.allocUnsafeSlow(keyBytesMax + 16);

/** Encodes into fresh bytes. Throws InvalidKeyError. The empty key gives no bytes: good as a prefix, not as a key. */
export function encodeKey(key: Key): Buffer {
  const end = writeKey(key, scratch, 0);
  return Buffer.from(scratch.subarray(0, end));
}

/** The encoded key as a string of one character per byte, for maps; `<` on two of them is the order of the keys. */
export function keyText(key: Key): string {
  return scratch.toString('latin1', 0, writeKey(key, scratch, 0));
}

/** Writes the key at `position` and returns the position after it. Throws InvalidKeyError. */
export function writeKey(key: Key, target: Uint8Array, position: number): number {
  const limit = Math.min(target.length, position + keyBytesMax);
  let at = position;
  for (const part of key) {
    if (typeof part === 'string') at = writeText(part, target, at, limit);
    else at = writeNumber(part, target, at, limit);
  }
  return at;
}

/** Reads a key back. The bytes must come from `writeKey`. */
export function decodeKey(bytes: Uint8Array, start: number, end: number): Key {
  const key: (string | number)[] = [];
  let at = start;
  while (at < end) {
    const tag = bytes[at++];
    if (tag === numberTag) {
      key.push(readNumber(bytes, at));
      at += 8;
    } else {
      assert(tag === stringTag, 'A stored key is damaged.');
      let stop = at;
      while (bytes[stop] !== 0 || bytes[stop + 1] === escapedZero) stop += bytes[stop] === 0 ? 2 : 1;
      key.push(readText(bytes, at, stop));
      at = stop + 1;
    }
  }
  return key;
}

function writeNumber(part: number, target: Uint8Array, position: number, limit: number): number {
  if (Number.isNaN(part)) throw new InvalidKeyError('NaN cannot be part of a key.');
  if (position + 9 > limit) throw tooLong();
  // Adding zero makes -0 and 0 one key.
  float.setFloat64(0, part + 0);
  const negative = float.getUint8(0) & 0x80;
  target[position] = numberTag;
  for (let i = 0; i < 8; i++) target[position + 1 + i] = float.getUint8(i) ^ (negative ? 0xff : i === 0 ? 0x80 : 0);
  return position + 9;
}

function readNumber(bytes: Uint8Array, position: number): number {
  const positive = bytes[position]! & 0x80;
  for (let i = 0; i < 8; i++) float.setUint8(i, bytes[position + i]! ^ (positive ? (i === 0 ? 0x80 : 0) : 0xff));
  return float.getFloat64(0);
}

function writeText(part: string, target: Uint8Array, position: number, limit: number): number {
  let at = position;
  if (at + part.length + 2 > limit) throw tooLong();
  target[at++] = stringTag;
  for (let i = 0; i < part.length; i++) {
    const unit = part.charCodeAt(i);
    if (unit >= 0x80) return writeWideText(part, target, position, limit);
    target[at++] = unit;
    if (unit === 0) {
      target[at++] = escapedZero;
      if (at + part.length - i > limit) throw tooLong();
    }
  }
  target[at++] = 0;
  return at;
}

/** The same for text beyond ASCII, by way of the platform's encoder. */
function writeWideText(part: string, target: Uint8Array, position: number, limit: number): number {
  const utf8 = Buffer.from(part, 'utf8');
  // The encoder replaces half a surrogate pair by U+FFFD, which would make two strings one key.
  if (utf8.includes('\ufffd') && utf8.toString('utf8') !== part)
    throw new InvalidKeyError('A key cannot hold half a surrogate pair.');
  let at = position;
  if (at + utf8.length + 2 > limit) throw tooLong();
  target[at++] = stringTag;
  for (const byte of utf8) {
    if (at + 3 > limit) throw tooLong();
    target[at++] = byte;
    if (byte === 0) target[at++] = escapedZero;
  }
  target[at++] = 0;
  return at;
}

function readText(bytes: Uint8Array, start: number, end: number): string {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset + start, end - start);
  if (!text.includes(0)) return text.toString('utf8');
  const plain: number[] = [];
  for (let i = 0; i < text.length; i++) {
    plain.push(text[i]!);
    if (text[i] === 0) i++;
  }
  return Buffer.from(plain).toString('utf8');
}

function tooLong(): InvalidKeyError {
  return new InvalidKeyError(`A key is longer than ${keyBytesMax} bytes.`);
}
