/** CreateTable, and making the row of a table, which restoring and replicating do too. */
import type { CreateTableInput, DynamoDB, StreamSpecification } from '@aws-sdk/client-dynamodb';
import { formatArn } from '../../../base/arn.ts';
import type { Millis } from '../../../base/clock.ts';
import type { Context, Scope, Transaction } from '../../../kernel/context.ts';
import { parameterNotImplemented } from '../../../kernel/errors.ts';
import type { HandlersOf } from '../../../kernel/service.ts';
import type { KmsApi } from '../../kms/api.ts';
import { checkName, RequestChecks } from '../checks.ts';
import { inUse, invalidParameters, limitExceeded, validation } from '../errors.ts';
import { findTable } from '../lookup.ts';
import { type StreamSetting, type StreamView, type TableRow, Tables } from '../state.ts';
import { startStream } from '../streams/streams.ts';
import {
  checkDefinitionMembers,
  checkIndexMembers,
  checkKeySchemaMembers,
  checkThroughputMembers,
  readDefinitions,
  readIndexes,
  readKeySchema,
  readOnDemand,
  readThroughput,
} from './definition.ts';
import { describeTable } from './describe.ts';
import { readTags } from './tags.ts';

/** How long a table is CREATING or UPDATING when nothing has to be done for it, in cloud time. Items cannot be used meanwhile, as in AWS. */
export const transitionMillis: Millis = 150;
/** "Quotas": tables of an account in a Region. */
const tablesMax = 2500;

/** ARN of a table. */
export function tableArn(scope: Scope, name: string): string {
  return formatArn({ service: 'dynamodb', region: scope.region, account: scope.account, resource: `table/${name}` });
}

/** A place of its own for the items of a table or the entries of an index. */
export function newSpace(ctx: Context): string {
  return ctx.id('job').slice(0, 12);
}

/** The name of a table to be made from another. Throws ValidationException. */
export function checkTargetName(name: string | undefined): void {
  const checks = new RequestChecks().present(name, 'targetTableName');
  checkName(checks, name, 'targetTableName');
  checks.done();
}

export const streamViews = ['NEW_IMAGE', 'OLD_IMAGE', 'NEW_AND_OLD_IMAGES', 'KEYS_ONLY'] as const;

/** A stream to be switched on, or undefined. Throws ValidationException. */
export function readStream(given: StreamSpecification | undefined, now: Millis): StreamSetting | undefined {
  if (given === undefined) return undefined;
  if (given.StreamEnabled !== true) {
    if (given.StreamViewType !== undefined)
      throw invalidParameters('StreamViewType must not be specified when StreamEnabled is false');
    return undefined;
  }
  if (given.StreamViewType === undefined) throw invalidParameters('StreamViewType must be specified when StreamEnabled is true');
  return { label: new Date(now).toISOString().slice(0, -1), view: given.StreamViewType as StreamView };
}

function checkMembers(input: CreateTableInput): void {
  const checks = new RequestChecks();
  checkName(checks, input.TableName, 'tableName');
  checks
    .present(input.AttributeDefinitions, 'attributeDefinitions')
    .oneOf(input.BillingMode, 'billingMode', ['PROVISIONED', 'PAY_PER_REQUEST']);
  checkDefinitionMembers(checks, input.AttributeDefinitions);
  checkThroughputMembers(checks, input.ProvisionedThroughput, 'provisionedThroughput');
  checkKeySchemaMembers(checks, input.KeySchema, 'keySchema');
  for (const [at, index] of (input.GlobalSecondaryIndexes ?? []).entries())
    checkIndexMembers(checks, index, `globalSecondaryIndexes.${at + 1}.member`);
  for (const [at, index] of (input.LocalSecondaryIndexes ?? []).entries())
    checkIndexMembers(checks, index, `localSecondaryIndexes.${at + 1}.member`);
  checks
    .oneOf(input.StreamSpecification?.StreamViewType, 'streamSpecification.streamViewType', streamViews)
    .oneOf(input.TableClass, 'tableClass', ['STANDARD', 'STANDARD_INFREQUENT_ACCESS'])
    .done();
}

function checkBilling(input: CreateTableInput): TableRow['billing'] {
  const throughput = input.ProvisionedThroughput;
  if (input.BillingMode === 'PAY_PER_REQUEST') {
    if (throughput !== undefined)
      throw invalidParameters(
        'Neither ReadCapacityUnits nor WriteCapacityUnits can be specified when BillingMode is PAY_PER_REQUEST',
      );
    return 'PAY_PER_REQUEST';
  }
  if (throughput?.ReadCapacityUnits === undefined || throughput.WriteCapacityUnits === undefined)
    throw invalidParameters('ReadCapacityUnits and WriteCapacityUnits must both be specified when BillingMode is PROVISIONED');
  return 'PROVISIONED';
}

/** Reads what CreateTable says into a row. Throws ValidationException. */
function readTable(ctx: Context, scope: Scope, input: CreateTableInput): TableRow {
  const billing = checkBilling(input);
  const throughput =
    input.ProvisionedThroughput === undefined ? { read: 0, write: 0, decreases: 0 } : readThroughput(input.ProvisionedThroughput);
  const attributes = readDefinitions(input.AttributeDefinitions ?? []);
  const defined = attributes.map(({ name }) => name);
  if ((input.KeySchema ?? []).length > defined.length)
    throw validation('Invalid KeySchema: Some index key attribute have no definition');
  const keys = readKeySchema(input.KeySchema ?? [], defined);
  const unindexed = input.LocalSecondaryIndexes === undefined && input.GlobalSecondaryIndexes === undefined;
  if (unindexed && defined.length !== (input.KeySchema ?? []).length)
    throw invalidParameters(
      'Number of attributes in KeySchema does not exactly match number of attributes defined in AttributeDefinitions',
    );
  const indexes = readIndexes(input, { table: keys, defined, billing, space: () => newSpace(ctx) });
  checkAllUsed(defined, [keys, ...indexes]);
  const stream = readStream(input.StreamSpecification, ctx.now);
  return {
    name: input.TableName ?? '',
    id: ctx.uuid(),
    space: newSpace(ctx),
    arn: tableArn(scope, input.TableName ?? ''),
    created: ctx.now,
    status: 'CREATING',
    until: ctx.now + transitionMillis,
    attributes,
    ...keys,
    billing,
    billingSince: input.BillingMode === undefined ? undefined : ctx.now,
    throughput,
    onDemand: readOnDemand(input.OnDemandThroughput),
    indexes,
    stream,
    latestStream: stream?.label,
    deletionProtection: input.DeletionProtectionEnabled === true,
    tableClass: input.TableClass,
    tags: readTags(input.Tags),
  };
}

function checkAllUsed(defined: readonly string[], schemas: readonly { hash: string; range?: string | undefined }[]): void {
  const used = new Set(schemas.flatMap(({ hash, range }) => (range === undefined ? [hash] : [hash, range])));
  if (defined.some((name) => !used.has(name)))
    throw invalidParameters(
      `Some AttributeDefinitions are not used. AttributeDefinitions: [${defined.join(', ')}], keys used: [${[...used].join(', ')}]`,
    );
}

/** The key of a table encrypted with KMS; undefined when DynamoDB owns it. Throws ValidationException for a key that cannot be used. */
export async function readEncryption(ctx: Context, given: CreateTableInput['SSESpecification']): Promise<TableRow['encryption']> {
  if (given?.Enabled !== true) {
    if (given?.SSEType !== undefined || given?.KMSMasterKeyId !== undefined)
      throw invalidParameters('SSEType and KMSMasterKeyId cannot be specified when SSE is disabled');
    return undefined;
  }
  if (given.SSEType !== undefined && given.SSEType !== 'KMS')
    throw invalidParameters(`SSEType ${given.SSEType} is not supported`);
  const kms = await ctx.internal<KmsApi>('kms');
  if (given.KMSMasterKeyId === undefined) return { keyArn: await kms.managedKey(ctx, 'dynamodb') };
  const key = await kms.resolveKey(ctx, given.KMSMasterKeyId);
  if (key === undefined) throw validation(`KMS validation error: Invalid keyId ${given.KMSMasterKeyId}`);
  if (key.state !== 'Enabled')
    throw validation(`KMS validation error: ${key.arn} is ${key.state === 'Disabled' ? 'disabled' : 'pending deletion'}.`);
  return { keyArn: key.arn };
}

/** Writes the row of a new table. Throws ResourceInUseException, LimitExceededException. */
export async function addTable(tx: Transaction, ctx: Context, scope: Scope, row: TableRow): Promise<void> {
  if ((await findTable(tx, scope, row.name, ctx.clock.now())) !== undefined) throw inUse(`Table already exists: ${row.name}`);
  if ((await tx.tableIn(scope, Tables).count()) >= tablesMax)
    throw limitExceeded(`Subscriber limit exceeded: There is a limit of ${tablesMax} tables per subscriber`);
  await tx.tableIn(scope, Tables).put(row);
}

/** The row of a new table after what a request says of it. Throws ValidationException. */
export async function readNewTable(ctx: Context, input: CreateTableInput): Promise<TableRow> {
  checkMembers(input);
  return { ...readTable(ctx, ctx, input), encryption: await readEncryption(ctx, input.SSESpecification) };
}

export const createHandlers: HandlersOf<DynamoDB> = {
  async CreateTable(input, ctx) {
    const row = await readNewTable(ctx, input);
    for (const name of [
      'ResourcePolicy',
      'WarmThroughput',
      'GlobalTableSourceArn',
      'GlobalTableSettingsReplicationMode',
    ] as const)
      if (input[name] !== undefined) throw parameterNotImplemented('CreateTable', name);
    return ctx.transact(async (tx) => {
      await addTable(tx, ctx, ctx, row);
      await startStream(tx, ctx, row);
      return { TableDescription: await describeTable(tx, ctx, row, ctx.now) };
    });
  },
};
