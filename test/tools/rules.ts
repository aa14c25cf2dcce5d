/** Runs one rule on texts, for the tests of tools/check. */
import type { Rule } from '../../tools/check/finding.ts';
import { treeOf } from '../../tools/check/tree.ts';

/** Findings as `path:line message`, in the order in which the rule gives them. */
export async function findingsOf(rule: Rule, files: Readonly<Record<string, string>>): Promise<string[]> {
  const findings = await rule.run(treeOf(files));
  return findings.map(({ path, line, message }) => `${path}:${line} ${message}`);
}
