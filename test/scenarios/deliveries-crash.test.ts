/**
 * The cloud is killed while topics, buses and schedules deliver to queues: whatever was accepted arrives after the restart, what is ordered in its order. Twice is
 * allowed where AWS promises "at least once", and nowhere else.
 */
import { EventBridge } from '@aws-sdk/client-eventbridge';
import { Scheduler } from '@aws-sdk/client-scheduler';
import { SNS } from '@aws-sdk/client-sns';
import { SQS } from '@aws-sdk/client-sqs';
import { expect, test } from 'vitest';
import { advanceClock, eventually, freshAccount, startOwnCloud } from '../support/cloud.ts';
import { untilGone } from '../support/load.ts';
import { roleFor } from '../services/firehose/support.ts';
import { makeTopic, openQueue, subscribedQueue } from '../services/sns/support.ts';
import { makeQueue, receive } from '../services/sqs/support.ts';

const workers = 3;
/** Enough of each kind that a kill meets deliveries at every step. */
const acceptedMin = 60;

type Account = ReturnType<typeof freshAccount>;

function clientsOf(account: Account, endpoint: string) {
  const config = account.config({ endpoint });
  return {
    account,
    sns: new SNS(config),
    sqs: new SQS(config),
    events: new EventBridge(config),
    scheduler: new Scheduler(config),
  };
}
type Clients = ReturnType<typeof clientsOf>;

/** Topics, a rule and a role, with a queue behind each. */
async function build(all: Clients) {
  const { account, sns, sqs, events } = all;
  const standard = await makeTopic(sns, 'standard');
  const fifo = await makeTopic(sns, 'ordered.fifo', { FifoTopic: 'true', ContentBasedDeduplication: 'true' });
  const raw = { RawMessageDelivery: 'true' };
  const fromTopic = await subscribedQueue(all, standard, 'from-topic', raw);
  const fromFifo = await subscribedQueue(all, fifo, 'from-fifo.fifo', raw, { FifoQueue: 'true' });
  const { RuleArn = '' } = await events.putRule({ Name: 'orders', EventPattern: '{"source":["shop"]}' });
  const fromBus = await openQueue(sqs, RuleArn, 'from-bus', {}, 'events');
  await events.putTargets({ Rule: 'orders', Targets: [{ Id: 'queue', Arn: fromBus.arn, InputPath: '$.detail.name' }] });
  const fromClock = { url: await makeQueue(sqs, 'from-clock'), arn: fromBus.arn.replace('from-bus', 'from-clock') };
  const RoleArn = await roleFor(account, 'scheduler', ['sqs:SendMessage']);
  return { standard, fifo, fromTopic, fromFifo, fromBus, fromClock, RoleArn };
}
type Built = Awaited<ReturnType<typeof build>>;

interface Accepted {
  topic: Set<string>;
  fifo: Set<string>;
  bus: Set<string>;
  clock: Set<string>;
}

function produce({ sns, events, scheduler }: Clients, built: Built, worker: number, accepted: Accepted): Promise<void>[] {
  const name = (n: number) => `${worker}-${String(n).padStart(6, '0')}`;
  const MessageGroupId = String(worker);
  return [
    untilGone(async (n) => {
      await sns.publish({ TopicArn: built.standard, Message: name(n) });
      accepted.topic.add(name(n));
    }),
    untilGone(async (n) => {
      await sns.publish({ TopicArn: built.fifo, Message: name(n), MessageGroupId });
      accepted.fifo.add(name(n));
    }),
    untilGone(async (n) => {
      const Detail = JSON.stringify({ name: name(n) });
      const { FailedEntryCount } = await events.putEvents({ Entries: [{ Source: 'shop', DetailType: 'order', Detail }] });
      if (FailedEntryCount === 0) accepted.bus.add(JSON.stringify(name(n)));
    }),
    untilGone(async (n) => {
      const at = new Date(Date.now() + (n % 5) * 1000).toISOString().slice(0, 19);
      await scheduler.createSchedule({
        Name: name(n),
        ScheduleExpression: `at(${at})`,
        FlexibleTimeWindow: { Mode: 'OFF' },
        Target: { Arn: built.fromClock.arn, RoleArn: built.RoleArn, Input: name(n) },
      });
      accepted.clock.add(name(n));
    }),
  ];
}

/** Takes all that is in a queue into `found`. */
async function drain(sqs: SQS, QueueUrl: string, found: string[]): Promise<void> {
  for (;;) {
    const messages = await receive(sqs, QueueUrl);
    if (messages.length === 0) return;
    for (const { Body = '' } of messages) found.push(Body);
    const Entries = messages.map(({ ReceiptHandle }, i) => ({ Id: String(i), ReceiptHandle }));
    await sqs.deleteMessageBatch({ QueueUrl, Entries });
  }
}

test('kill -9 while topics, buses and schedules deliver: all that was accepted arrives, ordered messages once and in order', {
  timeout: 120_000,
}, async () => {
  const first = await startOwnCloud();
  const account = freshAccount(first.endpoint);
  const clients = clientsOf(account, first.endpoint);
  const built = await build(clients);
  const accepted: Accepted = { topic: new Set(), fifo: new Set(), bus: new Set(), clock: new Set() };
  const running = Array.from({ length: workers }, (_, worker) => produce(clients, built, worker, accepted)).flat();
  await eventually(
    () => {
      for (const names of Object.values(accepted) as Set<string>[]) expect(names.size).toBeGreaterThan(acceptedMin);
    },
    { why: 'enough of each kind is accepted', timeoutMs: 60_000 },
  );
  await first.kill();
  await Promise.all(running);
  const second = await startOwnCloud({ data: first.data });
  // Schedules due by now fire, and what a crash left half done is taken up again.
  await advanceClock(second.endpoint, 60_000);
  const { sqs } = clientsOf(account, second.endpoint);
  const arrive = async (url: string, names: ReadonlySet<string>): Promise<string[]> => {
    const found: string[] = [];
    const QueueUrl = url.replace(first.endpoint, second.endpoint);
    await eventually(
      async () => {
        await drain(sqs, QueueUrl, found);
        const there = new Set(found);
        expect([...names].filter((name) => !there.has(name))).toEqual([]);
      },
      { why: `what was accepted is in ${url}`, timeoutMs: 20_000 },
    );
    return found;
  };
  await arrive(built.fromTopic.url, accepted.topic);
  await arrive(built.fromBus.url, accepted.bus);
  await arrive(built.fromClock.url, accepted.clock);
  const ordered = await arrive(built.fromFifo.url, accepted.fifo);
  expect(new Set(ordered).size, 'each ordered message once').toBe(ordered.length);
  for (let worker = 0; worker < workers; worker++) {
    const ofGroup = ordered.filter((name) => name.startsWith(`${worker}-`));
    expect(ofGroup).toEqual([...ofGroup].sort());
  }
  expect(await second.stop()).not.toContain('by a bug of Pilvi');
});
