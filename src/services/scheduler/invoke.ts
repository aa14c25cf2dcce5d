/** Invocations: at their time, late within a window, again after a failure, into the dead-letter queue at last. */
import type { Millis } from '../../base/clock.ts';
import type { Context, Transaction } from '../../kernel/context.ts';
import { AwsError } from '../../kernel/errors.ts';
import type { Task } from '../../kernel/service.ts';
import type { Value } from '../../store/store.ts';
import type { CloudWatchApi } from '../cloudwatch/api.ts';
import type { SqsApi } from '../sqs/api.ts';
import { type ScheduleRow, Schedules } from './state.ts';
import { scheduleArn } from './schedules.ts';
import { ageSecondsMax, callTarget, retriesMax } from './targets.ts';
import { nextTime } from './times.ts';

const minute = 60_000;
const pauseMin: Millis = 1000;
const pauseMax: Millis = 600_000;
/** Codes of status 400 that mean a target has no room just now. */
const throttled = /Throttl|ProvisionedThroughputExceeded|LimitExceeded|TooManyRequests|ServiceUnavailable/;

/** What waits to be called: the invocation and how often it was tried. */
interface Attempt {
  group: string;
  name: string;
  due: Millis;
  id: string;
  made: number;
  since: Millis;
}

/** Sees that the schedule's next invocation waits, or that none does. A schedule that is over goes when it is meant to. */
export async function arm(tx: Transaction, row: ScheduleRow, after: Millis): Promise<void> {
  const key = `${row.group}/${row.name}`;
  const due = row.enabled ? nextTime(row, after) : undefined;
  if (due !== undefined) await tx.schedule({ task: 'invoke', key, due });
  else await tx.unschedule('invoke', key);
}

/** A schedule's time has come. `key` is group and name. */
export const invoke: Task = async ({ key, due }, ctx) => {
  const [group = '', name = ''] = key.split('/');
  await ctx.transact(async (tx) => {
    const row = await tx.table(Schedules).get(group, name);
    if (row === undefined || !row.enabled) return;
    const attempt: Attempt = { group, name, due, id: ctx.uuid(), made: 0, since: due };
    await tx.schedule({ task: 'attempt', key: attempt.id, due: due + delayOf(ctx, row), payload: attempt as unknown as Value });
    await arm(tx, row, due);
    if (row.deleteAfter && nextTime(row, due) === undefined)
      await tx.table(Schedules).put({ ...row, enabled: false, ending: attempt.id });
  });
};

/** A moment of the schedule's window, at random ("Configuring flexible time windows"). */
function delayOf(ctx: Context, { windowMinutes }: ScheduleRow): Millis {
  if (windowMinutes === undefined) return 0;
  const [high = 0, low = 0] = ctx.bytes(2);
  return Math.floor(((high * 256 + low) / 65_536) * windowMinutes * minute);
}

/** Calls the target of an invocation, once more perhaps. */
export const attempt: Task = async ({ payload }, ctx) => {
  const given = payload as unknown as Attempt;
  const row = await ctx.table(Schedules).get(given.group, given.name);
  if (row === undefined) return;
  const arn = scheduleArn(ctx, row.group, row.name);
  const { retries = retriesMax, ageSeconds = ageSecondsMax } = row.target.retry ?? {};
  const counts: Record<string, number> = { InvocationAttemptCount: 1 };
  try {
    await callTarget(ctx, row.target, { scheduleArn: arn, due: given.due, id: given.id, attempt: given.made + 1 });
  } catch (error) {
    if (!(error instanceof AwsError)) throw error;
    counts['TargetErrorCount'] = 1;
    const due = ctx.clock.now() + Math.min(pauseMin * 2 ** Math.min(given.made, 20), pauseMax);
    const mayPass = error.status >= 500 || throttled.test(error.code);
    if (mayPass && given.made < retries && due <= given.since + ageSeconds * 1000) {
      const again = { ...given, made: given.made + 1 } as unknown as Value;
      await ctx.transact((tx) => tx.schedule({ task: 'attempt', key: given.id, due, payload: again }));
      return count(ctx, row, counts);
    }
    counts[(await toDeadLetters(ctx, row, given, error)) ? 'InvocationsSentToDeadLetterCount' : 'InvocationDroppedCount'] = 1;
  }
  await count(ctx, row, counts);
  await ctx.transact(async (tx) => {
    const now = await tx.table(Schedules).get(row.group, row.name);
    if (now?.ending === given.id) await tx.table(Schedules).delete(row.group, row.name);
  });
};

async function count(ctx: Context, { group }: ScheduleRow, counts: Readonly<Record<string, number>>): Promise<void> {
  const cloudwatch = await ctx.internal<CloudWatchApi>('cloudwatch');
  const at = ctx.clock.now();
  await cloudwatch.putMetrics(
    ctx,
    'AWS/Scheduler',
    Object.entries(counts).map(([name, value]) => ({ name, value, unit: 'Count', dimensions: { ScheduleGroup: group }, at })),
  );
}

/** Whether the invocation is in the target's dead-letter queue. */
async function toDeadLetters(ctx: Context, row: ScheduleRow, given: Attempt, failure: AwsError): Promise<boolean> {
  const { target } = row;
  if (target.deadLetters === undefined) return false;
  const text = (StringValue: string) => ({ DataType: 'String', StringValue });
  const sourceArn = scheduleArn(ctx, row.group, row.name);
  const message = {
    body: target.input ?? '',
    attributes: {
      SCHEDULE_ARN: text(sourceArn),
      TARGET_ARN: text(target.arn),
      ERROR_CODE: text(failure.code),
      ERROR_MESSAGE: text(failure.message),
      EXECUTION_ID: text(given.id),
      EXECUTION_TIME: text(new Date(given.due).toISOString()),
      RETRY_ATTEMPTS: text(String(given.made)),
    },
  };
  const sqs = await ctx.internal<SqsApi>('sqs');
  return sqs
    .send(target.deadLetters, message, { principal: 'scheduler.amazonaws.com', sourceArn, sourceAccount: ctx.account })
    .then(
      () => true,
      (error: unknown) => {
        if (!(error instanceof AwsError)) throw error;
        return false;
      },
    );
}
