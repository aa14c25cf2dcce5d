/** From the mirror sessions of a VPC to the copies that its network makes. */
import type { Context } from '../../../kernel/context.ts';
import type { CopySpec } from '../../../planes/fabric/types.ts';
import { MirrorFilters, MirrorSessions, MirrorTargets } from './state.ts';

/** Copies of the sessions whose both ends are among these interfaces. */
export async function readCopies(ctx: Context, vpcId: string, interfaceIds: ReadonlySet<string>): Promise<CopySpec[]> {
  const copies: CopySpec[] = [];
  for (const session of await ctx.table(MirrorSessions).byIndex('byVpc', [vpcId])) {
    const [target, filter] = await Promise.all([
      ctx.table(MirrorTargets).get(session.targetId),
      ctx.table(MirrorFilters).get(session.filterId),
    ]);
    if (target === undefined || filter === undefined) continue;
    if (!interfaceIds.has(session.interfaceId) || !interfaceIds.has(target.interfaceId)) continue;
    copies.push({
      key: session.id,
      order: session.number,
      from: session.interfaceId,
      to: target.interfaceId,
      identifier: session.virtualNetworkId,
      rules: filter.rules.map((rule) => ({
        direction: rule.direction === 'ingress' ? 'in' : 'out',
        number: rule.number,
        copy: rule.accept,
        protocol: rule.protocol,
        source: rule.sourceCidr,
        target: rule.destinationCidr,
        sourcePorts: rule.sourcePorts,
        targetPorts: rule.destinationPorts,
      })),
    });
  }
  return copies;
}
