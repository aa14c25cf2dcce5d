/**
 * Writes Apache ORC files (ORC v1 specification): flat rows of optional columns, one stripe, direct encodings with version 1 run lengths, ZLIB.
 * npm has no kept writer of the format, and what reports need of it is this much; dictionaries, indexes and nested types are left out, as the
 * format allows.
 */
import { deflateRawSync } from 'node:zlib';

export type OrcType = 'boolean' | 'long' | 'string' | 'timestamp';

export interface OrcColumn {
  name: string;
  type: OrcType;
  /** Null where a row has none. Longs are safe integers, timestamps milliseconds since 1970. */
  values: readonly (boolean | number | string | null)[];
}

type Bytes = Uint8Array;

const magic = 'ORC';
const chunkBytesMax = 256 * 1024;
const structKind = 12;
const kinds: Readonly<Record<OrcType, number>> = { boolean: 0, long: 4, string: 7, timestamp: 9 };
const zlib = 1;
/** Kinds of streams. */
const [present, data, length, secondary] = [0, 1, 2, 5];
/** Timestamps are kept as seconds since 1 January 2015 in the writer's zone. */
const epochSeconds = 1_420_070_400;
/** Shortest run that is written as one, and the longest; literals come in groups. */
const [runMin, runMax, literalsMax] = [3, 130, 128];

function varint(value: number): Bytes {
  const out: number[] = [];
  let rest = value;
  for (; rest >= 128; rest = Math.floor(rest / 128)) out.push((rest % 128) | 128);
  return Uint8Array.of(...out, rest);
}

function zigzag(value: number): number {
  return value < 0 ? -2 * value - 1 : 2 * value;
}

/** A number or bytes as a field of a Protocol Buffers message. */
function field(id: number, value: number | string | Bytes): Bytes {
  if (typeof value === 'number') return Buffer.concat([varint(id * 8), varint(value)]);
  const bytes = Buffer.from(value);
  return Buffer.concat([varint(id * 8 + 2), varint(bytes.length), bytes]);
}

/** A list as chunks, each with a header of three bytes: its length, and whether it is as it was. */
function compress(bytes: Bytes): Bytes {
  const out: Bytes[] = [];
  for (let at = 0; at < bytes.length; at += chunkBytesMax) {
    const chunk = bytes.subarray(at, at + chunkBytesMax);
    const small = deflateRawSync(chunk);
    const original = small.length >= chunk.length;
    const body = original ? chunk : small;
    const header = Buffer.alloc(3);
    header.writeUIntLE(body.length * 2 + (original ? 1 : 0), 0, 3);
    out.push(header, body);
  }
  return Buffer.concat(out);
}

/** How many values from `at` on are the same, up to the longest run. */
function repeats(values: ArrayLike<number>, at: number): number {
  let end = at + 1;
  while (end < values.length && end - at < runMax && values[end] === values[at]) end += 1;
  return end - at;
}

/** Run length encoding, of bytes and (with a step of 0 in each run) of integers: runs of one value, and literals between them. */
function encodeRuns(values: ArrayLike<number>, encode: (value: number) => Bytes, step: Bytes): Bytes {
  const out: Bytes[] = [];
  for (let at = 0; at < values.length; ) {
    const run = repeats(values, at);
    if (run >= runMin) {
      out.push(Uint8Array.of(run - runMin), step, encode(values[at] ?? 0));
      at += run;
      continue;
    }
    const start = at;
    while (at < values.length && at - start < literalsMax && repeats(values, at) < runMin) at += 1;
    out.push(Uint8Array.of(256 - (at - start)));
    for (let index = start; index < at; index += 1) out.push(encode(values[index] ?? 0));
  }
  return Buffer.concat(out);
}

const noStep = new Uint8Array(0);
const stepOfZero = Uint8Array.of(0);

function encodeBits(bits: readonly boolean[]): Bytes {
  const bytes = new Uint8Array(Math.ceil(bits.length / 8));
  for (const [index, bit] of bits.entries()) if (bit) bytes[index >> 3] = (bytes[index >> 3] ?? 0) | (128 >> (index & 7));
  return encodeRuns(bytes, (value) => Uint8Array.of(value), noStep);
}

function encodeLongs(values: readonly number[], signed: boolean): Bytes {
  return encodeRuns(values, (value) => varint(signed ? zigzag(value) : value), stepOfZero);
}

/** The part of a timestamp below a second, given in milliseconds: its nanoseconds without their zeros, and in the low three bits how many went, less one. */
function nanosOf(millis: number): number {
  if (millis === 0) return 0;
  let [digits, zeros] = [millis, 6];
  for (; digits % 10 === 0; digits /= 10) zeros += 1;
  return digits * 8 + zeros - 1;
}

interface Stream {
  kind: number;
  body: Bytes;
}

function streamsOf({ type, values }: OrcColumn): Stream[] {
  const there = values.filter((value) => value !== null);
  const streams: Stream[] =
    there.length < values.length ? [{ kind: present, body: encodeBits(values.map((value) => value !== null)) }] : [];
  switch (type) {
    case 'boolean':
      return [...streams, { kind: data, body: encodeBits(there.map((value) => value === true)) }];
    case 'long':
      return [...streams, { kind: data, body: encodeLongs(there.map(Number), true) }];
    case 'string': {
      const texts = there.map((value) => Buffer.from(String(value)));
      const lengths = texts.map((text) => text.length);
      return [...streams, { kind: data, body: Buffer.concat(texts) }, { kind: length, body: encodeLongs(lengths, false) }];
    }
    case 'timestamp': {
      const times = there.map(Number);
      const seconds = times.map((time) => Math.floor(time / 1000) - epochSeconds);
      const parts = times.map((time) => nanosOf(((time % 1000) + 1000) % 1000));
      return [...streams, { kind: data, body: encodeLongs(seconds, true) }, { kind: secondary, body: encodeLongs(parts, false) }];
    }
  }
}

/** The stripe's streams and its footer. */
function writeStripe(columns: readonly OrcColumn[]): { body: Bytes; footer: Bytes } {
  const streams = columns.flatMap((column, index) =>
    streamsOf(column).map(({ kind, body }) => ({ kind, column: index + 1, body: compress(body) })),
  );
  const list = streams.map(({ kind, column, body }) =>
    field(1, Buffer.concat([field(1, kind), field(2, column), field(3, body.length)])),
  );
  const direct = field(2, field(1, 0));
  const encodings = [direct, ...columns.map(() => direct)];
  return {
    body: Buffer.concat(streams.map(({ body }) => body)),
    footer: compress(Buffer.concat([...list, ...encodings, field(3, 'UTC')])),
  };
}

/** The schema: a struct of the columns, which are the types 1 to n. */
function typesOf(columns: readonly OrcColumn[]): Bytes[] {
  const subtypes = Buffer.concat(columns.map((_, index) => varint(index + 1)));
  const root = [field(1, structKind), field(2, subtypes), ...columns.map(({ name }) => field(3, name))];
  return [field(4, Buffer.concat(root)), ...columns.map(({ type }) => field(4, field(1, kinds[type])))];
}

/** How many values a column has and whether some rows have none. */
function statisticsOf(count: number, hasNull: boolean): Bytes {
  return field(7, Buffer.concat([field(1, count), field(10, hasNull ? 1 : 0)]));
}

/** The bytes of a file with these columns, which all have `rows` values; at least one row. */
export function formatOrc(columns: readonly OrcColumn[], rows: number): Uint8Array {
  const stripe = writeStripe(columns);
  const stripeInfo = [magic.length, 0, stripe.body.length, stripe.footer.length, rows].map((value, index) =>
    field(index + 1, value),
  );
  const counts = columns.map(({ values }) => {
    const there = values.filter((value) => value !== null).length;
    return statisticsOf(there, there < rows);
  });
  const footer = compress(
    Buffer.concat([
      field(1, magic.length),
      field(2, magic.length + stripe.body.length + stripe.footer.length),
      field(3, Buffer.concat(stripeInfo)),
      ...typesOf(columns),
      field(6, rows),
      statisticsOf(rows, false),
      ...counts,
      field(8, 0),
    ]),
  );
  const version = Uint8Array.of(0, 12);
  const postscript = Buffer.concat([
    field(1, footer.length),
    field(2, zlib),
    field(3, chunkBytesMax),
    field(4, version),
    field(5, 0),
    field(8000, magic),
  ]);
  return Buffer.concat([Buffer.from(magic), stripe.body, stripe.footer, footer, postscript, Uint8Array.of(postscript.length)]);
}
