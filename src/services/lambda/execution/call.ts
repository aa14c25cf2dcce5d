/** One call with what surrounds it: a place among those that may run, and the metrics ("Types of metrics for Lambda functions"). */
import type { Context } from '../../../kernel/context.ts';
import { AwsError } from '../../../kernel/errors.ts';
import type { Invocation } from '../../../planes/functions/types.ts';
import { admit, runningCalls } from '../concurrency.ts';
import { requireTarget, type Target } from '../lookup.ts';
import { at, versionName } from '../names.ts';
import { putMetrics } from './metrics.ts';
import { run, type RunResult } from './run.ts';

export interface CallInput {
  payload: Uint8Array;
  requestId: string;
  clientContext?: string | undefined;
  onStream?: Invocation['onStream'];
  /** Told the version that the call goes to. */
  onVersion?: ((version: string) => void) | undefined;
}

export interface CallResult extends RunResult {
  version: string;
}

/** The version that a call of a target goes to: an alias may share calls between two. */
async function routed(ctx: Context, target: Target): Promise<Target> {
  const { alias } = target;
  if (alias?.routed === undefined) return target;
  const draw = (ctx.bytes(2).reduce((all, byte) => all * 256 + byte, 0) % 10_000) / 10_000;
  if (draw >= alias.routed.weight) return target;
  const other = await requireTarget(ctx, { ...target.ref, qualifier: versionName(alias.routed.version) });
  return { ...target, version: other.version };
}

/** Runs a call of a target, by Lambda itself. Throws TooManyRequestsException, ServiceException, InvalidParameterValueException. */
export async function call(ctx: Context, target: Target, input: CallInput): Promise<CallResult> {
  const here = at(ctx, target.ref).asService();
  let leave: () => void;
  try {
    leave = await admit(here, target.fn);
  } catch (error) {
    if (error instanceof AwsError) putMetrics(here, target, [{ name: 'Throttles', value: 1, unit: 'Count' }]);
    throw error;
  }
  const running = runningCalls(here, target.fn.name);
  try {
    const { version } = await routed(here, target);
    input.onVersion?.(versionName(version.number));
    const result = await here.underWay(run(here, { ...input, ref: target.ref, version }));
    putMetrics(here, target, [
      { name: 'Invocations', value: 1, unit: 'Count' },
      { name: 'Errors', value: result.functionError === undefined ? 0 : 1, unit: 'Count' },
      { name: 'Throttles', value: 0, unit: 'Count' },
      { name: 'Duration', value: result.millis, unit: 'Milliseconds' },
      { name: 'ConcurrentExecutions', value: running, unit: 'Count' },
    ]);
    return { ...result, version: versionName(version.number) };
  } finally {
    leave();
  }
}
