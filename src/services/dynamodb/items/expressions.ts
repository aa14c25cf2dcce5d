/** The expressions and legacy parameters of an item request, read together: which may be combined, and in AWS's order of checks. */
import type { AttributeValue, Condition as GivenCondition, ExpectedAttributeValue } from '@aws-sdk/client-dynamodb';
import type { Condition, Path } from '../expressions/ast.ts';
import { parseCondition } from '../expressions/condition-parser.ts';
import { readExpected } from '../expressions/legacy.ts';
import { ExpressionError } from '../expressions/lexer.ts';
import { Placeholders } from '../expressions/placeholders.ts';
import { parseProjection } from '../expressions/projection.ts';
import { invalidParameters, validation } from '../errors.ts';
import { checkAttributeName, type Wording } from '../values.ts';

export type ExpressionName =
  | 'ProjectionExpression'
  | 'FilterExpression'
  | 'KeyConditionExpression'
  | 'UpdateExpression'
  | 'ConditionExpression';

export interface ExpressionInput {
  ExpressionAttributeNames?: Readonly<Record<string, string>> | undefined;
  ExpressionAttributeValues?: Readonly<Record<string, AttributeValue>> | undefined;
  ProjectionExpression?: string | undefined;
  FilterExpression?: string | undefined;
  KeyConditionExpression?: string | undefined;
  UpdateExpression?: string | undefined;
  ConditionExpression?: string | undefined;
}

/** Expressions and legacy parameters may not be mixed, and placeholders need expressions; the older words name those that are missing. Throws ValidationException. */
export function checkMixture<Input extends ExpressionInput>(
  input: Input,
  expressions: readonly ExpressionName[],
  legacy: readonly (keyof Input & string)[],
  wording: Wording = 'older',
): void {
  const given = expressions.filter((name) => input[name] !== undefined);
  const old = legacy.filter((name) => input[name] !== undefined);
  if (given.length > 0 && old.length > 0)
    throw validation(
      `Can not use both expression and non-expression parameters in the same request: Non-expression parameters: {${old.join(', ')}} Expression parameters: {${given.join(', ')}}`,
    );
  if (input.ExpressionAttributeNames !== undefined && given.length === 0)
    throw validation('ExpressionAttributeNames can only be specified when using expressions');
  const withValues = expressions.filter((name) => name !== 'ProjectionExpression');
  if (input.ExpressionAttributeValues === undefined || withValues.some((name) => input[name] !== undefined)) return;
  if (withValues.length === 0) return;
  const missing = `: ${withValues.join(' and ')} ${withValues.length > 1 ? 'are' : 'is'} null`;
  throw validation(`ExpressionAttributeValues can only be specified when using expressions${wording === 'newer' ? '' : missing}`);
}

/** Names and values of a request, and its expressions parsed with them. */
export class RequestExpressions {
  readonly #input: ExpressionInput;
  readonly placeholders: Placeholders;

  /** Throws ValidationException for placeholders that cannot be. */
  constructor(input: ExpressionInput, wording: Wording = 'newer') {
    this.#input = input;
    this.placeholders = new Placeholders(input.ExpressionAttributeNames, input.ExpressionAttributeValues, wording);
  }

  /** Parses one expression, if it is given. Throws ValidationException with AWS's words. */
  parse<T>(name: ExpressionName, parse: (text: string, placeholders: Placeholders) => T): T | undefined {
    const text = this.#input[name];
    if (text === undefined) return undefined;
    try {
      return parse(text, this.placeholders);
    } catch (error) {
      if (error instanceof ExpressionError) throw validation(`Invalid ${name}: ${error.message}`);
      throw error;
    }
  }

  condition(name: 'ConditionExpression' | 'FilterExpression' | 'KeyConditionExpression'): Condition | undefined {
    return this.parse(name, parseCondition);
  }

  projection(): Path[] | undefined {
    return this.parse('ProjectionExpression', parseProjection);
  }

  /** Throws ValidationException when a placeholder is used nowhere. */
  checkUsed(): void {
    this.placeholders.checkUsed();
  }
}

/** AttributesToGet as paths. Throws ValidationException for one that comes twice. */
export function readAttributesToGet(names: readonly string[] | undefined): Path[] | undefined {
  if (names === undefined) return undefined;
  const twice = names.find((name, at) => names.indexOf(name) !== at);
  if (twice !== undefined) throw invalidParameters(`Duplicate value in attribute name: ${twice}`);
  return names.map((name) => [checkAttributeName(name)]);
}

/** The condition of a write, from the expression or from Expected. */
export function readWriteCondition(
  expressions: RequestExpressions,
  expected: Readonly<Record<string, ExpectedAttributeValue>> | undefined,
  operator: string | undefined,
): Condition | undefined {
  if (expected !== undefined) return readExpected(expected, operator);
  return expressions.condition('ConditionExpression');
}

/** ConditionalOperator needs legacy conditions, more than one of them. Throws ValidationException. */
export function checkConditionalOperator(
  operator: string | undefined,
  filter: Readonly<Record<string, GivenCondition | ExpectedAttributeValue>> | undefined,
  name: string,
): void {
  if (operator === undefined) return;
  if (filter === undefined)
    throw invalidParameters(
      `ConditionalOperator cannot be used without ${name === 'Expected' ? 'Expected' : 'Filter or Expected'}`,
    );
  if (Object.keys(filter).length < 2)
    throw invalidParameters('ConditionalOperator can only be used when Filter or Expected has two or more elements');
}

/** All paths that a condition looks at. */
export function* pathsOf(condition: Condition): Generator<Path> {
  switch (condition.kind) {
    case 'and':
    case 'or':
      yield* pathsOf(condition.left);
      yield* pathsOf(condition.right);
      return;
    case 'not':
      yield* pathsOf(condition.of);
      return;
    case 'exists':
      yield condition.path;
      return;
    case 'always':
      return;
    case 'compare':
      yield* operandPaths([condition.left, condition.right]);
      return;
    case 'between':
      yield* operandPaths([condition.of, condition.low, condition.high]);
      return;
    case 'in':
      yield* operandPaths([condition.of, ...condition.list]);
      return;
    case 'beginsWith':
      yield* operandPaths([condition.of, condition.prefix]);
      return;
    case 'type':
      yield* operandPaths([condition.of]);
      return;
    default:
      yield* operandPaths([condition.of, condition.part]);
  }
}

type Operands = Extract<Condition, { kind: 'in' }>['list'];

function* operandPaths(operands: Operands): Generator<Path> {
  for (const operand of operands) {
    if (operand.kind === 'path') yield operand.path;
    else if (operand.kind === 'size') yield* operandPaths([operand.of]);
  }
}
