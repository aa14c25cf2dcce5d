/**
 * `pilvi shell`: a shell, or one command after `--`, in the cloud's internet, where public addresses answer. `pilvi shell i-…` enters that
 * instance as root.
 */
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { PilviError } from '../base/errors.ts';
import { enterArguments } from '../machine/launch.ts';
import { findTarget } from './client.ts';
import { readRunFile } from './run-file.ts';

/** Runs until the shell ends; its exit status is the command's. */
export async function shell(args: readonly string[]): Promise<number> {
  const target = await findTarget(args);
  const run = await readRunFile(target.data);
  if (run === undefined) throw new PilviError('NotRunning', `No process serves ${target.data}.`);
  if (run.insidePid === undefined || run.mode === 'none')
    throw new PilviError('NotPermitted', 'This cloud runs without namespaces, so there is nothing to enter.');
  const [instance] = target.words;
  const wanted = target.rest.length > 0 ? target.rest : [process.env['SHELL'] ?? 'sh'];
  const argv = instance === undefined ? wanted : await instanceArguments(target.data, instance, target.rest);
  const [program = '', ...rest] = enterArguments(run.insidePid, run.mode, argv);
  const child = spawn(program, rest, { stdio: 'inherit' });
  return new Promise((resolve, reject) => {
    child.once('error', (error) => reject(new PilviError('ProgramMissing', program, { cause: error })));
    child.once('exit', (status) => resolve(status ?? 1));
  });
}

/**
 * The runtime must be started in the machine's own time namespace, because it recognises a container by the start time of its first process (see
 * machine/runtime.ts). Throws PilviError BadOption for an instance that has no machine.
 */
async function instanceArguments(data: string, instance: string, rest: readonly string[]): Promise<string[]> {
  const states = path.resolve(data, 'machines/run/.runtime');
  const pid = /^i-[0-9a-f]+$/.test(instance) ? await firstProcess(path.join(states, instance, 'state.json')) : undefined;
  if (pid === undefined) throw new PilviError('BadOption', `No machine runs behind ${instance}.`);
  const inTime = existsSync('/proc/self/ns/time') ? ['nsenter', `--time=/proc/${pid}/ns/time`, '--'] : [];
  const tty = process.stdin.isTTY === true && rest.length === 0 ? ['--tty'] : [];
  return [...inTime, ...['runc', '--root', states, 'exec', ...tty, instance], ...(rest.length > 0 ? rest : ['/bin/sh', '-l'])];
}

/** Process id, inside the cloud, of a container's first process. */
async function firstProcess(stateFile: string): Promise<number | undefined> {
  try {
    return (JSON.parse(await readFile(stateFile, 'utf8')) as { init_process_pid?: number }).init_process_pid;
  } catch {
    return undefined;
  }
}
