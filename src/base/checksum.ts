/**
 * Checksums as S3 offers them: CRC32, CRC32C, CRC64NVME, SHA1, SHA256, incremental, big-endian digests. CRC32 and the hashes are Node's own;
 * CRC32C and CRC64NVME are table-driven here ("slicing by eight": eight bytes at a time), because Node has neither. The CRC-64 runs on two halves of 32
 * bits: with bigint it is fifty times slower.
 */
import { createHash } from 'node:crypto';
import { crc32 } from 'node:zlib';

export type ChecksumAlgorithm = 'CRC32' | 'CRC32C' | 'CRC64NVME' | 'SHA1' | 'SHA256';

export const checksumAlgorithms: readonly ChecksumAlgorithm[] = ['CRC32', 'CRC32C', 'CRC64NVME', 'SHA1', 'SHA256'];

/** Bytes of a digest. */
export const digestBytes: Readonly<Record<ChecksumAlgorithm, number>> = {
  CRC32: 4,
  CRC32C: 4,
  CRC64NVME: 8,
  SHA1: 20,
  SHA256: 32,
};

export interface Checksum {
  update(bytes: Uint8Array): void;
  /** The checksum of all that was given, as bytes. May be asked once. */
  digest(): Uint8Array;
}

/** A checksum of nothing yet. */
export function createChecksum(algorithm: ChecksumAlgorithm): Checksum {
  switch (algorithm) {
    case 'CRC32':
      return new Crc32(crc32);
    case 'CRC32C':
      return new Crc32(crc32c);
    case 'CRC64NVME':
      return new Crc64Nvme();
    default: {
      const hash = createHash(algorithm.toLowerCase());
      return { update: (bytes) => void hash.update(bytes), digest: () => hash.digest() };
    }
  }
}

/** The checksum of one piece, in base 64 as S3 sends it. */
export function checksumOf(algorithm: ChecksumAlgorithm, bytes: Uint8Array): string {
  const checksum = createChecksum(algorithm);
  checksum.update(bytes);
  return Buffer.from(checksum.digest()).toString('base64');
}

class Crc32 implements Checksum {
  readonly #step: (bytes: Uint8Array, before: number) => number;
  #value = 0;

  constructor(step: (bytes: Uint8Array, before: number) => number) {
    this.#step = step;
  }

  update(bytes: Uint8Array): void {
    this.#value = this.#step(bytes, this.#value);
  }

  digest(): Uint8Array {
    const bytes = Buffer.alloc(4);
    bytes.writeUInt32BE(this.#value >>> 0);
    return bytes;
  }
}

/** Castagnoli's polynomial, bits reflected (RFC 3720, appendix B.4). */
const polynomial32c = 0x82f63b78;

/** Eight tables of 256, made on first use: entry [k][b] carries byte b through k+1 steps. */
let tables32c: Uint32Array | undefined;

function makeTables32c(): Uint32Array {
  const tables = new Uint32Array(8 * 256);
  for (let byte = 0; byte < 256; byte++) {
    let value = byte;
    for (let bit = 0; bit < 8; bit++) value = value & 1 ? (value >>> 1) ^ polynomial32c : value >>> 1;
    tables[byte] = value;
  }
  for (let at = 256; at < tables.length; at++) {
    const before = tables[at - 256]!;
    tables[at] = (before >>> 8) ^ tables[before & 255]!;
  }
  return tables;
}

/** CRC32C of `bytes` appended to something whose CRC32C is `before` (0 for nothing). */
function crc32c(bytes: Uint8Array, before = 0): number {
  tables32c ??= makeTables32c();
  const t = tables32c;
  let crc = ~before;
  let i = 0;
  for (const end = bytes.length - 7; i < end; i += 8) {
    const low = crc ^ (bytes[i]! | (bytes[i + 1]! << 8) | (bytes[i + 2]! << 16) | (bytes[i + 3]! << 24));
    crc =
      t[1792 + (low & 255)]! ^
      t[1536 + ((low >>> 8) & 255)]! ^
      t[1280 + ((low >>> 16) & 255)]! ^
      t[1024 + (low >>> 24)]! ^
      t[768 + bytes[i + 4]!]! ^
      t[512 + bytes[i + 5]!]! ^
      t[256 + bytes[i + 6]!]! ^
      t[bytes[i + 7]!]!;
  }
  for (; i < bytes.length; i++) crc = (crc >>> 8) ^ t[(crc ^ bytes[i]!) & 255]!;
  return ~crc >>> 0;
}

/** Polynomial of CRC-64/NVME, bits reflected (NVM Express NVM Command Set Specification, 5.2.1.3.4): upper and lower half. */
const polynomial64 = { high: 0x9a6c9329, low: 0xac4bc9b5 };

let tables64: { high: Uint32Array; low: Uint32Array } | undefined;

function makeTables64(): { high: Uint32Array; low: Uint32Array } {
  const high = new Uint32Array(8 * 256);
  const low = new Uint32Array(8 * 256);
  for (let byte = 0; byte < 256; byte++) {
    let h = 0;
    let l = byte;
    for (let bit = 0; bit < 8; bit++) {
      const carry = l & 1;
      l = (l >>> 1) | ((h & 1) << 31);
      h >>>= 1;
      if (carry) {
        h ^= polynomial64.high;
        l ^= polynomial64.low;
      }
    }
    high[byte] = h;
    low[byte] = l;
  }
  for (let at = 256; at < high.length; at++) {
    const h = high[at - 256]!;
    const l = low[at - 256]!;
    const byte = l & 255;
    low[at] = ((l >>> 8) | (h << 24)) ^ low[byte]!;
    high[at] = (h >>> 8) ^ high[byte]!;
  }
  return { high, low };
}

class Crc64Nvme implements Checksum {
  #high = -1;
  #low = -1;

  update(bytes: Uint8Array): void {
    tables64 ??= makeTables64();
    const { high, low } = tables64;
    let h = this.#high;
    let l = this.#low;
    let i = 0;
    for (const end = bytes.length - 7; i < end; i += 8) {
      const a = l ^ (bytes[i]! | (bytes[i + 1]! << 8) | (bytes[i + 2]! << 16) | (bytes[i + 3]! << 24));
      const b = h ^ (bytes[i + 4]! | (bytes[i + 5]! << 8) | (bytes[i + 6]! << 16) | (bytes[i + 7]! << 24));
      const p0 = 1792 + (a & 255);
      const p1 = 1536 + ((a >>> 8) & 255);
      const p2 = 1280 + ((a >>> 16) & 255);
      const p3 = 1024 + (a >>> 24);
      const p4 = 768 + (b & 255);
      const p5 = 512 + ((b >>> 8) & 255);
      const p6 = 256 + ((b >>> 16) & 255);
      const p7 = b >>> 24;
      h = high[p0]! ^ high[p1]! ^ high[p2]! ^ high[p3]! ^ high[p4]! ^ high[p5]! ^ high[p6]! ^ high[p7]!;
      l = low[p0]! ^ low[p1]! ^ low[p2]! ^ low[p3]! ^ low[p4]! ^ low[p5]! ^ low[p6]! ^ low[p7]!;
    }
    for (; i < bytes.length; i++) {
      const byte = (l ^ bytes[i]!) & 255;
      l = ((l >>> 8) | (h << 24)) ^ low[byte]!;
      h = (h >>> 8) ^ high[byte]!;
    }
    this.#high = h;
    this.#low = l;
  }

  digest(): Uint8Array {
    const bytes = Buffer.alloc(8);
    bytes.writeUInt32BE(~this.#high >>> 0, 0);
    bytes.writeUInt32BE(~this.#low >>> 0, 4);
    return bytes;
  }
}
