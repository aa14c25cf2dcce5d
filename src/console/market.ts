/** What the console needs of who keeps subscriptions to Marketplace products; boot joins the two. */
import type { Context } from '../kernel/context.ts';

export interface Market {
  /** Subscribes the account of the context to the product of this code; false when there is none. */
  subscribe(ctx: Context, productCode: string): Promise<boolean>;
}
