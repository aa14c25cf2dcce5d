/**
 * Capacity Rebalancing: a Spot Instance that EC2 recommends to rebalance is replaced before it is interrupted ("Use Capacity Rebalancing to handle Amazon
 * EC2 Spot interruptions"). The replacement comes first; the instance at risk leaves when that is in service, drained and with its hooks.
 */
import type { Context, DomainEvent } from '../../kernel/context.ts';
import { capacityOf, counts } from './members.ts';
import { type GroupRow, type MemberRow, Members } from './state.ts';
import { targetState } from './targets.ts';

/** Notes the recommendation; what comes of it is the group's own. */
export async function onRecommendation({ detail }: DomainEvent, ctx: Context): Promise<void> {
  const id = (detail as { 'instance-id'?: string })['instance-id'];
  await ctx.transact(async (tx) => {
    const member = id === undefined ? undefined : await tx.table(Members).firstByIndex('byInstance', [id]);
    if (member === undefined) return;
    await tx.table(Members).put({ ...member, atRisk: true });
    tx.hint('groups', member.group);
  });
}

/** Whether a member is to be replaced because it is at risk. */
export function isLeaving({ rebalances }: GroupRow, { atRisk, state, spot }: MemberRow): boolean {
  return rebalances === true && atRisk === true && spot && state === 'InService';
}

/**
 * How many instances to launch in place of members at risk: as many as there are, up to a tenth of the maximum (or one instance) beyond it.
 */
export function replacementsWanted(group: GroupRow, members: readonly MemberRow[]): number {
  const live = members.filter(counts);
  const wanted = live.filter((member) => isLeaving(group, member)).length - live.filter(({ extra }) => extra === true).length;
  const room = group.max + Math.max(1, Math.floor(group.max / 10)) - capacityOf(live);
  return Math.max(0, Math.min(wanted, room));
}

/** Whether a replacement is not known to be well yet where load balancers judge that: nobody leaves for it so far. */
export async function awaitsHealth(ctx: Context, group: GroupRow, members: readonly MemberRow[]): Promise<boolean> {
  if (!group.healthCheckType.split(',').includes('ELB') || !members.some((member) => isLeaving(group, member))) return false;
  for (const { extra, state, instanceId, registered } of members)
    if (extra === true && state === 'InService')
      for (const arn of registered) if ((await targetState(ctx, arn, instanceId ?? '')) !== 'healthy') return true;
  return false;
}
