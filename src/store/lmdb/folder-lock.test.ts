import { mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type FolderLock, lockFolder } from './folder-lock.ts';

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'pilvi-lock-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

/** A socket file whose owner is gone: what `kill -9` leaves. The socket follows the rename, so closing does not remove the file. */
async function leaveStaleSocket(): Promise<void> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(join(folder, 'other'), resolve));
  renameSync(join(folder, 'other'), join(folder, 'lock-7'));
  await new Promise((resolve) => server.close(resolve));
}

test('a folder has one owner at a time', async () => {
  const first = await lockFolder(folder);
  await expect(lockFolder(folder)).rejects.toMatchObject({
    name: 'PilviError',
    code: 'DataFolderLocked',
    message: expect.stringContaining(`process ${process.pid}`),
  });
  await first.release();
  const second = await lockFolder(folder);
  await second.release();
});

test('the lock of a dead process is taken over', async () => {
  await leaveStaleSocket();
  const lock = await lockFolder(folder);
  await expect(lockFolder(folder)).rejects.toMatchObject({ code: 'DataFolderLocked' });
  await lock.release();
});

test('of many that start at once, over a dead lock too, one gets it', async () => {
  for (let round = 0; round < 40; round++) {
    if (round % 2 === 1) await leaveStaleSocket();
    const starts = await Promise.allSettled(Array.from({ length: 6 }, () => lockFolder(folder)));
    const owners = starts.filter((start): start is PromiseFulfilledResult<FolderLock> => start.status === 'fulfilled');
    for (const start of starts) if (start.status === 'rejected') expect(start.reason).toMatchObject({ code: 'DataFolderLocked' });
    expect(owners).toHaveLength(1);
    await owners[0]!.value.release();
  }
});

test('dead locks are swept up, a file of such a name that is no lock is left alone', async () => {
  await leaveStaleSocket();
  writeFileSync(join(folder, 'lock-3'), 'precious');
  const lock = await lockFolder(folder);
  expect(readdirSync(folder)).toEqual(['lock-3', 'lock-8']);
  await lock.release();
  expect(readdirSync(folder)).toEqual(['lock-3']);
});

test('a path too long for a socket is refused by name', async () => {
  const deep = join(folder, 'x'.repeat(100));
  mkdirSync(deep);
  await expect(lockFolder(deep)).rejects.toMatchObject({ code: 'BadOption', message: expect.stringContaining(deep) });
});
