/** What is the embedded store's own: recovery from logs in every state a crash of the operating system can leave. The rest is test/sim/store. */
import {
  appendFileSync,
  copyFileSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { Store } from '../store.ts';
import { type LayerLimits, openLmdbStore } from './lmdb-store.ts';

/** Nothing goes to LMDB by itself. */
const logsOnly: LayerLimits = { keys: 1_000_000, bytes: 1 << 30, tombstones: 1_000_000 };

let folder: string;
let store: Store | undefined;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'pilvi-recovery-'));
});
afterEach(async () => {
  await store?.close();
  store = undefined;
  rmSync(folder, { recursive: true });
});

async function open(limits: LayerLimits = logsOnly): Promise<Store> {
  await store?.close();
  store = await openLmdbStore(folder, limits);
  return store;
}

async function close(): Promise<void> {
  await store?.close();
  store = undefined;
}

/** One transaction per number, of two rows. */
async function write(into: Store, from: number, to: number): Promise<void> {
  for (let number = from; number <= to; number++) {
    await into.transact(async (tx) => {
      await tx.put(['n', number], 'x'.repeat(number));
      await tx.put(['last'], number);
    });
  }
}

/** Numbers that are there; fails when they are not 1, 2, 3, … up to the last one written. */
async function lastOf(from: Store): Promise<number> {
  const entries = await from.scan({ prefix: ['n'] });
  expect(entries.map(({ key, value }) => [key[1], (value as string).length])).toEqual(entries.map((_, i) => [i + 1, i + 1]));
  expect((await from.get(['last'])) ?? 0).toBe(entries.length);
  return entries.length;
}

const logs = () =>
  readdirSync(folder)
    .filter((name) => name.startsWith('log-'))
    .sort();

test('a log that ends in the middle of a record, wherever, gives what was whole before', async () => {
  await write(await open(), 1, 12);
  await close();
  const path = join(folder, 'log-1');
  const whole = readFileSync(path);
  const lasts = new Set<number>();
  for (let size = whole.length; size >= 0; size -= 5) {
    writeFileSync(path, whole.subarray(0, size));
    lasts.add(await lastOf(await open()));
    await close();
  }
  expect([...lasts]).toEqual([12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0]);
});

test('what is written after a torn end is kept', async () => {
  await write(await open(), 1, 5);
  await close();
  truncateSync(join(folder, 'log-1'), statSync(join(folder, 'log-1')).size - 3);
  expect(await lastOf(await open())).toBe(4);
  await write(await open(), 5, 9);
  expect(await lastOf(await open())).toBe(9);
});

test('zeros, or rubbish, at the end of a log are no record', async () => {
  await write(await open(), 1, 3);
  await close();
  appendFileSync(join(folder, 'log-1'), Buffer.alloc(4096));
  expect(await lastOf(await open())).toBe(3);
  await close();
  appendFileSync(join(folder, 'log-1'), Buffer.alloc(100, 7));
  expect(await lastOf(await open())).toBe(3);
});

test('a hole of zeros where a record was ends history there, whatever follows', async () => {
  await write(await open(), 1, 20);
  await close();
  const path = join(folder, 'log-1');
  const bytes = readFileSync(path);
  let start = 0;
  let number = 1;
  // A hole of whole heads looks like records without a body.
  for (; (8 + bytes.readUInt32LE(start)) % 8 !== 0 || number < 3; number++) start += 8 + bytes.readUInt32LE(start);
  writeFileSync(path, bytes.fill(0, start, start + 8 + bytes.readUInt32LE(start)));
  expect(await lastOf(await open())).toBe(number - 1);
});

test('a damaged byte ends history there, in later logs too', async () => {
  await write(await open(), 1, 6);
  await close();
  const path = join(folder, 'log-1');
  copyFileSync(path, join(folder, 'log-2'));
  const bytes = readFileSync(path);
  bytes[bytes.length - 10]! ^= 1;
  writeFileSync(path, bytes);
  expect(await lastOf(await open())).toBe(5);
  expect(logs()).toEqual(['log-1']);
});

test('a log that is missing ends history before it', async () => {
  await write(await open(), 1, 6);
  await close();
  copyFileSync(join(folder, 'log-1'), join(folder, 'log-3'));
  expect(await lastOf(await open())).toBe(6);
  expect(logs()).toEqual(['log-1']);
});

test('a log that LMDB holds already is not played again', async () => {
  const first = await open({ keys: 10, bytes: 1 << 30, tombstones: 1_000_000 });
  await write(first, 1, 8);
  const kept = join(folder, 'kept');
  copyFileSync(join(folder, 'log-1'), kept);
  await write(first, 9, 40);
  await expect.poll(logs).not.toContain('log-1');
  await close();
  // As if the removal of the file had not reached the disk.
  copyFileSync(kept, join(folder, 'log-1'));
  expect(await lastOf(await open())).toBe(40);
  expect(logs()).not.toContain('log-1');
});

test('grown layers move to LMDB and their logs go', async () => {
  const first = await open({ keys: 100, bytes: 1 << 30, tombstones: 1_000_000 });
  for (let from = 1; from <= 900; from += 50) {
    await write(first, from, from + 49);
    await new Promise((resolve) => setImmediate(resolve));
  }
  await expect.poll(() => logs().length).toBe(1);
  expect(logs()).not.toEqual(['log-1']);
  expect(await lastOf(first)).toBe(900);
  expect(await lastOf(await open())).toBe(900);
});
