/**
 * What the host's package manager says it installed. The host image is built from that and not from what the owner made of the machine later: a
 * configuration file is taken over only while it is byte for byte the one its package shipped, so it cannot hold anybody's secrets.
 *
 * Debian's package database (dpkg) tells both; for other hosts the fixed list in image-host.ts has to do.
 */
import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';

/** The package manager's database: it belongs to /usr and is shown to machines as it is. */
export const packageDatabase = '/var/lib/dpkg';

export interface PackageFiles {
  /** Configuration files to the MD5 sum, in hexadecimal, of what the package shipped. */
  configuration: ReadonlyMap<string, string>;
  /** Folders below /var that packages own, parents first. */
  folders: readonly string[];
}

/** Reads the package database; undefined when the host has none that is understood. */
export async function readPackageFiles(): Promise<PackageFiles | undefined> {
  const status = await readFile(`${packageDatabase}/status`, 'utf8').catch(() => undefined);
  if (status === undefined) return undefined;
  const folders = new Set<string>();
  const names = await readdir(`${packageDatabase}/info`);
  const lists = await Promise.all(
    names.filter((name) => name.endsWith('.list')).map((name) => readFile(`${packageDatabase}/info/${name}`, 'utf8')),
  );
  for (const list of lists) for (const path of parseVariableFolders(list)) folders.add(path);
  return { configuration: parseConffiles(status), folders: [...folders].sort() };
}

/** Collects the `Conffiles` fields of a dpkg status file; obsolete ones, which no package ships any more, are left out. */
export function parseConffiles(status: string): Map<string, string> {
  const files = new Map<string, string>();
  for (const match of status.matchAll(/^ (\/\S+) ([0-9a-f]{32})$/gm)) {
    const [, path, sum] = match;
    if (path !== undefined && sum !== undefined) files.set(path, sum);
  }
  return files;
}

/** Paths below /var (not the package database itself) in a package's list of files. */
export function parseVariableFolders(list: string): string[] {
  return list
    .split('\n')
    .filter((path) => path.startsWith('/var/') && !path.startsWith(`${packageDatabase}/`) && path !== packageDatabase);
}

/** True when the bytes are what the package shipped. */
export function isPristine(content: Uint8Array, sum: string | undefined): boolean {
  return sum !== undefined && createHash('md5').update(content).digest('hex') === sum;
}
