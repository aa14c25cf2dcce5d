/** The cloud is killed under full load of three services at once: what was acknowledged is there, in order, and what was deleted stays away. */
import { DynamoDB } from '@aws-sdk/client-dynamodb';
import { Kinesis } from '@aws-sdk/client-kinesis';
import { SQS } from '@aws-sdk/client-sqs';
import { expect, test } from 'vitest';
import { advanceClock, eventually, freshAccount, startOwnCloud } from '../support/cloud.ts';
import { untilGone } from '../support/load.ts';

const TableName = 'orders';
const StreamName = 'clicks';
const workers = 4;

interface Acknowledged {
  /** Highest version of each item. */
  items: Map<string, number>;
  deletedItems: Set<string>;
  /** Sequence numbers by text. */
  records: Map<string, string>;
  messages: Set<string>;
  deletedMessages: Set<string>;
  maybeDeleted: Set<string>;
}

function clientsOf(account: ReturnType<typeof freshAccount>, endpoint: string) {
  const config = account.config({ endpoint });
  return { dynamo: new DynamoDB(config), kinesis: new Kinesis(config), sqs: new SQS(config) };
}

type Clients = ReturnType<typeof clientsOf>;

function produce({ dynamo, kinesis, sqs }: Clients, QueueUrl: string, worker: number, known: Acknowledged): Promise<void>[] {
  const name = (n: number) => `${worker}/${String(n).padStart(6, '0')}`;
  return [
    untilGone(async (n) => {
      const pk = `${worker}-${n % 20}`;
      await dynamo.putItem({ TableName, Item: { pk: { S: pk }, v: { N: String(n) } } });
      known.items.set(pk, n);
    }),
    untilGone(async (n) => {
      const pk = `gone-${name(n)}`;
      await dynamo.putItem({ TableName, Item: { pk: { S: pk } } });
      await dynamo.deleteItem({ TableName, Key: { pk: { S: pk } } });
      known.deletedItems.add(pk);
    }),
    untilGone(async (n) => {
      const Records = [0, 1, 2].map((i) => ({ PartitionKey: String(worker), Data: Buffer.from(name(n * 3 + i)) }));
      const { Records: results = [] } = await kinesis.putRecords({ StreamName, Records });
      for (const [i, { SequenceNumber }] of results.entries())
        if (SequenceNumber !== undefined) known.records.set(name(n * 3 + i), SequenceNumber);
    }),
    untilGone(async (n) => {
      const MessageBody = name(n);
      const MessageDeduplicationId = MessageBody.replace('/', '-');
      await sqs.sendMessage({ QueueUrl, MessageBody, MessageGroupId: String(worker), MessageDeduplicationId });
      known.messages.add(MessageBody);
    }),
  ];
}

function consume({ sqs }: Clients, QueueUrl: string, { deletedMessages, maybeDeleted }: Acknowledged): Promise<void> {
  return untilGone(async () => {
    const { Messages = [] } = await sqs.receiveMessage({ QueueUrl, WaitTimeSeconds: 1 });
    for (const { Body = '', ReceiptHandle } of Messages) {
      maybeDeleted.add(Body);
      await sqs.deleteMessage({ QueueUrl, ReceiptHandle });
      deletedMessages.add(Body);
    }
  });
}

async function checkItems({ dynamo }: Clients, { items, deletedItems }: Acknowledged): Promise<void> {
  const { Items = [] } = await dynamo.scan({ TableName, ConsistentRead: true });
  const found = new Map(Items.map(({ pk, v }) => [pk?.S ?? '', Number(v?.N)]));
  for (const [pk, version] of items) expect(found.get(pk), pk).toBeGreaterThanOrEqual(version);
  for (const pk of deletedItems) expect(found.has(pk), `${pk} came back`).toBe(false);
}

async function checkRecords({ kinesis }: Clients, { records }: Acknowledged): Promise<void> {
  const { Shards = [] } = await kinesis.listShards({ StreamName });
  const found = new Map<string, string>();
  for (const { ShardId } of Shards) {
    const first = await kinesis.getShardIterator({ StreamName, ShardId, ShardIteratorType: 'TRIM_HORIZON' });
    const { Records = [] } = await kinesis.getRecords({ ShardIterator: first.ShardIterator });
    const texts = Records.map(({ Data }) => Buffer.from(Data ?? []).toString());
    for (const [i, { SequenceNumber = '' }] of Records.entries()) found.set(texts[i] ?? '', SequenceNumber);
    for (let worker = 0; worker < workers; worker++) {
      const own = texts.filter((text) => text.startsWith(`${worker}/`));
      expect(own, 'records of one key keep their order').toEqual([...own].sort());
    }
  }
  for (const [text, sequence] of records) expect(found.get(text), text).toBe(sequence);
}

async function checkMessages({ sqs }: Clients, QueueUrl: string, known: Acknowledged): Promise<void> {
  const left: string[] = [];
  for (;;) {
    const { Messages = [] } = await sqs.receiveMessage({ QueueUrl, MaxNumberOfMessages: 10 });
    if (Messages.length === 0) break;
    left.push(...Messages.map(({ Body = '' }) => Body));
    const Entries = Messages.map(({ ReceiptHandle }, i) => ({ Id: String(i), ReceiptHandle }));
    await sqs.deleteMessageBatch({ QueueUrl, Entries });
  }
  expect(new Set(left).size, 'each message once').toBe(left.length);
  for (const body of left) expect(known.deletedMessages.has(body), `${body} came back after its delete`).toBe(false);
  const there = new Set(left);
  for (const body of known.messages) if (!there.has(body)) expect(known.maybeDeleted.has(body), `${body} is lost`).toBe(true);
  for (let worker = 0; worker < workers; worker++) {
    const own = left.filter((body) => body.startsWith(`${worker}/`));
    expect(own, 'messages of one group keep their order').toEqual([...own].sort());
  }
}

test('kill -9 under load of tables, streams and queues: all that was acknowledged is there, in order', {
  timeout: 120_000,
}, async () => {
  const first = await startOwnCloud();
  const account = freshAccount(first.endpoint);
  const clients = clientsOf(account, first.endpoint);
  await clients.dynamo.createTable({
    TableName,
    KeySchema: [{ AttributeName: 'pk', KeyType: 'HASH' }],
    AttributeDefinitions: [{ AttributeName: 'pk', AttributeType: 'S' }],
    BillingMode: 'PAY_PER_REQUEST',
  });
  await clients.kinesis.createStream({ StreamName, ShardCount: 2 });
  const high = { FifoQueue: 'true', DeduplicationScope: 'messageGroup', FifoThroughputLimit: 'perMessageGroupId' };
  const { QueueUrl = '' } = await clients.sqs.createQueue({ QueueName: 'jobs.fifo', Attributes: high });
  await eventually(
    async () => {
      expect((await clients.dynamo.describeTable({ TableName })).Table?.TableStatus).toBe('ACTIVE');
      expect((await clients.kinesis.describeStream({ StreamName })).StreamDescription?.StreamStatus).toBe('ACTIVE');
    },
    { why: 'table and stream are active' },
  );
  const known: Acknowledged = {
    items: new Map(),
    deletedItems: new Set(),
    records: new Map(),
    messages: new Set(),
    deletedMessages: new Set(),
    maybeDeleted: new Set(),
  };
  const running = Array.from({ length: workers }, (_, worker) => produce(clients, QueueUrl, worker, known)).flat();
  running.push(...Array.from({ length: 2 }, () => consume(clients, QueueUrl, known)));
  await eventually(
    () => {
      const counts = [known.items, known.deletedItems, known.records, known.messages, known.deletedMessages].map(
        ({ size }) => size,
      );
      for (const [i, least] of [60, 60, 300, 100, 20].entries()) expect(counts[i], String(counts)).toBeGreaterThanOrEqual(least);
    },
    { why: 'the load runs', timeoutMs: 60_000 },
  );
  await first.kill();
  await Promise.all(running);
  const second = await startOwnCloud({ data: first.data });
  const again = clientsOf(account, second.endpoint);
  // What was in flight when the cloud died is visible again.
  await advanceClock(second.endpoint, 31_000);
  await checkItems(again, known);
  await checkRecords(again, known);
  await checkMessages(again, QueueUrl.replace(first.endpoint, second.endpoint), known);
  expect(await second.stop()).not.toContain('by a bug of Pilvi');
});
