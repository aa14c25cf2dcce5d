/** Consumers with enhanced fan-out, and records pushed to them over HTTP/2 and HTTP/1.1. */
import { Kinesis, type SubscribeToShardEventStream } from '@aws-sdk/client-kinesis';
import { NodeHttpHandler } from '@smithy/node-http-handler';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { advanceClock, eventually, freshAccount, type OwnCloud, refused, startOwnCloud } from '../../support/cloud.ts';

const shard = 'shardId-000000000000';

// Moves time, so in a cloud of its own.
let cloud: OwnCloud;
beforeAll(async () => {
  cloud = await startOwnCloud();
});
afterAll(async () => {
  expect(await cloud.stop()).not.toContain('by a bug of Pilvi');
});

/** An active stream with an active consumer, in an account of its own. */
async function fannedOut(requestHandler?: NodeHttpHandler) {
  const account = freshAccount(cloud.endpoint);
  const kinesis = new Kinesis({ ...account.config(), ...(requestHandler === undefined ? {} : { requestHandler }) });
  const StreamName = 'clicks';
  await kinesis.createStream({ StreamName, ShardCount: 1 });
  await advanceClock(cloud.endpoint, 1000);
  const { StreamDescriptionSummary } = await kinesis.describeStreamSummary({ StreamName });
  const StreamARN = StreamDescriptionSummary?.StreamARN ?? '';
  const { Consumer } = await kinesis.registerStreamConsumer({ StreamARN, ConsumerName: 'app' });
  expect(Consumer?.ConsumerStatus).toBe('CREATING');
  await advanceClock(cloud.endpoint, 1000);
  const ConsumerARN = Consumer?.ConsumerARN ?? '';
  const put = (text: string) => kinesis.putRecord({ StreamName, PartitionKey: 'k', Data: Buffer.from(text) });
  return { account, kinesis, StreamName, StreamARN, ConsumerARN, put };
}

/** Collects what a subscription pushes. */
function collect(stream: AsyncIterable<SubscribeToShardEventStream> | undefined) {
  const seen = { texts: [] as string[], sequences: [] as string[], events: 0, children: 0, error: '', ended: false };
  void (async () => {
    for await (const { SubscribeToShardEvent: event } of stream ?? []) {
      seen.events += 1;
      seen.texts.push(...(event?.Records ?? []).map(({ Data }) => Buffer.from(Data ?? []).toString()));
      if (event?.ContinuationSequenceNumber !== undefined) seen.sequences.push(event.ContinuationSequenceNumber);
      seen.children += event?.ChildShards?.length ?? 0;
    }
  })()
    .catch((error: Error) => {
      seen.error = error.name;
    })
    .finally(() => {
      seen.ended = true;
    });
  return seen;
}

const why = (what: string) => ({ why: what, timeoutMs: 10_000 });

for (const [protocol, handler] of [
  ['HTTP/2', undefined],
  ['HTTP/1.1', new NodeHttpHandler()],
] as const) {
  test(`records are pushed to a consumer over ${protocol}, from the horizon on, and it goes on where it stopped`, async () => {
    const { kinesis, ConsumerARN, put } = await fannedOut(handler);
    await put('a');
    const first = await kinesis.subscribeToShard({ ConsumerARN, ShardId: shard, StartingPosition: { Type: 'TRIM_HORIZON' } });
    const seen = collect(first.EventStream);
    await eventually(() => expect(seen.texts).toEqual(['a']), why('the record that was there comes'));
    await put('b');
    await put('c');
    await eventually(() => expect(seen.texts).toEqual(['a', 'b', 'c']), why('records come as they are put'));
    // Five minutes later the subscription ends; the consumer goes on from the last sequence number.
    await advanceClock(cloud.endpoint, 301_000);
    await eventually(() => expect(seen).toMatchObject({ ended: true, error: '' }), why('the subscription ends'));
    await put('d');
    const StartingPosition = { Type: 'AFTER_SEQUENCE_NUMBER' as const, SequenceNumber: seen.sequences.at(-1) };
    const again = collect((await kinesis.subscribeToShard({ ConsumerARN, ShardId: shard, StartingPosition })).EventStream);
    await eventually(() => expect(again.texts).toEqual(['d']), why('only what is new comes'));
    kinesis.destroy();
  });
}

test('an idle subscription tells every five seconds how far it is; a shard that is split ends it with its children', async () => {
  const { kinesis, StreamName, ConsumerARN } = await fannedOut();
  const { EventStream } = await kinesis.subscribeToShard({
    ConsumerARN,
    ShardId: shard,
    StartingPosition: { Type: 'LATEST' },
  });
  const seen = collect(EventStream);
  await eventually(() => expect(seen.events).toBe(1), why('the first event'));
  await advanceClock(cloud.endpoint, 5100);
  await eventually(() => expect(seen.events).toBe(2), why('the next, without records'));
  expect(seen.texts).toEqual([]);
  await kinesis.splitShard({ StreamName, ShardToSplit: shard, NewStartingHashKey: String(2n ** 127n) });
  await advanceClock(cloud.endpoint, 5100);
  await eventually(() => expect(seen).toMatchObject({ ended: true, children: 2 }), why('the end of the shard'));
  kinesis.destroy();
});

test('one subscription of a consumer and shard: a second is refused for five seconds, then takes over', async () => {
  const { kinesis, ConsumerARN } = await fannedOut();
  const subscribe = () => kinesis.subscribeToShard({ ConsumerARN, ShardId: shard, StartingPosition: { Type: 'LATEST' } });
  const first = collect((await subscribe()).EventStream);
  await eventually(() => expect(first.events).toBe(1), why('the first subscription'));
  await refused(subscribe(), 'ResourceInUseException', 'Another active subscription exists for this consumer: app');
  await advanceClock(cloud.endpoint, 6000);
  const second = collect((await subscribe()).EventStream);
  await eventually(() => expect(second.events).toBeGreaterThan(0), why('the second subscription'));
  await eventually(() => expect(first).toMatchObject({ ended: true, error: 'ResourceInUseException' }), why('the first ends'));
  kinesis.destroy();
});

test('consumers are described, listed by page and deregistered; a stream that has some is not deleted by itself', async () => {
  const { kinesis, StreamName, StreamARN, ConsumerARN, account } = await fannedOut();
  await refused(
    kinesis.registerStreamConsumer({ StreamARN, ConsumerName: 'app' }),
    'ResourceInUseException',
    `Consumer app under stream clicks already exists for account ${account.id}.`,
  );
  await kinesis.registerStreamConsumer({ StreamARN, ConsumerName: 'other' });
  const { ConsumerDescription: shown } = await kinesis.describeStreamConsumer({ StreamARN, ConsumerName: 'app' });
  expect(shown).toMatchObject({ ConsumerARN, StreamARN, ConsumerStatus: 'ACTIVE' });
  expect(ConsumerARN).toMatch(/:stream\/clicks\/consumer\/app:\d{10}$/);
  const page = await kinesis.listStreamConsumers({ StreamARN, MaxResults: 1 });
  const rest = await kinesis.listStreamConsumers({ StreamARN, NextToken: page.NextToken });
  expect([page, rest].flatMap(({ Consumers = [] }) => Consumers.map(({ ConsumerName }) => ConsumerName))).toEqual([
    'app',
    'other',
  ]);
  const summary = async () => (await kinesis.describeStreamSummary({ StreamName })).StreamDescriptionSummary;
  expect((await summary())?.ConsumerCount).toBe(2);
  for (let more = 0; more < 18; more++) await kinesis.registerStreamConsumer({ StreamARN, ConsumerName: `more-${more}` });
  await refused(kinesis.registerStreamConsumer({ StreamARN, ConsumerName: 'one-too-many' }), 'LimitExceededException');
  await refused(kinesis.deleteStream({ StreamName }), 'ResourceInUseException', /has enhanced fan-out consumers/);
  await kinesis.deregisterStreamConsumer({ ConsumerARN });
  await advanceClock(cloud.endpoint, 1000);
  await refused(
    kinesis.describeStreamConsumer({ ConsumerARN }),
    'ResourceNotFoundException',
    `Consumer app under stream clicks under account ${account.id} not found.`,
  );
  await refused(
    kinesis.subscribeToShard({ ConsumerARN, ShardId: shard, StartingPosition: { Type: 'LATEST' } }),
    'ResourceNotFoundException',
  );
  await refused(kinesis.describeStreamConsumer({ ConsumerName: 'app' }), 'InvalidArgumentException');
  await kinesis.deleteStream({ StreamName, EnforceConsumerDeletion: true });
  await advanceClock(cloud.endpoint, 1000);
  await refused(kinesis.listStreamConsumers({ StreamARN }), 'ResourceNotFoundException');
});
