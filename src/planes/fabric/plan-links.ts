/**
 * Pairs of devices: between a network and the internet, and between a network and a machine. Nothing is bridged: the network routes to each port by
 * its /32 and answers ARP for everything it can route to (proxy ARP), so a machine sees its whole subnet on the wire as in AWS, and every packet
 * crosses the network's forward chain. Rejected: a bridge for each subnet (traffic inside a subnet would pass bridge hooks only, without routing
 * and with another rule language) and /32 addresses inside machines (programs expect the subnet on their interface).
 */
import { canonicalCidr, parseCidr4 } from '../../base/cidr.ts';
import {
  hostAddress,
  metadataAddress,
  mtu,
  portGroup,
  resolverAddress,
  routerMac,
  uplinkInternetEnd,
  uplinkNetworkEnd,
} from './addresses.ts';
import { type FactList, gatewayOf, type LinkPlan, type PlannedPort, rootPlace } from './plan.ts';
import { planVoice } from './plan-voices.ts';

interface Target {
  facts: FactList;
  links: Map<string, LinkPlan>;
  namespace: string;
}

/** Above the routing tables of a user's own making inside machines: table and rule priority of the device with index n are this plus n. */
const machineTableBase = 10_000;

/**
 * The pair to the internet: `device` in the network, `rootDevice` outside. With `publicAddress` it belongs to a translator and carries that address
 * only; without it is the network's main way out, over which platform services are reached too.
 */
export function planUplink(target: Target, device: string, rootDevice: string, publicAddress?: string): void {
  const { facts, links, namespace } = target;
  links.set(device, {
    device,
    create:
      `link add name ${rootDevice} up mtu ${mtu} address ${uplinkInternetEnd.mac} type veth ` +
      `peer name ${device} mtu ${mtu} address ${uplinkNetworkEnd.mac} netns ${namespace}`,
  });
  planDevice(facts, namespace, device, device, uplinkInternetEnd);
  planDevice(facts, rootPlace, rootDevice, device, uplinkNetworkEnd);
  if (publicAddress !== undefined) planPublicRoute(facts, publicAddress, rootDevice, device);
  else
    for (const service of [metadataAddress, resolverAddress])
      facts.add(`route ${service}`, {
        place: namespace,
        add: `route replace ${service}/32 via ${uplinkInternetEnd.address} dev ${device} onlink`,
        link: device,
        check: { kind: 'route', route: `main ${service}` },
      });
}

/** A port's pair, its addresses on both sides, and how the internet and the platform's services find it. */
export function planPort(target: Target, port: PlannedPort, uplink: string, internet: boolean): void {
  const { facts, links, namespace } = target;
  const { device, machine, machineDevice, spec } = port;
  links.set(device, {
    device,
    machine: { namespace: machine, device: machineDevice },
    primaryAddress: `${spec.addresses[0]!.private}/${parseCidr4(port.subnet.cidr)!.prefix}`,
    create:
      `link add name ${machineDevice} up mtu ${mtu} address ${spec.mac} netns ${machine} type veth ` +
      `peer name ${device} mtu ${mtu} address ${routerMac} netns ${namespace}`,
  });
  // Proxy ARP waits up to 0.8 s before it answers, unless told not to.
  facts.add(`arp ${device}`, { place: namespace, add: `ntable change name arp_cache dev ${device} proxy_delay 0`, link: device });
  facts.add(`group ${device}`, { place: namespace, add: `link set dev ${device} group ${portGroup}`, link: device });
  facts.add(`up ${device}`, upFact(namespace, device, device, false));
  for (const { private: address } of spec.addresses) {
    facts.add(`neighbour ${device} ${address}`, {
      place: namespace,
      add: `neighbour replace ${address} lladdr ${spec.mac} dev ${device} nud permanent`,
      remove: `neighbour del ${address} dev ${device}`,
      link: device,
    });
    facts.add(`route ${address}`, {
      place: namespace,
      add: `route replace ${address}/32 dev ${device} scope link`,
      remove: `route del ${address}/32 dev ${device}`,
      link: device,
      check: { kind: 'route', route: `main ${address}` },
    });
  }
  planMachineEnd(facts, port);
  if (spec.speaksForOthers === true) planVoice({ facts, namespace }, port);
  facts.add(`route ${port.serviceAddress}`, rootRoute(port.serviceAddress, uplink, 'u0', ''));
  if (internet)
    for (const { public: address } of spec.addresses) if (address !== undefined) planPublicRoute(facts, address, uplink, 'u0');
}

/** What the machine finds on its device: addresses with the subnet's length, the primary one first, and a default route, as AWS's images set up. */
function planMachineEnd(facts: FactList, port: PlannedPort): void {
  const { machine: place, machineDevice, device: link, spec, subnet } = port;
  const { prefix } = parseCidr4(subnet.cidr)!;
  if (!facts.byId.has(`${place} loopback`)) facts.add('loopback', { place, add: 'link set lo up' });
  for (const { private: address } of spec.addresses)
    facts.add(`address ${machineDevice} ${address}`, {
      place,
      add: `address replace ${address}/${prefix} broadcast + dev ${machineDevice}`,
      remove: `address del ${address}/${prefix} dev ${machineDevice}`,
      link,
    });
  facts.add(`up ${machineDevice}`, upFact(place, machineDevice, link, true));
  const index = deviceIndex(machineDevice);
  const gateway = `default via ${gatewayOf(subnet)} dev ${machineDevice}`;
  const metric = index === 0 ? '' : ` metric ${512 + 10 * index}`;
  facts.add(`default ${machineDevice}`, { place, add: `route replace ${gateway}${metric}`, link });
  if (index > 0) planSecondDevice(facts, port, machineTableBase + index);
}

/** Answers of a second device must leave by it: elsewhere their source would be taken for forged. Amazon Linux sets the same rules up. */
function planSecondDevice(facts: FactList, port: PlannedPort, table: number): void {
  const { machine: place, machineDevice, device: link, spec, subnet } = port;
  const source = spec.addresses[0]!.private;
  facts.add(`table ${table} subnet`, {
    place,
    add: `route replace ${canonicalCidr(subnet.cidr)} dev ${machineDevice} scope link src ${source} table ${table}`,
    link,
  });
  facts.add(`table ${table} default`, {
    place,
    add: `route replace default via ${gatewayOf(subnet)} dev ${machineDevice} table ${table}`,
    link,
  });
  for (const { private: address } of spec.addresses)
    facts.add(`rule ${table} ${address}`, {
      place,
      add: `rule add from ${address} lookup ${table} priority ${table}`,
      remove: `rule del from ${address} lookup ${table} priority ${table}`,
    });
}

/** 0 for the first device of a machine (`eth0`; `ens5`, as AWS's images name it), counting up from there. */
function deviceIndex(device: string): number {
  const number = Number(/\d*$/.exec(device)?.[0] ?? 0);
  return device.startsWith('ens') ? Math.max(0, number - 5) : number;
}

/** The other end of a link to or from the internet is a known neighbour, so that no address has to be spent on it. */
function planDevice(facts: FactList, place: string, device: string, link: string, other: { address: string; mac: string }): void {
  facts.add(`up ${device}`, upFact(place, device, link, place === rootPlace));
  facts.add(`neighbour ${device}`, {
    place,
    add: `neighbour replace ${other.address} lladdr ${other.mac} dev ${device} nud permanent`,
    link,
  });
}

function upFact(place: string, device: string, link: string, first: boolean) {
  return { place, add: `link set dev ${device} up`, link, check: { kind: 'up', device, first } } as const;
}

/** A route of the root namespace to an address of a network. The removal names the device: the address may belong to another network by then, whose route must stay. */
export function rootRoute(address: string, rootDevice: string, link: string, extra: string) {
  return {
    place: rootPlace,
    add: `route replace ${address}/32 via ${uplinkNetworkEnd.address} dev ${rootDevice} onlink${extra}`,
    remove: `route del ${address}/32 dev ${rootDevice}`,
    link,
    check: { kind: 'route', route: `main ${address}` },
  } as const;
}

function planPublicRoute(facts: FactList, address: string, rootDevice: string, link: string): void {
  facts.add(`route ${address}`, rootRoute(address, rootDevice, link, ` src ${hostAddress}`));
}
