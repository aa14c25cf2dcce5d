/**
 * Imports point one way (design, section 3): base < model, store, machine < planes < kernel < services, gateway, admin, console < boot < cli.
 * Layers of one rank know nothing of each other. Reason: a service can then be read, tested and replaced without the rest, and the planes could
 * serve another cloud's API.
 */
import type { Finding, Rule } from './finding.ts';
import { type Import, isNode, type SourceFile, type Tree, walk } from './tree.ts';

const ranks: readonly (readonly string[])[] = [
  ['base'],
  ['model', 'store', 'machine'],
  ['planes'],
  ['kernel'],
  ['services', 'gateway', 'admin', 'console'],
  ['boot'],
  ['cli'],
];

/** Tests that see the cloud from outside only. */
const blackBoxes = /^test\/(services|gateway|scenarios|console)\//;

/** Drivers of the store: its users know the interface only. */
const storeDriver = /^src\/store\/(lmdb|postgres)\//;

/** The layer of a path below src/, or undefined outside. `src/boot.ts` is the layer boot. */
function layerOf(path: string): string | undefined {
  return /^src\/([a-z]+)(?:\/|\.ts$)/.exec(path)?.[1];
}

function rankOf(layer: string): number {
  return ranks.findIndex((names) => names.includes(layer));
}

/** The service a path belongs to: first folder below src/services. Undefined for the list itself. */
function serviceOf(path: string): string | undefined {
  return /^src\/services\/([^/]+)\//.exec(path)?.[1];
}

/** Why this import is wrong, or undefined when it is right. */
function objection(file: SourceFile, made: Import, tree: Tree): string | undefined {
  if (made.target === undefined) return packageObjection(file, made, tree);
  const { target } = made;
  if (blackBoxes.test(file.path) && target.startsWith('src/'))
    return 'a behaviour test is a black box and imports nothing of src/: drive the API';
  const from = layerOf(file.path);
  const to = layerOf(target);
  if (from === undefined) return undefined;
  if (to === undefined) return file.isTest ? undefined : `src/ imports nothing outside src/ (${target})`;
  if (rankOf(to) < 0) return `${target} is in no known layer: add src/${to} to tools/check/layers.ts`;
  if (from !== to) {
    if (rankOf(to) >= rankOf(from)) return `${from} must not import ${to}: imports point down (design, section 3)`;
    if (from === 'services' && to === 'machine') return 'a service never touches the machine: hand a desired spec to a plane';
    if (!file.isTest && from !== 'boot' && storeDriver.test(target))
      return 'only boot knows the driver of the store: use the interface in src/store/store.ts';
    return undefined;
  }
  return from === 'services' ? serviceObjection(file, made, target) : undefined;
}

function serviceObjection(file: SourceFile, made: Import, target: string): string | undefined {
  const from = serviceOf(file.path);
  const to = serviceOf(target);
  if (from === to || from === undefined) return undefined;
  if (to === undefined) return `a service does not import ${target}: the list imports services, not the other way`;
  if (target === `src/services/${to}/api.ts` && made.typeOnly) return undefined;
  return `service ${from} must not import service ${to}: use context.call('${to}'), or import type from its api.ts`;
}

function packageObjection(file: SourceFile, made: Import, tree: Tree): string | undefined {
  const { specifier } = made;
  if (!file.path.startsWith('src/') || file.isTest || made.typeOnly || specifier.startsWith('node:')) return undefined;
  const name = specifier
    .split('/')
    .slice(0, specifier.startsWith('@') ? 2 : 1)
    .join('/');
  if (!tree.shipped.has(name)) return `${name} does not ship (it is not in "dependencies"): import its types only, or add it`;
  if (name === 'lmdb' && !file.path.startsWith('src/store/lmdb/'))
    return 'lmdb belongs to src/store/lmdb: use the interface in src/store/store.ts';
  return undefined;
}

/** Words of the cloud above that the planes must not know. */
const cloudWords = /\barn:|\baws\b|amazonaws/i;

function* planeWords(file: SourceFile): Generator<Finding> {
  const found: Finding[] = [];
  walk(file.program, (node) => {
    const text =
      node.type === 'Literal' && typeof node['value'] === 'string'
        ? node['value']
        : node.type === 'TemplateElement' && typeof node['value'] === 'object'
          ? String((node['value'] as { cooked?: unknown }).cooked)
          : undefined;
    if (text === undefined || !cloudWords.test(text) || isImportSource(node)) return;
    found.push({
      path: file.path,
      line: file.lineAt(node.start),
      message: `planes know no ARN and no AWS word: ${JSON.stringify(text)}`,
    });
  });
  yield* found;
  for (const made of file.imports)
    if (made.target === 'src/base/arn.ts')
      yield { path: file.path, line: made.line, message: 'planes know no ARN: take a plain key' };
}

function isImportSource(node: unknown): boolean {
  return isNode(node) && typeof node['raw'] === 'string' && /^['"](@aws-|\.)/.test(node['raw']);
}

export const layers: Rule = {
  name: 'layers',
  run(tree) {
    const findings: Finding[] = [];
    for (const file of tree.sources.values()) {
      for (const made of file.imports) {
        const message = objection(file, made, tree);
        if (message) findings.push({ path: file.path, line: made.line, message });
      }
      if (file.path.startsWith('src/planes/') && !file.isTest) findings.push(...planeWords(file));
    }
    return findings;
  },
};
