/** What sandboxes stand on: the folders of their root that are the same in each, and empty file systems for their /tmp. */
import { existsSync, statSync } from 'node:fs';
import { chmod, mkdir, readdir, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { runCommand, tryCommand } from '../../machine/command.ts';
import { clientFolder, hostLinks, packagesFolder } from './toolchains.ts';

/** User and group of the program in a sandbox. */
export interface SandboxIds {
  user: number;
  group: number;
}

/** Makes an empty file system of this size in a file, once; resolves with its path. */
export async function makeTemplate(folder: string, mebibytes: number, { user, group }: SandboxIds): Promise<string> {
  const file = `${folder}/${mebibytes}-${user}.ext4`;
  if ((await readdir(folder)).includes(`${mebibytes}-${user}.ext4`)) return file;
  const draft = `${file}.new`;
  await rm(draft, { force: true });
  const options = [
    '-q',
    '-O',
    '^has_journal',
    '-m',
    '0',
    '-i',
    '65536',
    '-E',
    `root_owner=${user}:${group},lazy_itable_init=1,nodiscard`,
  ];
  await runCommand(['mkfs.ext4', ...options, draft, `${mebibytes + 4}M`]);
  await runCommand(['debugfs', '-w', '-R', 'rmdir /lost+found', draft]);
  await rename(draft, file);
  return file;
}

/** The part of the root that is the same in every sandbox: mount points and the few files of a system. */
export async function buildRoot(folder: string, binds: ReadonlyMap<string, string>, ids: SandboxIds): Promise<void> {
  const root = `${folder}/root`;
  await rm(root, { recursive: true, force: true });
  for (const name of ['proc', 'dev', 'sys', 'tmp', 'opt', 'var/task', clientFolder.slice(1), 'var/lang', 'etc', 'run', 'dev/shm'])
    await mkdir(`${root}/${name}`, { recursive: true, mode: 0o755 });
  await chmod(`${root}/tmp`, 0o1777);
  const { user, group } = ids;
  await Promise.all([
    writeFile(
      `${root}/etc/passwd`,
      `root:x:0:0:root:/root:/sbin/nologin\nsbx_user1051:x:${user}:${group}::/home/sbx_user1051:/sbin/nologin\n`,
    ),
    writeFile(`${root}/etc/group`, `root:x:0:\nsbx_user1051:x:${group}:\n`),
    writeFile(`${root}/etc/hosts`, '127.0.0.1 localhost\n'),
    writeFile(`${root}/etc/nsswitch.conf`, 'passwd: files\ngroup: files\nhosts: files dns\n'),
    writeFile(`${root}/etc/resolv.conf`, ''),
  ]);
  for (const [name, target] of hostLinks()) await symlink(target, `${root}${name}`);
  // ES modules are looked for in folders above the code only.
  await symlink(packagesFolder, `${root}/node_modules`);
  // Mount points of what is shown: the runtime cannot make them in a root that nothing is written to.
  for (const [inside, outside] of binds) {
    const place = `${root}${inside}`;
    await mkdir(place.slice(0, place.lastIndexOf('/')), { recursive: true });
    if (statSync(outside).isDirectory()) await mkdir(place, { recursive: true });
    else if (!existsSync(place)) await writeFile(place, '');
  }
}

/** Why /tmp cannot be a disk of its own; undefined when it can. */
export async function probeDisk(folder: string, ids: SandboxIds): Promise<string | undefined> {
  try {
    const file = await makeTemplate(folder, 512, ids);
    const tried = await tryCommand(['unshare', '--mount', '--', 'mount', '-o', 'loop,ro,nosuid,nodev', file, '/mnt']);
    return tried.status === 0 ? undefined : `a disk cannot be mounted (${tried.stderr.trim()})`;
  } catch (error) {
    return (error as Error).message;
  }
}
