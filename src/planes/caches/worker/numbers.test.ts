import { describe, expect, it } from 'vitest';
import { CborReader } from './cbor.ts';
import { encodeNumber, encodeSortNumber, numberText, plainNumber, sortNumberText } from './numbers.ts';

const numbers = [
  ...[
    '0',
    '1',
    '-1',
    '10',
    '999',
    '1000',
    '-1000',
    '0.5',
    '-0.5',
    '0.001',
    '123456.789',
    '9007199254740993',
    '-9007199254740993',
  ],
  ...['123456789012345678901234567890', '-0.12345678901234567890123456789', `1${'0'.repeat(125)}`, `-0.${'0'.repeat(129)}1`],
];

describe('numbers of items', () => {
  it.each(numbers)('%s is the same after its way over the wire', (text) => {
    expect(numberText(new CborReader(encodeNumber(text)).value())).toBe(text);
    expect(sortNumberText(encodeSortNumber(text))).toBe(text);
  });

  it('sorts keys as the numbers do', () => {
    const sorted = [...numbers].sort((a, b) => Buffer.compare(encodeSortNumber(a), encodeSortNumber(b)));
    expect(sorted).toEqual([...numbers].sort((a, b) => Number(a) - Number(b)));
  });

  it('writes numbers out without exponents and needless zeros', () => {
    expect(plainNumber(false, '3100', 3)).toBe('3.1');
    expect(plainNumber(true, '5', -3)).toBe('-5000');
    expect(plainNumber(true, '000', 2)).toBe('0');
    expect(() => plainNumber(false, '1', -1000)).toThrow('beyond all bounds');
  });

  it('refuses what is no number', () => {
    for (const bytes of [Buffer.from([0x61, 0x31]), Buffer.from([0xf4]), Buffer.from([0xfb, 0x7f, 0xf0, 0, 0, 0, 0, 0, 0])])
      expect(() => numberText(new CborReader(bytes).value())).toThrow('Not a number');
    expect(() => sortNumberText(Buffer.from([0xc1]))).toThrow('ends too early');
  });
});
