/** TestState: one state, run by itself, with what its data was on the way. Source: Developer Guide, "Using TestState API to test a state". */
import type { InspectionData, SFN, TestStateInput } from '@aws-sdk/client-sfn';
import type { Context } from '../../kernel/context.ts';
import { parameterNotImplemented } from '../../kernel/errors.ts';
import { RequestCheck } from '../../kernel/request-check.ts';
import type { AuthorisationsOf, HandlersOf } from '../../kernel/service.ts';
import type { Json } from '../../model/types.ts';
import type { Definition, State } from './asl/definition.ts';
import { StateError } from './asl/errors.ts';
import { findingsText, findProblems } from './asl/validate.ts';
import { isObject, type JsonObject, jsonText } from './asl/values.ts';
import { catcherOf, explained, retrierOf, shapeCaught } from './engine/failures.ts';
import { Look, type Notes, type Shaped } from './engine/look.ts';
import { type Frame, Run } from './engine/run.ts';
import { chosen, dueOf, failure, passed } from './engine/steps.ts';
import { resourceOf } from './engine/task-events.ts';
import { invalidDefinition, validation } from './errors.ts';
import { checkInput } from './executions.ts';
import { callTask } from './integrations/call.ts';
import { resourceProblem } from './integrations/check.ts';
import { checkRole, passRole } from './lookup.ts';
import { newToken } from './tokens.ts';

/** The name that a state without one has while it is tested. */
const soleState = 'StateName';
/** Findings that a state out of its machine cannot help. */
const ofTheWhole = new Set(['MISSING_TRANSITION_TARGET', 'MISSING_END_STATE']);

function parseObject(text: string | undefined, member: string): JsonObject {
  try {
    const value = JSON.parse(text ?? '{}') as Json;
    if (isObject(value)) return value;
  } catch {
    // What is no JSON is refused like what is no object.
  }
  throw validation(`The value of '${member}' must be a JSON object.`);
}

/** The definition as one of a machine, and the state in it. Throws InvalidDefinition. */
async function readState({ definition = '', stateName }: TestStateInput): Promise<{ definition: Definition; name: string }> {
  const given = parseObject(definition, 'definition');
  const whole = given['States'] !== undefined;
  if (whole && stateName === undefined)
    throw validation('A state name must be provided when the definition is of a state machine.');
  if (!whole && stateName !== undefined)
    throw validation('A state name may be provided only when the definition is of a state machine.');
  const name = stateName ?? soleState;
  const machine = whole ? given : { StartAt: name, States: { [name]: given } };
  const findings = await findProblems(jsonText(machine), 'STANDARD', resourceProblem);
  const own = findings.filter(({ code }) => !ofTheWhole.has(code));
  if (own.length > 0) throw invalidDefinition(findingsText(own));
  const read = machine as unknown as Definition;
  if (!Object.hasOwn(read.States, name)) throw validation(`The state '${name}' is not in the definition.`);
  return { definition: read, name };
}

function prepare(ctx: Context, input: TestStateInput, definition: Definition, name: string): { run: Run; frame: Frame } {
  const text = input.input ?? '{}';
  const run = new Run(
    ctx.asService(),
    {
      machine: 'TestState',
      name: ctx.uuid(),
      type: 'EXPRESS',
      status: 'RUNNING',
      definition: jsonText(definition as unknown as Json),
      roleArn: input.roleArn ?? '',
      logging: { level: 'OFF', includeExecutionData: false },
      input: text,
      start: ctx.now,
      lastEvent: 0,
      nextFrame: 0,
      redrives: 0,
    },
    [],
  );
  const variables = parseObject(input.variables, 'variables');
  const frame = run.open({
    place: [],
    state: name,
    input: JSON.parse(text) as Json,
    lastEvent: 0,
    variables,
    token: newToken(ctx),
  });
  const made = input.stateConfiguration?.retrierRetryCount ?? 0;
  run.change(frame, { retries: (run.stateOf(frame).Retry ?? []).map(() => made) });
  return { run, frame };
}

/** What the mock says in place of the state's work; undefined when the work is to be done. */
function mocked({ mock }: TestStateInput): { result: Json } | undefined {
  if (mock === undefined) return undefined;
  const { result, errorOutput } = mock;
  if ((result === undefined) === (errorOutput === undefined))
    throw validation("A mock must have either 'result' or 'errorOutput'.");
  if (errorOutput !== undefined) throw new StateError(errorOutput.error, errorOutput.cause);
  try {
    return { result: JSON.parse(result ?? '') as Json };
  } catch {
    throw validation("The value of 'mock.result' must be valid JSON.");
  }
}

async function work(
  ctx: Context,
  input: TestStateInput,
  look: Look,
  state: State,
): Promise<{ shaped: Shaped; next: string | undefined }> {
  const { Next } = state;
  switch (state.Type) {
    case 'Pass':
      return { shaped: await passed(look), next: Next };
    case 'Succeed':
      return { shaped: await look.pass(), next: undefined };
    case 'Wait':
      await dueOf(look);
      return { shaped: await look.pass(), next: Next };
    case 'Choice': {
      const { shaped, next } = await chosen(look);
      return { shaped, next };
    }
    case 'Fail':
      throw await failure(look);
    default:
      return { shaped: await look.shape(await resultFor(ctx, input, look, state)), next: Next };
  }
}

async function resultFor(ctx: Context, input: TestStateInput, look: Look, state: State): Promise<Json> {
  const parameters = state.Type === 'Map' ? look.frame.input : await look.parameters();
  const mock = mocked(input);
  if (mock !== undefined) {
    look.notes['result'] = mock.result;
    return mock.result;
  }
  if (state.Type !== 'Task') throw validation(`State type '${state.Type}' is not supported when a mock is not specified`);
  const resource = resourceOf(look.run, look.frame);
  if (resource.kind === 'activity' || (resource.kind === 'service' && resource.pattern !== 'response'))
    throw validation('Activities, .sync and .waitForTaskToken integrations are not supported when a mock is not specified');
  if (input.roleArn === undefined) throw validation('RoleArn must be specified when testing a Task state without a mock');
  await checkRole(ctx, input.roleArn);
  const result = await callTask(look.run.ctx, { resource, parameters, roleArn: input.roleArn, machineArn: '*' });
  look.notes['result'] = result;
  return result;
}

/** Texts of the values that were noted, as InspectionData has them. */
function inspection(level: string, input: string, notes: Notes, variables: JsonObject): InspectionData | undefined {
  if (level === 'INFO') return undefined;
  const texts = Object.entries(notes).map(([name, value]) => [name, jsonText(value)] as const);
  return { input, ...Object.fromEntries(texts), variables: jsonText(variables) };
}

export const testStateHandlers: HandlersOf<SFN> = {
  async TestState(input, ctx) {
    const { inspectionLevel = 'INFO', stateConfiguration, context, revealSecrets } = input;
    new RequestCheck().oneOf('inspectionLevel', inspectionLevel, ['INFO', 'DEBUG', 'TRACE']).done();
    if (context !== undefined) throw parameterNotImplemented('TestState', 'context');
    if (revealSecrets === true) throw parameterNotImplemented('TestState', 'revealSecrets');
    for (const name of ['errorCausedByState', 'mapIterationFailureCount', 'mapItemReaderData'] as const)
      if (stateConfiguration?.[name] !== undefined) throw parameterNotImplemented('TestState', `stateConfiguration.${name}`);
    const text = input.input ?? '{}';
    checkInput(text);
    const { definition, name } = await readState(input);
    const { run, frame } = prepare(ctx, input, definition, name);
    const notes: Notes = {};
    const look = new Look(run, frame, notes);
    const seen = (assigned: JsonObject) => inspection(inspectionLevel, text, notes, { ...frame.variables, ...assigned });
    try {
      const { shaped, next } = await work(ctx, input, look, look.state);
      return { status: 'SUCCEEDED', output: jsonText(shaped.output), nextState: next, inspectionData: seen(shaped.assigned) };
    } catch (error) {
      if (!(error instanceof StateError)) throw error;
      const failed = explained(frame, error);
      const told = { error: failed.error, cause: failed.cause, inspectionData: seen({}) };
      if (retrierOf(look.state, frame, error) !== undefined) return { ...told, status: 'RETRIABLE' };
      const catcher = catcherOf(look.state, error);
      if (catcher === undefined) return { ...told, status: 'FAILED' };
      const { output } = await shapeCaught(look, catcher, failed);
      return { ...told, status: 'CAUGHT_ERROR', output: jsonText(output), nextState: catcher.Next };
    }
  },
};

export const testStateChecks: AuthorisationsOf<SFN> = {
  TestState: ({ roleArn }) => [{ resource: '*' }, ...passRole(roleArn)],
};
