/** Length of files and functions. What hurts is never the average but the few hub files that every change must touch. */
import type { Finding, Rule } from './finding.ts';
import { isNode, type Node, type SourceFile, walk } from './tree.ts';

const fileLinesMax = 500;
/** Tests are flat lists that nobody reads as a whole. */
const testLinesMax = 700;
const functionLinesMax = 80;

/** Files that may be longer, each with its reason. An entry that is no longer needed is a finding. */
const longFiles: Readonly<Record<string, string>> = {};

/** Data and generated code have no reader who must keep them in mind. */
const exempt = /(\.generated|-data)\.ts$/;

/** Name of a function for a message. */
function nameOf(node: Node, parent: Node | undefined): string {
  const named = isNode(node['id']) ? node['id'] : (parent?.['key'] ?? parent?.['id']);
  return isNode(named) && typeof named['name'] === 'string' ? named['name'] : 'this function';
}

function longFunctions(file: SourceFile): Finding[] {
  const findings: Finding[] = [];
  walk(file.program, (node, ancestors) => {
    if (!/^(FunctionDeclaration|FunctionExpression|ArrowFunctionExpression)$/.test(node.type)) return;
    const line = file.lineAt(node.start);
    const lines = file.lineAt(node.end) - line + 1;
    if (lines > functionLinesMax)
      findings.push({
        path: file.path,
        line,
        message: `${nameOf(node, ancestors.at(-1))} has ${lines} lines, more than ${functionLinesMax}: split it by subject`,
      });
  });
  return findings;
}

/** The rule with another list of long files, for its tests. */
export function lengthRule(allowed: Readonly<Record<string, string>>): Rule {
  return {
    name: 'length',
    run(tree) {
      const findings: Finding[] = [];
      for (const file of tree.sources.values()) {
        if (exempt.test(file.path)) continue;
        const most = file.isTest ? testLinesMax : fileLinesMax;
        if (file.lineCount > most && !allowed[file.path])
          findings.push({
            path: file.path,
            line: most,
            message: `${file.lineCount} lines, more than ${most}: split it by subject`,
          });
        if (!file.isTest) findings.push(...longFunctions(file));
      }
      for (const path of Object.keys(allowed)) {
        const lines = tree.sources.get(path)?.lineCount ?? 0;
        if (lines <= fileLinesMax)
          findings.push({ path, line: 1, message: 'needs no place in the list of long files (tools/check/length.ts)' });
      }
      return findings;
    },
  };
}

export const length: Rule = lengthRule(longFiles);
