/**
 * What machines are to somebody who is not root: a program that machines-rootless.test.ts runs as such a user. It starts itself inside namespaces and
 * writes what it saw to the file named by its argument.
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { launchInside, readInside, superviseInside } from '../../src/machine/launch.ts';
import { openLinuxMachines } from '../../src/planes/machines/linux-machines.ts';
import { booted, consoleText, machine, script, sh } from './support-machines.ts';

export interface RootlessReport {
  /** Why the kernel refuses namespaces or machines. */
  refused?: string | undefined;
  states?: string[];
  who?: string;
  installed?: string;
  golden?: string;
  hostSecret?: number;
  console?: string;
}

const output = process.argv[2] as string;
const inside = readInside(process.env);
if (inside === undefined) {
  const launched = await launchInside({ entry: [process.argv[1] as string, output], sockets: [], env: process.env });
  if (launched.mode === 'none') await report({ refused: launched.reason });
  else process.exitCode = await superviseInside(launched);
} else {
  const folder = await mkdtemp(join(tmpdir(), 'pilvi-rootless-'));
  await report(await look(folder)).finally(() => rm(folder, { recursive: true, force: true }));
}

async function look(folder: string): Promise<RootlessReport> {
  const machines = await openLinuxMachines({ folder, inside });
  if (machines.unavailable !== undefined) return { refused: machines.unavailable };
  const spec = machine('a', { userData: script('id -un > /root/who', 'echo tool > /usr/share/misc/tool', 'rm /usr/bin/env') });
  const first = await machines.ensureMachine(spec);
  if (first.state !== 'running') throw new Error(first.reason);
  await booted(machines, 'a');
  const who = await sh(machines, 'a', 'cat /root/who');
  const installed = await sh(machines, 'a', 'cat /usr/share/misc/tool; ls /usr/bin/env 2>/dev/null || echo gone');
  const console = await consoleText(machines, 'a');
  const { status: hostSecret } = await machines.exec('a', ['ls', folder]);
  await machines.freeze('vol-a', 'golden');
  const stopped = await machines.ensureMachine({ ...spec, running: false });
  const second = await machines.ensureMachine(machine('b', { image: 'golden' }));
  const golden = await sh(machines, 'b', 'cat /usr/share/misc/tool');
  await machines.close();
  return { states: [first, stopped, second].map(({ state }) => state), who, installed, golden, hostSecret, console };
}

async function report(value: RootlessReport): Promise<void> {
  await writeFile(output, JSON.stringify(value));
}
