/**
 * Queries of public zones for the bill ("Amazon Route 53 pricing"): those for aliases of AWS resources are free, and stand in it under a type of their own. Counts of a
 * second are charged together; a crash loses those of the second under way. All queries cost as standard ones: the dearer kinds of routing policies are not told apart.
 */
import type { Context } from '../../kernel/context.ts';
import { charge, type UsageLine } from '../../kernel/usage.ts';
import { ZoneOwners } from './state.ts';

/** Real time between the first query and the moment when it is told, together with those that came meanwhile. */
const gatherMillis = 1000;

/** Charges queries as they come; returns how to stop, with nothing left behind. `ctx` is in no account. */
export function meterQueries(ctx: Context): () => Promise<void> {
  const { counts } = ctx.part('dns').hosted;
  const tell = async (): Promise<void> => {
    const at = ctx.clock.now();
    const lines: UsageLine[] = [];
    for (const [zone, { plain, aliases }] of counts.take()) {
      const owner = await ctx.table(ZoneOwners).get(zone);
      if (owner === undefined) continue;
      const line = { account: owner.account, region: 'us-east-1', at, service: 'Amazon Route 53', operation: 'DNS' };
      if (plain > 0) lines.push({ ...line, usageType: 'DNS-Queries', amount: plain });
      if (aliases > 0) lines.push({ ...line, usageType: 'Intra-AWS-DNS-Queries', amount: aliases });
    }
    if (lines.length > 0) await ctx.transact((tx) => charge(tx, lines));
  };
  const ending = new AbortController();
  let running = Promise.resolve();
  const stop = counts.onFirst(() => {
    running = running.then(() => ctx.clock.pause(gatherMillis, ending.signal)).then(tell);
  });
  return async () => {
    stop();
    ending.abort();
    await running;
  };
}
