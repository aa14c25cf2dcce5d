import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type ChecksumAlgorithm, checksumAlgorithms, checksumOf, createChecksum, digestBytes } from './checksum.ts';

const hex = (algorithm: ChecksumAlgorithm, text: string) =>
  Buffer.from(checksumOf(algorithm, Buffer.from(text)), 'base64').toString('hex');

/** The check values of the catalogue of parametrised CRC algorithms: the checksum of the digits 1 to 9. */
test.each([
  ['CRC32', 'cbf43926'],
  ['CRC32C', 'e3069283'],
  ['CRC64NVME', 'ae8b14860a799888'],
  ['SHA1', 'f7c3bc1d808e04732adf679965ccc34ca7ae3441'],
  ['SHA256', '15e2b0d3c33891ebb0f1ef609ec419420c20e320ce94c65fbc8c3312448eb225'],
] as const)('%s of "123456789" is %s', (algorithm, expected) => expect(hex(algorithm, '123456789')).toBe(expected));

test('of nothing', () => {
  expect(checksumAlgorithms.map((algorithm) => hex(algorithm, ''))).toEqual([
    '00000000',
    '00000000',
    '0000000000000000',
    'da39a3ee5e6b4b0d3255bfef95601890afd80709',
    'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855',
  ]);
});

/** Bit by bit, as the definition says; slow and independent of the tables. */
function slowCrc(bytes: Uint8Array, bits: 32 | 64, reflected: bigint): string {
  const ones = (1n << BigInt(bits)) - 1n;
  let crc = ones;
  for (const byte of bytes) {
    crc ^= BigInt(byte);
    for (let bit = 0; bit < 8; bit++) crc = crc & 1n ? (crc >> 1n) ^ reflected : crc >> 1n;
  }
  return (crc ^ ones).toString(16).padStart(bits / 4, '0');
}

describe('against the definition', () => {
  test.each([
    ['CRC32', 32, 0xedb88320n],
    ['CRC32C', 32, 0x82f63b78n],
    ['CRC64NVME', 64, 0x9a6c9329ac4bc9b5n],
  ] as const)('%s of any bytes, given in any pieces', (algorithm, bits, reflected) => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 80 }), fc.nat(80), fc.nat(80), (bytes, first, second) => {
        const cuts = [first, second].map((cut) => Math.min(cut, bytes.length)).sort((a, b) => a - b) as [number, number];
        const checksum = createChecksum(algorithm);
        for (const piece of [bytes.subarray(0, cuts[0]), bytes.subarray(cuts[0], cuts[1]), bytes.subarray(cuts[1])])
          checksum.update(piece);
        const digest = checksum.digest();
        expect(digest).toHaveLength(digestBytes[algorithm]);
        expect(Buffer.from(digest).toString('hex')).toBe(slowCrc(bytes, bits, reflected));
      }),
    );
  });
});
