/**
 * Loop devices: files of the host shown as block devices. They belong to the host and to no namespace, so they outlive a killed run; what is left is
 * known by the path of the file behind it (`detachLoopsOf`). Driven by losetup, because Node.js has no ioctl.
 */
import { readFileSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { CommandFailure, findProgram, runCommand, tryCommand } from './command.ts';

export interface LoopDevice {
  /** As `/dev/loop5`. */
  path: string;
  /** Major and minor number, as `7:5`. */
  number: string;
  /** The file behind it; ends with ` (deleted)` once that is gone. */
  file: string;
}

/** Folder in every path of a file behind a device of ours, so that devices whose file and run are gone are told from the user's own. */
export const loopFolderName = 'pilvi-disks';

const deletedMark = ' (deleted)';

/** Why loop devices cannot be used here; undefined when they can. `file` is an existing file of at least 512 bytes to try with. */
export async function probeLoop(file: string): Promise<string | undefined> {
  if (findProgram('losetup') === undefined) return 'losetup is not installed (Debian and Ubuntu: apt install mount)';
  try {
    await detachLoop((await attachLoop(file, { direct: false })).path);
    return undefined;
  } catch (error) {
    const { cause, message } = error as Error;
    return `loop devices are refused: ${(cause instanceof CommandFailure ? cause.stderr.trim() : message) || message}`;
  }
}

/**
 * Shows a file as a block device. `direct`: past the host's page cache where the file system can, so that speed is the disk's and memory is not
 * used twice. Throws `CommandFailed`.
 */
export async function attachLoop(file: string, { direct }: { direct: boolean }): Promise<LoopDevice> {
  const path = (await runCommand(['losetup', '--find', '--show', file])).stdout.trim();
  // A file system without direct reads and writes keeps the cache; nothing but speed depends on it.
  if (direct) await tryCommand(['losetup', '--direct-io=on', path]);
  return { path, number: deviceNumber(path), file };
}

/** Takes a device off its file; one still mounted somewhere goes with the last mount. Safe to repeat. */
export async function detachLoop(path: string): Promise<void> {
  const output = await tryCommand(['losetup', '--detach', path]);
  if (output.status !== 0 && (await backingFile(path)) !== undefined) await runCommand(['losetup', '--detach', path]);
}

/** Makes the device as large as its file has become. */
export async function growLoop(path: string): Promise<void> {
  await runCommand(['losetup', '--set-capacity', path]);
}

/** Every loop device of the host that has a file behind it. */
async function listLoops(): Promise<LoopDevice[]> {
  const loops: LoopDevice[] = [];
  for (const name of await readdir('/sys/block').catch(() => [])) {
    if (!name.startsWith('loop')) continue;
    const file = await backingFile(`/dev/${name}`);
    if (file !== undefined) loops.push({ path: `/dev/${name}`, number: deviceNumber(`/dev/${name}`), file });
  }
  return loops;
}

/** Detaches what earlier runs left: devices of files in this folder, and those of ours whose file is gone. */
export async function detachLoopsOf(folder: string): Promise<void> {
  for (const { path, file } of await listLoops()) {
    const orphaned = file.endsWith(deletedMark) && file.includes(`/${loopFolderName}/`);
    if (file.startsWith(`${folder}/`) || orphaned) await detachLoop(path);
  }
}

/** Writes what file systems on the device hold in memory to it, mounted or not. */
export async function flushDevice(path: string): Promise<void> {
  await runCommand(['blockdev', '--flushbufs', path]);
}

function deviceNumber(path: string): string {
  return readFileSync(`/sys/block/${path.slice('/dev/'.length)}/dev`, 'utf8').trim();
}

async function backingFile(path: string): Promise<string | undefined> {
  const text = await readFile(`/sys/block/${path.slice('/dev/'.length)}/loop/backing_file`, 'utf8').catch(() => undefined);
  return text?.trimEnd();
}
