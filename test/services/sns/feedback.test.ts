import { CloudWatchLogs } from '@aws-sdk/client-cloudwatch-logs';
import { expect, test } from 'vitest';
import { eventually, refused } from '../../support/cloud.ts';
import { roleFor } from '../firehose/support.ts';
import { makeTopic, messaging, subscribedQueue, take } from './support.ts';

interface Told {
  status: string;
  notification: { messageId: string; messageMD5Sum: string; topicArn: string; timestamp: string };
  delivery: { destination: string; providerResponse: string; statusCode: number; attempts: number; dwellTimeMs: number };
}

test('deliveries are told to the logs by the roles of their topic: every failure, and the share of successes that it asks for', async () => {
  const all = messaging();
  const { sns, sqs, account } = all;
  const logs = new CloudWatchLogs(account.config());
  const role = await roleFor(account, 'sns', ['logs:CreateLogGroup', 'logs:CreateLogStream', 'logs:PutLogEvents']);
  const TopicArn = await makeTopic(sns, 'news', {
    SQSSuccessFeedbackRoleArn: role,
    SQSSuccessFeedbackSampleRate: '100',
    SQSFailureFeedbackRoleArn: role,
  });
  expect((await sns.getTopicAttributes({ TopicArn })).Attributes).toMatchObject({
    SQSSuccessFeedbackRoleArn: role,
    SQSSuccessFeedbackSampleRate: '100',
    SQSFailureFeedbackRoleArn: role,
  });
  const open = await subscribedQueue(all, TopicArn);
  const closed = await subscribedQueue(all, TopicArn, 'closed');
  await sqs.setQueueAttributes({ QueueUrl: closed.url, Attributes: { Policy: '' } });
  const told = async (suffix = ''): Promise<Told[]> => {
    const logGroupName = `sns/us-east-1/${account.id}/news${suffix}`;
    const { events = [] } = await logs.filterLogEvents({ logGroupName });
    return events.map(({ message = '' }) => JSON.parse(message) as Told);
  };
  const one = (suffix?: string) =>
    eventually(
      async () => {
        const found = await told(suffix);
        expect(found).toHaveLength(1);
        return found[0]!;
      },
      { why: 'the delivery is in the log' },
    );
  const { MessageId } = await sns.publish({ TopicArn, Message: 'hello' });
  const success = await one();
  expect(success).toMatchObject({
    status: 'SUCCESS',
    notification: { messageId: MessageId, topicArn: TopicArn, messageMD5Sum: '5d41402abc4b2a76b9719d911017c592' },
    delivery: { destination: open.arn, statusCode: 200, attempts: 1 },
  });
  expect(success.notification.timestamp).toMatch(/^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}$/);
  expect(JSON.parse(success.delivery.providerResponse)).toHaveProperty('sqsMessageId');
  const failure = await one('/Failure');
  expect(failure).toMatchObject({ status: 'FAILURE', delivery: { destination: closed.arn, statusCode: 403 } });
  expect(JSON.parse(failure.delivery.providerResponse)).toMatchObject({ ErrorCode: 'AccessDenied' });
  await sns.setTopicAttributes({ TopicArn, AttributeName: 'SQSSuccessFeedbackSampleRate', AttributeValue: '0' });
  await sns.publish({ TopicArn, Message: 'untold' });
  expect(await take(sqs, open.url, 2)).toHaveLength(2);
  await eventually(async () => expect(await told('/Failure')).toHaveLength(2), { why: 'the second failure is in the log' });
  expect(await told()).toHaveLength(1);
});

test('a role that may not write loses the line, not the message', async () => {
  const all = messaging();
  const role = await roleFor(all.account, 'sns', ['logs:CreateLogStream']);
  const TopicArn = await makeTopic(all.sns, 'news', { SQSSuccessFeedbackRoleArn: role, SQSSuccessFeedbackSampleRate: '100' });
  const { url } = await subscribedQueue(all, TopicArn);
  await all.sns.publish({ TopicArn, Message: 'hello' });
  expect(await take(all.sqs, url)).toHaveLength(1);
  const logs = new CloudWatchLogs(all.account.config());
  expect((await logs.describeLogGroups({})).logGroups).toEqual([]);
  for (const [AttributeName, AttributeValue] of [
    ['SQSSuccessFeedbackSampleRate', '101'],
    ['LambdaFailureFeedbackRoleArn', 'nobody'],
  ])
    await refused(all.sns.setTopicAttributes({ TopicArn, AttributeName, AttributeValue }), 'InvalidParameter');
});
