/** Subscriptions to products of the Marketplace, which the console makes: images of such a product start only with one (OptInRequired). */
import type { Context } from '../../../kernel/context.ts';
import { catalogueImages } from './catalogue.ts';
import { Subscriptions } from './state.ts';

/** Subscribes the account; false for a product that does not exist. The caller has been asked for `aws-marketplace:Subscribe`. */
export async function subscribe(ctx: Context, productCode: string): Promise<boolean> {
  if (!catalogueImages(ctx.region).some((image) => image.productCode === productCode)) return false;
  await ctx.transact(async (tx) => {
    const rows = tx.table(Subscriptions);
    if ((await rows.get(productCode)) === undefined) await rows.put({ productCode, since: ctx.now });
  });
  return true;
}
