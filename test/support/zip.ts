/** Zip archives of functions' code. */
import { zipSync } from 'fflate';

/** An archive of these files; `mode` is that of each (a bootstrap must be executable). */
export function zipOf(files: Readonly<Record<string, string | Uint8Array>>, mode = 0o644): Buffer {
  const attributes = { os: 3, attrs: ((0o100000 | mode) << 16) >>> 0 };
  const entries = Object.entries(files).map(([name, content]) => [name, [Buffer.from(content), attributes]] as const);
  return Buffer.from(zipSync(Object.fromEntries(entries) as Parameters<typeof zipSync>[0]));
}
