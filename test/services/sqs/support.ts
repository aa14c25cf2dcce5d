import { type Message, SQS } from '@aws-sdk/client-sqs';
import { freshAccount } from '../../support/cloud.ts';

/** A client of an account of its own, in the shared cloud or the one at `endpoint`. */
export function queues(endpoint?: string): { sqs: SQS; account: ReturnType<typeof freshAccount> } {
  const account = freshAccount(endpoint);
  return { sqs: new SQS(account.config()), account };
}

export async function makeQueue(sqs: SQS, QueueName = 'jobs', Attributes?: Record<string, string>): Promise<string> {
  const { QueueUrl = '' } = await sqs.createQueue({ QueueName, Attributes });
  return QueueUrl;
}

export async function arnOf(sqs: SQS, QueueUrl: string): Promise<string> {
  const { Attributes } = await sqs.getQueueAttributes({ QueueUrl, AttributeNames: ['QueueArn'] });
  return Attributes?.QueueArn ?? '';
}

/** Up to ten messages, without waiting. */
export async function receive(
  sqs: SQS,
  QueueUrl: string,
  more: Partial<Parameters<SQS['receiveMessage']>[0]> = {},
): Promise<Message[]> {
  const { Messages = [] } = await sqs.receiveMessage({
    QueueUrl,
    MaxNumberOfMessages: 10,
    MessageSystemAttributeNames: ['All'],
    MessageAttributeNames: ['All'],
    ...more,
  });
  return Messages;
}

export async function bodies(sqs: SQS, QueueUrl: string): Promise<(string | undefined)[]> {
  return (await receive(sqs, QueueUrl)).map(({ Body }) => Body);
}

/** How many messages wait, are in flight, are delayed. */
export async function counts(sqs: SQS, QueueUrl: string): Promise<[number, number, number]> {
  const { Attributes = {} } = await sqs.getQueueAttributes({ QueueUrl, AttributeNames: ['All'] });
  const of = (name: string): number => Number((Attributes as Record<string, string>)[`ApproximateNumberOfMessages${name}`]);
  return [of(''), of('NotVisible'), of('Delayed')];
}
