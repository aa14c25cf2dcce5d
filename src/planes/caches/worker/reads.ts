/** Reads: of single items from what is held, of queries from answers that are held, of consistent ones and transactions from the table. */
import type { KeyShape, TypedItem } from '../types.ts';
import { bytes, type Cbor, CborReader, integer, list, map, nothing, ProtocolError, text } from './cbor.ts';
import { type DocumentPath, ExpressionWriter, projectionPaths } from './expressions.ts';
import {
  type Capacity,
  capacityEntry,
  capacityMode,
  checkPaths,
  encodeCapacities,
  encodeCapacity,
  encodeNamedKey,
  encodeProjection,
  listOf,
  type Options,
  optionsOf,
  parseNamedKey,
  single,
  tableName,
} from './members.ts';
import type { CacheNode, Reading, Session } from './node.ts';
import { answered, asked, selections, success } from './protocol.ts';
import { bytesOf, cacheKey, encodeKey, parseKey, textOf, typed } from './values.ts';

function pathsOf(encoded: Cbor | undefined): readonly DocumentPath[] | undefined {
  if (encoded === null || encoded === undefined) return undefined;
  const paths = projectionPaths(bytesOf(encoded));
  checkPaths(paths);
  return paths;
}

/** An item of an answer: its values, or parts of it. */
async function encodeItem(
  node: CacheNode,
  values: Buffer,
  { key, shape, paths }: { key: Buffer; shape: KeyShape; paths: readonly DocumentPath[] | undefined },
): Promise<Buffer> {
  return paths === undefined ? bytes(values) : encodeProjection(await node.decode(values, key, shape), paths);
}

export async function getItem(node: CacheNode, args: readonly Buffer[], session: Session): Promise<Buffer> {
  await node.permit(session, 'GetItem');
  const table = tableName(args[0]);
  const key = bytesOf(single(args[1]));
  const options = optionsOf(args[2]!);
  const paths = pathsOf(options.get(asked.projection));
  const known = node.shape(table);
  const shape = known instanceof Promise ? await known : known;
  const consistent = options.get(asked.consistent) === true;
  const name = cacheKey(table, key, shape);
  let values = consistent ? undefined : node.items.get(name, node.now());
  let capacity: Capacity | undefined;
  if (!consistent) node.count(values === undefined ? 'item.misses' : 'item.hits');
  if (values === undefined) {
    const reading = node.reading(name);
    try {
      const read = await node.table<{ Item?: TypedItem; ConsumedCapacity?: Capacity }>('GetItem', {
        ...{ TableName: table, Key: parseKey(key, shape), ...capacityMode(options) },
        ...(consistent ? { ConsistentRead: true } : {}),
      });
      capacity = read.ConsumedCapacity;
      values = read.Item === undefined ? null : await node.encode(read.Item, shape);
      if (!consistent) reading.hold(values);
    } finally {
      reading.end();
    }
  }
  const item = values === null ? [] : [[integer(answered.item), await encodeItem(node, values, { key, shape, paths })] as const];
  return Buffer.concat([success, map([...item, ...capacityEntry(capacity)])]);
}

interface TableRead {
  table: string;
  shape: KeyShape;
  consistent: boolean;
  paths: readonly DocumentPath[] | undefined;
  keys: Buffer[];
  /** Values by the name that the node holds them under; null: no such item. */
  found: Map<string, Buffer | null>;
  missing: Buffer[];
  readings: Map<string, Reading>;
}

interface BatchGetOutput {
  Responses?: Readonly<Record<string, readonly TypedItem[]>>;
  UnprocessedKeys?: Readonly<Record<string, { Keys?: readonly TypedItem[] }>>;
  ConsumedCapacity?: readonly Capacity[];
}

export async function batchGetItem(node: CacheNode, args: readonly Buffer[], session: Session): Promise<Buffer> {
  await node.permit(session, 'BatchGetItem');
  const request = single(args[0]);
  if (!(request instanceof Map)) throw new ProtocolError('Keys by table were expected');
  const reads = await Promise.all([...request].map(([table, each]) => readHeld(node, textOf(table), each)));
  const output = await readMissing(node, reads, optionsOf(args[1]!));
  const left = Object.entries(output.UnprocessedKeys ?? {});
  const shapes = new Map(reads.map(({ table, shape }) => [table, shape]));
  return Buffer.concat([
    success,
    // The head of a list of two, after which the protocol has three values.
    Buffer.of(0x82),
    map(await Promise.all(reads.map(async (read) => [text(read.table), await encodeFound(node, read)] as const))),
    map(
      left.map(
        ([table, { Keys = [] }]) => [text(table), list(Keys.map((key) => bytes(encodeKey(key, shapes.get(table)!))))] as const,
      ),
    ),
    list((output.ConsumedCapacity ?? []).map(encodeCapacity)),
  ]);
}

/** Asks the table for what is not held, and takes it in. */
async function readMissing(node: CacheNode, reads: readonly TableRead[], options: Options): Promise<BatchGetOutput> {
  const missing = reads.filter((read) => read.missing.length > 0);
  if (missing.length === 0) return {};
  const RequestItems = Object.fromEntries(
    missing.map(({ table, shape, consistent, missing: keys }) => [
      table,
      { Keys: keys.map((key) => parseKey(key, shape)), ...(consistent ? { ConsistentRead: true } : {}) },
    ]),
  );
  try {
    const output = await node.table<BatchGetOutput>('BatchGetItem', { ...capacityMode(options), RequestItems });
    for (const read of missing) await takeRead(node, read, output);
    return output;
  } finally {
    for (const { readings } of missing) for (const reading of readings.values()) reading.end();
  }
}

async function readHeld(node: CacheNode, table: string, request: Cbor): Promise<TableRead> {
  if (!Array.isArray(request) || !Array.isArray(request[2])) throw new ProtocolError('Keys were expected');
  const shape = await node.shape(table);
  const consistent = request[0] === true;
  const keys = request[2].map(bytesOf);
  const read: TableRead = {
    table,
    shape,
    consistent,
    paths: pathsOf(request[1]),
    keys,
    found: new Map(),
    missing: [],
    readings: new Map(),
  };
  for (const key of keys) {
    const name = cacheKey(table, key, shape);
    const held = consistent ? undefined : node.items.get(name, node.now());
    if (!consistent) node.count(held === undefined ? 'item.misses' : 'item.hits');
    if (held !== undefined) read.found.set(name, held);
    else {
      read.missing.push(key);
      read.readings.set(name, node.reading(name));
    }
  }
  return read;
}

/** Takes in what the table answered. Keys that it had no time for are neither there nor absent. */
async function takeRead(node: CacheNode, read: TableRead, output: BatchGetOutput): Promise<void> {
  const { table, shape } = read;
  const nameOf = (item: TypedItem): string => cacheKey(table, encodeKey(item, shape), shape);
  const unread = new Set((output.UnprocessedKeys?.[table]?.Keys ?? []).map(nameOf));
  const items = new Map((output.Responses?.[table] ?? []).map((item) => [nameOf(item), item]));
  for (const key of read.missing) {
    const name = cacheKey(table, key, shape);
    if (unread.has(name)) continue;
    const item = items.get(name);
    const values = item === undefined ? null : await node.encode(item, shape);
    read.found.set(name, values);
    if (!read.consistent) read.readings.get(name)?.hold(values);
  }
}

async function encodeFound(node: CacheNode, { table, keys, shape, paths, found }: TableRead): Promise<Buffer> {
  const parts: Buffer[] = [];
  for (const key of keys) {
    const values = found.get(cacheKey(table, key, shape));
    if (values === undefined || values === null) continue;
    if (paths === undefined) parts.push(bytes(key));
    parts.push(await encodeItem(node, values, { key, shape, paths }));
  }
  return list(parts);
}

export async function transactGetItems(node: CacheNode, args: readonly Buffer[], session: Session): Promise<Buffer> {
  await node.permit(session, 'GetItem', 'TransactGetItems');
  const tables = listOf(args[0]).map((each) => bytesOf(each).toString('utf8'));
  const keys = listOf(args[1]).map(bytesOf);
  const paths = listOf(args[2]).map(pathsOf);
  const shapes = await Promise.all(tables.map((table) => node.shape(table)));
  const output = await node.table<{ Responses?: readonly { Item?: TypedItem }[]; ConsumedCapacity?: readonly Capacity[] }>(
    'TransactGetItems',
    {
      ...capacityMode(optionsOf(args[3]!)),
      TransactItems: tables.map((TableName, index) => ({ Get: { TableName, Key: parseKey(keys[index]!, shapes[index]!) } })),
    },
  );
  const items = await Promise.all(
    (output.Responses ?? []).map(async ({ Item }, index) => {
      if (Item === undefined) return nothing;
      const shape = shapes[index]!;
      return paths[index] === undefined ? bytes(await node.encode(Item, shape)) : encodeProjection(Item, paths[index]);
    }),
  );
  return Buffer.concat([success, list([list(items), encodeCapacities(output.ConsumedCapacity)])]);
}

interface PageOutput {
  Items?: readonly TypedItem[];
  Count?: number;
  ScannedCount?: number;
  LastEvaluatedKey?: TypedItem;
  ConsumedCapacity?: Capacity;
}

/** A query, or a scan. Answers are held as they went out, by the bytes of the request. */
export async function readPage(
  node: CacheNode,
  kind: 'Query' | 'Scan',
  args: readonly Buffer[],
  session: Session,
): Promise<Buffer> {
  await node.permit(session, kind);
  const table = tableName(args[0]);
  const options = optionsOf(args.at(-1)!);
  const consistent = Number(options.get(asked.consistent) ?? 0) === 1 || options.get(asked.consistent) === true;
  const name = `${kind}\0${Buffer.concat([...args]).toString('latin1')}`;
  const held = consistent ? undefined : node.queries.get(name, node.now());
  if (!consistent) node.count(`${kind.toLowerCase()}.${held === undefined ? 'misses' : 'hits'}`);
  if (held !== undefined) return held;
  const shape = await node.shape(table);
  const paths = pathsOf(options.get(asked.projection));
  const condition = kind === 'Query' ? single(args[1]) : null;
  const output = await node.table<PageOutput>(kind, pageInput({ table, shape, options, paths, condition, consistent }));
  const members = await pageMembers(node, output, { shape, paths, options });
  const answer = Buffer.concat([success, map(members)]);
  if (!consistent) node.queries.set(name, answer, answer.length, node.now(), node.spec?.queryMillis ?? 0);
  return output.ConsumedCapacity === undefined
    ? answer
    : Buffer.concat([success, map([...members, ...capacityEntry(output.ConsumedCapacity)])]);
}

interface PageRequest {
  table: string;
  shape: KeyShape;
  options: Options;
  paths: readonly DocumentPath[] | undefined;
  condition: Cbor;
  consistent: boolean;
}

function pageInput({ table, shape, options, paths, condition, consistent }: PageRequest): object {
  const writer = new ExpressionWriter();
  const index = options.get(asked.index);
  const start = options.get(asked.startKey);
  const filter = options.get(asked.filter);
  const numeric = (name: string, member: number) => (options.has(member) ? { [name]: Number(options.get(member)) } : {});
  const select = selections[Number(options.get(asked.select) ?? 0)];
  const startKey =
    start === undefined
      ? undefined
      : index === undefined
        ? parseKey(bytesOf(start), shape)
        : parseNamedKey(bytesOf(start), typed);
  return {
    TableName: table,
    ...(condition === null ? {} : { KeyConditionExpression: writer.condition(bytesOf(condition)) }),
    ...(filter === undefined ? {} : { FilterExpression: writer.condition(bytesOf(filter)) }),
    ...(paths === undefined ? {} : { ProjectionExpression: writer.attributes(paths) }),
    ...(index === undefined ? {} : { IndexName: bytesOf(index).toString('utf8') }),
    ...(startKey === undefined ? {} : { ExclusiveStartKey: startKey }),
    ...(options.has(asked.forward) ? { ScanIndexForward: Number(options.get(asked.forward)) === 1 } : {}),
    ...(select === undefined || select === '' ? {} : { Select: select }),
    ...numeric('Limit', asked.limit),
    ...numeric('Segment', asked.segment),
    ...numeric('TotalSegments', asked.segments),
    ...(consistent ? { ConsistentRead: true } : {}),
    ...capacityMode(options),
    ...writer.members,
  };
}

async function pageMembers(
  node: CacheNode,
  output: PageOutput,
  { shape, paths, options }: Pick<PageRequest, 'shape' | 'paths' | 'options'>,
): Promise<(readonly [Buffer, Buffer])[]> {
  const items = await Promise.all(
    (output.Items ?? []).map(async (item) =>
      paths === undefined
        ? list([bytes(encodeKey(item, shape)), bytes(await node.encode(item, shape))])
        : encodeProjection(item, paths),
    ),
  );
  const last = output.LastEvaluatedKey;
  const lastKey =
    last === undefined ? undefined : options.has(asked.index) ? encodeNamedKey(last) : bytes(encodeKey(last, shape));
  return [
    ...(output.Items === undefined ? [] : [[integer(answered.items), list(items)] as const]),
    [integer(answered.count), integer(output.Count ?? 0)],
    ...(lastKey === undefined ? [] : [[integer(answered.lastKey), lastKey] as const]),
    [integer(answered.scanned), integer(output.ScannedCount ?? 0)],
  ];
}

/** The names and types of a table's key, for clients. */
export async function keyShape(node: CacheNode, args: readonly Buffer[]): Promise<Buffer> {
  const shape = await node.shape(bytesOf(new CborReader(args[0]!).value()).toString('utf8'));
  return Buffer.concat([success, map(shape.map(({ name, type }) => [text(name), text(type)] as const))]);
}
