/** The demo is a scenario test that users can run: it builds the site with the official SDK, sends traffic and compares what it sees. */
import { spawn } from 'node:child_process';
import { expect, test } from 'vitest';
import { machinesRefused } from '../support/cloud.ts';

const steps = {
  'SCN-006': 4,
  'SCN-007': 5,
  'SCN-008': 5,
  'SCN-009': 2,
  'SCN-010': 2,
  'SCN-011': 3,
  'SCN-012': 2,
  'SCN-013': 2,
  'SCN-014': 3,
};

test('SCN-006 SCN-007 SCN-008 SCN-009 SCN-010 SCN-011 SCN-012 SCN-013 SCN-014 the time site, from one machine to three zones of which one is lost', {
  timeout: 400_000,
}, async (context) => {
  context.skip(machinesRefused() !== undefined, machinesRefused());
  const child = spawn(process.execPath, ['dist/pilvi.js', 'demo', 'whatisthetime'], { stdio: ['ignore', 'pipe', 'ignore'] });
  let output = '';
  child.stdout.on('data', (chunk: Buffer) => {
    output += chunk.toString();
  });
  const status = await new Promise((resolve) => child.once('close', resolve));
  expect(status, output).toBe(0);
  for (const [step, count] of Object.entries(steps))
    expect(output.match(new RegExp(`^ok {4}${step}`, 'gm')), output).toHaveLength(count);
  expect(output).not.toContain('FAIL');
});
