/** A cloud of one's own, as a process on a free port with a data folder of its own: for tests that move time, kill or restart. */
import { type ChildProcess, spawn } from 'node:child_process';
import { chown, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';

/** Real milliseconds for a cloud to answer. */
const readyMillisMax = 30_000;

export interface OwnCloud {
  endpoint: string;
  data: string;
  limits: readonly string[];
  process: ChildProcess;
  /** Everything it has printed. */
  output: () => string;
  /** Ends it in good order and removes its data; resolves with what it printed. */
  stop: () => Promise<string>;
  /** `kill -9` of the whole cloud; the data folder stays for `startOwnCloud({ data })`. */
  kill: () => Promise<void>;
}

/** Starts `pilvi start` from dist/; resolves when it answers. */
export async function startOwnCloud({
  data,
  args = ['--strict-images'],
  env = {},
  user,
}: {
  data?: string;
  args?: readonly string[];
  /** Variables beside those of this process. */
  env?: Readonly<Record<string, string>>;
  /** Number of the user that it runs as, in place of root. */
  user?: number;
} = {}): Promise<OwnCloud> {
  const folder = data ?? (await mkdtemp(path.join(tmpdir(), 'pilvi-test-')));
  if (user !== undefined) await chown(folder, user, user);
  const become = user === undefined ? [] : ['setpriv', '--reuid', String(user), '--regid', String(user), '--clear-groups', '--'];
  const [program = '', ...words] = [...become, process.execPath, 'dist/pilvi.js', 'start', '--port', '0', '--data', folder];
  const child = spawn(program, [...words, '--validate-output', ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, ...env },
  });
  let output = '';
  const ended = new Promise<void>((resolve) => child.once('close', () => resolve()));
  const endpoint = await new Promise<string>((resolve, reject) => {
    const timer = setTimeout(
      () => reject(new Error(`The cloud did not start within ${readyMillisMax} ms:\n${output}`)),
      readyMillisMax,
    );
    const take = (chunk: Buffer): void => {
      output += chunk.toString();
      const ready = /is ready: (http:\/\/127\.0\.0\.1:\d+)/.exec(output);
      if (ready?.[1] !== undefined) {
        clearTimeout(timer);
        resolve(ready[1]);
      }
    };
    child.stdout.on('data', take);
    child.stderr.on('data', take);
    void ended.then(() => reject(new Error(`The cloud ended before it was ready:\n${output}`)));
  });
  const health = (await (await fetch(`${endpoint}/_pilvi/health`)).json()) as { limits: string[] };
  return {
    endpoint,
    data: folder,
    limits: health.limits,
    process: child,
    output: () => output,
    async stop() {
      child.kill('SIGTERM');
      await ended;
      await rm(folder, { recursive: true, force: true });
      return output;
    },
    async kill() {
      child.kill('SIGKILL');
      await ended;
    },
  };
}
