/** Application load balancers as their clients meet them: real servers in two zones, real connections. */
import { DeregisterTargetsCommand } from '@aws-sdk/client-elastic-load-balancing-v2';
import { beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { machinesRefused } from '../../support/cloud.ts';
import { echo, get, Site } from './support.ts';

const slow = 90_000;

describe('a load balancer over two servers in two zones', () => {
  const site = new Site();
  let arn = '';
  let dns = '';
  let group = '';
  let nodes: string[] = [];
  let servers: string[] = [];

  beforeEach((context) => context.skip(machinesRefused() !== undefined, machinesRefused()));

  beforeAll(async () => {
    if (machinesRefused() !== undefined) return;
    await site.build();
    servers = await Promise.all([site.server('a', 0), site.server('b', 1)]);
    group = await site.group('web', {}, servers);
    const balancer = await site.balancer('site');
    arn = balancer.LoadBalancerArn!;
    dns = balancer.DNSName!;
    await site.forward(arn, group);
    nodes = Object.values(await site.nodes(arn));
    await site.all(group, 'healthy');
  }, slow);

  test('ELB-001 ELB-007 ALB-016 ALB-021 requests are spread evenly over the servers of both zones, whichever node they came to', async () => {
    expect(nodes).toHaveLength(2);
    const seen: Record<string, number> = {};
    for (let round = 0; round < 100; round += 1) {
      const { name } = await echo(nodes[round % 2]!, '/');
      seen[name] = (seen[name] ?? 0) + 1;
    }
    expect(Object.keys(seen).sort()).toEqual(['a', 'b']);
    expect(seen['a']).toBeGreaterThan(40);
    expect(seen['a']).toBeLessThan(60);
    expect(dns).toMatch(/^site-\d+\.us-east-1\.elb\.localhost$/);
    expect(arn).toContain(':loadbalancer/app/site/');
    expect(servers).toHaveLength(2);
  });

  test('ALB-028 ALB-029 ALB-030 ALB-031 the server sees a private address and headers about the client', async () => {
    const plain = await echo(nodes[0]!, '/');
    expect(plain.peer).toMatch(/^10\.0\.[12]\.\d+$/);
    expect(plain.headers['x-forwarded-for']).toMatch(/^198\.18\.0\.\d+$/);
    expect(plain.headers).toMatchObject({ 'x-forwarded-port': '80', 'x-forwarded-proto': 'http', host: 'site.example.com' });
    expect(plain.headers['x-amzn-trace-id']).toMatch(/^Root=1-[0-9a-f]{8}-[0-9a-f]{24}$/);
    const root = 'Root=1-67891233-abcdef012345678912345678';
    const through = await echo(nodes[0]!, '/', { headers: { 'x-forwarded-for': '1.2.3.4', 'x-amzn-trace-id': root } });
    expect(through.headers['x-forwarded-for']).toMatch(/^1\.2\.3\.4, 198\.18\.0\.\d+$/);
    expect(through.headers['x-amzn-trace-id']).toMatch(
      /^Self=1-[0-9a-f]{8}-[0-9a-f]{24};Root=1-67891233-abcdef012345678912345678$/,
    );
  });

  test('ELB-015 with no target left it answers 503', async () => {
    expect(await get(nodes[0]!, '/status?204')).toMatchObject({ status: 204 });
    const empty = await site.group('empty');
    await site.forward(arn, empty, 81);
    await site.listens(nodes[0]!, 81);
    expect(await get(nodes[0]!, '/', { port: 81 })).toMatchObject({ status: 503 });
    await site.elb.send(new DeregisterTargetsCommand({ TargetGroupArn: empty, Targets: [{ Id: servers[0]! }] }));
  });
});
