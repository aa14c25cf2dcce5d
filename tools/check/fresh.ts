/**
 * Generated files are what the generators would write. Running them loads every official client (seconds), so a success is remembered in
 * .pilvi/fresh.json by a digest of all that goes in and comes out, and the generators run only when something of it has changed.
 */
import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Rule } from './finding.ts';
import { run } from './programs.ts';
import type { Tree } from './tree.ts';

/** Inputs (the packages by their locked versions, the generators, patches) and outputs. */
const concerned = /^(package-lock\.json|tools\/generate(-iam)?\/.*|models\/.*|src\/.*\.generated\.ts)$/;
const memoryPath = '.pilvi/fresh.json';

function digestOf(tree: Tree): string {
  const hash = createHash('sha256');
  const paths = [...tree.paths].filter((path) => concerned.test(path)).sort();
  for (const path of paths)
    hash
      .update(path)
      .update('\0')
      .update(contentOf(join(tree.root, path)));
  return hash.digest('hex');
}

/** Content of a file; folders and files that went away in the meantime count as empty. */
function contentOf(path: string): Buffer {
  try {
    return readFileSync(path);
  } catch {
    return Buffer.alloc(0);
  }
}

function remembered(root: string): string | undefined {
  try {
    return (JSON.parse(readFileSync(join(root, memoryPath), 'utf8')) as { digest?: string }).digest;
  } catch {
    return undefined;
  }
}

export const fresh: Rule = {
  name: 'fresh',
  async run(tree) {
    const digest = digestOf(tree);
    if (remembered(tree.root) === digest) return [];
    const { status, output } = await run(tree.root, process.execPath, ['dist/tools.mjs', 'generate', '--check']);
    if (status === 0) {
      mkdirSync(join(tree.root, '.pilvi'), { recursive: true });
      writeFileSync(join(tree.root, memoryPath), JSON.stringify({ digest }));
      return [];
    }
    return [
      {
        path: 'models',
        line: 1,
        message: `generated files are not fresh, run npm run generate: ${output.trim().slice(0, 2000)}`,
      },
    ];
  },
};
