/** UpdateItem. */
import type { DynamoDB, UpdateItemInput } from '@aws-sdk/client-dynamodb';
import type { HandlersOf } from '../../../kernel/service.ts';
import { describeConsumption } from '../capacity.ts';
import { enveloped, RequestChecks, readTableName } from '../checks.ts';
import type { Path } from '../expressions/ast.ts';
import { readAttributeUpdates } from '../expressions/legacy.ts';
import { project } from '../expressions/projection.ts';
import { parseUpdate } from '../expressions/update-parser.ts';
import { openTable } from '../lookup.ts';
import { present, presentItem } from '../stored.ts';
import { readItem } from '../values.ts';
import type { Context } from '../../../kernel/context.ts';
import { checkConditionalOperator, checkMixture, RequestExpressions, readWriteCondition } from './expressions.ts';
import { checkWriteMembers, returnValues, returnValuesShown } from './put.ts';
import { checkWrite, describeCollection, type Effect, performWrite, type WriteRequest, type Written } from './write.ts';

/** Reads an update: key, update, condition. Throws ValidationException. */
function readUpdate(input: UpdateItemInput): WriteRequest {
  readTableName(input.TableName);
  // The first of the members is told alone.
  new RequestChecks().oneOfUnnamed(input.ReturnValues, returnValues, returnValuesShown).done();
  const checks = checkWriteMembers(new RequestChecks(), input);
  for (const [name, { Action: action }] of Object.entries(input.AttributeUpdates ?? {}))
    checks.oneOf(action, `attributeUpdates.${name}.member.action`, ['ADD', 'PUT', 'DELETE']);
  checks.done();
  checkMixture(input, ['UpdateExpression', 'ConditionExpression'], ['AttributeUpdates', 'Expected'], 'newer');
  checkConditionalOperator(input.ConditionalOperator, input.Expected, 'Expected');
  const key = readItem(input.Key ?? {});
  const updates = input.AttributeUpdates === undefined ? undefined : readAttributeUpdates(input.AttributeUpdates);
  const expressions = new RequestExpressions(input);
  const actions = expressions.parse('UpdateExpression', parseUpdate);
  const condition = readWriteCondition(expressions, input.Expected, input.ConditionalOperator);
  expressions.checkUsed();
  const effect: Effect =
    updates === undefined ? { kind: 'update', key, actions: actions ?? [] } : { kind: 'legacy', key, updates };
  return { effect, condition, showOnFailure: input.ReturnValuesOnConditionCheckFailure === 'ALL_OLD' };
}

function updatedPaths(effect: Effect): readonly Path[] {
  if (effect.kind === 'update') return effect.actions.map(({ path }) => path);
  return effect.kind === 'legacy' ? effect.updates.map(({ name }) => [name]) : [];
}

/** Attributes for ReturnValues. */
function returned(ctx: Context, mode: string | undefined, effect: Effect, { before, after }: Written) {
  const stored = mode === 'ALL_OLD' || mode === 'UPDATED_OLD' ? before : after;
  if (stored === undefined || mode === undefined || mode === 'NONE') return undefined;
  if (mode === 'ALL_OLD' || mode === 'ALL_NEW') return present(ctx, stored);
  const part = project(stored.item, updatedPaths(effect));
  return Object.keys(part).length === 0 ? undefined : presentItem(ctx, part);
}

export const updateHandlers: HandlersOf<DynamoDB> = {
  UpdateItem(input, ctx) {
    const request = enveloped(() => readUpdate(input));
    return ctx.transact(async (tx) => {
      const { scope, row: table } = await openTable(tx, ctx, readTableName(input.TableName));
      checkWrite(table, request);
      const written = await performWrite(tx, ctx, { scope, table }, request);
      const { effect } = request;
      const collection =
        input.ReturnItemCollectionMetrics === 'SIZE' && effect.kind !== 'put'
          ? await describeCollection(tx, { scope, table }, effect.key)
          : undefined;
      return {
        Attributes: returned(ctx, input.ReturnValues, effect, written),
        ConsumedCapacity: describeConsumption(input.ReturnConsumedCapacity, { name: input.TableName ?? '' }, written.used),
        ItemCollectionMetrics: collection,
      };
    });
  },
};
