/** The pilvi command. Each subcommand is a module of its own, loaded when it is asked for, so that `start` loads no more than it needs. */
import { PilviError } from '../base/errors.ts';

/** A subcommand: takes its arguments, resolves with the exit status. */
export type Command = (args: readonly string[]) => Promise<number>;

const commands: Readonly<Record<string, () => Promise<Command>>> = {
  start: async () => (await import('./start.ts')).start,
  /** What `start` runs inside the namespaces; not for users. */
  inside: async () => (await import('./inside.ts')).inside,
};

const [name = 'help', ...args] = process.argv.slice(2);
const load = commands[name];
if (load === undefined) {
  console.error(`pilvi: there is no command ${name}. Commands: ${Object.keys(commands).join(' ')}`);
  process.exitCode = 2;
} else {
  try {
    process.exitCode = await (await load())(args);
  } catch (error) {
    if (!(error instanceof PilviError)) throw error;
    console.error(`pilvi ${name}: ${error.message}${error.cause instanceof Error ? ` (${error.cause.message})` : ''}`);
    process.exitCode = 1;
  }
}
