/**
 * SubscribeToShard: records pushed to a consumer as they come, for five minutes, at 2 MiB a second that belong to this consumer alone ("Develop
 * enhanced fan-out consumers"). An event without records comes every five seconds, so that a consumer knows how far it is.
 */
import type { Kinesis, SubscribeToShardEvent, SubscribeToShardEventStream } from '@aws-sdk/client-kinesis';
import type { Clock, Millis } from '../../base/clock.ts';
import type { Context } from '../../kernel/context.ts';
import { AwsError, parameterNotImplemented } from '../../kernel/errors.ts';
import type { AuthorisationsOf, HandlersOf } from '../../kernel/service.ts';
import { arrivals } from './arrivals.ts';
import { type FoundConsumer, onConsumer, requireConsumer } from './lookup.ts';
import { count, countShard } from './metrics.ts';
import { sequenceNumber, shardId } from './numbers.ts';
import { childrenOf, horizonOf, placeOf, requireShard, showRecords, within } from './records.ts';
import { Consumers, Records, type ShardRow, Shards } from './state.ts';
import { noteRead, readableAt } from './throughput.ts';

const subscriptionMillis: Millis = 300_000;
const heartbeatMillis: Millis = 5000;
/** A second call within this time of a successful one is refused; a later one takes the subscription over. */
const restMillis: Millis = 5000;
const eventRecordsMax = 10_000;
const eventBytesMax = 1_048_576;

interface Subscription {
  since: Millis;
  /** Another call has taken its place. */
  replaced: boolean;
}

/** Subscriptions under way, by cloud, consumer and shard: gone after a restart, as their connections are. */
const subscriptionsCache = new WeakMap<Clock, Map<string, Subscription>>();

function subscriptionsOf(clock: Clock): Map<string, Subscription> {
  const all = subscriptionsCache.get(clock) ?? new Map<string, Subscription>();
  subscriptionsCache.set(clock, all);
  return all;
}

interface Reading extends FoundConsumer {
  shard: number;
  /** The next record. */
  index: number;
  deadline: Millis;
  /** Consumer and shard. */
  name: string;
  subscription: Subscription;
}

/** Opens a subscription, and ends the one that is under way. Throws ResourceInUseException within five seconds of it. */
function open(ctx: Context, name: string, consumer: string): Subscription {
  const all = subscriptionsOf(ctx.clock);
  const now = ctx.clock.now();
  const known = all.get(name);
  if (known !== undefined && now < known.since + restMillis)
    throw new AwsError('ResourceInUseException', `Another active subscription exists for this consumer: ${consumer}`);
  if (known !== undefined) known.replaced = true;
  const subscription = { since: now, replaced: false };
  all.set(name, subscription);
  arrivals(ctx.clock).tell(name);
  return subscription;
}

async function* events(ctx: Context, reading: Reading): AsyncGenerator<SubscribeToShardEventStream> {
  const { stream, consumer, name, subscription, deadline } = reading;
  const shardName = `${stream.id} ${reading.shard}`;
  let gone = false;
  const forget = ctx.onGone(() => {
    gone = true;
  });
  try {
    let beat = Number.NEGATIVE_INFINITY;
    for (;;) {
      if (subscription.replaced) {
        yield failure('ResourceInUseException', `Consumer ${consumer.name} was subscribed to the shard by another call.`);
        return;
      }
      const now = ctx.clock.now();
      if (gone || now >= deadline) return;
      const shard = await ctx.table(Shards).get(stream.id, reading.shard);
      if (shard === undefined || (await ctx.table(Consumers).get(stream.id, consumer.name))?.arn !== consumer.arn) {
        yield failure('ResourceNotFoundException', `Consumer ${consumer.name} of stream ${stream.name} is gone.`);
        return;
      }
      const ready = readableAt(ctx.clock, name);
      const event = ready > now ? undefined : await nextEvent(ctx, reading, shard);
      if (event !== undefined && (event.ended || event.records > 0 || now >= beat)) {
        yield { SubscribeToShardEvent: event.shown };
        beat = now + heartbeatMillis;
        if (event.ended) return;
        continue;
      }
      const until = Math.min(deadline, Math.max(beat, now + 1), ready > now ? ready : Number.POSITIVE_INFINITY);
      await arrivals(ctx.clock).wait([shardName, name], until, (done) => ctx.onGone(done));
    }
  } catch (error) {
    if (!(error instanceof AwsError)) throw error;
    yield failure(error.code, error.message);
  } finally {
    forget();
    const all = subscriptionsOf(ctx.clock);
    if (all.get(name) === subscription) all.delete(name);
  }
}

/** The records that are there from the reading's place on, which moves behind them. */
async function nextEvent(
  ctx: Context,
  reading: Reading,
  shard: ShardRow,
): Promise<{ shown: SubscribeToShardEvent; records: number; ended: boolean }> {
  const { stream, consumer } = reading;
  const start = Math.max(reading.index, await horizonOf(ctx, stream, shard));
  const rows = await ctx
    .table(Records)
    .list({ prefix: [stream.id, shard.number], after: [stream.id, shard.number, start - 1], limit: eventRecordsMax });
  const { shown, bytes } = within(rows, eventBytesMax);
  const given = await showRecords(ctx, stream, shard, shown);
  noteRead(ctx.clock, reading.name, bytes);
  reading.index = (shown.at(-1)?.index ?? start - 1) + 1;
  const behind = await ctx.table(Records).get(stream.id, shard.number, reading.index);
  const ended = shard.closed !== undefined && reading.index > shard.last;
  const age = behind === undefined ? 0 : ctx.clock.now() - behind.at;
  count(ctx, stream, 'SubscribeToShardEvent.Records', shown.length, consumer.name);
  count(ctx, stream, 'SubscribeToShardEvent.Bytes', bytes, consumer.name);
  count(ctx, stream, 'SubscribeToShardEvent.MillisBehindLatest', age, consumer.name);
  countShard(ctx, stream, shard.number, 'OutgoingRecords', shown.length);
  countShard(ctx, stream, shard.number, 'OutgoingBytes', bytes);
  return {
    shown: {
      Records: given,
      ContinuationSequenceNumber: ended ? undefined : sequenceNumber(shard, reading.index - 1),
      MillisBehindLatest: age,
      ...(ended ? { ChildShards: await childrenOf(ctx, shard) } : {}),
    },
    records: shown.length,
    ended,
  };
}

function failure(code: string, message: string): SubscribeToShardEventStream {
  return { [code]: { message } } as unknown as SubscribeToShardEventStream;
}

export const subscriptionHandlers: HandlersOf<Kinesis> = {
  async SubscribeToShard({ ConsumerARN, ShardId = '', StartingPosition, ...others }, ctx) {
    const [other] = Object.keys(others).filter((key) => others[key as keyof typeof others] !== undefined);
    if (other !== undefined) throw parameterNotImplemented('SubscribeToShard', other);
    const found = await requireConsumer(ctx, { ConsumerARN });
    if (found.consumer.status !== 'ACTIVE')
      throw new AwsError(
        'ResourceInUseException',
        `Consumer ${found.consumer.name} under stream ${found.stream.name} not ACTIVE, instead in state ${found.consumer.status}`,
      );
    const shard = await requireShard(ctx, found.stream, ShardId);
    const { Type: type, SequenceNumber: sequence, Timestamp: time } = StartingPosition ?? {};
    const index = await placeOf(ctx, shard, { type, sequence, time });
    const name = `${found.consumer.arn} ${shardId(shard.number)}`;
    const subscription = open(ctx, name, found.consumer.name);
    count(ctx, found.stream, 'SubscribeToShard.Success', 1, found.consumer.name);
    const deadline = ctx.clock.now() + subscriptionMillis;
    return { EventStream: events(ctx, { ...found, shard: shard.number, index, deadline, name, subscription }) };
  },
};

export const subscriptionChecks: AuthorisationsOf<Kinesis> = {
  SubscribeToShard: ({ ConsumerARN }, ctx) => onConsumer({ ConsumerARN }, ctx),
};
