import { describe, expect, test } from 'vitest';
import { bans } from '../../tools/check/bans.ts';
import { findingsOf } from './rules.ts';

function findings(path: string, text: string): Promise<string[]> {
  return findingsOf(bans, { [path]: text });
}

describe('banned outside their home', () => {
  test.each([
    ['const a = Date.now();', 'clock.now()'],
    ['const read = Date.now;', 'clock.now()'],
    ['const a = globalThis.Date.now();', 'clock.now()'],
    ['const a = new Date();', 'new Date(clock.now())'],
    ['const a = Date();', 'new Date(clock.now())'],
    ['setTimeout(f, 1);', 'clock.at'],
    ['globalThis.setTimeout(f, 1);', 'clock.at'],
    ['const wait = promisify(setTimeout);', 'clock.at'],
    ['setInterval(f, 1);', 'clock.at'],
    ["import { setTimeout as wait } from 'node:timers/promises';", 'clock.at'],
    ["import { setTimeout as wait } from 'timers/promises';", 'clock.at'],
    ['const a = Math.random();', 'src/base/ids.ts'],
    ["import { randomUUID } from 'node:crypto';\nconst a = randomUUID();", 'src/base/ids.ts'],
    ['const a = crypto.randomUUID();', 'src/base/ids.ts'],
    ['const { env } = process;', 'options are parsed once at boot'],
    ['const { now: read } = Date;', 'clock.now()'],
    ['const { randomUUID: make } = crypto;', 'src/base/ids.ts'],
    ['const a = { randomUUID };', 'src/base/ids.ts'],
    ['const home = process.env.HOME;', 'options are parsed once at boot'],
    ["const home = process.env['HOME'];", 'options are parsed once at boot'],
    ["import { spawn } from 'node:child_process';", 'src/machine'],
    ["const { spawn } = await import('child_process');", 'src/machine'],
    ['const a = await import(name);', 'computed name'],
  ])('%s', async (text, instead) => {
    const found = await findings('src/kernel/a.ts', text);
    expect(found).toHaveLength(1);
    expect(found[0]).toContain(instead);
  });

  test.each([
    ['src/base/clock.ts', 'Date.now(); new Date(); setTimeout(f, 1);'],
    ['src/planes/fabric/a.ts', 'Date.now(); setInterval(f, 1); Math.random();'],
    ['src/machine/a.ts', "import { spawn } from 'node:child_process';"],
    ['src/base/ids.ts', 'Math.random();'],
    ['src/kernel/a.test.ts', "import { spawn } from 'node:child_process';"],
    ['src/cli/a.ts', "process.env.HOME; import { spawn } from 'node:child_process';"],
    ['src/boot.ts', 'process.env.PILVI_PORT;'],
    ['src/kernel/a.ts', "await import('./b.ts');"],
    ['tools/a.ts', 'Date.now(); process.env.CI;'],
    ['test/support/a.ts', 'setTimeout(f, 1);'],
  ])('allowed in %s', async (path, text) => {
    expect(await findings(path, text)).toEqual([]);
  });
});

describe('names that only look like it', () => {
  test.each([
    'const a = new Date(value);',
    'const a = new Date(clock.now());',
    "const text = 'Date.now()'; // Date.now() and new Date()",
    'clock.setTimeout(f, 1);',
    'class Clock { setTimeout(): void {} }',
    'const ports = { setTimeout: 1 };',
    'function f(setInterval: number): void {}',
    'type Timer = ReturnType<typeof setTimeout>;',
    'dates.Date.now2();',
    "import type { SpawnOptions } from 'node:child_process';",
    'const a = process.environment;',
    'const { setTimeout, env } = options;',
  ])('%s', async (text) => {
    expect(await findings('src/kernel/a.ts', text)).toEqual([]);
  });
});

describe('state of a module in a service', () => {
  test.each([
    'let count = 0;',
    'export let count = 0;',
    'const seen = new Map<string, number>();',
    'const list: string[] = [];',
    'const found = {};',
    'const seen = new Set();',
  ])('%s is found', async (text) => {
    const found = await findings('src/services/iam/a.ts', text);
    expect(found).toHaveLength(1);
    expect(found[0]).toContain('lives in the store');
  });

  test.each([
    ['src/services/iam/a.ts', "const limits = { users: 5000 };\nconst names = new Set(['a']);\nconst list = ['a'] as const;"],
    ['src/services/iam/a.ts', 'const compiledCache = new Map<string, RegExp>();'],
    ['src/services/iam/a.ts', 'export function f(): void { let n = 0; const seen = new Map(); }'],
    ['src/kernel/a.ts', 'let n = 0;'],
  ])('%s: %s', async (path, text) => {
    expect(await findings(path, text)).toEqual([]);
  });
});

describe('unfinished work', () => {
  test.each(['// TODO: later', '/* FIXME */', '/** XXX what */'])('%s is found', async (text) => {
    expect(await findings('src/kernel/a.ts', `${text}\nexport const a = 1;`)).toHaveLength(1);
  });

  test('the word in a string is none', async () => {
    expect(await findings('src/kernel/a.ts', "export const a = 'TODO';")).toEqual([]);
  });
});
