/** Streams and their shards: made, described, divided, joined, deleted. Source: Kinesis Data Streams API Reference. */
import type { Kinesis, Shard, StreamDescription } from '@aws-sdk/client-kinesis';
import type { Context, Transaction } from '../../kernel/context.ts';
import { parameterNotImplemented } from '../../kernel/errors.ts';
import { RequestCheck } from '../../kernel/request-check.ts';
import type { AuthorisationsOf, FiredJob, HandlersOf } from '../../kernel/service.ts';
import { invalidArgument, limitExceeded, shardNotFound, streamExists, streamNotFound } from './errors.ts';
import { nameOf, onStream, requireActive, requireStream, streamArn } from './lookup.ts';
import { equalRanges, hashKeyMax, sequenceNumber, shardId, shardNumber } from './numbers.ts';
import { Records, type ShardRow, Shards, type StreamRow, Streams } from './state.ts';

/** Cloud milliseconds from CREATING to ACTIVE, and to the end of DELETING. */
const settleMillis = 200;
const trimMillis = 3_600_000;
const pieceRows = 500;
const onDemandShards = 4;
const shardsPerPageMax = 10_000;
const tagsMax = 50;
const defaultRetentionHours = 24;
const retentionHoursMax = 8760;

/** Adds a shard to a stream. */
async function addShard(
  tx: Transaction,
  stream: StreamRow,
  shard: Omit<ShardRow, 'stream' | 'number' | 'last'>,
): Promise<StreamRow> {
  await tx.table(Shards).put({ ...shard, stream: stream.id, number: stream.shardsMade, last: 0 });
  const changed = { ...stream, shardsMade: stream.shardsMade + 1 };
  await tx.table(Streams).put(changed);
  return changed;
}

async function openShards(tx: Transaction, stream: StreamRow): Promise<ShardRow[]> {
  const rows = await tx.table(Shards).list({ prefix: [stream.id] });
  return rows.filter(({ closed }) => closed === undefined).sort((a, b) => (BigInt(a.from) < BigInt(b.from) ? -1 : 1));
}

function describeShard(row: ShardRow): Shard {
  return {
    ShardId: shardId(row.number),
    ParentShardId: row.parent === undefined ? undefined : shardId(row.parent),
    AdjacentParentShardId: row.adjacentParent === undefined ? undefined : shardId(row.adjacentParent),
    HashKeyRange: { StartingHashKey: row.from, EndingHashKey: row.to },
    SequenceNumberRange: {
      StartingSequenceNumber: sequenceNumber(row, 0),
      EndingSequenceNumber: row.closed === undefined ? undefined : sequenceNumber(row, row.last + 1),
    },
  };
}

function describe(ctx: Context, row: StreamRow) {
  return {
    StreamName: row.name,
    StreamARN: streamArn(ctx, row.name),
    StreamStatus: row.status,
    StreamModeDetails: { StreamMode: row.mode },
    RetentionPeriodHours: row.retentionHours,
    StreamCreationTimestamp: new Date(row.created),
    EnhancedMonitoring: [{ ShardLevelMetrics: [] }],
    EncryptionType: 'NONE' as const,
  };
}

/** Closes shards and puts others in their place. */
async function reshard(
  ctx: Context,
  tx: Transaction,
  stream: StreamRow,
  old: readonly ShardRow[],
  ranges: readonly { from: string; to: string }[],
): Promise<void> {
  const now = ctx.clock.now();
  for (const shard of old) await tx.table(Shards).put({ ...shard, closed: now });
  let changed = stream;
  for (const { from, to } of ranges) {
    const over = old.filter((shard) => BigInt(shard.from) <= BigInt(to) && BigInt(shard.to) >= BigInt(from));
    const [parent, adjacent] = [over[0]?.number, over.length > 1 ? over.at(-1)?.number : undefined];
    changed = await addShard(tx, changed, { from, to, created: now, parent, adjacentParent: adjacent });
  }
}

async function findShard(tx: Transaction, ctx: Context, stream: StreamRow, id: string | undefined): Promise<ShardRow> {
  const row = await tx.table(Shards).get(stream.id, shardNumber(id ?? '') ?? -1);
  if (row === undefined) throw shardNotFound(id ?? '', stream.name, ctx.account);
  if (row.closed !== undefined)
    throw invalidArgument(
      `Shard ${id} in stream ${stream.name} under account ${ctx.account} has already been merged or split, and thus is not eligible for merging or splitting.`,
    );
  return row;
}

async function setRetention(
  ctx: Context,
  input: { StreamName?: string; StreamARN?: string; RetentionPeriodHours: number | undefined },
  up: boolean,
) {
  const stream = await requireActive(ctx, input);
  const hours = input.RetentionPeriodHours ?? 0;
  if (hours < defaultRetentionHours)
    throw invalidArgument(
      `Minimum allowed retention period is ${defaultRetentionHours} hours. Requested retention period (${hours} hours) is too short.`,
    );
  if (hours > retentionHoursMax)
    throw invalidArgument(
      `Maximum allowed retention period is ${retentionHoursMax} hours. Requested retention period (${hours} hours) is too long.`,
    );
  if (up ? hours < stream.retentionHours : hours > stream.retentionHours) {
    throw invalidArgument(
      `Requested retention period (${hours} hours) for stream ${stream.name} can not be ${up ? 'shorter' : 'longer'} than existing retention period (${stream.retentionHours} hours). Use ${up ? 'DecreaseRetentionPeriod' : 'IncreaseRetentionPeriod'} API.`,
    );
  }
  await ctx.transact((tx) => tx.table(Streams).put({ ...stream, retentionHours: hours }));
  return {};
}

export const streamHandlers: HandlersOf<Kinesis> = {
  async CreateStream({ StreamName = '', ShardCount, StreamModeDetails, Tags = {}, ...others }, ctx) {
    const [other] = Object.keys(others).filter((key) => others[key as keyof typeof others] !== undefined);
    if (other !== undefined) throw parameterNotImplemented('CreateStream', other);
    new RequestCheck().length('streamName', StreamName, 1, 128).range('shardCount', ShardCount, 1, 100_000).done();
    if (!/^[a-zA-Z0-9_.-]+$/.test(StreamName)) throw invalidArgument(`Stream name ${StreamName} is not valid.`);
    const mode = StreamModeDetails?.StreamMode ?? 'PROVISIONED';
    if (mode === 'PROVISIONED' && ShardCount === undefined)
      throw invalidArgument('ShardCount must be provided when StreamMode is PROVISIONED.');
    if (mode === 'ON_DEMAND' && ShardCount !== undefined)
      throw invalidArgument('ShardCount must not be provided when StreamMode is ON_DEMAND.');
    const row: StreamRow = {
      name: StreamName,
      id: ctx.id('messageShelf'),
      mode,
      status: 'CREATING',
      created: ctx.now,
      retentionHours: defaultRetentionHours,
      shardsMade: 0,
      tags: Tags,
    };
    await ctx.transact(async (tx) => {
      if ((await tx.table(Streams).get(StreamName)) !== undefined) throw streamExists(StreamName, ctx.account);
      let stream = row;
      for (const range of equalRanges(ShardCount ?? onDemandShards))
        stream = await addShard(tx, stream, { ...range, created: ctx.now });
      await tx.schedule({ task: 'settle', key: StreamName, due: ctx.now + settleMillis });
    });
    return {};
  },

  async DeleteStream(input, ctx) {
    const stream = await requireStream(ctx, input);
    await ctx.transact(async (tx) => {
      await tx.table(Streams).put({ ...stream, status: 'DELETING' });
      await tx.unschedule('trim', stream.name);
      await tx.schedule({ task: 'settle', key: stream.name, due: ctx.now + settleMillis });
    });
    return {};
  },

  async DescribeStream({ Limit = 100, ExclusiveStartShardId, ...input }, ctx) {
    const stream = await requireStream(ctx, input);
    const after = ExclusiveStartShardId === undefined ? {} : { after: [stream.id, shardNumber(ExclusiveStartShardId) ?? -1] };
    const rows = await ctx.table(Shards).list({ prefix: [stream.id], ...after, limit: Limit + 1 });
    const description: StreamDescription = {
      ...describe(ctx, stream),
      Shards: rows.slice(0, Limit).map(describeShard),
      HasMoreShards: rows.length > Limit,
    };
    return { StreamDescription: description };
  },

  async DescribeStreamSummary(input, ctx) {
    const stream = await requireStream(ctx, input);
    const open = (await ctx.table(Shards).list({ prefix: [stream.id] })).filter(({ closed }) => closed === undefined);
    return { StreamDescriptionSummary: { ...describe(ctx, stream), OpenShardCount: open.length, ConsumerCount: 0 } };
  },

  async ListStreams({ Limit = 100, ExclusiveStartStreamName, NextToken }, ctx) {
    const start = NextToken ?? ExclusiveStartStreamName;
    const rows = await ctx.table(Streams).list({ ...(start === undefined ? {} : { after: [start] }), limit: Limit + 1 });
    const shown = rows.slice(0, Limit);
    const HasMoreStreams = rows.length > Limit;
    return {
      StreamNames: shown.map(({ name }) => name),
      HasMoreStreams,
      NextToken: HasMoreStreams ? shown.at(-1)?.name : undefined,
      StreamSummaries: shown.map((row) => {
        const { StreamName, StreamARN, StreamStatus, StreamModeDetails, StreamCreationTimestamp } = describe(ctx, row);
        return { StreamName, StreamARN, StreamStatus, StreamModeDetails, StreamCreationTimestamp };
      }),
    };
  },

  async ListShards(
    { NextToken, ShardFilter, MaxResults = shardsPerPageMax, ExclusiveStartShardId, StreamCreationTimestamp, ...input },
    ctx,
  ) {
    if (NextToken !== undefined) throw parameterNotImplemented('ListShards', 'NextToken');
    if (ShardFilter !== undefined && ShardFilter.Type !== 'AT_LATEST' && ShardFilter.Type !== 'FROM_TRIM_HORIZON')
      throw parameterNotImplemented('ListShards', `ShardFilter=${ShardFilter.Type}`);
    if (StreamCreationTimestamp !== undefined) throw parameterNotImplemented('ListShards', 'StreamCreationTimestamp');
    const stream = await requireStream(ctx, input);
    const after = ExclusiveStartShardId === undefined ? {} : { after: [stream.id, shardNumber(ExclusiveStartShardId) ?? -1] };
    const rows = await ctx.table(Shards).list({ prefix: [stream.id], ...after, limit: MaxResults });
    const shown = ShardFilter?.Type === 'AT_LATEST' ? rows.filter(({ closed }) => closed === undefined) : rows;
    return { Shards: shown.map(describeShard) };
  },

  async SplitShard({ ShardToSplit, NewStartingHashKey = '', ...input }, ctx) {
    const stream = await requireActive(ctx, input);
    await ctx.transact(async (tx) => {
      const shard = await findShard(tx, ctx, stream, ShardToSplit);
      const at = /^\d{1,39}$/.test(NewStartingHashKey) ? BigInt(NewStartingHashKey) : -1n;
      if (at <= BigInt(shard.from) || at > BigInt(shard.to)) {
        throw invalidArgument(
          `NewStartingHashKey ${NewStartingHashKey} used in SplitShard() on shard ${ShardToSplit} in stream ${stream.name} under account ${ctx.account} is not both greater than one plus the shard's StartingHashKey ${shard.from} and less than the shard's EndingHashKey ${shard.to}.`,
        );
      }
      const fresh = (await tx.table(Streams).get(stream.name)) ?? stream;
      await reshard(
        ctx,
        tx,
        fresh,
        [shard],
        [
          { from: shard.from, to: String(at - 1n) },
          { from: String(at), to: shard.to },
        ],
      );
    });
    return {};
  },

  async MergeShards({ ShardToMerge, AdjacentShardToMerge, ...input }, ctx) {
    const stream = await requireActive(ctx, input);
    await ctx.transact(async (tx) => {
      const pair = [await findShard(tx, ctx, stream, ShardToMerge), await findShard(tx, ctx, stream, AdjacentShardToMerge)];
      const [low, high] = pair.sort((a, b) => (BigInt(a.from) < BigInt(b.from) ? -1 : 1)) as [ShardRow, ShardRow];
      if (BigInt(low.to) + 1n !== BigInt(high.from)) {
        throw invalidArgument(
          `Shards ${ShardToMerge} and ${AdjacentShardToMerge} in stream ${stream.name} under account ${ctx.account} are not an adjacent pair of shards eligible for merging`,
        );
      }
      const fresh = (await tx.table(Streams).get(stream.name)) ?? stream;
      await reshard(ctx, tx, fresh, [low, high], [{ from: low.from, to: high.to }]);
    });
    return {};
  },

  async UpdateShardCount({ TargetShardCount: target = 0, ScalingType, ...input }, ctx) {
    if (ScalingType !== 'UNIFORM_SCALING') throw invalidArgument('ScalingType must be UNIFORM_SCALING.');
    const stream = await requireActive(ctx, input);
    const current = await ctx.transact(async (tx) => {
      const open = await openShards(tx, stream);
      const counts = `Current open shard count: ${open.length} Target shard count: ${target}`;
      if (target > open.length * 2)
        throw limitExceeded(`UpdateShardCount cannot scale up over double your current open shard count. ${counts}`);
      if (target < open.length / 2)
        throw limitExceeded(`UpdateShardCount cannot scale down below half your current open shard count. ${counts}`);
      const fresh = (await tx.table(Streams).get(stream.name)) ?? stream;
      if (target !== open.length) await reshard(ctx, tx, fresh, open, equalRanges(target));
      return open.length;
    });
    return {
      StreamName: stream.name,
      CurrentShardCount: current,
      TargetShardCount: target,
      StreamARN: streamArn(ctx, stream.name),
    };
  },

  IncreaseStreamRetentionPeriod: (input, ctx) => setRetention(ctx, input, true),
  DecreaseStreamRetentionPeriod: (input, ctx) => setRetention(ctx, input, false),

  async AddTagsToStream({ Tags = {}, ...input }, ctx) {
    const stream = await requireStream(ctx, input);
    const tags = { ...stream.tags, ...Tags };
    if (Object.keys(tags).length > tagsMax)
      throw limitExceeded(
        `Failed to add tags to stream ${stream.name} under account ${ctx.account} because a given stream cannot have more than ${tagsMax} tags associated with it.`,
      );
    await ctx.transact((tx) => tx.table(Streams).put({ ...stream, tags }));
    return {};
  },

  async RemoveTagsFromStream({ TagKeys = [], ...input }, ctx) {
    const stream = await requireStream(ctx, input);
    const tags = Object.fromEntries(Object.entries(stream.tags).filter(([key]) => !TagKeys.includes(key)));
    await ctx.transact((tx) => tx.table(Streams).put({ ...stream, tags }));
    return {};
  },

  async ListTagsForStream({ ExclusiveStartTagKey, Limit = tagsMax, ...input }, ctx) {
    const stream = await requireStream(ctx, input);
    const all = Object.entries(stream.tags).sort(([a], [b]) => (a < b ? -1 : 1));
    const rest = all.filter(([key]) => ExclusiveStartTagKey === undefined || key > ExclusiveStartTagKey);
    return { Tags: rest.slice(0, Limit).map(([Key, Value]) => ({ Key, Value })), HasMoreTags: rest.length > Limit };
  },
};

export const streamChecks: AuthorisationsOf<Kinesis> = {
  CreateStream: ({ StreamName = '' }, ctx) => [{ resource: streamArn(ctx, nameOf({ StreamName })) }],
  DeleteStream: onStream,
  DescribeStream: onStream,
  DescribeStreamSummary: onStream,
  ListShards: onStream,
  SplitShard: onStream,
  MergeShards: onStream,
  UpdateShardCount: onStream,
  IncreaseStreamRetentionPeriod: onStream,
  DecreaseStreamRetentionPeriod: onStream,
  AddTagsToStream: onStream,
  RemoveTagsFromStream: onStream,
  ListTagsForStream: onStream,
};

/** A stream becomes active, or goes with all that is in it. `key` is its name. */
export async function settle({ key: name }: FiredJob, ctx: Context): Promise<void> {
  const stream = await ctx.table(Streams).get(name);
  if (stream === undefined) throw streamNotFound(name, ctx.account);
  if (stream.status === 'CREATING') {
    await ctx.transact(async (tx) => {
      await tx.table(Streams).put({ ...stream, status: 'ACTIVE' });
      await tx.schedule({ task: 'trim', key: name, due: ctx.clock.now() + trimMillis });
    });
    return;
  }
  for (;;) {
    const count = await ctx.transact(async (tx) => {
      const rows = await tx.table(Records).list({ prefix: [stream.id], limit: pieceRows });
      for (const row of rows) await tx.table(Records).delete(row.stream, row.shard, row.index);
      return rows.length;
    });
    if (count < pieceRows) break;
  }
  await ctx.transact(async (tx) => {
    for (const row of await tx.table(Shards).list({ prefix: [stream.id] })) await tx.table(Shards).delete(row.stream, row.number);
    await tx.table(Streams).delete(name);
  });
}

/** Drops records whose retention has ended, once an hour; readers skip them before. `key` is the stream's name. */
export async function trim({ key: name, due }: FiredJob, ctx: Context): Promise<void> {
  const stream = await ctx.table(Streams).get(name);
  if (stream === undefined) return;
  const edge = due - stream.retentionHours * 3_600_000;
  for (const shard of await ctx.table(Shards).list({ prefix: [stream.id] })) {
    for (;;) {
      const dropped = await ctx.transact(async (tx) => {
        const rows = await tx.table(Records).list({ prefix: [stream.id, shard.number], limit: pieceRows });
        const old = rows.filter(({ at }) => at <= edge);
        for (const row of old) await tx.table(Records).delete(row.stream, row.shard, row.index);
        return old.length;
      });
      if (dropped < pieceRows) break;
    }
  }
  await ctx.transact((tx) => tx.schedule({ task: 'trim', key: name, due: due + trimMillis }));
}

/** The shard that takes a hash key. */
export function shardFor(open: readonly ShardRow[], key: bigint): ShardRow {
  const found = open.find(({ from, to }) => BigInt(from) <= key && key <= BigInt(to));
  if (found === undefined) throw new Error(`No open shard takes the hash key ${key} of ${hashKeyMax}.`);
  return found;
}
