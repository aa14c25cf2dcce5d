/** The launcher on the real kernel: what is inside, what passes the border, and that nothing is left however it ends. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { capabilities } from '../../src/machine/capabilities.ts';
import { removeDeadRuns, runLives, runName } from '../../src/machine/launch-leftovers.ts';

const folder = mkdtempSync(join(tmpdir(), 'pilvi-launch-'));
const program = join(folder, 'program.mjs');
const isRoot = process.getuid?.() === 0;
const { namespaces } = await capabilities();
const running: ChildProcess[] = [];

interface Started {
  mode: string;
  reason?: string;
  port: number;
  listening?: boolean;
  processOne: number;
  run: string;
}

interface Running {
  child: ChildProcess;
  started: Started;
  lines: AsyncIterator<string>;
  ended: Promise<number>;
  ask<T>(path: string): Promise<T>;
}

/** Starts the program behind `prefix` and waits for its first line. */
async function start(...prefix: string[]): Promise<Running> {
  const [name = '', ...rest] = [...prefix, process.execPath, program];
  const child = spawn(name, rest, { stdio: ['ignore', 'pipe', 'inherit'], cwd: folder });
  running.push(child);
  const ended = new Promise<number>((resolve) => child.once('exit', (status) => resolve(status ?? -1)));
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const { value } = await lines.next();
  const started = JSON.parse(value as string) as Started;
  const ask = async <T>(path: string) => (await (await fetch(`http://127.0.0.1:${started.port}${path}`)).json()) as T;
  return { child, started, lines, ended, ask };
}

/** False for a zombie, too: the init of some containers does not reap what falls to it. */
function lives(pid: number): boolean {
  try {
    return !readFileSync(`/proc/${pid}/stat`, 'utf8').includes(') Z ');
  } catch {
    return false;
  }
}

/** What the launcher must never change on the host. */
function hostNetwork(): string {
  const show = (...words: string[]) => execFileSync('/sbin/ip', words).toString();
  return [
    show('-br', 'link'),
    show('route'),
    show('rule'),
    isRoot ? execFileSync('/usr/sbin/nft', ['list', 'ruleset']).toString() : '',
  ].join();
}

describe('launcher', () => {
  beforeEach((context) => context.skip(!namespaces.available, namespaces.reason));

  beforeAll(async () => {
    chmodSync(folder, 0o755);
    const entry = fileURLToPath(new URL('./support-launch.ts', import.meta.url));
    await build({ entryPoints: [entry], bundle: true, platform: 'node', format: 'esm', outfile: program, logLevel: 'warning' });
  });

  afterEach(() => {
    for (const child of running.splice(0)) child.kill('SIGKILL');
  });

  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  test('the inside has processes, network and /run of its own; the socket is the host’s; the host is not changed', async () => {
    const before = hostNetwork();
    const { child, started, ask, ended } = await start();
    const facts = await ask<{
      pid: number;
      parent: number;
      processes: number;
      interfaces: string[];
      run: string[];
      uid: number;
      inside: object;
    }>('/facts');
    expect(facts).toMatchObject({ parent: 1, processes: 2, interfaces: ['lo'], run: ['netns'], uid: 0 });
    expect(facts.inside).toEqual({ mode: started.mode, run: started.run, sockets: [4] });
    expect(await ask('/network')).toEqual({ between: 0, fromInternet: 0 });
    expect(hostNetwork()).toBe(before);
    child.kill('SIGTERM');
    expect(await ended, 'the status of the inside').toBe(7);
    await expect.poll(() => lives(started.processOne)).toBe(false);
    expect(hostNetwork()).toBe(before);
  });

  test('signals pass, once each', async () => {
    const { child, lines, ended, ask } = await start();
    await ask('/facts');
    child.kill('SIGINT');
    expect(JSON.parse((await lines.next()).value as string)).toEqual({ signal: 'SIGINT' });
    child.kill('SIGTERM');
    expect(await ended).toBe(7);
  });

  test('orphans are reaped', async () => {
    const { ask } = await start();
    const { pid } = await ask<{ pid: number }>('/orphan');
    expect(await ask('/processes')).toContain(pid);
    await expect.poll(() => ask('/processes'), { timeout: 5000 }).not.toContain(pid);
  });

  test('when the outer process is killed, everything inside dies', async () => {
    const { child, started, ask } = await start();
    await ask('/facts');
    expect(lives(started.processOne)).toBe(true);
    child.kill('SIGKILL');
    await expect.poll(() => lives(started.processOne)).toBe(false);
    await expect(fetch(`http://127.0.0.1:${started.port}/`)).rejects.toThrow();
  });

  test('when process 1 is killed, everything inside dies and the outer process ends', async () => {
    const { started, ended, ask } = await start();
    await ask('/facts');
    process.kill(started.processOne, 'SIGKILL');
    expect(await ended).not.toBe(0);
  });

  describe('as an ordinary user', () => {
    beforeEach((context) => context.skip(!isRoot, 'only root can become another user'));

    const asNobody = ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups'];

    test('networks work in a user namespace, and die with the outer process', async () => {
      const { child, started, ask } = await start(...asNobody);
      expect(started.mode).toBe('user');
      expect(await ask('/facts')).toMatchObject({ uid: 0, interfaces: ['lo'] });
      expect(await ask('/network')).toEqual({ between: 0, fromInternet: 0 });
      child.kill('SIGKILL');
      await expect.poll(() => lives(started.processOne)).toBe(false);
    });

    test('what the kernel refuses is said, and the sockets listen again', async () => {
      const refuse = [
        'unshare',
        '--user',
        '--map-root-user',
        'sh',
        '-c',
        'echo 0 >/proc/sys/user/max_net_namespaces; exec "$@"',
        'sh',
      ];
      const { started, ended } = await start(...asNobody, ...refuse);
      expect(started).toMatchObject({ mode: 'none', listening: true });
      expect(started.reason).toMatch(
        /^Namespaces cannot be made on this host \(root: .*unshare failed.*; user: .*unshare failed/,
      );
      expect(await ended).toBe(0);
    });
  });
});

describe('what a run leaves', () => {
  const parent = ['/sys/fs/cgroup/memory', '/sys/fs/cgroup'].find((path) => existsSync(path)) ?? '';

  test('a run is known by its process and when that started', () => {
    const name = runName(process.pid);
    expect(name).toMatch(/^pilvi-\d+-\d+$/);
    expect(runLives(name)).toBe(true);
    expect(runLives(`pilvi-${process.pid}-1`), 'a process of the same number, started at another time').toBe(false);
    expect(runLives('pilvi-x')).toBe(false);
  });

  test('control groups of dead runs are removed, those of live ones stay', async (context) => {
    context.skip(!isRoot || parent === '', 'this user may not make control groups');
    const dead = join(parent, `pilvi-${process.pid}-1`);
    const live = join(parent, runName(process.pid));
    mkdirSync(join(dead, 'machine', 'inner'), { recursive: true });
    mkdirSync(live, { recursive: true });
    try {
      expect(await removeDeadRuns()).toContain(dead);
      expect(readdirSync(parent)).not.toContain(dead.slice(parent.length + 1));
      expect(existsSync(live)).toBe(true);
    } finally {
      rmdirSync(live);
    }
  });
});
