/**
 * What a run of Pilvi leaves on the host when it ends or crashes: the few things no namespace holds. Cgroup folders carry the name of the run
 * that made them, which holds the process id and start time of its outer process, so that a folder of a dead run is told from one of a live run.
 */
import { readFileSync } from 'node:fs';
import { readdir, readFile, rmdir } from 'node:fs/promises';

const runPattern = /^pilvi-(\d+)-(\d+)$/;
const cgroupRoot = '/sys/fs/cgroup';
/** Processes of a killed namespace take a moment to leave their cgroup. */
const emptyMillisMax = 2_000;
const emptyMillisStep = 20;

/** Name of the run whose outer process is `pid`: `pilvi-<pid>-<start>`, with the start in clock ticks since boot. */
export function runName(pid: number): string {
  return `pilvi-${pid}-${startTicks(pid) ?? 0}`;
}

/** True while the outer process of the run lives. False for names that are not those of runs. */
export function runLives(name: string): boolean {
  const match = runPattern.exec(name);
  return match !== null && startTicks(Number(match[1])) === Number(match[2]);
}

/** Removes the cgroup folders of one run. Safe to repeat; waits up to 2 s for processes that are still dying, then throws the last EBUSY. */
export async function removeRunLeftovers(run: string): Promise<void> {
  for (const folder of await runFolders()) if (folder.endsWith(`/${run}`)) await removeCgroup(folder);
}

/** Removes the cgroup folders of all runs that are no longer alive: what a crash left. Resolves with the folders removed. */
export async function removeDeadRuns(): Promise<string[]> {
  const dead = (await runFolders()).filter((folder) => !runLives(folder.slice(folder.lastIndexOf('/') + 1)));
  for (const folder of dead) await removeCgroup(folder);
  return dead;
}

/** Folders of runs in every hierarchy: version 2 has one, version 1 one per controller; an ordinary user's lie below their own group. */
async function runFolders(): Promise<string[]> {
  const controllers = (await readdirOrNone(cgroupRoot)).map((name) => `${cgroupRoot}/${name}`);
  const own = (await readFile('/proc/self/cgroup', 'utf8').catch(() => ''))
    .split('\n')
    .map((line) => line.split(':')[2] ?? '')
    .filter((path) => path.length > 1);
  const parents = new Set([
    cgroupRoot,
    ...controllers,
    ...[cgroupRoot, ...controllers].flatMap((root) => own.map((path) => root + path)),
  ]);
  const found: string[] = [];
  for (const parent of parents)
    for (const name of await readdirOrNone(parent)) if (runPattern.test(name)) found.push(`${parent}/${name}`);
  return found;
}

/** Another cloud that starts or ends at the same time may remove the same one. */
async function removeCgroup(folder: string): Promise<void> {
  for (const entry of await readdir(folder, { withFileTypes: true }).catch(() => []))
    if (entry.isDirectory()) await removeCgroup(`${folder}/${entry.name}`);
  for (let waited = 0; ; waited += emptyMillisStep) {
    try {
      await rmdir(folder);
      return;
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === 'ENOENT') return;
      if (code !== 'EBUSY' || waited >= emptyMillisMax) throw error;
      await new Promise((resolve) => setTimeout(resolve, emptyMillisStep));
    }
  }
}

async function readdirOrNone(folder: string): Promise<string[]> {
  return readdir(folder).catch(() => []);
}

/** Field 22 of /proc/pid/stat; fields are counted after the name's closing bracket, since the name may hold anything. */
function startTicks(pid: number): number | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19]);
  } catch {
    return undefined;
  }
}
