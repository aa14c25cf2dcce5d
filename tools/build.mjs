// Bundles src/ and tools/ into dist/. Runs from `prepare`, so a fresh clone has dist/ after `npm ci`.
// Plain JavaScript because it must run before anything is built. Splitting keeps each service and its model in a file of its own,
// so that start-up loads none of them.
import { rm } from 'node:fs/promises';
import { build } from 'esbuild';

const shared = {
  bundle: true,
  platform: 'node',
  target: 'node20',
  format: 'esm',
  packages: 'external',
  sourcemap: 'linked',
  logLevel: 'warning',
};
await rm('dist', { recursive: true, force: true });
await build({
  ...shared,
  entryPoints: { pilvi: 'src/cli/pilvi.ts' },
  outdir: 'dist',
  splitting: true,
  chunkNames: 'chunks/[name]-[hash]',
  banner: { js: '#!/usr/bin/env node' },
});
await build({
  ...shared,
  entryPoints: { tools: 'tools/tools.ts' },
  outdir: 'dist',
  splitting: true,
  chunkNames: 'tool-chunks/[name]-[hash]',
});
