/**
 * Processes that Pilvi did not start as its own children: the first process of a container belongs to whoever adopts orphans. They are named
 * by pid and start time, because a pid alone may mean another process a moment later. Rejected: pidfds, which Node.js cannot wait on.
 */
import { readFileSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';

export interface ProcessHandle {
  pid: number;
  /** Clock ticks after boot at which the process began, as /proc/PID/stat counts them for this reader. */
  startTicks: number;
}

const pollMillisMin = 1;
const pollMillisMax = 20;

/** Reads the handle of a living process; undefined when there is none with this pid, or only a dead one that nobody has reaped. */
export function readProcess(pid: number): ProcessHandle | undefined {
  const stat = readStat(pid);
  return stat === undefined || stat.dead ? undefined : { pid, startTicks: stat.startTicks };
}

/** True while this very process lives. A zombie counts as gone: a zombie that was the first of a pid namespace has outlived all the others. */
export function isAlive(handle: ProcessHandle): boolean {
  return readProcess(handle.pid)?.startTicks === handle.startTicks;
}

/** Sends a signal to this very process; false when it is gone. */
export function signalProcess(handle: ProcessHandle, signal: NodeJS.Signals): boolean {
  if (!isAlive(handle)) return false;
  try {
    process.kill(handle.pid, signal);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return false;
    throw error;
  }
}

/** Resolves with true once the process is gone, with false after `timeoutMs` real milliseconds. */
export async function waitGone(handle: ProcessHandle, timeoutMs: number): Promise<boolean> {
  const end = performance.now() + timeoutMs;
  for (let wait = pollMillisMin; isAlive(handle); wait = Math.min(wait * 2, pollMillisMax)) {
    if (performance.now() >= end) return false;
    await pause(wait);
  }
  return true;
}

function readStat(pid: number): { dead: boolean; startTicks: number } | undefined {
  let text: string;
  try {
    text = readFileSync(`/proc/${pid}/stat`, 'latin1');
  } catch {
    return undefined;
  }
  // The name in brackets may hold anything, so fields are counted from its end: state is the 3rd of the whole line, start time the 22nd.
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  return { dead: fields[0] === 'Z' || fields[0] === 'X', startTicks: Number(fields[19]) };
}
