/**
 * What CreateStateMachine and ValidateStateMachineDefinition find wrong with a definition, in AWS's codes and words. Sources: API reference,
 * "ValidateStateMachineDefinitionDiagnostic", and the answers of the real service that its users have published.
 */
import { parseWithPositions } from '../../../base/json-positions.ts';
import type { Json } from '../../../model/types.ts';
import { checkRule, checkTransitions } from './validate-flow.ts';
import { checkFields, type Finding, Report } from './validate-fields.ts';
import { checkMap } from './validate-map.ts';
import type { QueryLanguage, State, StateType } from './definition.ts';
import { loadLibraries } from './libraries.ts';
import { languageNeeded, mayHave, stateTypes } from './fields.ts';
import { isList, isObject, type JsonObject } from './values.ts';

export type { Finding } from './validate-fields.ts';

/** What the checks must know of the cloud: why a Task's resource cannot be; undefined when it can. */
export type ResourceCheck = (resource: string, type: 'STANDARD' | 'EXPRESS') => Promise<string | undefined>;

/** Longest definition, in characters (API reference, "CreateStateMachine"). */
export const definitionCharsMax = 1_048_576;
const nestingMax = 30;
const stateNameCharsMax = 80;

interface Situation {
  report: Report;
  type: 'STANDARD' | 'EXPRESS';
  language: QueryLanguage;
  checkResource: ResourceCheck;
  names: Set<string>;
  labels: Set<string>;
}

/** All that is wrong with a definition; empty when it can be created. */
export async function findProblems(text: string, type: 'STANDARD' | 'EXPRESS', checkResource: ResourceCheck): Promise<Finding[]> {
  await loadLibraries();
  const report = new Report();
  if (text.trim() === '') {
    report.schema('Definition must be a valid JSON object', undefined);
    return report.findings;
  }
  const definition = parseDefinition(text, report);
  if (definition === undefined) return report.findings;
  const language = readLanguage(definition, report, '/');
  const situation: Situation = { report, type, language, checkResource, names: new Set(), labels: new Set() };
  for (const field of Object.keys(definition)) {
    if (!['Comment', 'Version', 'TimeoutSeconds', 'QueryLanguage', 'StartAt', 'States'].includes(field))
      report.schema(`Field '${field}' is not supported`, '/');
  }
  const { Version, TimeoutSeconds } = definition;
  if (Version !== undefined && Version !== '1.0') report.schema('Value is not supported. Expected one of: [1.0]', '/Version');
  if (TimeoutSeconds !== undefined) report.number(TimeoutSeconds, 1, 99_999_999, '/TimeoutSeconds');
  await checkWorkflow(definition, '', situation, 0);
  return report.findings;
}

/** Findings in the one text that InvalidDefinition carries. */
export function findingsText(findings: readonly Finding[]): string {
  return findings.map(({ code, message, location }) => `${code}: ${message} at ${location ?? 'null'}`).join(', ');
}

function parseDefinition(text: string, report: Report): JsonObject | undefined {
  let definition: Json;
  try {
    definition = JSON.parse(text) as Json;
  } catch {
    const { reason, line, column } = syntaxProblem(text);
    const place = `[Source: (String)"${text.length > 500 ? `${text.slice(0, 500)}"[truncated ${text.length - 500} chars]` : `${text}"`}; line: ${line}, column: ${column}]`;
    report.add({ code: 'INVALID_JSON_DESCRIPTION', message: `${reason}\n at ${place}`, location: place });
    return undefined;
  }
  if (!isObject(definition)) {
    report.schema('Definition must be a valid JSON object', undefined);
    return undefined;
  }
  return definition;
}

/** Where and why a text is no JSON, in the words of AWS's parser (Jackson) for the cases that people meet. */
export function syntaxProblem(text: string): { reason: string; line: number; column: number } {
  const place = (at: number) => {
    const before = text.slice(0, at).split('\n');
    return { line: before.length, column: (before.at(-1) ?? '').length + 1 };
  };
  const word = /^\s*([A-Za-z_][A-Za-z0-9_]*)/.exec(text);
  if (word?.[1] !== undefined && !['null', 'true', 'false'].includes(word[1]))
    return {
      reason: `Unrecognized token '${word[1]}': was expecting (JSON String, Number, Array, Object or token 'null', 'true' or 'false')`,
      ...place(word[0].length),
    };
  try {
    JSON.parse(text);
  } catch (error) {
    const message = error instanceof Error ? error.message : '';
    const at = Number(/at position (\d+)/.exec(message)?.[1] ?? text.length);
    if (at >= text.length) return { reason: 'Unexpected end-of-input', ...place(text.length) };
    const letter = text[at] ?? '';
    const expected =
      /^[\s\S]*[{,]\s*$/.test(text.slice(0, at)) && letter !== '}' ? 'double-quote to start field name' : 'a valid value';
    return {
      reason: `Unexpected character ('${letter}' (code ${letter.charCodeAt(0)})): was expecting ${expected}`,
      ...place(at + 1),
    };
  }
  return { reason: 'Invalid JSON', line: 1, column: 1 };
}

function readLanguage(object: JsonObject, report: Report, location: string): QueryLanguage {
  const { QueryLanguage: language } = object;
  if (language === undefined || language === 'JSONPath' || language === 'JSONata') return language ?? 'JSONPath';
  report.schema(
    'Value is not supported. Expected one of: [JSONPath, JSONata]',
    `${location === '/' ? '' : location}/QueryLanguage`,
  );
  return 'JSONPath';
}

/** Names that stand twice in one object of states, which JSON.parse would not tell. */
export function repeatedStates(text: string): string[] {
  const repeated: string[] = [];
  const visit = (node: ReturnType<typeof parseWithPositions>): void => {
    if (node.value.kind === 'list') node.value.items.forEach(visit);
    if (node.value.kind !== 'object') return;
    for (const { name, node: inner } of node.value.members) {
      if (name === 'States' && inner.value.kind === 'object') {
        const seen = new Set<string>();
        for (const member of inner.value.members) {
          if (seen.has(member.name)) repeated.push(member.name);
          seen.add(member.name);
        }
      }
      visit(inner);
    }
  };
  visit(parseWithPositions(text));
  return repeated;
}

async function checkWorkflow(workflow: JsonObject, location: string, situation: Situation, depth: number): Promise<void> {
  const { report } = situation;
  if (depth > nestingMax) {
    report.add({ code: 'TOO_DEEPLY_NESTED', message: 'The states are too deeply nested', location: location || '/' });
    return;
  }
  const { StartAt, States } = workflow;
  const missing = ['States', 'StartAt'].filter((field) => workflow[field] === undefined);
  if (missing.length > 0) {
    report.schema(`These fields are required: [${missing.join(', ')}]`, location || '/');
    return;
  }
  if (!isObject(States) || Object.keys(States).length === 0) {
    report.schema('Value must be a non-empty JSON object', `${location}/States`);
    return;
  }
  if (typeof StartAt !== 'string') report.schema('Value must be a String', `${location}/StartAt`);
  const before = report.findings.length;
  for (const [name, state] of Object.entries(States)) {
    const place = `${location}/States/${name}`;
    if (name.length > stateNameCharsMax)
      report.add({
        code: 'INVALID_STATE_NAME',
        message: `State name must be at most ${stateNameCharsMax} characters`,
        location: place,
      });
    if (situation.names.has(name))
      report.add({ code: 'DUPLICATE_STATE_NAME', message: `Duplicate state name: ${name}`, location: place });
    situation.names.add(name);
    if (isObject(state)) await checkState(state, place, situation, depth);
    else report.schema('Value must be a JSON object', place);
  }
  if (report.findings.length === before || depth === 0) checkTransitions(workflow, location, report);
}

async function checkState(state: JsonObject, location: string, situation: Situation, depth: number): Promise<void> {
  const { report } = situation;
  const { Type } = state;
  if (Type === undefined) return report.schema('These fields are required: [Type]', location);
  if (typeof Type !== 'string' || !stateTypes.includes(Type))
    return report.schema(`Value is not supported. Expected one of: [${stateTypes.join(', ')}]`, `${location}/Type`);
  const type = Type as StateType;
  const language = readLanguage(state, report, location);
  if (state['QueryLanguage'] === 'JSONPath' && situation.language === 'JSONata')
    report.schema("'QueryLanguage' can not be 'JSONPath' if set to 'JSONata' for whole state machine", location);
  const effective = state['QueryLanguage'] === undefined ? situation.language : language;
  for (const field of Object.keys(state)) {
    if (!mayHave(type, field)) report.schema(`Field '${field}' is not supported`, location);
    const needed = languageNeeded(field, effective);
    // A Pass state's Result is static data in both languages' documents, but JSONata states have Output for it.
    if (needed !== undefined && mayHave(type, field))
      report.schema(
        `The QueryLanguage is set to '${effective}', but field '${field}' is only supported for the '${needed}' QueryLanguage`,
        location,
      );
  }
  checkFields(state as unknown as State, effective, location, report);
  if (type === 'Choice') await checkChoices(state, effective, location, report);
  if (type === 'Task') await checkTask(state, location, situation);
  if (type === 'Parallel') await checkBranches(state, location, situation, depth);
  if (type === 'Map') {
    checkMap(state, effective, location, situation);
    await checkProcessor(state, location, situation, depth);
  }
}

async function checkChoices(state: JsonObject, language: QueryLanguage, location: string, report: Report): Promise<void> {
  const { Choices } = state;
  if (Choices === undefined) return report.schema('These fields are required: [Choices]', location);
  if (!isList(Choices) || Choices.length === 0) return report.schema('Value must be a non-empty array', `${location}/Choices`);
  for (const [at, rule] of Choices.entries()) checkRule(rule, language, `${location}/Choices[${at}]`, report, true);
}

async function checkTask(state: JsonObject, location: string, { report, type, checkResource }: Situation): Promise<void> {
  const { Resource } = state;
  if (Resource === undefined) return report.schema('These fields are required: [Resource]', location);
  if (typeof Resource !== 'string') return report.schema('Value must be a String', `${location}/Resource`);
  const problem = await checkResource(Resource, type);
  if (problem !== undefined) report.schema(problem, `${location}/Resource`);
}

async function checkBranches(state: JsonObject, location: string, situation: Situation, depth: number): Promise<void> {
  const { Branches } = state;
  const { report } = situation;
  if (Branches === undefined) return report.schema('These fields are required: [Branches]', location);
  if (!isList(Branches) || Branches.length === 0) return report.schema('Value must be a non-empty array', `${location}/Branches`);
  for (const [at, branch] of Branches.entries()) {
    const place = `${location}/Branches[${at}]`;
    if (!isObject(branch)) report.schema('Value must be a JSON object', place);
    else await checkNested(branch, place, ['StartAt', 'States', 'Comment'], situation, depth);
  }
}

async function checkProcessor(state: JsonObject, location: string, situation: Situation, depth: number): Promise<void> {
  const field = state['ItemProcessor'] === undefined ? 'Iterator' : 'ItemProcessor';
  const processor = state[field];
  if (processor === undefined) return situation.report.schema('These fields are required: [ItemProcessor]', location);
  const place = `${location}/${field}`;
  if (!isObject(processor)) return situation.report.schema('Value must be a JSON object', place);
  await checkNested(processor, place, ['StartAt', 'States', 'Comment', 'ProcessorConfig'], situation, depth);
}

async function checkNested(
  workflow: JsonObject,
  location: string,
  fields: readonly string[],
  situation: Situation,
  depth: number,
): Promise<void> {
  for (const field of Object.keys(workflow))
    if (!fields.includes(field)) situation.report.schema(`Field '${field}' is not supported`, location);
  await checkWorkflow(workflow, location, situation, depth + 1);
}
