import type { AttributeValue } from '@aws-sdk/client-dynamodb';
import { beforeAll, expect, test } from 'vitest';
import { refused } from '../../support/cloud.ts';
import { freshDynamo, makeSimpleTable, makeTable } from './support-tables.ts';

const { dynamo } = freshDynamo();
let TableName: string;
beforeAll(async () => {
  TableName = await makeSimpleTable(dynamo);
});
const s = (S: string): AttributeValue => ({ S });

test('DDB-002 items of one table need only the key in common', async () => {
  const first = {
    pk: s('one'),
    text: s('äö€𝄞'),
    number: { N: '1.5' },
    bytes: { B: new Uint8Array([0, 255, 7]) },
    list: { L: [{ NULL: true }, { BOOL: false }, { M: { deep: { SS: ['b', 'a'] } } }] },
  } satisfies Record<string, AttributeValue>;
  const second = { pk: s('two'), text: { NS: ['3'] }, blobs: { BS: [new Uint8Array([1])] }, empty: s('') } satisfies Record<
    string,
    AttributeValue
  >;
  for (const Item of [first, second]) {
    await dynamo.putItem({ TableName, Item });
    expect((await dynamo.getItem({ TableName, Key: { pk: Item.pk } })).Item).toEqual(Item);
  }
  await refused(
    dynamo.putItem({ TableName, Item: { other: s('x') } }),
    'ValidationException',
    'One or more parameter values were invalid: Missing the key pk in the item',
  );
});

const numbers: [string, string][] = [
  ['1.0', '1'],
  ['-0', '0'],
  ['+007.50', '7.5'],
  ['1e3', '1000'],
  ['1E-3', '0.001'],
  ['99999999999999999999999999999999999999', '99999999999999999999999999999999999999'],
  ['0.12345678901234567890123456789012345678', '0.12345678901234567890123456789012345678'],
  ['9.9999999999999999999999999999999999999E+125', `${'9'.repeat(38)}${'0'.repeat(88)}`],
  ['1E-130', `0.${'0'.repeat(129)}1`],
];
test.each(numbers)('the number %s is kept as %s', async (given, kept) => {
  await dynamo.putItem({ TableName, Item: { pk: s('n'), v: { N: given } } });
  expect((await dynamo.getItem({ TableName, Key: { pk: s('n') } })).Item?.['v']).toEqual({ N: kept });
});

const invalid = 'One or more parameter values were invalid: ';
const nested = (levels: number): AttributeValue => (levels === 0 ? s('x') : { L: [nested(levels - 1)] });

const bad: [string, AttributeValue, string][] = [
  ['no number', { N: 'abc' }, 'The parameter cannot be converted to a numeric value: abc'],
  ['an empty number', { N: '' }, 'The parameter cannot be converted to a numeric value: '],
  ['39 digits', { N: '1'.repeat(39) }, 'Attempting to store more than 38 significant digits in a Number'],
  ['a large number', { N: '1E126' }, 'Number overflow. Attempting to store a number with magnitude larger than supported range'],
  [
    'a small number',
    { N: '1E-131' },
    'Number underflow. Attempting to store a number with magnitude smaller than supported range',
  ],
  ['an empty set', { SS: [] }, `${invalid}An string set  may not be empty`],
  ['an empty number set', { NS: [] }, `${invalid}An number set  may not be empty`],
  ['an empty binary set', { BS: [] }, `${invalid}Binary sets should not be empty`],
  ['a set with duplicates', { SS: ['a', 'b', 'a'] }, `${invalid}Input collection ["a", "b", "a"] contains duplicates.`],
  ['a number set with duplicates', { NS: ['1', '1.0'] }, `${invalid}Input collection contains duplicates.`],
  ['a false null', { NULL: false as true }, `${invalid}Null attribute value types must have the value of true`],
  [
    '32 levels below the attribute',
    nested(32),
    'Nesting Levels have exceeded supported limits: Attributes in the item have nested levels beyond supported limit',
  ],
];
test.each(bad)('%s is refused', async (_what, value, message) => {
  const put = dynamo.putItem({ TableName, Item: { pk: s('bad'), value } });
  await refused(put, 'ValidationException', `1 validation error detected: ${message}`);
});

test('nesting of 32 levels, the attribute itself counted, is kept', async () => {
  const value = nested(31);
  await dynamo.putItem({ TableName, Item: { pk: s('deep'), value } });
  expect((await dynamo.getItem({ TableName, Key: { pk: s('deep') } })).Item?.['value']).toEqual(value);
});

test('an item is up to 400 KB, names counted', async () => {
  const room = 400 * 1024 - 'pk'.length - 'big'.length - 'value'.length;
  await dynamo.putItem({ TableName, Item: { pk: s('big'), value: s('x'.repeat(room)) } });
  await refused(
    dynamo.putItem({ TableName, Item: { pk: s('big'), value: s('x'.repeat(room + 1)) } }),
    'ValidationException',
    'Item size has exceeded the maximum allowed size',
  );
  await refused(
    dynamo.updateItem({
      TableName,
      Key: { pk: s('big') },
      UpdateExpression: 'SET more = :v',
      ExpressionAttributeValues: { ':v': s('x') },
    }),
    'ValidationException',
    'Item size to update has exceeded the maximum allowed size',
  );
});

test('keys are typed, not empty, and up to 2048 and 1024 bytes', async () => {
  const name = await makeTable(dynamo, {
    AttributeDefinitions: [
      { AttributeName: 'pk', AttributeType: 'S' },
      { AttributeName: 'sk', AttributeType: 'B' },
    ],
  });
  const item = (pk: string, bytes: Uint8Array) => ({ pk: s(pk), sk: { B: bytes } });
  const longest = item('ä'.repeat(1024), new Uint8Array(1024));
  await dynamo.putItem({ TableName: name, Item: longest });
  expect((await dynamo.getItem({ TableName: name, Key: longest })).Item).toEqual(longest);
  await refused(
    dynamo.putItem({ TableName: name, Item: item('ä'.repeat(1024) + 'a', new Uint8Array(1)) }),
    'ValidationException',
    `${invalid}Size of hashkey has exceeded the maximum size limit of2048 bytes`,
  );
  await refused(
    dynamo.putItem({ TableName: name, Item: item('a', new Uint8Array(1025)) }),
    'ValidationException',
    `${invalid}Aggregated size of all range keys has exceeded the size limit of 1024 bytes`,
  );
  await refused(
    dynamo.putItem({ TableName: name, Item: item('', new Uint8Array(1)) }),
    'ValidationException',
    'One or more parameter values are not valid. The AttributeValue for a key attribute cannot contain an empty string value. Key: pk',
  );
  await refused(
    dynamo.putItem({ TableName: name, Item: { pk: { N: '1' }, sk: { B: new Uint8Array(1) } } }),
    'ValidationException',
    `${invalid}Type mismatch for key pk expected: S actual: N`,
  );
  await refused(
    dynamo.getItem({ TableName: name, Key: { pk: s('a') } }),
    'ValidationException',
    'The provided key element does not match the schema',
  );
});

test('return values of writes', async () => {
  const Key = { pk: s('returns') };
  expect(
    (await dynamo.putItem({ TableName, Item: { ...Key, a: s('1'), b: s('2') }, ReturnValues: 'ALL_OLD' })).Attributes,
  ).toBeUndefined();
  const update = (ReturnValues: 'ALL_OLD' | 'ALL_NEW' | 'UPDATED_OLD' | 'UPDATED_NEW' | 'NONE', v: string) =>
    dynamo
      .updateItem({ TableName, Key, UpdateExpression: 'SET a = :v', ExpressionAttributeValues: { ':v': s(v) }, ReturnValues })
      .then(({ Attributes }) => Attributes);
  expect(await update('UPDATED_OLD', '3')).toEqual({ a: s('1') });
  expect(await update('UPDATED_NEW', '4')).toEqual({ a: s('4') });
  expect(await update('ALL_OLD', '5')).toEqual({ ...Key, a: s('4'), b: s('2') });
  expect(await update('ALL_NEW', '6')).toEqual({ ...Key, a: s('6'), b: s('2') });
  expect(await update('NONE', '7')).toBeUndefined();
  expect((await dynamo.deleteItem({ TableName, Key, ReturnValues: 'ALL_OLD' })).Attributes).toEqual({
    ...Key,
    a: s('7'),
    b: s('2'),
  });
  await refused(
    dynamo.putItem({ TableName, Item: Key, ReturnValues: 'ALL_NEW' }),
    'ValidationException',
    '1 validation error detected: ReturnValues can only be ALL_OLD or NONE',
  );
});

test('legacy Expected and AttributeUpdates', async () => {
  const Key = { pk: s('legacy') };
  await dynamo.putItem({ TableName, Item: { ...Key, n: { N: '1' } }, Expected: { pk: { Exists: false } } });
  await refused(
    dynamo.putItem({ TableName, Item: Key, Expected: { n: { Value: { N: '2' } } } }),
    'ConditionalCheckFailedException',
    'The conditional request failed',
  );
  const { Attributes } = await dynamo.updateItem({
    TableName,
    Key,
    AttributeUpdates: {
      n: { Action: 'ADD', Value: { N: '2' } },
      t: { Action: 'PUT', Value: s('x') },
      gone: { Action: 'DELETE' },
    },
    Expected: { n: { ComparisonOperator: 'LT', AttributeValueList: [{ N: '5' }] } },
    ReturnValues: 'ALL_NEW',
  });
  expect(Attributes).toEqual({ ...Key, n: { N: '3' }, t: s('x') });
  await refused(
    dynamo.updateItem({ TableName, Key, AttributeUpdates: { t: { Action: 'ADD', Value: s('x') } } }),
    'ValidationException',
    `1 validation error detected: ${invalid}ADD action is not supported for the type S`,
  );
});

test('batches write and read by table, and refuse what is twice in them', async () => {
  const put = (pk: string) => ({ PutRequest: { Item: { pk: s(pk), v: s(pk) } } });
  const written = await dynamo.batchWriteItem({
    RequestItems: { [TableName]: [put('b1'), put('b2'), { DeleteRequest: { Key: { pk: s('b3') } } }] },
    ReturnConsumedCapacity: 'TOTAL',
  });
  expect(written).toMatchObject({ UnprocessedItems: {}, ConsumedCapacity: [{ TableName, CapacityUnits: 3 }] });
  const read = await dynamo.batchGetItem({
    RequestItems: { [TableName]: { Keys: [{ pk: s('b1') }, { pk: s('b2') }, { pk: s('b3') }], ProjectionExpression: 'v' } },
  });
  expect(read.Responses?.[TableName]).toEqual([{ v: s('b1') }, { v: s('b2') }]);
  await refused(
    dynamo.batchWriteItem({ RequestItems: { [TableName]: [put('b1'), put('b1')] } }),
    'ValidationException',
    'Provided list of item keys contains duplicates',
  );
  await refused(
    dynamo.batchGetItem({ RequestItems: { [TableName]: { Keys: Array.from({ length: 101 }, (_, i) => ({ pk: s(`${i}`) })) } } }),
    'ValidationException',
  );
});

test('transactions are all or nothing, and a token makes them once', async () => {
  const item = (pk: string, n: string) => ({ pk: s(pk), n: { N: n } });
  await dynamo.transactWriteItems({
    TransactItems: [{ Put: { TableName, Item: item('t1', '10') } }, { Put: { TableName, Item: item('t2', '0') } }],
  });
  const move = (amount: string, ClientRequestToken?: string) =>
    dynamo.transactWriteItems({
      ClientRequestToken,
      ReturnConsumedCapacity: 'TOTAL',
      TransactItems: [
        {
          Update: {
            TableName,
            Key: { pk: s('t1') },
            UpdateExpression: 'SET n = n - :a',
            ConditionExpression: 'n >= :a',
            ExpressionAttributeValues: { ':a': { N: amount } },
          },
        },
        {
          Update: {
            TableName,
            Key: { pk: s('t2') },
            UpdateExpression: 'SET n = n + :a',
            ExpressionAttributeValues: { ':a': { N: amount } },
          },
        },
      ],
    });
  expect((await move('4')).ConsumedCapacity).toEqual([{ TableName, CapacityUnits: 4, WriteCapacityUnits: 4 }]);
  await move('3', 'token-1');
  await move('3', 'token-1');
  const balances = async () => {
    const { Responses } = await dynamo.transactGetItems({
      TransactItems: [{ Get: { TableName, Key: { pk: s('t1') } } }, { Get: { TableName, Key: { pk: s('t2') } } }],
    });
    return Responses?.map(({ Item }) => Item?.['n']?.N);
  };
  expect(await balances()).toEqual(['3', '7']);
  const error = await refused(
    move('4'),
    'TransactionCanceledException',
    'Transaction cancelled, please refer cancellation reasons for specific reasons [ConditionalCheckFailed, None]',
  );
  expect((error as Error & { CancellationReasons?: unknown }).CancellationReasons).toEqual([
    { Code: 'ConditionalCheckFailed', Message: 'The conditional request failed' },
    { Code: 'None' },
  ]);
  expect(await balances()).toEqual(['3', '7']);
  await refused(move('2', 'token-1'), 'IdempotentParameterMismatchException');
  await refused(
    dynamo.transactWriteItems({
      TransactItems: [{ Put: { TableName, Item: item('t1', '1') } }, { Delete: { TableName, Key: { pk: s('t1') } } }],
    }),
    'ValidationException',
    'Transaction request cannot include multiple operations on one item',
  );
});
