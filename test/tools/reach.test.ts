import { describe, expect, test } from 'vitest';
import { reach } from '../../tools/check/reach.ts';
import { findingsOf } from './rules.ts';

const program = { 'src/cli/pilvi.ts': "import { boot } from '../boot.ts';\nboot();" };

describe('dead files', () => {
  test('a file that the program reaches, also through others and dynamically, is alive', async () => {
    const files = {
      ...program,
      'src/boot.ts': "export async function boot() { await import('./kernel/a.ts'); }",
      'src/kernel/a.ts': "import type { B } from './b.ts';\nexport const a: B = 1;",
      'src/kernel/b.ts': 'export type B = number;',
    };
    expect(await findingsOf(reach, files)).toEqual([]);
  });

  test('a file that nothing reaches is dead', async () => {
    const files = { ...program, 'src/boot.ts': 'export function boot() {}', 'src/kernel/a.ts': 'export const a = 1;' };
    expect(await findingsOf(reach, files)).toEqual([expect.stringContaining('src/kernel/a.ts:1 nothing reaches this file')]);
  });

  test('its own test does not keep it alive; the test of something else does', async () => {
    const own = { 'src/kernel/a.ts': 'export const a = 1;', 'src/kernel/a.test.ts': "import { a } from './a.ts';" };
    expect(await findingsOf(reach, own)).toHaveLength(1);
    const other = { 'src/store/suite.ts': 'export const a = 1;', 'src/store/lmdb/b.test.ts': "import { a } from '../suite.ts';" };
    expect(await findingsOf(reach, other)).toEqual([]);
  });
});

test('a program that a test names as a file to start is alive', async () => {
  const files = {
    'test/sim/a.test.ts': "start('test/sim/writer.ts'); start(new URL('./reader.ts', import.meta.url)); bundle('killer');",
    'test/sim/killer.ts': 'run();',
    'test/sim/writer.ts': 'run();',
    'test/sim/reader.ts': 'export default {};',
  };
  expect(await findingsOf(reach, files)).toEqual([]);
});

describe('exports that nobody takes', () => {
  test('a value taken by no other file is found', async () => {
    const files = { ...program, 'src/boot.ts': 'export function boot() { return helper(); }\nexport function helper() {}' };
    expect(await findingsOf(reach, files)).toEqual([
      'src/boot.ts:2 export helper is taken by no other file: drop the export, or the code',
    ]);
  });

  test('a type that a signature in the file shows is right, a lonely one is not', async () => {
    const files = {
      ...program,
      'src/boot.ts':
        'export interface Options { a: 1 }\nexport interface Lonely { a: 1 }\nexport function boot(options?: Options) {}',
    };
    expect(await findingsOf(reach, files)).toEqual([expect.stringContaining('src/boot.ts:2 export Lonely')]);
  });

  test('taking all keeps all', async () => {
    const files = {
      ...program,
      'src/boot.ts': "import * as a from './a.ts';\nexport const boot = () => a;",
      'src/a.ts': 'export const x = 1;\nexport const y = 2;',
    };
    expect(await findingsOf(reach, files)).toEqual([]);
  });
});
