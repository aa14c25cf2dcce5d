/** Records on their way through functions, into partitions, and to the error prefix. */
import { Kinesis } from '@aws-sdk/client-kinesis';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { advanceClock, eventually, machinesRefused, type OwnCloud, refused, startOwnCloud } from '../../support/cloud.ts';
import { serverless } from '../lambda/support.ts';
import { atOnce, delivering, roleFor } from './support.ts';

let cloud: OwnCloud;
beforeAll(async () => {
  cloud = await startOwnCloud();
}, 60_000);
beforeEach((context) => {
  context.skip(machinesRefused() !== undefined, machinesRefused());
});
afterAll(async () => {
  expect(await cloud.stop()).not.toMatch(/by a bug of Pilvi/);
});

const text = (value: string) => ({ Data: Buffer.from(value) });
const minute = { SizeInMBs: 1, IntervalInSeconds: 60 };

/** Upper case; drops `drop`, fails `fail`, forgets `forget`, and names the first letter as the key of a partition. */
const shout = `
export const handler = async (event) => ({
  records: event.records
    .map(({ recordId, data }) => {
      const text = Buffer.from(data, 'base64').toString();
      if (text.startsWith('forget')) return undefined;
      if (text.startsWith('drop')) return { recordId, result: 'Dropped' };
      if (text.startsWith('fail')) return { recordId, result: 'ProcessingFailed', data };
      const loud = Buffer.from(text.toUpperCase()).toString('base64');
      return { recordId, result: 'Ok', data: loud, metadata: { partitionKeys: { letter: text[0] } } };
    })
    .filter((one) => one !== undefined),
});
`;

const processing = (LambdaArn: string, more: { ParameterName: 'NumberOfRetries'; ParameterValue: string }[] = []) => ({
  Enabled: true,
  Processors: [
    { Type: 'Lambda' as const, Parameters: [{ ParameterName: 'LambdaArn' as const, ParameterValue: LambdaArn }, ...more] },
  ],
});

/** An account with a bucket and a function, and a role that may use both. */
async function transforming(source = shout) {
  const lake = await delivering(cloud.endpoint);
  const role = await roleFor(lake.account, 'firehose', ['s3:*', 'kinesis:*', 'logs:*', 'lambda:InvokeFunction'], 'transforming');
  const { make, lambda } = await serverless(lake.account);
  const functionArn = await make('shout', source, { Timeout: 30 });
  return { ...lake, lambda, functionArn, destination: { ...lake.destination, RoleARN: role } };
}

async function objects(lake: Awaited<ReturnType<typeof transforming>>, count: number) {
  const keys = await eventually(
    async () => {
      const found = await lake.keys();
      expect(found).toHaveLength(count);
      return found;
    },
    { why: `${count} objects are delivered`, timeoutMs: 20_000 },
  );
  return Promise.all(keys.map(async (key) => [key, Buffer.from(await lake.bytes(key)).toString()] as const));
}

test('FH-001 records put, and those of a Kinesis stream, arrive within the buffering time, transformed by a function', {
  timeout: 90_000,
}, async () => {
  const lake = await transforming();
  const { firehose, create, keys, account, functionArn, destination } = lake;
  const kinesis = new Kinesis(account.config());
  await kinesis.createStream({ StreamName: 'source', ShardCount: 1 });
  await advanceClock(cloud.endpoint, 1000);
  const { StreamDescriptionSummary } = await kinesis.describeStreamSummary({ StreamName: 'source' });
  const extended = (Prefix: string) => ({
    ...destination,
    Prefix,
    BufferingHints: minute,
    ProcessingConfiguration: processing(functionArn),
  });
  await create('direct', { ExtendedS3DestinationConfiguration: extended('direct/') });
  await create('piped', {
    DeliveryStreamType: 'KinesisStreamAsSource',
    KinesisStreamSourceConfiguration: {
      KinesisStreamARN: StreamDescriptionSummary?.StreamARN,
      RoleARN: destination.RoleARN,
    },
    ExtendedS3DestinationConfiguration: extended('piped/'),
  });
  await create('plain', {
    ExtendedS3DestinationConfiguration: { ...destination, Prefix: 'plain/', BufferingHints: minute },
  });
  const Records = ['one\n', 'drop me\n', 'two\n'].map(text);
  await firehose.putRecordBatch({ DeliveryStreamName: 'direct', Records });
  await firehose.putRecordBatch({ DeliveryStreamName: 'plain', Records });
  await kinesis.putRecord({ StreamName: 'source', PartitionKey: 'k', Data: Buffer.from('three\n') });
  // The source is read every second.
  await advanceClock(cloud.endpoint, 3000);
  await advanceClock(cloud.endpoint, 47_000);
  expect(await keys()).toEqual([]);
  await advanceClock(cloud.endpoint, 15_000);
  const found = Object.fromEntries((await objects(lake, 3)).map(([key, body]) => [key.split('/')[0], body]));
  expect(found).toEqual({ direct: 'ONE\nTWO\n', piped: 'THREE\n', plain: 'one\ndrop me\ntwo\n' });
  const { DeliveryStreamDescription } = await firehose.describeDeliveryStream({ DeliveryStreamName: 'direct' });
  const shown = DeliveryStreamDescription?.Destinations?.[0]?.ExtendedS3DestinationDescription?.ProcessingConfiguration;
  expect(shown?.Processors?.[0]?.Parameters).toContainEqual({ ParameterName: 'LambdaArn', ParameterValue: functionArn });
});

test('what a function fails or forgets goes to the error prefix with the reason; the rest arrives', {
  timeout: 90_000,
}, async () => {
  const lake = await transforming();
  const { firehose, create, functionArn, destination } = lake;
  await create('mixed', {
    ExtendedS3DestinationConfiguration: {
      ...destination,
      Prefix: 'good/',
      ErrorOutputPrefix: 'bad/!{firehose:error-output-type}/',
      BufferingHints: atOnce,
      ProcessingConfiguration: processing(functionArn),
    },
  });
  const Records = ['a', 'fail this', 'forget this', 'b'].map(text);
  await firehose.putRecordBatch({ DeliveryStreamName: 'mixed', Records });
  const found = await objects(lake, 2);
  expect(found.find(([key]) => key.startsWith('good/'))?.[1]).toBe('AB');
  const [key, lines = ''] = found.find(([name]) => name.startsWith('bad/')) ?? [];
  expect(key).toMatch(/^bad\/processing-failed\//);
  const failures = lines
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, unknown>);
  expect(failures.map(({ errorCode, rawData }) => [errorCode, Buffer.from(String(rawData), 'base64').toString()])).toEqual([
    ['Lambda.ProcessingFailedStatus', 'fail this'],
    ['Lambda.MissingRecordId', 'forget this'],
  ]);
  expect(failures[0]).toMatchObject({ lambdaArn: functionArn, attemptsMade: 1 });
});

test('a function that throws is tried again so often, then its records count as failed', { timeout: 90_000 }, async () => {
  const lake = await transforming("export const handler = async () => { throw new Error('no'); };");
  const { firehose, create, functionArn, destination } = lake;
  await create('broken', {
    ExtendedS3DestinationConfiguration: {
      ...destination,
      BufferingHints: atOnce,
      ProcessingConfiguration: processing(functionArn, [{ ParameterName: 'NumberOfRetries', ParameterValue: '1' }]),
    },
  });
  await firehose.putRecord({ DeliveryStreamName: 'broken', Record: text('lost?') });
  const [[key, line] = ['', '']] = await objects(lake, 1);
  expect(key).toMatch(/^processing-failed\//);
  expect(JSON.parse(line)).toMatchObject({
    errorCode: 'Lambda.FunctionError',
    attemptsMade: 2,
    rawData: Buffer.from('lost?').toString('base64'),
  });
});

test('dynamic partitions: keys by a query or by a function name the objects', { timeout: 90_000 }, async () => {
  const lake = await transforming();
  const { firehose, create, functionArn, destination } = lake;
  const partitioned = {
    ...destination,
    BufferingHints: { SizeInMBs: 64, IntervalInSeconds: 0 },
    ErrorOutputPrefix: 'failed/',
    DynamicPartitioningConfiguration: { Enabled: true },
  };
  await create('by-query', {
    ExtendedS3DestinationConfiguration: {
      ...partitioned,
      Prefix: 'customer=!{partitionKeyFromQuery:customer}/',
      ProcessingConfiguration: {
        Enabled: true,
        Processors: [
          {
            Type: 'MetadataExtraction',
            Parameters: [
              { ParameterName: 'MetadataExtractionQuery', ParameterValue: '{customer: .detail.id}' },
              { ParameterName: 'JsonParsingEngine', ParameterValue: 'JQ-1.6' },
            ],
          },
          { Type: 'RecordDeAggregation', Parameters: [{ ParameterName: 'SubRecordType', ParameterValue: 'JSON' }] },
          { Type: 'AppendDelimiterToRecord', Parameters: [{ ParameterName: 'Delimiter', ParameterValue: '\\n' }] },
        ],
      },
    },
  });
  await create('by-function', {
    ExtendedS3DestinationConfiguration: {
      ...partitioned,
      Prefix: 'letter=!{partitionKeyFromLambda:letter}/',
      ProcessingConfiguration: processing(functionArn),
    },
  });
  const order = (id: string) => JSON.stringify({ detail: { id } });
  const Records = [text(order('ann') + order('bob')), text(order('ann')), text('{"detail":{}}')];
  await firehose.putRecordBatch({ DeliveryStreamName: 'by-query', Records });
  await firehose.putRecordBatch({ DeliveryStreamName: 'by-function', Records: ['xa', 'ya', 'xb'].map(text) });
  const found = Object.fromEntries((await objects(lake, 5)).map(([key, body]) => [key.split('/')[0], body]));
  expect(found).toMatchObject({
    'customer=ann': `${order('ann')}\n${order('ann')}\n`,
    'customer=bob': `${order('bob')}\n`,
    'letter=x': 'XAXB',
    'letter=y': 'YA',
  });
  expect(JSON.parse(found['failed'] ?? '')).toMatchObject({ errorCode: 'DynamicPartitioning.MetadataExtractionFailed' });
});

test('processing that AWS refuses', async () => {
  const { firehose, destination } = await delivering(cloud.endpoint);
  const create = (more: object) =>
    firehose.createDeliveryStream({
      DeliveryStreamName: 'refused',
      ExtendedS3DestinationConfiguration: { ...destination, ...more },
    });
  const step = (Type: string, parameters: Record<string, string>) => ({
    ProcessingConfiguration: {
      Enabled: true,
      Processors: [
        {
          Type,
          Parameters: Object.entries(parameters).map(([ParameterName, ParameterValue]) => ({ ParameterName, ParameterValue })),
        },
      ],
    },
  });
  const invalid = 'InvalidArgumentException';
  await refused(
    create(step('Lambda', { LambdaArn: 'no-arn' })),
    invalid,
    'Processor parameter LambdaArn has an invalid value no-arn.',
  );
  const arn = 'arn:aws:lambda:us-east-1:123456789012:function:f';
  await refused(
    create(step('Lambda', { LambdaArn: arn, BufferSizeInMBs: '4' })),
    invalid,
    /BufferSizeInMBs has an invalid value 4/,
  );
  await refused(create(step('RecordDeAggregation', { SubRecordType: 'XML' })), invalid, /SubRecordType has an invalid value XML/);
  await refused(create({ ProcessingConfiguration: { Enabled: true } }), invalid);
  const dynamic = { DynamicPartitioningConfiguration: { Enabled: true } };
  const keyed = { Prefix: '!{partitionKeyFromQuery:id}/', ErrorOutputPrefix: 'failed/' };
  await refused(create({ ...dynamic, Prefix: 'plain/' }), invalid, /must contain a partition key expression/);
  await refused(
    create({ ...dynamic, ...keyed, BufferingHints: { SizeInMBs: 63, IntervalInSeconds: 60 } }),
    invalid,
    /at least 64/,
  );
  await refused(create(keyed), invalid);
  const query = { MetadataExtractionQuery: '{id: .a | tostring}', JsonParsingEngine: 'JQ-1.6' };
  await refused(create(step('MetadataExtraction', query)), 'NotImplemented');
  await refused(create(step('CloudWatchLogProcessing', { DataMessageExtraction: 'true' })), 'NotImplemented');
  await refused(create({ DataFormatConversionConfiguration: { Enabled: true } }), 'NotImplemented');
});
