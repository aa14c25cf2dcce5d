/** What the API says and refuses, without a packet. */
import {
  CreateLoadBalancerCommand,
  CreateListenerCommand,
  CreateRuleCommand,
  CreateTargetGroupCommand,
  DeleteLoadBalancerCommand,
  DeleteTargetGroupCommand,
  DescribeAccountLimitsCommand,
  DescribeListenersCommand,
  DescribeLoadBalancerAttributesCommand,
  DescribeLoadBalancersCommand,
  DescribeTargetGroupAttributesCommand,
  DescribeTargetGroupsCommand,
  ModifyLoadBalancerAttributesCommand,
  ModifyTargetGroupAttributesCommand,
  RegisterTargetsCommand,
} from '@aws-sdk/client-elastic-load-balancing-v2';
import { beforeAll, expect, test } from 'vitest';
import { refused } from '../../support/cloud.ts';
import { Site } from './support.ts';

const site = new Site();
const { elb } = site;
let arn = '';
let group = '';

beforeAll(async () => {
  await site.build('10.4');
  const made = await elb.send(
    new CreateLoadBalancerCommand({ Name: 'api', Subnets: site.subnets, SecurityGroups: [site.balancerGroup] }),
  );
  arn = made.LoadBalancers![0]!.LoadBalancerArn!;
  group = await site.group('api');
}, 60_000);

const groupAttributes = (attributes: Record<string, string>) =>
  elb.send(
    new ModifyTargetGroupAttributesCommand({
      TargetGroupArn: group,
      Attributes: Object.entries(attributes).map(([Key, Value]) => ({ Key, Value })),
    }),
  );
const attributesOf = async (): Promise<Record<string, string>> => {
  const { Attributes } = await elb.send(new DescribeTargetGroupAttributesCommand({ TargetGroupArn: group }));
  return Object.fromEntries(Attributes!.map(({ Key, Value }) => [Key!, Value!]));
};
const listen = (Protocol: string, Port: number) =>
  elb.send(
    new CreateListenerCommand({
      LoadBalancerArn: arn,
      Protocol: Protocol as 'HTTP',
      Port,
      DefaultActions: [{ Type: 'forward', TargetGroupArn: group }],
    }),
  );

test('a load balancer needs two zones, one VPC and a good name; a repeat gets the first one', async () => {
  const create = (input: object) => elb.send(new CreateLoadBalancerCommand({ Name: 'other', Subnets: site.subnets, ...input }));
  await refused(
    create({ Subnets: [site.subnets[0]!] }),
    'ValidationError',
    'At least two subnets in two different Availability Zones must be specified',
  );
  await refused(create({ Subnets: ['subnet-12345678'] }), 'SubnetNotFound', "The subnet ID 'subnet-12345678' is not valid");
  await refused(create({ Name: '-x' }), 'ValidationError', "The load balancer name '-x' cannot begin or end with a hyphen(-)");
  await refused(create({ Name: 'x'.repeat(33) }), 'ValidationError', /cannot be longer than '32' characters/);
  await refused(create({ SecurityGroups: ['sg-12345678'] }), 'InvalidSecurityGroup', "Security group 'sg-12345678' not found");
  await refused(create({ Type: 'router' }), 'ValidationError', /Member must satisfy enum value set/);
  const again = await create({ Name: 'api' });
  expect(again.LoadBalancers![0]!.LoadBalancerArn).toBe(arn);
  await refused(create({ Name: 'api', Scheme: 'internal' }), 'DuplicateLoadBalancerName', /but with different settings$/);
  await refused(
    elb.send(new DescribeLoadBalancersCommand({ Names: ['none'] })),
    'LoadBalancerNotFound',
    "Load balancers '[none]' not found",
  );
});

test('ALB-042 deletion protection keeps a load balancer', async () => {
  const set = (Value: string) =>
    elb.send(
      new ModifyLoadBalancerAttributesCommand({
        LoadBalancerArn: arn,
        Attributes: [{ Key: 'deletion_protection.enabled', Value }],
      }),
    );
  const { Attributes } = await elb.send(new DescribeLoadBalancerAttributesCommand({ LoadBalancerArn: arn }));
  expect(Attributes).toContainEqual({ Key: 'deletion_protection.enabled', Value: 'false' });
  expect(Attributes).toContainEqual({ Key: 'load_balancing.cross_zone.enabled', Value: 'true' });
  await set('true');
  await refused(
    elb.send(new DeleteLoadBalancerCommand({ LoadBalancerArn: arn })),
    'OperationNotPermitted',
    `Load balancer '${arn}' cannot be deleted because deletion protection is enabled`,
  );
  await set('false');
});

test('ELB-028 ALB-032 ALB-036 ALB-037 attributes have their defaults and bounds, and reserved cookie names are refused', async () => {
  expect(await attributesOf()).toMatchObject({
    'deregistration_delay.timeout_seconds': '300',
    'stickiness.enabled': 'false',
    'stickiness.lb_cookie.duration_seconds': '86400',
    'stickiness.app_cookie.duration_seconds': '86400',
    'load_balancing.cross_zone.enabled': 'use_load_balancer_configuration',
  });
  await groupAttributes({ 'deregistration_delay.timeout_seconds': '3600' });
  for (const value of ['3601', '-1'])
    await refused(groupAttributes({ 'deregistration_delay.timeout_seconds': value }), 'ValidationError');
  for (const kind of ['lb_cookie', 'app_cookie']) {
    const key = `stickiness.${kind}.duration_seconds`;
    for (const value of ['1', '604800']) await groupAttributes({ [key]: value });
    for (const value of ['0', '604801'])
      await refused(groupAttributes({ [key]: value }), 'ValidationError', `'${key}' must be between '1' and '604800' inclusive`);
  }
  for (const name of ['AWSALB', 'AWSALBAPPx', 'AWSALBTG'])
    await refused(groupAttributes({ 'stickiness.app_cookie.cookie_name': name }), 'InvalidConfigurationRequest', /are reserved$/);
  await refused(groupAttributes({ unknown: '1' }), 'ValidationError', "Target group attribute key 'unknown' is not recognized");
});

test('ALB-013 listeners and rules: protocols, ports, quotas', async () => {
  await listen('HTTP', 80);
  await refused(listen('HTTP', 80), 'DuplicateListener', 'A listener already exists on this port for this load balancer');
  for (const protocol of ['TCP', 'UDP', 'TLS'])
    await refused(listen(protocol, 90), 'ValidationError', `Listener protocol '${protocol}' must be one of 'HTTP, HTTPS'`);
  const { Limits } = await elb.send(new DescribeAccountLimitsCommand({}));
  expect(Limits).toContainEqual({ Name: 'rules-per-application-load-balancer', Max: '100' });
  expect(Limits).toContainEqual({ Name: 'condition-values-per-alb-rule', Max: '5' });
  const { Listeners } = await elb.send(new DescribeListenersCommand({ LoadBalancerArn: arn }));
  const rule = (Priority: number, Values: string[]) =>
    elb.send(
      new CreateRuleCommand({
        ListenerArn: Listeners![0]!.ListenerArn,
        Priority,
        Conditions: [{ Field: 'path-pattern', Values }],
        Actions: [{ Type: 'forward', TargetGroupArn: group }],
      }),
    );
  await refused(rule(1, ['/1', '/2', '/3', '/4', '/5', '/6']), 'TooManyConditions');
  for (let priority = 1; priority <= 100; priority += 1) await rule(priority, [`/${priority}`]);
  await refused(rule(101, ['/101']), 'TooManyRules', 'The maximum number of rules has been reached');
  await refused(
    elb.send(new DeleteTargetGroupCommand({ TargetGroupArn: group })),
    'ResourceInUse',
    `Target group '${group}' is currently in use by a listener or a rule`,
  );
});

test('ALB-026 targets must be of their group’s kind, and addresses private', async () => {
  const ip = await site.group('ip', { TargetType: 'ip' });
  const register = (Id: string, AvailabilityZone?: string) =>
    elb.send(
      new RegisterTargetsCommand({ TargetGroupArn: ip, Targets: [{ Id, ...(AvailabilityZone && { AvailabilityZone }) }] }),
    );
  await register('10.4.1.77');
  for (const address of ['172.16.0.9', '192.168.3.4', '100.64.1.1']) await register(address, 'all');
  await refused(register('8.8.8.8', 'all'), 'InvalidTarget');
  await refused(
    register('i-1234567890abcdef0'),
    'ValidationError',
    "The IP address 'i-1234567890abcdef0' is not a valid IPv4 address",
  );
  await refused(
    elb.send(new RegisterTargetsCommand({ TargetGroupArn: group, Targets: [{ Id: 'i-1234567890abcdef0' }] })),
    'InvalidTarget',
  );
  await refused(
    elb.send(new DescribeTargetGroupsCommand({ Names: ['none'] })),
    'TargetGroupNotFound',
    'One or more target groups not found',
  );
  await refused(
    elb.send(new CreateTargetGroupCommand({ Name: 'api', Protocol: 'HTTP', Port: 81, VpcId: site.network.vpcId })),
    'DuplicateTargetGroupName',
    "A target group with the same name 'api' exists, but with different settings",
  );
});
