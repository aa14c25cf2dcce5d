/** Machines for somebody who is not root: the same plane in a user namespace, without limits. Started as another user, so it needs root to begin. */
import { spawnSync } from 'node:child_process';
import { chmod, chown, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { expect, test } from 'vitest';
import type { RootlessReport } from './support-rootless.ts';

/** A number that no account of the host has. */
const userId = 64_123;

test('a user without rights gets machines, without limits', { timeout: 120_000 }, async (context) => {
  context.skip(process.getuid?.() !== 0, 'only root can become another user; machines.test.ts shows the same to everybody else');
  const folder = await mkdtemp(join(tmpdir(), 'pilvi-test-'));
  try {
    await chown(folder, userId, userId);
    await chmod(folder, 0o755);
    const program = join(folder, 'program.mjs');
    await build({
      entryPoints: [fileURLToPath(new URL('./support-rootless.ts', import.meta.url))],
      outfile: program,
      bundle: true,
      platform: 'node',
      target: 'node20',
      format: 'esm',
      // The checkout may lie in a folder that the other user cannot read, so packages are bundled too, and some of them still call require.
      banner: { js: "import { createRequire as makeRequire } from 'node:module'; const require = makeRequire(import.meta.url);" },
      logLevel: 'error',
    });
    const output = join(folder, 'report.json');
    const become = ['setpriv', '--reuid', String(userId), '--regid', String(userId), '--clear-groups', '--'];
    const argv = [...become, process.execPath, program, output];
    const { status, stderr } = spawnSync(argv[0] as string, argv.slice(1), {
      env: { PATH: process.env['PATH'], HOME: folder, TMPDIR: folder },
      encoding: 'utf8',
    });
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    const report = JSON.parse(await readFile(output, 'utf8')) as RootlessReport;
    if (report.refused !== undefined) return context.skip(report.refused);
    expect(report).toMatchObject({
      states: ['running', 'stopped', 'running'],
      who: 'root',
      installed: 'tool\ngone',
      golden: 'tool',
    });
    expect(report.hostSecret, 'the data folder is not seen inside').not.toBe(0);
    expect(report.console).toContain('no limits of memory and processors');
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});
