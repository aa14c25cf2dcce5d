/**
 * TransactWriteItems and TransactGetItems: up to 100 actions on distinct items, all or nothing. Here every transaction runs alone, so AWS's conflicts
 * between transactions do not come up.
 */
import { createHash } from 'node:crypto';
import type {
  AttributeValue,
  CancellationReason,
  DynamoDB,
  ItemCollectionMetrics,
  TransactWriteItem,
  TransactWriteItemsOutput,
} from '@aws-sdk/client-dynamodb';
import type { Context, Transaction } from '../../../kernel/context.ts';
import { AwsError } from '../../../kernel/errors.ts';
import type { HandlersOf } from '../../../kernel/service.ts';
import type { Value as StoreValue } from '../../../store/store.ts';
import { Consumption, describeConsumption, writeUnits } from '../capacity.ts';
import { RequestChecks, readTableName, type TableAddress } from '../checks.ts';
import { validation } from '../errors.ts';
import type { Path } from '../expressions/ast.ts';
import { parseUpdate } from '../expressions/update-parser.ts';
import { itemKey } from '../keys.ts';
import { type OpenTable, openTable } from '../lookup.ts';
import { Tokens } from '../state.ts';
import { storeItem } from '../stored.ts';
import { type Item, itemSize, readItem } from '../values.ts';
import { checkMixture, RequestExpressions } from './expressions.ts';
import { presentPart, readOne } from './get.ts';
import { capacityModes } from './put.ts';
import { checkKey, checkKeyPaths } from './schema.ts';
import {
  checkPutSize,
  checkWrite,
  describeCollection,
  type Effect,
  keyItemOf,
  performWrite,
  type WriteRequest,
  type Written,
} from './write.ts';

const actionsMax = 100;
const requestBytesMax = 4 * 1024 * 1024;
/** "Idempotency": a token is remembered for ten minutes. */
const tokenMillis = 600_000;

/** One write of a transaction. */
export interface TransactAction {
  table: string;
  address: TableAddress;
  request: WriteRequest;
  /** An INSERT: an item that is there already has its own reason. */
  insert?: boolean;
}

function readAction(given: TransactWriteItem): TransactAction {
  const { Put, Delete, Update, ConditionCheck } = given;
  const actions = [Put, Delete, Update, ConditionCheck].filter((action) => action !== undefined);
  const action = actions[0];
  if (action === undefined || actions.length > 1)
    throw validation('TransactItems can only contain one of Check, Put, Update or Delete');
  checkMixture(action, Update === undefined ? ['ConditionExpression'] : ['UpdateExpression', 'ConditionExpression'], []);
  const expressions = new RequestExpressions(action, 'older');
  const effect = readEffect(given, expressions);
  checkPutSize(effect);
  const condition = expressions.condition('ConditionExpression');
  expressions.checkUsed();
  return {
    table: action.TableName ?? '',
    address: readTableName(action.TableName),
    request: { effect, condition, showOnFailure: action.ReturnValuesOnConditionCheckFailure === 'ALL_OLD' },
  };
}

function readEffect({ Put, Delete, Update, ConditionCheck }: TransactWriteItem, expressions: RequestExpressions): Effect {
  if (Put !== undefined) return { kind: 'put', stored: storeItem(readItem(Put.Item ?? {}, 'older')) };
  if (Delete !== undefined) return { kind: 'delete', key: readItem(Delete.Key ?? {}, 'older') };
  if (ConditionCheck !== undefined) return { kind: 'check', key: readItem(ConditionCheck.Key ?? {}, 'older') };
  const key = readItem(Update?.Key ?? {}, 'older');
  return { kind: 'update', key, actions: expressions.parse('UpdateExpression', parseUpdate) ?? [] };
}

const none: CancellationReason = { Code: 'None' };
const duplicate: CancellationReason = { Code: 'DuplicateItem', Message: 'Duplicate primary key exists in table' };
const reasonCodes: Readonly<Record<string, string>> = {
  ConditionalCheckFailedException: 'ConditionalCheckFailed',
  ValidationException: 'ValidationError',
  ProvisionedThroughputExceededException: 'ProvisionedThroughputExceeded',
  ThrottlingException: 'ThrottlingError',
};

/** Why an action cancels its transaction. Errors that end the whole request are thrown on. */
export function reasonOf(error: unknown): CancellationReason {
  const code = error instanceof AwsError ? reasonCodes[error.code] : undefined;
  if (!(error instanceof AwsError) || code === undefined) throw error;
  const item = error.members?.['Item'] as Record<string, AttributeValue> | undefined;
  return { Code: code, Message: error.message, ...(item === undefined ? {} : { Item: item }) };
}

/** Throws TransactionCanceledException unless no action gave a reason. */
export function checkReasons(reasons: readonly CancellationReason[]): void {
  if (reasons.every(({ Code }) => Code === 'None')) return;
  const codes = reasons.map(({ Code }) => Code).join(', ');
  throw new AwsError(
    'TransactionCanceledException',
    `Transaction cancelled, please refer cancellation reasons for specific reasons [${codes}]`,
    { members: { CancellationReasons: reasons } },
  );
}

/** Errors that are not the reason of one action: two actions on one item, and keys that nothing can have. */
function endsRequest(error: unknown): boolean {
  return (
    error instanceof AwsError && /^(Transaction request cannot|One or more parameter values are not valid\.)/.test(error.message)
  );
}

/** Carries out all actions in one transaction of the store. Throws TransactionCanceledException, and then nothing was written. */
export async function performActions(
  tx: Transaction,
  ctx: Context,
  actions: readonly TransactAction[],
): Promise<{ open: OpenTable; written: Written }[]> {
  const opened: OpenTable[] = [];
  for (const { address } of actions) opened.push(await openTable(tx, ctx, address));
  const reasons: CancellationReason[] = [];
  const done: { open: OpenTable; written: Written }[] = [];
  const seen = new Set<string>();
  for (const [at, { request, insert }] of actions.entries()) {
    const open = opened[at]!;
    try {
      checkWrite(open.row, request);
      const position = itemKey(open.row.space, keyItemOf(request.effect), open.row).join('\0');
      if (seen.has(position)) throw validation('Transaction request cannot include multiple operations on one item');
      seen.add(position);
      const written = await performWrite(tx, ctx, { scope: open.scope, table: open.row }, request);
      if (request.effect.kind === 'check') written.used.table = writeUnits(written.before?.size ?? 0);
      done.push({ open, written });
      reasons.push(none);
    } catch (error) {
      if (endsRequest(error)) throw error;
      const reason = reasonOf(error);
      reasons.push(insert === true && reason.Code === 'ConditionalCheckFailed' ? duplicate : reason);
    }
  }
  checkReasons(reasons);
  return done;
}

/** ConsumedCapacity by table, in the order in which the tables were named. */
export function describeAll(
  mode: string | undefined,
  uses: readonly { name: string; used: Consumption }[],
  kind: 'read' | 'write',
) {
  const byTable = new Map<string, Consumption>();
  for (const { name, used } of uses) {
    const sum = byTable.get(name) ?? new Consumption();
    sum.add(used.doubled());
    byTable.set(name, sum);
  }
  const described = [...byTable].map(([name, used]) => describeConsumption(mode, { name }, used, kind));
  return described[0] === undefined ? undefined : described.filter((entry) => entry !== undefined);
}

/** The answer given before to the same token, if there is one. Throws IdempotentParameterMismatchException for another request with it. */
export async function recallToken(
  tx: Transaction,
  ctx: Context,
  token: string,
  request: string,
): Promise<StoreValue | undefined> {
  const row = await tx.table(Tokens).get(token);
  if (row === undefined || row.expires <= ctx.now) return undefined;
  if (row.request !== request)
    throw new AwsError(
      'IdempotentParameterMismatchException',
      'The request uses the same client token as a previous, but non-identical request. Do not reuse a client token with different requests, unless the requests are identical',
    );
  return row.output;
}

/** Remembers the answer to a token. */
export async function keepToken(
  tx: Transaction,
  ctx: Context,
  token: string,
  request: string,
  output: StoreValue,
): Promise<void> {
  const first = await tx.table(Tokens).firstByIndex('byExpiry', []);
  await tx.table(Tokens).put({ token, request, expires: ctx.now + tokenMillis, output });
  if (first === undefined) await tx.schedule({ task: 'sweepTokens', key: 'tokens', due: ctx.now + tokenMillis });
}

/** Digest of a request, to tell whether a token comes with the same one again. */
export function digestRequest(request: unknown): string {
  const text = JSON.stringify(request, (_name, value: unknown) =>
    value instanceof Uint8Array ? Buffer.from(value).toString('base64') : value,
  );
  return createHash('sha256').update(text).digest('base64');
}

/** ReturnValuesOnConditionCheckFailure of each action. */
function checkShown(checks: RequestChecks, given: readonly TransactWriteItem[]): void {
  for (const [at, { ConditionCheck, Put, Delete, Update }] of given.entries())
    for (const [name, action] of Object.entries({ conditionCheck: ConditionCheck, put: Put, delete: Delete, update: Update }))
      checks.oneOf(
        action?.ReturnValuesOnConditionCheckFailure,
        `transactItems.${at + 1}.member.${name}.returnValuesOnConditionCheckFailure`,
        ['ALL_OLD', 'NONE'],
      );
}

function checkSize(actions: readonly TransactAction[]): void {
  const bytes = actions.reduce((sum, { request }) => sum + itemSize(keyItemOf(request.effect)), 0);
  if (bytes > requestBytesMax) throw validation('Collective size of items in transaction exceeds maximum allowed limit of 4 MB');
}

export const transactHandlers: HandlersOf<DynamoDB> = {
  TransactWriteItems(input, ctx) {
    const { TransactItems: given = [], ClientRequestToken: token } = input;
    const checks = new RequestChecks()
      .length(given, 'transactItems', 1, actionsMax)
      .length(token, 'clientRequestToken', 1, 36)
      .oneOf(input.ReturnConsumedCapacity, 'returnConsumedCapacity', capacityModes)
      .oneOf(input.ReturnItemCollectionMetrics, 'returnItemCollectionMetrics', ['SIZE', 'NONE']);
    checkShown(checks, given);
    checks.done();
    const actions = given.map(readAction);
    checkSize(actions);
    const request = token === undefined ? '' : digestRequest(given);
    return ctx.transact(async (tx): Promise<TransactWriteItemsOutput> => {
      const recalled = token === undefined ? undefined : await recallToken(tx, ctx, token, request);
      if (recalled !== undefined) return recalled as TransactWriteItemsOutput;
      const done = await performActions(tx, ctx, actions);
      const metrics: Record<string, ItemCollectionMetrics[]> = {};
      for (const [at, { open }] of done.entries()) {
        if (input.ReturnItemCollectionMetrics !== 'SIZE') break;
        const { table: name, request: write } = actions[at]!;
        const metric = await describeCollection(tx, { scope: open.scope, table: open.row }, keyItemOf(write.effect));
        if (metric !== undefined) metrics[name] = [...(metrics[name] ?? []), metric];
      }
      const output = {
        ConsumedCapacity: describeAll(
          input.ReturnConsumedCapacity,
          done.map(({ written }, at) => ({ name: actions[at]!.table, used: written.used })),
          'write',
        ),
        ItemCollectionMetrics: input.ReturnItemCollectionMetrics === 'SIZE' ? metrics : undefined,
      };
      if (token !== undefined) await keepToken(tx, ctx, token, request, output as StoreValue);
      return output;
    });
  },

  async TransactGetItems(input, ctx) {
    const { TransactItems: given = [] } = input;
    new RequestChecks()
      .length(given, 'transactItems', 1, actionsMax)
      .oneOf(input.ReturnConsumedCapacity, 'returnConsumedCapacity', capacityModes)
      .done();
    const gets = given.map(({ Get }) => {
      checkMixture(Get ?? {}, ['ProjectionExpression'], []);
      const expressions = new RequestExpressions(Get ?? {}, 'older');
      const paths = expressions.projection();
      expressions.checkUsed();
      return {
        name: Get?.TableName ?? '',
        address: readTableName(Get?.TableName),
        key: readItem(Get?.Key ?? {}, 'older'),
        paths,
      };
    });
    const opened: OpenTable[] = [];
    for (const { address } of gets) opened.push(await openTable(ctx, ctx, address));
    checkGets(gets, opened);
    const responses: { Item?: Record<string, AttributeValue> }[] = [];
    const uses: { name: string; used: Consumption }[] = [];
    const reasons: CancellationReason[] = [];
    for (const [at, { name, key, paths }] of gets.entries()) {
      try {
        const { stored, units } = await readOne(ctx, opened[at]!, key, true);
        const used = new Consumption();
        used.table = units;
        uses.push({ name, used });
        responses.push(stored === undefined ? {} : { Item: presentPart(ctx, stored, paths) });
        reasons.push(none);
      } catch (error) {
        reasons.push(reasonOf(error));
      }
    }
    checkReasons(reasons);
    return { Responses: responses, ConsumedCapacity: describeAll(input.ReturnConsumedCapacity, uses, 'read') };
  },
};

function checkGets(gets: readonly { key: Item; paths: readonly Path[] | undefined }[], opened: readonly OpenTable[]): void {
  const seen = new Set<string>();
  const reasons = gets.map(({ key, paths }, at) => {
    const { row } = opened[at]!;
    try {
      checkKey(row, key);
      if (paths !== undefined) checkKeyPaths(row, paths);
    } catch (error) {
      if (endsRequest(error)) throw error;
      return reasonOf(error);
    }
    const position = itemKey(row.space, key, row).join('\0');
    if (seen.has(position)) throw validation('Transaction request cannot include multiple operations on one item');
    seen.add(position);
    return none;
  });
  checkReasons(reasons);
}
