/** Access points as S3 Control makes, shows and removes them ("Creating access points", "Access points restrictions and limitations"). */
import type { Context } from '../../../kernel/context.ts';
import { checkPolicy, fits } from '../buckets/policies.ts';
import { accessDenied, noSuchAccessPoint, s3Error } from '../errors.ts';
import { AccessPoints, type AccessPointRow, Buckets, type PublicBlock } from '../state.ts';
import { arnOfPoint, blockOfPoint, isPublicPoint } from './points.ts';

/** Where an access point is. */
export interface PointPlace {
  account: string;
  region: string;
  name: string;
}

/** What CreateAccessPoint says of a new one. */
export interface PointAsk extends PointPlace {
  bucket: string;
  /** Owner of the bucket; whoever asks when absent. */
  bucketAccount?: string | undefined;
  vpcId?: string | undefined;
  publicBlock: PublicBlock;
}

/** Characters of the name that an alias begins with. */
const aliasNameMax = 20;

/**
 * Makes an access point. Throws InvalidRequest for a name that none may have and for a bucket that is not there, AccessDenied for a bucket of another
 * account than said, PermanentRedirect's kin for one of another Region, AccessPointAlreadyOwnedByYou.
 */
export async function createPoint(ctx: Context, ask: PointAsk): Promise<AccessPointRow> {
  const { account, region, name, bucket: bucketName, bucketAccount = account, vpcId, publicBlock } = ask;
  if (!/^[a-z0-9](?:[a-z0-9-]{1,48})[a-z0-9]$/.test(name) || /(?:-s3alias|--xa-s3|--ol-s3)$/.test(name)) {
    throw s3Error('InvalidRequest', 'Your Amazon S3 AccessPoint name is invalid', 400);
  }
  if (vpcId !== undefined && !/^vpc-[0-9a-f]{8,17}$/.test(vpcId)) {
    throw s3Error('InvalidRequest', `The VPC ID ${vpcId} is not valid.`, 400);
  }
  const alias = `${name.slice(0, aliasNameMax).replace(/-+$/, '')}-${ctx.id('accessPointAlias')}-s3alias`;
  return ctx.transact(async (tx) => {
    const bucket = await tx.table(Buckets).get(bucketName);
    if (bucket === undefined || bucket.region !== region) {
      throw s3Error('InvalidRequest', 'Amazon S3 AccessPoint can only be created for existing bucket', 400);
    }
    if (bucket.account !== bucketAccount) throw accessDenied();
    const points = tx.table(AccessPoints);
    if ((await points.get(account, region, name)) !== undefined) {
      const text = 'Your previous request to create the named accesspoint succeeded and you already own it.';
      throw s3Error('AccessPointAlreadyOwnedByYou', text, 409, { AccessPointName: name });
    }
    const row: AccessPointRow = {
      account,
      region,
      name,
      alias,
      bucket: bucketName,
      bucketAccount: bucket.account,
      vpcId,
      publicBlock,
      created: ctx.now,
    };
    await points.put(row);
    return row;
  });
}

/** Throws NoSuchAccessPoint. */
export async function requirePoint(ctx: Context, { account, region, name }: PointPlace): Promise<AccessPointRow> {
  const row = await ctx.table(AccessPoints).get(account, region, name);
  if (row === undefined) throw noSuchAccessPoint(name);
  return row;
}

/** Access points of an account in a Region by name, of one bucket if it is given. */
export async function listPoints(
  ctx: Context,
  { account, region, bucket }: Omit<PointPlace, 'name'> & { bucket?: string | undefined },
): Promise<readonly AccessPointRow[]> {
  const rows = await ctx.table(AccessPoints).list({ prefix: [account, region] });
  return bucket === undefined ? rows : rows.filter((row) => row.bucket === bucket);
}

/** Throws NoSuchAccessPoint. */
export async function deletePoint(ctx: Context, place: PointPlace): Promise<void> {
  await ctx.transact(async (tx) => {
    const points = tx.table(AccessPoints);
    if ((await points.get(place.account, place.region, place.name)) === undefined) throw noSuchAccessPoint(place.name);
    await points.delete(place.account, place.region, place.name);
  });
}

/**
 * Sets the policy, or with undefined removes it. Throws NoSuchAccessPoint, MalformedPolicy, PolicyTooLarge, and AccessDenied for a public one where
 * access point, bucket or account prevent that.
 */
export async function setPointPolicy(ctx: Context, place: PointPlace, policy: string | undefined): Promise<void> {
  const row = await requirePoint(ctx, place);
  if (policy !== undefined) {
    const arn = arnOfPoint(row);
    checkPolicy(policy, (resource) => fits(resource, arn) || fits(resource.split('/object/')[0] ?? '', arn));
    const bucket = await ctx.table(Buckets).get(row.bucket);
    if (isPublicPoint({ ...row, policy }) && (await blockOfPoint(ctx, row, bucket)).BlockPublicPolicy) throw accessDenied();
  }
  await ctx.transact(async (tx) => {
    const points = tx.table(AccessPoints);
    const now = await points.get(place.account, place.region, place.name);
    if (now === undefined) throw noSuchAccessPoint(place.name);
    await points.put({ ...now, policy });
  });
}
