import { describe, expect, test } from 'vitest';
import { checkSpec, SpecError } from './check-spec.ts';
import { diffPlans, isEmpty, machinesOf } from './diff-plan.ts';
import { FaultBook } from './faults.ts';
import { NetworkNumbers } from './numbers.ts';
import { type NetworkPlan, type PlanContext, planNetwork } from './plan.ts';
import type { NetworkSpec, PortSpec } from './types.ts';

const everywhere = { cidr: '0.0.0.0/0' };

function spec(change: Partial<NetworkSpec> = {}): NetworkSpec {
  return {
    key: 'net',
    cidrs: ['10.0.0.0/16'],
    subnets: [{ key: 'a', cidr: '10.0.1.0/24', zone: 'z1', routeTable: 'main' }],
    routeTables: [{ key: 'main', routes: [{ cidr: '0.0.0.0/0', via: { kind: 'internet' } }] }],
    ruleSets: [{ key: 'open', ingress: [], egress: [{ protocol: -1, peer: everywhere }] }],
    gates: [],
    ports: [port(1), port(2)],
    internet: true,
    ...change,
  };
}

function port(n: number, change: Partial<PortSpec> = {}): PortSpec {
  return {
    key: `port-${n}`,
    subnet: 'a',
    mac: `02:00:00:00:00:${n.toString(16).padStart(2, '0')}`,
    addresses: [{ private: `10.0.1.${10 + n}` }],
    ruleSets: ['open'],
    sourceCheck: true,
    attachment: { machine: `machine-${n}`, device: 'eth0' },
    ...change,
  };
}

function planner(): (wanted: NetworkSpec, change?: Partial<PlanContext>) => NetworkPlan {
  const numbers = new NetworkNumbers();
  const faults = new FaultBook();
  return (wanted, change) =>
    planNetwork(wanted, {
      index: 1,
      numbers,
      serviceAddressOf: (key) => `100.64.0.${key.slice(-1)}`,
      doorAddressOf: (key) => `100.127.0.${key.slice(-1)}`,
      serviceAddressElsewhere: (network, key) => `100.64.${network.length}.${key.slice(-1)}`,
      membersElsewhere: () => [],
      faults: faults.view([wanted]),
      ...change,
    });
}

const commandsOf = (plan: NetworkPlan) => [...plan.facts.values()].map(({ add }) => add);

describe('planNetwork', () => {
  test('is the same for the same spec, so that nothing is left to do', () => {
    const plan = planner();
    const first = plan(spec());
    expect(plan(structuredClone(spec()))).toEqual(first);
    expect(isEmpty(diffPlans(first, plan(spec())))).toBe(true);
  });

  test('keeps the device of a port when others come and go', () => {
    const plan = planner();
    plan(spec());
    const devices = plan(spec({ ports: [port(3), port(2)] })).identities;
    expect([...devices.values()].map(({ port: key, device }) => `${key} ${device}`)).toEqual(['port-3 p1', 'port-2 p2']);
  });

  test('gives a port that is attached to nothing no device, but leaves it a member of its sets', () => {
    const plan = planner()(spec({ ports: [port(1), port(2, { attachment: undefined })] }));
    expect([...plan.links.keys()]).toEqual(['u0', 'p1']);
    expect([...plan.firewall.sets.get('members.open')!.elements.keys()]).toEqual(['10.0.1.11', '10.0.1.12']);
  });

  test('routes public addresses only while the network is joined to the internet', () => {
    const ports = [port(1, { addresses: [{ private: '10.0.1.11', public: '198.18.1.1' }] })];
    const joined = planner()(spec({ ports }));
    expect(commandsOf(joined)).toContain('route replace 198.18.1.1/32 via 169.254.0.2 dev n1 onlink src 198.18.0.1');
    expect(commandsOf(joined)).toContain('route replace default via 169.254.0.1 dev u0 onlink table 1000');
    expect([...joined.firewall.sets.get('reach')!.elements]).toEqual([['198.18.1.1', '10.0.1.11']]);
    const apart = planner()(spec({ ports, internet: false }));
    expect(commandsOf(apart).join('\n')).not.toContain('198.18.1.1');
    expect(commandsOf(apart)).toContain('route replace blackhole default table 1000');
    expect(apart.firewall.sets.get('reach')!.elements.size).toBe(0);
  });

  test('ends every table in a blackhole and sends own blocks and platform services back to the main table', () => {
    const plan = planner()(spec({ routeTables: [{ key: 'main', routes: [] }] }));
    expect(commandsOf(plan).filter((command) => command.endsWith('table 1000'))).toEqual([
      'route replace throw 10.0.0.0/16 table 1000',
      'route replace throw 169.254.169.254/32 table 1000',
      'route replace throw 169.254.169.253/32 table 1000',
      'route replace blackhole default table 1000',
    ]);
  });

  test('a translator whose own subnet does not lead to the internet leads nowhere', () => {
    const nat = { cidr: '0.0.0.0/0', via: { kind: 'nat', address: '10.0.2.5', publicAddress: '198.18.1.9' } } as const;
    const wanted = (publicRoutes: NetworkSpec['routeTables'][number]['routes']) =>
      spec({
        subnets: [...spec().subnets, { key: 'b', cidr: '10.0.2.0/24', zone: 'z1', routeTable: 'public' }],
        routeTables: [
          { key: 'main', routes: [nat] },
          { key: 'public', routes: publicRoutes },
        ],
      });
    const toInternet = { cidr: '0.0.0.0/0', via: { kind: 'internet' } } as const;
    expect(commandsOf(planner()(wanted([toInternet])))).toContain(
      'route replace default via 169.254.0.1 dev u1 onlink table 1000',
    );
    expect(commandsOf(planner()(wanted([])))).toContain('route replace blackhole default table 1000');
    const shorter = [toInternet, { cidr: '198.18.0.0/15', via: { kind: 'blackhole' } } as const];
    const narrow = wanted(shorter);
    const table = { key: 'main', routes: [{ ...nat, cidr: '198.18.0.0/16' }] };
    expect(commandsOf(planner()({ ...narrow, routeTables: [table, narrow.routeTables[1]!] }))).toContain(
      'route replace blackhole 198.18.0.0/16 table 1000',
    );
  });

  test('a second device of a machine answers by itself', () => {
    const second = port(3, { attachment: { machine: 'machine-1', device: 'eth1' } });
    const commands = commandsOf(planner()(spec({ ports: [port(1), second] })));
    expect(commands).toContain('rule add from 10.0.1.13 lookup 10001 priority 10001');
    expect(commands).toContain('route replace default via 10.0.1.1 dev eth1 metric 522');
    expect(commands).toContain('route replace default via 10.0.1.1 dev eth0');
  });

  test('each side of a link plans its own half, whichever comes first', () => {
    const to = (network: string, cidr: string) => [{ key: 'main', routes: [{ cidr, via: { kind: 'peer', network } }] }] as const;
    const here = planner()(spec({ key: 'here', routeTables: to('there', '10.1.0.0/16') }));
    const there = planner()(spec({ key: 'there', routeTables: to('here', '10.0.0.0/16') }));
    const half = (plan: NetworkPlan) =>
      [...plan.facts.values()].filter(({ place }) => place === 'x-here.there').map(({ add }) => add);
    expect(half(here)).toEqual([
      'link set lo up',
      'link set dev end-a up',
      'neighbour replace 169.254.0.2 lladdr 02:00:00:00:00:02 dev end-a nud permanent',
      'route replace default via 169.254.0.2 dev end-a onlink table 1',
      'rule add iif end-b lookup 1 priority 1',
    ]);
    expect(half(there)).toContain('route replace default via 169.254.0.2 dev end-b onlink table 2');
    expect(half(there)).toContain('rule add iif end-a lookup 2 priority 2');
    expect(commandsOf(here)).toContain('route replace 10.1.0.0/16 via 169.254.0.1 dev x1 onlink table 1000');
  });

  test('faults are elements of sets, nothing else', () => {
    const plan = planner();
    const faults = new FaultBook();
    faults.set({ kind: 'zone', zone: 'z1' }, true);
    faults.set({ kind: 'path', from: 'port-1', to: 'port-2' }, true);
    const sound = plan(spec());
    const broken = plan(spec(), { faults: faults.view([spec()]) });
    expect([...broken.firewall.sets.get('down')!.elements.keys()]).toEqual(['"p1"', '"p2"']);
    expect([...broken.firewall.sets.get('cut')!.elements.keys()]).toEqual(['"p1" . 10.0.1.12']);
    expect(diffPlans(sound, broken)).toMatchObject({ root: [], network: [], removeLinks: [] });
  });
});

describe('rules', () => {
  const chainsOf = (wanted: NetworkSpec) => planner()(wanted).firewall.chains;
  const rule = (change: object) => ({ protocol: 6, peer: everywhere, ...change });

  test('of rule sets become one rule each, in both directions', () => {
    const ingress = [
      rule({ from: 80, to: 80 }),
      rule({ from: 1, to: 9, peer: { cidr: '10.1.2.3/8' } }),
      rule({ protocol: 17, from: 0, to: 65535, peer: { cidr: '10.0.0.0/8' } }),
      rule({ protocol: 1, from: 8, to: -1 }),
      rule({ protocol: 1, from: 3, to: 4 }),
      rule({ protocol: 47 }),
      rule({ protocol: 58 }),
      rule({ peer: { cidr: '::/0' } }),
      rule({ peer: { ruleSet: 'tested' } }),
      rule({ peer: { ruleSet: 'elsewhere' } }),
    ];
    const egress = [rule({ from: 443, to: 443, peer: { cidr: '198.18.0.0/15' } })];
    const chains = chainsOf(spec({ ruleSets: [{ key: 'tested', ingress, egress }], ports: [port(1, { ruleSets: ['tested'] })] }));
    expect(chains.get('in.tested')!.rules).toEqual([
      'tcp dport 80 accept',
      'tcp dport 1-9 ip saddr 10.0.0.0/8 accept',
      'meta l4proto udp ip saddr 10.0.0.0/8 accept',
      'icmp type 8 accept',
      'icmp type 3 icmp code 4 accept',
      'meta l4proto 47 accept',
      'meta l4proto tcp ip saddr @members.tested accept',
      'meta l4proto tcp ip saddr @members.elsewhere accept',
    ]);
    expect(chains.get('out.tested')!.rules).toEqual(['tcp dport 443 ip daddr 198.18.0.0/15 goto enter']);
    expect(chains.get('enter.1')!.rules).toEqual(['jump in.tested', 'drop']);
  });

  test('open both ways mark their flows as untracked, protocol by protocol', () => {
    const sets = [
      { key: 'in', ingress: [rule({ from: 80, to: 80 }), rule({ from: 22, to: 22, peer: { cidr: '10.0.0.0/8' } })], egress: [] },
      { key: 'out', ingress: [], egress: [rule({})] },
    ];
    const chains = chainsOf(spec({ ruleSets: sets, ports: [port(1, { ruleSets: ['in', 'out'] })] }));
    expect(chains.get('in.in.tcp')!.rules).toEqual([
      'tcp dport 80 ct state new ct mark set ct mark or 2',
      'tcp dport 80 accept',
      'tcp dport 22 ip saddr 10.0.0.0/8 accept',
    ]);
    expect(chains.get('out.out')!.rules, 'the way in is not open on all ports').toEqual(['meta l4proto tcp goto enter']);
  });

  test('of gates are tried by number and end in a drop', () => {
    const gate = {
      key: 'gate',
      ingress: [
        { number: 200, allow: true, protocol: -1, cidr: '0.0.0.0/0' },
        { number: 100, allow: false, protocol: 6, from: 22, to: 22, cidr: '198.18.0.0/15' },
        { number: 300, allow: true, protocol: -1, cidr: '::/0' },
      ],
      egress: [],
    };
    const chains = chainsOf(spec({ gates: [gate], subnets: [{ ...spec().subnets[0]!, gate: 'gate' }] }));
    expect(chains.get('gate.in.gate')!.rules).toEqual(['tcp dport 22 ip saddr 198.18.0.0/15 drop', 'return', 'drop']);
    expect(chains.get('gate.out.gate')!.rules).toEqual(['drop']);
  });
});

describe('diffPlans', () => {
  test('adding a port touches neither the other ports nor their rules', () => {
    const plan = planner();
    const many = Array.from({ length: 100 }, (_, index) => port(index + 1));
    const before = plan(spec({ ports: many }), { serviceAddressOf: (key) => `100.64.0.${key.slice(5)}` });
    const after = plan(spec({ ports: [...many, port(101)] }), { serviceAddressOf: (key) => `100.64.0.${key.slice(5)}` });
    const steps = diffPlans(before, after);
    expect(steps.root).toHaveLength(2);
    expect(steps.network).toHaveLength(5);
    expect([...steps.machines.keys()]).toEqual(['m-machine-101']);
    expect(steps.packetRules.trim().split('\n')).toEqual([
      'add element inet pilvi own { "p101" . 10.0.1.111 }',
      'add element inet pilvi home { "p101" . 1 }',
      'add element inet pilvi subnets { "p101" : 1 }',
      'add element inet pilvi members.open { 10.0.1.111 }',
      'add element inet pilvi service { 10.0.1.111 : 100.64.0.101 }',
      'add element inet pilvi leaves { "p101" : goto leave.1 }',
      'add element inet pilvi enters { "p101" : goto enter.1 }',
    ]);
  });

  test('a port that moves to another machine gets a new link and everything on it', () => {
    const plan = planner();
    const before = plan(spec());
    const after = plan(spec({ ports: [port(1), port(2, { attachment: { machine: 'machine-1', device: 'eth1' } })] }));
    const steps = diffPlans(before, after);
    expect(steps.removeLinks).toEqual(['link del dev p2']);
    expect(steps.root[0]).toContain(
      'link add name eth1 up mtu 9001 address 02:00:00:00:00:02 netns m-machine-1 type veth peer name p2',
    );
    expect(steps.network).toContain('route replace 10.0.1.12/32 dev p2 scope link');
    expect([...steps.removals]).toEqual([]);
    expect([...machinesOf(before)]).toEqual(['m-machine-1', 'm-machine-2']);
    expect([...machinesOf(after)]).toEqual(['m-machine-1']);
  });

  test('a rule set that goes takes its chains and its set with it, after nothing names them', () => {
    const plan = planner();
    const sets = [...spec().ruleSets, { key: 'old', ingress: [], egress: [] }];
    const before = plan(spec({ ruleSets: sets, ports: [port(2), port(1, { ruleSets: ['old'] })] }));
    const { packetRules } = diffPlans(before, plan(spec()));
    const at = (text: string) => packetRules.indexOf(text);
    expect(at('delete element inet pilvi leaves { "p2" }')).toBeGreaterThan(-1);
    expect(at('delete chain inet pilvi out.old')).toBeGreaterThan(at('delete element inet pilvi leaves { "p2" }'));
    expect(at('delete set inet pilvi members.old')).toBeGreaterThan(at('delete chain inet pilvi out.old'));
  });

  test('a fresh network is written as one table', () => {
    const steps = diffPlans(undefined, planner()(spec()));
    expect(steps.fresh).toBe(true);
    expect(steps.packetRules).toMatch(/^add table inet pilvi\ndelete table inet pilvi\nadd table inet pilvi\n/);
    expect(steps.root.slice(0, 3).map((command) => command.split(' ').slice(0, 4).join(' '))).toEqual([
      'link add name n1',
      'link add name eth0',
      'link add name eth0',
    ]);
  });
});

describe('checkSpec', () => {
  const refusals: [string, Partial<NetworkSpec>, RegExp][] = [
    ['a key that would be two words', { key: 'a b' }, /1 to 64 of/],
    ['no block', { cidrs: [] }, /no block/],
    ['an IPv6 block', { cidrs: ['2001:db8::/56'] }, /an IPv4 block is needed/],
    ['a block that is none', { cidrs: ['10.0.0.0/33'] }, /not a block/],
    ['two subnets of one key', { subnets: [spec().subnets[0]!, spec().subnets[0]!] }, /two of subnet a/],
    ['an unknown route table', { subnets: [{ ...spec().subnets[0]!, routeTable: 'none' }] }, /names route table none/],
    ['an unknown gate', { subnets: [{ ...spec().subnets[0]!, gate: 'none' }] }, /names gate none/],
    ['an unknown rule set', { ports: [port(1, { ruleSets: ['none'] })] }, /names rule set none/],
    ['an address outside the subnet', { ports: [port(1, { addresses: [{ private: '10.0.9.1' }] })] }, /not in its subnet/],
    ['an address that is none', { ports: [port(1, { addresses: [{ private: '10.0.1.1; reboot' }] })] }, /not an IPv4 address/],
    ['no address', { ports: [port(1, { addresses: [] })] }, /has no address/],
    ['one address twice', { ports: [port(1), { ...port(2), addresses: port(1).addresses }] }, /belongs to two ports/],
    [
      'a public address elsewhere',
      { ports: [port(1, { addresses: [{ private: '10.0.1.11', public: '8.8.8.8' }] })] },
      /is not in 198\.18/,
    ],
    [
      'the platform’s own',
      { ports: [port(1, { addresses: [{ private: '10.0.1.11', public: '198.18.0.1' }] })] },
      /platform keeps/,
    ],
    ['a hardware address of a group', { ports: [port(1, { mac: '01:00:00:00:00:01' })] }, /no hardware address/],
    ['a device name with a space', { ports: [port(1, { attachment: { machine: 'm', device: 'eth0 up' } })] }, /no device name/],
    ['one device twice', { ports: [port(1), port(2, { attachment: port(1).attachment })] }, /two of device/],
    [
      'a port number out of range',
      { ruleSets: [{ key: 'open', ingress: [{ protocol: 6, from: 0, to: 65536, peer: everywhere }], egress: [] }] },
      /65536/,
    ],
    [
      'a peer that is none',
      { ruleSets: [{ key: 'open', ingress: [{ protocol: 6, peer: { cidr: 'any' } }], egress: [] }] },
      /not a block/,
    ],
    [
      'a route to itself',
      { routeTables: [{ key: 'main', routes: [{ cidr: '10.1.0.0/16', via: { kind: 'peer', network: 'net' } }] }] },
      /route to itself/,
    ],
    [
      'a route to an unknown port',
      { routeTables: [{ key: 'main', routes: [{ cidr: '10.1.0.0/16', via: { kind: 'port', port: 'x' } }] }] },
      /names port x/,
    ],
  ];

  test('takes a sound spec, with IPv6 where it only says which packets are meant', () => {
    const ipv6 = { protocol: -1, peer: { cidr: '::/0' } };
    checkSpec(spec({ ruleSets: [{ key: 'open', ingress: [ipv6], egress: [ipv6] }] }));
  });

  test.each(refusals)('refuses %s', (_what, change, message) => {
    expect(() => checkSpec(spec(change))).toThrow(SpecError);
    expect(() => checkSpec(spec(change))).toThrow(message);
  });
});
