// Bundles src/ and tools/ into dist/: `node tools/build.mjs`, or only one of them: `node tools/build.mjs tools`, so that check and generate
// work on a tree whose product does not bundle. Runs from `prepare`, so a fresh clone has dist/ after `npm ci`. Plain JavaScript because it must
// run before anything is built. Splitting keeps each service and its model in a file of its own, so that start-up loads none of them.
import { chmod, readdir, rm, stat, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { build } from 'esbuild';

const shared = {
  bundle: true,
  platform: 'node',
  target: 'node20',
  format: 'esm',
  packages: 'external',
  splitting: true,
  outdir: 'dist',
  sourcemap: 'linked',
  logLevel: 'warning',
  metafile: true,
};
const parts = {
  tools: { entryPoints: { tools: 'tools/tools.ts' }, chunkNames: 'tool-chunks/[name]-[hash]' },
  pilvi: {
    entryPoints: { pilvi: 'src/cli/pilvi.ts' },
    chunkNames: 'chunks/[name]-[hash]',
    banner: { js: '#!/usr/bin/env node' },
  },
};

/** Milliseconds after which a chunk that is no longer built is removed. */
const keptMillis = 3_600_000;

/**
 * Chunks carry a digest in their name. One that is no longer part of the build goes only after an hour, because a cloud that was started before
 * may load it yet: whoever builds beside running tests must not pull the program from under them.
 */
async function removeOld(folder, written) {
  const now = new Date();
  for (const name of await readdir(folder).catch(() => [])) {
    const path = join(folder, name);
    if (written.has(path)) await utimes(path, now, now);
    else if (now.getTime() - (await stat(path)).mtimeMs > keptMillis) await rm(path, { force: true });
  }
}

const wanted = process.argv.slice(2);
for (const [name, part] of Object.entries(parts)) {
  if (wanted.length > 0 && !wanted.includes(name)) continue;
  try {
    const { metafile } = await build({ ...shared, ...part });
    // npx runs it by a link: only the first install of a package makes its program executable.
    if (name === 'pilvi') await chmod('dist/pilvi.js', 0o755);
    await removeOld(join('dist', part.chunkNames.split('/')[0]), new Set(Object.keys(metafile.outputs)));
  } catch (error) {
    // esbuild has printed what is wrong.
    if (!Array.isArray(error.errors)) console.error(error);
    process.exitCode = 1;
  }
}
