/** The spec is well formed and every fact id that a test title names is in it. */
import { readFacts } from '../spec/facts.ts';
import { proves, titlesOf } from '../spec/titles.ts';
import type { Finding, Rule } from './finding.ts';
import type { Tree } from './tree.ts';

function prefixOf(id: string): string {
  return id.slice(0, id.lastIndexOf('-'));
}

/** Findings on the spec, on on titles that name unknown ids. Also used by `npm run spec`. */
export function specFindings(tree: Tree): Finding[] {
  const { facts, findings } = readFacts(tree.spec);
  const prefixes = new Set([...facts.keys()].map(prefixOf));
  for (const { path, line, ids } of titlesOf(tree))
    for (const id of ids)
      if (!facts.has(id) && (proves(path) || prefixes.has(prefixOf(id))))
        findings.push({ path, line, message: `${id} is in no file of spec/` });
  return findings;
}

export const specIds: Rule = { name: 'spec', run: specFindings };
