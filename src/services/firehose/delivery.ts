/**
 * From buffers to destinations: a batch goes out when the buffer is large or old enough, and leaves it when the destination has it, so that every
 * record arrives at least once. What is refused is tried again by the clock: an HTTP endpoint as long as its retry duration says, then the backup
 * bucket takes it; S3 for 24 hours, then it is lost ("Understand data delivery failure handling").
 */
import { gzipSync } from 'node:zlib';
import type { Millis } from '../../base/clock.ts';
import type { Context, Transaction } from '../../kernel/context.ts';
import { AwsError } from '../../kernel/errors.ts';
import { sendHttp } from '../../kernel/http-out.ts';
import type { FiredJob } from '../../kernel/service.ts';
import { compressed, extensions } from './compression.ts';
import { accessKeyLabel } from './destinations.ts';
import { actBy, streamArn } from './lookup.ts';
import { evaluatePrefix, type Occasion, suffix } from './prefixes.ts';
import { hintsOf } from './records.ts';
import { transform } from './transform.ts';
import {
  type BufferRow,
  Buffers,
  type HttpSpec,
  type LoggingSpec,
  type Piece,
  type RecordRow,
  Records,
  type StreamRow,
  Streams,
} from './state.ts';

/** "Firehose retries every 5 seconds for up to a maximum duration of 24 hours" (S3). */
const s3RetryMillisMax: Millis = 86_400_000;
const pauseMillisMin: Millis = 1000;
const pauseMillisMax: Millis = 60_000;
/** Real milliseconds that an endpoint may take. */
const answerMillisMax = 30_000;
/** While a request is under way, the job that would repeat it after a crash waits so long, in the cloud's time. */
const leaseMillis: Millis = 60_000;
const batchRecordsMax = 10_000;

/** Deliveries to endpoints that run in this process: after a crash there are none, and their jobs fire again. Rebuildable, by cloud. */
const runningCache = new WeakMap<object, Set<string>>();

/** Delivers what is due of a stream. `key` is its name. An endpoint or a function may take its time, which no job waits for. */
export async function flush({ key: name }: FiredJob, ctx: Context): Promise<void> {
  const stream = await ctx.table(Streams).get(name);
  if (stream === undefined) return;
  if (stream.http === undefined && stream.processing === undefined) return deliverDue(ctx, name);
  await ctx.transact((tx) => tx.schedule({ task: 'flush', key: name, due: ctx.clock.now() + leaseMillis }));
  const running = runningCache.get(ctx.clock) ?? new Set();
  runningCache.set(ctx.clock, running);
  if (running.has(stream.id)) return;
  running.add(stream.id);
  void deliverDue(ctx, name)
    .catch((error: unknown) => ctx.trace(`Firehose: a delivery failed by a bug of Pilvi: ${String(error)}`))
    .finally(() => running.delete(stream.id));
}

async function deliverDue(ctx: Context, name: string): Promise<void> {
  for (;;) {
    const stream = await ctx.table(Streams).get(name);
    const buffer = stream && (await ctx.table(Buffers).get(stream.id));
    if (stream === undefined || stream.status !== 'ACTIVE' || buffer === undefined) return;
    const done = await ctx.transact((tx) => settleWait(ctx, tx, stream));
    if (done) return;
    const batch = await batchOf(ctx, stream);
    const raw = stream.processing === undefined ? [] : batch.filter(({ outcome }) => outcome === undefined);
    if (raw.length > 0) {
      await keepOutcomes(ctx, stream, await transform(ctx, stream, raw));
      continue;
    }
    const failure = await attempt(ctx, stream, buffer, batch);
    if (failure === undefined) await ctx.transact((tx) => remove(tx, stream, batch));
    else {
      await report(ctx, stream, failure);
      const again = await ctx.transact((tx) => noteFailure(ctx, tx, stream, batch));
      if (!again) return;
    }
  }
}

/** True when nothing is to be delivered now; the job then waits for when something will be. */
async function settleWait(ctx: Context, tx: Transaction, stream: StreamRow): Promise<boolean> {
  const buffer = await tx.table(Buffers).get(stream.id);
  if (buffer?.oldest === undefined) {
    await tx.unschedule('flush', stream.name);
    return true;
  }
  const { bytes, millis } = hintsOf(stream);
  const due = buffer.oldest + millis;
  if (buffer.failing !== undefined || buffer.bytes >= bytes || ctx.clock.now() >= due) return false;
  await tx.schedule({ task: 'flush', key: stream.name, due });
  return true;
}

/** The oldest records, as many as the buffer's size takes. */
async function batchOf(ctx: Context, stream: StreamRow): Promise<RecordRow[]> {
  const rows = await ctx.table(Records).list({ prefix: [stream.id], limit: batchRecordsMax });
  const { bytes: most } = hintsOf(stream);
  let bytes = 0;
  const end = rows.findIndex(({ data }) => {
    bytes += data.byteLength;
    return bytes >= most;
  });
  return end < 0 ? rows : rows.slice(0, end + 1);
}

async function remove(tx: Transaction, stream: StreamRow, batch: readonly RecordRow[]): Promise<void> {
  let bytes = 0;
  for (const row of batch) if (await tx.table(Records).delete(row.stream, row.index)) bytes += row.data.byteLength;
  const [first] = await tx.table(Records).list({ prefix: [stream.id], limit: 1 });
  await tx
    .table(Buffers)
    .update([stream.id], ({ failing: _over, ...old }) => ({ ...old, bytes: old.bytes - bytes, oldest: first?.at }));
}

/** Keeps what processing made of records, so that a function gets each once, and forgets those that it dropped. */
async function keepOutcomes(ctx: Context, stream: StreamRow, outcomes: ReadonlyMap<number, readonly Piece[]>): Promise<void> {
  await ctx.transact(async (tx) => {
    const dropped: RecordRow[] = [];
    for (const [index, outcome] of outcomes) {
      const row = await tx.table(Records).get(stream.id, index);
      if (row === undefined) continue;
      if (outcome.length === 0) dropped.push(row);
      else await tx.table(Records).put({ ...row, outcome });
    }
    await remove(tx, stream, dropped);
  });
}

/** What is to be delivered of a batch: pieces of records, each with its record. */
interface Parcel {
  row: RecordRow;
  piece: Piece;
}

function parcelsOf(batch: readonly RecordRow[]): Parcel[] {
  return batch.flatMap((row) => (row.outcome ?? [{ data: row.data }]).map((piece) => ({ row, piece })));
}

/** Forgets pieces that were delivered, for the case that the rest of the batch is not. */
async function forgetPieces(ctx: Context, done: readonly Parcel[]): Promise<void> {
  const pieces = new Set(done.map(({ piece }) => piece));
  const rows = new Set(done.map(({ row }) => row));
  await ctx.transact(async (tx) => {
    for (const row of rows)
      await tx.table(Records).put({ ...row, outcome: (row.outcome ?? []).filter((piece) => !pieces.has(piece)) });
  });
}

/** Sees to the next attempt, or drops what S3 has refused for a day. True when the next batch may be tried at once. */
async function noteFailure(ctx: Context, tx: Transaction, stream: StreamRow, batch: readonly RecordRow[]): Promise<boolean> {
  const buffer = await tx.table(Buffers).get(stream.id);
  if (buffer === undefined) return false;
  const now = ctx.clock.now();
  const { since = now, attempts = 0 } = buffer.failing ?? {};
  const retryMillis = (stream.http?.retrySeconds ?? 0) * 1000;
  if (now >= since + retryMillis + s3RetryMillisMax) {
    await remove(tx, stream, batch);
    return true;
  }
  await tx.table(Buffers).put({ ...buffer, failing: { since, attempts: attempts + 1 } });
  const pause = Math.min(pauseMillisMin * 2 ** attempts, pauseMillisMax);
  // The last attempt at an endpoint is not put off beyond the end of its retries.
  const end = since + retryMillis;
  const due = now < end ? Math.min(now + pause, end) : now + pause;
  await tx.schedule({ task: 'flush', key: stream.name, due });
  return false;
}

interface Failure {
  code: string;
  message: string;
  logging: LoggingSpec;
  role: string;
}

/** One attempt to deliver a batch: undefined when it arrived, at its destination or in the backup of what cannot be delivered. */
async function attempt(
  ctx: Context,
  stream: StreamRow,
  buffer: BufferRow,
  batch: readonly RecordRow[],
): Promise<Failure | undefined> {
  const parcels = parcelsOf(batch);
  const failed = parcels.filter(({ piece }) => piece.failure !== undefined);
  const fine = parcels.filter(({ piece }) => piece.failure === undefined);
  if (failed.length > 0) {
    const lines = unprocessedLines(ctx, failed);
    const refusal = await putObject(ctx, stream, failed, lines, { errorType: 'processing-failed' });
    if (refusal !== undefined) return refusal;
    await forgetPieces(ctx, failed);
    const { code, message } = failed[0]!.piece.failure!;
    await report(ctx, stream, { code, message, logging: (stream.http ?? stream.s3).logging, role: stream.s3.role });
  }
  if (fine.length === 0) return undefined;
  return stream.http === undefined ? toBucket(ctx, stream, fine) : toEndpoint(ctx, stream, stream.http, buffer, fine);
}

/** Puts one object, or one for each partition. */
async function toBucket(ctx: Context, stream: StreamRow, parcels: readonly Parcel[]): Promise<Failure | undefined> {
  const groups = new Map<string, Parcel[]>();
  for (const parcel of parcels) {
    const key = stream.partitioning === undefined ? '' : JSON.stringify(parcel.piece.keys ?? {});
    groups.set(key, [...(groups.get(key) ?? []), parcel]);
  }
  for (const group of groups.values()) {
    const whole = Buffer.concat(group.map(({ piece }) => piece.data));
    const refusal = await putObject(ctx, stream, group, whole, { keys: group[0]?.piece.keys });
    if (refusal !== undefined) return refusal;
    if (groups.size > 1) await forgetPieces(ctx, group);
  }
  return undefined;
}

async function toEndpoint(
  ctx: Context,
  stream: StreamRow,
  http: HttpSpec,
  { failing }: BufferRow,
  parcels: readonly Parcel[],
): Promise<Failure | undefined> {
  if (http.backup === 'AllData' && failing === undefined) {
    const unkept = await putObject(ctx, stream, parcels, Buffer.concat(parcels.map(({ piece }) => piece.data)));
    if (unkept !== undefined) return unkept;
  }
  const refusal = await postBatch(ctx, stream, http, parcels);
  if (refusal === undefined) return undefined;
  const since = failing?.since ?? ctx.clock.now();
  if (ctx.clock.now() < since + http.retrySeconds * 1000) return refusal;
  await report(ctx, stream, refusal);
  if (http.backup === 'AllData') return undefined;
  const lines = failedLines(ctx, parcels, refusal, (failing?.attempts ?? 0) + 1);
  return putObject(ctx, stream, parcels, lines, { errorType: 'http-endpoint-failed' });
}

/** What the bucket gets of records that could not be processed ("Handle failure in data transformation"). */
function unprocessedLines(ctx: Context, parcels: readonly Parcel[]): Uint8Array {
  const lines = parcels.map(({ row, piece: { data, failure } }) =>
    JSON.stringify({
      attemptsMade: failure?.attempts,
      arrivalTimestamp: row.at,
      errorCode: failure?.code,
      errorMessage: failure?.message,
      attemptEndingTimestamp: ctx.clock.now(),
      rawData: Buffer.from(data).toString('base64'),
      lambdaArn: failure?.arn,
    }),
  );
  return Buffer.from(`${lines.join('\n')}\n`);
}

/** What the backup bucket gets of records that an endpoint refused: a line of JSON each. */
function failedLines(ctx: Context, parcels: readonly Parcel[], { code, message }: Failure, attempts: number): Uint8Array {
  const lines = parcels.map(({ row: { at }, piece: { data } }) =>
    JSON.stringify({
      attemptsMade: attempts,
      arrivalTimestamp: at,
      errorCode: code,
      errorMessage: message,
      attemptEndingTimestamp: ctx.clock.now(),
      rawData: Buffer.from(data).toString('base64'),
    }),
  );
  return Buffer.from(`${lines.join('\n')}\n`);
}

/** What an object's key tells. */
type Place = Pick<Occasion, 'errorType' | 'keys'>;

/** Where an object goes: by the prefix, or for what failed by the error prefix. */
function keyOf(ctx: Context, { name, version, s3 }: StreamRow, at: Millis, { errorType, keys }: Place): string {
  const random = Buffer.from(ctx.bytes(12)).toString('base64url');
  const occasion: Occasion = { at, timeZone: s3.timeZone, random, errorType, keys };
  const failed = s3.errorPrefix ?? s3.prefix ?? '';
  const prefix = errorType === undefined ? (s3.prefix ?? '') : failed.includes('!{') ? failed : `${failed}${errorType}/`;
  const extension = s3.extension === undefined || s3.extension === '' ? extensions[s3.compression] : s3.extension;
  return `${evaluatePrefix(prefix, occasion)}${suffix(name, version, occasion, ctx.uuid(), extension)}`;
}

async function putObject(
  ctx: Context,
  stream: StreamRow,
  parcels: readonly Parcel[],
  bytes: Uint8Array,
  place: Place = {},
): Promise<Failure | undefined> {
  const { s3 } = stream;
  const Key = keyOf(ctx, stream, parcels[0]?.row.at ?? ctx.clock.now(), place);
  try {
    const sender = await actBy(ctx, s3.role);
    await sender.call('s3').putObject({
      Bucket: s3.bucketArn.slice('arn:aws:s3:::'.length),
      Key,
      Body: compressed(bytes, s3.compression, Key.slice(Key.lastIndexOf('/') + 1)),
      ContentType: 'application/octet-stream',
      ...(s3.kmsKey === undefined ? {} : { ServerSideEncryption: 'aws:kms' as const, SSEKMSKeyId: s3.kmsKey }),
    });
    return undefined;
  } catch (error) {
    if (!(error instanceof AwsError)) throw error;
    return { code: `S3.${error.code}`, message: error.message, logging: s3.logging, role: s3.role };
  }
}

/** POSTs a batch ("HTTP Endpoint Delivery Request and Response Specifications"): taken when the answer is 200 and repeats the request's id. */
async function postBatch(
  ctx: Context,
  stream: StreamRow,
  http: HttpSpec,
  parcels: readonly Parcel[],
): Promise<Failure | undefined> {
  const requestId = ctx.uuid();
  const text = JSON.stringify({
    requestId,
    timestamp: ctx.clock.now(),
    records: parcels.map(({ piece: { data } }) => ({ data: Buffer.from(data).toString('base64') })),
  });
  const common = Object.fromEntries(http.attributes.map(({ name, value }) => [name, value]));
  const answer = await sendHttp(ctx, {
    url: http.url,
    method: 'POST',
    timeoutMillis: answerMillisMax,
    body: http.encoding === 'GZIP' ? gzipSync(text) : text,
    headers: {
      'content-type': 'application/json',
      'user-agent': 'Amazon Kinesis Data Firehose Agent/1.0',
      'x-amz-firehose-protocol-version': '1.0',
      'x-amz-firehose-request-id': requestId,
      'x-amz-firehose-source-arn': streamArn(ctx, stream.name),
      ...(http.encoding === 'GZIP' ? { 'content-encoding': 'gzip' } : {}),
      ...(http.accessKey === undefined ? {} : { 'x-amz-firehose-access-key': openKey(ctx, stream.id, http.accessKey) }),
      ...(http.attributes.length === 0
        ? {}
        : { 'x-amz-firehose-common-attributes': JSON.stringify({ commonAttributes: common }) }),
    },
  });
  const fail = (code: string, message: string): Failure => ({
    code,
    message,
    logging: http.logging,
    role: http.role ?? stream.s3.role,
  });
  if (answer.status === 0) return fail('HttpEndpoint.ConnectionFailed', answer.body);
  if (answer.status !== 200)
    return fail('HttpEndpoint.InvalidStatusCode', `The endpoint answered ${answer.status}. ${answer.body}`.trim());
  if (!repeats(answer.body, requestId))
    return fail(
      'HttpEndpoint.InvalidResponseFromDestination',
      'The response from the endpoint is not valid: it must repeat the request id.',
    );
  return undefined;
}

function openKey(ctx: Context, id: string, sealed: string): string {
  return ctx.part('vault').open(Buffer.from(sealed, 'base64'), accessKeyLabel(id)).toString();
}

function repeats(body: string, requestId: string): boolean {
  try {
    return (JSON.parse(body) as { requestId?: unknown } | null)?.requestId === requestId;
  } catch {
    return false;
  }
}

/** Writes an error to the destination's log stream, if it has one. A log group that refuses is no reason to stop. */
async function report(ctx: Context, stream: StreamRow, { code, message, logging, role }: Failure): Promise<void> {
  if (!logging.enabled) return;
  const event = {
    deliveryStreamARN: streamArn(ctx, stream.name),
    destination: stream.http?.url ?? stream.s3.bucketArn,
    deliveryStreamVersionId: stream.version,
    message,
    errorCode: code,
  };
  try {
    const logs = (await actBy(ctx, role)).call('cloudwatch-logs');
    const logEvents = [{ timestamp: ctx.clock.now(), message: JSON.stringify(event) }];
    await logs.putLogEvents({ logGroupName: logging.group, logStreamName: logging.stream, logEvents });
  } catch (error) {
    if (!(error instanceof AwsError)) throw error;
  }
}
