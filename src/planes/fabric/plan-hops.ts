/**
 * How far answers of the metadata service go (PortSpec.metadataHops): those to PUT leave for a port with a time to live of its own, so that who stands
 * so many hops behind the port's machine gets them and who stands further gets nothing. A connection bears a mark from its PUT until its next GET.
 */
import { metadataAddress, metadataPort } from './addresses.ts';
import type { ChainPlan } from './plan-firewall.ts';
import type { PlannedPort } from './plan.ts';
import type { NetworkSpec } from './types.ts';

/** Bit of a connection's mark: the last request was a PUT. The two below are the tracking's (plan-firewall.ts). */
const putBit = 16;
const everyOther = 0xffff_ffff - putBit;
/** First bytes of the payload: `PUT ` and `GET `. */
const [put, get] = ['0x50555420', '0x47455420'];
const request = `iifname "p*" ip daddr ${metadataAddress} tcp dport ${metadataPort} @ih,0,32`;

/** Rules that see the request, before it is accepted. */
export const hopMarks = [
  `${request} ${put} ct mark set ct mark or ${putBit}`,
  `${request} ${get} ct mark set ct mark and 0x${everyOther.toString(16)}`,
];

const chainOf = (hops: number): string => `hops.${hops}`;

/** The chain that sees answers last, and one for each number of hops that some port has. */
export function hopChains(spec: NetworkSpec): [string, ChainPlan][] {
  const wanted = new Set(spec.ports.flatMap(({ metadataHops }) => metadataHops ?? []));
  const rule = `ip saddr ${metadataAddress} ct mark and ${putBit} == ${putBit} oifname vmap @hops`;
  return [
    ...[...wanted]
      .sort((a, b) => a - b)
      .map((hops) => [chainOf(hops), { hook: '', rules: [`ip ttl set ${hops}`] }] as [string, ChainPlan]),
    ['hops', { hook: 'type filter hook postrouting priority 250; policy accept;', rules: [rule] }],
  ];
}

/** Elements of the map `hops`: device to chain. */
export function hopElements(ports: readonly PlannedPort[]): (readonly [string, string])[] {
  return ports.flatMap(({ device, spec: { metadataHops } }) =>
    metadataHops === undefined ? [] : [[`"${device}"`, `goto ${chainOf(metadataHops)}`] as const],
  );
}
