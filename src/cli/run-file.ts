/** `pilvi.json` in the data folder: which process serves it, for `stop`, `status`, `shell`. Removed when the cloud stops. */
import { readFile, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { isAlive, type ProcessHandle, readProcess } from '../machine/process.ts';

export interface RunFile {
  /** The outer process on the host. */
  pid: number;
  /** The same with its start, so that another process that got its number later is not taken for it; absent where there is no /proc. */
  handle?: ProcessHandle | undefined;
  port: number;
  /** Of the host, for public zones. */
  dnsPort: number;
  host: string;
  /** The host's id of process 1 inside; absent when there are no namespaces. */
  insidePid?: number | undefined;
  mode: 'root' | 'user' | 'none';
}

const fileIn = (data: string) => path.join(data, 'pilvi.json');

/** Says who serves the folder. */
export async function writeRunFile(data: string, run: RunFile): Promise<void> {
  await writeFile(fileIn(data), `${JSON.stringify({ ...run, handle: readProcess(run.pid) })}\n`);
}

/** Who serves the folder, if its process is still alive. */
export async function readRunFile(data: string): Promise<RunFile | undefined> {
  try {
    const run = JSON.parse(await readFile(fileIn(data), 'utf8')) as RunFile;
    if (run.handle === undefined) process.kill(run.pid, 0);
    else if (!isAlive(run.handle)) return undefined;
    return run;
  } catch {
    return undefined;
  }
}

/** Removes the file; safe to repeat. */
export async function removeRunFile(data: string): Promise<void> {
  await rm(fileIn(data), { force: true });
}
