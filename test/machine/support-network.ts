/** Specs for tests of the fabric: small networks with sensible defaults, to be changed in the one respect a test is about. */
import type { GateRuleSpec, NetworkSpec, PortSpec, RuleSpec } from '../../src/planes/fabric/types.ts';

export const everywhere = { cidr: '0.0.0.0/0' };
export const allowAll: RuleSpec = { protocol: -1, peer: everywhere };

export function tcp(port: number, peer: RuleSpec['peer'] = everywhere): RuleSpec {
  return { protocol: 6, from: port, to: port, peer };
}

export function gateRule(number: number, allow: boolean, change: Partial<GateRuleSpec> = {}): GateRuleSpec {
  return { number, allow, protocol: -1, cidr: '0.0.0.0/0', ...change };
}

/**
 * A network 10.<n>.0.0/16 with subnets `<key>-a` (10.n.1.0/24, zone a) and `<key>-b` (10.n.2.0/24, zone b), a route table to the internet, rule set
 * `<key>-open` that allows everything, and no ports.
 */
export function network(key: string, n: number, change: Partial<NetworkSpec> = {}): NetworkSpec {
  return {
    key,
    cidrs: [`10.${n}.0.0/16`],
    subnets: [
      { key: `${key}-a`, cidr: `10.${n}.1.0/24`, zone: 'a', routeTable: `${key}-public` },
      { key: `${key}-b`, cidr: `10.${n}.2.0/24`, zone: 'b', routeTable: `${key}-public` },
    ],
    routeTables: [{ key: `${key}-public`, routes: [{ cidr: '0.0.0.0/0', via: { kind: 'internet' } }] }],
    ruleSets: [{ key: `${key}-open`, ingress: [allowAll], egress: [allowAll] }],
    gates: [],
    ports: [],
    internet: true,
    ...change,
  };
}

/** A port of machine `<name>` with device eth0; the subnet is told from the address (third part 1 or 2) as `network` makes them. */
export function port(
  network: string,
  name: string,
  address: string,
  change: Partial<PortSpec> & { public?: string } = {},
): PortSpec {
  const parts = address.split('.').map(Number);
  const { public: outside, ...rest } = change;
  return {
    key: `${name}-port`,
    subnet: `${network}-${parts[2] === 1 ? 'a' : 'b'}`,
    mac: `02:${parts.map((part) => part.toString(16).padStart(2, '0')).join(':')}:01`,
    addresses: [{ private: address, public: outside }],
    ruleSets: [`${network}-open`],
    sourceCheck: true,
    attachment: { machine: name, device: 'eth0' },
    ...rest,
  };
}
