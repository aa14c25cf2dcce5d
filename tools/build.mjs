// Bundles src/ and tools/ into dist/: `node tools/build.mjs`, or only one of them: `node tools/build.mjs tools`, so that check and generate
// work on a tree whose product does not bundle. Runs from `prepare`, so a fresh clone has dist/ after `npm ci`. Plain JavaScript because it must
// run before anything is built. Splitting keeps each service and its model in a file of its own, so that start-up loads none of them.
import { chmod, mkdir, readdir, readFile, rename, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { build } from 'esbuild';
import { compiledCode, outsidePackages, toScript } from './chunk-scripts.mjs';

const shared = {
  bundle: true,
  platform: 'node',
  target: 'node20',
  format: 'esm',
  splitting: true,
  outdir: 'dist',
  sourcemap: 'linked',
  logLevel: 'warning',
  metafile: true,
};
const parts = {
  tools: {
    entryPoints: { tools: 'tools/tools.ts' },
    chunkNames: 'tool-chunks/[name]-[hash]',
    outExtension: { '.js': '.mjs' },
    packages: 'external',
  },
  pilvi: {
    entryPoints: { pilvi: 'src/cli/pilvi.ts' },
    entryNames: 'chunks/[name]-[hash]',
    chunkNames: 'chunks/[name]-[hash]',
    define: { 'import.meta.url': 'moduleUrl' },
    plugins: [outsidePackages],
    write: false,
  },
};
/** Chunks of the product that are compiled already when it is built: what starts go through, and the programs that are started often. */
const compiledEntries = ['start', 'inside', 'boot', 'proxy-node', 'dial-node', 'cache-node', 'sts', 'iam'];

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

/** Whoever starts the program meanwhile reads the old file or the new one. */
async function writeWhole(path, content) {
  await writeFile(`${path}.${process.pid}`, content);
  await rename(`${path}.${process.pid}`, path);
}

/** Chunks that an entry needs before it runs, itself included. */
function neededBy(path, outputs, found = new Set()) {
  if (found.has(path)) return found;
  found.add(path);
  for (const { path: next, kind, external } of outputs[path].imports)
    if (kind === 'import-statement' && !external) neededBy(next, outputs, found);
  return found;
}

/**
 * Writes a script and, when it is wanted early, what V8 makes of it; nothing where the script is there already. V8 tells by its length alone whether code
 * is of a script, so code of another text must never lie beside it: names carry digests, and old code goes before the new text comes.
 */
async function writeScript(path, text, early) {
  const compiled = `${path}.compiled`;
  if ((await readFile(path, 'utf8').catch(() => undefined)) !== text) {
    await rm(compiled, { force: true });
    await writeWhole(path, text);
  }
  if (!early) return [path];
  if ((await stat(compiled).catch(() => undefined)) === undefined) await writeWhole(compiled, compiledCode(text, path));
  return [path, compiled];
}

/** Writes the product's chunks as scripts, and the loader that runs them; resolves with the paths of all. */
async function writeScripts({ outputFiles, metafile: { outputs } }) {
  const paths = Object.keys(outputs).filter((path) => path.endsWith('.js'));
  const named = (name) => paths.filter((path) => new RegExp(`/${name}-[A-Z0-9]{8}\\.js$`).test(path));
  const [main] = named('pilvi');
  const early = new Set([main, ...compiledEntries.flatMap(named)].flatMap((path) => [...neededBy(path, outputs)]));
  await mkdir('dist/chunks', { recursive: true });
  const written = [];
  for (const { path: absolute, contents, text } of outputFiles) {
    const path = join('dist/chunks', basename(absolute));
    if (path.endsWith('.js')) written.push(...(await writeScript(path, toScript(text), early.has(path))));
    else {
      await writeWhole(path, contents);
      written.push(path);
    }
  }
  // The loader and all that it runs are scripts, in a package of modules.
  await writeWhole('dist/package.json', '{ "type": "commonjs" }\n');
  const loader = await readFile('src/cli/loader.cjs', 'utf8');
  await writeWhole('dist/pilvi.js', loader.replace('MAIN_CHUNK', basename(main)));
  // npx runs it by a link: only the first install of a package makes its program executable.
  await chmod('dist/pilvi.js', 0o755);
  return written;
}

const wanted = process.argv.slice(2);
for (const [name, part] of Object.entries(parts)) {
  if (wanted.length > 0 && !wanted.includes(name)) continue;
  try {
    const result = await build({ ...shared, ...part });
    const written = name === 'pilvi' ? await writeScripts(result) : Object.keys(result.metafile.outputs);
    await removeOld(join('dist', part.chunkNames.split('/')[0]), new Set(written));
  } catch (error) {
    // esbuild has printed what is wrong.
    if (!Array.isArray(error.errors)) console.error(error);
    process.exitCode = 1;
  }
}
