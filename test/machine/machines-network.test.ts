/** Machines on the fabric: a web server that user data starts answers from outside, and still does after a reboot. */
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { readInside } from '../../src/machine/launch.ts';
import { listNamespaces } from '../../src/machine/netns.ts';
import { type LinuxFabric, openLinuxFabric } from '../../src/planes/fabric/linux-fabric.ts';
import { openLinuxMachines } from '../../src/planes/machines/linux-machines.ts';
import type { Machines } from '../../src/planes/machines/types.ts';
import { eventually } from '../support/cloud.ts';
import { insideNamespaces } from './support-inside.ts';
import { booted, machine, script, sh } from './support-machines.ts';
import { network, port } from './support-network.ts';

let folder: string;
let fabric: LinuxFabric;
let machines: Machines;

const webPorts = [{ network: 'net', port: 'web-port', device: 'eth0' }];

/** What an HTTP GET from the internet answers; undefined while nothing does. */
async function get(url: string): Promise<string | undefined> {
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(500) });
    return await response.text();
  } catch {
    return undefined;
  }
}

await insideNamespaces(import.meta.url, () => {
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'pilvi-machines-'));
    const inside = readInside(process.env);
    [fabric, machines] = await Promise.all([openLinuxFabric({ inside }), openLinuxMachines({ folder, inside })]);
    await fabric.ensureNetwork(
      network('net', 0, {
        ports: [
          port('net', 'web', '10.0.1.10', { addresses: [{ private: '10.0.1.10', public: '198.18.7.10' }] }),
          port('net', 'client', '10.0.1.20'),
        ],
      }),
    );
    await machines.ensureMachine(machine('client', { ports: [{ network: 'net', port: 'client-port', device: 'eth0' }] }));
  });

  afterAll(async () => {
    for (const key of await machines.machines()) await machines.removeMachine(key);
    await fabric.removeNetwork('net');
    expect(await listNamespaces()).toEqual([]);
    await machines.close();
    await fabric.close();
    await rm(folder, { recursive: true, force: true });
  });

  test('a server that user data starts answers at the public address and inside', async () => {
    const userData = script('mkdir /srv/www', 'echo hello > /srv/www/index.html', 'cd /srv/www', 'python3 -m http.server 80 &');
    const spec = machine('web', { userData, ports: webPorts });
    await machines.ensureMachine(spec);
    await booted(machines, 'web');
    await eventually(async () => expect(await get('http://198.18.7.10/')).toBe('hello\n'), { why: 'the server answers' });
    const python = `python3 -c "import urllib.request as u; print(u.urlopen('http://10.0.1.10/', timeout=2).read().decode())"`;
    expect(await sh(machines, 'client', python)).toBe('hello');
    const before = await sh(machines, 'web', 'ip -br address show eth0');
    await machines.ensureMachine({ ...spec, bootNumber: 2 });
    await booted(machines, 'web');
    expect(await sh(machines, 'web', 'ip -br address show eth0'), 'the device and its address stay').toBe(before);
    expect(await get('http://198.18.7.10/'), 'processes do not survive a reboot').toBeUndefined();
    await sh(machines, 'web', 'cd /srv/www && (python3 -m http.server 80 > /dev/null 2>&1 &)');
    await eventually(async () => expect(await get('http://198.18.7.10/')).toBe('hello\n'), { why: 'it answers again' });
    await machines.removeMachine('web');
  });

  test('nginx runs as its package set it up', async (context) => {
    context.skip(!existsSync('/usr/sbin/nginx'), 'the host has no nginx');
    const userData = script('echo by nginx > /var/www/html/index.html', 'systemctl enable --now nginx');
    await machines.ensureMachine(machine('web', { rootVolume: 'vol-nginx', userData, ports: webPorts }));
    await booted(machines, 'web');
    await eventually(async () => expect(await get('http://198.18.7.10/')).toBe('by nginx\n'), { why: 'nginx answers' });
    expect((await sh(machines, 'web', 'ps -o user= -C nginx')).split('\n')).toContain('www-data');
    await sh(machines, 'web', 'systemctl reload nginx && systemctl is-active nginx');
    await sh(machines, 'web', 'systemctl stop nginx');
    expect(await get('http://198.18.7.10/')).toBeUndefined();
  });
});
