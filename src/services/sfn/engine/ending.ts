/** The end of an execution: its status, its last event, and what is left of its branches. */
import type { StateError } from '../asl/errors.ts';
import { jsonText } from '../asl/values.ts';
import type { Json } from '../../../model/types.ts';
import type { ExecutionStatus } from '../state.ts';
import { errorDetails } from './failures.ts';
import type { Frame, Run } from './run.ts';

/** The execution has reached an End or a Succeed. */
export function succeed(run: Run, frame: Frame, output: Json): void {
  const text = jsonText(output);
  const details = { output: text, outputDetails: { truncated: false } };
  run.event(frame, 'ExecutionSucceeded', 'executionSucceededEventDetails', details);
  close(run, 'SUCCEEDED');
  run.execution.output = text;
}

const endings: Readonly<Record<'FAILED' | 'TIMED_OUT' | 'ABORTED', readonly [type: string, member: string]>> = {
  FAILED: ['ExecutionFailed', 'executionFailedEventDetails'],
  TIMED_OUT: ['ExecutionTimedOut', 'executionTimedOutEventDetails'],
  ABORTED: ['ExecutionAborted', 'executionAbortedEventDetails'],
};

/** The execution ends without output. */
export function endExecution(run: Run, status: 'FAILED' | 'TIMED_OUT' | 'ABORTED', failure: StateError, frame?: Frame): void {
  const [type, member] = endings[status];
  run.event(frame, type, member, errorDetails(failure));
  close(run, status);
  if (failure.error !== undefined) run.execution.error = failure.error;
  if (failure.cause !== undefined) run.execution.cause = failure.cause;
}

/** Branches of a failed execution stay as they are: a redrive continues them. Those of one that has succeeded go. */
function close(run: Run, status: ExecutionStatus): void {
  const { execution } = run;
  execution.status = status;
  execution.stop = run.now();
  for (const frame of run.frames.values()) abandonWork(run, frame);
  if (status === 'SUCCEEDED') for (const frame of [...run.frames.values()]) run.remove(frame);
}

/** What a frame awaits outside of this execution is told that nobody waits any more. */
export function abandonWork(run: Run, frame: Frame): void {
  if (frame.awaited !== undefined) run.effects.push({ kind: 'abandon', awaited: frame.awaited });
}
