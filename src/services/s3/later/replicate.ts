/**
 * Replication at work: a version is copied to its destinations with its id, metadata, tags and locks, by the role of the configuration and with no more
 * rights than that has. What is there already is brought up to date, so that a job may run twice.
 */
import type { ContentRow } from '../../../kernel/sealed-bytes.ts';
import type { Context } from '../../../kernel/context.ts';
import { AwsError } from '../../../kernel/errors.ts';
import type { Task } from '../../../kernel/service.ts';
import type { StsApi } from '../../sts/api.ts';
import { objectCheck } from '../access/checks.ts';
import { discardContent, keepContent, openContents, storeContent } from '../contents.ts';
import { noSuchKey } from '../errors.ts';
import { announceCreated } from '../events.ts';
import { findBucket, findVersion } from '../lookup.ts';
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
import { type ReplicationJob, replicationOf, replicationRulesFor } from './replication-rules.ts';

/** Replicates one version to all its destinations, and tells on it how that went. */
export const replicate: Task = async ({ payload }, ctx) => {
  const { bucket: name, key, sequence } = payload as unknown as ReplicationJob;
  const source = await ctx.table(Buckets).get(name);
  const row = await ctx.table(Versions).get(name, key, -sequence);
  const config = await replicationOf(ctx, name);
  if (source === undefined || row === undefined || config === undefined) return;
  let failed = false;
  for (const rule of replicationRulesFor(config, row)) {
    try {
      await replicateTo(ctx, { source, row, config, rule });
    } catch (error) {
      if (!(error instanceof AwsError) || error.status >= 500) throw error;
      ctx.trace(`Replication of ${name}/${key} to ${rule.bucket} failed: ${error.message}`);
      failed = true;
    }
  }
  await ctx.transact(async (tx) => {
    const current = await tx.table(Versions).get(name, key, -sequence);
    if (current !== undefined) await changeVersion(tx, { ...current, replication: failed ? 'FAILED' : 'COMPLETED' });
  });
};

interface Replication {
  source: BucketRow;
  row: VersionRow;
  config: ReplicationConfig;
  rule: ReplicationRuleRow;
}

/** Throws AccessDenied for what the role may not, NoSuchBucket, NoSuchEntity for a role that is gone. */
async function replicateTo(ctx: Context, { source, row, config, rule }: Replication): Promise<void> {
  const sts = await ctx.internal<StsApi>('sts');
  const identity = await sts.roleIdentity({ roleArn: config.role, sessionName: 's3-replication', service: 's3' });
  const role = ctx.asIdentity(identity);
  const target = await findBucket(ctx, { Bucket: rule.bucket });
  const there = role.inScope({ account: target.account, region: target.region });
  const ask = { Bucket: source.name, Key: row.key, VersionId: row.versionId };
  if (row.marker === undefined) await role.permit(await objectCheck(role, ask, 's3:GetObjectVersionForReplication'));
  const action = row.marker === true ? 's3:ReplicateDelete' : 's3:ReplicateObject';
  await there.permit(await objectCheck(there, { Bucket: target.name, Key: row.key }, action));
  if (target.versioning !== 'Enabled') {
    throw new AwsError('InvalidRequest', 'Destination bucket must have versioning enabled.', { status: 400 });
  }
  const present = await findVersion(ctx, target.name, row.key, row.versionId);
  if (present !== undefined) {
    const { tags, retention, legalHold } = row;
    await ctx.transact((tx) => changeVersion(tx, { ...present, tags, retention, legalHold }));
    return;
  }
  await copyVersion({ role, there, at: ctx.inScope({ account: target.account, region: target.region }) }, source, row, {
    target,
    rule,
  });
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
