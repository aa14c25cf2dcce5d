import { type AttributeValue, paginateQuery, paginateScan, type QueryCommandInput } from '@aws-sdk/client-dynamodb';
import { beforeAll, expect, test } from 'vitest';
import { refused } from '../../support/cloud.ts';
import { freshDynamo, makeTable } from './support-tables.ts';

const { dynamo } = freshDynamo();
let TableName: string;
const n = (value: number): AttributeValue => ({ N: String(value) });
const s = (S: string): AttributeValue => ({ S });

beforeAll(async () => {
  TableName = await makeTable(dynamo, {
    AttributeDefinitions: [
      { AttributeName: 'pk', AttributeType: 'S' },
      { AttributeName: 'sk', AttributeType: 'N' },
      { AttributeName: 'city', AttributeType: 'S' },
      { AttributeName: 'age', AttributeType: 'N' },
    ],
    LocalSecondaryIndexes: [
      {
        IndexName: 'by-age',
        KeySchema: [
          { AttributeName: 'pk', KeyType: 'HASH' },
          { AttributeName: 'age', KeyType: 'RANGE' },
        ],
        Projection: { ProjectionType: 'KEYS_ONLY' },
      },
    ],
    GlobalSecondaryIndexes: [
      {
        IndexName: 'by-city',
        KeySchema: [
          { AttributeName: 'city', KeyType: 'HASH' },
          { AttributeName: 'age', KeyType: 'RANGE' },
        ],
        Projection: { ProjectionType: 'INCLUDE', NonKeyAttributes: ['name'] },
      },
    ],
  });
  for (let i = 0; i < 20; i++) {
    const city: Record<string, AttributeValue> = i % 2 === 0 ? { city: s(i % 4 === 0 ? 'Oulu' : 'Turku') } : {};
    await dynamo.putItem({
      TableName,
      Item: { pk: s('a'), sk: n(i - 5), age: n(100 - i), name: s(`n${i}`), more: s('x'), ...city },
    });
  }
});

async function sks(input: Partial<QueryCommandInput>): Promise<number[]> {
  const { Items } = await dynamo.query({ TableName, KeyConditionExpression: 'pk = :p', ...input });
  return (Items ?? []).map(({ sk }) => Number(sk?.N));
}
const p = { ':p': s('a') };

const ranges: [string, Record<string, AttributeValue>, number[]][] = [
  ['sk = :v', { ':v': n(3) }, [3]],
  ['sk < :v', { ':v': n(-3) }, [-5, -4]],
  ['sk <= :v', { ':v': n(-3) }, [-5, -4, -3]],
  ['sk > :v', { ':v': n(12) }, [13, 14]],
  ['sk >= :v', { ':v': n(13) }, [13, 14]],
  ['sk BETWEEN :v AND :w', { ':v': n(-1), ':w': n(1) }, [-1, 0, 1]],
  [':v < sk', { ':v': n(12) }, [13, 14]],
];

test.each(ranges)('a query where %s', async (condition, values, wanted) => {
  const input = {
    KeyConditionExpression: `pk = :p AND ${condition}`,
    ExpressionAttributeValues: { ...p, ...values },
  };
  expect(await sks(input)).toEqual(wanted);
  expect(await sks({ ...input, ScanIndexForward: false })).toEqual([...wanted].reverse());
});

test('pages by Limit go through all items in both directions', async () => {
  for (const ScanIndexForward of [true, false]) {
    const seen: number[] = [];
    let pages = 0;
    const pager = paginateQuery(
      { client: dynamo, pageSize: 7 },
      { TableName, KeyConditionExpression: 'pk = :p', ExpressionAttributeValues: p, ScanIndexForward },
    );
    for await (const page of pager) {
      pages++;
      seen.push(...(page.Items ?? []).map(({ sk }) => Number(sk?.N)));
    }
    const all = Array.from({ length: 20 }, (_, i) => i - 5);
    expect(seen).toEqual(ScanIndexForward ? all : all.reverse());
    expect(pages).toBe(3);
  }
  // A page that Limit ends has a last key, whether anything follows or not.
  const exact = await dynamo.query({ TableName, KeyConditionExpression: 'pk = :p', ExpressionAttributeValues: p, Limit: 20 });
  expect(exact.LastEvaluatedKey).toEqual({ pk: s('a'), sk: n(14) });
});

test('a filter comes after Limit, and counts say so', async () => {
  const page = await dynamo.query({
    TableName,
    KeyConditionExpression: 'pk = :p',
    FilterExpression: 'attribute_exists(city)',
    ExpressionAttributeValues: p,
    Limit: 5,
    Select: 'COUNT',
  });
  expect(page).toMatchObject({ Count: 3, ScannedCount: 5, LastEvaluatedKey: { pk: s('a'), sk: n(-1) } });
  expect(page.Items).toBeUndefined();
});

test('indexes show what they project, in their own order', async () => {
  const local = await dynamo.query({
    TableName,
    IndexName: 'by-age',
    KeyConditionExpression: 'pk = :p AND age < :a',
    ExpressionAttributeValues: { ...p, ':a': n(83) },
  });
  expect(local.Items).toEqual([
    { pk: s('a'), sk: n(14), age: n(81) },
    { pk: s('a'), sk: n(13), age: n(82) },
  ]);
  const whole = await dynamo.query({
    TableName,
    IndexName: 'by-age',
    KeyConditionExpression: 'pk = :p AND age = :a',
    ExpressionAttributeValues: { ...p, ':a': n(81) },
    Select: 'ALL_ATTRIBUTES',
  });
  expect(whole.Items?.[0]).toMatchObject({ more: s('x'), name: s('n19') });
  const global = await dynamo.query({
    TableName,
    IndexName: 'by-city',
    KeyConditionExpression: 'city = :c',
    ExpressionAttributeValues: { ':c': s('Oulu') },
    Limit: 2,
  });
  expect(global.Items).toEqual([
    { pk: s('a'), sk: n(11), age: n(84), city: s('Oulu'), name: s('n16') },
    { pk: s('a'), sk: n(7), age: n(88), city: s('Oulu'), name: s('n12') },
  ]);
  const next = await dynamo.query({
    TableName,
    IndexName: 'by-city',
    KeyConditionExpression: 'city = :c',
    ExpressionAttributeValues: { ':c': s('Oulu') },
    ExclusiveStartKey: global.LastEvaluatedKey!,
  });
  expect(next.Items?.map(({ age }) => age?.N)).toEqual(['92', '96', '100']);
});

test('DDB-008 a strong read is not for global indexes, and always sees the newest value', async () => {
  await refused(
    dynamo.query({
      TableName,
      IndexName: 'by-city',
      KeyConditionExpression: 'city = :c',
      ExpressionAttributeValues: { ':c': s('Oulu') },
      ConsistentRead: true,
    }),
    'ValidationException',
    'Consistent reads are not supported on global secondary indexes',
  );
  await Promise.all(
    Array.from({ length: 40 }, async (_, worker) => {
      const Key = { pk: s('strong'), sk: n(worker) };
      for (let value = 0; value < 15; value++) {
        await dynamo.putItem({ TableName, Item: { ...Key, value: n(value) } });
        const { Item, ConsumedCapacity } = await dynamo.getItem({
          TableName,
          Key,
          ConsistentRead: true,
          ReturnConsumedCapacity: 'TOTAL',
        });
        expect(Item?.['value']).toEqual(n(value));
        expect(ConsumedCapacity?.CapacityUnits).toBe(1);
      }
    }),
  );
});

test('a scan in segments sees each item once', async () => {
  const name = await makeTable(dynamo);
  for (let i = 0; i < 60; i += 20) {
    const requests = Array.from({ length: 20 }, (_, k) => ({ PutRequest: { Item: { pk: s(`p${i + k}`), sk: n(1) } } }));
    await dynamo.batchWriteItem({ RequestItems: { [name]: requests } });
  }
  const seen: string[] = [];
  for (let Segment = 0; Segment < 4; Segment++) {
    let segmentItems = 0;
    for await (const page of paginateScan({ client: dynamo, pageSize: 3 }, { TableName: name, Segment, TotalSegments: 4 })) {
      segmentItems += page.Count ?? 0;
      seen.push(...(page.Items ?? []).map(({ pk }) => pk?.S ?? ''));
    }
    expect(segmentItems).toBeGreaterThan(0);
  }
  expect(seen).toHaveLength(60);
  expect(new Set(seen).size).toBe(60);
});

test('a page ends with the item that brings it to 1 MB', async () => {
  const name = await makeTable(dynamo);
  const big = 'x'.repeat(300 * 1024);
  // Six partition keys, as one takes a thousand units a second.
  for (let i = 0; i < 6; i++) await dynamo.putItem({ TableName: name, Item: { pk: s(`${i}`), sk: n(i), big: s(big) } });
  const first = await dynamo.scan({ TableName: name, ReturnConsumedCapacity: 'TOTAL' });
  expect(first.Count).toBe(4);
  expect(first.LastEvaluatedKey).toBeDefined();
  expect(first.ConsumedCapacity?.CapacityUnits).toBe(Math.ceil((4 * 300 * 1024) / 4096 + 0.01) / 2);
  const second = await dynamo.scan({ TableName: name, ExclusiveStartKey: first.LastEvaluatedKey });
  expect(second).toMatchObject({ Count: 2 });
  expect(second.LastEvaluatedKey).toBeUndefined();
});

const refusals: [string, Partial<QueryCommandInput>, string][] = [
  [
    'no condition',
    { KeyConditionExpression: undefined, ExpressionAttributeValues: undefined },
    'Either the KeyConditions or KeyConditionExpression parameter must be specified in the request.',
  ],
  ['no partition key', { KeyConditionExpression: 'sk = :p' }, 'Query condition missed key schema element: pk'],
  ['a partition key that is not equal', { KeyConditionExpression: 'pk > :p' }, 'Query key condition not supported'],
  [
    'another type',
    { ExpressionAttributeValues: { ':p': n(1) } },
    'One or more parameter values were invalid: Condition parameter type does not match schema type',
  ],
  ['OR', { KeyConditionExpression: 'pk = :p OR pk = :p' }, 'Invalid operator used in KeyConditionExpression: OR'],
  [
    'a function',
    { KeyConditionExpression: 'pk = :p AND attribute_exists(sk)' },
    'Invalid operator used in KeyConditionExpression: attribute_exists',
  ],
  [
    'two conditions of one key',
    { KeyConditionExpression: 'pk = :p AND pk = :p' },
    'Invalid KeyConditionExpression: KeyConditionExpressions must only contain one condition per key',
  ],
  [
    'a nested key',
    { KeyConditionExpression: 'pk.a = :p' },
    'KeyConditionExpressions cannot have conditions on nested attributes',
  ],
  [
    'a filter on the key',
    { FilterExpression: 'sk = :p' },
    'Filter Expression can only contain non-primary key attributes: Primary key attribute: sk',
  ],
  ['an index that is not there', { IndexName: 'nowhere' }, 'The table does not have the specified index: nowhere'],
  [
    'a limit of zero',
    { Limit: 0 },
    "1 validation error detected: Value '0' at 'limit' failed to satisfy constraint: Member must have value greater than or equal to 1",
  ],
  ['a start key of other attributes', { ExclusiveStartKey: { pk: s('a') } }, 'The provided starting key is invalid'],
  [
    'a start key elsewhere',
    { ExclusiveStartKey: { pk: s('b'), sk: n(1) } },
    'The provided starting key is outside query boundaries based on provided conditions',
  ],
  [
    'all attributes of a sparse index',
    { IndexName: 'by-city', KeyConditionExpression: 'city = :p', Select: 'ALL_ATTRIBUTES' },
    'One or more parameter values were invalid: Select type ALL_ATTRIBUTES is not supported for global secondary index by-city because its projection type is not ALL',
  ],
  [
    'old and new parameters',
    { AttributesToGet: ['pk'] },
    'Can not use both expression and non-expression parameters in the same request: Non-expression parameters: {AttributesToGet} Expression parameters: {KeyConditionExpression}',
  ],
];

test.each(refusals)('a query is refused with %s', async (_what, input, message) => {
  const query = { TableName, KeyConditionExpression: 'pk = :p', ExpressionAttributeValues: p, ...input };
  await refused(dynamo.query(query as QueryCommandInput), 'ValidationException', message);
});

test('legacy conditions query and filter', async () => {
  const { Items } = await dynamo.query({
    TableName,
    KeyConditions: {
      pk: { ComparisonOperator: 'EQ', AttributeValueList: [s('a')] },
      sk: { ComparisonOperator: 'BETWEEN', AttributeValueList: [n(0), n(4)] },
    },
    QueryFilter: { city: { ComparisonOperator: 'NOT_NULL' } },
    AttributesToGet: ['sk'],
  });
  expect(Items).toEqual([{ sk: n(1) }, { sk: n(3) }]);
  await refused(
    dynamo.scan({ TableName, ScanFilter: { age: { ComparisonOperator: 'BETWEEN', AttributeValueList: [n(1)] } } }),
    'ValidationException',
    'One or more parameter values were invalid: Invalid number of argument(s) for the BETWEEN ComparisonOperator',
  );
});
