import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { advanceClock, eventually, type OwnCloud, refused, startOwnCloud } from '../../support/cloud.ts';
import { Scaling } from './support.ts';

const minute = 60_000;
const web = { AutoScalingGroupName: 'web' };

/** Without a launch the desired capacity alone moves: what these tests are about. */
async function groupOnPaper(lab: Scaling, sizes: { MinSize: number; MaxSize: number; DesiredCapacity: number }): Promise<void> {
  await lab.template();
  await lab.group({ ...sizes, MinSize: 0, DesiredCapacity: 0 });
  await lab.asg.suspendProcesses({ ...web, ScalingProcesses: ['Launch', 'Terminate'] });
  await lab.asg.updateAutoScalingGroup({ ...web, ...sizes });
}

describe('policies and schedules', () => {
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
  const desired = async (lab: Scaling) => (await lab.show()).DesiredCapacity;

  test('ASG-023 ASG-024 scaling stops at maximum and minimum', async () => {
    const lab = new Scaling(cloud.endpoint);
    await groupOnPaper(lab, { MinSize: 2, MaxSize: 3, DesiredCapacity: 2 });
    const policy = { ...web, AdjustmentType: 'ChangeInCapacity' };
    await lab.asg.putScalingPolicy({ ...policy, PolicyName: 'out', ScalingAdjustment: 3 });
    await lab.asg.putScalingPolicy({ ...policy, PolicyName: 'in', ScalingAdjustment: -2 });
    await lab.asg.executePolicy({ ...web, PolicyName: 'out' });
    expect(await desired(lab)).toBe(3);
    await lab.asg.executePolicy({ ...web, PolicyName: 'in' });
    expect(await desired(lab)).toBe(2);
    await refused(lab.asg.executePolicy({ ...web, PolicyName: 'none' }), 'ValidationError', 'PolicyName none not found');
    await refused(lab.asg.executePolicy({ ...web, PolicyName: 'out', HonorCooldown: true }), 'ScalingActivityInProgress');
  });

  test('ASG-029 steps may neither overlap nor leave a gap; what a type does not take is refused', async () => {
    const lab = new Scaling(cloud.endpoint);
    await groupOnPaper(lab, { MinSize: 0, MaxSize: 3, DesiredCapacity: 0 });
    const put = (...bounds: [number | undefined, number | undefined][]) =>
      lab.asg.putScalingPolicy({
        ...web,
        PolicyName: 'step',
        PolicyType: 'StepScaling',
        AdjustmentType: 'ChangeInCapacity',
        StepAdjustments: bounds.map(([MetricIntervalLowerBound, MetricIntervalUpperBound]) => ({
          MetricIntervalLowerBound,
          MetricIntervalUpperBound,
          ScalingAdjustment: 1,
        })),
      });
    await refused(put([0, 20], [10, undefined]), 'ValidationError', "StepAdjustment intervals can't overlap.");
    await refused(put([0, 10], [20, undefined]), 'ValidationError', "StepAdjustment intervals can't have gaps between them.");
    await put([0, 10], [10, undefined]);
    const track = { ...web, PolicyName: 'track', PolicyType: 'TargetTrackingScaling' };
    await refused(
      lab.asg.putScalingPolicy(track),
      'ValidationError',
      'TargetTrackingConfiguration is required for TargetTrackingScaling policy type.',
    );
    await refused(
      lab.asg.putScalingPolicy({
        ...track,
        TargetTrackingConfiguration: {
          TargetValue: 10,
          PredefinedMetricSpecification: { PredefinedMetricType: 'ALBRequestCountPerTarget' },
        },
      }),
      'ValidationError',
      /^Resource label is required/,
    );
    await refused(
      lab.asg.putScalingPolicy({ ...web, PolicyName: 'simple', AdjustmentType: 'Change' }),
      'ValidationError',
      'Invalid adjustment type: Change.',
    );
    const { PolicyARN, Alarms = [] } = await lab.asg.putScalingPolicy({
      ...track,
      TargetTrackingConfiguration: {
        TargetValue: 40,
        PredefinedMetricSpecification: { PredefinedMetricType: 'ASGAverageCPUUtilization' },
      },
    });
    expect(Alarms).toHaveLength(2);
    const { MetricAlarms } = await lab.cloudwatch.describeAlarms({ AlarmNamePrefix: 'TargetTracking-web-' });
    expect(
      MetricAlarms?.map(({ AlarmActions, Threshold, EvaluationPeriods }) => ({ AlarmActions, Threshold, EvaluationPeriods })),
    ).toEqual([
      { AlarmActions: [PolicyARN], Threshold: 40, EvaluationPeriods: 3 },
      { AlarmActions: [PolicyARN], Threshold: 36, EvaluationPeriods: 15 },
    ]);
    await lab.asg.deletePolicy({ ...web, PolicyName: 'track' });
    expect((await lab.cloudwatch.describeAlarms({})).MetricAlarms).toEqual([]);
  });

  test('ASG-028 the step depends on how far the metric breaks the threshold', async () => {
    const lab = new Scaling(cloud.endpoint);
    await groupOnPaper(lab, { MinSize: 0, MaxSize: 9, DesiredCapacity: 2 });
    const step = { ...web, PolicyType: 'StepScaling', AdjustmentType: 'ChangeInCapacity' };
    await lab.asg.putScalingPolicy({
      ...step,
      PolicyName: 'out',
      StepAdjustments: [
        { MetricIntervalLowerBound: 0, MetricIntervalUpperBound: 10, ScalingAdjustment: 1 },
        { MetricIntervalLowerBound: 10, ScalingAdjustment: 2 },
      ],
    });
    await lab.asg.putScalingPolicy({
      ...step,
      PolicyName: 'in',
      StepAdjustments: [{ MetricIntervalUpperBound: 0, ScalingAdjustment: -1 }],
    });
    const run = async (PolicyName: string, MetricValue: number, BreachThreshold: number) => {
      await lab.asg.setDesiredCapacity({ ...web, DesiredCapacity: 3 });
      await lab.asg.setDesiredCapacity({ ...web, DesiredCapacity: 2 });
      await lab.asg.executePolicy({ ...web, PolicyName, MetricValue, BreachThreshold });
      return desired(lab);
    };
    expect(await run('out', 75, 70)).toBe(3);
    expect(await run('out', 85, 70)).toBe(4);
    expect(await run('in', 20, 30)).toBe(1);
    await refused(
      lab.asg.executePolicy({ ...web, PolicyName: 'out' }),
      'ValidationError',
      'MetricValue and BreachThreshold are required for policies of type StepScaling.',
    );
  });

  test('ASG-036 ASG-037 scheduled actions run again and again in their time zone, or once', async () => {
    const lab = new Scaling(cloud.endpoint);
    await groupOnPaper(lab, { MinSize: 0, MaxSize: 20, DesiredCapacity: 0 });
    const StartTime = new Date(now() + 5 * minute);
    await lab.asg.putScheduledUpdateGroupAction({ ...web, ScheduledActionName: 'once', StartTime, DesiredCapacity: 4 });
    await lab.asg.putScheduledUpdateGroupAction({ ...web, ScheduledActionName: 'utc', Recurrence: '0 17 * * 5', MinSize: 10 });
    await lab.asg.putScheduledUpdateGroupAction({
      ...web,
      ScheduledActionName: 'seoul',
      Recurrence: '0 17 * * 5',
      TimeZone: 'Asia/Seoul',
      MinSize: 8,
    });
    await refused(
      lab.asg.putScheduledUpdateGroupAction({ ...web, ScheduledActionName: 'bad', Recurrence: '99 * * * *', MinSize: 1 }),
      'ValidationError',
      'Given recurrence string:99 * * * * is invalid',
    );
    await refused(
      lab.asg.putScheduledUpdateGroupAction({ ...web, ScheduledActionName: 'bad', StartTime: new Date(0), MinSize: 1 }),
      'ValidationError',
      'Given start time is in the past',
    );
    const next = async (name: string) =>
      (await lab.asg.describeScheduledActions({ ...web, ScheduledActionNames: [name] })).ScheduledUpdateGroupActions?.[0]
        ?.StartTime ?? new Date(0);
    const [utc, seoul] = [await next('utc'), await next('seoul')];
    expect([utc.getUTCDay(), utc.getUTCHours(), utc.getUTCMinutes()]).toEqual([5, 17, 0]);
    expect([seoul.getUTCDay(), seoul.getUTCHours(), seoul.getUTCMinutes()]).toEqual([5, 8, 0]);
    await pass(6 * minute);
    expect(await desired(lab)).toBe(4);
    expect(
      (await lab.asg.describeScheduledActions({ ...web, ScheduledActionNames: ['once'] })).ScheduledUpdateGroupActions,
    ).toEqual([]);
    const [first, second] = [seoul, utc].sort((a, b) => a.getTime() - b.getTime());
    await pass(first!.getTime() - now() + 1000);
    expect(await desired(lab)).toBe(first === utc ? 10 : 8);
    await pass(second!.getTime() - now() + 1000);
    expect((await lab.show()).MinSize).toBe(second === utc ? 10 : 8);
    expect((await next('utc')).getTime()).toBe(utc.getTime() + 7 * 24 * 60 * minute);
  });

  test('ASG-021 ASG-014 alarms, schedules and users change the capacity, and the activity says which', {
    timeout: 120_000,
  }, async () => {
    const lab = new Scaling(cloud.endpoint);
    await lab.template();
    await lab.group({ DesiredCapacity: 0, MaxSize: 4 });
    const { PolicyARN = '' } = await lab.asg.putScalingPolicy({
      ...web,
      PolicyName: 'out',
      AdjustmentType: 'ChangeInCapacity',
      ScalingAdjustment: 1,
    });
    await lab.cloudwatch.putMetricAlarm({
      AlarmName: 'cpu',
      Namespace: 'AWS/EC2',
      MetricName: 'CPUUtilization',
      Dimensions: [{ Name: 'AutoScalingGroupName', Value: 'web' }],
      Statistic: 'Average',
      Period: 300,
      EvaluationPeriods: 1,
      Threshold: 80,
      ComparisonOperator: 'GreaterThanOrEqualToThreshold',
      AlarmActions: [PolicyARN],
    });
    await lab.cloudwatch.setAlarmState({ AlarmName: 'cpu', StateValue: 'ALARM', StateReason: 'test' });
    await lab.settled(1);
    await lab.cloudwatch.setAlarmState({ AlarmName: 'cpu', StateValue: 'OK', StateReason: 'test' });
    await lab.asg.setDesiredCapacity({ ...web, DesiredCapacity: 2 });
    await lab.settled(2);
    await lab.asg.putScheduledUpdateGroupAction({
      ...web,
      ScheduledActionName: 'three',
      StartTime: new Date(now() + 2 * minute),
      DesiredCapacity: 3,
    });
    await pass(3 * minute);
    await lab.settled(3);
    const causes = (await lab.activities()).map(({ Cause = '' }) => Cause.split('.  ')[0]);
    expect(causes).toEqual([
      expect.stringMatching(/the scheduled action three executed/),
      expect.stringMatching(/a user request explicitly set group desired capacity changing the desired capacity from 1 to 2/),
      expect.stringMatching(/a monitor alarm cpu in state ALARM triggered policy out changing the desired capacity from 0 to 1/),
    ]);
    expect((await lab.asg.describePolicies(web)).ScalingPolicies?.[0]?.Alarms?.[0]?.AlarmName).toBe('cpu');
    await eventually(
      async () =>
        expect(
          (await lab.activities()).every(({ StatusCode, Progress }) => StatusCode === 'Successful' && Progress === 100),
        ).toBe(true),
      { why: 'all are done' },
    );
  });

  test('ASG-035 target tracking follows a custom metric, within the maximum', { timeout: 60_000 }, async () => {
    const lab = new Scaling(cloud.endpoint);
    await groupOnPaper(lab, { MinSize: 1, MaxSize: 5, DesiredCapacity: 2 });
    await lab.asg.putScalingPolicy({
      ...web,
      PolicyName: 'jobs',
      PolicyType: 'TargetTrackingScaling',
      TargetTrackingConfiguration: {
        TargetValue: 40,
        CustomizedMetricSpecification: { Namespace: 'App', MetricName: 'jobs', Statistic: 'Average' },
      },
    });
    const feed = async (Value: number) => {
      await lab.cloudwatch.putMetricData({
        Namespace: 'App',
        MetricData: [{ MetricName: 'jobs', Value, Timestamp: new Date(now()) }],
      });
      await pass(minute);
    };
    await pass(minute - (now() % minute) + 500);
    await feed(80);
    await feed(80);
    expect(await desired(lab)).toBe(2);
    await feed(80);
    expect(await desired(lab)).toBe(4);
    const alarms = (await lab.cloudwatch.describeAlarms({ StateValue: 'ALARM' })).MetricAlarms?.map(({ AlarmName }) => AlarmName);
    expect(alarms).toEqual([expect.stringMatching(/^TargetTracking-web-AlarmHigh-[0-9a-f-]{36}$/)]);
  });

  test('ASG-025 ASG-027 a simple policy adds its amount once, and then waits for the cooldown, as nothing else does', {
    timeout: 120_000,
  }, async () => {
    const lab = new Scaling(cloud.endpoint);
    await lab.template();
    await lab.group({ DesiredCapacity: 0, MaxSize: 8 });
    const { PolicyARN = '' } = await lab.asg.putScalingPolicy({
      ...web,
      PolicyName: 'three',
      PolicyType: 'SimpleScaling',
      AdjustmentType: 'ChangeInCapacity',
      ScalingAdjustment: 3,
    });
    await lab.cloudwatch.putMetricAlarm({
      AlarmName: 'high',
      Namespace: 'App',
      MetricName: 'load',
      Statistic: 'Average',
      Period: 60,
      EvaluationPeriods: 1,
      Threshold: 70,
      ComparisonOperator: 'GreaterThanThreshold',
      TreatMissingData: 'ignore',
      AlarmActions: [PolicyARN],
    });
    await pass(minute - (now() % minute) + 500);
    const put = (Value: number) =>
      lab.cloudwatch.putMetricData({ Namespace: 'App', MetricData: [{ MetricName: 'load', Value, Timestamp: new Date(now()) }] });
    await put(60);
    await pass(minute);
    expect(await desired(lab)).toBe(0);
    await put(75);
    await pass(minute);
    const { Instances = [] } = await lab.settled(3);
    await pass(2 * minute);
    expect(await desired(lab)).toBe(3);
    await refused(lab.asg.executePolicy({ ...web, PolicyName: 'three', HonorCooldown: true }), 'ScalingActivityInProgress');
    await lab.asg.setDesiredCapacity({ ...web, DesiredCapacity: 4 });
    await lab.settled(4);
    const [first] = Instances;
    await lab.ec2.terminateInstances({ InstanceIds: [first?.InstanceId ?? ''] });
    await eventually(
      async () => expect((await lab.show()).Instances?.map(({ InstanceId }) => InstanceId)).not.toContain(first?.InstanceId),
      { timeoutMs: 60_000, why: 'it has left' },
    );
    await lab.settled(4);
    expect(await desired(lab)).toBe(4);
    await pass(7 * minute);
    expect(await desired(lab)).toBe(7);
  });

  test('ASG-032 burning the processor of the instances scales out', { timeout: 120_000 }, async (context) => {
    context.skip(cloud.limits.length > 0, cloud.limits[0] ?? '');
    const lab = new Scaling(cloud.endpoint);
    const burn = '#!/bin/sh\ntimeout 60 sh -c "while :; do :; done" > /dev/null 2>&1 &\n';
    await lab.template({ UserData: Buffer.from(burn).toString('base64'), Monitoring: { Enabled: true } });
    await lab.group({ DesiredCapacity: 1, MaxSize: 2 });
    await lab.asg.putScalingPolicy({
      ...web,
      PolicyName: 'cpu',
      PolicyType: 'TargetTrackingScaling',
      TargetTrackingConfiguration: {
        TargetValue: 1,
        PredefinedMetricSpecification: { PredefinedMetricType: 'ASGAverageCPUUtilization' },
      },
    });
    await lab.settled(1);
    await eventually(
      async () => {
        await pass(minute);
        expect(await desired(lab)).toBe(2);
      },
      { timeoutMs: 40_000, why: 'the policy scales out' },
    );
    expect((await lab.settled(2)).DesiredCapacity).toBe(2);
  });

  test('ASG-030 a larger breach adds the difference of the larger step while an instance is pending', async () => {
    const lab = new Scaling(cloud.endpoint);
    await lab.template();
    await lab.group({ DesiredCapacity: 1, MaxSize: 5 });
    await lab.settled(1);
    await lab.asg.putLifecycleHook({
      ...web,
      LifecycleHookName: 'wait',
      LifecycleTransition: 'autoscaling:EC2_INSTANCE_LAUNCHING',
    });
    await lab.asg.putScalingPolicy({
      ...web,
      PolicyName: 'out',
      PolicyType: 'StepScaling',
      AdjustmentType: 'ChangeInCapacity',
      StepAdjustments: [
        { MetricIntervalLowerBound: 0, MetricIntervalUpperBound: 10, ScalingAdjustment: 1 },
        { MetricIntervalLowerBound: 10, ScalingAdjustment: 2 },
      ],
    });
    const run = (MetricValue: number) => lab.asg.executePolicy({ ...web, PolicyName: 'out', MetricValue, BreachThreshold: 70 });
    await run(75);
    expect(await desired(lab)).toBe(2);
    await eventually(
      async () => expect((await lab.show()).Instances?.map((one) => one.LifecycleState)).toContain('Pending:Wait'),
      {
        timeoutMs: 60_000,
        why: 'it waits',
      },
    );
    await run(75);
    expect(await desired(lab)).toBe(2);
    await run(85);
    expect(await desired(lab)).toBe(3);
  });
});
