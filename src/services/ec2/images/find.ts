/**
 * Which images an account can use. One's own, those shared with it, public ones and the catalogue are known; another account's private one is
 * AuthFailure. Ids of the real cloud that templates carry stand for the default image, unless the cloud is strict; ids that this cloud gave
 * itself never do, so an image of another Region is not found, as in AWS.
 */
import { regions } from '../../../base/regions.ts';
import type { Context } from '../../../kernel/context.ts';
import { AwsError } from '../../../kernel/errors.ts';
import { malformedId, notFound } from '../errors.ts';
import type { TagMap } from '../vpc/state.ts';
import { type CatalogueImage, catalogueImages } from './catalogue.ts';
import { everyone, ImageOwners, type ImageRow, Images, Subscriptions } from './state.ts';

/** An image as callers see it, whoever owns it. */
export interface UsableImage extends Omit<ImageRow, 'created' | 'pendingFrom' | 'clientToken' | 'state'> {
  state: ImageRow['state'];
  created: string;
  ownerId: string;
  ownerAlias?: string | undefined;
  productCode?: string | undefined;
  platform?: 'windows' | undefined;
  instanceStore?: true | undefined;
  tags: TagMap;
}

const idForm = /^ami-([0-9a-f]{8}|[0-9a-f]{17})$/;

/** Throws InvalidAMIID.Malformed. */
export function checkImageId(id: string): void {
  if (!idForm.test(id)) throw malformedId('image', id);
}

function ofCatalogue(image: CatalogueImage): UsableImage {
  const { parameters: _parameters, ...rest } = image;
  return {
    ...rest,
    state: 'available',
    rootDeleteOnTermination: true,
    volumes: [],
    public: true,
    users: [],
    deregistrationProtection: false,
    tags: {},
  };
}

function ofAccount(row: ImageRow, account: string, viewer: string): UsableImage {
  const { created, pendingFrom: _from, clientToken: _token, ...rest } = row;
  // Tags are the owner's own: others do not see them ("Share an AMI").
  return { ...rest, created: new Date(created).toISOString(), ownerId: account, tags: account === viewer ? row.tags : {} };
}

/** Every image that the account can see: its own, shared, public, provided. */
export async function visibleImages(ctx: Context): Promise<UsableImage[]> {
  const own = (await ctx.table(Images).list()).map((row) => ofAccount(row, ctx.account, ctx.account));
  const others = new Map<string, UsableImage>();
  for (const user of [ctx.account, everyone]) {
    for (const owner of await ctx.table(ImageOwners).byIndex('byUser', [ctx.region, user])) {
      if (owner.account === ctx.account) continue;
      const row = await ctx.tableIn({ account: owner.account, region: ctx.region }, Images).get(owner.id);
      if (row !== undefined) others.set(row.id, ofAccount(row, owner.account, ctx.account));
    }
  }
  const all = [...own, ...others.values(), ...catalogueImages(ctx.region).map(ofCatalogue)];
  return all.sort((a, b) => (a.id < b.id ? -1 : 1));
}

/** The default image under a foreign id; undefined when the cloud is strict or the id is another Region's. */
function standIn(ctx: Context, id: string): UsableImage | undefined {
  if (ctx.part('settings').strictImages) return undefined;
  const elsewhere = regions.some(({ name }) => catalogueImages(name).some((image) => image.id === id));
  const [first] = catalogueImages(ctx.region);
  return elsewhere || first === undefined ? undefined : { ...ofCatalogue(first), id };
}

/** The image of this id. Throws InvalidAMIID.Malformed, InvalidAMIID.NotFound, InvalidAMIID.Unavailable, AuthFailure. */
export async function findImage(ctx: Context, id: string): Promise<UsableImage> {
  checkImageId(id);
  const own = await ctx.table(Images).get(id);
  if (own !== undefined) return ofAccount(own, ctx.account, ctx.account);
  const provided = catalogueImages(ctx.region).find((image) => image.id === id);
  if (provided !== undefined) return ofCatalogue(provided);
  const owner = await ctx.table(ImageOwners).get(id);
  if (owner === undefined) {
    const image = standIn(ctx, id);
    if (image === undefined) throw notFound('image', id);
    return image;
  }
  if (owner.region !== ctx.region) throw notFound('image', id);
  if (owner.deregistered) throw new AwsError('InvalidAMIID.Unavailable', `The image ID '${id}' is no longer available`);
  if (!owner.public && !owner.users.includes(ctx.account))
    throw new AwsError('AuthFailure', `Not authorized for images: [${id}]`);
  const row = await ctx.tableIn({ account: owner.account, region: owner.region }, Images).get(id);
  if (row === undefined) throw notFound('image', id);
  return ofAccount(row, owner.account, ctx.account);
}

/** The image for a launch. Beside `findImage`'s refusals throws InvalidAMIID.Unavailable until it is available, OptInRequired for the Marketplace. */
export async function requireImage(ctx: Context, id: string): Promise<UsableImage> {
  const image = await findImage(ctx, id);
  if (image.state !== 'available') throw new AwsError('InvalidAMIID.Unavailable', `The image ID '${id}' is not available`);
  if (image.productCode !== undefined && (await ctx.table(Subscriptions).get(image.productCode)) === undefined) {
    throw new AwsError(
      'OptInRequired',
      `In order to use this AWS Marketplace product you need to accept terms and subscribe. To do so please visit https://aws.amazon.com/marketplace/pp?sku=${image.productCode}`,
      { status: 401 },
    );
  }
  return image;
}
