/** What happens to a state that fails: its retriers, its catchers, and else the branch or the execution around it. Source: "Error handling". */
import type { Json } from '../../../model/types.ts';
import type { Catcher, Retrier, State } from '../asl/definition.ts';
import { StateError } from '../asl/errors.ts';
import type { JsonObject } from '../asl/values.ts';
import { endExecution } from './ending.ts';
import { childFailed } from './join.ts';
import { Look, type Shaped } from './look.ts';
import { type Frame, HistoryFull, type Run } from './run.ts';
import { leave } from './steps.ts';

/** Whether an error is among those that a retrier or catcher names. */
function isNamed(names: readonly string[], { error, alias }: StateError): boolean {
  if (error === 'States.Runtime') return names.includes(error);
  return names.some(
    (name) =>
      name === error ||
      (alias !== undefined && name === alias) ||
      name === 'States.ALL' ||
      (name === 'States.TaskFailed' && error !== 'States.Timeout'),
  );
}

/** A state has failed. `beforeEntering` tells a fault of reading its data from one of its work. */
export async function failState(run: Run, frame: Frame, failure: StateError): Promise<void> {
  const state = run.stateOf(frame);
  if (failure instanceof HistoryFull) return endExecution(run, 'FAILED', failure);
  if (failure.location !== undefined)
    run.event(frame, 'EvaluationFailed', 'evaluationFailedEventDetails', {
      error: failure.error ?? '',
      cause: failure.cause ?? '',
      location: failure.location,
      state: frame.state,
    });
  const failed = explained(frame, failure);
  const retrier = retrierOf(state, frame, failure);
  if (retrier !== undefined) {
    const at = state.Retry?.indexOf(retrier) ?? 0;
    const retries = (state.Retry ?? []).map((_retrier, index) => (frame.retries[index] ?? 0) + (index === at ? 1 : 0));
    const due = run.now() + pauseMillis(run, retrier, (retries[at] ?? 1) - 1);
    run.change(frame, { ...atRest, retries, phase: 'pause', due, attempt: frame.attempt + 1 });
    return;
  }
  const catcher = catcherOf(state, failure);
  if (catcher === undefined) return uncaught(run, frame, failed);
  try {
    await leave(run, frame, await shapeCaught(new Look(run, frame), catcher, failed), catcher.Next);
  } catch (error) {
    if (!(error instanceof StateError)) throw error;
    await uncaught(run, frame, explained(frame, error));
  }
}

/** The retrier that still has an attempt for an error. The first that names it decides. */
export function retrierOf(state: State, frame: Frame, failure: StateError): Retrier | undefined {
  const at = state.Retry?.findIndex(({ ErrorEquals }) => isNamed(ErrorEquals, failure)) ?? -1;
  const retrier = state.Retry?.[at];
  return retrier !== undefined && (frame.retries[at] ?? 0) < (retrier.MaxAttempts ?? 3) ? retrier : undefined;
}

export function catcherOf(state: State, failure: StateError): Catcher | undefined {
  return state.Catch?.find(({ ErrorEquals }) => isNamed(ErrorEquals, failure));
}

/** What a catcher makes of an error: its output, and the variables that it sets. */
export async function shapeCaught(look: Look, catcher: Catcher, failed: StateError): Promise<Shaped> {
  const output: JsonObject = { Error: failed.error ?? 'States.TaskFailed', Cause: failed.cause ?? '' };
  if (look.jsonata) return look.shapeByRule(catcher, { errorOutput: output }, output);
  return look.bounded({
    output: look.combine(catcher.ResultPath, look.frame.input, output),
    assigned: catcher.Assign === undefined ? {} : (look.template(catcher.Assign, output) as JsonObject),
  });
}

/** What a frame holds of an attempt, forgotten. */
export const atRest = {
  due: undefined,
  timeoutAt: undefined,
  heartbeatAt: undefined,
  heartbeatSeconds: undefined,
  token: undefined,
  parameters: undefined,
  awaited: undefined,
  items: undefined,
  next: undefined,
  limit: undefined,
  running: undefined,
} as const satisfies Partial<Frame>;

/** States.Runtime and failed expressions say which state they befell. */
export function explained(frame: Frame, failure: StateError): StateError {
  const own = failure.error === 'States.Runtime' || failure.error === 'States.IntrinsicFailure' || failure.location !== undefined;
  if (!own || failure.cause?.startsWith('An error occurred') === true) return failure;
  return new StateError(
    failure.error,
    `An error occurred while executing the state '${frame.state}' (entered at the event id #${frame.enteredEvent}). ${failure.cause}`,
  );
}

/** Seconds of "Retrying after an error": interval × rate ^ attempts, bounded, with jitter when asked for. */
function pauseMillis(run: Run, retrier: Retrier, made: number): number {
  const { IntervalSeconds = 1, BackoffRate = 2, MaxDelaySeconds = Number.POSITIVE_INFINITY, JitterStrategy } = retrier;
  const seconds = Math.min(IntervalSeconds * BackoffRate ** made, MaxDelaySeconds, 31_622_400);
  const share = JitterStrategy === 'FULL' ? Buffer.from(run.ctx.bytes(4)).readUInt32BE(0) / 2 ** 32 : 1;
  return Math.round(seconds * share * 1000);
}

/** Nothing in the state takes the error: its branch fails, or the execution. */
async function uncaught(run: Run, frame: Frame, failure: StateError): Promise<void> {
  if (frame.parent === undefined) return endExecution(run, 'FAILED', failure, frame);
  await childFailed(run, frame, failure);
}

/** The error as members of event details; what is missing is left out. */
export function errorDetails({ error, cause }: { error?: string | undefined; cause?: string | undefined }): {
  [name: string]: Json;
} {
  return { ...(error === undefined ? {} : { error }), ...(cause === undefined ? {} : { cause }) };
}
