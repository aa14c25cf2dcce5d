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
import { Instances } from '../instances/state.ts';
import { type InterfaceRow, Interfaces } from '../interfaces/state.ts';
import { type SecurityGroupRuleRow, SecurityGroupRules, SecurityGroups } from '../security-groups/state.ts';
import { InternetGateways, type NetworkAclRow, NetworkAcls, type RouteTableRow, RouteTables, Subnets, Vpcs } from './state.ts';
import { routeTableOf } from './route-tables.ts';

/** Device of an attachment inside the guest: `eth0` for index 0. */
export function deviceName(deviceIndex: number): string {
  return `eth${deviceIndex}`;
}

/** The network that a VPC's rows describe, or undefined when there is no such VPC. */
export async function readNetworkSpec(ctx: Context, vpcId: string): Promise<NetworkSpec | undefined> {
  const vpc = await ctx.table(Vpcs).get(vpcId);
  if (vpc === undefined) return undefined;
  const [subnets, tables, acls, groups, cards, gateway] = await Promise.all([
    ctx.table(Subnets).byIndex('byVpc', [vpcId]),
    ctx.table(RouteTables).byIndex('byVpc', [vpcId]),
    ctx.table(NetworkAcls).byIndex('byVpc', [vpcId]),
    ctx.table(SecurityGroups).byIndex('byVpc', [vpcId]),
    ctx.table(Interfaces).byIndex('byVpc', [vpcId]),
    ctx.table(InternetGateways).firstByIndex('byVpc', [vpcId]),
  ]);
  const used = new Set(cards.flatMap((card) => card.groups));
  const up = await instancesUp(ctx, cards);
  const ruleSets = await Promise.all(
    groups
      .filter(({ id }) => used.has(id))
      .map(async ({ id }) => ruleSetOf(id, await ctx.table(SecurityGroupRules).byIndex('byGroup', [id]), used)),
  );
  return {
    key: vpcId,
    cidrs: vpc.cidrs.map(({ cidr }) => cidr),
    subnets: subnets.map((subnet) => ({
      key: subnet.id,
      cidr: subnet.cidr,
      zone: subnet.zone,
      routeTable: routeTableOf(subnet, vpc),
      gate: subnet.networkAcl.aclId,
    })),
    routeTables: tables.map((table) => routeTableSpec(table, cards, gateway?.id)),
    ruleSets,
    gates: acls.map(gateOf),
    ports: cards.map((card) => portOf(card, up.has(card.attachment?.instanceId ?? ''))),
    internet: gateway !== undefined,
    resolver: vpc.dnsSupport,
  };
}

/** Ids of the instances behind these interfaces whose machines run or are about to. */
async function instancesUp(ctx: Context, cards: readonly InterfaceRow[]): Promise<ReadonlySet<string>> {
  const ids = [...new Set(cards.flatMap((card) => card.attachment?.instanceId ?? []))];
  const rows = await Promise.all(ids.map((id) => ctx.table(Instances).get(id)));
  return new Set(
    rows.flatMap((row) =>
      row === undefined || row.linkDown === true || row.state === 'stopped' || row.state === 'terminated' ? [] : row.id,
    ),
  );
}

function routeTableSpec(table: RouteTableRow, cards: readonly InterfaceRow[], gatewayId: string | undefined): RouteTableSpec {
  const routes: RouteSpec[] = [];
  for (const { cidr, target } of table.routes) {
    if (target.kind === 'local') continue;
    if (target.kind === 'internet-gateway')
      routes.push({ cidr, via: target.id === gatewayId ? { kind: 'internet' } : { kind: 'blackhole' } });
    else {
      const attached = cards.some((card) => card.id === target.id && card.attachment !== undefined);
      routes.push({ cidr, via: attached ? { kind: 'port', port: target.id } : { kind: 'blackhole' } });
    }
  }
  return { key: table.id, routes };
}

function ruleSetOf(key: string, rules: readonly SecurityGroupRuleRow[], used: ReadonlySet<string>): RuleSetSpec {
  const specs = (egress: boolean) => rules.filter((rule) => rule.egress === egress).flatMap((rule) => ruleOf(rule, used));
  return { key, ingress: specs(false), egress: specs(true) };
}

/** A rule that names a group nobody carries admits nobody, so it is left out. */
function ruleOf({ protocol, from, to, peer }: SecurityGroupRuleRow, used: ReadonlySet<string>): RuleSpec[] {
  const ports = { protocol, from, to };
  if (peer.kind === 'group') return used.has(peer.groupId) ? [{ ...ports, peer: { ruleSet: peer.groupId } }] : [];
  return [{ ...ports, peer: { cidr: peer.cidr } }];
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

/** A port of a machine that is down hangs on nothing: packets to it are lost, as in AWS, where an idle kernel would refuse them. */
function portOf(card: InterfaceRow, isUp: boolean): PortSpec {
  return {
    key: card.id,
    subnet: card.subnetId,
    mac: card.mac,
    addresses: card.addresses.map(({ address, elastic }, index) => ({
      private: address,
      public: elastic?.publicIp ?? (index === 0 ? card.autoPublicIp : undefined),
    })),
    ruleSets: card.groups,
    sourceCheck: card.sourceDestCheck,
    attachment:
      card.attachment === undefined || !isUp
        ? undefined
        : { machine: card.attachment.instanceId, device: deviceName(card.attachment.deviceIndex) },
  };
}
