/** Programs that speak the Runtime API, on the host: a folder for each, written and compiled once and shown read-only in sandboxes. */
import { createHash } from 'node:crypto';
import { access, chmod, mkdir, rename, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { runCommand } from '../../machine/command.ts';
import type { ClientProgram, Toolchain } from './types.ts';

/** A compiler on a busy machine. */
const compileMillisMax = 120_000;

/** Makes the folder of a client below `folder`, once; resolves with its path. Throws `CommandFailed` when it cannot be compiled. */
export async function installClient(folder: string, { files }: ClientProgram, toolchain: Toolchain): Promise<string> {
  const name = createHash('sha256')
    .update(JSON.stringify([toolchain, files]))
    .digest('hex')
    .slice(0, 16);
  const place = path.join(folder, name);
  if (await exists(place)) return place;
  const draft = `${place}.new`;
  await rm(draft, { recursive: true, force: true });
  for (const [file, text] of Object.entries(files)) {
    await mkdir(path.dirname(path.join(draft, file)), { recursive: true, mode: 0o755 });
    await writeFile(path.join(draft, file), text, { mode: 0o644 });
  }
  if (toolchain === 'java')
    await runCommand(
      ['javac', '-encoding', 'UTF-8', '-nowarn', '-d', draft, ...Object.keys(files).map((file) => path.join(draft, file))],
      {
        timeoutMs: compileMillisMax,
      },
    );
  await chmod(draft, 0o755);
  await rename(draft, place);
  return place;
}

function exists(place: string): Promise<boolean> {
  return access(place).then(
    () => true,
    () => false,
  );
}
