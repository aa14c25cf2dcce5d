/**
 * Applies an update expression to an item. All values are worked out on the item as it was, then the actions are carried out: removals of list
 * elements last and from the end, so that each index means the list as it was ("Update expressions").
 */
import { validation } from '../errors.ts';
import { addNumbers } from '../numbers.ts';
import { describeNumberProblem, emptyItem, type Item, typeOf, type Value } from '../values.ts';
import type { Path, SetValue, UpdateAction } from './ast.ts';
import { valueAt } from './evaluate.ts';

const wrongType = 'An operand in the update expression has an incorrect data type';
const missing = 'The provided expression refers to an attribute that does not exist in the item';
const badPath = 'The document path provided in the update expression is invalid for update';

/** The item after the update; the one given stays as it is. Throws ValidationException. */
export function applyUpdate(item: Item, actions: readonly UpdateAction[]): Item {
  const values = actions.map((action) => (action.kind === 'set' ? resolve(item, action.value) : undefined));
  const updated = copyOf(item, actions);
  const removals: Path[] = [];
  for (const [at, action] of actions.entries()) {
    if (action.kind === 'set') put(updated, action.path, values[at]!);
    else if (action.kind === 'add') addTo(updated, action.path, action.value);
    else if (action.kind === 'delete') deleteFrom(updated, action.path, action.value);
    else removals.push(action.path);
  }
  for (const path of removals.sort(compareLast)) remove(updated, path);
  return updated;
}

/** Later elements first. */
function compareLast(a: Path, b: Path): number {
  const left = a.at(-1)!;
  const right = b.at(-1)!;
  return typeof left === 'number' && typeof right === 'number' ? right - left : 0;
}

/** A copy whose parts on the way to a nested path may be changed. */
function copyOf(item: Item, actions: readonly UpdateAction[]): Item {
  const copy = Object.assign(emptyItem(), item);
  const heads = new Set(actions.filter(({ path }) => path.length > 1).map(({ path }) => path[0] as string));
  for (const head of heads) if (copy[head] !== undefined) copy[head] = structuredClone(copy[head]);
  return copy;
}

function resolve(item: Item, value: SetValue): Value {
  switch (value.kind) {
    case 'value':
      return value.value;
    case 'path': {
      const found = valueAt(item, value.path);
      if (found === undefined) throw validation(missing);
      return found;
    }
    case 'ifNotExists':
      return valueAt(item, value.path) ?? resolve(item, value.otherwise);
    case 'append': {
      const left = resolve(item, value.left);
      const right = resolve(item, value.right);
      if (left.L === undefined || right.L === undefined) throw validation(wrongType);
      return { L: [...left.L, ...right.L] };
    }
    case 'sum':
      return sum(resolve(item, value.left), resolve(item, value.right), value.sign);
  }
}

/** Sum or difference of two numbers. Throws ValidationException for other types and for results out of range. */
export function sum(left: Value, right: Value, sign: 1 | -1): Value {
  if (left.N === undefined || right.N === undefined) throw validation(wrongType);
  const result = addNumbers(left.N, right.N, sign);
  if (typeof result === 'string') throw validation(describeNumberProblem(result, ''));
  return { N: result.text };
}

/** What holds the last part of a path. */
function parentOf(item: Item, path: Path): Value {
  if (path.length === 1) return { M: item };
  const parent = valueAt(item, path.slice(0, -1));
  const last = path.at(-1);
  if (parent === undefined || (typeof last === 'number' ? parent.L : parent.M) === undefined) throw validation(badPath);
  return parent;
}

function put(item: Item, path: Path, value: Value): void {
  const parent = parentOf(item, path);
  const last = path.at(-1)!;
  if (typeof last === 'string') parent.M![last] = value;
  // Behind the end means at the end.
  else if (last >= parent.L!.length) parent.L!.push(value);
  else parent.L![last] = value;
}

function remove(item: Item, path: Path): void {
  const parent = parentOf(item, path);
  const last = path.at(-1)!;
  if (typeof last === 'string') delete parent.M![last];
  else parent.L!.splice(last, 1);
}

function addTo(item: Item, path: Path, operand: Value): void {
  parentOf(item, path);
  const old = valueAt(item, path);
  put(item, path, old === undefined ? operand : added(old, operand));
}

function added(old: Value, operand: Value): Value {
  const type = typeOf(old);
  if (type !== typeOf(operand)) throw validation(wrongType);
  return type === 'N' ? sum(old, operand, 1) : unite(old, operand);
}

/** The union of two sets of one type. */
export function unite(set: Value, more: Value): Value {
  const type = typeOf(set) as 'SS' | 'NS' | 'BS';
  return { [type]: [...new Set([...set[type]!, ...more[type]!])] };
}

/** A set without some members; undefined when none is left. */
export function subtract(set: Value, less: Value): Value | undefined {
  const type = typeOf(set) as 'SS' | 'NS' | 'BS';
  const gone = new Set(less[type]);
  const rest = set[type]!.filter((entry) => !gone.has(entry));
  return rest.length === 0 ? undefined : { [type]: rest };
}

function deleteFrom(item: Item, path: Path, operand: Value): void {
  parentOf(item, path);
  const old = valueAt(item, path);
  if (old === undefined) return;
  if (typeOf(old) !== typeOf(operand)) throw validation(wrongType);
  const rest = subtract(old, operand);
  if (rest === undefined) remove(item, path);
  else put(item, path, rest);
}
