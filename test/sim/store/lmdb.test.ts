/** The embedded store against the suite that every store must pass: as it is, with layers so small that LMDB does nearly all, and killed. */
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { build } from 'esbuild';
import { afterAll, beforeAll } from 'vitest';
import { type LayerLimits, openLmdbStore } from '../../../src/store/lmdb/lmdb-store.ts';
import { type KilledWriter, type StoreUnderTest, storeSuite } from '../../../src/store/store-suite.ts';

const root = resolve(import.meta.dirname, '../../..');
/** Inside the project, so that the process finds its packages. */
const program = join(root, 'node_modules/.cache', `pilvi-store-writer-${process.pid}.mjs`);

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
  const child = spawn(process.execPath, [program, folder], { stdio: ['ignore', 'pipe', 'inherit'] });
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
  const entry = join(root, 'test/sim/store/writer.ts');
  await build({ entryPoints: [entry], outfile: program, bundle: true, platform: 'node', format: 'esm', packages: 'external' });
});
afterAll(() => rmSync(program, { force: true }));

storeSuite('lmdb', () => openIn(freshFolder()), killedWriter);
storeSuite('lmdb with tiny layers', () => openIn(freshFolder(), { keys: 3, bytes: 1 << 20 }));
