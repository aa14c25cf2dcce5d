/** ExecuteStatement, BatchExecuteStatement and ExecuteTransaction. */
import type {
  AttributeValue,
  BatchStatementRequest,
  BatchStatementResponse,
  ConsumedCapacity,
  DynamoDB,
  ParameterizedStatement,
  ReturnConsumedCapacity,
} from '@aws-sdk/client-dynamodb';
import { formatPageToken, parsePageToken } from '../../../base/paging.ts';
import type { Context, Transaction } from '../../../kernel/context.ts';
import { AwsError } from '../../../kernel/errors.ts';
import type { Check, HandlersOf } from '../../../kernel/service.ts';
import type { Value as StoreValue } from '../../../store/store.ts';
import { Consumption, describeConsumption } from '../capacity.ts';
import { RequestChecks, readTableName } from '../checks.ts';
import { validation } from '../errors.ts';
import type { Condition } from '../expressions/ast.ts';
import { meets } from '../expressions/evaluate.ts';
import { project } from '../expressions/projection.ts';
import { presentPart, readOne } from '../items/get.ts';
import { readPage, type PageSource } from '../items/pages.ts';
import { capacityModes } from '../items/put.ts';
import { keyNamesOf } from '../items/schema.ts';
import {
  checkReasons,
  describeAll,
  digestRequest,
  keepToken,
  performActions,
  reasonOf,
  recallToken,
  type TransactAction,
} from '../items/transact.ts';
import { checkWrite, performWrite, type WriteRequest, type Written, checkPutSize, type Effect } from '../items/write.ts';
import { partitionKey } from '../keys.ts';
import { type OpenTable, openTable, requireIndex } from '../lookup.ts';
import { admit } from '../meter.ts';
import type { TableRow } from '../state.ts';
import { present, presentItem, storeItem } from '../stored.ts';
import { emptyItem, type Item, readItem, readValue, type Value } from '../values.ts';
import { parseStatement, type Statement } from './parser.ts';

const statementsMax = 25;
const transactMax = 100;
type Select = Extract<Statement, { kind: 'select' }>;
type Write = Exclude<Statement, { kind: 'select' }>;

function read(statement: string | undefined, parameters: readonly AttributeValue[] | undefined): Statement {
  return parseStatement(
    statement ?? '',
    (parameters ?? []).map((value) => readValue(value)),
  );
}

/** Attributes that a condition sets equal to a value, whatever else it asks. */
function equalities(condition: Condition | undefined, found: Item = emptyItem()): Item {
  if (condition?.kind === 'and') {
    equalities(condition.left, found);
    equalities(condition.right, found);
  }
  if (condition?.kind !== 'compare' || condition.operator !== '=') return found;
  const { left, right } = condition;
  const [path, value] = left.kind === 'path' ? [left, right] : [right, left];
  if (path.kind === 'path' && path.path.length === 1 && value.kind === 'value') found[path.path[0] as string] = value.value;
  return found;
}

/** The whole primary key that a condition asks for. Throws ValidationException when it does not. */
function wholeKey(table: TableRow, where: Condition): Item {
  const equal = equalities(where);
  const key = emptyItem();
  for (const name of keyNamesOf(table)) {
    const value: Value | undefined = equal[name];
    if (value === undefined) throw validation('Where clause does not contain a mandatory equality on all key attributes');
    key[name] = value;
  }
  return key;
}

/** A write as the item operations do it. An update is of an item that is there. */
function writeOf(table: TableRow, statement: Write, showOnFailure: boolean): WriteRequest {
  const exists = (wanted: boolean): Condition => ({ kind: 'exists', path: [table.hash], wanted });
  if (statement.kind === 'insert') {
    const effect: Effect = { kind: 'put', stored: storeItem(statement.item) };
    checkPutSize(effect);
    return { effect, condition: exists(false), showOnFailure };
  }
  const key = wholeKey(table, statement.where);
  // Deleting what is not there is no failure.
  if (statement.kind === 'delete') {
    const condition: Condition = { kind: 'or', left: exists(false), right: statement.where };
    return { effect: { kind: 'delete', key }, condition, showOnFailure };
  }
  const condition: Condition = { kind: 'and', left: exists(true), right: statement.where };
  return { effect: { kind: 'update', key, actions: statement.actions }, condition, showOnFailure };
}

async function runWrite(
  tx: Transaction,
  ctx: Context,
  open: OpenTable,
  statement: Write,
  showOnFailure: boolean,
): Promise<Written> {
  const request = writeOf(open.row, statement, showOnFailure);
  checkWrite(open.row, request);
  try {
    return await performWrite(tx, ctx, { scope: open.scope, table: open.row }, request);
  } catch (error) {
    if (statement.kind === 'insert' && error instanceof AwsError && error.code === 'ConditionalCheckFailedException')
      throw new AwsError('DuplicateItemException', 'Duplicate primary key exists in table');
    throw error;
  }
}

function returned(ctx: Context, statement: Write, { before, after }: Written): Record<string, AttributeValue>[] {
  const mode = statement.kind === 'insert' ? undefined : statement.returning;
  const stored = mode === 'ALL_OLD' || mode === 'UPDATED_OLD' ? before : after;
  if (mode === undefined || stored === undefined) return [];
  if (mode.startsWith('ALL') || statement.kind !== 'update') return [present(ctx, stored)];
  return [
    presentItem(
      ctx,
      project(
        stored.item,
        statement.actions.map(({ path }) => path),
      ),
    ),
  ];
}

const tokenScope = 'dynamodb:ExecuteStatement';

interface Reading {
  consistent: boolean;
  limit?: number | undefined;
  token?: string | undefined;
  /** ReturnValuesOnConditionCheckFailure. */
  showOnFailure: boolean;
}

/** A SELECT: a query when the partition key is given, else a scan. */
async function runSelect(ctx: Context, statement: Select, { consistent, limit, token }: Reading) {
  const open = await openTable(ctx, ctx, readTableName(statement.table));
  const { row: table } = open;
  if (statement.index !== undefined && !table.indexes.some(({ name }) => name === statement.index))
    throw validation('The table does not have the specified index');
  const index = statement.index === undefined ? undefined : requireIndex(table, statement.index, ctx.clock.now());
  if (index?.global === true && consistent)
    throw validation('Strongly consistent read is not supported on Global Secondary Indexes');
  const hash = equalities(statement.where)[(index ?? table).hash];
  const space = index?.space ?? table.space;
  const source: PageSource = {
    open,
    index,
    prefix: hash === undefined ? [space] : partitionKey(space, hash),
    reverse: false,
    consistent,
  };
  const start = token === undefined ? undefined : parsePageToken(tokenScope, token)?.[0];
  if (token !== undefined && typeof start !== 'string') throw validation('Invalid NextToken');
  admit(ctx, { kind: 'read', table, index, hash, eventual: !consistent });
  const page = await readPage(ctx, source, {
    limit,
    start: start === undefined ? undefined : (JSON.parse(start as string) as Item),
    filter: statement.where,
    paths: statement.paths,
    countOnly: false,
    fetch: false,
  });
  const last = page.LastEvaluatedKey;
  return {
    Items: page.Items ?? [],
    LastEvaluatedKey: last,
    NextToken: last === undefined ? undefined : formatPageToken(tokenScope, [JSON.stringify(readItem(last))]),
    used: page.used,
  };
}

async function runOne(ctx: Context, statement: Statement, reading: Reading, mode: ReturnConsumedCapacity | undefined) {
  if (statement.kind === 'select') {
    const { used, ...page } = await runSelect(ctx, statement, reading);
    return { ...page, ConsumedCapacity: describeConsumption(mode, { name: statement.table }, used) };
  }
  return ctx.transact(async (tx) => {
    const open = await openTable(tx, ctx, readTableName(statement.table));
    const written = await runWrite(tx, ctx, open, statement, reading.showOnFailure);
    return {
      Items: returned(ctx, statement, written),
      ConsumedCapacity: describeConsumption(mode, { name: statement.table }, written.used),
    };
  });
}

/** One statement of a batch: its answer, or its error. */
async function runInBatch(
  ctx: Context,
  one: BatchStatementRequest,
  mode: ReturnConsumedCapacity | undefined,
): Promise<{ response: BatchStatementResponse; consumed?: ConsumedCapacity | undefined }> {
  let table: string | undefined;
  try {
    const statement = read(one.Statement, one.Parameters);
    table = statement.table;
    if (statement.kind === 'select') {
      const open = await openTable(ctx, ctx, readTableName(statement.table));
      wholeKey(open.row, statement.where ?? { kind: 'always' });
    }
    const reading = { consistent: one.ConsistentRead === true, showOnFailure: shows(one) };
    const { Items, ConsumedCapacity: consumed } = await runOne(ctx, statement, reading, mode);
    return { response: { TableName: table, ...(Items[0] === undefined ? {} : { Item: Items[0] }) }, consumed };
  } catch (error) {
    if (!(error instanceof AwsError)) throw error;
    const code = error.code.replace(/Exception$/, '').replace(/^Validation$/, 'ValidationError');
    const item = error.members?.['Item'] as Record<string, AttributeValue> | undefined;
    const shown = item === undefined ? {} : { Item: item };
    return { response: { TableName: table, Error: { Code: code as 'ValidationError', Message: error.message, ...shown } } };
  }
}

async function readAll(ctx: Context, statements: readonly Select[], mode: ReturnConsumedCapacity | undefined) {
  const responses: { Item?: Record<string, AttributeValue> }[] = [];
  const uses: { name: string; used: Consumption }[] = [];
  for (const statement of statements) {
    const open = await openTable(ctx, ctx, readTableName(statement.table));
    const key = wholeKey(open.row, statement.where ?? { kind: 'always' });
    const { stored, units } = await readOne(ctx, open, key, true);
    const used = new Consumption();
    used.table = units;
    uses.push({ name: statement.table, used });
    const found = stored !== undefined && meets(stored.item, statement.where ?? { kind: 'always' });
    responses.push(found ? { Item: presentPart(ctx, stored, statement.paths) } : {});
  }
  return { Responses: responses, ConsumedCapacity: describeAll(mode, uses, 'read') };
}

/** The statements of a transaction as the actions of TransactWriteItems. */
async function actionsOf(
  tx: Transaction,
  ctx: Context,
  statements: readonly Statement[],
  given: readonly ParameterizedStatement[],
): Promise<TransactAction[]> {
  const actions: TransactAction[] = [];
  for (const [at, statement] of statements.entries()) {
    const address = readTableName(statement.table);
    const { row } = await openTable(tx, ctx, address);
    try {
      actions.push({
        table: statement.table,
        address,
        request: requestOf(row, statement, shows(given[at]!)),
        insert: statement.kind === 'insert',
      });
    } catch (error) {
      checkReasons(statements.map((other) => (other === statement ? reasonOf(error) : { Code: 'None' })));
    }
  }
  return actions;
}

function requestOf(row: TableRow, statement: Statement, showOnFailure: boolean): WriteRequest {
  if (statement.kind !== 'select') return writeOf(row, statement, showOnFailure);
  const where = statement.where ?? { kind: 'always' };
  const exists: Condition = { kind: 'exists', path: [row.hash], wanted: true };
  return {
    effect: { kind: 'check', key: wholeKey(row, where) },
    condition: { kind: 'and', left: exists, right: where },
    showOnFailure,
  };
}

/** Whether a statement wants the item on which its condition fails. */
function shows(given: { ReturnValuesOnConditionCheckFailure?: string | undefined }): boolean {
  return given.ReturnValuesOnConditionCheckFailure === 'ALL_OLD';
}

function checkShown(checks: RequestChecks, given: readonly ParameterizedStatement[], path: string): RequestChecks {
  for (const [at, { ReturnValuesOnConditionCheckFailure: shown }] of given.entries())
    checks.oneOf(shown, `${path}.${at + 1}.member.returnValuesOnConditionCheckFailure`, ['ALL_OLD', 'NONE']);
  return checks;
}

export const statementHandlers: HandlersOf<DynamoDB> = {
  ExecuteStatement(input, ctx) {
    new RequestChecks()
      .length(input.Statement, 'statement', 1, 8192)
      .atLeast(input.Limit, 'limit', 1)
      .oneOf(input.ReturnConsumedCapacity, 'returnConsumedCapacity', capacityModes)
      .oneOf(input.ReturnValuesOnConditionCheckFailure, 'returnValuesOnConditionCheckFailure', ['ALL_OLD', 'NONE'])
      .done();
    const statement = read(input.Statement, input.Parameters);
    if (statement.kind === 'select' && statement.exists)
      throw validation('EXISTS can only be used in ExecuteTransaction write requests.');
    const reading = {
      consistent: input.ConsistentRead === true,
      limit: input.Limit,
      token: input.NextToken,
      showOnFailure: shows(input),
    };
    return runOne(ctx, statement, reading, input.ReturnConsumedCapacity);
  },

  async BatchExecuteStatement(input, ctx) {
    const { Statements: given = [], ReturnConsumedCapacity: mode } = input;
    const checks = new RequestChecks().length(given, 'statements', 1, statementsMax);
    checkShown(checks, given, 'statements').oneOf(mode, 'returnConsumedCapacity', capacityModes).done();
    const reads = given.filter(({ Statement: text }) => /^\s*select\b/i.test(text ?? '')).length;
    if (reads > 0 && reads < given.length) throw validation('Batch statements must be all reads or all writes');
    const Responses: BatchStatementResponse[] = [];
    const capacity: ConsumedCapacity[] = [];
    for (const one of given) {
      const { response, consumed } = await runInBatch(ctx, one, mode);
      Responses.push(response);
      if (consumed !== undefined) capacity.push(consumed);
    }
    return { Responses, ConsumedCapacity: mode === 'TOTAL' || mode === 'INDEXES' ? capacity : undefined };
  },

  ExecuteTransaction(input, ctx) {
    const { TransactStatements: given = [], ClientRequestToken: token } = input;
    const checks = new RequestChecks()
      .length(given, 'transactStatements', 1, transactMax)
      .length(token, 'clientRequestToken', 1, 36);
    checkShown(checks, given, 'transactStatements')
      .oneOf(input.ReturnConsumedCapacity, 'returnConsumedCapacity', capacityModes)
      .done();
    const statements = given.map((one) => read(one.Statement, one.Parameters));
    const selects = statements.filter((statement): statement is Select => statement.kind === 'select' && !statement.exists);
    if (selects.length === statements.length) return readAll(ctx, selects, input.ReturnConsumedCapacity);
    if (selects.length > 0) throw validation('Transaction statements must be all reads or all writes');
    const request = digestRequest(given);
    return ctx.transact(async (tx) => {
      const recalled = token === undefined ? undefined : await recallToken(tx, ctx, token, request);
      if (recalled !== undefined) return recalled as { Responses: [] };
      const actions = await actionsOf(tx, ctx, statements, given);
      const done = await performActions(tx, ctx, actions);
      const uses = done.map(({ written }, at) => ({ name: actions[at]!.table, used: written.used }));
      const output = {
        Responses: actions.map(() => ({})),
        ConsumedCapacity: describeAll(input.ReturnConsumedCapacity, uses, 'write'),
      };
      if (token !== undefined) await keepToken(tx, ctx, token, request, output as StoreValue);
      return output;
    });
  },
};

const actions = { select: 'PartiQLSelect', insert: 'PartiQLInsert', update: 'PartiQLUpdate', delete: 'PartiQLDelete' } as const;

/** What a statement is authorised on: its own action, on its table or index. A statement that cannot be read is refused by the handler. */
export async function statementCheck(
  statement: string | undefined,
  parameters: readonly AttributeValue[] | undefined,
  checkOf: (request: { TableName: string; IndexName?: string | undefined }, action: string) => Promise<Check>,
): Promise<Check[]> {
  let parsed: Statement;
  try {
    parsed = read(statement, parameters);
  } catch {
    return [];
  }
  const IndexName = parsed.kind === 'select' ? parsed.index : undefined;
  return [await checkOf({ TableName: parsed.table, IndexName }, `dynamodb:${actions[parsed.kind]}`)];
}
