/**
 * PutItem, UpdateItem, DeleteItem and the writes inside batches and transactions: each is read into one form, a `WriteRequest`, checked against its
 * table, and carried out in a transaction.
 */
import type { ItemCollectionMetrics } from '@aws-sdk/client-dynamodb';
import type { Context, Scope, Transaction } from '../../../kernel/context.ts';
import type { Key } from '../../../store/store.ts';
import type { Consumption } from '../capacity.ts';
import { countFailedCondition } from '../consumption.ts';
import { conditionFailed, validation } from '../errors.ts';
import type { Condition, Path, SetValue, UpdateAction } from '../expressions/ast.ts';
import { meets } from '../expressions/evaluate.ts';
import { applyLegacyUpdates, type LegacyUpdate } from '../expressions/legacy.ts';
import { applyUpdate } from '../expressions/update.ts';
import { itemKey } from '../keys.ts';
import { admit, charge } from '../meter.ts';
import { Counts, Items, type TableRow } from '../state.ts';
import { present, type StoredItem, storedOf, storeItem } from '../stored.ts';
import { outputValue, type Item, typeOf, type ValueType } from '../values.ts';
import { applyChange, keysOf } from './change.ts';
import { pathsOf } from './expressions.ts';
import {
  checkItem,
  checkIndexKeys,
  checkKey,
  checkKeyPaths,
  checkUpdatedNames,
  indexKeyMismatch,
  itemBytesMax,
  keyNamesOf,
  keyTypeOf,
} from './schema.ts';

/** What a write does to the item. */
export type Effect =
  | { kind: 'put'; stored: StoredItem }
  | { kind: 'delete'; key: Item }
  | { kind: 'update'; key: Item; actions: readonly UpdateAction[] }
  | { kind: 'legacy'; key: Item; updates: readonly LegacyUpdate[] }
  /** ConditionCheck of a transaction. */
  | { kind: 'check'; key: Item };

export interface WriteRequest {
  effect: Effect;
  condition?: Condition | undefined;
  /** ReturnValuesOnConditionCheckFailure. */
  showOnFailure?: boolean;
}

/** What a write did. */
export interface Written {
  before: StoredItem | undefined;
  after: StoredItem | undefined;
  used: Consumption;
}

/** The item or key that says which item is meant. */
export function keyItemOf(effect: Effect): Item {
  return effect.kind === 'put' ? effect.stored.item : effect.key;
}

/** Nothing but the request says how large an item to be put is, so this comes before tables are looked at. Throws ValidationException. */
export function checkPutSize(effect: Effect): void {
  if (effect.kind === 'put') checkSize(effect.stored, 'Item size has exceeded the maximum allowed size');
}

/** Checks a write against its table's schema. Throws ValidationException. */
export function checkWrite(table: TableRow, { effect, condition }: WriteRequest): void {
  if (effect.kind === 'put') checkItem(table, effect.stored.item);
  else checkKey(table, effect.key);
  if (effect.kind === 'update') {
    checkUpdatedNames(
      table,
      effect.actions.map(({ path }) => path[0] as string),
    );
    checkKeyPaths(table, effect.actions.flatMap(updatePaths));
    checkUpdateTypes(table, effect.actions);
  }
  if (effect.kind === 'legacy')
    checkUpdatedNames(
      table,
      effect.updates.map(({ name }) => name),
    );
  if (condition !== undefined) checkKeyPaths(table, pathsOf(condition));
}

/** All paths of an action: what it changes, and what it takes from where. */
function updatePaths(action: UpdateAction): Path[] {
  return action.kind === 'set' ? [action.path, ...valuePaths(action.value)] : [action.path];
}

function valuePaths(value: SetValue): Path[] {
  switch (value.kind) {
    case 'path':
      return [value.path];
    case 'value':
      return [];
    case 'ifNotExists':
      return [value.path, ...valuePaths(value.otherwise)];
    default:
      return [...valuePaths(value.left), ...valuePaths(value.right)];
  }
}

/** Keys of indexes, where the expression alone says of which type they would become: told before anything is looked at. Throws ValidationException. */
function checkUpdateTypes(table: TableRow, actions: readonly UpdateAction[]): void {
  for (const action of actions) {
    if (action.kind === 'remove' || action.path.length > 1) continue;
    const type = action.kind === 'set' ? typeOfSet(action.value) : typeOf(action.value);
    const [name] = action.path as readonly [string];
    const index = table.indexes.find((each) => keyNamesOf(each).includes(name));
    if (index === undefined || type === undefined || type === keyTypeOf(table, name)) continue;
    throw indexKeyMismatch(table, index, name, type);
  }
}

function typeOfSet(value: SetValue): ValueType | undefined {
  if (value.kind === 'value') return typeOf(value.value);
  if (value.kind === 'ifNotExists') return typeOfSet(value.otherwise);
  return value.kind === 'sum' ? 'N' : value.kind === 'append' ? 'L' : undefined;
}

/** Items by key as a transaction sees them. */
export async function readStored(tx: Transaction | Context, scope: Scope, key: Key): Promise<StoredItem | undefined> {
  const row = await tx.tableIn(scope, Items).get(...key);
  return row === undefined ? undefined : storedOf(row);
}

/** Carries out a checked write. Throws ConditionalCheckFailedException, ValidationException, and what throttles. */
export async function performWrite(
  tx: Transaction,
  ctx: Context,
  { scope, table }: { scope: Scope; table: TableRow },
  request: WriteRequest,
): Promise<Written> {
  const keyItem = keyItemOf(request.effect);
  const hash = keyItem[table.hash]!;
  admit(ctx, { kind: 'write', table, hash });
  for (const index of table.indexes)
    if (index.global && index.throughput !== undefined) admit(ctx, { kind: 'write', table, index });
  const key = itemKey(table.space, keyItem, table);
  const before = await readStored(tx, scope, key);
  if (request.condition !== undefined && !meets(before?.item ?? {}, request.condition)) {
    charge(ctx, { kind: 'write', table, hash }, 1);
    countFailedCondition(ctx, table);
    throw conditionFailed(request.showOnFailure === true && before !== undefined ? present(ctx, before) : undefined);
  }
  const after = effectOn(table, request.effect, before);
  const used = await applyChange(tx, { scope, table, key, before, after, now: ctx.now });
  charge(ctx, { kind: 'write', table, hash }, used.table);
  for (const [index, units] of used.indexes) if (index.global) charge(ctx, { kind: 'write', table, index }, units);
  return { before, after, used };
}

/** The item after an effect; undefined when there is none. Throws ValidationException. */
function effectOn(table: TableRow, effect: Effect, before: StoredItem | undefined): StoredItem | undefined {
  switch (effect.kind) {
    case 'put':
      return effect.stored;
    case 'delete':
      return undefined;
    case 'check':
      return before;
    default: {
      const old = before?.item ?? keysOf(table, effect.key);
      const item = effect.kind === 'update' ? applyUpdate(old, effect.actions) : applyLegacyUpdates(old, effect.updates);
      for (const index of table.indexes) checkIndexKeys(table, index, item);
      return checkSize(storeItem(item), 'Item size to update has exceeded the maximum allowed size');
    }
  }
}

function checkSize(stored: StoredItem, message: string): StoredItem {
  if (stored.size > itemBytesMax) throw validation(message);
  return stored;
}

/** ItemCollectionMetrics of a write, for tables with local indexes: the key and the size of the collection in GB. */
export async function describeCollection(
  tx: Transaction,
  { scope, table }: { scope: Scope; table: TableRow },
  keyItem: Item,
): Promise<ItemCollectionMetrics | undefined> {
  if (!table.indexes.some((index) => !index.global)) return undefined;
  const counted = await tx.tableIn(scope, Counts).get(table.space);
  // AWS gives a range that holds the size; a whole gigabyte is the narrowest it shows.
  const gigabytes = Math.floor((counted?.bytes ?? 0) / 2 ** 30);
  return {
    ItemCollectionKey: { [table.hash]: outputValue(keyItem[table.hash]!) },
    SizeEstimateRangeGB: [gigabytes, gigabytes + 1],
  };
}
