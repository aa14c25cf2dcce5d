/**
 * Reading streams. A stream has one open shard; every four hours it closes and a child begins, as AWS does it. Records are kept for 24 hours by the
 * cloud's clock ("Change data capture for DynamoDB Streams").
 */
import { createHash } from 'node:crypto';
import type { _Record as StreamRecord, Shard, StreamDescription } from '@aws-sdk/client-dynamodb-streams';
import { formatPageToken, parsePageToken } from '../../../base/paging.ts';
import type { Millis } from '../../../base/clock.ts';
import type { Context } from '../../../kernel/context.ts';
import { AwsError } from '../../../kernel/errors.ts';
import { notFound, validation } from '../errors.ts';
import { Changes, type ChangeRow, type Position, type StreamRow, Streams } from '../state.ts';
import { describeKeys } from '../tables/describe.ts';
import { type Item, itemSize, outputItem } from '../values.ts';

const hour: Millis = 3_600_000;
const shardMillis = 4 * hour;
/** How long records can be read. */
export const retention: Millis = 24 * hour;
const iteratorMillis: Millis = 15 * 60_000;
const recordsMax = 1000;
/** "GetRecords": up to 1 MB in one answer. */
const answerBytesMax = 1024 * 1024;
const countDigits = 9;

/** A sequence number: time and number within it. */
function formatSequence({ at, count }: Position): string {
  return `${at}${String(count).padStart(countDigits, '0')}`;
}

/** The inverse; undefined for what is none. */
function parseSequence(text: string): Position | undefined {
  if (!/^\d{21,40}$/.test(text)) return undefined;
  return { at: Number(text.slice(0, -countDigits)), count: Number(text.slice(-countDigits)) };
}

function comparePositions(a: Position, b: Position): number {
  return a.at - b.at || a.count - b.count;
}

/** The stream of an ARN. Throws ResourceNotFoundException once it has been disabled for a day. */
export async function requireStream(ctx: Context, arn: string | undefined): Promise<StreamRow> {
  const match = /^arn:aws:dynamodb:[^:]*:\d{12}:table\/([^/]+)\/stream\/(.+)$/.exec(arn ?? '');
  const row = match === null ? undefined : await ctx.table(Streams).get(match[1]!, match[2]!);
  if (match === null) throw validation(`Invalid StreamArn`);
  if (row === undefined || row.arn !== arn || (row.ended !== undefined && ctx.now >= row.ended + retention))
    throw notFound(`Requested resource not found: Stream: ${arn} not found`);
  return row;
}

/** Streams in order of table and label; those that ended more than a day ago are gone. */
export async function listStreams(ctx: Context, table: string | undefined): Promise<StreamRow[]> {
  const rows = await ctx.table(Streams).list(table === undefined ? {} : { prefix: [table] });
  return rows.filter((row) => row.ended === undefined || ctx.now < row.ended + retention);
}

interface Window {
  id: string;
  parent: string | undefined;
  start: Millis;
  /** Absent while the shard is open. */
  end: Millis | undefined;
}

function shardId(row: StreamRow, start: Millis): string {
  const digest = createHash('sha256').update(`${row.arn}/${start}`).digest('hex').slice(0, 8);
  return `shardId-${String(start).padStart(20, '0')}-${digest}`;
}

/** The shards that hold records of the last day. */
function windowsOf(row: StreamRow, now: Millis): Window[] {
  const windows: Window[] = [];
  const last = row.ended ?? now;
  const first = row.created + Math.max(0, Math.floor((now - retention - row.created) / shardMillis)) * shardMillis;
  for (let start = first; start <= last; start += shardMillis) {
    const closed = start + shardMillis <= last;
    windows.push({
      id: shardId(row, start),
      parent: start === row.created ? undefined : shardId(row, start - shardMillis),
      start,
      end: closed ? start + shardMillis : row.ended,
    });
  }
  return windows;
}

function describeShard({ id, parent, start, end }: Window): Shard {
  return {
    ShardId: id,
    SequenceNumberRange: {
      StartingSequenceNumber: formatSequence({ at: start, count: 0 }),
      ...(end === undefined ? {} : { EndingSequenceNumber: formatSequence({ at: end, count: 0 }) }),
    },
    ...(parent === undefined ? {} : { ParentShardId: parent }),
  };
}

/** A stream as DescribeStream shows it. */
export function describeStream(
  ctx: Context,
  row: StreamRow,
  { limit = 100, after }: { limit?: number | undefined; after?: string | undefined },
): StreamDescription {
  const shards = windowsOf(row, ctx.now).filter(({ id }) => after === undefined || id > after);
  const shown = shards.slice(0, limit);
  return {
    StreamArn: row.arn,
    StreamLabel: row.label,
    StreamStatus: row.ended === undefined ? 'ENABLED' : 'DISABLED',
    StreamViewType: row.view,
    CreationRequestDateTime: new Date(row.created),
    TableName: row.table,
    KeySchema: describeKeys(row),
    Shards: shown.map(describeShard),
    ...(shards.length > limit ? { LastEvaluatedShardId: shown.at(-1)!.id } : {}),
  };
}

const iteratorScope = 'dynamodb-streams iterator';

/** An iterator: the stream, its shard, the position before the next record, and when it was issued. */
function formatIterator(row: StreamRow, window: Window, { at, count }: Position, now: Millis): string {
  return `${row.arn}|1|${formatPageToken(iteratorScope, [row.table, row.label, window.start, at, count, now])}`;
}

export type IteratorType = 'TRIM_HORIZON' | 'LATEST' | 'AT_SEQUENCE_NUMBER' | 'AFTER_SEQUENCE_NUMBER';

/** A new iterator. Throws ResourceNotFoundException, TrimmedDataAccessException, ValidationException. */
export function openIterator(
  ctx: Context,
  row: StreamRow,
  { shard, type, sequence }: { shard: string | undefined; type: IteratorType; sequence?: string | undefined },
): string {
  const window = windowsOf(row, ctx.now).find(({ id }) => id === shard);
  if (window === undefined) throw notFound(`Requested resource not found: Shard: ${shard} in Stream: ${row.arn} not found`);
  const begin = { at: window.start, count: -1 };
  if (type === 'TRIM_HORIZON') return formatIterator(row, window, begin, ctx.now);
  if (type === 'LATEST')
    return formatIterator(row, window, { at: window.end ?? ctx.now, count: Number.MAX_SAFE_INTEGER }, ctx.now);
  const position = parseSequence(sequence ?? '');
  if (position === undefined) throw validation('Invalid SequenceNumber');
  if (position.at < ctx.now - retention)
    throw new AwsError(
      'TrimmedDataAccessException',
      `The operation attempted to read past the oldest stream record in a shard. Requested sequence number: ${sequence}`,
    );
  const from = type === 'AFTER_SEQUENCE_NUMBER' ? position : { at: position.at, count: position.count - 1 };
  return formatIterator(row, window, from, ctx.now);
}

/** Records after an iterator, and the next one; none once the shard is closed and read to its end. */
export async function readRecords(
  ctx: Context,
  iterator: string | undefined,
  limit = recordsMax,
): Promise<{ Records: StreamRecord[]; NextShardIterator?: string | undefined }> {
  const token = (iterator ?? '').split('|')[2] ?? '';
  const parts = parsePageToken(iteratorScope, token);
  if (parts === undefined) throw validation('Invalid ShardIterator');
  const [table, label, start, at, count, issued] = parts as [string, string, number, number, number, number];
  if (ctx.now > issued + iteratorMillis)
    throw new AwsError(
      'ExpiredIteratorException',
      'The shard iterator has expired. Shard iterators are only valid for 15 minutes',
    );
  const row = await requireStream(ctx, (await ctx.table(Streams).get(table, label))?.arn ?? iterator?.split('|')[0]);
  const window = windowsOf(row, ctx.now).find((candidate) => candidate.start === start);
  if (window === undefined)
    throw new AwsError('TrimmedDataAccessException', 'The operation attempted to read past the oldest stream record in a shard.');
  const from = [{ at, count }, row.after, { at: ctx.now - retention, count: -1 }].sort(comparePositions).at(-1)!;
  const changes = await ctx.table(Changes).list({
    prefix: [row.space],
    after: [row.space, from.at, from.count],
    before: [row.space, window.end ?? Number.MAX_SAFE_INTEGER],
    limit: Math.min(limit, recordsMax),
  });
  const within = changes.filter((change) => row.until === undefined || comparePositions(change, row.until) <= 0);
  const shown = upToBytes(within);
  const last = shown.at(-1) ?? from;
  const finished = window.end !== undefined && shown.length === within.length && changes.length < Math.min(limit, recordsMax);
  return {
    Records: shown.map((change) => describeRecord(ctx, row, change)),
    NextShardIterator: finished ? undefined : formatIterator(row, window, last, ctx.now),
  };
}

function upToBytes(changes: readonly ChangeRow[]): ChangeRow[] {
  let bytes = 0;
  return changes.filter(({ before, after }, at) => {
    bytes += (before?.[0] ?? 0) + (after?.[0] ?? 0);
    return at === 0 || bytes <= answerBytesMax;
  });
}

function describeRecord(ctx: Context, row: StreamRow, change: ChangeRow): StreamRecord {
  const sequence = formatSequence(change);
  const image = (stored: ChangeRow['before']) => (stored === undefined ? undefined : outputItem(JSON.parse(stored[1]) as Item));
  const showNew = row.view === 'NEW_IMAGE' || row.view === 'NEW_AND_OLD_IMAGES';
  const showOld = row.view === 'OLD_IMAGE' || row.view === 'NEW_AND_OLD_IMAGES';
  const keys = JSON.parse(change.keys) as Item;
  return {
    eventID: createHash('md5').update(`${row.arn}/${sequence}`).digest('hex'),
    eventName: change.before === undefined ? 'INSERT' : change.after === undefined ? 'REMOVE' : 'MODIFY',
    eventVersion: '1.1',
    eventSource: 'aws:dynamodb',
    awsRegion: ctx.region,
    dynamodb: {
      ApproximateCreationDateTime: new Date(Math.floor(change.at / 1000) * 1000),
      Keys: outputItem(keys),
      ...(showNew && change.after !== undefined ? { NewImage: image(change.after) } : {}),
      ...(showOld && change.before !== undefined ? { OldImage: image(change.before) } : {}),
      SequenceNumber: sequence,
      SizeBytes: itemSize(keys) + (showNew ? (change.after?.[0] ?? 0) : 0) + (showOld ? (change.before?.[0] ?? 0) : 0),
      StreamViewType: row.view,
    },
    ...(change.by === 'ttl' ? { userIdentity: { PrincipalId: 'dynamodb.amazonaws.com', Type: 'Service' } } : {}),
  };
}
