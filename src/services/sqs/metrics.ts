/**
 * What CloudWatch is told of queues, once a minute of the cloud's time ("Available CloudWatch metrics for Amazon SQS"): what was sent, received and
 * deleted, counted as it happens, and how many messages a queue holds, counted when the minute ends. A queue is told of while it is active: it has
 * messages, or was used in the last six hours. Its job is what remembers that, so a restart forgets no queue that has messages.
 */
import type { Clock, Millis } from '../../base/clock.ts';
import type { Context } from '../../kernel/context.ts';
import { Meter, type MeterDatum, meterMinute } from '../../kernel/meter.ts';
import type { FiredJob } from '../../kernel/service.ts';
import type { FoundQueue } from './lookup.ts';
import { Counters, Flights, Messages, type QueueRow, Queues, Waiting } from './state.ts';
import type { CloudWatchApi } from '../cloudwatch/api.ts';

const meter = new Meter('AWS/SQS', 'publishMetrics', (ctx) => ctx.internal<CloudWatchApi>('cloudwatch'));

/** "A queue stays active for up to six hours from the last time it has been active." */
const activeMillis: Millis = 21_600_000;

/** The minute up to which each queue has been told of, by cloud and queue: a cache. Without it a job that was put off would leave a gap. */
const toldCache = new WeakMap<Clock, Map<string, Millis>>();

function toldOf(clock: Clock): Map<string, Millis> {
  const told = toldCache.get(clock) ?? new Map<string, Millis>();
  toldCache.set(clock, told);
  return told;
}

const counters = [
  'NumberOfMessagesSent',
  'NumberOfMessagesReceived',
  'NumberOfMessagesDeleted',
  'NumberOfEmptyReceives',
] as const;
type Counter = (typeof counters)[number] | 'SentMessageSize' | 'NumberOfDeduplicatedSentMessages';

/** Counts for a queue; outside of a transaction. */
export function count({ at, queue }: FoundQueue, name: Counter, value: number): void {
  const unit = name === 'SentMessageSize' ? 'Bytes' : 'Count';
  meter.count(at, queue.name, { name, dimensions: { QueueName: queue.name }, unit, value });
}

/** Messages of a queue at a time: visible, in flight, delayed. */
export async function countMessages(
  ctx: Context,
  { shelf }: QueueRow,
  now: Millis,
): Promise<{ visible: number; flying: number; delayed: number }> {
  const edge = [shelf, now, Number.POSITIVE_INFINITY];
  const [waiting, flights] = [ctx.table(Waiting), ctx.table(Flights)];
  const [counter, delayed, flying] = await Promise.all([
    ctx.table(Counters).get(shelf),
    waiting.count([shelf], { after: edge }),
    flights.count([shelf], { after: edge }),
  ]);
  const held = counter === undefined ? 0 : (counter.held ?? (await ctx.table(Messages).count([shelf])));
  return { visible: Math.max(0, held - delayed - flying), flying, delayed };
}

/** Publishes the minutes of a queue that have ended, and goes on while the queue is active. `key` is its name, the payload when it was last used. */
export async function publishMetrics({ key: name, due, payload }: FiredJob, ctx: Context): Promise<void> {
  const counted = meter.take(ctx, name);
  const queue = await ctx.table(Queues).get(name);
  const told = toldOf(ctx.clock);
  if (queue === undefined) return;
  const now = ctx.clock.now();
  const used = counted.length > 0 || typeof payload !== 'number' ? now : payload;
  const held = await countMessages(ctx, queue, now);
  const [oldest] = await ctx.table(Messages).list({ prefix: [queue.shelf], limit: 1 });
  // The clock may have jumped: its minutes get what the queue holds now, six hours of them at most.
  const present = Math.floor(now / meterMinute) * meterMinute;
  const data = [...counted];
  const first = Math.min(due, (told.get(queue.id) ?? due) + meterMinute);
  for (let end = Math.max(first, present - activeMillis); end <= present; end += meterMinute) {
    const at = end - meterMinute;
    data.push(...gauges(name, at, held, oldest === undefined ? 0 : Math.max(0, Math.floor((end - oldest.sent) / 1000))));
    data.push(...silent(name, at, counted));
  }
  await meter.put(ctx, data);
  told.set(queue.id, present);
  const holds = held.visible + held.flying + held.delayed > 0;
  if (!holds && used + activeMillis <= now) {
    told.delete(queue.id);
    return;
  }
  await ctx.transact((tx) =>
    tx.schedule({ task: 'publishMetrics', key: name, due: present + meterMinute, payload: holds ? now : used }),
  );
}

function datum(queue: string, name: string, unit: string, at: Millis, value: number): MeterDatum {
  return { name, dimensions: { QueueName: queue }, unit, at, value: { count: 1, sum: value, min: value, max: value } };
}

function gauges(
  queue: string,
  at: Millis,
  { visible, flying, delayed }: { visible: number; flying: number; delayed: number },
  ageSeconds: number,
): MeterDatum[] {
  return [
    datum(queue, 'ApproximateNumberOfMessagesVisible', 'Count', at, visible),
    datum(queue, 'ApproximateNumberOfMessagesNotVisible', 'Count', at, flying),
    datum(queue, 'ApproximateNumberOfMessagesDelayed', 'Count', at, delayed),
    datum(queue, 'ApproximateAgeOfOldestMessage', 'Seconds', at, ageSeconds),
  ];
}

/** Counters of an active queue that nothing was counted for in a minute are 0, not missing. */
function silent(queue: string, at: Millis, counted: readonly MeterDatum[]): MeterDatum[] {
  return counters
    .filter((name) => !counted.some((one) => one.at === at && one.name === name))
    .map((name) => datum(queue, name, 'Count', at, 0));
}
