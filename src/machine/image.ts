/**
 * Images and root volumes on disk. A machine's root is a set of overlay trees (one for /, one for /usr, …); a volume holds the writable layer of
 * each, a frozen image is a list of read-only layers above the host image. A volume keeps the list it was made with, so its image may be removed.
 *
 * Layout of the folder: volumes/NAME/{volume.json,TREE/{upper,work}}, layers/ID/TREE, images/NAME.json. Of an encrypted volume only the record is there; its
 * trees, and layers made of it, are under the same names in a vault (vault.ts), whose keys are held while a machine is up. Files are written before the record that
 * points to them, and what no record points to is swept. Rejected: one copied root per machine (seconds and gigabytes), and file systems on loop
 * devices for the root (40 ms more for each first start, and many hosts have none).
 */
import { mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { PilviError } from '../base/errors.ts';
import { CommandFailure, runCommand } from './command.ts';
import type { Vault } from './vault.ts';

/** The image made from the host's own userland; every other image lies above it. */
const hostImageName = 'host';

/** Layers above the host image; an image of images deeper than this is refused, because the kernel's list of layers is bounded. */
export const imageLayersMax = 20;

const copyTimeoutMillis = 600_000;
const namePattern = /^[a-z0-9-]{1,64}$/;

interface LayerRecord {
  /** Ids of frozen layers, the topmost first. */
  layers: readonly string[];
  /** The writable layer is in the vault. */
  encrypted?: boolean | undefined;
}

/** Ids of layers in the vault end so. */
const sealedSuffix = '.sealed';

/** Names the folder of a tree: `/` is root, `/var/lib/dpkg` is var_lib_dpkg. */
export function treeName(path: string): string {
  return path === '/' ? 'root' : path.slice(1).replaceAll('/', '_');
}

/** The stack of one tree of a volume. */
export interface VolumeTree {
  /** Frozen layers that have something in this tree, the topmost first; the host image's own folders come below. */
  frozen: readonly string[];
  upper: string;
  work: string;
}

/** Keeps images and volumes in one folder. Calls that change something run one after the other. */
export class ImageFolder {
  readonly #folder: string;
  readonly #vault: Vault;
  /** Handles of the keys that volumes in use need. */
  readonly #held = new Map<string, string[]>();
  #last: Promise<unknown> = Promise.resolve();

  constructor(folder: string, vault: Vault) {
    this.#folder = folder;
    this.#vault = vault;
  }

  /** Lets the vault go. */
  async close(): Promise<void> {
    await this.#last;
    await this.#vault.close();
  }

  /** Makes the folder, and clears away what a crash left half made. */
  open(): Promise<void> {
    return this.#inTurn(async () => {
      for (const name of ['volumes', 'layers', 'images']) await mkdir(`${this.#folder}/${name}`, { recursive: true });
      await this.#sweep();
    });
  }

  /**
   * Makes the volume when it does not exist, with a writable layer for each tree. Holds the keys of an encrypted one until `release`. Throws `CommandFailed` when
   * there is no such image, or the secret is not the volume's.
   */
  async ensureVolume(
    name: string,
    image: string,
    trees: readonly string[],
    secret?: Uint8Array,
  ): Promise<Map<string, VolumeTree>> {
    const folder = `${this.#folder}/volumes/${checkName(name)}`;
    let record = await this.#readRecord(`${folder}/volume.json`);
    if (record === undefined) {
      record = await this.#inTurn(async () => {
        const made: LayerRecord = { ...(await this.#imageRecord(image)), encrypted: secret === undefined ? undefined : true };
        await mkdir(folder, { recursive: true });
        await writeRecord(`${folder}/volume.json`, made);
        return made;
      });
    }
    const upper = record.encrypted === true ? await this.#holdVolume(name, record, secret) : folder;
    const stacks = new Map<string, VolumeTree>();
    for (const tree of trees) stacks.set(tree, await this.#ensureTree(upper, treeName(tree), record.layers));
    return stacks;
  }

  /** Lets go of the keys of a volume that is not in use any more. Safe to repeat. */
  async release(name: string): Promise<void> {
    const handles = this.#held.get(name) ?? [];
    this.#held.delete(name);
    for (const handle of handles) await this.#vault.release(handle);
  }

  /** Holds what an encrypted volume needs, once; returns the folder of its trees. */
  async #holdVolume(name: string, record: LayerRecord, secret: Uint8Array | undefined): Promise<string> {
    if (secret === undefined)
      throw new PilviError('CommandFailed', `The root volume ${name} is encrypted, and its key is not at hand.`);
    if (!this.#held.has(name)) {
      const handles: string[] = [];
      this.#held.set(name, handles);
      const sealed = record.layers.filter((layer) => layer.endsWith(sealedSuffix)).map((layer) => `layers/${layer}`);
      for (const folder of [`volumes/${name}`, ...sealed]) handles.push(await this.#vault.hold(folder, secret));
    }
    return this.#vault.path(`volumes/${name}`);
  }

  /** Runs an action on the folder of a volume's trees, with its keys held; undefined when there is no such volume. */
  async #withVolume<T>(
    name: string,
    secret: Uint8Array | undefined,
    action: (folder: string, record: LayerRecord) => Promise<T>,
  ): Promise<T | undefined> {
    const folder = `${this.#folder}/volumes/${checkName(name)}`;
    const record = await this.#readRecord(`${folder}/volume.json`);
    if (record?.encrypted !== true) return record === undefined ? undefined : action(folder, record);
    const wasHeld = this.#held.has(name);
    try {
      return await action(await this.#holdVolume(name, record, secret), record);
    } finally {
      if (!wasHeld) await this.release(name);
    }
  }

  /** Bytes allocated in a volume's writable layers. */
  async volumeBytes(name: string, secret?: Uint8Array): Promise<number> {
    const bytes = await this.#withVolume(name, secret, async (folder) => {
      const measured = await runCommand(['du', '-s', '-B1', folder]);
      return Number(measured.stdout.split('\t')[0]);
    });
    return bytes ?? 0;
  }

  #layerPath(layer: string): string {
    return layer.endsWith(sealedSuffix) ? this.#vault.path(`layers/${layer}`) : `${this.#folder}/layers/${layer}`;
  }

  async #ensureTree(volume: string, tree: string, layers: readonly string[]): Promise<VolumeTree> {
    const [upper, work] = [`${volume}/${tree}/upper`, `${volume}/${tree}/work`];
    await mkdir(upper, { recursive: true });
    await mkdir(work, { recursive: true });
    const frozen: string[] = [];
    for (const layer of layers) {
      const path = `${this.#layerPath(layer)}/${tree}`;
      if ((await readdir(path).catch(() => undefined)) !== undefined) frozen.push(path);
    }
    return { frozen, upper, work };
  }

  /** Names of the volumes that exist. */
  async volumes(): Promise<string[]> {
    return (await folderNames(`${this.#folder}/volumes`)).sort();
  }

  /** Deletes a volume that no machine uses. Safe to repeat. */
  removeVolume(name: string): Promise<void> {
    return this.#inTurn(async () => {
      const folder = `${this.#folder}/volumes/${checkName(name)}`;
      const record = await this.#readRecord(`${folder}/volume.json`);
      await this.release(name);
      await rm(folder, { recursive: true, force: true });
      if (record?.encrypted === true) await this.#vault.remove(`volumes/${name}`);
      if (record !== undefined && record.layers.length > 0) await this.#sweep();
    });
  }

  /**
   * Copies the volume's writable layers into an image of this name. Safe to repeat: an image that exists stays as it is. Throws `CommandFailed` when
   * the volume does not exist or lies on too many layers. Of an encrypted volume the layer is encrypted with its secret.
   */
  freeze(volume: string, image: string, secret?: Uint8Array): Promise<void> {
    return this.#inTurn(async () => {
      const record = `${this.#folder}/images/${checkName(image)}.json`;
      if (image === hostImageName || (await this.#readRecord(record)) !== undefined) return;
      const layers = await this.#withVolume(volume, secret, (source, below) =>
        this.#freezeTrees(source, { volume, below, image, secret }),
      );
      if (layers === undefined) throw new PilviError('CommandFailed', `There is no root volume ${volume}.`);
      await writeRecord(record, { layers });
    });
  }

  /** Copies the trees of a volume into a new layer; returns the stack with it. */
  async #freezeTrees(
    source: string,
    { volume, below, image, secret }: { volume: string; below: LayerRecord; image: string; secret: Uint8Array | undefined },
  ): Promise<string[]> {
    if (below.layers.length >= imageLayersMax) {
      throw new PilviError('CommandFailed', `The volume ${volume} lies on ${below.layers.length} layers, the most there can be.`);
    }
    const sealed = below.encrypted === true;
    const id = `${await this.#freeLayerId(image)}${sealed ? sealedSuffix : ''}`;
    const partial = `${this.#layerPath(id)}.partial`;
    let handle: string | undefined;
    if (sealed && secret !== undefined) {
      await this.#vault.remove(`layers/${id}.partial`);
      handle = await this.#vault.hold(`layers/${id}.partial`, secret);
    } else await rm(partial, { recursive: true, force: true });
    try {
      for (const tree of await folderNames(source)) {
        await mkdir(`${partial}/${tree}`, { recursive: true });
        await copyTree(`${source}/${tree}/upper/.`, `${partial}/${tree}`);
      }
      await rename(partial, this.#layerPath(id));
    } finally {
      if (handle !== undefined) await this.#vault.release(handle);
    }
    return [id, ...below.layers];
  }

  /** Removes an image; its layers go once no volume and no other image lies on them. Safe to repeat. */
  removeImage(name: string): Promise<void> {
    return this.#inTurn(async () => {
      await rm(`${this.#folder}/images/${checkName(name)}.json`, { force: true });
      await this.#sweep();
    });
  }

  async #imageRecord(image: string): Promise<LayerRecord> {
    if (image === hostImageName) return { layers: [] };
    const record = await this.#readRecord(`${this.#folder}/images/${checkName(image)}.json`);
    if (record === undefined) throw new PilviError('CommandFailed', `There is no image ${image}.`);
    return record;
  }

  /** An image's name may be used again while volumes still lie on the layer of the one that had it before. */
  async #freeLayerId(image: string): Promise<string> {
    const taken = new Set([...(await folderNames(`${this.#folder}/layers`)), ...(await this.#vault.list('layers'))]);
    let number = 1;
    while (taken.has(`${image}.${number}`) || taken.has(`${image}.${number}${sealedSuffix}`)) number++;
    return `${image}.${number}`;
  }

  /** Deletes layers that no record points to, and volumes without a record. */
  async #sweep(): Promise<void> {
    const wanted = new Set<string>();
    for (const file of await readdir(`${this.#folder}/images`)) {
      const record = file.endsWith('.json') ? await this.#readRecord(`${this.#folder}/images/${file}`) : undefined;
      for (const layer of record?.layers ?? []) wanted.add(layer);
    }
    for (const volume of await folderNames(`${this.#folder}/volumes`)) {
      const record = await this.#readRecord(`${this.#folder}/volumes/${volume}/volume.json`);
      if (record === undefined) await rm(`${this.#folder}/volumes/${volume}`, { recursive: true, force: true });
      for (const layer of record?.layers ?? []) wanted.add(layer);
    }
    for (const layer of await folderNames(`${this.#folder}/layers`)) {
      if (!wanted.has(layer)) await rm(`${this.#folder}/layers/${layer}`, { recursive: true, force: true });
    }
    for (const layer of await this.#vault.list('layers')) if (!wanted.has(layer)) await this.#vault.remove(`layers/${layer}`);
  }

  async #readRecord(path: string): Promise<LayerRecord | undefined> {
    const text = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return undefined;
      throw error;
    });
    return text === undefined ? undefined : (JSON.parse(text) as LayerRecord);
  }

  #inTurn<T>(action: () => Promise<T>): Promise<T> {
    const turn = this.#last.then(action, action);
    this.#last = turn.catch(() => {});
    return turn;
  }
}

function checkName(name: string): string {
  if (!namePattern.test(name))
    throw new PilviError('CommandFailed', `A name is at most 64 of [a-z0-9-], not ${JSON.stringify(name)}.`);
  return name;
}

async function folderNames(path: string): Promise<string[]> {
  const entries = await readdir(path, { withFileTypes: true });
  return entries.filter((entry) => entry.isDirectory()).map((entry) => entry.name);
}

async function writeRecord(path: string, record: LayerRecord): Promise<void> {
  await writeFile(`${path}.partial`, JSON.stringify(record));
  await rename(`${path}.partial`, path);
}

/**
 * Copies with owners, times, attributes and the marks of deleted files, sharing blocks where the file system can. A running machine may delete a
 * file while it is copied; then the file is not part of the image, as it would not be a moment later.
 */
async function copyTree(from: string, to: string): Promise<void> {
  try {
    await runCommand(['cp', '-a', '--', from, to], { timeoutMs: copyTimeoutMillis });
  } catch (error) {
    const failure = error instanceof PilviError && error.cause instanceof CommandFailure ? error.cause : undefined;
    const lines = failure?.stderr.trim().split('\n') ?? [];
    if (lines.length === 0 || !lines.every((line) => line.endsWith('No such file or directory'))) throw error;
  }
}
