/** Expressions: the protocol carries them parsed, as nested lists that begin with the number of a function; the table takes them as text again. */
import type { TypedItem, TypedValue } from '../types.ts';
import { type Cbor, CborReader, ProtocolError, Tagged } from './cbor.ts';
import { typed } from './values.ts';

const position = 3324;
const comparators = ['=', '<>', '<', '>=', '>', '<='];
const and = 6;
const or = 7;
const not = 8;
const between = 9;
const within = 10;
const calls: Readonly<Record<number, string>> = {
  11: 'attribute_exists',
  12: 'attribute_not_exists',
  13: 'attribute_type',
  14: 'begins_with',
  15: 'contains',
  16: 'size',
  23: 'if_not_exists',
  24: 'list_append',
};
const variable = 17;
const path = 18;
const actions: Readonly<Record<number, string>> = { 19: 'SET', 20: 'ADD', 21: 'DELETE', 22: 'REMOVE' };
const plus = 25;
const minus = 26;

/** Steps of a document path: a name, or a position in a list. */
export type DocumentPath = readonly (string | number)[];

/** Collects the names and values that the expressions of one request use. */
export class ExpressionWriter {
  readonly names: Record<string, string> = {};
  readonly values: Record<string, TypedValue> = {};
  readonly #placeholders = new Map<string, string>();
  #prefix = 0;
  #variables: readonly Cbor[] = [];

  /** A condition, filter or key condition. */
  condition(encoded: Buffer): string {
    return this.#write(this.#open(encoded));
  }

  update(encoded: Buffer): string {
    const clauses = new Map<string, string[]>();
    for (const action of listOf(this.#open(encoded))) {
      const [code, target, operand] = listOf(action);
      const clause = actions[Number(code)];
      if (clause === undefined) throw new ProtocolError('An action of an unknown kind');
      const parts = [this.#write(target), ...(operand === undefined ? [] : [this.#write(operand)])];
      clauses.set(clause, [...(clauses.get(clause) ?? []), parts.join(clause === 'SET' ? ' = ' : ' ')]);
    }
    return [...clauses].map(([clause, parts]) => `${clause} ${parts.join(', ')}`).join(' ');
  }

  /** Of a projection that reads whole attributes, whose parts the node takes itself. */
  attributes(paths: readonly DocumentPath[]): string {
    return [...new Set(paths.map(([first]) => this.#name(String(first))))].join(', ');
  }

  /** What the request carries of names and values; members are left out when empty. */
  get members(): { ExpressionAttributeNames?: Record<string, string>; ExpressionAttributeValues?: TypedItem } {
    return {
      ...(Object.keys(this.names).length === 0 ? {} : { ExpressionAttributeNames: this.names }),
      ...(Object.keys(this.values).length === 0 ? {} : { ExpressionAttributeValues: this.values }),
    };
  }

  #open(encoded: Buffer): Cbor {
    const [format, tree, variables = []] = listOf(new CborReader(encoded).value());
    if (format !== 1 || tree === undefined) throw new ProtocolError('An expression of an unknown format');
    this.#variables = listOf(variables);
    this.#prefix += 1;
    return tree;
  }

  #name(name: string): string {
    const known = this.#placeholders.get(name);
    if (known !== undefined) return known;
    const made = `#n${this.#placeholders.size}`;
    this.#placeholders.set(name, made);
    this.names[made] = name;
    return made;
  }

  #write(node: Cbor | undefined): string {
    const [code, ...args] = listOf(node);
    if (typeof code !== 'number') throw new ProtocolError('A function without a number');
    if (code < comparators.length) return `${this.#write(args[0])} ${comparators[code]} ${this.#write(args[1])}`;
    if (code === and || code === or) return args.map((each) => this.#grouped(each)).join(code === and ? ' AND ' : ' OR ');
    if (code === not) return `NOT ${this.#grouped(args[0])}`;
    if (code === between) return `${this.#write(args[0])} BETWEEN ${this.#write(args[1])} AND ${this.#write(args[2])}`;
    if (code === within)
      return `${this.#write(args[0])} IN (${listOf(args[1])
        .map((each) => this.#write(each))
        .join(', ')})`;
    if (code === variable) return this.#variable(Number(args[0]));
    if (code === path) return pathSteps(args).reduce<string>((all, step) => all + this.#step(step, all === ''), '');
    if (code === plus || code === minus) return `${this.#write(args[0])} ${code === plus ? '+' : '-'} ${this.#write(args[1])}`;
    const call = calls[code];
    if (call === undefined) throw new ProtocolError('A function of an unknown number');
    return `${call}(${args.map((each) => this.#write(each)).join(', ')})`;
  }

  #step(step: string | number, first: boolean): string {
    return typeof step === 'number' ? `[${step}]` : `${first ? '' : '.'}${this.#name(step)}`;
  }

  /** In parentheses where it joins or negates others. */
  #grouped(node: Cbor | undefined): string {
    const code = listOf(node)[0];
    return code === and || code === or || code === not ? `(${this.#write(node)})` : this.#write(node);
  }

  #variable(index: number): string {
    const value = this.#variables[index];
    if (value === undefined) throw new ProtocolError('A variable without a value');
    const name = `:v${this.#prefix}x${index}`;
    this.values[name] = typed(value);
    return name;
  }
}

/** The paths of a projection, in the order in which answers number them. */
export function projectionPaths(encoded: Buffer): DocumentPath[] {
  const [format, paths] = listOf(new CborReader(encoded).value());
  if (format !== 1) throw new ProtocolError('An expression of an unknown format');
  return listOf(paths).map((each) => pathSteps(listOf(each).slice(1)));
}

function pathSteps(parts: readonly Cbor[]): (string | number)[] {
  return parts.map((part) => {
    if (typeof part === 'string') return part;
    if (part instanceof Tagged && part.tag === position) return Number(part.value);
    throw new ProtocolError('A step of an unknown kind');
  });
}

function listOf(value: Cbor | undefined): Cbor[] {
  if (!Array.isArray(value)) throw new ProtocolError('A list was expected');
  return value;
}

/** What an item has at a path; undefined when there is nothing. */
export function valueAt(item: TypedItem, steps: DocumentPath): TypedValue | undefined {
  let value: TypedValue | undefined = { M: item };
  for (const step of steps) {
    const inside: unknown = typeof step === 'number' ? value?.['L'] : value?.['M'];
    if (inside === undefined) return undefined;
    value = (inside as Record<string | number, TypedValue>)[step];
  }
  return value;
}
