/**
 * What is under way by replication rules that measure it: metrics each minute ("Using S3 Replication metrics") and the events of Replication Time
 * Control, whose threshold is fifteen minutes. A version that waits has a row; a rule has one with what its minute held, so that a minute costs the same
 * however much waits.
 */
import type { Millis } from '../../../base/clock.ts';
import type { Context, Transaction } from '../../../kernel/context.ts';
import type { Task } from '../../../kernel/service.ts';
import type { CloudWatchApi, ServiceDatum } from '../../cloudwatch/api.ts';
import { announce } from '../events.ts';
import { type BucketRow, Buckets, type ReplicationRuleRow, type VersionRow, Versions } from '../state.ts';
import type { ReplicationFailure } from './replication-failures.ts';
import { ReplicationProgress, type RuleProgressRow, type TrackedRow, TrackedVersions } from './replication-state.ts';

/** "S3 RTC … replicates 99.9 percent of new objects stored in Amazon S3 within 15 minutes": the only threshold there is. */
export const thresholdMinutes = 15;
const minuteMillis = 60_000;

type Subject = Pick<VersionRow, 'bucket' | 'key' | 'sequence'>;

/** Key of what waits for a version. */
export function waitingKey({ bucket, key, sequence }: Subject): string {
  return `${bucket}/${sequence}/${key}`;
}

/** Begins to measure a version's way by these rules; one that is under way already is measured from its beginning. */
export async function track(
  tx: Transaction,
  bucket: BucketRow,
  row: Subject & Pick<VersionRow, 'bytes'>,
  rules: readonly ReplicationRuleRow[],
  now: Millis,
): Promise<void> {
  const measured = rules.filter((rule) => rule.metrics === true);
  if (measured.length === 0) return;
  if ((await tx.table(TrackedVersions).get(row.bucket, row.key, row.sequence)) !== undefined) return;
  const { key, sequence, bytes } = row;
  const tracked = measured.map(({ id, bucket: target, timeControl }) => ({ id, target, timed: timeControl === true }));
  await tx.table(TrackedVersions).put({ bucket: bucket.name, key, sequence, bytes, since: now, rules: tracked });
  // Where something is measured already, its minute is waited for.
  const [measuring] = await tx.table(ReplicationProgress).list({ prefix: [bucket.name], limit: 1 });
  if (measuring === undefined) await measureSoon(tx, bucket.name, now);
  for (const { id, target } of tracked) await changeProgress(tx, bucket.name, id, target, { operations: 1, bytes });
  if (!tracked.some(({ timed }) => timed)) return;
  const due = now + thresholdMinutes * minuteMillis;
  await tx.schedule({ task: 'replicationThreshold', key: waitingKey(row), due, payload: { bucket: bucket.name, key, sequence } });
}

async function measureSoon(tx: Transaction, bucket: string, now: Millis): Promise<void> {
  const due = Math.floor(now / minuteMillis + 1) * minuteMillis;
  await tx.schedule({ task: 'replicationMetrics', key: bucket, due });
}

async function changeProgress(
  tx: Transaction,
  bucket: string,
  rule: string,
  target: string,
  change: { operations: number; bytes: number; latency?: Millis; failed?: boolean },
): Promise<void> {
  const fresh: RuleProgressRow = {
    bucket,
    rule,
    target,
    operations: 0,
    bytes: 0,
    peakOperations: 0,
    peakBytes: 0,
    latency: 0,
    failed: 0,
  };
  const row = (await tx.table(ReplicationProgress).get(bucket, rule)) ?? fresh;
  const [operations, bytes] = [row.operations + change.operations, row.bytes + change.bytes];
  await tx.table(ReplicationProgress).put({
    ...row,
    operations,
    bytes,
    peakOperations: Math.max(row.peakOperations, operations),
    peakBytes: Math.max(row.peakBytes, bytes),
    latency: Math.max(row.latency, change.latency ?? 0),
    failed: row.failed + (change.failed === true ? 1 : 0),
  });
}

/** How a version fared by each rule that was tried. */
export type Outcomes = ReadonlyMap<string, ReplicationFailure | undefined>;

/**
 * Ends the measuring of a version, and tells of what failed, came late, or is followed no more because a rule or the version is gone.
 */
export async function settle(
  tx: Transaction,
  ctx: Context,
  bucket: BucketRow,
  subject: Subject,
  outcomes: Outcomes,
): Promise<void> {
  const tracked = await tx.table(TrackedVersions).get(subject.bucket, subject.key, subject.sequence);
  if (tracked === undefined) return;
  await tx.table(TrackedVersions).delete(tracked.bucket, tracked.key, tracked.sequence);
  await tx.unschedule('replicationThreshold', waitingKey(subject));
  const latency = ctx.now - tracked.since;
  for (const rule of tracked.rules) {
    const failure = outcomes.get(rule.id);
    const failed = failure !== undefined;
    const done = { operations: -1, bytes: -tracked.bytes, latency, failed };
    await changeProgress(tx, bucket.name, rule.id, rule.target, done);
    if (!outcomes.has(rule.id)) await tell(tx, ctx, bucket, tracked, rule, { name: 'OperationNotTracked' });
    else if (failed)
      await tell(tx, ctx, bucket, tracked, rule, { name: 'OperationFailedReplication', failureReason: failure.code });
    else if (tracked.missed === true && rule.timed)
      await tell(tx, ctx, bucket, tracked, rule, { name: 'OperationReplicatedAfterThreshold', replicationTime: latency });
  }
}

async function tell(
  tx: Transaction,
  ctx: Context,
  bucket: BucketRow,
  tracked: TrackedRow,
  rule: TrackedRow['rules'][number],
  { name, failureReason, replicationTime }: { name: string; failureReason?: string; replicationTime?: Millis },
): Promise<void> {
  const row = await tx.table(Versions).get(tracked.bucket, tracked.key, -tracked.sequence);
  const replication = {
    replicationRuleId: rule.id,
    destinationBucket: `arn:aws:s3:::${rule.target}`,
    s3Operation: row?.marker === true ? 'OBJECT_DELETE' : 'OBJECT_PUT',
    requestTime: new Date(tracked.since).toISOString(),
    ...(failureReason === undefined ? {} : { failureReason }),
    ...(replicationTime === undefined ? {} : { replicationTime: String(Math.floor(replicationTime / 1000)) }),
    ...(name === 'OperationFailedReplication' || name === 'OperationNotTracked'
      ? {}
      : { threshold: String(thresholdMinutes * 60) }),
  };
  const subject = { key: tracked.key, sequence: tracked.sequence, versionId: row?.versionId ?? 'null' };
  const object = row === undefined ? {} : { object: { size: row.bytes, etag: row.etag } };
  await announce(tx, ctx, bucket, subject, { name: `Replication:${name}`, replication, ...object });
}

/** A version that is still under way after fifteen minutes. */
export const missThreshold: Task = async ({ payload }, ctx) => {
  const { bucket: name, key, sequence } = payload as unknown as Subject;
  const bucket = await ctx.table(Buckets).get(name);
  if (bucket === undefined) return;
  await ctx.transact(async (tx) => {
    const tracked = await tx.table(TrackedVersions).get(name, key, sequence);
    if (tracked === undefined) return;
    await tx.table(TrackedVersions).put({ ...tracked, missed: true });
    for (const rule of tracked.rules)
      if (rule.timed) await tell(tx, ctx, bucket, tracked, rule, { name: 'OperationMissedThreshold' });
  });
};

/** Tells CloudWatch what the minute held, and goes on while anything waits. */
export const publishReplication: Task = async ({ key: name, due }, ctx) => {
  const minute = await ctx.transact(async (tx) => {
    const rows = await tx.table(ReplicationProgress).list({ prefix: [name] });
    const [oldest] = await tx.table(TrackedVersions).byIndex('bySince', [name], { limit: 1 });
    for (const row of rows) {
      const { operations, bytes } = row;
      const next = { ...row, peakOperations: operations, peakBytes: bytes, latency: 0, failed: 0 };
      if (operations > 0) await tx.table(ReplicationProgress).put(next);
      else await tx.table(ReplicationProgress).delete(name, row.rule);
    }
    if (rows.some(({ operations }) => operations > 0)) await measureSoon(tx, name, ctx.now);
    return { rows, waitingSince: oldest?.since ?? ctx.now };
  });
  const at = due - minuteMillis;
  const data = minute.rows.flatMap((row) => dataOf(row, at, row.operations > 0 ? ctx.now - minute.waitingSince : 0));
  if (data.length > 0) await (await ctx.internal<CloudWatchApi>('cloudwatch')).putMetrics(ctx, 'AWS/S3', data);
};

function dataOf(row: RuleProgressRow, at: Millis, waiting: Millis): ServiceDatum[] {
  const dimensions = { SourceBucket: row.bucket, DestinationBucket: row.target, RuleId: row.rule };
  /** The most that waited, and what waits now. */
  const between = (now: number, peak: number) => ({ values: [[now, 1] as const, [peak, 1] as const] });
  return [
    { name: 'BytesPendingReplication', unit: 'Bytes', dimensions, at, value: between(row.bytes, row.peakBytes) },
    { name: 'OperationsPendingReplication', unit: 'Count', dimensions, at, value: between(row.operations, row.peakOperations) },
    { name: 'ReplicationLatency', unit: 'Seconds', dimensions, at, value: Math.ceil(Math.max(row.latency, waiting) / 1000) },
    { name: 'OperationsFailedReplication', unit: 'Count', dimensions, at, value: row.failed },
  ];
}
