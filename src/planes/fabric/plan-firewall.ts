/**
 * The firewall of one network: chains and sets of nftables in the network's namespace, where every packet between ports, and between a port and the
 * internet, is forwarded.
 *
 * A packet's way:
 *   prerouting   public to private address (packets from the internet); mark of the subnet that a port's packet leaves
 *   forward      faults; platform services; forged addresses; gates at subnet borders; then `leave` and `enter`
 *     leave      the sender's rule sets (egress), unless the flow is tracked
 *     enter      the receiver's rule sets (ingress), unless the flow is tracked
 *   postrouting  translators; service addresses; private to public address; what has no public address is dropped
 *
 * Rule-set chains end a match with `goto enter` (egress) or `accept` (ingress), so a packet meets both sides in one pass. Ports with the same rule
 * sets share a pair of chains (a profile), so a new port is a few set elements.
 *
 * Tracking (EC2 User Guide, "Security group connection tracking"): a flow that a rule for 0.0.0.0/0 lets through, while the other direction
 * is open to 0.0.0.0/0 on all ports, is not tracked: each packet has to be allowed, so it is cut at once when the rule goes. Any other flow is tracked
 * and goes on after its rule is gone. Two bits of the connection's mark say which side (1 the sender's, 2 the receiver's) does not track. When an
 * open and a narrow rule both match, the open one counts; AWS does not say. Not modelled: automatic tracking for load balancers and other managed
 * paths, and tracking on each side of an appliance that forwards without translating (one connection table serves the whole network).
 *
 * Public addresses are translated without state, since the real translation has none: a moved address takes effect for flows that exist, too.
 * The cost: the packet quoted inside an ICMP error from a machine keeps its private address, so UDP senders on the internet do not see "refused".
 */
import { addressAt, canonicalCidr, formatIp4, parseCidr4 } from '../../base/cidr.ts';
import { internetCidr, metadataAddress, metadataPort, resolverAddress, resolverPort, serviceCidr } from './addresses.ts';
import type { PlanContext, PlannedNat, PlannedPort } from './plan.ts';
import { copyOutputs } from './plan-copies.ts';
import { doorsOf, platformAccept, platformTranslations } from './plan-doors.ts';
import { flowChains, flowSets, refusal } from './plan-flows.ts';
import { hopChains, hopElements, hopMarks } from './plan-hops.ts';
import { type PlannedAdmission, passageElements, passageRules } from './plan-passages.ts';
import {
  gateVerdicts,
  isOpen,
  memberSetName,
  type RuleContext,
  ruleLines,
  type TrackedProtocol,
  trackedProtocols,
} from './plan-rules.ts';
import { hasVoices, voiceHomes, voiceRules, voiceSets } from './plan-voices.ts';
import type { NetworkSpec, RuleSetSpec } from './types.ts';

/** Name of the table, of the inet family, in every namespace of the fabric. */
export const firewallTable = 'pilvi';

export interface SetPlan {
  kind: 'set' | 'map';
  /** What stands between the braces of the declaration. */
  type: string;
  /** Key to value; the empty string in sets. */
  elements: ReadonlyMap<string, string>;
  /** Filled by packets: what it holds is not the plan's. */
  live?: boolean | undefined;
}

export interface ChainPlan {
  /** `type … hook … priority …; policy …;` of a base chain, empty for others. */
  hook: string;
  rules: readonly string[];
}

export interface FirewallPlan {
  sets: ReadonlyMap<string, SetPlan>;
  chains: ReadonlyMap<string, ChainPlan>;
  /** Commands that write the table of copies; empty when there are none. */
  copies: string;
}

const unreachable = 'reject with icmp type net-unreachable';
const services = `{ ${resolverAddress}, ${metadataAddress} }`;

/** What of a network the firewall speaks of, looked up. */
interface Planned {
  ports: readonly PlannedPort[];
  nats: readonly PlannedNat[];
  admissions: readonly PlannedAdmission[];
}

/** Plans the firewall of a network whose spec is sound. */
export function planFirewall(spec: NetworkSpec, context: PlanContext, planned: Planned): Omit<FirewallPlan, 'copies'> {
  const { ports, nats } = planned;
  const dual = isDual(spec);
  const chains = new Map<string, ChainPlan>([...baseChains(spec, context, ports), ...flowChains(spec, dual), ...hopChains(spec)]);
  const profiles = planProfiles(spec, context, [...ports, ...doorsOf(spec).map((door) => ({ spec: door }))], chains);
  for (const gate of spec.gates)
    for (const direction of ['ingress', 'egress'] as const)
      chains.set(gateChain(gate.key, direction), {
        hook: '',
        rules: gateVerdicts(gate[direction], direction, dual, refusal(spec, direction)),
      });
  for (const nat of nats) {
    const gate = nat.subnet?.gate;
    if (gate === undefined) continue;
    const rules = [`jump ${gateChain(gate, 'ingress')}`, `jump ${gateChain(gate, 'egress')}`];
    chains.set(`nat.${nat.device}`, { hook: '', rules });
  }
  return { sets: planSets(spec, context, planned, profiles), chains };
}

/** The network's IPv6 blocks. */
function blocks6(spec: NetworkSpec): string[] {
  return spec.cidrs.filter((cidr) => parseCidr4(cidr) === undefined).map((cidr) => canonicalCidr(cidr)!);
}

/** Whether a network speaks IPv6 too. */
export function isDual(spec: NetworkSpec): boolean {
  return blocks6(spec).length > 0;
}

/** Whether IPv6 packets may pass between the network and the internet: a way out alone does not need the internet's way in. */
export function reaches6(spec: NetworkSpec): boolean {
  const outbound = spec.routeTables.some(({ routes }) => routes.some(({ via }) => via.kind === 'outbound'));
  return isDual(spec) && (spec.internet || outbound);
}

/** The address at which AWS puts a network's resolver: base of the first block plus two (VPC User Guide, "Amazon DNS"). */
export function resolverOf(spec: NetworkSpec): string {
  return formatIp4(addressAt(parseCidr4(spec.cidrs[0]!)!, 2));
}

function baseChains(spec: NetworkSpec, { numbers }: PlanContext, ports: readonly PlannedPort[]): [string, ChainPlan][] {
  const own = spec.cidrs.filter((cidr) => parseCidr4(cidr) !== undefined).map((cidr) => canonicalCidr(cidr));
  return [
    ...forwardChains(`{ ${own.join(', ')} }`, spec.resolver !== false, isDual(spec)),
    ...translationChains(resolverOf(spec), spec, platformTranslations(spec, numbers), voiceRules(ports)),
    ...routerChains(spec),
  ];
}

/** Like the rules for IPv4 before them: forged addresses, no flow from outside to who has only a way out, no IPv6 over links. */
const forward6 = [
  'iifname "p*" meta nfproto ipv6 iifname . ip6 saddr != @own6 iifname != @unchecked drop',
  'oifname "p*" meta nfproto ipv6 oifname . ip6 daddr != @own6 oifname != @unchecked drop',
  'iifname "u0" ip6 daddr @guarded6 ct state new drop',
  'meta nfproto ipv6 iifname "x*" drop',
  'meta nfproto ipv6 oifname "x*" drop',
];

const dns = `meta l4proto { tcp, udp } th dport ${resolverPort}`;

function baseChain(type: string, hook: string, priority: number, policy: string, rules: string[]): ChainPlan {
  return { hook: `type ${type} hook ${hook} priority ${priority}; policy ${policy};`, rules };
}

/** `own` are the network's own blocks: only they travel over links to other networks, and only to ports. */
function forwardChains(own: string, resolver: boolean, dual: boolean): [string, ChainPlan][] {
  const enter = [
    ...trackedRules(2, 1, 'accept'),
    passageRules.answer,
    passageRules.unchecked,
    'oifname "u0" ip daddr vmap @door_enters',
    'oifname vmap @enters',
    'oifname "p*" drop',
    // What lies outside the cloud does not exist here. Saying so at once spares programs inside their timeouts.
    `oifname "u0" ip saddr @published ip daddr != ${internetCidr} ${unreachable}`,
    `oifname "u*" oifname != "u0" ip daddr != ${internetCidr} ${unreachable}`,
    'accept',
  ];
  const leave = [...trackedRules(1, 2, 'goto enter'), 'iifname vmap @leaves', 'iifname "p*" drop', 'goto enter'];
  const platform = [
    // Who asks is told by the address, so not even a port without source check may forge it here.
    'iifname . ip saddr != @own drop',
    `ip daddr ${metadataAddress} tcp dport ${metadataPort} accept`,
    ...(resolver ? [`ip daddr ${resolverAddress} ${dns} accept`] : []),
    'drop',
  ];
  const forward = [
    'iifname @down drop',
    'oifname @down drop',
    'iifname . ip daddr @cut drop',
    'oifname . ip saddr @cut drop',
    ...hopMarks,
    `iifname "p*" ip daddr ${services} goto services`,
    `iifname "u0" ip saddr ${services} ct state established,related accept`,
    'iifname "p*" iifname . ip saddr != @own iifname != @unchecked drop',
    'oifname "p*" oifname . ip daddr != @own oifname != @unchecked drop',
    ...(dual ? forward6 : []),
    `oifname "x*" ip saddr != ${own} drop`,
    'iifname "x*" oifname != "p*" drop',
    'oifname . meta mark != @home jump gates',
    'goto leave',
  ];
  return [
    ['enter', { hook: '', rules: enter }],
    ['leave', { hook: '', rules: leave }],
    ['gates', { hook: '', rules: ['iifname vmap @gates_out', 'oifname vmap @gates_in'] }],
    ['services', { hook: '', rules: platform }],
    ['forward', baseChain('filter', 'forward', 0, 'drop', forward)],
  ];
}

function translationChains(
  resolver: string,
  spec: NetworkSpec,
  platform: readonly string[],
  voices: ReturnType<typeof voiceRules>,
): [string, ChainPlan][] {
  const before = [passageRules.before, 'iifname "u0" ip daddr set ip daddr map @reach', 'meta mark set iifname map @subnets'];
  const toResolver = [`iifname "p*" ip daddr ${resolver} ${dns} dnat ip to ${resolverAddress}`, passageRules.admit];
  const translate = [
    `oifname "u0" ip daddr ${services} snat ip to ip saddr map @service`,
    ...platform,
    'snat ip to oifname map @translators',
  ];
  const after = [
    `oifname "u0" ip saddr ${serviceCidr} ip daddr ${services} accept`,
    passageRules.leave,
    platformAccept,
    passageRules.out,
    'oifname "u0" ip saddr set ip saddr map @publish accept',
    ...(reaches6(spec) ? [`oifname "u0" ip6 saddr { ${blocks6(spec).join(', ')} } accept`] : []),
    'oifname "u0" drop',
  ];
  return [
    ['before', baseChain('filter', 'prerouting', -300, 'accept', before)],
    ['resolver', baseChain('nat', 'prerouting', -100, 'accept', toResolver)],
    ['answers', baseChain('filter', 'prerouting', -90, 'accept', [...voices.before, passageRules.mark])],
    ...(voices.chain.length === 0 ? [] : [['voices', { hook: '', rules: voices.chain }] satisfies [string, ChainPlan]]),
    ['translate', baseChain('nat', 'postrouting', 100, 'accept', translate)],
    ['after', baseChain('filter', 'postrouting', 200, 'accept', after)],
  ];
}

/** The router itself takes nothing, and sends nothing but the error above: what is not allowed vanishes. */
function routerChains(spec: NetworkSpec): [string, ChainPlan][] {
  const errors = ['icmp type destination-unreachable icmp code net-unreachable accept', ...copyOutputs(spec)];
  return [
    ['input', baseChain('filter', 'input', 0, 'drop', [])],
    ['output', baseChain('filter', 'output', 0, 'drop', errors)],
  ];
}

/**
 * Packets of flows that this side tracks pass, and errors about any flow that passed. The side is the sender's for a packet in the flow's own
 * direction, the receiver's for an answer.
 */
function trackedRules(bitOriginal: number, bitReply: number, verdict: string): string[] {
  return [
    `ct state established ct direction original ct mark and ${bitOriginal} == 0 ${verdict}`,
    `ct state established ct direction reply ct mark and ${bitReply} == 0 ${verdict}`,
    `ct state related ${verdict}`,
  ];
}

interface Profile {
  leave: string;
  enter: string;
}

/** Adds the chains of rule sets and profiles; returns each port's profile by the port's key. */
function planProfiles(
  spec: NetworkSpec,
  { numbers }: PlanContext,
  ports: readonly Pick<PlannedPort, 'spec'>[],
  chains: Map<string, ChainPlan>,
): ReadonlyMap<string, Profile> {
  const keyOf = (port: Pick<PlannedPort, 'spec'>) => [...new Set(port.spec.ruleSets)].sort().join(' ');
  const known = numbers.profiles.assign(ports.map(keyOf));
  const ruleSets = new Map(spec.ruleSets.map((set) => [set.key, set]));
  const memberSets = new Set([...ruleSets.keys(), ...foreignSets(spec)]);
  const dual = isDual(spec);
  const voices = hasVoices(spec);
  const profiles = new Map<string, Profile>();
  for (const port of ports) {
    const key = keyOf(port);
    const number = known.get(key)!;
    const profile = { leave: `leave.${number}`, enter: `enter.${number}` };
    profiles.set(port.spec.key, profile);
    if (chains.has(profile.leave)) continue;
    const sets = key === '' ? [] : key.split(' ').map((name) => ruleSets.get(name)!);
    for (const direction of ['ingress', 'egress'] as const) {
      const names = sets.map((set) =>
        planRuleSet(set, direction, { untracked: untrackedProtocols(sets, direction), memberSets, dual, voices }, chains),
      );
      chains.set(direction === 'ingress' ? profile.enter : profile.leave, {
        hook: '',
        rules: [...names.map((name) => `jump ${name}`), refusal(spec, direction)],
      });
    }
  }
  return profiles;
}

/** Protocols of which the opposite direction is open to all, so that flows in this one may go untracked. */
function untrackedProtocols(sets: readonly RuleSetSpec[], direction: 'ingress' | 'egress'): TrackedProtocol[] {
  const opposite = direction === 'ingress' ? 'egress' : 'ingress';
  return trackedProtocols.filter((protocol) =>
    sets.some((set) => set[opposite].some((rule) => isOpen(rule, protocol, 'all ports'))),
  );
}

/** Adds the chain of one rule set in one direction and variant, when it is not there yet, and returns its name. */
function planRuleSet(
  set: RuleSetSpec,
  direction: 'ingress' | 'egress',
  { untracked, ...around }: RuleContext & { untracked: readonly TrackedProtocol[] },
  chains: Map<string, ChainPlan>,
): string {
  const name = [direction === 'ingress' ? 'in' : 'out', set.key, ...untracked].join('.');
  if (!chains.has(name)) chains.set(name, { hook: '', rules: ruleLines(set[direction], direction, untracked, around) });
  return name;
}

/** Rule sets of other networks that rules of this one name as their peer. */
export function foreignSets(spec: NetworkSpec): string[] {
  const own = new Set(spec.ruleSets.map(({ key }) => key));
  const named = spec.ruleSets.flatMap(({ ingress, egress }) =>
    [...ingress, ...egress].flatMap(({ peer }) => ('ruleSet' in peer ? peer.ruleSet : [])),
  );
  return [...new Set(named)].filter((key) => !own.has(key));
}

function gateChain(gate: string, direction: 'ingress' | 'egress'): string {
  return `gate.${direction === 'ingress' ? 'in' : 'out'}.${gate}`;
}

function planSets(
  spec: NetworkSpec,
  context: PlanContext,
  { ports, nats, admissions }: Planned,
  profiles: ReadonlyMap<string, Profile>,
): Map<string, SetPlan> {
  const { faults, membersElsewhere } = context;
  const passages = Object.entries(passageElements(doorsOf(spec), admissions, context));
  return new Map([
    ...passages.map(([name, elements]) => map(name, 'type ipv4_addr : ipv4_addr', elements)),
    ...sourceSets(ports),
    ...(isDual(spec) ? sets6(spec, ports) : []),
    ...faultSets(faults, ports, nats),
    ...spec.ruleSets.map((ruleSet) => memberSet(ruleSet.key, spec)),
    ...voiceSets([...spec.ruleSets.map(({ key }) => key), ...foreignSets(spec)], ports),
    ...foreignSets(spec).map((ruleSet) => set(memberSetName(ruleSet, 4), 'type ipv4_addr', membersElsewhere(ruleSet))),
    ...addressMaps(spec.internet, ports, nats),
    ...verdictMaps(ports, nats, profiles),
    set('unguarded', 'type ifname', [...new Set(admissions.flatMap(({ to, unchecked }) => (unchecked ? quote(to.device) : [])))]),
    map('hops', 'type ifname : verdict', hopElements(ports)),
    ...doorSets(spec, profiles),
    ...flowSets(spec, ports, isDual(spec)),
  ]);
}

type Named = [string, SetPlan];

function set(name: string, type: string, keys: readonly string[]): Named {
  return [name, { kind: 'set', type, elements: new Map(keys.map((key) => [key, ''])) }];
}

function map(name: string, type: string, elements: readonly (readonly [string, string])[]): Named {
  return [name, { kind: 'map', type, elements: new Map(elements) }];
}

function quote(device: string): string {
  return `"${device}"`;
}

function withAddresses({ device }: PlannedPort, addresses: readonly string[]): string[] {
  return addresses.map((address) => `${quote(device)} . ${address}`);
}

function privateAddresses(port: PlannedPort): string[] {
  return port.spec.addresses.map((address) => address.private);
}

/** Which addresses, and which subnet, a port's packets may come from. */
function sourceSets(ports: readonly PlannedPort[]): Named[] {
  const own = ports.flatMap((port) => withAddresses(port, privateAddresses(port)));
  const unchecked = ports
    .filter(({ spec }) => !spec.sourceCheck || spec.speaksForOthers === true)
    .map(({ device }) => quote(device));
  return [
    set('own', 'typeof iifname . ip saddr', own),
    set('unchecked', 'type ifname', unchecked),
    set('home', 'typeof oifname . meta mark', [
      ...ports.map(({ device, subnetMark }) => `${quote(device)} . ${subnetMark}`),
      ...voiceHomes(ports),
    ]),
    map(
      'subnets',
      'type ifname : mark',
      ports.map(({ device, subnetMark }) => [quote(device), String(subnetMark)]),
    ),
  ];
}

function faultSets(faults: PlanContext['faults'], ports: readonly PlannedPort[], nats: readonly PlannedNat[]): Named[] {
  const isDown = ({ subnet, spec }: PlannedPort) =>
    spec.silent === true || faults.zones.has(subnet.zone) || faults.ports.has(spec.key);
  const down = [...ports.filter(isDown), ...nats.filter(({ subnet }) => subnet !== undefined && faults.zones.has(subnet.zone))];
  const cut = ports.flatMap((port) => withAddresses(port, faults.cutAddresses.get(port.spec.key) ?? []));
  return [
    set(
      'down',
      'type ifname',
      down.map(({ device }) => quote(device)),
    ),
    set('cut', 'typeof iifname . ip saddr', cut),
  ];
}

/** Private addresses of all ports that carry a rule set, whether attached or not. */
function memberSet(ruleSet: string, spec: NetworkSpec): Named {
  const members = spec.ports.filter((port) => port.ruleSets.includes(ruleSet));
  const addresses = members.flatMap((port) => port.addresses.map((address) => address.private));
  return set(memberSetName(ruleSet, 4), 'type ipv4_addr', addresses);
}

/**
 * What IPv6 needs beside: addresses that ports own, members of rule sets, and those whose subnet only lets flows out. Rule sets of other networks have
 * no members here, since links carry IPv4 only.
 */
function sets6(spec: NetworkSpec, ports: readonly PlannedPort[]): Named[] {
  const tables = new Map(spec.routeTables.map((table) => [table.key, table]));
  const open = ({ subnet }: PlannedPort) =>
    tables.get(subnet.routeTable)?.routes.some(({ cidr, via }) => via.kind === 'internet' && parseCidr4(cidr) === undefined) ===
    true;
  const addressesOf = (port: PlannedPort) => port.spec.addresses6 ?? [];
  const members = (ruleSet: string) =>
    spec.ports.filter((port) => port.ruleSets.includes(ruleSet)).flatMap((port) => port.addresses6 ?? []);
  return [
    set(
      'own6',
      'typeof iifname . ip6 saddr',
      ports.flatMap((port) => withAddresses(port, addressesOf(port))),
    ),
    set('guarded6', 'type ipv6_addr', ports.filter((port) => !open(port)).flatMap(addressesOf)),
    ...[...spec.ruleSets.map(({ key }) => key), ...foreignSets(spec)].map((key) =>
      set(memberSetName(key, 6), 'type ipv6_addr', members(key)),
    ),
  ];
}

/** Addresses at which the platform answers, and whom their rule sets let in. */
function doorSets(spec: NetworkSpec, profiles: ReadonlyMap<string, Profile>): Named[] {
  const doors = doorsOf(spec).flatMap((door) =>
    door.addresses.map((address) => [address.private, profiles.get(door.key)!] as const),
  );
  return [
    set(
      'doors',
      'type ipv4_addr',
      doors.map(([address]) => address),
    ),
    map(
      'door_enters',
      'type ipv4_addr : verdict',
      doors.map(([address, { enter }]) => [address, `goto ${enter}`]),
    ),
  ];
}

function addressMaps(internet: boolean, ports: readonly PlannedPort[], nats: readonly PlannedNat[]): Named[] {
  const published = (internet ? ports : []).flatMap((port) =>
    port.spec.addresses.flatMap((address) => (address.public === undefined ? [] : [[address.private, address.public] as const])),
  );
  const service = ports.flatMap((port) => privateAddresses(port).map((address) => [address, port.serviceAddress] as const));
  return [
    map('service', 'type ipv4_addr : ipv4_addr', service),
    map('publish', 'type ipv4_addr : ipv4_addr', published),
    set(
      'published',
      'type ipv4_addr',
      published.map(([inner]) => inner),
    ),
    map(
      'reach',
      'type ipv4_addr : ipv4_addr',
      published.map(([inner, outer]) => [outer, inner]),
    ),
    map(
      'translators',
      'type ifname : ipv4_addr',
      nats.map(({ device, publicAddress }) => [quote(device), publicAddress]),
    ),
  ];
}

function verdictMaps(
  ports: readonly PlannedPort[],
  nats: readonly PlannedNat[],
  profiles: ReadonlyMap<string, Profile>,
): Named[] {
  const profile = (side: keyof Profile) =>
    ports.map(({ device, spec }) => [quote(device), `goto ${profiles.get(spec.key)![side]}`] as const);
  const gates = (direction: 'ingress' | 'egress') => [
    ...ports.flatMap(({ device, subnet: { gate } }) =>
      gate === undefined ? [] : [[quote(device), `jump ${gateChain(gate, direction)}`] as const],
    ),
    ...nats.flatMap(({ device, subnet }) => (subnet?.gate === undefined ? [] : [[quote(device), `jump nat.${device}`] as const])),
  ];
  return [
    map('leaves', 'type ifname : verdict', profile('leave')),
    map('enters', 'type ifname : verdict', profile('enter')),
    map('gates_out', 'type ifname : verdict', gates('egress')),
    map('gates_in', 'type ifname : verdict', gates('ingress')),
  ];
}
