/** Writes: to the table first, then into what the nodes hold. What a write leaves unknown is let go, and read again by the next reader. */
import { CacheRefusal, type KeyShape, type TypedItem } from '../types.ts';
import { bytes, type Cbor, integer, list, map, nothing, ProtocolError, text } from './cbor.ts';
import type { WrittenEntry } from './channel.ts';
import { ExpressionWriter } from './expressions.ts';
import {
  type Capacity,
  capacityEntry,
  capacityMode,
  type CollectionMetrics,
  encodeCapacities,
  encodeCapacity,
  encodeCollection,
  listOf,
  type Options,
  optionsOf,
  single,
  tableName,
} from './members.ts';
import type { CacheNode, Session } from './node.ts';
import { answered, asked, encodeRefusal, returnValues, success, writes } from './protocol.ts';
import { bytesOf, cacheKey, encodeKey, encodeValue, parseKey, textOf } from './values.ts';

interface WriteOutput {
  Attributes?: TypedItem;
  ConsumedCapacity?: Capacity;
  ItemCollectionMetrics?: CollectionMetrics;
}

const collectionMode = (options: Options): object =>
  Number(options.get(asked.collectionMetrics) ?? 0) === 1 ? { ReturnItemCollectionMetrics: 'SIZE' } : {};

/** Expressions and what else writes of one item share. */
function writeMembers(options: Options): object {
  const writer = new ExpressionWriter();
  const condition = options.get(asked.condition);
  const update = options.get(asked.update);
  return {
    ...(condition === undefined ? {} : { ConditionExpression: writer.condition(bytesOf(condition)) }),
    ...(update === undefined ? {} : { UpdateExpression: writer.update(bytesOf(update)) }),
    ...writer.members,
    ...capacityMode(options),
    ...collectionMode(options),
  };
}

const wantedValues = (options: Options): string => returnValues[Number(options.get(asked.returnValues) ?? 1)] ?? 'NONE';

async function encodeWrite(node: CacheNode, output: WriteOutput, shape: KeyShape, wanted: string): Promise<Buffer> {
  const { Attributes: attributes = {}, ItemCollectionMetrics: metrics } = output;
  const shown = wanted !== 'NONE' && Object.keys(attributes).length > 0;
  const parts = wanted.startsWith('UPDATED_')
    ? await encodeUpdated(node, attributes)
    : bytes(await node.encode(attributes, shape));
  return Buffer.concat([
    success,
    map([
      ...(shown ? [[integer(answered.attributes), parts] as const] : []),
      ...capacityEntry(output.ConsumedCapacity),
      ...(metrics === undefined ? [] : [[integer(answered.collectionMetrics), encodeCollection(metrics)] as const]),
    ]),
  ]);
}

/** Attributes by their position in a list of their names. */
async function encodeUpdated(node: CacheNode, attributes: TypedItem): Promise<Buffer> {
  const names = Object.keys(attributes).sort();
  const number = await node.listNumber(names);
  const values = map(names.map((name, index) => [integer(index), encodeValue(attributes[name]!)] as const));
  return bytes(Buffer.concat([integer(number), values]));
}

export async function putItem(node: CacheNode, args: readonly Buffer[], session: Session): Promise<Buffer> {
  await node.permit(session, 'PutItem');
  const table = tableName(args[0]);
  const key = bytesOf(single(args[1]));
  const shape = await node.shape(table);
  const item = await node.decode(bytesOf(single(args[2])), key, shape);
  const options = optionsOf(args[3]!);
  const wanted = wantedValues(options);
  const input = { TableName: table, Item: item, ...writeMembers(options), ReturnValues: wanted };
  const output = await node.table<WriteOutput>('PutItem', input);
  node.written([{ key: cacheKey(table, key, shape), values: await node.encode(item, shape) }]);
  return encodeWrite(node, output, shape, wanted);
}

export async function deleteItem(node: CacheNode, args: readonly Buffer[], session: Session): Promise<Buffer> {
  await node.permit(session, 'DeleteItem');
  const table = tableName(args[0]);
  const key = bytesOf(single(args[1]));
  const shape = await node.shape(table);
  const options = optionsOf(args[2]!);
  const wanted = wantedValues(options);
  const input = { TableName: table, Key: parseKey(key, shape), ...writeMembers(options), ReturnValues: wanted };
  const output = await node.table<WriteOutput>('DeleteItem', input);
  node.written([{ key: cacheKey(table, key, shape), values: 'gone' }]);
  return encodeWrite(node, output, shape, wanted);
}

/** The item as it became is asked for where the client wants no values, so that the nodes can hold it. */
export async function updateItem(node: CacheNode, args: readonly Buffer[], session: Session): Promise<Buffer> {
  await node.permit(session, 'UpdateItem');
  const table = tableName(args[0]);
  const key = bytesOf(single(args[1]));
  const shape = await node.shape(table);
  const options = optionsOf(args[2]!);
  const wanted = wantedValues(options);
  const whole = wanted === 'NONE' || wanted === 'ALL_NEW';
  const output = await node.table<WriteOutput>('UpdateItem', {
    ...{ TableName: table, Key: parseKey(key, shape), ...writeMembers(options) },
    ReturnValues: whole ? 'ALL_NEW' : wanted,
  });
  const known = whole && output.Attributes !== undefined;
  const values = known ? await node.encode(output.Attributes!, shape) : 'gone';
  node.written([{ key: cacheKey(table, key, shape), values }]);
  return encodeWrite(node, output, shape, wanted);
}

interface BatchWrite {
  table: string;
  shape: KeyShape;
  /** An item to put, or none: to delete. */
  requests: readonly { key: Buffer; item: TypedItem | undefined }[];
}

interface WriteRequest {
  PutRequest?: { Item?: TypedItem };
  DeleteRequest?: { Key?: TypedItem };
}

interface BatchWriteOutput {
  UnprocessedItems?: Readonly<Record<string, readonly WriteRequest[]>>;
  ConsumedCapacity?: readonly Capacity[];
  ItemCollectionMetrics?: Readonly<Record<string, readonly CollectionMetrics[]>>;
}

export async function batchWriteItem(node: CacheNode, args: readonly Buffer[], session: Session): Promise<Buffer> {
  await node.permit(session, 'BatchWriteItem');
  const request = single(args[0]);
  if (!(request instanceof Map)) throw new ProtocolError('Writes by table were expected');
  const batches = await Promise.all([...request].map(([table, each]) => parseBatch(node, textOf(table), each)));
  const options = optionsOf(args[1]!);
  const output = await node.table<BatchWriteOutput>('BatchWriteItem', {
    RequestItems: Object.fromEntries(
      batches.map(({ table, shape, requests }) => [
        table,
        requests.map(({ key, item }) =>
          item === undefined ? { DeleteRequest: { Key: parseKey(key, shape) } } : { PutRequest: { Item: item } },
        ),
      ]),
    ),
    ...capacityMode(options),
    ...collectionMode(options),
  });
  const left = new Map(Object.entries(output.UnprocessedItems ?? {}));
  const shapes = new Map(batches.map(({ table, shape }) => [table, shape]));
  for (const batch of batches) node.written(await writtenOf(node, batch, left.get(batch.table) ?? []));
  return Buffer.concat([
    success,
    map(
      await Promise.all(
        [...left].map(async ([table, each]) => [text(table), await encodeLeft(node, each, shapes.get(table)!)] as const),
      ),
    ),
    list((output.ConsumedCapacity ?? []).map(encodeCapacity)),
    encodeCollections(output.ItemCollectionMetrics) ?? map([]),
  ]);
}

async function parseBatch(node: CacheNode, table: string, writesOf: Cbor): Promise<BatchWrite> {
  if (!Array.isArray(writesOf)) throw new ProtocolError('Writes were expected');
  const shape = await node.shape(table);
  const requests: { key: Buffer; item: TypedItem | undefined }[] = [];
  for (let index = 0; index + 1 < writesOf.length; index += 2) {
    const key = bytesOf(writesOf[index]);
    const values = writesOf[index + 1]!;
    requests.push({ key, item: values === null ? undefined : await node.decode(bytesOf(values), key, shape) });
  }
  return { table, shape, requests };
}

async function writtenOf(
  node: CacheNode,
  { table, shape, requests }: BatchWrite,
  left: readonly WriteRequest[],
): Promise<WrittenEntry[]> {
  const nameOf = (item: TypedItem): string => cacheKey(table, encodeKey(item, shape), shape);
  const undone = new Set(left.map(({ PutRequest, DeleteRequest }) => nameOf(PutRequest?.Item ?? DeleteRequest?.Key ?? {})));
  const entries = await Promise.all(
    requests.map(async ({ key, item }): Promise<WrittenEntry> => {
      const values = item === undefined ? 'gone' : await node.encode(item, shape);
      return { key: cacheKey(table, key, shape), values };
    }),
  );
  return entries.filter(({ key }) => !undone.has(key));
}

async function encodeLeft(node: CacheNode, left: readonly WriteRequest[], shape: KeyShape): Promise<Buffer> {
  const parts: Buffer[] = [];
  for (const { PutRequest, DeleteRequest } of left) {
    const item = PutRequest?.Item;
    parts.push(bytes(encodeKey(item ?? DeleteRequest?.Key ?? {}, shape)));
    parts.push(item === undefined ? nothing : bytes(await node.encode(item, shape)));
  }
  return list(parts);
}

function encodeCollections(metrics: BatchWriteOutput['ItemCollectionMetrics']): Buffer | undefined {
  if (metrics === undefined) return undefined;
  return map(Object.entries(metrics).map(([table, each]) => [text(table), list(each.map(encodeCollection))] as const));
}

interface TransactWrite {
  kind: 'Put' | 'Delete' | 'Update' | 'ConditionCheck';
  table: string;
  key: Buffer;
  shape: KeyShape;
  input: object;
}

/** A transaction goes to the table as it is; what it wrote is read again in the background, as one transaction too. */
export async function transactWriteItems(node: CacheNode, args: readonly Buffer[], session: Session): Promise<Buffer> {
  const parts = await parseTransaction(node, args);
  const actions = new Set(parts.map(({ kind }) => (kind === 'ConditionCheck' ? 'ConditionCheckItem' : `${kind}Item`)));
  for (const action of actions) await node.permit(session, action, 'TransactWriteItems');
  const options = optionsOf(args[8]!);
  const token = options.get(asked.token);
  let output: { ConsumedCapacity?: readonly Capacity[]; ItemCollectionMetrics?: BatchWriteOutput['ItemCollectionMetrics'] };
  try {
    output = await node.table('TransactWriteItems', {
      TransactItems: parts.map(({ kind, input }) => ({ [kind]: input })),
      ...(token === undefined ? {} : { ClientRequestToken: textOf(token) }),
      ...capacityMode(options),
      ...collectionMode(options),
    });
  } catch (error) {
    if (error instanceof CacheRefusal && error.code === 'TransactionCanceledException')
      return encodeCancelled(node, error, parts);
    throw error;
  }
  const changed = parts.filter(({ kind }) => kind !== 'ConditionCheck');
  node.written(changed.map(({ table, key, shape }) => ({ key: cacheKey(table, key, shape), values: 'gone' })));
  void readAgain(node, changed).catch(() => {});
  return Buffer.concat([
    success,
    list([nothing, encodeCapacities(output.ConsumedCapacity), encodeCollections(output.ItemCollectionMetrics) ?? nothing]),
  ]);
}

async function parseTransaction(node: CacheNode, args: readonly Buffer[]): Promise<TransactWrite[]> {
  const [kinds, tables, keys, values, , onFailure, conditions, updates] = args.slice(0, 8).map(listOf);
  return Promise.all(
    (kinds ?? []).map(async (code, index) => {
      const kind = writes[Number(code)];
      if (kind === undefined) throw new ProtocolError('A write of an unknown kind');
      const table = bytesOf(tables?.[index]).toString('utf8');
      const key = bytesOf(keys?.[index]);
      const shape = await node.shape(table);
      const writer = new ExpressionWriter();
      const condition = conditions?.[index] ?? null;
      const update = updates?.[index] ?? null;
      const held = values?.[index] ?? null;
      const input = {
        TableName: table,
        ...(kind === 'Put' ? { Item: await node.decode(bytesOf(held), key, shape) } : { Key: parseKey(key, shape) }),
        ...(condition === null ? {} : { ConditionExpression: writer.condition(bytesOf(condition)) }),
        ...(update === null ? {} : { UpdateExpression: writer.update(bytesOf(update)) }),
        ...writer.members,
        ...(Number(onFailure?.[index]) === 2 ? { ReturnValuesOnConditionCheckFailure: 'ALL_OLD' } : {}),
      };
      return { kind, table, key, shape, input };
    }),
  );
}

interface Reason {
  Code?: string;
  Message?: string;
  Item?: TypedItem;
}

async function encodeCancelled(node: CacheNode, refusal: CacheRefusal, parts: readonly TransactWrite[]): Promise<Buffer> {
  const reasons = (refusal.members['CancellationReasons'] ?? []) as readonly Reason[];
  const encoded = await Promise.all(
    reasons.map(async ({ Code, Message, Item }, index) => [
      Code === undefined ? nothing : text(Code),
      Message === undefined ? nothing : text(Message),
      Item === undefined ? nothing : bytes(await node.encode(Item, parts[index]!.shape)),
    ]),
  );
  return encodeRefusal(refusal, encoded.flat());
}

async function readAgain(node: CacheNode, changed: readonly TransactWrite[]): Promise<void> {
  const readings = changed.map(({ table, key, shape }) => node.reading(cacheKey(table, key, shape)));
  try {
    const output = await node.table<{ Responses?: readonly { Item?: TypedItem }[] }>('TransactGetItems', {
      TransactItems: changed.map(({ table, key, shape }) => ({ Get: { TableName: table, Key: parseKey(key, shape) } })),
    });
    for (const [index, { Item }] of (output.Responses ?? []).entries())
      readings[index]?.hold(Item === undefined ? null : await node.encode(Item, changed[index]!.shape));
  } finally {
    for (const reading of readings) reading.end();
  }
}
