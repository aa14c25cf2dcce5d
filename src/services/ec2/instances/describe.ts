/** Instances as the API shows them: reservations, filters, status. */
import type { EC2, Instance, InstanceNetworkInterface, InstanceStatus, Reservation, StatusType } from '@aws-sdk/client-ec2';
import type { Context } from '../../../kernel/context.ts';
import type { AuthorisationsOf, HandlersOf } from '../../../kernel/service.ts';
import { applyFilters, type FilterValues } from '../filters.ts';
import { type InterfaceRow, Interfaces } from '../interfaces/state.ts';
import { requireRow, rowsByIds } from '../lookup.ts';
import { privateDnsName, publicDnsName } from '../names.ts';
import { page } from '../paging.ts';
import { SecurityGroups } from '../security-groups/state.ts';
import { describeTags } from '../tags.ts';
import { volumesOf } from '../volumes/attachments.ts';
import { type VpcRow, Vpcs } from '../vpc/state.ts';
import { type InstanceRow, Instances, type InstanceState } from './state.ts';
import { instanceTypes } from './type-catalogue.ts';

/** Codes of states ("InstanceState": the low byte). */
const stateCodes: Record<InstanceState, number> = {
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
    HibernationOptions: { Configured: false },
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

const cardValues = (read: (card: InterfaceRow) => string | undefined) => (row: ShownInstance) => row.cards.map(read);

/** Filters of DescribeInstances. */
const instanceFilters = (ctx: Context): FilterValues<ShownInstance> => ({
  'instance-id': (row) => row.id,
  'instance-state-name': (row) => row.state,
  'instance-state-code': (row) => stateCodes[row.state],
  'instance-type': (row) => row.type,
  'image-id': (row) => row.imageId,
  'key-name': (row) => row.keyName,
  'launch-index': (row) => row.launchIndex,
  'client-token': (row) => row.clientToken,
  'reservation-id': (row) => row.reservationId,
  'owner-id': () => ctx.account,
  'vpc-id': (row) => row.shown.VpcId,
  'subnet-id': (row) => row.shown.SubnetId,
  'availability-zone': (row) => row.zone,
  'private-ip-address': (row) => row.shown.PrivateIpAddress,
  'ip-address': (row) => row.shown.PublicIpAddress,
  'private-dns-name': (row) => row.shown.PrivateDnsName,
  'dns-name': (row) => row.shown.PublicDnsName,
  architecture: (row) => row.shown.Architecture,
  hypervisor: () => 'xen',
  'virtualization-type': () => 'hvm',
  'root-device-type': () => 'ebs',
  'root-device-name': (row) => row.rootDeviceName,
  tenancy: (row) => row.tenancy,
  'placement-group-name': (row) => row.placement.groupName,
  'placement-partition-number': (row) => row.placement.partition,
  'host-id': (row) => row.placement.hostId,
  affinity: (row) => row.placement.affinity,
  'monitoring-state': (row) => (row.monitoring ? 'enabled' : 'disabled'),
  'source-dest-check': (row) => row.shown.SourceDestCheck,
  'state-reason-code': (row) => row.stateReason?.code,
  'iam-instance-profile.arn': (row) => row.profileArn,
  'metadata-options.http-tokens': (row) => row.metadata.httpTokens,
  'metadata-options.http-endpoint': (row) => row.metadata.endpoint,
  'block-device-mapping.device-name': (row) => (row.shown.BlockDeviceMappings ?? []).map(({ DeviceName }) => DeviceName),
  'block-device-mapping.volume-id': (row) => (row.shown.BlockDeviceMappings ?? []).map(({ Ebs }) => Ebs?.VolumeId),
  'block-device-mapping.status': (row) => (row.shown.BlockDeviceMappings ?? []).map(({ Ebs }) => Ebs?.Status),
  'block-device-mapping.delete-on-termination': (row) =>
    (row.shown.BlockDeviceMappings ?? []).map(({ Ebs }) => String(Ebs?.DeleteOnTermination)),
  'block-device-mapping.attach-time': (row) =>
    (row.shown.BlockDeviceMappings ?? []).map(({ Ebs }) => Ebs?.AttachTime?.toISOString()),
  'instance.group-id': (row) => row.cards[0]?.groups ?? [],
  'instance.group-name': (row) => (row.shown.SecurityGroups ?? []).map(({ GroupName }) => GroupName),
  'group-id': (row) => row.cards[0]?.groups ?? [],
  'group-name': (row) => (row.shown.SecurityGroups ?? []).map(({ GroupName }) => GroupName),
  'network-interface.network-interface-id': cardValues((card) => card.id),
  'network-interface.subnet-id': cardValues((card) => card.subnetId),
  'network-interface.vpc-id': cardValues((card) => card.vpcId),
  'network-interface.mac-address': cardValues((card) => card.mac),
  'network-interface.addresses.private-ip-address': (row) =>
    row.cards.flatMap((card) => card.addresses.map(({ address }) => address)),
  'network-interface.group-id': (row) => row.cards.flatMap((card) => card.groups),
  'launch-time': (row) => new Date(row.launchedAt).toISOString(),
});

function describeStatus(row: InstanceRow, settled: boolean, downSince: number | undefined): InstanceStatus {
  const running = row.state === 'running';
  const status = !running ? 'not-applicable' : downSince !== undefined ? 'impaired' : settled ? 'ok' : 'initializing';
  const passed = downSince !== undefined ? 'failed' : settled ? 'passed' : 'initializing';
  const impairedSince = downSince === undefined ? undefined : new Date(downSince);
  const details = running ? [{ Name: 'reachability' as const, Status: passed as StatusType, ImpairedSince: impairedSince }] : [];
  return {
    InstanceId: row.id,
    AvailabilityZone: row.zone,
    InstanceState: describeState(row.state),
    InstanceStatus: { Status: status, Details: details },
    SystemStatus: { Status: status, Details: details },
    Events: [],
  };
}

export const describeInstanceHandlers: HandlersOf<EC2> = {
  async DescribeInstances(input, ctx) {
    const rows = await rowsByIds(ctx, Instances, 'instance', input.InstanceIds);
    const shown = await Promise.all(rows.map((row) => describeInstance(ctx, row)));
    const passing = applyFilters(shown, input.Filters, instanceFilters(ctx));
    const found = page('DescribeInstances', passing, (row) => row.id, input, { ids: input.InstanceIds });
    const reservations = new Map<string, Instance[]>();
    for (const row of found.rows)
      reservations.set(row.reservationId, [...(reservations.get(row.reservationId) ?? []), row.shown]);
    return {
      Reservations: [...reservations].map(([id, instances]) => ({
        ReservationId: id,
        OwnerId: ctx.account,
        Groups: [],
        Instances: instances,
      })),
      NextToken: found.nextToken,
    };
  },

  /** Only running instances, unless IncludeAllInstances. Both checks are the machine's: ok while it runs. */
  async DescribeInstanceStatus(input, ctx) {
    const rows = await rowsByIds(ctx, Instances, 'instance', input.InstanceIds);
    const listed = rows.filter(
      (row) => row.state === 'running' || (input.IncludeAllInstances === true && row.state !== 'terminated'),
    );
    const machines = ctx.part('machines');
    const statuses = await Promise.all(
      listed.map(async (row) => ({
        ...row,
        shown: describeStatus(
          row,
          machines.unavailable !== undefined || (await machines.status(row.id))?.state === 'running',
          ctx.part('zones').downSince(row.place ?? row.zone),
        ),
      })),
    );
    const passing = applyFilters(statuses, input.Filters, {
      'availability-zone': (row) => row.zone,
      'instance-state-name': (row) => row.state,
      'instance-state-code': (row) => stateCodes[row.state],
      'instance-status.status': (row) => row.shown.InstanceStatus?.Status,
      'instance-status.reachability': (row) => row.shown.InstanceStatus?.Details?.[0]?.Status,
      'system-status.status': (row) => row.shown.SystemStatus?.Status,
      'system-status.reachability': (row) => row.shown.SystemStatus?.Details?.[0]?.Status,
    });
    const found = page('DescribeInstanceStatus', passing, (row) => row.id, input, { ids: input.InstanceIds });
    return { InstanceStatuses: found.rows.map((row) => row.shown), NextToken: found.nextToken };
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
