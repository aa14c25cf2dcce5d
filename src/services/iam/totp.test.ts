import { expect, test } from 'vitest';
import { codeAt, driftOf, findCode, findConsecutive, stepAt, toBase32 } from './totp.ts';

const seed = Buffer.from('12345678901234567890');
const seconds = (value: number): number => value * 1000;

// RFC 6238, appendix B, SHA-1, last six of eight digits.
test.each([
  [59, '287082'],
  [1111111109, '081804'],
  [1111111111, '050471'],
  [1234567890, '005924'],
  [2000000000, '279037'],
  [20000000000, '353130'],
])('the code at second %i is %s', (second, code) => {
  expect(codeAt(seed, stepAt(seconds(second)))).toBe(code);
});

test('two consecutive codes are found within an hour, and no others', () => {
  const now = seconds(1_700_000_000);
  const step = stepAt(now);
  expect(findConsecutive(seed, codeAt(seed, step - 1), codeAt(seed, step), now)).toBe(step);
  expect(findConsecutive(seed, codeAt(seed, step + 40), codeAt(seed, step + 41), now)).toBe(step + 41);
  expect(findConsecutive(seed, codeAt(seed, step), codeAt(seed, step - 1), now)).toBeUndefined();
  expect(findConsecutive(seed, codeAt(seed, step), codeAt(seed, step + 2), now)).toBeUndefined();
  expect(findConsecutive(seed, codeAt(seed, step + 150), codeAt(seed, step + 151), now)).toBeUndefined();
});

test('a code works once, within a step of the expected one', () => {
  const now = seconds(1_700_000_000);
  const step = stepAt(now);
  expect(findCode(seed, codeAt(seed, step), now, 0, 0)).toBe(step);
  expect(findCode(seed, codeAt(seed, step - 1), now, 0, 0)).toBe(step - 1);
  expect(findCode(seed, codeAt(seed, step), now, 0, step)).toBeUndefined();
  expect(findCode(seed, codeAt(seed, step + 2), now, 0, 0)).toBeUndefined();
  expect(findCode(seed, codeAt(seed, step - 10), now, -10, 0)).toBe(step - 10);
  expect(driftOf(step - 1, now)).toBe(0);
  expect(driftOf(step - 10, now)).toBe(-10);
});

// RFC 4648, section 10, without padding.
test.each([
  ['f', 'MY'],
  ['fo', 'MZXQ'],
  ['foo', 'MZXW6'],
  ['foobar', 'MZXW6YTBOI'],
])('base32 of %s is %s', (text, encoded) => {
  expect(toBase32(Buffer.from(text))).toBe(encoded);
});
