/**
 * What is mounted, as /proc/self/mountinfo tells. Pilvi mounts nothing for machines in its own namespace (the container runtime does, in the
 * machine's), so this file only looks.
 */
import { readFile } from 'node:fs/promises';

export interface Mount {
  /** Where it is mounted. */
  path: string;
  type: string;
  source: string;
  /** Options of the file system itself, as a control group hierarchy lists its controllers. */
  options: readonly string[];
}

/** Every mount of this mount namespace, in the order they were made. */
export async function listMounts(): Promise<Mount[]> {
  return parseMounts(await readFile('/proc/self/mountinfo', 'utf8'));
}

/** Reads the text of a mountinfo file (proc(5), "/proc/pid/mountinfo"). */
export function parseMounts(text: string): Mount[] {
  const mounts: Mount[] = [];
  for (const line of text.split('\n')) {
    const [left, right] = line.split(' - ');
    const path = left?.split(' ')[4];
    const [type, source, options] = right?.split(' ') ?? [];
    if (path === undefined || type === undefined || source === undefined) continue;
    mounts.push({ path: unescapePath(path), type, source: unescapePath(source), options: options?.split(',') ?? [] });
  }
  return mounts;
}

/** The kernel writes space, tab, newline and backslash as three octal digits. */
function unescapePath(text: string): string {
  return text.replace(/\\([0-7]{3})/g, (_, digits: string) => String.fromCharCode(Number.parseInt(digits, 8)));
}
