import { type AttributeValue, DynamoDB } from '@aws-sdk/client-dynamodb';
import { expect, test } from 'vitest';
import { advanceClock, eventually, refused, startOwnCloud } from '../../support/cloud.ts';
import { freshDynamo, makeSimpleTable, makeTable } from './support-tables.ts';

const { dynamo } = freshDynamo();
const s = (S: string): AttributeValue => ({ S });
/** An item of exactly so many bytes. */
const sized = (pk: string, bytes: number) => ({ pk: s(pk), v: s('x'.repeat(bytes - pk.length - 'pkv'.length)) });

test('DDB-009 reads cost a unit per 4 KB, half when eventually consistent, twice in transactions', async () => {
  const TableName = await makeSimpleTable(dynamo);
  await dynamo.putItem({ TableName, Item: sized('four', 4096) });
  await dynamo.putItem({ TableName, Item: sized('five', 5 * 1024) });
  const units = async (pk: string, ConsistentRead: boolean) =>
    (await dynamo.getItem({ TableName, Key: { pk: s(pk) }, ConsistentRead, ReturnConsumedCapacity: 'TOTAL' })).ConsumedCapacity;
  expect(await units('four', true)).toEqual({ TableName, CapacityUnits: 1 });
  expect(await units('four', false)).toEqual({ TableName, CapacityUnits: 0.5 });
  expect(await units('five', true)).toEqual({ TableName, CapacityUnits: 2 });
  expect(await units('five', false)).toEqual({ TableName, CapacityUnits: 1 });
  expect(await units('none', true)).toEqual({ TableName, CapacityUnits: 1 });
  const { ConsumedCapacity } = await dynamo.transactGetItems({
    TransactItems: [{ Get: { TableName, Key: { pk: s('four') } } }],
    ReturnConsumedCapacity: 'TOTAL',
  });
  expect(ConsumedCapacity).toEqual([{ TableName, CapacityUnits: 2, ReadCapacityUnits: 2 }]);
});

test('DDB-010 writes cost a unit per 1 KB, of the larger of old and new, and their own in each index', async () => {
  const TableName = await makeSimpleTable(dynamo, {
    AttributeDefinitions: [
      { AttributeName: 'pk', AttributeType: 'S' },
      { AttributeName: 'g', AttributeType: 'S' },
    ],
    GlobalSecondaryIndexes: [
      { IndexName: 'by-g', KeySchema: [{ AttributeName: 'g', KeyType: 'HASH' }], Projection: { ProjectionType: 'KEYS_ONLY' } },
    ],
  });
  const put = async (Item: Record<string, AttributeValue>) =>
    (await dynamo.putItem({ TableName, Item, ReturnConsumedCapacity: 'INDEXES' })).ConsumedCapacity;
  expect(await put(sized('a', 1024))).toEqual({ TableName, CapacityUnits: 1, Table: { CapacityUnits: 1 } });
  expect((await put(sized('a', 1536)))?.CapacityUnits).toBe(2);
  expect((await put(sized('a', 100)))?.CapacityUnits).toBe(2);
  const index = (units: number) => ({ GlobalSecondaryIndexes: { 'by-g': { CapacityUnits: units } } });
  expect(await put({ pk: s('b'), g: s('1') })).toEqual({ TableName, CapacityUnits: 2, Table: { CapacityUnits: 1 }, ...index(1) });
  // Another key of the index: one entry goes, one comes.
  expect(await put({ pk: s('b'), g: s('2') })).toMatchObject({ CapacityUnits: 3, ...index(2) });
  // Nothing that the index shows has changed.
  expect(await put({ pk: s('b'), g: s('2'), other: s('x') })).toEqual({
    TableName,
    CapacityUnits: 1,
    Table: { CapacityUnits: 1 },
  });
});

test('DDB-011 provisioned and on-demand, and the change between them', async () => {
  const ProvisionedThroughput = { ReadCapacityUnits: 5, WriteCapacityUnits: 6 };
  const TableName = await makeSimpleTable(dynamo, { ProvisionedThroughput });
  const describe = async () => (await dynamo.describeTable({ TableName })).Table;
  expect((await describe())?.ProvisionedThroughput).toMatchObject(ProvisionedThroughput);
  await refused(
    dynamo.updateTable({ TableName, ProvisionedThroughput }),
    'ValidationException',
    /^The provisioned throughput for the table will not change/,
  );
  await refused(
    dynamo.updateTable({ TableName }),
    'ValidationException',
    'At least one of ProvisionedThroughput, BillingMode, UpdateStreamEnabled, GlobalSecondaryIndexUpdates or SSESpecification or ReplicaUpdates is required',
  );
  await dynamo.updateTable({ TableName, BillingMode: 'PAY_PER_REQUEST' });
  await refused(
    dynamo.updateTable({ TableName, DeletionProtectionEnabled: true }),
    'ResourceInUseException',
    `Attempt to change a resource which is still in use: Table is being updated: ${TableName}`,
  );
  expect(await describe()).toMatchObject({
    TableStatus: 'ACTIVE',
    BillingModeSummary: { BillingMode: 'PAY_PER_REQUEST' },
    ProvisionedThroughput: { ReadCapacityUnits: 0, WriteCapacityUnits: 0 },
  });
  await refused(
    dynamo.updateTable({ TableName, ProvisionedThroughput }),
    'ValidationException',
    'One or more parameter values were invalid: Neither ReadCapacityUnits nor WriteCapacityUnits can be specified when BillingMode is PAY_PER_REQUEST',
  );
  await dynamo.updateTable({ TableName, BillingMode: 'PROVISIONED', ProvisionedThroughput });
  expect((await describe())?.ProvisionedThroughput).toMatchObject(ProvisionedThroughput);
});

test('DDB-012 a provisioned table is throttled once its burst is used up, and recovers by the clock', async () => {
  const cloud = await startOwnCloud();
  try {
    const own = freshDynamo(cloud.endpoint);
    await fetch(`${cloud.endpoint}/_pilvi/clock`, { method: 'POST', body: JSON.stringify({ speed: 0 }) });
    const client = new DynamoDB({ ...own.account.config() });
    await client.createTable({
      TableName: 'throttled',
      AttributeDefinitions: [{ AttributeName: 'pk', AttributeType: 'S' }],
      KeySchema: [{ AttributeName: 'pk', KeyType: 'HASH' }],
      ProvisionedThroughput: { ReadCapacityUnits: 5, WriteCapacityUnits: 5 },
    });
    await advanceClock(cloud.endpoint, 10_000);
    const put = (pk: string, bytes: number) => client.putItem({ TableName: 'throttled', Item: sized(pk, bytes) });
    // 300 seconds of 5 units, over several keys, since one takes a thousand units a second.
    for (let i = 0; i < 6; i++) await put(`key-${i}`, 250 * 1024);
    const message =
      'The level of configured provisioned throughput for the table was exceeded. Consider increasing your provisioning level with the UpdateTable API.';
    await refused(put('more', 100), 'ProvisionedThroughputExceededException', message);
    await advanceClock(cloud.endpoint, 400_000);
    await put('more', 100);
  } finally {
    await cloud.stop();
  }
});

test('DDB-005 one partition key takes a thousand writes a second, many take more', async () => {
  const TableName = await makeTable(dynamo);
  const big = s('x'.repeat(200 * 1024));
  const writes = (keyOf: (i: number) => string) =>
    Promise.allSettled(
      Array.from({ length: 30 }, (_, i) => dynamo.putItem({ TableName, Item: { pk: s(keyOf(i)), sk: { N: String(i) }, big } })),
    );
  const hot = await writes(() => 'hot');
  const refusals = hot.filter((result) => result.status === 'rejected');
  expect(refusals.length).toBeGreaterThan(0);
  for (const { reason } of refusals) expect((reason as Error).name).toBe('ThrottlingException');
  const spread = await writes((i) => `cool-${i}`);
  expect(spread.filter((result) => result.status === 'rejected')).toEqual([]);
});

test('an on-demand table serves a burst with nothing set', async () => {
  const TableName = await makeSimpleTable(dynamo);
  const batches = Array.from({ length: 40 }, (_, batch) =>
    dynamo.batchWriteItem({
      RequestItems: {
        [TableName]: Array.from({ length: 25 }, (__, i) => ({ PutRequest: { Item: { pk: s(`${batch}-${i}`) } } })),
      },
    }),
  );
  for (const { UnprocessedItems } of await Promise.all(batches)) expect(UnprocessedItems).toEqual({});
  expect((await dynamo.describeTable({ TableName })).Table?.ItemCount).toBe(1000);
});

test('DDB-007 a read is eventually consistent unless it says otherwise, and shows a write within a second', async () => {
  const TableName = await makeSimpleTable(dynamo);
  const Key = { pk: s('a') };
  await dynamo.putItem({ TableName, Item: { ...Key, v: s('1') } });
  await dynamo.putItem({ TableName, Item: { ...Key, v: s('2') } });
  const read = () => dynamo.getItem({ TableName, Key, ReturnConsumedCapacity: 'TOTAL' });
  expect((await read()).ConsumedCapacity?.CapacityUnits).toBe(0.5);
  await eventually(async () => expect((await read()).Item?.['v']).toEqual(s('2')), { timeoutMs: 1000, why: 'the write is seen' });
});
