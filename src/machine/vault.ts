/**
 * A file system whose files the kernel encrypts (fscrypt, AES-256-XTS; Documentation/filesystems/fscrypt.rst): the place of encrypted disks. It is an
 * ext4 in one sparse file, mounted in this process's own mount namespace; each folder has its own key, and without the key its files cannot be opened by anyone. Keys
 * live in the kernel, only while they are held. Rejected: device mapper (many kernels, as this one, come without), and encrypting in Node.js (a block
 * server in user space: a tenth of the speed).
 */
import { hkdfSync } from 'node:crypto';
import { mkdir, readdir, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { PilviError } from '../base/errors.ts';
import { findProgram, runCommand, tryCommand } from './command.ts';

/** Size of the file system, sparse: the bound is what the host's disk has. */
const vaultBytes = 2 * 1024 ** 4;
/** Least and most a host can ask of a key: 64 bytes serve every kernel. */
const keyBytes = 64;

export class Vault {
  readonly #folder: string;
  readonly #file: string;
  /** Identifiers of the keys held, with the number of holders. */
  readonly #held = new Map<string, number>();
  #last: Promise<unknown> = Promise.resolve();
  #mounted = false;

  /** `file` holds everything; `folder` is where it is mounted. Nothing is made before the first use. */
  constructor(file: string, folder: string) {
    this.#file = file;
    this.#folder = folder;
  }

  /** Path of the folder inside that has this name. */
  path(name: string): string {
    return `${this.#folder}/${name}`;
  }

  /**
   * Holds the key of a folder, which is made when it does not exist, so that its files can be used until `release`. Returns a handle for `release`. Throws
   * `CommandFailed` when the folder belongs to another key.
   */
  hold(name: string, secret: Uint8Array): Promise<string> {
    return this.#inTurn(async () => {
      await this.#mount();
      const key = new Uint8Array(hkdfSync('sha256', secret, '', 'pilvi volume', keyBytes));
      const added = await runCommand(['xfs_io', '-c', 'add_enckey', this.#folder], { input: key });
      const identifier = /identifier ([0-9a-f]{32})/.exec(added.stdout)?.[1];
      if (identifier === undefined) throw new PilviError('CommandFailed', `The kernel took no key: ${added.stdout.trim()}`);
      this.#held.set(identifier, (this.#held.get(identifier) ?? 0) + 1);
      try {
        await this.#ensureFolder(name, identifier);
      } catch (error) {
        await this.#drop(identifier);
        throw error;
      }
      return identifier;
    });
  }

  /** Lets a key go; with its last holder the kernel forgets it, and what was cached of its files. */
  release(identifier: string): Promise<void> {
    return this.#inTurn(() => this.#drop(identifier));
  }

  /** Names of the entries of a folder inside; none before the vault was ever used. */
  async list(name: string): Promise<string[]> {
    if (!(await this.#exists())) return [];
    return this.#inTurn(async () => {
      await this.#mount();
      return readdir(this.path(name)).catch(() => []);
    });
  }

  /** Deletes a folder; its key is not needed. Safe to repeat. */
  async remove(name: string): Promise<void> {
    if (!(await this.#exists())) return;
    await this.#inTurn(async () => {
      await this.#mount();
      await rm(this.path(name), { recursive: true, force: true });
    });
  }

  /** Unmounts. Files still in use keep it until they are closed. */
  async close(): Promise<void> {
    await this.#inTurn(async () => {
      if (this.#mounted) await tryCommand(['umount', '--lazy', this.#folder]);
      this.#mounted = false;
    });
  }

  async #drop(identifier: string): Promise<void> {
    const holders = (this.#held.get(identifier) ?? 1) - 1;
    if (holders > 0) {
      this.#held.set(identifier, holders);
      return;
    }
    this.#held.delete(identifier);
    await tryCommand(['xfs_io', '-c', `rm_enckey ${identifier}`, this.#folder]);
  }

  async #ensureFolder(name: string, identifier: string): Promise<void> {
    const folder = this.path(name);
    await mkdir(folder, { recursive: true, mode: 0o700 });
    // A folder without a policy is an error to the program.
    const found = await tryCommand(['xfs_io', '-c', 'get_encpolicy', folder]);
    const holder = /[0-9a-f]{32}/.exec(found.stdout)?.[0];
    if (holder === identifier) return;
    if (holder !== undefined) throw new PilviError('CommandFailed', `The disk ${name} is encrypted under another key.`);
    await runCommand(['xfs_io', '-c', `set_encpolicy -v 2 -c AES-256-XTS -n AES-256-CTS ${identifier}`, folder]);
  }

  async #exists(): Promise<boolean> {
    return this.#mounted || (await stat(this.#file).catch(() => undefined)) !== undefined;
  }

  async #mount(): Promise<void> {
    if (this.#mounted) return;
    await mkdir(this.#folder, { recursive: true, mode: 0o700 });
    if (!(await this.#exists())) await makeFileSystem(this.#file);
    await runCommand(['mount', '-t', 'ext4', '-o', 'loop,discard,nodev,nosuid', this.#file, this.#folder]);
    this.#mounted = true;
  }

  #inTurn<T>(action: () => Promise<T>): Promise<T> {
    const turn = this.#last.then(action, action);
    this.#last = turn.catch(() => {});
    return turn;
  }
}

async function makeFileSystem(file: string): Promise<void> {
  const partial = `${file}.partial`;
  await rm(partial, { force: true });
  await writeFile(partial, '', { mode: 0o600 });
  await truncate(partial, vaultBytes);
  const lazy = 'lazy_itable_init=1,lazy_journal_init=1,nodiscard';
  await runCommand(['mkfs.ext4', '-q', '-O', 'encrypt', '-E', lazy, '-m', '0', '-J', 'size=64', '-i', '67108864', partial]);
  await runCommand(['mv', partial, file]);
}

/** Why disks cannot be encrypted here; undefined when they can. */
export async function probeVault(): Promise<string | undefined> {
  for (const [program, debian] of [
    ['xfs_io', 'xfsprogs'],
    ['mkfs.ext4', 'e2fsprogs'],
  ] as const) {
    if (findProgram(program) === undefined) return `${program} is not installed (Debian and Ubuntu: apt install ${debian})`;
  }
  const features: readonly string[] = await readdir('/sys/fs/ext4/features').catch(() => []);
  return features.includes('encryption') ? undefined : 'the kernel has no file encryption in ext4 (CONFIG_FS_ENCRYPTION)';
}
