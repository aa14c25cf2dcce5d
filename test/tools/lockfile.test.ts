import { expect, test } from 'vitest';
import { completeLock, lockfile } from '../../tools/check/lockfile.ts';
import { findingsOf } from './rules.ts';

const manifest = JSON.stringify({ devDependencies: { tool: '^1.0.0' } });
const lock = (packages: Record<string, unknown>): string =>
  JSON.stringify({ packages: { '': { devDependencies: { tool: '^1.0.0' } }, ...packages } });
const tool = { version: '1.2.0', dev: true, optionalDependencies: { '@tool/linux-x64': '1.2.0', '@tool/darwin-arm64': '1.2.0' } };

test('a whole lock file is right, also with packages nested', async () => {
  const text = lock({
    'node_modules/tool': tool,
    'node_modules/@tool/linux-x64': { version: '1.2.0' },
    'node_modules/tool/node_modules/@tool/darwin-arm64': { version: '1.2.0' },
  });
  expect(await findingsOf(lockfile, { 'package.json': manifest, 'package-lock.json': text })).toEqual([]);
});

test('an optional package that is missing is found, and completed with its platform', async () => {
  const text = lock({ 'node_modules/tool': tool, 'node_modules/@tool/linux-x64': { version: '1.2.0' } });
  expect(await findingsOf(lockfile, { 'package.json': manifest, 'package-lock.json': text })).toEqual([
    'package-lock.json:1 npm ci would miss @tool/darwin-arm64: npm run lock',
  ]);
  const whole = completeLock(text);
  expect(JSON.parse(whole).packages['node_modules/@tool/darwin-arm64']).toEqual({
    version: '1.2.0',
    optional: true,
    dev: true,
    os: ['darwin'],
    cpu: ['arm64'],
  });
  expect(await findingsOf(lockfile, { 'package.json': manifest, 'package-lock.json': whole })).toEqual([]);
});

test('a package.json that the lock file does not know is found', async () => {
  const changed = JSON.stringify({ devDependencies: { tool: '^2.0.0' }, dependencies: { other: '1' } });
  const found = await findingsOf(lockfile, { 'package.json': changed, 'package-lock.json': lock({}) });
  expect(found.map((line) => line.split(' ')[1])).toEqual(['other', 'tool']);
});
