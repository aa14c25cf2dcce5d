/** Archives keep events, replays send them once more, by the clock of a cloud of their own. */
import { EventBridge } from '@aws-sdk/client-eventbridge';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { advanceClock, eventually, type OwnCloud, refused, startOwnCloud } from '../../support/cloud.ts';
import { messaging, openQueue, take } from '../sns/support.ts';

let cloud: OwnCloud;
beforeAll(async () => {
  cloud = await startOwnCloud();
});
afterAll(async () => void (await cloud.stop()));

async function lab() {
  const all = messaging(cloud.endpoint);
  const events = new EventBridge(all.account.config());
  const { EventBusArn = '' } = await events.createEventBus({ Name: 'shop' });
  const inbox = async (Name: string, source: string[]) => {
    const { RuleArn = '' } = await events.putRule({ Name, EventBusName: 'shop', EventPattern: JSON.stringify({ source }) });
    const queue = await openQueue(all.sqs, RuleArn, Name, {}, 'events');
    await events.putTargets({ Rule: Name, EventBusName: 'shop', Targets: [{ Id: 'q', Arn: queue.arn }] });
    return { ...queue, RuleArn };
  };
  const put = (...totals: number[]) =>
    events.putEvents({
      Entries: totals.map((total) => ({
        ...{ EventBusName: 'shop', Source: 'shop', DetailType: 'Order' },
        Detail: JSON.stringify({ total }),
      })),
    });
  /** Sorted: within a moment events come in any order, as in AWS. */
  const totals = (bodies: readonly string[]) =>
    bodies.map((body) => (JSON.parse(body) as { detail: { total: number } }).detail.total).sort((a, b) => a - b);
  return { ...all, events, EventBusArn, inbox, put, totals };
}
const now = async () =>
  new Date(((await (await fetch(`${cloud.endpoint}/_pilvi/clock`)).json()) as { time: string }).time).getTime();

test('an archive keeps what matches, and a replay sends it to the rules that it names', async () => {
  const { events, sqs, EventBusArn, inbox, put, totals } = await lab();
  const [first, second] = [await inbox('first', ['shop']), await inbox('second', ['shop'])];
  const EventPattern = JSON.stringify({ detail: { total: [{ numeric: ['>', 10] }] } });
  const { ArchiveArn } = await events.createArchive({ ArchiveName: 'big', EventSourceArn: EventBusArn, EventPattern });
  const from = await now();
  await put(5, 50, 500);
  await advanceClock(cloud.endpoint, 60_000);
  const between = await now();
  await put(5000);
  expect(totals(await take(sqs, first.url, 4))).toEqual([5, 50, 500, 5000]);
  await take(sqs, second.url, 4);
  await eventually(
    async () =>
      expect(await events.describeArchive({ ArchiveName: 'big' })).toMatchObject({
        ArchiveArn,
        EventSourceArn: EventBusArn,
        EventCount: 3,
        State: 'ENABLED',
        RetentionDays: 0,
        EventPattern,
      }),
    { why: 'the events are kept' },
  );
  const replay = (ReplayName: string, more: object = {}) =>
    events.startReplay({
      ReplayName,
      EventSourceArn: ArchiveArn,
      EventStartTime: new Date(from - 1000),
      EventEndTime: new Date(between),
      Destination: { Arn: EventBusArn },
      ...more,
    });
  expect((await replay('again', { Destination: { Arn: EventBusArn, FilterArns: [first.RuleArn] } })).State).toBe('STARTING');
  const bodies = await take(sqs, first.url, 2);
  expect(totals(bodies)).toEqual([50, 500]);
  expect(bodies.map((body) => (JSON.parse(body) as Record<string, unknown>)['replay-name'])).toEqual(['again', 'again']);
  await eventually(async () => expect((await events.describeReplay({ ReplayName: 'again' })).State).toBe('COMPLETED'), {
    why: 'the replay ends',
  });
  await put(1);
  expect(totals(await take(sqs, second.url))).toEqual([1]);
  expect((await events.describeArchive({ ArchiveName: 'big' })).EventCount).toBe(3);
  await refused(replay('again'), 'ResourceAlreadyExistsException', 'Replay again already exists.');
  await refused(
    replay('back', { EventEndTime: new Date(from - 2000) }),
    'ValidationException',
    'Parameter EventEndTime is not valid. Reason: EventStartTime must be before EventEndTime.',
  );
  await refused(
    replay('other', { Destination: { Arn: EventBusArn.replace('shop', 'default') } }),
    'ValidationException',
    /Cross event bus replay is not permitted/,
  );
  await refused(
    replay('none', { EventSourceArn: ArchiveArn?.replace('big', 'none') }),
    'ResourceNotFoundException',
    'Archive none does not exist.',
  );
  await refused(events.cancelReplay({ ReplayName: 'again' }), 'IllegalStatusException');
  await refused(events.describeReplay({ ReplayName: 'x' }), 'ResourceNotFoundException', 'Replay x does not exist.');
});

test('events leave an archive when their days are over, and an archive holds its bus', async () => {
  const { events, EventBusArn, put } = await lab();
  await events.createArchive({ ArchiveName: 'week', EventSourceArn: EventBusArn, RetentionDays: 7 });
  await put(1, 2);
  const count = (wanted: number) =>
    eventually(async () => expect((await events.describeArchive({ ArchiveName: 'week' })).EventCount).toBe(wanted), {
      why: `${wanted} events are kept`,
    });
  await count(2);
  await advanceClock(cloud.endpoint, 4 * 86_400_000);
  await put(3);
  await count(3);
  await advanceClock(cloud.endpoint, 4 * 86_400_000);
  await count(1);
  await events.updateArchive({ ArchiveName: 'week', RetentionDays: 1 });
  await count(0);
  await refused(
    events.createArchive({ ArchiveName: 'week', EventSourceArn: EventBusArn }),
    'ResourceAlreadyExistsException',
    'Archive week already exists.',
  );
  await refused(
    events.createArchive({ ArchiveName: 'bad', EventSourceArn: EventBusArn, EventPattern: '{"source":"shop"}' }),
    'InvalidEventPatternException',
  );
  await refused(
    events.createArchive({ ArchiveName: 'none', EventSourceArn: EventBusArn.replace('shop', 'none') }),
    'ResourceNotFoundException',
    'Event bus none does not exist.',
  );
  await refused(events.deleteEventBus({ Name: 'shop' }), 'ValidationException', /has archives/);
  expect((await events.listArchives({ EventSourceArn: EventBusArn })).Archives?.map(({ ArchiveName }) => ArchiveName)).toEqual([
    'week',
  ]);
  await events.deleteArchive({ ArchiveName: 'week' });
  await refused(events.describeArchive({ ArchiveName: 'week' }), 'ResourceNotFoundException', 'Archive week does not exist.');
  await events.deleteEventBus({ Name: 'shop' });
});
