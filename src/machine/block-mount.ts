/**
 * Mounts of block devices in a machine's mount namespace, made from outside, because machines may not mount (CAP_SYS_ADMIN would reach the host).
 *
 * Nothing of the machine is trusted on the way. The program is the host's: `nsenter --root=/` enters the machine's mount namespace and keeps the
 * host's root, so the machine's own files are never run or loaded. The device is a node made for this one call in a /dev of its own, so neither a link nor a node made
 * inside can name another. The target is reached through /proc/PID/root; the kernel refuses any that is not in the machine's namespace, so a link that
 * leads out of the machine fails. Rejected: entering the machine and running its `mount`, and sharing mounts by propagation, which guests can cover.
 */
import { readFile } from 'node:fs/promises';
import { type CommandOutput, runCommand, tryCommand } from './command.ts';
import { parseMounts, type Mount } from './mount.ts';

export interface DeviceNode {
  /** Name below /dev under which the mount is listed, as `nvme1n1`. */
  name: string;
  /** As `7:5`. */
  number: string;
}

/** Kinds of file system that can be mounted: those whose kernel code is meant for disks. */
export const diskFileSystems: ReadonlySet<string> = new Set([
  'ext2',
  'ext3',
  'ext4',
  'xfs',
  'btrfs',
  'vfat',
  'iso9660',
  'squashfs',
]);

const timeoutMillis = 60_000;

/**
 * A /dev with the one node, in a mount namespace that ends with the call: the name is what /proc/mounts will show. The shell stays, because the namespace
 * lives as long as somebody is in it, and the program it starts may leave.
 */
const nodeScript =
  'mount -t tmpfs -o mode=755 pilvi /dev && mknod -m 600 "/dev/$1" b "$2" "$3" && mknod -m 666 /dev/null c 1 3 || exit 1; shift 3; "$@"';

function withNode({ name, number }: DeviceNode, argv: readonly string[]): string[] {
  const [major = '', minor = ''] = number.split(':');
  return ['unshare', '--mount', '--', 'sh', '-c', nodeScript, 'pilvi-node', name, major, minor, ...argv];
}

function inMachine(pid: number, argv: readonly string[]): string[] {
  return ['nsenter', `--mount=/proc/${pid}/ns/mnt`, '--root=/', '--wd=/', '--', ...argv];
}

/** Mounts a device in the machine whose init is `pid`, on a path of the machine. The output's status and words are those of mount(8). */
export async function mountInMachine(
  pid: number,
  node: DeviceNode,
  { type, options, target }: { type: string; options: readonly string[]; target: string },
): Promise<CommandOutput> {
  const mount = ['mount', '-i', '-n', '-c', '-t', type, '-o', [...options, 'nodev'].join(',')];
  const argv = withNode(node, inMachine(pid, [...mount, `/dev/${node.name}`, `/proc/${pid}/root${target}`]));
  return tellPaths(await tryCommand(argv, { timeoutMs: timeoutMillis }), pid);
}

/** Changes the options of what is mounted on a path of the machine. */
export async function remountInMachine(pid: number, options: readonly string[], target: string): Promise<CommandOutput> {
  const mount = ['mount', '-i', '-n', '-c', '-o', ['remount', ...options, 'nodev'].join(',')];
  return tellPaths(await tryCommand(inMachine(pid, [...mount, 'none', `/proc/${pid}/root${target}`])), pid);
}

/** A file system in memory, bounded by the machine's own memory. */
export async function mountMemoryInMachine(pid: number, options: readonly string[], target: string): Promise<CommandOutput> {
  const mount = ['mount', '-i', '-n', '-c', '-t', 'tmpfs', '-o', [...options, 'nodev', 'nosuid'].join(','), 'tmpfs'];
  return tellPaths(await tryCommand(inMachine(pid, [...mount, `/proc/${pid}/root${target}`])), pid);
}

/** Unmounts a path of the machine; `lazy` also what is in use. */
export async function unmountInMachine(pid: number, target: string, lazy: boolean): Promise<CommandOutput> {
  const umount = ['umount', '-i', '-n', '-c', ...(lazy ? ['-l'] : []), `/proc/${pid}/root${target}`];
  return tellPaths(await tryCommand(inMachine(pid, umount), { timeoutMs: timeoutMillis }), pid);
}

/** What is mounted in the machine, with the number of each device; paths as the machine sees them. */
export async function machineMounts(pid: number): Promise<(Mount & { number: string })[]> {
  const text = await readFile(`/proc/${pid}/mountinfo`, 'utf8').catch(() => '');
  return text.split('\n').flatMap((line) => parseMounts(line).map((mount) => ({ ...mount, number: line.split(' ')[2] ?? '' })));
}

/** Kind of the file system on a device, as `ext4`; undefined when there is none that is known. */
export async function fileSystemOf(device: string): Promise<string | undefined> {
  const { status, stdout } = await tryCommand(['blkid', '-p', '-o', 'value', '-s', 'TYPE', device]);
  return status === 0 ? stdout.trim() || undefined : undefined;
}

const growScript =
  'mount -t "$1" "/dev/$2" "$3" && case $1 in xfs) xfs_growfs "$3" ;; btrfs) btrfs filesystem resize max "$3" ;; *) resize2fs "/dev/$2" ;; esac';

/** Grows the mounted file system of a device to the device's size. `folder` is an empty folder of ours to mount it on for the time of the call. */
export async function growFileSystem(node: DeviceNode, type: string, folder: string): Promise<CommandOutput> {
  const argv = withNode(node, ['sh', '-c', growScript, 'pilvi-grow', type, node.name, folder]);
  return tryCommand(argv, { timeoutMs: timeoutMillis });
}

/** Makes an XFS on a device: mkfs.xfs sets the device's block size, which machines may not. `options` are checked by the caller. */
export async function makeXfs(node: DeviceNode, options: readonly string[]): Promise<CommandOutput> {
  return tryCommand(withNode(node, ['mkfs.xfs', ...options, `/dev/${node.name}`]), { timeoutMs: timeoutMillis });
}

const freezeScript =
  'mount -t "$1" "/dev/$2" "$3" && fsfreeze --freeze "$3" || exit 1; shift 3; "$@"; status=$?; fsfreeze --unfreeze "$0"; exit $status';

/**
 * Runs a program of the host while the mounted file system of a device is frozen: everything is on the device, and writers wait. The freeze is by a mount of our own
 * (the kernel shares one file system between mounts), never by a path of the machine. Throws `CommandFailed`; the file system is thawed in any case.
 */
export async function runFrozen(
  node: DeviceNode,
  type: string,
  folder: string,
  argv: readonly string[],
  timeoutMs: number,
): Promise<void> {
  const frozen = ['sh', '-c', freezeScript, folder, type, node.name, folder, ...argv];
  await runCommand(withNode(node, frozen), { timeoutMs });
}

/** Messages name the machine's paths, not ours. */
function tellPaths(output: CommandOutput, pid: number): CommandOutput {
  const tell = (text: string): string => text.replaceAll(`/proc/${pid}/root`, '');
  return { ...output, stdout: tell(output.stdout), stderr: tell(output.stderr) };
}
