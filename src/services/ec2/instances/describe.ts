/** Instances as the API shows them: reservations, filters, status. */
import type { EC2, Instance, InstanceNetworkInterface, Reservation } from '@aws-sdk/client-ec2';
import type { Context } from '../../../kernel/context.ts';
import type { AuthorisationsOf, HandlersOf } from '../../../kernel/service.ts';
import { applyFilters } from '../filters.ts';
import { type InterfaceRow, Interfaces } from '../interfaces/state.ts';
import { requireRow } from '../lookup.ts';
import { privateDnsName, publicDnsName } from '../names.ts';
import { page } from '../paging.ts';
import { SecurityGroups } from '../security-groups/state.ts';
import { describeTags } from '../tags.ts';
import { volumesOf } from '../volumes/attachments.ts';
import { type VpcRow, Vpcs } from '../vpc/state.ts';
import { candidates, joinedFilters, rowFilters, splitFilters } from './instance-filters.ts';
import { type InstanceRow, Instances, type InstanceState } from './state.ts';
import { instanceTypes } from './type-catalogue.ts';

/** Codes of states ("InstanceState": the low byte). */
export const stateCodes: Record<InstanceState, number> = {
  pending: 0,
  running: 16,
  'shutting-down': 32,
  terminated: 48,
  stopping: 64,
  stopped: 80,
};

/** A state in the API's form. */
export function describeState(state: InstanceState): { Code: number; Name: InstanceState } {
  return { Code: stateCodes[state], Name: state };
}

/** An instance with what is joined to show it. */
export interface ShownInstance extends InstanceRow {
  cards: readonly InterfaceRow[];
  shown: Instance;
}

function publicIpOf(card: InterfaceRow | undefined): string | undefined {
  return card?.addresses[0]?.elastic?.publicIp ?? card?.autoPublicIp;
}

async function groupNames(ctx: Context, ids: readonly string[]): Promise<{ GroupId: string; GroupName: string | undefined }[]> {
  return Promise.all(ids.map(async (id) => ({ GroupId: id, GroupName: (await ctx.table(SecurityGroups).get(id))?.name })));
}

async function describeCard(ctx: Context, card: InterfaceRow, vpc: VpcRow | undefined): Promise<InstanceNetworkInterface> {
  const association = (publicIp: string | undefined, owner: string) =>
    publicIp === undefined
      ? undefined
      : { PublicIp: publicIp, IpOwnerId: owner, PublicDnsName: vpc?.dnsHostnames === true ? publicDnsName(ctx, publicIp) : '' };
  const [primary] = card.addresses;
  return {
    NetworkInterfaceId: card.id,
    SubnetId: card.subnetId,
    VpcId: card.vpcId,
    OwnerId: ctx.account,
    Description: card.description,
    MacAddress: card.mac,
    Status: card.attachment === undefined ? 'available' : 'in-use',
    SourceDestCheck: card.sourceDestCheck,
    InterfaceType: card.interfaceType,
    PrivateIpAddress: primary?.address,
    PrivateDnsName: vpc?.dnsSupport === true && primary !== undefined ? privateDnsName(ctx, primary.address) : undefined,
    Association: association(publicIpOf(card), primary?.elastic === undefined ? 'amazon' : ctx.account),
    PrivateIpAddresses: card.addresses.map(({ address, elastic }, index) => ({
      PrivateIpAddress: address,
      PrivateDnsName: privateDnsName(ctx, address),
      Primary: index === 0,
      Association: association(
        elastic?.publicIp ?? (index === 0 ? card.autoPublicIp : undefined),
        elastic === undefined ? 'amazon' : ctx.account,
      ),
    })),
    Ipv6Addresses: (card.addresses6 ?? []).map((Ipv6Address) => ({ Ipv6Address })),
    Groups: await groupNames(ctx, card.groups),
    Attachment:
      card.attachment === undefined
        ? undefined
        : {
            AttachmentId: card.attachment.id,
            DeviceIndex: card.attachment.deviceIndex,
            DeleteOnTermination: card.attachment.deleteOnTermination,
            AttachTime: new Date(card.attachment.attachedAt),
            Status: 'attached',
            NetworkCardIndex: 0,
          },
  };
}

function describeNetwork(
  ctx: Context,
  row: InstanceRow,
  cards: readonly InterfaceRow[],
  vpc: VpcRow | undefined,
): Partial<Instance> {
  const [primary] = cards;
  const publicIp = publicIpOf(primary);
  if (row.state === 'terminated') return { NetworkInterfaces: [], SecurityGroups: [], PublicDnsName: '', PrivateDnsName: '' };
  return {
    SubnetId: row.subnetId,
    VpcId: row.vpcId,
    PrivateIpAddress: primary?.addresses[0]?.address,
    PublicIpAddress: publicIp,
    PrivateDnsName: primary?.addresses[0] === undefined ? '' : privateDnsName(ctx, primary.addresses[0].address),
    PublicDnsName: publicIp !== undefined && vpc?.dnsHostnames === true ? publicDnsName(ctx, publicIp) : '',
    SourceDestCheck: primary?.sourceDestCheck,
  };
}

async function describeInstance(ctx: Context, row: InstanceRow): Promise<ShownInstance> {
  const cards = await ctx.table(Interfaces).byIndex('byInstance', [row.id]);
  const vpc = await ctx.table(Vpcs).get(row.vpcId);
  const volumes = await volumesOf(ctx, row.id);
  const type = instanceTypes.get(row.type);
  const live = row.state !== 'terminated';
  const shown: Instance = {
    InstanceId: row.id,
    ImageId: row.imageId,
    InstanceType: row.type as never,
    State: describeState(row.state),
    StateTransitionReason: row.transitionReason,
    StateReason: row.stateReason === undefined ? undefined : { Code: row.stateReason.code, Message: row.stateReason.message },
    LaunchTime: new Date(row.launchedAt),
    AmiLaunchIndex: row.launchIndex,
    ClientToken: row.clientToken ?? '',
    KeyName: row.keyName,
    ...(row.spot === undefined ? {} : { InstanceLifecycle: 'spot', SpotInstanceRequestId: row.spot.requestId }),
    Placement: {
      AvailabilityZone: row.zone,
      GroupName: row.placement.groupName ?? '',
      GroupId: row.placement.groupId,
      PartitionNumber: row.placement.partition,
      HostId: row.placement.hostId,
      Affinity: row.placement.affinity,
      Tenancy: row.tenancy,
    },
    Monitoring: { State: row.monitoring ? 'enabled' : 'disabled' },
    Architecture: type?.architecture,
    Hypervisor: 'xen',
    VirtualizationType: 'hvm',
    EbsOptimized: row.ebsOptimized,
    EnaSupport: true,
    RootDeviceType: 'ebs',
    RootDeviceName: row.rootDeviceName,
    BlockDeviceMappings: live
      ? [
          {
            DeviceName: row.rootDeviceName,
            Ebs: {
              VolumeId: row.rootVolume.id,
              Status: 'attached',
              DeleteOnTermination: row.rootVolume.deleteOnTermination,
              AttachTime: new Date(row.rootVolume.attachedAt),
            },
          },
          ...volumes.map(({ row: volume, attachment }) => ({
            DeviceName: attachment.device,
            Ebs: {
              VolumeId: volume.id,
              Status: attachment.state === 'busy' ? ('attached' as const) : attachment.state,
              DeleteOnTermination: attachment.deleteOnTermination,
              AttachTime: new Date(attachment.attachedAt),
            },
          })),
        ]
      : [],
    IamInstanceProfile: row.profileArn === undefined ? undefined : { Arn: row.profileArn },
    SecurityGroups: live ? await groupNames(ctx, cards[0]?.groups ?? []) : [],
    NetworkInterfaces: await Promise.all(cards.map((card) => describeCard(ctx, card, vpc))),
    ...describeNetwork(ctx, row, cards, vpc),
    MetadataOptions: {
      State: 'applied',
      HttpTokens: row.metadata.httpTokens,
      HttpPutResponseHopLimit: row.metadata.hopLimit,
      HttpEndpoint: row.metadata.endpoint,
      HttpProtocolIpv6: 'disabled',
      InstanceMetadataTags: row.metadata.tags,
    },
    EnclaveOptions: { Enabled: false },
    HibernationOptions: { Configured: row.hibernation === true },
    CapacityReservationSpecification: { CapacityReservationPreference: 'open' },
    MaintenanceOptions: { AutoRecovery: row.autoRecovery },
    CurrentInstanceBootMode: 'legacy-bios',
    PlatformDetails: 'Linux/UNIX',
    UsageOperation: 'RunInstances',
    Tags: describeTags(row.tags),
  };
  return { ...row, cards, shown };
}

/** A reservation with these instances, which are all of it that is to be shown. */
export async function describeReservation(ctx: Context, rows: readonly InstanceRow[]): Promise<Reservation> {
  const shown = await Promise.all(rows.map((row) => describeInstance(ctx, row)));
  return { ReservationId: rows[0]?.reservationId, OwnerId: ctx.account, Groups: [], Instances: shown.map((one) => one.shown) };
}

/** Instances under their reservations, which come in the order of their first instance. */
function reservationsOf(ctx: Context, rows: readonly ShownInstance[]): Reservation[] {
  const reservations = new Map<string, Instance[]>();
  for (const row of rows) {
    const others = reservations.get(row.reservationId);
    if (others === undefined) reservations.set(row.reservationId, [row.shown]);
    else others.push(row.shown);
  }
  return [...reservations].map(([ReservationId, Instances]) => ({ ReservationId, OwnerId: ctx.account, Groups: [], Instances }));
}

export const describeInstanceHandlers: HandlersOf<EC2> = {
  async DescribeInstances(input, ctx) {
    const { plain, joined } = splitFilters(input.Filters);
    const rows = applyFilters(await candidates(ctx, input.InstanceIds, input.Filters), plain, rowFilters(ctx));
    const show = (row: InstanceRow) => describeInstance(ctx, row);
    const ids = { ids: input.InstanceIds };
    // What the rows alone decide is joined for the page that is shown, not for all.
    if (joined.length === 0) {
      const found = page('DescribeInstances', rows, (row) => row.id, input, ids);
      return { Reservations: reservationsOf(ctx, await Promise.all(found.rows.map(show))), NextToken: found.nextToken };
    }
    const passing = applyFilters(await Promise.all(rows.map(show)), joined, joinedFilters);
    const found = page('DescribeInstances', passing, (row) => row.id, input, ids);
    return { Reservations: reservationsOf(ctx, found.rows), NextToken: found.nextToken };
  },

  /** The last 64 KiB of what the machine wrote to its console, base64. */
  async GetConsoleOutput(input, ctx) {
    const row = await requireRow(ctx, Instances, 'instance', input.InstanceId);
    const machines = ctx.part('machines');
    const output = machines.unavailable === undefined ? await machines.console(row.id) : new Uint8Array();
    return { InstanceId: row.id, Timestamp: new Date(ctx.now), Output: Buffer.from(output).toString('base64') };
  },
};

export const describeInstanceAuthorisations: AuthorisationsOf<EC2> = {
  GetConsoleOutput: (input, ctx) => [{ resource: `arn:aws:ec2:${ctx.region}:${ctx.account}:instance/${input.InstanceId ?? ''}` }],
};
