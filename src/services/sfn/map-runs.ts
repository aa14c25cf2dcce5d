/** Runs of distributed Maps as the API shows them. Source: API reference, "DescribeMapRun", "ListMapRuns", "UpdateMapRun". */
import type { SFN } from '@aws-sdk/client-sfn';
import type { Context, Transaction } from '../../kernel/context.ts';
import { RequestCheck } from '../../kernel/request-check.ts';
import type { AuthorisationsOf, HandlersOf } from '../../kernel/service.ts';
import { resourceNotFound, validation } from './errors.ts';
import { indexPage, onExecution, requireExecution } from './lookup.ts';
import { executionArn, machineArn, mapRunArn, pageSize, readArn } from './rules.ts';
import { type MapItemRow, MapItems, type MapRunRow, MapRuns } from './state.ts';

async function requireRun(reading: Pick<Context, 'table'> | Pick<Transaction, 'table'>, arn: string): Promise<MapRunRow> {
  const { parts } = readArn(arn, 'mapRun');
  const row = await reading.table(MapRuns).get(parts[0] ?? '', parts[1] ?? '');
  if (row === undefined) throw resourceNotFound(arn);
  return row;
}

const statuses = {
  PENDING: 'pending',
  RUNNING: 'running',
  SUCCEEDED: 'succeeded',
  FAILED: 'failed',
  TIMED_OUT: 'timedOut',
  ABORTED: 'aborted',
} as const;

function countsOf(items: readonly MapItemRow[], weight: (item: MapItemRow) => number) {
  const counts = { pending: 0, running: 0, succeeded: 0, failed: 0, timedOut: 0, aborted: 0, total: 0, resultsWritten: 0 };
  for (const item of items) {
    counts[statuses[item.status]] += weight(item);
    counts.total += weight(item);
  }
  return { ...counts, failuresNotRedrivable: 0, pendingRedrive: 0 };
}

const parentArn = (ctx: Context, { parentMachine, parent }: MapRunRow): string =>
  executionArn(ctx, { machine: parentMachine, name: parent, type: 'STANDARD' });

export const mapRunHandlers: HandlersOf<SFN> = {
  async DescribeMapRun({ mapRunArn: arn = '' }, ctx) {
    const row = await requireRun(ctx, arn);
    const items = await ctx.table(MapItems).list({ prefix: [arn] });
    return {
      mapRunArn: arn,
      executionArn: parentArn(ctx, row),
      status: row.status,
      startDate: new Date(row.start),
      stopDate: row.stop === undefined ? undefined : new Date(row.stop),
      maxConcurrency: row.concurrency,
      toleratedFailurePercentage: row.toleratedPercentage,
      toleratedFailureCount: row.toleratedCount,
      itemCounts: countsOf(items, ({ count }) => count),
      executionCounts: countsOf(items, () => 1),
      redriveCount: row.redrives,
    };
  },

  async ListMapRuns({ executionArn: arn = '', maxResults, nextToken }, ctx) {
    const { machine, name } = await requireExecution(ctx, arn);
    const options = { scope: `ListMapRuns ${arn}`, token: nextToken, limit: pageSize(maxResults) };
    const page = await indexPage(ctx, MapRuns, 'byParent', [machine, name], options);
    return {
      mapRuns: page.rows.map((row) => ({
        executionArn: arn,
        mapRunArn: mapRunArn(ctx, row.machine, row.id),
        stateMachineArn: machineArn(ctx, row.machine),
        startDate: new Date(row.start),
        stopDate: row.stop === undefined ? undefined : new Date(row.stop),
      })),
      nextToken: page.nextToken,
    };
  },

  /** Holds from the next child on. */
  async UpdateMapRun({ mapRunArn: arn = '', maxConcurrency, toleratedFailureCount, toleratedFailurePercentage }, ctx) {
    if (maxConcurrency === undefined && toleratedFailureCount === undefined && toleratedFailurePercentage === undefined)
      throw validation('At least one of MaxConcurrency, ToleratedFailurePercentage or ToleratedFailureCount must be specified.');
    new RequestCheck()
      .range('maxConcurrency', maxConcurrency, 0, 2_147_483_647)
      .range('toleratedFailurePercentage', toleratedFailurePercentage, 0, 100)
      .range('toleratedFailureCount', toleratedFailureCount, 0, 2_147_483_647)
      .done();
    await ctx.transact(async (tx) => {
      const row = await requireRun(tx, arn);
      await tx.table(MapRuns).put({
        ...row,
        concurrency: maxConcurrency ?? row.concurrency,
        toleratedCount: toleratedFailureCount ?? row.toleratedCount,
        toleratedPercentage: toleratedFailurePercentage ?? row.toleratedPercentage,
      });
    });
    return {};
  },
};

export const mapRunChecks: AuthorisationsOf<SFN> = {
  DescribeMapRun: ({ mapRunArn: arn }) => onExecution(arn),
  ListMapRuns: ({ executionArn: arn }) => onExecution(arn),
  UpdateMapRun: ({ mapRunArn: arn }) => onExecution(arn),
};
