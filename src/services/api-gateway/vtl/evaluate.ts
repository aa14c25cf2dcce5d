/**
 * Runs a mapping template. Values are plain data: text, numbers, booleans, null, lists, maps; what a template may call on them is the list in
 * `methods.ts`. Host functions (`$input.path`, `$util.urlEncode`) come in as `HostObject`s, and nothing else of JavaScript can be reached.
 */
import { callMethod } from './methods.ts';
import { type Expression, type Node, type Reference, type Step, TemplateError } from './syntax.ts';

export type Value = string | number | boolean | null | undefined | Value[] | Map<string, Value> | HostObject;

/** What the gateway offers to templates: members and functions by name. */
export class HostObject {
  readonly members: Readonly<Record<string, Value>>;
  readonly functions: Readonly<Record<string, (...args: Value[]) => Value>>;

  constructor(members: Readonly<Record<string, Value>>, functions: Readonly<Record<string, (...args: Value[]) => Value>>) {
    this.members = members;
    this.functions = functions;
  }
}

/** "Number of iterations in a #foreach loop: 1,000" (quotas of REST APIs). */
const iterationsMax = 1000;
/** Bytes that a template may produce: the most a body may have. */
const outputCharsMax = 10 * 1024 * 1024;

/** Thrown to leave a loop or the template. */
class Leave extends Error {
  readonly of: 'break' | 'stop';
  constructor(of: 'break' | 'stop') {
    super(of);
    this.of = of;
  }
}

interface Run {
  variables: Map<string, Value>;
  chars: number;
}

/** The text that a template makes of these variables; `variables` is changed by #set. Throws TemplateError. */
export function runTemplate(body: readonly Node[], variables: Map<string, Value>): string {
  const run: Run = { variables, chars: 0 };
  const pieces: string[] = [];
  try {
    runNodes(body, run, pieces);
  } catch (error) {
    if (!(error instanceof Leave)) throw error;
  }
  return pieces.join('');
}

function write(run: Run, pieces: string[], text: string): void {
  run.chars += text.length;
  if (run.chars > outputCharsMax) throw new TemplateError('The template produces too much.');
  pieces.push(text);
}

function runNodes(nodes: readonly Node[], run: Run, pieces: string[]): void {
  for (const node of nodes) runNode(node, run, pieces);
}

function runNode(node: Node, run: Run, pieces: string[]): void {
  switch (node.kind) {
    case 'text':
      write(run, pieces, node.text);
      break;
    case 'print': {
      const value = resolve(node.reference, run);
      // A variable that was never set prints itself, what is missing inside a known one prints nothing.
      const unknown = value === undefined && !run.variables.has(node.reference.root) && !node.quiet;
      write(run, pieces, unknown ? node.source : formatValue(value));
      break;
    }
    case 'set':
      assign(node.target, evaluate(node.value, run), run);
      break;
    case 'if': {
      const chosen = node.branches.find(({ when }) => when === undefined || isTrue(evaluate(when, run)));
      if (chosen !== undefined) runNodes(chosen.body, run, pieces);
      break;
    }
    case 'foreach':
      loop(node, run, pieces);
      break;
    default:
      throw new Leave(node.kind);
  }
}

function loop({ variable, over, body }: Extract<Node, { kind: 'foreach' }>, run: Run, pieces: string[]): void {
  const value = evaluate(over, run);
  const items = Array.isArray(value) ? value : value instanceof Map ? [...value.values()] : [];
  if (items.length > iterationsMax) throw new TemplateError(`A loop has more than ${iterationsMax} iterations.`);
  const { variables } = run;
  const before = [variables.get(variable), variables.get('foreach'), variables.get('velocityCount')] as const;
  for (const [index, item] of items.entries()) {
    variables.set(variable, item);
    variables.set('velocityCount', index + 1);
    const last = index === items.length - 1;
    const facts: [string, Value][] = [
      ['index', index],
      ['count', index + 1],
      ['hasNext', !last],
      ['first', index === 0],
      ['last', last],
      ['parent', before[1]],
    ];
    variables.set('foreach', new Map(facts));
    try {
      runNodes(body, run, pieces);
    } catch (error) {
      if (error instanceof Leave && error.of === 'break') break;
      throw error;
    }
  }
  for (const [at, name] of [variable, 'foreach', 'velocityCount'].entries()) {
    if (before[at] === undefined) variables.delete(name);
    else variables.set(name, before[at]);
  }
}

function assign({ root, steps }: Reference, value: Value, run: Run): void {
  const last = steps.at(-1);
  if (last === undefined) {
    run.variables.set(root, value);
    return;
  }
  const holder = resolve({ root, steps: steps.slice(0, -1) }, run);
  const key = last.kind === 'property' ? last.name : last.kind === 'index' ? evaluate(last.at, run) : undefined;
  if (holder instanceof Map && key !== undefined) holder.set(formatValue(key), value);
  else if (Array.isArray(holder) && typeof key === 'number' && key >= 0 && key <= holder.length) holder[key] = value;
}

function resolve({ root, steps }: Reference, run: Run): Value {
  let value = run.variables.get(root);
  for (const step of steps) {
    if (value === undefined || value === null) return undefined;
    value = takeStep(value, step, run);
  }
  return value;
}

function takeStep(value: Value, step: Step, run: Run): Value {
  if (step.kind === 'call') {
    const args = step.args.map((arg) => evaluate(arg, run));
    if (value instanceof HostObject) {
      const host = Object.hasOwn(value.functions, step.name) ? value.functions[step.name] : undefined;
      return host?.(...args);
    }
    return callMethod(value, step.name, args);
  }
  const key = step.kind === 'property' ? step.name : evaluate(step.at, run);
  if (value instanceof HostObject) return Object.hasOwn(value.members, String(key)) ? value.members[String(key)] : undefined;
  if (value instanceof Map) return value.get(formatValue(key));
  if (Array.isArray(value) && typeof key === 'number') return value.at(key);
  if (step.kind === 'property' && (Array.isArray(value) || typeof value === 'string'))
    return callMethod(value, step.name === 'empty' ? 'isEmpty' : step.name, []);
  return undefined;
}

function evaluate(expression: Expression, run: Run): Value {
  switch (expression.kind) {
    case 'literal':
      return expression.value;
    case 'template': {
      const pieces: string[] = [];
      runNodes(expression.body, run, pieces);
      return pieces.join('');
    }
    case 'reference':
      return resolve(expression.reference, run);
    case 'list':
      return expression.items.map((item) => evaluate(item, run));
    case 'range':
      return range(evaluate(expression.from, run), evaluate(expression.to, run));
    case 'map':
      return new Map(expression.entries.map(([key, value]) => [formatValue(evaluate(key, run)), evaluate(value, run)]));
    case 'not':
      return !isTrue(evaluate(expression.of, run));
    case 'negative':
      return -Number(evaluate(expression.of, run));
    default:
      return operate(expression, run);
  }
}

function range(from: Value, to: Value): Value[] {
  const [start, end] = [Number(from), Number(to)];
  const length = Math.abs(end - start) + 1;
  if (!Number.isInteger(length) || length > iterationsMax) throw new TemplateError('A range is too long.');
  return Array.from({ length }, (_item, index) => (end >= start ? start + index : start - index));
}

function operate({ operator, left, right }: Extract<Expression, { kind: 'binary' }>, run: Run): Value {
  const first = evaluate(left, run);
  if (operator === '&&') return isTrue(first) && isTrue(evaluate(right, run));
  if (operator === '||') return isTrue(first) || isTrue(evaluate(right, run));
  const second = evaluate(right, run);
  if (operator === '==') return isSame(first, second);
  if (operator === '!=') return !isSame(first, second);
  if (operator === '+' && !(typeof first === 'number' && typeof second === 'number'))
    return formatValue(first) + formatValue(second);
  if (typeof first !== 'number' || typeof second !== 'number')
    return operator.length <= 2 && /[<>]/.test(operator) ? false : null;
  switch (operator) {
    case '+':
      return first + second;
    case '-':
      return first - second;
    case '*':
      return first * second;
    case '/':
      // Whole numbers divide as Java's do; a division by nothing is null.
      return second === 0
        ? null
        : Number.isInteger(first) && Number.isInteger(second)
          ? Math.trunc(first / second)
          : first / second;
    case '%':
      return second === 0 ? null : first % second;
    case '<':
      return first < second;
    case '>':
      return first > second;
    case '<=':
      return first <= second;
    default:
      return first >= second;
  }
}

/** Velocity 1.7: null and false are false, everything else is true, empty text too. */
function isTrue(value: Value): boolean {
  return value !== undefined && value !== null && value !== false;
}

/** Values of different kinds are the same when their texts are. */
function isSame(a: Value, b: Value): boolean {
  if (a === undefined || a === null || b === undefined || b === null) return (a ?? null) === (b ?? null);
  return typeof a === typeof b && typeof a !== 'object' ? a === b : formatValue(a) === formatValue(b);
}

/** A value as text: lists as JSON, maps as Java prints them (`{a=1, b=2}`). */
export function formatValue(value: Value): string {
  if (value === undefined || value === null) return '';
  if (Array.isArray(value)) return JSON.stringify(toJson(value));
  if (value instanceof Map)
    return `{${[...value].map(([key, item]) => `${key}=${item === null ? 'null' : formatValue(item)}`).join(', ')}}`;
  if (value instanceof HostObject) return '';
  return String(value);
}

/** A template's value as JSON's. */
export function toJson(value: Value): unknown {
  if (Array.isArray(value)) return value.map(toJson);
  if (value instanceof Map) return Object.fromEntries([...value].map(([key, item]) => [key, toJson(item)]));
  if (value instanceof HostObject || value === undefined) return null;
  return value;
}

/** JSON's value as a template's. */
export function fromJson(value: unknown): Value {
  if (Array.isArray(value)) return value.map(fromJson);
  if (typeof value === 'object' && value !== null)
    return new Map(Object.entries(value).map(([key, item]) => [key, fromJson(item)]));
  return value as Value;
}
