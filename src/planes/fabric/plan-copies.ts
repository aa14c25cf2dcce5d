/**
 * Copies of packets of one port to another, in VXLAN (RFC 7348) over UDP 4789 (NetworkSpec.copies). Packets that the firewall has let through are
 * doubled by nftables and sent to a next hop that only a VXLAN device knows; what the device sends goes to the other port like anybody's packet, from
 * the first port's address, and has to pass that port's rule sets. The copy begins with an Ethernet header of the router's, not the original one.
 *
 * Doubling exists for rules of the ip family only, so these have a table of their own, written whole when it changes. Rejected: mirroring by `tc`,
 * which knows the original frames, but whose filters are a rule language of their own and another program to run.
 */
import { createHash } from 'node:crypto';
import { canonicalCidr } from '../../base/cidr.ts';
import { metadataAddress, mtu, resolverAddress, routerMac } from './addresses.ts';
import type { FactList, PlanContext, PlannedPort } from './plan.ts';
import { gatewayOf } from './plan.ts';
import type { CopyRuleSpec, CopySpec, NetworkSpec } from './types.ts';

export const copiesTable = 'pilvi-copies';
const vxlanPort = 4789;
/** Source ports of the outer packets, by which their sources are told apart. */
const firstSourcePort = 49_152;

/** A copy between ports that are both attached. */
export interface PlannedCopy {
  spec: CopySpec;
  from: PlannedPort;
  device: string;
  create: string;
  nextHop: string;
  sourcePort: number;
}

export function listCopies(spec: NetworkSpec, { numbers }: PlanContext, ports: readonly PlannedPort[]): PlannedCopy[] {
  const copies = spec.copies ?? [];
  const known = numbers.copies.assign(copies.map(({ key }) => key));
  return [...copies]
    .sort((a, b) => a.order - b.order)
    .flatMap((copy) => {
      const from = ports.find((port) => port.spec.key === copy.from);
      const to = ports.find((port) => port.spec.key === copy.to);
      if (from === undefined || to === undefined) return [];
      const number = known.get(copy.key)!;
      const sourcePort = firstSourcePort + number;
      const settings =
        `type vxlan id ${copy.identifier} local ${gatewayOf(from.subnet)} remote ${to.spec.addresses[0]!.private} ` +
        `dstport ${vxlanPort} srcport ${sourcePort} ${sourcePort + 1} nolearning`;
      // A device cannot be changed into another, and a new one comes before the old one goes: so the name follows the settings.
      const device = `vx${createHash('sha256').update(settings).digest('hex').slice(0, 10)}`;
      const create = `link add name ${device} up mtu ${mtu} address ${routerMac} ${settings}`;
      return [{ spec: copy, from, device, create, nextHop: `169.254.${128 + (number >> 8)}.${number & 255}`, sourcePort }];
    });
}

/** The devices, and the next hops behind them. */
export function planCopies(facts: FactList, place: string, copies: readonly PlannedCopy[]): void {
  for (const { device, create, nextHop } of copies) {
    facts.add(`copies ${device}`, { place, add: create, remove: `link del dev ${device}`, check: { kind: 'up', device } });
    facts.add(`copies to ${nextHop}`, {
      place,
      add: `route replace ${nextHop}/32 dev ${device} scope link`,
      check: { kind: 'route', route: `main ${nextHop}` },
    });
    facts.add(`copies neighbour ${nextHop}`, {
      place,
      add: `neighbour replace ${nextHop} lladdr ${routerMac} dev ${device} nud permanent`,
    });
  }
}

function ruleMatch({ protocol, source, target, sourcePorts, targetPorts }: CopyRuleSpec): string {
  const range = (words: string, ports: readonly [number, number] | undefined) =>
    ports === undefined ? [] : [`th ${words} ${ports[0]}-${ports[1]}`];
  return [
    ...(protocol === undefined ? [] : [`meta l4proto ${protocol}`]),
    `ip saddr ${canonicalCidr(source)}`,
    `ip daddr ${canonicalCidr(target)}`,
    ...range('sport', sourcePorts),
    ...range('dport', targetPorts),
  ].join(' ');
}

/** Commands that write the table of the copies; empty without any. A packet is copied once in each direction, by the first copy that wants it. */
export function copyCommands(copies: readonly PlannedCopy[]): string {
  if (copies.length === 0) return '';
  const table = `ip ${copiesTable}`;
  const lines = [`add table ${table}`, `delete table ${table}`, `add table ${table}`];
  const services = `{ ${resolverAddress}, ${metadataAddress} }`;
  for (const [direction, device, priority] of [
    ['out', 'iifname', 20],
    ['in', 'oifname', 21],
  ] as const) {
    lines.push(`add chain ${table} ${direction} { type filter hook forward priority ${priority}; policy accept; }`);
    for (const side of ['saddr', 'daddr']) lines.push(`add rule ${table} ${direction} ip ${side} ${services} accept`);
    for (const [index, { spec, from, nextHop }] of copies.entries()) {
      const chain = `${direction}.${index}`;
      lines.push(`add chain ${table} ${chain}`);
      for (const rule of [...spec.rules].filter((one) => one.direction === direction).sort((a, b) => a.number - b.number))
        lines.push(`add rule ${table} ${chain} ${ruleMatch(rule)} ${rule.copy ? `dup to ${nextHop} accept` : 'return'}`);
      lines.push(`add rule ${table} ${direction} ${device} "${from.device}" jump ${chain}`);
    }
  }
  const sources = copies.map(({ sourcePort, from }) => `${sourcePort} : ${from.spec.addresses[0]!.private}`);
  lines.push(`add chain ${table} send { type filter hook output priority -300; policy accept; }`);
  lines.push(`add rule ${table} send udp dport ${vxlanPort} ip saddr set udp sport map { ${sources.join(', ')} }`);
  return lines.join('\n');
}

/** What the router may send for the copies: doubled packets into their device, and what comes out of it to whom rule sets let it. */
export function copyOutputs(spec: NetworkSpec): string[] {
  return (spec.copies ?? []).length === 0 ? [] : ['oifname "vx*" accept', `oifname "p*" udp dport ${vxlanPort} goto enter`];
}
