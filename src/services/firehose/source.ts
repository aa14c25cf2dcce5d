/** A Kinesis stream as source: every second of the cloud's time each shard is read on from where it was left ("Kinesis Data Streams as source"). */
import type { Context } from '../../kernel/context.ts';
import { AwsError } from '../../kernel/errors.ts';
import type { FiredJob } from '../../kernel/service.ts';
import { actBy } from './lookup.ts';
import { append } from './records.ts';
import { Positions, type StreamRow, Streams } from './state.ts';

export const pullMillis = 1000;
/** Reads of one shard in one go; what is left comes with the next. */
const readsMax = 5;

/** Reads what every shard holds that was not read yet. `key` is the delivery stream's name. */
export async function pull({ key: name }: FiredJob, ctx: Context): Promise<void> {
  const stream = await ctx.table(Streams).get(name);
  if (stream?.source === undefined || stream.status !== 'ACTIVE') return;
  try {
    await readShards(ctx, stream);
  } catch (error) {
    // The source is gone, throttles, or refuses the role: it is asked again a second later, as its records are kept there.
    if (!(error instanceof AwsError)) throw error;
    ctx.trace(`Firehose ${name} could not read its source: ${error.message}`);
  }
  await ctx.transact(async (tx) => {
    if ((await tx.table(Streams).get(name))?.status === 'ACTIVE')
      await tx.schedule({ task: 'pull', key: name, due: ctx.clock.now() + pullMillis });
  });
}

async function readShards(ctx: Context, stream: StreamRow): Promise<void> {
  const kinesis = (await actBy(ctx, stream.source?.role ?? '')).call('kinesis');
  const StreamARN = stream.source?.arn;
  const { Shards = [] } = await kinesis.listShards({ StreamARN });
  const known = new Map((await ctx.table(Positions).list({ prefix: [stream.id] })).map((row) => [row.shard, row]));
  for (const { ShardId: shard = '', ParentShardId, AdjacentParentShardId } of Shards) {
    // A shard's children are read after it, so that keys keep their order.
    const parents = [ParentShardId, AdjacentParentShardId].filter((parent) => parent !== undefined);
    if (parents.some((parent) => known.get(parent)?.ended === false)) continue;
    if (known.get(shard)?.ended === true) continue;
    const sequence = known.get(shard)?.sequence;
    const { ShardIterator } = await kinesis.getShardIterator({
      StreamARN,
      ShardId: shard,
      ...(sequence === undefined
        ? { ShardIteratorType: 'AT_TIMESTAMP' as const, Timestamp: new Date(stream.created) }
        : { ShardIteratorType: 'AFTER_SEQUENCE_NUMBER' as const, StartingSequenceNumber: sequence }),
    });
    await readShard(ctx, stream, shard, ShardIterator, sequence, async (next) => kinesis.getRecords({ ShardIterator: next }));
  }
}

type Reader = (iterator: string) => Promise<{
  Records: { Data: Uint8Array | undefined; SequenceNumber: string | undefined }[] | undefined;
  NextShardIterator?: string | undefined;
  MillisBehindLatest?: number | undefined;
}>;

async function readShard(
  ctx: Context,
  stream: StreamRow,
  shard: string,
  first: string | undefined,
  start: string | undefined,
  read: Reader,
): Promise<void> {
  let iterator = first;
  let sequence = start;
  for (let reads = 0; iterator !== undefined && reads < readsMax; reads++) {
    const { Records = [], NextShardIterator, MillisBehindLatest = 0 } = await read(iterator);
    iterator = NextShardIterator;
    sequence = Records.at(-1)?.SequenceNumber ?? sequence;
    const position = { stream: stream.id, shard, sequence, ended: iterator === undefined };
    await ctx.transact(async (tx) => {
      const now = await tx.table(Streams).get(stream.name);
      if (now?.id !== stream.id) return;
      const records = Records.map(({ Data = new Uint8Array() }) => Data);
      if (records.length > 0) await append(ctx, tx, now, records);
      await tx.table(Positions).put(position);
    });
    if (MillisBehindLatest === 0) return;
  }
}
