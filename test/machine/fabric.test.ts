/** The fabric on the real kernel: networks, rules and public addresses are made, and real traffic shows what passes. */
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { readInside } from '../../src/machine/launch.ts';
import { readLinks } from '../../src/machine/link.ts';
import { listNamespaces } from '../../src/machine/netns.ts';
import { hostAddress } from '../../src/planes/fabric/addresses.ts';
import { type LinuxFabric, openLinuxFabric } from '../../src/planes/fabric/linux-fabric.ts';
import type { NetworkSpec } from '../../src/planes/fabric/types.ts';
import { insideNamespaces } from './support-inside.ts';
import { allowAll, network, port, publicAddress, tcp } from './support-network.ts';
import { type Agent, startAgent, startInternetAgent } from './support-traffic.ts';

let fabric: LinuxFabric;
let internet: Agent;
const agents: Agent[] = [];

async function agent(machine: string): Promise<Agent> {
  const started = await startAgent(machine);
  agents.push(started);
  return started;
}

/** Agents in the two machines `one` (10.n.1.10) and `two` (10.n.1.20), the second listening on port 80. */
async function pair(): Promise<[Agent, Agent]> {
  const [one, two] = await Promise.all([agent('one'), agent('two')]);
  await two.listen(80);
  return [one, two];
}

function twoPorts(change: Partial<NetworkSpec> = {}, second: Parameters<typeof port>[3] = {}): NetworkSpec {
  return network('net', 0, {
    ports: [port('net', 'one', '10.0.1.10', { ruleSets: ['net-open'] }), port('net', 'two', '10.0.1.20', second)],
    ...change,
  });
}

await insideNamespaces(import.meta.url, () => {
  beforeAll(async () => {
    fabric = await openLinuxFabric({ inside: readInside(process.env), openPorts: [443] });
    internet = startInternetAgent();
  });

  afterEach(async () => {
    await Promise.all(agents.splice(0).map((each) => each.stop()));
    for (const key of await fabric.networks()) await fabric.removeNetwork(key);
    for (const zone of ['a', 'b']) await fabric.setFault({ kind: 'zone', zone }, false);
    expect(await listNamespaces()).toEqual([]);
    expect([...(await readLinks(undefined)).keys()].filter((name) => /^[ng]\d/.test(name))).toEqual([]);
  });

  afterAll(async () => {
    await internet.stop();
    await fabric.close();
  });

  describe('rule sets', () => {
    const closed = { key: 'closed', ingress: [], egress: [] };

    test('a port without an allowing rule drops silently', async () => {
      const spec = twoPorts({ ruleSets: [...network('net', 0).ruleSets, closed] }, { ruleSets: ['closed'] });
      await fabric.ensureNetwork(spec);
      const [one] = await pair();
      expect(await one.connect('10.0.1.20', 80)).toBe('timeout');
      expect(await one.pings('10.0.1.20')).toBe(false);
    });

    test('an allowed port answers, a closed one refuses, another is dropped', async () => {
      const web = { key: 'web', ingress: [tcp(80), tcp(81)], egress: [] };
      await fabric.ensureNetwork(twoPorts({ ruleSets: [...network('net', 0).ruleSets, web] }, { ruleSets: ['web'] }));
      const [one, two] = await pair();
      expect(await one.connect('10.0.1.20', 80)).toBe('open 10.0.1.10');
      expect(await one.connect('10.0.1.20', 81)).toBe('refused');
      expect(await one.connect('10.0.1.20', 82)).toBe('timeout');
      expect(await one.pings('10.0.1.20')).toBe(false);
      await one.listen(90);
      expect(await two.connect('10.0.1.10', 90), 'no egress rule').toBe('timeout');
    });
  });

  test('public address both ways', async () => {
    await fabric.ensureNetwork(twoPorts({}, publicAddress('10.0.1.20', '198.18.1.20')));
    const [one, two] = await pair();
    expect(await internet.connect('198.18.1.20', 80)).toBe(`open ${hostAddress}`);
    await internet.listen(443);
    expect(await two.connect(hostAddress, 443)).toBe('open 198.18.1.20');
    expect(await two.connect(hostAddress, 444)).toBe('timeout');
    expect(await one.connect(hostAddress, 443), 'no public address').toBe('timeout');
    void allowAll;
  });
});
