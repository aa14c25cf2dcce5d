/**
 * `npm run check`: everything that can be said of the code without running it. Our own rules first (they take a second), then lint, types and
 * generated files, which run beside them. All findings are printed as `path:line message`.
 */
import { coverageFresh } from '../coverage/coverage.ts';
import { bans } from './bans.ts';
import { documents } from './documents.ts';
import type { Finding, Rule } from './finding.ts';
import { fresh } from './fresh.ts';
import { layers } from './layers.ts';
import { length } from './length.ts';
import { lockfile } from './lockfile.ts';
import { lint, types } from './programs.ts';
import { reach } from './reach.ts';
import { specIds } from './spec-ids.ts';
import { syntax } from './syntax.ts';
import { tests } from './tests.ts';
import { loadTree } from './tree.ts';
import { uses } from './uses.ts';

/** In the order in which they are printed. */
const rules: readonly Rule[] = [
  syntax,
  lockfile,
  layers,
  bans,
  tests,
  length,
  reach,
  uses,
  documents,
  specIds,
  lint,
  types,
  coverageFresh,
  fresh,
];

/** Runs the named rules, or all, on the repository at `root`; prints findings and returns the exit code. */
export async function check(root: string, names: readonly string[]): Promise<number> {
  const chosen = names.length === 0 ? rules : rules.filter((rule) => names.includes(rule.name));
  const unknown = names.filter((name) => !rules.some((rule) => rule.name === name));
  if (unknown.length > 0) {
    console.error(`No rule ${unknown.join(', ')}; rules: ${rules.map((rule) => rule.name).join(' ')}`);
    return 2;
  }
  const started = performance.now();
  const tree = await loadTree(root);
  // The children are started before our own rules take the processor, and read last.
  const outcomes = chosen.toReversed().map((rule) => ({ rule, findings: Promise.resolve(rule.run(tree)) }));
  let count = 0;
  for (const { rule, findings } of outcomes.toReversed()) {
    const found = [...(await findings)].sort(byPlace);
    for (const { path, line, message } of found) console.log(`${path}:${line} ${rule.name}: ${message}`);
    count += found.length;
  }
  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  console.log(`check: ${chosen.length} rules on ${tree.sources.size} files, ${count} findings, ${seconds} s`);
  return count === 0 ? 0 : 1;
}

function byPlace(a: Finding, b: Finding): number {
  return a.path === b.path ? a.line - b.line : a.path < b.path ? -1 : 1;
}
