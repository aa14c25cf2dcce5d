/** Backups on demand: making, showing, deleting, restoring them. */
import type { BackupDetails, BackupSummary, DynamoDB } from '@aws-sdk/client-dynamodb';
import type { Context } from '../../../kernel/context.ts';
import { AwsError, parameterNotImplemented } from '../../../kernel/errors.ts';
import type { HandlersOf, Task } from '../../../kernel/service.ts';
import { namePattern, RequestChecks } from '../checks.ts';

import { openTable } from '../lookup.ts';
import { readTableName } from '../checks.ts';
import { Backups, type BackupRow, Counts, type TableRow, Tables } from '../state.ts';
import { addTable, checkTargetName, newSpace } from '../tables/create.ts';
import { describeKeys, describeTable } from '../tables/describe.ts';
import { sweepTable } from '../tasks.ts';
import { copyTable } from './copy.ts';
import { readRestored } from './restored.ts';

function backupNotFound(arn: string | undefined): AwsError {
  return new AwsError('BackupNotFoundException', `Backup not found: ${arn}`);
}

async function requireBackup(ctx: Context, arn: string | undefined): Promise<BackupRow> {
  const row = await ctx.table(Backups).get(arn ?? '');
  if (row === undefined) throw backupNotFound(arn);
  return row;
}

function describeDetails(row: BackupRow): BackupDetails {
  return {
    BackupArn: row.arn,
    BackupName: row.name,
    BackupSizeBytes: row.bytes,
    BackupStatus: row.status,
    BackupType: 'USER',
    BackupCreationDateTime: new Date(row.created),
  };
}

function describeSummary(row: BackupRow): BackupSummary {
  return {
    ...describeDetails(row),
    TableName: row.table.name,
    TableId: row.table.id,
    TableArn: row.table.arn,
  };
}

/** The table in which a backup keeps its items: no indexes, no log, no expiry. */
function shelfOf(row: BackupRow): TableRow {
  const { stream: _, recovery: __, replicas: ___, timeToLive: ____, copying: _____, ...table } = row.table;
  return { ...table, space: row.space, indexes: [] };
}

/** Copies a table's items into the backup. */
export const copyBackup: Task = async ({ key: arn }, ctx) => {
  const row = await ctx.table(Backups).get(arn);
  if (row === undefined || row.status === 'AVAILABLE') return;
  const shelf = shelfOf(row);
  await copyTable(ctx, { from: row.table, to: shelf, at: row.created });
  await ctx.transact(async (tx) => {
    const counted = await tx.table(Counts).get(shelf.space);
    await tx.table(Backups).put({ ...row, status: 'AVAILABLE', items: counted?.items ?? 0, bytes: counted?.bytes ?? 0 });
    const table = await tx.table(Tables).get(row.table.name);
    if (table?.space === row.table.space && table.copying === true) {
      const { copying: _, ...rest } = table;
      await tx.table(Tables).put(rest);
    }
  });
};

/** Sweeps what a deleted backup held. */
export const removeBackup: Task = async ({ payload }, ctx) => {
  await sweepTable(ctx, payload as unknown as TableRow);
};

/** Fills a table from a backup, then lets it be used. */
export const restoreBackup: Task = async ({ key: name, payload }, ctx) => {
  const { backup: arn } = payload as { backup: string };
  const table = await ctx.table(Tables).get(name);
  const backup = await ctx.table(Backups).get(arn);
  if (table === undefined || backup === undefined) return;
  await copyTable(ctx, { from: shelfOf(backup), to: table });
  await openRestored(ctx, name);
};

/** A restored table may be used. */
export async function openRestored(ctx: Context, name: string): Promise<void> {
  await ctx.transact(async (tx) => {
    await tx.table(Tables).update([name], (row) => (row.status === 'CREATING' ? { ...row, status: 'ACTIVE' } : row));
  });
}

export const backupHandlers: HandlersOf<DynamoDB> = {
  CreateBackup(input, ctx) {
    new RequestChecks()
      .pattern(input.BackupName, 'backupName', namePattern)
      .length(input.BackupName, 'backupName', 3, 255)
      .done();
    return ctx.transact(async (tx) => {
      const { row: table } = await openTable(tx, ctx, readTableName(input.TableName)).catch(() => {
        throw new AwsError('TableNotFoundException', `Table not found: ${input.TableName}`);
      });
      const row: BackupRow = {
        name: input.BackupName ?? '',
        arn: `${table.arn}/backup/${String(ctx.now).padStart(14, '0')}-${ctx.id('job').slice(0, 8)}`,
        created: ctx.now,
        status: 'CREATING',
        table,
        space: newSpace(ctx),
        items: 0,
        bytes: 0,
      };
      await tx.table(Backups).put(row);
      await tx.table(Tables).put({ ...table, copying: true });
      await tx.schedule({ task: 'copyBackup', key: row.arn, due: ctx.now });
      return { BackupDetails: describeDetails(row) };
    });
  },

  async DescribeBackup(input, ctx) {
    const row = await requireBackup(ctx, input.BackupArn);
    const { table } = row;
    const description = await describeTable(ctx, ctx, table, ctx.now);
    return {
      BackupDescription: {
        BackupDetails: describeDetails(row),
        SourceTableDetails: {
          TableName: table.name,
          TableId: table.id,
          TableArn: table.arn,
          TableSizeBytes: row.bytes,
          ItemCount: row.items,
          KeySchema: describeKeys(table),
          TableCreationDateTime: new Date(table.created),
          ProvisionedThroughput: { ReadCapacityUnits: table.throughput.read, WriteCapacityUnits: table.throughput.write },
          BillingMode: table.billing,
        },
        SourceTableFeatureDetails: {
          LocalSecondaryIndexes: description.LocalSecondaryIndexes?.map(({ IndexName, KeySchema, Projection }) => ({
            IndexName,
            KeySchema,
            Projection,
          })),
          GlobalSecondaryIndexes: description.GlobalSecondaryIndexes?.map(({ IndexName, KeySchema, Projection }) => ({
            IndexName,
            KeySchema,
            Projection,
          })),
          StreamDescription: description.StreamSpecification,
          SSEDescription: description.SSEDescription,
        },
      },
    };
  },

  async ListBackups(input, ctx) {
    const { Limit: limit = 100, BackupType: type = 'USER' } = input;
    new RequestChecks()
      .atLeast(limit, 'limit', 1)
      .atMost(limit, 'limit', 100)
      .oneOf(type, 'backupType', ['USER', 'SYSTEM', 'AWS_BACKUP', 'ALL'])
      .done();
    const all = type === 'USER' || type === 'ALL' ? await ctx.table(Backups).list() : [];
    const { TimeRangeLowerBound: low, TimeRangeUpperBound: high, ExclusiveStartBackupArn: after } = input;
    const rows = all.filter(
      (row) =>
        (input.TableName === undefined || row.table.name === readTableName(input.TableName).name) &&
        (low === undefined || row.created >= low.getTime()) &&
        (high === undefined || row.created < high.getTime()) &&
        (after === undefined || row.arn > after),
    );
    const shown = rows.slice(0, limit);
    return {
      BackupSummaries: shown.map(describeSummary),
      LastEvaluatedBackupArn: rows.length > limit ? shown.at(-1)?.arn : undefined,
    };
  },

  async DeleteBackup(input, ctx) {
    const row = await requireBackup(ctx, input.BackupArn);
    const inUseNow = row.status === 'CREATING';
    if (inUseNow) throw new AwsError('BackupInUseException', `Backup is in use: ${row.arn}`);
    await ctx.transact(async (tx) => {
      await tx.table(Backups).delete(row.arn);
      const shelf = shelfOf(row);
      await tx.schedule({ task: 'removeBackup', key: row.arn, due: ctx.now, payload: { ...shelf } as never });
    });
    return {
      BackupDescription: { BackupDetails: { ...describeDetails(row), BackupStatus: 'DELETED' } },
    };
  },

  async RestoreTableFromBackup(input, ctx) {
    checkTargetName(input.TargetTableName);
    for (const name of [
      'LocalSecondaryIndexOverride',
      'GlobalSecondaryIndexOverride',
      'SSESpecificationOverride',
      'OnDemandThroughputOverride',
    ] as const)
      if (input[name] !== undefined) throw parameterNotImplemented('RestoreTableFromBackup', name);
    const backup = await requireBackup(ctx, input.BackupArn);
    if (backup.status !== 'AVAILABLE') throw new AwsError('BackupInUseException', `Backup is in use: ${backup.arn}`);
    const row: TableRow = {
      ...readRestored(ctx, backup.table, input.TargetTableName ?? '', input),
      restored: { backupArn: backup.arn, tableArn: backup.table.arn, at: backup.created },
    };
    return ctx.transact(async (tx) => {
      await addTable(tx, ctx, ctx, row).catch((error: unknown) => {
        if (error instanceof AwsError && error.code === 'ResourceInUseException')
          throw new AwsError('TableAlreadyExistsException', `Table already exists: ${row.name}`);
        throw error;
      });
      await tx.schedule({ task: 'restoreBackup', key: row.name, due: ctx.now, payload: { backup: backup.arn } });
      return { TableDescription: await describeTable(tx, ctx, row, ctx.now) };
    });
  },
};
