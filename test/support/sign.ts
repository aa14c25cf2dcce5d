/** What the official signers need from their surroundings: a SHA-256 that also is an HMAC when given a key. */
import { createHash, createHmac } from 'node:crypto';

type Source = string | ArrayBuffer | ArrayBufferView;

function bytesOf(source: Source): Uint8Array {
  if (typeof source === 'string') return Buffer.from(source, 'utf8');
  return ArrayBuffer.isView(source)
    ? new Uint8Array(source.buffer, source.byteOffset, source.byteLength)
    : new Uint8Array(source);
}

export class Sha256 {
  readonly #key: Uint8Array | undefined;
  #parts: Uint8Array[] = [];

  constructor(key?: Source) {
    this.#key = key === undefined ? undefined : bytesOf(key);
  }

  update(data: Source): void {
    this.#parts.push(Uint8Array.from(bytesOf(data)));
  }

  digest(): Promise<Uint8Array> {
    const hash = this.#key === undefined ? createHash('sha256') : createHmac('sha256', this.#key);
    for (const part of this.#parts) hash.update(part);
    return Promise.resolve(Uint8Array.from(hash.digest()));
  }

  reset(): void {
    this.#parts = [];
  }
}
