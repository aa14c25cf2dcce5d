/** Items on the wire: values without their names (which a numbered list of names carries), sets as tags, primary keys as bytes of their own form. */
import type { KeyShape, TypedItem, TypedValue } from '../types.ts';
import { boolean, bytes, type Cbor, CborReader, integer, list, map, nothing, ProtocolError, Tagged, tag, text } from './cbor.ts';
import { encodeNumber, encodeSortNumber, numberText, sortNumberText } from './numbers.ts';

const stringSet = 3321;
const numberSet = 3322;
const binarySet = 3323;

/** A value as it came, typed. */
export function typed(value: Cbor): TypedValue {
  if (value === null) return { NULL: true };
  if (typeof value === 'boolean') return { BOOL: value };
  if (typeof value === 'string') return { S: value };
  if (Buffer.isBuffer(value)) return { B: new Uint8Array(value) };
  if (Array.isArray(value)) return { L: value.map(typed) };
  if (value instanceof Map) return { M: Object.fromEntries([...value].map(([name, each]) => [textOf(name), typed(each)])) };
  if (value instanceof Tagged && Array.isArray(value.value)) {
    if (value.tag === stringSet) return { SS: value.value.map(textOf) };
    if (value.tag === numberSet) return { NS: value.value.map(numberText) };
    if (value.tag === binarySet) return { BS: value.value.map((each) => new Uint8Array(bytesOf(each))) };
  }
  return { N: numberText(value as Cbor) };
}

/** A typed value to the wire. */
export function encodeValue(value: TypedValue): Buffer {
  const [type = '', held] = Object.entries(value).find(([, each]) => each !== undefined) ?? [];
  switch (type) {
    case 'S':
      return text(String(held));
    case 'N':
      return encodeNumber(String(held));
    case 'B':
      return bytes(held as Uint8Array);
    case 'BOOL':
      return boolean(held === true);
    case 'NULL':
      return nothing;
    case 'L':
      return list((held as TypedValue[]).map(encodeValue));
    case 'M':
      return map(Object.entries(held as TypedItem).map(([name, each]) => [text(name), encodeValue(each)] as const));
    case 'SS':
      return tag(stringSet, list((held as string[]).map(text)));
    case 'NS':
      return tag(numberSet, list((held as string[]).map(encodeNumber)));
    case 'BS':
      return tag(binarySet, list((held as Uint8Array[]).map(bytes)));
    default:
      throw new ProtocolError(`A value of an unknown type: ${type}`);
  }
}

export function textOf(value: Cbor | undefined): string {
  if (typeof value !== 'string') throw new ProtocolError('A text was expected');
  return value;
}

export function bytesOf(value: Cbor | undefined): Buffer {
  if (!Buffer.isBuffer(value)) throw new ProtocolError('Bytes were expected');
  return value;
}

/** Names of an item's values in the order of the wire: without its key. */
export function namesOf(item: TypedItem, shape: KeyShape): string[] {
  const keys = new Set(shape.map(({ name }) => name));
  return Object.keys(item)
    .filter((name) => !keys.has(name))
    .sort();
}

/** An item's values under the number of their names. */
export function encodeValues(item: TypedItem, names: readonly string[], number: number): Buffer {
  return Buffer.concat([integer(number), ...names.map((name) => encodeValue(item[name]!))]);
}

/** The number of the names, and the values. */
export function parseValues(encoded: Buffer): { number: number; values: TypedValue[] } {
  const reader = new CborReader(encoded);
  const number = Number(reader.value());
  const values: TypedValue[] = [];
  while (!reader.done) values.push(typed(reader.value()));
  return { number, values };
}

/** An item's primary key of its wire form. */
export function parseKey(encoded: Buffer, shape: KeyShape): TypedItem {
  const [partition, sort] = shape;
  if (partition === undefined) throw new ProtocolError('A table without a key');
  if (sort === undefined) {
    const raw = {
      S: () => encoded.toString('utf8'),
      B: () => new Uint8Array(encoded),
      N: () => numberText(new CborReader(encoded).value()),
    };
    return { [partition.name]: { [partition.type]: raw[partition.type as 'S']() } };
  }
  const reader = new CborReader(encoded);
  const first = typed(reader.value());
  if (first[partition.type] === undefined) throw new ProtocolError('A key of another type');
  const rest = reader.rest();
  const raw = { S: () => rest.toString('utf8'), B: () => new Uint8Array(rest), N: () => sortNumberText(rest) };
  return { [partition.name]: first, [sort.name]: { [sort.type]: raw[sort.type as 'S']() } };
}

/** The wire form of an item's primary key. */
export function encodeKey(item: TypedItem, shape: KeyShape): Buffer {
  const [partition, sort] = shape;
  const value = (part: { name: string; type: string }): unknown => item[part.name]?.[part.type];
  const raw = (part: { name: string; type: string }): Buffer =>
    part.type === 'S' ? Buffer.from(String(value(part)), 'utf8') : Buffer.from(value(part) as Uint8Array);
  if (partition === undefined) throw new ProtocolError('A table without a key');
  if (sort === undefined) return partition.type === 'N' ? encodeNumber(String(value(partition))) : raw(partition);
  const first = encodeValue({ [partition.type]: value(partition) });
  return Buffer.concat([first, sort.type === 'N' ? encodeSortNumber(String(value(sort))) : raw(sort)]);
}

/** Under which a node holds an item. Numbers that are equal give one key, however they were written. */
export function cacheKey(table: string, encoded: Buffer, shape: KeyShape): string {
  const plain = shape.some(({ type }) => type === 'N') ? encodeKey(parseKey(encoded, shape), shape) : encoded;
  return `${table}\0${plain.toString('latin1')}`;
}
