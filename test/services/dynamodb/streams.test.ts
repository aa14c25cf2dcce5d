import { type AttributeValue, DynamoDB } from '@aws-sdk/client-dynamodb';
import { DynamoDBStreams } from '@aws-sdk/client-dynamodb-streams';
import { expect, test } from 'vitest';
import { advanceClock, eventually, freshAccount, refused, startOwnCloud } from '../../support/cloud.ts';
import { readAll, makeSimpleTable } from './support-tables.ts';

const s = (S: string): AttributeValue => ({ S });
const hour = 3_600_000;

test('a stream shows each change in order, in its view, and nothing for no change', async () => {
  const account = freshAccount();
  const dynamo = new DynamoDB(account.config());
  const streams = new DynamoDBStreams(account.config());
  const TableName = await makeSimpleTable(dynamo, {
    StreamSpecification: { StreamEnabled: true, StreamViewType: 'NEW_AND_OLD_IMAGES' },
  });
  const { Table } = await dynamo.describeTable({ TableName });
  const StreamArn = Table?.LatestStreamArn ?? '';
  expect(StreamArn).toBe(`${Table?.TableArn}/stream/${Table?.LatestStreamLabel}`);
  await dynamo.putItem({ TableName, Item: { pk: s('a'), v: s('1') } });
  await dynamo.putItem({ TableName, Item: { pk: s('a'), v: s('1') } });
  await dynamo.updateItem({
    TableName,
    Key: { pk: s('a') },
    UpdateExpression: 'SET v = :v',
    ExpressionAttributeValues: { ':v': s('2') },
  });
  await dynamo.deleteItem({ TableName, Key: { pk: s('a') } });
  await dynamo.deleteItem({ TableName, Key: { pk: s('a') } });
  const records = await readAll(streams, StreamArn);
  expect(
    records.map(({ eventName, dynamodb }) => [eventName, dynamodb?.OldImage?.['v']?.S, dynamodb?.NewImage?.['v']?.S]),
  ).toEqual([
    ['INSERT', undefined, '1'],
    ['MODIFY', '1', '2'],
    ['REMOVE', '2', undefined],
  ]);
  expect(records[0]).toMatchObject({ eventSource: 'aws:dynamodb', awsRegion: 'us-east-1', dynamodb: { Keys: { pk: s('a') } } });
  const numbers = records.map(({ dynamodb }) => BigInt(dynamodb?.SequenceNumber ?? 0));
  expect([...numbers].sort((a, b) => (a < b ? -1 : 1))).toEqual(numbers);
  const { StreamDescription } = await streams.describeStream({ StreamArn });
  const ShardId = StreamDescription?.Shards?.[0]?.ShardId ?? '';
  const { ShardIterator } = await streams.getShardIterator({
    StreamArn,
    ShardId,
    ShardIteratorType: 'AFTER_SEQUENCE_NUMBER',
    SequenceNumber: records[0]!.dynamodb!.SequenceNumber,
  });
  expect((await streams.getRecords({ ShardIterator, Limit: 1 })).Records?.[0]?.eventName).toBe('MODIFY');
  await refused(
    streams.describeStream({ StreamArn: `${StreamArn}9` }),
    'ResourceNotFoundException',
    `Requested resource not found: Stream: ${StreamArn}9 not found`,
  );
  await refused(streams.getRecords({ ShardIterator: 'nonsense' }), 'ValidationException', 'Invalid ShardIterator');
  await dynamo.updateTable({ TableName, StreamSpecification: { StreamEnabled: false } });
  expect((await streams.describeStream({ StreamArn })).StreamDescription?.StreamStatus).toBe('DISABLED');
  expect(await readAll(streams, StreamArn)).toHaveLength(3);
});

test('shards close after four hours, records go after a day, iterators after 15 minutes, and expired items by the clock', async () => {
  const cloud = await startOwnCloud();
  try {
    const account = freshAccount(cloud.endpoint);
    const dynamo = new DynamoDB(account.config());
    const streams = new DynamoDBStreams(account.config());
    const TableName = await makeSimpleTable(dynamo, {
      StreamSpecification: { StreamEnabled: true, StreamViewType: 'OLD_IMAGE' },
    });
    const StreamArn = (await dynamo.describeTable({ TableName })).Table?.LatestStreamArn ?? '';
    await dynamo.updateTimeToLive({ TableName, TimeToLiveSpecification: { AttributeName: 'ends', Enabled: true } });
    expect((await dynamo.describeTimeToLive({ TableName })).TimeToLiveDescription).toEqual({
      TimeToLiveStatus: 'ENABLED',
      AttributeName: 'ends',
    });
    const ends = { N: String(Math.floor(Date.now() / 1000) + 600) };
    await dynamo.putItem({ TableName, Item: { pk: s('short'), ends } });
    await dynamo.putItem({ TableName, Item: { pk: s('text'), ends: s('never') } });
    const shardOf = async () => (await streams.describeStream({ StreamArn })).StreamDescription?.Shards ?? [];
    const [first] = await shardOf();
    const from = { StreamArn, ShardId: first?.ShardId, ShardIteratorType: 'TRIM_HORIZON' } as const;
    const { ShardIterator } = await streams.getShardIterator(from);
    await advanceClock(cloud.endpoint, 700_000);
    await eventually(async () => expect((await dynamo.scan({ TableName })).Items?.map(({ pk }) => pk?.S)).toEqual(['text']), {
      why: 'the item expires',
    });
    const removal = (await readAll(streams, StreamArn)).find(({ eventName }) => eventName === 'REMOVE');
    expect(removal).toMatchObject({
      userIdentity: { PrincipalId: 'dynamodb.amazonaws.com', Type: 'Service' },
      dynamodb: { OldImage: { pk: s('short') } },
    });
    await advanceClock(cloud.endpoint, 5 * hour);
    await refused(
      streams.getRecords({ ShardIterator }),
      'ExpiredIteratorException',
      'The shard iterator has expired. Shard iterators are only valid for 15 minutes',
    );
    await dynamo.putItem({ TableName, Item: { pk: s('later') } });
    const shards = await shardOf();
    expect(shards).toHaveLength(2);
    expect(shards[0]?.SequenceNumberRange?.EndingSequenceNumber).toBeDefined();
    expect(shards[1]?.ParentShardId).toBe(shards[0]?.ShardId);
    expect(await readAll(streams, StreamArn)).toHaveLength(4);
    await advanceClock(cloud.endpoint, 22 * hour);
    expect(await readAll(streams, StreamArn)).toHaveLength(1);
  } finally {
    await cloud.stop();
  }
});
