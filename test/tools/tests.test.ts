import { describe, expect, test } from 'vitest';
import { tests } from '../../tools/check/tests.ts';
import { findingsOf } from './rules.ts';

function findings(text: string, path = 'test/services/iam/a.test.ts'): Promise<string[]> {
  return findingsOf(tests, { [path]: text });
}

describe('tests that are left out', () => {
  test.each([
    "test.only('a', f);",
    "describe.only('a', f);",
    "test.concurrent.only('a', f);",
    "it.skip('a', f);",
    "describe.skip('a', f);",
    "test.todo('a');",
    "test.skipIf(process.getuid() !== 0)('a', f);",
    "describe.runIf(linux)('a', f);",
    "xit('a', f);",
    "test('a', (context) => { context.skip(); });",
  ])('%s is found', async (text) => {
    expect(await findings(text)).toHaveLength(1);
  });

  test.each([
    "test('a', (context) => { context.skip(condition, 'needs root'); });",
    "test('a', ({ skip }) => { skip('needs root'); });",
    "test.each(['a'])('%s', f);",
    "test.concurrent('a', f);",
    'stream.skip(4);',
  ])('%s is right', async (text) => {
    expect(await findings(text)).toEqual([]);
  });
});

describe('sleeping', () => {
  test.each([
    'await new Promise((resolve) => setTimeout(resolve, 100));',
    'await new Promise<void>((done) => { setTimeout(() => done(), 100); });',
    "import { setTimeout } from 'node:timers/promises';",
  ])('%s is found', async (text) => {
    const found = await findings(text);
    expect(found).toHaveLength(1);
    expect(found[0]).toContain('eventually');
  });

  test('a guard that rejects is none, and support may wait', async () => {
    expect(await findings('new Promise((resolve, reject) => setTimeout(() => reject(new Error()), 1000));')).toEqual([]);
    expect(await findings('await new Promise((resolve) => setTimeout(resolve, 100));', 'test/support/eventually.ts')).toEqual([]);
  });
});
