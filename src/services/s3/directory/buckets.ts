/** Directory buckets: made in a zone, listed by themselves ("Creating directory buckets in an Availability Zone"). */
import type { CreateBucketCommandInput, S3 } from '@aws-sdk/client-s3';
import { pageOf } from '../../../base/paging.ts';
import type { Context } from '../../../kernel/context.ts';
import { parameterNotImplemented } from '../../../kernel/errors.ts';
import type { AuthorisationsOf, HandlersOf } from '../../../kernel/service.ts';
import { allBlocked } from '../access/public-access.ts';
import { firstEncryption } from '../buckets/encryption.ts';
import { invalidArgument, invalidRequest, s3Error } from '../errors.ts';
import { type BucketRow, Buckets } from '../state.ts';
import { arnOfDirectory, zoneOfName } from './rules.ts';

/** Directory buckets of an account in a Region ("Quotas"). */
const directoriesMax = 100;
const pageMax = 1000;

/**
 * Makes a directory bucket where its name says. Throws InvalidBucketName, InvalidRequest when configuration and name disagree, BucketAlreadyExists,
 * BucketAlreadyOwnedByYou, TooManyBuckets.
 */
export async function createDirectory(
  ctx: Context,
  input: CreateBucketCommandInput,
): Promise<{ Location: string; BucketArn: string }> {
  const { Bucket: name = '', CreateBucketConfiguration: configuration } = input;
  const zone = zoneOfName(name);
  for (const member of ['ACL', 'ObjectLockEnabledForBucket', 'ObjectOwnership'] as const) {
    if (input[member] !== undefined && input[member] !== 'BucketOwnerEnforced')
      throw parameterNotImplemented('CreateBucket', member);
  }
  if (configuration?.Tags !== undefined) throw parameterNotImplemented('CreateBucket', 'CreateBucketConfiguration.Tags');
  const { Location: location, Bucket: kind } = configuration ?? {};
  if (kind?.Type !== 'Directory' || kind.DataRedundancy !== 'SingleAvailabilityZone' || location?.Type !== 'AvailabilityZone')
    throw invalidRequest('This bucket name is reserved for directory buckets: Type must be Directory in an AvailabilityZone.');
  if (location.Name !== zone.id) throw invalidRequest('The zone of the location does not match the one in the bucket name.');
  if (zone.region !== ctx.region) throw invalidRequest(`The zone ${zone.id} is not in ${ctx.region}.`);
  const row: BucketRow = {
    name,
    account: ctx.account,
    region: ctx.region,
    zone: zone.name,
    created: ctx.now,
    tags: {},
    publicBlock: allBlocked,
    ownership: 'BucketOwnerEnforced',
    grants: [],
    encryption: firstEncryption,
    requesterPays: false,
    lockEnabled: false,
  };
  await ctx.transact(async (tx) => {
    const buckets = tx.table(Buckets);
    const old = await buckets.get(name);
    if (old !== undefined) {
      const own = old.account === ctx.account;
      const text = own
        ? 'Your previous request to create the named bucket succeeded and you already own it.'
        : 'The requested bucket name is not available. Please select a different name and try again.';
      throw s3Error(own ? 'BucketAlreadyOwnedByYou' : 'BucketAlreadyExists', text, 409, { BucketName: name });
    }
    const mine = (await buckets.byIndex('byAccount', [ctx.account])).filter((one) => one.zone !== undefined);
    if (mine.filter(({ region }) => region === ctx.region).length >= directoriesMax)
      throw s3Error('TooManyBuckets', 'You have attempted to create more buckets than allowed', 400);
    await buckets.put(row);
  });
  return { Location: `https://${name}.s3express-${zone.id}.${ctx.region}.amazonaws.com/`, BucketArn: arnOfDirectory(row) };
}

export const directoryHandlers: HandlersOf<S3> = {
  /** The caller's directory buckets of the Region asked. */
  async ListDirectoryBuckets(input, ctx) {
    const { ContinuationToken: token, MaxDirectoryBuckets: limit = pageMax } = input;
    const all = await ctx.table(Buckets).byIndex('byAccount', [ctx.account]);
    const own = all.filter(({ zone, region }) => zone !== undefined && region === ctx.region);
    const page = pageOf(own, (row) => [row.name], { scope: 'ListDirectoryBuckets', token, limit: Math.min(limit, pageMax) });
    if (page === undefined) throw invalidArgument('The continuation token provided is incorrect', 'continuation-token', token);
    return {
      Buckets: page.items.map((row) => ({ Name: row.name, CreationDate: new Date(row.created), BucketArn: arnOfDirectory(row) })),
      ...(page.nextToken === undefined ? {} : { ContinuationToken: page.nextToken }),
    };
  },
};

export const directoryChecks: AuthorisationsOf<S3> = {
  ListDirectoryBuckets: () => [{ action: 's3express:ListAllMyDirectoryBuckets', resource: '*' }],
};
