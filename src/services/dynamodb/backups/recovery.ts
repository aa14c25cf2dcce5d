/** Point-in-time recovery: a table as it was at any second of the last days, from the log of its changes. */
import type { ContinuousBackupsDescription, DynamoDB } from '@aws-sdk/client-dynamodb';
import type { Millis } from '../../../base/clock.ts';
import type { Context } from '../../../kernel/context.ts';
import { AwsError, parameterNotImplemented } from '../../../kernel/errors.ts';
import type { HandlersOf, Task } from '../../../kernel/service.ts';
import { readTableName, RequestChecks } from '../checks.ts';
import { validation } from '../errors.ts';
import { findTable } from '../lookup.ts';
import { type TableRow, Tables } from '../state.ts';
import { addTable, checkTargetName } from '../tables/create.ts';
import { describeTable } from '../tables/describe.ts';
import { openRestored } from './backups.ts';
import { copyTable } from './copy.ts';
import { readRestored } from './restored.ts';

const day: Millis = 86_400_000;
const daysMax = 35;

async function requireSource(
  reading: Parameters<typeof findTable>[0],
  ctx: Context,
  given: string | undefined,
): Promise<TableRow> {
  const { name } = readTableName(given);
  const row = await findTable(reading, ctx, name, ctx.clock.now());
  if (row === undefined) throw new AwsError('TableNotFoundException', `Table not found: ${name}`);
  return row;
}

/** The seconds between which a table can be restored. AWS's latest is five minutes ago; here it is now. */
export function windowOf(row: TableRow, now: Millis): { earliest: Millis; latest: Millis } | undefined {
  if (row.recovery === undefined) return undefined;
  return { earliest: Math.max(row.recovery.since, now - row.recovery.days * day), latest: now };
}

function describe(row: TableRow, now: Millis): ContinuousBackupsDescription {
  const window = windowOf(row, now);
  return {
    ContinuousBackupsStatus: 'ENABLED',
    PointInTimeRecoveryDescription:
      window === undefined
        ? { PointInTimeRecoveryStatus: 'DISABLED' }
        : {
            PointInTimeRecoveryStatus: 'ENABLED',
            RecoveryPeriodInDays: row.recovery!.days,
            EarliestRestorableDateTime: new Date(Math.floor(window.earliest / 1000) * 1000),
            LatestRestorableDateTime: new Date(Math.floor(window.latest / 1000) * 1000),
          },
  };
}

/** Fills a table with what another held at a moment, then lets it be used. */
export const restoreMoment: Task = async ({ key: name, payload }, ctx) => {
  const { source, at } = payload as { source: string; at: number };
  const from = await ctx.table(Tables).get(source);
  const to = await ctx.table(Tables).get(name);
  if (from === undefined || to === undefined) return;
  await copyTable(ctx, { from, to, at });
  await openRestored(ctx, name);
};

export const recoveryHandlers: HandlersOf<DynamoDB> = {
  UpdateContinuousBackups(input, ctx) {
    const { PointInTimeRecoveryEnabled: enabled = false, RecoveryPeriodInDays: days } =
      input.PointInTimeRecoverySpecification ?? {};
    const path = 'pointInTimeRecoverySpecification.recoveryPeriodInDays';
    new RequestChecks().atLeast(days, path, 1).atMost(days, path, daysMax).done();
    return ctx.transact(async (tx) => {
      const row = await requireSource(tx, ctx, input.TableName);
      const kept = days ?? row.recovery?.days ?? daysMax;
      const recovery = enabled ? { since: row.recovery?.since ?? ctx.now, days: kept } : undefined;
      const changed: TableRow = { ...row, recovery };
      await tx.table(Tables).put(changed);
      if (enabled) await tx.schedule({ task: 'trim', key: row.space, due: ctx.now + day, payload: { table: row.name } });
      return { ContinuousBackupsDescription: describe(changed, ctx.now) };
    });
  },

  async DescribeContinuousBackups(input, ctx) {
    return { ContinuousBackupsDescription: describe(await requireSource(ctx, ctx, input.TableName), ctx.now) };
  },

  async RestoreTableToPointInTime(input, ctx) {
    checkTargetName(input.TargetTableName);
    for (const name of [
      'LocalSecondaryIndexOverride',
      'GlobalSecondaryIndexOverride',
      'SSESpecificationOverride',
      'OnDemandThroughputOverride',
    ] as const)
      if (input[name] !== undefined) throw parameterNotImplemented('RestoreTableToPointInTime', name);
    const given = input.SourceTableName ?? input.SourceTableArn;
    if (given === undefined) throw validation('Either SourceTableArn or SourceTableName must be provided');
    const latest = input.UseLatestRestorableTime === true;
    if (latest === (input.RestoreDateTime !== undefined))
      throw validation('Either UseLatestRestorableTime or RestoreDateTime must be specified, but not both');
    return ctx.transact(async (tx) => {
      const source = await requireSource(tx, ctx, given);
      const window = windowOf(source, ctx.now);
      if (window === undefined)
        throw new AwsError(
          'PointInTimeRecoveryUnavailableException',
          `Point in time recovery is not enabled for table '${source.name}'`,
        );
      const at = input.RestoreDateTime?.getTime() ?? window.latest;
      // A moment is given in whole seconds; the second in which recovery was enabled counts as its beginning.
      if (at < Math.floor(window.earliest / 1000) * 1000 || at > window.latest)
        throw new AwsError('InvalidRestoreTimeException', `RestoreDateTime is too ${at > window.latest ? 'late' : 'early'}`);
      const row: TableRow = {
        ...readRestored(ctx, source, input.TargetTableName ?? '', input),
        restored: { tableArn: source.arn, at },
      };
      await addTable(tx, ctx, ctx, row).catch((error: unknown) => {
        if (error instanceof AwsError && error.code === 'ResourceInUseException')
          throw new AwsError('TableAlreadyExistsException', `Table already exists: ${row.name}`);
        throw error;
      });
      const payload = { source: source.name, at: Math.max(at, source.recovery?.since ?? 0) };
      await tx.schedule({ task: 'restoreMoment', key: row.name, due: ctx.now, payload });
      return { TableDescription: await describeTable(tx, ctx, row, ctx.now) };
    });
  },
};
