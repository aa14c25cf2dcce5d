/** Choice rules of JSONPath states. Source: states-language.net, "Data-test expression"; Developer Guide, "Choice state". */
import type { Json } from '../../../model/types.ts';
import type { ChoiceRule } from './definition.ts';
import { runtimeError } from './errors.ts';
import { parsePath, readPath, type Scope } from './jsonpath.ts';

type Compare = (value: Json, operand: Json) => boolean;

function ofTexts(test: (a: string, b: string) => boolean): Compare {
  return (value, operand) => typeof value === 'string' && typeof operand === 'string' && test(value, operand);
}
function ofNumbers(test: (a: number, b: number) => boolean): Compare {
  return (value, operand) => typeof value === 'number' && typeof operand === 'number' && test(value, operand);
}
function ofTimes(test: (a: number, b: number) => boolean): Compare {
  return (value, operand) => {
    const a = timeOf(value);
    const b = timeOf(operand);
    return a !== undefined && b !== undefined && test(a, b);
  };
}

const timestamp = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(?:\.\d+)?(?:Z|[+-]\d{2}:\d{2})$/;

/** Milliseconds of a timestamp as the States Language has them (RFC 3339 with capital T and Z); undefined for anything else. */
export function timeOf(value: Json | undefined): number | undefined {
  if (typeof value !== 'string' || !timestamp.test(value)) return undefined;
  const time = Date.parse(value);
  return Number.isNaN(time) ? undefined : time;
}

const comparisons: Readonly<Record<string, Compare>> = {
  StringEquals: ofTexts((a, b) => a === b),
  StringLessThan: ofTexts((a, b) => a < b),
  StringGreaterThan: ofTexts((a, b) => a > b),
  StringLessThanEquals: ofTexts((a, b) => a <= b),
  StringGreaterThanEquals: ofTexts((a, b) => a >= b),
  NumericEquals: ofNumbers((a, b) => a === b),
  NumericLessThan: ofNumbers((a, b) => a < b),
  NumericGreaterThan: ofNumbers((a, b) => a > b),
  NumericLessThanEquals: ofNumbers((a, b) => a <= b),
  NumericGreaterThanEquals: ofNumbers((a, b) => a >= b),
  BooleanEquals: (value, operand) => typeof value === 'boolean' && value === operand,
  TimestampEquals: ofTimes((a, b) => a === b),
  TimestampLessThan: ofTimes((a, b) => a < b),
  TimestampGreaterThan: ofTimes((a, b) => a > b),
  TimestampLessThanEquals: ofTimes((a, b) => a <= b),
  TimestampGreaterThanEquals: ofTimes((a, b) => a >= b),
};

const typeTests: Readonly<Record<string, (value: Json) => boolean>> = {
  IsNull: (value) => value === null,
  IsNumeric: (value) => typeof value === 'number',
  IsString: (value) => typeof value === 'string',
  IsBoolean: (value) => typeof value === 'boolean',
  IsTimestamp: (value) => timeOf(value) !== undefined,
};

/** Every operator of a comparison, with the sort of its operand. */
export const choiceOperators: ReadonlyMap<string, 'string' | 'number' | 'boolean' | 'timestamp' | 'path'> = new Map([
  ...Object.keys(comparisons).flatMap((name) => {
    const sort = name.startsWith('String')
      ? ('string' as const)
      : name.startsWith('Numeric')
        ? ('number' as const)
        : name.startsWith('Boolean')
          ? ('boolean' as const)
          : ('timestamp' as const);
    return [[name, sort] as const, [`${name}Path`, 'path'] as const];
  }),
  ['StringMatches', 'string'] as const,
  ...[...Object.keys(typeTests), 'IsPresent'].map((name) => [name, 'boolean'] as const),
]);

/** Whether a rule holds. Throws StateError States.Runtime for a variable that is not there, unless the rule asks for presence. */
export function ruleHolds(rule: ChoiceRule, scope: Scope): boolean {
  if (rule.And !== undefined) return rule.And.every((inner) => ruleHolds(inner, scope));
  if (rule.Or !== undefined) return rule.Or.some((inner) => ruleHolds(inner, scope));
  if (rule.Not !== undefined) return !ruleHolds(rule.Not, scope);
  const operator = Object.keys(rule).find((name) => choiceOperators.has(name)) ?? '';
  const operand = rule[operator] as Json;
  const value = readPath(parsePath(rule.Variable ?? '$'), scope);
  if (operator === 'IsPresent') return (value !== undefined) === operand;
  if (value === undefined)
    throw runtimeError(`Invalid path '${rule.Variable}': The choice state's condition path references an invalid value.`);
  const typeTest = Object.hasOwn(typeTests, operator) ? typeTests[operator] : undefined;
  if (typeTest !== undefined) return typeTest(value) === operand;
  if (operator === 'StringMatches') return typeof value === 'string' && matches(String(operand), value);
  if (!operator.endsWith('Path')) return compare(operator, value, operand);
  const other = readPath(parsePath(String(operand)), scope);
  if (other === undefined)
    throw runtimeError(`Invalid path '${operand}': The choice state's condition path references an invalid value.`);
  return compare(operator.slice(0, -'Path'.length), value, other);
}

function compare(operator: string, value: Json, operand: Json): boolean {
  return comparisons[operator]?.(value, operand) ?? false;
}

/** `*` stands for any letters, `\*` for itself. Walks both texts once, so no pattern can make it slow. */
function matches(pattern: string, text: string): boolean {
  const parts: string[] = [''];
  for (let at = 0; at < pattern.length; at++) {
    const letter = pattern[at]!;
    if (letter === '*') {
      parts.push('');
      continue;
    }
    const escapes = letter === '\\' && (pattern[at + 1] === '*' || pattern[at + 1] === '\\');
    if (escapes) at += 1;
    parts.push(`${parts.pop() ?? ''}${pattern[at] ?? ''}`);
  }
  const [first = '', ...rest] = parts;
  if (rest.length === 0) return text === first;
  const last = rest.pop() ?? '';
  if (!text.startsWith(first) || text.length < first.length + last.length || !text.endsWith(last)) return false;
  let at = first.length;
  const end = text.length - last.length;
  for (const part of rest) {
    const found = text.indexOf(part, at);
    if (found < 0 || found + part.length > end) return false;
    at = found + part.length;
  }
  return true;
}
