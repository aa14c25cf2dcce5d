/**
 * The CRC of two texts one after the other, out of the CRC of each and the length of the second: zlib's crc32_combine for any reflected polynomial.
 * Appending a zero byte is a linear map of the register; its powers of two, by repeated squaring of the matrix, append any number of them.
 * Source of the method: M. Adler, "crc32_combine" (zlib, crc32.c).
 */
import type { ChecksumAlgorithm } from '../../base/checksum.ts';

/** Reflected polynomials, by algorithm. */
const polynomials: Partial<Record<ChecksumAlgorithm, { bits: number; polynomial: bigint }>> = {
  CRC32: { bits: 32, polynomial: 0xedb88320n },
  CRC32C: { bits: 32, polynomial: 0x82f63b78n },
  CRC64NVME: { bits: 64, polynomial: 0x9a6c9329ac4bc9b5n },
};

/** A linear map of registers: the image of each bit. */
type Matrix = readonly bigint[];

function apply(matrix: Matrix, register: bigint): bigint {
  let sum = 0n;
  for (let bit = 0; register !== 0n; bit += 1, register >>= 1n) if ((register & 1n) === 1n) sum ^= matrix[bit]!;
  return sum;
}

function square(matrix: Matrix): Matrix {
  return matrix.map((column) => apply(matrix, column));
}

/** The map of one zero bit. */
function oneZeroBit(bits: number, polynomial: bigint): Matrix {
  return Array.from({ length: bits }, (_, bit) => (bit === 0 ? polynomial : 1n << BigInt(bit - 1)));
}

/** Maps of 2^n zero bytes, made as they are needed; rebuildable. */
const zeroMapsCache = new Map<ChecksumAlgorithm, Matrix[]>();

function zeroMap(algorithm: ChecksumAlgorithm, power: number): Matrix {
  const { bits, polynomial } = polynomials[algorithm]!;
  let maps = zeroMapsCache.get(algorithm);
  if (maps === undefined) {
    maps = [square(square(square(oneZeroBit(bits, polynomial))))];
    zeroMapsCache.set(algorithm, maps);
  }
  while (maps.length <= power) maps.push(square(maps.at(-1)!));
  return maps[power]!;
}

/** The CRC of parts in a row, big-endian as S3 sends it. Throws TypeError for an algorithm that is no CRC. */
export function combineCrc(algorithm: ChecksumAlgorithm, parts: readonly { crc: Uint8Array; bytes: number }[]): Buffer {
  const kind = polynomials[algorithm];
  if (kind === undefined) throw new TypeError(`${algorithm} cannot be combined.`);
  let whole = 0n;
  for (const { crc, bytes } of parts) {
    for (let power = 0, left = bytes; left > 0; power += 1, left = Math.floor(left / 2)) {
      if (left % 2 === 1) whole = apply(zeroMap(algorithm, power), whole);
    }
    whole ^= BigInt(`0x${Buffer.from(crc).toString('hex')}`);
  }
  return Buffer.from(whole.toString(16).padStart(kind.bits / 4, '0'), 'hex');
}
