import { Kinesis } from '@aws-sdk/client-kinesis';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { admin, advanceClock, eventually, freshAccount, type OwnCloud, refused, startOwnCloud } from '../../support/cloud.ts';

const hour = 3_600_000;

/** An active stream in an account of its own. */
async function streaming(ShardCount: number, endpoint?: string) {
  const account = freshAccount(endpoint);
  const kinesis = new Kinesis(account.config());
  const StreamName = 'clicks';
  await kinesis.createStream({ StreamName, ShardCount });
  const active = () =>
    eventually(
      async () => {
        const { StreamDescriptionSummary: found } = await kinesis.describeStreamSummary({ StreamName });
        expect(found?.StreamStatus).toBe('ACTIVE');
        return found;
      },
      { why: 'the stream is active' },
    );
  await active();
  const put = (PartitionKey: string, text: string) => kinesis.putRecord({ StreamName, PartitionKey, Data: Buffer.from(text) });
  const iterator = async (ShardId: string, more: Partial<Parameters<Kinesis['getShardIterator']>[0]> = {}) =>
    (await kinesis.getShardIterator({ StreamName, ShardId, ShardIteratorType: 'TRIM_HORIZON', ...more })).ShardIterator ?? '';
  const read = async (ShardIterator: string) => {
    const { Records = [], ...rest } = await kinesis.getRecords({ ShardIterator });
    return { texts: Records.map(({ Data }) => Buffer.from(Data ?? []).toString()), ...rest };
  };
  const open = async () => {
    const { Shards = [] } = await kinesis.listShards({ StreamName, ShardFilter: { Type: 'AT_LATEST' } });
    return Shards;
  };
  return { account, kinesis, StreamName, put, iterator, read, open };
}

const first = 'shardId-000000000000';

test('a shard keeps order, and iterators of every type find their place', async () => {
  const { kinesis, StreamName, put, iterator, read } = await streaming(1);
  const a = await put('k', 'a');
  const b = await put('k', 'b');
  expect([a.ShardId, BigInt(b.SequenceNumber ?? 0) > BigInt(a.SequenceNumber ?? 0)]).toEqual([first, true]);
  const latest = await iterator(first, { ShardIteratorType: 'LATEST' });
  await put('k', 'c');
  expect((await read(await iterator(first))).texts).toEqual(['a', 'b', 'c']);
  expect((await read(latest)).texts).toEqual(['c']);
  const at = { StartingSequenceNumber: b.SequenceNumber };
  expect((await read(await iterator(first, { ShardIteratorType: 'AT_SEQUENCE_NUMBER', ...at }))).texts).toEqual(['b', 'c']);
  expect((await read(await iterator(first, { ShardIteratorType: 'AFTER_SEQUENCE_NUMBER', ...at }))).texts).toEqual(['c']);
  await refused(
    iterator('shardId-000000000009'),
    'ResourceNotFoundException',
    /^Could not find shard shardId-000000000009 in stream clicks under account \d{12}\.$/,
  );
  await refused(
    iterator(first, { ShardIteratorType: 'AT_SEQUENCE_NUMBER', StartingSequenceNumber: '5' }),
    'InvalidArgumentException',
  );
  await refused(iterator(first, { ShardIteratorType: 'AT_TIMESTAMP' }), 'InvalidArgumentException');
  await refused(kinesis.getRecords({ ShardIterator: 'nonsense' }), 'InvalidArgumentException', 'Invalid ShardIterator.');
  await refused(kinesis.putRecord({ StreamName, PartitionKey: '', Data: Buffer.from('x') }), 'ValidationException');
});

test('KDS-003 a shard takes 1,000 records and 1 MB a second, and gives 2 MB and five reads', { timeout: 60_000 }, async () => {
  const cloud = await startOwnCloud();
  onTestFinished(async () => {
    expect(await cloud.stop()).not.toContain('by a bug of Pilvi');
  });
  const { account, kinesis, StreamName, iterator, read } = await streaming(1, cloud.endpoint);
  const big = await streaming(1, cloud.endpoint);
  // The clock stands still: what comes in one second is what the test says, however busy the machine is.
  await admin('POST', 'clock', { speed: 0 }, cloud.endpoint);
  const second = () => advanceClock(cloud.endpoint, 1000);
  await second();
  const batch = (count: number, bytes: number) =>
    kinesis.putRecords({
      StreamName,
      Records: Array.from({ length: count }, () => ({ PartitionKey: 'k', Data: Buffer.alloc(bytes) })),
    });
  expect((await batch(500, 10)).FailedRecordCount).toBe(0);
  const { Records: half = [] } = await batch(500, 10);
  expect(half.filter(({ ErrorCode }) => ErrorCode !== undefined)).toEqual([]);
  const refusedRecord = (await batch(1, 10)).Records?.[0];
  expect(refusedRecord).toEqual({
    ErrorCode: 'ProvisionedThroughputExceededException',
    ErrorMessage: `Rate exceeded for shard ${first} in stream clicks under account ${account.id}.`,
  });
  const put = (bytes: number) => big.kinesis.putRecord({ StreamName, PartitionKey: 'k', Data: Buffer.alloc(bytes) });
  await put(900_000);
  await refused(put(900_000), 'ProvisionedThroughputExceededException');
  for (let more = 0; more < 2; more++) {
    await second();
    await put(900_000);
  }
  await second();
  // Nearly 3 MB are read at once; the next reads wait for them.
  const from = await big.iterator(first);
  expect((await big.read(from)).texts).toHaveLength(3);
  await refused(big.read(from), 'ProvisionedThroughputExceededException');
  await second();
  const start = await iterator(first, { ShardIteratorType: 'LATEST' });
  const reads = await Promise.allSettled(Array.from({ length: 20 }, () => read(start)));
  expect(reads.filter(({ status }) => status === 'fulfilled')).toHaveLength(5);
});

test('KDS-002 capacity is the sum of the shards', { timeout: 60_000 }, async () => {
  const { kinesis, StreamName, open } = await streaming(2);
  const ranges = async () =>
    (await open()).map(({ HashKeyRange }) => [HashKeyRange?.StartingHashKey, HashKeyRange?.EndingHashKey]);
  const half = 2n ** 127n;
  expect(await ranges()).toEqual([
    ['0', String(half - 1n)],
    [String(half), String(2n ** 128n - 1n)],
  ]);
  /** Bytes that are taken at once, each shard's share offered twice over. */
  const taken = async (): Promise<number> => {
    const shards = await open();
    const results = await Promise.all(
      shards.flatMap(({ HashKeyRange }) =>
        Array.from({ length: 4 }, () =>
          kinesis
            .putRecord({
              StreamName,
              PartitionKey: 'k',
              ExplicitHashKey: HashKeyRange?.StartingHashKey,
              Data: Buffer.alloc(500_000),
            })
            .then(
              () => 1,
              (error: Error) => {
                expect(error.name).toBe('ProvisionedThroughputExceededException');
                return 0;
              },
            ),
        ),
      ),
    );
    return results.reduce<number>((sum, one) => sum + one, 0);
  };
  const two = await taken();
  await kinesis.updateShardCount({ StreamName, TargetShardCount: 4, ScalingType: 'UNIFORM_SCALING' });
  expect(await open()).toHaveLength(4);
  const four = await taken();
  // Two records of half a megabyte fit a shard's second; slow machines let a further one in.
  expect(two).toBeGreaterThanOrEqual(4);
  expect(four).toBeGreaterThanOrEqual(8);
  expect(four).toBeGreaterThan(two);
  await refused(
    kinesis.updateShardCount({ StreamName, TargetShardCount: 9, ScalingType: 'UNIFORM_SCALING' }),
    'LimitExceededException',
    'UpdateShardCount cannot scale up over double your current open shard count. Current open shard count: 4 Target shard count: 9',
  );
});

test('a shard is split, its children are joined, and readers follow', async () => {
  const { kinesis, StreamName, put, iterator, read, open } = await streaming(1);
  await put('k', 'before');
  await kinesis.splitShard({ StreamName, ShardToSplit: first, NewStartingHashKey: String(2n ** 127n) });
  const [low, high] = await open();
  expect([low?.ParentShardId, high?.ParentShardId]).toEqual([first, first]);
  const { texts, NextShardIterator, ChildShards } = await read(await iterator(first));
  expect([texts, NextShardIterator]).toEqual([['before'], undefined]);
  expect(ChildShards?.map(({ ShardId }) => ShardId)).toEqual([low?.ShardId, high?.ShardId]);
  const { ShardId = '' } = await put('k', 'after');
  expect((await read(await iterator(ShardId))).texts).toEqual(['after']);
  await kinesis.mergeShards({ StreamName, ShardToMerge: low?.ShardId, AdjacentShardToMerge: high?.ShardId });
  const [joined, ...others] = await open();
  expect([others, joined?.ParentShardId, joined?.AdjacentParentShardId]).toEqual([[], low?.ShardId, high?.ShardId]);
  await refused(
    kinesis.splitShard({ StreamName, ShardToSplit: first, NewStartingHashKey: '5' }),
    'InvalidArgumentException',
    /has already been merged or split/,
  );
  await refused(
    kinesis.splitShard({ StreamName, ShardToSplit: joined?.ShardId, NewStartingHashKey: '0' }),
    'InvalidArgumentException',
    /is not both greater than one plus the shard's StartingHashKey 0/,
  );
});

test('streams are listed, tagged and deleted', async () => {
  const { account, kinesis, StreamName } = await streaming(1);
  expect((await kinesis.listStreams({})).StreamNames).toEqual([StreamName]);
  await refused(
    kinesis.createStream({ StreamName, ShardCount: 1 }),
    'ResourceInUseException',
    `Stream clicks under account ${account.id} already exists.`,
  );
  await kinesis.addTagsToStream({ StreamName, Tags: { team: 'web', stage: 'test' } });
  await kinesis.removeTagsFromStream({ StreamName, TagKeys: ['stage'] });
  expect((await kinesis.listTagsForStream({ StreamName })).Tags).toEqual([{ Key: 'team', Value: 'web' }]);
  await kinesis.deleteStream({ StreamName });
  await eventually(
    () =>
      refused(
        kinesis.describeStreamSummary({ StreamName }),
        'ResourceNotFoundException',
        `Stream clicks under account ${account.id} not found.`,
      ),
    { why: 'the stream is gone' },
  );
  await refused(
    kinesis.createStream({ StreamName: 'x' }),
    'InvalidArgumentException',
    'ShardCount must be provided when StreamMode is PROVISIONED.',
  );
});

// Moves time, so in a cloud of its own.
let cloud: OwnCloud;
beforeAll(async () => {
  cloud = await startOwnCloud();
});
afterAll(async () => {
  expect(await cloud.stop()).not.toContain('by a bug of Pilvi');
});

test('KDS-001 records can be read again, by several readers, until their retention ends', { timeout: 60_000 }, async () => {
  const { kinesis, StreamName, put, iterator, read } = await streaming(1, cloud.endpoint);
  for (const text of ['1', '2', '3']) await put('k', text);
  for (let reader = 0; reader < 3; reader++) expect((await read(await iterator(first))).texts).toEqual(['1', '2', '3']);
  const old = await iterator(first);
  await advanceClock(cloud.endpoint, 23 * hour);
  await put('k', '4');
  expect((await read(await iterator(first))).texts).toEqual(['1', '2', '3', '4']);
  const { StreamDescriptionSummary: summary } = await kinesis.describeStreamSummary({ StreamName });
  expect(summary?.RetentionPeriodHours).toBe(24);
  await refused(read(old), 'ExpiredIteratorException', /tolerated delay of 300000 milliseconds/);
  await advanceClock(cloud.endpoint, 1.5 * hour);
  expect((await read(await iterator(first))).texts).toEqual(['4']);
  await kinesis.increaseStreamRetentionPeriod({ StreamName, RetentionPeriodHours: 48 });
  await advanceClock(cloud.endpoint, 24 * hour);
  expect((await read(await iterator(first))).texts).toEqual(['4']);
  await advanceClock(cloud.endpoint, 24 * hour);
  expect((await read(await iterator(first))).texts).toEqual([]);
  await refused(
    kinesis.decreaseStreamRetentionPeriod({ StreamName, RetentionPeriodHours: 23 }),
    'InvalidArgumentException',
    'Minimum allowed retention period is 24 hours. Requested retention period (23 hours) is too short.',
  );
});
