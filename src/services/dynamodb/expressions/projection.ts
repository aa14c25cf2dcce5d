/** Projection expressions: parsing, and taking those parts out of an item ("Projection expressions"). */
import { emptyItem, type Item, type Value } from '../values.ts';
import type { Path } from './ast.ts';
import { valueAt } from './evaluate.ts';
import { ExpressionParser, type PathRead } from './parser.ts';
import type { Placeholders } from './placeholders.ts';

/** Parses; throws ExpressionError. */
export function parseProjection(text: string, placeholders: Placeholders): Path[] {
  return new ProjectionParser(text, placeholders).parse();
}

class ProjectionParser extends ExpressionParser {
  parse(): Path[] {
    const reads: PathRead[] = [];
    do reads.push(this.readPath());
    while (this.takeSymbol(','));
    this.finish(() => this.checkPaths(reads));
    return reads.map(({ path }) => path);
  }
}

/** The parts of an item at these paths, in their places; elements of lists move together. */
export function project(item: Item, paths: readonly Path[]): Item {
  if (paths.every((path) => path.length === 1)) return projectNames(item, paths);
  const root: Branch = { map: new Map() };
  for (const path of paths) {
    const value = valueAt(item, path);
    if (value !== undefined) graft(root, path, value);
  }
  return buildMap(root.map!);
}

function projectNames(item: Item, paths: readonly Path[]): Item {
  const part = emptyItem();
  for (const [name] of paths as readonly [string][]) {
    if (Object.hasOwn(item, name)) part[name] = item[name]!;
  }
  return part;
}

/** A part of the answer in the making: a whole value, or some members of a map or list. */
interface Branch {
  value?: Value;
  map?: Map<string, Branch>;
  list?: Map<number, Branch>;
}

function graft(root: Branch, path: Path, value: Value): void {
  let branch = root;
  for (const part of path) {
    const members = membersOf(branch, part);
    let next = members.get(part);
    if (next === undefined) {
      next = {};
      members.set(part, next);
    }
    branch = next;
  }
  branch.value = value;
}

function membersOf(branch: Branch, part: string | number): Map<string | number, Branch> {
  if (typeof part === 'number') branch.list ??= new Map();
  else branch.map ??= new Map();
  return (typeof part === 'number' ? branch.list : branch.map) as Map<string | number, Branch>;
}

function build(branch: Branch): Value {
  if (branch.value !== undefined) return branch.value;
  if (branch.map !== undefined) return { M: buildMap(branch.map) };
  const entries = [...(branch.list ?? [])].sort(([a], [b]) => a - b);
  return { L: entries.map(([, entry]) => build(entry)) };
}

function buildMap(members: ReadonlyMap<string, Branch>): Item {
  const map = emptyItem();
  for (const [name, branch] of members) map[name] = build(branch);
  return map;
}
