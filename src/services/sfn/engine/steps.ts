/** The steps of an execution: entering a state, doing its work, leaving it. Source: states-language.net, "States". */
import type { Json } from '../../../model/types.ts';
import { isDistributed } from '../asl/definition.ts';
import { ruleHolds, timeOf } from '../asl/choice.ts';
import { runtimeError, StateError } from '../asl/errors.ts';
import { isObject, jsonText } from '../asl/values.ts';
import { newToken } from '../tokens.ts';
import { endExecution, succeed } from './ending.ts';
import { atRest, errorDetails, failState } from './failures.ts';
import { childEnded, dataDetails, startMap, startParallel } from './join.ts';
import { Look, type Shaped, tooLarge } from './look.ts';
import { HistoryFull, type Frame, type Run } from './run.ts';
import { startTask, taskEvent } from './task-events.ts';
import { jsonBytes } from '../asl/values.ts';
import { payloadBytesMax } from '../rules.ts';

/** Steps made between two commits. */
const stepsMax = 200;

/** Makes steps until every frame waits, or enough were made to write them down. True when there is more to do at once. */
export async function advance(run: Run): Promise<boolean> {
  for (let step = 0; step < stepsMax; step++) {
    if (run.over) return false;
    const frame = nextFrame(run);
    if (frame === undefined) return false;
    try {
      await (frame.phase === 'enter' ? enter(run, frame) : start(run, frame));
    } catch (error) {
      if (error instanceof HistoryFull) endExecution(run, 'FAILED', error);
      else if (error instanceof StateError) await failState(run, frame, error);
      else throw error;
    }
  }
  return true;
}

function nextFrame(run: Run): Frame | undefined {
  for (const frame of run.frames.values()) if (frame.phase === 'enter' || frame.phase === 'start') return frame;
  return undefined;
}

async function enter(run: Run, frame: Frame): Promise<void> {
  const { Type } = run.stateOf(frame);
  const details = { name: frame.state, ...dataDetails('input', frame.input) };
  const enteredEvent = run.event(frame, `${Type}StateEntered`, 'stateEnteredEventDetails', details);
  run.change(frame, { ...atRest, entered: run.now(), enteredEvent, retries: [], phase: 'start' });
}

async function start(run: Run, frame: Frame): Promise<void> {
  const look = new Look(run, frame);
  const { state } = look;
  switch (state.Type) {
    case 'Pass':
      return leave(run, frame, await passed(look), state.Next);
    case 'Succeed':
      return leave(run, frame, await look.pass(), undefined);
    case 'Fail':
      throw await failure(look);
    case 'Choice':
      return choose(run, frame, look);
    case 'Wait':
      return run.change(frame, { phase: 'wait', due: await dueOf(look) });
    case 'Parallel':
      return startParallel(run, frame, look);
    case 'Map':
      if (!isDistributed(state)) return startMap(run, frame, look);
      run.event(frame, 'MapStateStarted', 'mapStateStartedEventDetails', { length: 0 });
      run.change(frame, { phase: 'mapRun', attempt: frame.attempt + 1 });
      run.effects.push({ kind: 'mapRun', frame: frame.id, attempt: frame.attempt });
      return;
    default:
      return startTask(run, frame, look, newToken(run.ctx));
  }
}

/** A Pass: its Result, or its input as Parameters make it. */
export async function passed(look: Look): Promise<Shaped> {
  const { state } = look;
  if (look.jsonata) return look.shapeByRule(state);
  const input = await look.parameters();
  return look.shape(state.Result ?? input);
}

/** The error that a Fail state ends with. */
export async function failure(look: Look): Promise<StateError> {
  const { state } = look;
  if (look.jsonata) {
    const text = async (field: 'Error' | 'Cause'): Promise<string | undefined> => {
      const given = state[field];
      if (given === undefined) return undefined;
      const value = await look.evaluate(field, given);
      return typeof value === 'string' ? value : jsonText(value);
    };
    return new StateError(await text('Error'), await text('Cause'));
  }
  const input = look.frame.input;
  const read = (path: string | undefined, fixed: string | undefined): string | undefined => {
    if (path === undefined) return fixed;
    const value = look.pathOrIntrinsic(path, input);
    if (typeof value !== 'string') throw runtimeError(`The path '${path}' must reference a string.`);
    return value;
  };
  return new StateError(read(state.ErrorPath, state.Error), read(state.CausePath, state.Cause));
}

/** The rule that a Choice takes: what it leaves behind and where it goes. Throws StateError States.NoChoiceMatched. */
export async function chosen(look: Look): Promise<{ shaped: Shaped; next: string }> {
  const { state } = look;
  if (look.jsonata) {
    for (const [at, rule] of (state.Choices ?? []).entries()) {
      const holds = await look.evaluate(`Choices[${at}]/Condition`, rule.Condition ?? false);
      if (typeof holds !== 'boolean')
        throw new StateError(
          'States.QueryEvaluationError',
          `The JSONata expression for the field 'Choices[${at}]/Condition' returned a value that is not a boolean.`,
          { location: `Choices[${at}]/Condition` },
        );
      if (holds) return { shaped: await look.shapeByRule(rule), next: rule.Next ?? '' };
    }
  } else {
    const input = look.input();
    for (const rule of state.Choices ?? []) {
      if (!ruleHolds(rule, look.scope(input))) continue;
      const shaped = await look.pass();
      if (rule.Assign === undefined) return { shaped, next: rule.Next ?? '' };
      const assigned = look.template(rule.Assign, input);
      return { shaped: look.bounded({ ...shaped, assigned: isObject(assigned) ? assigned : {} }), next: rule.Next ?? '' };
    }
  }
  if (state.Default === undefined)
    throw new StateError('States.NoChoiceMatched', "No choice rule matched and no 'Default' was given.");
  return { shaped: await look.pass(), next: state.Default };
}

async function choose(run: Run, frame: Frame, look: Look): Promise<void> {
  const { shaped, next } = await chosen(look);
  return leave(run, frame, shaped, next);
}

/** Cloud time at which a Wait ends. */
export async function dueOf(look: Look): Promise<number> {
  const { state, run } = look;
  const seconds = await look.number('Seconds');
  if (seconds !== undefined) return run.now() + Math.min(seconds, 99_999_999) * 1000;
  const given = state.TimestampPath === undefined ? state.Timestamp : look.path(state.TimestampPath, look.input());
  const value = look.jsonata ? await look.evaluate('Timestamp', given ?? null) : given;
  const time = timeOf(value);
  if (time === undefined)
    throw runtimeError(
      `The ${state.TimestampPath === undefined ? 'Timestamp' : 'TimestampPath'} parameter does not reference a valid ISO-8601 extended offset date-time format string: ${jsonText(value ?? null)}`,
    );
  return time;
}

/** Leaves a state: the variables it sets are set, and the next one is due, or the branch ends. */
export async function leave(run: Run, frame: Frame, { output, assigned }: Shaped, next: string | undefined): Promise<void> {
  const { Type } = run.stateOf(frame);
  const variables = Object.keys(assigned).length === 0 ? frame.variables : { ...frame.variables, ...assigned };
  const names = Object.entries(assigned).map(([name, value]) => [name, jsonText(value)] as const);
  run.event(frame, `${Type}StateExited`, 'stateExitedEventDetails', {
    name: frame.state,
    ...dataDetails('output', output),
    ...(names.length === 0
      ? {}
      : { assignedVariables: Object.fromEntries(names), assignedVariablesDetails: { truncated: false } }),
  });
  if (next !== undefined) return run.change(frame, { ...atRest, variables, state: next, input: output, phase: 'enter' });
  run.change(frame, { ...atRest, variables });
  if (frame.parent === undefined) succeed(run, frame, output);
  else await childEnded(run, frame, output);
}

/** A Task, Parallel or Map has its result. */
export async function finishWork(run: Run, frame: Frame, result: Json): Promise<void> {
  try {
    const look = new Look(run, frame);
    await leave(run, frame, await look.shape(result), look.state.Next);
  } catch (error) {
    if (!(error instanceof StateError)) throw error;
    await failState(run, frame, error);
  }
}

/** A Task's answer has come. */
export async function taskEnded(run: Run, frame: Frame, outcome: { result?: Json; failure?: StateError }): Promise<void> {
  const { failure: failed, result = null } = outcome;
  if (failed === undefined && jsonBytes(result) > payloadBytesMax)
    return taskEnded(run, frame, { failure: tooLarge(taskSource(run, frame)) });
  if (failed !== undefined) {
    taskEvent(run, frame, failed.error === 'States.Timeout' ? 'TimedOut' : 'Failed', errorDetails(failed));
    return failState(run, frame, failed);
  }
  taskEvent(run, frame, 'Succeeded', dataDetails('output', result));
  run.change(frame, { token: undefined });
  await finishWork(run, frame, result);
}

function taskSource(run: Run, frame: Frame): string {
  const resource = run.stateOf(frame).Resource ?? '';
  return /^arn:aws[a-z-]*:states:::(?:aws-sdk:)?([a-z0-9]+):/.exec(resource)?.[1] ?? resource;
}

/** A time has come that a frame waits for: the end of a wait, a pause, or a task's patience. */
export async function timeCame(run: Run, frame: Frame): Promise<void> {
  const now = run.now();
  if ((frame.phase === 'wait' || frame.phase === 'pause') && (frame.due ?? Number.POSITIVE_INFINITY) <= now) {
    if (frame.phase === 'pause') return run.change(frame, { phase: 'start', due: undefined });
    run.change(frame, { due: undefined });
    try {
      const look = new Look(run, frame);
      return await leave(run, frame, await look.pass(), look.state.Next);
    } catch (error) {
      if (!(error instanceof StateError)) throw error;
      return failState(run, frame, error);
    }
  }
  if (frame.phase !== 'call' && frame.phase !== 'token' && frame.phase !== 'child') return;
  const late = (frame.timeoutAt ?? Number.POSITIVE_INFINITY) <= now;
  const silent = (frame.heartbeatAt ?? Number.POSITIVE_INFINITY) <= now;
  if (!late && !silent) return;
  if (frame.awaited !== undefined) run.effects.push({ kind: 'abandon', awaited: frame.awaited });
  run.change(frame, { attempt: frame.attempt + 1 });
  await taskEnded(run, frame, {
    failure: new StateError('States.Timeout', undefined, late ? {} : { alias: 'States.HeartbeatTimeout' }),
  });
}
