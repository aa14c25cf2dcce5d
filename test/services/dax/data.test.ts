/** Every call of the official client through a node, against what the table says. */
import {
  BatchWriteItemCommand,
  CreateTableCommand,
  DeleteItemCommand,
  GetItemCommand,
  PutItemCommand,
} from '@aws-sdk/client-dynamodb';
import { beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { eventually, machinesRefused } from '../../support/cloud.ts';
import { DaxLab } from './support.ts';

describe('calls through a node', () => {
  beforeEach((context) => context.skip(machinesRefused() !== undefined, machinesRefused()));
  const lab = new DaxLab();
  const inTable = async (table: string, key: Record<string, { S?: string; N?: string }>) =>
    (await lab.dynamodb.send(new GetItemCommand({ TableName: table, Key: key as never }))).Item;

  beforeAll(async () => {
    if (machinesRefused() !== undefined) return;
    await lab.build('10.62');
    await Promise.all([lab.table('plain'), lab.table('texts', 'S'), lab.table('numbers', 'N')]);
    await lab.dynamodb.send(
      new CreateTableCommand({
        ...{ TableName: 'indexed', BillingMode: 'PAY_PER_REQUEST', KeySchema: [{ AttributeName: 'id', KeyType: 'HASH' }] },
        AttributeDefinitions: [
          { AttributeName: 'id', AttributeType: 'N' },
          { AttributeName: 'kind', AttributeType: 'S' },
        ],
        GlobalSecondaryIndexes: [
          { IndexName: 'kinds', KeySchema: [{ AttributeName: 'kind', KeyType: 'HASH' }], Projection: { ProjectionType: 'ALL' } },
        ],
      }),
    );
    const cluster = await lab.cluster('data');
    await lab.client(cluster.ClusterDiscoveryEndpoint!.URL!);
  }, 90_000);

  it('carries values of every type, there and back', async () => {
    const item = {
      ...{
        id: 'all',
        text: 'ä😀',
        empty: '',
        yes: true,
        no: false,
        none: null,
        zero: 0,
        small: -7,
        half: 0.5,
        tiny: 1e-7,
        big: 9007199254740991,
      },
      ...{ list: [1, 'two', [3], { four: 4 }], map: { a: { b: ['c'] }, ' ': 'blank' } },
    };
    await lab.ok('put', { TableName: 'plain', Item: item });
    expect((await lab.ok('get', { TableName: 'plain', Key: { id: 'all' }, ConsistentRead: true }))['Item']).toEqual(item);
    expect((await lab.ok('get', { TableName: 'plain', Key: { id: 'all' } }))['Item']).toEqual(item);
    await lab.dynamodb.send(
      new PutItemCommand({
        TableName: 'plain',
        Item: {
          id: { S: 'sets' },
          ss: { SS: ['a', 'b'] },
          ns: { NS: ['1', '2.5'] },
        },
      }),
    );
    const read = (await lab.ok('get', { TableName: 'plain', Key: { id: 'sets' } }))['Item'] as Record<string, unknown>;
    expect(read).toMatchObject({ id: 'sets', ss: ['a', 'b'], ns: [1, 2.5] });
  });

  it('knows keys that are numbers, however they are written', async () => {
    for (const at of [0, 1, -1, 2.5, -2.5, 100, 1e15, -1e-9, 123456.789]) {
      await lab.ok('put', { TableName: 'numbers', Item: { id: 'n', at, was: String(at) } });
      expect(await inTable('numbers', { id: { S: 'n' }, at: { N: String(at) } })).toMatchObject({ was: { S: String(at) } });
      expect((await lab.ok('get', { TableName: 'numbers', Key: { id: 'n', at } }))['Item']).toMatchObject({ was: String(at) });
    }
    const page = await lab.ok('query', {
      TableName: 'numbers',
      KeyConditionExpression: 'id = :i',
      ExpressionAttributeValues: { ':i': 'n' },
    });
    expect((page['Items'] as { at: number }[]).map(({ at }) => at)).toEqual([-2.5, -1, -1e-9, 0, 1, 2.5, 100, 123456.789, 1e15]);
  });

  it('writes on conditions and gives values back', async () => {
    const key = { TableName: 'plain', Key: { id: 'w' } };
    await lab.ok('put', { TableName: 'plain', Item: { id: 'w', n: 1, l: ['a'] } });
    const old = await lab.ok('put', {
      TableName: 'plain',
      Item: { id: 'w', n: 2, l: ['a'], m: { x: 1 } },
      ReturnValues: 'ALL_OLD',
    });
    expect(old['Attributes']).toEqual({ id: 'w', n: 1, l: ['a'] });
    const refused = await lab.perform({
      ...{ operation: 'put', input: { TableName: 'plain', Item: { id: 'w' }, ConditionExpression: 'attribute_not_exists(id)' } },
    });
    expect(refused.error).toMatchObject({
      code: 'ConditionalCheckFailedException',
      message: 'ConditionalCheckFailedException: The conditional request failed',
    });
    const updated = await lab.ok('update', {
      ...key,
      UpdateExpression: 'SET n = n + :one, l = list_append(l, :l), #f = if_not_exists(#f, :z), m.y = :one REMOVE m.x ADD c :one',
      ConditionExpression: '(n > :z AND size(l) = :one) OR NOT attribute_exists(id)',
      ExpressionAttributeNames: { '#f': 'first' },
      ExpressionAttributeValues: { ':one': 1, ':l': ['b'], ':z': 0 },
      ReturnValues: 'ALL_NEW',
    });
    const now = { id: 'w', n: 3, l: ['a', 'b'], first: 0, m: { y: 1 }, c: 1 };
    expect(updated['Attributes']).toEqual(now);
    expect((await lab.ok('get', key))['Item']).toEqual(now);
    const changed = await lab.ok('update', {
      ...key,
      UpdateExpression: 'SET n = :v',
      ExpressionAttributeValues: { ':v': 9 },
      ReturnValues: 'UPDATED_NEW',
    });
    expect(changed['Attributes']).toEqual({ n: 9 });
    await lab.ok('update', { ...key, UpdateExpression: 'SET n = :v', ExpressionAttributeValues: { ':v': 10 } });
    expect((await lab.ok('get', key))['Item']).toEqual({ ...now, n: 10 });
    const gone = await lab.ok('delete', {
      ...key,
      ReturnValues: 'ALL_OLD',
      ConditionExpression: 'n BETWEEN :a AND :b',
      ExpressionAttributeValues: { ':a': 1, ':b': 10 },
    });
    expect(gone['Attributes']).toEqual({ ...now, n: 10 });
    expect(await lab.ok('get', key)).toEqual({});
    expect(await inTable('plain', { id: { S: 'w' } })).toBeUndefined();
  });

  it('reads parts of items, from what is held as from the table', async () => {
    await lab.ok('put', { TableName: 'plain', Item: { id: 'p', a: 1, m: { x: [10, 20, 30], y: 2 }, name: 'n' } });
    const input = {
      TableName: 'plain',
      Key: { id: 'p' },
      ProjectionExpression: 'm.x[1], #n, nowhere',
      ExpressionAttributeNames: { '#n': 'name' },
    };
    const wanted = { m: { x: [20] }, name: 'n' };
    expect((await lab.ok('get', input))['Item']).toEqual(wanted);
    expect((await lab.ok('get', { ...input, ConsistentRead: true }))['Item']).toEqual(wanted);
    const overlap = await lab.perform({
      operation: 'get',
      input: { ...input, ProjectionExpression: 'm, m.y', ExpressionAttributeNames: undefined },
    });
    expect(overlap.error).toMatchObject({
      code: 'ValidationException',
      message: expect.stringContaining('Two document paths overlap with each other'),
    });
  });

  it('queries and scans by page, filter and index, and holds the answers', async () => {
    const put = (id: number, kind: string) => ({
      PutRequest: { Item: { id: { N: String(id) }, kind: { S: kind }, v: { N: String(id * 10) } } },
    });
    await lab.dynamodb.send(
      new BatchWriteItemCommand({ RequestItems: { indexed: [put(1, 'a'), put(2, 'a'), put(3, 'b'), put(4, 'a')] } }),
    );
    const query = {
      TableName: 'indexed',
      IndexName: 'kinds',
      KeyConditionExpression: 'kind = :k',
      ExpressionAttributeValues: { ':k': 'a' },
    };
    const first = await eventually(
      async () => {
        const page = await lab.ok('query', { ...query, Limit: 2 });
        expect(page['Count']).toBe(2);
        return page;
      },
      { why: 'the index holds the items' },
    );
    const second = await lab.ok('query', { ...query, Limit: 2, ExclusiveStartKey: first['LastEvaluatedKey'] });
    const ids = [...(first['Items'] as { id: number }[]), ...(second['Items'] as { id: number }[])].map(({ id }) => id);
    expect(ids.sort()).toEqual([1, 2, 4]);
    const scan = {
      TableName: 'indexed',
      FilterExpression: 'v IN (:x, :y)',
      ExpressionAttributeValues: { ':x': 10, ':y': 30 },
      ProjectionExpression: 'v',
    };
    const scanned = await lab.ok('scan', scan);
    expect(scanned).toMatchObject({ Count: 2, ScannedCount: 4 });
    expect((scanned['Items'] as { v: number }[]).map(({ v }) => v).sort()).toEqual([10, 30]);
    await lab.dynamodb.send(new DeleteItemCommand({ TableName: 'indexed', Key: { id: { N: '1' } } }));
    expect(await lab.ok('scan', scan)).toMatchObject({ Count: 2 });
    expect(await lab.ok('scan', { ...scan, ConsistentRead: true })).toMatchObject({ Count: 1 });
    expect(await lab.ok('query', { ...query, Select: 'COUNT' })).toMatchObject({ Count: expect.any(Number) });
    const bad = await lab.perform({ operation: 'query', input: { ...query, IndexName: 'none' } });
    expect(bad.error).toMatchObject({
      code: 'ValidationException',
      message: expect.stringContaining('does not have the specified index'),
    });
  });

  it('pages through a table with a sort key', async () => {
    for (const at of ['a', 'b', 'c']) await lab.ok('put', { TableName: 'texts', Item: { id: 'x', at } });
    const input = {
      TableName: 'texts',
      KeyConditionExpression: 'id = :i AND at > :a',
      ExpressionAttributeValues: { ':i': 'x', ':a': 'a' },
      Limit: 1,
    };
    const first = await lab.ok('query', input);
    expect(first).toMatchObject({ Items: [{ id: 'x', at: 'b' }], LastEvaluatedKey: { id: 'x', at: 'b' } });
    const second = await lab.ok('query', { ...input, ExclusiveStartKey: first['LastEvaluatedKey'] });
    expect(second['Items']).toEqual([{ id: 'x', at: 'c' }]);
  });

  it('reads and writes batches', async () => {
    const requests = [
      { PutRequest: { Item: { id: 'b1', v: 1 } } },
      { PutRequest: { Item: { id: 'b2', v: 2 } } },
      { DeleteRequest: { Key: { id: 'b3' } } },
    ];
    await lab.ok('batchWrite', {
      RequestItems: { plain: requests, texts: [{ PutRequest: { Item: { id: 'b', at: 't', v: 3 } } }] },
    });
    expect(await inTable('plain', { id: { S: 'b2' } })).toMatchObject({ v: { N: '2' } });
    const keys = ['b1', 'b2', 'b3'].map((id) => ({ id }));
    const read = await lab.ok('batchGet', { RequestItems: { plain: { Keys: keys }, texts: { Keys: [{ id: 'b', at: 't' }] } } });
    expect(read['Responses']).toEqual({
      plain: [
        { id: 'b1', v: 1 },
        { id: 'b2', v: 2 },
      ],
      texts: [{ id: 'b', at: 't', v: 3 }],
    });
    const parts = await lab.ok('batchGet', { RequestItems: { plain: { Keys: keys, ProjectionExpression: 'v' } } });
    expect(parts['Responses']).toEqual({ plain: [{ v: 1 }, { v: 2 }] });
  });

  it('hands transactions on whole', async () => {
    await lab.ok('put', { TableName: 'plain', Item: { id: 't1', v: 1 } });
    const put = { Put: { TableName: 'plain', Item: { id: 't2', v: 2 } } };
    const check = (v: number) => ({
      ConditionCheck: {
        TableName: 'plain',
        Key: { id: 't1' },
        ConditionExpression: 'v = :v',
        ExpressionAttributeValues: { ':v': v },
        ReturnValuesOnConditionCheckFailure: 'ALL_OLD',
      },
    });
    const refused = await lab.perform({ operation: 'transactWrite', input: { TransactItems: [check(5), put] } });
    expect(refused.error).toMatchObject({
      name: expect.stringMatching(/Transaction|Error/),
      message: expect.stringContaining('[ConditionalCheckFailed, None]'),
    });
    await lab.ok('transactWrite', { TransactItems: [check(1), put] });
    const read = await lab.ok('transactGet', {
      TransactItems: ['t1', 't2', 't3'].map((id) => ({ Get: { TableName: 'plain', Key: { id } } })),
    });
    expect(read['Responses']).toEqual([{ Item: { id: 't1', v: 1 } }, { Item: { id: 't2', v: 2 } }, {}]);
  });

  it('passes the errors of tables on', async () => {
    const missing = await lab.perform({ operation: 'get', input: { TableName: 'nothing', Key: { id: 'x' } } });
    expect(missing.error).toMatchObject({ code: 'ResourceNotFoundException', message: expect.stringContaining('not found') });
    const invalid = await lab.perform({
      operation: 'update',
      input: { TableName: 'plain', Key: { id: 'x' }, UpdateExpression: 'SET id = :v', ExpressionAttributeValues: { ':v': 'y' } },
    });
    expect(invalid.error).toMatchObject({ code: 'ValidationException', message: expect.stringContaining('part of the key') });
  });
});
