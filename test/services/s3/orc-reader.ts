/** Reads the ORC files that inventories are, as the format's specification says: flat columns, direct encodings, version 1 run lengths, ZLIB. */
import { inflateRawSync } from 'node:zlib';

type Cell = boolean | number | string | null;
type Message = Map<number, (number | Buffer)[]>;

const epochSeconds = Date.UTC(2015, 0, 1) / 1000;
const [present, data, length, secondary] = [0, 1, 2, 5];
const kindNames = new Map([
  [0, 'boolean'],
  [4, 'bigint'],
  [7, 'string'],
  [9, 'timestamp'],
  [12, 'struct'],
]);

class Bytes {
  at = 0;
  readonly buffer: Buffer;
  constructor(buffer: Buffer) {
    this.buffer = buffer;
  }
  get done(): boolean {
    return this.at >= this.buffer.length;
  }
  byte(): number {
    return this.buffer.readUInt8(this.at++);
  }
  varint(): number {
    let value = 0;
    for (let scale = 1; ; scale *= 128) {
      const byte = this.byte();
      value += (byte & 127) * scale;
      if (byte < 128) return value;
    }
  }
  take(count: number): Buffer {
    this.at += count;
    return this.buffer.subarray(this.at - count, this.at);
  }
}

function parse(buffer: Buffer): Message {
  const message: Message = new Map();
  for (const bytes = new Bytes(buffer); !bytes.done; ) {
    const tag = bytes.varint();
    const value = tag % 8 === 0 ? bytes.varint() : bytes.take(bytes.varint());
    message.set(Math.floor(tag / 8), [...(message.get(Math.floor(tag / 8)) ?? []), value]);
  }
  return message;
}

const number = (message: Message, id: number) => Number(message.get(id)?.[0] ?? 0);
const messages = (message: Message, id: number) => (message.get(id) ?? []).map((value) => parse(value as Buffer));

function inflate(buffer: Buffer): Buffer {
  const out: Buffer[] = [];
  for (const bytes = new Bytes(buffer); !bytes.done; ) {
    const header = bytes.take(3).readUIntLE(0, 3);
    const body = bytes.take(header >> 1);
    out.push(header % 2 === 1 ? body : inflateRawSync(body));
  }
  return Buffer.concat(out);
}

function runs(buffer: Buffer, read: (bytes: Bytes) => number, step: boolean): number[] {
  const out: number[] = [];
  for (const bytes = new Bytes(buffer); !bytes.done; ) {
    const control = bytes.byte();
    if (control >= 128) {
      for (let left = 256 - control; left > 0; left -= 1) out.push(read(bytes));
      continue;
    }
    const delta = step ? bytes.take(1).readInt8() : 0;
    const base = read(bytes);
    for (let index = 0; index < control + 3; index += 1) out.push(base + index * delta);
  }
  return out;
}

const bits = (buffer: Buffer) =>
  runs(buffer, (bytes) => bytes.byte(), false).flatMap((byte) =>
    [128, 64, 32, 16, 8, 4, 2, 1].map((mask) => (byte & mask) !== 0),
  );
const unsigned = (buffer: Buffer) => runs(buffer, (bytes) => bytes.varint(), true);
const signed = (buffer: Buffer) =>
  runs(
    buffer,
    (bytes) => {
      const value = bytes.varint();
      return value % 2 === 0 ? value / 2 : -(value + 1) / 2;
    },
    true,
  );

function decode(kind: string, stream: (kind: number) => Buffer): Cell[] {
  if (kind === 'boolean') return bits(stream(data));
  if (kind === 'bigint') return signed(stream(data));
  if (kind === 'timestamp') {
    const parts = unsigned(stream(secondary));
    const nanos = (part: number) => Math.floor(part / 8) * (part % 8 === 0 ? 1 : 10 ** ((part % 8) + 1));
    return signed(stream(data)).map((second, index) => (second + epochSeconds) * 1000 + nanos(parts[index] ?? 0) / 1e6);
  }
  const bytes = new Bytes(stream(data));
  return unsigned(stream(length)).map((count) => bytes.take(count).toString());
}

/** The schema as Hive writes it, and the rows; timestamps are milliseconds since 1970. */
export function readOrc(file: Buffer): { schema: string; rows: Record<string, Cell>[] } {
  const size = file.readUInt8(file.length - 1);
  const postscript = parse(file.subarray(file.length - 1 - size, file.length - 1));
  const end = file.length - 1 - size;
  const footer = parse(inflate(file.subarray(end - number(postscript, 1), end)));
  const [root, ...types] = messages(footer, 4);
  const names = (root?.get(3) ?? []).map(String);
  const kinds = types.map((type) => kindNames.get(number(type, 1)) ?? '?');
  const rows: Record<string, Cell>[] = [];
  for (const stripe of messages(footer, 3)) {
    const [offset, dataBytes, count] = [number(stripe, 1), number(stripe, 3), number(stripe, 5)];
    const tail = parse(inflate(file.subarray(offset + dataBytes, offset + dataBytes + number(stripe, 4))));
    const streams = new Map<string, Buffer>();
    let at = offset;
    for (const stream of messages(tail, 1)) {
      const bytes = number(stream, 3);
      streams.set(`${number(stream, 2)}/${number(stream, 1)}`, inflate(file.subarray(at, at + bytes)));
      at += bytes;
    }
    const columns = kinds.map((kind, index) => {
      const stream = (wanted: number) => streams.get(`${index + 1}/${wanted}`) ?? Buffer.alloc(0);
      const there = streams.has(`${index + 1}/${present}`) ? bits(stream(present)) : undefined;
      const values = decode(kind, stream);
      let next = 0;
      return Array.from({ length: count }, (_, row) => (there?.[row] === false ? null : (values[next++] ?? null)));
    });
    for (let row = 0; row < count; row += 1) {
      rows.push(Object.fromEntries(names.map((name, index) => [name, columns[index]?.[row] ?? null])));
    }
  }
  return { schema: `struct<${names.map((name, index) => `${name}:${kinds[index]}`).join(',')}>`, rows };
}
