/** Zip archives of functions' code. */
import { type Zippable, zipSync } from 'fflate';

const regular = 0o100644;

/** An archive of these files, stored as they are. Modes with the kind of file by name, where they are not a plain file's 0644. */
export function zipOf(
  files: Readonly<Record<string, string | Uint8Array>>,
  modes: Readonly<Record<string, number>> = {},
): Buffer {
  const entries: Zippable = {};
  for (const [name, content] of Object.entries(files))
    entries[name] = [Buffer.from(content), { level: 0, os: 3, attrs: ((modes[name] ?? regular) << 16) >>> 0 }];
  return Buffer.from(zipSync(entries));
}
