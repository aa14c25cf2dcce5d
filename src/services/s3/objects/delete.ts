/** DeleteObject and DeleteObjects: delete markers, versions for good, object lock ("Deleting Amazon S3 objects", "Working with delete markers"). */
import type { DeletedObject, ObjectIdentifier, S3 } from '@aws-sdk/client-s3';
import type { Context, Transaction } from '../../../kernel/context.ts';
import { AwsError, parameterNotImplemented } from '../../../kernel/errors.ts';
import type { AuthorisationsOf, HandlersOf } from '../../../kernel/service.ts';
import { type ObjectAsk, objectCheck } from '../access/checks.ts';
import { requireMfa, takeMfa } from '../access/mfa.ts';
import { accessDenied, malformedXml, noSuchKey, preconditionFailed } from '../errors.ts';
import { announceDeleted, type ChangeReason } from '../events.ts';
import { atBucket, checkVersionId, findBucket, findVersion, newestIn, requireBucket } from '../lookup.ts';
import type { BucketRow, VersionRow } from '../state.ts';
import { commitVersion, removeVersion, sameEtag, type VersionDraft } from './commit.ts';

/** Keys of one DeleteObjects. */
const keysMax = 1000;

interface DeleteAsk {
  Key: string;
  VersionId?: string | undefined;
  IfMatch?: string | undefined;
  bypass: boolean;
  /** Whether a right code of an MFA device came along. */
  mfa: boolean;
}

interface Deletion {
  versionId?: string | undefined;
  marker: boolean;
}

/** Deletes one object or version. Absent ones are no error. Throws AccessDenied for what object lock protects, InvalidArgument, PreconditionFailed. */
async function deleteOne(ctx: Context, bucketName: string, ask: DeleteAsk, reason: ChangeReason): Promise<Deletion> {
  const { Key: key, VersionId: versionId } = ask;
  if (versionId !== undefined) checkVersionId(versionId);
  return atBucket(ctx, await findBucket(ctx, { Bucket: bucketName })).transact(async (tx) => {
    const bucket = await findBucket(tx, { Bucket: bucketName });
    if (versionId !== undefined) return deleteVersion(tx, ctx, bucket, { ...ask, VersionId: versionId }, reason);
    const newest = await newestIn(tx, bucket, key);
    checkMatch(ask, newest);
    if (bucket.versioning !== undefined) return placeMarker(tx, ctx, bucket, key, reason);
    if (newest === undefined) return { marker: false };
    await removeVersion(tx, newest);
    await announceDeleted(tx, ctx, bucket, newest, { reason, marker: false });
    return { marker: false };
  });
}

function checkMatch({ IfMatch: match, Key: key }: DeleteAsk, row: VersionRow | undefined): void {
  if (match === undefined) return;
  if (row === undefined || row.marker === true) throw noSuchKey(key);
  if (!sameEtag(match, row.etag)) throw preconditionFailed('If-Match');
}

/** Puts a delete marker in front of a key's versions. */
export async function placeMarker(
  tx: Transaction,
  ctx: Context,
  bucket: BucketRow,
  key: string,
  reason: ChangeReason,
  created = ctx.now,
): Promise<Deletion> {
  const draft: VersionDraft = {
    key,
    created,
    owner: bucket.account,
    marker: true,
    bytes: 0,
    etag: '',
    contents: undefined,
    metadata: {},
    headers: {},
    storageClass: 'STANDARD',
    tags: {},
    grants: [],
  };
  const { row } = await commitVersion(tx, ctx, bucket.name, draft, {}, { stays: reason === 'Lifecycle Expiration' });
  await announceDeleted(tx, ctx, bucket, row, { reason, marker: true });
  return { versionId: row.versionId, marker: true };
}

async function deleteVersion(
  tx: Transaction,
  ctx: Context,
  bucket: BucketRow,
  ask: DeleteAsk & { VersionId: string },
  reason: ChangeReason,
): Promise<Deletion> {
  const { Key: key, VersionId: versionId } = ask;
  requireMfa(bucket, ask.mfa);
  const row = await findVersion(tx, bucket.name, key, versionId);
  checkMatch(ask, row);
  if (row === undefined) return { versionId, marker: false };
  checkUnlocked(ctx, row, ask.bypass);
  await removeVersion(tx, row);
  await announceDeleted(tx, ctx, bucket, row, { reason, marker: false });
  return { versionId, marker: row.marker === true };
}

/** Throws AccessDenied for a version under legal hold or retention ("How S3 Object Lock works"). `bypass` lifts governance, never compliance. */
function checkUnlocked(ctx: Context, row: VersionRow, bypass: boolean): void {
  const retained =
    row.retention !== undefined && row.retention.until > ctx.now && !(bypass && row.retention.mode === 'GOVERNANCE');
  if (retained || row.legalHold === true) throw accessDenied('Access Denied because object protected by object lock.');
}

/** What is named twice is deleted once, and told once. */
function withoutRepeats(asked: readonly ObjectIdentifier[]): readonly ObjectIdentifier[] {
  const seen = new Set<string>();
  return asked.filter(({ Key, VersionId = '' }) => {
    const name = `${VersionId} ${Key}`;
    if (seen.has(name)) return false;
    seen.add(name);
    return true;
  });
}

export const deleteHandlers: HandlersOf<S3> = {
  async DeleteObject(input, ctx) {
    const { Bucket: bucket = '', Key = '', VersionId, IfMatch } = input;
    if (input.IfMatchLastModifiedTime !== undefined) throw parameterNotImplemented('DeleteObject', 'IfMatchLastModifiedTime');
    if (input.IfMatchSize !== undefined) throw parameterNotImplemented('DeleteObject', 'IfMatchSize');
    const mfa = await takeMfa(ctx, await requireBucket(ctx, input), input.MFA);
    const bypass = input.BypassGovernanceRetention === true;
    const { versionId, marker } = await deleteOne(ctx, bucket, { Key, VersionId, IfMatch, bypass, mfa }, 'DeleteObject');
    return { ...(marker ? { DeleteMarker: true } : {}), ...(versionId === undefined ? {} : { VersionId: versionId }) };
  },

  /** Each key is authorised and deleted for itself; what fails is told beside what was deleted. */
  async DeleteObjects(input, ctx) {
    const bucket = await requireBucket(ctx, input);
    const mfa = await takeMfa(ctx, bucket, input.MFA);
    const asked = input.Delete?.Objects ?? [];
    if (asked.length === 0 || asked.length > keysMax) throw malformedXml();
    // "If you don't provide an MFA token, the entire request will fail" (DeleteObjects, MFA).
    if (asked.some(({ VersionId }) => VersionId !== undefined)) requireMfa(bucket, mfa);
    const Deleted: DeletedObject[] = [];
    const Errors: { Key?: string; VersionId?: string; Code?: string; Message?: string }[] = [];
    for (const { Key = '', VersionId, ETag } of withoutRepeats(asked)) {
      const named = { Key, ...(VersionId === undefined ? {} : { VersionId }) };
      try {
        const bypass = input.BypassGovernanceRetention === true;
        for (const check of await deleteActions(ctx, { ...input, ...named }, bypass)) await ctx.permit(check);
        const { versionId, marker } = await deleteOne(
          ctx,
          input.Bucket ?? '',
          { Key, VersionId, IfMatch: ETag, bypass, mfa },
          'DeleteObject',
        );
        Deleted.push({ ...named, ...(marker ? { DeleteMarker: true, DeleteMarkerVersionId: versionId } : {}) });
      } catch (error) {
        if (!(error instanceof AwsError) || error.status >= 500) throw error;
        Errors.push({ ...named, Code: error.code, Message: error.message });
      }
    }
    return { ...(input.Delete?.Quiet === true ? {} : { Deleted }), Errors };
  },
};

async function deleteActions(ctx: Context, ask: ObjectAsk, bypass: boolean) {
  const check = await objectCheck(ctx, ask, ask.VersionId === undefined ? 's3:DeleteObject' : 's3:DeleteObjectVersion');
  return bypass ? [check, { ...check, action: 's3:BypassGovernanceRetention' }] : [check];
}

export const deleteChecks: AuthorisationsOf<S3> = {
  DeleteObject: (input, ctx) => deleteActions(ctx, input, input.BypassGovernanceRetention === true),
  DeleteObjects: 'none',
};
