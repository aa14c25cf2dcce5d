/** `pilvi stop`: ends a cloud in good order and waits until nothing is left of it. */
import { CloudClock } from '../base/clock.ts';
import { PilviError } from '../base/errors.ts';
import { isAlive, readProcess } from '../machine/process.ts';
import { findTarget } from './client.ts';
import { readRunFile } from './run-file.ts';

/** Real milliseconds until the outer process kills what does not end, and a margin. */
const stopMillisMax = 30_000;

/** Sends SIGTERM to the outer process and waits for its end. Throws PilviError NotRunning, CommandFailed when it does not end. */
export async function stop(args: readonly string[]): Promise<number> {
  const { data } = await findTarget(args);
  const run = await readRunFile(data);
  if (run === undefined) throw new PilviError('NotRunning', `No process serves ${data}.`);
  const handle = run.handle ?? readProcess(run.pid);
  process.kill(run.pid, 'SIGTERM');
  const clock = new CloudClock();
  const deadline = clock.realNow() + stopMillisMax;
  while (handle === undefined ? (await readRunFile(data)) !== undefined : isAlive(handle)) {
    if (clock.realNow() > deadline) throw new PilviError('CommandFailed', `Process ${run.pid} does not end.`);
    await clock.pause(20);
  }
  console.log(`Stopped. The data stays in ${data}.`);
  return 0;
}
