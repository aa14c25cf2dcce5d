/** Peers of rules that are not blocks: groups of the own VPC, of a peered one, or associated with it, and prefix lists. */
import type { Context, Transaction } from '../../../kernel/context.ts';
import { AwsError } from '../../../kernel/errors.ts';
import { notFound } from '../errors.ts';
import { activePeers } from '../peering/lookup.ts';
import { requirePrefixList } from '../prefix-lists/lookup.ts';
import type { RuleDraft } from './permissions.ts';
import { type SecurityGroupRow, SecurityGroups } from './state.ts';

/** VPCs in which a group may be carried. */
export function vpcsOf(group: SecurityGroupRow): string[] {
  return [group.vpcId, ...(group.otherVpcs ?? [])];
}

/**
 * The draft with its peer looked up. A group has to be in a VPC of the rule's group, or in one that is peered with it in this Region ("Reference peer
 * security groups"). Throws InvalidGroup.NotFound, InvalidPrefixListID.NotFound.
 */
export async function resolvePeer(tx: Transaction, ctx: Context, group: SecurityGroupRow, draft: RuleDraft): Promise<RuleDraft> {
  const { peer } = draft;
  if (peer.kind === 'prefix-list') await requirePrefixList(tx, ctx.region, peer.id);
  if (peer.kind !== 'group') return draft;
  const found = await tx.tableIn({ account: peer.account, region: ctx.region }, SecurityGroups).get(peer.groupId);
  if (found === undefined) throw notFound('securityGroup', peer.groupId);
  const own = vpcsOf(group);
  if (peer.account === ctx.account && vpcsOf(found).some((vpcId) => own.includes(vpcId))) return draft;
  for (const vpcId of own)
    for (const { id, other } of await activePeers(tx, vpcId)) {
      if (other.vpcId !== found.vpcId || other.account !== peer.account || other.region !== ctx.region) continue;
      if (peer.peeringId === undefined || peer.peeringId === id)
        return { ...draft, peer: { ...peer, vpcId: found.vpcId, peeringId: id } };
    }
  // Who does not own the group does not learn that it exists.
  if (peer.account !== ctx.account) throw notFound('securityGroup', peer.groupId);
  throw new AwsError('InvalidGroup.NotFound', 'You have specified two resources that belong to different networks.');
}

/** What rules count against the quota, by family: a group counts in both, a prefix list as its size ("Amazon VPC quotas"). */
export async function weightOf(
  tx: Transaction,
  region: string,
  rules: readonly RuleDraft[],
): Promise<{ ipv4: number; ipv6: number }> {
  const sum = { ipv4: 0, ipv6: 0 };
  for (const { peer } of rules) {
    if (peer.kind === 'prefix-list') {
      const list = await requirePrefixList(tx, region, peer.id);
      sum[list.family === 'IPv4' ? 'ipv4' : 'ipv6'] += list.entriesMax;
      continue;
    }
    if (peer.kind !== 'ipv6') sum.ipv4 += 1;
    if (peer.kind !== 'ipv4') sum.ipv6 += 1;
  }
  return sum;
}
