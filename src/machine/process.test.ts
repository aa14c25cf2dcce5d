import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { expect, test } from 'vitest';
import { isAlive, readProcess, signalProcess, waitGone } from './process.ts';

test('a process is known by pid and start, and gone when it has ended', async () => {
  const child = spawn('sleep', ['60'], { stdio: 'ignore' });
  const exit = once(child, 'exit');
  const handle = readProcess(child.pid as number);
  expect(handle).toBeDefined();
  if (handle === undefined) return;
  expect(isAlive(handle)).toBe(true);
  expect(isAlive({ ...handle, startTicks: handle.startTicks + 1 }), 'another process of the same number').toBe(false);
  expect(signalProcess({ ...handle, startTicks: 0 }, 'SIGKILL')).toBe(false);
  expect(await waitGone(handle, 5)).toBe(false);
  expect(signalProcess(handle, 'SIGKILL')).toBe(true);
  expect(await waitGone(handle, 5_000)).toBe(true);
  await exit;
  expect(readProcess(child.pid as number)).toBeUndefined();
});
