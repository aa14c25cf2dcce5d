/**
 * What the embedded store does in a second on one core: reads, transactions, scans, and the reset of an account. Numbers, not tests. Each is the
 * best of some rounds, since what else the machine does can only make it slower.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { openLmdbStore } from '../../src/store/lmdb/lmdb-store.ts';
import type { Store } from '../../src/store/store.ts';
import { clearAccount, defineTable, scopedReader, scopedWriter } from '../../src/store/tables.ts';

interface User {
  name: string;
  id: string;
  path: string;
  created: number;
  tags: { Key: string; Value: string }[];
}

const Users = defineTable<User>()({
  name: 'bench.users',
  scope: 'account',
  key: (row) => [row.name],
  indexes: { byId: (row) => [row.id], byTag: (row) => row.tags.map((tag) => [tag.Key, tag.Value]) },
  unique: ['byId'],
});

const scope = { account: '000000000000', region: '' };
const rounds = 5;
const roundOperations = 4000;
const storedRows = 50_000;
const accountRows = 1000;

interface Result {
  name: string;
  value: number;
  unit: string;
}

/** Measures a store in a temporary folder. */
export async function bench(): Promise<Result[]> {
  const folder = mkdtempSync(join(tmpdir(), 'pilvi-bench-'));
  const store = await openLmdbStore(folder);
  try {
    await fill(store);
    return [
      await rate('store: get of one of 50,000 rows', 'reads/s', (i) => store.get(rowKey((i * 7919) % storedRows))),
      await rate('store: get of one row again and again', 'reads/s', () => store.get(rowKey(7))),
      await rate('store: transaction of one put', 'transactions/s', (i) =>
        store.transact((tx) => tx.put(rowKey(i % storedRows), row(i))),
      ),
      await rate('store: transaction of read, change, write', 'transactions/s', (i) => change(store, (i * 7919) % storedRows)),
      await scanRate(store),
      await rate('tables: put of a row with three index entries', 'transactions/s', (i) => putUser(store, i)),
      await rate('tables: get by unique index', 'reads/s', (i) =>
        scopedReader(store, Users, scope).firstByIndex('byId', [`AIDA${i % roundOperations}`]),
      ),
      await accountReset(store),
    ];
  } finally {
    await store.close();
    rmSync(folder, { recursive: true });
  }
}

function rowKey(number: number): (string | number)[] {
  return ['a', '000000000000', 'bench.rows', 'r', 'us-east-1', `row-${number}`];
}

function row(number: number) {
  return {
    name: `row-${number}`,
    arn: `arn:aws:iam::000000000000:user/row-${number}`,
    created: 1_722_222_222_222 + number,
    tags: [{ Key: 'team', Value: 'core' }],
    document: '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:*","Resource":"*"}]}',
    enabled: true,
  };
}

async function fill(store: Store): Promise<void> {
  for (let from = 0; from < storedRows; from += 1000) {
    await store.transact(async (tx) => {
      for (let i = from; i < from + 1000; i++) await tx.put(rowKey(i), row(i));
    });
  }
}

async function change(store: Store, number: number): Promise<void> {
  await store.transact(async (tx) => {
    const old = (await tx.get(rowKey(number))) as ReturnType<typeof row>;
    await tx.put(rowKey(number), { ...old, enabled: !old.enabled });
  });
}

async function putUser(store: Store, number: number): Promise<void> {
  const name = `user-${number % roundOperations}`;
  const user = {
    name,
    id: `AIDA${number % roundOperations}`,
    path: '/',
    created: number,
    tags: [{ Key: 'n', Value: String(number) }],
  };
  await store.transact((tx) => scopedWriter(tx, Users, scope).put(user));
}

/** Operations one after the other, per second. */
async function rate(name: string, unit: string, operation: (i: number) => Promise<unknown>): Promise<Result> {
  let best = Number.POSITIVE_INFINITY;
  for (let round = 0; round < rounds; round++) {
    const start = performance.now();
    for (let i = 0; i < roundOperations; i++) await operation(round * roundOperations + i);
    best = Math.min(best, performance.now() - start);
    // Lets LMDB's thread report between the rounds, as input and output do in a server.
    await new Promise((resolve) => setImmediate(resolve));
  }
  return { name, value: Math.round((roundOperations / best) * 1000), unit };
}

async function scanRate(store: Store): Promise<Result> {
  let best = Number.POSITIVE_INFINITY;
  let rows = 0;
  for (let round = 0; round < rounds; round++) {
    const start = performance.now();
    rows = (await store.scan({ prefix: rowKey(0).slice(0, 5), limit: 10_000 })).length;
    best = Math.min(best, performance.now() - start);
  }
  return { name: 'store: scan', value: Math.round((rows / best) * 1000), unit: 'rows/s' };
}

async function accountReset(store: Store): Promise<Result> {
  const account = '111111111111';
  let best = Number.POSITIVE_INFINITY;
  for (let round = 0; round < rounds; round++) {
    await store.transact(async (tx) => {
      for (let i = 0; i < accountRows; i++) {
        await scopedWriter(tx, Users, { account, region: '' }).put({
          name: `user-${i}`,
          id: `AIDA${i}`,
          path: '/',
          created: i,
          tags: [],
        });
      }
    });
    const start = performance.now();
    await clearAccount(store, account);
    best = Math.min(best, performance.now() - start);
  }
  return { name: 'tables: reset of an account with 1000 rows', value: Number(best.toFixed(2)), unit: 'ms' };
}
