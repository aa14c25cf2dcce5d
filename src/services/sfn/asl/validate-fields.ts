/** Values of fields: paths, templates, expressions, numbers, retriers and catchers. */
import type { Json } from '../../../model/types.ts';
import type { Catcher, QueryLanguage, Retrier, State } from './definition.ts';
import { timeOf } from './choice.ts';
import { isIntrinsic } from './intrinsics.ts';
import { expressionOf, syntaxProblem } from './jsonata.ts';
import { isPath, isReferencePath } from './jsonpath.ts';
import { isList, isObject } from './values.ts';

export interface Finding {
  code: string;
  message: string;
  location: string | undefined;
}

/** Collects findings in the order in which they are met. */
export class Report {
  readonly findings: Finding[] = [];

  add(finding: Finding): void {
    this.findings.push(finding);
  }

  schema(message: string, location: string | undefined): void {
    this.add({ code: 'SCHEMA_VALIDATION_FAILED', message, location });
  }

  /** A number between bounds; in JSONata also an expression. */
  number(value: Json, min: number, max: number, location: string, language: QueryLanguage = 'JSONPath'): void {
    if (language === 'JSONata' && typeof value === 'string' && expressionOf(value) !== undefined) return;
    if (typeof value !== 'number') {
      this.schema('Value must be a Number', location);
      return;
    }
    if (value < min) this.schema(`Minimum value is ${min}`, location);
    if (value > max) this.schema(`Maximum value is ${max}`, location);
  }
}

/** `Output`, `Arguments` and the like: templates in JSONPath, expressions in JSONata. */
const templates = [
  'Parameters',
  'ResultSelector',
  'ItemSelector',
  'Arguments',
  'Output',
  'Assign',
  'Items',
  'Credentials',
  'Result',
];
const paths = [
  'InputPath',
  'OutputPath',
  'ItemsPath',
  'SecondsPath',
  'TimestampPath',
  'TimeoutSecondsPath',
  'HeartbeatSecondsPath',
  'MaxConcurrencyPath',
];
const counts: Readonly<Record<string, readonly [number, number]>> = {
  TimeoutSeconds: [1, 99_999_999],
  HeartbeatSeconds: [1, 99_999_999],
  Seconds: [0, 99_999_999],
  MaxConcurrency: [0, 2_147_483_647],
  ToleratedFailureCount: [0, 2_147_483_647],
  ToleratedFailurePercentage: [0, 100],
};

/** Checks the fields that states of several types share. */
export function checkFields(state: State, language: QueryLanguage, location: string, report: Report): void {
  const fields = state as unknown as Readonly<Record<string, Json | undefined>>;
  for (const name of templates) {
    const value = fields[name];
    if (value !== undefined && name !== 'Result') checkTemplate(value, language, `${location}/${name}`, report);
  }
  for (const name of paths) {
    const value = fields[name];
    if (value === undefined || (value === null && (name === 'InputPath' || name === 'OutputPath'))) continue;
    if (typeof value !== 'string' || !isPath(value)) report.schema('Value is not a valid JSONPath', `${location}/${name}`);
  }
  const { ResultPath } = state;
  if (typeof ResultPath === 'string' && !isReferencePath(ResultPath))
    report.schema('Value is not a Reference Path', `${location}/ResultPath`);
  for (const [name, [min, max]] of Object.entries(counts)) {
    const value = fields[name];
    if (value !== undefined) report.number(value, min, max, `${location}/${name}`, language);
  }
  for (const name of ['Error', 'Cause', 'Timestamp'])
    if (fields[name] !== undefined) checkTemplate(fields[name], language, `${location}/${name}`, report);
  for (const name of ['ErrorPath', 'CausePath']) {
    const value = fields[name];
    if (value !== undefined && (typeof value !== 'string' || !(isPath(value) || isIntrinsic(value))))
      report.schema('Value is not a valid JSONPath or intrinsic function', `${location}/${name}`);
  }
  onlyOne(fields, location, report);
  checkFlow(state, location, report);
  checkRetriers(state.Retry, location, report);
  checkCatchers(state.Catch, language, location, report);
  if (typeof state.Timestamp === 'string' && expressionOf(state.Timestamp) === undefined && timeOf(state.Timestamp) === undefined)
    report.schema('Value must be a valid ISO-8601 timestamp', `${location}/Timestamp`);
}

const alternatives = [
  ['TimeoutSeconds', 'TimeoutSecondsPath'],
  ['HeartbeatSeconds', 'HeartbeatSecondsPath'],
  ['MaxConcurrency', 'MaxConcurrencyPath'],
  ['ToleratedFailureCount', 'ToleratedFailureCountPath'],
  ['ToleratedFailurePercentage', 'ToleratedFailurePercentagePath'],
  ['Error', 'ErrorPath'],
  ['Cause', 'CausePath'],
  ['ItemProcessor', 'Iterator'],
  ['Parameters', 'ItemSelector'],
];

function onlyOne(fields: Readonly<Record<string, Json | undefined>>, location: string, report: Report): void {
  for (const names of alternatives)
    if (names.every((name) => fields[name] !== undefined))
      report.schema(`There should only be one of the following fields: [${names.join(', ')}]`, location);
  if (fields['Type'] === 'Wait') {
    const given = ['Seconds', 'SecondsPath', 'Timestamp', 'TimestampPath'].filter((name) => fields[name] !== undefined);
    if (given.length !== 1)
      report.schema(
        'Exactly one of the following fields is required: [Seconds, SecondsPath, Timestamp, TimestampPath]',
        location,
      );
  }
}

function checkFlow({ Type, Next, End }: State, location: string, report: Report): void {
  if (Type === 'Choice' || Type === 'Succeed' || Type === 'Fail') return;
  if (Next !== undefined && typeof Next !== 'string') report.schema('Value must be a String', `${location}/Next`);
  if (End !== undefined && typeof End !== 'boolean') report.schema('Value must be a Boolean', `${location}/End`);
  if (Next === undefined && End !== true) report.schema('These fields are required: [Next, End]', location);
  if (Next !== undefined && End === true)
    report.schema('There should only be one of the following fields: [Next, End]', location);
}

function checkTemplate(value: Json, language: QueryLanguage, location: string, report: Report): void {
  if (language === 'JSONata') {
    checkExpressions(value, location, report);
    return;
  }
  if (isList(value)) {
    for (const [at, item] of value.entries()) checkTemplate(item, language, `${location}[${at}]`, report);
    return;
  }
  if (!isObject(value)) return;
  for (const [name, member] of Object.entries(value)) {
    if (!name.endsWith('.$')) checkTemplate(member, language, `${location}/${name}`, report);
    else if (typeof member !== 'string' || !(isPath(member) || isIntrinsic(member)))
      report.schema(`The value for the field '${name}' must be a valid JSONPath or a valid intrinsic function call`, location);
  }
}

/** Every expression must parse ("INVALID_JSONATA_EXPRESSION"). */
export function checkExpressions(value: Json, location: string, report: Report): void {
  if (typeof value === 'string') {
    const expression = expressionOf(value);
    const problem = expression === undefined ? undefined : syntaxProblem(expression);
    if (problem !== undefined) report.add({ code: 'INVALID_JSONATA_EXPRESSION', message: problem, location });
  } else if (isList(value)) for (const [at, item] of value.entries()) checkExpressions(item, `${location}[${at}]`, report);
  else if (isObject(value))
    for (const [name, member] of Object.entries(value)) checkExpressions(member, `${location}/${name}`, report);
}

function checkErrorNames(names: unknown, last: boolean, location: string, report: Report): void {
  if (names === undefined) {
    report.schema('These fields are required: [ErrorEquals]', location);
    return;
  }
  if (!Array.isArray(names) || names.length === 0 || !names.every((name) => typeof name === 'string')) {
    report.schema('Value must be a non-empty array of Strings', `${location}/ErrorEquals`);
    return;
  }
  if (names.includes('States.ALL') && (names.length > 1 || !last))
    report.schema("'States.ALL' must appear alone and in the last entry", `${location}/ErrorEquals`);
}

function checkRetriers(retriers: readonly Retrier[] | undefined, location: string, report: Report): void {
  if (retriers === undefined) return;
  if (!Array.isArray(retriers)) {
    report.schema('Value must be an array', `${location}/Retry`);
    return;
  }
  const fields = ['ErrorEquals', 'IntervalSeconds', 'MaxAttempts', 'BackoffRate', 'MaxDelaySeconds', 'JitterStrategy', 'Comment'];
  for (const [at, retrier] of (retriers as readonly Retrier[]).entries()) {
    const place = `${location}/Retry[${at}]`;
    for (const name of Object.keys(retrier)) if (!fields.includes(name)) report.schema(`Field '${name}' is not supported`, place);
    checkErrorNames(retrier.ErrorEquals, at === retriers.length - 1, place, report);
    const { IntervalSeconds, MaxAttempts, BackoffRate, MaxDelaySeconds, JitterStrategy } = retrier;
    if (IntervalSeconds !== undefined) report.number(IntervalSeconds, 1, 99_999_999, `${place}/IntervalSeconds`);
    if (MaxAttempts !== undefined) report.number(MaxAttempts, 0, 99_999_999, `${place}/MaxAttempts`);
    if (BackoffRate !== undefined) report.number(BackoffRate, 1, Number.MAX_VALUE, `${place}/BackoffRate`);
    if (MaxDelaySeconds !== undefined) report.number(MaxDelaySeconds, 1, 31_622_399, `${place}/MaxDelaySeconds`);
    if (typeof MaxDelaySeconds === 'number' && MaxDelaySeconds <= (IntervalSeconds ?? 1))
      report.schema("'MaxDelaySeconds' must be greater than 'IntervalSeconds'", place);
    if (JitterStrategy !== undefined && JitterStrategy !== 'FULL' && JitterStrategy !== 'NONE')
      report.schema('Value is not supported. Expected one of: [FULL, NONE]', `${place}/JitterStrategy`);
  }
}

function checkCatchers(
  catchers: readonly Catcher[] | undefined,
  language: QueryLanguage,
  location: string,
  report: Report,
): void {
  if (catchers === undefined) return;
  if (!Array.isArray(catchers)) {
    report.schema('Value must be an array', `${location}/Catch`);
    return;
  }
  const fields = ['ErrorEquals', 'Next', 'Assign', 'Comment', language === 'JSONata' ? 'Output' : 'ResultPath'];
  for (const [at, catcher] of (catchers as readonly Catcher[]).entries()) {
    const place = `${location}/Catch[${at}]`;
    for (const name of Object.keys(catcher)) if (!fields.includes(name)) report.schema(`Field '${name}' is not supported`, place);
    checkErrorNames(catcher.ErrorEquals, at === catchers.length - 1, place, report);
    if (catcher.Next === undefined) report.schema('These fields are required: [Next]', place);
    if (typeof catcher.ResultPath === 'string' && !isReferencePath(catcher.ResultPath))
      report.schema('Value is not a Reference Path', `${place}/ResultPath`);
    for (const name of ['Assign', 'Output'] as const) {
      const value = catcher[name];
      if (value !== undefined) checkTemplate(value, language, `${place}/${name}`, report);
    }
  }
}
