import type { PredictiveScalingConfiguration } from '@aws-sdk/client-auto-scaling';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { advanceClock, type OwnCloud, refused, startOwnCloud } from '../../support/cloud.ts';
import { Scaling } from './support.ts';

const minute = 60_000;
const hour = 60 * minute;
const web = { AutoScalingGroupName: 'web' };
const policy = { ...web, PolicyName: 'ahead', PolicyType: 'PredictiveScaling' };
let cloud: OwnCloud;
let ahead = 0;
beforeAll(async () => {
  cloud = await startOwnCloud();
});
afterAll(async () => void (await cloud.stop()));

const now = () => Date.now() + ahead;
async function pass(millis: number): Promise<void> {
  ahead += millis;
  await advanceClock(cloud.endpoint, millis);
}

/** Load by the hour of the day: busy from 9 to 17 UTC. */
const loadAt = (at: number) => (new Date(at).getUTCHours() >= 9 && new Date(at).getUTCHours() < 17 ? 100 : 10);

/** Hours of an application whose two instances shared its load. */
async function history(lab: Scaling, hours: number): Promise<void> {
  const from = Math.floor(now() / hour) * hour - hours * hour;
  const MetricData = Array.from({ length: hours }, (_none, index) => from + index * hour).flatMap((at) => [
    { MetricName: 'load', Value: loadAt(at), Timestamp: new Date(at) },
    { MetricName: 'each', Value: loadAt(at) / 2, Timestamp: new Date(at) },
    { MetricName: 'instances', Value: 2, Timestamp: new Date(at) },
  ]);
  await lab.cloudwatch.putMetricData({ Namespace: 'App', MetricData });
}

const query = (MetricName: string, Stat: string) => ({
  MetricDataQueries: [{ Id: 'm', MetricStat: { Metric: { Namespace: 'App', MetricName }, Stat } }],
});
const configuration = (more: Partial<PredictiveScalingConfiguration> = {}): PredictiveScalingConfiguration => ({
  MetricSpecifications: [
    {
      TargetValue: 25,
      CustomizedLoadMetricSpecification: query('load', 'Sum'),
      CustomizedScalingMetricSpecification: query('each', 'Average'),
      CustomizedCapacityMetricSpecification: query('instances', 'Average'),
    },
  ],
  ...more,
});

test('ASG-020 all kinds of policies and schedules are taken and shown, and what they lack is refused', async () => {
  const lab = new Scaling(cloud.endpoint);
  await lab.template();
  await lab.group({ DesiredCapacity: 0 });
  const put = (PredictiveScalingConfiguration?: PredictiveScalingConfiguration) =>
    lab.asg.putScalingPolicy({ ...policy, PredictiveScalingConfiguration });
  await refused(put(), 'ValidationError', 'PredictiveScalingConfiguration is required for PredictiveScaling policy type.');
  await refused(put({ MetricSpecifications: [] }), 'ValidationError', 'Exactly one MetricSpecification must be specified.');
  await refused(
    put({ MetricSpecifications: [{ TargetValue: 40 }] }),
    'ValidationError',
    'A MetricSpecification must have a metric pair, or one load metric and one scaling metric.',
  );
  const pair = { TargetValue: 40, PredefinedMetricPairSpecification: { PredefinedMetricType: 'ASGCPUUtilization' as const } };
  await refused(
    put({ MetricSpecifications: [{ ...pair, TargetValue: 0 }] }),
    'ValidationError',
    'TargetValue must be greater than 0.',
  );
  await refused(
    put({ MetricSpecifications: [pair], SchedulingBufferTime: 3601 }),
    'ValidationError',
    'SchedulingBufferTime must be between 0 and 3600.',
  );
  await refused(
    put({ MetricSpecifications: [pair], MaxCapacityBreachBehavior: 'IncreaseMaxCapacity' }),
    'ValidationError',
    /^MaxCapacityBuffer is required/,
  );
  await refused(
    put({
      MetricSpecifications: [{ TargetValue: 9, PredefinedMetricPairSpecification: { PredefinedMetricType: 'ALBRequestCount' } }],
    }),
    'ValidationError',
    'Resource label is required for metric type ALBRequestCount.',
  );
  await refused(
    lab.asg.putScalingPolicy({
      ...policy,
      AdjustmentType: 'ChangeInCapacity',
      PredictiveScalingConfiguration: { MetricSpecifications: [pair] },
    }),
    'ValidationError',
    'AdjustmentType is not supported for policy type PredictiveScaling.',
  );
  await put({ MetricSpecifications: [pair] });
  const adjusting = { ...web, AdjustmentType: 'ChangeInCapacity' };
  await lab.asg.putScalingPolicy({ ...adjusting, PolicyName: 'simple', PolicyType: 'SimpleScaling', ScalingAdjustment: -1 });
  await lab.asg.putScalingPolicy({
    ...adjusting,
    PolicyName: 'step',
    PolicyType: 'StepScaling',
    StepAdjustments: [{ MetricIntervalLowerBound: 0, ScalingAdjustment: 1 }],
  });
  await lab.asg.putScalingPolicy({
    ...web,
    PolicyName: 'track',
    PolicyType: 'TargetTrackingScaling',
    TargetTrackingConfiguration: {
      TargetValue: 40,
      PredefinedMetricSpecification: { PredefinedMetricType: 'ASGAverageCPUUtilization' },
    },
  });
  await lab.asg.putScheduledUpdateGroupAction({ ...web, ScheduledActionName: 'night', Recurrence: '0 22 * * *', MinSize: 1 });
  const { ScalingPolicies } = await lab.asg.describePolicies(web);
  expect(ScalingPolicies?.map(({ PolicyName, PolicyType }) => [PolicyName, PolicyType])).toEqual([
    ['ahead', 'PredictiveScaling'],
    ['simple', 'SimpleScaling'],
    ['step', 'StepScaling'],
    ['track', 'TargetTrackingScaling'],
  ]);
  expect((await lab.asg.describeScheduledActions(web)).ScheduledUpdateGroupActions).toMatchObject([
    { ScheduledActionName: 'night', MinSize: 1 },
  ]);
  await refused(
    lab.asg.executePolicy({ ...web, PolicyName: 'ahead' }),
    'ValidationError',
    'ExecutePolicy is not supported for PredictiveScaling policies.',
  );
  const window = { StartTime: new Date(now()), EndTime: new Date(now() + hour) };
  await refused(
    lab.asg.getPredictiveScalingForecast({ ...web, PolicyName: 'step', ...window }),
    'ValidationError',
    'The policy step is not a predictive scaling policy.',
  );
  await refused(
    lab.asg.getPredictiveScalingForecast({ ...web, PolicyName: 'ahead', ...window }),
    'ValidationError',
    /at least 24 hours of historical data\.$/,
  );
  await lab.asg.deletePolicy({ ...web, PolicyName: 'ahead' });
  await refused(
    lab.asg.getPredictiveScalingForecast({ ...web, PolicyName: 'ahead', ...window }),
    'ValidationError',
    'PolicyName ahead not found',
  );
});

test('ASG-038 ASG-039 a forecast follows the days before; only in ForecastAndScale instances are up before the peak', {
  timeout: 120_000,
}, async () => {
  const lab = new Scaling(cloud.endpoint);
  await lab.template();
  await lab.group({ MinSize: 1, DesiredCapacity: 1, MaxSize: 3 });
  await lab.settled(1);
  const forecast = (of = lab) =>
    of.asg.getPredictiveScalingForecast({
      ...web,
      PolicyName: 'ahead',
      StartTime: new Date(now() - hour),
      EndTime: new Date(now() + 72 * hour),
    });
  const young = new Scaling(cloud.endpoint);
  await young.template();
  await young.group({ DesiredCapacity: 0 });
  await history(young, 23);
  await young.asg.putScalingPolicy({ ...policy, PredictiveScalingConfiguration: configuration() });
  await refused(forecast(young), 'ValidationError', /at least 24 hours of historical data\.$/);
  await history(lab, 72);
  await lab.asg.putScalingPolicy({ ...policy, PredictiveScalingConfiguration: configuration() });
  const [shown] = (await lab.asg.describePolicies(web)).ScalingPolicies ?? [];
  expect(shown?.PredictiveScalingConfiguration).toMatchObject({
    Mode: 'ForecastOnly',
    SchedulingBufferTime: 300,
    MaxCapacityBreachBehavior: 'HonorMaxCapacity',
  });
  const made = await forecast();
  const [load] = made.LoadForecast ?? [];
  expect(load?.Timestamps?.length).toBe(48);
  const byHour = load?.Timestamps?.map((time, index) => [loadAt(time.getTime()), Math.round(load.Values?.[index] ?? 0)]);
  for (const [wanted, found] of byHour ?? []) expect(found).toBe(wanted);
  // The next peak begins at 9:00 UTC.
  const peak = () => {
    const day = Math.floor(now() / (24 * hour)) * 24 * hour;
    return day + 9 * hour > now() + 10 * minute ? day + 9 * hour : day + 33 * hour;
  };
  const first = peak();
  const capacity = made.CapacityForecast?.Timestamps?.findIndex((time) => time.getTime() === first) ?? -1;
  expect(made.CapacityForecast?.Values?.[capacity]).toBe(4);
  await pass(first - now() + minute);
  expect((await lab.show()).DesiredCapacity).toBe(1);
  await pass(9 * hour);
  expect((await lab.show()).DesiredCapacity).toBe(1);
  await lab.asg.putScalingPolicy({ ...policy, PredictiveScalingConfiguration: configuration({ Mode: 'ForecastAndScale' }) });
  const second = peak();
  await pass(second - now() - 6 * minute);
  expect((await lab.show()).DesiredCapacity).toBe(1);
  await pass(2 * minute);
  const { Instances } = await lab.settled(3);
  expect(now()).toBeLessThan(second);
  expect(Instances).toHaveLength(3);
  expect((await lab.activities())[0]?.Cause).toMatch(
    /a forecast of the predictive scaling policy ahead changed the desired capacity from 1 to 3/,
  );
  // Nothing goes below what the hour needs.
  await lab.asg.putScalingPolicy({ ...web, PolicyName: 'in', AdjustmentType: 'ChangeInCapacity', ScalingAdjustment: -2 });
  await lab.asg.executePolicy({ ...web, PolicyName: 'in' });
  expect((await lab.show()).DesiredCapacity).toBe(3);
});
