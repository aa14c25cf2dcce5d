/** What happens on the way of one advance of the clock: all that is due, in order, each at its own time, with what follows from it. */
import { CloudWatch } from '@aws-sdk/client-cloudwatch';
import { EventBridge } from '@aws-sdk/client-eventbridge';
import { SQS } from '@aws-sdk/client-sqs';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { ended, type Flows, flows, historyOf, machineOf, only, roleFor } from '../services/sfn/support.ts';
import { admin, advanceClock, cloudTime, type OwnCloud, refused, startOwnCloud } from '../support/cloud.ts';

const second = 1000;
const minute = 60 * second;
const hour = 60 * minute;

let cloud: OwnCloud;
let all: Flows & { sqs: SQS };
let role: string;

beforeAll(async () => {
  cloud = await startOwnCloud();
  const own = flows(cloud.endpoint);
  all = { ...own, sqs: new SQS(own.account.config()) };
  role = await roleFor(all, ['sqs:*']);
});
afterAll(() => cloud.stop());

const begin = async (definition: object): Promise<string> => {
  const stateMachineArn = await machineOf(all, role, definition);
  return (await all.sfn.startExecution({ stateMachineArn })).executionArn ?? '';
};

/** A queue that a rule tells of every minute. */
async function tickingQueue(name: string, region = 'us-east-1') {
  const config = all.account.config({ region });
  const [events, sqs] = [new EventBridge(config), new SQS(config)];
  const statement = { Effect: 'Allow', Principal: { Service: 'events.amazonaws.com' }, Action: 'sqs:SendMessage', Resource: '*' };
  const Policy = JSON.stringify({ Version: '2012-10-17', Statement: [statement] });
  const { QueueUrl = '' } = await sqs.createQueue({ QueueName: name, Attributes: { Policy } });
  await events.putRule({ Name: name, ScheduleExpression: 'rate(1 minute)' });
  await events.putTargets({ Rule: name, Targets: [{ Id: 't', Arn: `arn:aws:sqs:${region}:${all.account.id}:${name}` }] });
  const count = async (): Promise<number> => {
    const { Attributes } = await sqs.getQueueAttributes({ QueueUrl, AttributeNames: ['ApproximateNumberOfMessages'] });
    return Number(Attributes?.['ApproximateNumberOfMessages']);
  };
  return { sqs, events, QueueUrl, count };
}

test('a wait that begins when another ends counts from that end, within one advance', async () => {
  const waits = [3600, 3600, 1800];
  const arn = await begin({
    StartAt: 'W0',
    States: {
      W0: { Type: 'Wait', Seconds: waits[0], Next: 'W1' },
      W1: { Type: 'Wait', Seconds: waits[1], Next: 'W2' },
      W2: { Type: 'Wait', Seconds: waits[2], End: true },
    },
  });
  await advanceClock(cloud.endpoint, 2 * hour);
  expect((await all.sfn.describeExecution({ executionArn: arn })).status).toBe('RUNNING');
  const answer = await admin('POST', 'clock', { advanceMillis: hour }, cloud.endpoint);
  expect(answer).toMatchObject({ speed: 1, stops: expect.any(Number), grainMillis: 0, unsettled: 0 });
  expect((await all.sfn.describeExecution({ executionArn: arn })).status).toBe('SUCCEEDED');
  const entered = (await historyOf(all, arn)).filter(({ type }) => type === 'WaitStateExited').map(({ timestamp }) => timestamp);
  const gaps = entered.slice(1).map((at, index) => (at?.getTime() ?? 0) - (entered[index]?.getTime() ?? 0));
  expect(gaps).toEqual([hour, hour / 2]);
});

test('retries back off from each failure, within one advance', async () => {
  const Retry = [{ ErrorEquals: ['States.TaskFailed'], IntervalSeconds: 10, BackoffRate: 3, MaxAttempts: 3 }];
  const QueueUrl = `${cloud.endpoint}/000000000000/none`;
  const Resource = 'arn:aws:states:::sqs:sendMessage';
  const arn = await begin(only({ Type: 'Task', Resource, Parameters: { QueueUrl, MessageBody: 'x' }, Retry }));
  await advanceClock(cloud.endpoint, 5 * minute);
  expect(await ended(all, arn)).toMatchObject({ status: 'FAILED' });
  const failed = (await historyOf(all, arn)).filter(({ type }) => type === 'TaskFailed').map(({ timestamp }) => timestamp);
  // From the second on each begins at a stop of the clock, where time stands.
  const gaps = failed.slice(1).map((at, index) => (at?.getTime() ?? 0) - (failed[index]?.getTime() ?? 0));
  expect(gaps.slice(1)).toEqual([30 * second, 90 * second]);
});

test('each firing of a rule sees its own minute, and messages have the time at which they were sent', async () => {
  const { sqs, events, QueueUrl } = await tickingQueue('ticks');
  await advanceClock(cloud.endpoint, 10 * minute);
  await events.disableRule({ Name: 'ticks' });
  const { Messages = [] } = await sqs.receiveMessage({
    ...{ QueueUrl, MaxNumberOfMessages: 10, WaitTimeSeconds: 0 },
    MessageSystemAttributeNames: ['SentTimestamp'],
  });
  expect(Messages.length).toBeGreaterThanOrEqual(9);
  const sent = Messages.map(({ Attributes }) => Number(Attributes?.SentTimestamp)).sort((a, b) => a - b);
  expect(new Set(sent.slice(1).map((at, index) => at - (sent[index] ?? 0)))).toEqual(new Set([minute]));
  const told = Messages.map(({ Body }) => Date.parse((JSON.parse(Body ?? '{}') as { time: string }).time)).sort((a, b) => a - b);
  expect(new Set(told.slice(1).map((at, index) => at - (told[index] ?? 0)))).toEqual(new Set([minute]));
});

test('each period of an alarm is evaluated in its own time', async () => {
  const cw = new CloudWatch(all.account.config());
  const start = Math.ceil((await cloudTime(cloud.endpoint)) / minute) * minute;
  await cw.putMetricAlarm({
    ...{ AlarmName: 'own', Namespace: 'N', MetricName: 'M', Statistic: 'Average', Period: 60 },
    ...{ EvaluationPeriods: 1, Threshold: 10, ComparisonOperator: 'GreaterThanThreshold' },
  });
  const MetricData = [1, 1, 20, 20, 1, 20, 1, 1, 1, 1].map((Value, index) => ({
    ...{ MetricName: 'M', Value },
    Timestamp: new Date(start + index * minute),
  }));
  await cw.putMetricData({ Namespace: 'N', MetricData });
  await advanceClock(cloud.endpoint, 12 * minute);
  const { AlarmHistoryItems = [] } = await cw.describeAlarmHistory({
    ...{ AlarmName: 'own', HistoryItemType: 'StateUpdate', ScanBy: 'TimestampAscending' },
  });
  expect(AlarmHistoryItems.map(({ HistorySummary }) => HistorySummary?.replace(/^.* to /, '')).slice(0, 5)).toEqual([
    ...['OK', 'ALARM', 'OK', 'ALARM', 'OK'],
  ]);
  const times = AlarmHistoryItems.map(({ Timestamp }) => Timestamp?.getTime() ?? 0);
  expect(times.slice(2, 5).map((at) => (at - (times[1] ?? 0)) / minute)).toEqual([2, 3, 4]);
});

test('what runs by itself in a Region stops while the Region is down, and goes on after', async () => {
  const { events, count } = await tickingQueue('away', 'eu-west-1');
  await advanceClock(cloud.endpoint, 2 * minute);
  await admin('POST', 'chaos/region', { region: 'eu-west-1', down: true }, cloud.endpoint);
  await refused(events.disableRule({ Name: 'away' }), 'ServiceUnavailable', 'The Region eu-west-1 is down.', 503);
  await advanceClock(cloud.endpoint, 5 * minute);
  const inspect = (await admin('GET', 'inspect', undefined, cloud.endpoint)) as {
    due: { key: string; due: number; task: string }[];
  };
  const waiting = inspect.due.find(({ key, task }) => key.includes('away') && task === 'tick');
  expect(waiting?.due).toBeLessThan(await cloudTime(cloud.endpoint));
  await admin('POST', 'chaos/region', { region: 'eu-west-1', down: false }, cloud.endpoint);
  await advanceClock(cloud.endpoint, 2 * minute);
  expect(await count()).toBeGreaterThanOrEqual(8);
  await events.disableRule({ Name: 'away' });
});

test('a reset leaves the clock where it was moved', async () => {
  const before = await cloudTime(cloud.endpoint);
  await admin('POST', 'reset', {}, cloud.endpoint);
  expect(await cloudTime(cloud.endpoint)).toBeGreaterThanOrEqual(before);
  expect(before).toBeGreaterThan(Date.now() + 3 * hour);
});
