/**
 * Between the API's permission sets (IpPermission: a protocol and ports with many peers) and rules (one peer each). Checks are those of
 * "AuthorizeSecurityGroupIngress" and what the service answers.
 */
import type { IpPermission } from '@aws-sdk/client-ec2';
import { canonicalCidr, parseCidr4, parseCidr6 } from '../../../base/cidr.ts';
import { AwsError } from '../../../kernel/errors.ts';
import { invalidParameterValue } from '../errors.ts';
import type { SecurityGroupRuleRow } from './state.ts';

/** A rule before it has an id. */
export type RuleDraft = Pick<SecurityGroupRuleRow, 'protocol' | 'from' | 'to' | 'peer' | 'description'>;

const protocolNumbers: Readonly<Record<string, number>> = { tcp: 6, udp: 17, icmp: 1, icmpv6: 58, all: -1 };
const protocolNames: Readonly<Record<number, string>> = { 6: 'tcp', 17: 'udp', 1: 'icmp', 58: 'icmpv6', [-1]: '-1' };

const descriptionForm = /^[a-zA-Z0-9. _\-:/()#,@[\]+=&;{}!$*]{0,255}$/;

/** Protocol number of `tcp`, `6`, `-1`. Throws InvalidParameterValue. */
function parseProtocol(text: string | undefined): number {
  const number = protocolNumbers[(text ?? '').toLowerCase()] ?? (/^(-1|\d{1,3})$/.test(text ?? '') ? Number(text) : Number.NaN);
  if (Number.isNaN(number) || number > 255)
    throw invalidParameterValue(`Invalid value '${text ?? ''}' for IP protocol. Unknown protocol.`);
  return number;
}

/** Name of a protocol as the API shows it: `tcp`, `-1`, else the number. */
export function formatProtocol(protocol: number): string {
  return protocolNames[protocol] ?? String(protocol);
}

function isIcmp(protocol: number): boolean {
  return protocol === 1 || protocol === 58;
}

function checkPorts(protocol: number, from: number | undefined, to: number | undefined): { from?: number; to?: number } {
  if (protocol !== 6 && protocol !== 17 && !isIcmp(protocol)) return {};
  if (isIcmp(protocol)) {
    const type = from ?? -1;
    const code = to ?? -1;
    if (type < -1 || type > 255) throw invalidParameterValue(`ICMP type (${type}) out of range`);
    if (code < -1 || code > 255) throw invalidParameterValue(`ICMP code (${code}) out of range`);
    if (type === -1 && code !== -1) throw new AwsError('InvalidParameterValue', 'ICMP code must be -1 if the ICMP type is -1');
    return { from: type, to: code };
  }
  if (from === undefined || to === undefined) {
    throw invalidParameterValue(`Invalid value 'Must specify both from and to ports with TCP/UDP.' for portRange.`);
  }
  for (const port of [from, to])
    if (port < 0 || port > 65_535) throw invalidParameterValue(`TCP/UDP port (${port}) out of range`);
  if (from > to) throw invalidParameterValue(`Invalid TCP/UDP port range (${from}:${to})`);
  return { from, to };
}

function checkDescription(text: string | undefined): string | undefined {
  if (text !== undefined && !descriptionForm.test(text)) {
    throw invalidParameterValue(
      'Invalid rule description. Valid descriptions are strings less than 256 characters from the following set:  a-zA-Z0-9. _-:/()#,@[]+=&;{}!$*',
    );
  }
  return text === '' ? undefined : text;
}

function blockPeer(text: string | undefined, version: 4 | 6): RuleDraft['peer'] {
  const wanted = text ?? '';
  const ok = version === 4 ? parseCidr4(wanted) !== undefined : parseCidr6(wanted) !== undefined;
  if (!ok) throw invalidParameterValue(`CIDR block ${wanted} is malformed`);
  return { kind: version === 4 ? 'ipv4' : 'ipv6', cidr: canonicalCidr(wanted) ?? wanted };
}

/** The rules that permission sets stand for. `groupByName` resolves names of groups. Throws InvalidParameterValue and its kin. */
export function parsePermissions(
  permissions: readonly IpPermission[],
  account: string,
  groupByName: (name: string) => string,
): RuleDraft[] {
  const drafts: RuleDraft[] = [];
  for (const permission of permissions) {
    const protocol = parseProtocol(permission.IpProtocol);
    const ports = checkPorts(protocol, permission.FromPort, permission.ToPort);
    const before = drafts.length;
    for (const { CidrIp, Description } of permission.IpRanges ?? [])
      drafts.push({ protocol, ...ports, peer: blockPeer(CidrIp, 4), description: checkDescription(Description) });
    for (const { CidrIpv6, Description } of permission.Ipv6Ranges ?? [])
      drafts.push({ protocol, ...ports, peer: blockPeer(CidrIpv6, 6), description: checkDescription(Description) });
    for (const pair of permission.UserIdGroupPairs ?? []) {
      const groupId = pair.GroupId ?? groupByName(pair.GroupName ?? '');
      drafts.push({
        protocol,
        ...ports,
        peer: { kind: 'group', groupId, account: pair.UserId ?? account },
        description: checkDescription(pair.Description),
      });
    }
    for (const { PrefixListId, Description } of permission.PrefixListIds ?? [])
      drafts.push({
        protocol,
        ...ports,
        peer: { kind: 'prefix-list', id: PrefixListId ?? '' },
        description: checkDescription(Description),
      });
    if (drafts.length === before) {
      throw new AwsError('InvalidParameterValue', 'At least one source or destination must be given for each permission.');
    }
  }
  return drafts;
}

/** Whether two rules let the same packets through: descriptions do not count. */
export function sameRule(a: RuleDraft, b: RuleDraft): boolean {
  if (a.protocol !== b.protocol || a.from !== b.from || a.to !== b.to || a.peer.kind !== b.peer.kind) return false;
  return peerName(a.peer) === peerName(b.peer);
}

/** What a rule lets through to or from, in one word. */
function peerName(peer: RuleDraft['peer']): string {
  if (peer.kind === 'group') return peer.groupId;
  return peer.kind === 'prefix-list' ? peer.id : peer.cidr;
}

/** The rule as AWS writes it in its duplicate error: `peer: 0.0.0.0/0, TCP, from port: 80, to port: 80, ALLOW`. */
export function ruleText({ protocol, from, to, peer }: RuleDraft): string {
  const name = peerName(peer);
  const ports =
    from === undefined ? '' : isIcmp(protocol) ? `, type: ${from}, code: ${to}` : `, from port: ${from}, to port: ${to}`;
  return `peer: ${name}, ${protocol === -1 ? 'ALL' : formatProtocol(protocol).toUpperCase()}${ports}, ALLOW`;
}

/** Rules gathered into permission sets, as DescribeSecurityGroups shows them. */
export function describePermissions(rules: readonly RuleDraft[]): IpPermission[] {
  const sets = new Map<
    string,
    IpPermission & Required<Pick<IpPermission, 'IpRanges' | 'Ipv6Ranges' | 'UserIdGroupPairs' | 'PrefixListIds'>>
  >();
  for (const { protocol, from, to, peer, description } of rules) {
    const id = `${protocol} ${from} ${to}`;
    let set = sets.get(id);
    if (set === undefined) {
      set = {
        IpProtocol: formatProtocol(protocol),
        FromPort: from,
        ToPort: to,
        IpRanges: [],
        Ipv6Ranges: [],
        PrefixListIds: [],
        UserIdGroupPairs: [],
      };
      sets.set(id, set);
    }
    if (peer.kind === 'ipv4') set.IpRanges.push({ CidrIp: peer.cidr, Description: description });
    else if (peer.kind === 'ipv6') set.Ipv6Ranges.push({ CidrIpv6: peer.cidr, Description: description });
    else if (peer.kind === 'prefix-list') set.PrefixListIds.push({ PrefixListId: peer.id, Description: description });
    else
      set.UserIdGroupPairs.push({
        GroupId: peer.groupId,
        UserId: peer.account,
        Description: description,
        VpcPeeringConnectionId: peer.peeringId,
        VpcId: peer.peeringId === undefined ? undefined : peer.vpcId,
        PeeringStatus: peer.peeringId === undefined ? undefined : 'active',
      });
  }
  return [...sets.values()];
}
