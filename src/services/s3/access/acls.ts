/** Operations on ACLs and on who owns objects ("Access control list (ACL) overview", "Controlling ownership of objects and disabling ACLs"). */
import type { AccessControlPolicy, S3 } from '@aws-sdk/client-s3';
import type { Context } from '../../../kernel/context.ts';
import type { AuthorisationsOf, HandlersOf } from '../../../kernel/service.ts';
import { changeBucket } from '../buckets/settings.ts';
import { accessDenied, malformedXml, noSuchSetting, s3Error } from '../errors.ts';
import { announce } from '../events.ts';
import { atBucket, requireBucket, requireVersion } from '../lookup.ts';
import { changeVersion } from '../objects/commit.ts';
import { versioned } from '../objects/get.ts';
import { canonicalId } from '../rules.ts';
import type { BucketRow, Grant } from '../state.ts';
import { bucketCheck, objectCheck, readChecks } from './checks.ts';
import { type AclAsk, asksAcl, describeGrants, isPublic, readAclDocument, readAclHeaders } from './grants.ts';
import { blockOf } from './public-access.ts';

interface AclInput extends AclAsk {
  AccessControlPolicy?: AccessControlPolicy | undefined;
}

/** The grants that a request sets. Throws AccessControlListNotSupported where ACLs are off, AccessDenied for public ones that are blocked. */
async function readGrants(
  ctx: Context,
  bucket: BucketRow,
  owner: string,
  ask: AclInput,
  target: 'bucket' | 'object',
): Promise<Grant[]> {
  const { AccessControlPolicy: document } = ask;
  if (asksAcl(ask) && document?.Grants !== undefined) {
    throw s3Error('UnexpectedContent', 'This request does not support content', 400);
  }
  if (!asksAcl(ask) && document === undefined) {
    throw s3Error('MissingSecurityHeader', 'Your request was missing a required header', 400, { MissingHeaderName: 'x-amz-acl' });
  }
  const grants = asksAcl(ask) ? readAclHeaders(ask, bucket.account, owner, target) : readAclDocument(document ?? {}, owner);
  if (bucket.ownership === 'BucketOwnerEnforced') {
    // What changes nothing is taken, so that older tools go on working.
    if (grants.length === 0 && (ask.ACL === undefined || ask.ACL === 'bucket-owner-full-control')) return grants;
    throw s3Error('AccessControlListNotSupported', 'The bucket does not allow ACLs', 400);
  }
  if (isPublic(grants) && (await blockOf(ctx, bucket)).BlockPublicAcls) throw accessDenied();
  return grants;
}

export const aclHandlers: HandlersOf<S3> = {
  async PutBucketAcl(input, ctx) {
    const bucket = await requireBucket(ctx, input);
    const grants = await readGrants(ctx, bucket, bucket.account, input, 'bucket');
    await changeBucket(ctx, input, (row) => ({ ...row, grants }));
    return {};
  },

  async GetBucketAcl(input, ctx) {
    const { account, grants } = await requireBucket(ctx, input);
    return { Owner: { ID: canonicalId(account) }, Grants: describeGrants(account, grants) };
  },

  async PutObjectAcl(input, ctx) {
    const bucket = await requireBucket(ctx, input);
    const { owner } = await requireVersion(ctx, input, 'PUT');
    const grants = await readGrants(ctx, bucket, owner, input, 'object');
    await atBucket(ctx, bucket).transact(async (tx) => {
      const row = { ...(await requireVersion(tx, input, 'PUT')), grants };
      await changeVersion(tx, row);
      const object = { etag: row.etag };
      await announce(tx, ctx, bucket, row, { name: 'ObjectAcl:Put', detailType: 'Object ACL Updated', object });
    });
    return {};
  },

  async GetObjectAcl(input, ctx) {
    const bucket = await requireBucket(ctx, input);
    const { owner, grants } = await requireVersion(ctx, input);
    const shown = bucket.ownership === 'BucketOwnerEnforced' ? bucket.account : owner;
    return {
      Owner: { ID: canonicalId(shown) },
      Grants: describeGrants(shown, bucket.ownership === 'BucketOwnerEnforced' ? [] : grants),
    };
  },

  async PutBucketOwnershipControls(input, ctx) {
    const rules = input.OwnershipControls?.Rules ?? [];
    const ownership = rules[0]?.ObjectOwnership;
    const known = ownership === 'BucketOwnerEnforced' || ownership === 'BucketOwnerPreferred' || ownership === 'ObjectWriter';
    if (rules.length !== 1 || !known) throw malformedXml();
    await changeBucket(ctx, input, (row) => {
      if (ownership === 'BucketOwnerEnforced' && row.grants.length > 0) {
        const text = "Bucket cannot have ACLs set with ObjectOwnership's BucketOwnerEnforced setting";
        throw s3Error('InvalidBucketAclWithObjectOwnership', text, 400);
      }
      return { ...row, ownership };
    });
    return {};
  },

  async GetBucketOwnershipControls(input, ctx) {
    const { ownership, name } = await requireBucket(ctx, input);
    if (ownership === undefined) {
      throw noSuchSetting('OwnershipControlsNotFoundError', 'The bucket ownership controls were not found', name);
    }
    return { OwnershipControls: { Rules: [{ ObjectOwnership: ownership }] } };
  },

  async DeleteBucketOwnershipControls(input, ctx) {
    await changeBucket(ctx, input, (row) => ({ ...row, ownership: undefined }));
    return {};
  },
};

export const aclChecks: AuthorisationsOf<S3> = {
  PutBucketAcl: async (input, ctx) => [await bucketCheck(ctx, input, undefined, { 's3:x-amz-acl': input.ACL })],
  GetBucketAcl: async (input, ctx) => [await bucketCheck(ctx, input)],
  PutObjectAcl: async (input, ctx) => [
    await objectCheck(ctx, input, versioned(input, 's3:PutObjectAcl', 's3:PutObjectVersionAcl'), { 's3:x-amz-acl': input.ACL }),
  ],
  GetObjectAcl: (input, ctx) => readChecks(ctx, input, versioned(input, 's3:GetObjectAcl', 's3:GetObjectVersionAcl')),
  PutBucketOwnershipControls: async (input, ctx) => [await bucketCheck(ctx, input)],
  GetBucketOwnershipControls: async (input, ctx) => [await bucketCheck(ctx, input)],
  DeleteBucketOwnershipControls: async (input, ctx) => [await bucketCheck(ctx, input)],
};
