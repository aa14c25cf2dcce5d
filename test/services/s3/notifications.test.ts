/** Changes of a bucket told to queues, topics and EventBridge. */
import { EventBridge } from '@aws-sdk/client-eventbridge';
import { SNS } from '@aws-sdk/client-sns';
import { SQS } from '@aws-sdk/client-sqs';
import { expect, test } from 'vitest';
import { eventually, refused } from '../../support/cloud.ts';
import { freshBucket, type TestBucket } from './support.ts';

interface Message {
  Event?: string;
  Bucket?: string;
  Records?: {
    eventVersion: string;
    eventName: string;
    awsRegion: string;
    s3: {
      configurationId: string;
      bucket: { name: string; arn: string };
      object: { key: string; size?: number; eTag?: string; versionId?: string; sequencer: string };
    };
  }[];
}

const invalid = 'Unable to validate the following destination configurations';

async function freshQueue({ account }: TestBucket, name: string, allowed: string | undefined) {
  const sqs = new SQS(account.config());
  const { QueueUrl = '' } = await sqs.createQueue({ QueueName: name });
  const arn = `arn:aws:sqs:us-east-1:${account.id}:${name}`;
  if (allowed !== undefined) {
    const Policy = JSON.stringify({
      Version: '2012-10-17',
      Statement: [
        {
          Effect: 'Allow',
          Principal: { Service: allowed },
          Action: 'sqs:SendMessage',
          Resource: arn,
          Condition: { StringEquals: { 'aws:SourceAccount': account.id } },
        },
      ],
    });
    await sqs.setQueueAttributes({ QueueUrl, Attributes: { Policy } });
  }
  const seen: Message[] = [];
  const receive = async (): Promise<Message[]> => {
    const { Messages = [] } = await sqs.receiveMessage({ QueueUrl, MaxNumberOfMessages: 10 });
    for (const { Body = '', ReceiptHandle } of Messages) {
      seen.push(JSON.parse(Body) as Message);
      await sqs.deleteMessage({ QueueUrl, ReceiptHandle });
    }
    return seen;
  };
  return { sqs, arn, QueueUrl, receive };
}

test('a queue hears of the changes that its filter and events name, after a test event', async () => {
  const bucket = await freshBucket();
  const { s3, Bucket } = bucket;
  const queue = await freshQueue(bucket, 'events', 's3.amazonaws.com');
  await s3.putBucketNotificationConfiguration({
    Bucket,
    NotificationConfiguration: {
      QueueConfigurations: [
        {
          Id: 'pictures',
          QueueArn: queue.arn,
          Events: ['s3:ObjectCreated:*', 's3:ObjectRemoved:*'],
          Filter: { Key: { FilterRules: [{ Name: 'suffix', Value: '.jpg' }] } },
        },
      ],
    },
  });
  expect(await s3.getBucketNotificationConfiguration({ Bucket })).toMatchObject({
    QueueConfigurations: [
      {
        Id: 'pictures',
        QueueArn: queue.arn,
        Events: ['s3:ObjectCreated:*', 's3:ObjectRemoved:*'],
        Filter: { Key: { FilterRules: [{ Name: 'Suffix', Value: '.jpg' }] } },
      },
    ],
  });
  const put = await s3.putObject({ Bucket, Key: 'a folder/ä x.jpg', Body: 'four' });
  await s3.putObject({ Bucket, Key: 'x.txt', Body: 'four' });
  await s3.putObjectTagging({ Bucket, Key: 'a folder/ä x.jpg', Tagging: { TagSet: [{ Key: 'a', Value: '1' }] } });
  await s3.deleteObject({ Bucket, Key: 'x.txt' });
  await s3.deleteObject({ Bucket, Key: 'a folder/ä x.jpg' });
  const messages = await eventually(
    async () => {
      const all = await queue.receive();
      expect(all).toHaveLength(3);
      return all;
    },
    { why: 'three messages arrive' },
  );
  expect(messages.find(({ Event }) => Event === 's3:TestEvent')).toMatchObject({ Bucket });
  const records = messages.flatMap(({ Records = [] }) => Records);
  expect(records.find(({ eventName }) => eventName === 'ObjectCreated:Put')).toMatchObject({
    eventVersion: '2.1',
    awsRegion: 'us-east-1',
    s3: {
      configurationId: 'pictures',
      bucket: { name: Bucket, arn: `arn:aws:s3:::${Bucket}` },
      object: { key: 'a+folder/%C3%A4+x.jpg', size: 4, eTag: put.ETag?.replaceAll('"', '') },
    },
  });
  expect(records.find(({ eventName }) => eventName === 'ObjectRemoved:Delete')?.s3.object.key).toBe('a+folder/%C3%A4+x.jpg');
  await s3.putBucketNotificationConfiguration({ Bucket, NotificationConfiguration: {} });
  expect(await s3.getBucketNotificationConfiguration({ Bucket })).not.toHaveProperty('QueueConfigurations');
});

test('a topic hears with the subject of S3; versions and markers are told apart', async () => {
  const bucket = await freshBucket();
  const { s3, Bucket, account } = bucket;
  const queue = await freshQueue(bucket, 'inbox', 'sns.amazonaws.com');
  const sns = new SNS(account.config());
  const { TopicArn = '' } = await sns.createTopic({ Name: 'changes' });
  const asked = { TopicConfigurations: [{ TopicArn, Events: ['s3:ObjectRemoved:DeleteMarkerCreated' as const] }] };
  const denied = s3.putBucketNotificationConfiguration({ Bucket, NotificationConfiguration: asked });
  await refused(denied, 'InvalidArgument', invalid, 400);
  const Policy = JSON.stringify({
    Version: '2012-10-17',
    Statement: [
      {
        Effect: 'Allow',
        Principal: { Service: 's3.amazonaws.com' },
        Action: 'sns:Publish',
        Resource: TopicArn,
        Condition: { ArnLike: { 'aws:SourceArn': `arn:aws:s3:::${Bucket}` } },
      },
    ],
  });
  await sns.setTopicAttributes({ TopicArn, AttributeName: 'Policy', AttributeValue: Policy });
  await s3.putBucketNotificationConfiguration({ Bucket, NotificationConfiguration: asked });
  await sns.subscribe({ TopicArn, Protocol: 'sqs', Endpoint: queue.arn });
  await s3.putBucketVersioning({ Bucket, VersioningConfiguration: { Status: 'Enabled' } });
  const put = await s3.putObject({ Bucket, Key: 'k', Body: 'x' });
  const marker = await s3.deleteObject({ Bucket, Key: 'k' });
  await s3.deleteObject({ Bucket, Key: 'k', VersionId: put.VersionId });
  const [note] = await eventually(
    async () => {
      const all = (await queue.receive()) as { Subject?: string; Message?: string }[];
      const told = all.filter(({ Message = '' }) => !Message.includes('s3:TestEvent'));
      expect(told).toHaveLength(1);
      return told;
    },
    { why: 'the marker is told' },
  );
  expect(note?.Subject).toBe('Amazon S3 Notification');
  const { Records } = JSON.parse(note?.Message ?? '{}') as Message;
  expect(Records?.[0]?.eventName).toBe('ObjectRemoved:DeleteMarkerCreated');
  expect(Records?.[0]?.s3.object.versionId).toBe(marker.VersionId);
});

test('EventBridge hears of all changes once it is switched on, and of none before', async () => {
  const bucket = await freshBucket();
  const { s3, Bucket, account } = bucket;
  const queue = await freshQueue(bucket, 'bus', 'events.amazonaws.com');
  const events = new EventBridge(account.config());
  await events.putRule({ Name: 'all', EventPattern: JSON.stringify({ source: ['aws.s3'] }) });
  await events.putTargets({ Rule: 'all', Targets: [{ Id: 'q', Arn: queue.arn }] });
  await s3.putObject({ Bucket, Key: 'before', Body: 'x' });
  await s3.putBucketNotificationConfiguration({ Bucket, NotificationConfiguration: { EventBridgeConfiguration: {} } });
  await s3.putObject({ Bucket, Key: 'after', Body: 'x' });
  const [told] = await eventually(
    async () => {
      const all = (await queue.receive()) as unknown as { 'detail-type': string; detail: { object: { key: string } } }[];
      expect(all).toHaveLength(1);
      return all;
    },
    { why: 'the second object is told' },
  );
  expect(told?.['detail-type']).toBe('Object Created');
  expect(told?.detail).toMatchObject({ reason: 'PutObject', bucket: { name: Bucket }, object: { key: 'after', size: 1 } });
});

test('destinations and rules that cannot work are refused', async () => {
  const bucket = await freshBucket();
  const { s3, Bucket, account } = bucket;
  const closed = await freshQueue(bucket, 'closed', undefined);
  const put = (QueueArn: string, Events: string[], filter: { Name: string; Value: string }[] = []) =>
    s3.putBucketNotificationConfiguration({
      Bucket,
      NotificationConfiguration: {
        QueueConfigurations: [
          {
            QueueArn,
            Events: Events as 's3:ObjectCreated:*'[],
            Filter: { Key: { FilterRules: filter as { Name: 'prefix' }[] } },
          },
        ],
      },
    });
  const created = ['s3:ObjectCreated:*'];
  const arn = (region: string, name: string) => `arn:aws:sqs:${region}:${account.id}:${name}`;
  await refused(put(closed.arn, created), 'InvalidArgument', invalid, 400);
  await refused(put(arn('us-east-1', 'absent'), created), 'InvalidArgument', invalid, 400);
  await refused(put(arn('eu-west-1', 'closed'), created), 'InvalidArgument', invalid, 400);
  await refused(put('closed', created), 'InvalidArgument', 'The ARN is not well formed', 400);
  const unsupported = 'A specified event is not supported for notifications.';
  await refused(put(closed.arn, ['s3:ObjectCreated:Get']), 'InvalidArgument', unsupported, 400);
  const infix = put(closed.arn, created, [{ Name: 'infix', Value: 'x' }]);
  await refused(infix, 'InvalidArgument', 'filter rule name must be either prefix or suffix', 400);
  const twice = put(closed.arn, created, [
    { Name: 'prefix', Value: 'a' },
    { Name: 'prefix', Value: 'b' },
  ]);
  await refused(twice, 'InvalidArgument', 'Cannot specify more than one prefix rule in a filter.', 400);
  const overlapping = s3.putBucketNotificationConfiguration({
    Bucket,
    NotificationConfiguration: {
      QueueConfigurations: [
        { QueueArn: closed.arn, Events: ['s3:ObjectCreated:*'] },
        { QueueArn: arn('us-east-1', 'other'), Events: ['s3:ObjectCreated:Put'] },
      ],
    },
  });
  const overlap = 'Configurations overlap. Configurations on the same bucket cannot share a common event type.';
  await refused(overlapping, 'InvalidArgument', overlap, 400);
  expect(await s3.getBucketNotificationConfiguration({ Bucket })).not.toHaveProperty('QueueConfigurations');
});
