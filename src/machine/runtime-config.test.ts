import { expect, test } from 'vitest';
import { type ContainerSpec, planContainer } from './runtime-config.ts';

const spec: ContainerSpec = {
  hostname: 'a',
  argv: ['/bin/sh'],
  environment: { A: '1' },
  rootFolder: '/root-folder',
  trees: [{ destination: '/usr', type: 'overlay', source: 'root', options: [] }],
  binds: new Map([['/inside', '/outside']]),
  network: '/run/netns/m-a',
  sysctlFolders: ['kernel', 'net', 'vm'],
  openFilesGrant: 1000,
};

interface Config {
  process: { capabilities: { bounding: string[] }; rlimits: { soft: number; hard: number }[]; env: string[] };
  mounts: { destination: string; options: string[] }[];
  linux: { readonlyPaths: string[]; maskedPaths: string[]; resources?: Record<string, unknown>; cgroupsPath?: string };
}

const plan = (change: Partial<ContainerSpec> = {}) => planContainer({ ...spec, ...change }) as unknown as Config;

test('nothing that reaches the host’s kernel', () => {
  const { process, linux } = plan();
  for (const name of [
    'SYS_ADMIN',
    'SYS_BOOT',
    'SYS_MODULE',
    'SYS_TIME',
    'SYSLOG',
    'DAC_READ_SEARCH',
    'SYS_RAWIO',
    'BPF',
    'PERFMON',
  ]) {
    expect(process.capabilities.bounding).not.toContain(`CAP_${name}`);
  }
  expect(linux.readonlyPaths).toEqual(expect.arrayContaining(['/proc/sys/kernel', '/proc/sys/vm']));
  expect(linux.readonlyPaths).not.toContain('/proc/sys/net');
  expect(linux.maskedPaths).toEqual(expect.arrayContaining(['/proc/kcore', '/proc/sysrq-trigger', '/proc/keys']));
});

test('the rest of the root comes first, files shown inside come last and read-only', () => {
  const { mounts } = plan();
  expect(mounts[0]?.destination).toBe('/usr');
  expect(mounts.at(-1)).toMatchObject({ destination: '/inside', options: expect.arrayContaining(['bind', 'ro']) });
});

test('limits, or none at all', () => {
  expect(plan().linux.resources).toBeUndefined();
  const limits = { cgroup: '/pilvi/a', memoryBytes: 1024, cpuShares: 2048, swap: true };
  expect(plan({ limits: { ...limits, cpus: '0,1' } }).linux).toMatchObject({
    cgroupsPath: '/pilvi/a',
    resources: { memory: { limit: 1024, swap: 1024 }, cpu: { shares: 2048, cpus: '0,1' } },
  });
  expect(plan({ limits: { ...limits, swap: false, cpuPercent: 150 } }).linux.resources).toMatchObject({
    memory: { limit: 1024 },
    cpu: { shares: 2048, quota: 150_000, period: 100_000 },
  });
});

test('what this process may not grant is not asked for', () => {
  expect(plan().process.rlimits).toEqual([{ type: 'RLIMIT_NOFILE', soft: 1000, hard: 1000 }]);
  const terminals = (terminalGroup?: number) =>
    plan({ terminalGroup }).mounts.find((mount) => mount.destination === '/dev/pts')?.options;
  expect(terminals(5)).toContain('gid=5');
  expect(terminals()?.join()).not.toContain('gid');
});
