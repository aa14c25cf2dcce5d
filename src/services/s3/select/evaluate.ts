/**
 * Evaluates expressions over one record ("SQL reference for Amazon S3 Select", Operators, Data types, SQL functions). What is unknown stays unknown: an
 * operator over NULL or over what is missing gives NULL. Texts of CSV are compared with numbers as numbers where they are ones.
 */
import { s3Error } from '../errors.ts';
import { dateFunction, readTimestamp } from './dates.ts';
import type { Expression, Step } from './sql.ts';

/** A value of a record: JSON's, a timestamp, or undefined for what is missing. */
export type Data = string | number | boolean | null | undefined | Date | readonly Data[] | { readonly [name: string]: Data };

/** What an expression is evaluated over. */
export interface Scope {
  record: Data;
  /** Name of the source, by which columns may begin. */
  alias: string | undefined;
  /** Of aggregates, by their expression, when the query has them. */
  results?: ReadonlyMap<Expression, Data>;
  /** Milliseconds: UTCNOW. */
  now: number;
}

function castFailed(value: unknown, type: string): Error {
  return s3Error(
    'CastFailed',
    `Attempt to convert from one data type to another using CAST failed: ${String(value)} to ${type}.`,
    400,
  );
}

function invalidOperands(operator: string): Error {
  return s3Error('EvaluatorInvalidArguments', `The operator or function ${operator} does not take values of these types.`, 400);
}

/** The value of an expression. Throws CastFailed, EvaluatorInvalidArguments. */
export function evaluate(expression: Expression, scope: Scope): Data {
  switch (expression.kind) {
    case 'literal':
      return expression.value;
    case 'column':
      return columnOf(expression.steps, scope);
    case 'aggregate':
      return scope.results?.get(expression);
    case 'unary':
      return unary(expression.operator, evaluate(expression.operand, scope));
    case 'binary':
      return binary(expression, scope);
    case 'between': {
      const operand = evaluate(expression.operand, scope);
      const [low, high] = [compare(operand, evaluate(expression.low, scope)), compare(operand, evaluate(expression.high, scope))];
      return low === undefined || high === undefined ? null : (low >= 0 && high <= 0) !== expression.negated;
    }
    case 'in': {
      const operand = evaluate(expression.operand, scope);
      if (operand === null || operand === undefined) return null;
      return expression.list.some((one) => compare(operand, evaluate(one, scope)) === 0) !== expression.negated;
    }
    case 'like':
      return like(expression, scope);
    case 'is': {
      const operand = evaluate(expression.operand, scope);
      const holds = expression.what === 'MISSING' ? operand === undefined : operand === null || operand === undefined;
      return holds !== expression.negated;
    }
    case 'case':
      return caseOf(expression, scope);
    case 'cast':
      return cast(evaluate(expression.operand, scope), expression.type);
    case 'call':
      return call(expression, scope);
  }
}

function caseOf({ subject, branches, otherwise }: Expression & { kind: 'case' }, scope: Scope): Data {
  const value = subject && evaluate(subject, scope);
  for (const { when, gives } of branches) {
    const test = evaluate(when, scope);
    if (subject === undefined ? test === true : compare(value, test) === 0) return evaluate(gives, scope);
  }
  return otherwise === undefined ? null : evaluate(otherwise, scope);
}

/** A column, by the source's name or without it. The whole record by the source's name alone. */
function columnOf(steps: readonly Step[], { record, alias }: Scope): Data {
  const [first, ...rest] = steps;
  if (first === undefined || !('member' in first)) return undefined;
  const named = first.member.toLowerCase();
  const bySource = named === 's3object' || (alias !== undefined && named === alias.toLowerCase());
  if (bySource && rest.length > 0 && isObject(record)) return follow(record, rest);
  if (bySource && (rest.length === 0 || !isObject(record)) && member(record, first) === undefined) return record;
  return follow(record, steps);
}

/** Follows steps without wildcards. */
export function follow(value: Data, steps: readonly Step[]): Data {
  let at = value;
  for (const step of steps) {
    if ('index' in step) at = Array.isArray(at) ? (at as readonly Data[])[step.index] : undefined;
    else if ('member' in step) at = member(at, step);
    else return undefined;
  }
  return at;
}

function isObject(value: Data): value is { readonly [name: string]: Data } {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Date);
}

/** A member by name: exact in quotes, else also in other letters' case ("Case sensitivity"). */
function member(value: Data, { member: name, quoted }: { member: string; quoted: boolean }): Data {
  if (!isObject(value)) return undefined;
  if (Object.hasOwn(value, name)) return value[name];
  if (quoted) return undefined;
  const found = Object.keys(value).find((key) => key.toLowerCase() === name.toLowerCase());
  return found === undefined ? undefined : value[found];
}

function unary(operator: string, operand: Data): Data {
  if (operand === null || operand === undefined) return null;
  if (operator === 'NOT') {
    if (typeof operand !== 'boolean') throw invalidOperands('NOT');
    return !operand;
  }
  const number = numberOf(operand);
  if (number === undefined) throw invalidOperands(operator);
  return operator === '-' ? -number : number;
}

function binary({ operator, left, right }: Expression & { kind: 'binary' }, scope: Scope): Data {
  const one = evaluate(left, scope);
  if (operator === 'AND' && one === false) return false;
  if (operator === 'OR' && one === true) return true;
  const other = evaluate(right, scope);
  if (operator === 'AND') return other === false ? false : one === true && other === true ? true : null;
  if (operator === 'OR') return other === true ? true : one === false && other === false ? false : null;
  if (one === null || one === undefined || other === null || other === undefined) return null;
  if (operator === '||') return `${textOf(one)}${textOf(other)}`;
  const order = compare(one, other);
  switch (operator) {
    case '=':
      return order === 0;
    case '<>':
    case '!=':
      return order !== 0;
    case '<':
      return order !== undefined && order < 0;
    case '<=':
      return order !== undefined && order <= 0;
    case '>':
      return order !== undefined && order > 0;
    case '>=':
      return order !== undefined && order >= 0;
    default:
      return arithmetic(operator, one, other);
  }
}

function arithmetic(operator: string, left: Data, right: Data): number {
  const [one, other] = [numberOf(left), numberOf(right)];
  if (one === undefined || other === undefined) throw invalidOperands(operator);
  if (operator === '+') return one + other;
  if (operator === '-') return one - other;
  if (operator === '*') return one * other;
  if (other === 0) throw s3Error('EvaluatorDivideByZero', 'Division by zero is not possible.', 400);
  if (operator === '%') return one % other;
  return Number.isInteger(one) && Number.isInteger(other) ? Math.trunc(one / other) : one / other;
}

/** A number, or a text that is one. */
export function numberOf(value: Data): number | undefined {
  if (typeof value === 'number') return value;
  if (typeof value !== 'string' || !/^\s*[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?\s*$/.test(value)) return undefined;
  return Number(value);
}

/** Order of two values; undefined where they have none. */
export function compare(one: Data, other: Data): number | undefined {
  if (one === null || one === undefined || other === null || other === undefined) return undefined;
  if (typeof one === 'number' || typeof other === 'number') {
    const [a, b] = [numberOf(one), numberOf(other)];
    return a === undefined || b === undefined ? undefined : a - b;
  }
  if (one instanceof Date && other instanceof Date) return one.getTime() - other.getTime();
  if (typeof one === 'boolean' && typeof other === 'boolean') return Number(one) - Number(other);
  if (typeof one === 'string' && typeof other === 'string') return one < other ? -1 : one > other ? 1 : 0;
  return undefined;
}

/** `_` stands for one character, `%` for any number of them. */
function like({ operand, pattern, escape: marker, negated }: Expression & { kind: 'like' }, scope: Scope): Data {
  const [text, form, mark] = [evaluate(operand, scope), evaluate(pattern, scope), marker && evaluate(marker, scope)];
  if (text === null || text === undefined || form === null || form === undefined) return null;
  if (typeof text !== 'string' || typeof form !== 'string') throw invalidOperands('LIKE');
  if (mark !== undefined && (typeof mark !== 'string' || mark.length !== 1))
    throw s3Error('LikeInvalidInputs', 'Invalid argument given to the LIKE clause in the SQL expression.', 400);
  return matchesLike(text, partsOf(form, mark)) !== negated;
}

/** A pattern as literal characters, `one` and `any`. */
function partsOf(form: string, mark: string | undefined): (string | { wild: 'one' | 'any' })[] {
  const parts: (string | { wild: 'one' | 'any' })[] = [];
  let escaped = false;
  for (const character of form) {
    if (!escaped && character === mark) escaped = true;
    else {
      const wild = !escaped && (character === '_' || character === '%');
      parts.push(wild ? { wild: character === '_' ? 'one' : 'any' } : character);
      escaped = false;
    }
  }
  return parts;
}

/** Greedy with one step back, so that no pattern costs more than length times length. */
function matchesLike(text: string, parts: readonly (string | { wild: 'one' | 'any' })[]): boolean {
  const characters = [...text];
  let [at, part, retryAt, retryPart] = [0, 0, -1, -1];
  while (at < characters.length) {
    const wanted = parts[part];
    if (typeof wanted === 'object' && wanted.wild === 'any') {
      [retryPart, retryAt] = [part + 1, at];
      part += 1;
    } else if (wanted !== undefined && (typeof wanted === 'object' || wanted === characters[at])) {
      at += 1;
      part += 1;
    } else if (retryPart >= 0) {
      retryAt += 1;
      [part, at] = [retryPart, retryAt];
    } else return false;
  }
  return parts.slice(part).every((one) => typeof one === 'object' && one.wild === 'any');
}

function cast(value: Data, type: string): Data {
  if (value === null || value === undefined) return value;
  if (type === 'STRING' || type === 'VARCHAR' || type === 'CHAR') return textOf(value);
  if (type === 'BOOL' || type === 'BOOLEAN') {
    if (typeof value === 'boolean') return value;
    const text = String(value).toLowerCase();
    if (text === 'true' || text === 'false') return text === 'true';
    throw castFailed(value, type);
  }
  if (type === 'TIMESTAMP') return value instanceof Date ? value : readTimestamp(textOf(value));
  const number = typeof value === 'boolean' ? Number(value) : numberOf(value);
  if (number === undefined) throw castFailed(textOf(value), type);
  return type === 'INT' || type === 'INTEGER' ? Math.trunc(number) : number;
}

/** A value as text. */
export function textOf(value: Data): string {
  if (value === null || value === undefined) return '';
  if (value instanceof Date) return value.toISOString();
  return typeof value === 'object' ? JSON.stringify(value) : String(value);
}

function call({ name, args, word }: Expression & { kind: 'call' }, scope: Scope): Data {
  const values = args.map((one) => evaluate(one, scope));
  if (name === 'COALESCE') return values.find((value) => value !== null && value !== undefined) ?? null;
  if (name === 'NULLIF') return compare(values[0], values[1]) === 0 ? null : values[0];
  if (name === 'UTCNOW') return new Date(scope.now);
  const [first] = values;
  if (first === null || first === undefined) return null;
  if (name === 'TO_TIMESTAMP') return readTimestamp(textOf(first));
  if (name === 'EXTRACT' || name.startsWith('DATE_')) return dateFunction(name, word ?? '', values);
  if (typeof first !== 'string') throw invalidOperands(name);
  if (name === 'LOWER') return first.toLowerCase();
  if (name === 'UPPER') return first.toUpperCase();
  if (name === 'TRIM') return trim(first, word ?? 'BOTH', values[1]);
  if (name === 'SUBSTRING') return substring(first, numberOf(values[1]), args.length > 2 ? numberOf(values[2]) : undefined);
  return [...first].length;
}

function trim(text: string, side: string, characters: Data): string {
  const strip = new Set([...(typeof characters === 'string' ? characters : ' ')]);
  const all = [...text];
  let [start, end] = [0, all.length];
  if (side !== 'TRAILING') while (start < end && strip.has(all[start]!)) start += 1;
  if (side !== 'LEADING') while (end > start && strip.has(all[end - 1]!)) end -= 1;
  return all.slice(start, end).join('');
}

/** Places count from 1; what is asked before the text's beginning counts as length. */
function substring(text: string, from: number | undefined, length: number | undefined): string {
  if (from === undefined) throw invalidOperands('SUBSTRING');
  if (length !== undefined && length < 0)
    throw s3Error('EvaluatorInvalidArguments', 'The length of a SUBSTRING cannot be negative.', 400);
  const end = length === undefined ? undefined : Math.max(0, from - 1 + length);
  return [...text].slice(Math.max(0, from - 1), end).join('');
}
