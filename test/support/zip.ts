/** Zip archives of functions' code. */
import { type Zippable, zipSync } from 'fflate';

/** An archive of these files; `mode` is that of each (a bootstrap must be executable). */
export function zipOf(files: Readonly<Record<string, string | Uint8Array>>, mode = 0o644): Buffer {
  const entries: Zippable = {};
  for (const [name, content] of Object.entries(files))
    entries[name] = [Buffer.from(content), { os: 3, attrs: ((0o100000 | mode) << 16) >>> 0 }];
  return Buffer.from(zipSync(entries));
}
