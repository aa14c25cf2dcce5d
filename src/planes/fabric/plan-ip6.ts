/**
 * IPv6 of a network, for networks that have a block of it; others pay nothing. Addresses are public as they are, so nothing is translated: the
 * internet routes the network's block to it. A machine has its address alone (/128, as DHCPv6 gives it in AWS) and sends everything to its router, whose
 * link-local address is a fixed neighbour; so no neighbour discovery is needed and every packet crosses the forward chain. There are no checks of
 * what the kernel holds (FactCheck): a repair makes links anew, and with them these facts.
 */
import { canonicalCidr, parseCidr4 } from '../../base/cidr.ts';
import { internetEnd6, networkEnd6, routerMac, uplinkInternetEnd, uplinkNetworkEnd } from './addresses.ts';
import type { NetworkNumbers } from './numbers.ts';
import { reaches6 } from './plan-firewall.ts';
import { type FactList, type PlannedPort, rootPlace } from './plan.ts';
import { rulePriorityBase } from './plan-routes.ts';
import type { NetworkSpec, RouteSpec } from './types.ts';

const default6 = '::/0';

interface Parts {
  ports: readonly PlannedPort[];
  numbers: NetworkNumbers;
  /** The network's device in the root namespace. */
  uplink: string;
}

/** Adds all facts of IPv6. The numbers of tables and subnets have been assigned. */
export function planIp6(
  { facts, namespace }: { facts: FactList; namespace: string },
  spec: NetworkSpec,
  { ports, numbers, uplink }: Parts,
): void {
  const blocks = spec.cidrs.filter((cidr) => parseCidr4(cidr) === undefined).map((cidr) => canonicalCidr(cidr)!);
  facts.add('neighbour6 u0', neighbour(namespace, 'u0', 'u0', internetEnd6, uplinkInternetEnd.mac));
  facts.add(`neighbour6 ${uplink}`, neighbour(rootPlace, uplink, 'u0', networkEnd6, uplinkNetworkEnd.mac));
  for (const block of reaches6(spec) ? blocks : [])
    facts.add(`route ${block}`, {
      place: rootPlace,
      add: `route replace ${block} via ${networkEnd6} dev ${uplink} onlink`,
      remove: `route del ${block} dev ${uplink}`,
      link: 'u0',
    });
  for (const port of ports) planPort6(facts, namespace, port);
  planTables6(facts, namespace, spec, { ports, numbers, blocks });
}

function planPort6(facts: FactList, namespace: string, port: PlannedPort): void {
  const { device, machine, machineDevice, spec } = port;
  for (const address of spec.addresses6 ?? []) {
    facts.add(`neighbour ${device} ${address}`, {
      ...neighbour(namespace, device, device, address, spec.mac),
      remove: `neighbour del ${address} dev ${device}`,
    });
    facts.add(`route ${address}`, {
      place: namespace,
      add: `route replace ${address}/128 dev ${device}`,
      remove: `route del ${address}/128 dev ${device}`,
      link: device,
    });
    facts.add(`address ${machineDevice} ${address}`, {
      place: machine,
      add: `address replace ${address}/128 dev ${machineDevice} nodad`,
      remove: `address del ${address}/128 dev ${machineDevice}`,
      link: device,
    });
  }
  if ((spec.addresses6 ?? []).length === 0) return;
  facts.add(`neighbour6 ${machineDevice}`, neighbour(machine, machineDevice, device, internetEnd6, routerMac));
  facts.add(`default6 ${machineDevice}`, {
    place: machine,
    add: `route replace ${default6} via ${internetEnd6} dev ${machineDevice}`,
    remove: `route del ${default6} via ${internetEnd6} dev ${machineDevice}`,
    link: device,
  });
}

function neighbour(place: string, device: string, link: string, address: string, mac: string) {
  return { place, add: `neighbour replace ${address} lladdr ${mac} dev ${device} nud permanent`, link };
}

/** The tables of planRouteTables once more, for the other family. */
function planTables6(
  facts: FactList,
  namespace: string,
  spec: NetworkSpec,
  { ports, numbers, blocks }: Pick<Parts, 'ports' | 'numbers'> & { blocks: readonly string[] },
): void {
  const tables = numbers.routeTables.assign(spec.routeTables.map(({ key }) => key));
  const marks = numbers.subnets.assign(spec.subnets.map(({ key }) => key));
  for (const table of spec.routeTables) {
    const number = tables.get(table.key)!;
    const done = new Set<string>();
    const add = (cidr: string, type: string, target: string, link?: string): void => {
      if (done.has(cidr)) return;
      done.add(cidr);
      facts.add(`table ${number} ${cidr}`, {
        place: namespace,
        add: ['route replace', type, cidr, target, `table ${number}`].filter((word) => word !== '').join(' '),
        remove: ['route del', type, cidr, `table ${number}`].filter((word) => word !== '').join(' '),
        link,
      });
    };
    for (const block of blocks) add(block, 'throw', '');
    for (const route of table.routes) {
      if (parseCidr4(route.cidr) !== undefined) continue;
      const target = targetOf(route.via, spec, ports);
      const cidr = canonicalCidr(route.cidr)!;
      if (target === undefined) add(cidr, 'blackhole', '');
      else add(cidr, '', target.words, target.link);
    }
    add(default6, 'blackhole', '');
  }
  for (const subnet of spec.subnets) {
    const mark = marks.get(subnet.key)!;
    const words = `fwmark ${mark} lookup ${tables.get(subnet.routeTable)!} priority ${rulePriorityBase + mark}`;
    facts.add(`rule6 ${words}`, { place: namespace, add: `-6 rule add ${words}`, remove: `-6 rule del ${words}` });
  }
}

/** Where a route of IPv6 leads; translators and links carry IPv4 only. */
function targetOf(
  via: RouteSpec['via'],
  spec: NetworkSpec,
  ports: readonly PlannedPort[],
): { words: string; link: string } | undefined {
  if (via.kind === 'internet' || via.kind === 'outbound')
    return spec.internet || via.kind === 'outbound' ? { words: `via ${internetEnd6} dev u0 onlink`, link: 'u0' } : undefined;
  const port = via.kind === 'port' ? ports.find(({ spec: { key } }) => key === via.port) : undefined;
  const address = port?.spec.addresses6?.[0];
  return port === undefined || address === undefined
    ? undefined
    : { words: `via ${address} dev ${port.device} onlink`, link: port.device };
}
