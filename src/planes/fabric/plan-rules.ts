/** One rule of a rule set or gate as rules of nftables. Pure text; the spec has been checked. */
import { canonicalCidr, parseCidr4 } from '../../base/cidr.ts';
import type { GateRuleSpec, RuleSpec } from './types.ts';

type Direction = 'ingress' | 'egress';

/** Protocols whose flows may go untracked; ICMP is always tracked (EC2 User Guide, "Security group connection tracking"). */
export const trackedProtocols = ['tcp', 'udp'] as const;
export type TrackedProtocol = (typeof trackedProtocols)[number];

const protocolNumbers = { icmp: 1, tcp: 6, udp: 17 } as const;
const everywhere = '0.0.0.0/0';

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
  memberSets: ReadonlySet<string>,
  memberSetName: (ruleSet: string) => string,
): string[] {
  const verdict = direction === 'ingress' ? 'accept' : 'goto enter';
  const bit = direction === 'ingress' ? 2 : 1;
  const open: string[] = [];
  const narrow: string[] = [];
  for (const rule of rules) {
    const peer = peerMatch(rule, direction, memberSets, memberSetName);
    if (peer === undefined) continue;
    for (const protocol of untracked) {
      if (!isOpen(rule, protocol, 'any port')) continue;
      const ports = rule.protocol === -1 ? {} : rule;
      const match = protocolMatch({ ...ports, protocol: protocolNumbers[protocol] });
      if (match !== undefined) open.push(join(match, 'ct state new', `ct mark set ct mark or ${bit}`));
    }
    const match = protocolMatch(rule);
    if (match !== undefined) narrow.push(join(match, peer, verdict));
  }
  return [...new Set([...open, ...narrow])];
}

/** Rules of a gate's chain in one direction, by number: `return` lets pass, and what nothing matches is dropped. */
export function gateVerdicts(rules: readonly GateRuleSpec[], direction: Direction): string[] {
  const lines: string[] = [];
  for (const rule of [...rules].sort((a, b) => a.number - b.number)) {
    const match = protocolMatch(rule);
    const peer = blockMatch(rule.cidr, direction);
    if (match !== undefined && peer !== undefined) lines.push(join(match, peer, rule.allow ? 'return' : 'drop'));
  }
  return [...lines, 'drop'];
}

/** Match on the peer's address; undefined when no packet can match: an IPv6 block, or a rule set without members here. */
function peerMatch(
  { peer }: RuleSpec,
  direction: Direction,
  memberSets: ReadonlySet<string>,
  memberSetName: (ruleSet: string) => string,
): string | undefined {
  if ('cidr' in peer) return blockMatch(peer.cidr, direction);
  return memberSets.has(peer.ruleSet) ? `${side(direction)} @${memberSetName(peer.ruleSet)}` : undefined;
}

function blockMatch(cidr: string, direction: Direction): string | undefined {
  if (parseCidr4(cidr) === undefined) return undefined;
  const block = canonicalCidr(cidr)!;
  return block === everywhere ? '' : `${side(direction)} ${block}`;
}

function side(direction: Direction): string {
  return direction === 'ingress' ? 'ip saddr' : 'ip daddr';
}

/** Match on protocol, ports, or ICMP type and code; undefined for ICMPv6, of which no packet exists here. */
function protocolMatch(rule: { protocol: number; from?: number | undefined; to?: number | undefined }): string | undefined {
  const { protocol, from, to } = rule;
  if (protocol === -1) return '';
  if (protocol === 58) return undefined;
  if (protocol === protocolNumbers.tcp || protocol === protocolNumbers.udp) {
    const name = protocol === protocolNumbers.tcp ? 'tcp' : 'udp';
    if (hasAllPorts(rule)) return `meta l4proto ${name}`;
    return to === undefined || to === from ? `${name} dport ${from}` : `${name} dport ${from}-${to}`;
  }
  if (protocol !== protocolNumbers.icmp) return `meta l4proto ${protocol}`;
  if (from === undefined || from === -1) return 'meta l4proto icmp';
  return to === undefined || to === -1 ? `icmp type ${from}` : `icmp type ${from} icmp code ${to}`;
}

function hasAllPorts({ protocol, from, to }: { protocol: number; from?: number | undefined; to?: number | undefined }): boolean {
  return protocol === -1 || from === undefined || from === -1 || (from === 0 && to === 65535);
}

function join(...parts: string[]): string {
  return parts.filter((part) => part !== '').join(' ');
}
