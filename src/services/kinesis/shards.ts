/** Shards: listed, divided, joined. Source: Kinesis Data Streams API Reference, ListShards, SplitShard, MergeShards, UpdateShardCount. */
import type { Kinesis, Shard, ShardFilter } from '@aws-sdk/client-kinesis';
import { formatPageToken, parsePageToken } from '../../base/paging.ts';
import type { Context, Transaction } from '../../kernel/context.ts';
import { AwsError } from '../../kernel/errors.ts';
import { RequestCheck } from '../../kernel/request-check.ts';
import type { AuthorisationsOf, FiredJob, HandlersOf } from '../../kernel/service.ts';
import { invalidArgument, limitExceeded, shardNotFound, streamNotFound } from './errors.ts';
import { onStream, requireActive, requireStream, type StreamName, streamArn } from './lookup.ts';
import { equalRanges, sequenceNumber, shardId, shardNumber } from './numbers.ts';
import { type ShardRow, Shards, type StreamRow, Streams } from './state.ts';

const shardsPerPageMax = 10_000;
/** "The token expires after 300 seconds" (ListShards, NextToken). */
const pageMillis = 300_000;
/** Open shards of an on-demand stream: its default quota is 200 MB/s in. */
const onDemandShardsMax = 200;

/** Adds a shard to a stream. */
export async function addShard(
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

export function describeShard(row: ShardRow): Shard {
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

/** "This operation is only supported for data streams with the provisioned capacity mode." */
async function requireProvisioned(ctx: Context, input: StreamName): Promise<StreamRow> {
  const stream = await requireActive(ctx, input);
  if (stream.mode === 'ON_DEMAND')
    throw new AwsError(
      'ValidationException',
      'Request is invalid. Please use this operation only for streams with PROVISIONED mode.',
    );
  return stream;
}

interface ShardPage {
  name: StreamName;
  /** When the stream was made, as a page token remembers it or the caller says. */
  created: number | undefined;
  /** Shards up to this number were shown. */
  after: number;
  filter: ShardFilter | undefined;
}

type ListShardsPaging = StreamName & {
  NextToken?: string | undefined;
  ShardFilter?: ShardFilter | undefined;
  ExclusiveStartShardId?: string | undefined;
  StreamCreationTimestamp?: Date | undefined;
};

/** Where a list of shards goes on. Throws InvalidArgumentException, ExpiredNextTokenException. */
function readPage(ctx: Context, input: ListShardsPaging): ShardPage {
  const { NextToken: token, ShardFilter: filter, ExclusiveStartShardId: start, StreamCreationTimestamp, ...name } = input;
  if (token === undefined) {
    checkFilter(filter);
    return {
      name,
      created: StreamCreationTimestamp?.getTime(),
      after: start === undefined ? -1 : (shardNumber(start) ?? -1),
      filter,
    };
  }
  if (name.StreamName !== undefined || start !== undefined || StreamCreationTimestamp !== undefined || filter !== undefined)
    throw invalidArgument(
      'NextToken and StreamName, StreamCreationTimestamp, ExclusiveStartShardId or ShardFilter cannot be provided together.',
    );
  const parts = parsePageToken('ListShards', token);
  if (parts === undefined) throw invalidArgument('NextToken is invalid.');
  const [StreamName, created, after, at, remembered] = parts as [string, number, number, number, string];
  if (ctx.clock.now() > at + pageMillis)
    throw new AwsError('ExpiredNextTokenException', 'The pagination token passed to the operation is expired.');
  return { name: { StreamName }, created, after, filter: (JSON.parse(remembered) as ShardFilter | null) ?? undefined };
}

function checkFilter(filter: ShardFilter | undefined): void {
  if (filter === undefined) return;
  const { Type: type, ShardId, Timestamp } = filter;
  const known = ['AFTER_SHARD_ID', 'AT_TRIM_HORIZON', 'FROM_TRIM_HORIZON', 'AT_LATEST', 'AT_TIMESTAMP', 'FROM_TIMESTAMP'];
  if (type === undefined || !known.includes(type)) throw invalidArgument(`ShardFilter type ${type} is not valid.`);
  if ((type === 'AFTER_SHARD_ID') !== (ShardId !== undefined))
    throw invalidArgument('ShardId must be provided exactly when the ShardFilter type is AFTER_SHARD_ID.');
  if (type.endsWith('_TIMESTAMP') !== (Timestamp !== undefined))
    throw invalidArgument('Timestamp must be provided exactly when the ShardFilter type is AT_TIMESTAMP or FROM_TIMESTAMP.');
}

/** Whether a shard passes a filter; `edge` is the trim horizon. */
function passes({ number, parent, created, closed }: ShardRow, filter: ShardFilter | undefined, edge: number): boolean {
  const at = (time: number): boolean => created <= time && (closed === undefined || closed > time);
  // Time in the API has milliseconds, in filters as written by clients seconds or more: the moment named counts as a whole.
  const time = new Date(filter?.Timestamp ?? 0).getTime();
  switch (filter?.Type) {
    case 'AFTER_SHARD_ID':
      return number > (shardNumber(filter.ShardId ?? '') ?? -1);
    case 'AT_LATEST':
      return closed === undefined;
    case 'AT_TRIM_HORIZON':
      return parent === undefined ? closed === undefined || closed > edge : at(edge);
    case 'AT_TIMESTAMP':
      return at(time);
    case 'FROM_TIMESTAMP':
      return closed === undefined || closed >= time;
    default:
      return closed === undefined || closed > edge;
  }
}

/** An on-demand stream's shard had no more room: two take its place ("On-demand mode … scales capacity automatically"). `key` is stream and shard. */
export async function scaleOut({ key }: FiredJob, ctx: Context): Promise<void> {
  const [name = '', number = ''] = key.split(' ');
  await ctx.transact(async (tx) => {
    const stream = await tx.table(Streams).get(name);
    if (stream?.mode !== 'ON_DEMAND' || stream.status !== 'ACTIVE') return;
    const shard = await tx.table(Shards).get(stream.id, Number(number));
    const open = await openShards(tx, stream);
    if (shard === undefined || shard.closed !== undefined || open.length >= onDemandShardsMax) return;
    const middle = (BigInt(shard.from) + BigInt(shard.to)) / 2n;
    const halves = [
      { from: shard.from, to: String(middle) },
      { from: String(middle + 1n), to: shard.to },
    ];
    await reshard(ctx, tx, stream, [shard], halves);
  });
}

export const shardHandlers: HandlersOf<Kinesis> = {
  async ListShards({ NextToken, ShardFilter, MaxResults = shardsPerPageMax, ExclusiveStartShardId, ...input }, ctx) {
    new RequestCheck().range('maxResults', MaxResults, 1, shardsPerPageMax).done();
    const page = readPage(ctx, { NextToken, ShardFilter, ExclusiveStartShardId, ...input });
    const stream = await requireStream(ctx, page.name);
    if (page.created !== undefined && page.created !== stream.created) throw streamNotFound(stream.name, ctx.account);
    const all = await ctx.table(Shards).list({ prefix: [stream.id] });
    const edge = ctx.clock.now() - stream.retentionHours * 3_600_000;
    const passed = all.filter((row) => row.number > page.after && passes(row, page.filter, edge));
    const shown = passed.slice(0, MaxResults);
    const last = shown.at(-1);
    return {
      Shards: shown.map(describeShard),
      NextToken:
        passed.length > shown.length && last !== undefined
          ? formatPageToken('ListShards', [
              stream.name,
              stream.created,
              last.number,
              ctx.clock.now(),
              JSON.stringify(page.filter ?? null),
            ])
          : undefined,
    };
  },

  async SplitShard({ ShardToSplit, NewStartingHashKey = '', ...input }, ctx) {
    const stream = await requireProvisioned(ctx, input);
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
    const stream = await requireProvisioned(ctx, input);
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
    const stream = await requireProvisioned(ctx, input);
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
};

export const shardChecks: AuthorisationsOf<Kinesis> = {
  ListShards: (input, ctx) => onStream(readPage(ctx, input).name, ctx),
  SplitShard: onStream,
  MergeShards: onStream,
  UpdateShardCount: onStream,
};

/** Finds the shard that takes a hash key, among open ones, whose ranges are read once. */
export function shardFinder(open: readonly ShardRow[]): (key: bigint) => ShardRow {
  const ranges = open.map((shard) => ({ shard, to: BigInt(shard.to) })).sort((a, b) => (a.to < b.to ? -1 : 1));
  return (key) => {
    let [low, high] = [0, ranges.length - 1];
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (ranges[middle]!.to < key) low = middle + 1;
      else high = middle;
    }
    const found = ranges[low]?.shard;
    if (found === undefined) throw new Error(`No open shard takes the hash key ${key}.`);
    return found;
  };
}
