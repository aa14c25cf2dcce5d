/** What this host can give machines: found out once when the plane starts. */
import { readdir, readFile } from 'node:fs/promises';
import { totalmem } from 'node:os';
import { type CgroupLayout, ensureCgroupParent } from '../../machine/cgroup.ts';
import type { ContainerLimits } from '../../machine/runtime-config.ts';
import { chooseCpus, parseCpuList } from './proc-view.ts';

export interface MachineHost {
  cgroups: CgroupLayout;
  /** Name of the folder, in every hierarchy of control groups, that holds the groups of all machines. */
  cgroupParent: string;
  /** True when this process is root only of a user namespace. */
  userNamespace: boolean;
  terminalGroup: number | undefined;
  sysctlFolders: readonly string[];
  /** Numbers of the processors that this process may use. */
  cpus: readonly number[];
  memoryBytes: number;
  /** Hard limit of open files of this process, which it can pass on but not raise. */
  openFilesMax: number;
  /** Text of /proc/cpuinfo. */
  processors: string;
}

/** Share of the host's memory that all machines together may take; the rest is for Pilvi and its user. */
const machinesMemoryShare = 0.8;
const terminalGroup = 5;
const wholeRange = /^\s*0\s+0\s+4294967295\s*$/;
const sharesPerProcessor = 1024;
/** The most that a control group takes. */
const sharesMax = 262_144;

/** Looks at the host. Makes the folder for control groups where that is allowed. */
export async function readMachineHost(cgroupParent: string): Promise<MachineHost> {
  const read = (path: string): Promise<string> => readFile(path, 'utf8');
  const [cgroups, userMap, groupMap, sysctlFolders, status, rlimits, processors] = await Promise.all([
    ensureCgroupParent(cgroupParent, Math.floor(totalmem() * machinesMemoryShare)),
    read('/proc/self/uid_map'),
    read('/proc/self/gid_map'),
    readdir('/proc/sys'),
    read('/proc/self/status'),
    read('/proc/self/limits'),
    read('/proc/cpuinfo'),
  ]);
  return {
    cgroups,
    cgroupParent,
    userNamespace: !wholeRange.test(userMap),
    terminalGroup: holdsId(groupMap, terminalGroup) ? terminalGroup : undefined,
    sysctlFolders,
    cpus: parseCpuList(/^Cpus_allowed_list:\s*(\S+)$/m.exec(status)?.[1] ?? '0'),
    memoryBytes: totalmem(),
    openFilesMax: Number(/^Max open files\s+\S+\s+(\d+)/m.exec(rlimits)?.[1] ?? Number.MAX_SAFE_INTEGER),
    processors,
  };
}

/** True when a map of ids (user_namespaces(7), "/proc/pid/uid_map") gives the inside number a meaning. */
export function holdsId(map: string, id: number): boolean {
  return map.split('\n').some((line) => {
    const [inside, , count] = line.trim().split(/\s+/).map(Number) as [number, number?, number?];
    return count !== undefined && id >= inside && id < inside + count;
  });
}

/** Path of a machine's control group below the hierarchies. */
export function machineCgroup(host: MachineHost, key: string): string {
  return `${host.cgroupParent}/${key}`;
}

/**
 * Limits of one machine; undefined where the host has no control groups to hold them. Processors are pinned where that is possible, because then
 * nproc inside agrees; `used` holds the processors of the machines that run. A machine cannot get more processors than the host has.
 */
export function planLimits(
  host: MachineHost,
  key: string,
  size: { vcpus: number; memoryMiB: number },
  used: readonly number[],
): { limits: ContainerLimits | undefined; cpus: readonly number[] } {
  const wanted = Math.min(size.vcpus, host.cpus.length);
  if (host.cgroups.kind === 'none') return { limits: undefined, cpus: [] };
  const canPin = host.cgroups.controllers.has('cpuset');
  const cpus = canPin ? chooseCpus(host.cpus, used, wanted) : [];
  return {
    cpus,
    limits: {
      cgroup: `/${machineCgroup(host, key)}`,
      memoryBytes: size.memoryMiB * 1024 * 1024,
      cpuShares: Math.min(size.vcpus * sharesPerProcessor, sharesMax),
      swap: hasSwapLimit(host.cgroups),
      ...(canPin ? { cpus: cpus.join(',') } : { cpuPercent: wanted * 100 }),
    },
  };
}

/** A version 1 hierarchy can be built without swap accounting; then setting the bound fails. */
function hasSwapLimit(layout: Exclude<CgroupLayout, { kind: 'none' }>): boolean {
  return layout.kind === 'v2' || layout.swapAccounting;
}
