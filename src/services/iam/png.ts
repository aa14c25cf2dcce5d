/** The smallest useful PNG writer: black and white pictures (ISO/IEC 15948; one bit per pixel, no filter). Pure. */
import { crc32, deflateSync } from 'node:zlib';

/** Draws a square of modules, each as a square of `scale` pixels, with a light border of `margin` modules, as scanners of QR codes want it. */
export function drawPng(modules: readonly (readonly boolean[])[], scale: number, margin: number): Uint8Array {
  const side = (modules.length + 2 * margin) * scale;
  const rowBytes = Math.ceil(side / 8);
  const raw = Buffer.alloc((rowBytes + 1) * side);
  for (let y = 0; y < side; y += 1) {
    for (let x = 0; x < side; x += 1) {
      const dark = modules[Math.floor(y / scale) - margin]?.[Math.floor(x / scale) - margin] === true;
      if (!dark) {
        const at = y * (rowBytes + 1) + 1 + (x >> 3);
        raw[at] = (raw[at] ?? 0) | (0x80 >> (x & 7));
      }
    }
  }
  const header = Buffer.alloc(13);
  header.writeUInt32BE(side, 0);
  header.writeUInt32BE(side, 4);
  // One bit per pixel, grey scale.
  header[8] = 1;
  return Buffer.concat([
    Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]),
    chunk('IHDR', header),
    chunk('IDAT', deflateSync(raw)),
    chunk('IEND', Buffer.alloc(0)),
  ]);
}

function chunk(type: string, data: Buffer): Buffer {
  const head = Buffer.alloc(4);
  head.writeUInt32BE(data.length);
  const body = Buffer.concat([Buffer.from(type, 'latin1'), data]);
  const check = Buffer.alloc(4);
  check.writeUInt32BE(crc32(body));
  return Buffer.concat([head, body, check]);
}
