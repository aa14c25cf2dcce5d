/** Who reaches a load balancer, and whom it reaches: names, zones, private networks, security groups. Clients stand inside the VPC and outside. */
import {
  CreateListenerCommand,
  CreateLoadBalancerCommand,
  CreateRuleCommand,
  DeleteTargetGroupCommand,
  DeregisterTargetsCommand,
  DescribeLoadBalancerAttributesCommand,
  DescribeLoadBalancersCommand,
  ModifyLoadBalancerAttributesCommand,
  ModifyTargetGroupCommand,
  RegisterTargetsCommand,
  SetSecurityGroupsCommand,
  SetSubnetsCommand,
} from '@aws-sdk/client-elastic-load-balancing-v2';
import { AssociateRouteTableCommand, CreateRouteTableCommand, DescribeInstancesCommand } from '@aws-sdk/client-ec2';
import { beforeAll, beforeEach, expect, test } from 'vitest';
import { eventually, machinesRefused, refused } from '../../support/cloud.ts';
import { fetchInside } from '../../support/inside.ts';
import { connectInside, echo, get, Site } from './support.ts';

const site = new Site();
let servers: string[] = [];
/** Public and private address of a client in the VPC. */
let client = { publicIp: '', privateIp: '' };
let privateSubnets: string[] = [];

beforeEach((context) => context.skip(machinesRefused() !== undefined, machinesRefused()));

beforeAll(async () => {
  if (machinesRefused() !== undefined) return;
  await site.build('10.5');
  const { lab, network } = site;
  // Subnets without a way to the internet, and servers without public addresses.
  privateSubnets = await Promise.all([
    lab.subnet(network.vpcId, '10.5.11.0/24', 'us-east-1a'),
    lab.subnet(network.vpcId, '10.5.12.0/24', 'us-east-1b'),
  ]);
  const { RouteTable } = await lab.ec2.send(new CreateRouteTableCommand({ VpcId: network.vpcId }));
  for (const SubnetId of privateSubnets)
    await lab.ec2.send(new AssociateRouteTableCommand({ SubnetId, RouteTableId: RouteTable!.RouteTableId! }));
  const agent = lab.launchAgent({ SubnetId: network.subnetId, SecurityGroupIds: [network.groupId] });
  servers = await Promise.all([site.server('a', privateSubnets[0]!), site.server('b', privateSubnets[1]!)]);
  const { PublicIpAddress, PrivateIpAddress } = await agent;
  client = { publicIp: PublicIpAddress!, privateIp: PrivateIpAddress! };
}, 90_000);

/** Addresses of a name as a machine of the VPC resolves it. */
const resolve = async (name: string): Promise<string[]> => {
  const command = `python3 -c "import socket; print(' '.join(sorted(socket.gethostbyname_ex('${name}')[2])))"`;
  return (await site.lab.run(client.publicIp, command)).split(' ');
};

/** What curl inside the VPC says of an address: the status, or `0` and curl's own code. */
const curl = (url: string): Promise<string> =>
  site.lab.run(client.publicIp, `curl -s -o /dev/null -m 2 -w '%{http_code}' '${url}'; echo " $?"`);

/**
 * Status of a GET by name, as a machine of the VPC meets it. Not by curl, which answers names under .localhost itself, with its own machine
 * (RFC 6761).
 */
const byName = (name: string): Promise<string> =>
  site.lab.run(client.publicIp, `python3 -c "import urllib.request as u; print(u.urlopen('http://${name}/', timeout=3).status)"`);

/** Asks the name again and again, resolving it each time, and writes what came to /codes, until there is a file /stop. */
const asking = (name: string): string => `cat > /asking.py <<'END'
import os, urllib.request
while not os.path.exists('/stop'):
    try:
        code = urllib.request.urlopen('http://${name}/', timeout=5).status
    except Exception as error:
        code = repr(error)
    with open('/codes', 'a') as file:
        print(code, file=file)
END
python3 /asking.py > /dev/null 2>&1 & echo begun`;

const seenBy = async (address: string, rounds = 12, port = 80): Promise<string[]> => {
  const names = new Set<string>();
  for (let round = 0; round < rounds; round += 1) names.add((await echo(address, '/', { port })).name);
  return [...names].sort();
};

test('ELB-003 ELB-007 ELB-009 one name leads to a node in each zone, and serves private instances as they come and go', async () => {
  await refused(
    site.elb.send(new CreateLoadBalancerCommand({ Name: 'single', Subnets: [site.subnets[0]!] })),
    'ValidationError',
    'At least two subnets in two different Availability Zones must be specified',
  );
  const group = await site.group('private', {}, servers);
  const balancer = await site.balancer('reach');
  await site.forward(balancer.LoadBalancerArn!, group);
  await site.all(group, 'healthy');
  const nodes = await site.nodes(balancer.LoadBalancerArn!);
  expect(Object.keys(nodes).sort()).toEqual(['us-east-1a', 'us-east-1b']);
  expect(await resolve(balancer.DNSName!)).toEqual(Object.values(nodes).sort());
  for (const address of Object.values(nodes)) expect(await seenBy(address)).toEqual(['a', 'b']);
  for (const id of servers) expect((await site.lab.instance(id)).PublicIpAddress).toBeUndefined();
  const Targets = [{ Id: servers[0]! }];
  await site.elb.send(new DeregisterTargetsCommand({ TargetGroupArn: group, Targets }));
  await eventually(async () => expect(await seenBy(nodes['us-east-1a']!)).toEqual(['b']), { why: 'only b is left' });
  expect(await byName(balancer.DNSName!)).toBe('200');
  await site.elb.send(new RegisterTargetsCommand({ TargetGroupArn: group, Targets }));
  await eventually(async () => expect(await seenBy(nodes['us-east-1a']!)).toEqual(['a', 'b']), { why: 'a is back' });
  const after = await site.elb.send(new DescribeLoadBalancersCommand({ LoadBalancerArns: [balancer.LoadBalancerArn!] }));
  expect(after.LoadBalancers![0]!.DNSName).toBe(balancer.DNSName);
  expect(await resolve(balancer.DNSName!)).toEqual(Object.values(nodes).sort());
});

test('ELB-004 the addresses behind the name change with its zones, and the name answers throughout', async () => {
  const { lab, network } = site;
  const third = await lab.subnet(network.vpcId, '10.5.3.0/24', 'us-east-1c', true);
  const group = await site.group('moving', {}, servers);
  const balancer = await site.balancer('moving');
  const arn = balancer.LoadBalancerArn!;
  await site.forward(arn, group);
  await site.all(group, 'healthy');
  const name = balancer.DNSName!;
  const before = await resolve(name);
  expect(await lab.run(client.publicIp, asking(name))).toBe('begun');
  await site.elb.send(new SetSubnetsCommand({ LoadBalancerArn: arn, Subnets: [...site.subnets, third] }));
  await eventually(async () => expect(await resolve(name)).toHaveLength(3), { why: 'a third address stands behind the name' });
  const three = await resolve(name);
  expect(three).toEqual(expect.arrayContaining(before));
  await site.elb.send(new SetSubnetsCommand({ LoadBalancerArn: arn, Subnets: [site.subnets[0]!, third] }));
  await eventually(async () => expect(await resolve(name)).toHaveLength(2), { why: 'one address is gone' });
  const after = await resolve(name);
  expect(after).not.toEqual(before);
  for (const address of after) expect(await seenBy(address)).toEqual(['a', 'b']);
  const gone = before.find((address) => !after.includes(address))!;
  await eventually(async () => await expect(connectInside(gone, 80)).rejects.toThrow(), { why: 'the old node is gone' });
  await lab.run(client.publicIp, 'touch /stop');
  const codes = (await lab.run(client.publicIp, 'cat /codes')).split('\n');
  expect(codes.length).toBeGreaterThan(5);
  expect([...new Set(codes)]).toEqual(['200']);
  const found = await site.elb.send(new DescribeLoadBalancersCommand({ LoadBalancerArns: [arn] }));
  expect(found.LoadBalancers![0]!.DNSName).toBe(name);
}, 60_000);

test('ELB-005 ALB-006 ALB-016 requests come along listener, rule, group and target, on the listener’s port only', async () => {
  const arn = (await site.balancer('chain')).LoadBalancerArn!;
  const node = (await site.nodes(arn))['us-east-1a']!;
  await expect(connectInside(node, 80)).rejects.toThrow();
  const first = await site.group('chain', {}, [servers[0]!]);
  const second = await site.group('chain-8080', { Port: 8080 }, [servers[1]!]);
  const listener = await site.forward(arn, first);
  await site.elb.send(
    new CreateRuleCommand({
      ListenerArn: listener,
      Priority: 1,
      Conditions: [{ Field: 'path-pattern', Values: ['/two'] }],
      Actions: [{ Type: 'forward', TargetGroupArn: second }],
    }),
  );
  for (const group of [first, second]) await site.all(group, 'healthy');
  expect(await echo(node, '/')).toMatchObject({ name: 'a', port: 80 });
  await eventually(async () => expect(await echo(node, '/two')).toMatchObject({ name: 'b', port: 8080 }), {
    why: 'the rule holds',
  });
  await expect(connectInside(node, 81)).rejects.toThrow();
  await refused(
    site.elb.send(
      new CreateListenerCommand({
        ...{ LoadBalancerArn: arn, Protocol: 'HTTP', Port: 80 },
        DefaultActions: [{ Type: 'forward', TargetGroupArn: second }],
      }),
    ),
    'DuplicateListener',
    'A listener already exists on this port for this load balancer',
  );
  for (const group of [first, second])
    await refused(
      site.elb.send(new DeleteTargetGroupCommand({ TargetGroupArn: group })),
      'ResourceInUse',
      `Target group '${group}' is currently in use by a listener or a rule`,
    );
});

test('ELB-006 ELB-008 an internal load balancer has private addresses only, for clients of its VPC, and no instance', async () => {
  const group = await site.group('inner', {}, servers);
  const balancer = await site.balancer('inner', { Scheme: 'internal', Subnets: privateSubnets });
  const arn = balancer.LoadBalancerArn!;
  expect(balancer).toMatchObject({ Scheme: 'internal', DNSName: expect.stringMatching(/^internal-inner-/) });
  const listener = await site.elb.send(
    new CreateListenerCommand({
      ...{ LoadBalancerArn: arn, Protocol: 'HTTP', Port: 80 },
      DefaultActions: [{ Type: 'forward', TargetGroupArn: group }],
    }),
  );
  expect(listener.Listeners).toHaveLength(1);
  await site.all(group, 'healthy');
  const addresses = await resolve(balancer.DNSName!);
  expect(addresses.map((each) => each.replace(/\.\d+$/, ''))).toEqual(['10.5.11', '10.5.12']);
  expect(await byName(balancer.DNSName!)).toBe('200');
  for (const address of addresses) {
    expect(await curl(`http://${address}/`)).toBe('200 0');
    await expect(connectInside(address, 80)).rejects.toThrow();
  }
  // The scheme is fixed: a repeat with another one is refused, and it is no attribute.
  await refused(
    site.elb.send(new CreateLoadBalancerCommand({ Name: 'inner', Subnets: site.subnets })),
    'DuplicateLoadBalancerName',
    "A load balancer with the same name 'inner' exists, but with different settings",
  );
  const set = (Key: string, Value: string) =>
    site.elb.send(new ModifyLoadBalancerAttributesCommand({ LoadBalancerArn: arn, Attributes: [{ Key, Value }] }));
  await refused(set('scheme', 'internet-facing'), 'ValidationError', "Load balancer attribute key 'scheme' is not recognized");
  const open = await site.balancer('outer');
  expect(open.Scheme).toBe('internet-facing');
  for (const address of await resolve(open.DNSName!)) expect(address).toMatch(/^198\.1[89]\./);
  // Whoever owns it sees no instance, and sets attributes only.
  const { Reservations } = await site.lab.ec2.send(new DescribeInstancesCommand({}));
  const instances = Reservations!.flatMap(({ Instances }) => Instances!);
  expect(instances.map(({ PrivateIpAddress }) => PrivateIpAddress)).toContain(client.privateIp);
  expect(instances).toHaveLength(3);
  const idle = async (): Promise<string | undefined> => {
    const { Attributes } = await site.elb.send(new DescribeLoadBalancerAttributesCommand({ LoadBalancerArn: arn }));
    return Attributes!.find(({ Key }) => Key === 'idle_timeout.timeout_seconds')?.Value;
  };
  expect(await idle()).toBe('60');
  await set('idle_timeout.timeout_seconds', '30');
  expect(await idle()).toBe('30');
  await refused(
    set('idle_timeout.timeout_seconds', '4001'),
    'ValidationError',
    "'idle_timeout.timeout_seconds' must be between '1' and '4000' inclusive",
  );
});

test('ELB-011 the load balancer’s own security group decides who connects', async () => {
  const group = await site.group('guarded', {}, servers);
  const narrow = await site.lab.group(site.network.vpcId, 'narrow');
  for (const port of [80, 443]) await site.lab.allow(narrow, 'tcp', port, port, `${client.publicIp}/32`);
  const balancer = await site.balancer('guarded', { SecurityGroups: [narrow, site.balancerGroup] });
  const arn = balancer.LoadBalancerArn!;
  await site.forward(arn, group);
  await site.forward(arn, group, 443);
  await site.all(group, 'healthy');
  const node = (await site.nodes(arn))['us-east-1a']!;
  expect((await get(node, '/')).status).toBe(200);
  // The servers let in what bears the other group: with the narrow one alone they must let in that one.
  await site.lab.allow(site.serverGroup, 'tcp', 80, 80, narrow);
  await site.elb.send(new SetSecurityGroupsCommand({ LoadBalancerArn: arn, SecurityGroups: [narrow] }));
  await eventually(async () => expect(await fetchInside(node, 80)).toBe('ETIMEDOUT'), { why: 'outsiders time out' });
  expect(await fetchInside(node, 443)).toBe('ETIMEDOUT');
  expect(await curl(`http://${node}/`)).toBe('200 0');
  expect(await curl(`http://${node}:443/`)).toBe('200 0');
  for (const port of [80, 443]) await site.lab.allow(narrow, 'tcp', port, port, '0.0.0.0/0');
  for (const port of [80, 443])
    await eventually(async () => expect((await get(node, '/', { port })).status).toBe(200), { why: `${port} is open to all` });
  expect(await curl(`http://${node}/`)).toBe('200 0');
}, 60_000);

test('ALB-017 each target group is checked on a path of its own', async () => {
  const arn = (await site.balancer('checks')).LoadBalancerArn!;
  const good = await site.group('good', { HealthCheckPath: '/status?200' }, [servers[0]!]);
  const bad = await site.group('bad', { HealthCheckPath: '/status?404', UnhealthyThresholdCount: 2 }, [servers[0]!]);
  await site.forward(arn, good);
  await site.forward(arn, bad, 81);
  await site.all(good, 'healthy');
  await site.all(bad, 'unhealthy');
  await site.all(good, 'healthy');
  const node = (await site.nodes(arn))['us-east-1a']!;
  const log = JSON.parse((await get(node, '/log')).body) as string[];
  for (const path of ['/status?200', '/status?404'])
    expect(log.filter((line) => line.startsWith(`80 GET ${path} ELB-HealthChecker`)).length).toBeGreaterThan(0);
  await site.elb.send(new ModifyTargetGroupCommand({ TargetGroupArn: bad, HealthCheckPath: '/health' }));
  await site.all(bad, 'healthy');
}, 90_000);
