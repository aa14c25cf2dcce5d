/** Key conditions of a Query: from the expression, or from the legacy KeyConditions, to bounds on the partition and sort key. */
import { validation } from '../errors.ts';
import type { KeyNames } from '../keys.ts';
import { typeOf, type Value } from '../values.ts';
import type { Comparator, Condition, Operand } from './ast.ts';

export type KeyOperator = '=' | '<' | '<=' | '>' | '>=' | 'between' | 'beginsWith';

/** One condition on one key attribute. */
export interface KeyTest {
  operator: KeyOperator;
  values: readonly Value[];
}

export type KeyTests = ReadonlyMap<string, KeyTest>;

const flipped: Record<Comparator, Comparator> = { '=': '=', '<>': '<>', '<': '>', '<=': '>=', '>': '<', '>=': '<=' };

/** The tests in a key condition expression. Throws ValidationException for what Query cannot do. */
export function readKeyTests(condition: Condition): KeyTests {
  const tests = new Map<string, KeyTest>();
  collect(condition, tests);
  return tests;
}

function collect(condition: Condition, tests: Map<string, KeyTest>): void {
  if (condition.kind === 'and') {
    collect(condition.left, tests);
    collect(condition.right, tests);
    return;
  }
  const { name, test } = readTest(condition);
  if (tests.has(name))
    throw validation('Invalid KeyConditionExpression: KeyConditionExpressions must only contain one condition per key');
  tests.set(name, test);
}

const forbidden: Partial<Record<Condition['kind'], string>> = {
  or: 'OR',
  not: 'NOT',
  in: 'IN',
  type: 'attribute_type',
  contains: 'contains',
};

function readTest(condition: Condition): { name: string; test: KeyTest } {
  const invalid = (detail: string): Error => validation(`Invalid condition in KeyConditionExpression: ${detail}`);
  const bad =
    condition.kind === 'exists' ? (condition.wanted ? 'attribute_exists' : 'attribute_not_exists') : forbidden[condition.kind];
  if (bad !== undefined) throw validation(`Invalid operator used in KeyConditionExpression: ${bad}`);
  if (condition.kind === 'compare') return readComparison(condition);
  if (condition.kind === 'between') {
    const name = keyName(condition.of);
    if (name === undefined) throw invalid('BETWEEN operator must have the key attribute as its first operand');
    return { name, test: { operator: 'between', values: [operandOf(condition.low), operandOf(condition.high)] } };
  }
  if (condition.kind !== 'beginsWith') throw invalid('No key attribute specified');
  const name = keyName(condition.of);
  if (name === undefined) throw invalid('begins_with operator must have the key attribute as its first operand');
  return { name, test: { operator: 'beginsWith', values: [operandOf(condition.prefix)] } };
}

function readComparison({ operator, left, right }: Extract<Condition, { kind: 'compare' }>): { name: string; test: KeyTest } {
  if (operator === '<>') throw validation('Invalid operator used in KeyConditionExpression: <>');
  const name = keyName(left);
  if (name !== undefined) return { name, test: { operator, values: [operandOf(right)] } };
  const other = keyName(right);
  if (other === undefined) throw validation('Invalid condition in KeyConditionExpression: No key attribute specified');
  return { name: other, test: { operator: flipped[operator] as KeyOperator, values: [operandOf(left)] } };
}

function keyName(operand: Operand): string | undefined {
  if (operand.kind === 'size') throw validation('KeyConditionExpressions cannot contain nested operations');
  if (operand.kind !== 'path') return undefined;
  if (operand.path.length > 1) throw validation('KeyConditionExpressions cannot have conditions on nested attributes');
  return operand.path[0] as string;
}

function operandOf(operand: Operand): Value {
  if (operand.kind === 'size') throw validation('KeyConditionExpressions cannot contain nested operations');
  if (operand.kind === 'path')
    throw validation('Invalid condition in KeyConditionExpression: Multiple attribute names used in one condition');
  return operand.value;
}

/** What a Query asks of the two key attributes. */
export interface KeyQuery {
  hash: Value;
  range?: KeyTest | undefined;
}

/** Fits the tests to a key schema. Throws ValidationException. */
export function fitKeyTests(tests: KeyTests, names: KeyNames, typeOfKey: (name: string) => string): KeyQuery {
  const wrongType = 'Condition parameter type does not match schema type';
  const order = names.range === undefined ? [names.hash] : [names.hash, names.range];
  if (tests.size > order.length)
    throw validation(
      `The number of query conditions (${tests.size}) exceeds the number of key attributes defined in the schema (${order.length})`,
    );
  for (const name of order) {
    const test = tests.get(name);
    if (test === undefined) {
      if (name === names.hash || tests.size > 1) throw validation(`Query condition missed key schema element: ${name}`);
      continue;
    }
    if (test.values.some((value) => typeOf(value) !== typeOfKey(name)))
      throw validation(`One or more parameter values were invalid: ${wrongType}`);
    if (name === names.hash && test.operator !== '=') throw validation('Query key condition not supported');
    checkKeyValues(name, test.values);
  }
  const range = names.range === undefined ? undefined : tests.get(names.range);
  if (range?.operator === 'beginsWith' && range.values[0]?.N !== undefined)
    throw validation(
      'One or more parameter values were invalid: ComparisonOperator BEGINS_WITH is not valid for N AttributeValue type',
    );
  return { hash: tests.get(names.hash)!.values[0]!, range };
}

function checkKeyValues(name: string, values: readonly Value[]): void {
  for (const value of values) {
    const kind = value.S === '' ? 'string' : value.B === '' ? 'binary' : undefined;
    if (kind !== undefined)
      throw validation(
        `One or more parameter values are not valid. The AttributeValue for a key attribute cannot contain an empty ${kind} value. Key: ${name}`,
      );
  }
}
