/**
 * Starts Pilvi inside namespaces of its own, so that the host is never changed and everything Pilvi makes dies with it.
 *
 *   pilvi start (host)                      opens the sockets, spawns, closes its copies, supervises
 *     setpriv --pdeathsig KILL unshare …    dies with the process above, even when that is killed with -9
 *       sh (pid 1 inside)                   private /run, loopback up; reaps orphans; passes signals on
 *         node … (Pilvi)                    finds its sockets as inherited descriptors: they still belong to the host's network
 *
 * Process 1 is a shell because orphans of containers fall to it: Node does not reap children it did not start, and would collect zombies.
 * Its script is a constant and takes its words as arguments. Rejected: forwarding every connection (a copy per byte), sending sockets over an
 * IPC channel (the outer process could accept a connection in between and lose it), and a second Node as process 1 (40 MB).
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import type { AddressInfo, Server } from 'node:net';
import { userInfo } from 'node:os';
import { PilviError } from '../base/errors.ts';
import { findProgram, programEnvironment } from './command.ts';
import { removeRunLeftovers, runName } from './launch-leftovers.ts';

/** `root`: real root in namespaces. `user`: root of a user namespace. */
export type InsideMode = 'root' | 'user';

/** What the process inside knows about how it was started. */
export interface Inside {
  mode: InsideMode;
  /** Name of this run, unique on the host: prefix of everything that cannot live in a namespace, such as cgroup folders. */
  run: string;
  /** Descriptors of the inherited listening sockets, in the order they were given: `server.listen({ fd })`. */
  sockets: readonly number[];
}

export interface LaunchOptions {
  /** Arguments for this Node: the script and its own arguments. */
  entry: readonly string[];
  /** Listening servers of the host. They are closed here once they are handed over, and listen again when the kernel refuses. */
  sockets: readonly Server[];
  /** Descriptors handed over behind the sockets' own; who opened them closes them. */
  descriptors?: readonly number[] | undefined;
  /** Environment of the process inside; the launcher adds PILVI_INSIDE. */
  env: Readonly<Record<string, string | undefined>>;
}

export type Launched =
  | { mode: InsideMode; run: string; child: ChildProcess; reason?: undefined }
  /** The kernel or the system refuses; `reason` is a sentence for the user. The servers given are listening again. */
  | { mode: 'none'; reason: string; child?: undefined };

/** Variable that carries `Inside` as JSON. */
const insideVariable = 'PILVI_INSIDE';
/** 0 to 2 are standard, 3 is the real standard error until process 1 is ready. */
const firstSocket = 4;
const readyLine = 'pilvi-inside-ready';
/** How long the inside may take to end after it was asked to, before it is killed. */
const stopMillisMax = 20_000;

/**
 * What process 1 does. Descriptor 2 leads to the launcher until everything is in place, so that a refusal's message can be shown; 3 is the real one.
 * `wait` ends early whenever a trapped signal arrives, hence the loop; it also reaps orphans.
 */
const initScript = `
set -e
mount -t tmpfs -o mode=755 pilvi /run
mkdir /run/netns
ip link set lo up || true
echo ${readyLine} >&2
exec 2>&3 3>&-
set +e
"$@" &
child=$!
for signal in TERM INT HUP USR1 USR2; do trap "kill -$signal $child" $signal; done
while kill -0 $child 2>/dev/null; do wait $child; status=$?; done
exit $status
`;

const unshareArguments = ['--net', '--mount', '--pid', '--ipc', '--uts', '--fork', '--kill-child=SIGKILL', '--mount-proc'];

/** How the current process was started, from its environment; undefined when it runs on the host. Throws SyntaxError for a mangled value. */
export function readInside(env: Readonly<Record<string, string | undefined>>): Inside | undefined {
  const text = env[insideVariable];
  return text === undefined ? undefined : (JSON.parse(text) as Inside);
}

/**
 * Runs `entry` inside new namespaces, as root where this process is root, else as root of a user namespace. Resolves when process 1 has
 * everything in place. What the kernel refuses is an answer (`none`), not an error; throws `PortTaken` when, after a refusal, a socket cannot be
 * opened again.
 */
export async function launchInside(options: LaunchOptions): Promise<Launched> {
  const addresses = options.sockets.map((server) => server.address() as AddressInfo);
  // Spawning and closing in one turn of the event loop leaves no moment in which this process could accept a connection and lose it.
  const attempts = listAttempts();
  const reasons: string[] = [];
  for (const [index, attempt] of attempts.entries()) {
    if (index > 0) await listenAgain(options.sockets, addresses);
    const child = spawnInside(attempt, options);
    for (const server of options.sockets) server.close();
    const refusal = await waitUntilReady(child);
    if (refusal === undefined) return { mode: attempt.mode, run: runName(process.pid), child };
    reasons.push(`${attempt.mode}: ${refusal}`);
  }
  if (attempts.length > 0) await listenAgain(options.sockets, addresses);
  const reason = attempts.length === 0 ? 'the program unshare is not installed (package util-linux)' : reasons.join('; ');
  return { mode: 'none', reason: `Namespaces cannot be made on this host (${reason}).` };
}

/**
 * Passes this process's signals to the inside, waits for its end, and removes what namespaces do not (cgroup folders). Resolves with the exit
 * status for this process. An inside that ignores a request to end is killed after 20 s.
 */
export function superviseInside(launched: Extract<Launched, { mode: InsideMode }>): Promise<number> {
  const { child, run } = launched;
  let killTimer: NodeJS.Timeout | undefined;
  const pass = (signal: NodeJS.Signals): void => {
    const target = processOneOf(child);
    if (target !== undefined) process.kill(target, signal);
    killTimer ??= setTimeout(() => child.kill('SIGKILL'), stopMillisMax);
  };
  const signals = ['SIGTERM', 'SIGINT', 'SIGHUP'] as const;
  for (const signal of signals) process.on(signal, pass);
  return new Promise((resolve) => {
    const end = async (status: number | null): Promise<void> => {
      clearTimeout(killTimer);
      await removeRunLeftovers(run);
      for (const signal of signals) process.off(signal, pass);
      resolve(status ?? 1);
    };
    if (child.exitCode !== null || child.signalCode !== null) void end(child.exitCode);
    else child.once('exit', (status) => void end(status));
  });
}

/** Argument array that runs a program in the namespaces of the inside whose process 1 the host knows as `pid`: `pilvi shell`. */
export function enterArguments(pid: number, mode: InsideMode, argv: readonly string[]): string[] {
  const user = mode === 'user' ? ['--user', '--preserve-credentials'] : [];
  return ['nsenter', `--target=${pid}`, ...user, '--net', '--mount', '--pid', '--ipc', '--uts', '--', ...argv];
}

/** The host's process id of process 1 inside, or undefined once it has ended. */
export function processOneOf(child: ChildProcess): number | undefined {
  try {
    const children = readFileSync(`/proc/${child.pid}/task/${child.pid}/children`, 'utf8').trim();
    return children === '' ? undefined : Number(children.split(' ')[0]);
  } catch {
    return undefined;
  }
}

interface Attempt {
  mode: InsideMode;
  userArguments: readonly string[];
}

/** Ways to try, best first. Root falls back to a user namespace because root of a container may lack the right to make the others. */
function listAttempts(): Attempt[] {
  if (findProgram('unshare') === undefined) return [];
  const attempts: Attempt[] = [];
  if (process.getuid?.() === 0) attempts.push({ mode: 'root', userArguments: [] });
  if (hasIdRanges()) attempts.push({ mode: 'user', userArguments: ['--user', '--map-root-user', '--map-auto'] });
  attempts.push({ mode: 'user', userArguments: ['--user', '--map-root-user'] });
  return attempts;
}

/** True when the system grants this user ids for use in user namespaces, and the programs that map them are there. */
function hasIdRanges(): boolean {
  if (findProgram('newuidmap') === undefined || findProgram('newgidmap') === undefined) return false;
  try {
    const { uid, username } = userInfo();
    return ['/etc/subuid', '/etc/subgid'].every((path) =>
      readFileSync(path, 'utf8')
        .split('\n')
        .some((line) => line.startsWith(`${username}:`) || line.startsWith(`${uid}:`)),
    );
  } catch {
    return false;
  }
}

function spawnInside(attempt: Attempt, options: LaunchOptions): ChildProcess {
  const inside: Inside = {
    mode: attempt.mode,
    run: runName(process.pid),
    sockets: [...options.sockets, ...(options.descriptors ?? [])].map((_socket, index) => firstSocket + index),
  };
  const argv = [
    ...(findProgram('setpriv') === undefined ? [] : ['setpriv', '--pdeathsig', 'KILL']),
    'unshare',
    ...attempt.userArguments,
    ...unshareArguments,
    ...['sh', '-c', initScript, 'pilvi-init', process.execPath, ...options.entry],
  ];
  const program = findProgram(argv[0] ?? '') ?? '';
  return spawn(program, argv.slice(1), {
    env: { ...options.env, PATH: joinPath(options.env['PATH']), [insideVariable]: JSON.stringify(inside) },
    // A session of its own: a terminal's Ctrl-C reaches the outer process only, which passes it on once.
    detached: true,
    stdio: ['ignore', 'inherit', 'pipe', 2, ...options.sockets.map(descriptorOf), ...(options.descriptors ?? [])],
  });
}

/** An ordinary user's PATH often lacks the folders of ip and mount. */
function joinPath(path: string | undefined): string {
  return path === undefined ? (programEnvironment['PATH'] ?? '') : `${path}:${programEnvironment['PATH']}`;
}

/** Node has no public name for a server's descriptor, though it documents handing it to a child. */
function descriptorOf(server: Server): number {
  const fd = (server as unknown as { _handle: { fd: number } | null })._handle?.fd;
  if (fd === undefined || fd < 0) throw new TypeError('A server that is handed over must be listening.');
  return fd;
}

/** Resolves with undefined once process 1 is ready, or with what the refusing program said. */
function waitUntilReady(child: ChildProcess): Promise<string | undefined> {
  return new Promise((resolve) => {
    let said = '';
    child.stderr?.on('data', (chunk: Buffer) => {
      said += chunk.toString();
      if (said.includes(readyLine)) resolve(undefined);
    });
    child.once('error', (error) => resolve(error.message));
    child.once('close', (status, signal) => resolve(said.trim() || `unshare ended with ${status ?? signal}`));
  });
}

async function listenAgain(servers: readonly Server[], addresses: readonly AddressInfo[]): Promise<void> {
  for (const [index, server] of servers.entries()) {
    if (server.listening) continue;
    const { address, port } = addresses[index] as AddressInfo;
    await new Promise<void>((resolve, reject) => {
      const fail = (error: Error): void => reject(new PilviError('PortTaken', `${address}:${port}`, { cause: error }));
      server.once('error', fail);
      server.listen({ host: address, port }, () => {
        server.off('error', fail);
        resolve();
      });
    });
  }
}
