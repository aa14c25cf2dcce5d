import { expect, test } from 'vitest';
import { lengthRule } from '../../tools/check/length.ts';
import { findingsOf } from './rules.ts';

const lines = (count: number): string => 'export const a = 1;\n'.repeat(count);

test('a file of 500 lines is right, of 501 is not', async () => {
  expect(await findingsOf(lengthRule({}), { 'src/a.ts': lines(500) })).toEqual([]);
  expect(await findingsOf(lengthRule({}), { 'src/a.ts': lines(501) })).toEqual([
    'src/a.ts:500 501 lines, more than 500: split it by subject',
  ]);
});

test('a test may have 700', async () => {
  expect(await findingsOf(lengthRule({}), { 'src/a.test.ts': lines(700) })).toEqual([]);
  expect(await findingsOf(lengthRule({}), { 'src/a.test.ts': lines(701) })).toHaveLength(1);
});

test('data and generated files are exempt; a listed file may be long', async () => {
  expect(await findingsOf(lengthRule({}), { 'src/a-data.ts': lines(900), 'src/b.generated.ts': lines(900) })).toEqual([]);
  expect(await findingsOf(lengthRule({ 'src/a.ts': 'one table' }), { 'src/a.ts': lines(501) })).toEqual([]);
});

test('a place in the list that is not needed is found', async () => {
  expect(await findingsOf(lengthRule({ 'src/a.ts': 'one table' }), { 'src/a.ts': lines(3) })).toHaveLength(1);
  expect(await findingsOf(lengthRule({ 'src/gone.ts': 'one table' }), {})).toHaveLength(1);
});

test('a function of more than 80 lines is found by name, but not in tests', async () => {
  const text = `export class Box {\n  fill(): void {\n${'    f();\n'.repeat(80)}  }\n}\n`;
  expect(await findingsOf(lengthRule({}), { 'src/a.ts': text })).toEqual([
    'src/a.ts:2 fill has 82 lines, more than 80: split it by subject',
  ]);
  expect(await findingsOf(lengthRule({}), { 'src/a.test.ts': text })).toEqual([]);
});
