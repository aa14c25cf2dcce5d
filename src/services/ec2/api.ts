/** What EC2 offers inside the process: to the admin API where an instance stands, to Systems Manager the newest images. */
import type { Context } from '../../kernel/context.ts';
import { catalogueImages, type CatalogueImage } from './images/catalogue.ts';
import { Occupants } from './placement/state.ts';

export interface Ec2Api {
  /** `us-east-1a/dc1/rack3/host5` of a running instance or a Dedicated Host of any account; undefined when it is on no host. */
  placeOf(id: string): Promise<string | undefined>;
  /** The provider's images of a Region, the newest of each kind, with the public parameters of Systems Manager that name them. */
  latestImages(region: string): readonly CatalogueImage[];
}

/** Makes the face for one caller's context. */
export function ec2Api(ctx: Context): Ec2Api {
  return {
    placeOf: async (id) => (await ctx.table(Occupants).get(id))?.place,
    latestImages: catalogueImages,
  };
}
