/**
 * Lifecycle: what happens to objects as they age. While a bucket has rules, its versions and uploads are looked through once a day, at midnight UTC of
 * the cloud's clock; what is due then happens. Rejected: a waiting row per object, which every change of the rules would have to write again.
 */
import type { Millis } from '../../../base/clock.ts';
import type { Context, Transaction } from '../../../kernel/context.ts';
import type { Task } from '../../../kernel/service.ts';
import { announce, announceDeleted } from '../events.ts';
import { changeVersion, removeVersion } from '../objects/commit.ts';
import { zoneFor } from '../objects/zones.ts';
import { placeMarker } from '../objects/delete.ts';
import {
  type BucketRow,
  Buckets,
  Configs,
  type LifecycleConfig,
  type StoredRule,
  Uploads,
  type VersionRow,
  Versions,
} from '../state.ts';
import { removeUpload } from '../uploads/uploads.ts';
import { abortOf, dayMillis, dueAfter, expiryOf, largeEnough, mayMove, rulesFor } from './lifecycle-rules.ts';

/** Keys looked through in one transaction. */
const batchKeys = 200;

/** Has the bucket looked through at the next midnight. The transaction is in the bucket's account and Region. */
export async function scheduleSweep(tx: Transaction, bucket: string, now: Millis): Promise<void> {
  await tx.schedule({ task: 'lifecycle', key: bucket, due: Math.floor(now / dayMillis + 1) * dayMillis });
}

/** The lifecycle configuration of a bucket, or undefined. */
export async function lifecycleOf(reading: Pick<Context, 'table'>, bucket: string): Promise<LifecycleConfig | undefined> {
  return (await reading.table(Configs).get(bucket, 'lifecycle', ''))?.config as LifecycleConfig | undefined;
}

/** Looks through one bucket, as of the time that was due, and waits for the next day. */
export const sweep: Task = async ({ key: name, due }, ctx) => {
  let after: string | undefined;
  do {
    const from = after;
    after = await ctx.transact(async (tx) => {
      const [bucket, config] = [await tx.table(Buckets).get(name), await lifecycleOf(tx, name)];
      if (bucket === undefined || config === undefined) return undefined;
      const { keys, next } = await readKeys(tx, name, from);
      for (const versions of keys) await ageKey(tx, ctx, { bucket, config, now: due }, versions);
      return next;
    });
  } while (after !== undefined);
  await ctx.transact(async (tx) => {
    const config = await lifecycleOf(tx, name);
    if (config === undefined) return;
    for (const upload of await tx.table(Uploads).list({ prefix: [name] })) {
      const abort = abortOf(config, upload);
      if (abort !== undefined && abort.at <= due) await removeUpload(tx, upload, new Set());
    }
    await scheduleSweep(tx, name, due);
  });
};

/** The versions of the next keys, newest first, key by key. `next` is the last key read, unless there are no more. */
async function readKeys(
  tx: Transaction,
  bucket: string,
  from: string | undefined,
): Promise<{ keys: VersionRow[][]; next: string | undefined }> {
  const keys: VersionRow[][] = [];
  let key = from;
  while (keys.length < batchKeys) {
    const after = key === undefined ? {} : { after: [bucket, key, Number.POSITIVE_INFINITY] };
    const [first] = await tx.table(Versions).list({ prefix: [bucket], ...after, limit: 1 });
    if (first === undefined) return { keys, next: undefined };
    keys.push(await tx.table(Versions).list({ prefix: [bucket, first.key] }));
    key = first.key;
  }
  return { keys, next: key };
}

interface Sweep {
  bucket: BucketRow;
  config: LifecycleConfig;
  now: Millis;
}

/** Applies the rules to all versions of one key. Deletion for good goes before transition, transition before a delete marker ("Conflicting lifecycle actions"). */
async function ageKey(tx: Transaction, ctx: Context, at: Sweep, versions: readonly VersionRow[]): Promise<void> {
  const [newest, ...old] = versions;
  if (newest === undefined) return;
  let successor = newest;
  let left = old.length;
  for (const [index, row] of old.entries()) {
    if (await ageNoncurrent(tx, ctx, at, { row, index, since: successor.created })) left -= 1;
    successor = row;
  }
  if (newest.marker === true) {
    if (left === 0 && markerExpires(at, newest)) await expireForGood(tx, ctx, at.bucket, newest);
    return;
  }
  await ageCurrent(tx, ctx, at, newest);
}

async function ageCurrent(tx: Transaction, ctx: Context, at: Sweep, row: VersionRow): Promise<void> {
  const expiry = expiryOf(at.config, row);
  const due = expiry !== undefined && expiry.at <= at.now;
  if (due && at.bucket.versioning === undefined) return expireForGood(tx, ctx, at.bucket, row);
  const days = (rule: StoredRule) =>
    (rule.Transitions ?? []).map((move) => ({
      to: move.StorageClass,
      at: move.Date ?? dueAfter(row.created, move.Days ?? 0),
      rule,
    }));
  const moved = await transition(tx, ctx, at, row, rulesFor(at.config, row).flatMap(days));
  if (due && !moved) await placeMarker(tx, ctx, at.bucket, row.key, 'Lifecycle Expiration', at.now);
}

/** Returns whether the version is gone. */
async function ageNoncurrent(
  tx: Transaction,
  ctx: Context,
  at: Sweep,
  { row, index, since }: { row: VersionRow; index: number; since: Millis },
): Promise<boolean> {
  const rules = rulesFor(at.config, row);
  const gone = rules.some(({ NoncurrentVersionExpiration: action }) => {
    if (action === undefined || index < (action.NewerNoncurrentVersions ?? 0)) return false;
    return dueAfter(since, action.NoncurrentDays ?? 0) <= at.now;
  });
  if (gone && !isLocked(row, at.now)) {
    await expireForGood(tx, ctx, at.bucket, row);
    return true;
  }
  if (row.marker === true) return false;
  const moves = rules.flatMap((rule) =>
    (rule.NoncurrentVersionTransitions ?? [])
      .filter(({ NewerNoncurrentVersions: newer = 0 }) => index >= newer)
      .map((move) => ({ to: move.StorageClass, at: dueAfter(since, move.NoncurrentDays ?? 0), rule })),
  );
  await transition(tx, ctx, at, row, moves);
  return false;
}

/** Moves a version to the coldest class that is due and allowed. Returns whether it moved. */
async function transition(
  tx: Transaction,
  ctx: Context,
  { bucket, config, now }: Sweep,
  row: VersionRow,
  moves: readonly { to: string | undefined; at: Millis; rule: StoredRule }[],
): Promise<boolean> {
  let target = row.storageClass;
  for (const { to = '', at, rule } of moves) {
    if (at <= now && mayMove(row.storageClass, to) && mayMove(target, to) && largeEnough(config, rule, row.bytes, to))
      target = to;
  }
  if (target === row.storageClass) return false;
  const zone = zoneFor(ctx, bucket, { key: row.key, storageClass: target });
  await changeVersion(tx, { ...row, storageClass: target, zone, ...(target === 'INTELLIGENT_TIERING' ? { accessed: now } : {}) });
  const change = { name: 'LifecycleTransition', detailType: 'Object Storage Class Changed' };
  const object = { size: row.bytes, etag: row.etag };
  await announce(tx, ctx, bucket, row, { ...change, object, detail: { 'destination-storage-class': target } });
  return true;
}

/** A delete marker with nothing behind it goes by its own rule, or with the age that objects expire at. */
function markerExpires({ config, now }: Sweep, row: VersionRow): boolean {
  const byRule = rulesFor(config, row).some(({ Expiration: action }) => action?.ExpiredObjectDeleteMarker === true);
  const expiry = expiryOf(config, row);
  return byRule || (expiry !== undefined && expiry.at <= now);
}

function isLocked(row: VersionRow, now: Millis): boolean {
  return row.legalHold === true || (row.retention !== undefined && row.retention.until > now);
}

async function expireForGood(tx: Transaction, ctx: Context, bucket: BucketRow, row: VersionRow): Promise<void> {
  await removeVersion(tx, row);
  await announceDeleted(tx, ctx, bucket, row, { reason: 'Lifecycle Expiration', marker: false });
}
