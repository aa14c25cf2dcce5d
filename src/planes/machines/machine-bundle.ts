/**
 * The folder a machine boots from: the runtime's configuration, the seed that its init reads, the pipe of its console, and the files shown in its
 * /proc. Made anew for each boot, removed after it; nothing in it outlives a run.
 *
 *   config.json        for the container runtime            console    named pipe, seen inside as /dev/console and as init's output
 *   root/              empty folder to mount on             view/      meminfo, cpuinfo, swaps, online: shown in /proc and /sys
 *   seed/              init and its words (guest-init.ts), readable by root only
 */
import { chmod, mkdir, rm, writeFile } from 'node:fs/promises';
import { runCommand } from '../../machine/command.ts';
import { treeName, type VolumeTree } from '../../machine/image.ts';
import type { HostTree } from '../../machine/image-host.ts';
import { machineNamespace, namespacePath } from '../../machine/netns.ts';
import { overlayOptions } from '../../machine/overlay.ts';
import { type ContainerLimits, planContainer } from '../../machine/runtime-config.ts';
import { diskLinks, writeDiskView } from './disk-view.ts';
import { initScript, seedFolder } from './guest-init.ts';
import { deskFolder } from './guest-mount.ts';
import type { MachineHost } from './machine-host.ts';
import { formatMemory, formatProcessors, swapsText } from './proc-view.ts';
import type { MachineSpec } from './types.ts';
import { planUserData } from './user-data.ts';

export interface Bundle {
  folder: string;
  /** Folder that the root is mounted on, and the options of that mount. */
  root: { folder: string; options: readonly string[] };
  /** Named pipe that the machine prints to. */
  console: string;
  /** File behind /proc/meminfo. */
  memoryView: string;
  /** What the machine's /proc/meminfo gives as its total. */
  memoryBytes: number;
  /** Folder shown as /sys/block. */
  blocks: string;
  /** Named pipes by which programs inside ask for mounts, and are answered. */
  desk: { ask: string; answer: string };
}

const pathInside = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

export interface BundleParts {
  host: MachineHost;
  spec: MachineSpec;
  /** The root's own tree first. */
  trees: readonly HostTree[];
  volume: ReadonlyMap<string, VolumeTree>;
  limits: ContainerLimits | undefined;
}

/** Writes the bundle into `folder`, which is emptied first. Throws `CommandFailed` when the image has too many layers. */
export async function writeBundle(folder: string, parts: BundleParts): Promise<Bundle> {
  const { host, spec, limits } = parts;
  await rm(folder, { recursive: true, force: true });
  for (const name of ['root', 'view']) await mkdir(`${folder}/${name}`, { recursive: true });
  const [rootTree, ...otherTrees] = parts.trees;
  const overlay = (tree: HostTree): string[] => planOverlay(tree, parts.volume, host.userNamespace);
  const bundle: Bundle = {
    folder,
    root: { folder: `${folder}/root`, options: overlay(rootTree as HostTree) },
    console: `${folder}/console`,
    memoryView: `${folder}/view/meminfo`,
    memoryBytes: Math.min(host.memoryBytes, spec.memoryMiB * 1024 * 1024),
    blocks: `${folder}/view/block`,
    desk: { ask: `${folder}/ask`, answer: `${folder}/answer` },
  };
  await mkdir(bundle.blocks);
  writeDiskView(bundle.blocks, spec.disks ?? []);
  const cpuCount = Math.min(spec.vcpus, host.cpus.length);
  const config = planContainer({
    hostname: spec.hostname,
    argv: ['/bin/sh', `${seedFolder}/init`],
    environment: { PATH: pathInside, ...spec.environment },
    rootFolder: bundle.root.folder,
    trees: otherTrees.map((tree) => ({
      destination: tree.path,
      type: 'overlay',
      source: treeName(tree.path),
      options: overlay(tree),
    })),
    binds: planBinds(bundle, limits !== undefined),
    network: namespacePath(machineNamespace(spec.key)),
    limits,
    sysctlFolders: host.sysctlFolders,
    terminalGroup: host.terminalGroup,
    openFilesGrant: host.openFilesMax,
    devices: (spec.disks ?? []).map(({ name, number }) => ({ path: `/dev/${name}`, number })),
  });
  await Promise.all([
    runCommand(['mkfifo', '-m', '600', bundle.console, bundle.desk.ask, bundle.desk.answer]),
    writeFile(`${folder}/config.json`, JSON.stringify(config)),
    writeFile(bundle.memoryView, formatMemory(bundle.memoryBytes, undefined)),
    writeFile(`${folder}/view/cpuinfo`, formatProcessors(host.processors, cpuCount)),
    writeFile(`${folder}/view/swaps`, swapsText),
    writeFile(`${folder}/view/online`, cpuCount === 1 ? '0\n' : `0-${cpuCount - 1}\n`),
    writeSeed(`${folder}/seed`, spec),
  ]);
  return bundle;
}

/** Paths of a root that a volume must have a writable layer for. */
export function treePaths(trees: readonly HostTree[]): string[] {
  return trees.map((tree) => tree.path);
}

function planOverlay(tree: HostTree, volume: BundleParts['volume'], userAttributes: boolean): string[] {
  const { frozen, upper, work } = volume.get(tree.path) as VolumeTree;
  return overlayOptions({ lower: [...frozen, ...tree.lower], upper, work, userAttributes });
}

/** Without limits the machine has the host's memory and processors, and is told so. */
function planBinds(bundle: Bundle, limited: boolean): Map<string, string> {
  const binds = new Map([
    [seedFolder, `${bundle.folder}/seed`],
    ['/dev/console', bundle.console],
    [`${deskFolder}/ask`, bundle.desk.ask],
    [`${deskFolder}/answer`, bundle.desk.answer],
    ['/sys/block', bundle.blocks],
  ]);
  if (!limited) return binds;
  for (const name of ['meminfo', 'cpuinfo', 'swaps']) binds.set(`/proc/${name}`, `${bundle.folder}/view/${name}`);
  binds.set('/sys/devices/system/cpu/online', `${bundle.folder}/view/online`);
  return binds;
}

/** resolv.conf(5); what a DHCP client would write. */
function resolverFile({ servers, search }: NonNullable<MachineSpec['resolver']>): string {
  const lines = [
    ...(search.length === 0 ? [] : [`search ${search.join(' ')}`]),
    ...servers.map((server) => `nameserver ${server}`),
  ];
  return lines.map((line) => `${line}\n`).join('');
}

async function writeSeed(folder: string, spec: MachineSpec): Promise<void> {
  await mkdir(folder, { mode: 0o700 });
  const plan = planUserData(spec.userData);
  const files = new Map<string, string | Uint8Array>([
    ['init', initScript],
    ['volume', `${spec.rootVolume}\n`],
    ['user', `${spec.user}\n`],
    ['hostname', `${spec.hostname}\n`],
    ['authorized-keys', spec.authorizedKeys.map((key) => `${key.trim()}\n`).join('')],
    ['links', diskLinks(spec.disks ?? [])],
    ['notes', plan.notes.map((note) => `[pilvi] ${note}\n`).join('')],
  ]);
  if (spec.resolver !== undefined) files.set('resolv.conf', resolverFile(spec.resolver));
  if (spec.userData !== undefined) files.set('user-data', spec.userData);
  if (spec.keysProgram !== undefined) files.set('keys-program', spec.keysProgram);
  for (const name of ['once', 'each-boot']) await mkdir(`${folder}/${name}`);
  for (const part of plan.parts) files.set(`${part.eachBoot ? 'each-boot' : 'once'}/${part.name}`, part.content);
  await Promise.all([...files].map(([name, content]) => writeFile(`${folder}/${name}`, content)));
  await chmod(folder, 0o700);
}
