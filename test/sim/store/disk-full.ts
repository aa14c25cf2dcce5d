/**
 * A process whose disk runs full while it writes, and is freed again. Runs in a mount namespace of its own (started by lmdb.test.ts under
 * `unshare`), where it mounts a small file system on the folder it is given. Prints what it found as one line of JSON.
 */
import { spawnSync } from 'node:child_process';
import { rmSync, statfsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { writeNumber } from '../../../src/store/crash-writes.ts';
import { openLmdbStore } from '../../../src/store/lmdb/lmdb-store.ts';

const folder = process.argv[2] ?? '';
/** Bytes left free for the second phase. */
const left = Number(process.argv[3]);
const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=24m', 'tmpfs', folder], { encoding: 'utf8' });
if (mounted.status !== 0) throw new Error(mounted.stderr);

const ballast = join(folder, 'ballast');
let store = await openLmdbStore(join(folder, 'data'));
let acknowledged = 0;
let refused = 0;
const reasons = new Set<string>();

async function write(attempts: number): Promise<void> {
  for (let i = 0; i < attempts; i++) {
    try {
      await store.transact((tx) => writeNumber(tx, acknowledged + 1));
      acknowledged++;
    } catch (error) {
      refused++;
      reasons.add((error as NodeJS.ErrnoException).code ?? String(error));
    }
    await new Promise((resolve) => setImmediate(resolve));
  }
}

/** Fills the disk up to what is to be left. LMDB's thread may write at the same time: then it is simply full. */
function fill(): void {
  const { bavail, bsize } = statfsSync(folder);
  try {
    writeFileSync(ballast, Buffer.alloc(Math.max(0, bavail * bsize - left)));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
  }
}

await write(300);
const before = { acknowledged, refused };
fill();
await write(600);
const whenFull = { acknowledged, refused };
rmSync(ballast);
await write(300);
const after = { acknowledged, refused };
await store.close();
store = await openLmdbStore(join(folder, 'data'));
const keys = (await store.scan({ prefix: ['number'] })).map(({ key }) => `${key[1]}${key[2]}`);
const last = await store.get(['last']);
await store.close();
console.log(JSON.stringify({ before, whenFull, after, last, keys, reasons: [...reasons] }));
