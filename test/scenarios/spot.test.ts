/** The time site with Spot Instances above its base: what visitors see when one is interrupted, or likely to be. */
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { Scaling } from '../services/auto-scaling/support.ts';
import { base64 } from '../services/ec2/support.ts';
import { get, serverScript, Site } from '../services/elastic-load-balancing-v2/support.ts';
import { admin, advanceClock, eventually, machinesRefused, type OwnCloud, startOwnCloud } from '../support/cloud.ts';

let cloud: OwnCloud;
let site: Site;
let lab: Scaling;
let targets = '';
let node = '';

beforeEach((context) => context.skip(machinesRefused() !== undefined, machinesRefused()));

beforeAll(async () => {
  if (machinesRefused() !== undefined) return;
  cloud = await startOwnCloud();
  site = new Site(cloud.endpoint, cloud.data);
  await site.build();
  lab = new Scaling(cloud.endpoint, site.lab.account);
  targets = await site.group('web');
  const { LoadBalancerArn: balancer = '' } = await site.balancer('web');
  await site.forward(balancer, targets);
  [node = ''] = Object.values(await site.nodes(balancer));
  await lab.template({ SecurityGroupIds: [site.serverGroup], UserData: base64(serverScript('web')) });
  await lab.group({
    AvailabilityZones: undefined,
    VPCZoneIdentifier: site.subnets.join(','),
    TargetGroupARNs: [targets],
    HealthCheckType: 'ELB',
    HealthCheckGracePeriod: 600,
    MinSize: 2,
    MaxSize: 2,
    DesiredCapacity: 2,
    MixedInstancesPolicy: {
      LaunchTemplate: { LaunchTemplateSpecification: { LaunchTemplateName: 'web', Version: '$Latest' } },
      InstancesDistribution: { OnDemandBaseCapacity: 1, OnDemandPercentageAboveBaseCapacity: 0 },
    },
  });
  await lab.settled(2);
  await site.all(targets, 'healthy');
}, 90_000);

afterAll(async () => {
  if (cloud !== undefined) expect(await cloud.stop()).not.toContain('by a bug of Pilvi');
});

const members = async () => (await lab.show()).Instances?.map(({ InstanceId = '' }) => InstanceId) ?? [];
const spotOne = async (): Promise<string> =>
  (await lab.instances()).find(({ InstanceLifecycle }) => InstanceLifecycle === 'spot')?.InstanceId ?? '';

/** Asks one request after another, from three visitors, while something happens; every answer must be the site's. */
async function visited(what: () => Promise<void>): Promise<void> {
  const asked: number[] = [];
  let asking = true;
  const visitor = async (): Promise<void> => {
    while (asking) asked.push((await get(node, '/', { data: cloud.data })).status);
  };
  const visitors = Promise.all([visitor(), visitor(), visitor()]);
  try {
    await what();
    const before = asked.length;
    await eventually(() => expect(asked.length).toBeGreaterThan(before + 20), { timeoutMs: 30_000, why: 'the visitors ask on' });
  } finally {
    asking = false;
    await visitors;
  }
  const lost = asked.filter((status) => status !== 200);
  expect(lost, `${lost.length} of ${asked.length} requests lost`).toEqual([]);
}

test('SCN-016 a Spot Instance ends after its two minutes, the group replaces it, and the site goes on answering', async () => {
  const spot = await spotOne();
  await visited(async () => {
    await admin('POST', 'chaos/spot', { spot, down: true }, cloud.endpoint);
    await advanceClock(cloud.endpoint, 60_000);
    expect(await members()).toContain(spot);
    await advanceClock(cloud.endpoint, 61_000);
    await eventually(
      async () => {
        await advanceClock(cloud.endpoint, 5_000);
        const ids = await members();
        expect([ids.length, ids.includes(spot)]).toEqual([2, false]);
      },
      { timeoutMs: 60_000, why: 'the group replaces it' },
    );
    await lab.settled(2);
    await site.all(targets, 'healthy');
  });
  const lifecycles = (await lab.instances()).map(({ InstanceLifecycle = 'on-demand' }) => InstanceLifecycle);
  expect(lifecycles.sort()).toEqual(['on-demand', 'spot']);
  const { SpotInstanceRequests: requests = [] } = await lab.ec2.describeSpotInstanceRequests({
    Filters: [{ Name: 'instance-id', Values: [spot] }],
  });
  expect(requests[0]).toMatchObject({ State: 'closed', Status: { Code: 'instance-terminated-no-capacity' } });
}, 150_000);

test('with Capacity Rebalancing an instance at risk leaves once another has taken its place, and nobody notices', async () => {
  const spot = await spotOne();
  expect((await lab.show()).CapacityRebalance).toBe(false);
  // Without it a recommendation changes nothing.
  await admin('POST', 'chaos/rebalance', { spot }, cloud.endpoint);
  await advanceClock(cloud.endpoint, 30_000);
  expect(await members()).toHaveLength(2);
  await expect(admin('POST', 'chaos/rebalance', { spot: 'i-0123456789abcdef0' }, cloud.endpoint)).rejects.toThrow();
  const seen = new Set<number>();
  await visited(async () => {
    await lab.asg.updateAutoScalingGroup({ AutoScalingGroupName: 'web', CapacityRebalance: true });
    await eventually(
      async () => {
        await advanceClock(cloud.endpoint, 5_000);
        const ids = await members();
        seen.add(ids.length);
        expect([ids.length, ids.includes(spot)]).toEqual([2, false]);
      },
      { timeoutMs: 60_000, why: 'another takes its place' },
    );
  });
  // One beyond the maximum, for as long as it takes.
  expect([...seen].sort()).toEqual([2, 3]);
  expect((await lab.show()).CapacityRebalance).toBe(true);
  await lab.settled(2);
  const causes = (await lab.activities()).map(({ Cause }) => Cause);
  const words = 'in response to an EC2 instance rebalance recommendation.';
  expect(causes).toContainEqual(expect.stringMatching(new RegExp(`^At \\S+ an instance was launched ${words}$`)));
  expect(causes).toContainEqual(expect.stringMatching(new RegExp(`^At \\S+ an instance was taken out of service ${words}$`)));
}, 150_000);
