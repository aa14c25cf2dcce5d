/**
 * How tests are written: none left out silently, no sleeping. A test that cannot run here says why (`context.skip(condition, reason)`), since CI
 * prints the reasons; `skipIf` and `runIf` have no place for one.
 */
import type { Finding, Rule } from './finding.ts';
import { isNode, type Node, type SourceFile, walk } from './tree.ts';

const testFunctions = new Set(['test', 'it', 'describe', 'suite', 'bench']);

function isTestFile(path: string): boolean {
  return path.endsWith('.test.ts') || (path.startsWith('test/') && !/^test\/(support|bench)\//.test(path));
}

/** `test.only` → ['test', 'only']; anything but plain names ends the chain. */
function chainOf(node: unknown): string[] {
  if (!isNode(node)) return [];
  if (node.type === 'Identifier') return [String(node['name'])];
  if (node.type === 'MemberExpression' && isNode(node['property']))
    return [...chainOf(node['object']), String(node['property']['name'])];
  return node.type === 'CallExpression' ? chainOf(node['callee']) : [];
}

const noSleeping = 'no sleeping in tests: wait for what you want with eventually(check, { timeoutMs, why })';

/** `new Promise((resolve) => setTimeout(resolve, n))` in any spelling. A timer that rejects is a guard, not a sleep. */
function isSleep(callback: Node | undefined, ancestors: readonly Node[]): boolean {
  const promise = ancestors.findLast((node) => node.type === 'NewExpression' && chainOf(node['callee'])[0] === 'Promise');
  const executor = (promise?.['arguments'] as Node[] | undefined)?.[0];
  const resolve = chainOf((executor?.['params'] as Node[] | undefined)?.[0])[0];
  let resolves = false;
  if (callback && resolve !== undefined)
    walk(callback, (node) => {
      resolves ||= node.type === 'Identifier' && node['name'] === resolve;
    });
  return resolves;
}

function objection(node: Node, ancestors: readonly Node[]): string | undefined {
  if (node.type === 'MemberExpression') {
    const [first, ...rest] = chainOf(node);
    const last = rest.at(-1);
    if (first === undefined || last === undefined || !testFunctions.has(first)) return undefined;
    if (last === 'only') return `${first}.only leaves all other tests out`;
    if (last === 'skip' || last === 'todo')
      return `${first}.${last}: a test runs, or says at run time why it cannot: context.skip(condition, reason)`;
    if (last === 'skipIf' || last === 'runIf')
      return `${first}.${last} gives no reason: use context.skip(condition, reason) in the test or in beforeEach`;
    return undefined;
  }
  if (node.type !== 'CallExpression') return undefined;
  const chain = chainOf(node['callee']);
  const given = node['arguments'] as Node[];
  const name = chain.join('.');
  if (name === 'xit' || name === 'xtest' || name === 'xdescribe')
    return `${name}: a test runs, or says at run time why it cannot`;
  if (name === 'setTimeout' && isSleep(given[0], ancestors)) return noSleeping;
  const skips = chain.length > 1 && chain.at(-1) === 'skip' && !testFunctions.has(chain[0] ?? '');
  if (skips && given.length === 0) return 'skip without a reason: context.skip(condition, reason)';
  return undefined;
}

function findingsOf(file: SourceFile): Finding[] {
  const findings: Finding[] = [];
  walk(file.program, (node, ancestors) => {
    const message = objection(node, ancestors);
    if (message) findings.push({ path: file.path, line: file.lineAt(node.start), message });
  });
  for (const made of file.imports)
    if (/^(node:)?timers(\/promises)?$/.test(made.specifier) && !made.typeOnly)
      findings.push({ path: file.path, line: made.line, message: noSleeping });
  return findings;
}

export const tests: Rule = {
  name: 'tests',
  run(tree) {
    return [...tree.sources.values()].filter((file) => isTestFile(file.path)).flatMap(findingsOf);
  },
};
