/** DescribeTable, ListTables, DeleteTable, DescribeLimits, DescribeEndpoints. */
import type { DynamoDB } from '@aws-sdk/client-dynamodb';
import type { Context } from '../../../kernel/context.ts';
import type { HandlersOf } from '../../../kernel/service.ts';
import { namePattern, RequestChecks, readTableName } from '../checks.ts';
import { inUse, validation } from '../errors.ts';
import { findTable, requireTable, scopeOf, statusOf } from '../lookup.ts';
import { tableUnitsMax } from '../meter.ts';
import { type TableRow, Tables } from '../state.ts';
import { endStream } from '../streams/streams.ts';
import { transitionMillis } from './create.ts';
import { describeTable } from './describe.ts';

/** Longest that a description waits for a change to end, in real time. */
const patienceMillis = 1000;

/**
 * Waits until a change that does no work is over. Official waiters look once and then sleep 20 seconds, so that a description answered in the fraction of
 * a second that a table is CREATING here would cost every test suite that time.
 */
async function settle(ctx: Context, row: TableRow | undefined): Promise<void> {
  const until = Math.max(row?.until ?? 0, ...(row?.indexes ?? []).map((index) => index.until ?? 0));
  if (until <= ctx.clock.now()) return;
  const over = new AbortController();
  const cancel = ctx.clock.at(until, () => over.abort(), 'passing');
  await ctx.clock.pause(patienceMillis, over.signal);
  cancel();
}

export const tableHandlers: HandlersOf<DynamoDB> = {
  async DescribeTable(input, ctx) {
    const address = readTableName(input.TableName);
    const scope = scopeOf(ctx, address);
    await settle(ctx, await findTable(ctx, scope, address.name, ctx.clock.now()));
    const row = await requireTable(ctx, ctx, input.TableName);
    return { Table: await describeTable(ctx, scope, row, ctx.clock.now()) };
  },

  async ListTables(input, ctx) {
    const { Limit: limit = 100, ExclusiveStartTableName: after } = input;
    new RequestChecks()
      .pattern(after, 'exclusiveStartTableName', namePattern)
      .length(after, 'exclusiveStartTableName', 3, 255)
      .atLeast(limit, 'limit', 1)
      .atMost(limit, 'limit', 100)
      .done();
    const rows = await ctx.table(Tables).list({ limit: limit + 1, ...(after === undefined ? {} : { after: [after] }) });
    const now = ctx.clock.now();
    const shown = rows.slice(0, limit);
    return {
      TableNames: shown.filter((row) => row.status !== 'DELETING' || now < (row.until ?? 0)).map(({ name }) => name),
      LastEvaluatedTableName: rows.length > limit ? shown.at(-1)?.name : undefined,
    };
  },

  async DeleteTable(input, ctx) {
    readTableName(input.TableName);
    return ctx.transact(async (tx) => {
      const row = await requireTable(tx, ctx, input.TableName);
      const status = statusOf(row, ctx.clock.now());
      if (status === 'CREATING' || status === 'UPDATING')
        throw inUse(
          `Attempt to change a resource which is still in use: Table is being ${status === 'CREATING' ? 'created' : 'updated'}: ${row.name}`,
        );
      if (status === 'DELETING')
        throw inUse(`Attempt to change a resource which is still in use: Table is being deleted: ${row.name}`);
      if (row.deletionProtection)
        throw validation(
          `Resource cannot be deleted as it is currently protected against deletion. Disable deletion protection first.`,
        );
      if (row.replicas !== undefined && row.replicas.length > 1 && row.replicas[0] === ctx.region)
        throw validation(
          'Table cannot be deleted because it is a source table for a replica in the last 24 hours. Delete the replicas first.',
        );
      const until = ctx.now + transitionMillis;
      const leaving: TableRow = { ...row, status: 'DELETING', until };
      await tx.table(Tables).put(leaving);
      await endStream(tx, ctx, row);
      await tx.schedule({ task: 'removeTable', key: row.space, due: until, payload: { ...leaving } as never });
      const description = await describeTable(tx, ctx, leaving, ctx.now);
      return { TableDescription: description };
    });
  },

  DescribeLimits() {
    return {
      AccountMaxReadCapacityUnits: 80_000,
      AccountMaxWriteCapacityUnits: 80_000,
      TableMaxReadCapacityUnits: tableUnitsMax,
      TableMaxWriteCapacityUnits: tableUnitsMax,
    };
  },

  DescribeEndpoints(_input, ctx) {
    const host = new URL(ctx.part('endpoints').host).host;
    return { Endpoints: [{ Address: host, CachePeriodInMinutes: 1440 }] };
  },
};
