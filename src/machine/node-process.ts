/**
 * Processes of Pilvi's own program inside a network namespace, with a channel for messages: proxy nodes, cache nodes. They end with the process that started them,
 * because the channel closes.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { findProgram, programEnvironment } from './command.ts';
import { inNamespace } from './netns.ts';

/**
 * Starts `pilvi ARGS…` in the named namespace. Throws when nsenter is missing; errors of the program itself come as its end. Messages of the
 * channel are JSON, or `advanced`: also bytes and maps.
 */
export function startOwnProcess(
  namespace: string,
  args: readonly string[],
  memoryMiB: number,
  serialization: 'json' | 'advanced' = 'json',
): ChildProcess {
  const [name = '', ...rest] = inNamespace(namespace, [
    process.execPath,
    `--max-old-space-size=${memoryMiB}`,
    process.argv[1] ?? '',
    ...args,
  ]);
  return spawn(findProgram(name) ?? name, rest, {
    env: { ...programEnvironment },
    serialization,
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
}
