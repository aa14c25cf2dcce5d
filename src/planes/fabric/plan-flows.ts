/**
 * Accounting of flows at ports that are watched (PortSpec.watched): sets whose elements are flows with counters, filled by the packets themselves. A
 * network in which nobody is watched has no rule more than before.
 *
 * Passed packets are counted behind the firewall, in a chain of the forward hook of their own; dropped ones where their drop was decided, so that it
 * is known which side dropped them: what the receiver's side drops has passed the sender's. Packets to the platform's own services (names, metadata)
 * are not counted, nor are those of faults and forged addresses. One set for each protocol with ports, because nftables joins at most five fields.
 * A flow that rests for longer than an hour of real time leaves its set. Rejected: the connection table (it knows no dropped packets), and a log of
 * every packet (each one would cross into user space).
 */
import type { CountedElement } from '../../machine/nft.ts';
import { metadataAddress, resolverAddress } from './addresses.ts';
import type { PlannedPort } from './plan.ts';
import { doorsOf } from './plan-doors.ts';
import type { ChainPlan, SetPlan } from './plan-firewall.ts';
import type { FlowCount, NetworkSpec } from './types.ts';

/** Flows that one set holds at most; further ones are not counted (`FlowCounts.overflowed`). */
export const flowsPerSetMax = 65_536;
const restingMax = '1h';

const verdicts = ['accept', 'reject'] as const;
const directions = ['in', 'out'] as const;
const protocols = ['tcp', 'udp', 'other'] as const;

type Verdict = (typeof verdicts)[number];
type Direction = (typeof directions)[number];

const protocolNumber = { tcp: 6, udp: 17 } as const;

/** Whether flows of any port of the network are counted. */
export function isWatched(spec: NetworkSpec): boolean {
  return spec.ports.some(({ watched }) => watched === true);
}

function setName(verdict: Verdict, direction: Direction, family: 4 | 6, protocol: (typeof protocols)[number]): string {
  return `flows.${verdict}.${direction}.${family}.${protocol}`;
}

function families(dual: boolean): (4 | 6)[] {
  return dual ? [4, 6] : [4];
}

/** Where a packet goes that rule sets or gates do not let through in this direction. */
export function refusal(spec: NetworkSpec, direction: 'ingress' | 'egress'): string {
  if (!isWatched(spec)) return 'drop';
  return `goto refuse.${direction === 'ingress' ? 'in' : 'out'}`;
}

/** The sets of flows, and of those whose flows are counted. Empty when nobody is watched. */
export function flowSets(spec: NetworkSpec, ports: readonly PlannedPort[], dual: boolean): [string, SetPlan][] {
  if (!isWatched(spec)) return [];
  const sets: [string, SetPlan][] = [];
  for (const verdict of verdicts)
    for (const direction of directions)
      for (const family of families(dual))
        for (const protocol of protocols) {
          const rest = protocol === 'other' ? 'inet_proto' : 'inet_service . inet_service';
          const type = `type ifname . ipv${family}_addr . ipv${family}_addr . ${rest}`;
          sets.push([
            setName(verdict, direction, family, protocol),
            {
              kind: 'set',
              type: `${type}; flags dynamic,timeout; timeout ${restingMax}; size ${flowsPerSetMax}`,
              elements: new Map(),
              live: true,
            },
          ]);
        }
  const devices = ports.filter(({ spec: port }) => port.watched === true).map(({ device }) => `"${device}"`);
  const doors = doorsOf(spec).filter(({ watched }) => watched === true);
  const addresses = doors.flatMap((door) => door.addresses.map((address) => address.private));
  const plain = (type: string, keys: readonly string[]): SetPlan => ({
    kind: 'set',
    type,
    elements: new Map(keys.map((key) => [key, ''])),
  });
  return [...sets, ['watched', plain('type ifname', devices)], ['watched_doors', plain('type ipv4_addr', addresses)]];
}

/** One rule for each set: counts the packet at the device it came from (`out`: it left a machine) or goes to. */
function countingRules(verdict: Verdict, direction: Direction, dual: boolean): string[] {
  const device = direction === 'in' ? 'oifname' : 'iifname';
  return families(dual).flatMap((family) => {
    const words = family === 4 ? 'ip' : 'ip6';
    const pair = `${device} . ${words} saddr . ${words} daddr`;
    const into = (protocol: (typeof protocols)[number], key: string) =>
      `update @${setName(verdict, direction, family, protocol)} { ${key} counter }`;
    return [
      ...(['tcp', 'udp'] as const).map((name) => `meta l4proto ${name} ${into(name, `${pair} . th sport . th dport`)}`),
      `meta l4proto != { tcp, udp } ${into('other', `${pair} . meta l4proto`)}`,
    ];
  });
}

function jumps(verdict: Verdict, direction: Direction): string[] {
  const chain = `jump count.${verdict}.${direction}`;
  const device = direction === 'in' ? 'oifname' : 'iifname';
  return [`${device} @watched ${chain}`, `${device} "u0" ip ${direction === 'in' ? 'daddr' : 'saddr'} @watched_doors ${chain}`];
}

/** The chains that count. Empty when nobody is watched. */
export function flowChains(spec: NetworkSpec, dual: boolean): [string, ChainPlan][] {
  if (!isWatched(spec)) return [];
  const services = `{ ${resolverAddress}, ${metadataAddress} }`;
  const counting = verdicts.flatMap((verdict) =>
    directions.map((direction): [string, ChainPlan] => [
      `count.${verdict}.${direction}`,
      { hook: '', rules: countingRules(verdict, direction, dual) },
    ]),
  );
  const passed = [
    `ip saddr ${services} return`,
    `ip daddr ${services} return`,
    ...jumps('accept', 'out'),
    ...jumps('accept', 'in'),
  ];
  return [
    ...counting,
    ['refuse.out', { hook: '', rules: [...jumps('reject', 'out'), 'drop'] }],
    ['refuse.in', { hook: '', rules: [...jumps('accept', 'out'), ...jumps('reject', 'in'), 'drop'] }],
    ['passed', { hook: 'type filter hook forward priority 10; policy accept;', rules: passed }],
  ];
}

/**
 * What the sets hold, told by port. `portOf` finds the port of a device. Elements whose own address is not the port's are left out: a device may have
 * been another port's within the hour.
 */
export function readFlows(
  spec: NetworkSpec,
  elements: ReadonlyMap<string, readonly CountedElement[]>,
  portOf: (device: string) => string | undefined,
): FlowCount[] {
  const ports = new Map(spec.ports.map((port) => [port.key, port]));
  const doors = new Map(doorsOf(spec).flatMap((door) => door.addresses.map((address) => [address.private, door.key])));
  const counts: FlowCount[] = [];
  for (const verdict of verdicts)
    for (const direction of directions)
      for (const family of [4, 6] as const)
        for (const protocol of protocols)
          for (const { key, packets, bytes } of elements.get(setName(verdict, direction, family, protocol)) ?? []) {
            const [device, source, target] = key.map(String) as [string, string, string];
            const own = direction === 'in' ? target : source;
            const port = ports.get(portOf(device) ?? doors.get(own) ?? '');
            if (port === undefined || port.watched !== true) continue;
            const addresses = [...port.addresses.map((address) => address.private), ...(port.addresses6 ?? [])];
            if (port.sourceCheck && port.speaksForOthers !== true && !addresses.includes(own)) continue;
            counts.push({
              port: port.key,
              direction,
              accepted: verdict === 'accept',
              source,
              target,
              protocol: protocol === 'other' ? Number(key[3]) : protocolNumber[protocol],
              sourcePort: protocol === 'other' ? 0 : Number(key[3]),
              targetPort: protocol === 'other' ? 0 : Number(key[4]),
              packets,
              bytes,
            });
          }
  return counts;
}
