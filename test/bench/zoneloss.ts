/**
 * A zone is lost under traffic: a site of six instances in three zones behind a load balancer, visited by name all the time. Measured are the requests that get
 * no 200, the time from the loss to the last of them, and the time until the group has its capacity back. The cloud's clock is left alone. Needs machines.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { AutoScaling } from '@aws-sdk/client-auto-scaling';
import { EC2 } from '@aws-sdk/client-ec2';
import { ElasticLoadBalancingV2 } from '@aws-sdk/client-elastic-load-balancing-v2';
import { CloudClock } from '../../src/base/clock.ts';
import { serverUserData } from '../../src/cli/demo/server.ts';
import { DemoClient } from '../../src/cli/demo/traffic.ts';
import { type Measurement, ourUrl, startServer } from './cloud.ts';

const size = 6;
const visitors = 8;
const waitMillisMax = 120_000;
const zone = 'us-east-1a';

async function until(what: string, holds: () => Promise<boolean>): Promise<void> {
  const deadline = performance.now() + waitMillisMax;
  while (!(await holds())) {
    if (performance.now() > deadline) throw new Error(`In vain waited for ${what}.`);
    await pause(100);
  }
}

/** What one run of the visitors saw. */
interface Visits {
  sent: number;
  lost: number;
  /** On performance's clock: when the last request that was lost had been sent, and when it was given up. */
  lastSent: number;
  lastEnded: number;
  slowest: number;
}

/** Visitors that ask one request after another until they are stopped. */
function visit(client: DemoClient, name: string): () => Promise<Visits> {
  const seen: Visits = { sent: 0, lost: 0, lastSent: 0, lastEnded: 0, slowest: 0 };
  let going = true;
  const one = async (): Promise<void> => {
    while (going) {
      const began = performance.now();
      const { status } = await client.askName(name);
      const ended = performance.now();
      seen.sent += 1;
      seen.slowest = Math.max(seen.slowest, ended - began);
      if (status === 200) continue;
      seen.lost += 1;
      seen.lastSent = Math.max(seen.lastSent, began);
      seen.lastEnded = Math.max(seen.lastEnded, ended);
    }
  };
  const all = Promise.all(Array.from({ length: visitors }, one));
  return async () => {
    going = false;
    await all;
    return seen;
  };
}

/** A load balancer over a group of instances in three zones; resolves with the site's name once all of them are healthy. */
async function buildSite(config: { endpoint: string }): Promise<{ name: string; inService: () => Promise<string[]> }> {
  const client = { ...config, region: 'us-east-1', credentials: { accessKeyId: 'test', secretAccessKey: 'test' } };
  const [ec2, elb, scaling] = [new EC2(client), new ElasticLoadBalancingV2(client), new AutoScaling(client)];
  const { Subnets = [] } = await ec2.describeSubnets({
    Filters: [{ Name: 'availability-zone', Values: [zone, 'us-east-1b', 'us-east-1c'] }],
  });
  const VpcId = Subnets[0]?.VpcId ?? '';
  const subnets = Subnets.map(({ SubnetId = '' }) => SubnetId);
  const { GroupId = '' } = await ec2.createSecurityGroup({ GroupName: 'site', Description: 'site', VpcId });
  await ec2.authorizeSecurityGroupIngress({ GroupId, IpProtocol: 'tcp', FromPort: 80, ToPort: 80, CidrIp: '0.0.0.0/0' });
  const { Images = [] } = await ec2.describeImages({ Owners: ['amazon'], Filters: [{ Name: 'name', Values: ['al2023-ami-*'] }] });
  await ec2.createLaunchTemplate({
    LaunchTemplateName: 'site',
    LaunchTemplateData: {
      ...{ ImageId: Images[0]?.ImageId, InstanceType: 't3.nano', SecurityGroupIds: [GroupId] },
      UserData: Buffer.from(serverUserData).toString('base64'),
    },
  });
  const { TargetGroups = [] } = await elb.createTargetGroup({
    Name: 'site',
    Protocol: 'HTTP',
    Port: 80,
    VpcId,
    HealthCheckIntervalSeconds: 5,
    HealthCheckTimeoutSeconds: 2,
  });
  const { TargetGroupArn = '' } = TargetGroups[0] ?? {};
  const { LoadBalancers = [] } = await elb.createLoadBalancer({ Name: 'site', Subnets: subnets, SecurityGroups: [GroupId] });
  const { LoadBalancerArn, DNSName: name = '' } = LoadBalancers[0] ?? {};
  await elb.createListener({
    ...{ LoadBalancerArn, Protocol: 'HTTP', Port: 80 },
    DefaultActions: [{ Type: 'forward', TargetGroupArn }],
  });
  await scaling.createAutoScalingGroup({
    ...{ AutoScalingGroupName: 'site', MinSize: size, MaxSize: size, VPCZoneIdentifier: subnets.join() },
    ...{ LaunchTemplate: { LaunchTemplateName: 'site', Version: '$Latest' }, TargetGroupARNs: [TargetGroupArn] },
  });
  await until('healthy targets', async () => {
    const { TargetHealthDescriptions = [] } = await elb.describeTargetHealth({ TargetGroupArn });
    return TargetHealthDescriptions.filter(({ TargetHealth }) => TargetHealth?.State === 'healthy').length === size;
  });
  const inService = async (): Promise<string[]> => {
    const { AutoScalingGroups = [] } = await scaling.describeAutoScalingGroups({ AutoScalingGroupNames: ['site'] });
    const members = AutoScalingGroups[0]?.Instances ?? [];
    return members.flatMap((one) => (one.LifecycleState === 'InService' ? (one.AvailabilityZone ?? '') : []));
  };
  return { name, inService };
}

/** Starts a cloud from dist/; measures nothing where machines cannot run. */
export async function bench(): Promise<Measurement[]> {
  const data = await mkdtemp(path.join(tmpdir(), 'pilvi-bench-'));
  const server = await startServer([process.execPath, 'dist/pilvi.js', 'start', '--port', '0', '--data', data], ourUrl);
  try {
    const health = (await (await fetch(new URL('/_pilvi/health', server.url))).json()) as {
      limits: string[];
      dnsPort: number;
    };
    if (health.limits.length > 0) return [];
    const { name, inService } = await buildSite({ endpoint: server.url.origin });
    const client = new DemoClient(data, health.dnsPort, new CloudClock());
    await until('the site', async () => (await client.askName(name)).status === 200);
    const stop = visit(client, name);
    await pause(2000);
    const lostAt = performance.now();
    await fetch(new URL('/_pilvi/chaos/zone', server.url), { method: 'POST', body: JSON.stringify({ zone, down: true }) });
    const orderMillis = performance.now() - lostAt;
    await until('capacity', async () => {
      const zones = await inService();
      return zones.length === size && !zones.includes(zone);
    });
    const backMillis = performance.now() - lostAt;
    await pause(3000);
    const { sent, lost, lastSent, lastEnded, slowest } = await stop();
    return [
      { name: `zone loss under ${visitors} visitors: requests sent`, value: sent, unit: 'requests' },
      { name: 'zone loss: requests lost', value: lost, unit: 'requests' },
      {
        name: 'zone loss: from the loss to the last failed request, as it was sent',
        value: lost === 0 ? 0 : lastSent - lostAt,
        unit: 'ms',
      },
      {
        name: 'zone loss: from the loss to the end of the last failed request',
        value: lost === 0 ? 0 : lastEnded - lostAt,
        unit: 'ms',
      },
      { name: 'zone loss: slowest request', value: slowest, unit: 'ms' },
      { name: 'zone loss: until all of the zone stands without power', value: orderMillis, unit: 'ms' },
      { name: `zone loss: until ${size} instances are in service in the other zones`, value: backMillis, unit: 'ms' },
    ];
  } finally {
    await server.stop();
    await rm(data, { recursive: true, force: true });
  }
}
