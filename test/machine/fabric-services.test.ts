/** Platform services, second devices, faults, counters and repair on the real kernel. */
import dgram from 'node:dgram';
import { rm, writeFile } from 'node:fs/promises';
import http from 'node:http';
import net from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { applyIpCommands, removeByIpCommands } from '../../src/machine/link.ts';
import { machineNamespace, namespacePath, networkNamespace } from '../../src/machine/netns.ts';
import { applyPacketRules } from '../../src/machine/nft.ts';
import { openLinuxFabric } from '../../src/planes/fabric/linux-fabric.ts';
import type { NetworkSpec } from '../../src/planes/fabric/types.ts';
import { useLab } from './support-fabric.ts';
import { insideNamespaces } from './support-inside.ts';
import { network, port } from './support-network.ts';
import type { Agent } from './support-traffic.ts';

const one = '10.0.1.10';
const two = '10.0.1.20';

function pair(change: Partial<NetworkSpec> = {}): NetworkSpec {
  return network('net', 0, { ports: [port('net', 'one', one), port('net', 'two', two)], ...change });
}

await insideNamespaces(import.meta.url, () => {
  const lab = useLab();

  describe('platform services', () => {
    const servers: { close(): unknown }[] = [];

    beforeAll(async () => {
      const { metadataListen: metadata, resolverListen: resolver } = lab.fabric;
      const who = (address: string | undefined) => JSON.stringify(lab.fabric.identify(address ?? '') ?? null);
      const web = http.createServer((request, response) => response.end(who(request.socket.remoteAddress)));
      const dnsTcp = net.createServer((socket) => socket.end(who(socket.remoteAddress)));
      const dnsUdp = dgram.createSocket('udp4');
      dnsUdp.on('message', (_message, from) => dnsUdp.send(who(from.address), from.port, from.address));
      servers.push(web, dnsTcp, dnsUdp);
      await new Promise<void>((resolve) => web.listen(metadata.port, metadata.address, resolve));
      await new Promise<void>((resolve) => dnsTcp.listen(resolver.port, resolver.address, resolve));
      await new Promise<void>((resolve) => dnsUdp.bind(resolver.port, resolver.address, resolve));
    });

    afterAll(() => {
      for (const server of servers) server.close();
    });

    const metadata = async (agent: Agent, address = '169.254.169.254') => {
      const { stdout, status } = await agent.run(['curl', '-s', '-m', '1', `http://${address}/`]);
      return status === 0 ? (JSON.parse(stdout) as unknown) : `curl ${status}`;
    };

    test('know who asks, also in networks with the same addresses, and whatever the rules', async () => {
      const closed = { ruleSets: [{ key: 'shut', ingress: [], egress: [] }], gates: [{ key: 'wall', ingress: [], egress: [] }] };
      await Promise.all(
        ['red', 'blue'].map((key) => {
          const base = network(key, 0);
          return lab.fabric.ensureNetwork({
            ...base,
            ...closed,
            internet: false,
            routeTables: [{ key: `${key}-public`, routes: [] }],
            subnets: base.subnets.map((each) => ({ ...each, gate: 'wall' })),
            ports: [port(key, `${key}-1`, one, { ruleSets: ['shut'] }), port(key, `${key}-2`, two, { ruleSets: [] })],
          });
        }),
      );
      const machines = ['red-1', 'red-2', 'blue-1', 'blue-2'];
      const agents = await lab.agents(...machines);
      for (const [index, machine] of machines.entries())
        expect(await metadata(agents[index]!)).toEqual({ network: machine.split('-')[0], port: `${machine}-port`, machine });
    });

    test('the resolver answers at the base plus two and at its fixed address, over UDP and TCP', async () => {
      await lab.fabric.ensureNetwork(pair({ ruleSets: [{ key: 'net-open', ingress: [], egress: [] }] }));
      const [agent] = await lab.agents('one');
      const me = JSON.stringify({ network: 'net', port: 'one-port', machine: 'one' });
      for (const address of ['10.0.0.2', '169.254.169.253']) {
        expect(await agent.udp(address, 53)).toBe(`answer ${me}`);
        expect(await agent.connect(address, 53)).toBe(`open ${me}`);
      }
      expect(await agent.connect('169.254.169.253', 54), 'other ports').toBe('timeout');
      expect(await agent.connect('169.254.169.254', 53)).toBe('timeout');
      expect(await agent.connect('169.254.169.253', 80)).toBe('timeout');
    });

    test('are not told a forged address, even by a port without source check', async () => {
      const spec = pair();
      await lab.fabric.ensureNetwork({ ...spec, ports: spec.ports.map((each) => ({ ...each, sourceCheck: false })) });
      const [agent] = await lab.agents('one');
      await agent.run(['ip', 'addr', 'add', `${two}/32`, 'dev', 'lo']);
      const { status } = await agent.run(['curl', '-s', '-m', '1', '--interface', two, 'http://169.254.169.254/']);
      expect(status).toBe(28);
      expect(await metadata(agent)).toMatchObject({ port: 'one-port' });
    });

    test('forget a port that is gone and do not give its address to the next', async () => {
      await lab.fabric.ensureNetwork(pair());
      const before = await lab.fabric.portStatus('net');
      const address = before.find(({ key }) => key === 'two-port')!.serviceAddress;
      expect(lab.fabric.identify(address)).toEqual({ network: 'net', port: 'two-port', machine: 'two' });
      expect(lab.fabric.identify(`::ffff:${address}`)).toMatchObject({ port: 'two-port' });
      await lab.fabric.ensureNetwork(pair({ ports: [port('net', 'one', one), port('net', 'new', '10.0.1.30')] }));
      expect(lab.fabric.identify(address)).toBeUndefined();
      const after = await lab.fabric.portStatus('net');
      expect(after.map(({ key }) => key)).toEqual(['one-port', 'new-port']);
      expect(after.map(({ serviceAddress }) => serviceAddress)).not.toContain(address);
    });
  });

  describe('ports', () => {
    test('a second address comes and goes without breaking connections', async () => {
      const withAddresses = (...addresses: string[]) =>
        pair({
          ports: [port('net', 'one', one, { addresses: addresses.map((each) => ({ private: each })) }), port('net', 'two', two)],
        });
      await lab.fabric.ensureNetwork(withAddresses(one));
      const [a, b] = await lab.agents('one', 'two');
      await b.listen(80);
      expect(await a.connect(two, 80, { keep: 'kept' })).toBe(`open ${one}`);
      await lab.fabric.ensureNetwork(withAddresses(one, '10.0.1.11'));
      expect(await b.pings('10.0.1.11')).toBe(true);
      expect(await a.connect(two, 80, { localAddress: '10.0.1.11' })).toBe('open 10.0.1.11');
      await lab.fabric.ensureNetwork(withAddresses(one));
      expect(await b.pings('10.0.1.11')).toBe(false);
      expect(await a.say('kept', 'still')).toBe('still');
      await lab.fabric.ensureNetwork(withAddresses('10.0.1.12'));
      expect(await b.pings('10.0.1.12')).toBe(true);
      expect(await b.pings(one)).toBe(false);
      expect(await a.connect(two, 80)).toBe('open 10.0.1.12');
    });

    test('a second device is attached to a machine, answers by itself, and moves to another machine with its address', async () => {
      const second = (machine?: string) =>
        pair({
          ports: [
            ...pair().ports,
            port('net', 'second', '10.0.2.50', { attachment: machine === undefined ? undefined : { machine, device: 'eth1' } }),
          ],
        });
      await lab.fabric.ensureNetwork(second());
      const [a, b] = await lab.agents('one', 'two');
      await Promise.all([a.listen(80), b.listen(81)]);
      expect(await a.connect('10.0.2.50', 81)).toBe('timeout');
      await lab.fabric.ensureNetwork(second('one'));
      expect(await b.connect('10.0.2.50', 80)).toBe(`open ${two}`);
      await lab.fabric.ensureNetwork(second('two'));
      expect(await a.connect('10.0.2.50', 81)).toBe(`open ${one}`);
      expect((await a.run(['ip', 'link', 'show', 'eth1'])).status).not.toBe(0);
      expect((await a.run(['ip', 'rule'])).stdout).not.toContain('10.0.2.50');
      await lab.fabric.ensureNetwork(second());
      expect(await a.connect('10.0.2.50', 81)).toBe('timeout');
    });

    test('counters show what the machine received and sent', async () => {
      await lab.fabric.ensureNetwork(pair());
      const [a] = await lab.agents('one');
      await a.run(['ping', '-q', '-c', '5', '-i', '0.002', '-s', '1000', two]);
      const [first, second] = await lab.fabric.portStatus('net');
      for (const status of [first!, second!]) {
        expect(status.rxPackets).toBeGreaterThanOrEqual(5);
        expect(status.txBytes).toBeGreaterThanOrEqual(5 * 1042);
      }
    });
  });

  describe('faults', () => {
    test('a zone that is down is cut off, also from platform services and the internet, until it is back', async () => {
      const spec = pair({ ports: [...pair().ports, port('net', 'far', '10.0.2.30', { public: '198.18.1.3' })] });
      await lab.fabric.ensureNetwork(spec);
      const [a, far] = await lab.agents('one', 'far');
      await lab.fabric.setFault({ kind: 'zone', zone: 'b' }, true);
      expect(await a.pings('10.0.2.30')).toBe(false);
      expect(await far.pings(one)).toBe(false);
      expect(await lab.internet.connect('198.18.1.3', 80)).toBe('timeout');
      expect(await far.connect('169.254.169.254', 80)).toBe('timeout');
      expect(await a.pings(two), 'the other zone goes on').toBe(true);
      await lab.fabric.ensureNetwork({ ...spec, ports: [...spec.ports, port('net', 'late', '10.0.2.31')] });
      expect(await a.pings('10.0.2.31'), 'a new port in it is down too').toBe(false);
      await lab.fabric.setFault({ kind: 'zone', zone: 'b' }, false);
      expect(await a.pings('10.0.2.30')).toBe(true);
      expect(await lab.internet.connect('198.18.1.3', 80)).toBe('refused');
    });

    test('a port, or the path between two, can be down', async () => {
      await lab.fabric.ensureNetwork(pair({ ports: [...pair().ports, port('net', 'far', '10.0.2.30')] }));
      const [a, far] = await lab.agents('one', 'far');
      const path = { kind: 'path', from: 'one-port', to: 'far-port' } as const;
      await lab.fabric.setFault(path, true);
      expect(await a.pings('10.0.2.30')).toBe(false);
      expect(await far.pings(one)).toBe(false);
      expect([await a.pings(two), await far.pings(two)]).toEqual([true, true]);
      await lab.fabric.setFault({ ...path, from: path.to, to: path.from }, false);
      expect(await a.pings('10.0.2.30')).toBe(true);
      await lab.fabric.setFault({ kind: 'port', port: 'two-port' }, true);
      expect([await a.pings(two), await a.pings('10.0.2.30')]).toEqual([false, true]);
      await lab.fabric.setFault({ kind: 'port', port: 'two-port' }, false);
      expect(await a.pings(two)).toBe(true);
    });

    test('a path between networks is cut at its first end, and follows addresses', async () => {
      const other = (address: string) =>
        network('other', 1, { ports: [port('other', 'there', '10.1.1.10', { public: address })] });
      await lab.fabric.ensureNetwork(network('net', 0, { ports: [port('net', 'here', one, { public: '198.18.1.1' })] }));
      await lab.fabric.ensureNetwork(other('198.18.1.2'));
      const [here] = await lab.agents('here');
      const path = { kind: 'path', from: 'here-port', to: 'there-port' } as const;
      await lab.fabric.setFault(path, true);
      expect(await here.connect('198.18.1.2', 80)).toBe('timeout');
      await lab.fabric.ensureNetwork(other('198.18.1.3'));
      expect(await here.connect('198.18.1.3', 80)).toBe('timeout');
      await lab.fabric.setFault(path, false);
      expect(await here.connect('198.18.1.3', 80)).toBe('refused');
    });
  });

  describe('repair', () => {
    const namespace = networkNamespace('net');
    const damages: [string, () => Promise<unknown>][] = [
      ['a device that someone removed', () => applyIpCommands(namespace, ['link del p1'])],
      ['a device that someone shut', () => applyIpCommands(namespace, ['link set p2 down'])],
      ['rules that someone flushed', () => applyPacketRules(namespace, 'flush ruleset')],
      ['a set element that someone removed', () => applyPacketRules(namespace, 'flush set inet pilvi own')],
      ['a route that someone removed', () => applyIpCommands(namespace, [`route del ${two}/32`])],
      ['the way to the internet', () => applyIpCommands(namespace, ['link del u0'])],
      ['the whole namespace', () => removeByIpCommands(undefined, [`netns del ${namespace}`])],
    ];

    test.each(damages)('the same spec again repairs %s', async (_what, damage) => {
      const spec = pair({ ports: [port('net', 'one', one, { public: '198.18.1.1' }), port('net', 'two', two)] });
      await lab.fabric.ensureNetwork(spec);
      const [a, b] = await lab.agents('one', 'two');
      await Promise.all([a.listen(80), b.listen(80)]);
      await damage();
      await lab.fabric.ensureNetwork(spec);
      expect(await a.connect(two, 80)).toBe(`open ${one}`);
      expect(await lab.internet.connect('198.18.1.1', 80)).toMatch(/^open/);
    });

    test('a change that meets damage builds the network anew around running machines', async () => {
      const second = port('net', 'second', '10.0.2.50', { attachment: { machine: 'one', device: 'eth1' } });
      await lab.fabric.ensureNetwork(pair({ ports: [...pair().ports, second] }));
      const [a, b] = await lab.agents('one', 'two');
      await Promise.all([a.listen(80), b.listen(80)]);
      await applyIpCommands(namespace, ['link del p1']);
      const spec = pair({ ports: [port('net', 'one', one, { public: '198.18.1.1' }), ...pair().ports.slice(1), second] });
      await lab.fabric.ensureNetwork({
        ...spec,
        routeTables: [{ key: 'net-public', routes: [{ cidr: '198.18.0.0/15', via: { kind: 'port', port: 'one-port' } }] }],
      });
      expect(await a.connect(two, 80)).toBe(`open ${one}`);
      expect(await b.connect('10.0.2.50', 80)).toBe(`open ${two}`);
    });

    test('a device that someone made under a port’s name gives way', async () => {
      const [a, b] = await lab.agents('one', 'two');
      const make = (machine: string, device: string) =>
        applyIpCommands(machineNamespace(machine), [`link add name ${device} type veth peer name taken`]);
      await make('two', 'eth0');
      await lab.fabric.ensureNetwork(pair());
      expect(await a.connect(two, 80)).toBe('refused');
      await make('one', 'eth1');
      const second = port('net', 'second', '10.0.2.50', { attachment: { machine: 'one', device: 'eth1' } });
      await lab.fabric.ensureNetwork(pair({ ports: [...pair().ports, second] }));
      expect(await b.connect('10.0.2.50', 80)).toBe('refused');
    });

    test('what fails half-way can be removed, and works once the reason is gone', async () => {
      const spoilt = namespacePath(machineNamespace('spoilt'));
      const third = port('net', 'third', '10.0.1.30', { attachment: { machine: 'spoilt', device: 'eth0' } });
      const three = pair({ ports: [...pair().ports, third] });
      await writeFile(spoilt, 'no namespace');
      await expect(lab.fabric.ensureNetwork(three)).rejects.toThrow(/A program of the host failed/);
      await lab.fabric.removeNetwork('net');
      expect(await lab.fabric.networks()).toEqual([]);
      await lab.fabric.ensureNetwork(pair());
      const [a] = await lab.agents('one');
      await writeFile(spoilt, 'no namespace');
      await expect(lab.fabric.ensureNetwork(three)).rejects.toThrow(/A program of the host failed/);
      await rm(spoilt, { force: true });
      await lab.fabric.ensureNetwork(three);
      expect(await a.connect(two, 80)).toBe('refused');
      expect(await a.connect('10.0.1.30', 80)).toBe('refused');
    });

    test('a network that another fabric left is listed, built anew, or removed', async () => {
      await lab.fabric.ensureNetwork(pair());
      const [a] = await lab.agents('one');
      const next = await openLinuxFabric({ inside: { mode: 'root', run: 'test', sockets: [] } });
      expect(await next.networks()).toEqual(['net']);
      await next.ensureNetwork(pair());
      expect(await a.connect(two, 80)).toBe('refused');
      await next.removeNetwork('net');
      expect(await next.networks()).toEqual([]);
      expect((await a.run(['ip', 'link', 'show', 'eth0'])).status).not.toBe(0);
      await removeByIpCommands(undefined, [`netns del ${machineNamespace('one')}`, `netns del ${machineNamespace('two')}`]);
      await lab.fabric.removeNetwork('net');
    });
  });

  test('networks are worked on side by side, calls for one in order', async () => {
    const keys = ['n1', 'n2', 'n3', 'n4'];
    const calls = keys.flatMap((key, n) =>
      [1, 2, 3].map((count) =>
        lab.fabric.ensureNetwork(
          network(key, n, {
            ports: Array.from({ length: count }, (_, index) => port(key, `${key}-${index}`, `10.${n}.1.${10 + index}`)),
          }),
        ),
      ),
    );
    await Promise.all(calls);
    for (const key of keys) expect(await lab.fabric.portStatus(key)).toHaveLength(3);
    await Promise.all(keys.map((key) => lab.fabric.removeNetwork(key)));
    expect(await lab.fabric.networks()).toEqual([]);
  });
});
