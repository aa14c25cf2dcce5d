/** What executions have done for them outside of their queue: calls, waiting for other executions, metrics, logs. */
import type { Context } from '../../kernel/context.ts';
import { AwsError } from '../../kernel/errors.ts';
import type { Json } from '../../model/types.ts';
import { StateError } from './asl/errors.ts';
import { jsonText, memberOf } from './asl/values.ts';
import { activityDeskOf } from './activity-desk.ts';
import { abandonRun, runMap } from './distributed/run.ts';
import type { Engine, Hands } from './engine/engine.ts';
import { endExecution } from './engine/ending.ts';
import type { Effect, Frame, Run } from './engine/run.ts';
import { taskEnded } from './engine/steps.ts';
import { resourceOf, taskEvent } from './engine/task-events.ts';
import { dataDetails } from './engine/join.ts';
import { actBy } from './lookup.ts';
import { executionArn, machineArn, readExecutionArn } from './rules.ts';
import { callTask } from './integrations/call.ts';
import { Executions, type ExecutionRow } from './state.ts';
import { reportEnd, reportStart } from './reports.ts';

export const hands: Hands = {
  perform(engine, run, effect) {
    const work = doEffect(engine, run, effect).catch(async (error: unknown) => {
      // The cloud is stopping: the execution goes on from its rows at the next start.
      if (engine.closed || effect.kind === 'abandon') return;
      // A bug of ours: an execution that says so is better than one that waits for ever.
      const cause = `An internal error occurred: ${error instanceof Error ? error.message : String(error)}`;
      const { machine, name } = run.execution;
      await engine.post(run.ctx, machine, name, (current) =>
        endExecution(current, 'FAILED', new StateError('States.Runtime', cause)),
      );
    });
    engine.hold(run, work);
  },
  started: reportStart,
  ended: reportEnd,
};

async function doEffect(engine: Engine, run: Run, effect: Effect): Promise<void> {
  switch (effect.kind) {
    case 'call':
      return makeCall(engine, run, effect);
    case 'child':
      return awaitChild(engine, run, effect);
    case 'activity':
      return activityDeskOf(run.ctx).came(run.ctx, effect.activity);
    case 'abandon':
      return effect.awaited.includes(':mapRun:') ? abandonRun(engine, run.ctx, effect.awaited) : abandon(run, effect.awaited);
    default: {
      const frame = run.frames.get(effect.frame);
      if (frame?.phase === 'mapRun') await runMap(engine, run, frame, (change) => answer(engine, run, effect, change));
    }
  }
}

/** Posts an answer to the attempt that asked, unless it has been given up meanwhile. */
async function answer(
  engine: Engine,
  run: Run,
  { frame, attempt }: { frame: number; attempt: number },
  change: (run: Run, frame: Frame) => Promise<void> | void,
): Promise<void> {
  const { machine, name } = run.execution;
  await engine.post(run.ctx, machine, name, async (current) => {
    const found = current.frames.get(frame);
    if (found !== undefined && found.attempt === attempt) await change(current, found);
  });
}

async function makeCall(engine: Engine, run: Run, at: { frame: number; attempt: number }): Promise<void> {
  const frame = run.frames.get(at.frame);
  if (frame === undefined || frame.attempt !== at.attempt || frame.phase !== 'call') return;
  const resource = resourceOf(run, frame);
  if (resource.kind === 'activity') return;
  let outcome: { result?: Json; failure?: StateError };
  try {
    const { parameters = null } = frame;
    const work = callTask(run.ctx, {
      resource,
      parameters,
      roleArn: run.execution.roleArn,
      machineArn: machineArn(run.ctx, run.execution.machine),
    });
    outcome = { result: await run.ctx.underWay(work) };
  } catch (error) {
    outcome = { failure: failureOf(error) };
  }
  if (engine.closed) return;
  const pattern = resource.kind === 'service' ? resource.pattern : 'response';
  await answer(engine, run, at, async (current, found) => {
    if (found.phase !== 'call') return;
    if (outcome.failure !== undefined || pattern === 'response') return taskEnded(current, found, outcome);
    taskEvent(current, found, 'Submitted', dataDetails('output', outcome.result ?? null));
    if (pattern === 'token') return current.change(found, { phase: 'token' });
    const awaited = memberOf(outcome.result, 'ExecutionArn');
    current.change(found, { phase: 'child', awaited: typeof awaited === 'string' ? awaited : undefined });
    current.effects.push({ kind: 'child', frame: found.id, attempt: found.attempt });
  });
}

/** What went wrong with a call; a bug of ours is the task's failure too, and in the log of the operation that had it. */
function failureOf(error: unknown): StateError {
  if (error instanceof StateError) return error;
  if (error instanceof AwsError) return new StateError('States.TaskFailed', error.message);
  return new StateError('States.TaskFailed', error instanceof Error ? error.message : String(error));
}

/** `.sync`: the task ends when the execution that it has started does. */
async function awaitChild(engine: Engine, run: Run, at: { frame: number; attempt: number }): Promise<void> {
  const frame = run.frames.get(at.frame);
  const arn = frame?.awaited;
  if (arn === undefined) return;
  const scope = { account: arn.split(':')[4] ?? '', region: arn.split(':')[3] ?? '' };
  const { machine, name } = readExecutionArn(arn);
  const row = await new Promise<ExecutionRow | undefined>((resolve, reject) => {
    const forget = engine.watch(arn, resolve);
    run.ctx
      .tableIn(scope, Executions)
      .get(machine, name)
      .then((found) => {
        if (found !== undefined && found.status === 'RUNNING') return;
        forget();
        resolve(found);
      }, reject);
  });
  if (engine.closed) return;
  await answer(engine, run, at, async (current, found) => {
    if (found.phase !== 'child') return;
    const resource = resourceOf(current, found);
    const second = resource.kind === 'service' && resource.pattern === 'sync:2';
    current.change(found, { awaited: undefined });
    if (row === undefined)
      return taskEnded(current, found, { failure: new StateError('States.TaskFailed', `Execution Does Not Exist: '${arn}'`) });
    const described = describeChild(current.ctx, row, second);
    if (row.status === 'SUCCEEDED') return taskEnded(current, found, { result: described });
    await taskEnded(current, found, { failure: new StateError('States.TaskFailed', jsonText(described)) });
  });
}

/** A nested execution as `.sync` gives it: input and output as text, or with `:2` as JSON. */
function describeChild(ctx: Context, row: ExecutionRow, second: boolean): Json {
  const data = (text: string): Json => (second ? (JSON.parse(text) as Json) : text);
  const [, , , region = '', account = ''] = executionArn(ctx, row).split(':');
  const machine = `arn:aws:states:${region}:${account}:stateMachine:${row.machine}`;
  const described: { [name: string]: Json | undefined } = {
    ExecutionArn: executionArn(ctx, row),
    Input: data(row.input),
    InputDetails: { Included: true },
    Name: row.name,
    Output: row.output === undefined ? undefined : data(row.output),
    OutputDetails: row.output === undefined ? undefined : { Included: true },
    Error: row.error,
    Cause: row.cause,
    RedriveCount: row.redrives,
    RedriveStatus: row.status === 'SUCCEEDED' ? 'NOT_REDRIVABLE' : 'REDRIVABLE',
    RedriveStatusReason: row.status === 'SUCCEEDED' ? 'Execution is SUCCEEDED and cannot be redriven' : undefined,
    StartDate: row.start,
    StateMachineArn: machine,
    StateMachineVersionArn: row.version === undefined ? undefined : `${machine}:${row.version}`,
    Status: row.status,
    StopDate: row.stop,
  };
  const entries = Object.entries(described).filter((entry): entry is [string, Json] => entry[1] !== undefined);
  return Object.fromEntries(entries);
}

/** "Step Functions … makes a best effort to cancel": by the role's own right to stop the execution. */
async function abandon(run: Run, awaited: string): Promise<void> {
  const acting = await actBy(run.ctx, run.execution.roleArn);
  await acting.call('sfn').stopExecution({ executionArn: awaited });
}
