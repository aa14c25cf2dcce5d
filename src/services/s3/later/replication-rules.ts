/** Which versions are replicated where, and when that is put in hand ("Replicating objects within and across Regions", "What does Amazon S3 replicate?"). */
import type { Millis } from '../../../base/clock.ts';
import type { Context, Transaction } from '../../../kernel/context.ts';
import { isArchived } from '../rules.ts';
import { type BucketRow, Configs, type ReplicationConfig, type ReplicationRuleRow, type VersionRow } from '../state.ts';
import { track, waitingKey } from './replication-metrics.ts';

/** Until a new version is at its destinations; S3 says "most objects within 15 minutes", and takes seconds. */
const delayMillis = 2000;

/** What is read of a version to decide on its replication. */
type Candidate = Pick<VersionRow, 'key' | 'tags' | 'storageClass' | 'marker' | 'seal' | 'replication'>;

/** The replication configuration of a bucket, or undefined. */
export async function replicationOf(reading: Pick<Context, 'table'>, bucket: string): Promise<ReplicationConfig | undefined> {
  return (await reading.table(Configs).get(bucket, 'replication', ''))?.config as ReplicationConfig | undefined;
}

function matches(rule: ReplicationRuleRow, row: Candidate): boolean {
  if (!rule.enabled || !row.key.startsWith(rule.prefix)) return false;
  if (row.marker === true) return rule.markers;
  const kms = row.seal?.kind === 'aws:kms' || row.seal?.kind === 'aws:kms:dsse';
  // A customer's key is with the customer alone.
  if (row.seal?.kind === 'customer' || (kms && rule.kmsKeyId === undefined)) return false;
  return rule.tags.every(({ key, value }) => row.tags[key] === value);
}

/**
 * The rules by which a version goes out, one per destination: of several the one with the highest priority. A replica goes nowhere, but what is changed
 * on it (`modified`) goes by rules that synchronise that ("Replicating metadata changes with replica modification sync").
 */
export function replicationRulesFor(config: ReplicationConfig, row: Candidate, modified = false): ReplicationRuleRow[] {
  const replica = row.replication === 'REPLICA';
  if ((replica && !modified) || isArchived(row.storageClass)) return [];
  const chosen = new Map<string, ReplicationRuleRow>();
  for (const rule of config.rules) {
    if (!matches(rule, row) || (replica && rule.replicaModifications !== true)) continue;
    const other = chosen.get(rule.bucket);
    if (other === undefined || rule.priority > other.priority) chosen.set(rule.bucket, rule);
  }
  return [...chosen.values()];
}

/** Where a job finds its version. */
export interface ReplicationJob {
  bucket: string;
  key: string;
  sequence: number;
}

/**
 * Returns the version as it is to be written: PENDING, with its replication put in hand, when a rule of the bucket takes it. The transaction is in the
 * bucket's account and Region. `modified` says that the version was there, and its tags or locks were changed.
 */
export async function replicateLater(
  tx: Transaction,
  ctx: Context,
  bucket: BucketRow,
  row: VersionRow,
  modified = false,
): Promise<VersionRow> {
  const config = bucket.versioning === 'Enabled' ? await replicationOf(tx, bucket.name) : undefined;
  const rules = config === undefined ? [] : replicationRulesFor(config, row, modified);
  if (rules.length === 0) return row;
  await replicateAt(tx, row, ctx.now + delayMillis);
  await track(tx, bucket, row, rules, ctx.now);
  return { ...row, replication: 'PENDING' };
}

/** Has a version replicated at a time. */
export async function replicateAt(tx: Transaction, row: ReplicationJob, due: Millis): Promise<void> {
  const { bucket, key, sequence } = row;
  await tx.schedule({ task: 'replicate', key: waitingKey(row), due, payload: { bucket, key, sequence } });
}
