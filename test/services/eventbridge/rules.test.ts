import { CloudWatchEvents } from '@aws-sdk/client-cloudwatch-events';
import { StopInstancesCommand } from '@aws-sdk/client-ec2';
import { EventBridge } from '@aws-sdk/client-eventbridge';
import { afterAll, beforeAll, expect, test } from 'vitest';
import {
  advanceClock,
  cloudTime,
  eventually,
  machinesRefused,
  type OwnCloud,
  refused,
  startOwnCloud,
} from '../../support/cloud.ts';
import { Lab } from '../ec2/support.ts';
import { SQS } from '@aws-sdk/client-sqs';
import { receive } from '../sqs/support.ts';
import { messaging, openQueue, take } from '../sns/support.ts';

function eventing(endpoint?: string) {
  const all = messaging(endpoint);
  return { ...all, events: new EventBridge(all.account.config()) };
}
type Eventing = ReturnType<typeof eventing>;

/** A queue that gets what a rule matches. */
async function ruleToQueue(
  { events, sqs }: Pick<Eventing, 'events' | 'sqs'>,
  rule: Parameters<EventBridge['putRule']>[0],
  target: object = {},
  name = 'inbox',
) {
  const { RuleArn = '' } = await events.putRule(rule);
  const queue = await openQueue(sqs, RuleArn, name, {}, 'events');
  const { Name: Rule, EventBusName } = rule;
  await events.putTargets({ Rule, EventBusName, Targets: [{ Id: 'queue', Arn: queue.arn, ...target }] });
  return { ...queue, RuleArn };
}

const order = (detail: object, EventBusName?: string) => ({
  Source: 'shop',
  DetailType: 'Order',
  Detail: JSON.stringify(detail),
  EventBusName,
});

test('EVB-004 custom events reach the rules of their own bus, not those of the default bus', async () => {
  const all = eventing();
  const { events, sqs, account } = all;
  const { EventBusArn } = await events.createEventBus({ Name: 'shop' });
  expect(EventBusArn).toBe(`arn:aws:events:us-east-1:${account.id}:event-bus/shop`);
  const EventPattern = JSON.stringify({ source: ['shop'], detail: { total: [{ numeric: ['>', 100] }] } });
  const own = await ruleToQueue(all, { Name: 'big', EventBusName: 'shop', EventPattern });
  const other = await ruleToQueue(all, { Name: 'big', EventPattern }, {}, 'default-inbox');
  const { Entries, FailedEntryCount } = await events.putEvents({
    Entries: [order({ total: 50 }, 'shop'), order({ total: 500 }, 'shop')],
  });
  expect([FailedEntryCount, Entries?.length]).toEqual([0, 2]);
  const [body = ''] = await take(sqs, own.url);
  expect(JSON.parse(body)).toEqual({
    version: '0',
    id: Entries?.[1]?.EventId,
    'detail-type': 'Order',
    source: 'shop',
    account: account.id,
    time: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/),
    region: 'us-east-1',
    resources: [],
    detail: { total: 500 },
  });
  expect([await receive(sqs, own.url), await receive(sqs, other.url)]).toEqual([[], []]);
  await events.putEvents({ Entries: [order({ total: 500 })] });
  expect(await take(sqs, other.url)).toHaveLength(1);
  expect(await events.updateEventBus({ Name: 'shop', Description: 'of the shop' })).toMatchObject({
    Name: 'shop',
    Arn: EventBusArn,
  });
  expect(await events.describeEventBus({ Name: 'shop' })).toMatchObject({ Description: 'of the shop', Arn: EventBusArn });
  await refused(
    events.updateEventBus({ Name: 'none', Description: 'x' }),
    'ResourceNotFoundException',
    'Event bus none does not exist.',
  );
  const DeadLetterConfig = { Arn: `arn:aws:sqs:us-east-1:${'1'.repeat(12)}:q` };
  await refused(events.updateEventBus({ Name: 'shop', DeadLetterConfig }), 'NotImplemented');
  await refused(events.createEventBus({ Name: 'shop' }), 'ResourceAlreadyExistsException', 'Event bus shop already exists.');
  await refused(
    events.putRule({ Name: 'r', EventBusName: 'nobody', EventPattern }),
    'ResourceNotFoundException',
    'Event bus nobody does not exist.',
  );
});

test('a target gets its own input: constant, path, or transformed', async () => {
  const all = eventing();
  const { events, sqs } = all;
  const EventPattern = JSON.stringify({ source: ['shop'] });
  const constant = await ruleToQueue(all, { Name: 'constant', EventPattern }, { Input: '"fixed"' }, 'constant');
  const path = await ruleToQueue(all, { Name: 'path', EventPattern }, { InputPath: '$.detail.items[1]' }, 'path');
  const InputTransformer = {
    InputPathsMap: { who: '$.detail.customer', items: '$.detail.items' },
    InputTemplate: '{"text":"for <who> by <aws.events.rule-name>","list":<items>}',
  };
  const transformed = await ruleToQueue(all, { Name: 'made', EventPattern }, { InputTransformer }, 'made');
  await events.putEvents({ Entries: [order({ customer: 'Aino "A"', items: ['x', 'y'] })] });
  expect(await take(sqs, constant.url)).toEqual(['"fixed"']);
  expect(await take(sqs, path.url)).toEqual(['"y"']);
  const [body = ''] = await take(sqs, transformed.url);
  expect(JSON.parse(body)).toEqual({ text: 'for Aino "A" by made', list: ['x', 'y'] });
});

test('topics and other buses are targets; what cannot be delivered goes to the dead-letter queue', async () => {
  const all = eventing();
  const { events, sqs, sns } = all;
  await events.createEventBus({ Name: 'far' });
  const far = await ruleToQueue(all, { Name: 'all', EventBusName: 'far', EventPattern: '{"source":["shop"]}' }, {}, 'far');
  const near = await ruleToQueue(all, { Name: 'near', EventPattern: '{"source":["shop"]}' }, {}, 'near');
  const { TopicArn = '' } = await sns.createTopic({ Name: 'orders' });
  await sns.setTopicAttributes({
    TopicArn,
    AttributeName: 'Policy',
    AttributeValue: JSON.stringify({
      Version: '2012-10-17',
      Statement: [{ Effect: 'Allow', Principal: { Service: 'events.amazonaws.com' }, Action: 'sns:Publish', Resource: TopicArn }],
    }),
  });
  const inbox = await openQueue(sqs, TopicArn, 'inbox');
  await sns.subscribe({ TopicArn, Protocol: 'sqs', Endpoint: inbox.arn, Attributes: { RawMessageDelivery: 'true' } });
  const letters = await openQueue(sqs, near.RuleArn, 'letters', {}, 'events');
  await events.putTargets({
    Rule: 'near',
    Targets: [
      { Id: 'topic', Arn: TopicArn },
      { Id: 'bus', Arn: far.RuleArn.replace(/:rule\/.*/, ':event-bus/far') },
      { Id: 'gone', Arn: near.arn.replace('near', 'gone'), DeadLetterConfig: { Arn: letters.arn } },
    ],
  });
  await events.putEvents({ Entries: [order({ n: 1 })] });
  for (const { url } of [near, far, inbox])
    expect((await take(sqs, url)).map((body) => JSON.parse(body).detail)).toEqual([{ n: 1 }]);
  const [letter] = await receive(sqs, letters.url, { WaitTimeSeconds: 5 });
  expect(JSON.parse(letter?.Body ?? '').detail).toEqual({ n: 1 });
  expect(letter?.MessageAttributes?.['ERROR_CODE']?.StringValue).toBe('QueueDoesNotExist');
});

test('rules and targets are described, listed, switched off and removed', async () => {
  const all = eventing();
  const { events, sqs, account } = all;
  const { url, arn, RuleArn } = await ruleToQueue(all, { Name: 'orders', EventPattern: '{"source":["shop"]}', Description: 'd' });
  expect(RuleArn).toBe(`arn:aws:events:us-east-1:${account.id}:rule/orders`);
  expect(await events.describeRule({ Name: 'orders' })).toMatchObject({
    Name: 'orders',
    Arn: RuleArn,
    State: 'ENABLED',
    EventBusName: 'default',
    Description: 'd',
  });
  expect((await events.listRules({ NamePrefix: 'ord' })).Rules).toHaveLength(1);
  expect((await events.listTargetsByRule({ Rule: 'orders' })).Targets).toEqual([{ Id: 'queue', Arn: arn }]);
  expect((await events.listRuleNamesByTarget({ TargetArn: arn })).RuleNames).toEqual(['orders']);
  await events.disableRule({ Name: 'orders' });
  await events.putEvents({ Entries: [order({})] });
  await events.enableRule({ Name: 'orders' });
  await events.putEvents({ Entries: [order({ second: true })] });
  expect((await take(sqs, url)).map((body) => JSON.parse(body).detail)).toEqual([{ second: true }]);
  await refused(events.deleteRule({ Name: 'orders' }), 'ValidationException', "Rule can't be deleted since it has targets.");
  const { FailedEntries } = await events.removeTargets({ Rule: 'orders', Ids: ['queue', 'other'] });
  expect(FailedEntries?.map(({ TargetId, ErrorCode }) => [TargetId, ErrorCode])).toEqual([
    ['other', 'ResourceNotFoundException'],
  ]);
  await events.deleteRule({ Name: 'orders' });
  await refused(
    events.describeRule({ Name: 'orders' }),
    'ResourceNotFoundException',
    'Rule orders does not exist on EventBus default.',
  );
});

test('events and rules are refused in AWS’s words', async () => {
  const { events } = eventing();
  const good = order({});
  const { Entries } = await events.putEvents({
    Entries: [
      good,
      { ...good, Source: '' },
      { ...good, Detail: '{' },
      { ...good, Source: 'aws.ec2' },
      { ...good, DetailType: undefined },
    ],
  });
  expect(Entries?.map(({ ErrorCode, ErrorMessage }) => [ErrorCode, ErrorMessage])).toEqual([
    [undefined, undefined],
    ['InvalidArgument', 'Parameter Source is not valid. Reason: Source is a required argument.'],
    ['MalformedDetail', 'Detail is malformed.'],
    ['NotAuthorizedForSource', 'Not authorized for the source.'],
    ['InvalidArgument', 'Parameter DetailType is not valid. Reason: DetailType is a required argument.'],
  ]);
  await refused(
    events.putEvents({ Entries: Array.from({ length: 11 }, () => good) }),
    'ValidationException',
    /Member must have length less than or equal to 10/,
  );
  await refused(
    events.putEvents({ Entries: [order({ text: 'x'.repeat(262_144) })] }),
    'ValidationException',
    'Total size of the entries in the request is over the limit.',
  );
  await refused(
    events.putRule({ Name: 'r' }),
    'ValidationException',
    'Parameter(s) EventPattern or ScheduleExpression must be specified.',
  );
  await refused(
    events.putRule({ Name: 'r', EventPattern: '{"source":[{"prefix":5}]}' }),
    'InvalidEventPatternException',
    /^Event pattern is not valid. Reason: prefix match pattern must be a string\n at \[Source: \(String\)"/,
  );
  await refused(
    events.putTargets({ Rule: 'nobody', Targets: [] }),
    'ResourceNotFoundException',
    'Rule nobody does not exist on EventBus default.',
  );
  await events.putRule({ Name: 'r', EventPattern: '{"source":["x"]}' });
  const Targets = Array.from({ length: 6 }, (_, i) => ({ Id: String(i), Arn: 'arn:aws:sqs:us-east-1:000000000000:q' }));
  await refused(
    events.putTargets({ Rule: 'r', Targets }),
    'LimitExceededException',
    'The requested resource exceeds the maximum number allowed.',
  );
});

test('EVB-006 rules of the older CloudWatch Events client are the same rules', async () => {
  const all = eventing();
  const { events, sqs, account } = all;
  const older = new CloudWatchEvents(account.config());
  const { RuleArn = '' } = await older.putRule({ Name: 'older', EventPattern: '{"source":["shop"]}' });
  const { arn, url } = await openQueue(sqs, RuleArn, 'older', {}, 'events');
  await older.putTargets({ Rule: 'older', Targets: [{ Id: 'queue', Arn: arn }] });
  const newer = await ruleToQueue(all, { Name: 'newer', EventPattern: '{"source":["shop"]}' });
  expect((await events.listRules({})).Rules?.map(({ Name }) => Name)).toEqual(['newer', 'older']);
  expect((await older.listRules({})).Rules?.map(({ Name }) => Name)).toEqual(['newer', 'older']);
  await events.putEvents({ Entries: [order({ by: 'newer' })] });
  await older.putEvents({ Entries: [order({ by: 'older' })] });
  for (const queue of [url, newer.url])
    expect((await take(sqs, queue, 2)).map((body) => JSON.parse(body).detail.by).sort()).toEqual(['newer', 'older']);
  await refused(
    older.describeRule({ Name: 'nobody' }),
    'ResourceNotFoundException',
    'Rule nobody does not exist on EventBus default.',
  );
});

test('a pattern can be tried without a rule', async () => {
  const { events } = eventing();
  const Event = JSON.stringify({
    id: '1',
    account: '123456789012',
    source: 'shop',
    time: '2026-01-01T00:00:00Z',
    region: 'us-east-1',
    resources: [],
    'detail-type': 'Order',
    detail: { path: '/a/b.png' },
  });
  const matches = async (pattern: object) =>
    (await events.testEventPattern({ EventPattern: JSON.stringify(pattern), Event })).Result;
  expect(await matches({ detail: { path: [{ wildcard: '/a/*.png' }] } })).toBe(true);
  expect(await matches({ detail: { path: [{ 'anything-but': { suffix: '.png' } }] } })).toBe(false);
  await refused(
    events.testEventPattern({ EventPattern: '{"a":["x"]}', Event: '{}' }),
    'ValidationException',
    'Parameter Event is not valid.',
  );
});

test('EVB-002 state changes of instances arrive on the default bus', { timeout: 60_000 }, async (context) => {
  context.skip(machinesRefused() !== undefined, machinesRefused());
  const lab = new Lab();
  const { account } = lab;
  const all = { events: new EventBridge(account.config()), sqs: new SQS(account.config()) };
  const { url } = await ruleToQueue(all, {
    Name: 'states',
    EventPattern: JSON.stringify({
      source: ['aws.ec2'],
      'detail-type': ['EC2 Instance State-change Notification'],
      detail: { state: [{ prefix: 'stop' }] },
    }),
  });
  const vpcId = await lab.vpc('10.63.0.0/16');
  const id = await lab.launch({ SubnetId: await lab.subnet(vpcId, '10.63.1.0/24') });
  await lab.inState(id, 'running');
  await lab.ec2.send(new StopInstancesCommand({ InstanceIds: [id] }));
  const bodies = (await take(all.sqs, url, 2)).map((body) => JSON.parse(body) as { detail: object; source: string });
  expect(bodies.map(({ detail }) => detail)).toEqual([
    { 'instance-id': id, state: 'stopping' },
    { 'instance-id': id, state: 'stopped' },
  ]);
});

// Moves time, so in a cloud of its own.
let cloud: OwnCloud;
beforeAll(async () => {
  cloud = await startOwnCloud();
});
afterAll(async () => {
  expect(await cloud.stop()).not.toContain('by a bug of Pilvi');
});

test('EVB-003 a rule fires by the clock, at a rate or by cron', { timeout: 60_000 }, async () => {
  const all = eventing(cloud.endpoint);
  const { events, sqs } = all;
  const rate = await ruleToQueue(all, { Name: 'often', ScheduleExpression: 'rate(5 minutes)' });
  // Some hours from now, so that the first quarter of an hour does not reach it.
  const hour = (new Date(await cloudTime(cloud.endpoint)).getUTCHours() + 6) % 24;
  const cron = await ruleToQueue(all, { Name: 'daily', ScheduleExpression: `cron(0 ${hour} * * ? *)` }, {}, 'daily');
  await advanceClock(cloud.endpoint, 16 * 60_000);
  const ticks = (await take(sqs, rate.url, 3)).map(
    (body) => JSON.parse(body) as { time: string; source: string; resources: string[] },
  );
  expect(ticks.map(({ source, resources }) => [source, resources])).toEqual(ticks.map(() => ['aws.events', [rate.RuleArn]]));
  const minutes = ticks.map(({ time }) => Date.parse(time) / 60_000).sort((a, b) => a - b);
  expect(minutes.slice(1).map((at, i) => Math.round(at - minutes[i]!))).toEqual([5, 5]);
  await events.disableRule({ Name: 'often' });
  await advanceClock(cloud.endpoint, 2 * 86_400_000);
  const days = (await eventually(() => take(sqs, cron.url, 2), { why: 'two days' })).map(
    (body) => (JSON.parse(body) as { time: string }).time,
  );
  expect(days.every((time) => time.endsWith(`T${String(hour).padStart(2, '0')}:00:00Z`))).toBe(true);
  expect(days).toHaveLength(2);
  for (const ScheduleExpression of ['rate(1 minutes)', 'cron(0 12 * * * *)', 'hourly'])
    await refused(
      events.putRule({ Name: 'bad', ScheduleExpression }),
      'ValidationException',
      'Parameter ScheduleExpression is not valid.',
    );
});
