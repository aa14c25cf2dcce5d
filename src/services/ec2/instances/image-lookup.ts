/** The image that a launch names: one's own, or the provider's. */
import type { Context } from '../../../kernel/context.ts';
import { malformedId, notFound } from '../errors.ts';
import { catalogueImages } from '../images/catalogue.ts';
import { Images } from '../images/state.ts';

export interface LaunchImage {
  id: string;
  architecture: 'x86_64' | 'arm64';
  rootDeviceName: string;
  rootSizeGiB: number;
  planeImage: string;
  user: string;
}

/** The image of this id. Throws InvalidAMIID.Malformed, InvalidAMIID.NotFound. */
export async function requireImage(ctx: Context, id: string): Promise<LaunchImage> {
  if (!/^ami-[0-9a-f]{8,17}$/.test(id)) throw malformedId('image', id);
  const found = (await ctx.table(Images).get(id)) ?? catalogueImages(ctx.region).find((image) => image.id === id);
  if (found === undefined) throw notFound('image', id);
  return found;
}
