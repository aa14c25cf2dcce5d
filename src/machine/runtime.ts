/**
 * The OCI runtime, runc: starts a container, runs programs in it, and forgets it. (crun refuses hosts with a hybrid set-up of control groups.)
 *
 * A container is started detached, so no process of the runtime stays beside it (10 MB each). Its first process holds one end of a socket pair as
 * file descriptor 3, the control channel: it says by that what it is about, and the end of the channel is the end of the process, however it came.
 * Rejected: polling, and staying its parent.
 *
 * Each container gets a time namespace whose clocks begin at its start, so that uptime inside is its own. runc 1.1 knows no time namespaces; it is
 * started inside one, by unshare, and must be started inside the same one to run programs there, since it compares start times.
 */
import { spawn } from 'node:child_process';
import { mkdir, readFile, rm } from 'node:fs/promises';
import type { Duplex, Readable } from 'node:stream';
import { PilviError } from '../base/errors.ts';
import { type CommandOutput, findProgram, programEnvironment, tryCommand } from './command.ts';
import { type ProcessHandle, readProcess, signalProcess, waitGone } from './process.ts';

export interface RuntimeOptions {
  /** Folder of the runtime's own state, one folder in it for each container. */
  stateFolder: string;
  /** True when containers get a time namespace of their own. */
  ownTime: boolean;
  /** True to go on without control groups. */
  withoutCgroups: boolean;
}

/** What a container is started from. */
export interface ContainerStart {
  id: string;
  /** Folder with config.json. */
  bundle: string;
  /** Folder that the configuration names as the root, and the options of the overlay to be mounted on it. */
  root: { folder: string; options: readonly string[] };
  /**
   * Open file descriptor that becomes standard output and error of the first process; or what is called with every piece that it writes to them.
   */
  output: number | ((piece: Buffer) => void);
  /** A file with a file system, mounted inside the root for the container alone. */
  disk?: { file: string; folder: string } | undefined;
}

export interface StartedContainer {
  /** Its first process, as seen from here. */
  handle: ProcessHandle;
  /** Resolves at the end of the control channel, which is the end of the first process. */
  closed: Promise<void>;
  /** Its output, when pieces are asked for: reading can be held up, which holds up who writes. */
  streams: readonly Readable[];
}

const startTimeoutMillis = 30_000;
const execTimeoutMillis = 600_000;

/** Why no OCI runtime can be used; undefined when runc is there. */
export async function probeRuntime(): Promise<string | undefined> {
  if (findProgram('runc') === undefined) return 'runc is not installed (Debian and Ubuntu: apt install runc)';
  for (const name of ['unshare', 'nsenter', 'mkfifo']) if (findProgram(name) === undefined) return `${name} is not installed`;
  const output = await tryCommand(['runc', '--version']);
  return output.status === 0 ? undefined : `runc does not work: ${output.stderr.trim()}`;
}

/** True when processes can be given a time namespace with clocks of its own (Linux 5.6 with CONFIG_TIME_NS, util-linux 2.36). */
export async function probeTimeNamespace(): Promise<boolean> {
  return (await tryCommand(['unshare', '--time', '--boottime', '0', '--monotonic', '0', '--', 'true'])).status === 0;
}

/**
 * Mounts the root in the namespace that only the runtime and the container have, then becomes the runtime. runc before its releases of November 2025
 * would mount the root itself, as an entry for `/`; since then it refuses to.
 */
const startScript = 'mount -t overlay -o "$1" overlay "$2" && shift 2 && exec "$@"';
/** The same with a disk: the loop device is the mount's own and goes with it. */
const diskScript = 'mount -o loop,nosuid,nodev "$1" "$2" && shift 2 && exec "$@"';

/**
 * Starts a container. `hear` is called with each line that its first process writes to file descriptor 3. Throws `CommandFailed` with the runtime's words
 * when it does not start.
 */
export async function startContainer(
  { id, bundle, root, output, disk }: ContainerStart,
  hear: (line: string) => void,
  options: RuntimeOptions,
): Promise<StartedContainer> {
  await mkdir(options.stateFolder, { recursive: true, mode: 0o700 });
  const [log, pidFile] = [`${bundle}/runtime.log`, `${bundle}/pid`];
  for (const file of [log, pidFile]) await rm(file, { force: true });
  const global = ['--root', options.stateFolder, '--log', log, ...(options.withoutCgroups ? ['--rootless', 'true'] : [])];
  const run = ['runc', ...global, 'run', '--detach', '--preserve-fds', '1', '--pid-file', pidFile, '--bundle', bundle, id];
  const withDisk = disk === undefined ? run : ['sh', '-c', diskScript, 'pilvi-disk', disk.file, disk.folder, ...run];
  const inRoot = ['sh', '-c', startScript, 'pilvi-start', root.options.join(','), root.folder, ...withDisk];
  const argv = ['--mount', ...(options.ownTime ? await newTime() : []), '--', ...inRoot];
  const program = findProgram('unshare');
  if (program === undefined) throw new PilviError('ProgramMissing', 'unshare is not installed.');
  const written = typeof output === 'number' ? output : 'pipe';
  const child = spawn(program, argv, {
    stdio: ['ignore', written, written, 'pipe'],
    env: programEnvironment,
    timeout: startTimeoutMillis,
    killSignal: 'SIGKILL',
  });
  // Attached before anything is awaited: Node throws away what nobody has read when the program it started, runc, ends.
  const control = child.stdio[3] as Duplex;
  const closed = readLines(control, hear);
  const streams = typeof output === 'number' ? [] : ([child.stdio[1], child.stdio[2]] as Readable[]);
  for (const stream of streams) stream.on('data', output as (piece: Buffer) => void).on('error', () => {});
  const status = await new Promise<number | null>((resolve, reject) => {
    child.on('error', reject);
    child.on('exit', (code) => resolve(code));
  });
  const handle = status === 0 ? readProcess(Number(await readFile(pidFile, 'utf8'))) : undefined;
  if (handle !== undefined) return { handle, closed, streams };
  control.destroy();
  await endHalfStarted(pidFile);
  const words = await readFile(log, 'utf8').catch(() => '');
  await removeContainer(id, options);
  throw new PilviError(
    'CommandFailed',
    `runc could not start ${id} (status ${status}): ${words.trim() || 'its first process ended at once'}`,
  );
}

/** A runtime that was stopped half way may have left the first process behind. */
async function endHalfStarted(pidFile: string): Promise<void> {
  const handle = readProcess(Number(await readFile(pidFile, 'utf8').catch(() => '')));
  if (handle === undefined) return;
  signalProcess(handle, 'SIGKILL');
  await waitGone(handle, startTimeoutMillis);
}

/** Calls `hear` for each line; resolves when the stream is closed. */
function readLines(stream: Duplex, hear: (line: string) => void): Promise<void> {
  let unread = '';
  stream.on('data', (chunk: Buffer) => {
    const lines = (unread + chunk.toString('latin1')).split('\n');
    unread = lines.pop() ?? '';
    for (const line of lines) hear(line);
  });
  // The other end may vanish with bytes under way, which is the end like any other.
  stream.on('error', () => {});
  return new Promise((resolve) => stream.once('close', () => resolve()));
}

/** Runs a program in a container as root, with the container's rights and limits; resolves with its status and output. */
export function execInContainer(
  id: string,
  handle: ProcessHandle,
  argv: readonly string[],
  input: Uint8Array | undefined,
  options: RuntimeOptions,
): Promise<CommandOutput> {
  const exec = ['runc', '--root', options.stateFolder, 'exec', id, ...argv];
  const inTime = options.ownTime ? ['nsenter', `--time=/proc/${handle.pid}/ns/time`, '--', ...exec] : exec;
  return tryCommand(inTime, { input, timeoutMs: execTimeoutMillis });
}

/**
 * Forgets a container whose processes are gone. Done by removing its state folder: `runc delete` would only do the same and look for its control
 * group, which has its own file here, in 7 ms, and `delete --force` waits in steps of 100 ms. Safe to repeat.
 */
export async function removeContainer(id: string, options: RuntimeOptions): Promise<void> {
  await rm(`${options.stateFolder}/${id}`, { recursive: true, force: true });
}

/**
 * Sets the clocks that count from boot to zero: they differ by the time the host was suspended. The kernel refuses a clock below zero, hence whole
 * seconds, rounded down.
 */
async function newTime(): Promise<string[]> {
  const sinceBoot = Math.floor(Number((await readFile('/proc/uptime', 'utf8')).split(' ')[0]));
  const [monotonic] = process.hrtime();
  return ['--time', `--boottime=-${sinceBoot}`, `--monotonic=-${monotonic}`];
}
