/** Puts a new version in place: which version it replaces, what its id is, what becomes current. Versioning's rules live here alone. */
import type { Context, Transaction } from '../../../kernel/context.ts';
import { dropContents } from '../contents.ts';
import { noSuchKey, preconditionFailed, s3Error } from '../errors.ts';
import { findBucket, findVersion, formatVersionId, newestIn, newestVersion } from '../lookup.ts';
import { replicateLater } from '../later/replication-rules.ts';
import { zoneFor } from './zones.ts';
import { type BucketRow, Objects, type ObjectRow, type Retention, type VersionRow, Versions } from '../state.ts';

/** A version before it has its place. */
export type VersionDraft = Omit<VersionRow, 'bucket' | 'sequence' | 'versionId'>;

/** Conditions of writes ("How to prevent object overwrites with conditional writes"). */
export interface WriteCondition {
  IfMatch?: string | undefined;
  IfNoneMatch?: string | undefined;
}

/** Where a version comes from, when not from a client. */
export interface VersionOrigin {
  /** Of a replica: the id of the version that it is a copy of. */
  versionId?: string | undefined;
  /** Lifecycle's delete markers are not replicated. */
  stays?: boolean | undefined;
}

/** Throws NotImplemented, as S3 does, for a condition that writes do not have. */
export function checkWriteCondition({ IfNoneMatch: none }: WriteCondition): void {
  if (none === undefined || none === '*') return;
  const text = 'A header you provided implies functionality that is not implemented';
  throw s3Error('NotImplemented', text, 501, {
    Header: 'If-None-Match',
    additionalMessage: "We don't accept the provided value of If-None-Match header for this API",
  });
}

/** Whether two entity tags are the same; `*` is any. Quotes may be left out, as S3's clients do. */
export function sameEtag(asked: string, etag: string): boolean {
  return asked.split(',').some((one) => {
    const plain = one.trim().replace(/^W\//, '').replace(/^"|"$/g, '');
    return plain === '*' || plain === etag;
  });
}

/**
 * Writes a version in the bucket as it is now. Throws NoSuchBucket when it is gone, PreconditionFailed and NoSuchKey for conditions that do not hold.
 */
export async function commitVersion(
  tx: Transaction,
  ctx: Context,
  bucketName: string,
  draft: VersionDraft,
  condition: WriteCondition = {},
  origin: VersionOrigin = {},
): Promise<{ row: VersionRow; bucket: BucketRow }> {
  const bucket = await findBucket(tx, { Bucket: bucketName });
  const newest = await newestIn(tx, bucket, draft.key);
  checkCondition(condition, draft.key, newest);
  const sequence = await placeFor(tx, bucketName, draft, newest, origin);
  const ownId = bucket.versioning === 'Enabled' ? formatVersionId(ctx.id('objectVersion'), sequence) : 'null';
  const versionId = origin.versionId ?? ownId;
  if (versionId === 'null') await removeNull(tx, bucketName, draft.key, newest);
  const retention = draft.retention ?? defaultRetention(bucket, draft);
  const zone = draft.marker === true ? undefined : zoneFor(ctx, bucket, draft);
  const written: VersionRow = { ...draft, retention, zone, bucket: bucketName, sequence, versionId };
  const row = origin.stays === true ? written : await replicateLater(tx, ctx, bucket, written);
  await tx.table(Versions).put(row);
  if (newest !== undefined && newest.sequence > sequence) return { row, bucket };
  if (row.marker === true) await tx.table(Objects).delete(bucketName, row.key);
  else await tx.table(Objects).put(objectRowOf(row));
  return { row, bucket };
}

/**
 * Where a version goes among those of its key: on top, but a replica by the date of its source, whatever the order in which replicas arrive, so that both
 * sides have the same one current.
 */
async function placeFor(
  tx: Transaction,
  bucket: string,
  draft: VersionDraft,
  newest: VersionRow | undefined,
  origin: VersionOrigin,
): Promise<number> {
  const top = Math.floor(newest?.sequence ?? 0) + 1;
  if (origin.versionId === undefined || newest === undefined || newest.created <= draft.created) return top;
  const rows = await tx.table(Versions).list({ prefix: [bucket, draft.key] });
  const later = rows.filter((row) => row.created > draft.created).at(-1) ?? newest;
  const earlier = rows.find((row) => row.created <= draft.created);
  return earlier === undefined ? later.sequence - 1 : (later.sequence + earlier.sequence) / 2;
}

/** Throws PreconditionFailed and NoSuchKey for conditions of a write that do not hold for the newest version. */
export function checkCondition(
  { IfMatch: match, IfNoneMatch: none }: WriteCondition,
  key: string,
  newest: VersionRow | undefined,
): void {
  const current = newest === undefined || newest.marker === true ? undefined : newest;
  if (none !== undefined && current !== undefined) throw preconditionFailed('If-None-Match');
  if (match === undefined) return;
  if (current === undefined) throw noSuchKey(key);
  if (!sameEtag(match, current.etag)) throw preconditionFailed('If-Match');
}

/** Without versioning a write replaces the version `null`, wherever among the versions it stands. */
async function removeNull(tx: Transaction, bucket: string, key: string, newest: VersionRow | undefined): Promise<void> {
  const old = newest?.versionId === 'null' ? newest : await findVersion(tx, bucket, key, 'null');
  if (old === undefined) return;
  await tx.table(Versions).delete(bucket, key, -old.sequence);
  await dropContents(tx, old.contents);
}

function defaultRetention({ lockRule: rule }: BucketRow, draft: VersionDraft): Retention | undefined {
  if (rule === undefined || draft.marker === true) return undefined;
  const days = rule.days ?? (rule.years ?? 0) * 365;
  return { mode: rule.mode, until: draft.created + days * 86_400_000 };
}

/** What listings show of a version. */
function objectRowOf(row: VersionRow): ObjectRow {
  const { bucket, key, sequence, created, bytes, etag, storageClass, owner, checksum } = row;
  const shown = checksum && { algorithm: checksum.algorithm, type: checksum.type };
  return { bucket, key, sequence, created, bytes, etag, storageClass, owner, checksum: shown };
}

/** Removes one version for good; the next newest becomes current, unless it is a delete marker. */
export async function removeVersion(tx: Transaction, row: VersionRow): Promise<void> {
  const { bucket, key, sequence } = row;
  await tx.table(Versions).delete(bucket, key, -sequence);
  await dropContents(tx, row.contents);
  const newest = await newestVersion(tx, bucket, key);
  if (newest === undefined || newest.marker === true) await tx.table(Objects).delete(bucket, key);
  else if (newest.sequence < sequence) await tx.table(Objects).put(objectRowOf(newest));
}

/** Gives a version another key, in the place of the one that is there. Only where there are no other versions: in directory buckets. */
export async function moveVersion(tx: Transaction, row: VersionRow, key: string, there: VersionRow | undefined): Promise<void> {
  if (there !== undefined) await removeVersion(tx, there);
  await tx.table(Versions).delete(row.bucket, row.key, -row.sequence);
  await tx.table(Objects).delete(row.bucket, row.key);
  const moved = { ...row, key };
  await tx.table(Versions).put(moved);
  await tx.table(Objects).put(objectRowOf(moved));
}

/** Replaces a version by a changed one of the same place. */
export async function changeVersion(tx: Transaction, row: VersionRow): Promise<void> {
  await tx.table(Versions).put(row);
  const current = await tx.table(Objects).get(row.bucket, row.key);
  if (current?.sequence === row.sequence) await tx.table(Objects).put(objectRowOf(row));
}
