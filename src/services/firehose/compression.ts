/** Compressed objects ("CompressionFormat"): GZIP, ZIP with one entry, Snappy in its framing format, and Hadoop's blocks of Snappy. Pure. */
import { crc32, deflateRawSync, gzipSync } from 'node:zlib';
import { compress } from 'snappyjs';
import { checksumOf } from '../../base/checksum.ts';
import type { Compression } from './state.ts';

export const extensions: Readonly<Record<Compression, string>> = {
  UNCOMPRESSED: '',
  GZIP: '.gz',
  ZIP: '.zip',
  Snappy: '.snappy',
  HADOOP_SNAPPY: '.hsnappy',
};

/** Uncompressed bytes of a frame, of Hadoop's block. */
const frameBytes = 65_536;
const hadoopBlockBytes = 262_144;

/** The bytes of an object. `name` is that of a ZIP's entry. */
export function compressed(bytes: Uint8Array, format: Compression, name: string): Uint8Array {
  switch (format) {
    case 'GZIP':
      return gzipSync(bytes);
    case 'ZIP':
      return zip(bytes, name);
    case 'Snappy':
      return snappyFrames(bytes);
    case 'HADOOP_SNAPPY':
      return hadoopSnappy(bytes);
    case 'UNCOMPRESSED':
      return bytes;
  }
}

/** An archive with one entry: local header, data, central directory, its end (APPNOTE.TXT 4.3). */
function zip(bytes: Uint8Array, name: string): Uint8Array {
  const data = deflateRawSync(bytes);
  const title = Buffer.from(name, 'utf8');
  const common = Buffer.alloc(26);
  common.writeUInt16LE(20, 0);
  common.writeUInt16LE(0x0800, 2);
  common.writeUInt16LE(8, 4);
  // 1 January 1980, the format's first day.
  common.writeUInt16LE(0x21, 8);
  common.writeUInt32LE(crc32(bytes), 10);
  common.writeUInt32LE(data.byteLength, 14);
  common.writeUInt32LE(bytes.byteLength, 18);
  common.writeUInt16LE(title.byteLength, 22);
  const local = Buffer.concat([Buffer.from('PK\u0003\u0004', 'latin1'), common, title]);
  const central = Buffer.concat([
    Buffer.from('PK\u0001\u0002', 'latin1'),
    Buffer.from([20, 0]),
    common,
    // Comment, disk, attributes, and the local header's place, which is 0.
    Buffer.alloc(14),
    title,
  ]);
  const end = Buffer.alloc(22);
  end.write('PK\u0005\u0006', 'latin1');
  end.writeUInt16LE(1, 8);
  end.writeUInt16LE(1, 10);
  end.writeUInt32LE(central.byteLength, 12);
  end.writeUInt32LE(local.byteLength + data.byteLength, 16);
  return Buffer.concat([local, data, central, end]);
}

function* pieces(bytes: Uint8Array, size: number): Generator<Uint8Array> {
  for (let at = 0; at < bytes.byteLength; at += size) yield bytes.subarray(at, at + size);
}

/** Snappy's framing format: a stream identifier, then frames with a masked CRC-32C each (framing_format.txt). */
function snappyFrames(bytes: Uint8Array): Uint8Array {
  const parts: Uint8Array[] = [Buffer.from([0xff, 6, 0, 0, ...Buffer.from('sNaPpY')])];
  for (const piece of pieces(bytes, frameBytes)) {
    const data = compress(piece);
    const head = Buffer.alloc(8);
    head.writeUIntLE(data.byteLength + 4, 1, 3);
    head.writeUInt32LE(maskedCrc32c(piece), 4);
    parts.push(head, data);
  }
  return Buffer.concat(parts);
}

function maskedCrc32c(bytes: Uint8Array): number {
  const crc = Buffer.from(checksumOf('CRC32C', bytes), 'base64').readUInt32BE(0);
  return (((crc >>> 15) | (crc << 17)) + 0xa282ead8) >>> 0;
}

/** Hadoop's BlockCompressorStream: the length of what a block holds, the length of its data, the data; both big-endian. */
function hadoopSnappy(bytes: Uint8Array): Uint8Array {
  const parts: Uint8Array[] = [];
  for (const piece of pieces(bytes, hadoopBlockBytes)) {
    const data = compress(piece);
    const head = Buffer.alloc(8);
    head.writeUInt32BE(piece.byteLength, 0);
    head.writeUInt32BE(data.byteLength, 4);
    parts.push(head, data);
  }
  return Buffer.concat(parts);
}
