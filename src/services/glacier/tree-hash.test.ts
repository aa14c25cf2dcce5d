import { createHash } from 'node:crypto';
import { expect, test } from 'vitest';
import { isTreeAligned, leafBytes, TreeHash } from './tree-hash.ts';

const sha = (...parts: Uint8Array[]) => createHash('sha256').update(Buffer.concat(parts)).digest();

test('a tree hash joins the digests of each MiB by twos, whatever the pieces they come in', () => {
  const bytes = Buffer.alloc(2 * leafBytes + 5, 'x');
  const leaves = [0, 1, 2].map((i) => sha(bytes.subarray(i * leafBytes, (i + 1) * leafBytes)));
  const root = sha(sha(leaves[0]!, leaves[1]!), leaves[2]!).toString('hex');
  for (const size of [700_001, 3 * leafBytes]) {
    const hash = new TreeHash();
    for (let at = 0; at < bytes.length; at += size) hash.update(bytes.subarray(at, at + size));
    expect(hash.digest()).toBe(root);
  }
  expect(new TreeHash().digest()).toBe(sha().toString('hex'));
});

test('a range is aligned when one node of the tree covers it', () => {
  const of = (start: number, end: number, bytes = 7) => isTreeAligned(start * leafBytes, end * leafBytes, bytes * leafBytes);
  expect([of(0, 1), of(0, 2), of(2, 4), of(4, 7), of(4, 6), of(0, 7), of(6, 7)]).toEqual(Array(7).fill(true));
  expect([of(1, 3), of(0, 3), of(5, 7), of(2, 7), of(3, 7)]).toEqual(Array(5).fill(false));
  expect(isTreeAligned(0, 10, leafBytes)).toBe(false);
});
