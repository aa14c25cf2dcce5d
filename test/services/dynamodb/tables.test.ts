import type { CreateTableCommandInput } from '@aws-sdk/client-dynamodb';
import { expect, test } from 'vitest';
import { eventually, refused } from '../../support/cloud.ts';
import { freshDynamo, makeSimpleTable, makeTable } from './support-tables.ts';

const { account, dynamo } = freshDynamo();

test('DDB-001 a table is created without any server, holds items and is deleted', async () => {
  const TableName = 'Music';
  const created = await dynamo.createTable({
    TableName,
    AttributeDefinitions: [
      { AttributeName: 'Artist', AttributeType: 'S' },
      { AttributeName: 'Song', AttributeType: 'S' },
    ],
    KeySchema: [
      { AttributeName: 'Artist', KeyType: 'HASH' },
      { AttributeName: 'Song', KeyType: 'RANGE' },
    ],
    BillingMode: 'PAY_PER_REQUEST',
  });
  expect(created.TableDescription).toMatchObject({
    TableName,
    TableStatus: 'CREATING',
    TableArn: `arn:aws:dynamodb:us-east-1:${account.id}:table/Music`,
    ItemCount: 0,
    BillingModeSummary: { BillingMode: 'PAY_PER_REQUEST' },
  });
  await refused(
    dynamo.getItem({ TableName, Key: { Artist: { S: 'a' }, Song: { S: 'b' } } }),
    'ResourceNotFoundException',
    'Requested resource not found',
  );
  const { Table } = await dynamo.describeTable({ TableName });
  expect(Table?.TableStatus).toBe('ACTIVE');
  const item = { Artist: { S: 'Nightwish' }, Song: { S: 'Nemo' }, Year: { N: '2004' } };
  await dynamo.putItem({ TableName, Item: item });
  const Key = { Artist: item.Artist, Song: item.Song };
  expect((await dynamo.getItem({ TableName, Key })).Item).toEqual(item);
  await dynamo.updateItem({
    TableName,
    Key,
    UpdateExpression: 'SET Plays = if_not_exists(Plays, :zero) + :one',
    ExpressionAttributeValues: { ':zero': { N: '0' }, ':one': { N: '1' } },
  });
  const queried = await dynamo.query({
    TableName,
    KeyConditionExpression: 'Artist = :a',
    ExpressionAttributeValues: { ':a': item.Artist },
  });
  expect(queried.Items).toEqual([{ ...item, Plays: { N: '1' } }]);
  expect((await dynamo.scan({ TableName })).Count).toBe(1);
  await dynamo.deleteItem({ TableName, Key });
  expect((await dynamo.getItem({ TableName, Key })).Item).toBeUndefined();
  expect((await dynamo.deleteTable({ TableName })).TableDescription?.TableStatus).toBe('DELETING');
  await eventually(
    () =>
      refused(
        dynamo.describeTable({ TableName }),
        'ResourceNotFoundException',
        'Requested resource not found: Table: Music not found',
      ),
    { why: 'the table goes' },
  );
});

test('DDB-003 a table has a partition key and perhaps a sort key, for good', async () => {
  const base: CreateTableCommandInput = {
    TableName: 'keys',
    BillingMode: 'PAY_PER_REQUEST',
    AttributeDefinitions: [{ AttributeName: 'pk', AttributeType: 'S' }],
    KeySchema: [{ AttributeName: 'pk', KeyType: 'RANGE' }],
  };
  await refused(
    dynamo.createTable(base),
    'ValidationException',
    'Invalid KeySchema: The first KeySchemaElement is not a HASH key type',
  );
  const TableName = await makeTable(dynamo);
  for (const sk of ['10', '-2', '9', '1.5', '-20']) await dynamo.putItem({ TableName, Item: { pk: { S: 'a' }, sk: { N: sk } } });
  await dynamo.putItem({ TableName, Item: { pk: { S: 'a' }, sk: { N: '9.0' }, again: { BOOL: true } } });
  const { Items } = await dynamo.query({
    TableName,
    KeyConditionExpression: 'pk = :a',
    ExpressionAttributeValues: { ':a': { S: 'a' } },
  });
  expect(Items?.map(({ sk }) => sk?.N)).toEqual(['-20', '-2', '1.5', '9', '10']);
  expect(Items?.[3]).toEqual({ pk: { S: 'a' }, sk: { N: '9' }, again: { BOOL: true } });
  // The API has no way to change a key schema; a request that names one alone changes nothing.
  const change = { TableName, KeySchema: [{ AttributeName: 'sk', KeyType: 'HASH' }] };
  await refused(dynamo.updateTable(change), 'ValidationException', /^At least one of ProvisionedThroughput/);
  expect((await dynamo.describeTable({ TableName })).Table?.KeySchema?.[0]?.AttributeName).toBe('pk');
});

const invalid = 'One or more parameter values were invalid: ';
const hash = { AttributeName: 'pk', KeyType: 'HASH' } as const;
const text = (AttributeName: string) => ({ AttributeName, AttributeType: 'S' }) as const;
const onDemand = { BillingMode: 'PAY_PER_REQUEST' } as const;

const refusals: [string, Partial<CreateTableCommandInput>, string][] = [
  [
    'a name too short',
    { TableName: 'ab' },
    "1 validation error detected: Value 'ab' at 'tableName' failed to satisfy constraint: Member must have length greater than or equal to 3",
  ],
  [
    'a name of other characters',
    { TableName: 'a b c' },
    "1 validation error detected: Value 'a b c' at 'tableName' failed to satisfy constraint: Member must satisfy regular expression pattern: [a-zA-Z0-9_.-]+",
  ],
  [
    'no throughput',
    { BillingMode: 'PROVISIONED' },
    `${invalid}ReadCapacityUnits and WriteCapacityUnits must both be specified when BillingMode is PROVISIONED`,
  ],
  [
    'throughput on demand',
    { ProvisionedThroughput: { ReadCapacityUnits: 1, WriteCapacityUnits: 1 } },
    `${invalid}Neither ReadCapacityUnits nor WriteCapacityUnits can be specified when BillingMode is PAY_PER_REQUEST`,
  ],
  [
    'a throughput of zero',
    { BillingMode: 'PROVISIONED', ProvisionedThroughput: { ReadCapacityUnits: 0, WriteCapacityUnits: 1 } },
    "1 validation error detected: Value '0' at 'provisionedThroughput.readCapacityUnits' failed to satisfy constraint: Member must have value greater than or equal to 1",
  ],
  ['a key without definition', { AttributeDefinitions: [] }, 'Invalid KeySchema: Some index key attribute have no definition'],
  [
    'a key defined as another',
    { AttributeDefinitions: [text('other')] },
    `${invalid}Some index key attributes are not defined in AttributeDefinitions. Keys: [pk], AttributeDefinitions: [other]`,
  ],
  [
    'definitions of no key',
    { AttributeDefinitions: [text('pk'), text('other')] },
    `${invalid}Number of attributes in KeySchema does not exactly match number of attributes defined in AttributeDefinitions`,
  ],
  [
    'one name for both keys',
    { AttributeDefinitions: [text('pk'), text('b')], KeySchema: [hash, { AttributeName: 'pk', KeyType: 'RANGE' }] },
    'Both the Hash Key and the Range Key element in the KeySchema have the same name',
  ],
  [
    'a local index without sort key',
    {
      LocalSecondaryIndexes: [
        { IndexName: 'abc', KeySchema: [hash, { AttributeName: 'pk', KeyType: 'RANGE' }], Projection: { ProjectionType: 'ALL' } },
      ],
    },
    `${invalid}Table KeySchema does not have a range key, which is required when specifying a LocalSecondaryIndex`,
  ],
  [
    'no projection type',
    { GlobalSecondaryIndexes: [{ IndexName: 'abc', KeySchema: [hash], Projection: {} }] },
    `${invalid}Unknown ProjectionType: null`,
  ],
  [
    'two indexes of one name',
    {
      GlobalSecondaryIndexes: [
        { IndexName: 'abc', KeySchema: [hash], Projection: { ProjectionType: 'ALL' } },
        { IndexName: 'abc', KeySchema: [hash], Projection: { ProjectionType: 'ALL' } },
      ],
    },
    `${invalid}Duplicate index name: abc`,
  ],
  [
    'a stream without view',
    { StreamSpecification: { StreamEnabled: true } },
    `${invalid}StreamViewType must be specified when StreamEnabled is true`,
  ],
];

test.each(refusals)('CreateTable refuses %s', async (_what, changes, message) => {
  const input: CreateTableCommandInput = {
    TableName: 'refused',
    ...onDemand,
    AttributeDefinitions: [text('pk')],
    KeySchema: [hash],
    ...changes,
  };
  await refused(dynamo.createTable(input), 'ValidationException', message);
});

test('a name is taken once, and a protected table stays', async () => {
  const TableName = await makeSimpleTable(dynamo, { TableName: 'protected', DeletionProtectionEnabled: true });
  await refused(makeSimpleTable(dynamo, { TableName }), 'ResourceInUseException', `Table already exists: ${TableName}`);
  await refused(
    dynamo.deleteTable({ TableName }),
    'ValidationException',
    'Resource cannot be deleted as it is currently protected against deletion. Disable deletion protection first.',
  );
  await refused(
    dynamo.deleteTable({ TableName: 'no-such-table' }),
    'ResourceNotFoundException',
    'Requested resource not found: Table: no-such-table not found',
  );
});

test('tags of a table', async () => {
  const TableName = await makeSimpleTable(dynamo, { Tags: [{ Key: 'team', Value: 'blue' }] });
  const ResourceArn = `arn:aws:dynamodb:us-east-1:${account.id}:table/${TableName}`;
  await dynamo.tagResource({ ResourceArn, Tags: [{ Key: 'stage', Value: 'test' }] });
  await dynamo.untagResource({ ResourceArn, TagKeys: ['team'] });
  expect((await dynamo.listTagsOfResource({ ResourceArn })).Tags).toEqual([{ Key: 'stage', Value: 'test' }]);
  const missing = `${ResourceArn}x`;
  await refused(
    dynamo.listTagsOfResource({ ResourceArn: missing }),
    'ResourceNotFoundException',
    `Requested resource not found: ResourcArn: ${missing} not found`,
  );
});
