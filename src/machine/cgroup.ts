/**
 * Control groups: which kind the host has, what a group uses, and removal of groups. The container runtime makes the groups of machines and sets
 * their limits; all lie under one parent folder named pilvi-…, so that whatever a crash left is found and removed by name.
 *
 * Both kinds exist in the field: one unified hierarchy (version 2), or one hierarchy for each controller (version 1, "hybrid" when a unified one
 * without controllers is mounted beside them). An ordinary user may write to neither; machines then run without limits, and say so.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { mkdir, readdir, rmdir, writeFile } from 'node:fs/promises';
import { setTimeout as pause } from 'node:timers/promises';
import { PilviError } from '../base/errors.ts';
import { listMounts, type Mount } from './mount.ts';

export type CgroupLayout =
  | {
      kind: 'v1';
      hierarchies: readonly string[];
      controllers: ReadonlyMap<string, string>;
      swapAccounting: boolean;
      /** A version 2 hierarchy without controllers beside them: the one that freezes. */
      unified?: string | undefined;
    }
  | { kind: 'v2'; hierarchies: readonly string[]; controllers: ReadonlySet<string> }
  | { kind: 'none'; reason: string };

/** What the processes of one group use and have used. */
export interface CgroupUsage {
  cpuMicros: number;
  memoryBytes: number;
  diskReadBytes: number;
  diskWriteBytes: number;
}

/** Where the memory of one group goes, in bytes; `oomKills` counts processes that the kernel killed because the group was full. */
export interface CgroupMemory {
  usedBytes: number;
  fileBytes: number;
  inactiveFileBytes: number;
  sharedBytes: number;
  oomKills: number;
}

const unifiedPath = '/sys/fs/cgroup';
const removeTriesMax = 60;
const removePauseMillis = 10;
const freezeTriesMax = 200;

/**
 * Finds out which control groups the host has and whether `parent` (one folder name) can be made in them. Leaves the parent in place, with
 * `memoryBytesMax` as the bound of all groups below it together: what runs out of memory then is one of them, never the host.
 */
export async function ensureCgroupParent(parent: string, memoryBytesMax: number): Promise<CgroupLayout> {
  const layout = planLayout(await listMounts(), (path) => readFileSync(path, 'utf8'));
  if (layout.kind === 'none') return layout;
  try {
    for (const hierarchy of layout.hierarchies) await mkdir(`${hierarchy}/${parent}`, { recursive: true });
    if (layout.kind === 'v2') await enableControllers(layout.controllers);
    const [memory, file] =
      layout.kind === 'v1' ? [layout.controllers.get('memory'), 'memory.limit_in_bytes'] : [unifiedPath, 'memory.max'];
    await writeFile(`${memory}/${parent}/${file}`, String(memoryBytesMax));
  } catch (error) {
    return { kind: 'none', reason: `control groups cannot be written (${(error as Error).message})` };
  }
  return layout;
}

/** Lets groups at the top of a unified hierarchy have the controllers that limits need; most are already let. */
async function enableControllers(available: ReadonlySet<string>): Promise<void> {
  for (const name of ['memory', 'cpu', 'cpuset', 'pids', 'io']) {
    if (available.has(name)) await writeFile(`${unifiedPath}/cgroup.subtree_control`, `+${name}`);
  }
}

/** Reads the layout off the mounts. `read` reads a file, for the list of controllers of a unified hierarchy. Pure otherwise. */
export function planLayout(mounts: readonly Mount[], read: (path: string) => string): CgroupLayout {
  if (mounts.some((mount) => mount.type === 'cgroup2' && mount.path === unifiedPath)) {
    const controllers = new Set(read(`${unifiedPath}/cgroup.controllers`).trim().split(' '));
    if (!controllers.has('memory')) return { kind: 'none', reason: 'the host delegates no memory controller' };
    return { kind: 'v2', hierarchies: [unifiedPath], controllers };
  }
  const controllers = new Map<string, string>();
  const hierarchies: string[] = [];
  const unified = mounts.find((mount) => mount.type === 'cgroup2')?.path;
  for (const mount of mounts) {
    if (mount.type === 'cgroup2') hierarchies.push(mount.path);
    if (mount.type !== 'cgroup') continue;
    hierarchies.push(mount.path);
    for (const option of mount.options) controllers.set(option, mount.path);
  }
  const memory = controllers.get('memory');
  if (memory === undefined) return { kind: 'none', reason: 'no control groups are mounted' };
  const swapAccounting = readOptional(read, `${memory}/memory.memsw.limit_in_bytes`) !== '';
  return { kind: 'v1', hierarchies, controllers, swapAccounting, unified };
}

/**
 * Removes a group and everything below it, in every hierarchy. `path` is relative, as `pilvi-x/m1`. The kernel lets go of a group a moment after
 * its last process, so a busy one is tried again for half a second; then throws `CommandFailed`. Safe to repeat.
 */
export async function removeCgroup(layout: CgroupLayout, path: string): Promise<void> {
  if (layout.kind === 'none') return;
  for (const hierarchy of layout.hierarchies) await removeFolder(`${hierarchy}/${path}`);
}

async function removeFolder(path: string): Promise<void> {
  for (let tries = 1; ; tries++) {
    try {
      await rmdir(path);
      return;
    } catch (error) {
      const code = (error as NodeJS.ErrnoException).code;
      if (code === 'ENOENT') return;
      if (code !== 'EBUSY' && code !== 'ENOTEMPTY') throw error;
      if (tries === removeTriesMax)
        throw new PilviError('CommandFailed', `The control group ${path} stays busy.`, { cause: error });
    }
    const children = await readdir(path, { withFileTypes: true }).catch(() => []);
    const groups = children.filter((entry) => entry.isDirectory());
    for (const group of groups) await removeFolder(`${path}/${group.name}`);
    if (groups.length === 0) await pause(removePauseMillis);
  }
}

/** Names of the groups directly below a relative path, in any hierarchy. */
export async function listCgroups(layout: CgroupLayout, path: string): Promise<string[]> {
  if (layout.kind === 'none') return [];
  const names = new Set<string>();
  for (const hierarchy of layout.hierarchies) {
    const entries = await readdir(`${hierarchy}/${path}`, { withFileTypes: true }).catch(() => []);
    for (const entry of entries) if (entry.isDirectory()) names.add(entry.name);
  }
  return [...names].sort();
}

/** Processes of a group whose memory is added up. */
const residentProcessesMax = 32;

/** What the group at a relative path uses; undefined when there is none, or no control groups at all. */
export function readCgroupUsage(layout: CgroupLayout, path: string): CgroupUsage | undefined {
  if (layout.kind === 'none') return undefined;
  try {
    return layout.kind === 'v1' ? readUsageV1(layout.controllers, path) : readUsageV2(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

function readUsageV1(controllers: ReadonlyMap<string, string>, path: string): CgroupUsage {
  const read = (controller: string, file: string): string => {
    const hierarchy = controllers.get(controller);
    return hierarchy === undefined ? '' : readFileSync(`${hierarchy}/${path}/${file}`, 'utf8');
  };
  const readBlkio = (file: string): string => read('blkio', file);
  const disk = sumDisk(readOptional(readBlkio, 'blkio.throttle.io_service_bytes'), /^\d+:\d+ (Read|Write) (\d+)$/gm);
  return {
    cpuMicros: Math.floor(Number(read('cpuacct', 'cpuacct.usage')) / 1000),
    memoryBytes: Number(read('memory', 'memory.usage_in_bytes')),
    ...disk,
  };
}

function readUsageV2(path: string): CgroupUsage {
  const read = (file: string): string => readFileSync(`${unifiedPath}/${path}/${file}`, 'utf8');
  return {
    cpuMicros: parseCounters(read('cpu.stat')).get('usage_usec') ?? 0,
    memoryBytes: Number(read('memory.current')),
    ...sumDisk(readOptional(read, 'io.stat'), /\b(rbytes|wbytes)=(\d+)/g),
  };
}

/** The text of a file that is there only when a controller is enabled for the group and built into the kernel; else empty. */
function readOptional(read: (file: string) => string, file: string): string {
  try {
    return read(file);
  } catch {
    return '';
  }
}

/** Adds up the bytes of all disks; the pattern's first group names the direction, the second the bytes. */
export function sumDisk(text: string, pattern: RegExp): { diskReadBytes: number; diskWriteBytes: number } {
  const sum = { diskReadBytes: 0, diskWriteBytes: 0 };
  for (const [, direction, bytes] of text.matchAll(pattern)) {
    if (direction === 'Read' || direction === 'rbytes') sum.diskReadBytes += Number(bytes);
    else sum.diskWriteBytes += Number(bytes);
  }
  return sum;
}

/** How a group's memory is used; undefined when there is no such group, or no control groups at all. */
export function readCgroupMemory(layout: CgroupLayout, path: string): CgroupMemory | undefined {
  if (layout.kind === 'none') return undefined;
  const folder = `${layout.kind === 'v1' ? layout.controllers.get('memory') : unifiedPath}/${path}`;
  const read = (file: string): string => readFileSync(`${folder}/${file}`, 'utf8');
  try {
    const stat = parseCounters(read('memory.stat'));
    const [usage, events, prefix, file] =
      layout.kind === 'v1'
        ? (['memory.usage_in_bytes', 'memory.oom_control', 'total_', 'cache'] as const)
        : (['memory.current', 'memory.events', '', 'file'] as const);
    return {
      usedBytes: Number(read(usage)),
      fileBytes: stat.get(`${prefix}${file}`) ?? 0,
      inactiveFileBytes: stat.get(`${prefix}inactive_file`) ?? 0,
      sharedBytes: stat.get(`${prefix}shmem`) ?? 0,
      oomKills: parseCounters(read(events)).get('oom_kill') ?? 0,
    };
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

/**
 * The most that the living processes of a group have had in memory, each by itself and shared pages with each, as its users count it; zero without
 * control groups. Of many processes only the first are looked at.
 */
export function readCgroupResident(layout: CgroupLayout, path: string): number {
  if (layout.kind === 'none') return 0;
  const folder = `${layout.kind === 'v1' ? layout.controllers.get('memory') : unifiedPath}/${path}`;
  const pids = readOptional((file) => readFileSync(file, 'utf8'), `${folder}/cgroup.procs`).split('\n');
  let kibibytes = 0;
  for (const pid of pids.slice(0, residentProcessesMax)) {
    if (pid === '') continue;
    const status = readOptional((file) => readFileSync(file, 'utf8'), `/proc/${pid}/status`);
    kibibytes += Number(/^VmHWM:\s+(\d+) kB$/m.exec(status)?.[1] ?? 0);
  }
  return kibibytes * 1024;
}

/** Reads lines of the form "name number". */
export function parseCounters(text: string): Map<string, number> {
  const counters = new Map<string, number>();
  for (const line of text.split('\n')) {
    const [name, number] = line.split(' ');
    if (name !== undefined && number !== undefined) counters.set(name, Number(number));
  }
  return counters;
}

/**
 * Why processes of a group cannot be made to stand still; undefined when they can. Version 1's own freezer is not used: what it froze cannot be killed, so it would
 * outlive a killed Pilvi.
 */
export function freezingUnavailable(layout: CgroupLayout): string | undefined {
  if (layout.kind === 'none') return layout.reason;
  return layout.kind === 'v1' && layout.unified === undefined ? 'no unified hierarchy of control groups is mounted' : undefined;
}

/** Microseconds in which a bounded group gets its share: short ones, so that a small share comes without long pauses. */
const processorPeriod = 20_000;

/** Bounds the processor time of a group, in hundredths of one processor. A group that is gone is nobody's to bound. */
export function limitProcessor(layout: CgroupLayout, path: string, percent: number): void {
  if (layout.kind === 'none') return;
  const quota = Math.max(1000, Math.round((processorPeriod * percent) / 100));
  if (layout.kind === 'v2') {
    writeControl(`${unifiedPath}/${path}/cpu.max`, `${quota} ${processorPeriod}`);
    return;
  }
  const folder = layout.controllers.get('cpu');
  if (folder === undefined) return;
  writeControl(`${folder}/${path}/cpu.cfs_period_us`, String(processorPeriod));
  writeControl(`${folder}/${path}/cpu.cfs_quota_us`, String(quota));
}

/** Stops all processes of a group where they are, memory kept; resolves when they stand still. Throws `CommandFailed` after two seconds. */
export async function freezeCgroup(layout: CgroupLayout, path: string): Promise<void> {
  const folder = `${freezerRoot(layout)}/${path}`;
  writeFileSync(`${folder}/cgroup.freeze`, '1');
  for (let tries = 0; parseCounters(readFileSync(`${folder}/cgroup.events`, 'utf8')).get('frozen') !== 1; tries++) {
    if (tries === freezeTriesMax) throw new PilviError('CommandFailed', `The processes of ${path} do not stand still.`);
    await pause(removePauseMillis);
  }
}

/** Asks the kernel to stop all processes of a group, and waits for nothing. What cannot be frozen here goes on. */
export function askToFreeze(layout: CgroupLayout, path: string): void {
  if (freezingUnavailable(layout) === undefined) writeControl(`${freezerRoot(layout)}/${path}/cgroup.freeze`, '1');
}

/** Lets the processes of a group go on. Safe to repeat. */
export function thawCgroup(layout: CgroupLayout, path: string): void {
  writeControl(`${freezerRoot(layout)}/${path}/cgroup.freeze`, '0');
}

function freezerRoot(layout: CgroupLayout): string {
  const reason = freezingUnavailable(layout);
  if (reason !== undefined) throw new PilviError('CommandFailed', `Processes cannot be frozen: ${reason}.`);
  return layout.kind === 'v1' ? (layout.unified as string) : unifiedPath;
}

/** The least that the kernel takes as a bound; a disk that is to stall gets it. */
const leastRate = 1;
const bypassed = new Set(['ENOENT', 'ENODEV', 'EINVAL']);

/**
 * Bounds what a group reads from and writes to one device (`7:5`), each direction for itself; undefined: no bound; zero: next to nothing. Without the
 * controller there is no bound. A group or device that is gone is nobody's to bound.
 */
export function limitDisk(
  layout: CgroupLayout,
  path: string,
  number: string,
  limits: { bytesPerSecond: number; operationsPerSecond: number } | undefined,
): void {
  if (layout.kind === 'none') return;
  const bytes = limits === undefined ? undefined : Math.max(leastRate, limits.bytesPerSecond);
  const operations = limits === undefined ? undefined : Math.max(leastRate, limits.operationsPerSecond);
  if (layout.kind === 'v2') {
    const [bps, iops] = [bytes ?? 'max', operations ?? 'max'];
    writeControl(`${unifiedPath}/${path}/io.max`, `${number} rbps=${bps} wbps=${bps} riops=${iops} wiops=${iops}`);
    return;
  }
  const folder = layout.controllers.get('blkio');
  if (folder === undefined) return;
  for (const way of ['read', 'write']) {
    writeControl(`${folder}/${path}/blkio.throttle.${way}_bps_device`, `${number} ${bytes ?? 0}`);
    writeControl(`${folder}/${path}/blkio.throttle.${way}_iops_device`, `${number} ${operations ?? 0}`);
  }
}

/**
 * Lets a group open a block device, or no longer. Unified hierarchies have no file for it; there the machine is kept to its own nodes by the want of
 * any other (planContainer).
 */
export function setDeviceAccess(layout: CgroupLayout, path: string, number: string, allowed: boolean): void {
  const folder = layout.kind === 'v1' ? layout.controllers.get('devices') : undefined;
  if (folder !== undefined) writeControl(`${folder}/${path}/devices.${allowed ? 'allow' : 'deny'}`, `b ${number} rwm`);
}

function writeControl(file: string, text: string): void {
  try {
    writeFileSync(file, text);
  } catch (error) {
    if (!bypassed.has((error as NodeJS.ErrnoException).code ?? '')) throw error;
  }
}
