/** Tables for the tests of DynamoDB. */
import { type CreateTableCommandInput, DynamoDB, waitUntilTableExists } from '@aws-sdk/client-dynamodb';
import type { DynamoDBStreams, _Record as StreamRecord } from '@aws-sdk/client-dynamodb-streams';
import { freshAccount, type TestAccount } from '../../support/cloud.ts';

export interface Bench {
  account: TestAccount;
  dynamo: DynamoDB;
}

/** A client of a fresh account. */
export function freshDynamo(endpoint?: string): Bench {
  const account = endpoint === undefined ? freshAccount() : freshAccount(endpoint);
  return { account, dynamo: new DynamoDB(account.config()) };
}

/** Makes a table and waits for it. By default on demand, with a string `pk` and a number `sk`. */
export async function makeTable(dynamo: DynamoDB, changes: Partial<CreateTableCommandInput> = {}): Promise<string> {
  const TableName = changes.TableName ?? `t-${Math.random().toString(36).slice(2)}`;
  await dynamo.createTable({
    TableName,
    BillingMode: changes.ProvisionedThroughput === undefined ? 'PAY_PER_REQUEST' : 'PROVISIONED',
    AttributeDefinitions: [
      { AttributeName: 'pk', AttributeType: 'S' },
      { AttributeName: 'sk', AttributeType: 'N' },
    ],
    KeySchema: [
      { AttributeName: 'pk', KeyType: 'HASH' },
      { AttributeName: 'sk', KeyType: 'RANGE' },
    ],
    ...changes,
  });
  await waitUntilTableExists({ client: dynamo, maxWaitTime: 30 }, { TableName });
  return TableName;
}

/** A table with a string partition key alone. */
export function makeSimpleTable(dynamo: DynamoDB, changes: Partial<CreateTableCommandInput> = {}): Promise<string> {
  return makeTable(dynamo, {
    AttributeDefinitions: [{ AttributeName: 'pk', AttributeType: 'S' }],
    KeySchema: [{ AttributeName: 'pk', KeyType: 'HASH' }],
    ...changes,
  });
}

/** All records of a stream, shard by shard. */
export async function readAll(streams: DynamoDBStreams, StreamArn: string): Promise<StreamRecord[]> {
  const records: StreamRecord[] = [];
  const { StreamDescription } = await streams.describeStream({ StreamArn });
  for (const { ShardId } of StreamDescription?.Shards ?? []) {
    let { ShardIterator } = await streams.getShardIterator({ StreamArn, ShardId, ShardIteratorType: 'TRIM_HORIZON' });
    for (let empty = 0; ShardIterator !== undefined && empty < 2; ) {
      const page = await streams.getRecords({ ShardIterator });
      empty = page.Records?.length === 0 ? empty + 1 : 0;
      records.push(...(page.Records ?? []));
      ShardIterator = page.NextShardIterator;
    }
  }
  return records;
}
