import { inflateSync } from 'node:zlib';
import jsQr from 'jsqr';
import { expect, test } from 'vitest';
import { drawPng } from './png.ts';
import { encodeQr } from './qr-code.ts';

const scan = jsQr as unknown as typeof jsQr.default;

/** Reads back what drawPng writes: one IDAT, one bit per pixel, no filter. */
function pixelsOf(png: Uint8Array): { data: Uint8ClampedArray; side: number } {
  const bytes = Buffer.from(png);
  const side = bytes.readUInt32BE(16);
  const at = bytes.indexOf('IDAT');
  const raw = inflateSync(bytes.subarray(at + 4, at + 4 + bytes.readUInt32BE(at - 4)));
  const data = new Uint8ClampedArray(side * side * 4).fill(255);
  const rowBytes = Math.ceil(side / 8) + 1;
  for (let y = 0; y < side; y += 1) {
    for (let x = 0; x < side; x += 1) {
      const light = ((raw[y * rowBytes + 1 + (x >> 3)] ?? 0) >> (7 - (x & 7))) & 1;
      if (light === 0) data.fill(0, (y * side + x) * 4, (y * side + x) * 4 + 3);
    }
  }
  return { data, side };
}

// Lengths on both sides of borders between versions, up to the largest.
test.each([1, 14, 15, 26, 27, 62, 84, 106, 107, 122, 152, 180, 213, 214, 287, 331, 362, 412, 450, 504, 560, 624, 666])(
  'a scanner reads a code of %i bytes',
  (length) => {
    const text = Array.from({ length }, (_, index) => String.fromCharCode(33 + ((index * 7) % 90))).join('');
    const { data, side } = pixelsOf(drawPng(encodeQr(Buffer.from(text)), 3, 4));
    expect(scan(data, side, side)?.data).toBe(text);
  },
);

test('more bytes than the largest version holds are refused', () => {
  expect(() => encodeQr(new Uint8Array(667))).toThrow(RangeError);
});
