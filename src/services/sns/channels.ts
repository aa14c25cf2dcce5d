/** The ways to subscribers: one message to one of them, whatever its protocol. */
import type { Context } from '../../kernel/context.ts';
import { AwsError } from '../../kernel/errors.ts';
import { post } from '../../kernel/outbox.ts';
import type { ServiceMessage, SqsApi } from '../sqs/api.ts';
import type { StsApi } from '../sts/api.ts';
import { subscriptionArn, topicArn } from './arns.ts';
import { postTo } from './http-endpoints.ts';
import { functionEvent, notificationJson, textFor, unsubscribeUrl } from './messages.ts';
import { push } from './platforms.ts';
import type { NoticeRow, SubscriptionRow, TopicRow } from './state.ts';

export const letterFrom = 'no-reply@sns.amazonaws.com';
/** Of what an endpoint answers, so much is written to logs. */
const responseCharsMax = 1024;

/** What a subscriber answered: its status, and what is told of it in the log of deliveries. */
export interface Answer {
  status: number;
  response: string;
}

/** An attempt failed: for good, or it may be tried again. */
export class DeliveryFailure extends Error {
  readonly permanent: boolean;
  readonly answer: Answer;
  constructor(message: string, permanent: boolean, answer: Answer) {
    super(message);
    this.permanent = permanent;
    this.answer = answer;
  }
}

/** Hands a message to one subscriber; what it answered. Throws DeliveryFailure. */
export async function send(ctx: Context, topic: TopicRow, row: SubscriptionRow, notice: NoticeRow): Promise<Answer> {
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
    case 'application':
      return toDevice(ctx, row.endpoint, notice);
    case 'http':
    case 'https':
      return toEndpoint(ctx, topic, row, 'Notification', notice.id, body);
    default: {
      const subject = notice.subject ?? (row.protocol === 'sms' ? undefined : 'AWS Notification Message');
      const kind = row.protocol === 'sms' ? 'sms' : 'email';
      const from = row.protocol === 'sms' ? 'NOTICE' : letterFrom;
      await ctx.transact((tx) => post(ctx, tx, ctx, { kind, from, to: row.endpoint, subject, body }));
      return { status: 200, response: 'Message has been accepted by phone carrier' };
    }
  }
}

async function bodyFor(ctx: Context, topic: TopicRow, row: SubscriptionRow, notice: NoticeRow): Promise<string> {
  if (row.protocol === 'sms') return textFor(notice, 'sms');
  if (row.protocol !== 'email') return notificationJson(ctx, topic, row, notice);
  return `${textFor(notice, 'email')}\n\n--\nIf you wish to stop receiving notifications from this topic, please visit the link below to unsubscribe:\n${unsubscribeUrl(ctx, row)}\n`;
}

export function sqsAttributes({ attributes }: NoticeRow): ServiceMessage['attributes'] {
  if (attributes === undefined) return undefined;
  return Object.fromEntries(
    Object.entries(attributes).map(([name, { type, text, bytes }]) => [
      name,
      { DataType: type, ...(bytes === undefined ? { StringValue: text } : { BinaryValue: bytes }) },
    ]),
  );
}

/** Sends to a queue. Throws DeliveryFailure. */
export async function toQueue(ctx: Context, topic: TopicRow, arn: string, message: ServiceMessage): Promise<Answer> {
  const sqs = await ctx.internal<SqsApi>('sqs');
  const sender = { principal: 'sns.amazonaws.com', sourceArn: topicArn(ctx, topic.name), sourceAccount: ctx.account };
  const { messageId } = await sqs.send(arn, message, sender).catch((error: unknown) => fail(error, 'sqs'));
  return { status: 200, response: JSON.stringify({ sqsRequestId: ctx.requestId, sqsMessageId: messageId }) };
}

/** "Client-side errors … SNS doesn't retry": a queue that is gone, a policy that does not let it. Anything but an `AwsError` is a bug and thrown on. */
function fail(error: unknown, service: string): never {
  if (!(error instanceof AwsError)) throw error;
  const permanent = error.status < 500 && error.status !== 429;
  const said = JSON.stringify({ ErrorCode: error.code, ErrorMessage: error.message, [`${service}RequestId`]: 'Unrecoverable' });
  throw new DeliveryFailure(error.code, permanent, { status: error.status, response: said });
}

/** Calls a function, which does not keep the message waiting ("Fanout to Lambda functions"): its policy lets the topic. */
async function toFunction(ctx: Context, topic: TopicRow, row: SubscriptionRow, notice: NoticeRow): Promise<Answer> {
  const { StatusCode = 202 } = await ctx
    .onAccountOf(topicArn(ctx, topic.name))
    .inScope({ region: row.endpoint.split(':')[3] ?? ctx.region })
    .call('lambda')
    .invoke({
      FunctionName: row.endpoint,
      InvocationType: 'Event',
      Payload: Buffer.from(await functionEvent(ctx, topic, row, notice)),
    })
    .catch((error: unknown) => fail(error, 'lambda'));
  return { status: StatusCode, response: JSON.stringify({ lambdaRequestId: ctx.requestId }) };
}

/** Puts a record by the subscription's role ("Fanout to Firehose delivery streams"). */
async function toFirehose(ctx: Context, row: SubscriptionRow, body: string): Promise<Answer> {
  try {
    const sts = await ctx.internal<StsApi>('sts');
    const identity = await sts.roleIdentity({ roleArn: row.role ?? '', sessionName: 'SNS', service: 'sns' });
    const DeliveryStreamName = row.endpoint.slice(row.endpoint.indexOf('deliverystream/') + 'deliverystream/'.length);
    const { RecordId } = await ctx
      .asIdentity(identity)
      .call('firehose')
      .putRecord({ DeliveryStreamName, Record: { Data: Buffer.from(body) } });
    return { status: 200, response: JSON.stringify({ firehoseRequestId: ctx.requestId, firehoseRecordId: RecordId }) };
  } catch (error) {
    return fail(error, 'firehose');
  }
}

/** Pushes to a device; one that is gone or disabled is not tried again. */
async function toDevice(ctx: Context, arn: string, notice: NoticeRow): Promise<Answer> {
  await push(ctx, arn, notice).catch((error: unknown) => fail(error, 'application'));
  return { status: 200, response: 'accepted' };
}

/** Posts to an endpoint of HTTP. Throws DeliveryFailure. */
export async function toEndpoint(
  ctx: Context,
  topic: TopicRow,
  row: SubscriptionRow,
  type: string,
  id: string,
  body: string,
): Promise<Answer> {
  const { status, body: said } = await postTo(ctx, row.endpoint, body, {
    'x-amz-sns-message-type': type,
    'x-amz-sns-message-id': id,
    'x-amz-sns-topic-arn': topicArn(ctx, topic.name),
    ...(row.token === undefined ? { 'x-amz-sns-subscription-arn': subscriptionArn(ctx, topic.name, row.id) } : {}),
    ...(row.raw && type === 'Notification' ? { 'x-amz-sns-rawdelivery': 'true' } : {}),
  });
  const answer = { status, response: said.slice(0, responseCharsMax) };
  if (status >= 200 && status < 300) return answer;
  throw new DeliveryFailure(`HTTP ${status}`, status >= 400 && status < 500 && status !== 429, answer);
}
