/** What may be just so large, and what is refused one step further ("Quotas in Amazon DynamoDB"): each limit at its end and past it, in AWS's words. */
import type { AttributeValue, CreateTableCommandInput, DynamoDB, GlobalSecondaryIndex } from '@aws-sdk/client-dynamodb';
import { beforeAll, describe, expect, it } from 'vitest';
import { refused } from '../../support/cloud.ts';
import { freshDynamo, makeSimpleTable } from './support-tables.ts';

const s = (S: string): AttributeValue => ({ S });
const each = <T>(count: number, make: (at: number) => T): T[] => Array.from({ length: count }, (_, at) => make(at));
const invalid = 'One or more parameter values were invalid: ';
const one = '1 validation error detected: ';
const tooLong = (size: number): string => `Expression size has exceeded the maximum allowed size; expression size: ${size}`;

describe('limits', () => {
  const { dynamo } = freshDynamo();
  let TableName = '';
  beforeAll(async () => {
    TableName = await makeSimpleTable(dynamo);
    await dynamo.putItem({ TableName, Item: { pk: s('a'), list: { L: [] } } });
  });

  const Key = { pk: s('a') };
  type Update = Omit<Parameters<DynamoDB['updateItem']>[0], 'TableName' | 'Key'>;
  const update = (more: Update) => dynamo.updateItem({ TableName, Key, ...more });
  const get = (more: object) => dynamo.getItem({ TableName, Key, ...more });
  const scan = (more: object) => dynamo.scan({ TableName, ...more });

  it('expressions have 4 KB', async () => {
    const padded = (size: number, text: string): string => text.padEnd(size, ' ');
    const values = { ExpressionAttributeValues: { ':v': s('x') } };
    for (const [expression, make] of [
      ['UpdateExpression', (size: number) => update({ UpdateExpression: padded(size, 'SET a = :v'), ...values })],
      ['ProjectionExpression', (size: number) => get({ ProjectionExpression: padded(size, 'a') })],
      ['FilterExpression', (size: number) => scan({ FilterExpression: padded(size, 'a = :v'), ...values })],
      [
        'ConditionExpression',
        (size: number) =>
          dynamo.putItem({ TableName, Item: { pk: s('c') }, ConditionExpression: padded(size, 'pk <> :v'), ...values }),
      ],
      [
        'KeyConditionExpression',
        (size: number) => dynamo.query({ TableName, KeyConditionExpression: padded(size, 'pk = :v'), ...values }),
      ],
    ] as const) {
      await make(4096);
      // Single writes count what is wrong with the request.
      const counted = ['UpdateExpression', 'ConditionExpression'].includes(expression) ? one : '';
      await refused(make(4097), 'ValidationException', `${counted}Invalid ${expression}: ${tooLong(4097)}`);
    }
  });

  it('expressions have 300 operators and functions, lists of IN a hundred values, names and paths their ends', async () => {
    const sums = (count: number) => `SET ${each(count, (at) => `a${at}=if_not_exists(b,:v)`).join(',')}`;
    const values = { ExpressionAttributeValues: { ':v': { N: '1' } } };
    const many = (count: number) => scan({ FilterExpression: each(count, () => 'a=:v').join(' OR '), ...values });
    await many(150);
    await refused(
      many(152),
      'ValidationException',
      'Invalid FilterExpression: The expression contains too many operators; operator count: 301',
    );
    await update({ UpdateExpression: sums(150), ...values });
    const listed = (count: number) =>
      scan({
        FilterExpression: `a IN (${each(count, (at) => `:v${at}`).join(',')})`,
        ExpressionAttributeValues: Object.fromEntries(each(count, (at) => [`:v${at}`, s('x')])),
      });
    await listed(100);
    await refused(
      listed(101),
      'ValidationException',
      'Invalid FilterExpression: The IN operator is provided with too many operands; number of operands: 101',
    );
    const placeholder = (length: number) =>
      get({ ProjectionExpression: `#${'n'.repeat(length)}`, ExpressionAttributeNames: { [`#${'n'.repeat(length)}`]: 'a' } });
    await placeholder(254);
    await refused(
      placeholder(255),
      'ValidationException',
      'ExpressionAttributeNames contains invalid key: The expression attribute map contains a key that is too long; size of key: 256',
    );
    const path = (parts: number) => get({ ProjectionExpression: `a${'.b'.repeat(parts - 1)}` });
    await path(32);
    await refused(
      path(33),
      'ValidationException',
      'Invalid ProjectionExpression: The document path has too many nesting levels; nesting levels: 33',
    );
  });

  it('numbers have 38 digits and their magnitudes, also as the result of a sum', async () => {
    const put = (N: string) => dynamo.putItem({ TableName, Item: { pk: s('n'), n: { N } } });
    for (const good of [
      '9'.repeat(38),
      `-${'9'.repeat(38)}`,
      '9.9999999999999999999999999999999999999E+125',
      '1E-130',
      '-1E-130',
    ])
      await put(good);
    const large = 'Number overflow. Attempting to store a number with magnitude larger than supported range';
    const small = 'Number underflow. Attempting to store a number with magnitude smaller than supported range';
    await refused(put('1E126'), 'ValidationException', `${one}${large}`);
    await refused(put('-1E126'), 'ValidationException', `${one}${large}`);
    await refused(put('1E-131'), 'ValidationException', `${one}${small}`);
    await refused(
      put('1'.repeat(39)),
      'ValidationException',
      `${one}Attempting to store more than 38 significant digits in a Number`,
    );
    await put('9.9999999999999999999999999999999999999E+125');
    const add = (N: string) =>
      dynamo.updateItem({
        ...{ TableName, Key: { pk: s('n') }, UpdateExpression: 'SET n = n + :v' },
        ExpressionAttributeValues: { ':v': { N } },
      });
    await refused(add('1E+125'), 'ValidationException', large);
    await refused(add('1'), 'ValidationException', 'Attempting to store more than 38 significant digits in a Number');
  });

  it('batches and transactions have so many parts', async () => {
    const writes = (count: number) =>
      dynamo.batchWriteItem({
        RequestItems: { [TableName]: each(count, (at) => ({ PutRequest: { Item: { pk: s(`b${at}`) } } })) },
      });
    await writes(25);
    const lengths =
      'Map value must satisfy constraint: [Member must have length less than or equal to 25, Member must have length greater than or equal to 1]';
    await refused(
      writes(26),
      'ValidationException',
      new RegExp(`at 'requestItems' failed to satisfy constraint: ${escaped(lengths)}$`),
    );
    await refused(
      writes(0),
      'ValidationException',
      `1 validation error detected: Value '{${TableName}=[]}' at 'requestItems' failed to satisfy constraint: ${lengths}`,
    );
    const other = await makeSimpleTable(dynamo);
    const over = each(13, (at) => ({ PutRequest: { Item: { pk: s(`b${at}`) } } }));
    await refused(
      dynamo.batchWriteItem({ RequestItems: { [TableName]: over, [other]: over } }),
      'ValidationException',
      'Too many items requested for the BatchWriteItem call',
    );
    const reads = (count: number) =>
      dynamo.batchGetItem({ RequestItems: { [TableName]: { Keys: each(count, (at) => ({ pk: s(`b${at}`) })) } } });
    expect((await reads(100)).Responses![TableName]).toHaveLength(25);
    await refused(
      reads(101),
      'ValidationException',
      /at 'requestItems\.[\w-]+\.member\.keys' failed to satisfy constraint: Member must have length less than or equal to 100$/,
    );
    const half = { Keys: each(51, (at) => ({ pk: s(`b${at}`) })) };
    await refused(
      dynamo.batchGetItem({ RequestItems: { [TableName]: half, [other]: half } }),
      'ValidationException',
      'Too many items requested for the BatchGetItem call',
    );
    const puts = (count: number) =>
      dynamo.transactWriteItems({ TransactItems: each(count, (at) => ({ Put: { TableName, Item: { pk: s(`t${at}`) } } })) });
    await puts(100);
    await refused(
      puts(101),
      'ValidationException',
      /at 'transactItems' failed to satisfy constraint: Member must have length less than or equal to 100$/,
    );
    const gets = (count: number) =>
      dynamo.transactGetItems({ TransactItems: each(count, (at) => ({ Get: { TableName, Key: { pk: s(`t${at}`) } } })) });
    expect((await gets(100)).Responses).toHaveLength(100);
    await refused(
      gets(101),
      'ValidationException',
      /at 'transactItems' failed to satisfy constraint: Member must have length less than or equal to 100$/,
    );
  });

  it('an item grows to 400 KB by updates too, and a transaction holds 4 MB', async () => {
    const size = 400 * 1024 - 'pk'.length - 'g'.length - 'v'.length;
    const grow = (length: number) =>
      dynamo.updateItem({
        ...{ TableName, Key: { pk: s('g') }, UpdateExpression: 'SET v = :v' },
        ExpressionAttributeValues: { ':v': s('x'.repeat(length)) },
      });
    await grow(size);
    await refused(grow(size + 1), 'ValidationException', 'Item size to update has exceeded the maximum allowed size');
    const big = (at: number) => ({ Put: { TableName, Item: { pk: s(`big${at}`), v: s('x'.repeat(390 * 1024)) } } });
    await dynamo.transactWriteItems({ TransactItems: each(10, big) });
    await refused(
      dynamo.transactWriteItems({ TransactItems: each(11, big) }),
      'ValidationException',
      'Collective size of items in transaction exceeds maximum allowed limit of 4 MB',
    );
  });

  it('tables have so many indexes, projected attributes and characters', async () => {
    const index = (at: number, nonKey: readonly string[] = []): GlobalSecondaryIndex => ({
      IndexName: `index-${at}`,
      KeySchema: [{ AttributeName: 'pk', KeyType: 'HASH' }],
      Projection: nonKey.length === 0 ? { ProjectionType: 'ALL' } : { ProjectionType: 'INCLUDE', NonKeyAttributes: [...nonKey] },
    });
    const names = Array(100).keys();
    const create = (more: Partial<CreateTableCommandInput>) =>
      dynamo.createTable({
        ...{ TableName: `made-${names.next().value}`, BillingMode: 'PAY_PER_REQUEST' },
        AttributeDefinitions: [{ AttributeName: 'pk', AttributeType: 'S' }],
        KeySchema: [{ AttributeName: 'pk', KeyType: 'HASH' }],
        ...more,
      });
    await create({ GlobalSecondaryIndexes: each(20, (at) => index(at)) });
    await refused(
      create({ GlobalSecondaryIndexes: each(21, (at) => index(at)) }),
      'ValidationException',
      `${invalid}GlobalSecondaryIndex count exceeds the per-table limit of 20`,
    );
    const included = (last: number) =>
      create({
        GlobalSecondaryIndexes: [20, 20, 20, 20, last, 1].map((number, at) =>
          index(
            at,
            each(number, (one) => `n${at}-${one}`),
          ),
        ),
      });
    await included(19);
    await refused(
      included(20),
      'ValidationException',
      `${invalid}Number of attributes projected into all of the indexes exceeds the limit of 100`,
    );
    const local = (number: number) =>
      create({
        AttributeDefinitions: ['pk', 'sk'].map((AttributeName) => ({ AttributeName, AttributeType: 'S' as const })),
        KeySchema: [
          { AttributeName: 'pk', KeyType: 'HASH' },
          { AttributeName: 'sk', KeyType: 'RANGE' },
        ],
        LocalSecondaryIndexes: each(number, (at) => ({
          IndexName: `index-${at}`,
          KeySchema: [
            { AttributeName: 'pk', KeyType: 'HASH' as const },
            { AttributeName: 'sk', KeyType: 'RANGE' as const },
          ],
          Projection: { ProjectionType: 'ALL' as const },
        })),
      });
    await local(5);
    await refused(local(6), 'ValidationException', `${invalid}Number of LocalSecondaryIndexes exceeds per-table limit of 5`);
    await create({ TableName: 'n'.repeat(255) });
    await refused(
      create({ TableName: 'n'.repeat(256) }),
      'ValidationException',
      /^1 validation error detected: Value 'n+' at 'tableName' failed to satisfy constraint: Member must have length less than or equal to 255$/,
    );
    const named = (length: number) =>
      create({
        AttributeDefinitions: [{ AttributeName: 'k'.repeat(length), AttributeType: 'S' }],
        KeySchema: [{ AttributeName: 'k'.repeat(length), KeyType: 'HASH' }],
      });
    await named(255);
    await refused(named(256), 'ValidationException', /Member must have length less than or equal to 255/);
    await refused(
      dynamo.tagResource({
        ResourceArn: (await dynamo.describeTable({ TableName })).Table!.TableArn,
        Tags: each(51, (at) => ({ Key: `k${at}`, Value: 'v' })),
      }),
      'LimitExceededException',
    );
  });
});

/** A text as a pattern that is found as it stands. */
function escaped(text: string): string {
  return text.replace(/[[\]().*+?]/g, '\\$&');
}
