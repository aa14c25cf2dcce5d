/** Titles of tests and the fact ids they begin with. */
import { isNode, type Node, type SourceFile, type Tree, walk } from '../check/tree.ts';

export interface Title {
  path: string;
  line: number;
  ids: readonly string[];
}

/** Only tests that see the cloud from outside prove facts. */
const provingTests = /^test\/(services|gateway|scenarios|console)\//;

/** Whether a test file's results count as proof. */
export function proves(path: string): boolean {
  return provingTests.test(path);
}

/** Ids at the start of a title: "IAM-004 IAM-010 a new user …" gives two. */
export function idsOf(title: string): string[] {
  const lead = /^(?:[A-Z][A-Z0-9]*-\d{3}(?!\d)[\s,:]*)+/.exec(title)?.[0] ?? '';
  return lead.match(/[A-Z][A-Z0-9]*-\d{3}/g) ?? [];
}

/** Every title in the tree's test files that begins with an id. */
export function titlesOf(tree: Tree): Title[] {
  return [...tree.sources.values()].filter((file) => file.path.endsWith('.test.ts')).flatMap(titlesIn);
}

function titlesIn(file: SourceFile): Title[] {
  const titles: Title[] = [];
  walk(file.program, (node) => {
    if (node.type !== 'CallExpression' || !/^(test|it|describe|suite)\b/.test(file.text.slice(node.start, node.start + 9)))
      return;
    const text = textOf((node['arguments'] as Node[])[0]);
    const ids = idsOf(text);
    if (ids.length > 0) titles.push({ path: file.path, line: file.lineAt(node.start), ids });
  });
  return titles;
}

function textOf(node: Node | undefined): string {
  if (node?.type === 'Literal') return String(node['value']);
  if (node?.type !== 'TemplateLiteral') return '';
  const [first] = node['quasis'] as Node[];
  return isNode(first) ? String((first['value'] as { cooked?: unknown }).cooked) : '';
}
