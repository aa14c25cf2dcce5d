/**
 * Launches: a member's row is written with its slot before EC2 is asked, and the slot is the client token, so that a crash between the two asks again
 * and gets the same instance.
 */
import type { RunInstancesRequest } from '@aws-sdk/client-ec2';
import type { Context, Transaction } from '../../kernel/context.ts';
import { AwsError } from '../../kernel/errors.ts';
import { endActivity, updateActivity } from './activities.ts';
import { resolveVersion } from './launch-choice.ts';
import { inWarmPool } from './members.ts';
import { chooseLaunch } from './mixed.ts';
import { Configurations, type ConfigurationRow, type GroupRow, Groups, type MemberRow, Members } from './state.ts';

/** How long a zone in which a launch failed is passed over. */
const avoidMillis = 60_000;

function fromConfiguration(row: ConfigurationRow): Partial<RunInstancesRequest> {
  return JSON.parse(
    JSON.stringify({
      ImageId: row.ImageId,
      InstanceType: row.InstanceType,
      KeyName: row.KeyName,
      UserData: row.UserData,
      EbsOptimized: row.EbsOptimized,
      BlockDeviceMappings: row.BlockDeviceMappings?.map(({ NoDevice, ...one }) => ({
        ...one,
        ...(NoDevice === true ? { NoDevice: '' } : {}),
      })),
      Monitoring: { Enabled: row.InstanceMonitoring?.Enabled !== false },
      MetadataOptions: row.MetadataOptions,
      ...(row.IamInstanceProfile === undefined
        ? {}
        : {
            IamInstanceProfile: row.IamInstanceProfile.startsWith('arn:')
              ? { Arn: row.IamInstanceProfile }
              : { Name: row.IamInstanceProfile },
          }),
      Placement: row.PlacementTenancy === undefined ? undefined : { Tenancy: row.PlacementTenancy },
    }),
  ) as Partial<RunInstancesRequest>;
}

/** Subnet, groups and public address of a launch; with a public address wanted or not they belong to the card. */
function network(member: MemberRow, configuration: ConfigurationRow | undefined): Partial<RunInstancesRequest> {
  const { subnetId: SubnetId } = member;
  const groups = configuration?.SecurityGroups;
  const publicIp = configuration?.AssociatePublicIpAddress;
  if (publicIp !== undefined)
    return { NetworkInterfaces: [{ DeviceIndex: 0, AssociatePublicIpAddress: publicIp, SubnetId, Groups: groups }] };
  return { SubnetId, ...(groups === undefined ? {} : { SecurityGroupIds: groups }) };
}

/** The Spot part of a launch, with the most that the policy pays. */
function spotOptions({ launch }: GroupRow): RunInstancesRequest['InstanceMarketOptions'] {
  const { SpotMaxPrice: MaxPrice = '' } = launch.mixed?.InstancesDistribution ?? {};
  return { MarketType: 'spot', ...(MaxPrice === '' ? {} : { SpotOptions: { MaxPrice } }) };
}

async function requestOf(ctx: Context, group: GroupRow, member: MemberRow): Promise<RunInstancesRequest> {
  const name = member.configuration;
  const configuration = name === undefined ? undefined : await ctx.table(Configurations).get(name);
  const base = configuration === undefined ? {} : fromConfiguration(configuration);
  const { template } = member;
  return {
    ...base,
    ...(template === undefined ? {} : { LaunchTemplate: { LaunchTemplateId: template.id, Version: template.version } }),
    ...(member.chosenType === undefined ? {} : { InstanceType: member.chosenType as RunInstancesRequest['InstanceType'] }),
    ...network(member, configuration),
    MinCount: 1,
    MaxCount: 1,
    ClientToken: member.slot,
    Placement: {
      ...base.Placement,
      AvailabilityZone: member.zone,
      ...(group.placementGroup === undefined ? {} : { GroupName: group.placementGroup }),
    },
    ...(member.spot ? { InstanceMarketOptions: spotOptions(group) } : {}),
    TagSpecifications: [
      {
        ResourceType: 'instance',
        Tags: [
          ...group.tags.filter(({ propagate }) => propagate).map(({ key, value }) => ({ Key: key, Value: value })),
          { Key: 'aws:autoscaling:groupName', Value: group.name },
        ],
      },
    ],
  };
}

/** A new member's row for a zone beside the others, with what it is launched from settled. */
export async function newMember(
  ctx: Context,
  group: GroupRow,
  zone: string,
  more: Partial<MemberRow>,
  others: readonly MemberRow[] = [],
): Promise<MemberRow> {
  const { template, ...chosen } = await chooseLaunch(ctx, group, zone, more.spot === true, others);
  const subnets = group.subnets.filter((subnet) => subnet.zone === zone);
  const version = template === undefined ? undefined : await resolveVersion(ctx, template);
  return {
    group: group.name,
    slot: ctx.uuid(),
    zone,
    subnetId: subnets[0]?.id,
    state: 'Pending',
    healthy: true,
    protected: group.protectNew,
    template: template === undefined ? undefined : { ...template, version: version ?? template.version },
    configuration: group.launch.configuration,
    spot: false,
    ...chosen,
    launched: ctx.now,
    registered: [],
    ...more,
  };
}

/** Has a zone passed over for a while, in which a launch or a start has just failed. */
export async function avoidZone(tx: Transaction, ctx: Context, name: string, zone: string): Promise<void> {
  const row = await tx.table(Groups).get(name);
  if (row === undefined) return;
  await tx.table(Groups).put({ ...row, avoided: { ...row.avoided, [zone]: ctx.now + avoidMillis } });
  tx.hint('groups', name);
}

/** Asks EC2 for a member's instance. A refusal ends its activity as Failed, takes the row away and has its zone passed over for a while. */
export async function launchMember(ctx: Context, group: GroupRow, member: MemberRow): Promise<void> {
  try {
    const made = await ctx.call('ec2').runInstances(await requestOf(ctx, group, member));
    const one = made.Instances?.[0];
    await ctx.transact(async (tx) => {
      const row = await tx.table(Members).get(group.name, member.slot);
      if (row === undefined || row.instanceId !== undefined) return;
      await tx
        .table(Members)
        .put({ ...row, instanceId: one?.InstanceId, subnetId: one?.SubnetId, type: one?.InstanceType, imageId: one?.ImageId });
      await updateActivity(tx, row.activity, {
        description: `Launching a new EC2 instance${inWarmPool(row) ? ' into warm pool' : ''}: ${one?.InstanceId}`,
      });
      tx.hint('groups', group.name);
    });
  } catch (error) {
    if (!(error instanceof AwsError)) throw error;
    await ctx.transact(async (tx) => {
      const message = `${error.message} Launching EC2 instance failed.`;
      await endActivity(tx, ctx, member.activity, 'Failed', {
        message,
        description: 'Launching a new EC2 instance.  Status Reason: ' + message,
      });
      await tx.table(Members).delete(group.name, member.slot);
      await avoidZone(tx, ctx, group.name, member.zone);
    });
  }
}
