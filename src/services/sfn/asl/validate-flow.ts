/** Choice rules, and whether every transition has a target and every state a way to it. */
import type { Json } from '../../../model/types.ts';
import { choiceOperators, timeOf } from './choice.ts';
import type { QueryLanguage } from './definition.ts';
import { checkExpressions, type Report } from './validate-fields.ts';
import { isPath } from './jsonpath.ts';
import { isList, isObject, type JsonObject, memberOf } from './values.ts';

/** A rule of a Choice; only those at the top have a Next. */
export function checkRule(rule: Json, language: QueryLanguage, location: string, report: Report, top: boolean): void {
  if (!isObject(rule)) {
    report.schema('Value must be a JSON object', location);
    return;
  }
  if (top && rule['Next'] === undefined) report.schema('These fields are required: [Next]', location);
  if (!top && rule['Next'] !== undefined) report.schema("Field 'Next' is not supported", location);
  if (language === 'JSONata') {
    checkCondition(rule, location, report);
    return;
  }
  if (rule['Condition'] !== undefined) {
    report.schema(
      "The QueryLanguage is set to 'JSONPath', but field 'Condition' is only supported for the 'JSONata' QueryLanguage",
      location,
    );
    return;
  }
  for (const name of ['And', 'Or']) {
    const inner = rule[name];
    if (inner === undefined) continue;
    if (!isList(inner) || inner.length === 0) {
      report.schema('Value must be a non-empty array', `${location}/${name}`);
      return;
    }
    for (const [at, item] of inner.entries()) checkRule(item, language, `${location}/${name}[${at}]`, report, false);
    return;
  }
  if (rule['Not'] !== undefined) {
    checkRule(rule['Not'], language, `${location}/Not`, report, false);
    return;
  }
  checkComparison(rule, location, report);
}

function checkCondition(rule: JsonObject, location: string, report: Report): void {
  if (rule['Condition'] === undefined) {
    report.schema('These fields are required: [Condition]', location);
    return;
  }
  for (const name of Object.keys(rule))
    if (!['Condition', 'Next', 'Assign', 'Output', 'Comment'].includes(name))
      report.schema(`Field '${name}' is not supported`, location);
  for (const name of ['Condition', 'Assign', 'Output'])
    if (rule[name] !== undefined) checkExpressions(rule[name], `${location}/${name}`, report);
}

function checkComparison(rule: JsonObject, location: string, report: Report): void {
  const operators = Object.keys(rule).filter((name) => choiceOperators.has(name));
  if (rule['Variable'] === undefined) report.schema('These fields are required: [Variable]', location);
  else if (typeof rule['Variable'] !== 'string' || !isPath(rule['Variable']))
    report.schema('Value is not a valid JSONPath', `${location}/Variable`);
  for (const name of Object.keys(rule))
    if (!choiceOperators.has(name) && !['Variable', 'Next', 'Assign', 'Comment'].includes(name))
      report.schema(`Field '${name}' is not supported`, location);
  const [operator] = operators;
  if (operators.length !== 1 || operator === undefined) {
    report.schema(`Exactly one comparison operator is required, found: [${operators.join(', ')}]`, location);
    return;
  }
  const operand = rule[operator];
  const sort = choiceOperators.get(operator);
  const place = `${location}/${operator}`;
  if (sort === 'path') {
    if (typeof operand !== 'string' || !isPath(operand)) report.schema('Value is not a valid JSONPath', place);
  } else if (sort === 'timestamp') {
    if (timeOf(operand) === undefined) report.schema('Value must be a valid ISO-8601 timestamp', place);
  } else if (typeof operand !== sort) {
    const names = { string: 'String', number: 'Number', boolean: 'Boolean' };
    report.schema(`Value must be a ${sort === undefined ? 'String' : names[sort]}`, place);
  }
}

interface Transition {
  target: string;
  location: string;
}

/** Missing targets, unreachable states and the missing end of one set of states. */
export function checkTransitions(workflow: JsonObject, location: string, report: Report): void {
  const { StartAt, States } = workflow;
  if (!isObject(States) || typeof StartAt !== 'string') return;
  const targeted = new Map<string, Transition[]>();
  for (const [name, state] of Object.entries(States)) targeted.set(name, transitionsOf(state, `${location}/States/${name}`));
  const missing = [{ target: StartAt, location: `${location}/StartAt` }, ...[...targeted.values()].flat()].filter(
    ({ target }) => !Object.hasOwn(States, target),
  );
  for (const { target, location: place } of missing)
    report.add({ code: 'MISSING_TRANSITION_TARGET', message: `Missing 'Next' target: ${target}`, location: place });
  const ends = Object.values(States).some(
    (state) => memberOf(state, 'End') === true || memberOf(state, 'Type') === 'Succeed' || memberOf(state, 'Type') === 'Fail',
  );
  if (!ends) {
    report.add({ code: 'MISSING_END_STATE', message: 'Workflow has no terminal state', location: undefined });
    return;
  }
  const reached = new Set<string>();
  const open = [StartAt];
  for (let name = open.pop(); name !== undefined; name = open.pop()) {
    if (reached.has(name)) continue;
    reached.add(name);
    for (const { target } of targeted.get(name) ?? []) open.push(target);
  }
  for (const name of Object.keys(States))
    if (!reached.has(name))
      report.add({
        code: 'MISSING_TRANSITION_TARGET',
        message: `State "${name}" is not reachable.`,
        location: `${location}/States/${name}`,
      });
}

function transitionsOf(state: Json, location: string): Transition[] {
  const found: Transition[] = [];
  const add = (target: Json | undefined, place: string): void => {
    if (typeof target === 'string') found.push({ target, location: place });
  };
  add(memberOf(state, 'Next'), `${location}/Next`);
  for (const field of ['Choices', 'Catch']) {
    const items = memberOf(state, field);
    if (isList(items)) for (const [at, item] of items.entries()) add(memberOf(item, 'Next'), `${location}/${field}[${at}]/Next`);
  }
  add(memberOf(state, 'Default'), `${location}/Default`);
  return found;
}
