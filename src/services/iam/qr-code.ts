/**
 * QR codes, for the picture that CreateVirtualMFADevice gives: ISO/IEC 18004, byte mode, error correction level M, versions 1 to 20 (up to 666
 * bytes). Written here because the few hundred lines of a package would bring drawing and modes that nobody needs. Pure.
 */

/** A square of modules; true is dark. */
export type QrModules = readonly (readonly boolean[])[];

/** Level M by version (index 0 is version 1): error correction codewords of each block, and number of blocks (table 9 of the standard). */
const correctionPerBlock = [10, 16, 26, 18, 24, 16, 18, 22, 22, 26, 30, 22, 22, 24, 24, 28, 28, 26, 26, 26];
const blockCounts = [1, 1, 1, 2, 2, 4, 4, 4, 5, 5, 5, 8, 9, 9, 10, 10, 11, 13, 14, 16];
/** The two bits that stand for level M in the format information. */
const levelBits = 0b00;
const byteMode = 0b0100;

/** Encodes bytes in the smallest version that holds them. Throws RangeError when none does. */
export function encodeQr(data: Uint8Array): QrModules {
  const version = smallestVersion(data.length);
  const codewords = interleave(version, dataCodewords(version, data));
  const grid = new Grid(version);
  grid.drawPatterns();
  grid.drawCodewords(codewords);
  return grid.withBestMask();
}

function smallestVersion(bytes: number): number {
  for (let version = 1; version <= blockCounts.length; version += 1) {
    if (4 + countBits(version) + bytes * 8 <= dataCapacity(version) * 8) return version;
  }
  throw new RangeError(`A QR code of version ${blockCounts.length} does not hold ${bytes} bytes.`);
}

const countBits = (version: number): number => (version < 10 ? 8 : 16);

/** Modules that carry codewords: all but the function patterns. */
function rawModules(version: number): number {
  let modules = (16 * version + 128) * version + 64;
  if (version >= 2) {
    const alignments = Math.floor(version / 7) + 2;
    modules -= (25 * alignments - 10) * alignments - 55;
    if (version >= 7) modules -= 36;
  }
  return modules;
}

function dataCapacity(version: number): number {
  const correction = (correctionPerBlock[version - 1] ?? 0) * (blockCounts[version - 1] ?? 0);
  return Math.floor(rawModules(version) / 8) - correction;
}

/** Mode, length, bytes, terminator and padding. */
function dataCodewords(version: number, data: Uint8Array): Uint8Array {
  const capacity = dataCapacity(version);
  const bits: number[] = [];
  const push = (value: number, length: number): void => {
    for (let bit = length - 1; bit >= 0; bit -= 1) bits.push((value >>> bit) & 1);
  };
  push(byteMode, 4);
  push(data.length, countBits(version));
  for (const byte of data) push(byte, 8);
  push(0, Math.min(4, capacity * 8 - bits.length));
  while (bits.length % 8 !== 0) bits.push(0);
  const codewords = new Uint8Array(capacity);
  for (const [index, bit] of bits.entries()) codewords[index >> 3] = ((codewords[index >> 3] ?? 0) << 1) | bit;
  for (let index = bits.length / 8, pad = 0xec; index < capacity; index += 1, pad ^= 0xec ^ 0x11) codewords[index] = pad;
  return codewords;
}

/** Splits into blocks, adds each block's error correction, and takes the codewords of all blocks in turn. */
function interleave(version: number, data: Uint8Array): Uint8Array {
  const blocks = blockCounts[version - 1] ?? 1;
  const correction = correctionPerBlock[version - 1] ?? 0;
  const total = Math.floor(rawModules(version) / 8);
  const shortLength = Math.floor(total / blocks) - correction;
  const shortBlocks = blocks - (total % blocks);
  const divisor = generator(correction);
  const parts: { data: Uint8Array; correction: Uint8Array }[] = [];
  for (let block = 0, start = 0; block < blocks; block += 1) {
    const end = start + shortLength + (block < shortBlocks ? 0 : 1);
    const part = data.subarray(start, end);
    parts.push({ data: part, correction: remainder(part, divisor) });
    start = end;
  }
  const result: number[] = [];
  for (let index = 0; index <= shortLength; index += 1) {
    for (const part of parts) if (index < part.data.length) result.push(part.data[index] ?? 0);
  }
  for (let index = 0; index < correction; index += 1) for (const part of parts) result.push(part.correction[index] ?? 0);
  return Uint8Array.from(result);
}

/** Product in the field of 256 elements modulo x^8 + x^4 + x^3 + x^2 + 1. */
function multiply(a: number, b: number): number {
  let product = 0;
  for (let bit = 7; bit >= 0; bit -= 1) {
    product = (product << 1) ^ ((product >>> 7) * 0x11d);
    product ^= ((b >>> bit) & 1) * a;
  }
  return product;
}

/** Coefficients of the generator polynomial of this degree, highest first, without the leading one. */
function generator(degree: number): Uint8Array {
  const coefficients = new Uint8Array(degree);
  coefficients[degree - 1] = 1;
  let root = 1;
  for (let round = 0; round < degree; round += 1) {
    for (let index = 0; index < degree; index += 1) {
      coefficients[index] = multiply(coefficients[index] ?? 0, root) ^ (coefficients[index + 1] ?? 0);
    }
    root = multiply(root, 2);
  }
  return coefficients;
}

function remainder(data: Uint8Array, divisor: Uint8Array): Uint8Array {
  const rest = new Uint8Array(divisor.length);
  for (const byte of data) {
    const factor = byte ^ (rest[0] ?? 0);
    rest.copyWithin(0, 1);
    rest[rest.length - 1] = 0;
    for (const [index, coefficient] of divisor.entries()) rest[index] = (rest[index] ?? 0) ^ multiply(coefficient, factor);
  }
  return rest;
}

/** The eight masks of the standard, by row and column. */
const masks: readonly ((row: number, column: number) => boolean)[] = [
  (row, column) => (row + column) % 2 === 0,
  (row) => row % 2 === 0,
  (_row, column) => column % 3 === 0,
  (row, column) => (row + column) % 3 === 0,
  (row, column) => (Math.floor(row / 2) + Math.floor(column / 3)) % 2 === 0,
  (row, column) => ((row * column) % 2) + ((row * column) % 3) === 0,
  (row, column) => (((row * column) % 2) + ((row * column) % 3)) % 2 === 0,
  (row, column) => (((row + column) % 2) + ((row * column) % 3)) % 2 === 0,
];

class Grid {
  readonly #version: number;
  readonly #size: number;
  #modules: boolean[][];
  /** Function patterns: neither data nor masked. */
  readonly #reserved: boolean[][];

  constructor(version: number) {
    this.#version = version;
    this.#size = version * 4 + 17;
    this.#modules = this.#square();
    this.#reserved = this.#square();
  }

  #square(): boolean[][] {
    return Array.from({ length: this.#size }, () => new Array<boolean>(this.#size).fill(false));
  }

  #set(row: number, column: number, dark: boolean): void {
    const modules = this.#modules[row];
    const reserved = this.#reserved[row];
    if (modules === undefined || reserved === undefined || column < 0 || column >= this.#size) return;
    modules[column] = dark;
    reserved[column] = true;
  }

  /** Timing, finders, alignment, version; room for the format. */
  drawPatterns(): void {
    const size = this.#size;
    for (let index = 0; index < size; index += 1) {
      this.#set(6, index, index % 2 === 0);
      this.#set(index, 6, index % 2 === 0);
    }
    for (const [row, column] of [
      [3, 3],
      [3, size - 4],
      [size - 4, 3],
    ] as const)
      this.#drawRings(row, column, 4);
    const centres = this.#alignmentCentres();
    const last = centres.length - 1;
    for (const [i, row] of centres.entries()) {
      for (const [j, column] of centres.entries()) {
        const atFinder = (i === 0 && (j === 0 || j === last)) || (i === last && j === 0);
        if (!atFinder) this.#drawRings(row, column, 2);
      }
    }
    this.#drawVersion();
    this.#drawFormat(0);
  }

  /** Concentric squares: a finder with its light border (radius 4) or an alignment pattern (radius 2). */
  #drawRings(row: number, column: number, radius: number): void {
    for (let down = -radius; down <= radius; down += 1) {
      for (let right = -radius; right <= radius; right += 1) {
        const distance = Math.max(Math.abs(down), Math.abs(right));
        this.#set(row + down, column + right, radius === 4 ? distance !== 2 && distance !== 4 : distance !== 1);
      }
    }
  }

  #alignmentCentres(): number[] {
    if (this.#version === 1) return [];
    const count = Math.floor(this.#version / 7) + 2;
    const step = Math.ceil((this.#version * 4 + 4) / (count * 2 - 2)) * 2;
    const centres = [6];
    for (let index = count - 2; index >= 0; index -= 1) centres.push(this.#size - 7 - index * step);
    return centres;
  }

  #drawVersion(): void {
    if (this.#version < 7) return;
    let check = this.#version;
    for (let round = 0; round < 12; round += 1) check = (check << 1) ^ ((check >>> 11) * 0x1f25);
    const bits = (this.#version << 12) | check;
    for (let index = 0; index < 18; index += 1) {
      const dark = ((bits >>> index) & 1) === 1;
      const far = this.#size - 11 + (index % 3);
      const near = Math.floor(index / 3);
      this.#set(near, far, dark);
      this.#set(far, near, dark);
    }
  }

  #drawFormat(mask: number): void {
    const data = (levelBits << 3) | mask;
    let check = data;
    for (let round = 0; round < 10; round += 1) check = (check << 1) ^ ((check >>> 9) * 0x537);
    const bits = ((data << 10) | check) ^ 0x5412;
    const size = this.#size;
    for (let index = 0; index < 15; index += 1) {
      const dark = ((bits >>> index) & 1) === 1;
      // Around the upper left finder, past the timing patterns.
      if (index < 6) this.#set(index, 8, dark);
      else if (index < 8) this.#set(index + 1, 8, dark);
      else if (index === 8) this.#set(8, 7, dark);
      else this.#set(8, 14 - index, dark);
      // The copy along the other two.
      if (index < 8) this.#set(8, size - 1 - index, dark);
      else this.#set(size - 15 + index, 8, dark);
    }
    this.#set(size - 8, 8, true);
  }

  /** Fills the free modules in the standard's order: two columns at a time from the right, up and down in turn. */
  drawCodewords(codewords: Uint8Array): void {
    let bit = 0;
    for (let right = this.#size - 1; right >= 1; right -= 2) {
      if (right === 6) right = 5;
      const upwards = ((right + 1) & 2) === 0;
      for (let step = 0; step < this.#size; step += 1) {
        const row = upwards ? this.#size - 1 - step : step;
        for (const column of [right, right - 1]) {
          if (this.#reserved[row]?.[column] !== false || bit >= codewords.length * 8) continue;
          (this.#modules[row] as boolean[])[column] = (((codewords[bit >> 3] ?? 0) >>> (7 - (bit & 7))) & 1) === 1;
          bit += 1;
        }
      }
    }
  }

  /** The modules under the mask with the lowest penalty. */
  withBestMask(): QrModules {
    const plain = this.#modules;
    let best: { penalty: number; modules: boolean[][] } | undefined;
    for (const [mask, inverts] of masks.entries()) {
      this.#modules = plain.map((row, y) => row.map((dark, x) => dark !== (this.#reserved[y]?.[x] === false && inverts(y, x))));
      this.#drawFormat(mask);
      const penalty = penaltyOf(this.#modules);
      if (best === undefined || penalty < best.penalty) best = { penalty, modules: this.#modules };
    }
    return best?.modules ?? plain;
  }
}

/** Penalty of the standard's four rules: runs, blocks, patterns that look like finders, imbalance. */
function penaltyOf(modules: boolean[][]): number {
  const columns = modules.map((_, x) => modules.map((row) => row[x] === true));
  let penalty = 0;
  for (const line of [...modules, ...columns]) {
    const text = line.map((dark) => (dark ? '1' : '0')).join('');
    for (const [run] of text.matchAll(/0{5,}|1{5,}/g)) penalty += run.length - 2;
    penalty += 40 * [...text.matchAll(/(?=10111010000|00001011101)/g)].length;
  }
  for (let y = 1; y < modules.length; y += 1) {
    for (let x = 1; x < modules.length; x += 1) {
      const dark = modules[y]?.[x];
      if (modules[y - 1]?.[x] === dark && modules[y]?.[x - 1] === dark && modules[y - 1]?.[x - 1] === dark) penalty += 3;
    }
  }
  const share = modules.flat().filter(Boolean).length / modules.length ** 2;
  return penalty + 10 * Math.floor(Math.abs(share * 100 - 50) / 5);
}
