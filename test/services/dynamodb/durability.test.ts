import { type AttributeValue, DynamoDB } from '@aws-sdk/client-dynamodb';
import { DynamoDBStreams } from '@aws-sdk/client-dynamodb-streams';
import { expect, test } from 'vitest';
import { freshAccount, startOwnCloud } from '../../support/cloud.ts';
import { makeSimpleTable, readAll } from './support-tables.ts';

const s = (S: string): AttributeValue => ({ S });

test('every write that was acknowledged is there after kill -9 under load; transactions are whole, index and stream show the same', async () => {
  const cloud = await startOwnCloud();
  const account = freshAccount(cloud.endpoint);
  const dynamo = new DynamoDB(account.config());
  const TableName = await makeSimpleTable(dynamo, {
    AttributeDefinitions: [
      { AttributeName: 'pk', AttributeType: 'S' },
      { AttributeName: 'worker', AttributeType: 'S' },
    ],
    StreamSpecification: { StreamEnabled: true, StreamViewType: 'NEW_IMAGE' },
    GlobalSecondaryIndexes: [
      {
        IndexName: 'by-worker',
        KeySchema: [{ AttributeName: 'worker', KeyType: 'HASH' }],
        Projection: { ProjectionType: 'ALL' },
      },
    ],
  });
  const acknowledged = new Map<string, string>();
  let stopped = false;
  const workers = Array.from({ length: 8 }, async (_, worker) => {
    for (let i = 0; !stopped; i++) {
      const pk = `${worker}-${i % 40}`;
      const v = String(i);
      const item = (suffix: string) => ({ pk: s(`${pk}${suffix}`), v: s(v), worker: s(String(worker)) });
      const written =
        worker % 2 === 0
          ? dynamo.putItem({ TableName, Item: item('') })
          : dynamo.transactWriteItems({
              TransactItems: [{ Put: { TableName, Item: item('') } }, { Put: { TableName, Item: item('-twin') } }],
            });
      try {
        await written;
        acknowledged.set(pk, v);
      } catch {
        return;
      }
    }
  });
  while (acknowledged.size < 200) await new Promise((resolve) => setImmediate(resolve));
  await cloud.kill();
  stopped = true;
  await Promise.all(workers);
  const again = await startOwnCloud({ data: cloud.data });
  try {
    const client = new DynamoDB(freshAccountOf(account.id, again.endpoint));
    const { Items = [] } = await client.scan({ TableName });
    const found = new Map(Items.map(({ pk, v }) => [pk?.S ?? '', Number(v?.S)]));
    for (const [pk, v] of acknowledged) {
      // The write that was under way when the cloud was killed may have been made too.
      expect(found.get(pk), pk).toBeGreaterThanOrEqual(Number(v));
      if (Number(pk[0]) % 2 === 1) expect(found.get(`${pk}-twin`), `${pk} and its twin`).toBe(found.get(pk));
    }
    let indexed = 0;
    for (let worker = 0; worker < 8; worker++) {
      const { Count = 0 } = await client.query({
        TableName,
        IndexName: 'by-worker',
        KeyConditionExpression: 'worker = :w',
        ExpressionAttributeValues: { ':w': s(String(worker)) },
      });
      indexed += Count;
    }
    expect(indexed).toBe(Items.length);
    const { Table } = await client.describeTable({ TableName });
    expect(Table?.ItemCount).toBe(Items.length);
    const streams = new DynamoDBStreams(freshAccountOf(account.id, again.endpoint));
    const shown = new Map<string, number>();
    for (const { dynamodb } of await readAll(streams, Table!.LatestStreamArn!)) {
      const { pk, v } = dynamodb!.NewImage!;
      expect(Number(v?.S), `${pk?.S} is shown in order`).toBeGreaterThan(shown.get(pk?.S ?? '') ?? -1);
      shown.set(pk?.S ?? '', Number(v?.S));
    }
    expect(shown).toEqual(found);
  } finally {
    await again.stop();
  }
});

/** The same account in the cloud that was started again. */
function freshAccountOf(id: string, endpoint: string) {
  return freshAccount(endpoint).config({ credentials: { accessKeyId: id, secretAccessKey: 'test' } });
}
