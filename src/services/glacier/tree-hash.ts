/**
 * SHA-256 tree hashes ("Computing Checksums", Glacier Developer Guide): leaves are the digests of each MiB, a node is the digest of its two children, and
 * a last node without a sibling rises as it is.
 */
import { createHash, type Hash } from 'node:crypto';

export const leafBytes = 1024 * 1024;

/** Hashes bytes as they come. */
export class TreeHash {
  #leaves: Buffer[] = [];
  #leaf: Hash = createHash('sha256');
  #leafBytes = 0;
  bytes = 0;

  update(piece: Uint8Array): void {
    this.bytes += piece.byteLength;
    for (let at = 0; at < piece.byteLength; ) {
      const taken = piece.subarray(at, at + leafBytes - this.#leafBytes);
      this.#leaf.update(taken);
      this.#leafBytes += taken.byteLength;
      at += taken.byteLength;
      if (this.#leafBytes === leafBytes) this.#endLeaf();
    }
  }

  /** The hash in hexadecimal digits; that of no bytes for nothing. Can be called once. */
  digest(): string {
    if (this.#leafBytes > 0 || this.#leaves.length === 0) this.#endLeaf();
    return joinHashes(this.#leaves);
  }

  #endLeaf(): void {
    this.#leaves.push(this.#leaf.digest());
    this.#leaf = createHash('sha256');
    this.#leafBytes = 0;
  }
}

/** The root over hashes of neighbours that all cover the same power of two of leaves, but the last, which may cover fewer. */
export function joinHashes(hashes: readonly Uint8Array[]): string {
  let level = hashes;
  while (level.length > 1) {
    const above: Uint8Array[] = [];
    for (let i = 0; i < level.length; i += 2) {
      const [left, right] = [level[i]!, level[i + 1]];
      above.push(right === undefined ? left : createHash('sha256').update(left).update(right).digest());
    }
    level = above;
  }
  return Buffer.from(level[0] ?? createHash('sha256').digest()).toString('hex');
}

/** Whether [start, end) of `bytes` is covered by one node of the tree, so that its hash is known ("Receiving Checksums When Downloading Data"). */
export function isTreeAligned(start: number, end: number, bytes: number): boolean {
  if (start % leafBytes !== 0 || (end % leafBytes !== 0 && end !== bytes)) return false;
  const leaves = Math.ceil((end - start) / leafBytes);
  const span = 2 ** Math.ceil(Math.log2(leaves));
  if ((start / leafBytes) % span !== 0) return false;
  return span === leaves || end === bytes;
}
