/** From the rows of a VPC to the complete spec of its network: pure reading, one plane's word for one of EC2's. */
import type { Context } from '../../../kernel/context.ts';
import type {
  GateSpec,
  NetworkSpec,
  PortSpec,
  RouteSpec,
  RouteTableSpec,
  RuleSetSpec,
  RuleSpec,
} from '../../../planes/fabric/types.ts';
import { type InstanceRow, Instances } from '../instances/state.ts';
import { readAdmissions } from '../endpoint-services/lookup.ts';
import { type VpcEndpointRow, VpcEndpoints } from '../endpoints/state.ts';
import { EgressOnlyGateways } from '../ipv6/state.ts';
import { covers, FlowLogs } from '../flow-logs/state.ts';
import { type InterfaceRow, Interfaces } from '../interfaces/state.ts';
import { readCopies } from '../mirroring/copies.ts';
import { type NatGatewayRow, NatGateways } from '../nat/state.ts';
import { activePeers } from '../peering/lookup.ts';
import { awsPrefixLists } from '../prefix-lists/aws-lists.ts';
import { isPrefixListId } from '../prefix-lists/lookup.ts';
import { entriesOf, PrefixLists } from '../prefix-lists/state.ts';
import { type SecurityGroupRuleRow, SecurityGroupRules, SecurityGroups } from '../security-groups/state.ts';
import {
  InternetGateways,
  type NetworkAclRow,
  NetworkAcls,
  type RouteRow,
  type RouteTableRow,
  type RouteTarget,
  RouteTables,
  Subnets,
  Vpcs,
} from './state.ts';
import { routeTableOf } from './route-tables.ts';
import { hungSince } from '../faults.ts';

/** Device of an attachment inside the guest: `eth0` for index 0. */
export function deviceName(deviceIndex: number): string {
  return `eth${deviceIndex}`;
}

/** The network that a VPC's rows describe, or undefined when there is no such VPC. */
export async function readNetworkSpec(ctx: Context, vpcId: string): Promise<NetworkSpec | undefined> {
  const vpc = await ctx.table(Vpcs).get(vpcId);
  if (vpc === undefined) return undefined;
  const [subnets, tables, acls, groups, guests, cards, gateway, flowLogs, surroundings] = await Promise.all([
    ctx.table(Subnets).byIndex('byVpc', [vpcId]),
    ctx.table(RouteTables).byIndex('byVpc', [vpcId]),
    ctx.table(NetworkAcls).byIndex('byVpc', [vpcId]),
    ctx.table(SecurityGroups).byIndex('byVpc', [vpcId]),
    ctx.table(SecurityGroups).byIndex('byOtherVpc', [vpcId]),
    ctx.table(Interfaces).byIndex('byVpc', [vpcId]),
    ctx.table(InternetGateways).firstByIndex('byVpc', [vpcId]),
    ctx.table(FlowLogs).byIndex('byVpc', [vpcId]),
    readSurroundings(ctx, vpcId),
  ]);
  const used = new Set(cards.flatMap((card) => card.groups));
  const endpoints = cards.some(isDoor) ? await ctx.table(VpcEndpoints).byIndex('byVpc', [vpcId]) : [];
  const { up, silent, hops } = await instancesUp(ctx, cards);
  const ruleSets = await Promise.all(
    [...groups, ...guests]
      .filter(({ id }) => used.has(id))
      .map(async ({ id }) => ruleSetOf(id, await ctx.table(SecurityGroupRules).byIndex('byGroup', [id]), used, surroundings)),
  );
  return {
    key: vpcId,
    cidrs: [...vpc.cidrs, ...(vpc.ipv6 === undefined ? [] : [vpc.ipv6])].map(({ cidr }) => cidr),
    subnets: subnets.map((subnet) => ({
      key: subnet.id,
      cidr: subnet.cidr,
      cidr6: subnet.ipv6?.cidr,
      zone: subnet.zone,
      routeTable: routeTableOf(subnet, vpc),
      gate: subnet.networkAcl.aclId,
    })),
    routeTables: tables.map((table) => routeTableSpec(table, cards, gateway?.id, surroundings)),
    ruleSets: cards.some(isOpen) ? [...ruleSets, openRules] : ruleSets,
    gates: acls.map(gateOf),
    ports: cards.map((card) => ({
      ...portOf(card, card.attachment?.instanceId ?? '', up, silent),
      ...doorOf(card, endpoints),
      metadataHops: hops.get(card.attachment?.instanceId ?? ''),
      watched: flowLogs.some((log) => covers(log, card)) || undefined,
    })),
    admissions: await readAdmissions(ctx, cards),
    copies: await readCopies(ctx, vpcId, new Set(cards.map(({ id }) => id))),
    internet: gateway !== undefined,
    resolver: vpc.dnsSupport,
  };
}

/** Of the instances behind these interfaces: those whose machines have a network, those that stand still in it, and how far answers of metadata go. */
async function instancesUp(
  ctx: Context,
  cards: readonly InterfaceRow[],
): Promise<Record<'up' | 'silent', ReadonlySet<string>> & { hops: ReadonlyMap<string, number> }> {
  const ids = [...new Set(cards.flatMap((card) => card.attachment?.instanceId ?? []))];
  const rows = await Promise.all(ids.map((id) => ctx.table(Instances).get(id)));
  const isOff = (row: InstanceRow) => row.linkDown === true || row.state === 'stopped' || row.state === 'terminated';
  const known = rows.filter((row) => row !== undefined);
  // What is hibernated keeps its devices: its processes would find them gone.
  const silent = known.filter((row) => isOff(row) && row.hibernatedAt !== undefined && row.state !== 'terminated');
  const up = [...known.filter((row) => !isOff(row)), ...silent];
  silent.push(...known.filter((row) => !isOff(row) && hungSince(row) !== undefined));
  return {
    up: new Set(up.map(({ id }) => id)),
    silent: new Set(silent.map(({ id }) => id)),
    hops: new Map(known.map(({ id, metadata }) => [id, metadata.hopLimit])),
  };
}

/** What lies around a VPC and its routes and rules lead to. */
interface Surroundings {
  natGateways: ReadonlyMap<string, NatGatewayRow>;
  /** Ids of active peering connections, to the VPC at the other end. */
  peers: ReadonlyMap<string, string>;
  /** Blocks of the prefix lists of the account and of AWS. */
  prefixLists: ReadonlyMap<string, readonly string[]>;
  /** Ids of the egress-only gateways of the VPC. */
  egressOnly: ReadonlySet<string>;
}

async function readSurroundings(ctx: Context, vpcId: string): Promise<Surroundings> {
  const [gateways, peers, lists, egressOnly] = await Promise.all([
    ctx.table(NatGateways).byIndex('byVpc', [vpcId]),
    activePeers(ctx, vpcId),
    ctx.table(PrefixLists).list(),
    ctx.table(EgressOnlyGateways).byIndex('byVpc', [vpcId]),
  ]);
  return {
    natGateways: new Map(gateways.map((row) => [row.id, row])),
    peers: new Map(peers.map(({ id, other }) => [id, other.vpcId])),
    egressOnly: new Set(egressOnly.map(({ id }) => id)),
    prefixLists: new Map(
      [...lists, ...awsPrefixLists(ctx.region)].map((list) => [list.id, entriesOf(list).map(({ cidr }) => cidr)]),
    ),
  };
}

function routeTableSpec(
  table: RouteTableRow,
  cards: readonly InterfaceRow[],
  gatewayId: string | undefined,
  around: Surroundings,
): RouteTableSpec {
  const routes: RouteSpec[] = [];
  // Of a block and a prefix list that holds the same block, the block counts ("Route priority and prefix lists").
  const isList = ({ destination }: RouteRow) => Number(isPrefixListId(destination));
  for (const { destination, target } of [...table.routes].sort((a, b) => isList(a) - isList(b))) {
    if (target.kind === 'local') continue;
    const via = viaOf(target, cards, gatewayId, around);
    for (const cidr of around.prefixLists.get(destination) ?? (isPrefixListId(destination) ? [] : [destination]))
      if (!routes.some((route) => route.cidr === cidr)) routes.push({ cidr, via });
  }
  return { key: table.id, routes };
}

function viaOf(
  target: RouteTarget,
  cards: readonly InterfaceRow[],
  gatewayId: string | undefined,
  { natGateways, peers, egressOnly }: Surroundings,
): RouteSpec['via'] {
  switch (target.kind) {
    case 'internet-gateway':
      return target.id === gatewayId ? { kind: 'internet' } : { kind: 'blackhole' };
    case 'egress-only':
      return egressOnly.has(target.id) ? { kind: 'outbound' } : { kind: 'blackhole' };
    case 'nat-gateway': {
      const row = natGateways.get(target.id);
      if (row?.address === undefined || row.state === 'deleting' || row.state === 'deleted') return { kind: 'blackhole' };
      return { kind: 'nat', address: row.address.privateIp, publicAddress: row.address.publicIp };
    }
    case 'peering': {
      const network = peers.get(target.id);
      return network === undefined ? { kind: 'blackhole' } : { kind: 'peer', network };
    }
    case 'network-interface': {
      const attached = cards.some((card) => card.id === target.id && card.attachment !== undefined);
      return attached ? { kind: 'port', port: target.id } : { kind: 'blackhole' };
    }
    case 'endpoint':
      return { kind: 'platform' };
    default:
      return { kind: 'blackhole' };
  }
}

function ruleSetOf(
  key: string,
  rules: readonly SecurityGroupRuleRow[],
  used: ReadonlySet<string>,
  around: Surroundings,
): RuleSetSpec {
  const specs = (egress: boolean) => rules.filter((rule) => rule.egress === egress).flatMap((rule) => ruleOf(rule, used, around));
  return { key, ingress: specs(false), egress: specs(true) };
}

/** A rule that names a group nobody carries admits nobody, so it is left out; one over a peering connection that is gone is stale. */
function ruleOf({ protocol, from, to, peer }: SecurityGroupRuleRow, used: ReadonlySet<string>, around: Surroundings): RuleSpec[] {
  const ports = { protocol, from, to };
  if (peer.kind === 'prefix-list') return (around.prefixLists.get(peer.id) ?? []).map((cidr) => ({ ...ports, peer: { cidr } }));
  if (peer.kind !== 'group') return [{ ...ports, peer: { cidr: peer.cidr } }];
  const known = peer.peeringId === undefined ? used.has(peer.groupId) : around.peers.has(peer.peeringId);
  return known ? [{ ...ports, peer: { ruleSet: peer.groupId } }] : [];
}

function gateOf({ id, entries }: NetworkAclRow): GateSpec {
  const specs = (egress: boolean) =>
    entries
      .filter((entry) => entry.egress === egress)
      .map(({ number, allow, protocol, cidr, from, to, icmp }) => ({
        number,
        allow,
        protocol,
        cidr,
        from: icmp?.type ?? from,
        to: icmp?.code ?? to,
      }));
  return { key: id, ingress: specs(false), egress: specs(true) };
}

/** Rules of a network load balancer that was made without groups: all may come and go ("Security groups for your Network Load Balancer"). */
const openRules: RuleSetSpec = {
  key: 'open',
  ingress: [{ protocol: -1, peer: { cidr: '0.0.0.0/0' } }],
  egress: [{ protocol: -1, peer: { cidr: '0.0.0.0/0' } }],
};

const nodeTypes: readonly string[] = [
  'load_balancer',
  'network_load_balancer',
  'resolver_endpoint',
  'lambda',
  'cache',
  'api_gateway_managed',
];

/** Nodes of load balancers, resolver endpoints and caches, and the ways of functions into a network, are machines named by their interface. */
function isNode({ interfaceType }: InterfaceRow): boolean {
  return nodeTypes.includes(interfaceType);
}

function isOpen(card: InterfaceRow): boolean {
  return isNode(card) && card.groups.length === 0;
}

function isDoor({ interfaceType }: InterfaceRow): boolean {
  return interfaceType === 'vpc_endpoint';
}

/** What answers at the interface of an endpoint: the platform, or the load balancer behind a service once its owner has accepted. */
function doorOf(card: InterfaceRow, endpoints: readonly VpcEndpointRow[]): Pick<PortSpec, 'platform' | 'passage'> {
  if (!isDoor(card)) return {};
  const row = endpoints.find(({ id }) => id === card.holder?.resourceId);
  if (row?.serviceId === undefined) return { platform: true };
  return { passage: row.state === 'available' };
}

/** A port of a machine that is down hangs on nothing: packets to it are lost, as in AWS, where an idle kernel would refuse them. */
function portOf(card: InterfaceRow, holder: string, up: ReadonlySet<string>, silent: ReadonlySet<string>): PortSpec {
  return {
    key: card.id,
    subnet: card.subnetId,
    mac: card.mac,
    addresses: card.addresses.map(({ address, elastic }, index) => ({
      private: address,
      public: elastic?.publicIp ?? (index === 0 ? card.autoPublicIp : undefined),
    })),
    addresses6: card.addresses6,
    ruleSets: isOpen(card) ? [openRules.key] : card.groups,
    sourceCheck: card.sourceDestCheck,
    // Its targets see the clients' addresses ("Client IP preservation", User Guide of the Network Load Balancer).
    speaksForOthers: card.interfaceType === 'network_load_balancer' || undefined,
    silent: silent.has(holder) || undefined,
    attachment: isNode(card)
      ? { machine: card.id, device: deviceName(0) }
      : card.attachment === undefined || !up.has(holder)
        ? undefined
        : { machine: card.attachment.instanceId, device: deviceName(card.attachment.deviceIndex) },
  };
}
