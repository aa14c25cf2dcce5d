/** Images of one's own as rows: written together with who may use them, and found only by their owner. */
import type { Context, Scope, Transaction } from '../../../kernel/context.ts';
import { AwsError } from '../../../kernel/errors.ts';
import { notFound } from '../errors.ts';
import { catalogueImages } from './catalogue.ts';
import { checkImageId } from './find.ts';
import { ImageOwners, type ImageRow, Images } from './state.ts';

/** The caller's image of this id. Throws InvalidAMIID.Malformed, InvalidAMIID.NotFound, AuthFailure for somebody else's. */
export async function requireOwnImage(
  source: Pick<Context | Transaction, 'table'>,
  ctx: Context,
  id: string | undefined,
): Promise<ImageRow> {
  const wanted = id ?? '';
  checkImageId(wanted);
  const row = await source.table(Images).get(wanted);
  if (row !== undefined) return row;
  const owner = await source.table(ImageOwners).get(wanted);
  const foreign = owner !== undefined && !owner.deregistered && owner.region === ctx.region && owner.account !== ctx.account;
  if (foreign || catalogueImages(ctx.region).some((image) => image.id === wanted))
    throw new AwsError('AuthFailure', `Not authorized for image:${wanted}`);
  throw notFound('image', wanted);
}

/** Writes an image and what other accounts may know of it. */
export async function writeImage(tx: Transaction, scope: Scope, row: ImageRow): Promise<void> {
  await tx.tableIn(scope, Images).put(row);
  await tx.table(ImageOwners).put({
    id: row.id,
    region: scope.region,
    account: scope.account,
    public: row.public,
    users: row.users,
    deregistered: false,
  });
}

/** Takes an image away; its id stays known as one that was. */
export async function dropImage(tx: Transaction, scope: Scope, row: ImageRow): Promise<void> {
  await tx.tableIn(scope, Images).delete(row.id);
  await tx.table(ImageOwners).put({
    id: row.id,
    region: scope.region,
    account: scope.account,
    public: false,
    users: [],
    deregistered: true,
  });
}

/** Forgets whose images they were, before the rows of an account go. */
export async function forgetImagesOf(ctx: Context, account: string): Promise<void> {
  await ctx.transact(async (tx) => {
    for (const { id } of await tx.table(ImageOwners).byIndex('byAccount', [account])) await tx.table(ImageOwners).delete(id);
  });
}
