/**
 * The plan of one network: everything that has to exist on the host for a spec, as data. Pure: the same spec, numbers and faults give the same
 * plan. diff-plan.ts compares two plans, linux-fabric.ts carries the difference out.
 *
 * A plan has links (pairs of devices), facts (an address, a route, a device being up: one command makes it, one takes it away) and a firewall
 * (chains and sets). Each fact says where it is true: in the root namespace, which is the internet, in the network's, or in a machine's.
 */
import { addressAt, containsAddress, formatIp4, parseCidr4, parseIp4 } from '../../base/cidr.ts';
import { machineNamespace, networkNamespace } from '../../machine/netns.ts';
import type { NetworkNumbers } from './numbers.ts';
import { type FirewallPlan, isDual, planFirewall } from './plan-firewall.ts';
import { copyCommands, listCopies, planCopies } from './plan-copies.ts';
import { doorsOf, planDoors } from './plan-doors.ts';
import { planIp6 } from './plan-ip6.ts';
import { planPort, planUplink } from './plan-links.ts';
import { doorAddress, listAdmissions, planAdmissions } from './plan-passages.ts';
import { listPeers, planPeer } from './plan-peers.ts';
import { planRouteTables } from './plan-routes.ts';
import type { NetworkSpec, PortSpec, SubnetSpec } from './types.ts';

/** The root namespace, in which Pilvi itself runs; every other place is the name of a namespace. */
export const rootPlace = '';

/** A pair of devices. A change of anything here means: remove and make anew. */
export interface LinkPlan {
  /** Name of the end in the network's namespace. */
  device: string;
  /** Command for the root namespace that makes the pair and puts the ends where they belong. */
  create: string;
  /** Namespace and device of the other end, in a machine or between networks; undefined when it stays in the root namespace. */
  machine?: { namespace: string; device: string } | undefined;
  /** First address inside the machine with its prefix: the kernel drops the others with it, so it cannot be exchanged in place. */
  primaryAddress?: string | undefined;
  /** Kernel settings that the namespace of the other end needs for it. */
  settings?: Readonly<Record<string, string>> | undefined;
}

/** How to see that a fact is true: by what readLinks or readRoutes of src/machine found. */
export type FactCheck =
  /** `first`: this end is made up, before the other, and starts to send some time after that. */
  { kind: 'up'; device: string; first?: boolean } | { kind: 'route'; route: string } | { kind: 'rule'; priority: number };

export interface Fact {
  place: string;
  /** Command that makes it so, safe to repeat unless `remove` must come first (policy rules). */
  add: string;
  /** Command that takes it away; absent for what goes away with its link. */
  remove?: string | undefined;
  /** Device of the link without which the fact cannot be, and with which it goes. */
  link?: string | undefined;
  check?: FactCheck | undefined;
}

export interface NetworkPlan {
  namespace: string;
  /** Whether the namespace forwards IPv6; without it the protocol is off there. */
  dual: boolean;
  links: ReadonlyMap<string, LinkPlan>;
  /** By an id that stays the same when only the command changes. In the order in which they must be made. */
  facts: ReadonlyMap<string, Fact>;
  firewall: FirewallPlan;
  /** Service address to port, for ports that are attached and for passages; of the platform's, the address of the door. */
  identities: ReadonlyMap<string, { port: string; machine?: string | undefined; device?: string | undefined }>;
}

/** What is down, as `setFault` left it. */
export interface Faults {
  zones: ReadonlySet<string>;
  ports: ReadonlySet<string>;
  /** For a port's key: addresses that it cannot reach and that cannot reach it. */
  cutAddresses: ReadonlyMap<string, readonly string[]>;
}

/** What planning needs to know beyond the spec. */
export interface PlanContext {
  /** Number of the network among all networks: its device in the root namespace is `n<index>`. */
  index: number;
  numbers: NetworkNumbers;
  serviceAddressOf: (port: string) => string;
  /** Address by which the API knows that it is asked at this port. */
  doorAddressOf: (port: string) => string;
  /** The service address of a port of another network. */
  serviceAddressElsewhere: (network: string, port: string) => string;
  /** Private addresses of the ports that carry a rule set in other networks. */
  membersElsewhere: (ruleSet: string) => readonly string[];
  faults: Faults;
}

/** A port that is attached, with everything looked up. */
export interface PlannedPort {
  spec: PortSpec;
  device: string;
  subnet: SubnetSpec;
  subnetMark: number;
  machine: string;
  machineKey: string;
  machineDevice: string;
  serviceAddress: string;
}

/** A translator (nat route): its own pair of devices to the internet. */
export interface PlannedNat {
  device: string;
  rootDevice: string;
  address: string;
  publicAddress: string;
  /** The subnet that the translator lies in: its gate and its route to the internet count. */
  subnet: SubnetSpec | undefined;
}

/** Plans a network. `spec` must have passed `checkSpec`. */
export function planNetwork(spec: NetworkSpec, context: PlanContext): NetworkPlan {
  const namespace = networkNamespace(spec.key);
  const ports = listPorts(spec, context);
  const nats = listNats(spec, context);
  const peers = listPeers(spec, context.numbers);
  const links = new Map<string, LinkPlan>();
  const facts = new FactList();
  facts.add('router up', { place: namespace, add: 'link set lo up', check: { kind: 'up', device: 'lo' } });
  for (const subnet of spec.subnets) planRouter(facts, namespace, subnet);
  planUplink({ facts, links, namespace }, 'u0', `n${context.index}`);
  for (const nat of nats) planUplink({ facts, links, namespace }, nat.device, nat.rootDevice, nat.publicAddress);
  for (const port of ports) planPort({ facts, links, namespace }, port, `n${context.index}`, spec.internet);
  planDoors(facts, namespace, spec);
  const admissions = listAdmissions(spec, ports, context.serviceAddressElsewhere);
  planAdmissions(facts, namespace, `n${context.index}`, admissions);
  const copies = listCopies(spec, context, ports);
  planCopies(facts, namespace, copies);
  for (const peer of peers) planPeer({ facts, links, namespace }, peer);
  planRouteTables({ facts, namespace }, spec, context.numbers, { ports, nats, peers });
  if (isDual(spec)) planIp6({ facts, namespace }, spec, { ports, numbers: context.numbers, uplink: `n${context.index}` });
  return {
    namespace,
    dual: isDual(spec),
    links,
    facts: facts.byId,
    firewall: { ...planFirewall(spec, context, { ports, nats, admissions }), copies: copyCommands(copies) },
    identities: new Map([
      ...ports.map(
        (port) => [port.serviceAddress, { port: port.spec.key, machine: port.machineKey, device: port.device }] as const,
      ),
      ...doorsOf(spec).map((door) => [doorAddress(door, context), { port: door.key }] as const),
    ]),
  };
}

/** Facts in order, each id once: two commands for one fact would undo each other for ever. */
export class FactList {
  readonly byId = new Map<string, Fact>();

  add(id: string, fact: Fact): void {
    const full = `${fact.place} ${id}`;
    if (this.byId.has(full)) throw new Error(`The plan holds two facts of the id "${full}".`);
    this.byId.set(full, fact);
  }
}

/** The router answers for the subnet's first address, which is the machines' gateway; the firewall lets nothing in but that. */
function planRouter(facts: FactList, namespace: string, subnet: SubnetSpec): void {
  const gateway = gatewayOf(subnet);
  facts.add(`router ${gateway}`, {
    place: namespace,
    add: `address replace ${gateway}/32 dev lo`,
    remove: `address del ${gateway}/32 dev lo`,
    check: { kind: 'route', route: `local ${gateway}` },
  });
}

/** First address behind the subnet's base: the gateway, as in AWS (VPC User Guide, "Subnet CIDR blocks"). */
export function gatewayOf(subnet: SubnetSpec): string {
  return formatIp4(addressAt(parseCidr4(subnet.cidr)!, 1));
}

function listPorts(spec: NetworkSpec, { numbers, serviceAddressOf }: PlanContext): PlannedPort[] {
  const subnets = new Map(spec.subnets.map((subnet) => [subnet.key, subnet]));
  const marks = numbers.subnets.assign(subnets.keys());
  const attached = spec.ports.filter((port) => port.attachment !== undefined);
  const devices = numbers.ports.assign(attached.map(({ key }) => key));
  return attached.map((port) => {
    const { machine, device } = port.attachment!;
    return {
      spec: port,
      device: `p${devices.get(port.key)}`,
      subnet: subnets.get(port.subnet)!,
      subnetMark: marks.get(port.subnet)!,
      machine: machineNamespace(machine),
      machineKey: machine,
      machineDevice: device,
      serviceAddress: serviceAddressOf(port.key),
    };
  });
}

function listNats(spec: NetworkSpec, { index, numbers }: PlanContext): PlannedNat[] {
  const found = new Map<string, { address: string; publicAddress: string }>();
  for (const { routes } of spec.routeTables)
    for (const { via } of routes) if (via.kind === 'nat') found.set(`${via.address} ${via.publicAddress}`, via);
  const devices = numbers.nats.assign(found.keys());
  return [...found].map(([key, { address, publicAddress }]) => ({
    device: `u${devices.get(key)}`,
    rootDevice: `g${index}-${devices.get(key)}`,
    address,
    publicAddress,
    subnet: spec.subnets.find((subnet) => containsAddress(parseCidr4(subnet.cidr)!, parseIp4(address)!)),
  }));
}
