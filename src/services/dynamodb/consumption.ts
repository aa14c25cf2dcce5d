/** What tables and their global indexes used and refused, in CloudWatch ("DynamoDB metrics and dimensions"). */
import type { Context } from '../../kernel/context.ts';
import { Meter } from '../../kernel/meter.ts';
import type { Use } from './meter.ts';
import type { CloudWatchApi } from '../cloudwatch/api.ts';

/** Publishes by the task `publishConsumption`, whose key is the table's name. */
export const consumption = new Meter('AWS/DynamoDB', 'publishConsumption', (ctx) => ctx.internal<CloudWatchApi>('cloudwatch'));

function countFor(ctx: Context, { table, index }: Use, name: string, value: number): void {
  const global = index?.global === true ? index.name : undefined;
  const dimensions = { TableName: table.name, ...(global === undefined ? {} : { GlobalSecondaryIndexName: global }) };
  consumption.count(ctx, table.name, { name, dimensions, unit: 'Count', value }, global);
}

/** Counts units that an operation has used. */
export function countUnits(ctx: Context, use: Use, units: number): void {
  countFor(ctx, use, `Consumed${use.kind === 'read' ? 'Read' : 'Write'}CapacityUnits`, units);
}

/** Counts a request that found no capacity left. */
export function countThrottle(ctx: Context, use: Use): void {
  countFor(ctx, use, use.kind === 'read' ? 'ReadThrottleEvents' : 'WriteThrottleEvents', 1);
}

/** Counts a write whose condition did not hold. */
export function countFailedCondition(ctx: Context, table: Use['table']): void {
  countFor(ctx, { kind: 'write', table }, 'ConditionalCheckFailedRequests', 1);
}
