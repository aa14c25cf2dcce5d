/**
 * Values as bytes, and back as frozen values. All text of a value (member names too) lies together in front, so that one native call writes it and
 * one reads it, and each string is a slice of that; the structure follows as tags and lengths.
 *
 *     form (0: text in Latin-1, 1: in UTF-16), length of the text in UTF-16 units, text, structure
 *
 * A structure is a tag byte, then: a count and that many structures for a list; a count and that many names (a length) with structures for an
 * object; a length for a string and a bigint (its decimal text); a length and the bytes for bytes; a zigzag number for an integer of 32 bits, 8
 * bytes for any other number. Lengths and counts have 7 bits per byte, low ones first.
 *
 * Every `Value` comes back exactly, half surrogate pairs and -0 included; all else is refused when it is put. Rejected: MessagePack by the msgpackr
 * that lmdb brings (renames a member `__proto__`, calls a member `toJSON`, replaces half pairs, needs a walk of its own to refuse and to
 * freeze; with those 2.8 µs and 2.3 µs for a row of 12 members that takes 1.9 µs and 1.9 µs here, checking and freezing included), JSON (no
 * bytes, no bigint), v8.serialize (3.3 µs and 4.5 µs). Freezing, a quarter of decoding, stays on always.
 */
import type { Value } from '../store.ts';

/** What a program tried to store is not a `Value`. The message says where. */
class InvalidValueError extends Error {
  override readonly name = 'InvalidValueError';
}

const tag = { nil: 0, no: 1, yes: 2, integer: 3, double: 4, text: 5, list: 6, object: 7, bytes: 8, bigint: 9 } as const;
const latin1 = 0;
const utf16 = 1;
/** Levels of lists and objects within each other. */
const depthMax = 500;
/** A working buffer larger than this is not kept for the next value. */
const keptBytesMax = 1 << 20;
/** Longest head of a structure: a tag and a length, or a tag and a double. */
const headBytesMax = 16;

const double = new Float64Array(1);
const doubleBytes = new Uint8Array(double.buffer);

/** State of the encoder; one value is encoded at a time. */
let structure = Buffer.allocUnsafeSlow(1 << 14);
let end = 0;
let text = '';

/** Encodes a value; undefined members are left out. Throws InvalidValueError for what would not come back as it went in. */
export function encodeValue(value: Value): Uint8Array {
  end = 0;
  text = '';
  if (!write(value, 0)) throw new InvalidValueError(describeProblem(value, '', 0) ?? 'This cannot be stored.');
  const form = isLatin1(text) ? latin1 : utf16;
  const units = text.length;
  const bytes = Buffer.allocUnsafe(headBytesMax + (form === latin1 ? units : units * 2) + end);
  bytes[0] = form;
  let at = putLength(bytes, 1, units);
  at += bytes.write(text, at, form === latin1 ? 'latin1' : 'utf16le');
  at += structure.copy(bytes, at, 0, end);
  if (structure.length > keptBytesMax) structure = Buffer.allocUnsafeSlow(1 << 14);
  text = '';
  return bytes.subarray(0, at);
}

function isLatin1(characters: string): boolean {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: the range begins at 0, that is its point
  return !/[^\x00-\xff]/.test(characters);
}

/** Appends the structure and the text of a value; false when it is none. */
function write(value: unknown, depth: number): boolean {
  if (structure.length - end < headBytesMax) grow(headBytesMax);
  switch (typeof value) {
    case 'string':
      writeText(tag.text, value);
      return true;
    case 'number':
      writeNumber(value);
      return true;
    case 'boolean':
      structure[end++] = value ? tag.yes : tag.no;
      return true;
    case 'bigint':
      writeText(tag.bigint, String(value));
      return true;
    case 'object':
      return writeObject(value, depth);
    default:
      return false;
  }
}

function writeObject(value: object | null, depth: number): boolean {
  if (value === null) {
    structure[end++] = tag.nil;
    return true;
  }
  if (depth > depthMax) return false;
  if (Array.isArray(value)) {
    structure[end++] = tag.list;
    end = putLength(structure, end, value.length);
    for (let i = 0; i < value.length; i++) if (!write(value[i], depth + 1)) return false;
    return true;
  }
  if (value instanceof Uint8Array) {
    structure[end++] = tag.bytes;
    end = putLength(structure, end, value.length);
    if (structure.length - end < value.length) grow(value.length);
    structure.set(value, end);
    end += value.length;
    return true;
  }
  return isPlain(value) && writeMembers(value as Record<string, unknown>, depth);
}

function writeMembers(value: Record<string, unknown>, depth: number): boolean {
  const names = Object.keys(value);
  let count = 0;
  for (const name of names) if (value[name] !== undefined) count++;
  structure[end++] = tag.object;
  end = putLength(structure, end, count);
  for (const name of names) {
    const held = value[name];
    if (held === undefined) continue;
    if (structure.length - end < headBytesMax) grow(headBytesMax);
    end = putLength(structure, end, name.length);
    text += name;
    if (!write(held, depth + 1)) return false;
  }
  return true;
}

function isPlain(value: object): boolean {
  const prototype = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}

function writeText(kind: number, characters: string): void {
  structure[end++] = kind;
  end = putLength(structure, end, characters.length);
  text += characters;
}

function writeNumber(value: number): void {
  if ((value | 0) === value && !Object.is(value, -0)) {
    structure[end++] = tag.integer;
    end = putLength(structure, end, ((value << 1) ^ (value >> 31)) >>> 0);
    return;
  }
  structure[end++] = tag.double;
  double[0] = value;
  for (let i = 0; i < 8; i++) structure[end++] = doubleBytes[i]!;
}

function putLength(target: Uint8Array, position: number, length: number): number {
  let at = position;
  let rest = length;
  while (rest >= 0x80) {
    target[at++] = (rest & 0x7f) | 0x80;
    rest >>>= 7;
  }
  target[at++] = rest;
  return at;
}

function grow(by: number): void {
  const larger = Buffer.allocUnsafeSlow(Math.max(structure.length * 2, end + by + headBytesMax));
  structure.copy(larger, 0, 0, end);
  structure = larger;
}

/** Says what of a refused value cannot be stored, and where it is. */
function describeProblem(value: unknown, path: string, depth: number): string | undefined {
  const place = path === '' ? '' : ` (at ${path})`;
  if (depth > depthMax) return `A value cannot be nested deeper than ${depthMax} levels.`;
  if (value === undefined || typeof value === 'function' || typeof value === 'symbol') {
    return `${typeof value === 'undefined' ? 'Undefined' : `A ${typeof value}`} cannot be stored${place}.`;
  }
  if (typeof value !== 'object' || value === null || value instanceof Uint8Array) return undefined;
  if (!Array.isArray(value) && !isPlain(value)) {
    return `A ${value.constructor?.name ?? 'special object'} cannot be stored${place}.`;
  }
  for (const [name, held] of Object.entries(value)) {
    if (held === undefined && !Array.isArray(value)) continue;
    const problem = describeProblem(held, Array.isArray(value) ? `${path}[${name}]` : `${path}.${name}`, depth + 1);
    if (problem !== undefined) return problem;
  }
  return undefined;
}

/** State of the decoder; one value is decoded at a time. */
let source: Uint8Array = structure;
let at = 0;
let characters = '';
let used = 0;

/** Decodes what lies at the start of `bytes` into a deep-frozen value that shares no memory with them. */
export function decodeValue(bytes: Uint8Array): Value {
  source = bytes;
  at = 1;
  const units = takeLength();
  const form = bytes[0];
  const textEnd = at + (form === latin1 ? units : units * 2);
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, textEnd);
  characters = buffer.toString(form === latin1 ? 'latin1' : 'utf16le', at, textEnd);
  at = textEnd;
  used = 0;
  const value = read();
  characters = '';
  return value;
}

/** Encoded bytes of the value that was decoded last. */
export function decodedBytes(): number {
  return at;
}

function read(): Value {
  const kind = source[at++];
  switch (kind) {
    case tag.text:
      return takeText();
    case tag.object:
      return readMembers();
    case tag.list: {
      const list: Value[] = [];
      for (let count = takeLength(); count > 0; count--) list.push(read());
      return Object.freeze(list);
    }
    case tag.integer: {
      const zigzag = takeLength();
      return (zigzag >>> 1) ^ -(zigzag & 1);
    }
    case tag.double:
      for (let i = 0; i < 8; i++) doubleBytes[i] = source[at++]!;
      return double[0]!;
    case tag.nil:
      return null;
    case tag.no:
      return false;
    case tag.yes:
      return true;
    case tag.bytes: {
      const length = takeLength();
      at += length;
      return Uint8Array.from(source.subarray(at - length, at));
    }
    case tag.bigint:
      return BigInt(takeText());
    default:
      throw new Error(`A stored value is damaged: it has a part of kind ${kind}.`);
  }
}

function readMembers(): Value {
  const members: Record<string, Value> = {};
  for (let count = takeLength(); count > 0; count--) {
    const name = takeText();
    // Assigning to it would set the prototype.
    if (name === '__proto__') Object.defineProperty(members, name, { value: read(), enumerable: true });
    else members[name] = read();
  }
  return Object.freeze(members);
}

function takeText(): string {
  const length = takeLength();
  used += length;
  return characters.slice(used - length, used);
}

function takeLength(): number {
  let length = 0;
  for (let shift = 0; ; shift += 7) {
    const byte = source[at++]!;
    length |= (byte & 0x7f) << shift;
    if (byte < 0x80) return length >>> 0;
  }
}
