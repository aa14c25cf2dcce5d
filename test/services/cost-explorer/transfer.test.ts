/** What traffic between zones costs, as Cost Explorer shows it, by the clock of a cloud of one's own. */
import { ElasticLoadBalancingV2 } from '@aws-sdk/client-elastic-load-balancing-v2';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { advanceClock, eventually, machinesRefused, type OwnCloud, startOwnCloud } from '../../support/cloud.ts';
import { echo, Site } from '../elastic-load-balancing-v2/support.ts';
import { usageOf } from './support.ts';

let cloud: OwnCloud;
beforeEach((context) => context.skip(machinesRefused() !== undefined, machinesRefused()));
beforeAll(async () => {
  cloud = await startOwnCloud();
}, 40_000);
afterAll(() => cloud.stop());

test('NLB-013 a Network Load Balancer stays within its zones, and what it sends across them once it may is paid for', async () => {
  const site = new Site(cloud.endpoint, cloud.data);
  await site.build('10.95');
  const servers = await Promise.all([site.server('a', 0), site.server('b', 1)]);
  const elb = new ElasticLoadBalancingV2(site.lab.account.config());
  const { LoadBalancerArn = '' } = await site.balancer('net', { Type: 'network' });
  const group = await site.group('net', { Protocol: 'TCP', HealthCheckProtocol: 'HTTP' }, servers);
  await site.forward(LoadBalancerArn, group, 80, 'TCP');
  await site.all(group, 'healthy');
  const [a = '', b = ''] = Object.entries(await site.nodes(LoadBalancerArn))
    .sort()
    .map(([, address]) => address);
  const key = 'load_balancing.cross_zone.enabled';
  const { Attributes } = await elb.describeLoadBalancerAttributes({ LoadBalancerArn });
  expect(Attributes).toContainEqual({ Key: key, Value: 'false' });
  const body = 'x'.repeat(100_000);
  /** Names of those that answered; each request carries about 100 kB. */
  const ask = async (node: string, times: number): Promise<string[]> => {
    const names: string[] = [];
    for (let count = 0; count < times; count += 1)
      names.push((await echo(node, '/', { method: 'POST', body, data: cloud.data })).name);
    return names;
  };
  expect([new Set(await ask(a, 6)), new Set(await ask(b, 6))]).toEqual([new Set(['a']), new Set(['b'])]);
  await advanceClock(cloud.endpoint, 120_000);
  const across = async () => (await usageOf(site.lab.account)).get('DataTransfer-Regional-Bytes');
  expect(await across()).toBeUndefined();

  await elb.modifyLoadBalancerAttributes({ LoadBalancerArn, Attributes: [{ Key: key, Value: 'true' }] });
  await eventually(async () => expect(new Set(await ask(a, 8))).toEqual(new Set(['a', 'b'])), {
    why: 'both share a node’s traffic',
  });
  const names = [await ask(a, 16), await ask(b, 16)];
  expect(names.map((seen) => [...new Set(seen)].sort())).toEqual([
    ['a', 'b'],
    ['a', 'b'],
  ]);
  const crossed = names[0]!.filter((name) => name === 'b').length + names[1]!.filter((name) => name === 'a').length;
  await advanceClock(cloud.endpoint, 120_000);
  const paid = await eventually(
    async () => {
      const found = await across();
      // Once for the zone that sends and once for the one that gets it.
      expect(found?.amount).toBeGreaterThanOrEqual((2 * crossed * body.length) / 1024 ** 3);
      return found!;
    },
    { why: 'the transfer is metered' },
  );
  expect(paid.unit).toBe('GB');
  expect(paid.cost / paid.amount).toBeCloseTo(0.01, 6);
}, 90_000);
