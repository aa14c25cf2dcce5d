import { IAM } from '@aws-sdk/client-iam';
import { SQS } from '@aws-sdk/client-sqs';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { advanceClock, cloudTime, eventually, type OwnCloud, refused, startOwnCloud } from '../../support/cloud.ts';
import { arnOf, makeQueue, receive } from '../sqs/support.ts';
import { Scaling } from './support.ts';

const minute = 60_000;
const web = { AutoScalingGroupName: 'web' };
let cloud: OwnCloud;
beforeAll(async () => {
  cloud = await startOwnCloud();
});
afterAll(async () => void (await cloud.stop()));

test("a hook's message goes out with the rights of its role, and not without them", async () => {
  const lab = new Scaling(cloud.endpoint);
  const [iam, sqs] = [new IAM(lab.account.config()), new SQS(lab.account.config())];
  const url = await makeQueue(sqs, 'hooks');
  const arn = await arnOf(sqs, url);
  const { Role } = await iam.createRole({
    RoleName: 'hooks',
    AssumeRolePolicyDocument: JSON.stringify({
      Version: '2012-10-17',
      Statement: [{ Effect: 'Allow', Principal: { Service: 'autoscaling.amazonaws.com' }, Action: 'sts:AssumeRole' }],
    }),
  });
  await lab.template();
  await lab.group({ DesiredCapacity: 0 });
  const hook = { ...web, LifecycleHookName: 'warm', LifecycleTransition: 'autoscaling:EC2_INSTANCE_LAUNCHING' };
  await lab.asg.putLifecycleHook({ ...hook, NotificationTargetARN: arn, RoleARN: Role?.Arn });
  const waiting = (count: number) =>
    eventually(
      async () =>
        expect((await lab.show()).Instances?.map(({ LifecycleState }) => LifecycleState)).toEqual(
          Array.from({ length: count }, () => 'Pending:Wait'),
        ),
      { timeoutMs: 30_000, why: `${count} wait` },
    );
  await lab.asg.setDesiredCapacity({ ...web, DesiredCapacity: 1 });
  await waiting(1);
  expect(await receive(sqs, url, { WaitTimeSeconds: 1 })).toEqual([]);
  const Statement = [{ Effect: 'Allow', Action: ['sqs:SendMessage', 'sqs:GetQueueUrl'], Resource: arn }];
  await iam.putRolePolicy({
    RoleName: 'hooks',
    PolicyName: 'send',
    PolicyDocument: JSON.stringify({ Version: '2012-10-17', Statement }),
  });
  await lab.asg.setDesiredCapacity({ ...web, DesiredCapacity: 2 });
  await waiting(2);
  const [message] = await receive(sqs, url, { WaitTimeSeconds: 5 });
  expect(JSON.parse(message?.Body ?? '{}')).toMatchObject({ LifecycleHookName: 'warm', Service: 'AWS Auto Scaling' });
});

test('a step is chosen by the least, the most or the mean of the evaluated points', { timeout: 60_000 }, async () => {
  let ahead = (await cloudTime(cloud.endpoint)) - Date.now();
  const nextMinute = async () => {
    const left = minute - ((Date.now() + ahead) % minute) + 500;
    ahead += left;
    await advanceClock(cloud.endpoint, left);
  };
  const desired: (number | undefined)[] = [];
  for (const MetricAggregationType of ['Minimum', 'Average', 'Maximum']) {
    const lab = new Scaling(cloud.endpoint);
    await lab.template();
    await lab.group({ DesiredCapacity: 0, MaxSize: 9 });
    await lab.asg.suspendProcesses({ ...web, ScalingProcesses: ['Launch'] });
    const put = { ...web, PolicyName: 'out', PolicyType: 'StepScaling', AdjustmentType: 'ExactCapacity' };
    await refused(
      lab.asg.putScalingPolicy({
        ...put,
        MetricAggregationType: 'Median',
        StepAdjustments: [{ MetricIntervalLowerBound: 0, ScalingAdjustment: 1 }],
      }),
      'ValidationError',
      'Invalid MetricAggregationType: Median.',
    );
    const { PolicyARN = '' } = await lab.asg.putScalingPolicy({
      ...put,
      MetricAggregationType,
      StepAdjustments: [
        { MetricIntervalLowerBound: 0, MetricIntervalUpperBound: 20, ScalingAdjustment: 1 },
        { MetricIntervalLowerBound: 20, MetricIntervalUpperBound: 40, ScalingAdjustment: 2 },
        { MetricIntervalLowerBound: 40, ScalingAdjustment: 3 },
      ],
    });
    await lab.cloudwatch.putMetricAlarm({
      AlarmName: 'load',
      Namespace: 'App',
      MetricName: 'load',
      Statistic: 'Average',
      Period: 60,
      EvaluationPeriods: 2,
      Threshold: 50,
      ComparisonOperator: 'GreaterThanThreshold',
      AlarmActions: [PolicyARN],
    });
    await nextMinute();
    for (const Value of [60, 100]) {
      await lab.cloudwatch.putMetricData({
        Namespace: 'App',
        MetricData: [{ MetricName: 'load', Value, Timestamp: new Date(Date.now() + ahead) }],
      });
      await nextMinute();
    }
    desired.push((await lab.show()).DesiredCapacity);
  }
  expect(desired).toEqual([1, 2, 3]);
});
