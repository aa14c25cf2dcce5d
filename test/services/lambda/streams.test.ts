/** What waits for functions, setting by setting: what holds up what, what comes again, what is given up, and windows and ages by the clock. */
import { DynamoDB } from '@aws-sdk/client-dynamodb';
import { Kinesis } from '@aws-sdk/client-kinesis';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { advanceClock, eventually, machinesRefused, type OwnCloud, refused, startOwnCloud } from '../../support/cloud.ts';
import { zipOf } from '../../support/zip.ts';
import { recording, records } from './recording.ts';

let cloud: OwnCloud;

beforeAll(async () => {
  if (machinesRefused() === undefined) cloud = await startOwnCloud();
});

afterAll(async () => {
  await cloud?.stop();
});

beforeEach((context) => {
  context.skip(machinesRefused() !== undefined, machinesRefused());
});

/** A stream, a function that writes down what it gets, and a queue for what is given up. */
async function open(ShardCount = 1) {
  const all = await recording(cloud.endpoint);
  const kinesis = new Kinesis(all.account.config());
  await kinesis.createStream({ StreamName: 's', ShardCount });
  await eventually(
    async () =>
      expect((await kinesis.describeStreamSummary({ StreamName: 's' })).StreamDescriptionSummary?.StreamStatus).toBe('ACTIVE'),
    { why: 'the stream is active' },
  );
  const stream = `arn:aws:kinesis:us-east-1:${all.account.id}:stream/s`;
  const put = (PartitionKey: string, text: string, ExplicitHashKey?: string) =>
    kinesis.putRecord({ StreamName: 's', PartitionKey, ExplicitHashKey, Data: Buffer.from(text) });
  /** Texts of each event, in order. */
  const texts = async (): Promise<string[][]> =>
    (await all.events()).map((event) =>
      records(event).map((one) => Buffer.from((one['kinesis'] as { data: string }).data, 'base64').toString()),
    );
  const { QueueUrl, arn: dead } = await all.queue('dead');
  const givenUp = () =>
    eventually(
      async () => {
        const { Messages = [] } = await all.sqs.receiveMessage({ QueueUrl });
        expect(Messages).toHaveLength(1);
        return JSON.parse(Messages[0]?.Body ?? '') as Record<string, unknown>;
      },
      { timeoutMs: 30_000, why: 'something was given up' },
    );
  return { ...all, kinesis, stream, put, texts, dead, givenUp };
}

test('a day without a record is no trouble of a mapping, and what comes after them comes once', async () => {
  const { account, events, gets, lambda, map, put, stream } = await open();
  const ddb = new DynamoDB(account.config());
  await ddb.createTable({
    ...{ TableName: 'late', BillingMode: 'PAY_PER_REQUEST', KeySchema: [{ AttributeName: 'id', KeyType: 'HASH' }] },
    AttributeDefinitions: [{ AttributeName: 'id', AttributeType: 'S' }],
    StreamSpecification: { StreamEnabled: true, StreamViewType: 'NEW_IMAGE' },
  });
  const changes = await eventually(
    async () => {
      const { Table } = await ddb.describeTable({ TableName: 'late' });
      expect(Table?.TableStatus).toBe('ACTIVE');
      return Table?.LatestStreamArn ?? '';
    },
    { why: 'the table is active' },
  );
  const item = (id: string) => ddb.putItem({ TableName: 'late', Item: { id: { S: id } } });
  const mappings = [await map(stream, { StartingPosition: 'LATEST' }), await map(changes, { StartingPosition: 'LATEST' })];
  const seen = async (): Promise<string[]> => {
    const all = (await events()).flatMap(records) as { dynamodb?: { Keys: { id: { S: string } } }; kinesis?: { data: string } }[];
    return all.map(({ dynamodb, kinesis: one }) => dynamodb?.Keys.id.S ?? Buffer.from(one?.data ?? '', 'base64').toString());
  };
  const results = async () =>
    Promise.all(mappings.map(async (UUID) => (await lambda.getEventSourceMapping({ UUID })).LastProcessingResult));
  await advanceClock(cloud.endpoint, 30 * 3_600_000);
  // At once: a new shard has its first record before anybody has seen that there is one.
  await Promise.all([item('a'), put('k', 'b')]);
  await gets(2);
  expect((await seen()).sort()).toEqual(['a', 'b']);
  await advanceClock(cloud.endpoint, 30 * 3_600_000);
  await Promise.all([item('c'), put('k', 'd')]);
  await gets(4);
  await eventually(async () => expect(await results()).toEqual(['OK', 'OK']), { why: 'both have taken their records' });
  expect((await seen()).sort()).toEqual(['a', 'b', 'c', 'd']);
}, 90_000);

test('with a parallelization factor batches of different keys run at once, those of one key in order', async () => {
  const { put, stream, map, texts, go } = await open();
  await put('a', 'held 1');
  await put('a', 'second of a');
  for (const key of ['b', 'c', 'd', 'e', 'f']) await put(key, `first of ${key}`);
  await map(stream, { StartingPosition: 'TRIM_HORIZON', BatchSize: 1, ParallelizationFactor: 10 });
  // What is held holds up its own key alone: all others come while it runs.
  await eventually(async () => expect((await texts()).flat().length).toBeGreaterThanOrEqual(4), {
    timeoutMs: 20_000,
    why: 'others came',
  });
  expect((await texts()).flat()).not.toContain('second of a');
  await go();
  await eventually(async () => expect((await texts()).flat()).toHaveLength(7), { timeoutMs: 30_000, why: 'all came' });
  const all = (await texts()).flat();
  expect(all.indexOf('second of a')).toBeGreaterThan(all.indexOf('held 1'));
  await put('a', 'third of a');
  await eventually(async () => expect((await texts()).flat().at(-1)).toBe('third of a'), { why: 'it goes on' });
});

test('a shard that fails forever holds up no other; a batch is halved around what is poison; an old record is given up', {
  timeout: 90_000,
}, async () => {
  const { account, put, stream, map, texts, lambda, dead, givenUp, events } = await open(2);
  const far = (2n ** 127n).toString();
  await put('x', 'poison', '0');
  const UUID = await map(stream, { StartingPosition: 'TRIM_HORIZON' });
  await eventually(async () => expect((await texts()).flat()).toContain('poison'), { why: 'the poison came' });
  await put('y', 'elsewhere', far);
  await eventually(async () => expect((await texts()).flat()).toContain('elsewhere'), {
    timeoutMs: 20_000,
    why: 'the other shard goes on',
  });
  // "MaximumRecordAgeInSeconds": 60 at least, or -1.
  await lambda.updateEventSourceMapping({
    UUID,
    MaximumRecordAgeInSeconds: 60,
    DestinationConfig: { OnFailure: { Destination: dead } },
  });
  await advanceClock(cloud.endpoint, 61_000);
  expect(await givenUp()).toMatchObject({
    requestContext: { condition: 'RecordAgeExceeded' },
    KinesisBatchInfo: { shardId: 'shardId-000000000000', batchSize: 1 },
  });
  await eventually(() => lambda.deleteEventSourceMapping({ UUID }), { why: 'the mapping is steady' });
  await eventually(() => refused(lambda.getEventSourceMapping({ UUID }), 'ResourceNotFoundException'), { why: 'it is gone' });
  const before = (await events()).length;
  await map(stream, {
    StartingPosition: 'LATEST',
    BatchSize: 4,
    MaximumBatchingWindowInSeconds: 300,
    BisectBatchOnFunctionError: true,
    MaximumRetryAttempts: 0,
    DestinationConfig: { OnFailure: { Destination: dead } },
  });
  for (const text of ['one', 'two', 'poison', 'four']) await put('x', text, '0');
  await eventually(
    async () => {
      const after = (await texts()).slice(before);
      expect(after).toEqual([['one', 'two', 'poison', 'four'], ['one', 'two'], ['poison', 'four'], ['poison'], ['four']]);
    },
    { timeoutMs: 30_000, why: 'the batch was halved' },
  );
  expect(await givenUp()).toMatchObject({
    requestContext: { condition: 'RetryAttemptsExhausted', approximateInvokeCount: 1 },
    KinesisBatchInfo: { batchSize: 1, streamArn: `arn:aws:kinesis:us-east-1:${account.id}:stream/s` },
  });
});

test('a tumbling window carries its state from batch to batch and ends by its records, or by the clock', async () => {
  const { put, stream, map, events, gets } = await open();
  await map(stream, { StartingPosition: 'TRIM_HORIZON', BatchSize: 1, TumblingWindowInSeconds: 60 });
  await put('k', 'a');
  await put('k', 'b');
  await gets(2);
  const shown = async () =>
    (await events()).map(({ state, isFinalInvokeForWindow, Records }) => [
      (Records as unknown[]).length,
      (state as { texts?: string[] }).texts ?? [],
      isFinalInvokeForWindow,
    ]);
  // Both may lie on two sides of a window's border: then the first window has ended already.
  const [first] = await events();
  expect(first).toMatchObject({
    window: { start: expect.stringMatching(/^\d{4}-.*:00Z$/), end: expect.stringMatching(/:00Z$/) },
    state: {},
    shardId: 'shardId-000000000000',
    eventSourceARN: stream,
    isFinalInvokeForWindow: false,
    isWindowTerminatedEarly: false,
  });
  await advanceClock(cloud.endpoint, 60_000);
  await put('k', 'c');
  await eventually(
    async () => {
      const finals = (await shown()).filter(([, , final]) => final === true);
      expect(finals.flatMap(([, texts]) => texts)).toEqual(['a', 'b']);
      expect(finals.every(([count]) => count === 0)).toBe(true);
    },
    { timeoutMs: 30_000, why: 'the first window ended by a record of the next' },
  );
  await eventually(async () => expect((await shown()).at(-1)).toEqual([1, [], false]), {
    why: 'the third record began a window',
  });
  await advanceClock(cloud.endpoint, 60_000 + 121_000);
  await eventually(async () => expect((await shown()).at(-1)).toEqual([0, ['c'], true]), {
    timeoutMs: 30_000,
    why: 'the second ended by the clock',
  });
});

test('a batch that fails is cured by new code', { timeout: 60_000 }, async () => {
  const { put, stream, map, texts, lambda } = await open();
  await put('x', 'poison');
  const UUID = await map(stream, { StartingPosition: 'TRIM_HORIZON' });
  await eventually(async () => expect((await texts()).flat()).toContain('poison'), { why: 'the poison came' });
  await lambda.updateFunctionCode({
    FunctionName: 'sink',
    ZipFile: zipOf({ 'index.mjs': 'export const handler = async () => {};' }),
  });
  await eventually(
    async () => {
      await advanceClock(cloud.endpoint, 60_000);
      expect((await lambda.getEventSourceMapping({ UUID })).LastProcessingResult).toBe('OK');
    },
    { timeoutMs: 30_000, why: 'the new code takes the batch' },
  );
});

test('a queue has as many batches at once as its mapping allows, and poison ends in the dead letter queue', async () => {
  const { sqs, map, queue, events, go, account } = await recording(cloud.endpoint);
  const { QueueUrl: deadUrl, arn: deadLetterTargetArn } = await queue('dead');
  const { QueueUrl, arn } = await queue('work', {
    VisibilityTimeout: '20',
    RedrivePolicy: JSON.stringify({ deadLetterTargetArn, maxReceiveCount: 2 }),
  });
  await sqs.sendMessageBatch({
    QueueUrl,
    Entries: ['0', '1', '2', '3', '4', '5'].map((Id) => ({ Id, MessageBody: `held ${Id}` })),
  });
  await map(arn, { BatchSize: 1, ScalingConfig: { MaximumConcurrency: 2 } });
  const bodies = async () => (await events()).flatMap(records).map(({ body }) => String(body));
  await eventually(async () => expect(await bodies()).toHaveLength(2), { timeoutMs: 20_000, why: 'two run' });
  // The others wait in the queue while two run.
  const { Attributes } = await sqs.getQueueAttributes({ QueueUrl, AttributeNames: ['All'] });
  expect(Number(Attributes?.ApproximateNumberOfMessages)).toBeGreaterThanOrEqual(3);
  expect(await bodies()).toHaveLength(2);
  await go();
  await eventually(async () => expect(new Set(await bodies()).size).toBe(6), { timeoutMs: 30_000, why: 'all ran' });
  await sqs.sendMessage({ QueueUrl, MessageBody: 'poison' });
  await eventually(
    async () => {
      await advanceClock(cloud.endpoint, 5000);
      const { Messages = [] } = await sqs.receiveMessage({ QueueUrl: deadUrl });
      expect(Messages.map(({ Body }) => Body)).toEqual(['poison']);
    },
    { timeoutMs: 30_000, why: 'the poison is in the dead letter queue' },
  );
  expect((await bodies()).filter((body) => body === 'poison')).toHaveLength(2);
  expect(account.id).toMatch(/^\d{12}$/);
});

test('an asynchronous call that cannot run waits, and is given up when it is too old', { timeout: 60_000 }, async () => {
  const { lambda, sqs, queue, events, arn } = await recording(cloud.endpoint);
  const { QueueUrl, arn: failed } = await queue('failed');
  await lambda.putFunctionEventInvokeConfig({
    FunctionName: 'sink',
    MaximumEventAgeInSeconds: 60,
    DestinationConfig: { OnFailure: { Destination: failed } },
  });
  await lambda.putFunctionConcurrency({ FunctionName: 'sink', ReservedConcurrentExecutions: 0 });
  const invoke = (say: string) =>
    lambda.invoke({ FunctionName: 'sink', InvocationType: 'Event', Payload: JSON.stringify({ say }) });
  await invoke('late');
  await eventually(
    async () => {
      await advanceClock(cloud.endpoint, 10_000);
      const { Messages = [] } = await sqs.receiveMessage({ QueueUrl });
      expect(JSON.parse(Messages[0]?.Body ?? '{}')).toMatchObject({
        requestContext: { functionArn: `${arn}:$LATEST`, condition: 'EventAgeExceeded', approximateInvokeCount: 0 },
        requestPayload: { say: 'late' },
      });
    },
    { timeoutMs: 30_000, why: 'the call was given up' },
  );
  await invoke('in time');
  await lambda.deleteFunctionConcurrency({ FunctionName: 'sink' });
  await eventually(
    async () => {
      await advanceClock(cloud.endpoint, 1000);
      expect(await events()).toEqual([{ say: 'in time' }]);
    },
    { timeoutMs: 20_000, why: 'the second call ran' },
  );
});

test('within one advance failed calls come again in their time and end in the dead letter queue', async () => {
  const { gets, lambda, map, queue, sqs } = await recording(cloud.endpoint);
  const dead = await queue('gone');
  await lambda.updateFunctionConfiguration({ FunctionName: 'sink', DeadLetterConfig: { TargetArn: dead.arn } });
  await eventually(
    async () => expect((await lambda.getFunctionConfiguration({ FunctionName: 'sink' })).LastUpdateStatus).toBe('Successful'),
    { why: 'the function has its dead letter queue' },
  );
  const redrive = JSON.stringify({ deadLetterTargetArn: dead.arn, maxReceiveCount: 3 });
  const work = await queue('work', { RedrivePolicy: redrive });
  await map(work.arn);
  await lambda.invoke({ FunctionName: 'sink', InvocationType: 'Event', Payload: Buffer.from('"poison"') });
  await sqs.sendMessage({ QueueUrl: work.QueueUrl, MessageBody: 'poison' });
  await gets(2);
  await advanceClock(cloud.endpoint, 300_000);
  const { Messages = [] } = await sqs.receiveMessage({
    ...{ QueueUrl: dead.QueueUrl, MaxNumberOfMessages: 10, MessageSystemAttributeNames: ['SentTimestamp'] },
  });
  expect(Messages.map(({ Body }) => Body).sort()).toEqual(['"poison"', 'poison']);
  expect(await gets(6)).toHaveLength(6);
}, 90_000);

test('settings that cannot be are refused', async () => {
  const { lambda, stream, queue } = await open();
  const create = (more: object) =>
    lambda.createEventSourceMapping({ FunctionName: 'sink', EventSourceArn: stream, StartingPosition: 'LATEST', ...more });
  await refused(create({ ParallelizationFactor: 11 }), 'ValidationException', /less than or equal to 10/);
  await refused(create({ TumblingWindowInSeconds: 901 }), 'ValidationException', /less than or equal to 900/);
  await refused(
    create({ ParallelizationFactor: 2, TumblingWindowInSeconds: 60 }),
    'NotImplemented',
    /TumblingWindowInSeconds with ParallelizationFactor above 1/,
  );
  await refused(create({ ScalingConfig: { MaximumConcurrency: 2 } }), 'InvalidParameterValueException', /ScalingConfig/);
  const { arn } = await queue('q');
  for (const more of [{ ParallelizationFactor: 2 }, { TumblingWindowInSeconds: 60 }, { BisectBatchOnFunctionError: true }])
    await refused(
      lambda.createEventSourceMapping({ FunctionName: 'sink', EventSourceArn: arn, ...more }),
      'InvalidParameterValueException',
      `Unsupported parameter ${Object.keys(more)[0]} for event source of type SQS.`,
    );
});
