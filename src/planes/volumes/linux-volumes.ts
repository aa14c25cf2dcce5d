/**
 * Disks as sparse files on loop devices. A disk or copy is one file in a folder of its own:
 *
 *     pilvi-disks/plain/{disks,copies}/KEY/bytes        as they are
 *     pilvi-disks/vault/{disks,copies}/KEY/bytes        encrypted, each folder under its own key (src/machine/vault.ts); all of it is in pilvi-disks/vault.ext4
 *
 * A copy shares blocks where the file system can (XFS, Btrfs) and else copies what is not empty. It is written beside its place and renamed, so it exists whole
 * or not at all. Rejected: a pool with copy-on-write inside a file (a second file system below every write: a third of the speed).
 */
import { mkdir, open, readdir, rename, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { PilviError } from '../../base/errors.ts';
import { fileSystemOf, runFrozen } from '../../machine/block-mount.ts';
import { runCommand } from '../../machine/command.ts';
import {
  attachLoop,
  detachLoop,
  detachLoopsOf,
  flushDevice,
  growLoop,
  type LoopDevice,
  loopFolderName,
  probeLoop,
} from '../../machine/loop.ts';
import { probeVault, Vault } from '../../machine/vault.ts';
import { KeyedTurns } from '../machines/turns.ts';
import { AbsentVolumes } from './absent-volumes.ts';
import type { CopyName, DiskSecret, DiskSpec, OpenDisk, Volumes } from './types.ts';

const copyTimeoutMillis = 1_800_000;
const namePattern = /^[a-z0-9-]{1,64}$/;

type Kind = 'disks' | 'copies';

interface Entry {
  loop: LoopDevice;
  /** Handle of the held secret. */
  held?: string | undefined;
}

/** Tells whether a machine has the device mounted: then a copy needs the file system's help to be whole. */
export type MountedView = (number: string) => Promise<boolean>;

class LinuxVolumes implements Volumes {
  readonly unavailable: undefined;
  readonly encryptionUnavailable: string | undefined;
  readonly #folder: string;
  readonly #vault: Vault;
  readonly #open = new Map<string, Entry>();
  readonly #turns = new KeyedTurns();
  readonly #mounted: MountedView;

  /** Only for `openLinuxVolumes`. */
  constructor(folder: string, encryptionUnavailable: string | undefined, mounted: MountedView) {
    this.#folder = folder;
    this.encryptionUnavailable = encryptionUnavailable;
    this.#vault = new Vault(`${folder}/vault.ext4`, `${folder}/vault`);
    this.#mounted = mounted;
  }

  ensureDisk(spec: DiskSpec): Promise<void> {
    return this.#turns.run(spec.key, () => this.#withFolder('disks', spec.key, spec.secret, (path) => this.#ensure(path, spec)));
  }

  openDisk(spec: DiskSpec, { quick = false }: { quick?: boolean } = {}): Promise<OpenDisk> {
    return this.#turns.run(spec.key, async () => {
      const known = this.#open.get(spec.key);
      if (known !== undefined) return describe(spec.key, known);
      const { folder, held } = await this.#hold('disks', spec.key, spec.secret);
      try {
        await this.#ensure(`${folder}/bytes`, spec);
        const entry = { loop: await attachLoop(`${folder}/bytes`, { direct: !quick }), held };
        this.#open.set(spec.key, entry);
        return describe(spec.key, entry);
      } catch (error) {
        if (held !== undefined) await this.#vault.release(held);
        throw error;
      }
    });
  }

  growOpenDisk(key: string, sizeBytes: number): Promise<void> {
    return this.#turns.run(key, async () => {
      const entry = this.#open.get(key);
      if (entry === undefined) return;
      await grow(entry.loop.file, sizeBytes);
      await growLoop(entry.loop.path);
    });
  }

  closeDisk(key: string): Promise<void> {
    return this.#turns.run(key, () => this.#close(key));
  }

  openDisks(): OpenDisk[] {
    return [...this.#open].map(([key, entry]) => describe(key, entry));
  }

  removeDisk(key: string): Promise<void> {
    return this.#turns.run(key, async () => {
      await this.#close(key);
      await this.#remove('disks', key);
    });
  }

  disks(): Promise<string[]> {
    return this.#list('disks');
  }

  copyDisk(from: DiskSpec, to: CopyName): Promise<number> {
    return this.#turns.run(`copy ${to.key}`, () =>
      this.#withFolder('copies', to.key, to.secret, (target) =>
        this.#turns.run(from.key, () =>
          this.#withFolder('disks', from.key, from.secret, async (source) => {
            await this.#ensure(source, from);
            return makeCopy(target, (partial) => this.#copyBytes(from.key, source, partial));
          }),
        ),
      ),
    );
  }

  copyCopy(from: CopyName, to: CopyName): Promise<number> {
    return this.#turns.run(`copy ${to.key}`, () =>
      this.#withFolder('copies', to.key, to.secret, (target) =>
        this.#withFolder('copies', from.key, from.secret, (source) =>
          makeCopy(target, (partial) => runCommand(copyCommand(source, partial), { timeoutMs: copyTimeoutMillis })),
        ),
      ),
    );
  }

  removeCopy(key: string): Promise<void> {
    return this.#turns.run(`copy ${key}`, () => this.#remove('copies', key));
  }

  copies(): Promise<string[]> {
    return this.#list('copies');
  }

  async close(): Promise<void> {
    await this.#turns.idle();
    for (const key of [...this.#open.keys()]) await this.#close(key).catch(() => {});
    await this.#vault.close();
  }

  /** Makes the file, empty or with its origin's bytes, and as large as it should be. */
  async #ensure(path: string, spec: DiskSpec): Promise<void> {
    const { origin } = spec;
    let size = await sizeOf(path);
    if (size === undefined) {
      const partial = `${path}.partial`;
      await rm(partial, { force: true });
      if (origin === undefined) await writeFile(partial, '', { mode: 0o600 });
      else {
        await this.#withFolder('copies', origin.key, origin.secret, (source) =>
          runCommand(copyCommand(source, partial), { timeoutMs: copyTimeoutMillis }),
        );
      }
      await rename(partial, path);
      size = await sizeOf(path);
    }
    if ((size ?? 0) >= spec.sizeBytes) return;
    await grow(path, spec.sizeBytes);
    const entry = this.#open.get(spec.key);
    if (entry !== undefined) await growLoop(entry.loop.path);
  }

  /** A mounted file system is frozen for the time of the copy, so that the copy is one moment's; other writers only flushed. */
  async #copyBytes(key: string, source: string, target: string): Promise<unknown> {
    const copy = copyCommand(source, target);
    const loop = this.#open.get(key)?.loop;
    if (loop === undefined) return runCommand(copy, { timeoutMs: copyTimeoutMillis });
    await flushDevice(loop.path);
    const type = (await this.#mounted(loop.number)) ? await fileSystemOf(loop.path) : undefined;
    if (type === undefined) return runCommand(copy, { timeoutMs: copyTimeoutMillis });
    const folder = `${this.#folder}/freeze-${key}`;
    await mkdir(folder, { recursive: true });
    try {
      const node = { name: `pilvi-${key}`, number: loop.number };
      return await runFrozen(node, type, folder, copy, copyTimeoutMillis);
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  }

  async #close(key: string): Promise<void> {
    const entry = this.#open.get(key);
    if (entry === undefined) return;
    await detachLoop(entry.loop.path);
    this.#open.delete(key);
    if (entry.held !== undefined) await this.#vault.release(entry.held);
  }

  async #withFolder<T>(
    kind: Kind,
    key: string,
    secret: DiskSecret | undefined,
    action: (path: string) => Promise<T>,
  ): Promise<T> {
    const { folder, held } = await this.#hold(kind, key, secret);
    try {
      return await action(`${folder}/bytes`);
    } finally {
      if (held !== undefined) await this.#vault.release(held);
    }
  }

  async #hold(kind: Kind, key: string, secret: DiskSecret | undefined): Promise<{ folder: string; held?: string }> {
    if (!namePattern.test(key)) throw new PilviError('CommandFailed', `A name is at most 64 of [a-z0-9-], not ${key}.`);
    if (secret === undefined) {
      const folder = `${this.#folder}/plain/${kind}/${key}`;
      await mkdir(folder, { recursive: true, mode: 0o700 });
      return { folder };
    }
    if (this.encryptionUnavailable !== undefined) throw new PilviError('NotPermitted', this.encryptionUnavailable);
    const held = await this.#vault.hold(`${kind}/${key}`, secret);
    return { folder: this.#vault.path(`${kind}/${key}`), held };
  }

  async #remove(kind: Kind, key: string): Promise<void> {
    await rm(`${this.#folder}/plain/${kind}/${key}`, { recursive: true, force: true });
    await this.#vault.remove(`${kind}/${key}`);
  }

  async #list(kind: Kind): Promise<string[]> {
    const plain = await readdir(`${this.#folder}/plain/${kind}`).catch(() => []);
    return [...plain, ...(await this.#vault.list(kind))].sort();
  }
}

function describe(key: string, { loop }: Entry): OpenDisk {
  return { key, device: loop.path, number: loop.number };
}

/** Empty parts stay empty; blocks are shared where the file system can. */
function copyCommand(from: string, to: string): string[] {
  return ['cp', '--reflink=auto', '--sparse=always', '--no-preserve=all', '--', from, to];
}

/** Runs `write` on a file beside the target, makes it durable and renames it. Resolves with the bytes allocated. A target that exists stays. */
async function makeCopy(target: string, write: (partial: string) => Promise<unknown>): Promise<number> {
  if ((await sizeOf(target)) === undefined) {
    const partial = `${target}.partial`;
    await rm(partial, { force: true });
    await write(partial);
    const file = await open(partial, 'r+');
    await file.sync().finally(() => file.close());
    await rename(partial, target);
  }
  return (await stat(target)).blocks * 512;
}

/** Makes a file longer; the new part is empty. Throws `CommandFailed` for more than the file system can hold in one. */
async function grow(path: string, sizeBytes: number): Promise<void> {
  if (((await sizeOf(path)) ?? 0) >= sizeBytes) return;
  await truncate(path, sizeBytes).catch((cause: unknown) => {
    throw new PilviError('CommandFailed', `The file system of the data folder holds no file of ${sizeBytes / 1024 ** 3} GiB.`, {
      cause,
    });
  });
}

async function sizeOf(path: string): Promise<number | undefined> {
  return (await stat(path).catch(() => undefined))?.size;
}

/**
 * Opens the plane in a folder of its own, and detaches what a killed run left. A host that refuses is an answer, not an error: then the plane says why in
 * `unavailable`.
 */
export async function openLinuxVolumes(options: { folder: string; mounted: MountedView }): Promise<Volumes> {
  const folder = `${options.folder}/${loopFolderName}`;
  await mkdir(folder, { recursive: true, mode: 0o700 });
  await writeFile(`${folder}/probe`, Buffer.alloc(4096));
  const problem = await probeLoop(`${folder}/probe`);
  if (problem !== undefined) return new AbsentVolumes(`There are no disks but root disks: ${problem}`);
  await detachLoopsOf(folder);
  return new LinuxVolumes(folder, await probeVault(), options.mounted);
}
