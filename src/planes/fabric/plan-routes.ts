/**
 * Route tables. Each is a routing table of the kernel; a policy rule for each subnet leads packets that bear its mark (set by the firewall from the
 * device they came from) to the subnet's table. The network's own blocks and the platform's services are `throw` routes in it: the search goes on
 * in the main table, which holds a /32 for each port and each service. So the longest prefix wins over everything, also for routes inside the
 * network's blocks, as in AWS. What nothing matches ends in a blackhole and is dropped without a word: clients time out.
 */
import { canonicalCidr, contains, isCidr4, parseCidr, parseCidr4 } from '../../base/cidr.ts';
import { metadataAddress, resolverAddress, uplinkInternetEnd } from './addresses.ts';
import { resolverOf } from './plan-firewall.ts';
import type { NetworkNumbers } from './numbers.ts';
import type { FactList, PlannedNat, PlannedPort } from './plan.ts';
import type { PlannedPeer } from './plan-peers.ts';
import type { NetworkSpec, RouteSpec, RouteTableSpec } from './types.ts';

const defaultCidr = '0.0.0.0/0';
/** Policy rules of subnets come before the kernel's own for the main table (32766). */
export const rulePriorityBase = 1000;

/** What routes may lead to. */
interface Targets {
  ports: readonly PlannedPort[];
  nats: readonly PlannedNat[];
  peers: readonly PlannedPeer[];
}

/** Adds the facts of all tables and of the subnets' policy rules. */
export function planRouteTables(
  { facts, namespace }: { facts: FactList; namespace: string },
  spec: NetworkSpec,
  numbers: NetworkNumbers,
  targets: Targets,
): void {
  const tables = numbers.routeTables.assign(spec.routeTables.map(({ key }) => key));
  const marks = numbers.subnets.assign(spec.subnets.map(({ key }) => key));
  facts.add('route default', routeFact(namespace, 'main', defaultCidr, 'blackhole', ''));
  // To a machine of the first subnet the resolver is a neighbour: the network answers for it, which it does for what it has a route to.
  const toResolver = `via ${uplinkInternetEnd.address} dev u0 onlink`;
  if (spec.resolver !== false)
    facts.add('route resolver', routeFact(namespace, 'main', `${resolverOf(spec)}/32`, '', toResolver, 'u0'));
  for (const table of spec.routeTables) {
    const number = tables.get(table.key)!;
    const destinations = new Set<string>();
    const add = (cidr: string, type: 'blackhole' | 'throw' | '', target: string, link?: string): void => {
      if (destinations.has(cidr)) return;
      destinations.add(cidr);
      facts.add(`table ${number} ${cidr}`, routeFact(namespace, number, cidr, type, target, link));
    };
    for (const cidr of [
      ...spec.cidrs.filter((one) => parseCidr4(one) !== undefined),
      `${metadataAddress}/32`,
      `${resolverAddress}/32`,
    ])
      add(canonicalCidr(cidr)!, 'throw', '');
    for (const route of table.routes) {
      if (parseCidr4(route.cidr) === undefined) continue;
      const target = findTarget(route, spec, targets);
      if (target === undefined) add(canonicalCidr(route.cidr)!, 'blackhole', '');
      else add(canonicalCidr(route.cidr)!, '', target.words, target.link);
    }
    add(defaultCidr, 'blackhole', '');
  }
  for (const subnet of spec.subnets) {
    const mark = marks.get(subnet.key)!;
    const table = tables.get(subnet.routeTable)!;
    const priority = rulePriorityBase + mark;
    facts.add(`rule ${mark} table ${table}`, {
      place: namespace,
      add: `rule add fwmark ${mark} lookup ${table} priority ${priority}`,
      remove: `rule del fwmark ${mark} lookup ${table} priority ${priority}`,
      check: { kind: 'rule', priority },
    });
  }
}

/** Where a route leads, or undefined while it leads nowhere: AWS calls such a route a blackhole. */
function findTarget(
  { cidr, via }: RouteSpec,
  spec: NetworkSpec,
  { ports, nats, peers }: Targets,
): { words: string; link: string } | undefined {
  const uplink = (device: string) => ({ words: `via ${uplinkInternetEnd.address} dev ${device} onlink`, link: device });
  switch (via.kind) {
    case 'internet':
      return spec.internet ? uplink('u0') : undefined;
    case 'platform':
      return uplink('u0');
    case 'port': {
      const port = ports.find(({ spec: { key } }) => key === via.port);
      if (port === undefined) return undefined;
      return { words: `via ${port.spec.addresses[0]!.private} dev ${port.device} onlink`, link: port.device };
    }
    case 'nat': {
      const nat = nats.find(({ address, publicAddress }) => address === via.address && publicAddress === via.publicAddress);
      const table = spec.routeTables.find(({ key }) => key === nat?.subnet?.routeTable);
      // A translator reaches what its own subnet's table leads to the internet, and nothing else.
      const open = spec.internet && nat !== undefined && table !== undefined && leadsToInternet(table, cidr);
      return open ? uplink(nat.device) : undefined;
    }
    case 'peer':
      return uplink(peers.find(({ network }) => network === via.network)!.device);
    default:
      return undefined;
  }
}

/** Whether the table's longest match for the whole block is a route to the internet. */
function leadsToInternet(table: RouteTableSpec, cidr: string): boolean {
  const wanted = parseCidr4(cidr)!;
  let best: { prefix: number; internet: boolean } | undefined;
  for (const route of table.routes) {
    const block = parseCidr(route.cidr);
    if (block === undefined || !isCidr4(block) || !contains(block, wanted)) continue;
    if (best === undefined || block.prefix > best.prefix)
      best = { prefix: block.prefix, internet: route.via.kind === 'internet' };
  }
  return best?.internet ?? false;
}

function routeFact(place: string, table: number | 'main', cidr: string, type: string, target: string, link?: string) {
  const destination = cidr === defaultCidr ? 'default' : cidr;
  const shown = destination.endsWith('/32') ? destination.slice(0, -3) : destination;
  return {
    place,
    add: ['route replace', type, destination, target, `table ${table}`].filter((word) => word !== '').join(' '),
    remove: `route del ${type === 'throw' || type === 'blackhole' ? `${type} ` : ''}${destination} table ${table}`,
    link,
    check: { kind: 'route', route: `${table} ${shown}` },
  } as const;
}
