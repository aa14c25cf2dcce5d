/**
 * Replication at work: a version is copied to its destinations with its id, metadata, tags and locks, by the role of the configuration and with no more
 * rights than that has. What is there already is brought up to date, so that a job may run twice.
 */
import type { ContentRow } from '../../../kernel/sealed-bytes.ts';
import type { Identity } from '../../../kernel/caller.ts';
import type { Context } from '../../../kernel/context.ts';
import { AwsError } from '../../../kernel/errors.ts';
import type { Task } from '../../../kernel/service.ts';
import type { StsApi } from '../../sts/api.ts';
import { objectCheck, type ObjectAsk } from '../access/checks.ts';
import { discardContent, keepContent, openContents, storeContent } from '../contents.ts';
import { noSuchKey, serviceUnavailable } from '../errors.ts';
import { announceCreated } from '../events.ts';
import { atBucket, findBucket, findVersion, requireVersion } from '../lookup.ts';
import { changeVersion, commitVersion } from '../objects/commit.ts';
import { newSealing, openSeal } from '../sealing.ts';
import {
  type BucketRow,
  Buckets,
  Contents,
  type PartContent,
  type ReplicationConfig,
  type ReplicationRuleRow,
  type Seal,
  type VersionRow,
  Versions,
} from '../state.ts';
import { type FailureReason, failsWith, ReplicationFailure } from './replication-failures.ts';
import { type Outcomes, settle } from './replication-metrics.ts';
import { replicateAt, type ReplicationJob, replicationOf, replicationRulesFor } from './replication-rules.ts';

/** Until a destination is tried again whose Region is down. */
const retryMillis = 30_000;

/** Replicates one version to all its destinations, and tells on it how that went. What cannot be reached is tried again; the version stays PENDING. */
export const replicate: Task = async ({ payload }, ctx) => {
  const job = payload as unknown as ReplicationJob;
  const source = await ctx.table(Buckets).get(job.bucket);
  const row = await ctx.table(Versions).get(job.bucket, job.key, -job.sequence);
  if (source === undefined) return;
  if (row === undefined) {
    await ctx.transact((tx) => settle(tx, ctx, source, job, new Map()));
    return;
  }
  const outcomes = await replicateVersion(ctx, source, row, {});
  if (outcomes === undefined) await ctx.transact((tx) => replicateAt(tx, job, ctx.now + retryMillis));
};

/**
 * Replicates a version by all rules that take it, and writes on it how that went. Resolves with the outcomes by rule, undefined while a Region is down
 * that it needs. A batch job also takes replicas (`replicas`), which wait for no rule of theirs.
 */
async function replicateVersion(
  ctx: Context,
  source: BucketRow,
  row: VersionRow,
  how: { replicas?: boolean },
): Promise<Outcomes | undefined> {
  const config = await replicationOf(ctx, source.name);
  const candidate = how.replicas === true ? { ...row, replication: undefined } : row;
  const rules = config === undefined ? [] : replicationRulesFor(config, candidate);
  const outcomes = new Map<string, ReplicationFailure | undefined>();
  for (const rule of rules) {
    if (config === undefined || (await isAway(ctx, source, rule))) return undefined;
    try {
      await replicateTo(ctx, { source, row, config, rule });
      outcomes.set(rule.id, undefined);
    } catch (error) {
      if (!(error instanceof ReplicationFailure)) throw error;
      ctx.trace(`Replication of ${row.bucket}/${row.key} to ${rule.bucket} failed: ${error.message}`);
      outcomes.set(rule.id, error);
    }
  }
  const failed = [...outcomes.values()].some((failure) => failure !== undefined);
  await ctx.transact(async (tx) => {
    await settle(tx, ctx, source, row, outcomes);
    const current = await tx.table(Versions).get(row.bucket, row.key, -row.sequence);
    if (current === undefined || rules.length === 0 || current.replication === 'REPLICA') return;
    await changeVersion(tx, { ...current, replication: failed ? 'FAILED' : 'COMPLETED' });
  });
  return outcomes;
}

/** Whether the Region of the source, or that of a rule's destination, is down. */
async function isAway(ctx: Context, source: BucketRow, rule: ReplicationRuleRow): Promise<boolean> {
  const target = await ctx.table(Buckets).get(rule.bucket);
  const zones = ctx.part('zones');
  return zones.downSince(source.region) !== undefined || zones.downSince(target?.region ?? source.region) !== undefined;
}

/**
 * Replicates one version now, as a batch job asks ("Replicating existing objects with Batch Replication"): by the bucket's rules and their role, what
 * was there before them and what failed too. Throws AccessDenied unless `identity` may start it, NoSuchKey, NoSuchVersion, and why it failed.
 */
export async function replicateNow(ctx: Context, ask: ObjectAsk, identity: Identity): Promise<void> {
  const acting = ctx.asIdentity(identity);
  await acting.permit(await objectCheck(acting, ask, 's3:InitiateReplication'));
  const source = await findBucket(ctx, ask);
  const row = await requireVersion(ctx, ask);
  const config = await replicationOf(ctx, source.name);
  const eligible = config === undefined ? [] : replicationRulesFor(config, { ...row, replication: undefined });
  if (eligible.length === 0)
    throw new ReplicationFailure('SrcObjectNotEligible', 'No replication rule of the bucket takes the object.');
  const outcomes = await replicateVersion(atBucket(ctx, source), source, row, { replicas: true });
  if (outcomes === undefined) throw serviceUnavailable();
  for (const failure of outcomes.values()) if (failure !== undefined) throw failure;
}

interface Replication {
  source: BucketRow;
  row: VersionRow;
  config: ReplicationConfig;
  rule: ReplicationRuleRow;
}

/** Throws ReplicationFailure for what the role may not, a destination or a role that is gone. */
async function replicateTo(ctx: Context, { source, row, config, rule }: Replication): Promise<void> {
  const sts = await ctx.internal<StsApi>('sts');
  const session = sts.roleIdentity({ roleArn: config.role, sessionName: 's3-replication', service: 's3' });
  const role = ctx.asIdentity(await failsWith('AssumeRoleNotPermitted', session));
  const target = await failsWith('DstBucketNotFound', findBucket(ctx, { Bucket: rule.bucket }));
  const there = role.inScope({ account: target.account, region: target.region });
  await checkPermissions(role, there, { source, row, target });
  if (target.versioning !== 'Enabled')
    throw new ReplicationFailure('DstBucketUnversioned', 'Destination bucket must have versioning enabled.');
  if ((row.retention !== undefined || row.legalHold !== undefined) && !target.lockEnabled)
    throw new ReplicationFailure('DstBucketObjectLockConfigMissing', 'Destination bucket must have Object Lock enabled.');
  const present = await findVersion(ctx, target.name, row.key, row.versionId);
  if (present !== undefined) {
    const { tags, retention, legalHold } = row;
    await ctx.transact((tx) => changeVersion(tx, { ...present, tags, retention, legalHold, replication: 'REPLICA' }));
    return;
  }
  const at = ctx.inScope({ account: target.account, region: target.region });
  await failsWith('DstPutObjectNotPermitted', copyVersion({ role, there, at }, source, row, { target, rule }));
}

/** What the role must be allowed at both ends ("Setting up permissions for live replication"). */
async function checkPermissions(
  role: Context,
  there: Context,
  { source, row, target }: { source: BucketRow; row: VersionRow; target: BucketRow },
): Promise<void> {
  const ask = { Bucket: source.name, Key: row.key, VersionId: row.versionId };
  const copy = { Bucket: target.name, Key: row.key };
  const permit = async (context: Context, on: ObjectAsk, action: string, reason: FailureReason): Promise<void> =>
    failsWith(
      reason,
      objectCheck(context, on, action).then((check) => context.permit(check)),
    );
  if (row.marker === true) return permit(there, copy, 's3:ReplicateDelete', 'DstDelObjNotPermitted');
  await permit(role, ask, 's3:GetObjectVersionForReplication', 'SrcGetObjectNotPermitted');
  await permit(there, copy, 's3:ReplicateObject', 'DstPutObjectNotPermitted');
  if (Object.keys(row.tags).length === 0) return undefined;
  await permit(role, ask, 's3:GetObjectVersionTagging', 'SrcGetTaggingNotPermitted');
  return permit(there, copy, 's3:ReplicateTags', 'DstPutTaggingNotPermitted');
}

interface Contexts {
  /** By the role, at the source and at the destination. */
  role: Context;
  there: Context;
  /** For the rows of the destination. */
  at: Context;
}

async function copyVersion(
  { role, there, at }: Contexts,
  source: BucketRow,
  row: VersionRow,
  { target, rule }: { target: BucketRow; rule: ReplicationRuleRow },
): Promise<void> {
  const copied = await copyContents(role, there, source, row, { target, rule });
  const translated = rule.ownedByDestination || target.ownership === 'BucketOwnerEnforced';
  const { bucket: _bucket, sequence: _sequence, versionId, ...draft } = row;
  try {
    await at.transact(async (tx) => {
      const replica = {
        ...draft,
        owner: translated ? target.account : row.owner,
        grants: translated ? [] : row.grants,
        contents: copied.contents,
        seal: copied.seal,
        storageClass: rule.storageClass ?? row.storageClass,
        restore: undefined,
        accessed: undefined,
        replication: 'REPLICA' as const,
      };
      const committed = await commitVersion(tx, at, target.name, replica, {}, { versionId });
      for (const content of copied.rows) await tx.table(Contents).put(content);
      if (row.marker === undefined) await announceCreated(tx, at, committed.bucket, committed.row, 'PutObject');
    });
  } catch (error) {
    if (error instanceof AwsError) for (const content of copied.rows) await discardContent(at, content);
    throw error;
  }
  for (const content of copied.rows) await keepContent(at, content);
}

interface Copied {
  contents: PartContent[] | undefined;
  seal: Seal | undefined;
  rows: ContentRow[];
}

/** The bytes, part by part as they came, under a key of the destination. */
async function copyContents(
  role: Context,
  there: Context,
  source: BucketRow,
  row: VersionRow,
  { target, rule }: { target: BucketRow; rule: ReplicationRuleRow },
): Promise<Copied> {
  const { seal } = row;
  if (row.contents === undefined || seal === undefined) return { contents: row.contents && [], seal: undefined, rows: [] };
  const key = await openSeal(role, source.region, seal, {});
  const ask =
    seal.kind === 'AES256'
      ? { ServerSideEncryption: 'AES256' }
      : { ServerSideEncryption: seal.kind, SSEKMSKeyId: rule.kmsKeyId, BucketKeyEnabled: seal.bucketKey };
  const sealing = await newSealing(there, target, row.key, ask);
  const copied: Required<Copied> = { contents: [], seal: sealing.seal, rows: [] };
  for (const part of row.contents) {
    const open = await openContents(role, [part], key, 0, part.bytes);
    if (open === undefined) throw noSuchKey(row.key);
    const stored = await storeContent(there, open.pieces, sealing.key, []);
    if (stored.row === undefined) continue;
    copied.rows.push(stored.row);
    copied.contents?.push({ ...part, id: stored.row.id });
  }
  return copied;
}
