/**
 * Archived objects brought back for a while, in the time of the tier asked for, by the cloud's clock ("Restoring an archived object", "Understanding
 * archive retrieval options"). The bytes never leave their place; what is restored is the right to read them.
 */
import type { S3 } from '@aws-sdk/client-s3';
import type { Millis } from '../../../base/clock.ts';
import type { Context, Transaction } from '../../../kernel/context.ts';
import { parameterNotImplemented } from '../../../kernel/errors.ts';
import type { AuthorisationsOf, HandlersOf, Task } from '../../../kernel/service.ts';
import { tieringsOf } from '../buckets/tiering.ts';
import { objectCheck } from '../access/checks.ts';
import { invalidArgument, malformedXml, s3Error } from '../errors.ts';
import { announce } from '../events.ts';
import { atBucket, requireBucket, requireVersion } from '../lookup.ts';
import { changeVersion } from '../objects/commit.ts';
import { isArchived } from '../rules.ts';
import { Buckets, type VersionRow, Versions } from '../state.ts';
import { dueAfter } from './lifecycle-rules.ts';
import { archiveTierOf } from './tiers.ts';

const minute = 60_000;
const hour = 60 * minute;

/** Time until an object can be read. Flexible Retrieval: 1-5 minutes, 3-5 hours, 5-12 hours; Deep Archive: within 12 and 48 hours. */
const waits: Readonly<Record<string, Readonly<Record<string, Millis>>>> = {
  GLACIER: { Expedited: 3 * minute, Standard: 4 * hour, Bulk: 8 * hour },
  DEEP_ARCHIVE: { Standard: 11 * hour, Bulk: 40 * hour },
  ARCHIVE_ACCESS: { Expedited: 3 * minute, Standard: 4 * hour, Bulk: 8 * hour },
  DEEP_ARCHIVE_ACCESS: { Standard: 11 * hour, Bulk: 40 * hour },
};

/** Where a job finds its version. */
interface Place {
  bucket: string;
  key: string;
  sequence: number;
  /** When the copy goes away again; of jobs that end a restore. */
  expires?: Millis;
}

function placeOf({ bucket, key, sequence }: VersionRow): Place {
  return { bucket, key, sequence };
}

async function wait(tx: Transaction, task: 'restored' | 'restoreExpired', place: Place, due: Millis): Promise<void> {
  await tx.schedule({ task, key: `${place.bucket}/${place.sequence}/${place.key}`, due, payload: { ...place } });
}

/** `x-amz-restore` of a version; undefined when nothing was restored. */
export function restoreHeader({ restore }: Pick<VersionRow, 'restore'>): string | undefined {
  if (restore === undefined) return undefined;
  if (restore.expires === undefined) return 'ongoing-request="true"';
  return `ongoing-request="false", expiry-date="${new Date(restore.expires).toUTCString()}"`;
}

/** Answers with another status than the model's, as the SDK's own metadata tells it. */
function answeredWith(httpStatusCode: number): object {
  return { $metadata: { httpStatusCode } };
}

export const restoreHandlers: HandlersOf<S3> = {
  /**
   * 202 for a restore that begins, 200 for a copy that is there and is kept for other days from now on. Throws InvalidObjectState for a class that is
   * no archive, RestoreAlreadyInProgress, InvalidArgument for a tier that the class does not have.
   */
  async RestoreObject(input, ctx) {
    const bucket = await requireBucket(ctx, input);
    const asked = input.RestoreRequest;
    for (const name of ['Type', 'SelectParameters', 'OutputLocation'] as const) {
      if (asked?.[name] !== undefined) throw parameterNotImplemented('RestoreObject', `RestoreRequest.${name}`);
    }
    const tier = asked?.GlacierJobParameters?.Tier ?? asked?.Tier ?? 'Standard';
    const begun = await atBucket(ctx, bucket).transact(async (tx) => {
      const row = await requireVersion(tx, input, 'POST');
      const tiered = archiveTierOf(row, await tieringsOf(tx, bucket.name), ctx.now);
      // What comes back from a tier stays back: no days.
      const days = tiered === undefined ? (asked?.Days ?? 0) : 0;
      if (!isArchived(row.storageClass) && tiered === undefined) {
        const text = "Restore is not allowed for the object's current storage class";
        throw s3Error('InvalidObjectState', text, 403, { StorageClass: row.storageClass });
      }
      if (tiered === undefined ? !Number.isInteger(days) || days < 1 : asked?.Days !== undefined) throw malformedXml();
      const time = waits[tiered ?? row.storageClass]?.[tier];
      if (time === undefined) throw invalidArgument('Retrieval option is not supported by this storage class', 'Tier', tier);
      if (row.restore !== undefined && row.restore.expires === undefined) {
        throw s3Error('RestoreAlreadyInProgress', 'Object restore is already in progress', 409);
      }
      if (row.restore !== undefined) {
        await keepUntil(tx, row, dueAfter(ctx.now, days));
        return false;
      }
      const changed = { ...row, restore: { days } };
      await changeVersion(tx, changed);
      await wait(tx, 'restored', placeOf(row), ctx.now + time);
      await announce(tx, ctx, bucket, row, {
        name: 'ObjectRestore:Post',
        detailType: 'Object Restore Initiated',
        object: { size: row.bytes, etag: row.etag },
        detail: { 'source-storage-class': row.storageClass },
      });
      return true;
    });
    return { ...answeredWith(begun ? 202 : 200) };
  },
};

async function keepUntil(tx: Transaction, row: VersionRow, expires: Millis): Promise<void> {
  await changeVersion(tx, { ...row, restore: { days: row.restore?.days ?? 0, expires } });
  await wait(tx, 'restoreExpired', { ...placeOf(row), expires }, expires);
}

/** The copy is there. */
export const restored: Task = async ({ due, payload }, ctx) => {
  const place = payload as unknown as Place;
  await onVersion(ctx, place, async (tx, row, announced) => {
    if (row.restore === undefined || row.restore.expires !== undefined) return;
    if (row.storageClass === 'INTELLIGENT_TIERING') {
      await changeVersion(tx, { ...row, restore: undefined, accessed: due });
      const object = { size: row.bytes, etag: row.etag };
      const detail = { 'source-storage-class': row.storageClass };
      await announced({ name: 'ObjectRestore:Completed', detailType: 'Object Restore Completed', object, detail });
      return;
    }
    const expires = dueAfter(due, row.restore.days);
    await keepUntil(tx, row, expires);
    const iso = new Date(expires).toISOString();
    await announced({
      name: 'ObjectRestore:Completed',
      detailType: 'Object Restore Completed',
      object: { size: row.bytes, etag: row.etag },
      detail: { 'restore-expiry-time': iso, 'source-storage-class': row.storageClass },
      glacier: { restoreEventData: { lifecycleRestorationExpiryTime: iso, lifecycleRestoreStorageClass: row.storageClass } },
    });
  });
};

/** The copy's days are over. */
export const restoreExpired: Task = async ({ payload }, ctx) => {
  const place = payload as unknown as Place;
  await onVersion(ctx, place, async (tx, row, announced) => {
    if (row.restore?.expires !== place.expires) return;
    await changeVersion(tx, { ...row, restore: undefined });
    await announced({
      name: 'ObjectRestore:Delete',
      detailType: 'Object Restore Expired',
      object: { size: row.bytes, etag: row.etag },
      detail: { 'source-storage-class': row.storageClass },
    });
  });
};

type Announced = (change: Parameters<typeof announce>[4]) => Promise<void>;

async function onVersion(
  ctx: Context,
  { bucket: name, key, sequence }: Place,
  change: (tx: Transaction, row: VersionRow, announced: Announced) => Promise<void>,
): Promise<void> {
  await ctx.transact(async (tx) => {
    const [bucket, row] = [await tx.table(Buckets).get(name), await tx.table(Versions).get(name, key, -sequence)];
    if (bucket === undefined || row === undefined) return;
    await change(tx, row, (told) => announce(tx, ctx, bucket, row, told));
  });
}

export const restoreChecks: AuthorisationsOf<S3> = {
  RestoreObject: async (input, ctx) => [await objectCheck(ctx, input)],
};
