/** Application load balancers as their clients meet them: real servers in two zones, real connections. */
import { DeregisterTargetsCommand } from '@aws-sdk/client-elastic-load-balancing-v2';
import http from 'node:http';
import { DeleteNetworkInterfaceCommand, DescribeNetworkInterfacesCommand } from '@aws-sdk/client-ec2';
import { beforeAll, beforeEach, describe, expect, inject, test } from 'vitest';
import { eventually, machinesRefused, refused } from '../../support/cloud.ts';
import { fetchInside } from '../../support/inside.ts';
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

  test('ELB-001 ALB-021 requests are spread evenly over the servers of both zones, whichever node they came to', async () => {
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

  test('ELB-015 one healthy target is enough, and with none registered it answers 503', async () => {
    const single = await site.group('single', {}, [servers[0]!]);
    await site.forward(arn, single, 81);
    await site.listens(nodes[0]!, 81);
    await site.all(single, 'healthy');
    await eventually(async () => expect((await get(nodes[0]!, '/', { port: 81 })).status).toBe(200), { why: 'it answers' });
    await site.elb.send(new DeregisterTargetsCommand({ TargetGroupArn: single, Targets: [{ Id: servers[0]! }] }));
    await eventually(async () => expect((await get(nodes[0]!, '/', { port: 81 })).status).toBe(503), {
      why: 'it answers no more',
    });
  });

  test('ELB-010 only the load balancer reaches the servers', async () => {
    const found = await site.lab.instance(servers[0]!);
    expect(await fetchInside(found.PublicIpAddress!, 80)).toBe('ETIMEDOUT');
    expect((await get(nodes[0]!, '/')).status).toBe(200);
    await site.lab.allow(site.serverGroup, 'tcp', 80, 80, '0.0.0.0/0');
    await eventually(async () => expect(await fetchInside(found.PublicIpAddress!, 80)).toMatchObject({ status: 200 }), {
      why: 'an open group lets all in',
    });
  });

  test('the name leads from the host to the nodes, and its network interfaces belong to the load balancer', async () => {
    const endpoint = new URL(inject('endpoint'));
    const answer = await new Promise<number>((resolve, reject) => {
      const request = http.get(
        { host: endpoint.hostname, port: endpoint.port, path: '/by-name', headers: { host: dns } },
        (got) => {
          got.resume();
          resolve(got.statusCode ?? 0);
        },
      );
      request.on('error', reject);
    });
    expect(answer).toBe(200);
    const { NetworkInterfaces } = await site.lab.ec2.send(
      new DescribeNetworkInterfacesCommand({ Filters: [{ Name: 'vpc-id', Values: [site.network.vpcId] }] }),
    );
    const own = NetworkInterfaces!.filter(({ InterfaceType }) => InterfaceType === 'load_balancer');
    expect(own).toHaveLength(2);
    for (const card of own) {
      expect(card).toMatchObject({ RequesterManaged: true, RequesterId: 'amazon-elb', Status: 'in-use' });
      expect(card.Description).toBe(`ELB ${arn.split(':loadbalancer/')[1]}`);
    }
    await refused(
      site.lab.ec2.send(new DeleteNetworkInterfaceCommand({ NetworkInterfaceId: own[0]!.NetworkInterfaceId! })),
      'InvalidParameterValue',
    );
  });
});
