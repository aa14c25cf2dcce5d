/**
 * Who uses whom: a service declares its partners (`uses` in its index.ts), this rule holds the declaration to what the code reaches by
 * `ctx.call`, `ctx.internal` and events, and section 8 of ARCHITECTURE.md to the declarations. `npm run graph` writes that section.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { iamPrefix } from '../../src/kernel/policy/operations.ts';
import type { Finding, Rule } from './finding.ts';
import { isNode, loadTree, type Node, type SourceFile, type Tree, walk } from './tree.ts';

const document = 'ARCHITECTURE.md';
const heading = '## 8. Who uses whom';

interface Place {
  path: string;
  line: number;
}

interface Service {
  name: string;
  index: string;
  declared: readonly string[];
  /** Line of `uses`, or of the file's beginning. */
  line: number;
  /** Partners that the code reaches, with the first place. */
  reached: ReadonlyMap<string, Place>;
  /** Texts in its files but index.ts: a partner may be chosen at run time, from a table of names. */
  named: ReadonlySet<string>;
}

const textOf = (node: unknown): string | undefined =>
  isNode(node) && node.type === 'Literal' && typeof node['value'] === 'string' ? node['value'] : undefined;

const nameOf = (node: unknown): string | undefined =>
  isNode(node) && node.type === 'Identifier' ? String(node['name']) : textOf(node);

/** Service named by a call such as `ctx.call('kms')` or `ctx.internal<KmsApi>('kms')`. */
function calledService(node: Node): string | undefined {
  if (node.type !== 'CallExpression' || !isNode(node['callee']) || node['callee'].type !== 'MemberExpression') return undefined;
  const method = nameOf(node['callee']['property']);
  return method === 'call' || method === 'internal' ? textOf((node['arguments'] as unknown[])[0]) : undefined;
}

/** Sources of the events that a definition subscribes to, as `ec2` of `aws.ec2:EC2 Instance State-change Notification`. */
function eventSources(node: Node): string[] {
  if (node.type !== 'Property' || nameOf(node['key']) !== 'events' || !isNode(node['value'])) return [];
  const { value } = node;
  if (!isNode(value) || value.type !== 'ObjectExpression') return [];
  return (value['properties'] as Node[]).flatMap((entry) => /^aws\.([a-z0-9-]+):/.exec(nameOf(entry['key']) ?? '')?.[1] ?? []);
}

function declaredIn(file: SourceFile): { declared: string[]; line: number } {
  let found: { declared: string[]; line: number } = { declared: [], line: 1 };
  walk(file.program, (node) => {
    if (node.type !== 'Property' || nameOf(node['key']) !== 'uses' || !isNode(node['value'])) return;
    const elements = (node['value']['elements'] as unknown[] | undefined) ?? [];
    found = { declared: elements.flatMap((element) => textOf(element) ?? []), line: file.lineAt(node.start) };
  });
  return found;
}

/** All services of the tree, by name. */
function servicesOf(tree: Tree): Service[] {
  const names = [...tree.sources.keys()].flatMap((path) => /^src\/services\/([^/]+)\/index\.ts$/.exec(path)?.[1] ?? []).sort();
  // An event's source is the service's name in policies: `aws.states` for sfn.
  const bySource = new Map(names.flatMap((name): [string, string][] => [[iamPrefix(name), name]]));
  return names.map((name) => {
    const index = `src/services/${name}/index.ts`;
    const reached = new Map<string, Place>();
    const named = new Set<string>();
    const reach = (partner: string, path: string, line: number): void => {
      if (partner !== name && !reached.has(partner)) reached.set(partner, { path, line });
    };
    for (const [path, file] of tree.sources) {
      if (!path.startsWith(`src/services/${name}/`) || file.isTest) continue;
      walk(file.program, (node) => {
        const text = path === index ? undefined : textOf(node);
        if (text !== undefined) named.add(text);
        const called = calledService(node);
        if (called !== undefined) reach(called, path, file.lineAt(node.start));
        for (const source of eventSources(node)) reach(bySource.get(source) ?? source, path, file.lineAt(node.start));
      });
    }
    return { name, index, ...declaredIn(tree.sources.get(index)!), reached, named };
  });
}

/** The section of the document, as it must be. */
function sectionOf(services: readonly Service[]): string {
  const rows = services.map(
    ({ name, declared }) => `| ${name} | ${declared.length === 0 ? 'none' : [...declared].sort().join(', ')} |`,
  );
  return `${heading}\n\n| service | partners |\n|---|---|\n${rows.join('\n')}\n\n`;
}

/** The document with its section replaced; undefined when it has none. */
function withSection(text: string, section: string): string | undefined {
  const start = text.indexOf(heading);
  const end = text.indexOf('\n## ', start + 1);
  return start < 0 || end < 0 ? undefined : text.slice(0, start) + section + text.slice(end + 1);
}

export const uses: Rule = {
  name: 'uses',
  run(tree) {
    const services = servicesOf(tree);
    const findings: Finding[] = [];
    for (const { index, line, declared, reached, named } of services) {
      for (const [partner, place] of reached)
        if (!declared.includes(partner)) findings.push({ ...place, message: `${index} must name ${partner} in uses` });
      for (const partner of declared)
        if (!reached.has(partner) && !named.has(partner))
          findings.push({ path: index, line, message: `uses names ${partner}, which nothing here reaches` });
    }
    const text = tree.documents.get(document);
    if (text !== undefined && withSection(text, sectionOf(services)) !== text)
      findings.push({ path: document, line: 1, message: `"${heading}" is not fresh, run npm run graph` });
    return findings;
  },
};

/** Writes the section of ARCHITECTURE.md in the repository at `root`. Resolves with the exit status. */
export async function graph(root: string): Promise<number> {
  const path = join(root, document);
  const text = withSection(readFileSync(path, 'utf8'), sectionOf(servicesOf(await loadTree(root))));
  if (text === undefined) {
    console.error(`${document} has no "${heading}" that another section follows.`);
    return 1;
  }
  writeFileSync(path, text);
  return 0;
}
