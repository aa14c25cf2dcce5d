/**
 * Runs one program of the host: argument array, bounded time, bounded output. Every other file of this folder goes through here.
 *
 * Programs get a fixed environment and are looked for in the usual system folders first, because an ordinary user's PATH often lacks /usr/sbin,
 * where ip, nft and runc live. Rejected: a shell (quoting), and inheriting the caller's environment (locale changes messages, secrets leak).
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { PilviError } from '../base/errors.ts';

/** Where programs are looked for, in order. */
const programFolders = ['/usr/local/sbin', '/usr/local/bin', '/usr/sbin', '/usr/bin', '/sbin', '/bin'] as const;

/** What every program of the host is given as its environment, unless the caller adds to it. */
export const programEnvironment: Readonly<Record<string, string>> = { PATH: programFolders.join(':'), LC_ALL: 'C' };

const timeoutMillisDefault = 30_000;
const outputBytesDefault = 4 * 1024 * 1024;

export interface CommandOptions {
  /** Written to standard input, which is then closed; nothing is written when absent. */
  input?: string | Uint8Array | undefined;
  /** Real milliseconds before the program is killed; 30 000 when absent. */
  timeoutMs?: number | undefined;
  /** Bytes of standard output, and of standard error, before the program is killed; 4 MiB when absent. */
  outputBytesMax?: number | undefined;
  cwd?: string | undefined;
  /** Added to `programEnvironment`. */
  env?: Readonly<Record<string, string>> | undefined;
}

export interface CommandOutput {
  status: number;
  stdout: string;
  stderr: string;
  stdoutBytes: Uint8Array;
}

/** The cause inside a `CommandFailed`: what was run and how it ended. */
export class CommandFailure extends Error {
  readonly argv: readonly string[];
  /** Exit status, or null when a signal ended the program. */
  readonly status: number | null;
  readonly signal: string | null;
  readonly stdout: string;
  readonly stderr: string;

  constructor(argv: readonly string[], why: string, end: Omit<CommandOutput, 'status' | 'stdoutBytes'> & End) {
    super(`${formatCommandLine(argv)}: ${why}${end.stderr.trim() === '' ? '' : `: ${end.stderr.trim()}`}`);
    this.name = 'CommandFailure';
    this.argv = argv;
    this.status = end.status;
    this.signal = end.signal;
    this.stdout = end.stdout;
    this.stderr = end.stderr;
  }
}

interface End {
  status: number | null;
  signal: string | null;
}

/** The command line as one would type it, for messages only. */
export function formatCommandLine(argv: readonly string[]): string {
  return argv.map((part) => (/^[\w@%+=:,./-]+$/.test(part) ? part : `'${part.replaceAll("'", "'\\''")}'`)).join(' ');
}

/** A path found once is kept: programs do not move while Pilvi runs. What is missing is looked for again, since it may be installed meanwhile. */
const foundPrograms = new Map<string, string>();

/** Absolute path of a program in the usual system folders, or undefined when it is not installed there. A path is returned as it is. */
export function findProgram(name: string): string | undefined {
  if (name.includes('/')) return name;
  const known = foundPrograms.get(name);
  if (known !== undefined) return known;
  for (const folder of programFolders) {
    const path = `${folder}/${name}`;
    try {
      accessSync(path, constants.X_OK);
      foundPrograms.set(name, path);
      return path;
    } catch {
      // Not in this folder; the next one may have it.
    }
  }
  return undefined;
}

/**
 * Runs a program and resolves with what it printed, whatever its exit status. Throws `ProgramMissing` when it is not installed and
 * `CommandFailed` (cause: `CommandFailure`) when it runs out of time, prints too much or is ended by a signal.
 */
export function tryCommand(argv: readonly string[], options: CommandOptions = {}): Promise<CommandOutput> {
  const name = argv[0] ?? '';
  const program = findProgram(name);
  if (program === undefined) return Promise.reject(missing(argv));
  return new Promise((resolve, reject) => {
    const child = spawn(program, argv.slice(1), {
      cwd: options.cwd,
      env: { ...programEnvironment, ...options.env },
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    const outcome = collect(child, argv, options);
    outcome.then(resolve, reject);
    // A program that ends without reading its input breaks the pipe; its exit status tells the story, not EPIPE.
    child.stdin.on('error', () => {});
    child.stdin.end(options.input);
  });
}

/** Like `tryCommand`, and throws `CommandFailed` (cause: `CommandFailure`) for any exit status but 0. */
export async function runCommand(argv: readonly string[], options: CommandOptions = {}): Promise<CommandOutput> {
  const output = await tryCommand(argv, options);
  if (output.status !== 0) throw failed(argv, `ended with status ${output.status}`, { ...output, signal: null });
  return output;
}

function collect(child: ChildProcess, argv: readonly string[], options: CommandOptions): Promise<CommandOutput> {
  const bytesMax = options.outputBytesMax ?? outputBytesDefault;
  const timeoutMs = options.timeoutMs ?? timeoutMillisDefault;
  const chunks: { stdout: Buffer[]; stderr: Buffer[] } = { stdout: [], stderr: [] };
  let killedFor: string | undefined;
  const kill = (why: string): void => {
    killedFor ??= why;
    child.kill('SIGKILL');
  };
  for (const name of ['stdout', 'stderr'] as const) {
    let bytes = 0;
    child[name]?.on('data', (chunk: Buffer) => {
      bytes += chunk.length;
      if (bytes > bytesMax) kill(`printed more than ${bytesMax} bytes`);
      else chunks[name].push(chunk);
    });
  }
  const timer = setTimeout(() => kill(`took longer than ${timeoutMs} ms`), timeoutMs);
  return new Promise((resolve, reject) => {
    child.on('error', (error: NodeJS.ErrnoException) => {
      clearTimeout(timer);
      reject(
        error.code === 'ENOENT' ? missing(argv) : new PilviError('CommandFailed', formatCommandLine(argv), { cause: error }),
      );
    });
    child.on('close', (status, signal) => {
      clearTimeout(timer);
      const stdoutBytes = Buffer.concat(chunks.stdout);
      const texts = { stdout: stdoutBytes.toString(), stderr: Buffer.concat(chunks.stderr).toString() };
      if (killedFor === undefined && status !== null) resolve({ status, ...texts, stdoutBytes });
      else reject(failed(argv, killedFor ?? `was ended by ${signal}`, { status, signal, ...texts }));
    });
  });
}

function failed(argv: readonly string[], why: string, end: Omit<CommandOutput, 'status' | 'stdoutBytes'> & End): PilviError {
  const cause = new CommandFailure(argv, why, end);
  return new PilviError('CommandFailed', cause.message, { cause });
}

function missing(argv: readonly string[]): PilviError {
  return new PilviError('ProgramMissing', `${argv[0]} is in none of ${programFolders.join(', ')}.`);
}
