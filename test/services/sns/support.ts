import { SNS } from '@aws-sdk/client-sns';
import { SQS } from '@aws-sdk/client-sqs';
import { admin, freshAccount, type TestAccount } from '../../support/cloud.ts';
import { arnOf, makeQueue, receive } from '../sqs/support.ts';

export interface Messaging {
  account: TestAccount;
  sns: SNS;
  sqs: SQS;
}

/** Clients of an account of its own. */
export function messaging(endpoint?: string): Messaging {
  const account = freshAccount(endpoint);
  return { account, sns: new SNS(account.config()), sqs: new SQS(account.config()) };
}

export async function makeTopic(sns: SNS, Name = 'news', Attributes?: Record<string, string>): Promise<string> {
  const { TopicArn = '' } = await sns.createTopic({ Name, Attributes });
  return TopicArn;
}

/** A queue whose policy lets a service send for a source. */
export async function openQueue(
  sqs: SQS,
  source: string,
  name = 'inbox',
  attributes: Record<string, string> = {},
  service = 'sns',
): Promise<{ url: string; arn: string }> {
  const url = await makeQueue(sqs, name, attributes);
  const arn = await arnOf(sqs, url);
  const Policy = JSON.stringify({
    Version: '2012-10-17',
    Statement: [
      {
        Effect: 'Allow',
        Principal: { Service: `${service}.amazonaws.com` },
        Action: 'sqs:SendMessage',
        Resource: arn,
        Condition: { ArnEquals: { 'aws:SourceArn': source } },
      },
    ],
  });
  await sqs.setQueueAttributes({ QueueUrl: url, Attributes: { Policy } });
  return { url, arn };
}

/** A queue that is subscribed to the topic, and the subscription. */
export async function subscribedQueue(
  { sns, sqs }: Messaging,
  TopicArn: string,
  name = 'inbox',
  Attributes: Record<string, string> = {},
  queueAttributes: Record<string, string> = {},
): Promise<{ url: string; arn: string; subscription: string }> {
  const queue = await openQueue(sqs, TopicArn, name, queueAttributes);
  const { SubscriptionArn = '' } = await sns.subscribe({ TopicArn, Protocol: 'sqs', Endpoint: queue.arn, Attributes });
  return { ...queue, subscription: SubscriptionArn };
}

/** Bodies of the messages that come within a while; waits for the first. */
export async function take(sqs: SQS, QueueUrl: string, count = 1): Promise<string[]> {
  const found: string[] = [];
  while (found.length < count) {
    const messages = await receive(sqs, QueueUrl, { WaitTimeSeconds: 5 });
    if (messages.length === 0) break;
    for (const { Body = '', ReceiptHandle } of messages) {
      found.push(Body);
      await sqs.deleteMessage({ QueueUrl, ReceiptHandle });
    }
  }
  return found;
}

export interface Letter {
  kind: string;
  from: string;
  to: string;
  subject?: string;
  body: string;
}

/** What the account's outbox holds. */
export async function outbox({ id }: TestAccount, endpoint?: string): Promise<Letter[]> {
  const { letters } = (await admin('GET', `outbox?account=${id}`, undefined, endpoint)) as { letters: Letter[] };
  return letters;
}
