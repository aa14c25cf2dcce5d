/**
 * A fabric on the real kernel for one test file, inside namespaces: opened before the tests, emptied after each, which also checks that nothing is
 * left. Agents started through it end with the test.
 */
import { afterAll, afterEach, beforeAll, expect } from 'vitest';
import { readInside } from '../../src/machine/launch.ts';
import { readLinks } from '../../src/machine/link.ts';
import { listNamespaces } from '../../src/machine/netns.ts';
import { readRoutes } from '../../src/machine/route.ts';
import { type LinuxFabric, openLinuxFabric } from '../../src/planes/fabric/linux-fabric.ts';
import { type Agent, startAgent, startInternetAgent } from './support-traffic.ts';

export interface Lab {
  readonly fabric: LinuxFabric;
  /** On the internet: where Pilvi itself runs. */
  readonly internet: Agent;
  /** An agent in each named machine. */
  agents<Names extends readonly string[]>(...machines: Names): Promise<{ [Index in keyof Names]: Agent }>;
}

/** TCP ports of the platform's own internet address that machines may connect to. */
export const openPort = 443;

/** Registers the hooks. To be called at the top of what `insideNamespaces` defines. */
export function useLab(): Lab {
  const running: Agent[] = [];
  const lab: { fabric?: LinuxFabric; internet?: Agent } = {};

  beforeAll(async () => {
    lab.fabric = await openLinuxFabric({ inside: readInside(process.env), openPorts: [openPort] });
    lab.internet = startInternetAgent();
    await lab.internet.listen(openPort);
  });

  afterEach(async () => {
    const fabric = lab.fabric!;
    await Promise.all(running.splice(0).map((agent) => agent.stop()));
    for (const key of await fabric.networks()) await fabric.removeNetwork(key);
    expect(await listNamespaces()).toEqual([]);
    expect([...(await readLinks(undefined)).keys()].filter((name) => /^[ngx]\d/.test(name))).toEqual([]);
    const { routes } = await readRoutes(undefined);
    expect([...routes].filter((route) => route.startsWith('main ')).sort()).toEqual(['main 100.64.0.0/10', 'main 198.18.0.0/15']);
  });

  afterAll(async () => {
    await lab.internet?.stop();
    await lab.fabric?.close();
  });

  return {
    get fabric() {
      return lab.fabric!;
    },
    get internet() {
      return lab.internet!;
    },
    async agents(...machines) {
      const started = await Promise.all(machines.map(startAgent));
      running.push(...started);
      return started as { [Index in keyof typeof machines]: Agent };
    },
  };
}
