/** What streams are set to: encryption, capacity mode, metrics of shards, policies; and the lists that the Kinesis Client Library reads. */
import { CloudWatch } from '@aws-sdk/client-cloudwatch';
import { Kinesis } from '@aws-sdk/client-kinesis';
import { KMS } from '@aws-sdk/client-kms';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { admin, advanceClock, freshAccount, type OwnCloud, refused, startOwnCloud } from '../../support/cloud.ts';

const shard = 'shardId-000000000000';

// Moves time, so in a cloud of its own.
let cloud: OwnCloud;
beforeAll(async () => {
  cloud = await startOwnCloud();
});
afterAll(async () => {
  expect(await cloud.stop()).not.toContain('by a bug of Pilvi');
});

const settle = () => advanceClock(cloud.endpoint, 1000);

async function streaming(create: Partial<Parameters<Kinesis['createStream']>[0]> = { ShardCount: 1 }) {
  const account = freshAccount(cloud.endpoint);
  const kinesis = new Kinesis(account.config());
  const StreamName = 'clicks';
  await kinesis.createStream({ StreamName, ...create });
  await settle();
  const summary = async () => (await kinesis.describeStreamSummary({ StreamName })).StreamDescriptionSummary;
  const StreamARN = (await summary())?.StreamARN ?? '';
  return { account, kinesis, StreamName, StreamARN, summary };
}

async function readAll(kinesis: Kinesis, name: { StreamName: string } | { StreamARN: string }) {
  const { ShardIterator } = await kinesis.getShardIterator({ ...name, ShardId: shard, ShardIteratorType: 'TRIM_HORIZON' });
  const { Records = [] } = await kinesis.getRecords({ ShardIterator });
  return Records.map(({ Data, EncryptionType }) => [Buffer.from(Data ?? []).toString(), EncryptionType]);
}

test('records are encrypted with a key of KMS from when it is switched on, and need the key to be read', async () => {
  const { account, kinesis, StreamName, StreamARN, summary } = await streaming();
  const kms = new KMS(account.config());
  const KeyId = (await kms.createKey({})).KeyMetadata?.KeyId ?? '';
  const put = (text: string) => kinesis.putRecord({ StreamName, PartitionKey: 'k', Data: Buffer.from(text) });
  await put('plain');
  await refused(
    kinesis.startStreamEncryption({ StreamName, EncryptionType: 'KMS', KeyId: '11111111-2222-3333-4444-555555555555' }),
    'KMSNotFoundException',
  );
  await refused(kinesis.startStreamEncryption({ StreamName, EncryptionType: 'NONE', KeyId }), 'InvalidArgumentException');
  await kinesis.startStreamEncryption({ StreamName, EncryptionType: 'KMS', KeyId });
  expect(await summary()).toMatchObject({ StreamStatus: 'UPDATING' });
  await settle();
  expect(await summary()).toMatchObject({ StreamStatus: 'ACTIVE', EncryptionType: 'KMS', KeyId });
  expect((await put('hidden')).EncryptionType).toBe('KMS');
  expect(await readAll(kinesis, { StreamARN })).toEqual([
    ['plain', 'NONE'],
    ['hidden', 'KMS'],
  ]);
  await kms.disableKey({ KeyId });
  await advanceClock(cloud.endpoint, 301_000);
  await refused(readAll(kinesis, { StreamName }), 'KMSDisabledException');
  await refused(put('no more'), 'KMSDisabledException');
  await kinesis.stopStreamEncryption({ StreamName, EncryptionType: 'KMS', KeyId });
  await settle();
  expect((await put('open')).EncryptionType).toBe('NONE');
});

test('an on-demand stream divides its shards under load, and is not divided by hand', async () => {
  const { kinesis, StreamName, StreamARN, summary } = await streaming({ StreamModeDetails: { StreamMode: 'ON_DEMAND' } });
  expect(await summary()).toMatchObject({ OpenShardCount: 4, StreamModeDetails: { StreamMode: 'ON_DEMAND' } });
  const onlyProvisioned = /only for streams with PROVISIONED mode/;
  await refused(
    kinesis.updateShardCount({ StreamName, TargetShardCount: 8, ScalingType: 'UNIFORM_SCALING' }),
    'ValidationException',
    onlyProvisioned,
  );
  const Data = Buffer.alloc(700_000);
  const put = () => kinesis.putRecord({ StreamName, PartitionKey: 'hot', Data });
  await put();
  await refused(put(), 'ProvisionedThroughputExceededException');
  await settle();
  expect((await summary())?.OpenShardCount).toBe(5);
  await put();
  const mode = async (StreamMode: 'ON_DEMAND' | 'PROVISIONED') => {
    await kinesis.updateStreamMode({ StreamARN, StreamModeDetails: { StreamMode } });
    await settle();
  };
  await mode('PROVISIONED');
  expect(await summary()).toMatchObject({ OpenShardCount: 5, StreamModeDetails: { StreamMode: 'PROVISIONED' } });
  await mode('ON_DEMAND');
  await refused(mode('PROVISIONED'), 'LimitExceededException');
  expect(await kinesis.describeLimits({})).toMatchObject({ ShardLimit: 500, OpenShardCount: 0, OnDemandStreamCount: 1 });
});

test('streams are counted by minute, and their shards where that is asked for', async () => {
  const { account, kinesis, StreamName } = await streaming();
  await refused(
    kinesis.enableEnhancedMonitoring({ StreamName, ShardLevelMetrics: ['Nonsense' as 'ALL'] }),
    'ValidationException',
  );
  const enabled = await kinesis.enableEnhancedMonitoring({ StreamName, ShardLevelMetrics: ['IncomingBytes'] });
  expect(enabled).toMatchObject({ CurrentShardLevelMetrics: [], DesiredShardLevelMetrics: ['IncomingBytes'] });
  const entry = { PartitionKey: 'k', Data: Buffer.alloc(999) };
  await kinesis.putRecords({ StreamName, Records: [entry, entry] });
  await kinesis.putRecords({ StreamName, Records: [1, 2, 3].map(() => ({ ...entry, Data: Buffer.alloc(400_000) })) });
  await readAll(kinesis, { StreamName });
  await advanceClock(cloud.endpoint, 120_000);
  const cloudWatch = new CloudWatch(account.config());
  const { time } = (await admin('GET', 'clock', undefined, cloud.endpoint)) as { time: string };
  const sum = async (MetricName: string, more: { Name: string; Value: string }[] = []) => {
    const { Datapoints = [] } = await cloudWatch.getMetricStatistics({
      Namespace: 'AWS/Kinesis',
      MetricName,
      Dimensions: [{ Name: 'StreamName', Value: StreamName }, ...more],
      StartTime: new Date(Date.parse(time) - 600_000),
      EndTime: new Date(time),
      Period: 60,
      Statistics: ['Sum'],
    });
    return Datapoints.reduce((total, { Sum = 0 }) => total + Sum, 0);
  };
  const incoming = 2000 + 2 * 400_001;
  expect(await sum('IncomingRecords')).toBe(4);
  expect(await sum('IncomingBytes')).toBe(incoming);
  expect(await sum('WriteProvisionedThroughputExceeded')).toBe(1);
  expect(await sum('PutRecords.ThrottledRecords')).toBe(1);
  expect(await sum('GetRecords.Records')).toBe(4);
  const ofShard = [{ Name: 'ShardId', Value: shard }];
  expect([await sum('IncomingBytes', ofShard), await sum('IncomingRecords', ofShard)]).toEqual([incoming, 0]);
  const disabled = await kinesis.disableEnhancedMonitoring({ StreamName, ShardLevelMetrics: ['ALL'] });
  expect(disabled.DesiredShardLevelMetrics).toEqual([]);
});

test('a policy lets another account write and read; without it that account is refused', async () => {
  const { kinesis, StreamARN } = await streaming();
  const stranger = freshAccount(cloud.endpoint);
  const other = new Kinesis(stranger.config());
  const put = () => other.putRecord({ StreamARN, PartitionKey: 'k', Data: Buffer.from('hello') });
  await refused(
    put(),
    'AccessDeniedException',
    new RegExp(`is not authorized to perform: kinesis:PutRecord on resource: ${StreamARN}`),
  );
  const statement = (Action: string[]) => ({
    Effect: 'Allow',
    Principal: { AWS: `arn:aws:iam::${stranger.id}:root` },
    Action,
    Resource: StreamARN,
  });
  const Policy = JSON.stringify({
    Version: '2012-10-17',
    Statement: [statement(['kinesis:PutRecord', 'kinesis:GetShardIterator', 'kinesis:GetRecords'])],
  });
  await refused(kinesis.putResourcePolicy({ ResourceARN: StreamARN, Policy: '{' }), 'InvalidArgumentException');
  await kinesis.putResourcePolicy({ ResourceARN: StreamARN, Policy });
  expect((await kinesis.getResourcePolicy({ ResourceARN: StreamARN })).Policy).toBe(Policy);
  await put();
  expect(await readAll(other, { StreamARN })).toEqual([['hello', 'NONE']]);
  await refused(other.deleteStream({ StreamARN }), 'AccessDeniedException');
  await kinesis.deleteResourcePolicy({ ResourceARN: StreamARN });
  await refused(put(), 'AccessDeniedException');
  await refused(kinesis.deleteResourcePolicy({ ResourceARN: StreamARN }), 'ResourceNotFoundException');
});

test('shards are listed by page and by filter, as the Kinesis Client Library asks; resources have tags', async () => {
  const { kinesis, StreamName, StreamARN } = await streaming({ ShardCount: 3 });
  await kinesis.splitShard({ StreamName, ShardToSplit: shard, NewStartingHashKey: '1000' });
  const first = await kinesis.listShards({ StreamName, MaxResults: 2 });
  const second = await kinesis.listShards({ NextToken: first.NextToken, MaxResults: 10 });
  expect([first, second].map(({ Shards }) => Shards?.map(({ ShardId }) => Number(ShardId?.slice(-2))))).toEqual([
    [0, 1],
    [2, 3, 4],
  ]);
  expect(second.NextToken).toBeUndefined();
  const filtered = async (ShardFilter: NonNullable<Parameters<Kinesis['listShards']>[0]['ShardFilter']>) =>
    (await kinesis.listShards({ StreamName, ShardFilter })).Shards?.map(({ ShardId }) => Number(ShardId?.slice(-2)));
  expect(await filtered({ Type: 'AT_LATEST' })).toEqual([1, 2, 3, 4]);
  expect(await filtered({ Type: 'AT_TRIM_HORIZON' })).toEqual([0, 1, 2]);
  expect(await filtered({ Type: 'AFTER_SHARD_ID', ShardId: 'shardId-000000000002' })).toEqual([3, 4]);
  await refused(filtered({ Type: 'AFTER_SHARD_ID' }), 'InvalidArgumentException');
  await refused(filtered({ Type: 'AT_TIMESTAMP' }), 'InvalidArgumentException');
  await refused(kinesis.listShards({ StreamName, NextToken: first.NextToken }), 'InvalidArgumentException');
  await refused(kinesis.listShards({ NextToken: 'none' }), 'InvalidArgumentException');
  await advanceClock(cloud.endpoint, 301_000);
  await refused(kinesis.listShards({ NextToken: first.NextToken }), 'ExpiredNextTokenException');
  await kinesis.tagResource({ ResourceARN: StreamARN, Tags: { team: 'a', stage: 'b' } });
  await kinesis.untagResource({ ResourceARN: StreamARN, TagKeys: ['stage'] });
  expect((await kinesis.listTagsForResource({ ResourceARN: StreamARN })).Tags).toEqual([{ Key: 'team', Value: 'a' }]);
});

test('a stream may take records of up to ten mebibytes, which use up the following seconds of their shard', async () => {
  const { kinesis, StreamName, StreamARN, summary } = await streaming();
  expect(await summary()).toMatchObject({ MaxRecordSizeInKiB: 1024 });
  const put = (mebibytes: number) =>
    kinesis.putRecord({ StreamName, PartitionKey: 'k', Data: Buffer.alloc(mebibytes * 1_048_576, 'x') });
  await refused(put(2), 'ValidationException', /less than or equal to 1048576/);
  for (const MaxRecordSizeInKiB of [1023, 10_241])
    await refused(kinesis.updateMaxRecordSize({ StreamARN, MaxRecordSizeInKiB }), 'ValidationException', /maxRecordSizeInKiB/);
  await kinesis.updateMaxRecordSize({ StreamARN, MaxRecordSizeInKiB: 10_240 });
  await refused(kinesis.updateMaxRecordSize({ StreamARN, MaxRecordSizeInKiB: 2048 }), 'ResourceInUseException');
  await settle();
  expect(await summary()).toMatchObject({ MaxRecordSizeInKiB: 10_240 });
  await put(3);
  await refused(put(1), 'ProvisionedThroughputExceededException');
  await advanceClock(cloud.endpoint, 4000);
  await put(1);
  expect((await readAll(kinesis, { StreamName })).map(([text]) => text?.length)).toEqual([3_145_728, 1_048_576]);
});
