/** Members that requests and answers share: how much was consumed, expressions, parts of items. */
import { CacheRefusal, type TypedItem, type TypedValue } from '../types.ts';
import { bytes, type Cbor, CborReader, float, integer, list, map, nothing, ProtocolError, text } from './cbor.ts';
import { type DocumentPath, valueAt } from './expressions.ts';
import { encodeNumber } from './numbers.ts';
import { answered, asked, capacityModes } from './protocol.ts';
import { bytesOf, encodeValue, textOf } from './values.ts';

export interface Capacity {
  TableName?: string;
  CapacityUnits?: number;
  ReadCapacityUnits?: number;
  WriteCapacityUnits?: number;
  Table?: { CapacityUnits?: number };
  GlobalSecondaryIndexes?: Readonly<Record<string, { CapacityUnits?: number }>>;
  LocalSecondaryIndexes?: Readonly<Record<string, { CapacityUnits?: number }>>;
}

export interface CollectionMetrics {
  ItemCollectionKey?: TypedItem;
  SizeEstimateRangeGB?: readonly number[];
}

export type Options = ReadonlyMap<Cbor, Cbor>;

/** The members of a request by number; none for null. */
export function optionsOf(encoded: Buffer): Options {
  const value = new CborReader(encoded).value();
  if (value === null) return new Map();
  if (!(value instanceof Map)) throw new ProtocolError('Members were expected');
  return value;
}

/** A value that stands alone. */
export const single = (encoded: Buffer | undefined): Cbor => new CborReader(encoded ?? nothing).value();

/** The name of a table comes as bytes. */
export const tableName = (encoded: Buffer | undefined): string => bytesOf(single(encoded)).toString('utf8');

export function listOf(encoded: Buffer | undefined): Cbor[] {
  const value = single(encoded);
  if (value === null) return [];
  if (!Array.isArray(value)) throw new ProtocolError('A list was expected');
  return value;
}

/** `ReturnConsumedCapacity` as the table takes it. */
export function capacityMode(options: Options): { ReturnConsumedCapacity?: string } {
  const mode = capacityModes[Number(options.get(asked.capacity) ?? 0)];
  return mode === undefined || mode === 'NONE' ? {} : { ReturnConsumedCapacity: mode };
}

const units = (value: number | undefined): Buffer => encodeNumber(String(value ?? 0));

function encodeIndexes(indexes: Capacity['GlobalSecondaryIndexes']): Buffer {
  if (indexes === undefined) return nothing;
  return map(Object.entries(indexes).map(([name, each]) => [text(name), units(each.CapacityUnits)] as const));
}

/** What an operation on one table consumed. */
export function encodeCapacity(capacity: Capacity): Buffer {
  return bytes(
    Buffer.concat([
      text(capacity.TableName ?? ''),
      units(capacity.CapacityUnits),
      capacity.Table === undefined ? nothing : units(capacity.Table.CapacityUnits),
      encodeIndexes(capacity.GlobalSecondaryIndexes),
      encodeIndexes(capacity.LocalSecondaryIndexes),
    ]),
  );
}

export function capacityEntry(capacity: Capacity | undefined): readonly (readonly [Buffer, Buffer])[] {
  return capacity === undefined ? [] : [[integer(answered.capacity), encodeCapacity(capacity)]];
}

/** What a transaction consumed, by table; null where nobody asked. Members have numbers here. */
export function encodeCapacities(capacities: readonly Capacity[] | undefined): Buffer {
  if (capacities === undefined || capacities.length === 0) return nothing;
  const inside = (indexes: Capacity['GlobalSecondaryIndexes']): Buffer =>
    map(Object.entries(indexes ?? {}).map(([name, each]) => [text(name), map(capacityMembers(each))] as const));
  return list(
    capacities.map((each) =>
      map([
        ...capacityMembers(each),
        [integer(4), text(each.TableName ?? '')],
        ...(each.Table === undefined ? [] : ([[integer(5), map(capacityMembers(each.Table))]] as const)),
        ...(each.GlobalSecondaryIndexes === undefined ? [] : ([[integer(6), inside(each.GlobalSecondaryIndexes)]] as const)),
        ...(each.LocalSecondaryIndexes === undefined ? [] : ([[integer(7), inside(each.LocalSecondaryIndexes)]] as const)),
      ]),
    ),
  );
}

function capacityMembers(capacity: Capacity): (readonly [Buffer, Buffer])[] {
  const all = [undefined, capacity.CapacityUnits, capacity.ReadCapacityUnits, capacity.WriteCapacityUnits];
  return all.flatMap((value, index) => (value === undefined ? [] : [[integer(index), units(value)] as const]));
}

export function encodeCollection({ ItemCollectionKey = {}, SizeEstimateRangeGB = [] }: CollectionMetrics): Buffer {
  const key = Object.values(ItemCollectionKey)[0] ?? { NULL: true };
  const [lower = 0, upper = 0] = SizeEstimateRangeGB;
  return bytes(Buffer.concat([encodeValue(key), float(lower), float(upper)]));
}

/** Parts of an item by the number of their path. */
export function encodeProjection(item: TypedItem, paths: readonly DocumentPath[]): Buffer {
  return map(
    paths.flatMap((path, index) => {
      const value = valueAt(item, path);
      return value === undefined ? [] : [[integer(index), encodeValue(value)] as const];
    }),
  );
}

const shown = (path: DocumentPath): string =>
  `[${path.map((step) => (typeof step === 'number' ? `[${step}]` : step)).join(', ')}]`;

/** Paths of a projection may not lie in each other. Throws the table's own words. */
export function checkPaths(paths: readonly DocumentPath[]): void {
  for (const [index, one] of paths.entries())
    for (const two of paths.slice(index + 1))
      if (
        one.slice(0, two.length).every((step, at) => step === two[at]) ||
        two.slice(0, one.length).every((step, at) => step === one[at])
      )
        throw new CacheRefusal(
          'ValidationException',
          `Invalid ProjectionExpression: Two document paths overlap with each other; must remove or rewrite one of these paths; path one: ${shown(one)}, path two: ${shown(two)}`,
          400,
        );
}

/** A key in which every attribute is named, as that of a page of an index. */
export function encodeNamedKey(key: TypedItem): Buffer {
  return bytes(map(Object.entries(key).map(([name, value]) => [text(name), encodeValue(value)] as const)));
}

export function parseNamedKey(encoded: Buffer, typed: (value: Cbor) => TypedValue): TypedItem {
  const value = new CborReader(encoded).value();
  if (!(value instanceof Map)) throw new ProtocolError('A key with names was expected');
  return Object.fromEntries([...value].map(([name, each]) => [textOf(name), typed(each)]));
}
