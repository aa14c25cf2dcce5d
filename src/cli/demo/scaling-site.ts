/** SCN-013 and SCN-014: the number of machines follows their load, and the site stands in three zones of which one is lost. */
import { CreateLaunchTemplateCommand } from '@aws-sdk/client-ec2';
import type { Instance } from '@aws-sdk/client-auto-scaling';
import { type BalancedSite, countTargets, health } from './balanced-site.ts';
import { hostOf, serverUserData } from './server.ts';
import { advance, holds, imageOf, type Stage } from './stage.ts';

const group = 'time';
/** Percent of a processor that the policy aims at. */
const target = 25;
/** Requests that keep processors busy at any time while there is load. */
const busy = 4;

/** Makes the group and its policy, loads it and lets it rest; then, when asked, loses a zone. */
export async function scalingSite(stage: Stage, site: BalancedSite, zones: boolean): Promise<void> {
  await build(stage, site);
  await followLoad(stage, site);
  if (zones) await loseZone(stage, site);
}

async function build(stage: Stage, { subnets, groupId, targets }: BalancedSite): Promise<void> {
  await stage.ec2.send(
    new CreateLaunchTemplateCommand({
      LaunchTemplateName: group,
      LaunchTemplateData: {
        ImageId: await imageOf(stage),
        InstanceType: 't3.micro',
        SecurityGroupIds: [groupId],
        Monitoring: { Enabled: true },
        UserData: Buffer.from(serverUserData).toString('base64'),
      },
    }),
  );
  await stage.scaling.createAutoScalingGroup({
    AutoScalingGroupName: group,
    LaunchTemplate: { LaunchTemplateName: group },
    MinSize: 1,
    MaxSize: 4,
    VPCZoneIdentifier: subnets.slice(0, 2).join(),
    TargetGroupARNs: [targets],
    HealthCheckType: 'ELB',
    HealthCheckGracePeriod: 60,
  });
  await stage.scaling.putScalingPolicy({
    AutoScalingGroupName: group,
    PolicyName: 'processor',
    PolicyType: 'TargetTrackingScaling',
    TargetTrackingConfiguration: {
      TargetValue: target,
      PredefinedMetricSpecification: { PredefinedMetricType: 'ASGAverageCPUUtilization' },
    },
  });
}

async function inService({ scaling }: Stage): Promise<Instance[]> {
  const shown = await scaling.describeAutoScalingGroups({ AutoScalingGroupNames: [group] });
  return (shown.AutoScalingGroups?.[0]?.Instances ?? []).filter(({ LifecycleState }) => LifecycleState === 'InService');
}

/** Requests that really keep processors busy, until the returned function is called. */
function load({ client }: Stage, name: string): () => Promise<void> {
  let going = true;
  const users = Array.from({ length: busy }, async () => {
    while (going) await client.askName(name, '/work');
  });
  return async () => {
    going = false;
    await Promise.all(users);
  };
}

async function followLoad(stage: Stage, site: BalancedSite): Promise<void> {
  const { client, report } = stage;
  await holds(stage, async () => (await inService(stage)).length === 1);
  await health(stage, site, 'healthy', 1);
  await client.until(() => client.askName(site.name));
  const stopProbe = client.startProbe(() => client.askName(site.name));
  const rest = load(stage, site.name);
  // Minute by minute, so that each has load of its own to measure.
  const grown = await holds(
    stage,
    async () => {
      await stage.clock.pause(300);
      await advance(stage, 60);
      return (await inService(stage)).length > 1;
    },
    60_000,
  );
  const most = await countTargetsAfterChecks(stage, site);
  const hosts = new Set<string>();
  for (let count = 0; count < 20; count += 1) hosts.add(hostOf((await client.askName(site.name)).body));
  await rest();
  report.see(
    'SCN-013',
    `load; the policy aims at ${target} % of the processors`,
    `1 machine became ${most}, ${hosts.size} of them answer`,
    grown && hosts.size > 1,
  );
  const shrunk = await holds(
    stage,
    async () => {
      await stage.clock.pause(300);
      await advance(stage, 60);
      return (await inService(stage)).length === 1;
    },
    90_000,
  );
  const probe = await stopProbe();
  report.see(
    'SCN-013',
    'the load is over',
    `${(await inService(stage)).length} machine is left; ${probe.sent} sent meanwhile, ${probe.lost} lost`,
    shrunk && probe.lost === 0,
  );
}

/** Machines in service once all of them are healthy. */
async function countTargetsAfterChecks(stage: Stage, site: BalancedSite): Promise<number> {
  await holds(stage, async () => {
    await advance(stage, 5);
    return (await countTargets(stage, site, 'healthy')) === (await inService(stage)).length;
  });
  return (await inService(stage)).length;
}

async function loseZone(stage: Stage, site: BalancedSite): Promise<void> {
  const { scaling, client, clock, report, admin } = stage;
  await scaling.deletePolicy({ AutoScalingGroupName: group, PolicyName: 'processor' });
  await scaling.updateAutoScalingGroup({
    AutoScalingGroupName: group,
    MinSize: 3,
    VPCZoneIdentifier: site.subnets.join(),
  });
  await holds(stage, async () => (await inService(stage)).length === 3);
  await health(stage, site, 'healthy', 3);
  // The new machines' grace period is over.
  await advance(stage, 61);
  const before = (await inService(stage)).map(({ AvailabilityZone }) => AvailabilityZone).sort();
  report.see('SCN-014', 'three machines over three zones', before.join(', '), new Set(before).size === 3);
  const stopProbe = client.startProbe(() => client.askName(site.name));
  await clock.pause(1000);
  const lostAt = clock.realNow();
  await admin('chaos/zone', { zone: 'us-east-1a', down: true });
  const back = await holds(
    stage,
    async () => {
      const all = await inService(stage);
      return all.length === 3 && all.every(({ AvailabilityZone }) => AvailabilityZone !== 'us-east-1a');
    },
    60_000,
  );
  const backAfter = clock.realNow() - lostAt;
  // The clock is left alone here: what a user would lose shows at the speed of real time.
  await holds(stage, async () => (await countTargets(stage, site, 'healthy')) === 3, 60_000);
  const probe = await stopProbe();
  const last = probe.lastLostAt === undefined ? 0 : Math.max(0, probe.lastLostAt - lostAt);
  report.see(
    'SCN-014',
    'us-east-1a is lost',
    `${probe.sent} sent, ${probe.lost} lost, the last one sent ${last} ms after the loss`,
    probe.lost <= 2,
  );
  const zones = (await inService(stage)).map(({ AvailabilityZone }) => AvailabilityZone).sort();
  report.see('SCN-014', 'capacity', `back after ${backAfter} ms in ${zones.join(', ')}`, back);
  await admin('chaos/zone', { zone: 'us-east-1a', down: false });
  report.note('SCN-015', 'reserved and spot instances change the bill only; nothing is metered here yet');
}
