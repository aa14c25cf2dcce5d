/** UpdateTable: one change at a time, as in AWS. */
import type { DynamoDB, GlobalSecondaryIndexUpdate, UpdateTableInput } from '@aws-sdk/client-dynamodb';
import type { Context, Transaction } from '../../../kernel/context.ts';
import { parameterNotImplemented } from '../../../kernel/errors.ts';
import type { HandlersOf } from '../../../kernel/service.ts';
import { RequestChecks, readTableName } from '../checks.ts';
import { inUse, invalidParameters, limitExceeded, notFound, validation } from '../errors.ts';
import { requireTable, statusOf } from '../lookup.ts';
import { changeReplicas } from '../replication/replicas.ts';
import { type IndexRow, type TableRow, Tables, type Throughput } from '../state.ts';
import { endStream, startStream } from '../streams/streams.ts';
import { newSpace, readEncryption, readStream, streamViews, transitionMillis } from './create.ts';
import {
  checkDefinitionMembers,
  checkIncluded,
  checkIndexCount,
  checkIndexMembers,
  checkThroughputMembers,
  readDefinitions,
  readGlobalIndex,
  readOnDemand,
  readThroughput,
} from './definition.ts';
import { describeTable } from './describe.ts';

const day = 86_400_000;
/** "Quotas": a table's provisioned throughput may be lowered 27 times a day. */
const decreasesMax = 27;

function checkMembers(input: UpdateTableInput): void {
  const checks = new RequestChecks()
    .oneOf(input.BillingMode, 'billingMode', ['PROVISIONED', 'PAY_PER_REQUEST'])
    .oneOf(input.StreamSpecification?.StreamViewType, 'streamSpecification.streamViewType', streamViews)
    .oneOf(input.TableClass, 'tableClass', ['STANDARD', 'STANDARD_INFREQUENT_ACCESS']);
  checkDefinitionMembers(checks, input.AttributeDefinitions);
  checkThroughputMembers(checks, input.ProvisionedThroughput, 'provisionedThroughput');
  for (const [at, { Create, Update }] of (input.GlobalSecondaryIndexUpdates ?? []).entries()) {
    const path = `globalSecondaryIndexUpdates.${at + 1}.member`;
    if (Create !== undefined) checkIndexMembers(checks, Create, `${path}.create`);
    checkThroughputMembers(checks, Update?.ProvisionedThroughput, `${path}.update.provisionedThroughput`);
  }
  checks.done();
}

const changes = [
  'ProvisionedThroughput',
  'BillingMode',
  'GlobalSecondaryIndexUpdates',
  'StreamSpecification',
  'SSESpecification',
  'ReplicaUpdates',
  'TableClass',
  'DeletionProtectionEnabled',
  'OnDemandThroughput',
] as const;

function checkRequest(input: UpdateTableInput): void {
  for (const name of [
    'MultiRegionConsistency',
    'GlobalTableWitnessUpdates',
    'WarmThroughput',
    'GlobalTableSettingsReplicationMode',
  ] as const)
    if (input[name] !== undefined) throw parameterNotImplemented('UpdateTable', name);
  const given = changes.filter((name) => input[name] !== undefined);
  if (given.every((name) => name === 'GlobalSecondaryIndexUpdates' && input[name]!.length === 0))
    throw validation(
      'At least one of ProvisionedThroughput, BillingMode, UpdateStreamEnabled, GlobalSecondaryIndexUpdates or SSESpecification or ReplicaUpdates is required',
    );
}

/** A changed throughput. Throws ValidationException when it is the same, LimitExceededException for too many decreases. */
function changeThroughput(ctx: Context, old: Throughput | undefined, next: Throughput, what: string): Throughput {
  const { read = 0, write = 0, decreases = 0, lastDecrease, lastIncrease } = old ?? {};
  if (read === next.read && write === next.write)
    throw validation(
      `The provisioned throughput for the ${what} will not change. The requested value equals the current value. Current ReadCapacityUnits provisioned for the ${what}: ${read}. Requested ReadCapacityUnits: ${next.read}. Current WriteCapacityUnits provisioned for the ${what}: ${write}. Requested WriteCapacityUnits: ${next.write}. Refer to the Amazon DynamoDB Developer Guide for current limits and how to request higher limits.`,
    );
  const lowered = next.read < read || next.write < write;
  const raised = next.read > read || next.write > write;
  const today = lastDecrease !== undefined && Math.floor(lastDecrease / day) === Math.floor(ctx.now / day) ? decreases : 0;
  if (lowered && today >= decreasesMax)
    throw limitExceeded(
      'Subscriber limit exceeded: Provisioned throughput decreases are limited within a given UTC day. Please retry after a while.',
    );
  return {
    read: next.read,
    write: next.write,
    decreases: lowered ? today + 1 : decreases,
    lastDecrease: lowered ? ctx.now : lastDecrease,
    lastIncrease: raised ? ctx.now : lastIncrease,
  };
}

function changeBilling(ctx: Context, row: TableRow, input: UpdateTableInput): TableRow {
  const billing = input.BillingMode ?? row.billing;
  const given = input.ProvisionedThroughput;
  const since = input.BillingMode === undefined || billing === row.billing ? row.billingSince : ctx.now;
  if (billing === 'PAY_PER_REQUEST') {
    if (given !== undefined)
      throw invalidParameters(
        'Neither ReadCapacityUnits nor WriteCapacityUnits can be specified when BillingMode is PAY_PER_REQUEST',
      );
    if (row.billing === billing) return { ...row, billingSince: since ?? ctx.now };
    const indexes = row.indexes.map(({ throughput: _, ...index }): IndexRow => index);
    return {
      ...row,
      billing,
      billingSince: ctx.now,
      indexes,
      throughput: { ...row.throughput, read: 0, write: 0, lastDecrease: ctx.now },
    };
  }
  if (given === undefined) {
    if (row.billing === billing) return row;
    throw invalidParameters('ReadCapacityUnits and WriteCapacityUnits must both be specified when BillingMode is PROVISIONED');
  }
  const next = readThroughput(given);
  if (row.billing !== billing) {
    for (const { name, global } of row.indexes) {
      const update = (input.GlobalSecondaryIndexUpdates ?? []).find(({ Update }) => Update?.IndexName === name);
      if (global && update === undefined) throw invalidParameters(`ProvisionedThroughput must be specified for index: ${name}`);
    }
    return { ...row, billing, billingSince: since, throughput: { ...row.throughput, ...next }, onDemand: undefined };
  }
  return { ...row, throughput: changeThroughput(ctx, row.throughput, next, 'table') };
}

interface IndexChange {
  row: TableRow;
  /** Tasks to be started. */
  tasks: { task: 'backfill' | 'removeIndex'; index: IndexRow }[];
}

function changeIndexes(ctx: Context, row: TableRow, updates: readonly GlobalSecondaryIndexUpdate[]): IndexChange {
  const creations = updates.flatMap(({ Create, Delete }) => [Create, Delete]).filter((one) => one !== undefined);
  if (creations.length > 1)
    throw limitExceeded('Subscriber limit exceeded: Only 1 online index can be created or deleted simultaneously per table');
  return updates.reduce<IndexChange>((change, update) => changeIndex(ctx, change, update), { row, tasks: [] });
}

function changeIndex(
  ctx: Context,
  { row, tasks }: IndexChange,
  { Create, Update, Delete }: GlobalSecondaryIndexUpdate,
): IndexChange {
  if (Create !== undefined) {
    if (row.indexes.some(({ name }) => name === Create.IndexName))
      throw validation(`Attempting to create an index which already exists`);
    const defined = row.attributes.map(({ name }) => name);
    const read = readGlobalIndex(Create, { table: row, defined, billing: row.billing, space: () => newSpace(ctx) });
    const index: IndexRow = { ...read, status: 'CREATING', backfilling: true };
    const indexes = [...row.indexes, index];
    checkIndexCount(indexes);
    checkIncluded(indexes);
    return { row: { ...row, indexes }, tasks: [...tasks, { task: 'backfill', index }] };
  }
  const name = Update?.IndexName ?? Delete?.IndexName ?? '';
  const index = row.indexes.find((candidate) => candidate.name === name && candidate.global);
  if (index === undefined) throw notFound(`Requested resource not found: Index: ${name} not found`);
  if (index.status === 'DELETING' || index.backfilling === true)
    throw inUse(
      `Attempt to change a resource which is still in use: Index is being ${index.status === 'DELETING' ? 'deleted' : 'created'}: ${name}`,
    );
  const changed: IndexRow = Update === undefined ? { ...index, status: 'DELETING' } : changedIndex(ctx, row, index, Update);
  const indexes = row.indexes.map((candidate) => (candidate === index ? changed : candidate));
  return {
    row: { ...row, indexes },
    tasks: Delete === undefined ? tasks : [...tasks, { task: 'removeIndex', index: changed }],
  };
}

function changedIndex(
  ctx: Context,
  row: TableRow,
  index: IndexRow,
  update: NonNullable<GlobalSecondaryIndexUpdate['Update']>,
): IndexRow {
  if (update.WarmThroughput !== undefined)
    throw parameterNotImplemented('UpdateTable', 'GlobalSecondaryIndexUpdates.Update.WarmThroughput');
  const until = ctx.now + transitionMillis;
  if (update.OnDemandThroughput !== undefined)
    return { ...index, onDemand: readOnDemand(update.OnDemandThroughput), status: 'UPDATING', until };
  if (update.ProvisionedThroughput === undefined) return index;
  if (row.billing === 'PAY_PER_REQUEST')
    throw invalidParameters(
      `ProvisionedThroughput should not be specified for index: ${index.name} when BillingMode is PAY_PER_REQUEST`,
    );
  const throughput = changeThroughput(ctx, index.throughput, readThroughput(update.ProvisionedThroughput), 'index');
  return { ...index, throughput, status: 'UPDATING', until };
}

/** Attribute definitions of an update add to those that are used, and those no longer used go. Throws ValidationException. */
function changeAttributes(row: TableRow, input: UpdateTableInput): TableRow {
  if (input.AttributeDefinitions === undefined) return row;
  const given = readDefinitions(input.AttributeDefinitions);
  for (const { name, type } of given) {
    const old = row.attributes.find((attribute) => attribute.name === name);
    if (old !== undefined && old.type !== type)
      throw invalidParameters(`Attempting to change the type of attribute ${name} from ${old.type} to ${type}`);
  }
  const names = new Set(given.map(({ name }) => name));
  return { ...row, attributes: [...row.attributes.filter(({ name }) => !names.has(name)), ...given] };
}

function withoutUnused(row: TableRow): TableRow {
  const used = new Set([row, ...row.indexes].flatMap(({ hash, range }) => [hash, range]));
  return { ...row, attributes: row.attributes.filter(({ name }) => used.has(name)) };
}

async function changeStream(tx: Transaction, ctx: Context, row: TableRow, input: UpdateTableInput): Promise<TableRow> {
  if (input.StreamSpecification === undefined) return row;
  const stream = readStream(input.StreamSpecification, ctx.now);
  if (stream !== undefined && row.stream !== undefined)
    throw validation('Table already has an enabled stream: ' + row.arn + '/stream/' + row.stream.label);
  if (stream === undefined && row.stream === undefined) throw validation('Table already has a disabled stream');
  const changed: TableRow = { ...row, stream, latestStream: stream?.label ?? row.latestStream };
  if (stream === undefined) await endStream(tx, ctx, row);
  else await startStream(tx, ctx, changed);
  return changed;
}

export const updateTableHandlers: HandlersOf<DynamoDB> = {
  async UpdateTable(input, ctx) {
    readTableName(input.TableName);
    checkMembers(input);
    checkRequest(input);
    const encryption =
      input.SSESpecification === undefined ? undefined : { is: await readEncryption(ctx, input.SSESpecification) };
    const changed = await ctx.transact(async (tx) => {
      const old = await requireTable(tx, ctx, input.TableName);
      const status = statusOf(old, ctx.clock.now());
      if (status !== 'ACTIVE')
        throw inUse(
          `Attempt to change a resource which is still in use: Table is being ${status === 'CREATING' ? 'created' : status === 'DELETING' ? 'deleted' : 'updated'}: ${old.name}`,
        );
      let row = changeAttributes(old, input);
      if (input.BillingMode !== undefined || input.ProvisionedThroughput !== undefined) row = changeBilling(ctx, row, input);
      const { row: indexed, tasks } = changeIndexes(ctx, row, input.GlobalSecondaryIndexUpdates ?? []);
      row = withoutUnused(await changeStream(tx, ctx, indexed, input));
      if (input.TableClass !== undefined) row = { ...row, tableClass: input.TableClass, tableClassSince: ctx.now };
      if (input.DeletionProtectionEnabled !== undefined) row = { ...row, deletionProtection: input.DeletionProtectionEnabled };
      if (input.OnDemandThroughput !== undefined) row = { ...row, onDemand: readOnDemand(input.OnDemandThroughput) };
      if (encryption !== undefined) row = { ...row, encryption: encryption.is };
      row = { ...row, status: 'UPDATING', until: ctx.now + transitionMillis };
      if (input.ReplicaUpdates !== undefined) row = await changeReplicas(tx, ctx, row, input.ReplicaUpdates);
      await tx.table(Tables).put(row);
      for (const { task, index } of tasks)
        await tx.schedule({ task, key: index.space, due: ctx.now, payload: { table: row.name, index: index.name } });
      return { TableDescription: await describeTable(tx, ctx, row, ctx.now) };
    });
    return changed;
  },
};
