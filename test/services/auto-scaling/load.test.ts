import type { CloudWatch, Statistic } from '@aws-sdk/client-cloudwatch';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { advanceClock, eventually, type OwnCloud, startOwnCloud } from '../../support/cloud.ts';
import { base64 } from '../ec2/support.ts';
import { get, serverScript, Site } from '../elastic-load-balancing-v2/support.ts';
import { Scaling } from './support.ts';

const minute = 60_000;
const web = { AutoScalingGroupName: 'web' };
/** Burns a processor for some real seconds, and is idle from then on. */
const burnFor = (seconds: number) => base64(`#!/bin/sh\ntimeout ${seconds} sh -c "while :; do :; done" > /dev/null 2>&1 &\n`);

describe('groups under real load', () => {
  let cloud: OwnCloud;
  let ahead = 0;
  beforeAll(async () => {
    cloud = await startOwnCloud();
  });
  afterAll(async () => void (await cloud.stop()));

  const pass = async (minutes: number): Promise<void> => {
    ahead += minutes * minute;
    await advanceClock(cloud.endpoint, minutes * minute);
  };
  const desired = async (lab: Scaling) => (await lab.show()).DesiredCapacity;
  /** Lets minutes go by until the group wants this many. */
  const comesTo = (lab: Scaling, count: number, why: string) =>
    eventually(
      async () => {
        await pass(1);
        expect(await desired(lab)).toBe(count);
      },
      { timeoutMs: 60_000, why },
    );

  const points = async (cw: CloudWatch, name: string, value: string, Statistics: Statistic[], MetricName = 'CPUUtilization') => {
    const { Datapoints = [] } = await cw.getMetricStatistics({
      Namespace: 'AWS/EC2',
      MetricName,
      Dimensions: [{ Name: name, Value: value }],
      StartTime: new Date(Date.now() - 60 * minute),
      EndTime: new Date(Date.now() + ahead + minute),
      Period: 60,
      Statistics,
    });
    return Datapoints.sort((a, b) => (a.Timestamp?.getTime() ?? 0) - (b.Timestamp?.getTime() ?? 0));
  };

  test('ASG-022 two alarms with a policy each scale out and in as the load rises and falls', {
    timeout: 120_000,
  }, async (context) => {
    context.skip(cloud.limits.length > 0, cloud.limits[0] ?? '');
    const lab = new Scaling(cloud.endpoint);
    await lab.template({ UserData: burnFor(8), Monitoring: { Enabled: true } });
    await lab.group({ MinSize: 1, DesiredCapacity: 1, MaxSize: 2 });
    for (const [name, ScalingAdjustment, ComparisonOperator, Threshold] of [
      ['high', 1, 'GreaterThanThreshold', 4],
      ['low', -1, 'LessThanThreshold', 2],
    ] as const) {
      const { PolicyARN = '' } = await lab.asg.putScalingPolicy({
        ...web,
        PolicyName: name,
        AdjustmentType: 'ChangeInCapacity',
        ScalingAdjustment,
        Cooldown: 60,
      });
      await lab.cloudwatch.putMetricAlarm({
        AlarmName: name,
        Namespace: 'AWS/EC2',
        MetricName: 'CPUUtilization',
        Dimensions: [{ Name: 'AutoScalingGroupName', Value: 'web' }],
        Statistic: 'Average',
        Period: 60,
        EvaluationPeriods: 2,
        Threshold,
        ComparisonOperator,
        AlarmActions: [PolicyARN],
      });
    }
    await lab.settled(1);
    await comesTo(lab, 2, 'the load brings a second instance');
    await lab.settled(2);
    await comesTo(lab, 1, 'idleness takes one away');
    await lab.settled(1);
    const causes = (await lab.activities()).map(({ Cause }) => Cause);
    expect(causes[0]).toMatch(
      /a monitor alarm low in state ALARM triggered policy low changing the desired capacity from 2 to 1/,
    );
    expect(causes[1]).toMatch(
      /a monitor alarm high in state ALARM triggered policy high changing the desired capacity from 1 to 2/,
    );
  });

  test('ASG-031 target tracking makes two alarms, goes up to the maximum, settles at its target and shrinks to the minimum', {
    timeout: 150_000,
  }, async (context) => {
    context.skip(cloud.limits.length > 0, cloud.limits[0] ?? '');
    const lab = new Scaling(cloud.endpoint);
    await lab.template({ UserData: burnFor(10), Monitoring: { Enabled: true } });
    await lab.group({ MinSize: 1, DesiredCapacity: 1, MaxSize: 2, DefaultInstanceWarmup: 0 });
    await lab.asg.putScalingPolicy({
      ...web,
      PolicyName: 'cpu',
      PolicyType: 'TargetTrackingScaling',
      TargetTrackingConfiguration: {
        TargetValue: 4,
        PredefinedMetricSpecification: { PredefinedMetricType: 'ASGAverageCPUUtilization' },
      },
    });
    const { MetricAlarms } = await lab.cloudwatch.describeAlarms({ AlarmNamePrefix: 'TargetTracking-web-' });
    expect(MetricAlarms?.map(({ Threshold }) => Threshold)).toEqual([4, 3.6]);
    await lab.settled(1);
    await comesTo(lab, 2, 'the load asks for the maximum');
    await lab.settled(2);
    for (let count = 0; count < 3; count += 1) {
      await pass(1);
      expect(await desired(lab)).toBeLessThanOrEqual(2);
    }
    await comesTo(lab, 1, 'an idle group shrinks to its minimum');
    expect((await lab.settled(1)).DesiredCapacity).toBe(1);
    // A load that is shared by the instances: 160 per cent of one.
    const shared = new Scaling(cloud.endpoint);
    await shared.template();
    await shared.group({ MinSize: 1, DesiredCapacity: 2, MaxSize: 6, DefaultInstanceWarmup: 0 });
    await shared.asg.putScalingPolicy({
      ...web,
      PolicyName: 'load',
      PolicyType: 'TargetTrackingScaling',
      TargetTrackingConfiguration: {
        TargetValue: 40,
        CustomizedMetricSpecification: { Namespace: 'App', MetricName: 'load', Statistic: 'Average' },
      },
    });
    const feed = async (total: number) => {
      const Value = total / ((await shared.settled((await desired(shared)) ?? 1)).Instances?.length ?? 1);
      await shared.cloudwatch.putMetricData({
        Namespace: 'App',
        MetricData: [{ MetricName: 'load', Value, Timestamp: new Date(Date.now() + ahead) }],
      });
      await pass(1);
    };
    for (let count = 0; count < 12; count += 1) await feed(160);
    expect(await desired(shared)).toBe(4);
    for (let count = 0; count < 8; count += 1) await feed(900);
    expect(await desired(shared)).toBe(6);
  });

  test('ASG-034 bytes that instances receive and send scale out', { timeout: 120_000 }, async (context) => {
    context.skip(cloud.limits.length > 0, cloud.limits[0] ?? '');
    const lab = new Scaling(cloud.endpoint);
    const transfer = `#!/bin/bash
url=http://169.254.169.254/latest
for round in $(seq 2000); do
  token=$(curl -s -X PUT -H 'X-aws-ec2-metadata-token-ttl-seconds: 60' $url/api/token)
  curl -s -H "X-aws-ec2-metadata-token: $token" $url/meta-data/ > /dev/null
done &
`;
    await lab.template({ UserData: base64(transfer), Monitoring: { Enabled: true } });
    await lab.group({ DesiredCapacity: 1, MaxSize: 2 });
    for (const direction of ['In', 'Out'] as const)
      await lab.asg.putScalingPolicy({
        ...web,
        PolicyName: direction,
        PolicyType: 'TargetTrackingScaling',
        TargetTrackingConfiguration: {
          TargetValue: 5000,
          PredefinedMetricSpecification: { PredefinedMetricType: `ASGAverageNetwork${direction}` },
        },
      });
    await lab.settled(1);
    let last = Date.now();
    await eventually(
      async () => {
        // Bytes move in real time: a minute of the cloud has to hold some of it.
        if (Date.now() - last > 400) {
          last = Date.now();
          await pass(1);
        }
        expect(await desired(lab)).toBe(2);
      },
      { timeoutMs: 60_000, why: 'bytes scale out' },
    );
    for (const MetricName of ['NetworkIn', 'NetworkOut']) {
      const seen = (await points(lab.cloudwatch, 'AutoScalingGroupName', 'web', ['Average'], MetricName)).map(
        ({ Average = 0 }) => Average,
      );
      expect(Math.max(...seen)).toBeGreaterThan(5000);
    }
    await lab.settled(2);
    expect((await lab.activities())[0]?.Cause).toMatch(
      /a monitor alarm TargetTracking-web-AlarmHigh-\S+ in state ALARM triggered policy (In|Out)/,
    );
  });

  test('CW-003 CW-004 points of a group come as its template says, over all its instances', {
    timeout: 180_000,
  }, async (context) => {
    context.skip(cloud.limits.length > 0, cloud.limits[0] ?? '');
    const spacing = (found: readonly { Timestamp?: Date | undefined }[]) =>
      new Set(
        found.slice(1).map((one, index) => ((one.Timestamp?.getTime() ?? 0) - (found[index]?.Timestamp?.getTime() ?? 0)) / 1000),
      );
    const [basic, detailed] = [new Scaling(cloud.endpoint), new Scaling(cloud.endpoint)];
    await basic.template({ Monitoring: { Enabled: false } });
    await basic.group({ DesiredCapacity: 1 });
    // One of the two zones burns its processors, the other is idle.
    const oneZone = `#!/bin/bash
url=http://169.254.169.254/latest
token=$(curl -s --retry 5 --retry-all-errors -X PUT -H 'X-aws-ec2-metadata-token-ttl-seconds: 60' $url/api/token)
zone=$(curl -s --retry 5 --retry-all-errors -H "X-aws-ec2-metadata-token: $token" $url/meta-data/placement/availability-zone)
if [ "$zone" = us-east-1a ]; then timeout 120 sh -c 'while :; do :; done' > /dev/null 2>&1 & fi
`;
    await detailed.template({ Monitoring: { Enabled: true }, UserData: base64(oneZone) });
    await detailed.group({ DesiredCapacity: 2 });
    await basic.settled(1);
    await detailed.settled(2);
    const shown = await detailed.instances();
    const of = async (zone: string) => {
      const id = shown.find(({ Placement }) => Placement?.AvailabilityZone === zone)?.InstanceId ?? '';
      return points(detailed.cloudwatch, 'InstanceId', id, ['Average']);
    };
    await eventually(
      async () => {
        await pass(1);
        expect((await of('us-east-1a')).at(-1)?.Average).toBeGreaterThan(4);
      },
      { timeoutMs: 90_000, why: 'the load shows' },
    );
    await pass(20);
    const together = await points(detailed.cloudwatch, 'AutoScalingGroupName', 'web', ['Average', 'Maximum', 'SampleCount']);
    const [busy, idle] = [await of('us-east-1a'), await of('us-east-1b')];
    const both = together.filter(({ SampleCount }) => SampleCount === 2);
    expect(both.length).toBeGreaterThanOrEqual(15);
    expect(spacing(both)).toEqual(new Set([60]));
    for (const point of both.slice(-5)) {
      const at = (list: typeof busy) =>
        list.find(({ Timestamp }) => Timestamp?.getTime() === point.Timestamp?.getTime())?.Average ?? -1;
      expect(at(busy)).toBeGreaterThan(at(idle));
      expect(point.Average).toBeCloseTo((at(busy) + at(idle)) / 2, 6);
      expect(point.Maximum).toBeCloseTo(at(busy), 6);
    }
    const rare = await points(basic.cloudwatch, 'AutoScalingGroupName', 'web', ['Average']);
    expect(rare.length).toBeGreaterThanOrEqual(3);
    expect(spacing(rare)).toEqual(new Set([300]));
  });

  test('ASG-019 ASG-033 requests per target scale out, and a leaving instance ends the request that it serves', {
    timeout: 150_000,
  }, async (context) => {
    context.skip(cloud.limits.length > 0, cloud.limits[0] ?? '');
    const site = new Site(cloud.endpoint, cloud.data);
    await site.build();
    const lab = new Scaling(cloud.endpoint, site.lab.account);
    const arn = await site.group('web');
    const balancer = await site.balancer('web');
    await site.forward(balancer.LoadBalancerArn ?? '', arn);
    await lab.template({ SecurityGroupIds: [site.serverGroup], UserData: base64(serverScript('web')) });
    await lab.group({
      AvailabilityZones: undefined,
      VPCZoneIdentifier: site.subnets.join(','),
      TargetGroupARNs: [arn],
      DesiredCapacity: 1,
    });
    await lab.settled(1);
    await site.all(arn, 'healthy');
    const label = `${balancer.LoadBalancerArn?.split(':loadbalancer/')[1]}/${arn.split(':').at(-1)}`;
    await lab.asg.putScalingPolicy({
      ...web,
      PolicyName: 'requests',
      PolicyType: 'TargetTrackingScaling',
      TargetTrackingConfiguration: {
        TargetValue: 4,
        PredefinedMetricSpecification: { PredefinedMetricType: 'ALBRequestCountPerTarget', ResourceLabel: label },
      },
    });
    const [node = ''] = Object.values(await site.nodes(balancer.LoadBalancerArn ?? ''));
    const ask = (path: string) => get(node, path, { data: cloud.data });
    await eventually(
      async () => {
        await Promise.all(Array.from({ length: 8 }, () => ask('/')));
        await pass(1);
        expect(await desired(lab)).toBe(2);
      },
      { timeoutMs: 60_000, why: 'more than four requests a minute for one target scale out' },
    );
    await lab.settled(2);
    expect((await lab.activities())[0]?.Cause).toMatch(/triggered policy requests changing the desired capacity from 1 to 2/);
    await lab.asg.deletePolicy({ ...web, PolicyName: 'requests' });
    await lab.asg.setDesiredCapacity({ ...web, DesiredCapacity: 1 });
    await pass(10);
    const [last] = (await lab.settled(1)).Instances ?? [];
    await eventually(async () => expect(Object.values(await site.health(arn))).toEqual(['healthy']), {
      timeoutMs: 30_000,
      why: 'one target is left',
    });
    const slow = ask('/slow?4');
    await eventually(async () => expect((await ask('/log')).body).toContain('/slow?4'), { why: 'the request has arrived' });
    await lab.asg.setDesiredCapacity({ ...web, DesiredCapacity: 0 });
    await eventually(async () => expect(Object.values(await site.health(arn))).toEqual(['draining']), { why: 'it drains' });
    expect((await lab.show()).Instances).toMatchObject([{ InstanceId: last?.InstanceId, LifecycleState: 'Terminating' }]);
    expect((await lab.instances()).map(({ InstanceId }) => InstanceId)).toEqual([last?.InstanceId]);
    expect((await lab.activities())[0]?.StatusCode).toBe('WaitingForELBConnectionDraining');
    expect(await slow).toMatchObject({ status: 200 });
    // Nothing is under way any more: it need not wait for the delay.
    await lab.settled(0);
    expect(await lab.instances()).toEqual([]);
  });
});
