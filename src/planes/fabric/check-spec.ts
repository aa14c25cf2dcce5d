/**
 * Checks a network's spec before anything is planned from it. The words of a spec become words of `ip` and `nft` commands, which know no quoting, so
 * nothing may pass that is not exactly a key, an address, a block, a hardware address or a device name. Also refuses what the fabric cannot do
 * yet, by name, rather than ignoring it.
 */
import { containsAddress, parseCidr, parseCidr4, parseCidr6, parseIp4, parseIp6 } from '../../base/cidr.ts';
import { internetCidr, internetReservedCidr } from './addresses.ts';
import type { CopySpec, GateSpec, NetworkSpec, PortSpec, RouteSpec, RuleSetSpec, SubnetSpec } from './types.ts';

/** A spec that is wrong, or asks for what the fabric cannot do. The caller has to check before; so it is a bug, unless it says "not supported". */
export class SpecError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'SpecError';
  }
}

const keyPattern = /^[a-z0-9-]{1,64}$/;
const macPattern = /^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/;
/** Device names as Linux allows them, without its odder letters. */
const devicePattern = /^[a-z][a-z0-9]{0,14}$/;

/** Throws SpecError for the first thing that is wrong or not supported. */
export function checkSpec(spec: NetworkSpec): void {
  checkKey('network', spec.key);
  const [first] = spec.cidrs;
  if (first === undefined) throw new SpecError(`Network ${spec.key} has no block.`);
  checkCidr4(`first block of network ${spec.key}`, first);
  for (const cidr of spec.cidrs) checkAnyCidr(`block of network ${spec.key}`, cidr);
  for (const [kind, list] of Object.entries({
    subnet: spec.subnets,
    'route table': spec.routeTables,
    'rule set': spec.ruleSets,
    gate: spec.gates,
    port: spec.ports,
  }))
    checkKeys(kind, list);
  const known = {
    subnets: new Map(spec.subnets.map((subnet) => [subnet.key, subnet])),
    routeTables: new Set(spec.routeTables.map(({ key }) => key)),
    ruleSets: new Set(spec.ruleSets.map(({ key }) => key)),
    gates: new Set(spec.gates.map(({ key }) => key)),
    ports: new Set(spec.ports.map(({ key }) => key)),
  };
  for (const subnet of spec.subnets) {
    checkCidr4(`block of subnet ${subnet.key}`, subnet.cidr);
    if (subnet.cidr6 !== undefined && parseCidr6(subnet.cidr6) === undefined)
      throw new SpecError(`The IPv6 block of subnet ${subnet.key} is none: ${JSON.stringify(subnet.cidr6)}.`);
    if (!known.routeTables.has(subnet.routeTable)) throw unknown('route table', subnet.routeTable, subnet.key);
    if (subnet.gate !== undefined && !known.gates.has(subnet.gate)) throw unknown('gate', subnet.gate, subnet.key);
  }
  for (const table of spec.routeTables) for (const route of table.routes) checkRoute(spec.key, route, known.ports);
  for (const set of spec.ruleSets) checkRuleSet(set);
  for (const gate of spec.gates) checkGate(gate);
  const taken = new Set<string>();
  for (const port of spec.ports) {
    const subnet = known.subnets.get(port.subnet);
    if (subnet === undefined) throw unknown('subnet', port.subnet, port.key);
    for (const set of port.ruleSets) if (!known.ruleSets.has(set)) throw unknown('rule set', set, port.key);
    checkPort(port, subnet, taken);
  }
  for (const { network, port, to } of spec.admissions ?? []) {
    checkKey('network', network);
    checkKey('port', port);
    if (!known.ports.has(to)) throw unknown('port', to, `Admission of ${port}`);
  }
  for (const copy of spec.copies ?? []) checkCopy(copy, known.ports);
  checkKeys(
    'device',
    spec.ports.flatMap(({ attachment: at }) => (at === undefined ? [] : [{ key: `${at.machine}-${at.device}` }])),
  );
}

function checkCopy(copy: CopySpec, ports: ReadonlySet<string>): void {
  checkKey('copy', copy.key);
  for (const port of [copy.from, copy.to]) if (!ports.has(port)) throw unknown('port', port, copy.key);
  const whole = [
    copy.identifier,
    ...copy.rules.flatMap((rule) => [rule.number, rule.protocol ?? 0, ...(rule.sourcePorts ?? []), ...(rule.targetPorts ?? [])]),
  ];
  if (whole.some((number) => !Number.isInteger(number) || number < 0))
    throw new SpecError(`A number of copy ${copy.key} is not whole.`);
  for (const rule of copy.rules) for (const cidr of [rule.source, rule.target]) checkCidr4(`rule of copy ${copy.key}`, cidr);
}

function checkKey(kind: string, key: string): void {
  if (!keyPattern.test(key)) throw new SpecError(`The key of a ${kind} is 1 to 64 of [a-z0-9-], not ${JSON.stringify(key)}.`);
}

function checkKeys(kind: string, list: readonly { key: string }[]): void {
  const seen = new Set<string>();
  for (const { key } of list) {
    if (kind !== 'device') checkKey(kind, key);
    if (seen.has(key)) throw new SpecError(`There are two of ${kind} ${key}.`);
    seen.add(key);
  }
}

function unknown(kind: string, key: string, user: string): SpecError {
  return new SpecError(`${user} names ${kind} ${key}, which the spec does not hold.`);
}

function checkCidr4(what: string, text: string): void {
  if (parseCidr4(text) !== undefined) return;
  if (parseCidr(text) !== undefined) throw new SpecError(`The ${what} is IPv6 (${text}), and an IPv4 block is needed.`);
  throw new SpecError(`The ${what} is not a block: ${JSON.stringify(text)}.`);
}

function checkAnyCidr(what: string, text: string): void {
  if (parseCidr(text) === undefined) throw new SpecError(`The ${what} is not a block: ${JSON.stringify(text)}.`);
}

function checkAddress(what: string, text: string): number {
  const address = parseIp4(text);
  if (address === undefined) throw new SpecError(`The ${what} is not an IPv4 address: ${JSON.stringify(text)}.`);
  return address;
}

function checkPublic(what: string, text: string): void {
  const address = checkAddress(what, text);
  if (!containsAddress(parseCidr4(internetCidr)!, address) || containsAddress(parseCidr4(internetReservedCidr)!, address))
    throw new SpecError(
      `The ${what}, ${text}, is not in ${internetCidr} or is in ${internetReservedCidr}, which the platform keeps.`,
    );
}

function checkRoute(network: string, { cidr, via }: RouteSpec, ports: ReadonlySet<string>): void {
  checkAnyCidr('destination of a route', cidr);
  if (via.kind === 'peer') {
    checkKey('network', via.network);
    if (via.network === network) throw new SpecError(`Network ${network} has a route to itself.`);
  }
  if (via.kind === 'port' && !ports.has(via.port)) throw unknown('port', via.port, `Route ${cidr}`);
  if (via.kind === 'nat') {
    checkAddress('private address of a translator', via.address);
    checkPublic('public address of a translator', via.publicAddress);
  }
}

function checkRuleSet(set: RuleSetSpec): void {
  for (const rule of [...set.ingress, ...set.egress]) {
    checkMatch(set.key, rule);
    if ('cidr' in rule.peer) checkAnyCidr(`peer in rule set ${set.key}`, rule.peer.cidr);
    else checkKey('rule set', rule.peer.ruleSet);
  }
}

function checkGate(gate: GateSpec): void {
  for (const rule of [...gate.ingress, ...gate.egress]) {
    checkMatch(gate.key, rule);
    checkInteger(gate.key, rule.number, 1, 32767);
    checkAnyCidr(`block in gate ${gate.key}`, rule.cidr);
  }
}

function checkMatch(owner: string, rule: { protocol: number; from?: number | undefined; to?: number | undefined }): void {
  checkInteger(owner, rule.protocol, -1, 255);
  checkInteger(owner, rule.from ?? 0, -1, 65535);
  checkInteger(owner, rule.to ?? 0, -1, 65535);
}

function checkInteger(owner: string, value: number, min: number, max: number): void {
  if (!Number.isInteger(value) || value < min || value > max)
    throw new SpecError(`${owner} holds ${value}, which is not an integer from ${min} to ${max}.`);
}

function checkPort(port: PortSpec, { cidr: subnetCidr, cidr6 }: SubnetSpec, taken: Set<string>): void {
  if (!macPattern.test(port.mac) || Number.parseInt(port.mac.slice(0, 2), 16) % 2 !== 0)
    throw new SpecError(`Port ${port.key} has no hardware address of one station in small letters: ${JSON.stringify(port.mac)}.`);
  if (port.addresses.length === 0) throw new SpecError(`Port ${port.key} has no address.`);
  for (const address of port.addresses) {
    const number = checkAddress(`private address of port ${port.key}`, address.private);
    if (!containsAddress(parseCidr4(subnetCidr)!, number))
      throw new SpecError(`Address ${address.private} of port ${port.key} is not in its subnet ${subnetCidr}.`);
    if (address.public !== undefined) checkPublic(`public address of port ${port.key}`, address.public);
    for (const text of [address.private, ...(address.public === undefined ? [] : [address.public])]) {
      if (taken.has(text)) throw new SpecError(`Address ${text} belongs to two ports.`);
      taken.add(text);
    }
  }
  for (const address of port.addresses6 ?? []) {
    const number = parseIp6(address);
    if (number === undefined || cidr6 === undefined || !containsAddress(parseCidr6(cidr6)!, number))
      throw new SpecError(
        `IPv6 address ${JSON.stringify(address)} of port ${port.key} is not in its subnet ${cidr6 ?? 'without IPv6'}.`,
      );
    if (taken.has(address)) throw new SpecError(`Address ${address} belongs to two ports.`);
    taken.add(address);
  }
  checkInteger(port.key, port.metadataHops ?? 1, 1, 64);
  if (port.attachment === undefined) return;
  checkKey('machine', port.attachment.machine);
  if (!devicePattern.test(port.attachment.device))
    throw new SpecError(`Port ${port.key} has no device name: ${JSON.stringify(port.attachment.device)}.`);
}
