/**
 * CBOR (RFC 8949) as the item protocol uses it: values one after another on a stream, sets and list positions as tags, numbers of any length. Apart
 * from base/cbor.ts, which reads whole documents of the gateway's protocol and knows no such tags.
 */

/** The bytes are not what this protocol carries. */
export class ProtocolError extends Error {}

/** A value under a tag that is no big number. */
export class Tagged {
  readonly tag: number;
  readonly value: Cbor;

  constructor(tag: number, value: Cbor) {
    this.tag = tag;
    this.value = value;
  }
}

export type Cbor = null | boolean | number | bigint | string | Buffer | Cbor[] | Map<Cbor, Cbor> | Tagged;

const depthMax = 64;
const breakMark = 0xff;

/** Where the value that begins at `at` ends; -1 when it is not all there. Throws ProtocolError. */
export function endOf(bytes: Buffer, at: number, depth = 0): number {
  if (depth > depthMax) throw new ProtocolError('Too deep');
  if (at >= bytes.length) return -1;
  const head = bytes[at]!;
  const major = head >> 5;
  const info = head & 31;
  if (info === 31) return endOfStream(bytes, at + 1, major, depth);
  const width = widthOf(info);
  const next = at + 1 + width;
  if (next > bytes.length) return -1;
  if (major === 7 || major < 2) return next;
  if (major === 6) return endOf(bytes, next, depth + 1);
  const length = width === 0 ? info : readLength(bytes, at + 1, width);
  if (major < 4) return next + length > bytes.length ? -1 : next + length;
  let end = next;
  for (let index = major === 4 ? length : length * 2; index > 0; index -= 1) {
    end = endOf(bytes, end, depth + 1);
    if (end < 0) return -1;
  }
  return end;
}

function endOfStream(bytes: Buffer, from: number, major: number, depth: number): number {
  if (major < 2 || major > 5) throw new ProtocolError('A break where none may be');
  let end = from;
  while (end < bytes.length && bytes[end] !== breakMark) {
    end = endOf(bytes, end, depth + 1);
    if (end < 0) return -1;
  }
  return end < bytes.length ? end + 1 : -1;
}

function widthOf(info: number): number {
  if (info < 24) return 0;
  if (info > 27) throw new ProtocolError('A length of an unknown form');
  return 2 ** (info - 24);
}

function readLength(bytes: Buffer, at: number, width: number): number {
  if (width < 8) return bytes.readUIntBE(at, width);
  const big = bytes.readBigUInt64BE(at);
  if (big > BigInt(Number.MAX_SAFE_INTEGER)) throw new ProtocolError('A length beyond all bounds');
  return Number(big);
}

/** Reads values one after another from bytes that hold them whole. */
export class CborReader {
  readonly bytes: Buffer;
  at: number;

  constructor(bytes: Buffer, at = 0) {
    this.bytes = bytes;
    this.at = at;
  }

  get done(): boolean {
    return this.at >= this.bytes.length;
  }

  /** What is left as it is. */
  rest(): Buffer {
    const rest = this.bytes.subarray(this.at);
    this.at = this.bytes.length;
    return rest;
  }

  value(depth = 0): Cbor {
    if (depth > depthMax || this.done) throw new ProtocolError('The value ends too early, or is too deep');
    const head = this.bytes[this.at]!;
    this.at += 1;
    const info = head & 31;
    switch (head >> 5) {
      case 0:
        return this.#argument(info);
      case 1: {
        const argument = this.#argument(info);
        return typeof argument === 'bigint' || argument === Number.MAX_SAFE_INTEGER ? -1n - BigInt(argument) : -1 - argument;
      }
      case 2:
        return this.#string(info);
      case 3:
        return this.#string(info).toString('utf8');
      case 4:
        return this.#list(info, 1, depth);
      case 5:
        return pairs(this.#list(info, 2, depth));
      case 6:
        return tagged(Number(this.#argument(info)), this.value(depth + 1));
      default:
        return this.#simple(info);
    }
  }

  #take(length: number): number {
    const start = this.at;
    if (length > this.bytes.length - start) throw new ProtocolError('The value ends too early');
    this.at = start + length;
    return start;
  }

  #argument(info: number): number | bigint {
    const width = widthOf(info);
    if (width === 0) return info;
    const start = this.#take(width);
    if (width < 8) return this.bytes.readUIntBE(start, width);
    const big = this.bytes.readBigUInt64BE(start);
    return big <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(big) : big;
  }

  #string(info: number): Buffer {
    if (info !== 31) {
      const length = Number(this.#argument(info));
      const start = this.#take(length);
      return this.bytes.subarray(start, start + length);
    }
    const pieces: Buffer[] = [];
    while (!this.#broken()) {
      const head = this.bytes[this.#take(1)]!;
      pieces.push(this.#string(head & 31));
    }
    return Buffer.concat(pieces);
  }

  #broken(): boolean {
    if (this.bytes[this.at] !== breakMark) return false;
    this.at += 1;
    return true;
  }

  #list(info: number, each: 1 | 2, depth: number): Cbor[] {
    const values: Cbor[] = [];
    if (info === 31) {
      while (!this.#broken()) values.push(this.value(depth + 1));
      return values;
    }
    const count = Number(this.#argument(info)) * each;
    for (let index = 0; index < count; index += 1) values.push(this.value(depth + 1));
    return values;
  }

  #simple(info: number): Cbor {
    if (info === 20 || info === 21) return info === 21;
    if (info === 22 || info === 23) return null;
    if (info === 26) return this.bytes.readFloatBE(this.#take(4));
    if (info === 27) return this.bytes.readDoubleBE(this.#take(8));
    throw new ProtocolError('A simple value of an unknown form');
  }
}

function pairs(values: Cbor[]): Map<Cbor, Cbor> {
  const map = new Map<Cbor, Cbor>();
  for (let index = 0; index + 1 < values.length; index += 2) map.set(values[index]!, values[index + 1]!);
  return map;
}

function tagged(tag: number, value: Cbor): Cbor {
  if ((tag !== 2 && tag !== 3) || !Buffer.isBuffer(value)) return new Tagged(tag, value);
  const big = BigInt(`0x${value.toString('hex') || '0'}`);
  return tag === 2 ? big : -1n - big;
}

function head(major: number, argument: number): Buffer {
  if (argument < 24) return Buffer.of((major << 5) | argument);
  if (argument < 0x100) return Buffer.of((major << 5) | 24, argument);
  if (argument < 0x10000) return Buffer.of((major << 5) | 25, argument >> 8, argument & 255);
  const bytes = Buffer.alloc(argument < 0x100000000 ? 5 : 9);
  bytes[0] = (major << 5) | (bytes.length === 5 ? 26 : 27);
  if (bytes.length === 5) bytes.writeUInt32BE(argument, 1);
  else bytes.writeBigUInt64BE(BigInt(argument), 1);
  return bytes;
}

export const nothing: Buffer = Buffer.of(0xf6);
export const boolean = (value: boolean): Buffer => Buffer.of(value ? 0xf5 : 0xf4);
export const integer = (value: number): Buffer => (value < 0 ? head(1, -1 - value) : head(0, value));

export function bytes(value: Uint8Array): Buffer {
  return Buffer.concat([head(2, value.length), value]);
}

export function text(value: string): Buffer {
  const encoded = Buffer.from(value, 'utf8');
  return Buffer.concat([head(3, encoded.length), encoded]);
}

/** An array of values that are encoded already. */
export function list(values: readonly Buffer[]): Buffer {
  return Buffer.concat([head(4, values.length), ...values]);
}

/** A map of keys and values that are encoded already. */
export function map(entries: readonly (readonly [Buffer, Buffer])[]): Buffer {
  return Buffer.concat([head(5, entries.length), ...entries.flat()]);
}

export function tag(number: number, value: Buffer): Buffer {
  return Buffer.concat([head(6, number), value]);
}

export function float(value: number): Buffer {
  const encoded = Buffer.alloc(9);
  encoded[0] = 0xfb;
  encoded.writeDoubleBE(value, 1);
  return encoded;
}

/** A whole number of any length. */
export function whole(value: bigint): Buffer {
  if (value <= BigInt(Number.MAX_SAFE_INTEGER) && value >= BigInt(Number.MIN_SAFE_INTEGER)) return integer(Number(value));
  const hex = (value < 0n ? -1n - value : value).toString(16);
  return tag(value < 0n ? 3 : 2, bytes(Buffer.from(hex.length % 2 === 0 ? hex : `0${hex}`, 'hex')));
}
