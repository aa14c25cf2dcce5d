/** BatchGetItem and BatchWriteItem. Each item stands for itself: what is throttled, or would make the answer too large, is handed back as unprocessed. */
import type {
  AttributeValue,
  DynamoDB,
  ItemCollectionMetrics,
  KeysAndAttributes,
  WriteRequest as GivenWrite,
} from '@aws-sdk/client-dynamodb';
import type { Context } from '../../../kernel/context.ts';
import { AwsError } from '../../../kernel/errors.ts';
import type { HandlersOf } from '../../../kernel/service.ts';
import { Consumption, describeConsumption } from '../capacity.ts';
import { RequestChecks, readTableName } from '../checks.ts';
import { validation } from '../errors.ts';
import type { Path } from '../expressions/ast.ts';
import { itemKey } from '../keys.ts';
import { type OpenTable, openTable } from '../lookup.ts';
import type { TableRow } from '../state.ts';
import { storeItem } from '../stored.ts';
import { type Item, readItem } from '../values.ts';
import { checkMixture, RequestExpressions, readAttributesToGet } from './expressions.ts';
import { presentPart, readOne } from './get.ts';
import { capacityModes } from './put.ts';
import { checkKey, checkKeyPaths, keyNamesOf } from './schema.ts';
import { checkPutSize, checkWrite, describeCollection, type Effect, keyItemOf, performWrite } from './write.ts';

const getsMax = 100;
const writesMax = 25;
/** Tables in one batch. */
const tablesMax = 25;
/** "BatchGetItem": an answer of up to 16 MB. */
const answerBytesMax = 16 * 1024 * 1024;

/** Whether an error means that capacity is used up, so that the item may be tried again. */
function isThrottle(error: unknown): boolean {
  return (
    error instanceof AwsError && (error.code === 'ProvisionedThroughputExceededException' || error.code === 'ThrottlingException')
  );
}

function checkTables(checks: RequestChecks, requests: Readonly<Record<string, unknown>> | undefined): RequestChecks {
  return checks.tableNames(Object.keys(requests ?? {}), 'requestItems', JSON.stringify(requests));
}

interface TableReads {
  name: string;
  given: KeysAndAttributes;
  keys: { given: Record<string, AttributeValue>; key: Item }[];
  paths: readonly Path[] | undefined;
  open: OpenTable;
}

async function readGets(ctx: Context, requests: Readonly<Record<string, KeysAndAttributes>>): Promise<TableReads[]> {
  let count = 0;
  const reads: Omit<TableReads, 'open'>[] = [];
  for (const [name, given] of Object.entries(requests)) {
    checkMixture(given, ['ProjectionExpression'], ['AttributesToGet']);
    const expressions = new RequestExpressions(given);
    const paths = expressions.projection() ?? readAttributesToGet(given.AttributesToGet);
    expressions.checkUsed();
    const keys = (given.Keys ?? []).map((key) => ({ given: key, key: readItem(key) }));
    // Found before the table is looked at, and again when its key is known.
    if (new Set(keys.map(({ key }) => JSON.stringify(Object.entries(key).sort()))).size < keys.length) throw repeatedKeys();
    count += keys.length;
    if (count > getsMax) throw validation('Too many items requested for the BatchGetItem call');
    reads.push({ name, given, keys, paths });
  }
  const opened: TableReads[] = [];
  for (const read of reads) {
    const open = await openTable(ctx, ctx, readTableName(read.name));
    for (const { key } of read.keys) checkKey(open.row, key);
    if (read.paths !== undefined) checkKeyPaths(open.row, read.paths);
    checkDistinct(
      open.row,
      read.keys.map(({ key }) => key),
    );
    opened.push({ ...read, open });
  }
  return opened;
}

function checkDistinct(table: TableRow, keys: readonly Item[]): void {
  const seen = new Set(keys.map((key) => itemKey(table.space, key, table).join('\0')));
  if (seen.size < keys.length) throw repeatedKeys();
}

const repeatedKeys = (): AwsError => validation('Provided list of item keys contains duplicates');

/** The key attributes that an item has. */
function keysIn(table: TableRow, item: Item): Item {
  return Object.fromEntries(keyNamesOf(table).flatMap((name) => (item[name] === undefined ? [] : [[name, item[name]]])));
}

interface TableWrites {
  name: string;
  writes: { given: GivenWrite; effect: Effect }[];
}

function readWrites(requests: Readonly<Record<string, readonly GivenWrite[]>>): TableWrites[] {
  let count = 0;
  const tables: TableWrites[] = [];
  for (const [name, list] of Object.entries(requests)) {
    count += list.length;
    const writes = list.map((given) => ({ given, effect: readEffect(given) }));
    tables.push({ name, writes });
  }
  if (count > writesMax) throw validation('Too many items requested for the BatchWriteItem call');
  return tables;
}

function readEffect({ PutRequest: put, DeleteRequest: remove }: GivenWrite): Effect {
  if ((put === undefined) === (remove === undefined))
    throw validation(
      'Supplied AttributeValue has more than one datatypes set, must contain exactly one of the supported datatypes',
    );
  if (remove !== undefined) return { kind: 'delete', key: readItem(remove.Key ?? {}, 'older') };
  const effect: Effect = { kind: 'put', stored: storeItem(readItem(put?.Item ?? {}, 'older')) };
  checkPutSize(effect);
  return effect;
}

export const batchHandlers: HandlersOf<DynamoDB> = {
  async BatchGetItem(input, ctx) {
    new RequestChecks().notEmpty(input.RequestItems, 'RequestItems').done();
    const checks = checkTables(new RequestChecks(), input.RequestItems)
      .length(input.RequestItems, 'requestItems', 1, tablesMax)
      .oneOf(input.ReturnConsumedCapacity, 'returnConsumedCapacity', capacityModes);
    for (const [name, given] of Object.entries(input.RequestItems ?? {}))
      checks
        .length(given.Keys, `requestItems.${name}.member.keys`, 1, getsMax)
        .length(given.AttributesToGet, `requestItems.${name}.member.attributesToGet`, 1, 255);
    checks.done();
    const reads = await readGets(ctx, input.RequestItems ?? {});
    const responses: Record<string, Record<string, AttributeValue>[]> = {};
    const unprocessed: Record<string, KeysAndAttributes> = {};
    const consumed: ReturnType<typeof describeConsumption>[] = [];
    let bytes = 0;
    let done = 0;
    let throttle: unknown;
    for (const { name, given, keys, paths, open } of reads) {
      const used = new Consumption();
      const left: Record<string, AttributeValue>[] = [];
      const found: Record<string, AttributeValue>[] = [];
      responses[name] = found;
      for (const { given: key, key: item } of keys) {
        if (bytes > answerBytesMax) {
          left.push(key);
          continue;
        }
        try {
          const { stored, units } = await readOne(ctx, open, item, given.ConsistentRead === true);
          used.table += units;
          bytes += stored?.size ?? 0;
          done++;
          if (stored !== undefined) found.push(presentPart(ctx, stored, paths));
        } catch (error) {
          if (!isThrottle(error)) throw error;
          throttle = error;
          left.push(key);
        }
      }
      if (left.length > 0) unprocessed[name] = { ...given, Keys: left };
      consumed.push(describeConsumption(input.ReturnConsumedCapacity, { name }, used));
    }
    if (done === 0 && throttle !== undefined) throw throttle;
    return {
      Responses: responses,
      UnprocessedKeys: unprocessed,
      ConsumedCapacity: consumed[0] === undefined ? undefined : consumed.filter((entry) => entry !== undefined),
    };
  },

  async BatchWriteItem(input, ctx) {
    new RequestChecks().notEmpty(input.RequestItems, 'RequestItems').done();
    const checks = new RequestChecks()
      .oneOf(input.ReturnConsumedCapacity, 'returnConsumedCapacity', capacityModes)
      .oneOf(input.ReturnItemCollectionMetrics, 'returnItemCollectionMetrics', ['SIZE', 'NONE']);
    checks.done();
    checkTables(checks, input.RequestItems).length(input.RequestItems, 'requestItems', 1, tablesMax);
    checks.listLengths(input.RequestItems, 'requestItems', 1, writesMax).done();
    const tables = readWrites(input.RequestItems ?? {});
    const addresses = tables.map(({ name }) => readTableName(name));
    return ctx.transact(async (tx) => {
      const opened: OpenTable[] = [];
      for (const [at, address] of addresses.entries()) {
        const open = await openTable(tx, ctx, address);
        const { writes } = tables[at]!;
        for (const { effect } of writes) {
          // Here AWS says of items, too, what it says of keys.
          if (effect.kind === 'put') checkKey(open.row, keysIn(open.row, effect.stored.item));
          checkWrite(open.row, { effect });
        }
        checkDistinct(
          open.row,
          writes.map(({ effect }) => keyItemOf(effect)),
        );
        opened.push(open);
      }
      const unprocessed: Record<string, GivenWrite[]> = {};
      const metrics: Record<string, ItemCollectionMetrics[]> = {};
      const consumed: ReturnType<typeof describeConsumption>[] = [];
      let done = 0;
      let throttle: unknown;
      for (const [at, { name, writes }] of tables.entries()) {
        const { scope, row: table } = opened[at]!;
        const used = new Consumption();
        for (const { given, effect } of writes) {
          try {
            used.add((await performWrite(tx, ctx, { scope, table }, { effect })).used);
            done++;
          } catch (error) {
            if (!isThrottle(error)) throw error;
            throttle = error;
            unprocessed[name] = [...(unprocessed[name] ?? []), given];
            continue;
          }
          if (input.ReturnItemCollectionMetrics !== 'SIZE') continue;
          const metric = await describeCollection(tx, { scope, table }, keyItemOf(effect));
          if (metric !== undefined) metrics[name] = [...(metrics[name] ?? []), metric];
        }
        consumed.push(describeConsumption(input.ReturnConsumedCapacity, { name }, used));
      }
      if (done === 0 && throttle !== undefined) throw throttle;
      return {
        UnprocessedItems: unprocessed,
        ItemCollectionMetrics: input.ReturnItemCollectionMetrics === 'SIZE' ? metrics : undefined,
        ConsumedCapacity: consumed[0] === undefined ? undefined : consumed.filter((entry) => entry !== undefined),
      };
    });
  },
};
