/**
 * The parameters from before expressions: Expected, QueryFilter, ScanFilter, KeyConditions, AttributeUpdates ("Legacy conditional parameters"). Each
 * is checked in AWS's words and turned into what the expressions are made of.
 */
import type { AttributeValueUpdate, Condition as GivenCondition, ExpectedAttributeValue } from '@aws-sdk/client-dynamodb';
import { invalidParameters, validation } from '../errors.ts';
import { checkAttributeName, type Item, readValue, typeOf, type Value, type ValueType, type Wording } from '../values.ts';
import type { Condition, Operand } from './ast.ts';
import { compareValues } from './evaluate.ts';
import type { KeyOperator, KeyTest, KeyTests } from './key-condition.ts';
import { subtract, sum, unite } from './update.ts';

interface OperatorRule {
  /** Least and most values. */
  values: readonly [number, number];
  types?: readonly ValueType[];
}

const many = Number.POSITIVE_INFINITY;
const scalars: readonly ValueType[] = ['S', 'N', 'B'];
const operators: Readonly<Record<string, OperatorRule>> = {
  EQ: { values: [1, 1] },
  NE: { values: [1, 1] },
  LE: { values: [1, 1], types: scalars },
  LT: { values: [1, 1], types: scalars },
  GE: { values: [1, 1], types: scalars },
  GT: { values: [1, 1], types: scalars },
  CONTAINS: { values: [1, 1], types: scalars },
  NOT_CONTAINS: { values: [1, 1], types: scalars },
  BEGINS_WITH: { values: [1, 1], types: ['S', 'B'] },
  NULL: { values: [0, 0] },
  NOT_NULL: { values: [0, 0] },
  IN: { values: [1, many], types: scalars },
  BETWEEN: { values: [2, 2], types: scalars },
};

/** Names of the operators, as the framework's messages list them. */
export const comparisonOperators = [
  'IN',
  'NULL',
  'BETWEEN',
  'LT',
  'NOT_CONTAINS',
  'EQ',
  'GT',
  'NOT_NULL',
  'NE',
  'LE',
  'BEGINS_WITH',
  'GE',
  'CONTAINS',
] as const;

function checkOperands(operator: string, values: readonly Value[]): void {
  const rule = operators[operator];
  if (rule === undefined || values.length < rule.values[0] || values.length > rule.values[1])
    throw invalidParameters(`Invalid number of argument(s) for the ${operator} ComparisonOperator`);
  const type = values[0] === undefined ? undefined : typeOf(values[0]);
  if (values.some((value) => typeOf(value) !== type))
    throw invalidParameters('AttributeValues inside AttributeValueList must be of same type');
  if (type !== undefined && rule.types !== undefined && !rule.types.includes(type))
    throw invalidParameters(`ComparisonOperator ${operator} is not valid for ${type} AttributeValue type`);
  if (operator === 'BETWEEN' && (compareValues(values[0]!, values[1]!) ?? 0) > 0)
    throw validation('The BETWEEN condition was provided a range where the lower bound is greater than the upper bound');
}

const comparators = { EQ: '=', NE: '<>', LE: '<=', LT: '<', GE: '>=', GT: '>' } as const;

function makeCondition(name: string, operator: string, values: readonly Value[]): Condition {
  const of: Operand = { kind: 'path', path: [name] };
  const operands: Operand[] = values.map((value) => ({ kind: 'value', value }));
  const [first, second] = operands as [Operand, Operand];
  switch (operator) {
    case 'NULL':
    case 'NOT_NULL':
      return { kind: 'exists', path: [name], wanted: operator === 'NOT_NULL' };
    case 'IN':
      return { kind: 'in', of, list: operands };
    case 'BETWEEN':
      return { kind: 'between', of, low: first, high: second };
    case 'BEGINS_WITH':
      return { kind: 'beginsWith', of, prefix: first };
    case 'CONTAINS':
      return { kind: 'contains', of, part: first };
    case 'NOT_CONTAINS':
      return { kind: 'notContains', of, part: first };
    default:
      return { kind: 'compare', operator: comparators[operator as keyof typeof comparators], left: of, right: first };
  }
}

function join(conditions: readonly Condition[], operator: string | undefined): Condition {
  if (conditions.length === 0) return { kind: 'always' };
  const kind = operator === 'OR' ? 'or' : 'and';
  return conditions.reduce((left, right) => ({ kind, left, right }));
}

type GivenConditions = Readonly<Record<string, GivenCondition>>;

/** QueryFilter or ScanFilter as one condition. Throws ValidationException. */
export function readFilter(filter: GivenConditions, operator: string | undefined, wording?: Wording): Condition {
  return join(
    Object.entries(filter).map(([name, condition]) => {
      const values = (condition.AttributeValueList ?? []).map((value) => readValue(value, wording));
      checkOperands(condition.ComparisonOperator ?? '', values);
      return makeCondition(name, condition.ComparisonOperator ?? '', values);
    }),
    operator,
  );
}

const keyOperators: Readonly<Record<string, KeyOperator>> = {
  ...comparators,
  NE: '=',
  BETWEEN: 'between',
  BEGINS_WITH: 'beginsWith',
};

/** KeyConditions as tests. Throws ValidationException. */
export function readKeyConditions(conditions: GivenConditions): KeyTests {
  const tests = new Map<string, KeyTest>();
  const entries = Object.entries(conditions);
  for (const [name, condition] of entries) {
    const values = (condition.AttributeValueList ?? []).map((value) => readValue(value));
    const given = condition.ComparisonOperator ?? '';
    checkOperands(given, values);
    const operator = given === 'NE' ? undefined : keyOperators[given];
    if (operator === undefined) throw validation('Attempted conditional constraint is not an indexable operation');
    tests.set(name, { operator, values });
  }
  if (entries.length === 0 || entries.length > 2) throw validation('Conditions can be of length 1 or 2 only');
  return tests;
}

/** Expected as one condition. Throws ValidationException. */
export function readExpected(
  expected: Readonly<Record<string, ExpectedAttributeValue>>,
  operator: string | undefined,
): Condition {
  return join(
    Object.entries(expected).map(([name, condition]) => readExpectation(checkAttributeName(name), condition)),
    operator,
  );
}

function readExpectation(name: string, given: ExpectedAttributeValue): Condition {
  const { ComparisonOperator: operator, Exists: exists, AttributeValueList: list, Value: value } = given;
  const where = `for Attribute: ${name}`;
  if (list !== undefined && value !== undefined)
    throw invalidParameters(`Value and AttributeValueList cannot be used together ${where}`);
  if (operator === undefined) {
    if (list !== undefined) throw invalidParameters(`AttributeValueList can only be used with a ComparisonOperator ${where}`);
    if (exists !== false && value === undefined)
      throw invalidParameters(`Value must be provided when Exists is ${exists === undefined ? 'null' : exists} ${where}`);
    if (exists === false && value !== undefined) throw invalidParameters(`Value cannot be used when Exists is false ${where}`);
    return value === undefined ? makeCondition(name, 'NULL', []) : makeCondition(name, 'EQ', [readValue(value)]);
  }
  if (exists !== undefined) throw invalidParameters(`Exists and ComparisonOperator cannot be used together ${where}`);
  if (operator !== 'NULL' && operator !== 'NOT_NULL' && list === undefined && value === undefined)
    throw invalidParameters(`Value or AttributeValueList must be used with ComparisonOperator: ${operator} ${where}`);
  const values = (list ?? (value === undefined ? [] : [value])).map((entry) => readValue(entry));
  checkOperands(operator, values);
  return makeCondition(name, operator, values);
}

/** One entry of AttributeUpdates, checked. */
export interface LegacyUpdate {
  name: string;
  action: 'PUT' | 'ADD' | 'DELETE';
  value?: Value;
}

/** AttributeUpdates, checked. Throws ValidationException. */
export function readAttributeUpdates(updates: Readonly<Record<string, AttributeValueUpdate>>): LegacyUpdate[] {
  return Object.entries(updates).map(([name, { Action = 'PUT', Value: given }]) => {
    checkAttributeName(name);
    const action = Action as LegacyUpdate['action'];
    if (given === undefined) {
      if (action !== 'DELETE') throw invalidParameters('Only DELETE action is allowed when no attribute value is specified');
      return { name, action };
    }
    const value = readValue(given);
    const type = typeOf(value);
    const isSet = type === 'SS' || type === 'NS' || type === 'BS';
    if (action === 'DELETE' && !isSet) throw invalidParameters(`DELETE action with value is not supported for the type ${type}`);
    if (action === 'ADD' && !isSet && type !== 'N' && type !== 'L')
      throw invalidParameters(`ADD action is not supported for the type ${type}`);
    return { name, action, value };
  });
}

/** The item after the updates; the one given stays as it is. Throws ValidationException. */
export function applyLegacyUpdates(item: Item, updates: readonly LegacyUpdate[]): Item {
  const updated: Item = Object.assign(Object.create(null) as Item, item);
  for (const { name, action, value } of updates) {
    const old = updated[name];
    if (value === undefined) delete updated[name];
    else if (action === 'PUT') updated[name] = value;
    else if (old === undefined) {
      if (action === 'ADD') updated[name] = value;
    } else {
      const changed = change(old, action, value);
      if (changed === undefined) delete updated[name];
      else updated[name] = changed;
    }
  }
  return updated;
}

function change(old: Value, action: 'ADD' | 'DELETE', value: Value): Value | undefined {
  const type = typeOf(old);
  if (type !== typeOf(value)) throw validation('Type mismatch for attribute to update');
  if (action === 'DELETE') return subtract(old, value);
  if (type === 'N') return sum(old, value, 1);
  return type === 'L' ? { L: [...old.L!, ...value.L!] } : unite(old, value);
}
