/**
 * The repository as the rules see it: every TypeScript file parsed once, with its imports, exports and comments, and the text of documents.
 * Parsed and not matched by regular expressions, so that a banned name in a comment or a string is not a finding. The parser is rolldown's
 * (native, already here through vitest); TypeScript 7 has no API for it yet.
 */
import { readdir, readFile } from 'node:fs/promises';
import { dirname, join, posix } from 'node:path';
import { parseSync } from 'rolldown/utils';

/** A node of the syntax tree (ESTree with TypeScript). */
export interface Node {
  type: string;
  start: number;
  end: number;
  [member: string]: unknown;
}

export interface Import {
  specifier: string;
  /** Path in the repository, for a relative specifier. */
  target: string | undefined;
  line: number;
  /** Erased when compiled: `import type`, `export type … from`, `import('x').T`. */
  typeOnly: boolean;
  /** Names taken; `*` for all of them (namespace, `export *`, dynamic import). */
  names: readonly string[] | '*';
}

export interface Export {
  name: string;
  line: number;
  typeOnly: boolean;
}

export interface Comment {
  text: string;
  line: number;
}

/** Calls `visit` for every node below and including `root`, parents first, with the node's ancestors, nearest last. */
export function walk(root: Node, visit: (node: Node, ancestors: readonly Node[]) => void): void {
  const ancestors: Node[] = [];
  const enter = (node: Node): void => {
    visit(node, ancestors);
    ancestors.push(node);
    for (const value of Object.values(node)) {
      if (Array.isArray(value)) {
        for (const item of value) if (isNode(item)) enter(item);
      } else if (isNode(value)) enter(value);
    }
    ancestors.pop();
  };
  enter(root);
}

/** Whether a member of a node is itself a node. */
export function isNode(value: unknown): value is Node {
  return typeof value === 'object' && value !== null && typeof (value as Node).type === 'string';
}

/** One TypeScript file. */
export class SourceFile {
  readonly path: string;
  readonly text: string;
  readonly program: Node;
  readonly comments: readonly Comment[];
  readonly imports: readonly Import[];
  readonly exports: readonly Export[];
  /** Paths of TypeScript files that strings name: programs that a test bundles or starts. Relative to the root. */
  readonly mentions: readonly string[];
  /** Message of the parser when the file is not TypeScript; the rest is then empty. */
  readonly broken: string | undefined;
  readonly #lineStarts: number[] = [0];

  constructor(path: string, text: string) {
    this.path = path;
    this.text = text;
    for (let at = text.indexOf('\n'); at >= 0; at = text.indexOf('\n', at + 1)) this.#lineStarts.push(at + 1);
    const parsed = parseSync(path, text, { lang: 'ts', sourceType: 'module' });
    this.broken = parsed.errors[0]?.message;
    this.program = parsed.program as unknown as Node;
    this.comments = parsed.comments.map((comment) => ({ text: comment.value, line: this.lineAt(comment.start) }));
    this.imports = this.#readImports();
    this.mentions = this.#readMentions();
    this.exports = parsed.module.staticExports.flatMap((statement) =>
      statement.entries
        .filter((entry) => entry.exportName.kind !== 'None')
        .map((entry) => ({
          name: entry.exportName.name ?? 'default',
          line: this.lineAt(entry.start),
          typeOnly: entry.isType,
        })),
    );
  }

  /** Line of an offset, counted from 1. */
  lineAt(offset: number): number {
    let low = 0;
    let high = this.#lineStarts.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if ((this.#lineStarts[middle] ?? 0) <= offset) low = middle;
      else high = middle - 1;
    }
    return low + 1;
  }

  /** A test beside the source, or a suite that several of them run: whatever needs the test runner. */
  get isTest(): boolean {
    return this.path.endsWith('.test.ts') || this.imports.some(({ specifier, typeOnly }) => specifier === 'vitest' && !typeOnly);
  }

  get lineCount(): number {
    return this.text.endsWith('\n') ? this.#lineStarts.length - 1 : this.#lineStarts.length;
  }

  #readMentions(): string[] {
    const imported = new Set(this.imports.map(({ specifier }) => specifier));
    const found: string[] = [];
    walk(this.program, (node) => {
      const value = node.type === 'Literal' ? node['value'] : undefined;
      if (typeof value !== 'string' || imported.has(value) || !/^[\w./-]+\.ts$/.test(value)) return;
      found.push(value.startsWith('.') ? posix.join(posix.dirname(this.path), value) : value);
    });
    return found;
  }

  #readImports(): Import[] {
    const found: Import[] = [];
    const add = (source: unknown, at: Node, typeOnly: boolean, names: readonly string[] | '*'): void => {
      const specifier = isNode(source) && typeof source['value'] === 'string' ? source['value'] : undefined;
      if (specifier === undefined) return;
      const target = specifier.startsWith('.') ? posix.join(posix.dirname(this.path), specifier) : undefined;
      found.push({ specifier, target, line: this.lineAt(at.start), typeOnly, names });
    };
    walk(this.program, (node) => {
      if (node.type === 'ImportDeclaration') add(node['source'], node, node['importKind'] === 'type', importedNames(node));
      else if (node.type === 'ExportNamedDeclaration' && node['source'])
        add(node['source'], node, node['exportKind'] === 'type', importedNames(node));
      else if (node.type === 'ExportAllDeclaration') add(node['source'], node, node['exportKind'] === 'type', '*');
      else if (node.type === 'ImportExpression') add(node['source'], node, false, '*');
      else if (node.type === 'TSImportType') add(node['source'] ?? node['argument'], node, true, '*');
    });
    return found;
  }
}

function importedNames(declaration: Node): readonly string[] | '*' {
  const names: string[] = [];
  for (const specifier of declaration['specifiers'] as Node[]) {
    if (specifier.type === 'ImportNamespaceSpecifier') return '*';
    const outer = specifier.type === 'ExportSpecifier' ? specifier['local'] : specifier['imported'];
    names.push(isNode(outer) ? String(outer['name'] ?? outer['value']) : 'default');
  }
  return names;
}

/** All that the rules look at. Paths are relative to the root, with forward slashes. */
export interface Tree {
  root: string;
  sources: ReadonlyMap<string, SourceFile>;
  /** Markdown files by path. */
  documents: ReadonlyMap<string, string>;
  /** spec/*.yaml by path. */
  spec: ReadonlyMap<string, string>;
  /** Every path that exists, files and folders. */
  paths: ReadonlySet<string>;
  /** Names of the packages that ship (`dependencies`). */
  shipped: ReadonlySet<string>;
  /** Texts of package.json and package-lock.json. */
  manifest: string | undefined;
  lock: string | undefined;
}

/** A tree made of these texts; the file name decides what each is. For tests of rules, and used by `loadTree`. */
export function treeOf(files: Readonly<Record<string, string>>, root = '.'): Tree {
  const sources = new Map<string, SourceFile>();
  const documents = new Map<string, string>();
  const spec = new Map<string, string>();
  const paths = new Set<string>();
  let shipped: ReadonlySet<string> = new Set();
  for (const [path, text] of Object.entries(files)) {
    for (let at = path; at !== '.'; at = dirname(at)) paths.add(at);
    if (path === 'package.json') shipped = shippedBy(text);
    else if (path.endsWith('.ts')) sources.set(path, new SourceFile(path, text));
    else if (path.endsWith('.md')) documents.set(path, text);
    else if (path.startsWith('spec/') && path.endsWith('.yaml')) spec.set(path, text);
  }
  return { root, sources, documents, spec, paths, shipped, manifest: files['package.json'], lock: files['package-lock.json'] };
}

function shippedBy(packageText: string): ReadonlySet<string> {
  const parsed = JSON.parse(packageText) as {
    dependencies?: Record<string, string>;
    optionalDependencies?: Record<string, string>;
  };
  return new Set([...Object.keys(parsed.dependencies ?? {}), ...Object.keys(parsed.optionalDependencies ?? {})]);
}

const ignored = /^(dist|coverage|\.git|\.pilvi)$|(^|\/)node_modules$/;
const read = /\.(ts|md|yaml)$|^package(-lock)?\.json$/;

/** Reads the repository at `root`. Texts that no rule looks at (models, scripts) are listed but not read. */
export async function loadTree(root: string): Promise<Tree> {
  const files: Record<string, string> = {};
  const enter = async (folder: string): Promise<void> => {
    const entries = await readdir(join(root, folder), { withFileTypes: true });
    await Promise.all(
      entries.map(async (entry) => {
        const path = posix.join(folder, entry.name);
        if (ignored.test(path)) return;
        if (entry.isDirectory()) await enter(path);
        else if (entry.isFile()) files[path] = read.test(path) ? await readFile(join(root, path), 'utf8').catch(() => '') : '';
      }),
    );
  };
  await enter('.');
  return treeOf(Object.fromEntries(Object.entries(files).sort(([a], [b]) => (a < b ? -1 : 1))), root);
}
