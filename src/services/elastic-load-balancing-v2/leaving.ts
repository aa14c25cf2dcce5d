/**
 * Targets whose machine is about to go. Terminating an instance takes it out of its target groups, but what a node has sent meanwhile would be lost: so the
 * machine keeps its power until the nodes know, and for the moment that an operating system takes to shut down.
 */
import type { Context } from '../../kernel/context.ts';
import { groupSort } from './attributes.ts';
import { balancersOf } from './lookup.ts';
import { nodeSpec, readSharedSpec } from './node-spec.ts';
import { Balancers, type BalancerRow, Groups, Targets } from './state.ts';

/** Real milliseconds that a machine waits at most, and between two looks. */
const patienceMillis = 2000;
const lookMillis = 20;

/** See BalancersApi.letGo. */
export async function letGo(ctx: Context, instanceId: string): Promise<void> {
  const targets = await ctx.table(Targets).byIndex('byId', [instanceId]);
  if (targets.length === 0 || ctx.part('proxy').unavailable !== undefined) return;
  const groups = [...new Set(targets.map(({ group }) => group))];
  const over = new AbortController();
  await Promise.race([drain(ctx, instanceId, groups, over.signal), ctx.clock.pause(patienceMillis, over.signal)]);
  over.abort();
}

async function drain(ctx: Context, instanceId: string, groups: readonly string[], over: AbortSignal): Promise<void> {
  const users = [...new Set((await Promise.all(groups.map((arn) => balancersOf(ctx, arn)))).flat())];
  const rows = await Promise.all(users.map((arn) => ctx.table(Balancers).get(arn)));
  const live = rows.filter((row): row is BalancerRow => row?.state === 'active');
  for (const row of live) {
    const shared = await readSharedSpec(ctx, row);
    // A node that does not take it is the reconciler's to mend.
    await Promise.all(
      row.nodes.map((node) =>
        ctx
          .part('proxy')
          .ensureNode(nodeSpec(shared, node))
          .catch(() => {}),
      ),
    );
  }
  const nodes = live.flatMap((row) => row.nodes);
  // Connections of network load balancers last as long as their clients like: nobody waits for those.
  const kinds = await Promise.all(groups.map((arn) => ctx.table(Groups).get(arn)));
  const waited = new Set(kinds.flatMap((row) => (row !== undefined && groupSort(row) === 'groupApplication' ? row.arn : [])));
  while (!over.aborted) {
    const seen = (await Promise.all(nodes.map(({ interfaceId }) => ctx.part('proxy').draining(interfaceId)))).flat();
    const busy = seen.some(
      (each) => each !== undefined && waited.has(each.pool) && each.target.startsWith(`${instanceId}:`) && each.underWay > 0,
    );
    if (!busy) return;
    await ctx.clock.pause(lookMillis, over);
  }
}
