import { DynamoDB } from '@aws-sdk/client-dynamodb';
import { expect, onTestFinished, test } from 'vitest';
import { admin, freshAccount, refused, startOwnCloud } from '../../support/cloud.ts';
import { makeSimpleTable } from './support-tables.ts';

test('DDB-006 with one zone down writes are taken and read; with two, only eventual reads are answered; then all is there', async () => {
  const cloud = await startOwnCloud();
  onTestFinished(async () => {
    expect(await cloud.stop()).not.toContain('by a bug of Pilvi');
  });
  const dynamo = new DynamoDB(freshAccount(cloud.endpoint).config());
  const TableName = await makeSimpleTable(dynamo);
  const zone = (name: string, down: boolean) => admin('POST', 'chaos/zone', { zone: name, down }, cloud.endpoint);
  const put = (pk: string) => dynamo.putItem({ TableName, Item: { pk: { S: pk } } });
  const get = async (pk: string, ConsistentRead: boolean) =>
    (await dynamo.getItem({ TableName, Key: { pk: { S: pk } }, ConsistentRead })).Item?.['pk']?.S;
  await put('before');
  await zone('us-east-1a', true);
  await put('one down');
  expect([await get('before', true), await get('one down', true)]).toEqual(['before', 'one down']);
  await zone('us-east-1c', true);
  await refused(put('two down'), 'InternalServerError', 'Internal server error', 500);
  await refused(get('one down', true), 'InternalServerError', 'Internal server error', 500);
  await refused(dynamo.scan({ TableName, ConsistentRead: true }), 'InternalServerError');
  const transaction = { TransactItems: [{ Put: { TableName, Item: { pk: { S: 'together' } } } }] };
  await refused(dynamo.transactWriteItems(transaction), 'InternalServerError');
  expect(await get('one down', false)).toBe('one down');
  expect((await dynamo.scan({ TableName })).Count).toBe(2);
  // A zone of another Region, or a fourth one, holds no replica of this table.
  await zone('us-east-1a', false);
  await zone('us-east-1f', true);
  await zone('eu-west-1a', true);
  await put('after');
  expect([await get('one down', true), await get('after', true), await get('two down', true)]).toEqual([
    'one down',
    'after',
    undefined,
  ]);
});
