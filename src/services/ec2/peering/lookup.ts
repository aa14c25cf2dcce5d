/** Peering connections as other nouns need them: which VPCs one is joined with. */
import type { Context, Transaction } from '../../../kernel/context.ts';
import { type PeeringEnd, Peerings, PeeringSides } from './state.ts';

export interface ActivePeer {
  id: string;
  own: PeeringEnd;
  other: PeeringEnd;
}

/** The active connections of a VPC of this account and Region, with their ends. */
export async function activePeers(source: Pick<Context | Transaction, 'table'>, vpcId: string): Promise<ActivePeer[]> {
  const sides = await source.table(PeeringSides).byIndex('byVpc', [vpcId]);
  const found: ActivePeer[] = [];
  for (const { id, role } of sides) {
    const row = await source.table(Peerings).get(id);
    if (row?.status !== 'active') continue;
    const [own, other] = role === 'requester' ? [row.requester, row.accepter] : [row.accepter, row.requester];
    found.push({ id, own, other });
  }
  return found;
}
