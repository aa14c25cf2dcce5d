import { CloudWatch } from '@aws-sdk/client-cloudwatch';
import { DynamoDB } from '@aws-sdk/client-dynamodb';
import { expect, onTestFinished, test } from 'vitest';
import { admin, advanceClock, freshAccount, refused, startOwnCloud } from '../../support/cloud.ts';
import { makeSimpleTable } from './support-tables.ts';

const minute = 60_000;

/** A table in a cloud of its own, and what CloudWatch says of it. */
async function metered(changes: Parameters<typeof makeSimpleTable>[1] = {}) {
  const cloud = await startOwnCloud();
  onTestFinished(async () => {
    expect(await cloud.stop()).not.toContain('by a bug of Pilvi');
  });
  const account = freshAccount(cloud.endpoint);
  const dynamo = new DynamoDB(account.config());
  const cloudWatch = new CloudWatch(account.config());
  const TableName = await makeSimpleTable(dynamo, changes);
  const points = async (MetricName: string) => {
    const { time } = (await admin('GET', 'clock', undefined, cloud.endpoint)) as { time: string };
    const { Datapoints = [] } = await cloudWatch.getMetricStatistics({
      Namespace: 'AWS/DynamoDB',
      MetricName,
      Dimensions: [{ Name: 'TableName', Value: TableName }],
      StartTime: new Date(Date.parse(time) - 60 * minute),
      EndTime: new Date(time),
      Period: 60,
      Statistics: ['Sum'],
    });
    return Datapoints.sort((a, b) => Number(a.Timestamp) - Number(b.Timestamp)).map(({ Sum }) => Sum);
  };
  const advance = (millis: number) => advanceClock(cloud.endpoint, millis);
  const speed = (value: number) => admin('POST', 'clock', { speed: value }, cloud.endpoint);
  return { dynamo, TableName, points, advance, speed };
}

test('DDB-013 on demand, thousands of writes in one second are served from idle, and only what is used is metered', {
  timeout: 90_000,
}, async () => {
  const { dynamo, TableName, points, advance, speed } = await metered();
  expect((await dynamo.describeTable({ TableName })).Table?.BillingModeSummary?.BillingMode).toBe('PAY_PER_REQUEST');
  await advance(10 * minute);
  expect(await points('ConsumedWriteCapacityUnits')).toEqual([]);
  // The clock stands still: all of this happens within one second of the cloud's time.
  await speed(0);
  const writes = 3000;
  const batches = Array.from({ length: writes / 25 }, (_, batch) =>
    Array.from({ length: 25 }, (_, i) => ({ PutRequest: { Item: { pk: { S: `${batch}-${i}` } } } })),
  );
  for (let at = 0; at < batches.length; at += 10) {
    const answers = await Promise.all(
      batches.slice(at, at + 10).map((batch) => dynamo.batchWriteItem({ RequestItems: { [TableName]: batch } })),
    );
    for (const { UnprocessedItems = {} } of answers) expect(UnprocessedItems).toEqual({});
  }
  await speed(1);
  await advance(2 * minute);
  expect(await points('ConsumedWriteCapacityUnits')).toEqual([writes]);
  await advance(10 * minute);
  expect(await points('ConsumedWriteCapacityUnits'), 'nothing is metered while it is idle').toEqual([writes]);
  expect(await points('WriteThrottleEvents')).toEqual([]);
});

test('writes that are throttled, and conditions that do not hold, are counted', { timeout: 60_000 }, async () => {
  const { dynamo, TableName, points, advance, speed } = await metered({
    BillingMode: 'PROVISIONED',
    ProvisionedThroughput: { ReadCapacityUnits: 1, WriteCapacityUnits: 1 },
  });
  const put = (ConditionExpression?: string) => dynamo.putItem({ TableName, Item: { pk: { S: 'one' } }, ConditionExpression });
  await put();
  await refused(put('attribute_not_exists(pk)'), 'ConditionalCheckFailedException');
  await speed(0);
  // What is left of the burst of 300 seconds goes with one large write.
  await dynamo.putItem({ TableName, Item: { pk: { S: 'large' }, v: { S: 'x'.repeat(350_000) } } });
  await refused(put(), 'ProvisionedThroughputExceededException');
  await speed(1);
  await advance(2 * minute);
  expect(await points('ConditionalCheckFailedRequests')).toEqual([1]);
  expect(await points('WriteThrottleEvents')).toEqual([1]);
});
