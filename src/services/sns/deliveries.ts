/**
 * From topics to subscribers. One job per topic hands messages on in the order in which they were published: queues and letters at once, HTTP by
 * attempts of their own, which no job waits for. What fails is tried again by the clock; what fails for good goes to the dead-letter queue.
 */
import type { Millis } from '../../base/clock.ts';
import type { Context } from '../../kernel/context.ts';
import { AwsError } from '../../kernel/errors.ts';
import { post } from '../../kernel/outbox.ts';
import type { FiredJob } from '../../kernel/service.ts';
import { comesByReplay, runReplay } from './archives.ts';
import { topicArn } from './arns.ts';
import { type Answer, DeliveryFailure, letterFrom, send, sqsAttributes, toEndpoint, toQueue } from './channels.ts';
import { delayAfter, retriesOf } from './delivery-policies.ts';
import { tellOutcome } from './feedback.ts';
import { takes } from './filters.ts';
import { confirmationJson, confirmUrl, notificationJson, textFor } from './messages.ts';
import { count } from './metrics.ts';
import { parseRedrive } from './subscriptions.ts';
import { unseal } from './sealing.ts';
import {
  Attempts,
  type AttemptRow,
  Duplicates,
  type NoticeRow,
  Notices,
  type SubscriptionRow,
  Subscriptions,
  type TopicRow,
  Topics,
} from './state.ts';

const pieceNotices = 50;
/** While an attempt runs, the job that would repeat it after a crash waits so long. */
const leaseMillis: Millis = 30_000;

/** Hands on what was published to a topic. `key` is its name. */
export async function deliver({ key: name }: FiredJob, ctx: Context): Promise<void> {
  for (;;) {
    const topic = await ctx.table(Topics).get(name);
    const notices = await ctx.table(Notices).list({ prefix: [name], limit: pieceNotices });
    if (notices.length === 0) return;
    const subscriptions = topic === undefined ? [] : await ctx.table(Subscriptions).list({ prefix: [name] });
    const confirmed = subscriptions.filter(({ token }) => token === undefined);
    for (const stored of notices) {
      const notice = topic === undefined ? undefined : await open(ctx, name, stored);
      if (notice === 'later') {
        await ctx.transact((tx) => tx.schedule({ task: 'deliver', key: name, due: ctx.clock.now() + leaseMillis }));
        return;
      }
      const takers = confirmed.filter((row) => !comesByReplay(row, stored));
      if (topic !== undefined && notice !== undefined) await fanOut(ctx, topic, takers, { notice, stored });
      await ctx.transact((tx) => tx.table(Notices).delete(name, stored.at, stored.id));
    }
  }
}

/** A message as it was published; `later` when its topic's key opens nothing now: an encrypted topic waits until its key does again. */
async function open(ctx: Context, topic: string, stored: NoticeRow): Promise<NoticeRow | 'later'> {
  try {
    const notice = await unseal(ctx, topic, stored);
    return notice.sequence === undefined ? notice : { ...notice, id: notice.id.slice(notice.sequence.length + 1) };
  } catch (error) {
    if (!(error instanceof AwsError)) throw error;
    ctx.trace(`SNS: a message of ${topic} cannot be opened: ${error.message}`);
    return 'later';
  }
}

/** A message, and the form in which it may lie in rows. */
interface Opened {
  notice: NoticeRow;
  stored: NoticeRow;
}

async function fanOut(ctx: Context, topic: TopicRow, subscriptions: readonly SubscriptionRow[], opened: Opened): Promise<void> {
  const takers = subscriptions.filter((row) => takes(row, opened.notice));
  const filtered = subscriptions.length - takers.length;
  if (filtered > 0) count(ctx, topic.name, 'NumberOfNotificationsFilteredOut', filtered);
  await Promise.all(takers.map((row) => handOn(ctx, topic, row, opened)));
}

async function handOn(ctx: Context, topic: TopicRow, row: SubscriptionRow, { notice, stored }: Opened): Promise<void> {
  const attempt: AttemptRow = { id: ctx.uuid(), notice: stored, subscription: row.id, topic: topic.name, made: 0 };
  if (row.protocol === 'http' || row.protocol === 'https') {
    await ctx.transact(async (tx) => {
      await tx.table(Attempts).put(attempt);
      await tx.schedule({ task: 'attempt', key: attempt.id, due: ctx.clock.now() });
    });
    return;
  }
  await settle(ctx, topic, row, attempt, notice);
}

/** Delivers what a replay has come to. `key` is topic and subscription. */
export function replay(job: FiredJob, ctx: Context): Promise<void> {
  return runReplay(job, ctx, async (_ctx, topic, row, stored) => {
    const notice = await open(ctx, topic.name, stored);
    if (notice !== 'later') await fanOut(ctx, topic, [row], { notice, stored });
  });
}

/** Runs one attempt and writes down how it went: done, again later, or undeliverable. */
async function settle(
  ctx: Context,
  topic: TopicRow,
  row: SubscriptionRow,
  attempt: AttemptRow,
  notice: NoticeRow,
): Promise<void> {
  const made = attempt.made + 1;
  const result = await send(ctx, topic, row, notice).catch((error: unknown) => {
    if (error instanceof DeliveryFailure) return error;
    throw error;
  });
  const tell = (answer: Answer, failed: boolean) => tellOutcome(ctx, topic, row, { notice, answer, failed, attempts: made });
  if (!(result instanceof DeliveryFailure)) {
    count(ctx, topic.name, 'NumberOfNotificationsDelivered');
    await tell(result, false);
    if (attempt.made === 0 && row.protocol !== 'http' && row.protocol !== 'https') return;
    await forgetAttempt(ctx, attempt);
    return;
  }
  const policy = retriesOf(['sqs', 'lambda', 'firehose'].includes(row.protocol), topic.deliveryPolicy, row.deliveryPolicy);
  const delay = result.permanent ? undefined : delayAfter(policy, made);
  if (delay === undefined) {
    count(ctx, topic.name, 'NumberOfNotificationsFailed');
    await tell(result.answer, true);
    await toDeadLetters(ctx, topic, row, notice, result);
    await forgetAttempt(ctx, attempt);
    return;
  }
  await ctx.transact(async (tx) => {
    await tx.table(Attempts).put({ ...attempt, made });
    await tx.schedule({ task: 'attempt', key: attempt.id, due: ctx.clock.now() + delay });
  });
}

async function forgetAttempt(ctx: Context, { id }: AttemptRow): Promise<void> {
  await ctx.transact(async (tx) => {
    await tx.table(Attempts).delete(id);
    await tx.unschedule('attempt', id);
  });
}

/** Attempts that run in this process: after a crash there are none, and their jobs fire again. Rebuildable, by cloud. */
const runningCache = new WeakMap<object, Set<string>>();

function runningOf(ctx: Context): Set<string> {
  let running = runningCache.get(ctx.clock);
  if (running === undefined) {
    running = new Set();
    runningCache.set(ctx.clock, running);
  }
  return running;
}

/** Begins an attempt and does not wait for its end: an endpoint may take 15 seconds to answer. `key` is its id. */
export async function attempt({ key: id }: FiredJob, ctx: Context): Promise<void> {
  const row = await ctx.table(Attempts).get(id);
  if (row === undefined) return;
  await ctx.transact((tx) => tx.schedule({ task: 'attempt', key: id, due: ctx.clock.now() + leaseMillis }));
  const running = runningOf(ctx);
  if (running.has(id)) return;
  running.add(id);
  void ctx.underWay(runAttempt(ctx, row).finally(() => running.delete(id)));
}

async function runAttempt(ctx: Context, row: AttemptRow): Promise<void> {
  const topic = await ctx.table(Topics).get(row.topic);
  const subscription = await ctx.table(Subscriptions).get(row.topic, row.subscription);
  if (topic === undefined || subscription === undefined) return forgetAttempt(ctx, row);
  try {
    const notice = await open(ctx, topic.name, row.notice);
    // What cannot be opened now is tried again when the job comes back.
    if (notice !== 'later') await settle(ctx, topic, subscription, row, notice);
  } catch (error) {
    // Its job is still there and will come back to it.
    ctx.trace(`SNS: an attempt failed by a bug of Pilvi: ${String(error)}`);
  }
}

/** Puts what could not be delivered into the subscription's dead-letter queue, if it has one. */
async function toDeadLetters(
  ctx: Context,
  topic: TopicRow,
  row: SubscriptionRow,
  notice: NoticeRow,
  failure: DeliveryFailure,
): Promise<void> {
  if (row.redrivePolicy === undefined) return;
  const body = row.raw ? textFor(notice, row.protocol) : await notificationJson(ctx, topic, row, notice);
  const text = (StringValue: string) => ({ DataType: 'String', StringValue });
  const attributes = {
    ...(row.raw ? sqsAttributes(notice) : {}),
    RequestID: text(notice.id),
    ErrorCode: text(failure.permanent ? '400' : '500'),
    ErrorMessage: text(failure.message),
  };
  await toQueue(ctx, topic, parseRedrive(row.redrivePolicy), {
    body,
    attributes,
    group: notice.group,
    deduplication: notice.deduplication,
  }).then(
    () => count(ctx, topic.name, 'NumberOfNotificationsRedrivenToDlq'),
    (error: unknown) => {
      // A dead-letter queue that takes nothing loses the message, as in AWS.
      if (!(error instanceof DeliveryFailure)) throw error;
      count(ctx, topic.name, 'NumberOfNotificationsFailedToRedriveToDlq');
    },
  );
}

/** Asks an endpoint, in its own way, to confirm. What cannot be reached stays pending. */
export async function askToConfirm(ctx: Context, topic: TopicRow, row: SubscriptionRow): Promise<void> {
  if (row.protocol === 'email' || row.protocol === 'email-json') {
    const arn = topicArn(ctx, topic.name);
    const body =
      row.protocol === 'email-json'
        ? (await confirmationJson(ctx, topic, row)).body
        : `You have chosen to subscribe to the topic:\n${arn}\n\nTo confirm this subscription, visit the link below:\n${confirmUrl(ctx, row)}\n`;
    const letter = {
      kind: 'email',
      from: letterFrom,
      to: row.endpoint,
      subject: 'AWS Notification - Subscription Confirmation',
      body,
    } as const;
    await ctx.transact((tx) => post(ctx, tx, ctx, letter));
    return;
  }
  const { id, body } = await confirmationJson(ctx, topic, row);
  const asking =
    row.protocol === 'sqs'
      ? toQueue(ctx, topic, row.endpoint, { body, group: 'confirmation', deduplication: id })
      : toEndpoint(ctx, topic, row, 'SubscriptionConfirmation', id, body);
  const unanswered = asking.catch((error: unknown) => {
    if (!(error instanceof DeliveryFailure)) throw error;
  });
  // A queue answers at once; an endpoint may take its time, which Subscribe does not wait for.
  if (row.protocol === 'sqs') await unanswered;
}

/** Forgets a deduplication id. `key` is topic, scope and id. */
export async function forget({ key }: FiredJob, ctx: Context): Promise<void> {
  const [topic = '', scope = '', deduplication = ''] = key.split(' ');
  await ctx.transact((tx) => tx.table(Duplicates).delete(topic, scope, deduplication));
}
