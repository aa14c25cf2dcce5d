import { describe, expect, test } from 'vitest';
import { type ChecksumAlgorithm, checksumOf, createChecksum } from '../../base/checksum.ts';
import { combineCrc } from './crc-combine.ts';

const text = Buffer.from(Array.from({ length: 1000 }, (_, index) => (index * 31) % 251));

describe.each<ChecksumAlgorithm>(['CRC32', 'CRC32C', 'CRC64NVME'])('%s', (algorithm) => {
  test.each([[[0]], [[1000]], [[1, 999]], [[512, 0, 488]], [[7, 100, 256, 637]]])(
    'of parts of %j bytes is that of the whole',
    (lengths) => {
      let at = 0;
      const parts = lengths.map((bytes) => {
        const checksum = createChecksum(algorithm);
        checksum.update(text.subarray(at, at + bytes));
        at += bytes;
        return { crc: checksum.digest(), bytes };
      });
      expect(combineCrc(algorithm, parts).toString('base64')).toBe(checksumOf(algorithm, text.subarray(0, at)));
    },
  );
});

test('a hash cannot be combined', () => {
  expect(() => combineCrc('SHA256', [])).toThrow(TypeError);
});
