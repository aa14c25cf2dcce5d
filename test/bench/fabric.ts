/**
 * How fast Pilvi gets into namespaces, makes networks, and carries traffic between ports. Runs in namespaces of its own: the part inside is this same
 * module, imported again there.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { capabilities } from '../../src/machine/capabilities.ts';
import { launchInside, readInside, superviseInside } from '../../src/machine/launch.ts';
import { inNamespace, machineNamespace } from '../../src/machine/netns.ts';
import { type LinuxFabric, openLinuxFabric } from '../../src/planes/fabric/linux-fabric.ts';
import { network, port, tcp } from '../machine/support-network.ts';

interface Measurement {
  name: string;
  value: number;
  unit: string;
}

const rounds = 8;
const crowd = 100;
const transferBytes = 2 ** 30;

/** Starts itself inside, and resolves with what was measured there. Throws where the kernel refuses. */
export async function bench(): Promise<Measurement[]> {
  const folder = await mkdtemp(join(tmpdir(), 'pilvi-bench-'));
  const output = join(folder, 'results.json');
  try {
    const program = `const { benchInside } = await import(${JSON.stringify(import.meta.url)}); await benchInside(${JSON.stringify(output)});`;
    const probing = await median(async () => void (await capabilities()));
    const began = performance.now();
    const launched = await launchInside({ entry: ['--input-type=module', '--eval', program], sockets: [], env: process.env });
    const ready = performance.now() - began;
    if (launched.mode === 'none') throw new Error(launched.reason);
    await superviseInside(launched);
    return [
      { name: 'find out what the host can do', value: probing, unit: 'ms' },
      { name: 'namespaces ready, before the inner Node starts', value: ready, unit: 'ms' },
      ...(JSON.parse(await readFile(output, 'utf8')) as Measurement[]),
    ];
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** The part inside: measures, and writes the numbers to `output`. */
export async function benchInside(output: string): Promise<void> {
  const results: Measurement[] = [];
  const add = (name: string, value: number, unit = 'ms'): void => void results.push({ name, value, unit });
  const began = performance.now();
  const fabric = await openLinuxFabric({ inside: readInside(process.env) });
  add('open the fabric', performance.now() - began);
  await measureNetworks(fabric, add);
  await measureTraffic(fabric, add);
  await writeFile(output, JSON.stringify(results));
}

type Add = (name: string, value: number, unit?: string) => void;

async function measureNetworks(fabric: LinuxFabric, add: Add): Promise<void> {
  const ports = (key: string, count: number, from = 0) =>
    Array.from({ length: count }, (_, index) => port(key, `${key}-${from + index}`, `10.0.1.${10 + from + index}`));
  let n = 0;
  const pair = async () => {
    n++;
    await fabric.ensureNetwork(network(`n${n}`, 0, { ports: ports(`n${n}`, 2) }));
  };
  add('network with 2 ports', await median(pair));
  add(
    'a third port',
    await median((round) => fabric.ensureNetwork(network(`n${round + 1}`, 0, { ports: ports(`n${round + 1}`, 3) }))),
  );
  add('remove a network of 3 ports', await median((round) => fabric.removeNetwork(`n${round + 1}`)));
  add(`network with ${crowd} ports`, await timed(() => fabric.ensureNetwork(network('big', 0, { ports: ports('big', crowd) }))));
  let size = crowd;
  add('one more port there', await median(() => fabric.ensureNetwork(network('big', 0, { ports: ports('big', ++size) }))));
  const final = network('big', 0, { ports: ports('big', size) });
  const withRule = (index: number) => ({ ...final, ruleSets: [{ key: 'big-open', ingress: [tcp(index + 1)], egress: [] }] });
  add('a rule changed there', await median((round) => fabric.ensureNetwork(withRule(round))));
  add('nothing changed there: look whether it is still so', await median(() => fabric.ensureNetwork(withRule(rounds - 1))));
  add('counters of its ports', await median(async () => void (await fabric.portStatus('big'))));
  add(`remove it`, await timed(() => fabric.removeNetwork('big')));
}

/** One gigabyte between two ports of a network, across its firewall, with Node at both ends; and how long a connection takes. */
async function measureTraffic(fabric: LinuxFabric, add: Add): Promise<void> {
  const narrow = [{ key: 'net-open', ingress: [tcp(9000, { cidr: '10.0.0.0/16' })], egress: [tcp(9000)] }];
  for (const [what, ruleSets] of [
    ['tracked', narrow],
    ['untracked', network('net', 0).ruleSets],
  ] as const) {
    const ports = [port('net', 'one', '10.0.1.10'), port('net', 'two', '10.0.1.20')];
    await fabric.ensureNetwork(network('net', 0, { ports, ruleSets }));
    add(`transfer between two ports, flow ${what}`, await transfer(), 'MB/s');
  }
  await fabric.removeNetwork('net');
}

async function transfer(): Promise<number> {
  const sink = node(
    'two',
    `let n = 0; require('net').createServer((s) => s.on('data', (d) => (n += d.length)).on('end', () => s.end(String(n)))).listen(9000, () => console.log('up'));`,
  );
  await new Promise((resolve) => sink.stdout!.once('data', resolve));
  const source = node(
    'one',
    `const s = require('net').connect(9000, '10.0.1.20'); const chunk = Buffer.alloc(1 << 20); let left = ${transferBytes / 2 ** 20};
    const began = performance.now(); const send = () => { while (left-- > 0) if (!s.write(chunk)) return s.once('drain', send); s.end(); };
    s.on('connect', send).on('data', (d) => console.log(Number(d) / (performance.now() - began) / 1000));`,
  );
  let text = '';
  source.stdout!.on('data', (data) => (text += String(data)));
  await new Promise((resolve) => source.once('close', resolve));
  sink.kill();
  return Number(text);
}

function node(machine: string, script: string): ChildProcess {
  const [program = '', ...rest] = inNamespace(machineNamespace(machine), [process.execPath, '--eval', script]);
  return spawn(program, rest, { stdio: ['ignore', 'pipe', 'inherit'] });
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const began = performance.now();
  await work();
  return performance.now() - began;
}

async function median(work: (round: number) => Promise<unknown>): Promise<number> {
  const times: number[] = [];
  for (let round = 0; round < rounds; round++) times.push(await timed(() => work(round)));
  return times.sort((a, b) => a - b)[Math.floor(rounds / 2)]!;
}
