import { gunzipSync, inflateRawSync } from 'node:zlib';
import { EventBridge } from '@aws-sdk/client-eventbridge';
import { Kinesis } from '@aws-sdk/client-kinesis';
import { uncompress } from 'snappyjs';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { admin, advanceClock, eventually, type OwnCloud, refused, startOwnCloud } from '../../support/cloud.ts';
import { atOnce, delivering, roleFor } from './support.ts';

let cloud: OwnCloud;
beforeAll(async () => {
  cloud = await startOwnCloud();
}, 60_000);
afterAll(async () => {
  expect(await cloud.stop()).not.toMatch(/by a bug of Pilvi/);
});

const text = (value: string) => ({ Data: Buffer.from(value) });
const minute = { SizeInMBs: 1, IntervalInSeconds: 60 };

test('FH-002 records arrive in one object under the hour after a minute, and after a megabyte at once', async () => {
  const { firehose, create, keys, delivered, bytes, destination } = await delivering(cloud.endpoint);
  const DeliveryStreamName = 'clicks';
  await create(DeliveryStreamName, { ExtendedS3DestinationConfiguration: { ...destination, BufferingHints: minute } });
  const { RequestResponses, FailedPutCount } = await firehose.putRecordBatch({
    DeliveryStreamName,
    Records: [text('one\n'), text('two\n')],
  });
  expect([FailedPutCount, new Set(RequestResponses?.map(({ RecordId }) => RecordId)).size]).toEqual([0, 2]);
  await firehose.putRecord({ DeliveryStreamName, Record: text('three\n') });
  await advanceClock(cloud.endpoint, 50_000);
  expect(await keys()).toEqual([]);
  await advanceClock(cloud.endpoint, 10_000);
  const [key = ''] = await delivered(1);
  expect(key).toMatch(/^\d{4}\/\d\d\/\d\d\/\d\d\/clicks-1-\d{4}(-\d\d){5}-[0-9a-f-]{36}$/);
  expect(Buffer.from(await bytes(key)).toString()).toBe('one\ntwo\nthree\n');
  const large = Array.from({ length: 2 }, () => ({ Data: Buffer.alloc(600_000, 'x') }));
  await firehose.putRecordBatch({ DeliveryStreamName, Records: large });
  const second = (await delivered(2)).find((one) => one !== key);
  expect((await bytes(second)).byteLength).toBe(1_200_000);
});

test('FH-002 objects are compressed as asked, and prefixes tell the time in their zone', async () => {
  const { firehose, create, delivered, bytes, destination } = await delivering(cloud.endpoint);
  const Prefix = "in/!{timestamp:'year='yyyy/MM}/!{firehose:random-string}/";
  const plain = 'the same line again and again\n'.repeat(5000);
  const put = async (
    DeliveryStreamName: string,
    CompressionFormat: 'GZIP' | 'ZIP' | 'Snappy' | 'HADOOP_SNAPPY',
    more: object,
  ) => {
    const s3 = { ...destination, BufferingHints: atOnce, CompressionFormat, ...more };
    await create(DeliveryStreamName, { ExtendedS3DestinationConfiguration: s3 });
    await firehose.putRecord({ DeliveryStreamName, Record: text(plain) });
  };
  await put('gzip', 'GZIP', { Prefix, ErrorOutputPrefix: '!{firehose:error-output-type}/', CustomTimeZone: 'Asia/Tokyo' });
  await put('zip', 'ZIP', { Prefix: 'zip/' });
  await put('snappy', 'Snappy', { Prefix: 'snappy/' });
  await put('hadoop', 'HADOOP_SNAPPY', { Prefix: 'hadoop/', FileExtension: '.data' });
  const all = await delivered(4);
  const named = (name: string) => all.find((key) => key.includes(`/${name}-1-`)) ?? '';
  expect(named('gzip')).toMatch(/^in\/year=\d{4}\/\d\d\/[\w-]{11}\/gzip-1-[\w-]+\.gz$/);
  expect(gunzipSync(await bytes(named('gzip'))).toString()).toBe(plain);
  const [shownTokyo = ''] = /\d{4}-\d\d-\d\d-\d\d/.exec(named('gzip')) ?? [];
  const [shownUtc = ''] = /\d{4}-\d\d-\d\d-\d\d/.exec(named('zip')) ?? [];
  const hours = (shown: string) => Date.parse(`${shown.slice(0, 10)}T${shown.slice(11)}:00:00Z`) / 3_600_000;
  expect([9, 8]).toContain(hours(shownTokyo) - hours(shownUtc));
  expect(named('zip')).toMatch(/^zip\/\d{4}\/\d\d\/\d\d\/\d\d\/zip-1-[\w-]+\.zip$/);
  const zip = Buffer.from(await bytes(named('zip')));
  const start = 30 + zip.readUInt16LE(26);
  expect(inflateRawSync(zip.subarray(start, start + zip.readUInt32LE(18))).toString()).toBe(plain);
  const framed = Buffer.from(await bytes(named('snappy')));
  expect([framed.subarray(4, 10).toString(), framed[10]]).toEqual(['sNaPpY', 0]);
  const first = uncompress(framed.subarray(18, 14 + framed.readUIntLE(11, 3)));
  expect(Buffer.from(first).toString()).toBe(plain.slice(0, 65_536));
  expect(named('hadoop')).toMatch(/\.data$/);
  const hadoop = Buffer.from(await bytes(named('hadoop')));
  expect(Buffer.from(uncompress(hadoop.subarray(8, 8 + hadoop.readUInt32BE(4)))).toString()).toBe(plain);
});

test('a Kinesis stream as source is read on, also over a split, and takes no records put', async () => {
  const { account, firehose, create, delivered, bytes, destination, RoleARN } = await delivering(cloud.endpoint);
  const kinesis = new Kinesis(account.config());
  const StreamName = 'source';
  await kinesis.createStream({ StreamName, ShardCount: 1 });
  await eventually(
    async () => {
      const { StreamDescriptionSummary: found } = await kinesis.describeStreamSummary({ StreamName });
      expect(found?.StreamStatus).toBe('ACTIVE');
    },
    { why: 'the stream is active' },
  );
  const put = (PartitionKey: string, value: string) => kinesis.putRecord({ StreamName, PartitionKey, Data: Buffer.from(value) });
  await put('k', 'before;');
  await advanceClock(cloud.endpoint, 10_000);
  const KinesisStreamARN = `arn:aws:kinesis:us-east-1:${account.id}:stream/${StreamName}`;
  const source = {
    DeliveryStreamType: 'KinesisStreamAsSource' as const,
    KinesisStreamSourceConfiguration: { KinesisStreamARN, RoleARN },
  };
  await create('sink', { ...source, ExtendedS3DestinationConfiguration: { ...destination, BufferingHints: minute } });
  await put('k', 'a;');
  await kinesis.splitShard({ StreamName, ShardToSplit: 'shardId-000000000000', NewStartingHashKey: String(2n ** 127n) });
  await put('k', 'b;');
  await put('l', 'c;');
  for (let step = 0; step < 4; step++) await advanceClock(cloud.endpoint, 1000);
  await advanceClock(cloud.endpoint, 60_000);
  const [key] = await delivered(1);
  const found = Buffer.from(await bytes(key)).toString();
  expect(found.split(';').sort()).toEqual(['', 'a', 'b', 'c']);
  expect(found).toMatch(/^a;/);
  await refused(
    firehose.putRecord({ DeliveryStreamName: 'sink', Record: text('x') }),
    'InvalidArgumentException',
    'This operation is not permitted on KinesisStreamAsSource delivery stream type.',
  );
  await refused(
    firehose.createDeliveryStream({
      DeliveryStreamName: 'none',
      ...source,
      KinesisStreamSourceConfiguration: { KinesisStreamARN: `${KinesisStreamARN}-gone`, RoleARN },
      ExtendedS3DestinationConfiguration: destination,
    }),
    'InvalidArgumentException',
    /not found/,
  );
});

test('what S3 refuses is tried again, reported to the log, and arrives once it can', async () => {
  const { account, firehose, s3, create, delivered, destination, Bucket } = await delivering(cloud.endpoint);
  const { CloudWatchLogs } = await import('@aws-sdk/client-cloudwatch-logs');
  const logs = new CloudWatchLogs(account.config());
  const [logGroupName, logStreamName] = ['/aws/kinesisfirehose/late', 'S3Delivery'];
  await logs.createLogGroup({ logGroupName });
  await logs.createLogStream({ logGroupName, logStreamName });
  const CloudWatchLoggingOptions = { Enabled: true, LogGroupName: logGroupName, LogStreamName: logStreamName };
  const DeliveryStreamName = 'late';
  await create(DeliveryStreamName, {
    ExtendedS3DestinationConfiguration: { ...destination, BufferingHints: atOnce, CloudWatchLoggingOptions },
  });
  await s3.deleteBucket({ Bucket });
  await firehose.putRecord({ DeliveryStreamName, Record: text('late') });
  await eventually(
    async () => {
      const { events = [] } = await logs.getLogEvents({ logGroupName, logStreamName });
      expect(JSON.parse(events[0]?.message ?? '{}')).toMatchObject({ errorCode: 'S3.NoSuchBucket', deliveryStreamVersionId: 1 });
    },
    { why: 'the failure is in the log' },
  );
  await s3.createBucket({ Bucket });
  await advanceClock(cloud.endpoint, 120_000);
  await delivered(1);
});

test('changes, lists, tags and the end of a stream', async () => {
  const { account, firehose, create, keys, destination } = await delivering(cloud.endpoint);
  const arn = await create('a', { S3DestinationConfiguration: destination, Tags: [{ Key: 'team', Value: 'data' }] });
  await create('b', { ExtendedS3DestinationConfiguration: destination });
  expect(arn).toBe(`arn:aws:firehose:us-east-1:${account.id}:deliverystream/a`);
  expect(await firehose.listDeliveryStreams({ Limit: 1 })).toMatchObject({
    DeliveryStreamNames: ['a'],
    HasMoreDeliveryStreams: true,
  });
  // What was never asked for is not shown: Terraform would replace the stream to take it away.
  const { DeliveryStreamDescription: plain } = await firehose.describeDeliveryStream({ DeliveryStreamName: 'b' });
  expect(plain?.Destinations?.[0]?.ExtendedS3DestinationDescription).not.toHaveProperty('DynamicPartitioningConfiguration');
  const next = await firehose.listDeliveryStreams({ ExclusiveStartDeliveryStreamName: 'a' });
  expect(next).toMatchObject({ DeliveryStreamNames: ['b'], HasMoreDeliveryStreams: false });
  const name = { DeliveryStreamName: 'a' };
  await firehose.tagDeliveryStream({ ...name, Tags: [{ Key: 'stage', Value: 'test' }] });
  await firehose.untagDeliveryStream({ ...name, TagKeys: ['team'] });
  expect((await firehose.listTagsForDeliveryStream(name)).Tags).toEqual([{ Key: 'stage', Value: 'test' }]);
  await firehose.putRecord({ ...name, Record: text('waits') });
  const change = {
    ...name,
    DestinationId: 'destinationId-000000000001',
    ExtendedS3DestinationUpdate: { Prefix: 'new/', BufferingHints: atOnce },
  };
  await refused(
    firehose.updateDestination({ ...change, CurrentDeliveryStreamVersionId: '7' }),
    'ConcurrentModificationException',
    'Cannot update firehose: a since the current version id: 1 and specified version id: 7 do not match',
  );
  await firehose.updateDestination({ ...change, CurrentDeliveryStreamVersionId: '1' });
  const { DeliveryStreamDescription: shown } = await firehose.describeDeliveryStream(name);
  expect([shown?.VersionId, shown?.Destinations?.[0]?.ExtendedS3DestinationDescription]).toEqual([
    '2',
    expect.objectContaining({ Prefix: 'new/', BufferingHints: atOnce, CompressionFormat: 'UNCOMPRESSED' }),
  ]);
  await eventually(async () => expect(await keys()).toEqual([expect.stringMatching(/^new\/\d{4}\/.*a-2-/)]), {
    why: 'what waited is delivered by the new configuration',
  });
  await firehose.deleteDeliveryStream(name);
  await eventually(() => refused(firehose.describeDeliveryStream(name), 'ResourceNotFoundException'), {
    why: 'the stream is gone',
  });
});

test('requests that AWS refuses', async () => {
  const { account, firehose, create, destination } = await delivering(cloud.endpoint);
  const ExtendedS3DestinationConfiguration = destination;
  const ask = (DeliveryStreamName: string, more: object) => firehose.createDeliveryStream({ DeliveryStreamName, ...more });
  const s3 = (more: object) => ask('x', { ExtendedS3DestinationConfiguration: { ...destination, ...more } });
  await create('taken', { ExtendedS3DestinationConfiguration });
  await refused(
    ask('taken', { ExtendedS3DestinationConfiguration }),
    'ResourceInUseException',
    `Firehose taken under accountId ${account.id} already exists`,
  );
  await refused(
    ask('a b', { ExtendedS3DestinationConfiguration }),
    'ValidationException',
    /at 'deliveryStreamName' failed to satisfy/,
  );
  await refused(ask('x', {}), 'InvalidArgumentException', 'Exactly one destination configuration is supported for a Firehose');
  await refused(
    s3({ BufferingHints: { SizeInMBs: 129, IntervalInSeconds: 60 } }),
    'ValidationException',
    /less than or equal to 128/,
  );
  await refused(
    s3({ BufferingHints: { SizeInMBs: 5, IntervalInSeconds: 901 } }),
    'ValidationException',
    /less than or equal to 900/,
  );
  await refused(s3({ Prefix: '!{timestamp:yyyy}/' }), 'InvalidArgumentException', /^ErrorOutputPrefix cannot be null or empty/);
  await refused(
    s3({ Prefix: '!{timestamp:yyyy}/', ErrorOutputPrefix: 'e/!{timestamp:yyyy}/' }),
    'InvalidArgumentException',
    'ErrorOutputPrefix must contain at least one instance of !{firehose:error-output-type}.',
  );
  await refused(s3({ Prefix: '!{partitionKeyFromQuery:id}/', ErrorOutputPrefix: 'e' }), 'InvalidArgumentException');
  await refused(s3({ CustomTimeZone: 'Mars/Olympus' }), 'InvalidArgumentException', 'CustomTimeZone Mars/Olympus is not valid.');
  const RoleARN = await roleFor(account, 'lambda', ['s3:*']);
  await refused(
    s3({ RoleARN }),
    'InvalidArgumentException',
    `Firehose is unable to assume role ${RoleARN}. Please check the role provided.`,
  );
  const ProcessingConfiguration = { Enabled: true, Processors: [{ Type: 'Lambda' as const }] };
  await refused(s3({ ProcessingConfiguration }), 'InvalidArgumentException');
  const RedshiftDestinationConfiguration = {
    RoleARN,
    ClusterJDBCURL: 'jdbc:redshift://x:5439/d',
    CopyCommand: { DataTableName: 't' },
    S3Configuration: destination,
  };
  await refused(ask('x', { RedshiftDestinationConfiguration }), 'NotImplemented', /RedshiftDestinationConfiguration/, 501);
  const http = { EndpointConfiguration: { Url: 'http://198.18.0.9/' }, S3Configuration: destination };
  await refused(ask('x', { HttpEndpointDestinationConfiguration: http }), 'ValidationException', /https:/);
  const put = (Records: { Data: Uint8Array }[], DeliveryStreamName = 'taken') =>
    firehose.putRecordBatch({ DeliveryStreamName, Records });
  await refused(put([text('x')], 'gone'), 'ResourceNotFoundException', `Firehose gone under account ${account.id} not found.`);
  await refused(put(Array.from({ length: 501 }, () => text('x'))), 'ValidationException', /less than or equal to 500/);
  const big = { Data: Buffer.alloc(1_024_001) };
  await refused(
    firehose.putRecord({ DeliveryStreamName: 'taken', Record: big }),
    'ValidationException',
    "1 validation error detected: Value at 'record.data' failed to satisfy constraint: Member must have length less than or equal to 1024000",
  );
  const full = { Data: Buffer.alloc(1_000_000) };
  await refused(put([full, full, full, full, full]), 'InvalidArgumentException', 'Records size exceeds 4 MB limit');
});

test('a rule tries a throttled target again, as often as its retry policy says', async () => {
  const { account, create, keys, delivered, destination } = await delivering(cloud.endpoint);
  const events = new EventBridge(account.config());
  const Arn = await create('hose', { ExtendedS3DestinationConfiguration: { ...destination, BufferingHints: atOnce } });
  const RoleArn = await roleFor(account, 'events', ['firehose:PutRecord']);
  await events.putRule({ Name: 'all', EventPattern: JSON.stringify({ source: ['shop'] }) });
  const throttle = { kind: 'throttle', service: 'firehose', operation: 'PutRecord', account: account.id, times: 2 };
  const send = async (MaximumRetryAttempts: number) => {
    await events.putTargets({ Rule: 'all', Targets: [{ Id: 'hose', Arn, RoleArn, RetryPolicy: { MaximumRetryAttempts } }] });
    await admin('POST', 'chaos/api', throttle, cloud.endpoint);
    await events.putEvents({ Entries: [{ Source: 'shop', DetailType: 'Order', Detail: '{}' }] });
    for (let step = 0; step < 4; step++) await advanceClock(cloud.endpoint, 3000);
  };
  await send(1);
  expect(await keys()).toEqual([]);
  await send(2);
  await delivered(1);
});
