/** `pilvi.json` in the data folder: which process serves it, for `stop`, `status`, `shell`. Removed when the cloud stops. */
import { readFile, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';

export interface RunFile {
  /** The outer process on the host. */
  pid: number;
  port: number;
  host: string;
  /** The host's id of process 1 inside; absent when there are no namespaces. */
  insidePid?: number | undefined;
  mode: 'root' | 'user' | 'none';
}

const fileIn = (data: string) => path.join(data, 'pilvi.json');

/** Says who serves the folder. */
export async function writeRunFile(data: string, run: RunFile): Promise<void> {
  await writeFile(fileIn(data), `${JSON.stringify(run)}\n`);
}

/** Who serves the folder, if its process is still alive. */
export async function readRunFile(data: string): Promise<RunFile | undefined> {
  try {
    const run = JSON.parse(await readFile(fileIn(data), 'utf8')) as RunFile;
    process.kill(run.pid, 0);
    return run;
  } catch {
    return undefined;
  }
}

/** Removes the file; safe to repeat. */
export async function removeRunFile(data: string): Promise<void> {
  await rm(fileIn(data), { force: true });
}
