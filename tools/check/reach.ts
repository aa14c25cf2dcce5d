/**
 * Dead code: files that nothing needs and exports that nobody takes. A file is alive when the program, the tools or a test reaches it; a test of
 * its own (`x.test.ts` beside `x.ts`) does not keep it alive, else dead code would live as long as it is tested.
 */
import { posix } from 'node:path';
import type { Finding, Rule } from './finding.ts';
import type { SourceFile, Tree } from './tree.ts';

/** Where running begins: the command, the tools, the test runner's files, and tests. */
const entries =
  /^(src\/cli\/pilvi\.ts|tools\/tools\.ts|tools\/test\/reporter\.ts|vitest\.config\.ts|test\/support\/global-setup\.ts|test\/bench\/[^/]+\.ts|.*\.test\.ts)$/;

/** A program that a test in the same folder bundles or starts by its bare name. */
function isNamedBeside(path: string, tree: Tree): boolean {
  if (!path.startsWith('test/')) return false;
  const { dir, name } = posix.parse(path);
  return [...tree.sources.values()].some(
    (file) => file.path.endsWith('.test.ts') && posix.dirname(file.path) === dir && file.text.includes(`'${name}'`),
  );
}

/** Files that no entry reaches. */
function deadFiles(tree: Tree): Finding[] {
  const reached = new Set<string>();
  const enter = (path: string): void => {
    const file = tree.sources.get(path);
    if (!file || reached.has(path)) return;
    reached.add(path);
    const own = path.replace(/\.test\.ts$/, '.ts');
    for (const { target } of file.imports) if (target && target !== own) enter(target);
    for (const target of file.mentions) if (target !== own) enter(target);
  };
  for (const path of tree.sources.keys()) if (entries.test(path)) enter(path);
  for (const path of tree.sources.keys()) if (isNamedBeside(path, tree)) enter(path);
  return (
    [...tree.sources.keys()]
      // Declarations of packages without types are taken by the compiler, not by an import.
      .filter((path) => !reached.has(path) && !path.endsWith('.d.ts'))
      .map((path) => ({
        path,
        line: 1,
        message: 'nothing reaches this file from src/cli/pilvi.ts, tools/tools.ts or a test: use it or delete it',
      }))
  );
}

/** Names that each file's importers take; `*` when one takes all. */
function takenNames(tree: Tree): Map<string, Set<string>> {
  const taken = new Map<string, Set<string>>();
  for (const file of tree.sources.values())
    for (const { target, names } of file.imports) {
      if (!target) continue;
      const set = taken.get(target) ?? new Set();
      for (const name of names === '*' ? ['*'] : names) set.add(name);
      taken.set(target, set);
    }
  return taken;
}

/** A type may be exported because an exported function's signature shows it. */
function isShown(file: SourceFile, name: string): boolean {
  return (file.text.match(new RegExp(`\\b${name.replaceAll('$', '\\$')}\\b`, 'g'))?.length ?? 0) > 1;
}

function unusedExports(tree: Tree): Finding[] {
  const taken = takenNames(tree);
  const started = new Set([...tree.sources.values()].flatMap((file) => file.mentions));
  const findings: Finding[] = [];
  for (const file of tree.sources.values()) {
    const names = taken.get(file.path);
    if (entries.test(file.path) || started.has(file.path) || names?.has('*')) continue;
    for (const made of file.exports) {
      if (names?.has(made.name) || (made.typeOnly && isShown(file, made.name))) continue;
      findings.push({
        path: file.path,
        line: made.line,
        message: `export ${made.name} is taken by no other file: drop the export, or the code`,
      });
    }
  }
  return findings;
}

export const reach: Rule = {
  name: 'reach',
  run(tree) {
    const dead = deadFiles(tree);
    const deadPaths = new Set(dead.map((finding) => finding.path));
    return [...dead, ...unusedExports(tree).filter((finding) => !deadPaths.has(finding.path))];
  },
};
