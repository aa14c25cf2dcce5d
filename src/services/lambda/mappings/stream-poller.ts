/**
 * Records of a stream to a function: each shard in order, a batch at a time, from where it was left. A batch that fails is tried again, whole or halved, until
 * it succeeds, has been tried often enough, or is too old; then its place goes to the failure destination and the shard goes on ("How Lambda processes
 * records from stream and queue-based event sources", "Retain discarded batch records").
 */
import type { Millis } from '../../../base/clock.ts';
import type { Context } from '../../../kernel/context.ts';
import { AwsError } from '../../../kernel/errors.ts';
import { actBy, sendTo } from '../asynchronous/destinations.ts';
import { call, type CallResult } from '../execution/call.ts';
import { putMetrics } from '../execution/metrics.ts';
import type { Target } from '../lookup.ts';
import { functionArn, versionName } from '../names.ts';
import { type MappingRow, type PositionRow, Positions } from '../state.ts';
import { filterOf, kinesisRecord, tableRecord } from './events.ts';
import { sourceKind } from './mappings.ts';
import type { Beat } from './pollers.ts';
import { failedItems, targetOf } from './queue-poller.ts';

/** Real milliseconds between two looks at a shard that had nothing new; AWS looks once a second. */
const idleMillis = 200;
const refusalMillis = 1000;
const retryMillisMin: Millis = 500;
const retryMillisMax: Millis = 60_000;

interface Entry {
  sequence: string;
  at: Millis;
  record: object;
}

interface Shard {
  id: string;
  parents: readonly string[];
}

/** Iterators by shard while the poller runs: a new one begins at the position. */
type Iterators = Map<string, string>;

/** Reads and hands on until it is told to stop. */
export async function pollStream(ctx: Context, uuid: string, beat: Beat): Promise<void> {
  const iterators: Iterators = new Map();
  const gathered = new Map<string, Entry[]>();
  const busy = new Map<string, Promise<void>>();
  try {
    for (;;) {
      const mapping = await beat.mapping();
      if (mapping === undefined) return;
      let moved = false;
      try {
        const target = await targetOf(ctx, mapping);
        const source = await sourceOf(ctx, mapping, target);
        const positions = new Map((await ctx.table(Positions).list({ prefix: [uuid] })).map((row) => [row.shard, row]));
        for (const shard of await source.shards()) {
          if (busy.has(shard.id) || positions.get(shard.id)?.ended === true) continue;
          // A shard's children are read after it, so that keys keep their order.
          if (shard.parents.some((parent) => positions.has(parent) && positions.get(parent)?.ended !== true)) continue;
          const position = positions.get(shard.id) ?? { mapping: uuid, shard: shard.id, ended: false };
          const lane = { ctx, mapping, target, source, position, beat, iterators, gathered };
          const work = look(lane)
            .then((more) => {
              moved ||= more;
            })
            .finally(() => busy.delete(shard.id));
          busy.set(shard.id, work);
        }
        await Promise.all(busy.values());
      } catch (error) {
        if (!(error instanceof AwsError)) throw error;
        beat.note(`PROBLEM: ${error.message}`);
        await ctx.clock.pause(refusalMillis, beat.stopped);
      }
      if (!moved) await ctx.clock.pause(idleMillis, beat.stopped);
    }
  } finally {
    await Promise.allSettled(busy.values());
  }
}

interface Source {
  shards(): Promise<readonly Shard[]>;
  open(position: PositionRow): Promise<string | undefined>;
  read(shard: string, iterator: string, limit: number): Promise<{ entries: Entry[]; next: string | undefined }>;
}

interface Lane {
  ctx: Context;
  mapping: MappingRow;
  target: Target;
  source: Source;
  position: PositionRow;
  beat: Beat;
  iterators: Iterators;
  gathered: Map<string, Entry[]>;
}

/** One look at a shard: whether there was anything. */
async function look(lane: Lane): Promise<boolean> {
  const { ctx, mapping, source, position, iterators, gathered } = lane;
  const { shard } = position;
  const iterator = iterators.get(shard) ?? (await source.open(position));
  if (iterator === undefined) return false;
  const waiting = gathered.get(shard) ?? [];
  const { entries, next } = await source.read(shard, iterator, Math.max(1, mapping.batchSize - waiting.length));
  if (next === undefined) iterators.delete(shard);
  else iterators.set(shard, next);
  const batch = [...waiting, ...entries];
  const oldest = batch[0];
  const windowPassed = oldest !== undefined && ctx.clock.now() >= oldest.at + mapping.windowSeconds * 1000;
  if (oldest !== undefined && next !== undefined && batch.length < mapping.batchSize && !windowPassed) {
    gathered.set(shard, batch);
    return false;
  }
  gathered.delete(shard);
  let done: PositionRow = position;
  if (batch.length > 0) done = await deliverAll(lane, batch);
  else if (!(await known(ctx, position))) await save(ctx, position);
  // Stopped in the middle: what is left is read again from the position.
  if (lane.beat.stopped.aborted) return false;
  if (next === undefined) await save(ctx, { ...done, ended: true });
  return batch.length > 0;
}

async function known(ctx: Context, { mapping, shard }: PositionRow): Promise<boolean> {
  return (await ctx.table(Positions).get(mapping, shard)) !== undefined;
}

async function save(ctx: Context, row: PositionRow): Promise<void> {
  await ctx.transact((tx) => tx.table(Positions).put(row));
}

/** Hands entries on until all are done with; returns the position behind them. */
async function deliverAll(lane: Lane, entries: readonly Entry[]): Promise<PositionRow> {
  const { ctx, mapping, target, beat } = lane;
  const wanted = filterOf(mapping.filters);
  let { position } = lane;
  /** Parts still to be done, in order: bisecting puts two for one. */
  const parts: { entries: readonly Entry[]; failed: number }[] = [{ entries, failed: 0 }];
  for (;;) {
    const part = parts.shift();
    if (part === undefined || beat.stopped.aborted) return position;
    const last = part.entries.at(-1) as Entry;
    const passed = part.entries.filter(({ record }) => wanted(record));
    if (passed.length === 0) {
      position = await advance(ctx, position, last.sequence);
      continue;
    }
    const aged = tooOld(ctx, mapping, passed);
    const outcome = aged ? undefined : await tryBatch(lane, passed);
    if (outcome?.failedAt === undefined && outcome !== undefined) {
      position = await advance(ctx, position, last.sequence);
      beat.note('OK');
      continue;
    }
    const failed = part.failed + 1;
    const from = outcome?.failedAt === undefined ? 0 : part.entries.findIndex(({ sequence }) => sequence === outcome.failedAt);
    // A partial failure that got further is progress: what comes before it is done with.
    if (from > 0) {
      position = await advance(ctx, position, (part.entries[from - 1] as Entry).sequence);
      parts.unshift({ entries: part.entries.slice(from), failed });
      if (!exhausted(mapping, failed)) {
        await rest(ctx, failed, beat);
        continue;
      }
      parts.shift();
    }
    const left = part.entries.slice(Math.max(0, from));
    if (aged || exhausted(mapping, failed)) {
      await discard(lane, left, aged ? 'RecordAgeExceeded' : 'RetryAttemptsExhausted', failed, outcome?.result);
      position = await advance(ctx, position, last.sequence);
      continue;
    }
    beat.note('PROBLEM: Function call failed');
    putMetrics(ctx, target, [{ name: 'IteratorAge', value: ctx.clock.now() - (left[0]?.at ?? 0), unit: 'Milliseconds' }]);
    if (mapping.bisect === true && left.length > 1) {
      const half = Math.ceil(left.length / 2);
      // "Bisecting does not count towards the retry quota."
      parts.unshift({ entries: left.slice(0, half), failed: part.failed }, { entries: left.slice(half), failed: part.failed });
      continue;
    }
    parts.unshift({ entries: left, failed });
    await rest(ctx, failed, beat);
  }
}

function exhausted({ retries = -1 }: MappingRow, failed: number): boolean {
  return retries >= 0 && failed > retries;
}

function tooOld(ctx: Context, { ageSeconds = -1 }: MappingRow, entries: readonly Entry[]): boolean {
  return ageSeconds >= 0 && ctx.clock.now() - (entries[0]?.at ?? 0) > ageSeconds * 1000;
}

async function advance(ctx: Context, position: PositionRow, sequence: string): Promise<PositionRow> {
  const moved = { ...position, sequence };
  await save(ctx, moved);
  return moved;
}

/** Waits by the cloud's clock before the next attempt, longer each time. */
async function rest(ctx: Context, failed: number, beat: Beat): Promise<void> {
  const due = ctx.clock.now() + Math.min(retryMillisMax, retryMillisMin * 2 ** Math.min(failed, 10));
  await new Promise<void>((resolve) => {
    const cancel = ctx.clock.at(due, resolve);
    beat.stopped.addEventListener('abort', () => {
      cancel();
      resolve();
    });
  });
}

/** One attempt: undefined `failedAt` when all went well, else the first entry that has to come again. */
async function tryBatch(
  { ctx, mapping, target, position }: Lane,
  entries: readonly Entry[],
): Promise<{ failedAt: string | undefined; result?: CallResult | undefined }> {
  const first = (entries[0] as Entry).sequence;
  const payload = Buffer.from(JSON.stringify({ Records: entries.map(({ record }) => record) }));
  let result: CallResult;
  try {
    result = await call(ctx, target, { payload, requestId: ctx.uuid() });
  } catch (error) {
    if (!(error instanceof AwsError)) throw error;
    ctx.trace(`Shard ${position.shard}: ${error.message}`);
    return { failedAt: first };
  }
  const age = ctx.clock.now() - (entries.at(-1)?.at ?? 0);
  putMetrics(ctx, target, [{ name: 'IteratorAge', value: Math.max(0, age), unit: 'Milliseconds' }]);
  if (result.functionError !== undefined) return { failedAt: first, result };
  const failed = failedItems(
    mapping,
    result.payload,
    entries.map(({ sequence }) => sequence),
  );
  if (failed === 'all') return { failedAt: first, result };
  // "Lambda uses the lowest sequence number as the checkpoint."
  return { failedAt: entries.find(({ sequence }) => failed.has(sequence))?.sequence, result };
}

/** Tells the failure destination which records were given up: their place, not their content. */
async function discard(
  { ctx, mapping, target, position }: Lane,
  entries: readonly Entry[],
  condition: string,
  attempts: number,
  result: CallResult | undefined,
): Promise<void> {
  if (mapping.onFailure === undefined) return;
  const [first, last] = [entries[0] as Entry, entries.at(-1) as Entry];
  const arn = functionArn(target.ref);
  const requestId = ctx.uuid();
  const member = sourceKind(mapping.sourceArn) === 'kinesis' ? 'KinesisBatchInfo' : 'DDBStreamBatchInfo';
  const time = (at: Millis): string => new Date(at).toISOString();
  const body = JSON.stringify({
    requestContext: { requestId, functionArn: arn, condition, approximateInvokeCount: attempts },
    ...(result === undefined
      ? {}
      : {
          responseContext: {
            statusCode: 200,
            executedVersion: versionName(target.version.number),
            functionError: result.functionError,
          },
        }),
    version: '1.0',
    timestamp: time(ctx.clock.now()),
    [member]: {
      shardId: position.shard,
      startSequenceNumber: first.sequence,
      endSequenceNumber: last.sequence,
      approximateArrivalOfFirstRecord: time(first.at),
      approximateArrivalOfLastRecord: time(last.at),
      batchSize: entries.length,
      streamArn: mapping.sourceArn,
    },
  });
  const source = `${mapping.uuid}/${position.shard}`;
  await sendTo(ctx, target.version.role, target.ref.name, mapping.onFailure, {
    functionArn: arn,
    success: false,
    body,
    requestId,
    source,
  }).catch((error: unknown) => {
    if (!(error instanceof AwsError)) throw error;
    putMetrics(ctx, target, [{ name: 'DestinationDeliveryFailures', value: 1, unit: 'Count' }]);
  });
}

/** Where the records are, read with the role's rights. */
async function sourceOf(ctx: Context, mapping: MappingRow, target: Target): Promise<Source> {
  const arn = mapping.sourceArn;
  const acting = (await actBy(ctx, target.version.role, target.ref.name)).inScope({ region: arn.split(':')[3] ?? ctx.region });
  return sourceKind(arn) === 'kinesis' ? kinesisSource(acting, mapping, target) : tableSource(acting, mapping);
}

function kinesisSource(acting: Context, mapping: MappingRow, target: Target): Source {
  const kinesis = acting.call('kinesis');
  const StreamARN = mapping.sourceArn;
  return {
    async shards() {
      const { Shards = [] } = await kinesis.listShards({ StreamARN });
      return Shards.map(({ ShardId: id = '', ParentShardId, AdjacentParentShardId }) => ({
        id,
        parents: [ParentShardId, AdjacentParentShardId].filter((parent) => parent !== undefined),
      }));
    },
    async open({ shard, sequence }) {
      const from =
        sequence !== undefined
          ? { ShardIteratorType: 'AFTER_SEQUENCE_NUMBER' as const, StartingSequenceNumber: sequence }
          : mapping.position === 'TRIM_HORIZON'
            ? { ShardIteratorType: 'TRIM_HORIZON' as const }
            : { ShardIteratorType: 'AT_TIMESTAMP' as const, Timestamp: new Date(mapping.positionAt ?? mapping.modified) };
      return (await kinesis.getShardIterator({ StreamARN, ShardId: shard, ...from })).ShardIterator;
    },
    async read(shard, ShardIterator, Limit) {
      const { Records = [], NextShardIterator } = await kinesis.getRecords({ ShardIterator, Limit });
      const entries = Records.map((record) => ({
        sequence: record.SequenceNumber ?? '',
        at: record.ApproximateArrivalTimestamp?.getTime() ?? 0,
        record: kinesisRecord(record, shard, StreamARN, target.version.role),
      }));
      return { entries, next: NextShardIterator };
    },
  };
}

function tableSource(acting: Context, mapping: MappingRow): Source {
  const streams = acting.call('dynamodb-streams');
  const StreamArn = mapping.sourceArn;
  return {
    async shards() {
      const { StreamDescription } = await streams.describeStream({ StreamArn });
      return (StreamDescription?.Shards ?? []).map(({ ShardId: id = '', ParentShardId }) => ({
        id,
        parents: ParentShardId === undefined ? [] : [ParentShardId],
      }));
    },
    async open({ shard, sequence }) {
      const from =
        sequence === undefined
          ? { ShardIteratorType: mapping.position === 'LATEST' ? ('LATEST' as const) : ('TRIM_HORIZON' as const) }
          : { ShardIteratorType: 'AFTER_SEQUENCE_NUMBER' as const, SequenceNumber: sequence };
      return (await streams.getShardIterator({ StreamArn, ShardId: shard, ...from })).ShardIterator;
    },
    async read(_shard, ShardIterator, limit) {
      const { Records = [], NextShardIterator } = await streams.getRecords({ ShardIterator, Limit: Math.min(limit, 1000) });
      const entries = Records.map((record) => ({
        sequence: record.dynamodb?.SequenceNumber ?? '',
        at: record.dynamodb?.ApproximateCreationDateTime?.getTime() ?? 0,
        record: tableRecord(record, StreamArn),
      }));
      return { entries, next: NextShardIterator };
    },
  };
}
