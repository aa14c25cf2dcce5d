import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { advanceClock, eventually, type OwnCloud, refused, startOwnCloud } from '../../support/cloud.ts';
import { agentScript, base64 } from '../ec2/support.ts';
import { get, Site } from '../elastic-load-balancing-v2/support.ts';
import { Scaling } from './support.ts';

const web = { AutoScalingGroupName: 'web' };

describe('target groups', () => {
  let cloud: OwnCloud;
  beforeAll(async () => {
    cloud = await startOwnCloud();
  });
  afterAll(async () => void (await cloud.stop()));

  test('ASG-016 ASG-017 ASG-018 instances are registered, take traffic, and are replaced when the load balancer calls them unhealthy', {
    timeout: 150_000,
  }, async (context) => {
    context.skip(cloud.limits.length > 0, cloud.limits[0] ?? '');
    const site = new Site(cloud.endpoint, cloud.data);
    await site.build();
    const lab = new Scaling(cloud.endpoint, site.lab.account);
    const arn = await site.group('web', { HealthCheckPath: '/?true' });
    const balancer = await site.balancer('web');
    await site.forward(balancer.LoadBalancerArn ?? '', arn);
    await lab.template({ SecurityGroupIds: [site.serverGroup], UserData: base64(agentScript) });
    const gone = arn.replace('targetgroup/web', 'targetgroup/gone');
    await refused(
      lab.group({ TargetGroupARNs: [gone] }),
      'ValidationError',
      'Provided Target Groups may not be valid. Please ensure they exist and try again.',
    );
    await lab.group({
      AvailabilityZones: undefined,
      VPCZoneIdentifier: site.subnets.join(','),
      TargetGroupARNs: [arn],
      DesiredCapacity: 2,
    });
    const inService = async (count: number) =>
      (await lab.settled(count)).Instances?.map(({ InstanceId }) => `${InstanceId}:80`).sort();
    const first = await inService(2);
    expect(Object.keys(await site.health(arn)).sort()).toEqual(first);
    await site.all(arn, 'healthy');
    const [node = ''] = Object.values(await site.nodes(balancer.LoadBalancerArn ?? ''));
    const names = async () => {
      const bodies: string[] = [];
      for (let count = 0; count < 12; count += 1) bodies.push((await get(node, '/?hostname', { data: cloud.data })).body);
      return new Set(bodies).size;
    };
    expect(await names()).toBe(2);
    await lab.asg.setDesiredCapacity({ ...web, DesiredCapacity: 3 });
    expect(await inService(3)).toEqual(Object.keys(await site.health(arn)).sort());
    await site.all(arn, 'healthy');
    expect(await names()).toBe(3);
    // The server dies, the instance goes on: nothing to the group while it looks at EC2 alone.
    await get(node, '/?pkill%20-9%20-f%20agent.py', { data: cloud.data });
    const ill = await eventually(
      async () => {
        const [key] = Object.entries(await site.health(arn)).find(([, state]) => state === 'unhealthy') ?? [];
        expect(key).toBeDefined();
        return key!.split(':')[0]!;
      },
      { timeoutMs: 40_000, why: 'a target is unhealthy' },
    );
    await advanceClock(cloud.endpoint, 60_000);
    expect((await lab.settled(3)).Instances?.map(({ InstanceId }) => InstanceId)).toContain(ill);
    await lab.asg.updateAutoScalingGroup({ ...web, HealthCheckType: 'ELB', HealthCheckGracePeriod: 3600 });
    await advanceClock(cloud.endpoint, 60_000);
    expect((await lab.settled(3)).Instances?.map(({ InstanceId }) => InstanceId)).toContain(ill);
    await advanceClock(cloud.endpoint, 3_600_000);
    await eventually(
      async () =>
        expect((await lab.activities()).map(({ Cause }) => Cause)).toContainEqual(
          expect.stringMatching(/in response to an ELB system health check failure\.$/),
        ),
      { timeoutMs: 20_000, why: 'it is taken out' },
    );
    // Within that hour it may have been drained, too.
    expect([undefined, 'draining']).toContain((await site.health(arn))[`${ill}:80`]);
    await advanceClock(cloud.endpoint, 400_000);
    await eventually(async () => expect(Object.keys(await site.health(arn))).not.toContain(`${ill}:80`), {
      timeoutMs: 30_000,
      why: 'it is drained',
    });
    const last = await inService(3);
    expect(Object.keys(await site.health(arn)).sort()).toEqual(last);
  });
});
