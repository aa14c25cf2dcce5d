/**
 * Condition operators. Each becomes, once, a function from the request's context to true or false.
 *
 * The semantics that are easy to get wrong, all from the IAM User Guide ("Condition operators", "Single-valued vs. multivalued context keys",
 * "Condition policy elements"): values of one key are alternatives, keys and operators must all hold; a negated operator means that none of
 * the values match; a key that is absent fails a positive operator and satisfies a negated one, satisfies `IfExists` and `ForAllValues`, and
 * fails `ForAnyValue`. A key with an empty set of values counts as absent.
 */
import { compilePattern, compileText, type PolicyContext } from './pattern.ts';
import { containsAddress } from '../../base/cidr.ts';
import { parseAddress, parseBoolean, parseInstant, parseNetwork, parseNumber } from './values.ts';

/** Whether a value of the request matches one value of the policy. */
type ValueTest = (value: string, context: PolicyContext) => boolean;

/** Makes the test for one value of the policy. */
type TestFactory = (wanted: string, variables: boolean) => ValueTest;

interface Operator {
  negated: boolean;
  make: TestFactory;
}

export interface CompiledCondition {
  /** Key in lower case. */
  key: string;
  holds(context: PolicyContext): boolean;
}

const never: ValueTest = () => false;

function stringTest(mode: 'literal' | 'text' | 'arn'): TestFactory {
  return (wanted, variables) => {
    const pattern = compilePattern(wanted, mode, variables);
    return (value, context) => pattern.matches(value, context);
  };
}

const ignoreCase: TestFactory = (wanted, variables) => {
  const text = compileText(wanted, variables);
  return (value, context) => text(context)?.toLowerCase() === value.toLowerCase();
};

/** Compares parsed values; text that does not parse, on either side, matches nothing. */
function comparison<Parsed>(
  parse: (text: string) => Parsed | undefined,
  holds: (value: Parsed, wanted: Parsed) => boolean,
): TestFactory {
  return (wantedText) => {
    const wanted = parse(wantedText);
    if (wanted === undefined) return never;
    return (text) => {
      const value = parse(text);
      return value !== undefined && holds(value, wanted);
    };
  };
}

const booleanTest: TestFactory = (wanted, variables) => {
  const text = compileText(wanted, variables);
  return (value, context) => {
    const expected = parseBoolean(text(context) ?? '');
    return expected !== undefined && parseBoolean(value) === expected;
  };
};

const binaryTest: TestFactory = (wanted) => {
  const bytes = Buffer.from(wanted, 'base64');
  return (value) => Buffer.from(value, 'base64').equals(bytes);
};

const addressTest: TestFactory = (wanted) => {
  const network = parseNetwork(wanted);
  if (network === undefined) return never;
  return (value) => {
    const address = parseAddress(value);
    return address !== undefined && containsAddress(network, address);
  };
};

function ordered(prefix: 'Numeric' | 'Date', parse: (text: string) => number | undefined): [string, Operator][] {
  const yes = (name: string, holds: (value: number, wanted: number) => boolean): [string, Operator] => [
    prefix + name,
    { negated: false, make: comparison(parse, holds) },
  ];
  return [
    yes('Equals', (a, b) => a === b),
    [`${prefix}NotEquals`, { negated: true, make: comparison(parse, (a, b) => a === b) }],
    yes('LessThan', (a, b) => a < b),
    yes('LessThanEquals', (a, b) => a <= b),
    yes('GreaterThan', (a, b) => a > b),
    yes('GreaterThanEquals', (a, b) => a >= b),
  ];
}

const operators: ReadonlyMap<string, Operator> = new Map<string, Operator>([
  ['StringEquals', { negated: false, make: stringTest('literal') }],
  ['StringNotEquals', { negated: true, make: stringTest('literal') }],
  ['StringEqualsIgnoreCase', { negated: false, make: ignoreCase }],
  ['StringNotEqualsIgnoreCase', { negated: true, make: ignoreCase }],
  ['StringLike', { negated: false, make: stringTest('text') }],
  ['StringNotLike', { negated: true, make: stringTest('text') }],
  ...ordered('Numeric', parseNumber),
  ...ordered('Date', parseInstant),
  ['Bool', { negated: false, make: booleanTest }],
  ['BinaryEquals', { negated: false, make: binaryTest }],
  ['IpAddress', { negated: false, make: addressTest }],
  ['NotIpAddress', { negated: true, make: addressTest }],
  // "ArnEquals and ArnLike behave identically", and so do their negations.
  ['ArnEquals', { negated: false, make: stringTest('arn') }],
  ['ArnLike', { negated: false, make: stringTest('arn') }],
  ['ArnNotEquals', { negated: true, make: stringTest('arn') }],
  ['ArnNotLike', { negated: true, make: stringTest('arn') }],
]);

type Quantifier = 'all' | 'any' | undefined;

export interface OperatorName {
  base: string;
  quantifier: Quantifier;
  ifExists: boolean;
}

/** Takes an operator's name apart. Undefined when there is no such operator. */
export function parseOperator(name: string): OperatorName | undefined {
  let base = name;
  let quantifier: Quantifier;
  if (base.startsWith('ForAllValues:')) quantifier = 'all';
  else if (base.startsWith('ForAnyValue:')) quantifier = 'any';
  if (quantifier !== undefined) base = base.slice(base.indexOf(':') + 1);
  const ifExists = base.endsWith('IfExists');
  if (ifExists) base = base.slice(0, -'IfExists'.length);
  return base === 'Null' || operators.has(base) ? { base, quantifier, ifExists } : undefined;
}

/** `Null`: true where the key is absent and the policy says "true", or present and it says "false". */
function nullCondition(key: string, values: readonly string[]): CompiledCondition {
  const wanted = values.map(parseBoolean);
  const holds = { absent: wanted.includes('true'), present: wanted.includes('false') };
  return { key, holds: (context) => ((context.get(key)?.length ?? 0) === 0 ? holds.absent : holds.present) };
}

/** Whether a value of the request matches any value of the policy. Long lists of plain strings (accounts, tags) are a set. */
function anyOf(base: string, values: readonly string[], make: TestFactory, variables: boolean): ValueTest {
  const plain = base === 'StringEquals' || base === 'StringNotEquals';
  if (plain && !(variables && values.some((value) => value.includes('${')))) {
    const wanted = new Set(values);
    return (value) => wanted.has(value);
  }
  const tests = values.map((value) => make(value, variables));
  const [single] = tests;
  if (tests.length === 1 && single !== undefined) return single;
  return (value, context) => tests.some((test) => test(value, context));
}

/**
 * Compiles one key of one operator.
 * @param variables whether `${…}` is replaced (policy version 2012-10-17)
 * @throws Error for an unknown operator: stored policies were validated, so that is a bug, and ignoring a condition would open access
 */
export function compileCondition(
  operatorName: string,
  key: string,
  values: readonly string[],
  variables: boolean,
): CompiledCondition {
  const name = parseOperator(operatorName);
  if (name === undefined) throw new Error(`A policy names the condition operator ${operatorName}, which does not exist.`);
  const lowerKey = key.toLowerCase();
  if (name.base === 'Null') return nullCondition(lowerKey, values);
  const { negated, make } = operators.get(name.base)!;
  const matchesOne = anyOf(name.base, values, make, variables);
  const whenAbsent = name.ifExists || name.quantifier === 'all' || (name.quantifier === undefined && negated);
  const { quantifier } = name;
  // A negated comparison with a variable that has no value makes the statement void, rather than true.
  const templates =
    negated && variables ? values.filter((value) => value.includes('${')).map((value) => compileText(value, true)) : [];
  return {
    key: lowerKey,
    holds(context) {
      const present = context.get(lowerKey);
      if (present === undefined || present.length === 0) return whenAbsent;
      if (templates.some((text) => text(context) === undefined)) return false;
      if (quantifier === 'all') return present.every((value) => matchesOne(value, context) !== negated);
      if (quantifier === 'any') return present.some((value) => matchesOne(value, context) !== negated);
      return present.some((value) => matchesOne(value, context)) !== negated;
    },
  };
}
