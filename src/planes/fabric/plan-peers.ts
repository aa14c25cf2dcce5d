/**
 * Links between networks (peer routes). Between the two stands a namespace that only passes packets on, `x-<one>-<other>`: each network plans its own
 * half, a pair of devices to it and the way from the other half to this one, and neither has to know when the other comes or goes. Packets flow
 * when both halves are there, which is when the route tables of both name the other. Rejected: one pair between the two, which one side would own
 * and whose removal would pull the other's routes away unseen.
 *
 * As in AWS (VPC Peering Guide, "VPC peering limitations") a link is not a way through: what comes over it goes to ports of this network only.
 */
import { linkNamespace } from '../../machine/netns.ts';
import { mtu, uplinkInternetEnd, uplinkNetworkEnd } from './addresses.ts';
import type { NetworkNumbers } from './numbers.ts';
import type { FactList, LinkPlan } from './plan.ts';
import type { NetworkSpec } from './types.ts';

/** A network that this one has a route to. */
export interface PlannedPeer {
  network: string;
  /** The end in this network: `x<n>`. */
  device: string;
  /** The namespace between, and this network's and the other's device in it. */
  between: { namespace: string; device: string; otherDevice: string };
}

/** The networks that the routes of a spec lead to. */
export function listPeers(spec: NetworkSpec, numbers: NetworkNumbers): PlannedPeer[] {
  const networks = new Set(
    spec.routeTables.flatMap(({ routes }) => routes.flatMap(({ via }) => (via.kind === 'peer' ? via.network : []))),
  );
  const devices = numbers.peers.assign(networks);
  return [...networks].map((network) => {
    const [device, otherDevice] = spec.key < network ? ['end-a', 'end-b'] : ['end-b', 'end-a'];
    return {
      network,
      device: `x${devices.get(network)}`,
      between: { namespace: linkNamespace(spec.key, network), device: device!, otherDevice: otherDevice! },
    };
  });
}

/** This network's half of the link. */
export function planPeer(
  { facts, links, namespace }: { facts: FactList; links: Map<string, LinkPlan>; namespace: string },
  { device, between }: PlannedPeer,
): void {
  const table = between.device === 'end-a' ? 1 : 2;
  const { namespace: place } = between;
  links.set(device, {
    device,
    machine: { namespace: place, device: between.device },
    settings: {
      'net/ipv4/ip_forward': '1',
      'net/ipv4/conf/all/rp_filter': '0',
      [`net/ipv4/conf/${between.device}/rp_filter`]: '0',
    },
    create:
      `link add name ${between.device} up mtu ${mtu} address ${uplinkInternetEnd.mac} netns ${place} type veth ` +
      `peer name ${device} mtu ${mtu} address ${uplinkNetworkEnd.mac} netns ${namespace}`,
  });
  const up = (at: string, end: string, first: boolean) =>
    facts.add(`up ${end}`, { place: at, add: `link set dev ${end} up`, link: device, check: { kind: 'up', device: end, first } });
  const neighbour = (at: string, end: string, other: { address: string; mac: string }) =>
    facts.add(`neighbour ${end}`, {
      place: at,
      add: `neighbour replace ${other.address} lladdr ${other.mac} dev ${end} nud permanent`,
      link: device,
    });
  // Without loopback the namespace has no table of local addresses yet, and the kernel takes no next hop for valid.
  facts.add('loopback', { place, add: 'link set lo up' });
  up(namespace, device, false);
  neighbour(namespace, device, uplinkInternetEnd);
  up(place, between.device, true);
  neighbour(place, between.device, uplinkNetworkEnd);
  facts.add(`table ${table}`, {
    place,
    add: `route replace default via ${uplinkNetworkEnd.address} dev ${between.device} onlink table ${table}`,
    link: device,
  });
  facts.add(`rule ${table}`, {
    place,
    add: `rule add iif ${between.otherDevice} lookup ${table} priority ${table}`,
    remove: `rule del iif ${between.otherDevice} lookup ${table} priority ${table}`,
  });
}
