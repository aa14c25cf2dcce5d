/**
 * Passages: a port of one network at which a port of another answers (PortSpec.passage, NetworkSpec.admissions), one way and whatever blocks the two
 * networks have. A connection to a passage leaves for the root namespace as those to the platform do, from the address unique to the sender's port
 * and, rewritten without state, to the one unique to the passage. That address is routed to the network that admits it, which translates it
 * to its own port's. The answer takes the same way back. Both addresses are unique in the cloud, so nothing of either network shows in the
 * other, and only answers come out of the admitting one.
 *
 * The sender's address is lost to the other side on purpose: it would mean nothing there. Rejected: a link as between peers, which needs
 * blocks that do not overlap, and a process that stands in both networks, which would copy every byte.
 */
import { serviceCidr, uplinkInternetEnd } from './addresses.ts';
import type { FactList, PlanContext, PlannedPort } from './plan.ts';
import { rootRoute } from './plan-links.ts';
import type { NetworkSpec, PortSpec } from './types.ts';

/** Mark of answers to what came over a passage, above those of subnets, and the table they take. */
const answerMark = 0xffff;
const answerTable = 999;
const answerPriority = 999;

/** An admitted passage, with everything looked up. */
export interface PlannedAdmission {
  /** The passage's address in the cloud. */
  serviceAddress: string;
  to: PlannedPort;
  unchecked: boolean;
}

/** Passages of other networks that lead to ports of this one which are attached. */
export function listAdmissions(
  spec: NetworkSpec,
  ports: readonly PlannedPort[],
  serviceAddressElsewhere: (network: string, port: string) => string,
): PlannedAdmission[] {
  return (spec.admissions ?? []).flatMap(({ network, port, to, unchecked = false }) => {
    const target = ports.find(({ spec: { key } }) => key === to);
    return target === undefined ? [] : { serviceAddress: serviceAddressElsewhere(network, port), to: target, unchecked };
  });
}

/** The way in from the root namespace, and the way that answers take whatever their subnet's table says. */
export function planAdmissions(
  facts: FactList,
  namespace: string,
  uplink: string,
  admissions: readonly PlannedAdmission[],
): void {
  for (const { serviceAddress } of admissions) facts.add(`route ${serviceAddress}`, rootRoute(serviceAddress, uplink, 'u0', ''));
  if (admissions.length === 0) return;
  facts.add('answers table', {
    place: namespace,
    add: `route replace default via ${uplinkInternetEnd.address} dev u0 onlink table ${answerTable}`,
    remove: `route del default table ${answerTable}`,
    link: 'u0',
    check: { kind: 'route', route: `${answerTable} default` },
  });
  facts.add('answers rule', {
    place: namespace,
    add: `rule add fwmark ${answerMark} lookup ${answerTable} priority ${answerPriority}`,
    remove: `rule del fwmark ${answerMark} lookup ${answerTable} priority ${answerPriority}`,
    check: { kind: 'rule', priority: answerPriority },
  });
}

/** Ports of the network at which another answers: nothing is attached to them. */
export function passagesOf(spec: NetworkSpec): PortSpec[] {
  return spec.ports.filter((port) => port.passage === true && port.attachment === undefined);
}

/** The address under which a door is known outside its network: the API's for the platform's, routed to another network for a passage. */
export function doorAddress(
  { key, passage }: PortSpec,
  context: Pick<PlanContext, 'serviceAddressOf' | 'doorAddressOf'>,
): string {
  return passage === true ? context.serviceAddressOf(key) : context.doorAddressOf(key);
}

/** Elements of the maps `exits` (own address to the door's outside) and `entrances` (passage's address to own). */
export function passageElements(
  doors: readonly PortSpec[],
  admissions: readonly PlannedAdmission[],
  context: Pick<PlanContext, 'serviceAddressOf' | 'doorAddressOf'>,
): Record<'exits' | 'returns' | 'entrances', (readonly [string, string])[]> {
  const exits = doors.flatMap((door) =>
    door.addresses.slice(0, 1).map(({ private: own }) => [own, doorAddress(door, context)] as const),
  );
  return {
    exits,
    returns: exits.map(([own, outer]) => [outer, own] as const),
    entrances: admissions.map(({ serviceAddress, to }) => [serviceAddress, to.spec.addresses[0]!.private] as const),
  };
}

/** Rules of the chains that a passage's packets meet, by chain. */
export const passageRules = {
  /** Before tracking: an answer is the passage's own again. */
  before: 'iifname "u0" ip saddr set ip saddr map @returns',
  admit: 'iifname "u0" dnat ip to ip daddr map @entrances',
  /** After tracking, before routing. */
  mark: `iifname "p*" ct direction reply ct status dnat meta mark set ${answerMark}`,
  /** What comes to a port that asks nobody. */
  unchecked: `iifname "u0" ct direction original ct status dnat ip saddr ${serviceCidr} oifname @unguarded accept`,
  /** An answer of what was let in, also where its flow is not tracked. */
  answer: 'oifname "u0" ct direction reply ct status dnat accept',
  /** The last rewriting before the packet leaves, behind that of its source. */
  leave: `oifname "u0" ct status snat ip saddr ${serviceCidr} ip daddr set ip daddr map @exits`,
  out: `oifname "u0" ct direction reply ct status dnat ip saddr ${serviceCidr} ip daddr ${serviceCidr} accept`,
} as const;
