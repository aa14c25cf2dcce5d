/**
 * Documents tell the truth: a path they name exists, a relative link leads somewhere, and docs/errors.md lists exactly the codes of
 * src/base/errors.ts, each of which something raises.
 */
import { posix } from 'node:path';
import type { Finding, Rule } from './finding.ts';
import { isNode, type Node, type Tree, walk } from './tree.ts';

/** A path of ours in a code span; places to fill in (`src/services/<name>/`) do not match. */
const ownPath = /^(?:src|docs|test|tools|spec|models|\.ci)(?:\/[\w.-]+)*\/?$/;

function pathFindings(tree: Tree): Finding[] {
  const findings: Finding[] = [];
  for (const [path, text] of tree.documents) {
    text.split('\n').forEach((content, index) => {
      const missing = (target: string): void => {
        findings.push({ path, line: index + 1, message: `${target} does not exist` });
      };
      for (const [, code = ''] of content.matchAll(/`([^`]+)`/g)) {
        if (ownPath.test(code) && !tree.paths.has(code.replace(/\/$/, ''))) missing(code);
      }
      for (const [, link = ''] of content.matchAll(/\]\(([^)#\s]+)[^)]*\)/g)) {
        if (/^[a-z]+:/.test(link)) continue;
        const target = posix.join(posix.dirname(path), link).replace(/\/$/, '');
        if (!tree.paths.has(target) && target !== '.') missing(link);
      }
    });
  }
  return findings;
}

const cataloguePath = 'src/base/errors.ts';
const errorsPath = 'docs/errors.md';

/** Codes of the catalogue with their lines. */
function catalogue(tree: Tree): Map<string, number> {
  const codes = new Map<string, number>();
  const file = tree.sources.get(cataloguePath);
  if (!file) return codes;
  walk(file.program, (node) => {
    const name = isNode(node['id']) ? node['id']['name'] : undefined;
    if (node.type !== 'VariableDeclarator' || name !== 'hostErrors') return;
    walk(node, (inner) => {
      if (inner.type === 'Property' && isNode(inner['key']))
        codes.set(String((inner['key'] as Node)['name']), file.lineAt(inner.start));
    });
  });
  return codes;
}

function errorFindings(tree: Tree): Finding[] {
  const codes = catalogue(tree);
  if (codes.size === 0) return [];
  const findings: Finding[] = [];
  const documented = new Map<string, number>();
  (tree.documents.get(errorsPath) ?? '').split('\n').forEach((content, index) => {
    const code = /^## (\w+)\s*$/.exec(content)?.[1];
    if (code) documented.set(code, index + 1);
  });
  const users = [...tree.sources.values()].filter((file) => file.path.startsWith('src/') && file.path !== cataloguePath);
  for (const [code, line] of codes) {
    if (!documented.has(code))
      findings.push({ path: cataloguePath, line, message: `${code} has no section "## ${code}" in ${errorsPath}` });
    if (!users.some((file) => file.text.includes(`'${code}'`)))
      findings.push({ path: cataloguePath, line, message: `nothing raises ${code}: take it out of the catalogue` });
  }
  for (const [code, line] of documented)
    if (!codes.has(code))
      findings.push({ path: errorsPath, line, message: `${code} is not in the catalogue (${cataloguePath})` });
  return findings;
}

export const documents: Rule = {
  name: 'documents',
  run: (tree) => [...pathFindings(tree), ...errorFindings(tree)],
};
