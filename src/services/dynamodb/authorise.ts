/**
 * What each operation is authorised on, and with which condition values: the partition keys, attributes and return values that fine-grained policies ask
 * for ("Using IAM policy conditions for fine-grained access control"). Tables bring their resource policy along.
 */
import type { AttributeValue, DynamoDB, TransactWriteItem } from '@aws-sdk/client-dynamodb';
import type { Context } from '../../kernel/context.ts';
import type { AuthorisationsOf, Check } from '../../kernel/service.ts';
import { readTableName, type TableAddress } from './checks.ts';
import { tokenise } from './expressions/lexer.ts';
import { findTable, scopeOf } from './lookup.ts';
import { statementCheck } from './partiql/execute.ts';
import type { TableRow } from './state.ts';
import { tableArn } from './tables/create.ts';

function addressOf(given: string | undefined): TableAddress | undefined {
  try {
    return readTableName(given);
  } catch {
    // The handler refuses the name in its own words.
    return undefined;
  }
}

interface Resource {
  arn: string;
  account: string | undefined;
  row: TableRow | undefined;
}

/** The table, or the index, that a request names. */
async function resourceOf(ctx: Context, given: string | undefined, index?: string): Promise<Resource> {
  const address = addressOf(given);
  if (address === undefined) return { arn: '*', account: undefined, row: undefined };
  const scope = scopeOf(ctx, address);
  const row = await findTable(ctx, scope, address.name, ctx.now);
  const arn = row?.arn ?? tableArn(scope, address.name);
  return { arn: index === undefined ? arn : `${arn}/index/${index}`, account: scope.account, row };
}

type GivenItem = Readonly<Record<string, unknown>>;

/** The members of item requests that conditions look at. */
interface ItemRequest {
  TableName?: string | undefined;
  IndexName?: string | undefined;
  Key?: GivenItem | undefined;
  Keys?: readonly GivenItem[] | undefined;
  Item?: GivenItem | undefined;
  AttributesToGet?: readonly string[] | undefined;
  AttributeUpdates?: GivenItem | undefined;
  Expected?: GivenItem | undefined;
  KeyConditions?: Readonly<Record<string, { AttributeValueList?: readonly unknown[] | undefined }>> | undefined;
  QueryFilter?: GivenItem | undefined;
  ScanFilter?: GivenItem | undefined;
  ProjectionExpression?: string | undefined;
  FilterExpression?: string | undefined;
  KeyConditionExpression?: string | undefined;
  ConditionExpression?: string | undefined;
  UpdateExpression?: string | undefined;
  ExpressionAttributeNames?: Readonly<Record<string, string>> | undefined;
  ExpressionAttributeValues?: GivenItem | undefined;
  Select?: string | undefined;
  ReturnValues?: string | undefined;
  ReturnConsumedCapacity?: string | undefined;
}

const keywords = new Set(['AND', 'OR', 'NOT', 'BETWEEN', 'IN', 'SET', 'REMOVE', 'ADD', 'DELETE']);

/** Attributes that an expression names at its top level. */
function namesIn(text: string | undefined, placeholders: ItemRequest['ExpressionAttributeNames']): string[] {
  if (text === undefined) return [];
  let tokens: ReturnType<typeof tokenise>;
  try {
    tokens = tokenise(text);
  } catch {
    return [];
  }
  return tokens.flatMap(({ kind, text: name }, at) => {
    if (tokens[at - 1]?.text === '.') return [];
    if (kind === 'nameRef') return placeholders?.[name] ?? [];
    return kind === 'name' && tokens[at + 1]?.text !== '(' && !keywords.has(name.toUpperCase()) ? [name] : [];
  });
}

function attributesOf(request: ItemRequest): string[] {
  const maps = [
    request.Key,
    request.Item,
    request.AttributeUpdates,
    request.Expected,
    request.KeyConditions,
    request.QueryFilter,
    request.ScanFilter,
  ];
  const expressions = [
    request.ProjectionExpression,
    request.FilterExpression,
    request.KeyConditionExpression,
    request.ConditionExpression,
    request.UpdateExpression,
  ];
  return [
    ...new Set([
      ...maps.flatMap((map) => Object.keys(map ?? {})),
      ...(request.Keys ?? []).flatMap((key) => Object.keys(key)),
      ...(request.AttributesToGet ?? []),
      ...expressions.flatMap((text) => namesIn(text, request.ExpressionAttributeNames)),
    ]),
  ];
}

/** A key value as conditions see it: the text of its string, number or base64. */
function keyText(value: unknown): string[] {
  const held = Object.values((value ?? {}) as Record<string, unknown>)[0];
  if (typeof held === 'string') return [held];
  return held instanceof Uint8Array ? [Buffer.from(held).toString('base64')] : [];
}

/** Values that a key condition expression sets the partition key equal to. */
function queriedKeys(request: ItemRequest, hash: string): string[] {
  const legacy = request.KeyConditions?.[hash]?.AttributeValueList ?? [];
  if (request.KeyConditionExpression === undefined) return legacy.flatMap(keyText);
  const names = request.ExpressionAttributeNames;
  let tokens: ReturnType<typeof tokenise>;
  try {
    tokens = tokenise(request.KeyConditionExpression);
  } catch {
    return [];
  }
  const isHash = (at: number): boolean => {
    const token = tokens[at];
    return (token?.kind === 'name' && token.text === hash) || (token?.kind === 'nameRef' && names?.[token.text] === hash);
  };
  return tokens.flatMap(({ kind, text }, at) => {
    if (kind !== 'symbol' || text !== '=') return [];
    const value = isHash(at - 1) ? tokens[at + 1] : isHash(at + 1) ? tokens[at - 1] : undefined;
    return value?.kind === 'valueRef' ? keyText(request.ExpressionAttributeValues?.[value.text]) : [];
  });
}

function leadingKeys(request: ItemRequest, row: TableRow | undefined): string[] | undefined {
  if (row === undefined) return undefined;
  const hash = row.indexes.find(({ name }) => name === request.IndexName)?.hash ?? row.hash;
  const items = [request.Key, request.Item, ...(request.Keys ?? [])].filter((item) => item !== undefined);
  const keys = [...items.flatMap((item) => keyText(item[hash])), ...queriedKeys(request, hash)];
  return keys.length === 0 ? undefined : keys;
}

function selectOf(request: ItemRequest): string | undefined {
  if (request.Select !== undefined) return request.Select;
  const some = request.ProjectionExpression !== undefined || request.AttributesToGet !== undefined;
  if (some) return 'SPECIFIC_ATTRIBUTES';
  return request.IndexName === undefined ? 'ALL_ATTRIBUTES' : 'ALL_PROJECTED_ATTRIBUTES';
}

/** The check of one item request. Root, in its own account and without a resource policy, is not asked for conditions. */
async function itemCheck(ctx: Context, request: ItemRequest, more: Partial<Check> = {}, reads = false): Promise<Check> {
  const { arn, account, row } = await resourceOf(ctx, request.TableName, request.IndexName);
  const policy = row?.policy?.document;
  const base: Check = { resource: arn, resourceAccount: account, resourcePolicy: policy, ...more };
  if (ctx.caller.kind === 'root' && policy === undefined) return base;
  const conditions = {
    'dynamodb:LeadingKeys': leadingKeys(request, row),
    'dynamodb:Attributes': attributesOf(request),
    'dynamodb:Select': reads ? selectOf(request) : undefined,
    'dynamodb:ReturnValues': reads ? undefined : (request.ReturnValues ?? 'NONE'),
    'dynamodb:ReturnConsumedCapacity': request.ReturnConsumedCapacity,
    ...more.conditions,
  };
  return { ...base, conditions };
}

const onItem = async (input: ItemRequest, ctx: Context): Promise<Check[]> => [await itemCheck(ctx, input)];
const onRead = async (input: ItemRequest, ctx: Context): Promise<Check[]> => [await itemCheck(ctx, input, {}, true)];
const onScan = async (input: ItemRequest, ctx: Context): Promise<Check[]> => [
  await itemCheck(ctx, input, { conditions: { 'dynamodb:FullTableScan': 'true' } }, true),
];

const onTable = async (input: { TableName?: string | undefined }, ctx: Context): Promise<Check[]> => {
  const { arn, account, row } = await resourceOf(ctx, input.TableName);
  return [{ resource: arn, resourceAccount: account, resourcePolicy: row?.policy?.document }];
};

/** Resources given by their ARN: tables, streams, backups, exports. */
const onArn = async (arn: string | undefined, ctx: Context): Promise<Check[]> => {
  const table = /^(arn:[^:]+:dynamodb:[^:]+:\d+:table\/[^/]+)$/.exec(arn ?? '');
  if (table === null) return [{ resource: arn ?? '*' }];
  const { account, row } = await resourceOf(ctx, arn);
  return [{ resource: arn!, resourceAccount: account, resourcePolicy: row?.policy?.document }];
};

function transactCheck(ctx: Context, { Put, Delete, Update, ConditionCheck }: TransactWriteItem): Promise<Check> {
  const enclosing = (action: string) => ({
    action: `dynamodb:${action}`,
    conditions: { 'dynamodb:EnclosingOperation': 'TransactWriteItems' },
  });
  if (Put !== undefined) return itemCheck(ctx, Put, enclosing('PutItem'));
  if (Delete !== undefined) return itemCheck(ctx, Delete, enclosing('DeleteItem'));
  if (Update !== undefined) return itemCheck(ctx, Update, enclosing('UpdateItem'));
  return itemCheck(ctx, ConditionCheck ?? {}, enclosing('ConditionCheckItem'));
}

function onStatements(
  statements: readonly { Statement?: string | undefined; Parameters?: readonly AttributeValue[] | undefined }[] | undefined,
  ctx: Context,
): Promise<Check[]> {
  const checkOf = (request: ItemRequest, action: string) => itemCheck(ctx, request, { action });
  const all = (statements ?? []).map(({ Statement, Parameters }) => statementCheck(Statement, Parameters, checkOf));
  return Promise.all(all).then((lists) => lists.flat());
}

export const checks: AuthorisationsOf<DynamoDB> = {
  ExecuteStatement: (input, ctx) => onStatements([input], ctx),
  BatchExecuteStatement: (input, ctx) => onStatements(input.Statements, ctx),
  ExecuteTransaction: (input, ctx) => onStatements(input.TransactStatements, ctx),
  CreateTable: onTable,
  DescribeTable: onTable,
  UpdateTable: onTable,
  DeleteTable: onTable,
  UpdateTimeToLive: onTable,
  DescribeTimeToLive: onTable,
  UpdateContinuousBackups: onTable,
  DescribeContinuousBackups: onTable,
  CreateBackup: onTable,
  RestoreTableToPointInTime: (input, ctx) => onTable({ TableName: input.SourceTableName ?? input.SourceTableArn }, ctx),
  RestoreTableFromBackup: (input, ctx) => onArn(input.BackupArn, ctx),
  ListImports: (input, ctx) => (input.TableArn === undefined ? [{ resource: '*' }] : onArn(input.TableArn, ctx)),
  ListExports: (input, ctx) => (input.TableArn === undefined ? [{ resource: '*' }] : onArn(input.TableArn, ctx)),
  ExportTableToPointInTime: (input, ctx) => onArn(input.TableArn, ctx),
  DescribeExport: (input, ctx) => onArn(input.ExportArn, ctx),
  ImportTable: (input, ctx) => onTable({ TableName: input.TableCreationParameters?.TableName }, ctx),
  DescribeImport: (input, ctx) => onArn(input.ImportArn, ctx),
  DescribeBackup: (input, ctx) => onArn(input.BackupArn, ctx),
  DeleteBackup: (input, ctx) => onArn(input.BackupArn, ctx),
  PutResourcePolicy: (input, ctx) => onArn(input.ResourceArn, ctx),
  GetResourcePolicy: (input, ctx) => onArn(input.ResourceArn, ctx),
  DeleteResourcePolicy: (input, ctx) => onArn(input.ResourceArn, ctx),
  TagResource: (input, ctx) => onArn(input.ResourceArn, ctx),
  UntagResource: (input, ctx) => onArn(input.ResourceArn, ctx),
  ListTagsOfResource: (input, ctx) => onArn(input.ResourceArn, ctx),
  PutItem: onItem,
  UpdateItem: onItem,
  DeleteItem: onItem,
  GetItem: onRead,
  Query: onRead,
  Scan: onScan,
  BatchGetItem: (input, ctx) =>
    Promise.all(
      Object.entries(input.RequestItems ?? {}).map(([TableName, given]) => itemCheck(ctx, { ...given, TableName }, {}, true)),
    ),
  BatchWriteItem: (input, ctx) =>
    Promise.all(
      Object.entries(input.RequestItems ?? {}).map(([TableName, writes]) =>
        itemCheck(ctx, {
          TableName,
          Keys: writes.map(({ PutRequest, DeleteRequest }) => PutRequest?.Item ?? DeleteRequest?.Key ?? {}),
        }),
      ),
    ),
  TransactWriteItems: (input, ctx) => Promise.all((input.TransactItems ?? []).map((item) => transactCheck(ctx, item))),
  TransactGetItems: (input, ctx) =>
    Promise.all(
      (input.TransactItems ?? []).map(({ Get }) =>
        itemCheck(
          ctx,
          Get ?? {},
          { action: 'dynamodb:GetItem', conditions: { 'dynamodb:EnclosingOperation': 'TransactGetItems' } },
          true,
        ),
      ),
    ),
};
