/** GetItem, and reading one item by key for batches and transactions. */
import type { AttributeValue, DynamoDB } from '@aws-sdk/client-dynamodb';
import type { Context, Scope } from '../../../kernel/context.ts';
import type { HandlersOf } from '../../../kernel/service.ts';
import { Consumption, describeConsumption, readUnits } from '../capacity.ts';
import { RequestChecks, readTableName } from '../checks.ts';
import type { Path } from '../expressions/ast.ts';
import { project } from '../expressions/projection.ts';
import { itemKey } from '../keys.ts';
import { type OpenTable, openTable } from '../lookup.ts';
import { admit, charge } from '../meter.ts';
import { present, presentItem, type StoredItem } from '../stored.ts';
import { type Item, readItem } from '../values.ts';
import { checkMixture, RequestExpressions, readAttributesToGet } from './expressions.ts';
import { capacityModes } from './put.ts';
import { checkKey, checkKeyPaths } from './schema.ts';
import { readStored } from './write.ts';

/** An item of an answer, or those parts of it that were asked for. */
export function presentPart(
  ctx: Context,
  stored: StoredItem,
  paths: readonly Path[] | undefined,
): Record<string, AttributeValue> {
  return paths === undefined ? present(ctx, stored) : presentItem(ctx, project(stored.item, paths));
}

/** Reads one item by its checked key, and pays for it. */
export async function readOne(
  ctx: Context,
  { scope, row: table }: { scope: Scope; row: OpenTable['row'] },
  key: Item,
  consistent: boolean,
): Promise<{ stored: StoredItem | undefined; units: number }> {
  const hash = key[table.hash]!;
  admit(ctx, { kind: 'read', table, hash, eventual: !consistent });
  const stored = await readStored(ctx, scope, itemKey(table.space, key, table));
  const units = readUnits(stored?.size ?? 0, consistent);
  charge(ctx, { kind: 'read', table, hash }, units);
  return { stored, units };
}

export const getHandlers: HandlersOf<DynamoDB> = {
  async GetItem(input, ctx) {
    const address = readTableName(input.TableName);
    new RequestChecks()
      .oneOf(input.ReturnConsumedCapacity, 'returnConsumedCapacity', capacityModes)
      .length(input.AttributesToGet, 'attributesToGet', 1, 255)
      .done();
    checkMixture(input, ['ProjectionExpression'], ['AttributesToGet']);
    const key = readItem(input.Key ?? {});
    const expressions = new RequestExpressions(input);
    const paths = expressions.projection() ?? readAttributesToGet(input.AttributesToGet);
    expressions.checkUsed();
    const open = await openTable(ctx, ctx, address);
    checkKey(open.row, key);
    if (paths !== undefined) checkKeyPaths(open.row, paths);
    const { stored, units } = await readOne(ctx, open, key, input.ConsistentRead === true);
    const used = new Consumption();
    used.table = units;
    return {
      Item: stored === undefined ? undefined : presentPart(ctx, stored, paths),
      ConsumedCapacity: describeConsumption(input.ReturnConsumedCapacity, { name: input.TableName ?? '' }, used),
    };
  },
};
