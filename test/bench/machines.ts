/**
 * How fast machines come up, and what an idle one costs. Runs in namespaces of its own: the part inside is this same module, imported again there.
 */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { launchInside, readInside, superviseInside } from '../../src/machine/launch.ts';
import { openLinuxMachines } from '../../src/planes/machines/linux-machines.ts';
import type { Machines, MachineSpec } from '../../src/planes/machines/types.ts';

interface Measurement {
  name: string;
  value: number;
  unit: string;
}

const rounds = 10;
const crowd = 20;

/** Starts itself inside, and resolves with what was measured there. Throws where the kernel refuses. */
export async function bench(): Promise<Measurement[]> {
  const folder = await mkdtemp(join(tmpdir(), 'pilvi-bench-'));
  const output = join(folder, 'results.json');
  try {
    const program = `const { benchInside } = await import(${JSON.stringify(import.meta.url)}); await benchInside(${JSON.stringify(output)});`;
    const launched = await launchInside({ entry: ['--input-type=module', '--eval', program], sockets: [], env: process.env });
    if (launched.mode === 'none') throw new Error(launched.reason);
    await superviseInside(launched);
    return JSON.parse(await readFile(output, 'utf8')) as Measurement[];
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** The part inside: measures, and writes the numbers to `output`. */
export async function benchInside(output: string): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'pilvi-bench-machines-'));
  const results: Measurement[] = [];
  const add = (name: string, value: number, unit = 'ms'): void => void results.push({ name, value, unit });
  const [machines, openMillis] = await timed(() => openLinuxMachines({ folder, inside: readInside(process.env) }));
  if (machines.unavailable !== undefined) throw new Error(machines.unavailable);
  add('open the plane', openMillis);
  add('first machine of a data folder, image built meanwhile', (await timed(() => start(machines, machine('first'))))[1]);
  await measureOne(machines, add);
  await measureCrowd(machines, add);
  await machines.close();
  await rm(folder, { recursive: true, force: true });
  await writeFile(output, JSON.stringify(results));
}

type Add = (name: string, value: number, unit?: string) => void;

async function measureOne(machines: Machines, add: Add): Promise<void> {
  const times: Record<'up' | 'userData' | 'reboot' | 'stop' | 'exec', number[]> = {
    up: [],
    userData: [],
    reboot: [],
    stop: [],
    exec: [],
  };
  for (let round = 0; round < rounds; round++) {
    const spec = machine(`one-${round}`, { userData: Buffer.from('#!/bin/sh\ndate +%s%N > /root/started\n') });
    const began = Date.now();
    times.up.push((await timed(() => start(machines, spec)))[1]);
    times.userData.push((await userDataStart(machines, spec.key)) - began);
    times.exec.push((await timed(() => machines.exec(spec.key, ['true'])))[1]);
    times.reboot.push((await timed(() => start(machines, { ...spec, bootNumber: 2 })))[1]);
    times.stop.push((await timed(() => machines.ensureMachine({ ...spec, bootNumber: 2, running: false })))[1]);
    await machines.removeMachine(spec.key);
  }
  add('ensureMachine to init up, one, median', median(times.up));
  add('ensureMachine to user data running, one, median', median(times.userData));
  add('reboot, median', median(times.reboot));
  add('stop, median', median(times.stop));
  add('exec of true, median', median(times.exec));
}

async function measureCrowd(machines: Machines, add: Add): Promise<void> {
  const specs = Array.from({ length: crowd }, (_, index) => machine(`crowd-${index}`));
  const each = await Promise.all(specs.map(async (spec) => (await timed(() => start(machines, spec)))[1]));
  add(`${crowd} machines at once, all up (${availableParallelism()} processors)`, Math.max(...each));
  const idle = await Promise.all(
    specs.map(async ({ key }) => {
      while ((await machines.status(key))?.userDataDone === false) await new Promise((resolve) => setTimeout(resolve, 10));
      return ((await machines.status(key))?.memoryBytes ?? 0) / 1024 / 1024;
    }),
  );
  add('memory of an idle machine, median', median(idle), 'MiB');
  add(`${crowd} machines removed`, (await timed(() => Promise.all(specs.map(({ key }) => machines.removeMachine(key)))))[1]);
}

async function userDataStart(machines: Machines, key: string): Promise<number> {
  while ((await machines.status(key))?.userDataDone === false) await new Promise((resolve) => setTimeout(resolve, 5));
  const { stdout } = await machines.exec(key, ['cat', '/root/started']);
  return Number(Buffer.from(stdout).toString()) / 1e6;
}

async function start(machines: Machines, spec: MachineSpec): Promise<void> {
  const { state, reason } = await machines.ensureMachine(spec);
  if (state !== 'running') throw new Error(reason);
}

function machine(key: string, change: Partial<MachineSpec> = {}): MachineSpec {
  return {
    ...{ key, image: 'host', rootVolume: `vol-${key}`, hostname: key, vcpus: 1, memoryMiB: 512, running: true, bootNumber: 1 },
    ...{ user: 'ec2-user', authorizedKeys: [], ports: [] },
    ...change,
  };
}

async function timed<T>(action: () => Promise<T>): Promise<[T, number]> {
  const began = performance.now();
  const result = await action();
  return [result, performance.now() - began];
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[values.length >> 1] ?? 0;
}
