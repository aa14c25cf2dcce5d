/**
 * What a process writes that the store suite then kills: numbers, one transaction each, in a way that shows a lost or a half one. Apart from the
 * suite because the process that is killed has no test runner in it.
 */
import type { StoreTransaction } from './store.ts';

/** Rows of so many numbers are kept; older ones go in the same transaction that writes a new one. */
export const writerKeeps = 40;

/** Three rows that belong together, of a size that follows from the number, and the number itself. */
export async function writeNumber(tx: StoreTransaction, number: number): Promise<void> {
  for (const part of ['a', 'b', 'c']) {
    await tx.put(['number', number, part], { number, filling: new Uint8Array((number * 7919) % 30_000) });
    await tx.delete(['number', number - writerKeeps, part]);
  }
  await tx.put(['last'], number);
}
