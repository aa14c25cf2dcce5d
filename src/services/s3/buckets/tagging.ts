/** Tags of buckets and of objects, locks of objects: what is set on what is there already. */
import type { S3 } from '@aws-sdk/client-s3';
import type { Context } from '../../../kernel/context.ts';
import type { AuthorisationsOf, HandlersOf } from '../../../kernel/service.ts';
import { bucketCheck, objectCheck, type ObjectAsk, readChecks } from '../access/checks.ts';
import { accessDenied, invalidArgument, invalidRequest, malformedXml, noSuchSetting, s3Error } from '../errors.ts';
import { announce, type Change } from '../events.ts';
import { atBucket, requireBucket, requireVersion } from '../lookup.ts';
import { replicateLater } from '../later/replication-rules.ts';
import { changeVersion } from '../objects/commit.ts';
import { versioned } from '../objects/get.ts';
import { bucketTagsMax, describeTags, objectTagsMax, readTags } from '../rules.ts';
import type { BucketRow, VersionRow } from '../state.ts';
import { changeBucket } from './settings.ts';

/** Changes a version that is there. Returns the members that say which. */
async function changeObject(
  ctx: Context,
  ask: ObjectAsk,
  change: (row: VersionRow, bucket: BucketRow) => VersionRow,
  told?: Change,
): Promise<{ VersionId?: string }> {
  const bucket = await requireBucket(ctx, ask);
  const row = await atBucket(ctx, bucket).transact(async (tx) => {
    const changed = await replicateLater(tx, ctx, bucket, change(await requireVersion(tx, ask, 'PUT'), bucket), true);
    await changeVersion(tx, changed);
    if (told !== undefined) await announce(tx, ctx, bucket, changed, { ...told, object: { etag: changed.etag } });
    return changed;
  });
  return bucket.versioning === undefined ? {} : { VersionId: row.versionId };
}

function requireLock(bucket: BucketRow): void {
  if (!bucket.lockEnabled) throw invalidRequest('Bucket is missing Object Lock Configuration');
}

function noLock(): Error {
  return s3Error('NoSuchObjectLockConfiguration', 'The specified object does not have a ObjectLock configuration', 404);
}

export const taggingHandlers: HandlersOf<S3> = {
  async PutBucketTagging(input, ctx) {
    const tags = readTags(input.Tagging?.TagSet ?? [], bucketTagsMax);
    await changeBucket(ctx, input, (row) => ({ ...row, tags }));
    return {};
  },

  async GetBucketTagging(input, ctx) {
    const { tags, name } = await requireBucket(ctx, input);
    if (Object.keys(tags).length === 0) throw noSuchSetting('NoSuchTagSet', 'The TagSet does not exist', name);
    return { TagSet: describeTags(tags) };
  },

  async DeleteBucketTagging(input, ctx) {
    await changeBucket(ctx, input, (row) => ({ ...row, tags: {} }));
    return {};
  },

  PutObjectTagging(input, ctx) {
    const tags = readTags(input.Tagging?.TagSet ?? [], objectTagsMax);
    return changeObject(ctx, input, (row) => ({ ...row, tags }), { name: 'ObjectTagging:Put', detailType: 'Object Tags Added' });
  },

  async GetObjectTagging(input, ctx) {
    const bucket = await requireBucket(ctx, input);
    const { tags, versionId } = await requireVersion(ctx, input);
    return { TagSet: describeTags(tags), ...(bucket.versioning === undefined ? {} : { VersionId: versionId }) };
  },

  DeleteObjectTagging(input, ctx) {
    return changeObject(ctx, input, (row) => ({ ...row, tags: {} }), {
      name: 'ObjectTagging:Delete',
      detailType: 'Object Tags Deleted',
    });
  },

  /** Compliance is only ever lengthened; governance is lifted by those who may bypass it ("Retention modes"). */
  async PutObjectRetention(input, ctx) {
    const { Mode: mode, RetainUntilDate: until } = input.Retention ?? {};
    if ((mode === undefined) !== (until === undefined) || (mode !== undefined && mode !== 'GOVERNANCE' && mode !== 'COMPLIANCE'))
      throw malformedXml();
    if (until !== undefined && until.getTime() <= ctx.now) throw invalidArgument('The retain until date must be in the future!');
    const retention = mode === undefined ? undefined : { mode, until: until?.getTime() ?? 0 };
    await changeObject(ctx, input, (row, bucket) => {
      requireLock(bucket);
      const old = row.retention;
      const active = old !== undefined && old.until > ctx.now;
      const weaker =
        active &&
        (retention === undefined || retention.until < old.until || (old.mode === 'COMPLIANCE' && retention.mode !== old.mode));
      const bypassed = old?.mode === 'GOVERNANCE' && input.BypassGovernanceRetention === true;
      if (weaker && !bypassed) throw accessDenied('Access Denied because object protected by object lock.');
      return { ...row, retention };
    });
    return {};
  },

  async GetObjectRetention(input, ctx) {
    requireLock(await requireBucket(ctx, input));
    const { retention } = await requireVersion(ctx, input);
    if (retention === undefined) throw noLock();
    return { Retention: { Mode: retention.mode, RetainUntilDate: new Date(retention.until) } };
  },

  async PutObjectLegalHold(input, ctx) {
    const status = input.LegalHold?.Status;
    if (status !== 'ON' && status !== 'OFF') throw malformedXml();
    await changeObject(ctx, input, (row, bucket) => {
      requireLock(bucket);
      return { ...row, legalHold: status === 'ON' };
    });
    return {};
  },

  async GetObjectLegalHold(input, ctx) {
    requireLock(await requireBucket(ctx, input));
    const { legalHold } = await requireVersion(ctx, input);
    if (legalHold === undefined) throw noLock();
    return { LegalHold: { Status: legalHold ? 'ON' : 'OFF' } };
  },
};

export const taggingChecks: AuthorisationsOf<S3> = {
  PutBucketTagging: async (input, ctx) => [await bucketCheck(ctx, input)],
  GetBucketTagging: async (input, ctx) => [await bucketCheck(ctx, input)],
  DeleteBucketTagging: async (input, ctx) => [await bucketCheck(ctx, input)],
  PutObjectTagging: async (input, ctx) => [
    await objectCheck(ctx, input, versioned(input, 's3:PutObjectTagging', 's3:PutObjectVersionTagging')),
  ],
  GetObjectTagging: (input, ctx) => readChecks(ctx, input, versioned(input, 's3:GetObjectTagging', 's3:GetObjectVersionTagging')),
  DeleteObjectTagging: async (input, ctx) => [
    await objectCheck(ctx, input, versioned(input, 's3:DeleteObjectTagging', 's3:DeleteObjectVersionTagging')),
  ],
  PutObjectRetention: async (input, ctx) => {
    const check = await objectCheck(ctx, input);
    return input.BypassGovernanceRetention === true ? [check, { ...check, action: 's3:BypassGovernanceRetention' }] : [check];
  },
  GetObjectRetention: (input, ctx) => readChecks(ctx, input),
  PutObjectLegalHold: async (input, ctx) => [await objectCheck(ctx, input)],
  GetObjectLegalHold: (input, ctx) => readChecks(ctx, input),
};
