/** Rule sets and gates on the real kernel: what passes, what is dropped in silence, and what happens to flows when rules change. */
import { describe, expect, test } from 'vitest';
import type { GateSpec, NetworkSpec, RuleSetSpec } from '../../src/planes/fabric/types.ts';
import { useLab } from './support-fabric.ts';
import { insideNamespaces } from './support-inside.ts';
import { allowAll, everywhere, gateRule, network, port, tcp } from './support-network.ts';

const one = '10.0.1.10';
const two = '10.0.1.20';
const far = '10.0.2.30';

/** Machines `one` and `two` in subnet a and `far` in subnet b; `two` and `far` have rule set `tested`, `one` allows everything. */
function withRules(
  tested: Omit<RuleSetSpec, 'key'>,
  change: Partial<NetworkSpec> = {},
  more: readonly RuleSetSpec[] = [],
): NetworkSpec {
  const base = network('net', 0);
  return {
    ...base,
    ruleSets: [...base.ruleSets, { key: 'tested', ...tested }, ...more],
    ports: [
      port('net', 'one', one),
      port('net', 'two', two, { ruleSets: ['tested'] }),
      port('net', 'far', far, { ruleSets: ['tested'] }),
    ],
    ...change,
  };
}

await insideNamespaces(import.meta.url, () => {
  const lab = useLab();

  describe('rule sets', () => {
    test('what no rule allows is dropped in silence: connections and pings time out', async () => {
      await lab.fabric.ensureNetwork(withRules({ ingress: [], egress: [] }));
      const [a, b] = await lab.agents('one', 'two');
      await Promise.all([a.listen(80), b.listen(80)]);
      expect(await a.connect(two, 80)).toBe('timeout');
      expect(await b.connect(one, 80), 'no egress rule').toBe('timeout');
      const ping = await a.run(['ping', '-n', '-c', '1', '-W', '0.4', two]);
      expect(ping.stdout, 'no error packet either').toMatch(/1 packets transmitted, 0 received, 100% packet loss/);
    });

    test('a blocked packet does not reach the machine', async () => {
      await lab.fabric.ensureNetwork(withRules({ ingress: [tcp(81)], egress: [] }));
      const [a, b] = await lab.agents('one', 'two');
      const capture = b.run(['timeout', '1', 'tcpdump', '--immediate-mode', '-nli', 'eth0', 'tcp']);
      await expect.poll(async () => (await b.run(['cat', '/proc/net/packet'])).stdout.split('\n').length).toBeGreaterThan(2);
      expect(await a.connect(two, 80)).toBe('timeout');
      expect(await a.connect(two, 81)).toBe('refused');
      const { stdout } = await capture;
      expect(stdout).toContain(`${two}.81`);
      expect(stdout).not.toContain(`${two}.80`);
    });

    test('an allowed port answers or refuses; replies need no rule of their own', async () => {
      await lab.fabric.ensureNetwork(withRules({ ingress: [tcp(80), { ...tcp(90), to: 92 }], egress: [] }));
      const [a, b] = await lab.agents('one', 'two');
      await Promise.all([b.listen(80), b.listen(92)]);
      expect(await a.connect(two, 80)).toBe(`open ${one}`);
      expect(await a.connect(two, 92)).toBe(`open ${one}`);
      expect(await a.connect(two, 91)).toBe('refused');
      expect(await a.connect(two, 93)).toBe('timeout');
    });

    test('protocols are told apart: UDP, and ICMP by type and code', async () => {
      const ping = { protocol: 1, from: 8, to: 0, peer: everywhere };
      await lab.fabric.ensureNetwork(
        withRules({ ingress: [{ ...tcp(53), protocol: 17 }, { ...tcp(54), protocol: 17 }, ping], egress: [] }),
      );
      const [a, b] = await lab.agents('one', 'two');
      await Promise.all([b.listen(53), b.listenUdp(53), b.listenUdp(55)]);
      expect(await a.udp(two, 53)).toBe(`answer ${one}`);
      expect(await a.udp(two, 54), 'nothing listens').toBe('refused');
      expect(await a.udp(two, 55)).toBe('timeout');
      expect(await a.connect(two, 53)).toBe('timeout');
      expect(await a.pings(two)).toBe(true);
      await lab.fabric.ensureNetwork(withRules({ ingress: [{ ...ping, from: 13 }], egress: [] }));
      expect(await a.pings(two), 'another ICMP type').toBe(false);
    });

    test('the union of all sets of a port counts, inside a subnet and across', async () => {
      const spec = withRules({ ingress: [tcp(80)], egress: [] }, {}, [{ key: 'more', ingress: [tcp(81)], egress: [] }]);
      const ports = spec.ports.map((each) =>
        each.ruleSets.includes('tested') ? { ...each, ruleSets: ['tested', 'more'] } : each,
      );
      await lab.fabric.ensureNetwork({ ...spec, ports });
      const [a] = await lab.agents('one');
      for (const address of [two, far])
        expect([await a.connect(address, 80), await a.connect(address, 81), await a.connect(address, 82)]).toEqual([
          'refused',
          'refused',
          'timeout',
        ]);
    });

    test('blocks as peers', async () => {
      await lab.fabric.ensureNetwork(
        withRules({ ingress: [tcp(80, { cidr: `${one}/32` }), tcp(81, { cidr: '10.0.2.0/24' })], egress: [] }),
      );
      const [a] = await lab.agents('one');
      expect(await a.connect(two, 80)).toBe('refused');
      expect(await a.connect(two, 81)).toBe('timeout');
    });

    test('sets as peers: members get in by whatever private address, as soon as they are members', async () => {
      const rules = { ingress: [tcp(80, { ruleSet: 'web' })], egress: [] };
      const web = { key: 'web', ingress: [], egress: [allowAll] };
      const spec = withRules(rules, {}, [web]);
      const setOf = (ruleSets: string[], addresses: string[]) => ({
        ...spec,
        ports: spec.ports.map((each) =>
          each.key === 'one-port' ? { ...each, ruleSets, addresses: addresses.map((address) => ({ private: address })) } : each,
        ),
      });
      await lab.fabric.ensureNetwork(setOf(['net-open'], [one]));
      const [a] = await lab.agents('one');
      expect(await a.connect(two, 80), 'not a member').toBe('timeout');
      await lab.fabric.ensureNetwork(setOf(['web'], [one]));
      expect(await a.connect(two, 80), 'a member').toBe('refused');
      await lab.fabric.ensureNetwork(setOf(['web'], [one, '10.0.1.11']));
      expect(await a.connect(two, 80, { localAddress: '10.0.1.11' }), 'by a new address').toBe('refused');
      await lab.fabric.ensureNetwork(setOf(['net-open'], [one]));
      expect(await a.connect(two, 80), 'no member any more').toBe('timeout');
    });

    test('sets come and go with all that named them', async () => {
      const many = ['s1', 's2', 's3'].map((key, index) => ({
        key,
        ingress: [tcp(80 + index), tcp(90, { ruleSet: `s${((index + 1) % 3) + 1}` })],
        egress: [],
      }));
      const spec = withRules({ ingress: [], egress: [] }, {}, many);
      const withSets = (...keys: string[]) => ({
        ...spec,
        ruleSets: spec.ruleSets.filter(({ key }) => !key.startsWith('s') || keys.includes(key)),
        ports: spec.ports.map((each) => (each.key === 'two-port' ? { ...each, ruleSets: keys } : each)),
      });
      const [a] = await lab.agents('one');
      const answers = async () => [await a.connect(two, 80), await a.connect(two, 81), await a.connect(two, 82)];
      await lab.fabric.ensureNetwork(withSets('s1', 's2', 's3'));
      expect(await answers()).toEqual(['refused', 'refused', 'refused']);
      await lab.fabric.ensureNetwork(withSets('s2'));
      expect(await answers()).toEqual(['timeout', 'refused', 'timeout']);
      await lab.fabric.ensureNetwork(withSets());
      expect(await answers()).toEqual(['timeout', 'timeout', 'timeout']);
      await lab.fabric.ensureNetwork(withSets('s3', 's1'));
      expect(await answers()).toEqual(['refused', 'timeout', 'refused']);
    });

    test('sets may name each other and themselves', async () => {
      const spec = withRules(
        {
          ingress: [tcp(80, { ruleSet: 'tested' }), tcp(81, { ruleSet: 'other' })],
          egress: [{ protocol: -1, peer: { ruleSet: 'tested' } }],
        },
        {},
        [{ key: 'other', ingress: [tcp(82, { ruleSet: 'tested' })], egress: [allowAll] }],
      );
      await lab.fabric.ensureNetwork({
        ...spec,
        ports: spec.ports.map((each) => (each.key === 'one-port' ? { ...each, ruleSets: ['other'] } : each)),
      });
      const [a, b, c] = await lab.agents('one', 'two', 'far');
      expect(await b.connect(far, 80)).toBe('refused');
      expect(await a.connect(far, 80)).toBe('timeout');
      expect(await a.connect(far, 81)).toBe('refused');
      expect(await c.connect(one, 82), 'egress names its own set only').toBe('timeout');
    });

    test('a tracked flow goes on after its rule is gone; new ones do not start', async () => {
      await lab.fabric.ensureNetwork(withRules({ ingress: [tcp(80, { cidr: '10.0.0.0/16' })], egress: [allowAll] }));
      const [a, b] = await lab.agents('one', 'two');
      await b.listen(80);
      expect(await a.connect(two, 80, { keep: 'kept' })).toBe(`open ${one}`);
      await lab.fabric.ensureNetwork(withRules({ ingress: [], egress: [allowAll] }));
      expect(await a.say('kept', 'still here')).toBe('still here');
      expect(await a.connect(two, 80)).toBe('timeout');
    });

    test('an untracked flow (open to everyone, both ways) is cut with its rule and comes back with it', async () => {
      const open = withRules({ ingress: [tcp(80)], egress: [allowAll] });
      await lab.fabric.ensureNetwork(open);
      const [a, b] = await lab.agents('one', 'two');
      await b.listen(80);
      expect(await a.connect(two, 80, { keep: 'kept' })).toBe(`open ${one}`);
      expect(await a.say('kept', 'first')).toBe('first');
      await lab.fabric.ensureNetwork(withRules({ ingress: [], egress: [allowAll] }));
      expect(await a.say('kept', 'second')).toBe('timeout');
      await lab.fabric.ensureNetwork(open);
      await expect.poll(() => a.say('kept', 'third'), { timeout: 5000 }).toMatch(/second\nthird|third/);
    });
  });

  describe('gates', () => {
    const ephemeral = { protocol: 6, from: 1024, to: 65535 };

    /** Subnet b, where `far` is, behind a gate; rule sets allow everything. */
    function behind(gate: Omit<GateSpec, 'key'>): NetworkSpec {
      const spec = withRules({ ingress: [allowAll], egress: [allowAll] });
      return {
        ...spec,
        gates: [{ key: 'gate', ...gate }],
        subnets: spec.subnets.map((each) => (each.zone === 'b' ? { ...each, gate: 'gate' } : each)),
        ports: [...spec.ports, port('net', 'near', '10.0.2.40')],
      };
    }

    test('are stateless: an answer needs a rule', async () => {
      const inward = [gateRule(100, true, { protocol: 6, from: 80, to: 80 })];
      await lab.fabric.ensureNetwork(behind({ ingress: inward, egress: [] }));
      const [a, c] = await lab.agents('one', 'far');
      await c.listen(80);
      expect(await a.connect(far, 80)).toBe('timeout');
      await lab.fabric.ensureNetwork(behind({ ingress: inward, egress: [gateRule(100, true, ephemeral)] }));
      expect(await a.connect(far, 80)).toBe(`open ${one}`);
      expect(await a.connect(far, 81)).toBe('timeout');
    });

    test('act at once on flows that exist', async () => {
      await lab.fabric.ensureNetwork(behind({ ingress: [gateRule(1, true)], egress: [gateRule(1, true)] }));
      const [a, c] = await lab.agents('one', 'far');
      await c.listen(80);
      expect(await a.connect(far, 80, { keep: 'kept' })).toBe(`open ${one}`);
      await lab.fabric.ensureNetwork(behind({ ingress: [gateRule(1, false)], egress: [gateRule(1, true)] }));
      expect(await a.say('kept', 'hello')).toBe('timeout');
    });

    test('try rules by number; the first that matches decides', async () => {
      const allow = gateRule(200, true);
      const deny = (number: number) => gateRule(number, false, { cidr: `${one}/32` });
      await lab.fabric.ensureNetwork(behind({ ingress: [allow, deny(100)], egress: [allow] }));
      const [a, b] = await lab.agents('one', 'two');
      expect(await a.connect(far, 80)).toBe('timeout');
      expect(await b.connect(far, 80)).toBe('refused');
      await lab.fabric.ensureNetwork(behind({ ingress: [allow, deny(300)], egress: [allow] }));
      expect(await a.connect(far, 80)).toBe('refused');
    });

    test('stand at the border of the subnet only', async () => {
      await lab.fabric.ensureNetwork(behind({ ingress: [], egress: [] }));
      const [c, a] = await lab.agents('far', 'one');
      expect(await c.connect('10.0.2.40', 80), 'inside the subnet').toBe('refused');
      expect(await c.connect(one, 80), 'out of it').toBe('timeout');
      expect(await a.connect(far, 80), 'into it').toBe('timeout');
    });
  });
});
