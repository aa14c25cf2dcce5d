/**
 * JSONata states: every string `{% … %}` is an expression. The library walks its own syntax tree and runs no text as code; each evaluation is bounded
 * in time, depth and length. Source: Developer Guide, "Transforming data with JSONata in Step Functions".
 */
import { createHash } from 'node:crypto';
import type jsonata from 'jsonata';
import type { Json } from '../../../model/types.ts';
import { queryFailure } from './errors.ts';
import { library } from './libraries.ts';
import type { Chance } from './intrinsics.ts';
import { isList, isObject, type JsonObject, objectOf } from './values.ts';

/** `$states` and the variables, as expressions see them. */
export interface Bindings {
  states: JsonObject;
  variables: JsonObject;
}

const bounds = { timeout: 1000, stack: 500, sequence: 100_000 };

/** Parsed expressions by their text: a cache of a bounded set, rebuilt when it is full. */
const parsedCache = new Map<string, jsonata.Expression>();
const parsedCacheMax = 2000;

/** The expression inside `{% %}`; undefined for a string that is none. */
export function expressionOf(text: string): string | undefined {
  return /^\{%([\s\S]*)%\}$/.exec(text)?.[1]?.trim();
}

/** Why an expression does not parse; undefined when it does. */
export function syntaxProblem(expression: string): string | undefined {
  try {
    parsed(expression);
    return undefined;
  } catch (error) {
    return messageOf(error);
  }
}

function parsed(expression: string): jsonata.Expression {
  let found = parsedCache.get(expression);
  if (found === undefined) {
    found = library('jsonata')(expression, bounds);
    if (parsedCache.size >= parsedCacheMax) parsedCache.clear();
    parsedCache.set(expression, found);
  }
  return found;
}

function messageOf(error: unknown): string {
  return typeof error === 'object' && error !== null && 'message' in error ? String(error.message) : String(error);
}

/** Evaluates every expression in a value of a field. Throws StateError States.QueryEvaluationError. */
export async function evaluateField(field: string, value: Json, bindings: Bindings, chance: Chance): Promise<Json> {
  if (typeof value === 'string') {
    const expression = expressionOf(value);
    return expression === undefined ? value : evaluate(field, expression, bindings, chance);
  }
  if (isList(value)) {
    const items: Json[] = [];
    for (const [at, item] of value.entries()) items.push(await evaluateField(`${field}[${at}]`, item, bindings, chance));
    return items;
  }
  if (!isObject(value)) return value;
  const entries: [string, Json][] = [];
  for (const [name, member] of Object.entries(value))
    entries.push([name, await evaluateField(`${field}/${name}`, member, bindings, chance)]);
  return objectOf(entries);
}

async function evaluate(field: string, expression: string, { states, variables }: Bindings, chance: Chance): Promise<Json> {
  let result: unknown;
  try {
    result = await parsed(expression).evaluate(undefined, { ...own(chance), ...variables, states });
  } catch (error) {
    throw queryFailure(
      `The JSONata expression '${expression}' specified for the field '${field}' threw an error during evaluation. ${reason(error)}`,
      field,
    );
  }
  if (result === undefined)
    throw queryFailure(
      `The JSONata expression '${expression}' specified for the field '${field}' returned nothing (undefined).`,
      field,
    );
  const text = JSON.stringify(result);
  if (text === undefined || typeof result === 'function')
    throw queryFailure(
      `The JSONata expression '${expression}' specified for the field '${field}' returned an unsupported result type.`,
      field,
    );
  return JSON.parse(text) as Json;
}

function reason(error: unknown): string {
  const code = typeof error === 'object' && error !== null && 'code' in error ? `${String(error.code)}: ` : '';
  return `${code}${messageOf(error)}`;
}

/** What Step Functions adds to JSONata, and `$eval`, which it takes away. */
function own(chance: Chance): Record<string, unknown> {
  return {
    eval: undefined,
    uuid: () => chance.uuid(),
    random: (seed?: number) => (seed === undefined ? Buffer.from(chance.bytes(6)).readUIntBE(0, 6) / 2 ** 48 : seeded(seed)),
    partition: (items: readonly unknown[], size: number) =>
      Array.from({ length: Math.ceil(items.length / size) }, (_none, at) => items.slice(at * size, (at + 1) * size)),
    range: (first: number, last: number, step: number) =>
      Array.from(
        { length: Math.min(1000, Math.max(0, Math.floor((last - first) / step) + 1)) },
        (_none, at) => first + at * step,
      ),
    hash: (value: unknown, algorithm = 'SHA-256') =>
      createHash(String(algorithm).replace('-', '').toLowerCase())
        .update(typeof value === 'string' ? value : JSON.stringify(value))
        .digest('hex'),
    parse: (text: string) => JSON.parse(text) as unknown,
  };
}

function seeded(seed: number): number {
  const digest = createHash('sha256').update(String(seed)).digest();
  return digest.readUIntBE(0, 6) / 2 ** 48;
}
