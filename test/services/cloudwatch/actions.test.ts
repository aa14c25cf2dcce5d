import { CloudWatch } from '@aws-sdk/client-cloudwatch';
import { EC2 } from '@aws-sdk/client-ec2';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { admin, advanceClock, eventually, freshAccount, type OwnCloud, startOwnCloud } from '../../support/cloud.ts';
import { Scaling } from '../auto-scaling/support.ts';
import { makeTopic, messaging, subscribedQueue, take } from '../sns/support.ts';

const minute = 60_000;
let cloud: OwnCloud;
beforeAll(async () => {
  cloud = await startOwnCloud();
});
afterAll(async () => void (await cloud.stop()));

test('CW-013 a change of state sends its messages and runs the policy, and the history tells it', async () => {
  const mail = messaging(cloud.endpoint);
  const lab = new Scaling(cloud.endpoint, mail.account);
  const [high, fine] = [await makeTopic(mail.sns, 'high'), await makeTopic(mail.sns, 'fine')];
  const [bad, good] = [await subscribedQueue(mail, high, 'bad'), await subscribedQueue(mail, fine, 'good')];
  await lab.template();
  await lab.group({ DesiredCapacity: 0 });
  await lab.asg.suspendProcesses({ AutoScalingGroupName: 'web', ScalingProcesses: ['Launch'] });
  const { PolicyARN = '' } = await lab.asg.putScalingPolicy({
    AutoScalingGroupName: 'web',
    PolicyName: 'out',
    AdjustmentType: 'ChangeInCapacity',
    ScalingAdjustment: 2,
  });
  await lab.cloudwatch.putMetricAlarm({
    AlarmName: 'load',
    Namespace: 'App',
    MetricName: 'load',
    Statistic: 'Average',
    Period: 60,
    EvaluationPeriods: 1,
    Threshold: 10,
    ComparisonOperator: 'GreaterThanThreshold',
    AlarmActions: [high, PolicyARN, 'arn:aws:sns:us-east-1:000000000000:none'],
    OKActions: [fine],
  });
  const { time } = (await admin('GET', 'clock', undefined, cloud.endpoint)) as { time: string };
  let ahead = Date.parse(time) - Date.now();
  const put = async (Value: number) => {
    const left = minute - ((Date.now() + ahead) % minute) + 500;
    await lab.cloudwatch.putMetricData({
      Namespace: 'App',
      MetricData: [{ MetricName: 'load', Value, Timestamp: new Date(Date.now() + ahead) }],
    });
    ahead += left;
    await advanceClock(cloud.endpoint, left);
  };
  await put(20);
  const [alarming = '{}'] = await take(mail.sqs, bad.url);
  const told = (body: string) => JSON.parse((JSON.parse(body) as { Message: string }).Message) as object;
  expect(told(alarming)).toMatchObject({ AlarmName: 'load', NewStateValue: 'ALARM', OldStateValue: 'INSUFFICIENT_DATA' });
  expect((await lab.show()).DesiredCapacity).toBe(2);
  await put(5);
  const [calm = '{}'] = await take(mail.sqs, good.url);
  expect(told(calm)).toMatchObject({ AlarmName: 'load', NewStateValue: 'OK', OldStateValue: 'ALARM' });
  const { AlarmHistoryItems = [] } = await lab.cloudwatch.describeAlarmHistory({
    AlarmName: 'load',
    ScanBy: 'TimestampAscending',
  });
  const summaries = (type: string) =>
    AlarmHistoryItems.filter(({ HistoryItemType }) => HistoryItemType === type).map(({ HistorySummary }) => HistorySummary);
  expect(summaries('StateUpdate')).toEqual(['Alarm updated from INSUFFICIENT_DATA to ALARM', 'Alarm updated from ALARM to OK']);
  expect(summaries('Action').sort()).toEqual([
    expect.stringMatching(/^Failed to execute action arn:aws:sns:us-east-1:000000000000:none\. Received error: /),
    `Successfully executed action ${PolicyARN}`,
    `Successfully executed action ${fine}`,
    `Successfully executed action ${high}`,
  ]);
});

test('CW-014 an alarm stops, terminates, reboots and recovers its instance', { timeout: 90_000 }, async (context) => {
  context.skip(cloud.limits.length > 0, cloud.limits[0]);
  const account = freshAccount(cloud.endpoint);
  const [ec2, cw] = [new EC2(account.config()), new CloudWatch(account.config())];
  const { Images } = await ec2.describeImages({ Owners: ['amazon'] });
  const { Instances = [] } = await ec2.runInstances({
    ImageId: Images?.[0]?.ImageId,
    InstanceType: 't3.micro',
    MinCount: 4,
    MaxCount: 4,
    MaintenanceOptions: { AutoRecovery: 'disabled' },
    UserData: Buffer.from(
      '#cloud-config\nbootcmd:\n- echo run >> /boots\n- echo boot $(wc -l < /boots) > /dev/console\n',
    ).toString('base64'),
  });
  const ids = Instances.map(({ InstanceId = '' }) => InstanceId);
  const [stopped = '', ended = '', rebooted = '', moved = ''] = ids;
  const stateOf = async (id: string) =>
    (await ec2.describeInstances({ InstanceIds: [id] })).Reservations?.[0]?.Instances?.[0]?.State?.Name;
  const boots = async (id: string) => {
    const { Output = '' } = await ec2.getConsoleOutput({ InstanceId: id, Latest: true });
    return [
      ...Buffer.from(Output, 'base64')
        .toString()
        .matchAll(/boot (\d+)/g),
    ].at(-1)?.[1];
  };
  for (const id of ids)
    await eventually(async () => expect([await stateOf(id), await boots(id)]).toEqual(['running', '1']), {
      timeoutMs: 60_000,
      why: `${id} runs`,
    });
  const alarm = async (verb: string, id: string, MetricName = 'CPUUtilization') => {
    const AlarmActions = [`arn:aws:automate:us-east-1:ec2:${verb}`];
    await cw.putMetricAlarm({
      AlarmName: verb,
      Namespace: 'AWS/EC2',
      MetricName,
      Dimensions: [{ Name: 'InstanceId', Value: id }],
      Statistic: 'Maximum',
      Period: 60,
      EvaluationPeriods: 2,
      Threshold: 0,
      ComparisonOperator: 'GreaterThanThreshold',
      AlarmActions,
    });
    if (MetricName === 'CPUUtilization') await cw.setAlarmState({ AlarmName: verb, StateValue: 'ALARM', StateReason: 'a test' });
    return eventually(
      async () => {
        if (MetricName !== 'CPUUtilization') await advanceClock(cloud.endpoint, minute);
        const { AlarmHistoryItems = [] } = await cw.describeAlarmHistory({ AlarmName: verb, HistoryItemType: 'Action' });
        expect(AlarmHistoryItems[0]?.HistorySummary).toBe(`Successfully executed action ${AlarmActions[0]}`);
      },
      { timeoutMs: 30_000, why: `${verb} is executed` },
    );
  };
  await alarm('stop', stopped);
  await alarm('terminate', ended);
  await alarm('reboot', rebooted);
  const placeOf = async () => ((await admin('GET', `places/${moved}`, undefined, cloud.endpoint)) as { place: string }).place;
  const place = await placeOf();
  await admin('POST', 'chaos/host', { at: moved, down: true }, cloud.endpoint);
  await alarm('recover', moved, 'StatusCheckFailed_System');
  expect(await placeOf()).not.toBe(place);
  const results = { [stopped]: 'stopped', [ended]: 'terminated', [rebooted]: 'running', [moved]: 'running' };
  for (const [id, state] of Object.entries(results))
    await eventually(async () => expect(await stateOf(id)).toBe(state), { timeoutMs: 30_000, why: `${id} is ${state}` });
  for (const id of [rebooted, moved])
    await eventually(async () => expect(await boots(id)).toBe('2'), { timeoutMs: 30_000, why: `${id} has booted again` });
});
