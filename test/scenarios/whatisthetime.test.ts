/** The demo is a scenario test that users can run: it builds the site with the official SDK, sends traffic and compares what it sees. */
import { spawn } from 'node:child_process';
import { expect, test } from 'vitest';
import { machinesRefused } from '../support/cloud.ts';

test('SCN-006 SCN-007 SCN-008 the time site on one machine, with a fixed address, on a bigger one, and on three', {
  timeout: 90_000,
}, async (context) => {
  context.skip(machinesRefused() !== undefined, machinesRefused());
  // No cloud runs on this port, so the demo starts one of its own.
  const child = spawn(process.execPath, ['dist/pilvi.js', 'demo', 'whatisthetime', '--until', 'horizontal', '--port', '9'], {
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  let output = '';
  child.stdout.on('data', (chunk: Buffer) => {
    output += chunk.toString();
  });
  const status = await new Promise((resolve) => child.once('close', resolve));
  expect({ status, output }).toMatchObject({ status: 0 });
  expect(output.match(/^ok {4}SCN-006/gm)).toHaveLength(4);
  expect(output.match(/^ok {4}SCN-007/gm)).toHaveLength(5);
  expect(output.match(/^ok {4}SCN-008/gm)).toHaveLength(5);
  expect(output).not.toContain('FAIL');
});
