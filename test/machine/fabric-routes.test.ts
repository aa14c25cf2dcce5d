/** Routes, public addresses and isolation on the real kernel. */
import { describe, expect, test } from 'vitest';
import { hostAddress } from '../../src/planes/fabric/addresses.ts';
import type { NetworkSpec, RouteSpec } from '../../src/planes/fabric/types.ts';
import { openPort, useLab } from './support-fabric.ts';
import { insideNamespaces } from './support-inside.ts';
import { network, port, tcp } from './support-network.ts';

const toInternet: RouteSpec = { cidr: '0.0.0.0/0', via: { kind: 'internet' } };

/** `network` whose subnet b follows a route table of its own. */
function withTable(n: number, routes: readonly RouteSpec[], change: Partial<NetworkSpec> = {}): NetworkSpec {
  const base = network('net', n);
  return {
    ...base,
    subnets: base.subnets.map((each) => (each.zone === 'b' ? { ...each, routeTable: 'own' } : each)),
    routeTables: [...base.routeTables, { key: 'own', routes }],
    ...change,
  };
}

await insideNamespaces(import.meta.url, () => {
  const lab = useLab();

  describe('inside a network', () => {
    test('a machine finds its address, gateway, hardware address and frame size on its device', async () => {
      await lab.fabric.ensureNetwork(network('net', 0, { ports: [port('net', 'one', '10.0.1.10')] }));
      const [one] = await lab.agents('one');
      const [link] = JSON.parse((await one.run(['ip', '-json', 'addr', 'show', 'eth0'])).stdout) as [
        { address: string; mtu: number; addr_info: { family: string; local: string; prefixlen: number }[] },
      ];
      expect(link).toMatchObject({ address: '02:0a:00:01:0a:01', mtu: 9001 });
      expect(link.addr_info.filter(({ family }) => family === 'inet')).toMatchObject([{ local: '10.0.1.10', prefixlen: 24 }]);
      expect((await one.run(['ip', 'route'])).stdout).toMatch(/^default via 10\.0\.1\.1 dev eth0/);
    });

    test('an address that nobody has does not answer', async () => {
      await lab.fabric.ensureNetwork(network('net', 0, { ports: [port('net', 'one', '10.0.1.10')] }));
      const [one] = await lab.agents('one');
      expect(await one.connect('10.0.2.99', 80)).toBe('timeout');
      expect(await one.pings('10.0.1.1'), 'the router itself is silent').toBe(false);
    });

    test('networks with the same addresses do not meet', async () => {
      await Promise.all(
        ['red', 'blue'].map((key) =>
          lab.fabric.ensureNetwork(
            network(key, 0, { ports: [port(key, `${key}-1`, '10.0.1.10'), port(key, `${key}-2`, '10.0.1.20')] }),
          ),
        ),
      );
      const [red1, red2, blue1, blue2] = await lab.agents('red-1', 'red-2', 'blue-1', 'blue-2');
      await Promise.all([red2.listen(80), blue2.listen(81)]);
      expect(await red1.connect('10.0.1.20', 80)).toBe('open 10.0.1.10');
      expect(await red1.connect('10.0.1.20', 81), 'nothing listens in its own network').toBe('refused');
      expect(await blue1.connect('10.0.1.20', 81)).toBe('open 10.0.1.10');
      await lab.fabric.removeNetwork('red');
      expect(await blue1.connect('10.0.1.20', 81), 'the other goes on').toBe('open 10.0.1.10');
    });

    test('private addresses are not reachable from elsewhere', async () => {
      await lab.fabric.ensureNetwork(network('net', 0, { ports: [port('net', 'one', '10.0.1.10', { public: '198.18.1.1' })] }));
      await lab.fabric.ensureNetwork(
        network('other', 1, { ports: [port('other', 'two', '10.1.1.10', { public: '198.18.1.2' })] }),
      );
      const [two] = await lab.agents('two');
      expect(await two.connect('10.0.1.10', 80)).toMatch(/timeout|ENETUNREACH/);
      expect(await lab.internet.connect('10.0.1.10', 80)).toBe('ENETUNREACH');
    });
  });

  describe('public addresses', () => {
    test('work both ways, and the machine sees only its private one', async () => {
      const ports = [port('net', 'one', '10.0.1.10', { public: '198.18.1.1' }), port('net', 'two', '10.0.1.20')];
      await lab.fabric.ensureNetwork(network('net', 0, { ports }));
      const [one, two] = await lab.agents('one', 'two');
      await one.listen(80, '10.0.1.10');
      expect(await lab.internet.connect('198.18.1.1', 80)).toBe(`open ${hostAddress}`);
      expect(await lab.internet.pings('198.18.1.1')).toBe(true);
      expect(await one.connect(hostAddress, openPort)).toBe('open 198.18.1.1');
      expect(await one.pings(hostAddress)).toBe(true);
      expect(await one.connect(hostAddress, openPort + 1), 'the platform opens what it wants').toBe('timeout');
      expect(await two.connect(hostAddress, openPort), 'without a public address').toBe('timeout');
    });

    test('work between machines of one network, of two, and to oneself', async () => {
      const ports = [
        port('net', 'one', '10.0.1.10', { public: '198.18.1.1' }),
        port('net', 'two', '10.0.1.20', { public: '198.18.1.2' }),
      ];
      await lab.fabric.ensureNetwork(network('net', 0, { ports }));
      await lab.fabric.ensureNetwork(
        network('other', 0, { ports: [port('other', 'three', '10.0.1.10', { public: '198.18.1.3' })] }),
      );
      const [one, two, three] = await lab.agents('one', 'two', 'three');
      await Promise.all([one.listen(80), two.listen(80), three.listen(80)]);
      expect(await one.connect('198.18.1.2', 80)).toBe('open 198.18.1.1');
      expect(await one.connect('198.18.1.3', 80)).toBe('open 198.18.1.1');
      expect(await three.connect('198.18.1.2', 80)).toBe('open 198.18.1.3');
      expect(await one.connect('198.18.1.1', 80)).toBe('open 198.18.1.1');
    });

    test('move to another machine at once, for flows that exist too, also between networks', async () => {
      const spec = (a?: string, b?: string) =>
        network('net', 0, {
          ports: [port('net', 'one', '10.0.1.10', { public: a }), port('net', 'two', '10.0.1.20', { public: b })],
        });
      const other = (c?: string) => network('other', 0, { ports: [port('other', 'three', '10.0.1.30', { public: c })] });
      await Promise.all([lab.fabric.ensureNetwork(spec('198.18.1.1')), lab.fabric.ensureNetwork(other())]);
      const [one, two, three] = await lab.agents('one', 'two', 'three');
      await Promise.all([one.listen(80), two.listen(81), three.listen(82)]);
      expect(await lab.internet.connect('198.18.1.1', 80, { keep: 'kept' })).toMatch(/^open/);
      await lab.fabric.ensureNetwork(spec(undefined, '198.18.1.1'));
      expect(await lab.internet.connect('198.18.1.1', 81)).toMatch(/^open/);
      expect(await lab.internet.say('kept', 'hello')).not.toBe('hello');
      await Promise.all([lab.fabric.ensureNetwork(other('198.18.1.1')), lab.fabric.ensureNetwork(spec())]);
      expect(await lab.internet.connect('198.18.1.1', 82)).toMatch(/^open/);
    });

    test('need the network to be joined to the internet', async () => {
      const spec = (internet: boolean) =>
        network('net', 0, { internet, ports: [port('net', 'one', '10.0.1.10', { public: '198.18.1.1' })] });
      await lab.fabric.ensureNetwork(spec(true));
      const [one] = await lab.agents('one');
      await one.listen(80);
      expect(await lab.internet.connect('198.18.1.1', 80)).toMatch(/^open/);
      await lab.fabric.ensureNetwork(spec(false));
      expect(await one.connect(hostAddress, openPort)).toBe('timeout');
      expect(await lab.internet.connect('198.18.1.1', 80)).not.toMatch(/^open|refused/);
    });
  });

  describe('links between networks', () => {
    const linked = (key: string, n: number, peers: Record<string, number>, change: Partial<NetworkSpec> = {}): NetworkSpec => ({
      ...network(key, n),
      ports: [port(key, `${key}-1`, `10.${n}.1.10`)],
      routeTables: [
        {
          key: `${key}-public`,
          routes: Object.entries(peers).map(([peer, m]) => ({ cidr: `10.${m}.0.0/16`, via: { kind: 'peer', network: peer } })),
        },
      ],
      ...change,
    });

    test('carry private traffic once the routes of both sides lead over them, and are not a way through', async () => {
      await Promise.all([
        lab.fabric.ensureNetwork(linked('mid', 1, { left: 0, right: 2 })),
        lab.fabric.ensureNetwork(linked('left', 0, { mid: 1 })),
      ]);
      await lab.fabric.ensureNetwork(network('right', 2, { ports: [port('right', 'right-1', '10.2.1.10')] }));
      const [left, mid, right] = await lab.agents('left-1', 'mid-1', 'right-1');
      await Promise.all([left.listen(80), mid.listen(80), right.listen(80)]);
      expect(await left.connect('10.1.1.10', 80)).toBe('open 10.0.1.10');
      expect(await mid.connect('10.0.1.10', 80)).toBe('open 10.1.1.10');
      expect(await mid.connect('10.2.1.10', 80), 'only one side has a route').toBe('timeout');
      await lab.fabric.ensureNetwork(linked('right', 2, { mid: 1, left: 1 }));
      expect(await mid.connect('10.2.1.10', 80)).toBe('open 10.1.1.10');
      const through = { cidr: '10.2.0.0/16', via: { kind: 'peer', network: 'mid' } } as const;
      const spec = linked('left', 0, { mid: 1 });
      await lab.fabric.ensureNetwork({
        ...spec,
        routeTables: [{ ...spec.routeTables[0]!, routes: [...spec.routeTables[0]!.routes, through] }],
      });
      expect(await left.connect('10.2.1.10', 80), 'not through the one in the middle').toBe('timeout');
      expect(await left.connect('169.254.169.253', 80), 'nor to its services').toBe('timeout');
      await lab.fabric.removeNetwork('mid');
      expect(await left.connect('10.1.1.10', 80)).toBe('timeout');
      await lab.fabric.ensureNetwork(linked('mid', 1, { left: 0 }));
      const [again] = await lab.agents('mid-1');
      await again.listen(80);
      expect(await left.connect('10.1.1.10', 80)).toBe('open 10.0.1.10');
    });

    test('let rules name rule sets of the other network, as its members come and go', async () => {
      const web = (ruleSets: string[]) =>
        linked(
          'there',
          1,
          { here: 0 },
          {
            ruleSets: [...network('there', 1).ruleSets, { key: 'web', ingress: [], egress: [] }],
            ports: [port('there', 'there-1', '10.1.1.10', { ruleSets })],
          },
        );
      await lab.fabric.ensureNetwork(web(['there-open']));
      const onlyWeb = { key: 'only-web', ingress: [tcp(80, { ruleSet: 'web' })], egress: [] };
      const ports = [port('here', 'here-1', '10.0.1.10', { ruleSets: ['only-web'] })];
      await lab.fabric.ensureNetwork(linked('here', 0, { there: 1 }, { ruleSets: [onlyWeb], ports }));
      const [there] = await lab.agents('there-1');
      expect(await there.connect('10.0.1.10', 80)).toBe('timeout');
      await lab.fabric.ensureNetwork(web(['there-open', 'web']));
      expect(await there.connect('10.0.1.10', 80)).toBe('refused');
      await lab.fabric.ensureNetwork(web(['there-open']));
      expect(await there.connect('10.0.1.10', 80)).toBe('timeout');
    });
  });

  describe('route tables', () => {
    test('without a route to the internet nothing passes, in or out', async () => {
      const ports = [port('net', 'one', '10.0.2.10', { public: '198.18.1.1' }), port('net', 'two', '10.0.1.20')];
      await lab.fabric.ensureNetwork(withTable(0, [], { ports }));
      const [one, two] = await lab.agents('one', 'two');
      await Promise.all([one.listen(80), two.listen(80)]);
      expect(await lab.internet.connect('198.18.1.1', 80)).toBe('timeout');
      expect(await one.connect(hostAddress, openPort)).toBe('timeout');
      expect(await one.connect('10.0.1.20', 80), 'inside it works').toBe('open 10.0.2.10');
      await lab.fabric.ensureNetwork(withTable(0, [toInternet], { ports }));
      expect(await lab.internet.connect('198.18.1.1', 80)).toMatch(/^open/);
    });

    test('the longest prefix wins, and a blackhole is silent', async () => {
      const blackhole: RouteSpec = { cidr: '198.18.1.0/24', via: { kind: 'blackhole' } };
      const ports = [port('net', 'one', '10.0.2.10', { public: '198.18.2.1' })];
      await lab.fabric.ensureNetwork(withTable(0, [toInternet, blackhole], { ports }));
      await lab.fabric.ensureNetwork(
        network('other', 1, { ports: [port('other', 'two', '10.1.1.10', { public: '198.18.1.1' })] }),
      );
      const [one] = await lab.agents('one');
      expect(await one.connect(hostAddress, openPort)).toBe('open 198.18.2.1');
      expect(await one.connect('198.18.1.1', 80)).toBe('timeout');
      await lab.fabric.ensureNetwork(withTable(0, [toInternet], { ports }));
      expect(await one.connect('198.18.1.1', 80)).toBe('refused');
    });

    test('a destination outside the cloud is unreachable, not the host network', async () => {
      await lab.fabric.ensureNetwork(network('net', 0, { ports: [port('net', 'one', '10.0.1.10', { public: '198.18.1.1' })] }));
      const [one] = await lab.agents('one');
      for (const address of ['192.0.2.2', '8.8.8.8']) expect(await one.connect(address, 53)).toBe('ENETUNREACH');
      const devices = JSON.parse((await lab.internet.run(['ip', '-json', 'link'])).stdout) as {
        ifname: string;
        link_index?: number;
      }[];
      expect(
        devices
          .map(({ ifname }) => ifname)
          .filter((name) => !/^(lo|n\d+|ifb\d|tunl0|sit0|gre0|erspan0|gretap0|ip6.*)$/.test(name)),
      ).toEqual([]);
    });

    test('a translator gives machines without a public address the way out, and nobody the way in', async () => {
      const nat: RouteSpec = { cidr: '0.0.0.0/0', via: { kind: 'nat', address: '10.0.1.5', publicAddress: '198.18.1.9' } };
      const ports = [port('net', 'one', '10.0.2.10'), port('net', 'two', '10.0.2.20')];
      await lab.fabric.ensureNetwork(withTable(0, [nat], { ports }));
      const [one, two] = await lab.agents('one', 'two');
      await one.listen(80);
      expect(await one.connect(hostAddress, openPort)).toBe('open 198.18.1.9');
      expect(await two.connect(hostAddress, openPort)).toBe('open 198.18.1.9');
      expect(await lab.internet.connect('198.18.1.9', 80)).toBe('timeout');
      await lab.fabric.ensureNetwork(
        withTable(0, [nat], {
          ports,
          routeTables: [
            { key: 'net-public', routes: [] },
            { key: 'own', routes: [nat] },
          ],
        }),
      );
      expect(await one.connect(hostAddress, openPort), 'its own subnet leads nowhere').toBe('timeout');
      await lab.fabric.ensureNetwork(withTable(0, [], { ports }));
      expect(await one.connect(hostAddress, openPort), 'without the route').toBe('timeout');
    });

    test('a port as target: a machine that forwards, with the source check off', async () => {
      const route: RouteSpec = { cidr: '0.0.0.0/0', via: { kind: 'port', port: 'gate-port' } };
      const spec = (sourceCheck: boolean) =>
        withTable(0, [route], {
          ports: [port('net', 'one', '10.0.2.10'), port('net', 'gate', '10.0.1.5', { public: '198.18.1.5', sourceCheck })],
        });
      await lab.fabric.ensureNetwork(spec(false));
      const [one, gate] = await lab.agents('one', 'gate');
      expect((await gate.run(['sysctl', '-qw', 'net.ipv4.ip_forward=1'])).status).toBe(0);
      const masquerade =
        'add table ip t; add chain ip t c { type nat hook postrouting priority 100; }; add rule ip t c masquerade';
      expect((await gate.run(['nft', masquerade])).stderr).toBe('');
      expect(await one.connect(hostAddress, openPort)).toBe('open 198.18.1.5');
      await lab.fabric.ensureNetwork(spec(true));
      expect(await one.connect(hostAddress, openPort)).toBe('timeout');
    });

    test('a route inside the own blocks leads through a port that watches', async () => {
      const route: RouteSpec = { cidr: '10.0.1.0/24', via: { kind: 'port', port: 'watch-port' } };
      const spec = withTable(0, [route], {
        subnets: [...withTable(0, []).subnets, { key: 'net-c', cidr: '10.0.3.0/24', zone: 'a', routeTable: 'net-public' }],
        ports: [
          port('net', 'one', '10.0.2.10'),
          port('net', 'two', '10.0.1.20'),
          port('net', 'watch', '10.0.3.5', { subnet: 'net-c', sourceCheck: false }),
        ],
      });
      await lab.fabric.ensureNetwork(spec);
      const [one, two, watch] = await lab.agents('one', 'two', 'watch');
      await two.listen(80);
      expect(await one.connect('10.0.1.20', 80), 'it does not forward yet').toBe('timeout');
      await watch.run([
        'sysctl',
        '-qw',
        'net.ipv4.ip_forward=1',
        'net.ipv4.conf.all.send_redirects=0',
        'net.ipv4.conf.eth0.send_redirects=0',
      ]);
      expect(await one.connect('10.0.1.20', 80)).toBe('open 10.0.2.10');
    });

    test('a machine cannot send under an address that is not its own', async () => {
      await lab.fabric.ensureNetwork(
        network('net', 0, { ports: [port('net', 'one', '10.0.1.10'), port('net', 'two', '10.0.1.20')] }),
      );
      const [one] = await lab.agents('one', 'two');
      await one.run(['ip', 'addr', 'add', '10.0.1.66/32', 'dev', 'eth0']);
      expect(await one.connect('10.0.1.20', 80, { localAddress: '10.0.1.66' })).toBe('timeout');
      expect(await one.connect('10.0.1.20', 80)).toBe('refused');
    });
  });
});
