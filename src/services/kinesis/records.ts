/** Records: put by partition key, read by iterators. Source: Kinesis Data Streams API Reference, PutRecords, GetShardIterator, GetRecords. */
import type { ChildShard, Kinesis, PutRecordsRequestEntry, _Record } from '@aws-sdk/client-kinesis';
import { formatPageToken, parsePageToken } from '../../base/paging.ts';
import type { Context, Transaction } from '../../kernel/context.ts';
import { AwsError } from '../../kernel/errors.ts';
import { RequestCheck } from '../../kernel/request-check.ts';
import type { AuthorisationsOf, HandlersOf } from '../../kernel/service.ts';
import { arrivals } from './arrivals.ts';
import { seal, unseal } from './encryption.ts';
import { expiredIterator, invalidArgument, rateExceeded, shardNotFound } from './errors.ts';
import { onStream, recordKibDefault, requireStream } from './lookup.ts';
import { count, countShard } from './metrics.ts';
import { hashKeyOf, indexOf, sequenceNumber, shardId, shardNumber } from './numbers.ts';
import { shardFinder } from './shards.ts';
import { Records, type RecordRow, type ShardRow, Shards, type StreamRow, Streams } from './state.ts';
import { noteRead, takeRead, takeWrite } from './throughput.ts';

const entriesMax = 500;
const requestBytesMax = 10_485_760;
const readRecordsMax = 10_000;
const readBytesMax = 10_485_760;
const iteratorMillis = 300_000;

interface Written {
  shard: ShardRow;
  index: number;
}

function checkEntry(stream: StreamRow, entry: PutRecordsRequestEntry, path: string): void {
  new RequestCheck()
    .length(`${path}partitionKey`, entry.PartitionKey, 1, 256)
    .size(`${path}data`, entry.Data, 0, (stream.recordKib ?? recordKibDefault) * 1024)
    .done();
}

function bytesOf({ Data, PartitionKey = '' }: PutRecordsRequestEntry): number {
  return (Data?.byteLength ?? 0) + Buffer.byteLength(PartitionKey);
}

/** Puts records in their order; each answers with its place, or undefined when its shard has no more room this second. */
async function write(
  ctx: Context,
  stream: StreamRow,
  entries: readonly PutRecordsRequestEntry[],
): Promise<(Written | { full: ShardRow })[]> {
  const keys = entries.map(({ PartitionKey = '', ExplicitHashKey }) => hashKeyOf(PartitionKey, ExplicitHashKey));
  const shards = (await ctx.table(Shards).list({ prefix: [stream.id] })).filter(({ closed }) => closed === undefined);
  const sealed = await seal(
    ctx,
    stream,
    entries.map(({ Data = new Uint8Array() }) => Data),
  );
  // Shares are taken before the transaction, which may run again.
  const shardOf = shardFinder(shards);
  const targets = entries.map((entry, i) => {
    const shard = shardOf(keys[i]!);
    return { shard, taken: takeWrite(ctx.clock, `${stream.id} ${shard.number}`, bytesOf(entry)) };
  });
  const results = await ctx.transact(async (tx) => {
    const at = ctx.clock.now();
    const done: (Written | { full: ShardRow })[] = [];
    const touched = new Map<number, ShardRow>();
    for (const [i, { PartitionKey = '' }] of entries.entries()) {
      const { shard, taken } = targets[i]!;
      if (!taken) {
        done.push({ full: shard });
        if (stream.mode === 'ON_DEMAND') await tx.schedule({ task: 'scaleOut', key: `${stream.name} ${shard.number}`, due: at });
        continue;
      }
      const open = await openShard(tx, touched, shard, keys[i]!);
      const index = open.last + 1;
      touched.set(open.number, { ...open, last: index });
      await tx.table(Records).put({ stream: stream.id, shard: open.number, index, key: PartitionKey, ...sealed[i]!, at });
      done.push({ shard: open, index });
    }
    for (const row of touched.values()) await tx.table(Shards).put(row);
    return done;
  });
  noteWritten(ctx, stream, entries, results);
  return results;
}

/** The row of the shard that takes a record now. It may have been split since it was chosen: then a child takes the record. */
async function openShard(
  tx: Transaction,
  touched: ReadonlyMap<number, ShardRow>,
  chosen: ShardRow,
  key: bigint,
): Promise<ShardRow> {
  const known = touched.get(chosen.number) ?? (await tx.table(Shards).get(chosen.stream, chosen.number)) ?? chosen;
  if (known.closed === undefined) return known;
  const rows = await tx.table(Shards).list({ prefix: [chosen.stream] });
  const child = shardFinder(rows.filter(({ closed }) => closed === undefined))(key);
  return touched.get(child.number) ?? child;
}

/** Counts what was put, and tells who waits for it. */
function noteWritten(
  ctx: Context,
  stream: StreamRow,
  entries: readonly PutRecordsRequestEntry[],
  results: readonly (Written | { full: ShardRow })[],
): void {
  const touched = new Set<number>();
  for (const [i, result] of results.entries()) {
    if ('full' in result) {
      count(ctx, stream, 'WriteProvisionedThroughputExceeded', 1);
      countShard(ctx, stream, result.full.number, 'WriteProvisionedThroughputExceeded', 1);
      continue;
    }
    const bytes = bytesOf(entries[i]!);
    const { number } = result.shard;
    touched.add(number);
    count(ctx, stream, 'IncomingRecords', 1);
    count(ctx, stream, 'IncomingBytes', bytes);
    countShard(ctx, stream, number, 'IncomingRecords', 1);
    countShard(ctx, stream, number, 'IncomingBytes', bytes);
  }
  for (const number of touched) arrivals(ctx.clock).tell(`${stream.id} ${number}`);
}

/** An iterator: which shard, from which record on, when it was given, and whose it is. */
function formatIterator(ctx: Context, stream: StreamRow, shard: number, index: number, at: number): string {
  return formatPageToken('shard iterator', [stream.name, stream.id, shard, index, at, ctx.account]);
}

async function readIterator(
  caller: Context,
  text: string,
): Promise<{ ctx: Context; stream: StreamRow; shard: ShardRow; index: number }> {
  const parts = parsePageToken('shard iterator', text);
  if (parts === undefined) throw invalidArgument('Invalid ShardIterator.');
  const [name, id, number, index, at, account] = parts as [string, string, number, number, number, string];
  const ctx = account === caller.account ? caller : caller.inScope({ account });
  if (ctx.clock.now() > at + iteratorMillis) throw expiredIterator(at, ctx.clock.now());
  const stream = await ctx.table(Streams).get(name);
  const shard = stream?.id === id ? await ctx.table(Shards).get(id, number) : undefined;
  if (stream === undefined || shard === undefined) throw shardNotFound(shardId(number), name, ctx.account);
  return { ctx, stream, shard, index };
}

/** Records as the API shows them. Throws what KMS refuses. */
export function showRecords(ctx: Context, stream: StreamRow, shard: ShardRow, rows: readonly RecordRow[]): Promise<_Record[]> {
  return Promise.all(
    rows.map(async (row) => ({
      SequenceNumber: sequenceNumber(shard, row.index),
      ApproximateArrivalTimestamp: new Date(row.at),
      Data: await unseal(ctx, stream, row),
      PartitionKey: row.key,
      EncryptionType: row.dataKey === undefined ? ('NONE' as const) : ('KMS' as const),
    })),
  );
}

/** Shards that took the place of a closed one. */
export async function childrenOf(ctx: Context, { stream, number }: ShardRow): Promise<ChildShard[]> {
  const rows = await ctx.table(Shards).list({ prefix: [stream] });
  return rows
    .filter((one) => one.parent === number || one.adjacentParent === number)
    .map((one) => ({
      ShardId: shardId(one.number),
      ParentShards: [one.parent, one.adjacentParent].filter((parent) => parent !== undefined).map(shardId),
      HashKeyRange: { StartingHashKey: one.from, EndingHashKey: one.to },
    }));
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

/** Records that a read gives: up to so many bytes, of their keys and data as kept, and one at least. */
export function within(rows: readonly RecordRow[], bytesMax: number): { shown: RecordRow[]; bytes: number } {
  const shown: RecordRow[] = [];
  let bytes = 0;
  for (const row of rows) {
    const size = row.data.byteLength + Buffer.byteLength(row.key);
    if (shown.length > 0 && bytes + size > bytesMax) break;
    shown.push(row);
    bytes += size;
  }
  return { shown, bytes };
}

/** Throws ResourceNotFoundException. */
export async function requireShard(ctx: Context, stream: StreamRow, id: string): Promise<ShardRow> {
  const shard = await ctx.table(Shards).get(stream.id, shardNumber(id) ?? -1);
  if (shard === undefined) throw shardNotFound(id, stream.name, ctx.account);
  return shard;
}

/** Where reading begins. */
export interface Start {
  type: string | undefined;
  sequence: string | undefined;
  time: Date | undefined;
}

/** The index of the first record from there on. Throws InvalidArgumentException, ValidationException. */
export async function placeOf(ctx: Context, shard: ShardRow, { type, sequence, time }: Start): Promise<number> {
  switch (type) {
    case 'TRIM_HORIZON':
      return 1;
    case 'LATEST':
      return shard.last + 1;
    case 'AT_SEQUENCE_NUMBER':
    case 'AFTER_SEQUENCE_NUMBER':
      if (sequence === undefined)
        throw invalidArgument(
          `Must either specify (1) AT_SEQUENCE_NUMBER or AFTER_SEQUENCE_NUMBER and StartingSequenceNumber or (2) TRIM_HORIZON or LATEST and no StartingSequenceNumber. Request specified ${type} and no StartingSequenceNumber.`,
        );
      return indexOf(shard, sequence) + (type === 'AT_SEQUENCE_NUMBER' ? 0 : 1);
    case 'AT_TIMESTAMP':
      if (time === undefined)
        throw invalidArgument(
          'Must specify timestamp parameter for iterator of type AT_TIMESTAMP. Current request has no timestamp parameter.',
        );
      return indexAt(ctx, shard, time.getTime());
    default:
      throw new AwsError(
        'ValidationException',
        `1 validation error detected: Value '${String(type)}' at 'shardIteratorType' failed to satisfy constraint: Member must satisfy enum value set: [AFTER_SEQUENCE_NUMBER, LATEST, AT_TIMESTAMP, AT_SEQUENCE_NUMBER, TRIM_HORIZON]`,
      );
  }
}

/** The first record of a shard that is not yet beyond the stream's retention. */
export function horizonOf(ctx: Context, stream: StreamRow, shard: ShardRow): Promise<number> {
  return indexAt(ctx, shard, ctx.clock.now() - stream.retentionHours * 3_600_000);
}

function encryptionOf({ kmsKey }: StreamRow): 'KMS' | 'NONE' {
  return kmsKey === undefined ? 'NONE' : 'KMS';
}

export const recordHandlers: HandlersOf<Kinesis> = {
  async PutRecord({ Data, PartitionKey, ExplicitHashKey, SequenceNumberForOrdering: _order, ...input }, ctx) {
    const stream = await requireStream(ctx, input);
    checkEntry(stream, { Data, PartitionKey }, '');
    // Numbers of a shard always grow, which is all that SequenceNumberForOrdering asks for.
    const [result] = await write(ctx, stream, [{ Data, PartitionKey, ExplicitHashKey }]);
    count(ctx, stream, 'PutRecord.Success', result !== undefined && 'index' in result ? 1 : 0);
    if (result === undefined || 'full' in result) throw rateExceeded(shardId(result?.full.number ?? 0), stream.name, ctx.account);
    return {
      ShardId: shardId(result.shard.number),
      SequenceNumber: sequenceNumber(result.shard, result.index),
      EncryptionType: encryptionOf(stream),
    };
  },

  async PutRecords({ Records: entries = [], ...input }, ctx) {
    const stream = await requireStream(ctx, input);
    new RequestCheck().range('records', entries.length, 1, entriesMax).done();
    for (const [index, entry] of entries.entries()) checkEntry(stream, entry, `records.${index + 1}.member.`);
    const bytes = entries.reduce((sum, entry) => sum + bytesOf(entry), 0);
    if (bytes > requestBytesMax) throw invalidArgument(`Records size exceeds ${requestBytesMax / 1_048_576} MB limit`);
    const results = await write(ctx, stream, entries);
    const shown = results.map((result) => {
      if ('index' in result)
        return { ShardId: shardId(result.shard.number), SequenceNumber: sequenceNumber(result.shard, result.index) };
      const error = rateExceeded(shardId(result.full.number), stream.name, ctx.account);
      return { ErrorCode: error.code, ErrorMessage: error.message };
    });
    const FailedRecordCount = shown.filter((one) => 'ErrorCode' in one).length;
    count(ctx, stream, 'PutRecords.TotalRecords', entries.length);
    count(ctx, stream, 'PutRecords.SuccessfulRecords', entries.length - FailedRecordCount);
    count(ctx, stream, 'PutRecords.ThrottledRecords', FailedRecordCount);
    return { FailedRecordCount, Records: shown, EncryptionType: encryptionOf(stream) };
  },

  async GetShardIterator({ ShardId = '', ShardIteratorType: type, StartingSequenceNumber, Timestamp, ...input }, ctx) {
    const stream = await requireStream(ctx, input);
    const shard = await requireShard(ctx, stream, ShardId);
    const index = await placeOf(ctx, shard, { type, sequence: StartingSequenceNumber, time: Timestamp });
    return { ShardIterator: formatIterator(ctx, stream, shard.number, index, ctx.clock.now()) };
  },

  async GetRecords({ ShardIterator = '', Limit = readRecordsMax }, caller) {
    new RequestCheck().range('limit', Limit, 1, readRecordsMax).done();
    const { ctx, stream, shard, index } = await readIterator(caller, ShardIterator);
    const name = `${stream.id} ${shard.number}`;
    if (!takeRead(ctx.clock, name)) {
      count(ctx, stream, 'ReadProvisionedThroughputExceeded', 1);
      countShard(ctx, stream, shard.number, 'ReadProvisionedThroughputExceeded', 1);
      throw rateExceeded(shardId(shard.number), stream.name, ctx.account);
    }
    const now = ctx.clock.now();
    const start = Math.max(index, await horizonOf(ctx, stream, shard));
    const rows = await ctx
      .table(Records)
      .list({ prefix: [stream.id, shard.number], after: [stream.id, shard.number, start - 1], limit: Limit });
    const { shown, bytes } = within(rows, readBytesMax);
    noteRead(ctx.clock, name, bytes);
    const next = (shown.at(-1)?.index ?? start - 1) + 1;
    const behind = await ctx.table(Records).get(stream.id, shard.number, next);
    const ended = shard.closed !== undefined && next > shard.last;
    const given = await showRecords(ctx, stream, shard, shown);
    const age = behind === undefined ? 0 : now - behind.at;
    count(ctx, stream, 'GetRecords.Records', shown.length);
    count(ctx, stream, 'GetRecords.Bytes', bytes);
    count(ctx, stream, 'GetRecords.Success', 1);
    count(ctx, stream, 'GetRecords.IteratorAgeMilliseconds', age);
    countShard(ctx, stream, shard.number, 'OutgoingRecords', shown.length);
    countShard(ctx, stream, shard.number, 'OutgoingBytes', bytes);
    countShard(ctx, stream, shard.number, 'IteratorAgeMilliseconds', age);
    return {
      Records: given,
      NextShardIterator: ended ? undefined : formatIterator(ctx, stream, shard.number, next, now),
      MillisBehindLatest: age,
      ...(ended ? { ChildShards: await childrenOf(ctx, shard) } : {}),
    };
  },
};

export const recordChecks: AuthorisationsOf<Kinesis> = {
  PutRecord: onStream,
  PutRecords: onStream,
  GetShardIterator: onStream,
  GetRecords: async ({ ShardIterator = '' }, ctx) => {
    const [name, , , , , account] = parsePageToken('shard iterator', ShardIterator) ?? [];
    if (typeof name !== 'string' || typeof account !== 'string') return [{ resource: '*' }];
    return onStream({ StreamName: name }, account === ctx.account ? ctx : ctx.inScope({ account }));
  },
};
