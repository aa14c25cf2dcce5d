/** What CloudWatch shows of queues, topics and rules: counted as it happens, by minute of the cloud's time. */
import { CloudWatch } from '@aws-sdk/client-cloudwatch';
import { EventBridge } from '@aws-sdk/client-eventbridge';
import { SNS } from '@aws-sdk/client-sns';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { admin, advanceClock, eventually, type freshAccount, type OwnCloud, startOwnCloud } from '../../support/cloud.ts';
import { arnOf, makeQueue, queues, receive } from './support.ts';

const minute = 60_000;

// Moves time, so in a cloud of its own.
let cloud: OwnCloud;
beforeAll(async () => {
  cloud = await startOwnCloud();
});
afterAll(async () => {
  expect(await cloud.stop()).not.toContain('by a bug of Pilvi');
});

const advance = (millis: number) => advanceClock(cloud.endpoint, millis);

/** Reads a metric of the last hours of the cloud's time: minutes that have points, and what they say together. */
function reader(account: ReturnType<typeof freshAccount>, Namespace: string, dimensions: Record<string, string>) {
  const cloudWatch = new CloudWatch(account.config());
  const Dimensions = Object.entries(dimensions).map(([Name, Value]) => ({ Name, Value }));
  return async (MetricName: string) => {
    const { time } = (await admin('GET', 'clock', undefined, cloud.endpoint)) as { time: string };
    const EndTime = new Date(Date.parse(time) + minute);
    const { Datapoints = [] } = await cloudWatch.getMetricStatistics({
      Namespace,
      MetricName,
      Dimensions,
      StartTime: new Date(EndTime.getTime() - 10 * 3_600_000),
      EndTime,
      Period: 60,
      Statistics: ['Sum', 'Maximum', 'SampleCount'],
    });
    const sorted = Datapoints.sort((a, b) => Number(a.Timestamp) - Number(b.Timestamp));
    return {
      minutes: sorted.length,
      sum: sorted.reduce((total, { Sum = 0 }) => total + Sum, 0),
      max: Math.max(...sorted.map(({ Maximum = 0 }) => Maximum)),
      last: sorted.at(-1)?.Maximum,
      unit: sorted.at(-1)?.Unit,
    };
  };
}

test('SQS-006 short polling makes many empty receives in a minute, long polling three', { timeout: 60_000 }, async () => {
  const { sqs, account } = queues(cloud.endpoint);
  const short = await makeQueue(sqs, 'short');
  const long = await makeQueue(sqs, 'long');
  for (let poll = 0; poll < 60; poll++) expect(await receive(sqs, short)).toEqual([]);
  let answered = 0;
  const waits: number[] = [];
  for (let poll = 0; poll < 3; poll++) {
    const began = performance.now();
    const polling = receive(sqs, long, { WaitTimeSeconds: 20 }).then((messages) => {
      waits.push(performance.now() - began);
      answered += 1;
      return messages;
    });
    // It waits: nothing is answered until the twenty seconds of the cloud's time are over.
    await eventually(async () => void (await sqs.listQueues({})), { why: 'the poll is under way' });
    await advance(19_000);
    expect(answered).toBe(poll);
    await advance(2000);
    expect(await polling).toEqual([]);
  }
  await advance(2 * minute);
  const empty = async (QueueName: string) => (await reader(account, 'AWS/SQS', { QueueName })('NumberOfEmptyReceives')).sum;
  expect([await empty('short'), await empty('long')]).toEqual([60, 3]);
});

test('a queue is counted: sent, received, deleted, sizes, and what it holds', async () => {
  const { sqs, account } = queues(cloud.endpoint);
  const QueueUrl = await makeQueue(sqs);
  const read = reader(account, 'AWS/SQS', { QueueName: 'jobs' });
  await sqs.sendMessage({ QueueUrl, MessageBody: 'x'.repeat(100) });
  await sqs.sendMessageBatch({
    QueueUrl,
    Entries: [
      { Id: 'a', MessageBody: 'x'.repeat(200) },
      { Id: 'b', MessageBody: 'later', DelaySeconds: 900 },
    ],
  });
  const [one, two] = await receive(sqs, QueueUrl, { VisibilityTimeout: 900 });
  await sqs.deleteMessage({ QueueUrl, ReceiptHandle: one?.ReceiptHandle });
  await sqs.deleteMessageBatch({ QueueUrl, Entries: [{ Id: 'no', ReceiptHandle: 'none' }] });
  expect(two).toBeDefined();
  await advance(2 * minute);
  expect(await read('NumberOfMessagesSent')).toMatchObject({ sum: 3, unit: 'Count' });
  expect(await read('NumberOfMessagesReceived')).toMatchObject({ sum: 2 });
  expect(await read('NumberOfMessagesDeleted')).toMatchObject({ sum: 1 });
  expect(await read('SentMessageSize')).toMatchObject({ sum: 305, max: 200, unit: 'Bytes' });
  expect(await read('ApproximateNumberOfMessagesVisible')).toMatchObject({ last: 0 });
  expect(await read('ApproximateNumberOfMessagesNotVisible')).toMatchObject({ last: 1 });
  expect(await read('ApproximateNumberOfMessagesDelayed')).toMatchObject({ last: 1 });
  expect((await read('ApproximateAgeOfOldestMessage')).last).toBeGreaterThanOrEqual(60);
  await advance(20 * minute);
  expect(await read('ApproximateNumberOfMessagesVisible')).toMatchObject({ last: 2 });
  expect((await read('NumberOfMessagesSent')).minutes).toBeGreaterThanOrEqual(21);
});

test('a queue that is empty and unused is told of for six hours, and then no more', async () => {
  const { sqs, account } = queues(cloud.endpoint);
  const QueueUrl = await makeQueue(sqs, 'quiet');
  const unused = reader(account, 'AWS/SQS', { QueueName: 'unused' });
  await makeQueue(sqs, 'unused');
  await receive(sqs, QueueUrl);
  const read = reader(account, 'AWS/SQS', { QueueName: 'quiet' });
  for (let hour = 0; hour < 8; hour++) await advance(60 * minute);
  const { minutes } = await read('NumberOfMessagesSent');
  expect(minutes).toBeGreaterThanOrEqual(360);
  expect(minutes).toBeLessThanOrEqual(421);
  expect((await unused('NumberOfMessagesSent')).minutes).toBe(0);
});

test('topics and rules are counted: published, delivered, filtered out, failed, sent to dead letters', async () => {
  const { sqs, account } = queues(cloud.endpoint);
  const [sns, events] = [new SNS(account.config()), new EventBridge(account.config())];
  const QueueUrl = await makeQueue(sqs);
  const arn = await arnOf(sqs, QueueUrl);
  const Policy = JSON.stringify({ Statement: [{ Effect: 'Allow', Principal: '*', Action: 'sqs:*', Resource: arn }] });
  await sqs.setQueueAttributes({ QueueUrl, Attributes: { Policy } });
  const { TopicArn = '' } = await sns.createTopic({ Name: 'news' });
  const filter = { FilterPolicy: JSON.stringify({ kind: ['never'] }) };
  await sns.subscribe({ TopicArn, Protocol: 'sqs', Endpoint: arn });
  await sns.subscribe({ TopicArn, Protocol: 'sqs', Endpoint: arn.replace(/jobs$/, 'filtered'), Attributes: filter });
  const RedrivePolicy = JSON.stringify({ deadLetterTargetArn: arn });
  await sns.subscribe({ TopicArn, Protocol: 'sqs', Endpoint: arn.replace(/jobs$/, 'gone'), Attributes: { RedrivePolicy } });
  for (let i = 0; i < 3; i++) await sns.publish({ TopicArn, Message: 'hello' });
  await events.putRule({ Name: 'all', EventPattern: JSON.stringify({ source: ['app'] }) });
  const DeadLetterConfig = { Arn: arn };
  await events.putTargets({
    Rule: 'all',
    Targets: [
      { Id: 'good', Arn: arn },
      { Id: 'bad', Arn: arn.replace(/jobs$/, 'gone'), DeadLetterConfig },
    ],
  });
  await events.putEvents({ Entries: [1, 2].map(() => ({ Source: 'app', DetailType: 'x', Detail: '{}' })) });
  await events.putEvents({ Entries: [{ Source: 'other', DetailType: 'x', Detail: '{}' }] });
  await advance(2 * minute);
  const topic = reader(account, 'AWS/SNS', { TopicName: 'news' });
  const sums = async (read: typeof topic, names: string[]) =>
    Object.fromEntries(await Promise.all(names.map(async (name) => [name, (await read(name)).sum] as const)));
  const published = {
    NumberOfMessagesPublished: 3,
    PublishSize: 15,
    NumberOfNotificationsDelivered: 3,
    NumberOfNotificationsFilteredOut: 3,
    NumberOfNotificationsFailed: 3,
    NumberOfNotificationsRedrivenToDlq: 3,
  };
  // What is delivered a moment later counts in a minute of its own.
  const counted = (read: typeof topic, wanted: Record<string, number>) =>
    eventually(
      async () => {
        await advance(minute);
        expect(await sums(read, Object.keys(wanted))).toEqual(wanted);
      },
      { why: 'everything is counted' },
    );
  await counted(topic, published);
  const matched = { MatchedEvents: 2, TriggeredRules: 2, Invocations: 2, FailedInvocations: 2, InvocationsSentToDlq: 2 };
  const rule = reader(account, 'AWS/Events', { RuleName: 'all' });
  await counted(rule, matched);
});
