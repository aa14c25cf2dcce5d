/**
 * The log of deliveries ("Amazon SNS message delivery status"): what became of a message at a subscriber, written to CloudWatch Logs by the topic's role for
 * its kind of endpoint. Every failure is told, of successes the share that the topic asks for.
 */
import { createHash } from 'node:crypto';
import type { Context } from '../../kernel/context.ts';
import { AwsError } from '../../kernel/errors.ts';
import type { StsApi } from '../sts/api.ts';
import { topicArn } from './arns.ts';
import type { Answer } from './channels.ts';
import { invalidParameter } from './errors.ts';
import type { NoticeRow, Protocol, SubscriptionRow, TopicRow } from './state.ts';

/** Kinds of endpoints, as attributes of topics name them. Letters and phones have no log of their topic. */
const kinds = ['HTTP', 'Application', 'Lambda', 'Firehose', 'SQS'] as const;
const kindsByProtocol: Partial<Readonly<Record<Protocol, (typeof kinds)[number]>>> = {
  http: 'HTTP',
  https: 'HTTP',
  lambda: 'Lambda',
  firehose: 'Firehose',
  sqs: 'SQS',
  application: 'Application',
};
const roleForm = /^arn:aws:iam::\d{12}:role\/.+$/;

/** Names of the attributes that a topic takes for this: `SQSSuccessFeedbackRoleArn`, `SQSSuccessFeedbackSampleRate`, `SQSFailureFeedbackRoleArn`… */
export const feedbackAttributes: readonly string[] = kinds.flatMap((kind) => [
  `${kind}SuccessFeedbackRoleArn`,
  `${kind}SuccessFeedbackSampleRate`,
  `${kind}FailureFeedbackRoleArn`,
]);

/** The topic's feedback after this attribute; an empty value takes it away. Throws InvalidParameter. */
export function setFeedback({ feedback = {} }: TopicRow, name: string, value: string): Pick<TopicRow, 'feedback'> {
  const form = name.endsWith('Rate') ? /^(100|\d{1,2})$/ : roleForm;
  if (value !== '' && !form.test(value)) throw invalidParameter(`${name} Reason: ${value} is not valid for ${name}`);
  const { [name]: _old, ...others } = feedback;
  return { feedback: value === '' ? others : { ...others, [name]: value } };
}

/** What became of a message at a subscriber, for good. */
export interface Outcome {
  notice: NoticeRow;
  answer: Answer;
  failed: boolean;
  /** Attempts made. */
  attempts: number;
}

/** Writes the outcome to the log, if the topic wants it. A role or log that refuses is no reason to deliver again. */
export async function tellOutcome(ctx: Context, topic: TopicRow, row: SubscriptionRow, outcome: Outcome): Promise<void> {
  const kind = kindsByProtocol[row.protocol];
  const roleArn = topic.feedback?.[`${kind}${outcome.failed ? 'Failure' : 'Success'}FeedbackRoleArn`];
  if (roleArn === undefined || (!outcome.failed && !isSampled(ctx, topic.feedback?.[`${kind}SuccessFeedbackSampleRate`]))) return;
  const group = `sns/${ctx.region}/${ctx.account}/${topic.name}${outcome.failed ? '/Failure' : ''}`;
  try {
    const sts = await ctx.internal<StsApi>('sts');
    const identity = await sts.roleIdentity({ roleArn, sessionName: 'SNS', service: 'sns' });
    await write(ctx.asIdentity(identity), group, describe(ctx, topic, row, outcome));
  } catch (error) {
    if (!(error instanceof AwsError)) throw error;
    ctx.trace(`SNS: ${group} could not be written: ${error.message}`);
  }
}

function isSampled(ctx: Context, rate = '0'): boolean {
  return (Buffer.from(ctx.bytes(4)).readUInt32BE() / 2 ** 32) * 100 < Number(rate);
}

/** `2020-02-23 15:52:51.904`, as the log shows times. */
function describe(ctx: Context, topic: TopicRow, row: SubscriptionRow, { notice, answer, failed, attempts }: Outcome) {
  const timestamp = new Date(notice.at).toISOString().replace('T', ' ').replace('Z', '');
  return {
    notification: {
      messageMD5Sum: createHash('md5').update(notice.message).digest('hex'),
      messageId: notice.id,
      topicArn: topicArn(ctx, topic.name),
      timestamp,
    },
    delivery: {
      deliveryId: ctx.uuid(),
      destination: row.endpoint,
      providerResponse: answer.response,
      dwellTimeMs: Math.max(0, ctx.clock.now() - notice.at),
      attempts,
      statusCode: answer.status,
    },
    status: failed ? 'FAILURE' : 'SUCCESS',
  };
}

/** One stream for a group; both are made when they are missing. */
async function write(acting: Context, logGroupName: string, event: object): Promise<void> {
  const logs = acting.call('cloudwatch-logs');
  const logStreamName = createHash('sha256').update(logGroupName).digest('hex').slice(0, 32);
  const logEvents = [{ timestamp: acting.clock.now(), message: JSON.stringify(event) }];
  const put = () => logs.putLogEvents({ logGroupName, logStreamName, logEvents });
  const unless = (code: string) => (error: unknown) => {
    if (!(error instanceof AwsError) || error.code !== code) throw error;
    return undefined;
  };
  if ((await put().catch(unless('ResourceNotFoundException'))) !== undefined) return;
  await logs.createLogGroup({ logGroupName }).catch(unless('ResourceAlreadyExistsException'));
  await logs.createLogStream({ logGroupName, logStreamName }).catch(unless('ResourceAlreadyExistsException'));
  await put();
}
