/** The intrinsic functions of JSONPath states. Source: Developer Guide, "Intrinsics for JSONPath states". */
import { createHash } from 'node:crypto';
import type { Json } from '../../../model/types.ts';
import { intrinsicFailure } from './errors.ts';
import { isPath, parsePath, type Path, readPath, type Scope } from './jsonpath.ts';
import { isList, isObject, jsonText, sameJson } from './values.ts';

export interface Chance {
  uuid(): string;
  bytes(count: number): Uint8Array;
}

type Node = { kind: 'literal'; value: Json } | { kind: 'path'; path: Path } | { kind: 'call'; name: string; parameters: Node[] };

class IntrinsicSyntaxError extends Error {}

/** Deepest nesting of calls ("You can nest up to 10 intrinsic functions"). */
const nestingMax = 10;
/** Longest text that is encoded, decoded or hashed, in characters. */
const codeCharsMax = 10_000;
/** Longest list that ArrayRange makes. */
const rangeItemsMax = 1000;

/** Parsed expressions by their text: a cache of a bounded set, rebuilt when it is full. */
const parsedCache = new Map<string, Node>();
const parsedCacheMax = 2000;

/** Throws IntrinsicSyntaxError when the text is no call of a known function. */
function parseIntrinsic(text: string): Node {
  let node = parsedCache.get(text);
  if (node === undefined) {
    node = new Parser(text).whole();
    if (parsedCache.size >= parsedCacheMax) parsedCache.clear();
    parsedCache.set(text, node);
  }
  return node;
}

export function isIntrinsic(text: string): boolean {
  try {
    parseIntrinsic(text);
    return true;
  } catch {
    return false;
  }
}

class Parser {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  whole(): Node {
    const node = this.#call(1);
    if (this.#at !== this.#text.length) throw this.#wrong();
    return node;
  }

  #call(depth: number): Node {
    if (depth > nestingMax) throw new IntrinsicSyntaxError(`More than ${nestingMax} nested intrinsic functions.`);
    const match = /^\s*(States\.[A-Za-z0-9]+)\s*\(/.exec(this.#text.slice(this.#at));
    const name = match?.[1];
    if (match === null || name === undefined || !Object.hasOwn(functions, name)) throw this.#wrong();
    this.#at += match[0].length;
    const parameters: Node[] = [];
    this.#space();
    while (this.#text[this.#at] !== ')') {
      if (parameters.length > 0) this.#expect(',');
      parameters.push(this.#parameter(depth));
      this.#space();
    }
    this.#at += 1;
    this.#space();
    const [least, most] = functions[name]!.count;
    if (parameters.length < least || parameters.length > most) throw this.#wrong();
    return { kind: 'call', name, parameters };
  }

  #parameter(depth: number): Node {
    this.#space();
    const rest = this.#text.slice(this.#at);
    if (rest.startsWith('States.')) return this.#call(depth + 1);
    if (rest.startsWith("'")) return { kind: 'literal', value: this.#quoted() };
    if (rest.startsWith('$')) return { kind: 'path', path: this.#path() };
    const word = /^(?:null|true|false|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)(?=[\s,)])/.exec(rest)?.[0];
    if (word === undefined) throw this.#wrong();
    this.#at += word.length;
    return { kind: 'literal', value: JSON.parse(word) as Json };
  }

  #quoted(): string {
    let out = '';
    for (this.#at += 1; this.#text[this.#at] !== "'"; this.#at++) {
      if (this.#at >= this.#text.length) throw this.#wrong();
      // Escaped braces stay escaped: States.Format tells them from places.
      if (this.#text[this.#at] === '\\') {
        const next = this.#text[this.#at + 1];
        if (next === '{' || next === '}') out += '\\';
        this.#at += 1;
      }
      out += this.#text[this.#at];
    }
    this.#at += 1;
    return out;
  }

  #path(): Path {
    const begin = this.#at;
    let depth = 0;
    let quote = '';
    for (; this.#at < this.#text.length; this.#at++) {
      const letter = this.#text[this.#at]!;
      if (quote !== '') {
        if (letter === quote) quote = '';
      } else if (letter === "'" || letter === '"') quote = letter;
      else if (letter === '[' || letter === '(') depth += 1;
      else if (depth > 0 && (letter === ']' || letter === ')')) depth -= 1;
      else if (depth === 0 && (letter === ',' || letter === ')')) break;
    }
    const text = this.#text.slice(begin, this.#at).trim();
    if (!isPath(text)) throw this.#wrong();
    return parsePath(text);
  }

  #space(): void {
    while (this.#text[this.#at] === ' ') this.#at += 1;
  }

  #expect(letter: string): void {
    if (this.#text[this.#at] !== letter) throw this.#wrong();
    this.#at += 1;
  }

  #wrong(): IntrinsicSyntaxError {
    return new IntrinsicSyntaxError(`The intrinsic function "${this.#text}" is not valid at position ${this.#at}.`);
  }
}

/** Evaluates a call. Throws StateError States.IntrinsicFailure. */
export function callIntrinsic(text: string, scope: Scope, chance: Chance): Json {
  return evaluate(parseIntrinsic(text), text, scope, chance);
}

function evaluate(node: Node, text: string, scope: Scope, chance: Chance): Json {
  switch (node.kind) {
    case 'literal':
      return node.value;
    case 'path': {
      const value = readPath(node.path, scope);
      if (value === undefined)
        throw intrinsicFailure(
          `The function '${text}' had the following error: The JsonPath argument for the field '${node.path.text}' could not be found in the input '${jsonText(scope.input)}'`,
        );
      return value;
    }
    default: {
      const values = node.parameters.map((parameter) => evaluate(parameter, text, scope, chance));
      return functions[node.name]!.run(values, chance, (reason) =>
        intrinsicFailure(`The function '${text}' had the following error: ${reason}`),
      );
    }
  }
}

type Refuse = (reason: string) => Error;
interface IntrinsicFunction {
  count: readonly [least: number, most: number];
  run: (values: readonly Json[], chance: Chance, refuse: Refuse) => Json;
}

function textOf(value: Json | undefined, refuse: Refuse): string {
  if (typeof value !== 'string') throw refuse('Invalid arguments: a string is required.');
  return value;
}

function listOf(value: Json | undefined, refuse: Refuse): readonly Json[] {
  if (!isList(value)) throw refuse('Invalid arguments: an array is required.');
  return value;
}

function integerOf(value: Json | undefined, refuse: Refuse): number {
  if (typeof value !== 'number') throw refuse('Invalid arguments: a number is required.');
  return Math.round(value);
}

function shortText(value: Json | undefined, refuse: Refuse): string {
  const text = textOf(value, refuse);
  if (text.length > codeCharsMax) throw refuse(`The input must not be longer than ${codeCharsMax} characters.`);
  return text;
}

const hashes: Readonly<Record<string, string>> = {
  MD5: 'md5',
  'SHA-1': 'sha1',
  'SHA-256': 'sha256',
  'SHA-384': 'sha384',
  'SHA-512': 'sha512',
};

function format(values: readonly Json[], refuse: Refuse): string {
  const template = textOf(values[0], refuse);
  let next = 1;
  const out = template.replace(/\\([{}])|\{\}/g, (_all, escaped: string | undefined) => {
    if (escaped !== undefined) return escaped;
    const value = values[next++];
    if (value === undefined) throw refuse('The number of arguments does not match the occurrences of {}.');
    return typeof value === 'string' ? value : jsonText(value);
  });
  if (next !== values.length) throw refuse('The number of arguments does not match the occurrences of {}.');
  return out;
}

function range(values: readonly Json[], refuse: Refuse): Json {
  const [first = 0, last = 0, step = 0] = values.map((value) => integerOf(value, refuse));
  if (step === 0) throw refuse('The increment must not be 0.');
  const count = Math.max(0, Math.floor((last - first) / step) + 1);
  if (count > rangeItemsMax) throw refuse(`The range contains more than ${rangeItemsMax} items.`);
  return Array.from({ length: count }, (_none, at) => first + at * step);
}

function partition(values: readonly Json[], refuse: Refuse): Json {
  const items = listOf(values[0], refuse);
  const size = integerOf(values[1], refuse);
  if (size < 1) throw refuse('The chunk size must be a positive number.');
  return Array.from({ length: Math.ceil(items.length / size) }, (_none, at) => items.slice(at * size, (at + 1) * size));
}

function distinct(items: readonly Json[]): Json {
  const kept: Json[] = [];
  for (const item of items) if (!kept.some((other) => sameJson(other, item))) kept.push(item);
  return kept;
}

/** A number from 0 to below 1: drawn, or from a seed by a small generator (mulberry32). */
function fraction(seed: number | undefined, chance: Chance): number {
  if (seed === undefined) return Buffer.from(chance.bytes(6)).readUIntBE(0, 6) / 2 ** 48;
  let state = (seed + 0x6d2b79f5) | 0;
  state = Math.imul(state ^ (state >>> 15), state | 1);
  state ^= state + Math.imul(state ^ (state >>> 7), state | 61);
  return ((state ^ (state >>> 14)) >>> 0) / 2 ** 32;
}

const many = Number.POSITIVE_INFINITY;
const functions: Readonly<Record<string, IntrinsicFunction>> = {
  'States.Format': { count: [1, many], run: (values, _chance, refuse) => format(values, refuse) },
  'States.StringToJson': {
    count: [1, 1],
    run: ([text], _chance, refuse) => {
      try {
        return JSON.parse(textOf(text, refuse)) as Json;
      } catch (error) {
        throw refuse(error instanceof SyntaxError ? 'Invalid JSON was given.' : (error as Error).message);
      }
    },
  },
  'States.JsonToString': { count: [1, 1], run: ([value = null]) => jsonText(value) },
  'States.Array': { count: [0, many], run: (values) => values },
  'States.ArrayPartition': { count: [2, 2], run: (values, _chance, refuse) => partition(values, refuse) },
  'States.ArrayContains': {
    count: [2, 2],
    run: ([list, wanted = null], _chance, refuse) => listOf(list, refuse).some((item) => sameJson(item, wanted)),
  },
  'States.ArrayRange': { count: [3, 3], run: (values, _chance, refuse) => range(values, refuse) },
  'States.ArrayGetItem': {
    count: [2, 2],
    run: ([list, index], _chance, refuse) => {
      const at = integerOf(index, refuse);
      const value = at < 0 ? undefined : listOf(list, refuse)[at];
      if (value === undefined) throw refuse('The index specified is out of bounds of the array.');
      return value;
    },
  },
  'States.ArrayLength': { count: [1, 1], run: ([list], _chance, refuse) => listOf(list, refuse).length },
  'States.ArrayUnique': { count: [1, 1], run: ([list], _chance, refuse) => distinct(listOf(list, refuse)) },
  'States.Base64Encode': {
    count: [1, 1],
    run: ([text], _chance, refuse) => Buffer.from(shortText(text, refuse)).toString('base64'),
  },
  'States.Base64Decode': {
    count: [1, 1],
    run: ([text], _chance, refuse) => {
      const encoded = shortText(text, refuse);
      if (!/^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/.test(encoded))
        throw refuse('Invalid Base64 was given.');
      return Buffer.from(encoded, 'base64').toString('utf8');
    },
  },
  'States.Hash': {
    count: [2, 2],
    run: ([value = null, algorithm], _chance, refuse) => {
      const name = textOf(algorithm, refuse);
      if (!Object.hasOwn(hashes, name)) throw refuse(`Unsupported hashing algorithm ${name}.`);
      const text = typeof value === 'string' ? value : jsonText(value);
      return createHash(hashes[name]!).update(shortText(text, refuse)).digest('hex');
    },
  },
  'States.JsonMerge': {
    count: [3, 3],
    run: ([a, b, deep], _chance, refuse) => {
      if (!isObject(a) || !isObject(b)) throw refuse('Invalid arguments: JSON objects are required.');
      if (deep !== false) throw refuse('Only the shallow merging mode is supported: the third argument must be false.');
      return { ...a, ...b };
    },
  },
  'States.MathRandom': {
    count: [2, 3],
    run: ([from, to, seed], chance, refuse) => {
      const first = integerOf(from, refuse);
      const end = integerOf(to, refuse);
      if (end <= first) throw refuse('The end of the range must be greater than its start.');
      return first + Math.floor(fraction(seed === undefined ? undefined : integerOf(seed, refuse), chance) * (end - first));
    },
  },
  'States.MathAdd': { count: [2, 2], run: ([a, b], _chance, refuse) => integerOf(a, refuse) + integerOf(b, refuse) },
  'States.StringSplit': {
    count: [2, 2],
    run: ([text, letters], _chance, refuse) => {
      const separators = new Set(textOf(letters, refuse));
      const parts: string[] = [''];
      for (const letter of textOf(text, refuse)) {
        if (separators.has(letter)) parts.push('');
        else parts[parts.length - 1] += letter;
      }
      return parts.filter((part) => part !== '');
    },
  },
  'States.UUID': { count: [0, 0], run: (_values, chance) => chance.uuid() },
};
