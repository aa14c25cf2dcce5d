import { CloudWatchLogs } from '@aws-sdk/client-cloudwatch-logs';
import { EventBridge } from '@aws-sdk/client-eventbridge';
import { Kinesis } from '@aws-sdk/client-kinesis';
import { SNS } from '@aws-sdk/client-sns';
import { SQS } from '@aws-sdk/client-sqs';
import { gunzipSync } from 'node:zlib';
import { expect, test } from 'vitest';
import { eventually, refused, type TestAccount } from '../../support/cloud.ts';
import { openQueue, take } from '../sns/support.ts';
import { atOnce, delivering, roleFor } from './support.ts';

/** An active Kinesis stream with one shard: its ARN, and the texts that it holds. */
async function shard(account: TestAccount, StreamName = 'events') {
  const kinesis = new Kinesis(account.config());
  await kinesis.createStream({ StreamName, ShardCount: 1 });
  const arn = await eventually(
    async () => {
      const { StreamDescriptionSummary: found } = await kinesis.describeStreamSummary({ StreamName });
      expect(found?.StreamStatus).toBe('ACTIVE');
      return found?.StreamARN ?? '';
    },
    { why: 'the stream is active' },
  );
  const records = async () => {
    const { ShardIterator } = await kinesis.getShardIterator({
      StreamName,
      ShardId: 'shardId-000000000000',
      ShardIteratorType: 'TRIM_HORIZON',
    });
    const { Records = [] } = await kinesis.getRecords({ ShardIterator });
    return Records;
  };
  return { arn, records };
}

test('rules hand events to delivery streams, Kinesis streams and log groups, each only as it allows', async () => {
  const { account, create, delivered, bytes, destination } = await delivering();
  const events = new EventBridge(account.config());
  const logs = new CloudWatchLogs(account.config());
  const sqs = new SQS(account.config());
  const hose = await create('hose', { ExtendedS3DestinationConfiguration: { ...destination, BufferingHints: atOnce } });
  const stream = await shard(account);
  const logGroupName = '/aws/events/orders';
  await logs.createLogGroup({ logGroupName });
  const RoleArn = await roleFor(account, 'events', ['firehose:PutRecord', 'kinesis:PutRecord']);
  const weak = await roleFor(account, 'events', ['s3:GetObject'], 'weak');
  const { RuleArn = '' } = await events.putRule({ Name: 'orders', EventPattern: JSON.stringify({ source: ['shop'] }) });
  const dead = await openQueue(sqs, RuleArn, 'dead', {}, 'events');
  const logArn = `arn:aws:logs:us-east-1:${account.id}:log-group:${logGroupName}`;
  const Targets = [
    { Id: 'hose', Arn: hose, RoleArn, InputPath: '$.detail' },
    { Id: 'stream', Arn: stream.arn, RoleArn, KinesisParameters: { PartitionKeyPath: '$.detail.customer' } },
    { Id: 'logs', Arn: logArn, DeadLetterConfig: { Arn: dead.arn } },
    { Id: 'weak', Arn: hose, RoleArn: weak, DeadLetterConfig: { Arn: dead.arn } },
  ];
  expect((await events.putTargets({ Rule: 'orders', Targets })).FailedEntryCount).toBe(0);
  const put = (customer: string) =>
    events.putEvents({ Entries: [{ Source: 'shop', DetailType: 'Order', Detail: JSON.stringify({ customer }) }] });
  await put('ann');
  const [key] = await delivered(1);
  expect(JSON.parse(Buffer.from(await bytes(key)).toString())).toEqual({ customer: 'ann' });
  const [record] = await eventually(
    async () => {
      const found = await stream.records();
      expect(found).toHaveLength(1);
      return found;
    },
    { why: 'the stream has the event' },
  );
  expect([record?.PartitionKey, JSON.parse(Buffer.from(record?.Data ?? []).toString()).source]).toEqual(['ann', 'shop']);
  // Neither the weak role nor a log group without a policy takes it: no use to try again.
  const letters = await take(sqs, dead.url, 2);
  expect(letters.map((body) => JSON.parse(body).detail.customer)).toEqual(['ann', 'ann']);
  const Statement = {
    Effect: 'Allow',
    Principal: { Service: 'events.amazonaws.com' },
    Action: ['logs:CreateLogStream', 'logs:PutLogEvents'],
    Resource: `${logArn}:*`,
  };
  await logs.putResourcePolicy({ policyName: 'events', policyDocument: JSON.stringify({ Version: '2012-10-17', Statement }) });
  await put('bob');
  await eventually(
    async () => {
      const { events: lines = [] } = await logs.filterLogEvents({ logGroupName });
      expect(lines.map(({ message = '' }) => JSON.parse(message).detail)).toEqual([{ customer: 'bob' }]);
    },
    { why: 'the event is in the log' },
  );
  const one = (target: object) => events.putTargets({ Rule: 'orders', Targets: [{ Id: 'x', Arn: hose, ...target }] });
  await refused(one({}), 'ValidationException', `RoleArn is required for target ${hose}.`);
  await refused(one({ RoleArn, RetryPolicy: { MaximumRetryAttempts: 186 } }), 'ValidationException', /less than or equal to 185/);
  await refused(one({ RoleArn, KinesisParameters: { PartitionKeyPath: '$.id' } }), 'ValidationException');
  await one({ RoleArn, RetryPolicy: { MaximumRetryAttempts: 2, MaximumEventAgeInSeconds: 60 } });
  const { Targets: shown } = await events.listTargetsByRule({ Rule: 'orders' });
  expect(shown?.find(({ Id }) => Id === 'x')?.RetryPolicy).toEqual({ MaximumRetryAttempts: 2, MaximumEventAgeInSeconds: 60 });
});

test('a delivery stream subscribes to a topic by a role, and gets notifications or raw messages', async () => {
  const { account, create, delivered, bytes, destination } = await delivering();
  const sns = new SNS(account.config());
  const Endpoint = await create('hose', { ExtendedS3DestinationConfiguration: { ...destination, BufferingHints: atOnce } });
  const { TopicArn = '' } = await sns.createTopic({ Name: 'news' });
  const SubscriptionRoleArn = await roleFor(account, 'sns', ['firehose:PutRecord']);
  const subscribe = (Attributes: Record<string, string>) =>
    sns.subscribe({ TopicArn, Protocol: 'firehose', Endpoint, Attributes, ReturnSubscriptionArn: true });
  await refused(subscribe({}), 'InvalidParameter', /SubscriptionRoleArn is required/);
  await refused(subscribe({ SubscriptionRoleArn: 'nobody' }), 'InvalidParameter');
  const { SubscriptionArn = '' } = await subscribe({ SubscriptionRoleArn });
  const { Attributes } = await sns.getSubscriptionAttributes({ SubscriptionArn });
  expect([Attributes?.['PendingConfirmation'], Attributes?.['SubscriptionRoleArn']]).toEqual(['false', SubscriptionRoleArn]);
  await sns.publish({ TopicArn, Message: 'wrapped' });
  const [first] = await delivered(1);
  expect(JSON.parse(Buffer.from(await bytes(first)).toString())).toMatchObject({
    Type: 'Notification',
    TopicArn,
    Message: 'wrapped',
  });
  await sns.setSubscriptionAttributes({ SubscriptionArn, AttributeName: 'RawMessageDelivery', AttributeValue: 'true' });
  await sns.publish({ TopicArn, Message: 'raw' });
  const second = (await delivered(2)).find((key) => key !== first);
  expect(Buffer.from(await bytes(second)).toString()).toBe('raw');
});

test('subscription filters of a log group send matching events to a delivery stream and a Kinesis stream', async () => {
  const { account, create, delivered, bytes, destination } = await delivering();
  const logs = new CloudWatchLogs(account.config());
  const hose = await create('hose', { ExtendedS3DestinationConfiguration: { ...destination, BufferingHints: atOnce } });
  const stream = await shard(account);
  const roleArn = await roleFor(account, 'logs', ['firehose:PutRecord', 'kinesis:PutRecord']);
  const weak = await roleFor(account, 'logs', ['s3:GetObject'], 'weak');
  const [logGroupName, logStreamName] = ['app', 'web'];
  await logs.createLogGroup({ logGroupName });
  await logs.createLogStream({ logGroupName, logStreamName });
  const filter = (filterName: string, destinationArn: string, role: string | undefined) =>
    logs.putSubscriptionFilter({ logGroupName, filterName, filterPattern: 'ERROR', destinationArn, roleArn: role });
  await refused(
    filter('weak', hose, weak),
    'InvalidParameterException',
    'Could not deliver test message to specified Firehose stream. Check if the given Firehose stream is in ACTIVE state.',
  );
  await refused(filter('none', stream.arn, undefined), 'InvalidParameterException', /requires a roleArn/);
  await filter('hose', hose, roleArn);
  await filter('stream', stream.arn, roleArn);
  await refused(filter('third', hose, roleArn), 'LimitExceededException');
  const timestamp = (await logs.describeLogGroups({})).logGroups?.[0]?.creationTime;
  const logEvents = ['ERROR one', 'fine'].map((message) => ({ timestamp, message }));
  await logs.putLogEvents({ logGroupName, logStreamName, logEvents });
  const read = (data: Uint8Array | undefined) => JSON.parse(gunzipSync(data ?? new Uint8Array()).toString());
  const wanted = { messageType: 'DATA_MESSAGE', logGroup: 'app', logStream: 'web', logEvents: [{ message: 'ERROR one' }] };
  const inBucket = await Promise.all((await delivered(3)).map(async (key) => read(await bytes(key))));
  const told = inBucket.filter(({ messageType }) => messageType === 'DATA_MESSAGE');
  expect(told).toMatchObject([wanted]);
  expect(inBucket.map(({ messageType }) => messageType).sort()).toEqual(['CONTROL_MESSAGE', 'CONTROL_MESSAGE', 'DATA_MESSAGE']);
  await eventually(
    async () => {
      const found = (await stream.records()).map(({ Data }) => read(Data));
      expect(found.at(-1)).toMatchObject(wanted);
    },
    { why: 'the Kinesis stream has the line' },
  );
});
