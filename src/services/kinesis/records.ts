/** Records: put by partition key, read by iterators. Source: Kinesis Data Streams API Reference, PutRecords, GetShardIterator, GetRecords. */
import type { Kinesis, PutRecordsRequestEntry } from '@aws-sdk/client-kinesis';
import { formatPageToken, parsePageToken } from '../../base/paging.ts';
import type { Context } from '../../kernel/context.ts';
import { AwsError } from '../../kernel/errors.ts';
import { RequestCheck } from '../../kernel/request-check.ts';
import type { AuthorisationsOf, HandlersOf } from '../../kernel/service.ts';
import { expiredIterator, invalidArgument, rateExceeded, shardNotFound } from './errors.ts';
import { onStream, requireStream, streamArn } from './lookup.ts';
import { hashKeyOf, indexOf, sequenceNumber, shardId, shardNumber } from './numbers.ts';
import { shardFor } from './streams.ts';
import { Records, type RecordRow, type ShardRow, Shards, type StreamRow, Streams } from './state.ts';
import { noteRead, takeRead, takeWrite } from './throughput.ts';

const entriesMax = 500;
const requestBytesMax = 10_485_760;
const recordBytesMax = 1_048_576;
const readRecordsMax = 10_000;
const readBytesMax = 10_485_760;
const iteratorMillis = 300_000;

interface Written {
  shard: ShardRow;
  index: number;
}

function checkEntry(entry: PutRecordsRequestEntry, path: string): void {
  new RequestCheck()
    .length(`${path}partitionKey`, entry.PartitionKey, 1, 256)
    .size(`${path}data`, entry.Data, 0, recordBytesMax)
    .done();
}

/** Puts records in their order; each answers with its place, or undefined when its shard has no more room this second. */
async function write(
  ctx: Context,
  stream: StreamRow,
  entries: readonly PutRecordsRequestEntry[],
): Promise<(Written | { full: ShardRow })[]> {
  const keys = entries.map(({ PartitionKey = '', ExplicitHashKey }) => hashKeyOf(PartitionKey, ExplicitHashKey));
  const shards = (await ctx.table(Shards).list({ prefix: [stream.id] })).filter(({ closed }) => closed === undefined);
  // Shares are taken before the transaction, which may run again.
  const targets = entries.map(({ Data, PartitionKey = '' }, i) => {
    const shard = shardFor(shards, keys[i]!);
    const bytes = (Data?.byteLength ?? 0) + Buffer.byteLength(PartitionKey);
    return { shard, taken: takeWrite(ctx.clock, `${stream.id} ${shard.number}`, bytes) };
  });
  return ctx.transact(async (tx) => {
    const at = ctx.clock.now();
    const results: (Written | { full: ShardRow })[] = [];
    for (const [i, { Data = new Uint8Array(), PartitionKey = '' }] of entries.entries()) {
      const { shard, taken } = targets[i]!;
      if (!taken) {
        results.push({ full: shard });
        continue;
      }
      const known = (await tx.table(Shards).get(stream.id, shard.number)) ?? shard;
      // The shard may have been split meanwhile: then its child takes the record.
      const open =
        known.closed === undefined
          ? known
          : shardFor(
              (await tx.table(Shards).list({ prefix: [stream.id] })).filter(({ closed }) => closed === undefined),
              keys[i]!,
            );
      const index = open.last + 1;
      await tx.table(Shards).put({ ...open, last: index });
      await tx.table(Records).put({ stream: stream.id, shard: open.number, index, key: PartitionKey, data: Data, at });
      results.push({ shard: open, index });
    }
    return results;
  });
}

/** An iterator: which shard, from which record on, and when it was given. */
function formatIterator(stream: StreamRow, shard: number, index: number, at: number): string {
  return formatPageToken('shard iterator', [stream.name, stream.id, shard, index, at]);
}

async function readIterator(ctx: Context, text: string): Promise<{ stream: StreamRow; shard: ShardRow; index: number }> {
  const parts = parsePageToken('shard iterator', text);
  if (parts === undefined) throw invalidArgument('Invalid ShardIterator.');
  const [name, id, number, index, at] = parts as [string, string, number, number, number];
  if (ctx.clock.now() > at + iteratorMillis) throw expiredIterator(at, ctx.clock.now());
  const stream = await ctx.table(Streams).get(name);
  const shard = stream?.id === id ? await ctx.table(Shards).get(id, number) : undefined;
  if (stream === undefined || shard === undefined) throw shardNotFound(shardId(number), name, ctx.account);
  return { stream, shard, index };
}

/** The first record from a time on, by halving: records of a shard are numbered without gaps, in order of time. */
async function indexAt(ctx: Context, shard: ShardRow, time: number): Promise<number> {
  const [first] = await ctx.table(Records).list({ prefix: [shard.stream, shard.number], limit: 1 });
  let low = first?.index ?? shard.last + 1;
  let high = shard.last + 1;
  while (low < high) {
    const middle = (low + high) >>> 1;
    const record = await ctx.table(Records).get(shard.stream, shard.number, middle);
    if (record === undefined || record.at < time) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Records that a read gives: up to so many, and up to 10 MB. */
function within(rows: readonly RecordRow[]): { shown: RecordRow[]; bytes: number } {
  const shown: RecordRow[] = [];
  let bytes = 0;
  for (const row of rows) {
    const size = row.data.byteLength + Buffer.byteLength(row.key);
    if (shown.length > 0 && bytes + size > readBytesMax) break;
    shown.push(row);
    bytes += size;
  }
  return { shown, bytes };
}

export const recordHandlers: HandlersOf<Kinesis> = {
  async PutRecord({ Data, PartitionKey, ExplicitHashKey, SequenceNumberForOrdering: _order, ...input }, ctx) {
    const stream = await requireStream(ctx, input);
    checkEntry({ Data, PartitionKey }, '');
    // Numbers of a shard always grow, which is all that SequenceNumberForOrdering asks for.
    const [result] = await write(ctx, stream, [{ Data, PartitionKey, ExplicitHashKey }]);
    if (result === undefined || 'full' in result) throw rateExceeded(shardId(result?.full.number ?? 0), stream.name, ctx.account);
    return {
      ShardId: shardId(result.shard.number),
      SequenceNumber: sequenceNumber(result.shard, result.index),
      EncryptionType: 'NONE',
    };
  },

  async PutRecords({ Records: entries = [], ...input }, ctx) {
    const stream = await requireStream(ctx, input);
    new RequestCheck().range('records', entries.length, 1, entriesMax).done();
    for (const [index, entry] of entries.entries()) checkEntry(entry, `records.${index + 1}.member.`);
    const bytes = entries.reduce(
      (sum, { Data, PartitionKey = '' }) => sum + (Data?.byteLength ?? 0) + Buffer.byteLength(PartitionKey),
      0,
    );
    if (bytes > requestBytesMax) throw invalidArgument(`Records size exceeds ${requestBytesMax / 1_048_576} MB limit`);
    const results = await write(ctx, stream, entries);
    const shown = results.map((result) => {
      if ('index' in result)
        return { ShardId: shardId(result.shard.number), SequenceNumber: sequenceNumber(result.shard, result.index) };
      const error = rateExceeded(shardId(result.full.number), stream.name, ctx.account);
      return { ErrorCode: error.code, ErrorMessage: error.message };
    });
    return { FailedRecordCount: shown.filter((one) => 'ErrorCode' in one).length, Records: shown, EncryptionType: 'NONE' };
  },

  async GetShardIterator({ ShardId = '', ShardIteratorType: type, StartingSequenceNumber, Timestamp, ...input }, ctx) {
    const stream = await requireStream(ctx, input);
    const shard = await ctx.table(Shards).get(stream.id, shardNumber(ShardId) ?? -1);
    if (shard === undefined) throw shardNotFound(ShardId, stream.name, ctx.account);
    const give = (index: number) => ({ ShardIterator: formatIterator(stream, shard.number, index, ctx.clock.now()) });
    switch (type) {
      case 'TRIM_HORIZON':
        return give(1);
      case 'LATEST':
        return give(shard.last + 1);
      case 'AT_SEQUENCE_NUMBER':
      case 'AFTER_SEQUENCE_NUMBER': {
        if (StartingSequenceNumber === undefined)
          throw invalidArgument(
            `Must either specify (1) AT_SEQUENCE_NUMBER or AFTER_SEQUENCE_NUMBER and StartingSequenceNumber or (2) TRIM_HORIZON or LATEST and no StartingSequenceNumber. Request specified ${type} and no StartingSequenceNumber.`,
          );
        return give(indexOf(shard, StartingSequenceNumber) + (type === 'AT_SEQUENCE_NUMBER' ? 0 : 1));
      }
      case 'AT_TIMESTAMP': {
        if (Timestamp === undefined)
          throw invalidArgument(
            'Must specify timestamp parameter for iterator of type AT_TIMESTAMP. Current request has no timestamp parameter.',
          );
        return give(await indexAt(ctx, shard, Timestamp.getTime()));
      }
      default:
        throw new AwsError(
          'ValidationException',
          `1 validation error detected: Value '${String(type)}' at 'shardIteratorType' failed to satisfy constraint: Member must satisfy enum value set: [AFTER_SEQUENCE_NUMBER, LATEST, AT_TIMESTAMP, AT_SEQUENCE_NUMBER, TRIM_HORIZON]`,
        );
    }
  },

  async GetRecords({ ShardIterator = '', Limit = readRecordsMax }, ctx) {
    new RequestCheck().range('limit', Limit, 1, readRecordsMax).done();
    const { stream, shard, index } = await readIterator(ctx, ShardIterator);
    const name = `${stream.id} ${shard.number}`;
    if (!takeRead(ctx.clock, name)) throw rateExceeded(shardId(shard.number), stream.name, ctx.account);
    const now = ctx.clock.now();
    const edge = now - stream.retentionHours * 3_600_000;
    const start = Math.max(index, await indexAt(ctx, shard, edge));
    const rows = await ctx
      .table(Records)
      .list({ prefix: [stream.id, shard.number], after: [stream.id, shard.number, start - 1], limit: Limit });
    const { shown, bytes } = within(rows);
    noteRead(ctx.clock, name, bytes);
    const next = (shown.at(-1)?.index ?? start - 1) + 1;
    const behind = await ctx.table(Records).get(stream.id, shard.number, next);
    const ended = shard.closed !== undefined && next > shard.last;
    const children = ended
      ? (await ctx.table(Shards).list({ prefix: [stream.id] })).filter(
          (one) => one.parent === shard.number || one.adjacentParent === shard.number,
        )
      : [];
    return {
      Records: shown.map((row) => ({
        SequenceNumber: sequenceNumber(shard, row.index),
        ApproximateArrivalTimestamp: new Date(row.at),
        Data: row.data,
        PartitionKey: row.key,
        EncryptionType: 'NONE' as const,
      })),
      NextShardIterator: ended ? undefined : formatIterator(stream, shard.number, next, now),
      MillisBehindLatest: behind === undefined ? 0 : now - behind.at,
      ...(ended
        ? {
            ChildShards: children.map((one) => ({
              ShardId: shardId(one.number),
              ParentShards: [one.parent, one.adjacentParent].filter((parent) => parent !== undefined).map(shardId),
              HashKeyRange: { StartingHashKey: one.from, EndingHashKey: one.to },
            })),
          }
        : {}),
    };
  },
};

export const recordChecks: AuthorisationsOf<Kinesis> = {
  PutRecord: onStream,
  PutRecords: onStream,
  GetShardIterator: onStream,
  GetRecords: ({ ShardIterator = '' }, ctx) => {
    const name = parsePageToken('shard iterator', ShardIterator)?.[0];
    return [{ resource: typeof name === 'string' ? streamArn(ctx, name) : '*' }];
  },
};
