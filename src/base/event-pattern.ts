/**
 * Event patterns: the language of EventBridge rules and SNS filter policies ("Comparison operators for use in event patterns", EventBridge User
 * Guide). A pattern is compiled once and asked often. Pure; knows no service. Errors carry the words of AWS's own compiler, without what each service
 * puts before them.
 *
 * A list in the event matches when one of its elements does; below a list of objects, all that a pattern says must be true of one element.
 */
import { containsAddress, parseCidr4, parseIp4 } from './cidr.ts';
import { type JsonNode, JsonPositionError, parseWithPositions } from './json-positions.ts';

/** A pattern that AWS refuses. */
export class PatternError extends Error {}

/** Whether an event (plain data, as JSON holds it) matches. */
export type EventPattern = (event: unknown) => boolean;

/** Values of one place in an event; none when it is absent. */
type Leaf = (values: readonly unknown[]) => boolean;

export interface PatternOptions {
  /** Deepest nesting of fields; EventBridge and SNS have no limit but SNS's attributes are flat. */
  flat?: boolean;
}

/** Compiles a pattern. Throws PatternError with AWS's words and place. */
export function compilePattern(text: string, options: PatternOptions = {}): EventPattern {
  try {
    const root = parseWithPositions(text);
    if (root.value.kind !== 'object') throw new Fault('Filter is not an object', root.column);
    return fields(root.value.members, options);
  } catch (error) {
    if (error instanceof Fault)
      throw new PatternError(`${error.message}\n at [Source: (String)"${text}"; line: 1, column: ${error.column}]`);
    if (error instanceof JsonPositionError) throw new PatternError('Filter is not an object');
    throw error;
  }
}

class Fault extends Error {
  readonly column: number;
  constructor(message: string, column: number) {
    super(message);
    this.column = column;
  }
}

type Members = readonly { name: string; node: JsonNode }[];

function fields(members: Members, options: PatternOptions): EventPattern {
  const tests = members.map(({ name, node }) =>
    name === '$or' && node.value.kind === 'list' ? orOf(node, options) : field(name, node, options),
  );
  return (event) => tests.every((test) => test(event));
}

function orOf(node: JsonNode, options: PatternOptions): EventPattern {
  const items = node.value.kind === 'list' ? node.value.items : [];
  if (items.length < 2) throw new Fault('There must have at least 2 Objects in $or relationship.', node.column);
  const branches = items.map(({ value, column }) => {
    if (value.kind !== 'object') throw new Fault('Only JSON objects are allowed in array of $or relationship.', column);
    return fields(value.members, options);
  });
  return (event) => branches.some((branch) => branch(event));
}

function field(name: string, node: JsonNode, options: PatternOptions): EventPattern {
  const { value, column } = node;
  if (value.kind === 'list') {
    if (value.items.length === 0) throw new Fault('Empty arrays are not allowed', value.endColumn);
    const leaves = value.items.map(leaf);
    return (event) => {
      const values = valuesAt(event, name);
      return leaves.some((test) => test(values));
    };
  }
  if (value.kind === 'object' && options.flat !== true) {
    if (value.members.length === 0) throw new Fault('Empty objects are not allowed', column);
    const below = fields(value.members, options);
    return (event) => {
      const inside = isObject(event) && Object.hasOwn(event, name) ? event[name] : undefined;
      return Array.isArray(inside) ? inside.some(below) : below(inside);
    };
  }
  throw new Fault(`"${name}" must be an object or an array`, column);
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Simple values of a member; an object there counts as no leaf. */
function valuesAt(event: unknown, name: string): readonly unknown[] {
  if (!isObject(event) || !Object.hasOwn(event, name)) return [];
  const value = event[name];
  if (Array.isArray(value)) return value.flat(8).filter((one) => !isObject(one));
  return isObject(value) ? [] : [value];
}

function leaf(node: JsonNode): Leaf {
  const { value, column } = node;
  switch (value.kind) {
    case 'text':
      return equalTo(value.text);
    case 'number':
      return equalTo(value.number);
    case 'literal':
      return equalTo(value.literal);
    case 'object':
      return expression(value.members, column);
    default:
      throw new Fault('Match value must be String, number, true, false, or null', column);
  }
}

function equalTo(wanted: unknown): Leaf {
  return (values) => values.includes(wanted);
}

function expression(members: Members, column: number): Leaf {
  const [first, second] = members;
  if (first === undefined) throw new Fault('Empty objects are not allowed', column);
  const test = operator(first.name, first.node);
  if (second !== undefined) throw new Fault('Only one key allowed in match expression', second.node.column);
  return test;
}

function operator(name: string, node: JsonNode): Leaf {
  switch (name) {
    case 'prefix':
    case 'suffix':
      return affix(name, node);
    case 'equals-ignore-case':
      return some(equalsIgnoreCase(textOf(node, 'equals-ignore-case match pattern must be a string')));
    case 'wildcard':
      return some(wildcard(textOf(node, 'wildcard match pattern must be a string'), node.column));
    case 'cidr':
      return some(inBlock(textOf(node, 'prefix match pattern must be a string'), node.column));
    case 'exists': {
      if (node.value.kind !== 'literal' || node.value.literal === null)
        throw new Fault('exists match pattern must be either true or false.', node.column);
      const wanted = node.value.literal;
      return (values) => values.length > 0 === wanted;
    }
    case 'numeric':
      return numeric(node);
    case 'anything-but':
      return anythingBut(node);
    default:
      throw new Fault(`Unrecognized match type ${name}`, node.column);
  }
}

function some(test: (text: string) => boolean): Leaf {
  return (values) => values.some((value) => typeof value === 'string' && test(value));
}

function textOf({ value, column }: JsonNode, message: string): string {
  if (value.kind !== 'text') throw new Fault(message, column);
  return value.text;
}

function affix(name: 'prefix' | 'suffix', node: JsonNode): Leaf {
  const { value } = node;
  if (value.kind === 'object') {
    const [only, ...rest] = value.members;
    if (only?.name !== 'equals-ignore-case' || rest.length > 0)
      throw new Fault(`${name} match pattern must be a string`, node.column);
    const wanted = textOf(only.node, 'equals-ignore-case match pattern must be a string').toLowerCase();
    return some(begins(name, wanted, (text) => text.toLowerCase()));
  }
  return some(begins(name, textOf(node, `${name} match pattern must be a string`)));
}

function begins(name: 'prefix' | 'suffix', wanted: string, fold = (text: string): string => text): (text: string) => boolean {
  return name === 'prefix' ? (text) => fold(text).startsWith(wanted) : (text) => fold(text).endsWith(wanted);
}

function equalsIgnoreCase(wanted: string): (text: string) => boolean {
  const folded = wanted.toLowerCase();
  return (text) => text.toLowerCase() === folded;
}

/** `*` stands for any letters; a backslash escapes. Matched piece by piece, so that no text is tried more than once per piece. */
function wildcard(pattern: string, column: number): (text: string) => boolean {
  if (/\*\*/.test(pattern)) throw new Fault(`Consecutive wildcard characters at pos ${pattern.indexOf('**')}`, column);
  const pieces = [''];
  for (let at = 0; at < pattern.length; at++) {
    const letter = pattern[at]!;
    if (letter === '*') pieces.push('');
    else {
      if (letter === '\\') {
        at += 1;
        if (pattern[at] !== '*' && pattern[at] !== '\\') throw new Fault(`Invalid escape character at pos ${at - 1}`, column);
      }
      pieces[pieces.length - 1] += pattern[at]!;
    }
  }
  return (text) => matchesPieces(text, pieces);
}

function matchesPieces(text: string, pieces: readonly string[]): boolean {
  const first = pieces[0]!;
  if (pieces.length === 1) return text === first;
  const last = pieces.at(-1)!;
  if (!text.startsWith(first) || !text.endsWith(last) || text.length < first.length + last.length) return false;
  let at = first.length;
  for (const piece of pieces.slice(1, -1)) {
    const found = text.indexOf(piece, at);
    if (found < 0) return false;
    at = found + piece.length;
  }
  return at <= text.length - last.length;
}

function inBlock(text: string, column: number): (address: string) => boolean {
  const block = parseCidr4(text);
  if (block === undefined) throw new Fault("Malformed CIDR, one '/' required", column);
  return (address) => {
    const number = parseIp4(address);
    return number !== undefined && containsAddress(block, number);
  };
}

const comparisons: Readonly<Record<string, (value: number, bound: number) => boolean>> = {
  '=': (value, bound) => value === bound,
  '<': (value, bound) => value < bound,
  '<=': (value, bound) => value <= bound,
  '>': (value, bound) => value > bound,
  '>=': (value, bound) => value >= bound,
};

function shown({ value }: JsonNode): string {
  if (value.kind === 'text') return value.text;
  if (value.kind === 'number') return value.text;
  return value.kind === 'literal' ? String(value.literal) : value.kind === 'list' ? '[' : '{';
}

/** `["=", 5]`, `[">", 0, "<=", 100]`. */
function numeric(node: JsonNode): Leaf {
  if (node.value.kind !== 'list') throw new Fault('Value of numeric must be an array.', node.column);
  const { items, endColumn } = node.value;
  const bound = (at: number, name: string): number => {
    const item = items[at];
    if (item?.value.kind !== 'number') throw new Fault(`Value of ${name} must be numeric`, item?.column ?? endColumn);
    return item.value.number;
  };
  const [first, , third] = items;
  if (first?.value.kind !== 'text')
    throw new Fault(`Invalid member in numeric match: ${first === undefined ? ']' : shown(first)}`, first?.column ?? endColumn);
  const low = first.value.text;
  if (!Object.hasOwn(comparisons, low)) throw new Fault(`Unrecognized numeric range operator: ${low}`, first.column);
  const lowBound = bound(1, low === '=' ? 'equals' : low);
  const lower = comparisons[low]!;
  const one =
    (test: (value: number) => boolean): Leaf =>
    (values) =>
      values.some((value) => typeof value === 'number' && test(value));
  if (third === undefined) return one((value) => lower(value, lowBound));
  if (low === '=' || low === '<' || low === '<=') throw new Fault('Too many elements in numeric expression', third.column);
  if (third.value.kind !== 'text') throw new Fault(`Bad value in numeric range: ${shown(third)}`, third.column);
  const high = third.value.text;
  if (high !== '<' && high !== '<=') throw new Fault(`Bad numeric range operator: ${high}`, third.column);
  const highBound = bound(3, high);
  if (highBound <= lowBound) throw new Fault('Bottom must be less than top', items[4]?.column ?? endColumn);
  if (items[4] !== undefined) throw new Fault('Too many terms in numeric range expression', items[4].column);
  return one((value) => lower(value, lowBound) && comparisons[high]!(value, highBound));
}

/** Present, and nothing of what is named. */
function anythingBut(node: JsonNode): Leaf {
  const { value, column } = node;
  const none =
    (test: (one: unknown) => boolean): Leaf =>
    (values) =>
      values.some((one) => !test(one));
  if (value.kind === 'object') {
    const [only, ...rest] = value.members;
    if (only === undefined || rest.length > 0) throw new Fault('Only one key allowed in match expression', column);
    if (!['prefix', 'suffix', 'equals-ignore-case', 'wildcard'].includes(only.name))
      throw new Fault(`Unsupported anything-but pattern: ${only.name}`, only.node.column);
    const nodes = only.node.value.kind === 'list' ? only.node.value.items : [only.node];
    const tests = nodes.map((each) => operator(only.name, each));
    return none((one) => tests.some((test) => test([one])));
  }
  const nodes = value.kind === 'list' ? value.items : [node];
  if (nodes.length === 0) throw new Fault('Empty arrays are not allowed', column);
  const unwanted = nodes.map((each) => {
    if (each.value.kind === 'text') return each.value.text;
    if (each.value.kind === 'number') return each.value.number;
    throw new Fault('Inside anything but list, start|null|boolean is not supported.', each.column);
  });
  return none((one) => unwanted.includes(one as string));
}
