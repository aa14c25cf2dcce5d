/**
 * JSONPath as the States Language has it: `$` is the input, `$$` the context object, `$name` a variable. Paths that name one place, nearly all of
 * them, are read by this file; filters, wildcards, slices and descents go to json-p3 (RFC 9535), which parses filters and never runs text as
 * code. Names are AWS's (Jayway's): `$.detail-type` needs no brackets. Source: states-language.net, "Paths"; Developer Guide, "Using JSONPath".
 */
import type { Json } from '../../../model/types.ts';
import { library } from './libraries.ts';
import { isList, isObject, type JsonObject, memberOf, objectOf } from './values.ts';

export interface Path {
  text: string;
  root: 'input' | 'context' | 'variable';
  /** Name of the variable. */
  variable: string;
  /** Members and indexes of a path that names one place; undefined for one that may name several. */
  steps: readonly (string | number)[] | undefined;
  /** The whole path for json-p3, from `$`. */
  query: string;
}

/** What paths are read from. */
export interface Scope {
  input: Json;
  context: JsonObject;
  variables: JsonObject;
}

class PathSyntaxError extends Error {}

/** Parsed paths by their text: a cache of a bounded set, rebuilt when it is full. */
const pathsCache = new Map<string, Path>();
const pathsCacheMax = 5000;

/** Throws PathSyntaxError. */
export function parsePath(text: string): Path {
  const known = pathsCache.get(text);
  if (known !== undefined) return known;
  const path = parse(text);
  if (pathsCache.size >= pathsCacheMax) pathsCache.clear();
  pathsCache.set(text, path);
  return path;
}

export function isPath(text: string): boolean {
  try {
    parsePath(text);
    return true;
  } catch {
    return false;
  }
}

/** A path that may be written to: one place, from the input ("Reference Paths"). */
export function isReferencePath(text: string): boolean {
  if (!isPath(text)) return false;
  const path = parsePath(text);
  return path.root === 'input' && path.steps !== undefined;
}

const dashedName = /'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|\.([A-Za-z_]\w*-[\w-]*)/g;
const plainStep = /\.([^\s.[\]()'"*?@,:;=<>&|!~]+)|\[(?:'((?:[^'\\]|\\.)*)'|"((?:[^"\\]|\\.)*)"|(-?\d+))\]/y;

function parse(text: string): Path {
  const head = /^\$(\$|[\p{ID_Start}_][\p{ID_Continue}]*)?/u.exec(text);
  if (head === null) throw new PathSyntaxError(`Illegal character found at position 0`);
  const name = head[1] ?? '';
  const rest = text.slice(head[0].length);
  const path = {
    text,
    root: name === '' ? ('input' as const) : name === '$' ? ('context' as const) : ('variable' as const),
    variable: name === '$' ? '' : name,
  };
  const steps: (string | number)[] = [];
  plainStep.lastIndex = 0;
  while (plainStep.lastIndex < rest.length) {
    const match = plainStep.exec(rest);
    if (match === null) return { ...path, steps: undefined, query: checkedQuery(rest) };
    const [, dotted, single, double, index] = match;
    steps.push(index === undefined ? (dotted ?? plainName(single ?? double ?? '')) : Number(index));
  }
  return { ...path, steps, query: '' };
}

function plainName(text: string): string {
  return text.replace(/\\(.)/g, '$1');
}

/** Brackets names that RFC 9535 would not take after a dot, texts in quotes aside, and has json-p3 parse the whole. */
function checkedQuery(rest: string): string {
  const query = `$${rest.replace(dashedName, (found, name: string | undefined) => (name === undefined ? found : `['${name}']`))}`;
  try {
    library('jsonpath').compile(query);
  } catch (error) {
    throw new PathSyntaxError(error instanceof Error ? error.message : String(error));
  }
  return query;
}

/** The value at a path. A path to one place that is not there gives undefined; one that may name several gives the list of what it finds. */
export function readPath(path: Path, scope: Scope): Json | undefined {
  const root =
    path.root === 'input' ? scope.input : path.root === 'context' ? scope.context : memberOf(scope.variables, path.variable);
  if (root === undefined) return undefined;
  if (path.steps === undefined)
    return library('jsonpath')
      .query(path.query, root as never)
      .values() as Json[];
  let value: Json | undefined = root;
  for (const step of path.steps) {
    value = typeof step === 'string' ? memberOf(value, step) : isList(value) ? value.at(step) : undefined;
    if (value === undefined) return undefined;
  }
  return value;
}

/** Why a path found nothing, in Jayway's words. */
export function pathProblem(path: Path, scope: Scope): string {
  const steps = path.steps ?? [];
  let place = '$';
  let value: Json | undefined = path.root === 'input' ? scope.input : path.root === 'context' ? scope.context : scope.variables;
  for (const [at, step] of steps.entries()) {
    const next: Json | undefined = typeof step === 'string' ? memberOf(value, step) : isList(value) ? value.at(step) : undefined;
    const here = typeof step === 'string' ? `${place}['${step}']` : `${place}[${step}]`;
    if (next === undefined) return at === steps.length - 1 ? `No results for path: ${here}` : `Missing property in path ${here}`;
    place = here;
    value = next;
  }
  return `No results for path: ${place}`;
}

/** `into` with `value` put at a reference path; undefined when something in the way is neither object nor list. */
export function writePath(path: Path, into: Json, value: Json): Json | undefined {
  return put(into, path.steps ?? [], value);
}

function put(into: Json | undefined, steps: readonly (string | number)[], value: Json): Json | undefined {
  const [step, ...rest] = steps;
  if (step === undefined) return value;
  if (typeof step === 'number') {
    if (!isList(into) || step < 0 || step >= into.length) return undefined;
    const inner = put(into[step], rest, value);
    return inner === undefined ? undefined : into.map((item, at) => (at === step ? inner : item));
  }
  if (into !== undefined && !isObject(into)) return undefined;
  const inner = put(memberOf(into, step), rest, value);
  return inner === undefined ? undefined : objectOf([...Object.entries(into ?? {}), [step, inner]]);
}
