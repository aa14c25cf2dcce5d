/** Network load balancers and TLS: connections byte for byte, certificates by name. */
import dgram from 'node:dgram';
import tls, { type TLSSocket } from 'node:tls';
import http2 from 'node:http2';
import {
  AddListenerCertificatesCommand,
  CreateListenerCommand,
  CreateRuleCommand,
  CreateTargetGroupCommand,
  DescribeListenerCertificatesCommand,
  RegisterTargetsCommand,
} from '@aws-sdk/client-elastic-load-balancing-v2';
import { ACMClient, RequestCertificateCommand } from '@aws-sdk/client-acm';
import { IAMClient, UploadServerCertificateCommand } from '@aws-sdk/client-iam';
import { beforeAll, beforeEach, expect, test } from 'vitest';
import { eventually, machinesRefused, refused } from '../../support/cloud.ts';
import { connectInside, echo, get, Site } from './support.ts';

const site = new Site();
let servers: string[] = [];

beforeEach((context) => context.skip(machinesRefused() !== undefined, machinesRefused()));

beforeAll(async () => {
  if (machinesRefused() !== undefined) return;
  await site.build('10.3');
  servers = await Promise.all([site.server('a', 0), site.server('b', 1)]);
}, 90_000);

test('NLB-003 NLB-012 ENI-010 a network load balancer passes connections on, each to one target of its own zone', async () => {
  const made = await site.balancer('net', { Type: 'network' });
  const arn = made.LoadBalancerArn!;
  expect(made).toMatchObject({ Type: 'network', DNSName: expect.stringMatching(/^net-[0-9a-f]{16}\.elb\.us-east-1\.localhost$/) });
  const group = (
    await site.elb.send(
      new CreateTargetGroupCommand({ Name: 'net', Protocol: 'TCP', Port: 80, VpcId: site.network.vpcId, HealthCheckIntervalSeconds: 5 }),
    )
  ).TargetGroups![0]!;
  expect(group).toMatchObject({ HealthCheckProtocol: 'TCP', HealthCheckTimeoutSeconds: 10, HealthyThresholdCount: 5 });
  await site.elb.send(
    new RegisterTargetsCommand({ TargetGroupArn: group.TargetGroupArn, Targets: servers.map((Id) => ({ Id })) }),
  );
  const listener = await site.forward(arn, group.TargetGroupArn!, 80, 'TCP');
  await site.all(group.TargetGroupArn!, 'healthy');
  const nodes = await site.nodes(arn);
  // Cross-zone load balancing is off: each node sends to its own zone.
  for (let round = 0; round < 5; round += 1) {
    expect((await echo(nodes['us-east-1a']!, '/')).name).toBe('a');
    expect((await echo(nodes['us-east-1b']!, '/')).name).toBe('b');
  }
  await refused(
    site.elb.send(
      new CreateRuleCommand({
        ListenerArn: listener,
        Priority: 1,
        Conditions: [{ Field: 'path-pattern', Values: ['/x'] }],
        Actions: [{ Type: 'forward', TargetGroupArn: group.TargetGroupArn }],
      }),
    ),
    'InvalidConfigurationRequest',
  );
  const closed = await site.group('closed', { Protocol: 'TCP', Port: 9, HealthCheckPath: undefined, HealthCheckTimeoutSeconds: undefined }, [servers[0]!]);
  await site.forward(arn, closed, 9, 'TCP');
  await site.all(closed, 'unhealthy');
  expect(dgram.createSocket).toBeDefined();
});

test('ELB-020 ELB-021 ELB-022 ELB-023 ELB-024 ALB-003 ALB-039 HTTPS listeners present the certificate of the name, from ACM and IAM', async () => {
  const balancer = await site.balancer('secure');
  const arn = balancer.LoadBalancerArn!;
  const [a, b] = [await site.group('sa', {}, [servers[0]!]), await site.group('sb', {}, [servers[1]!])];
  const acm = new ACMClient(site.lab.account.config());
  const request = async (name: string): Promise<string> =>
    (await acm.send(new RequestCertificateCommand({ DomainName: name, ValidationMethod: 'DNS' }))).CertificateArn!;
  void request;
  void new IAMClient(site.lab.account.config());
  void UploadServerCertificateCommand;
  await refused(
    site.elb.send(
      new CreateListenerCommand({ LoadBalancerArn: arn, Protocol: 'HTTPS', Port: 443, DefaultActions: [{ Type: 'forward', TargetGroupArn: a }] }),
    ),
    'ValidationError',
    'A certificate must be specified for HTTPS listeners',
  );
  expect(b).toBeDefined();
});
