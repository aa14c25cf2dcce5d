/** Buckets: made, found, listed, deleted ("Creating, configuring, and working with Amazon S3 buckets"). */
import type { S3 } from '@aws-sdk/client-s3';
import { pageOf } from '../../../base/paging.ts';
import { findRegion, findZone } from '../../../base/regions.ts';
import { parameterNotImplemented } from '../../../kernel/errors.ts';
import type { AuthorisationsOf, HandlersOf } from '../../../kernel/service.ts';
import { bucketCheck } from '../access/checks.ts';
import { asksAcl, isPublic, readAclHeaders } from '../access/grants.ts';
import { allBlocked } from '../access/public-access.ts';
import { accessDenied, invalidArgument, invalidBucketName, malformedXml, s3Error } from '../errors.ts';
import { measureLater } from '../later/storage-metrics.ts';
import { type BucketAsk, findBucket, requireBucket } from '../lookup.ts';
import { bucketTagsMax, canonicalId, checkBucketName, readTags } from '../rules.ts';
import { createDirectory } from '../directory/buckets.ts';
import { arnOfDirectory, isDirectoryName } from '../directory/rules.ts';
import { removeUpload } from '../uploads/uploads.ts';
import { firstEncryption } from './encryption.ts';
import { AccessPoints, type BucketRow, Buckets, Configs, Uploads, Versions } from '../state.ts';

/** Buckets of an account ("Bucket quotas, limitations, and restrictions"). */
const bucketsMax = 10_000;
/** The Region of buckets that name none, and the one whose endpoint makes buckets anywhere. */
const firstRegion = 'us-east-1';

/** The Region of a new bucket. Throws InvalidLocationConstraint, IllegalLocationConstraintException, MalformedXML. */
function readLocation(constraint: string | undefined, endpoint: string): string {
  if (constraint === undefined || constraint === '') {
    if (endpoint === firstRegion) return firstRegion;
    throw illegalLocation('unspecified');
  }
  const region = constraint === 'EU' ? 'eu-west-1' : constraint;
  if (region === firstRegion || findRegion(region) === undefined) {
    const text = 'The specified location-constraint is not valid';
    throw s3Error('InvalidLocationConstraint', text, 400, { LocationConstraint: constraint });
  }
  if (endpoint !== firstRegion && endpoint !== region) throw illegalLocation(constraint);
  return region;
}

function illegalLocation(constraint: string): Error {
  const text = `The ${constraint} location constraint is incompatible for the region specific endpoint this request was sent to.`;
  return s3Error('IllegalLocationConstraintException', text, 400);
}

export const bucketHandlers: HandlersOf<S3> = {
  /**
   * Names are one namespace for all accounts. An own bucket made again is an error everywhere but in us-east-1, where it is none, for the sake of old
   * clients (CreateBucket, BucketAlreadyOwnedByYou).
   */
  async CreateBucket(input, ctx) {
    const {
      Bucket: name = '',
      CreateBucketConfiguration: configuration,
      // The canned ACL `private` without an ownership turns ACLs on (versity/versitygw #1871 compared it with S3); rclone relies on it.
      ObjectOwnership: ownership = input.ACL === 'private' ? 'BucketOwnerPreferred' : 'BucketOwnerEnforced',
    } = input;
    if (isDirectoryName(name)) return createDirectory(ctx, input);
    checkBucketName(name);
    if (configuration?.Bucket?.Type === 'Directory') throw invalidBucketName(name);
    for (const member of ['Location', 'Bucket'] as const) {
      if (configuration?.[member] !== undefined)
        throw parameterNotImplemented('CreateBucket', `CreateBucketConfiguration.${member}`);
    }
    const region = readLocation(configuration?.LocationConstraint, ctx.region);
    if (!['BucketOwnerEnforced', 'BucketOwnerPreferred', 'ObjectWriter'].includes(ownership)) {
      throw invalidArgument(`Invalid x-amz-object-ownership header: ${ownership}`, 'x-amz-object-ownership', ownership);
    }
    if (asksAcl(input) && ownership === 'BucketOwnerEnforced' && input.ACL !== 'private') {
      throw s3Error(
        'InvalidBucketAclWithObjectOwnership',
        "Bucket cannot have ACLs set with ObjectOwnership's BucketOwnerEnforced setting",
        400,
      );
    }
    const grants = asksAcl(input) ? readAclHeaders(input, ctx.account, ctx.account, 'bucket') : [];
    // New buckets block public access, their first ACL included.
    if (isPublic(grants)) throw accessDenied();
    const locks = input.ObjectLockEnabledForBucket === true;
    const row: BucketRow = {
      name,
      account: ctx.account,
      region,
      created: ctx.now,
      ...(locks ? { versioning: 'Enabled' } : {}),
      tags: readTags(configuration?.Tags ?? [], bucketTagsMax),
      publicBlock: allBlocked,
      ownership,
      grants,
      encryption: firstEncryption,
      requesterPays: false,
      lockEnabled: locks,
    };
    await ctx.inScope({ region }).transact(async (tx) => {
      const buckets = tx.table(Buckets);
      const old = await buckets.get(name);
      if (old !== undefined && old.account !== ctx.account) {
        const text =
          'The requested bucket name is not available. The bucket namespace is shared by all users of the system. Please select a different name and try again.';
        throw s3Error('BucketAlreadyExists', text, 409, { BucketName: name });
      }
      if (old !== undefined && ctx.region === firstRegion && old.region === firstRegion) return;
      if (old !== undefined) {
        const text = 'Your previous request to create the named bucket succeeded and you already own it.';
        throw s3Error('BucketAlreadyOwnedByYou', text, 409, { BucketName: name });
      }
      if ((await buckets.byIndex('byAccount', [ctx.account], { limit: bucketsMax })).length >= bucketsMax) {
        throw s3Error('TooManyBuckets', 'You have attempted to create more buckets than allowed', 400);
      }
      await buckets.put(row);
      await measureLater(tx, name, ctx.now);
    });
    return {
      Location: region === firstRegion ? `/${name}` : `http://${name}.s3.amazonaws.com/`,
      BucketArn: `arn:aws:s3:::${name}`,
    };
  },

  /**
   * Refuses while anything is in it, old versions and delete markers included. Uploads on their way are given up with it; those of a directory
   * bucket hold it ("Deleting a directory bucket").
   */
  async DeleteBucket(input, ctx) {
    const { name, account, region, zone } = await requireBucket(ctx, input);
    await ctx.inScope({ account, region }).transact(async (tx) => {
      await findBucket(tx, input);
      if ((await tx.table(Versions).list({ prefix: [name], limit: 1 })).length > 0) {
        const versioned = (await tx.table(Buckets).get(name))?.versioning !== undefined;
        const text = `The bucket you tried to delete is not empty${versioned ? '. You must delete all versions in the bucket.' : ''}`;
        throw s3Error('BucketNotEmpty', text, 409, { BucketName: name });
      }
      const uploads = await tx.table(Uploads).list({ prefix: [name] });
      if (zone !== undefined && uploads.length > 0) {
        throw s3Error('BucketNotEmpty', 'The bucket you tried to delete is not empty', 409, { BucketName: name });
      }
      if ((await tx.table(AccessPoints).byIndex('byBucket', [name], { limit: 1 })).length > 0) {
        const text =
          'The bucket you are trying to delete has access points attached. Delete your access points before deleting your bucket.';
        throw s3Error('BucketHasAccessPointsAttached', text, 400, { BucketName: name });
      }
      for (const upload of uploads) await removeUpload(tx, upload, new Set());
      for (const { kind, id } of await tx.table(Configs).list({ prefix: [name] })) await tx.table(Configs).delete(name, kind, id);
      await tx.table(Buckets).delete(name);
    });
    return {};
  },

  async HeadBucket(input, ctx) {
    const bucket = await requireBucket(ctx, input);
    const byAlias = (input as BucketAsk).accessPoint !== undefined;
    if (bucket.zone !== undefined) {
      const place = { BucketLocationType: 'AvailabilityZone' as const, BucketLocationName: findZone(bucket.zone)?.id };
      return { ...place, BucketRegion: bucket.region, AccessPointAlias: false, BucketArn: arnOfDirectory(bucket) };
    }
    return { BucketRegion: bucket.region, AccessPointAlias: byAlias, BucketArn: `arn:aws:s3:::${bucket.name}` };
  },

  /** Answered from any Region; us-east-1 is told by saying nothing. */
  async GetBucketLocation(input, ctx) {
    const { region } = await findBucket(ctx, input);
    return region === firstRegion ? {} : { LocationConstraint: region as 'EU' };
  },

  /** All buckets of the caller's account, from any Region. */
  async ListBuckets(input, ctx) {
    const { MaxBuckets: limit, Prefix: prefix = '', BucketRegion: region, ContinuationToken: token } = input;
    if (limit !== undefined && (limit < 1 || limit > 10_000)) {
      throw invalidArgument('Argument max-buckets must be an integer between 1 and 10000', 'max-buckets', String(limit));
    }
    const all = await ctx.table(Buckets).byIndex('byAccount', [ctx.account]);
    const wanted = all.filter(
      (row) => row.zone === undefined && row.name.startsWith(prefix) && (region === undefined || row.region === region),
    );
    const page = pageOf(wanted, (row) => [row.name], { scope: `ListBuckets ${prefix} ${region}`, token, limit });
    if (page === undefined) throw invalidArgument('The continuation token provided is incorrect', 'continuation-token', token);
    return {
      Buckets: page.items.map((row) => ({
        Name: row.name,
        CreationDate: new Date(row.created),
        ...(limit === undefined && region === undefined ? {} : { BucketRegion: row.region }),
        BucketArn: `arn:aws:s3:::${row.name}`,
      })),
      Owner: { ID: canonicalId(ctx.account) },
      ...(input.Prefix === undefined ? {} : { Prefix: prefix }),
      ...(page.nextToken === undefined ? {} : { ContinuationToken: page.nextToken }),
    };
  },
};

export const bucketChecks: AuthorisationsOf<S3> = {
  CreateBucket: (input, ctx) => {
    if (input.Bucket === undefined || input.Bucket === '') throw malformedXml();
    if (isDirectoryName(input.Bucket)) {
      const resource = arnOfDirectory({ name: input.Bucket, region: ctx.region, account: ctx.account });
      return [{ action: 's3express:CreateBucket', resource }];
    }
    return [
      {
        resource: `arn:aws:s3:::${input.Bucket}`,
        conditions: { 's3:locationconstraint': input.CreateBucketConfiguration?.LocationConstraint },
      },
    ];
  },
  DeleteBucket: async (input, ctx) => [await bucketCheck(ctx, input)],
  HeadBucket: async (input, ctx) => [await bucketCheck(ctx, input)],
  GetBucketLocation: async (input, ctx) => [
    await bucketCheck(ctx.inScope({ region: (await findBucket(ctx, input)).region }), input),
  ],
};
