/** What CloudWatch is told of streams, and of shards where asked for ("Monitor Amazon Kinesis Data Streams with Amazon CloudWatch"). */
import type { EnhancedMonitoringOutput, Kinesis, MetricsName } from '@aws-sdk/client-kinesis';
import type { Context } from '../../kernel/context.ts';
import { AwsError } from '../../kernel/errors.ts';
import { Meter } from '../../kernel/meter.ts';
import type { AuthorisationsOf, HandlersOf } from '../../kernel/service.ts';
import { onStream, requireActive, type StreamName, streamArn } from './lookup.ts';
import { shardId } from './numbers.ts';
import { type StreamRow, Streams } from './state.ts';
import type { CloudWatchApi } from '../cloudwatch/api.ts';

/** Publishes by the task `publishMetrics`, whose key is the stream's name. */
export const meter = new Meter('AWS/Kinesis', 'publishMetrics', (ctx) => ctx.internal<CloudWatchApi>('cloudwatch'));

const shardMetrics = [
  'IncomingBytes',
  'IncomingRecords',
  'OutgoingBytes',
  'OutgoingRecords',
  'WriteProvisionedThroughputExceeded',
  'ReadProvisionedThroughputExceeded',
  'IteratorAgeMilliseconds',
] as const;
type ShardMetric = (typeof shardMetrics)[number];

function unitOf(name: string): string {
  if (name.endsWith('Bytes')) return 'Bytes';
  return name.endsWith('Milliseconds') ? 'Milliseconds' : 'Count';
}

/** Counts for a stream. `part` tells consumers apart. */
export function count(ctx: Context, { name: StreamName }: StreamRow, name: string, value: number, consumer?: string): void {
  const dimensions = { StreamName, ...(consumer === undefined ? {} : { ConsumerName: consumer }) };
  meter.count(ctx, StreamName, { name, dimensions, unit: unitOf(name), value }, consumer);
}

/** Counts for one shard, when its stream asks for that metric. */
export function countShard(ctx: Context, stream: StreamRow, shard: number, name: ShardMetric, value: number): void {
  if (stream.shardMetrics?.includes(name) !== true) return;
  const id = shardId(shard);
  meter.count(ctx, stream.name, { name, dimensions: { StreamName: stream.name, ShardId: id }, unit: unitOf(name), value }, id);
}

async function change(
  ctx: Context,
  input: StreamName & { ShardLevelMetrics?: readonly MetricsName[] | undefined },
  decide: (now: readonly string[], named: readonly string[]) => readonly string[],
): Promise<EnhancedMonitoringOutput> {
  const { ShardLevelMetrics: given = [] } = input;
  const known: readonly string[] = [...shardMetrics, 'ALL'];
  const unknown = given.find((name) => !known.includes(name));
  if (given.length === 0 || unknown !== undefined)
    throw new AwsError(
      'ValidationException',
      `1 validation error detected: Value '[${given.join(', ')}]' at 'shardLevelMetrics' failed to satisfy constraint: Member must satisfy constraint: [Member must satisfy enum value set: [${known.join(', ')}]]`,
    );
  const stream = await requireActive(ctx, input);
  const named = given.includes('ALL') ? shardMetrics : given;
  const current = stream.shardMetrics ?? [];
  const desired = decide(current, named);
  await ctx.transact(async (tx) => {
    const row = await tx.table(Streams).get(stream.name);
    if (row?.id === stream.id) await tx.table(Streams).put({ ...row, shardMetrics: desired });
  });
  return {
    StreamName: stream.name,
    StreamARN: streamArn(ctx, stream.name),
    CurrentShardLevelMetrics: [...current] as MetricsName[],
    DesiredShardLevelMetrics: [...desired] as MetricsName[],
  };
}

export const monitoringHandlers: HandlersOf<Kinesis> = {
  EnableEnhancedMonitoring: (input, ctx) => change(ctx, input, (now, named) => [...new Set([...now, ...named])]),
  DisableEnhancedMonitoring: (input, ctx) => change(ctx, input, (now, named) => now.filter((name) => !named.includes(name))),
};

export const monitoringChecks: AuthorisationsOf<Kinesis> = {
  EnableEnhancedMonitoring: onStream,
  DisableEnhancedMonitoring: onStream,
};
