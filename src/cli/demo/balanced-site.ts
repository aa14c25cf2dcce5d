/** SCN-011 and SCN-012: a load balancer before machines that only it can reach, and a name that follows the load balancer. */
import {
  AuthorizeSecurityGroupIngressCommand,
  CreateSecurityGroupCommand,
  CreateSubnetCommand,
  DescribeNetworkInterfacesCommand,
  TerminateInstancesCommand,
} from '@aws-sdk/client-ec2';
import type { LoadBalancer } from '@aws-sdk/client-elastic-load-balancing-v2';
import type { SiteZone } from './named-site.ts';
import { hostOf } from './server.ts';
import { advance, holds, instanceOf, launch, type Place, type Stage } from './stage.ts';

/** The site behind its load balancer. */
export interface BalancedSite {
  /** Subnets without public addresses, one in each of three zones. */
  subnets: string[];
  /** The group of machines that only the load balancer may reach. */
  groupId: string;
  targets: string;
  balancer: LoadBalancer;
  /** The name that users know. */
  name: string;
}

/** Seconds between the health checks of a target, and how many in a row decide. */
const healthCheck = {
  HealthCheckIntervalSeconds: 5,
  HealthyThresholdCount: 2,
  UnhealthyThresholdCount: 2,
  HealthCheckTimeoutSeconds: 2,
};

/** Builds the load balancer with three machines, loses one, and points the zone's apex at it. */
export async function balancedSite(stage: Stage, place: Place, zone: SiteZone): Promise<BalancedSite> {
  const site = await build(stage, place, zone);
  const ids = await launch(stage, { subnetId: site.subnets[0] ?? '', groupId: site.groupId }, 3);
  await stage.balancers.registerTargets({ TargetGroupArn: site.targets, Targets: ids.map((Id) => ({ Id })) });
  await health(stage, site, 'healthy', 3);
  await rotation(stage, site, ids);
  const left = await lostServer(stage, site, ids);
  await alias(stage, site, zone);
  await replaced(stage, site, left);
  return site;
}

async function build(stage: Stage, { vpcId, subnetId, groupId }: Place, zone: SiteZone): Promise<BalancedSite> {
  const { ec2, balancers } = stage;
  const subnet = async (CidrBlock: string, letter: string): Promise<string> => {
    const made = await ec2.send(new CreateSubnetCommand({ VpcId: vpcId, CidrBlock, AvailabilityZone: `us-east-1${letter}` }));
    return made.Subnet?.SubnetId ?? '';
  };
  const open = [subnetId, await subnet('10.0.2.0/24', 'b'), await subnet('10.0.3.0/24', 'c')];
  const subnets = [await subnet('10.0.11.0/24', 'a'), await subnet('10.0.12.0/24', 'b'), await subnet('10.0.13.0/24', 'c')];
  const made = await ec2.send(
    new CreateSecurityGroupCommand({ GroupName: 'servers', Description: 'HTTP from the load balancer', VpcId: vpcId }),
  );
  await ec2.send(
    new AuthorizeSecurityGroupIngressCommand({
      GroupId: made.GroupId,
      IpPermissions: [{ IpProtocol: 'tcp', FromPort: 80, ToPort: 80, UserIdGroupPairs: [{ GroupId: groupId }] }],
    }),
  );
  const group = await balancers.createTargetGroup({ Name: 'time', Protocol: 'HTTP', Port: 80, VpcId: vpcId, ...healthCheck });
  const targets = group.TargetGroups?.[0]?.TargetGroupArn ?? '';
  const balanced = await balancers.createLoadBalancer({ Name: 'time', Subnets: open, SecurityGroups: [groupId] });
  const balancer = balanced.LoadBalancers?.[0] ?? {};
  await balancers.createListener({
    LoadBalancerArn: balancer.LoadBalancerArn,
    Protocol: 'HTTP',
    Port: 80,
    DefaultActions: [{ Type: 'forward', TargetGroupArn: targets }],
  });
  await holds(stage, async () => {
    const shown = await balancers.describeLoadBalancers({ LoadBalancerArns: [balancer.LoadBalancerArn ?? ''] });
    return shown.LoadBalancers?.[0]?.State?.Code === 'active';
  });
  return { subnets, groupId: made.GroupId ?? '', targets, balancer, name: zone.name };
}

/** How many targets are in a state. */
export async function countTargets({ balancers }: Stage, { targets }: BalancedSite, state: string): Promise<number> {
  const shown = await balancers.describeTargetHealth({ TargetGroupArn: targets });
  return (shown.TargetHealthDescriptions ?? []).filter(({ TargetHealth }) => TargetHealth?.State === state).length;
}

/** Moves the clock from check to check until so many targets are in a state. */
export function health(stage: Stage, site: BalancedSite, state: string, count: number): Promise<boolean> {
  return holds(stage, async () => {
    if ((await countTargets(stage, site, state)) === count) return true;
    await advance(stage, healthCheck.HealthCheckIntervalSeconds);
    return false;
  });
}

async function rotation(stage: Stage, { balancer: { DNSName = '' } }: BalancedSite, ids: readonly string[]): Promise<void> {
  const { client, report } = stage;
  const answers = new Map<string, number>();
  for (let count = 0; count < 30; count += 1) {
    const { status, body } = await client.askName(DNSName);
    const key = status === 200 ? hostOf(body) : `status ${status}`;
    answers.set(key, (answers.get(key) ?? 0) + 1);
  }
  report.see(
    'SCN-011',
    'GET the load balancer, 30 times',
    [...answers].map(([host, count]) => `${host} ${count}`).join(', '),
    answers.size === 3 && [...answers.keys()].every((key) => key.startsWith('ip-')),
  );
  const shown = await instanceOf(stage, ids[0] ?? '');
  const direct = await client.ask(shown.PrivateIpAddress ?? '');
  report.see(
    'SCN-011',
    `GET http://${shown.PrivateIpAddress}/, past the load balancer`,
    `${direct.status === 0 ? 'nothing answers' : `status ${direct.status}`}; its public address is ${shown.PublicIpAddress ?? 'none'}`,
    direct.status === 0 && shown.PublicIpAddress === undefined,
  );
}

/** Ends the web server of one machine; returns the machines that still serve. */
async function lostServer(stage: Stage, site: BalancedSite, ids: readonly string[]): Promise<string[]> {
  const { balancers, client, report } = stage;
  await client.askName(site.balancer.DNSName ?? '', '/stop');
  await health(stage, site, 'unhealthy', 1);
  const shown = await balancers.describeTargetHealth({ TargetGroupArn: site.targets });
  const ill = (shown.TargetHealthDescriptions ?? []).filter(({ TargetHealth }) => TargetHealth?.State === 'unhealthy');
  const pages = await Promise.all(Array.from({ length: 100 }, () => client.askName(site.balancer.DNSName ?? '')));
  const lost = pages.filter(({ status }) => status !== 200).length;
  report.see(
    'SCN-011',
    'one web server is stopped',
    `${ill.map(({ Target, TargetHealth }) => `${Target?.Id} ${TargetHealth?.State}`).join()}; 100 sent, ${lost} lost`,
    ill.length === 1 && lost === 0,
  );
  return ids.filter((id) => id !== ill[0]?.Target?.Id);
}

async function alias(stage: Stage, { balancer, name }: BalancedSite, zone: SiteZone): Promise<void> {
  const { ec2, names, client, report } = stage;
  await names.changeResourceRecordSets({
    HostedZoneId: zone.id,
    ChangeBatch: {
      Changes: [
        {
          Action: 'CREATE',
          ResourceRecordSet: {
            Name: name,
            Type: 'A',
            AliasTarget: {
              HostedZoneId: balancer.CanonicalHostedZoneId,
              DNSName: balancer.DNSName,
              EvaluateTargetHealth: true,
            },
          },
        },
      ],
    },
  });
  await holds(stage, async () => (await client.resolve(name)).length > 0);
  const part = balancer.LoadBalancerArn?.split(':loadbalancer/')[1];
  const cards = await ec2.send(
    new DescribeNetworkInterfacesCommand({ Filters: [{ Name: 'description', Values: [`ELB ${part}`] }] }),
  );
  const current = (cards.NetworkInterfaces ?? []).map(({ Association }) => Association?.PublicIp ?? '').sort();
  const answered = (await client.resolve(name)).sort();
  report.see('SCN-012', `${name}, an alias at the apex`, answered.join(', '), answered.join() === current.join());
}

/** One machine comes and one goes while users ask. */
async function replaced(stage: Stage, site: BalancedSite, serving: readonly string[]): Promise<void> {
  const { ec2, balancers, client, report } = stage;
  const stopProbe = client.startProbe(() => client.askName(site.name));
  const [id = ''] = await launch(stage, { subnetId: site.subnets[1] ?? '', groupId: site.groupId }, 1);
  await balancers.registerTargets({ TargetGroupArn: site.targets, Targets: [{ Id: id }] });
  await health(stage, site, 'healthy', serving.length + 1);
  await balancers.deregisterTargets({ TargetGroupArn: site.targets, Targets: [{ Id: serving[0] ?? '' }] });
  const hosts = new Set<string>();
  // The nodes are told a moment later.
  await holds(stage, async () => {
    hosts.clear();
    for (let count = 0; count < 20; count += 1) hosts.add(hostOf((await client.askName(site.name)).body));
    return hosts.size === 2;
  });
  const probe = await stopProbe();
  report.see(
    'SCN-012',
    'one machine registered and one deregistered meanwhile',
    `${probe.sent} sent, ${probe.lost} lost; afterwards ${[...hosts].join(', ')} answer`,
    probe.lost === 0 && hosts.size === 2 && probe.sent > 5,
  );
  const shown = await balancers.describeTargetHealth({ TargetGroupArn: site.targets });
  const Targets = (shown.TargetHealthDescriptions ?? []).map(({ Target }) => ({ Id: Target?.Id ?? '' }));
  await balancers.deregisterTargets({ TargetGroupArn: site.targets, Targets });
  await ec2.send(new TerminateInstancesCommand({ InstanceIds: Targets.map(({ Id }) => Id) }));
  await advance(stage, 301);
}
