/**
 * From topics to subscribers. One job per topic hands messages on in the order in which they were published: queues and letters at once, HTTP by
 * attempts of their own, which no job waits for. What fails is tried again by the clock; what fails for good goes to the dead-letter queue.
 */
import type { Millis } from '../../base/clock.ts';
import type { Context } from '../../kernel/context.ts';
import { AwsError } from '../../kernel/errors.ts';
import { post } from '../../kernel/outbox.ts';
import type { FiredJob } from '../../kernel/service.ts';
import type { ServiceMessage, SqsApi } from '../sqs/api.ts';
import type { StsApi } from '../sts/api.ts';
import { subscriptionArn, topicArn } from './arns.ts';
import { delayAfter, retriesOf } from './delivery-policies.ts';
import { takes } from './filters.ts';
import { postTo } from './http-endpoints.ts';
import { confirmationJson, confirmUrl, functionEvent, notificationJson, textFor, unsubscribeUrl } from './messages.ts';
import { count } from './metrics.ts';
import { parseRedrive } from './subscriptions.ts';
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
const letterFrom = 'no-reply@sns.amazonaws.com';

/** An attempt failed: for good, or it may be tried again. */
class DeliveryFailure extends Error {
  readonly permanent: boolean;
  constructor(message: string, permanent: boolean) {
    super(message);
    this.permanent = permanent;
  }
}

/** Hands on what was published to a topic. `key` is its name. */
export async function deliver({ key: name }: FiredJob, ctx: Context): Promise<void> {
  for (;;) {
    const topic = await ctx.table(Topics).get(name);
    const notices = await ctx.table(Notices).list({ prefix: [name], limit: pieceNotices });
    if (notices.length === 0) return;
    const subscriptions = topic === undefined ? [] : await ctx.table(Subscriptions).list({ prefix: [name] });
    const confirmed = subscriptions.filter(({ token }) => token === undefined);
    for (const notice of notices) {
      if (topic !== undefined) await fanOut(ctx, topic, confirmed, notice);
      await ctx.transact((tx) => tx.table(Notices).delete(name, notice.at, notice.id));
    }
  }
}

async function fanOut(
  ctx: Context,
  topic: TopicRow,
  subscriptions: readonly SubscriptionRow[],
  stored: NoticeRow,
): Promise<void> {
  const notice = stored.sequence === undefined ? stored : { ...stored, id: stored.id.slice(stored.sequence.length + 1) };
  const takers = subscriptions.filter((row) => takes(row, notice));
  const filtered = subscriptions.length - takers.length;
  if (filtered > 0) count(ctx, topic.name, 'NumberOfNotificationsFilteredOut', filtered);
  await Promise.all(takers.map((row) => handOn(ctx, topic, row, notice)));
}

async function handOn(ctx: Context, topic: TopicRow, row: SubscriptionRow, notice: NoticeRow): Promise<void> {
  const attempt: AttemptRow = { id: ctx.uuid(), notice, subscription: row.id, topic: topic.name, made: 0 };
  if (row.protocol === 'http' || row.protocol === 'https') {
    await ctx.transact(async (tx) => {
      await tx.table(Attempts).put(attempt);
      await tx.schedule({ task: 'attempt', key: attempt.id, due: ctx.clock.now() });
    });
    return;
  }
  await settle(ctx, topic, row, attempt, () => send(ctx, topic, row, notice));
}

/** Runs one attempt and writes down how it went: done, again later, or undeliverable. */
async function settle(
  ctx: Context,
  topic: TopicRow,
  row: SubscriptionRow,
  attempt: AttemptRow,
  work: () => Promise<void>,
): Promise<void> {
  const failure = await work().then(
    () => undefined,
    (error: unknown) => {
      if (error instanceof DeliveryFailure) return error;
      throw error;
    },
  );
  if (failure === undefined) {
    count(ctx, topic.name, 'NumberOfNotificationsDelivered');
    if (attempt.made === 0 && row.protocol !== 'http' && row.protocol !== 'https') return;
    await forgetAttempt(ctx, attempt);
    return;
  }
  const made = attempt.made + 1;
  const policy = retriesOf(['sqs', 'lambda', 'firehose'].includes(row.protocol), topic.deliveryPolicy, row.deliveryPolicy);
  const delay = failure.permanent ? undefined : delayAfter(policy, made);
  if (delay === undefined) {
    count(ctx, topic.name, 'NumberOfNotificationsFailed');
    await toDeadLetters(ctx, topic, row, attempt.notice, failure);
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
  void runAttempt(ctx, row).finally(() => running.delete(id));
}

async function runAttempt(ctx: Context, row: AttemptRow): Promise<void> {
  const topic = await ctx.table(Topics).get(row.topic);
  const subscription = await ctx.table(Subscriptions).get(row.topic, row.subscription);
  if (topic === undefined || subscription === undefined) return forgetAttempt(ctx, row);
  try {
    await settle(ctx, topic, subscription, row, () => send(ctx, topic, subscription, row.notice));
  } catch (error) {
    // Its job is still there and will come back to it.
    ctx.trace(`SNS: an attempt failed by a bug of Pilvi: ${String(error)}`);
  }
}

/** Hands a message to one subscriber. Throws DeliveryFailure. */
async function send(ctx: Context, topic: TopicRow, row: SubscriptionRow, notice: NoticeRow): Promise<void> {
  const body = row.raw ? textFor(notice, row.protocol) : await bodyFor(ctx, topic, row, notice);
  switch (row.protocol) {
    case 'sqs':
      return toQueue(ctx, topic, row.endpoint, {
        body,
        attributes: row.raw ? sqsAttributes(notice) : undefined,
        group: notice.group,
        deduplication: notice.deduplication,
      });
    case 'firehose':
      return toFirehose(ctx, row, body);
    case 'lambda':
      return toFunction(ctx, topic, row, notice);
    case 'http':
    case 'https':
      return toEndpoint(ctx, topic, row, 'Notification', notice.id, body);
    default: {
      const subject = notice.subject ?? (row.protocol === 'sms' ? undefined : 'AWS Notification Message');
      const kind = row.protocol === 'sms' ? 'sms' : 'email';
      const from = row.protocol === 'sms' ? 'NOTICE' : letterFrom;
      await ctx.transact((tx) => post(ctx, tx, ctx, { kind, from, to: row.endpoint, subject, body }));
    }
  }
}

async function bodyFor(ctx: Context, topic: TopicRow, row: SubscriptionRow, notice: NoticeRow): Promise<string> {
  if (row.protocol === 'sms') return textFor(notice, 'sms');
  if (row.protocol !== 'email') return notificationJson(ctx, topic, row, notice);
  return `${textFor(notice, 'email')}\n\n--\nIf you wish to stop receiving notifications from this topic, please visit the link below to unsubscribe:\n${unsubscribeUrl(ctx, row)}\n`;
}

function sqsAttributes({ attributes }: NoticeRow): ServiceMessage['attributes'] {
  if (attributes === undefined) return undefined;
  return Object.fromEntries(
    Object.entries(attributes).map(([name, { type, text, bytes }]) => [
      name,
      { DataType: type, ...(bytes === undefined ? { StringValue: text } : { BinaryValue: bytes }) },
    ]),
  );
}

async function toQueue(ctx: Context, topic: TopicRow, arn: string, message: ServiceMessage): Promise<void> {
  const sqs = await ctx.internal<SqsApi>('sqs');
  try {
    await sqs.send(arn, message, {
      principal: 'sns.amazonaws.com',
      sourceArn: topicArn(ctx, topic.name),
      sourceAccount: ctx.account,
    });
  } catch (error) {
    // "Client-side errors … SNS doesn't retry": a queue that is gone, a policy that does not let it.
    if (error instanceof AwsError) throw new DeliveryFailure(error.code, error.status < 500);
    throw error;
  }
}

/** Calls a function, which does not keep the message waiting ("Fanout to Lambda functions"): its policy lets the topic. */
async function toFunction(ctx: Context, topic: TopicRow, row: SubscriptionRow, notice: NoticeRow): Promise<void> {
  try {
    await ctx
      .onAccountOf(topicArn(ctx, topic.name))
      .inScope({ region: row.endpoint.split(':')[3] ?? ctx.region })
      .call('lambda')
      .invoke({
        FunctionName: row.endpoint,
        InvocationType: 'Event',
        Payload: Buffer.from(await functionEvent(ctx, topic, row, notice)),
      });
  } catch (error) {
    if (error instanceof AwsError) throw new DeliveryFailure(error.code, error.status < 500 && error.status !== 429);
    throw error;
  }
}

/** Puts a record by the subscription's role ("Fanout to Firehose delivery streams"). */
async function toFirehose(ctx: Context, row: SubscriptionRow, body: string): Promise<void> {
  try {
    const sts = await ctx.internal<StsApi>('sts');
    const identity = await sts.roleIdentity({ roleArn: row.role ?? '', sessionName: 'SNS', service: 'sns' });
    const DeliveryStreamName = row.endpoint.slice(row.endpoint.indexOf('deliverystream/') + 'deliverystream/'.length);
    await ctx
      .asIdentity(identity)
      .call('firehose')
      .putRecord({ DeliveryStreamName, Record: { Data: Buffer.from(body) } });
  } catch (error) {
    if (error instanceof AwsError) throw new DeliveryFailure(error.code, error.status < 500);
    throw error;
  }
}

async function toEndpoint(
  ctx: Context,
  topic: TopicRow,
  row: SubscriptionRow,
  type: string,
  id: string,
  body: string,
): Promise<void> {
  const status = await postTo(ctx, row.endpoint, body, {
    'x-amz-sns-message-type': type,
    'x-amz-sns-message-id': id,
    'x-amz-sns-topic-arn': topicArn(ctx, topic.name),
    ...(row.token === undefined ? { 'x-amz-sns-subscription-arn': subscriptionArn(ctx, topic.name, row.id) } : {}),
    ...(row.raw && type === 'Notification' ? { 'x-amz-sns-rawdelivery': 'true' } : {}),
  });
  if (status >= 200 && status < 300) return;
  throw new DeliveryFailure(`HTTP ${status}`, status >= 400 && status < 500 && status !== 429);
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
