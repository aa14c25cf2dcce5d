/** One rule of a rule set or gate as rules of nftables. Pure text; the spec has been checked. */
import { canonicalCidr, parseCidr4 } from '../../base/cidr.ts';
import { bearersOf } from './plan-voices.ts';
import type { GateRuleSpec, RuleSpec } from './types.ts';

/** What rules stand in: rule sets whose members are known, whether the network speaks IPv6, whether any of its ports speaks in the name of others. */
export interface RuleContext {
  memberSets: ReadonlySet<string>;
  dual: boolean;
  voices: boolean;
}

/** The set of the addresses of a rule set's members. */
export function memberSetName(ruleSet: string, family: 4 | 6): string {
  return family === 4 ? `members.${ruleSet}` : `members6.${ruleSet}`;
}

type Direction = 'ingress' | 'egress';

/** Protocols whose flows may go untracked; ICMP is always tracked (EC2 User Guide, "Security group connection tracking"). */
export const trackedProtocols = ['tcp', 'udp'] as const;
export type TrackedProtocol = (typeof trackedProtocols)[number];

const protocolNumbers = { icmp: 1, tcp: 6, udp: 17, icmp6: 58 } as const;
const everywhere = '0.0.0.0/0';
const everywhere6 = '::/0';
const family4 = 'meta nfproto ipv4';
const family6 = 'meta nfproto ipv6';

/** Whether a rule lets a protocol through from or to everywhere; with `all ports`, on every port too, as answers need. */
export function isOpen(rule: RuleSpec, protocol: TrackedProtocol, ports: 'all ports' | 'any port'): boolean {
  if (!('cidr' in rule.peer) || canonicalCidr(rule.peer.cidr) !== everywhere) return false;
  if (rule.protocol === -1) return true;
  return rule.protocol === protocolNumbers[protocol] && (ports === 'any port' || hasAllPorts(rule));
}

/**
 * Rules of a rule-set chain. `untracked` names the protocols whose answers need no tracking on this port: new flows that an open rule lets through are
 * then marked, by rules that come first, so that an open rule counts before a narrow one.
 */
export function ruleLines(
  rules: readonly RuleSpec[],
  direction: Direction,
  untracked: readonly TrackedProtocol[],
  around: RuleContext,
): string[] {
  const { dual } = around;
  const verdict = direction === 'ingress' ? 'accept' : 'goto enter';
  const bit = direction === 'ingress' ? 2 : 1;
  const open: string[] = [];
  const narrow: string[] = [];
  for (const rule of rules) {
    const peers = peerMatches(rule, direction, around);
    if (peers.length === 0) continue;
    for (const protocol of untracked) {
      if (!isOpen(rule, protocol, 'any port')) continue;
      const ports = rule.protocol === -1 ? {} : rule;
      const match = protocolMatch({ ...ports, protocol: protocolNumbers[protocol] }, dual);
      if (match !== undefined) open.push(join(dual ? family4 : '', match, 'ct state new', `ct mark set ct mark or ${bit}`));
    }
    const match = protocolMatch(rule, dual);
    if (match !== undefined) narrow.push(...peers.map((peer) => join(match, peer, verdict)));
  }
  return [...new Set([...open, ...narrow])];
}

/** Rules of a gate's chain in one direction, by number: `return` lets pass, and what nothing matches is refused (`refusal` is `drop`, or leads to it). */
export function gateVerdicts(rules: readonly GateRuleSpec[], direction: Direction, dual: boolean, refusal: string): string[] {
  const lines: string[] = [];
  for (const rule of [...rules].sort((a, b) => a.number - b.number)) {
    const match = protocolMatch(rule, dual);
    const peer = blockMatch(rule.cidr, direction, dual);
    if (match !== undefined && peer !== undefined) lines.push(join(match, peer, rule.allow ? 'return' : refusal));
  }
  return [...lines, refusal];
}

/** Matches on the peer's address, one for each family; none when no packet can match: a rule set without members here, or IPv6 without IPv6. */
function peerMatches({ peer }: RuleSpec, direction: Direction, { memberSets, dual, voices }: RuleContext): string[] {
  if ('cidr' in peer) return [blockMatch(peer.cidr, direction, dual)].filter((match) => match !== undefined);
  if (!memberSets.has(peer.ruleSet)) return [];
  const match = `${side(direction)} @${memberSetName(peer.ruleSet, 4)}`;
  // Who speaks in the name of others is known by where it comes from: its address says nothing.
  const members =
    voices && direction === 'ingress' ? [`iifname != @voices ${match}`, `iifname @${bearersOf(peer.ruleSet)}`] : [match];
  return dual ? [...members, `${side(direction, 'ip6')} @${memberSetName(peer.ruleSet, 6)}`] : members;
}

/** In a network without IPv6 blocks every packet is IPv4, and nothing is spent on saying so. */
function blockMatch(cidr: string, direction: Direction, dual: boolean): string | undefined {
  const block = canonicalCidr(cidr)!;
  if (parseCidr4(cidr) === undefined) {
    if (!dual) return undefined;
    return block === everywhere6 ? family6 : `${side(direction, 'ip6')} ${block}`;
  }
  if (block === everywhere) return dual ? family4 : '';
  return `${side(direction)} ${block}`;
}

function side(direction: Direction, family: 'ip' | 'ip6' = 'ip'): string {
  return `${family} ${direction === 'ingress' ? 'saddr' : 'daddr'}`;
}

/** Match on protocol, ports, or ICMP type and code; undefined for ICMPv6 where no packet of it exists. */
function protocolMatch(
  rule: { protocol: number; from?: number | undefined; to?: number | undefined },
  dual: boolean,
): string | undefined {
  const { protocol, from, to } = rule;
  if (protocol === -1) return '';
  if (protocol === protocolNumbers.icmp6 && !dual) return undefined;
  if (protocol === protocolNumbers.tcp || protocol === protocolNumbers.udp) {
    const name = protocol === protocolNumbers.tcp ? 'tcp' : 'udp';
    if (hasAllPorts(rule)) return `meta l4proto ${name}`;
    return to === undefined || to === from ? `${name} dport ${from}` : `${name} dport ${from}-${to}`;
  }
  if (protocol !== protocolNumbers.icmp && protocol !== protocolNumbers.icmp6) return `meta l4proto ${protocol}`;
  const name = protocol === protocolNumbers.icmp ? 'icmp' : 'icmpv6';
  if (from === undefined || from === -1) return `meta l4proto ${name}`;
  return to === undefined || to === -1 ? `${name} type ${from}` : `${name} type ${from} ${name} code ${to}`;
}

function hasAllPorts({ protocol, from, to }: { protocol: number; from?: number | undefined; to?: number | undefined }): boolean {
  return protocol === -1 || from === undefined || from === -1 || (from === 0 && to === 65535);
}

function join(...parts: string[]): string {
  return parts.filter((part) => part !== '').join(' ');
}
