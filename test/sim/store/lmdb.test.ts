/** The embedded store against the suite that every store must pass: as it is, with layers so small that LMDB does nearly all, and killed. */
import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { build } from 'esbuild';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { writerKeeps } from '../../../src/store/crash-writes.ts';
import { type LayerLimits, openLmdbStore } from '../../../src/store/lmdb/lmdb-store.ts';
import { type KilledWriter, type StoreUnderTest, storeSuite } from '../../../src/store/store-suite.ts';

const root = resolve(import.meta.dirname, '../../..');
/** Inside the project, so that the processes find their packages. */
const programs = join(root, 'node_modules/.cache', `pilvi-store-${process.pid}`);

async function openIn(folder: string, limits?: LayerLimits): Promise<StoreUnderTest> {
  let store = await openLmdbStore(folder, limits);
  return {
    store,
    reopen: async () => {
      await store.close();
      store = await openLmdbStore(folder, limits);
      return store;
    },
    destroy: async () => {
      await store.close();
      rmSync(folder, { recursive: true });
    },
  };
}

function freshFolder(): string {
  return mkdtempSync(join(tmpdir(), 'pilvi-store-'));
}

/** Starts the writer and kills it, wherever it is, once it has printed so many lines. */
async function killedWriter(lines: number): Promise<KilledWriter> {
  const folder = freshFolder();
  const child = spawn(process.execPath, [join(programs, 'writer.mjs'), folder], { stdio: ['ignore', 'pipe', 'inherit'] });
  let printed = '';
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
    printed += chunk;
    if (printed.split('\n').length > lines) child.kill('SIGKILL');
  });
  await new Promise((ended) => child.on('close', ended));
  const acknowledged = Number(printed.slice(0, printed.lastIndexOf('\n')).split('\n').at(-1));
  return { ...(await openIn(folder)), acknowledged };
}

beforeAll(async () => {
  const entryPoints = ['writer', 'disk-full'].map((name) => join(root, 'test/sim/store', `${name}.ts`));
  const outExtension = { '.js': '.mjs' };
  await build({
    entryPoints,
    outdir: programs,
    outExtension,
    bundle: true,
    platform: 'node',
    format: 'esm',
    packages: 'external',
  });
});
afterAll(() => rmSync(programs, { recursive: true, force: true }));

storeSuite('lmdb', () => openIn(freshFolder()), killedWriter);
storeSuite('lmdb with tiny layers', () => openIn(freshFolder(), { keys: 3, bytes: 1 << 20, tombstones: 1 }));

interface DiskFullReport {
  before: { acknowledged: number; refused: number };
  whenFull: { acknowledged: number; refused: number };
  after: { acknowledged: number; refused: number };
  last: number;
  keys: string[];
  reasons: string[];
}

/** With the least room the log fails; with more, LMDB does, or finds enough by using freed pages again. */
test.for([50_000, 1_000_000, 4_000_000])('a disk that fills up with %i bytes left refuses and loses nothing', (left, context) => {
  const isolated = spawnSync('unshare', ['--user', '--map-root-user', '--mount', 'true'], { encoding: 'utf8' });
  context.skip(isolated.status !== 0, `no mount namespace can be made here: ${isolated.error?.message ?? isolated.stderr}`);
  const folder = freshFolder();
  try {
    const program = [process.execPath, join(programs, 'disk-full.mjs'), folder, String(left)];
    const ran = spawnSync('unshare', ['--user', '--map-root-user', '--mount', ...program], { encoding: 'utf8' });
    expect(ran.status, ran.stderr).toBe(0);
    const { before, whenFull, after, last, keys, reasons } = JSON.parse(ran.stdout) as DiskFullReport;
    expect(before.refused).toBe(0);
    if (left <= 50_000) expect(whenFull.refused).toBeGreaterThan(0);
    for (const reason of reasons) expect(reason).toMatch(/ENOSPC|No space left|Input\/output error/);
    expect(after).toEqual({ acknowledged: whenFull.acknowledged + 300, refused: whenFull.refused });
    expect(last).toBe(after.acknowledged);
    const kept = Array.from({ length: writerKeeps }, (_, i) => last - writerKeeps + 1 + i);
    expect(keys).toEqual(kept.flatMap((number) => ['a', 'b', 'c'].map((part) => `${number}${part}`)));
  } finally {
    rmSync(folder, { recursive: true });
  }
});
