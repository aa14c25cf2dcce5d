/** Multi-Region Access Points as S3 Control makes, changes and removes them ("Managing Multi-Region Access Points"). */
import type { Context, Transaction } from '../../../kernel/context.ts';
import { checkPolicy, fits } from '../buckets/policies.ts';
import { accessDenied, invalidRequest, noSuchBucket, noSuchMultiRegionPoint, s3Error } from '../errors.ts';
import { Buckets, type MultiRegionBucket, type MultiRegionPointRow, MultiRegionPoints, type PublicBlock } from '../state.ts';
import { accountBlockOf, combineBlocks, isPublicPolicy } from './public-access.ts';

/** "You can have up to 100 Multi-Region Access Points per account", "up to 17 Regions" each. */
const pointsMax = 100;
const bucketsMax = 17;

export interface MultiRegionPlace {
  account: string;
  name: string;
}

/** What CreateMultiRegionAccessPoint says of a new one. */
export interface MultiRegionAsk extends MultiRegionPlace {
  buckets: readonly { bucket: string; account: string }[];
  publicBlock: PublicBlock;
}

type Reading = Pick<Context, 'table'> | Pick<Transaction, 'table'>;

/** `arn:aws:s3::ACCOUNT:accesspoint/ALIAS`, of no Region. */
function arnOfMultiRegion({ account, alias }: Pick<MultiRegionPointRow, 'account' | 'alias'>): string {
  return `arn:aws:s3::${account}:accesspoint/${alias}`;
}

/** Throws NoSuchMultiRegionAccessPoint. */
export async function requireMultiRegion(reading: Reading, { account, name }: MultiRegionPlace): Promise<MultiRegionPointRow> {
  const row = await reading.table(MultiRegionPoints).get(account, name);
  if (row === undefined) throw noSuchMultiRegionPoint(name);
  return row;
}

/**
 * Begins to make one: it is CREATING and lets nobody in. Throws InvalidRequest for a name, or buckets, that none may have,
 * MultiRegionAccessPointAlreadyOwnedByYou, TooManyMultiRegionAccessPoints.
 */
export async function beginMultiRegion(
  ctx: Context,
  { account, name, buckets, publicBlock }: MultiRegionAsk,
): Promise<MultiRegionPointRow> {
  if (!/^[a-z0-9][a-z0-9-]{1,48}[a-z0-9]$/.test(name)) throw invalidRequest('Your Multi-Region Access Point name is invalid');
  if (buckets.length === 0 || buckets.length > bucketsMax)
    throw invalidRequest(`A Multi-Region Access Point must have between 1 and ${bucketsMax} buckets.`);
  const alias = `${ctx.id('multiRegionAlias')}.mrap`;
  return ctx.transact(async (tx) => {
    const points = tx.table(MultiRegionPoints);
    const own = await points.list({ prefix: [account] });
    if (own.some((row) => row.name === name)) {
      const text = 'Your previous request to create the named Multi-Region Access Point succeeded and you already own it.';
      throw s3Error('MultiRegionAccessPointAlreadyOwnedByYou', text, 409, { MultiRegionAccessPointName: name });
    }
    if (own.length >= pointsMax) {
      const text = 'You have attempted to create more Multi-Region Access Points than allowed for an account.';
      throw s3Error('TooManyMultiRegionAccessPoints', text, 400);
    }
    const pending = buckets.map(({ bucket, account: owner }) => ({ bucket, account: owner, region: '', active: true }));
    const row: MultiRegionPointRow = {
      account,
      name,
      alias,
      created: ctx.now,
      status: 'CREATING',
      publicBlock,
      buckets: pending,
    };
    await points.put(row);
    return row;
  });
}

/**
 * Finds the buckets of one that is CREATING and opens it; one that cannot be is removed. Throws NoSuchBucket, AccessDenied for a bucket of another
 * account than said, InvalidRequest for two buckets of one Region.
 */
export async function openMultiRegion(ctx: Context, place: MultiRegionPlace): Promise<MultiRegionPointRow> {
  const found = await ctx.transact(async (tx) => {
    const row = await requireMultiRegion(tx, place);
    const buckets: MultiRegionBucket[] = [];
    let failure: Error | undefined;
    for (const one of row.buckets) {
      const bucket = await tx.table(Buckets).get(one.bucket);
      if (bucket === undefined || bucket.zone !== undefined) failure ??= noSuchBucket(one.bucket);
      else if (bucket.account !== one.account) failure ??= accessDenied();
      else if (buckets.some(({ region }) => region === bucket.region))
        failure ??= invalidRequest(`A Multi-Region Access Point can have one bucket of the Region ${bucket.region} only.`);
      else buckets.push({ ...one, region: bucket.region });
    }
    if (failure !== undefined) {
      await tx.table(MultiRegionPoints).delete(row.account, row.name);
      return failure;
    }
    const opened: MultiRegionPointRow = { ...row, buckets, status: 'READY' };
    await tx.table(MultiRegionPoints).put(opened);
    return opened;
  });
  if (found instanceof Error) throw found;
  return found;
}

/** Closes one for its removal: it is DELETING and lets nobody in. Throws NoSuchMultiRegionAccessPoint. */
export async function closeMultiRegion(ctx: Context, place: MultiRegionPlace): Promise<void> {
  await ctx.transact(async (tx) => {
    const row = await requireMultiRegion(tx, place);
    await tx.table(MultiRegionPoints).put({ ...row, status: 'DELETING' });
  });
}

export async function removeMultiRegion(ctx: Context, { account, name }: MultiRegionPlace): Promise<void> {
  await ctx.transact((tx) => tx.table(MultiRegionPoints).delete(account, name));
}

/** Proposes a policy. Throws NoSuchMultiRegionAccessPoint, MalformedPolicy, PolicyTooLarge, AccessDenied for a public one that is blocked. */
export async function proposePolicy(ctx: Context, place: MultiRegionPlace, policy: string): Promise<void> {
  const row = await requireMultiRegion(ctx, place);
  const arn = arnOfMultiRegion(row);
  checkPolicy(policy, (resource) => fits(resource, arn) || fits(resource.split('/object/')[0] ?? '', arn));
  const block = combineBlocks(row.publicBlock, undefined, await accountBlockOf(ctx, row.account));
  if (isPublicPolicy(policy) && block.BlockPublicPolicy) throw accessDenied();
  await ctx.transact(async (tx) => {
    await tx.table(MultiRegionPoints).put({ ...(await requireMultiRegion(tx, place)), proposed: policy });
  });
}

/** The proposed policy holds. Throws NoSuchMultiRegionAccessPoint. */
export async function establishPolicy(ctx: Context, place: MultiRegionPlace): Promise<void> {
  await ctx.transact(async (tx) => {
    const row = await requireMultiRegion(tx, place);
    await tx.table(MultiRegionPoints).put({ ...row, policy: row.proposed ?? row.policy });
  });
}

/** By ARN or alias. Throws NoSuchMultiRegionAccessPoint. */
export async function findMultiRegion(reading: Reading, account: string, named: string): Promise<MultiRegionPointRow> {
  const alias = named.replace(`arn:aws:s3::${account}:accesspoint/`, '');
  const [row] = await reading.table(MultiRegionPoints).byIndex('byAlias', [alias], { limit: 1 });
  if (row === undefined || row.account !== account) throw noSuchMultiRegionPoint(alias);
  return row;
}

/** Which buckets are to be active; those left out stay as they are. Each is named by itself, by its Region, or by both. */
export interface RouteUpdate {
  bucket?: string | undefined;
  region?: string | undefined;
  percentage: number | undefined;
}

/** Throws InvalidRequest for routes that cannot be: unknown ones, other percentages than 0 and 100, none active. */
export async function submitRoutes(ctx: Context, account: string, named: string, updates: readonly RouteUpdate[]): Promise<void> {
  await ctx.transact(async (tx) => {
    const row = await findMultiRegion(tx, account, named);
    let { buckets } = row;
    for (const { bucket, region, percentage } of updates) {
      if (percentage !== 0 && percentage !== 100) throw invalidRequest('The traffic dial percentage must be 0 or 100.');
      const meant = (one: MultiRegionBucket): boolean =>
        (bucket !== undefined || region !== undefined) &&
        (bucket ?? one.bucket) === one.bucket &&
        (region ?? one.region) === one.region;
      if (!buckets.some(meant))
        throw invalidRequest(`The Multi-Region Access Point has no route to ${bucket ?? region ?? 'nowhere'}.`);
      buckets = buckets.map((one) => (meant(one) ? { ...one, active: percentage === 100 } : one));
    }
    if (!buckets.some(({ active }) => active)) throw invalidRequest('At least one Region must be active.');
    await tx.table(MultiRegionPoints).put({ ...row, buckets });
  });
}
