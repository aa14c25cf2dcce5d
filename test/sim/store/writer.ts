/** The process that gets killed: writes numbers into a store and prints each once it is acknowledged. Started by lmdb.test.ts. */
import { writeSync } from 'node:fs';
import { writeNumber } from '../../../src/store/crash-writes.ts';
import { openLmdbStore } from '../../../src/store/lmdb/lmdb-store.ts';

const store = await openLmdbStore(process.argv[2] ?? '');
for (let number = 1; ; number++) {
  await store.transact((tx) => writeNumber(tx, number));
  writeSync(1, `${number}\n`);
  // Lets LMDB's own thread report, as input and output do in a real process.
  if (number % 20 === 0) await new Promise((resolve) => setImmediate(resolve));
}
