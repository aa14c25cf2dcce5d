/**
 * Calls that are banned outside their home, each with what to use instead. Time and chance come from one place each, so that restart, the test
 * clock and seeded runs work everywhere; processes start in one place, so that nothing is left behind.
 */
import type { Finding, Rule } from './finding.ts';
import { isNode, type Node, type SourceFile, walk } from './tree.ts';

interface Ban {
  /** What is called or read: `Date.now`, `setTimeout`. */
  name: string;
  /** Where it is allowed. */
  homes: RegExp;
  instead: string;
}

const hostClocks = /^src\/(base\/clock\.ts|machine\/|planes\/)/;
const hostChance = /^src\/(base\/ids\.ts|machine\/|planes\/)/;
const processStarters = /^src\/(machine|cli)\//;
const waitForReal = 'wait with clock.at (cloud time) or clock.pause (host input and output), src/base/clock.ts';

/** Bans on code that ships; tests beside the source are held to them too. */
const productBans: readonly Ban[] = [
  { name: 'Date.now', homes: hostClocks, instead: 'read clock.now(), or context.now in a handler (src/base/clock.ts)' },
  { name: 'setTimeout', homes: hostClocks, instead: waitForReal },
  { name: 'setInterval', homes: hostClocks, instead: waitForReal },
  { name: 'Math.random', homes: hostChance, instead: 'make ids with src/base/ids.ts' },
  { name: 'randomUUID', homes: hostChance, instead: 'make ids with src/base/ids.ts' },
  { name: 'process.env', homes: /^src\/(cli\/|boot\/|boot\.ts$)/, instead: 'options are parsed once at boot and handed down' },
];

/** Modules that are as good as the calls above, or that only the machine may use. */
const moduleBans: readonly Ban[] = [
  { name: 'node:timers/promises', homes: hostClocks, instead: waitForReal },
  { name: 'node:timers', homes: hostClocks, instead: waitForReal },
  { name: 'node:child_process', homes: processStarters, instead: 'start programs through src/machine' },
];

function nameOf(node: unknown): string {
  if (!isNode(node)) return '';
  if (node.type === 'Identifier') return String(node['name']);
  if (node.type === 'MemberExpression' && node['computed'] !== true)
    return `${nameOf(node['object'])}.${nameOf(node['property'])}`;
  return '';
}

/** `globalThis.Date.now` and `crypto.randomUUID` are the same thing by another road. */
function plainName(node: Node): string {
  return nameOf(node)
    .replace(/^(globalThis|global)\./, '')
    .replace(/^(crypto|webcrypto)\.randomUUID$/, 'randomUUID');
}

function productFindings(file: SourceFile): Finding[] {
  const findings: Finding[] = [];
  const report = (at: Node, message: string): void => {
    findings.push({ path: file.path, line: file.lineAt(at.start), message });
  };
  walk(file.program, (node, ancestors) => {
    const used = node.type === 'MemberExpression' || (node.type === 'Identifier' && !isOnlyAName(node, ancestors));
    const names = used ? [plainName(node)] : takenApart(node);
    const ban = productBans.find(({ name }) => names.includes(name));
    if (ban && !ban.homes.test(file.path)) report(node, `${ban.name} is banned here: ${ban.instead}`);
    const wanted = node.type === 'ImportExpression' && isNode(node['source']) ? node['source'] : undefined;
    // What ships is scripts with code compiled beforehand (tools/chunk-scripts.mjs): Node's own import() does not work in them.
    if (!file.isTest && wanted !== undefined && (wanted.type !== 'Literal' || typeof wanted['value'] !== 'string'))
      report(node, 'import() of a computed name is banned: the build cannot see what it leads to');
    const isDate = isNode(node['callee']) && plainName(node['callee']) === 'Date';
    const readsClock =
      node.type === 'CallExpression' || (node.type === 'NewExpression' && (node['arguments'] as Node[]).length === 0);
    if (isDate && readsClock && !hostClocks.test(file.path))
      report(
        node,
        'new Date() without an argument is banned here: use new Date(clock.now()), or new Date(context.now) in a handler',
      );
  });
  for (const made of file.imports) {
    // A test may ask another program for its opinion.
    if (made.typeOnly || (file.isTest && made.specifier.endsWith('child_process'))) continue;
    const specifier = made.specifier.startsWith('node:') ? made.specifier : `node:${made.specifier}`;
    const ban = moduleBans.find(({ name }) => name === specifier);
    if (ban && !ban.homes.test(file.path))
      findings.push({ path: file.path, line: made.line, message: `${ban.name} is banned here: ${ban.instead}` });
  }
  return findings;
}

/** Identifiers that name something instead of using the global: members, keys, parameters, declarations, import specifiers, types. */
function isOnlyAName(node: Node, ancestors: readonly Node[]): boolean {
  const parent = ancestors.at(-1);
  if (!parent) return false;
  if (/^(Import|Export|TS)/.test(parent.type)) return parent['expression'] !== node;
  if (parent['computed'] !== true && (parent['property'] === node || parent['key'] === node)) return true;
  if (parent['value'] === node && ancestors.at(-2)?.type === 'ObjectPattern') return true;
  return parent['id'] === node || (parent['params'] as unknown[] | undefined)?.includes(node) === true;
}

/** `const { env, pid } = process` takes `process.env` and `process.pid`. */
function takenApart(node: Node): string[] {
  if (node.type !== 'VariableDeclarator' || !isNode(node['id']) || !isNode(node['init'])) return [];
  const owner = plainName(node['init']);
  const properties = node['id'].type === 'ObjectPattern' && owner !== '' ? (node['id']['properties'] as Node[]) : [];
  return properties.map((property) => `${owner}.${nameOf(property['key'])}`.replace(/^(crypto|globalThis)\./, ''));
}

const collections = new Set(['Map', 'Set', 'WeakMap', 'WeakSet', 'Array']);

/** State of services lives in the store; a cache must be rebuildable, and its name says that it is one. */
function mutableState(file: SourceFile): Finding[] {
  const findings: Finding[] = [];
  for (const statement of file.program['body'] as Node[]) {
    const declaration =
      statement.type === 'ExportNamedDeclaration' && isNode(statement['declaration']) ? statement['declaration'] : statement;
    if (declaration.type !== 'VariableDeclaration') continue;
    for (const declarator of declaration['declarations'] as Node[]) {
      const name = nameOf(declarator['id']);
      if (declaration['kind'] === 'const' && (!startsEmpty(declarator['init']) || name.endsWith('Cache'))) continue;
      findings.push({
        path: file.path,
        line: file.lineAt(declarator.start),
        message: `module-level variable ${name}: state of a service lives in the store (its state.ts); a cache that can be rebuilt is a const named …Cache`,
      });
    }
  }
  return findings;
}

/** Whether a constant starts as an empty collection, which only makes sense when something is put into it later. */
function startsEmpty(init: unknown): boolean {
  if (!isNode(init)) return false;
  if (init.type === 'NewExpression') return collections.has(nameOf(init['callee'])) && (init['arguments'] as Node[]).length === 0;
  if (init.type === 'ArrayExpression') return (init['elements'] as unknown[]).length === 0;
  return init.type === 'ObjectExpression' && (init['properties'] as unknown[]).length === 0;
}

export const bans: Rule = {
  name: 'bans',
  run(tree) {
    const findings: Finding[] = [];
    for (const file of tree.sources.values()) {
      if (file.path.startsWith('src/')) findings.push(...productFindings(file));
      if (file.path.startsWith('src/services/') && !file.isTest) findings.push(...mutableState(file));
      for (const comment of file.comments)
        if (/\b(TODO|FIXME|XXX)\b/.test(comment.text))
          findings.push({ path: file.path, line: comment.line, message: 'no TODO in the tree: do it, or open an issue' });
    }
    return findings;
  },
};
