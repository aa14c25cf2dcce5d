/**
 * Code of functions, unpacked: a folder for each archive, whole or not there. What an archive says is not trusted: names that lead out of the folder,
 * links that do, and contents that are larger than they may be are refused before anything of them is seen by a program.
 */
import { createWriteStream } from 'node:fs';
import { access, chmod, mkdir, readdir, rename, rm, stat, symlink } from 'node:fs/promises';
import path from 'node:path';
import { Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type yauzl from 'yauzl';
import { CodeRefused, type InstalledCode } from './types.ts';

const filesMax = 100_000;
const linkBytesMax = 4096;
const typeMask = 0o170000;
const linkType = 0o120000;
const regularType = 0o100000;

/** Folders of unpacked code below one folder of the host. */
export class CodeFolder {
  readonly #folder: string;
  readonly #working = new Map<string, Promise<InstalledCode>>();
  /** What was seen to be there: nobody else removes it, and every call asks. */
  readonly #seen = new Set<string>();

  constructor(folder: string) {
    this.#folder = folder;
  }

  pathOf(name: string): string {
    return path.join(this.#folder, name);
  }

  /** As `Functions.install`. */
  async install(name: string, archive: Uint8Array, bytesMax: number): Promise<InstalledCode> {
    const known = this.#working.get(name);
    if (known !== undefined) return known;
    const work = this.#install(name, archive, bytesMax);
    this.#working.set(name, work);
    return work.finally(() => this.#working.delete(name));
  }

  async has(name: string): Promise<boolean> {
    if (this.#seen.has(name)) return true;
    const there = await access(this.pathOf(name)).then(
      () => true,
      () => false,
    );
    if (there) this.#seen.add(name);
    return there;
  }

  /** Bytes of all files of it. */
  async bytes(name: string): Promise<number> {
    const entries = await readdir(this.pathOf(name), { recursive: true, withFileTypes: true }).catch(() => []);
    const sizes = entries.map(async (entry) => (entry.isFile() ? (await stat(path.join(entry.parentPath, entry.name))).size : 0));
    return (await Promise.all(sizes)).reduce((sum, size) => sum + size, 0);
  }

  async list(): Promise<string[]> {
    return (await readdir(this.#folder).catch(() => [])).filter((name) => !name.startsWith('.'));
  }

  async remove(name: string): Promise<void> {
    this.#seen.delete(name);
    await rm(this.pathOf(name), { recursive: true, force: true });
  }

  async #install(name: string, archive: Uint8Array, bytesMax: number): Promise<InstalledCode> {
    const draft = path.join(this.#folder, `.${name}`);
    await rm(draft, { recursive: true, force: true });
    await mkdir(draft, { recursive: true, mode: 0o755 });
    try {
      const installed = await unpack(archive, draft, bytesMax);
      await chmod(draft, 0o755);
      if (!(await this.has(name))) await rename(draft, this.pathOf(name));
      return installed;
    } finally {
      await rm(draft, { recursive: true, force: true });
    }
  }
}

interface Link {
  name: string;
  target: string;
}

async function unpack(archive: Uint8Array, folder: string, bytesMax: number): Promise<InstalledCode> {
  const zip = await open(archive);
  if (zip.entryCount > filesMax) throw new CodeRefused('too-large', `The archive has ${zip.entryCount} entries.`);
  const links: Link[] = [];
  const installed = { files: 0, bytes: 0 };
  try {
    for await (const entry of zip.eachEntry()) {
      const name = safeName(entry.fileName);
      const mode = entry.externalFileAttributes >>> 16;
      const target = path.join(folder, name);
      if (entry.fileName.endsWith('/')) {
        await mkdir(target, { recursive: true, mode: 0o755 });
        continue;
      }
      const type = mode & typeMask;
      if (type === linkType) {
        links.push({ name, target: await readLink(zip, entry) });
        continue;
      }
      if (type !== 0 && type !== regularType) throw new CodeRefused('link', `${entry.fileName} is no file.`);
      // What the archive claims is refused early, what it turns out to be below.
      if (installed.bytes + entry.uncompressedSize > bytesMax) throw tooLarge(bytesMax);
      await mkdir(path.dirname(target), { recursive: true, mode: 0o755 });
      const counted = new Transform({
        transform(piece: Buffer, _encoding, done) {
          installed.bytes += piece.byteLength;
          done(installed.bytes > bytesMax ? tooLarge(bytesMax) : null, piece);
        },
      });
      // An archive made without Unix modes says nothing of who may read.
      const permissions = mode === 0 ? 0o644 : mode & 0o777;
      await pipeline(await zip.openReadStreamPromise(entry), counted, createWriteStream(target, { mode: 0o600 }));
      await chmod(target, permissions);
      installed.files += 1;
    }
    // Links come last, so that nothing is ever written through one.
    for (const link of links) await makeLink(folder, link);
  } catch (error) {
    if (error instanceof CodeRefused) throw error;
    throw refusalOf(error as Error);
  } finally {
    zip.close();
  }
  return installed;
}

function tooLarge(bytesMax: number): CodeRefused {
  return new CodeRefused('too-large', `Unpacked it is larger than ${bytesMax} bytes.`);
}

async function open(archive: Uint8Array): Promise<yauzl.ZipFile> {
  // Loaded by the first function, because the plane itself is loaded at every start.
  const { default: yauzl } = await import('yauzl');
  try {
    return await yauzl.fromBufferPromise(Buffer.from(archive.buffer, archive.byteOffset, archive.byteLength), {
      lazyEntries: true,
      autoClose: false,
      strictFileNames: false,
    });
  } catch (error) {
    throw refusalOf(error as Error);
  }
}

function refusalOf(error: Error): CodeRefused {
  const path = /relative path|absolute path|invalid characters in fileName/.test(error.message);
  return new CodeRefused(path ? 'path' : 'not-zip', error.message);
}

/** Throws `CodeRefused` for names that are none of this folder's. */
function safeName(name: string): string {
  const parts = name.replaceAll('\\', '/').split('/');
  if (name.startsWith('/') || /^[a-zA-Z]:/.test(name) || parts.includes('..') || name.includes('\0'))
    throw new CodeRefused('path', `${name} leads out of the archive.`);
  return parts.filter((part) => part !== '' && part !== '.').join('/');
}

async function readLink(zip: yauzl.ZipFile, entry: yauzl.Entry): Promise<string> {
  if (entry.uncompressedSize > linkBytesMax) throw new CodeRefused('link', `${entry.fileName} is no link.`);
  const pieces: Buffer[] = [];
  for await (const piece of await zip.openReadStreamPromise(entry)) pieces.push(piece as Buffer);
  return Buffer.concat(pieces).toString('utf8');
}

async function makeLink(folder: string, { name, target }: Link): Promise<void> {
  const meant = path.posix.normalize(path.posix.join(path.posix.dirname(name), target));
  if (path.posix.isAbsolute(target) || meant.startsWith('..') || target.includes('\0'))
    throw new CodeRefused('link', `${name} is a link that leads out of the archive.`);
  const place = path.join(folder, name);
  await mkdir(path.dirname(place), { recursive: true, mode: 0o755 });
  await symlink(target, place).catch((error: NodeJS.ErrnoException) => {
    throw new CodeRefused('link', `${name}: ${error.message}`);
  });
}
