/** A global table when a Region is lost; in a cloud of its own, because Regions go down. */
import { DynamoDB } from '@aws-sdk/client-dynamodb';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { admin, eventually, freshAccount, type OwnCloud, refused, startOwnCloud } from '../../support/cloud.ts';

let cloud: OwnCloud;
beforeAll(async () => {
  cloud = await startOwnCloud();
}, 40_000);
afterAll(() => cloud.stop());

const regionDown = (region: string, down: boolean) => admin('POST', 'chaos/region', { region, down }, cloud.endpoint);

test('DR-016 a global table is read and written on in the other Region at once, and both are equal after the return', async () => {
  const account = freshAccount(cloud.endpoint);
  const [near, far] = ['us-east-1', 'eu-west-1'] as const;
  const [a, b] = [new DynamoDB(account.config({ region: near })), new DynamoDB(account.config({ region: far }))];
  const TableName = 'orders';
  await a.createTable({
    TableName,
    AttributeDefinitions: [{ AttributeName: 'pk', AttributeType: 'S' }],
    KeySchema: [{ AttributeName: 'pk', KeyType: 'HASH' }],
    BillingMode: 'PAY_PER_REQUEST',
  });
  const active = (client: DynamoDB) =>
    eventually(async () => expect((await client.describeTable({ TableName })).Table?.TableStatus).toBe('ACTIVE'), {
      why: 'the table is active',
    });
  await active(a);
  await a.updateTable({ TableName, ReplicaUpdates: [{ Create: { RegionName: far } }] });
  await active(b);
  await active(a);
  const put = (client: DynamoDB, pk: string, v: string) => client.putItem({ TableName, Item: { pk: { S: pk }, v: { S: v } } });
  const all = async (client: DynamoDB): Promise<string[]> =>
    ((await client.scan({ TableName })).Items ?? []).map(({ pk, v }) => `${pk?.S}=${v?.S}`).sort();
  const written: string[] = [];
  for (let row = 0; row < 10; row += 1) {
    await put(a, `row-${row}`, 'a');
    written.push(`row-${row}=a`);
  }
  await eventually(async () => expect(await all(b)).toEqual(written), { why: 'the rows are in both Regions' });

  // What the first Region took last has not left it: that is what may lack.
  await regionDown(far, true);
  await put(a, 'last', 'a');
  await put(a, 'both', 'a');
  await regionDown(near, true);
  await regionDown(far, false);
  const fault = performance.now();
  await put(b, 'after', 'b');
  expect(await all(b)).toEqual(['after=b', ...written]);
  const recoveryMillis = performance.now() - fault;
  expect(recoveryMillis).toBeLessThan(5000);
  await refused(put(a, 'never', 'a'), 'ServiceUnavailable', undefined, 503);
  await put(b, 'both', 'b');
  await put(b, 'row-0', 'b');

  await regionDown(near, false);
  const merged = ['after=b', 'both=b', 'last=a', 'row-0=b', ...written.slice(1)];
  for (const client of [a, b])
    await eventually(async () => expect(await all(client)).toEqual(merged), { why: 'both Regions are equal again' });
}, 40_000);
