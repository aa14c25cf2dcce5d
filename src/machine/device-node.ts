/**
 * Device nodes in a machine that runs, made from outside. The machine's /dev is entered with the host's root kept (block-mount.ts tells why), and the work is
 * done relative to it, so that links made inside lead nowhere.
 */
import { runCommand } from './command.ts';

/** In /dev of the machine: the node, then the links, each with its folders. Names come from the plane, not from the machine. */
const writeScript = `
rm -f "$1" && mknod -m 660 "$1" b "$2" "$3" || exit 1
shift 3
while [ $# -gt 1 ]; do
  case $1 in */*) mkdir -p "\${1%/*}" ;; esac
  ln -sfn "$2" "$1" || exit 1
  shift 2
done`;

function inDev(pid: number, argv: readonly string[]): string[] {
  return ['nsenter', `--mount=/proc/${pid}/ns/mnt`, '--root=/', `--wd=/proc/${pid}/root/dev`, '--', ...argv];
}

/** Makes a block device and links to it below /dev of the machine whose init is `pid`. Idempotent. Throws `CommandFailed`. */
export async function writeMachineDevice(
  pid: number,
  name: string,
  number: string,
  links: readonly { link: string; target: string }[],
): Promise<void> {
  const [major = '', minor = ''] = number.split(':');
  const pairs = links.flatMap(({ link, target }) => [link, target]);
  await runCommand(inDev(pid, ['sh', '-c', writeScript, 'pilvi-node', name, major, minor, ...pairs]));
}

/** Removes names below /dev of the machine. Idempotent. */
export async function removeMachineDevice(pid: number, names: readonly string[]): Promise<void> {
  await runCommand(inDev(pid, ['rm', '-f', '--', ...names]));
}
