/** PutItem and DeleteItem. */
import type { DeleteItemInput, DynamoDB, PutItemInput } from '@aws-sdk/client-dynamodb';
import type { Context } from '../../../kernel/context.ts';
import type { HandlersOf } from '../../../kernel/service.ts';
import { describeConsumption } from '../capacity.ts';
import { enveloped, RequestChecks, readTableName } from '../checks.ts';
import { validation } from '../errors.ts';
import { openTable } from '../lookup.ts';
import { present, storeItem } from '../stored.ts';
import { readItem } from '../values.ts';
import { checkConditionalOperator, checkMixture, RequestExpressions, readWriteCondition } from './expressions.ts';
import {
  checkPutSize,
  checkWrite,
  describeCollection,
  type Effect,
  keyItemOf,
  performWrite,
  type WriteRequest,
} from './write.ts';

export const returnValues = ['ALL_NEW', 'UPDATED_OLD', 'ALL_OLD', 'NONE', 'UPDATED_NEW'] as const;
/** As AWS lists them in its refusal, one of them misspelt. */
export const returnValuesShown = ['ALL_OLD', 'UPDATED_OLD', 'ALL_NEW', 'UPDATE_NEW', 'NONE'] as const;
export const capacityModes = ['INDEXES', 'TOTAL', 'NONE'] as const;

/** The members that all single writes have. */
export function checkWriteMembers(checks: RequestChecks, input: PutItemInput | DeleteItemInput): RequestChecks {
  return checks
    .oneOf(input.ReturnConsumedCapacity, 'returnConsumedCapacity', capacityModes)
    .oneOfUnnamed(input.ReturnValues, returnValues, returnValuesShown)
    .oneOf(input.ReturnItemCollectionMetrics, 'returnItemCollectionMetrics', ['SIZE', 'NONE'])
    .oneOf(input.ConditionalOperator, 'conditionalOperator', ['OR', 'AND'])
    .oneOf(input.ReturnValuesOnConditionCheckFailure, 'returnValuesOnConditionCheckFailure', ['ALL_OLD', 'NONE']);
}

type SingleWrite = PutItemInput | DeleteItemInput;

/** Puts or deletes one item: the parts that both share. */
async function write(ctx: Context, input: SingleWrite, request: WriteRequest) {
  checkPutSize(request.effect);
  const address = readTableName(input.TableName);
  return ctx.transact(async (tx) => {
    const { scope, row: table } = await openTable(tx, ctx, address);
    checkWrite(table, request);
    const { before, used } = await performWrite(tx, ctx, { scope, table }, request);
    const collection =
      input.ReturnItemCollectionMetrics === 'SIZE'
        ? await describeCollection(tx, { scope, table }, keyItemOf(request.effect))
        : undefined;
    return {
      Attributes: input.ReturnValues === 'ALL_OLD' && before !== undefined ? present(ctx, before) : undefined,
      ConsumedCapacity: describeConsumption(input.ReturnConsumedCapacity, { name: input.TableName ?? '' }, used),
      ItemCollectionMetrics: collection,
    };
  });
}

function checkReturned(input: SingleWrite): void {
  if (input.ReturnValues !== undefined && input.ReturnValues !== 'NONE' && input.ReturnValues !== 'ALL_OLD')
    throw validation('ReturnValues can only be ALL_OLD or NONE');
}

/** What both say of their condition and of what is returned. Throws ValidationException. */
function readConditional(input: SingleWrite, effect: () => Effect): WriteRequest {
  readTableName(input.TableName);
  checkWriteMembers(new RequestChecks(), input).done();
  checkMixture(input, ['ConditionExpression'], ['Expected'], 'newer');
  checkConditionalOperator(input.ConditionalOperator, input.Expected, 'Expected');
  const read = effect();
  checkReturned(input);
  const expressions = new RequestExpressions(input);
  const condition = readWriteCondition(expressions, input.Expected, input.ConditionalOperator);
  expressions.checkUsed();
  return { effect: read, condition, showOnFailure: input.ReturnValuesOnConditionCheckFailure === 'ALL_OLD' };
}

export const putHandlers: HandlersOf<DynamoDB> = {
  PutItem(input, ctx) {
    const effect = (): Effect => ({ kind: 'put', stored: storeItem(readItem(input.Item ?? {})) });
    return write(
      ctx,
      input,
      enveloped(() => readConditional(input, effect)),
    );
  },

  DeleteItem(input, ctx) {
    const effect = (): Effect => ({ kind: 'delete', key: readItem(input.Key ?? {}) });
    return write(
      ctx,
      input,
      enveloped(() => readConditional(input, effect)),
    );
  },
};
