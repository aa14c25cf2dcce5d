import { CloudWatch, type Dimension } from '@aws-sdk/client-cloudwatch';
import { EC2 } from '@aws-sdk/client-ec2';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { advanceClock, eventually, freshAccount, type OwnCloud, startOwnCloud } from '../../support/cloud.ts';

const minute = 60_000;
let cloud: OwnCloud;
let ahead = 0;
beforeAll(async () => {
  cloud = await startOwnCloud();
});
afterAll(async () => void (await cloud.stop()));

async function pass(minutes: number): Promise<void> {
  ahead += minutes * minute;
  await advanceClock(cloud.endpoint, minutes * minute);
}

/** An instance whose two processors do nothing but count. */
async function launch() {
  const account = freshAccount(cloud.endpoint);
  const [ec2, cw] = [new EC2(account.config()), new CloudWatch(account.config())];
  const { Images } = await ec2.describeImages({ Owners: ['amazon'] });
  const { Instances } = await ec2.runInstances({
    ImageId: Images?.[0]?.ImageId,
    InstanceType: 't3.micro',
    MinCount: 1,
    MaxCount: 1,
    UserData: Buffer.from('#!/bin/sh\nfor n in 1 2 3 4; do (while :; do :; done) & done\n').toString('base64'),
  });
  const id = Instances?.[0]?.InstanceId ?? '';
  const stateOf = async () => (await ec2.describeInstances({ InstanceIds: [id] })).Reservations?.[0]?.Instances?.[0]?.State?.Name;
  await eventually(async () => expect(await stateOf()).toBe('running'), { why: 'the instance runs' });
  return { ec2, cw, id, stateOf, Dimensions: [{ Name: 'InstanceId', Value: id }] };
}

async function points(cw: CloudWatch, Dimensions: Dimension[]) {
  const { Datapoints } = await cw.getMetricStatistics({
    Namespace: 'AWS/EC2',
    MetricName: 'CPUUtilization',
    Dimensions,
    StartTime: new Date(Date.now() - 60 * minute),
    EndTime: new Date(Date.now() + ahead),
    Period: 60,
    Statistics: ['Average'],
  });
  return Datapoints ?? [];
}

const spacing = (found: { Timestamp?: Date | undefined }[]) =>
  found.slice(1).map(({ Timestamp }, index) => ((Timestamp?.getTime() ?? 0) - (found[index]?.Timestamp?.getTime() ?? 0)) / 1000);

test('CW-001 CW-002 CW-014 a running instance has metrics, finer with detailed monitoring, and an alarm can stop it', async (context) => {
  context.skip(cloud.limits.length > 0, cloud.limits[0]);
  const { ec2, cw, id, stateOf, Dimensions } = await launch();
  await pass(1);
  // Real processor time passes between two looks; the load shows in the first point after it.
  await eventually(
    async () => {
      await pass(5);
      const last = (await points(cw, Dimensions)).at(-1);
      expect(last?.Average).toBeGreaterThan(3);
    },
    { why: 'the load shows in CPUUtilization', timeoutMs: 30_000 },
  );
  await pass(10);
  const basic = await points(cw, Dimensions);
  expect(basic.length).toBeGreaterThanOrEqual(3);
  expect(new Set(spacing(basic))).toEqual(new Set([300]));
  const names = (await cw.listMetrics({ Namespace: 'AWS/EC2', Dimensions })).Metrics?.map(({ MetricName }) => MetricName);
  expect(names).toEqual(expect.arrayContaining(['CPUUtilization', 'NetworkIn', 'NetworkOut', 'StatusCheckFailed']));
  await ec2.monitorInstances({ InstanceIds: [id] });
  const since = basic.length;
  await pass(5);
  const detailed = (await points(cw, Dimensions)).slice(since);
  expect(detailed.length).toBeGreaterThanOrEqual(4);
  expect(new Set(spacing(detailed.slice(1)))).toEqual(new Set([60]));
  await cw.putMetricAlarm({
    AlarmName: 'busy',
    Namespace: 'AWS/EC2',
    MetricName: 'CPUUtilization',
    Dimensions,
    Statistic: 'Average',
    Period: 60,
    EvaluationPeriods: 1,
    Threshold: 3,
    ComparisonOperator: 'GreaterThanThreshold',
    AlarmActions: ['arn:aws:automate:us-east-1:ec2:stop'],
  });
  await pass(2);
  await eventually(async () => expect(await stateOf()).toBe('stopped'), { why: 'the alarm stops the instance' });
  const { AlarmHistoryItems: history } = await cw.describeAlarmHistory({ AlarmName: 'busy', HistoryItemType: 'Action' });
  expect(history?.[0]?.HistorySummary).toBe('Successfully executed action arn:aws:automate:us-east-1:ec2:stop');
}, 90_000);
