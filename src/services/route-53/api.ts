/** What Route 53 offers inside the process: to the admin API the table of where clients are. Types only may be imported from here. */
import { canonicalCidr } from '../../base/cidr.ts';
import type { Context } from '../../kernel/context.ts';
import { Places, type PlaceRow } from './state.ts';

export interface Route53Api {
  places(): Promise<readonly PlaceRow[]>;
  /** Replaces the whole table. Throws RangeError for what is no block. */
  setPlaces(rows: readonly PlaceRow[]): Promise<void>;
}

/** Hands the table to the name servers. */
export async function loadPlaces(ctx: Context): Promise<void> {
  const rows = await ctx.table(Places).list();
  ctx.part('dns').hosted.setPlaces(rows.map(({ cidr, ...place }) => ({ cidr, place })));
}

/** The api over a context of Route 53's own. */
export function createApi(ctx: Context): Route53Api {
  return {
    places: () => ctx.table(Places).list(),
    async setPlaces(rows) {
      const bad = rows.find(({ cidr }) => canonicalCidr(cidr) === undefined);
      if (bad !== undefined) throw new RangeError(`${bad.cidr} is not a block of addresses.`);
      await ctx.transact(async (tx) => {
        for (const { cidr } of await tx.table(Places).list()) await tx.table(Places).delete(cidr);
        for (const { cidr, continent, country, subdivision, latitude, longitude } of rows)
          await tx.table(Places).put({ cidr, continent, country, subdivision, latitude, longitude });
      });
      await loadPlaces(ctx);
    },
  };
}
