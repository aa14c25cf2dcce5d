/** Health checks, draining and metrics by the cloud's clock: in a cloud of its own. */
import { CloudWatchClient, GetMetricStatisticsCommand, ListMetricsCommand } from '@aws-sdk/client-cloudwatch';
import {
  DeregisterTargetsCommand,
  DescribeTargetGroupsCommand,
  DescribeTargetHealthCommand,
  ModifyTargetGroupAttributesCommand,
  ModifyTargetGroupCommand,
  RegisterTargetsCommand,
} from '@aws-sdk/client-elastic-load-balancing-v2';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { admin, advanceClock, eventually, machinesRefused, type OwnCloud, startOwnCloud } from '../../support/cloud.ts';
import { echo, get, raw, Site } from './support.ts';

let cloud: OwnCloud;
let site: Site;
let arn = '';
let group = '';
let node = '';
let servers: string[] = [];

beforeEach((context) => context.skip(machinesRefused() !== undefined, machinesRefused()));

beforeAll(async () => {
  if (machinesRefused() !== undefined) return;
  cloud = await startOwnCloud();
  site = new Site(cloud.endpoint, cloud.data);
  await site.build('10.2');
  servers = await Promise.all([site.server('a', 0), site.server('b', 1)]);
  group = await site.group(
    'web',
    {
      HealthCheckPort: '8080',
      HealthCheckIntervalSeconds: undefined,
      HealthCheckTimeoutSeconds: undefined,
      HealthyThresholdCount: undefined,
    },
    servers,
  );
  arn = (await site.balancer('health')).LoadBalancerArn!;
  await site.forward(arn, group);
  // Targets that were not up at the first look are looked at again after an interval.
  await eventually(
    async () => {
      await advanceClock(cloud.endpoint, 30_000);
      expect(Object.values(await site.health(group))).toEqual(['healthy', 'healthy']);
    },
    { why: 'both are healthy', timeoutMs: 30_000 },
  );
  node = (await site.nodes(arn))['us-east-1a']!;
}, 120_000);

afterAll(async () => {
  if (cloud !== undefined) expect(await cloud.stop()).not.toContain('by a bug of Pilvi');
});

const on = {
  get data() {
    return cloud.data;
  },
};
const namesIn = async (rounds: number): Promise<string[]> => {
  const seen = new Set<string>();
  for (let round = 0; round < rounds; round += 1) seen.add((await echo(node, '/', on)).name);
  return [...seen].sort();
};
/** Sets the status of /health on the server of that name. */
const setHealth = (name: string, status: number): Promise<void> =>
  eventually(
    async () => {
      const probe = await echo(node, '/', on);
      expect(probe.name).not.toBe(name);
      expect((await get(node, `/set?${status}`, on)).status).toBe(200);
    },
    { why: `${name} answers ${status}` },
  );

test('ALB-018 ELB-012 a new group is checked with GET / every 30 seconds, healthy after five and unhealthy after two', async () => {
  const plain = await site.group('plain', {
    HealthCheckPath: undefined,
    HealthCheckIntervalSeconds: undefined,
    HealthCheckTimeoutSeconds: undefined,
    HealthyThresholdCount: undefined,
  });
  const { TargetGroups } = await site.elb.send(new DescribeTargetGroupsCommand({ TargetGroupArns: [plain] }));
  expect(TargetGroups![0]).toMatchObject({
    HealthCheckPath: '/',
    HealthCheckProtocol: 'HTTP',
    HealthCheckPort: 'traffic-port',
    HealthCheckIntervalSeconds: 30,
    HealthCheckTimeoutSeconds: 5,
    HealthyThresholdCount: 5,
    UnhealthyThresholdCount: 2,
    Matcher: { HttpCode: '200' },
  });
  // Of both servers: requests take turns.
  const count = async (): Promise<number> => {
    const logs = [await get(node, '/log', on), await get(node, '/log', on)].map(({ body }) => body).join();
    return [...logs.matchAll(/8080 GET \/health ELB-HealthChecker\/2\.0/g)].length;
  };
  const before = await count();
  await advanceClock(cloud.endpoint, 30_000);
  // Each of the two nodes asks each of the two servers.
  await eventually(async () => expect(await count()).toBe(before + 4), { why: 'one round of checks was seen' });
});

test('ELB-013 ALB-045 a target that fails its checks gets no requests until it has recovered', async () => {
  await advanceClock(cloud.endpoint, 120_000);
  await setHealth('b', 500);
  await advanceClock(cloud.endpoint, 30_000);
  await advanceClock(cloud.endpoint, 30_000);
  await eventually(async () => expect(Object.values(await site.health(group)).sort()).toEqual(['healthy', 'unhealthy']), {
    why: 'one is unhealthy',
  });
  const found = await site.elb.send(new DescribeTargetHealthCommand({ TargetGroupArn: group }));
  expect(found.TargetHealthDescriptions!.find(({ TargetHealth }) => TargetHealth?.State === 'unhealthy')!.TargetHealth).toEqual({
    State: 'unhealthy',
    Reason: 'Target.ResponseCodeMismatch',
    Description: 'Health checks failed with these codes: [500]',
  });
  await eventually(async () => expect(await namesIn(20)).toHaveLength(1), { why: 'one of them answers alone' });
  const cloudwatch = new CloudWatchClient(site.lab.account.config({ endpoint: cloud.endpoint }));
  await advanceClock(cloud.endpoint, 120_000);
  const bounds = async (MetricName: string): Promise<number[]> => {
    const stats = await cloudwatch.send(
      new GetMetricStatisticsCommand({
        Namespace: 'AWS/ApplicationELB',
        MetricName,
        Dimensions: [
          { Name: 'LoadBalancer', Value: arn.split(':loadbalancer/')[1]! },
          { Name: 'TargetGroup', Value: group.split(':').at(-1)! },
        ],
        StartTime: new Date(Date.now() - 3_600_000),
        EndTime: new Date(Date.now() + 7_200_000),
        Period: 60,
        Statistics: ['Minimum', 'Maximum'],
      }),
    );
    const sorted = stats.Datapoints!.sort((a, b) => a.Timestamp!.getTime() - b.Timestamp!.getTime());
    return [
      Math.max(...sorted.map((each) => each.Maximum!)),
      sorted.at(-1)!.Minimum!,
      Math.min(...sorted.map((each) => each.Minimum!)),
    ];
  };
  await eventually(
    async () => {
      // The highest, the latest, the lowest.
      expect((await bounds('HealthyHostCount')).slice(0, 2)).toEqual([2, 1]);
      expect(await bounds('UnHealthyHostCount')).toEqual([1, 1, 0]);
    },
    { why: 'the metrics show it' },
  );
});

test('ELB-013 ELB-014 with no healthy target all get requests, and those that recover get theirs again', async () => {
  await get(node, '/set?500', on);
  await advanceClock(cloud.endpoint, 60_000);
  await eventually(async () => expect(Object.values(await site.health(group))).toEqual(['unhealthy', 'unhealthy']), {
    why: 'both are unhealthy',
  });
  await eventually(async () => expect(await namesIn(20)).toEqual(['a', 'b']), { why: 'both answer' });
  for (let round = 0; round < 4; round += 1) await get(node, '/set?200', on);
  await advanceClock(cloud.endpoint, 180_000);
  await eventually(async () => expect(Object.values(await site.health(group))).toEqual(['healthy', 'healthy']), {
    why: 'both recovered',
  });
  expect(await namesIn(20)).toEqual(['a', 'b']);
});

test('ALB-019 a matcher names the codes that pass', async () => {
  await site.elb.send(new ModifyTargetGroupCommand({ TargetGroupArn: group, HealthCheckPath: '/status?204' }));
  await advanceClock(cloud.endpoint, 30_000);
  const found = await site.elb.send(new DescribeTargetHealthCommand({ TargetGroupArn: group }));
  expect(found.TargetHealthDescriptions![0]!.TargetHealth).toMatchObject({
    State: 'unhealthy',
    Reason: 'Target.ResponseCodeMismatch',
  });
  await expect(
    site.elb.send(new ModifyTargetGroupCommand({ TargetGroupArn: group, Matcher: { HttpCode: '500' } })),
  ).rejects.toThrow("Health check matcher HTTP code '500' must be within '200-499' inclusive");
  await site.elb.send(new ModifyTargetGroupCommand({ TargetGroupArn: group, Matcher: { HttpCode: '200-299' } }));
  await advanceClock(cloud.endpoint, 180_000);
  await eventually(async () => expect(Object.values(await site.health(group))).toEqual(['healthy', 'healthy']), {
    why: 'both pass',
  });
});

test('ELB-026 requests on a target that turns unhealthy or is deregistered get time to finish', async () => {
  const { a, b } = { a: servers[0]!, b: servers[1]! };
  await site.elb.send(new ModifyTargetGroupCommand({ TargetGroupArn: group, HealthCheckPath: '/health' }));
  await setHealth('b', 500);
  const running = [get(node, '/slow?4', on), get(node, '/slow?4', on)];
  await eventually(async () => expect((await get(node, '/log', on)).body).toContain('/slow?4'), { why: 'they have arrived' });
  const began = Date.now();
  await advanceClock(cloud.endpoint, 60_000);
  await eventually(async () => expect(Object.values(await site.health(group)).sort()).toEqual(['healthy', 'unhealthy']), {
    why: 'one is unhealthy',
  });
  const [sick, well] = (await site.health(group))[`${a}:80`] === 'unhealthy' ? [a, b] : [b, a];
  expect(Date.now() - began).toBeLessThan(3500);
  await eventually(async () => expect(await namesIn(10)).toHaveLength(1), { why: 'one answers alone' });
  // The one that is well leaves now, with a request under way.
  await site.elb.send(new DeregisterTargetsCommand({ TargetGroupArn: group, Targets: [{ Id: well }] }));
  expect(await site.health(group)).toEqual({ [`${well}:80`]: 'draining', [`${sick}:80`]: 'unhealthy' });
  const names = (await Promise.all(running)).map((answer) => {
    expect(answer.status).toBe(200);
    return (JSON.parse(answer.body) as { name: string }).name;
  });
  expect(names.sort()).toEqual(['a', 'b']);
  // Fail open leads to the one that is left, which is well from here on.
  expect((await get(node, '/set?200', on)).status).toBe(200);
  await site.elb.send(new RegisterTargetsCommand({ TargetGroupArn: group, Targets: [{ Id: well }] }));
  await eventually(
    async () => {
      await advanceClock(cloud.endpoint, 150_000);
      expect(Object.values(await site.health(group))).toEqual(['healthy', 'healthy']);
    },
    { why: 'both are well again', timeoutMs: 30_000 },
  );
}, 60_000);

test('ALB-043 ALB-044 requests are metrics of the load balancer and its group, in minutes with requests only', async () => {
  const cloudwatch = new CloudWatchClient(site.lab.account.config({ endpoint: cloud.endpoint }));
  const LoadBalancer = { Name: 'LoadBalancer', Value: arn.split(':loadbalancer/')[1]! };
  const TargetGroup = { Name: 'TargetGroup', Value: group.split(':').at(-1)! };
  const time = async (): Promise<number> =>
    Date.parse(((await admin('GET', 'clock', undefined, cloud.endpoint)) as { time: string }).time);
  const points = async (MetricName: string, Dimensions: { Name: string; Value: string }[], from: number, to: number) => {
    const stats = await cloudwatch.send(
      new GetMetricStatisticsCommand({
        ...{ Namespace: 'AWS/ApplicationELB', MetricName, Dimensions, Period: 60, Statistics: ['Sum', 'SampleCount'] },
        ...{ StartTime: new Date(from), EndTime: new Date(to) },
      }),
    );
    return stats.Datapoints!;
  };
  const sum = (found: { Sum?: number | undefined }[]): number => found.reduce((all, { Sum = 0 }) => all + Sum, 0);
  // What was counted before goes out, and then minutes without a request.
  await advanceClock(cloud.endpoint, 120_000);
  const quiet = Math.ceil((await time()) / 60_000) * 60_000;
  await advanceClock(cloud.endpoint, 300_000);
  const busy = Math.floor((await time()) / 60_000) * 60_000;
  for (let round = 0; round < 20; round += 1) await echo(node, '/', on);
  for (let round = 0; round < 3; round += 1) await get(node, '/status?404', on);
  await raw(node, 80, 'no request\r\n\r\n', cloud.data);
  await advanceClock(cloud.endpoint, 60_000);
  const end = busy + 600_000;
  await eventually(async () => expect(sum(await points('RequestCount', [LoadBalancer], busy, end))).toBe(23), {
    why: 'the requests are counted',
  });
  expect(sum(await points('RequestCount', [LoadBalancer, TargetGroup], busy, end))).toBe(23);
  expect(sum(await points('RequestCountPerTarget', [TargetGroup], busy, end))).toBe(11.5);
  for (const dimensions of [[LoadBalancer], [LoadBalancer, TargetGroup]]) {
    expect(sum(await points('HTTPCode_Target_2XX_Count', dimensions, busy, end))).toBe(20);
    expect(sum(await points('HTTPCode_Target_4XX_Count', dimensions, busy, end))).toBe(3);
    const times = await points('TargetResponseTime', dimensions, busy, end);
    expect(times.reduce((all, { SampleCount = 0 }) => all + SampleCount, 0)).toBe(23);
    expect(sum(times)).toBeGreaterThan(0);
    expect(sum(times)).toBeLessThan(23);
  }
  // What chose no target is no request; it is an answer of the load balancer's own.
  expect(sum(await points('HTTPCode_ELB_4XX_Count', [LoadBalancer], busy, end))).toBe(1);
  expect(await points('RequestCount', [LoadBalancer], quiet, busy)).toEqual([]);
  expect((await points('RequestCount', [LoadBalancer], busy, end)).length).toBeLessThanOrEqual(2);
  const { Metrics } = await cloudwatch.send(new ListMetricsCommand({ Namespace: 'AWS/ApplicationELB' }));
  for (const name of ['RequestCount', 'TargetResponseTime', 'HTTPCode_Target_2XX_Count'])
    for (const wanted of [[LoadBalancer], [LoadBalancer, TargetGroup]])
      expect(
        Metrics!.some(
          ({ MetricName, Dimensions }) =>
            MetricName === name &&
            Dimensions!.length === wanted.length &&
            wanted.every((each) => Dimensions!.some(({ Name, Value }) => Name === each.Name && Value === each.Value)),
        ),
        `${name} of ${wanted.map(({ Name }) => Name).join()}`,
      ).toBe(true);
}, 60_000);

test('ELB-027 a draining target finishes what it has, gets nothing new, and is cut when its delay is over', async () => {
  await site.elb.send(
    new ModifyTargetGroupAttributesCommand({
      TargetGroupArn: group,
      Attributes: [{ Key: 'deregistration_delay.timeout_seconds', Value: '3600' }],
    }),
  );
  const short = [get(node, '/slow?2', on), get(node, '/slow?2', on)];
  const long = [get(node, '/slow?40', on), get(node, '/slow?40', on)];
  await eventually(async () => expect((await get(node, '/log', on)).body).toContain('/slow?40'), {
    why: 'the requests have arrived',
  });
  await site.elb.send(new DeregisterTargetsCommand({ TargetGroupArn: group, Targets: [{ Id: servers[0]! }] }));
  expect((await site.health(group))[`${servers[0]}:80`]).toBe('draining');
  await eventually(async () => expect(await namesIn(10)).toEqual(['b']), { why: 'all new requests go to the other' });
  for (const answer of await Promise.all(short)) expect(answer.status).toBe(200);
  await advanceClock(cloud.endpoint, 3_600_000);
  await eventually(async () => expect(Object.keys(await site.health(group))).toEqual([`${servers[1]}:80`]), { why: 'it is out' });
  const ended = await Promise.race(long);
  expect(ended.status).toBe(502);
}, 60_000);
