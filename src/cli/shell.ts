/**
 * `pilvi shell`: a shell, or one command after `--`, in the cloud's internet, where public addresses answer. `pilvi shell i-…` enters that
 * instance as root.
 */
import { spawn } from 'node:child_process';
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
  const argv = instance === undefined ? wanted : instanceArguments(target.data, instance, target.rest);
  const [program = '', ...rest] = enterArguments(run.insidePid, run.mode, argv);
  const child = spawn(program, rest, { stdio: 'inherit' });
  return new Promise((resolve, reject) => {
    child.once('error', (error) => reject(new PilviError('ProgramMissing', program, { cause: error })));
    child.once('exit', (status) => resolve(status ?? 1));
  });
}

function instanceArguments(data: string, instance: string, rest: readonly string[]): string[] {
  const tty = process.stdin.isTTY === true && rest.length === 0 ? ['--tty'] : [];
  return [
    'runc',
    '--root',
    `${data}/machines/run/.runtime`,
    'exec',
    ...tty,
    instance,
    ...(rest.length > 0 ? rest : ['/bin/sh', '-l']),
  ];
}
