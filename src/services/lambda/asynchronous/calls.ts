/**
 * Calls that nobody waits for: accepted, then run until they succeed, have been tried often enough, or are too old. What the function fails is tried twice
 * more, after one minute and after two; what never reached it is tried until it is too old, at growing distances ("Asynchronous invocation").
 */
import type { Millis } from '../../../base/clock.ts';
import type { Context } from '../../../kernel/context.ts';
import { AwsError } from '../../../kernel/errors.ts';
import type { FiredJob } from '../../../kernel/service.ts';
import { call, type CallResult } from '../execution/call.ts';
import { putMetrics } from '../execution/metrics.ts';
import { requireActive } from '../invoke.ts';
import { requireTarget, type Target } from '../lookup.ts';
import { functionArn, latest } from '../names.ts';
import { AsyncCalls, type AsyncRow, EventInvokes, type EventInvokeRow } from '../state.ts';
import { actBy, queueUrl, type OutcomeRecord, sendTo } from './destinations.ts';

const retriesDefault = 2;
const ageSecondsDefault = 21_600;
const retryMillis: readonly Millis[] = [60_000, 120_000];
const heldMillisMin = 1000;
const heldMillisMax = 300_000;
/** While an attempt runs, the job that would repeat it after a crash waits so long: longer than any call. */
const leaseMillis: Millis = 1_200_000;

/** Accepts a call. */
export async function accept(
  ctx: Context,
  target: Target,
  row: Pick<AsyncRow, 'id' | 'payload' | 'clientContext'>,
): Promise<void> {
  await ctx.transact(async (tx) => {
    await tx.table(AsyncCalls).put({
      ...row,
      function: target.ref.name,
      qualifier: target.ref.qualifier,
      accepted: ctx.clock.now(),
      failed: 0,
      held: 0,
    });
    await tx.schedule({ task: 'attempt', key: row.id, due: ctx.clock.now() });
  });
  putMetrics(ctx, target, [{ name: 'AsyncEventsReceived', value: 1, unit: 'Count' }]);
}

/** Attempts that run in this process: after a crash there are none, and their jobs fire again. Rebuildable, by cloud. */
const attemptsCache = new WeakMap<object, Set<string>>();

function attemptsOf(ctx: Context): Set<string> {
  let attempts = attemptsCache.get(ctx.clock);
  if (attempts === undefined) {
    attempts = new Set();
    attemptsCache.set(ctx.clock, attempts);
  }
  return attempts;
}

/** Begins an attempt and does not wait for its end, which may be 15 minutes away. `key` is the call's id. */
export async function attempt({ key: id }: FiredJob, ctx: Context): Promise<void> {
  const row = await ctx.table(AsyncCalls).get(id);
  if (row === undefined) return;
  await ctx.transact((tx) => tx.schedule({ task: 'attempt', key: id, due: ctx.clock.now() + leaseMillis }));
  const attempts = attemptsOf(ctx);
  if (attempts.has(id)) return;
  attempts.add(id);
  const work = run(ctx, row)
    .catch((error: unknown) => ctx.trace(`An attempt failed by a bug of Pilvi: ${String(error)}`))
    .finally(() => attempts.delete(id));
  void ctx.underWay(work);
}

async function run(ctx: Context, row: AsyncRow): Promise<void> {
  const config = await configOf(ctx, row.function, row.qualifier);
  const ref = { account: ctx.account, region: ctx.region, name: row.function, qualifier: row.qualifier };
  const target = await requireTarget(ctx, ref).catch(() => undefined);
  // A function that is gone takes its calls along.
  if (target === undefined) return forget(ctx, row);
  const expires = row.accepted + (config?.ageSeconds ?? ageSecondsDefault) * 1000;
  if (ctx.clock.now() > expires) return giveUp(ctx, target, row, config, undefined, 'EventAgeExceeded');
  putMetrics(ctx, target, [{ name: 'AsyncEventAge', value: ctx.clock.now() - row.accepted, unit: 'Milliseconds' }]);
  let result: CallResult;
  try {
    requireActive(target);
    result = await call(ctx, target, { payload: row.payload, requestId: row.id, clientContext: row.clientContext });
  } catch (error) {
    if (!(error instanceof AwsError)) throw error;
    const due = ctx.clock.now() + Math.min(heldMillisMax, heldMillisMin * 2 ** Math.min(row.held, 10));
    if (due > expires) return giveUp(ctx, target, row, config, undefined, 'EventAgeExceeded');
    return again(ctx, { ...row, held: row.held + 1 }, due);
  }
  if (result.functionError === undefined) {
    await forget(ctx, row);
    if (config?.onSuccess !== undefined) await tell(ctx, target, row, config.onSuccess, result, 'Success');
    return;
  }
  const failed = row.failed + 1;
  const due = ctx.clock.now() + (retryMillis[row.failed] ?? 0);
  if (failed > (config?.retries ?? retriesDefault))
    return giveUp(ctx, target, { ...row, failed }, config, result, 'RetriesExhausted');
  if (due > expires) return giveUp(ctx, target, { ...row, failed }, config, result, 'EventAgeExceeded');
  await again(ctx, { ...row, failed }, due);
}

/** The configuration that bears on a call: of its qualifier, none of the function's own. */
async function configOf(ctx: Context, name: string, qualifier: string | undefined): Promise<EventInvokeRow | undefined> {
  return ctx.table(EventInvokes).get(name, qualifier === undefined || qualifier === latest ? '' : qualifier);
}

async function again(ctx: Context, row: AsyncRow, due: Millis): Promise<void> {
  await ctx.transact(async (tx) => {
    if ((await tx.table(AsyncCalls).get(row.id)) === undefined) return;
    await tx.table(AsyncCalls).put(row);
    await tx.schedule({ task: 'attempt', key: row.id, due });
  });
}

async function forget(ctx: Context, { id }: AsyncRow): Promise<void> {
  await ctx.transact(async (tx) => {
    await tx.table(AsyncCalls).delete(id);
    await tx.unschedule('attempt', id);
  });
}

async function giveUp(
  ctx: Context,
  target: Target,
  row: AsyncRow,
  config: EventInvokeRow | undefined,
  result: CallResult | undefined,
  condition: 'RetriesExhausted' | 'EventAgeExceeded',
): Promise<void> {
  await forget(ctx, row);
  if (condition === 'EventAgeExceeded' || result !== undefined)
    putMetrics(ctx, target, [{ name: 'AsyncEventsDropped', value: 1, unit: 'Count' }]);
  if (config?.onFailure !== undefined) await tell(ctx, target, row, config.onFailure, result, condition);
  const letters = target.version.deadLetters;
  if (letters === undefined) return;
  await toDeadLetters(ctx, target, row, letters, result).catch((error: unknown) => {
    if (!(error instanceof AwsError)) throw error;
    putMetrics(ctx, target, [{ name: 'DeadLetterErrors', value: 1, unit: 'Count' }]);
  });
}

/** Hands the record of a call to a destination. A destination that refuses gets nothing, and a metric counts it. */
async function tell(
  ctx: Context,
  target: Target,
  row: AsyncRow,
  destination: string,
  result: CallResult | undefined,
  condition: string,
): Promise<void> {
  const arn = functionArn({ ...target.ref, qualifier: target.ref.qualifier ?? latest });
  const record: OutcomeRecord = {
    functionArn: arn,
    success: condition === 'Success',
    requestId: row.id,
    source: `async/${target.ref.name}`,
    body: JSON.stringify({
      version: '1.0',
      timestamp: new Date(ctx.clock.now()).toISOString(),
      requestContext: {
        requestId: row.id,
        functionArn: arn,
        condition,
        approximateInvokeCount: condition === 'Success' ? row.failed + 1 : row.failed,
      },
      requestPayload: parsed(row.payload),
      ...(result === undefined
        ? {}
        : {
            responseContext: {
              statusCode: 200,
              executedVersion: result.version,
              ...(result.functionError === undefined ? {} : { functionError: result.functionError }),
            },
            responsePayload: parsed(result.payload),
          }),
    }),
  };
  try {
    await sendTo(ctx, target.version.role, target.ref.name, destination, record);
  } catch (error) {
    if (!(error instanceof AwsError)) throw error;
    ctx.trace(`The destination ${destination} refused: ${error.message}`);
    putMetrics(ctx, target, [{ name: 'DestinationDeliveryFailures', value: 1, unit: 'Count' }]);
  }
}

function parsed(bytes: Uint8Array): unknown {
  const text = Buffer.from(bytes).toString('utf8');
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

/** The event itself goes to the dead-letter queue or topic, with what happened as attributes. */
async function toDeadLetters(
  ctx: Context,
  { version, ref }: Target,
  row: AsyncRow,
  arn: string,
  result: CallResult | undefined,
): Promise<void> {
  const acting = await actBy(ctx, version.role, ref.name);
  const [, , service, region = '', account = '', name = ''] = arn.split(':');
  const body = Buffer.from(row.payload).toString('utf8');
  const told = result === undefined ? undefined : (parsed(result.payload) as { errorMessage?: string } | undefined);
  const text = (StringValue: string) => ({ DataType: 'String', StringValue: StringValue.slice(0, 1024) || ' ' });
  const MessageAttributes = {
    RequestID: text(row.id),
    ErrorCode: { DataType: 'Number', StringValue: result === undefined ? '500' : '200' },
    ErrorMessage: text(told?.errorMessage ?? 'The event was too old.'),
  };
  if (service === 'sqs')
    await acting
      .inScope({ region })
      .call('sqs')
      .sendMessage({ QueueUrl: queueUrl(ctx, region, account, name), MessageBody: body, MessageAttributes });
  else await acting.inScope({ region }).call('sns').publish({ TopicArn: arn, Message: body, MessageAttributes });
}
