/** Bundles TypeScript of the tree on the fly, for tools that run it: benchmarks and the services' handlers. */
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { build } from 'esbuild';

/**
 * Bundles the entry `path` into dist/<folder>/ and imports it. Packages stay outside the bundle. Throws what esbuild throws when it does not bundle.
 */
export async function importSource<Module>(root: string, path: string, folder: string): Promise<Module> {
  const outdir = join(root, 'dist', folder);
  const name = path.replaceAll('/', '-').replace(/\.ts$/, '');
  await build({
    absWorkingDir: root,
    entryPoints: { [name]: path },
    outdir,
    bundle: true,
    splitting: true,
    chunkNames: 'chunks/[name]-[hash]',
    platform: 'node',
    target: 'node20',
    format: 'esm',
    packages: 'external',
    outExtension: { '.js': '.mjs' },
    sourcemap: 'linked',
    logLevel: 'silent',
  });
  return (await import(pathToFileURL(join(outdir, `${name}.mjs`)).href)) as Module;
}
