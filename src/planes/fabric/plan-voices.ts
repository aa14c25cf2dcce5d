/**
 * Ports that speak in the name of others (PortSpec.speaksForOthers): the machine behind one opens flows from its clients' own addresses, and the answers
 * come back to it and not to them.
 *
 *   machine   every address counts as its own (a local route for all of them), so a program binds a client's address as any other; what it sends looks
 *             for its way in the main table first, so that nothing stays inside
 *   network   a flow that a voice begins from an address not its own bears the voice's number in the connection's mark; its answers get the number
 *             above the mark of the subnet they left, and with it a routing table that leads to the voice
 *
 * To the rule sets of whom it reaches such a flow comes from the client's address, and by reference from the voice's own rule sets. Sets that the
 * client carries do not count, since it does not come from the client's port. Rejected: translating a flow's source after the program (a rule for
 * each connection), and balancing in nftables (which knows no idle times, no slow end of a target and counts nothing by target).
 */
import type { FactList, PlannedPort } from './plan.ts';
import type { SetPlan } from './plan-firewall.ts';
import type { NetworkSpec } from './types.ts';

/** Table of the machine for what it sends to itself, and the rules' priorities: own sending, then what arrives. */
const selfTable = 210;
const priorities = { self: 50, main: 60, local: 200 } as const;

/** Table and priority of the network's rule for the voice at `p<n>` are these plus n. */
const tableBase = 100_000;
const priorityBase = 20_000;

/** The tracking's bits and those of the metadata hops lie below. */
const connectionShift = 8;
const connectionMask = '0xffffff00';
/** Marks of subnets lie below. */
const packetShift = 16;
const packetMask = '0xffff0000';

/** Whether any attached port of the network is a voice. */
export function hasVoices(spec: NetworkSpec): boolean {
  return spec.ports.some(({ speaksForOthers, attachment }) => speaksForOthers === true && attachment !== undefined);
}

const isVoice = ({ spec }: PlannedPort): boolean => spec.speaksForOthers === true;
const numberOf = ({ device }: PlannedPort): number => Number(device.slice(1));
const markOf = (number: number): string => `0x${(number * 2 ** packetShift).toString(16)}`;

/** What a voice needs in its machine, and the way back to it. */
export function planVoice({ facts, namespace }: { facts: FactList; namespace: string }, port: PlannedPort): void {
  const { machine: place, device: link, spec } = port;
  const addRule = (id: string, rule: string) =>
    facts.add(`voice ${id}`, { place, add: `rule add ${rule}`, remove: `rule del ${rule}` });
  for (const address of ['127.0.0.0/8', ...spec.addresses.map((one) => one.private)])
    facts.add(`voice self ${address}`, { place, add: `route replace local ${address} dev lo table ${selfTable}` });
  addRule('self', `iif lo lookup ${selfTable} priority ${priorities.self}`);
  addRule('main', `iif lo lookup main priority ${priorities.main}`);
  addRule('local', `lookup local priority ${priorities.local}`);
  facts.add('voice first', { place, add: 'rule del priority 0', remove: 'rule add lookup local priority 0' });
  facts.add('voice all', { place, add: 'route replace local 0.0.0.0/0 dev lo table local' });
  const number = numberOf(port);
  const table = tableBase + number;
  const priority = priorityBase + number;
  facts.add(`voice ${table} default`, {
    place: namespace,
    add: `route replace default via ${spec.addresses[0]!.private} dev ${link} onlink table ${table}`,
    remove: `route del default table ${table}`,
    link,
    check: { kind: 'route', route: `${table} default` },
  });
  const rule = `fwmark ${markOf(number)}/${packetMask} lookup ${table} priority ${priority}`;
  facts.add(`voice rule ${number}`, {
    place: namespace,
    add: `rule add ${rule}`,
    remove: `rule del ${rule}`,
    check: { kind: 'rule', priority },
  });
}

/** Rules for the chain that sees every packet once its flow is known, and the chain they lead to. Empty without voices. */
export function voiceRules(ports: readonly PlannedPort[]): { before: string[]; chain: string[] } {
  const voices = ports.filter(isVoice);
  if (voices.length === 0) return { before: [], chain: [] };
  return {
    before: [
      'iifname @voices iifname . ip saddr != @own ct state new ct mark set iifname map @voice_marks',
      `iifname "p*" ct direction reply ct mark and ${connectionMask} != 0 goto voices`,
    ],
    chain: voices.map((voice) => {
      const number = numberOf(voice);
      const mark = (number * 2 ** connectionShift).toString(16);
      return `ct mark and ${connectionMask} == 0x${mark} meta mark set meta mark or ${markOf(number)}`;
    }),
  };
}

/** Marks of answers to a voice that left its own subnet: no border is crossed. */
export function voiceHomes(ports: readonly PlannedPort[]): string[] {
  return ports.filter(isVoice).map((voice) => `"${voice.device}" . ${voice.subnetMark + numberOf(voice) * 2 ** packetShift}`);
}

/** Set of the voices that carry a rule set. */
export const bearersOf = (ruleSet: string): string => `bearers.${ruleSet}`;

/** Sets of the voices (`voices`), of their connections' marks, and of those that carry each rule set. Empty without voices. */
export function voiceSets(ruleSets: readonly string[], ports: readonly PlannedPort[]): [string, SetPlan][] {
  const voices = ports.filter(isVoice);
  if (voices.length === 0) return [];
  const elements = (of: readonly PlannedPort[], value: (port: PlannedPort) => string = () => '') =>
    new Map(of.map((port) => [`"${port.device}"`, value(port)]));
  const mark = (port: PlannedPort): string => String(numberOf(port) * 2 ** connectionShift);
  return [
    ['voices', { kind: 'set', type: 'type ifname', elements: elements(voices) }],
    ['voice_marks', { kind: 'map', type: 'type ifname : mark', elements: elements(voices, mark) }],
    ...ruleSets.map((key): [string, SetPlan] => [
      bearersOf(key),
      {
        kind: 'set',
        type: 'type ifname',
        elements: elements(voices.filter(({ spec }) => spec.ruleSets.includes(key))),
      },
    ]),
  ];
}
