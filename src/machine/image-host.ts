/**
 * The host image: a root file system made of the host's own userland, so that machines need no download. Programs and libraries (/usr, and /bin,
 * /lib … where they are real folders) are shown through overlays, read-only below; everything else (/etc, /var, homes) is built once into the data
 * folder from a list of what may be taken, and rebuilt when the host's packages or accounts change.
 *
 * Only what is listed is taken, never "all but": a secret in a place that nobody thought of stays out. Nothing is taken that holds a private key
 * or a URL with a password. Rejected: one overlay over the whole of /, which shows every new file of the host until somebody lists it.
 */
import { createHash } from 'node:crypto';
import type { Stats } from 'node:fs';
import { chmod, copyFile, lchown, lstat, mkdir, readdir, readFile, readlink, rm, symlink, writeFile } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { runCommand } from './command.ts';
import { treeName } from './image.ts';
import { planAccounts } from './image-accounts.ts';
import { isPristine, type PackageFiles, packageDatabase, readPackageFiles } from './image-packages.ts';

/** One overlay of a machine's root: where it is mounted, and the read-only folders below it, the topmost first. */
export interface HostTree {
  path: string;
  lower: readonly string[];
}

export interface HostImageOptions {
  /** Where built images are kept. */
  folder: string;
  /** Programs added to every machine: path below /usr/sbin or /usr/bin, as `/usr/sbin/poweroff`, to the text of the script. */
  tools: ReadonlyMap<string, string>;
  /** True inside a user namespace. */
  userNamespace: boolean;
}

/** Raised when this file builds something else from the same host. */
const recipeVersion = 2;
const programTrees = ['/usr', '/bin', '/sbin', '/lib', '/lib32', '/lib64', '/libx32'];
/** What a change of the host's userland or accounts shows in. */
const fingerprintPaths = [
  ...programTrees,
  ...words(`
    /etc/passwd /etc/group /etc/ld.so.cache /etc/alternatives /etc/os-release /etc/ssl/certs /etc/pki/ca-trust
    /usr/local /usr/local/etc /usr/bin /usr/sbin /var/lib/dpkg/status
  `),
];
/** Generated or public configuration that no package sum vouches for; folders with everything below them. All may be missing. */
const knownConfiguration = words(`
  /etc/alternatives /etc/ca-certificates /etc/ca-certificates.conf /etc/ssl/certs /etc/ssl/cert.pem /etc/ssl/openssl.cnf
  /etc/pki/tls/certs /etc/pki/tls/cert.pem /etc/pki/tls/openssl.cnf /etc/pki/ca-trust /etc/crypto-policies
  /etc/ld.so.cache /etc/ld.so.conf /etc/ld.so.conf.d /etc/protocols /etc/services /etc/rpc /etc/ethertypes /etc/mime.types
  /etc/shells /etc/login.defs /etc/pam.d /etc/terminfo /etc/inputrc /etc/locale.alias /etc/locale.conf
  /etc/os-release /etc/debian_version /etc/lsb-release /etc/alpine-release /etc/fedora-release /etc/redhat-release
  /etc/system-release /etc/arch-release /etc/nginx/sites-enabled /etc/nginx/modules-enabled
  /etc/apache2/mods-enabled /etc/apache2/conf-enabled /etc/apache2/sites-enabled
  /etc/apt/sources.list /etc/apt/sources.list.d /etc/apt/trusted.gpg.d
  /etc/rc0.d /etc/rc1.d /etc/rc2.d /etc/rc3.d /etc/rc4.d /etc/rc5.d /etc/rc6.d /etc/rcS.d
`);
/** Folders every Linux system has, with their permissions. */
const plainFolders: readonly (readonly [string, number])[] = [
  ...words(`
    /boot /dev /etc /home /media /mnt /opt /proc /run /srv /sys /usr /var /etc/ssh /etc/skel /etc/systemd /etc/systemd/system
    /var/backups /var/cache /var/lib /var/local /var/log /var/opt /var/spool /var/www /var/www/html
  `).map((path) => [path, 0o755] as const),
  ['/root', 0o700],
  ['/tmp', 0o1777],
  ['/var/tmp', 0o1777],
];
/** A private key, or a URL with a name or password in it. */
const secretPattern = /PRIVATE KEY|:\/\/[^/\s@]+@/;
/** Owner of files whose real owner has no number inside this user namespace, which is the real root nearly always. */
const unmappedId = 65534;

function words(text: string): string[] {
  return text.trim().split(/\s+/);
}

/** Builds the host image when there is none for the host as it is now, and removes older ones. No machine may run on an older one. */
export async function ensureHostImage(options: HostImageOptions): Promise<HostTree[]> {
  const name = await fingerprint(options);
  const built = `${options.folder}/${name}`;
  if ((await lstat(`${built}/complete`).catch(() => undefined)) === undefined) {
    await rm(built, { recursive: true, force: true });
    await build(built, options);
    await writeFile(`${built}/complete`, '');
  }
  for (const other of await readdir(options.folder)) {
    if (other !== name) await rm(`${options.folder}/${other}`, { recursive: true, force: true });
  }
  return listTrees(built);
}

async function listTrees(built: string): Promise<HostTree[]> {
  const trees: HostTree[] = [{ path: '/', lower: [`${built}/root`] }];
  for (const path of [...programTrees, packageDatabase]) {
    const stat = await lstat(path).catch(() => undefined);
    if (!stat?.isDirectory()) continue;
    const added = `${built}/${treeName(path)}`;
    const hasAdded = (await lstat(added).catch(() => undefined)) !== undefined;
    trees.push({ path, lower: hasAdded ? [added, path] : [path] });
  }
  return trees;
}

async function fingerprint({ tools, userNamespace }: HostImageOptions): Promise<string> {
  const hash = createHash('sha256').update(`${recipeVersion} ${userNamespace}\n`);
  for (const [path, text] of tools) hash.update(`${path}\n${text}\n`);
  for (const path of fingerprintPaths) {
    const stat = await lstat(path).catch(() => undefined);
    hash.update(`${path} ${stat?.mode} ${stat?.size} ${stat?.mtimeMs}\n`);
  }
  return hash.digest('hex').slice(0, 16);
}

async function build(built: string, { tools, userNamespace }: HostImageOptions): Promise<void> {
  const root = `${built}/root`;
  await mkdir(root, { recursive: true });
  for (const [path, mode] of plainFolders) await ensureFolder(root + path, mode);
  await linkPrograms(root);
  const packages = await readPackageFiles();
  await copyConfiguration(root, packages);
  await makeVariableFolders(root, packages);
  await writeOwnConfiguration(root);
  await writeTools(built, tools);
  await hideLocalSecrets(`${built}/usr`);
  if (userNamespace) for (const path of [...programTrees, packageDatabase]) await copyFolders(path, `${built}/${treeName(path)}`);
}

/**
 * Inside a user namespace the host's folders belong to nobody, and not even root may write to them. A folder of the same name above each, which is
 * this root's own, makes the two appear as one that can be written to (17 000 folders take 2 s and 67 MB, once).
 */
async function copyFolders(path: string, target: string): Promise<void> {
  const stat = await lstat(path).catch(() => undefined);
  if (!stat?.isDirectory()) return;
  const above = await lstat(target).catch(() => undefined);
  // The mark of a hidden folder stays.
  if (above?.isCharacterDevice()) return;
  if (above === undefined) await mkdir(target);
  await chmod(target, stat.mode & 0o7777);
  const entries = await readdir(path, { withFileTypes: true }).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'EACCES') return [];
    throw error;
  });
  const folders = entries.filter((entry) => entry.isDirectory());
  await Promise.all(folders.map(({ name }) => copyFolders(`${path}/${name}`, `${target}/${name}`)));
}

async function ensureFolder(path: string, mode: number): Promise<void> {
  await mkdir(path, { recursive: true });
  // mkdir is subject to the caller's umask.
  await chmod(path, mode);
}

/** Where the host has /bin and the like as links into /usr, machines have the same links; and mount points where it has folders. */
async function linkPrograms(root: string): Promise<void> {
  for (const path of programTrees.slice(1)) {
    const stat = await lstat(path).catch(() => undefined);
    if (stat?.isSymbolicLink()) await symlink(await readlink(path), root + path);
    else if (stat?.isDirectory()) await ensureFolder(root + path, 0o755);
  }
}

async function copyConfiguration(root: string, packages: PackageFiles | undefined): Promise<void> {
  for (const path of knownConfiguration) await copyKnown(root, path);
  for (const [path, sum] of packages?.configuration ?? []) {
    if (!path.startsWith('/etc/')) continue;
    const content = await readReadable(path);
    if (content !== undefined && isPristine(content, sum)) await copyPlainFile(root, path, await lstat(path));
  }
}

/** The bytes of a file; undefined when it is missing or, without the host's root rights, not readable. */
function readReadable(path: string): Promise<Buffer | undefined> {
  return readFile(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT' || error.code === 'EACCES') return undefined;
    throw error;
  });
}

async function copyKnown(root: string, path: string): Promise<void> {
  const stat = await lstat(path).catch(() => undefined);
  if (!stat?.isDirectory()) {
    if (stat !== undefined) await copyEntry(root, path);
    return;
  }
  await copyParents(root, `${path}/.`);
  for (const name of await readdir(path)) await copyKnown(root, `${path}/${name}`);
}

/** Copies one file or link with the folders above it. Leaves out what is neither, what points elsewhere, and what holds a secret. */
async function copyEntry(root: string, path: string): Promise<void> {
  const stat = await lstat(path);
  if (stat.isSymbolicLink()) {
    const target = await readlink(path);
    if (!/^\/(usr|etc|bin|lib|sbin|dev\/null)/.test(resolve(dirname(path), target))) return;
    await copyParents(root, path);
    await rm(root + path, { force: true });
    await symlink(target, root + path);
  } else if (stat.isFile()) {
    const content = await readReadable(path);
    if (content !== undefined && !secretPattern.test(content.toString('latin1'))) await copyPlainFile(root, path, stat);
  }
}

async function copyPlainFile(root: string, path: string, stat: Stats): Promise<void> {
  await copyParents(root, path);
  await copyFile(path, root + path);
  await copyRights(root + path, stat);
}

async function copyRights(path: string, stat: Stats): Promise<void> {
  if (stat.uid !== unmappedId) await lchown(path, stat.uid, stat.gid === unmappedId ? 0 : stat.gid);
  await chmod(path, stat.mode & 0o7777);
}

async function copyParents(root: string, path: string): Promise<void> {
  const parent = dirname(path);
  if (parent === '/' || (await lstat(root + parent).catch(() => undefined)) !== undefined) return;
  await copyParents(root, parent);
  await copyFolder(root, parent);
}

async function copyFolder(root: string, path: string): Promise<void> {
  await mkdir(root + path);
  await copyRights(root + path, await lstat(path));
}

/** Programs expect the empty folders below /var that came with them, and /etc folders they read snippets from. */
async function makeVariableFolders(root: string, packages: PackageFiles | undefined): Promise<void> {
  for (const path of packages?.folders ?? []) {
    const [host, made] = await Promise.all([lstat(path).catch(() => undefined), lstat(root + path).catch(() => undefined)]);
    if (made !== undefined) continue;
    if (host?.isSymbolicLink()) await symlink(await readlink(path), root + path);
    else if (host?.isDirectory()) await copyParents(root, `${path}/.`);
  }
  if (packages !== undefined) await ensureFolder(root + packageDatabase, 0o755);
  for (const [path, target] of [
    ['/var/run', '/run'],
    ['/var/lock', '/run/lock'],
  ] as const) {
    if ((await lstat(root + path).catch(() => undefined)) === undefined) await symlink(target, root + path);
  }
  await makeSnippetFolders(root, '/etc');
}

/** Empty folders beside files that were taken (conf.d and the like): a program that reads one must find it. */
async function makeSnippetFolders(root: string, path: string): Promise<void> {
  for (const entry of await readdir(path, { withFileTypes: true })) {
    if (!entry.isDirectory()) continue;
    const child = `${path}/${entry.name}`;
    const taken = (await lstat(root + child).catch(() => undefined)) !== undefined;
    if (taken) await makeSnippetFolders(root, child);
    else if (path !== '/etc' && (await readdir(child).catch(() => ['unreadable'])).length === 0) await copyFolder(root, child);
  }
}

/** What is the same on every machine, whatever the host says. */
async function writeOwnConfiguration(root: string): Promise<void> {
  const read = (path: string): Promise<string> => readFile(path, 'utf8').catch(() => '');
  const accounts = planAccounts(await read('/etc/passwd'), await read('/etc/group'));
  const files: readonly (readonly [string, string, number])[] = [
    ['/etc/passwd', accounts.passwd, 0o644],
    ['/etc/group', accounts.group, 0o644],
    ['/etc/shadow', accounts.shadow, 0o600],
    ['/etc/gshadow', accounts.gshadow, 0o600],
    ['/etc/hosts', '127.0.0.1 localhost\n::1 localhost ip6-localhost ip6-loopback\n', 0o644],
    ['/etc/resolv.conf', 'nameserver 169.254.169.253\noptions timeout:2 attempts:2\n', 0o644],
    [
      '/etc/nsswitch.conf',
      'passwd: files\ngroup: files\nshadow: files\nhosts: files dns\nservices: files\nprotocols: files\n',
      0o644,
    ],
    ['/etc/host.conf', 'multi on\n', 0o644],
    ['/etc/hostname', 'localhost\n', 0o644],
    ['/etc/machine-id', '', 0o444],
    ['/etc/fstab', '', 0o644],
    ['/etc/environment', '', 0o644],
    ['/etc/profile', profile, 0o644],
    ['/etc/timezone', 'Etc/UTC\n', 0o644],
    ['/etc/ssh/sshd_config', sshdConfiguration, 0o600],
  ];
  for (const [path, text, mode] of files) {
    await rm(root + path, { force: true });
    await writeFile(root + path, text);
    await chmod(root + path, mode);
  }
  for (const [path, target] of [
    ['/etc/localtime', '/usr/share/zoneinfo/Etc/UTC'],
    ['/etc/mtab', '/proc/self/mounts'],
  ] as const) {
    await rm(root + path, { force: true });
    await symlink(target, root + path);
  }
  await copyHome(root, '/root');
}

const profile = `PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
export PATH
if [ -n "\${PS1-}" ]; then
  PS1='$ '
  if [ -n "\${BASH-}" ]; then
    PS1='[\\u@\\h \\W]\\$ '
    if [ -f /etc/bash.bashrc ]; then . /etc/bash.bashrc; fi
  fi
fi
for script in /etc/profile.d/*.sh; do
  if [ -r "$script" ]; then . "$script"; fi
done
unset script
`;

const sshdConfiguration = `Include /etc/ssh/sshd_config.d/*.conf
# Keys only, as on every cloud image.
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin prohibit-password
UsePAM yes
PrintMotd no
AcceptEnv LANG LC_*
Subsystem sftp internal-sftp
`;

async function copyHome(root: string, home: string): Promise<void> {
  for (const name of ['.bashrc', '.profile', '.bash_profile']) {
    const skeleton = `${root}/etc/skel/${name}`;
    if ((await lstat(skeleton).catch(() => undefined))?.isFile()) await copyFile(skeleton, `${root}${home}/${name}`);
  }
}

async function writeTools(built: string, tools: ReadonlyMap<string, string>): Promise<void> {
  await ensureFolder(`${built}/usr`, 0o755);
  const merged = (await lstat('/sbin').catch(() => undefined))?.isSymbolicLink() !== false;
  for (const [path, text] of tools) {
    // Where /sbin is a folder of its own, the host's program there would be found instead.
    const targets = merged ? [path] : [path, path.replace(/^\/usr/, '')];
    for (const target of targets) {
      const [, tree = '', ...rest] = target.split('/');
      const isProgramTree = programTrees.includes(`/${tree}`);
      const file = isProgramTree ? `${built}/${tree}/${rest.join('/')}` : `${built}/root${target}`;
      if (isProgramTree) await ensureFolder(`${built}/${tree}`, 0o755);
      await mkdir(dirname(file), { recursive: true, mode: 0o755 });
      await writeFile(file, text);
      await chmod(file, 0o755);
    }
  }
}

/**
 * /usr/local is the owner's part of /usr: its configuration, and whatever there is not readable by everyone, is hidden from machines, whose root
 * could read it. The mark of a deleted file in an overlay is a device node with number 0/0, which any user may make.
 */
async function hideLocalSecrets(usr: string): Promise<void> {
  const hidden: string[] = [];
  await findHidden('/usr/local', hidden);
  for (const path of hidden) {
    const mark = usr + path.slice('/usr'.length);
    await mkdir(dirname(mark), { recursive: true, mode: 0o755 });
    await runCommand(['mknod', mark, 'c', '0', '0']);
  }
}

async function findHidden(path: string, hidden: string[]): Promise<void> {
  const stat = await lstat(path).catch(() => undefined);
  if (stat === undefined || stat.isSymbolicLink()) return;
  const isPublic = (stat.mode & 0o004) !== 0 && path !== '/usr/local/etc';
  if (!isPublic) hidden.push(path);
  else if (stat.isDirectory()) await Promise.all((await readdir(path)).map((name) => findHidden(`${path}/${name}`, hidden)));
}
