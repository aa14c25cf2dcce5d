/** What each target gets with cross-zone load balancing on and off: two targets in one zone, eight in the other. */
import {
  DescribeLoadBalancerAttributesCommand,
  DescribeTargetGroupAttributesCommand,
  ModifyLoadBalancerAttributesCommand,
  ModifyTargetGroupAttributesCommand,
  RegisterTargetsCommand,
} from '@aws-sdk/client-elastic-load-balancing-v2';
import { beforeAll, beforeEach, expect, test } from 'vitest';
import { eventually, machinesRefused, refused } from '../../support/cloud.ts';
import { base64 } from '../ec2/support.ts';
import { get, Site } from './support.ts';

/** Eight servers on one instance, on ports 9001 to 9008: each answers with its zone and port. */
const eightServers = (zone: string): string => `#!/bin/bash
cat > /eight.py <<'END'
import http.server, threading
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = ('${zone}%d' % self.server.server_port).encode()
        self.send_response(200)
        self.send_header('content-length', str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *words):
        pass
for port in range(9001, 9009):
    threading.Thread(target=http.server.ThreadingHTTPServer(('0.0.0.0', port), Handler).serve_forever).start()
END
python3 /eight.py > /dev/null 2>&1 &
`;

const site = new Site();
/** Requests to each node: a multiple of every number of targets. */
const rounds = 160;
let arn = '';
let group = '';
let nodes: string[] = [];

beforeEach((context) => context.skip(machinesRefused() !== undefined, machinesRefused()));

beforeAll(async () => {
  if (machinesRefused() !== undefined) return;
  await site.build('10.7');
  const launch = async (zone: string, subnet: number): Promise<string> => {
    const UserData = base64(eightServers(zone));
    const id = await site.lab.launch({ SubnetId: site.subnets[subnet]!, SecurityGroupIds: [site.serverGroup], UserData });
    await site.lab.inState(id, 'running');
    return id;
  };
  const [few, many] = await Promise.all([launch('a', 0), launch('b', 1)]);
  group = await site.group('ten', { Port: 9001, HealthCheckPath: '/' });
  const Targets = [
    ...[9001, 9002].map((Port) => ({ Id: few, Port })),
    ...Array.from({ length: 8 }, (_, index) => ({ Id: many, Port: 9001 + index })),
  ];
  await site.elb.send(new RegisterTargetsCommand({ TargetGroupArn: group, Targets }));
  arn = (await site.balancer('shares')).LoadBalancerArn!;
  await site.forward(arn, group);
  const found = await site.nodes(arn);
  nodes = [found['us-east-1a']!, found['us-east-1b']!];
  await site.all(group, 'healthy');
}, 90_000);

/** Percentages of all answers by target, the same number of requests sent to each zone's address. */
async function shares(): Promise<Record<string, number>> {
  const counts: Record<string, number> = {};
  for (const address of nodes)
    for (let round = 0; round < rounds; round += 1) {
      const { body } = await get(address, '/');
      counts[body] = (counts[body] ?? 0) + 1;
    }
  return Object.fromEntries(Object.entries(counts).map(([name, count]) => [name, (100 * count) / (2 * rounds)]));
}

const setCross = (Value: string) =>
  site.elb.send(
    new ModifyTargetGroupAttributesCommand({
      TargetGroupArn: group,
      Attributes: [{ Key: 'load_balancing.cross_zone.enabled', Value }],
    }),
  );

/** Every answer of a node comes from its own zone, or does not. */
const zonesOf = async (address: string): Promise<string> => {
  const zones = new Set<string>();
  for (let round = 0; round < 20; round += 1) zones.add((await get(address, '/')).body.slice(0, 1));
  return [...zones].sort().join('');
};

test('ELB-018 ELB-019 ALB-038 with cross-zone load balancing all targets get the same, without it all zones do', async () => {
  const { Attributes } = await site.elb.send(new DescribeLoadBalancerAttributesCommand({ LoadBalancerArn: arn }));
  expect(Attributes).toContainEqual({ Key: 'load_balancing.cross_zone.enabled', Value: 'true' });
  await refused(
    site.elb.send(
      new ModifyLoadBalancerAttributesCommand({
        LoadBalancerArn: arn,
        Attributes: [{ Key: 'load_balancing.cross_zone.enabled', Value: 'false' }],
      }),
    ),
    'InvalidConfigurationRequest',
    "'false' is not a valid value for attribute 'load_balancing.cross_zone.enabled'",
  );
  const own = await site.elb.send(new DescribeTargetGroupAttributesCommand({ TargetGroupArn: group }));
  expect(own.Attributes).toContainEqual({
    Key: 'load_balancing.cross_zone.enabled',
    Value: 'use_load_balancer_configuration',
  });
  const on = await shares();
  expect(Object.keys(on)).toHaveLength(10);
  for (const share of Object.values(on)) expect(share).toBeCloseTo(10, 0);
  await setCross('false');
  await eventually(
    async () => {
      expect(await zonesOf(nodes[0]!)).toBe('a');
      expect(await zonesOf(nodes[1]!)).toBe('b');
    },
    { why: 'each node keeps to its zone' },
  );
  const off = await shares();
  expect(Object.keys(off)).toHaveLength(10);
  for (const [name, share] of Object.entries(off)) expect(share).toBeCloseTo(name.startsWith('a') ? 25 : 6.25, 0);
  await refused(
    setCross('maybe'),
    'InvalidConfigurationRequest',
    "'maybe' is not a valid value for attribute 'load_balancing.cross_zone.enabled'",
  );
  await setCross('true');
  await eventually(async () => expect(await zonesOf(nodes[0]!)).toBe('ab'), { why: 'zones are crossed again' });
}, 60_000);
