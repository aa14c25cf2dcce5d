/**
 * CBOR (RFC 8949) as far as AWS's protocols use it: a reader with named bounds and an appending writer.
 *
 * Maps come out without a prototype, so that no key can be taken for a property of objects; times (tag 1) as Date, big numbers (tags 2 and 3)
 * and integers beyond 2^53 as bigint. Rejected: npm's cbor-x (its extensions and its native part serve nothing here).
 */

/** What a time (tag 1) counts in: seconds by the RFC, milliseconds in AWS's older protocol. */
export type CborTimeUnit = 'seconds' | 'milliseconds';

export interface CborBounds {
  depthMax: number;
  /** Seconds unless it is said. */
  timeUnit?: CborTimeUnit;
}

/** The bytes are not CBOR that this reader takes. */
export class CborError extends Error {
  constructor(message: string, at: number) {
    super(`${message} (at byte ${at})`);
    this.name = 'CborError';
  }
}

export type CborValue =
  | null
  | boolean
  | number
  | bigint
  | string
  | Date
  | Uint8Array
  | CborValue[]
  | { [key: string]: CborValue };

/** Reads exactly one value. Byte strings share memory with `bytes`. Throws CborError. */
export function parseCbor(bytes: Uint8Array, bounds: CborBounds): CborValue {
  return new CborReader(bytes, bounds).document();
}

const breakMark = 0xff;
/** Longest big number, in bytes: more than any AWS member can hold. */
const bigNumberBytesMax = 64;

class CborReader {
  readonly #bytes: Buffer;
  readonly #depthMax: number;
  readonly #timeUnit: CborTimeUnit;
  #at = 0;

  constructor(bytes: Uint8Array, bounds: CborBounds) {
    this.#bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#depthMax = bounds.depthMax;
    this.#timeUnit = bounds.timeUnit ?? 'seconds';
  }

  document(): CborValue {
    const value = this.#value(0);
    if (this.#at !== this.#bytes.length) throw new CborError('Bytes after the value', this.#at);
    return value;
  }

  #value(depth: number): CborValue {
    if (depth > this.#depthMax) throw new CborError(`More than ${this.#depthMax} levels deep`, this.#at);
    const head = this.#byte();
    const info = head & 31;
    switch (head >> 5) {
      case 0:
        return this.#argument(info);
      case 1:
        return this.#negative(info);
      case 2:
        return this.#string(2, info);
      case 3:
        return this.#string(3, info).toString('utf8');
      case 4:
        return this.#array(info, depth);
      case 5:
        return this.#map(info, depth);
      case 6:
        return this.#tagged(this.#argument(info), depth);
      default:
        return this.#simple(info);
    }
  }

  #byte(): number {
    const byte = this.#bytes[this.#at];
    if (byte === undefined) throw new CborError('The value ends too early', this.#at);
    this.#at += 1;
    return byte;
  }

  #take(length: number): number {
    const start = this.#at;
    if (length > this.#bytes.length - start) throw new CborError('The value ends too early', start);
    this.#at = start + length;
    return start;
  }

  #argument(info: number): number | bigint {
    if (info < 24) return info;
    if (info === 24) return this.#byte();
    if (info === 25) return this.#bytes.readUInt16BE(this.#take(2));
    if (info === 26) return this.#bytes.readUInt32BE(this.#take(4));
    if (info !== 27) throw new CborError('A length of an unknown form', this.#at);
    const big = this.#bytes.readBigUInt64BE(this.#take(8));
    return big <= Number.MAX_SAFE_INTEGER ? Number(big) : big;
  }

  #negative(info: number): number | bigint {
    const argument = this.#argument(info);
    if (typeof argument === 'bigint') return -1n - argument;
    return argument === Number.MAX_SAFE_INTEGER ? -1n - BigInt(argument) : -1 - argument;
  }

  #length(info: number): number {
    const length = this.#argument(info);
    if (typeof length === 'bigint' || length > this.#bytes.length - this.#at)
      throw new CborError('A length beyond the end', this.#at);
    return length;
  }

  #string(major: number, info: number): Buffer {
    if (info !== 31) {
      const length = this.#length(info);
      const start = this.#take(length);
      return this.#bytes.subarray(start, start + length);
    }
    const chunks: Buffer[] = [];
    for (;;) {
      const head = this.#byte();
      if (head === breakMark) return Buffer.concat(chunks);
      if (head >> 5 !== major || (head & 31) === 31) throw new CborError('A chunk of another type', this.#at);
      const length = this.#length(head & 31);
      const start = this.#take(length);
      chunks.push(this.#bytes.subarray(start, start + length));
    }
  }

  #atBreak(): boolean {
    if (this.#bytes[this.#at] !== breakMark) return false;
    this.#at += 1;
    return true;
  }

  #array(info: number, depth: number): CborValue[] {
    const values: CborValue[] = [];
    if (info === 31) {
      while (!this.#atBreak()) values.push(this.#value(depth + 1));
      return values;
    }
    const length = this.#length(info);
    for (let index = 0; index < length; index += 1) values.push(this.#value(depth + 1));
    return values;
  }

  #map(info: number, depth: number): { [key: string]: CborValue } {
    const map: { [key: string]: CborValue } = Object.create(null);
    const length = info === 31 ? Number.POSITIVE_INFINITY : this.#length(info);
    for (let index = 0; index < length; index += 1) {
      if (info === 31 && this.#atBreak()) break;
      const head = this.#byte();
      if (head >> 5 !== 3) throw new CborError('A key that is no text', this.#at);
      map[this.#string(3, head & 31).toString('utf8')] = this.#value(depth + 1);
    }
    return map;
  }

  #tagged(tag: number | bigint, depth: number): CborValue {
    const start = this.#at;
    const value = this.#value(depth + 1);
    if (tag === 1 && (typeof value === 'number' || typeof value === 'bigint'))
      return dateOf(Number(value), this.#timeUnit, start);
    if ((tag === 2 || tag === 3) && value instanceof Uint8Array && value.length <= bigNumberBytesMax) {
      const big = value.length === 0 ? 0n : BigInt(`0x${Buffer.from(value).toString('hex')}`);
      return tag === 2 ? big : -1n - big;
    }
    throw new CborError(`Tag ${tag} is not of this protocol`, start);
  }

  #simple(info: number): CborValue {
    if (info === 20) return false;
    if (info === 21) return true;
    if (info === 22 || info === 23) return null;
    if (info === 25) return halfFloat(this.#bytes.readUInt16BE(this.#take(2)));
    if (info === 26) return this.#bytes.readFloatBE(this.#take(4));
    if (info === 27) return this.#bytes.readDoubleBE(this.#take(8));
    throw new CborError('A value of an unknown form', this.#at);
  }
}

function dateOf(count: number, unit: CborTimeUnit, at: number): Date {
  const date = new Date(Math.round(unit === 'seconds' ? count * 1000 : count));
  if (Number.isNaN(date.getTime())) throw new CborError('A time out of range', at);
  return date;
}

function halfFloat(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 31;
  const fraction = bits & 1023;
  if (exponent === 31) return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

/** Appends CBOR to a growing buffer. */
export class CborWriter {
  #buffer = Buffer.allocUnsafe(512);
  #at = 0;
  readonly #timeUnit: CborTimeUnit;

  constructor(timeUnit: CborTimeUnit = 'seconds') {
    this.#timeUnit = timeUnit;
  }

  /** What has been written. */
  bytes(): Uint8Array {
    return this.#buffer.subarray(0, this.#at);
  }

  null(): void {
    this.#head(0xf6);
  }

  boolean(value: boolean): void {
    this.#head(value ? 0xf5 : 0xf4);
  }

  /** An integer if the value is a safe one, else a double. */
  number(value: number): void {
    if (!Number.isSafeInteger(value) || Object.is(value, -0)) this.double(value);
    else if (value >= 0) this.#argument(0, value);
    else this.#argument(1, -1 - value);
  }

  double(value: number): void {
    this.#reserve(9);
    this.#buffer[this.#at] = 0xfb;
    this.#buffer.writeDoubleBE(value, this.#at + 1);
    this.#at += 9;
  }

  text(value: string): void {
    const length = Buffer.byteLength(value);
    this.#argument(3, length);
    this.#reserve(length);
    this.#buffer.write(value, this.#at, 'utf8');
    this.#at += length;
  }

  blob(value: Uint8Array): void {
    this.#argument(2, value.length);
    this.#reserve(value.length);
    this.#buffer.set(value, this.#at);
    this.#at += value.length;
  }

  /** A time since the epoch: seconds with their fraction, or whole milliseconds. */
  date(value: Date): void {
    this.#head(0xc1);
    if (this.#timeUnit === 'seconds') this.double(value.getTime() / 1000);
    else this.number(value.getTime());
  }

  /** Starts an array of so many values. */
  array(length: number): void {
    this.#argument(4, length);
  }

  /** Starts a map whose end `endMap` marks; keys are texts. */
  startMap(): void {
    this.#head(0xbf);
  }

  endMap(): void {
    this.#head(breakMark);
  }

  #head(byte: number): void {
    this.#reserve(1);
    this.#buffer[this.#at] = byte;
    this.#at += 1;
  }

  #argument(major: number, value: number): void {
    const head = major << 5;
    this.#reserve(9);
    if (value < 24) {
      this.#buffer[this.#at] = head | value;
      this.#at += 1;
    } else if (value < 0x100) {
      this.#buffer[this.#at] = head | 24;
      this.#at = this.#buffer.writeUInt8(value, this.#at + 1);
    } else if (value < 0x10000) {
      this.#buffer[this.#at] = head | 25;
      this.#at = this.#buffer.writeUInt16BE(value, this.#at + 1);
    } else if (value < 0x100000000) {
      this.#buffer[this.#at] = head | 26;
      this.#at = this.#buffer.writeUInt32BE(value, this.#at + 1);
    } else {
      this.#buffer[this.#at] = head | 27;
      this.#at = this.#buffer.writeBigUInt64BE(BigInt(value), this.#at + 1);
    }
  }

  #reserve(more: number): void {
    if (this.#at + more <= this.#buffer.length) return;
    const larger = Buffer.allocUnsafe(Math.max(this.#buffer.length * 2, this.#at + more));
    this.#buffer.copy(larger, 0, 0, this.#at);
    this.#buffer = larger;
  }
}
