/**
 * Encryption at rest: AES-256 in counter mode, so that a range is read without what stands before it. Every blob has an initial counter of its own
 * under a key that its owner holds; the owner's checksum tells damage. Rejected: GCM over the whole, which cannot be read from the middle, and
 * GCM by segments, which costs a tag per segment for what the checksum gives already.
 */
import { createCipheriv, type Cipher } from 'node:crypto';

/** Bytes of an initial counter, and of a block. */
export const counterBytes = 16;

/** Encrypts or decrypts (the same thing) bytes that stand at `offset` of their blob. */
export function cipherAt(key: Uint8Array, initial: Uint8Array, offset: number): Cipher {
  const cipher = createCipheriv('aes-256-ctr', key, counterAfter(initial, Math.floor(offset / counterBytes)));
  if (offset % counterBytes > 0) cipher.update(new Uint8Array(offset % counterBytes));
  return cipher;
}

/** Runs pieces through a cipher. */
export async function* through(cipher: Cipher, pieces: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  for await (const piece of pieces) yield cipher.update(piece);
}

/** The counter `blocks` blocks later: a number of 128 bits, big-endian, that wraps. */
function counterAfter(initial: Uint8Array, blocks: number): Uint8Array {
  if (blocks === 0) return initial;
  const counter = Buffer.from(initial);
  const value = (BigInt(`0x${counter.toString('hex')}`) + BigInt(blocks)) & ((1n << 128n) - 1n);
  return Buffer.from(value.toString(16).padStart(counterBytes * 2, '0'), 'hex');
}
