import { DynamoDB } from '@aws-sdk/client-dynamodb';
import { EventBridge } from '@aws-sdk/client-eventbridge';
import { Kinesis } from '@aws-sdk/client-kinesis';
import { SNS } from '@aws-sdk/client-sns';
import { beforeEach, expect, test } from 'vitest';
import { advanceClock, eventually, machinesRefused, refused, startOwnCloud } from '../../support/cloud.ts';
import { recording, records } from './recording.ts';

beforeEach((context) => {
  context.skip(machinesRefused() !== undefined, machinesRefused());
});

test('LMB-011 S3-042 S3-043 objects that come and go call a function once each, when S3 may', async () => {
  const { account, s3, events, gets, allow, arn } = await recording();
  const Bucket = `photos-${account.id}`;
  await s3.createBucket({ Bucket });
  const configure = () =>
    s3.putBucketNotificationConfiguration({
      Bucket,
      NotificationConfiguration: {
        LambdaFunctionConfigurations: [
          {
            LambdaFunctionArn: arn,
            Events: ['s3:ObjectCreated:*', 's3:ObjectRemoved:*'],
            Filter: { Key: { FilterRules: [{ Name: 'suffix', Value: '.jpg' }] } },
          },
        ],
      },
    });
  await refused(configure(), 'InvalidArgument', 'Unable to validate the following destination configurations', 400);
  await allow('s3', `arn:aws:s3:::${Bucket}`);
  await configure();
  await s3.putObject({ Bucket, Key: 'x.txt', Body: 'x' });
  await s3.putObject({ Bucket, Key: 'x.jpg', Body: 'x' });
  await gets(1);
  await s3.deleteObject({ Bucket, Key: 'x.jpg' });
  await gets(2);
  const told = (await events())
    .flatMap(records)
    .map((record) => record as unknown as { eventName: string; s3: { bucket: { name: string }; object: { key: string } } });
  expect(told.map(({ eventName, s3: { bucket, object } }) => [eventName, bucket.name, object.key])).toEqual([
    ['ObjectCreated:Put', Bucket, 'x.jpg'],
    ['ObjectRemoved:Delete', Bucket, 'x.jpg'],
  ]);
});

test('LMB-012 a message of a queue, one of a topic and a change of a table each call a function once', async () => {
  const { account, sqs, events, gets, allow, map, queue, arn } = await recording();
  const { QueueUrl, arn: queueArn } = await queue('work');
  await map(queueArn);
  await sqs.sendMessage({
    QueueUrl,
    MessageBody: 'hello',
    MessageAttributes: { kind: { DataType: 'String', StringValue: 'x' } },
  });
  const [message] = records((await gets(1))[0]);
  expect(message).toMatchObject({
    body: 'hello',
    eventSource: 'aws:sqs',
    eventSourceARN: queueArn,
    awsRegion: 'us-east-1',
    messageAttributes: { kind: { stringValue: 'x', dataType: 'String' } },
  });
  const sns = new SNS(account.config());
  const { TopicArn = '' } = await sns.createTopic({ Name: 'news' });
  await allow('sns', TopicArn);
  await sns.subscribe({ TopicArn, Protocol: 'lambda', Endpoint: arn });
  await sns.publish({ TopicArn, Message: 'read this', Subject: 'news' });
  const [notice] = records((await gets(2))[1]);
  expect(notice).toMatchObject({
    EventSource: 'aws:sns',
    Sns: { Type: 'Notification', TopicArn, Message: 'read this', Subject: 'news' },
  });
  const dynamodb = new DynamoDB(account.config());
  const { TableDescription } = await dynamodb.createTable({
    TableName: 'orders',
    KeySchema: [{ AttributeName: 'id', KeyType: 'HASH' }],
    AttributeDefinitions: [{ AttributeName: 'id', AttributeType: 'S' }],
    BillingMode: 'PAY_PER_REQUEST',
    StreamSpecification: { StreamEnabled: true, StreamViewType: 'NEW_AND_OLD_IMAGES' },
  });
  await map(TableDescription?.LatestStreamArn ?? '', { StartingPosition: 'TRIM_HORIZON' });
  await eventually(
    async () => expect((await dynamodb.describeTable({ TableName: 'orders' })).Table?.TableStatus).toBe('ACTIVE'),
    { why: 'the table is active' },
  );
  await dynamodb.putItem({ TableName: 'orders', Item: { id: { S: 'o1' }, blob: { B: Buffer.from('bytes') } } });
  const [change] = records((await gets(3))[2]);
  expect(change).toMatchObject({
    eventName: 'INSERT',
    eventSource: 'aws:dynamodb',
    dynamodb: { Keys: { id: { S: 'o1' } }, NewImage: { id: { S: 'o1' }, blob: { B: Buffer.from('bytes').toString('base64') } } },
  });
  expect(await events()).toHaveLength(3);
});

test('LMB-014 records of a stream come in batches, in order, and a bad one is tried as often as was said', async () => {
  const { account, sqs, lambda, events, gets, map, queue } = await recording();
  const kinesis = new Kinesis(account.config());
  await kinesis.createStream({ StreamName: 'clicks', ShardCount: 1 });
  await eventually(
    async () =>
      expect((await kinesis.describeStreamSummary({ StreamName: 'clicks' })).StreamDescriptionSummary?.StreamStatus).toBe(
        'ACTIVE',
      ),
    { why: 'the stream is active' },
  );
  const arn = `arn:aws:kinesis:us-east-1:${account.id}:stream/clicks`;
  const put = (data: string) => kinesis.putRecord({ StreamName: 'clicks', PartitionKey: 'p', Data: Buffer.from(data) });
  const { QueueUrl, arn: dead } = await queue('dead');
  await put('one');
  await put('two');
  const UUID = await map(arn, {
    StartingPosition: 'TRIM_HORIZON',
    MaximumRetryAttempts: 1,
    DestinationConfig: { OnFailure: { Destination: dead } },
  });
  const first = records((await gets(1))[0]).map(({ kinesis: record }) =>
    Buffer.from((record as { data: string }).data, 'base64').toString(),
  );
  expect(first).toEqual(['one', 'two']);
  await put('poison');
  const { Messages = [] } = await eventually(
    async () => {
      const found = await sqs.receiveMessage({ QueueUrl });
      expect(found.Messages).toHaveLength(1);
      return found;
    },
    { timeoutMs: 30_000, why: 'the record was given up' },
  );
  expect(JSON.parse(Messages[0]?.Body ?? '')).toMatchObject({
    requestContext: { condition: 'RetryAttemptsExhausted', approximateInvokeCount: 2 },
    KinesisBatchInfo: { shardId: 'shardId-000000000000', batchSize: 1, streamArn: arn },
  });
  expect(await events()).toHaveLength(3);
  await put('after');
  await gets(4);
  await refused(
    lambda.createEventSourceMapping({ FunctionName: 'sink', EventSourceArn: arn, StartingPosition: 'LATEST' }),
    'ResourceConflictException',
    new RegExp(`already exists. Please update or delete the existing mapping with UUID ${UUID}`),
    409,
  );
  await refused(
    lambda.createEventSourceMapping({ FunctionName: 'sink', EventSourceArn: `${arn}x`, StartingPosition: 'LATEST' }),
    'InvalidParameterValueException',
    `Stream not found: ${arn}x`,
  );
  await refused(
    lambda.createEventSourceMapping({ FunctionName: 'sink', EventSourceArn: arn }),
    'InvalidParameterValueException',
    /Value null at 'startingPosition'/,
  );
});

test('messages that a function reports as failed come back, others do not; filters and bad settings', async () => {
  const { sqs, lambda, events, gets, map, queue } = await recording();
  const { QueueUrl, arn } = await queue('mixed');
  const UUID = await map(arn, {
    FunctionResponseTypes: ['ReportBatchItemFailures'],
    FilterCriteria: { Filters: [{ Pattern: JSON.stringify({ body: { kind: ['wanted'] } }) }] },
  });
  const send = (kind: string, text: string) => sqs.sendMessage({ QueueUrl, MessageBody: JSON.stringify({ kind, text }) });
  await send('other', 'never seen');
  await send('wanted', 'fine');
  await send('wanted', 'partly');
  await eventually(
    async () => {
      const seen = (await events()).flatMap(records).map(({ body }) => (JSON.parse(String(body)) as { text: string }).text);
      expect([...new Set(seen)].sort()).toEqual(['fine', 'partly']);
    },
    { timeoutMs: 30_000, why: 'both wanted messages came' },
  );
  await gets(1);
  await eventually(
    async () => {
      const { Attributes } = await sqs.getQueueAttributes({ QueueUrl, AttributeNames: ['All'] });
      expect([Attributes?.ApproximateNumberOfMessages, Attributes?.ApproximateNumberOfMessagesNotVisible]).toEqual(['0', '1']);
    },
    { why: 'only the failed message is kept' },
  );
  const create = (more: object) => lambda.createEventSourceMapping({ FunctionName: 'sink', EventSourceArn: arn, ...more });
  const invalid = 'InvalidParameterValueException';
  await refused(
    create({ StartingPosition: 'LATEST' }),
    invalid,
    'Unsupported parameter StartingPosition for event source of type SQS.',
  );
  await refused(
    create({ BatchSize: 100 }),
    invalid,
    'Maximum batch window in seconds must be greater than 0 if maximum batch size is greater than 10',
  );
  await refused(create({ FilterCriteria: { Filters: [{ Pattern: '{' }] } }), invalid, /^Invalid filter pattern definition/);
  await refused(create({ EventSourceArn: `${arn}-none` }), invalid, /NonExistentQueue/);
  const { arn: hasty } = await queue('hasty', { VisibilityTimeout: '10' });
  await refused(
    create({ EventSourceArn: hasty }),
    invalid,
    'Queue visibility timeout: 10 seconds is less than Function timeout: 20 seconds',
  );
  await lambda.deleteEventSourceMapping({ UUID });
  await eventually(() => refused(lambda.getEventSourceMapping({ UUID }), 'ResourceNotFoundException'), {
    why: 'the mapping is gone',
  });
});

test('EVB-001 a rule sends matching events to a function and a queue, others to neither', async () => {
  const { account, sqs, events, gets, allow, queue, arn } = await recording();
  const bridge = new EventBridge(account.config());
  const { RuleArn = '' } = await bridge.putRule({ Name: 'orders', EventPattern: JSON.stringify({ source: ['shop'] }) });
  await allow('events', RuleArn);
  const { QueueUrl, arn: queueArn } = await queue('orders', {
    Policy: JSON.stringify({
      Version: '2012-10-17',
      Statement: [{ Effect: 'Allow', Principal: { Service: 'events.amazonaws.com' }, Action: 'sqs:SendMessage', Resource: '*' }],
    }),
  });
  await bridge.putTargets({
    Rule: 'orders',
    Targets: [
      { Id: 'f', Arn: arn },
      { Id: 'q', Arn: queueArn },
    ],
  });
  await bridge.putEvents({
    Entries: [
      { Source: 'other', DetailType: 'x', Detail: '{}' },
      { Source: 'shop', DetailType: 'Order', Detail: '{"id":7}' },
    ],
  });
  expect((await gets(1))[0]).toMatchObject({ source: 'shop', 'detail-type': 'Order', detail: { id: 7 } });
  const { Messages = [] } = await sqs.receiveMessage({ QueueUrl, WaitTimeSeconds: 10, MaxNumberOfMessages: 10 });
  expect(Messages.map(({ Body = '' }) => (JSON.parse(Body) as { source: string }).source)).toEqual(['shop']);
  expect(await events()).toHaveLength(1);
});

test('LMB-013 a rule with a rate calls a function each minute; failed asynchronous calls come again after one and two minutes', async () => {
  const cloud = await startOwnCloud();
  try {
    const { account, lambda, sqs, gets, events, allow, queue, arn } = await recording(cloud.endpoint);
    const bridge = new EventBridge(account.config());
    const { RuleArn = '' } = await bridge.putRule({ Name: 'tick', ScheduleExpression: 'rate(1 minute)' });
    await allow('events', RuleArn);
    await bridge.putTargets({ Rule: 'tick', Targets: [{ Id: 'f', Arn: arn }] });
    for (let minute = 1; minute <= 3; minute++) {
      await advanceClock(cloud.endpoint, 60_000);
      await gets(minute);
    }
    const scheduled = await events();
    expect(scheduled.map((event) => event['detail-type'])).toEqual(['Scheduled Event', 'Scheduled Event', 'Scheduled Event']);
    await bridge.removeTargets({ Rule: 'tick', Ids: ['f'] });
    const { QueueUrl, arn: failed } = await queue('failed');
    const { QueueUrl: deadUrl, arn: dead } = await queue('dead');
    await lambda.putFunctionEventInvokeConfig({
      FunctionName: 'sink',
      DestinationConfig: { OnFailure: { Destination: failed } },
    });
    await lambda.updateFunctionConfiguration({ FunctionName: 'sink', DeadLetterConfig: { TargetArn: dead } });
    await lambda.invoke({ FunctionName: 'sink', InvocationType: 'Event', Payload: '{"say":"poison"}' });
    await gets(4);
    for (const [attempt, wait] of [
      [5, 60_000],
      [6, 120_000],
    ] as const) {
      // The retry is asked for once the attempt is over.
      await eventually(
        async () => {
          await advanceClock(cloud.endpoint, wait / 60);
          expect((await events()).length).toBe(attempt);
        },
        { timeoutMs: 30_000, why: `attempt ${attempt - 3}` },
      );
    }
    const { Messages = [] } = await sqs.receiveMessage({ QueueUrl, WaitTimeSeconds: 5 });
    expect(JSON.parse(Messages[0]?.Body ?? '{}')).toMatchObject({
      version: '1.0',
      requestContext: { functionArn: `${arn}:$LATEST`, condition: 'RetriesExhausted', approximateInvokeCount: 3 },
      requestPayload: { say: 'poison' },
      responseContext: { statusCode: 200, executedVersion: '$LATEST', functionError: 'Unhandled' },
      responsePayload: { errorType: 'Error', errorMessage: 'poison' },
    });
    const letters = await sqs.receiveMessage({ QueueUrl: deadUrl, WaitTimeSeconds: 5, MessageAttributeNames: ['All'] });
    expect(letters.Messages?.[0]).toMatchObject({
      Body: '{"say":"poison"}',
      MessageAttributes: { ErrorCode: { StringValue: '200' }, ErrorMessage: { StringValue: 'poison' } },
    });
    expect(await events()).toHaveLength(6);
  } finally {
    await cloud.stop();
  }
}, 120_000);
