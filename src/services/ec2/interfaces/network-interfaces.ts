/** Network interfaces on their own: create, describe, attach, detach, change, delete. */
import type { EC2, NetworkInterface } from '@aws-sdk/client-ec2';
import { idKinds } from '../../../base/ids.ts';
import type { Context, Transaction } from '../../../kernel/context.ts';
import { AwsError, parameterNotImplemented } from '../../../kernel/errors.ts';
import type { AuthorisationsOf, HandlersOf } from '../../../kernel/service.ts';
import { invalidParameterValue, missingParameter, notFound } from '../errors.ts';
import { applyFilters } from '../filters.ts';
import { type InstanceRow, Instances } from '../instances/state.ts';
import { instanceTypes } from '../instances/type-catalogue.ts';
import { requireRow, rowsByIds } from '../lookup.ts';
import { privateDnsName, publicDnsName } from '../names.ts';
import { page } from '../paging.ts';
import { SecurityGroups } from '../security-groups/state.ts';
import { checkTagged, describeTags, ec2Arn, requestTagConditions, tagsFor } from '../tags.ts';
import { Subnets, Vpcs } from '../vpc/state.ts';
import { addInterface, attachInterface, checkGroups, dropPublicIp, removeInterface } from './lifecycle.ts';
import { type InterfaceRow, Interfaces } from './state.ts';

async function describeInterface(ctx: Context, row: InterfaceRow): Promise<NetworkInterface> {
  const vpc = await ctx.table(Vpcs).get(row.vpcId);
  const association = (index: number) => {
    const { elastic } = row.addresses[index] ?? {};
    const publicIp = elastic?.publicIp ?? (index === 0 ? row.autoPublicIp : undefined);
    if (publicIp === undefined) return undefined;
    return {
      PublicIp: publicIp,
      PublicDnsName: vpc?.dnsHostnames === true ? publicDnsName(ctx, publicIp) : '',
      IpOwnerId: elastic === undefined ? 'amazon' : ctx.account,
      AllocationId: elastic?.allocationId,
      AssociationId: elastic?.associationId,
    };
  };
  const { attachment } = row;
  return {
    NetworkInterfaceId: row.id,
    VpcId: row.vpcId,
    SubnetId: row.subnetId,
    AvailabilityZone: row.zone,
    OwnerId: ctx.account,
    Description: row.description,
    InterfaceType: shownType(row) as never,
    RequesterManaged: row.holder !== undefined,
    RequesterId: row.holder === undefined ? undefined : requesterOf(row),
    MacAddress: row.mac,
    SourceDestCheck: row.sourceDestCheck,
    Status: attachment === undefined && row.holder === undefined ? 'available' : 'in-use',
    PrivateIpAddress: row.addresses[0]?.address,
    PrivateDnsName: privateDnsName(ctx, row.addresses[0]?.address ?? ''),
    Association: association(0),
    PrivateIpAddresses: row.addresses.map(({ address }, index) => ({
      PrivateIpAddress: address,
      PrivateDnsName: privateDnsName(ctx, address),
      Primary: index === 0,
      Association: association(index),
    })),
    Ipv6Addresses: (row.addresses6 ?? []).map((Ipv6Address) => ({ Ipv6Address })),
    Groups: await Promise.all(
      row.groups.map(async (id) => ({ GroupId: id, GroupName: (await ctx.table(SecurityGroups).get(id))?.name })),
    ),
    Attachment:
      attachment === undefined
        ? describeHolder(row)
        : {
            AttachmentId: attachment.id,
            AttachTime: new Date(attachment.attachedAt),
            DeleteOnTermination: attachment.deleteOnTermination,
            DeviceIndex: attachment.deviceIndex,
            InstanceId: attachment.instanceId,
            InstanceOwnerId: ctx.account,
            NetworkCardIndex: 0,
            Status: 'attached',
          },
    TagSet: describeTags(row.tags),
  };
}

/** The interface of a resolver endpoint, or of a cache's node, is a plain one to the API. */
const shownType = ({ interfaceType }: InterfaceRow): string =>
  interfaceType === 'resolver_endpoint' || interfaceType === 'cache' ? 'interface' : interfaceType;

const requesterOf = ({ interfaceType }: InterfaceRow): string =>
  interfaceType.endsWith('load_balancer') ? 'amazon-elb' : 'amazon-aws';

/** Attachment of a requester-managed interface: to nothing that the account can see. */
function describeHolder(row: InterfaceRow): NetworkInterface['Attachment'] {
  const { holder } = row;
  if (holder === undefined) return undefined;
  return {
    AttachmentId: holder.attachmentId,
    DeleteOnTermination: false,
    DeviceIndex: 1,
    InstanceOwnerId: requesterOf(row),
    Status: 'attached',
  };
}

/** Requester-managed interfaces are their holder's to change ("Requester-managed network interfaces"). */
function refuseManaged({ holder }: InterfaceRow): void {
  if (holder !== undefined)
    throw new AwsError('AuthFailure', 'You do not have permission to access the specified resource.', { status: 403 });
}

const unimplementedAtCreation = [
  ...(['PrivateIpAddresses', 'SecondaryPrivateIpAddressCount', 'Ipv4Prefixes', 'Ipv4PrefixCount'] as const),
  ...(['Ipv6Prefixes', 'Ipv6PrefixCount', 'EnablePrimaryIpv6', 'ConnectionTrackingSpecification', 'Operator'] as const),
];

/** The instance that may take one more interface at this index. Throws what AWS throws for a wrong state, zone, index or count. */
async function checkAttachable(
  tx: Transaction,
  card: InterfaceRow,
  instanceId: string | undefined,
  deviceIndex: number,
): Promise<InstanceRow> {
  const instance = await requireRow(tx, Instances, 'instance', instanceId);
  if (!['running', 'stopped'].includes(instance.state)) {
    throw new AwsError('IncorrectState', `Instance '${instance.id}' is not 'running' or 'stopped'.`);
  }
  if (card.attachment !== undefined) throw new AwsError('InvalidNetworkInterface.InUse', `Interface: [${card.id}] in use.`);
  if (card.zone !== instance.zone) {
    throw new AwsError(
      'InvalidParameterCombination',
      'You may not attach a network interface to an instance if they are not in the same availability zone',
    );
  }
  if (card.vpcId !== instance.vpcId)
    throw new AwsError('InvalidParameterCombination', 'The network interface and the instance belong to different networks.');
  const taken = await tx.table(Interfaces).byIndex('byInstance', [instance.id]);
  if (taken.some((other) => other.attachment?.deviceIndex === deviceIndex)) {
    throw invalidParameterValue(`Instance '${instance.id}' already has an interface attached at device index '${deviceIndex}'.`);
  }
  const most = instanceTypes.get(instance.type)?.interfacesMax ?? 1;
  if (taken.length >= most)
    throw new AwsError('AttachmentLimitExceeded', `Interface count ${taken.length + 1} exceeds the limit for ${instance.type}`);
  return instance;
}

async function findAttached(tx: Transaction, attachmentId: string): Promise<InterfaceRow> {
  const row = (await tx.table(Interfaces).list()).find((one) => one.attachment?.id === attachmentId);
  if (row === undefined && attachmentId.startsWith(idKinds.managedAttachment.prefix))
    throw new AwsError('OperationNotPermitted', "You are not allowed to manage 'ela-attach' attachments.");
  if (row === undefined) throw notFound('networkInterfaceAttachment', attachmentId);
  return row;
}

export const networkInterfaceHandlers: HandlersOf<EC2> = {
  async CreateNetworkInterface(input, ctx) {
    const named = unimplementedAtCreation.find((name) => input[name] !== undefined);
    if (named !== undefined) throw parameterNotImplemented('CreateNetworkInterface', named);
    if (input.InterfaceType !== undefined && (input.InterfaceType as string) !== 'interface')
      throw parameterNotImplemented('CreateNetworkInterface', `InterfaceType ${input.InterfaceType}`);
    const tags = tagsFor('network-interface', input.TagSpecifications);
    const row = await ctx.transact(async (tx) => {
      const subnet = await requireRow(tx, Subnets, 'subnet', input.SubnetId);
      return addInterface(tx, ctx, {
        subnet,
        groups: input.Groups,
        privateIp: input.PrivateIpAddress,
        addresses6: input.Ipv6Addresses?.map(({ Ipv6Address = '' }) => Ipv6Address),
        count6: input.Ipv6AddressCount,
        description: input.Description,
        tags,
      });
    });
    // The service says `pending`, a word that its own model does not list; `available` is what follows at once.
    return { NetworkInterface: await describeInterface(ctx, row) };
  },

  async DescribeNetworkInterfaces(input, ctx) {
    const rows = await rowsByIds(ctx, Interfaces, 'networkInterface', input.NetworkInterfaceIds);
    const full = await Promise.all(rows.map(async (row) => ({ ...row, shown: await describeInterface(ctx, row) })));
    const passing = applyFilters(full, input.Filters, {
      'network-interface-id': (row) => row.id,
      'vpc-id': (row) => row.vpcId,
      'subnet-id': (row) => row.subnetId,
      'availability-zone': (row) => row.zone,
      'owner-id': () => ctx.account,
      status: (row) => row.shown.Status,
      description: (row) => row.description,
      'mac-address': (row) => row.mac,
      'interface-type': shownType,
      'requester-managed': (row) => row.holder !== undefined,
      'source-dest-check': (row) => row.sourceDestCheck,
      'group-id': (row) => row.groups,
      'group-name': (row) => (row.shown.Groups ?? []).map(({ GroupName }) => GroupName),
      'private-ip-address': (row) => row.addresses[0]?.address,
      'private-dns-name': (row) => row.shown.PrivateDnsName,
      'addresses.private-ip-address': (row) => row.addresses.map(({ address }) => address),
      'addresses.primary': (row) => row.addresses.map((_one, index) => String(index === 0)),
      'addresses.association.public-ip': (row) =>
        row.addresses.map(({ elastic }, index) => elastic?.publicIp ?? (index === 0 ? row.autoPublicIp : undefined)),
      'association.public-ip': (row) => row.shown.Association?.PublicIp,
      'association.allocation-id': (row) => row.shown.Association?.AllocationId,
      'association.association-id': (row) => row.shown.Association?.AssociationId,
      'ipv6-addresses.ipv6-address': (row) => row.addresses6 ?? [],
      'attachment.attachment-id': (row) => row.attachment?.id,
      'attachment.instance-owner-id': (row) => row.shown.Attachment?.InstanceOwnerId,
      'attachment.instance-id': (row) => row.attachment?.instanceId,
      'attachment.device-index': (row) => row.attachment?.deviceIndex,
      'attachment.status': (row) => (row.attachment === undefined ? undefined : 'attached'),
      'attachment.delete-on-termination': (row) => row.attachment?.deleteOnTermination,
    });
    const found = page('DescribeNetworkInterfaces', passing, (row) => row.id, input, { ids: input.NetworkInterfaceIds });
    return { NetworkInterfaces: found.rows.map((row) => row.shown), NextToken: found.nextToken };
  },

  async DeleteNetworkInterface(input, ctx) {
    await ctx.transact(async (tx) => {
      const row = await requireRow(tx, Interfaces, 'networkInterface', input.NetworkInterfaceId);
      if (row.attachment !== undefined || row.holder !== undefined)
        throw new AwsError('InvalidParameterValue', `Network interface '${row.id}' is currently in use.`);
      await removeInterface(tx, row);
    });
    return {};
  },

  /** Throws AttachmentLimitExceeded past the instance type's limit; zones must agree (ENI-008). */
  async AttachNetworkInterface(input, ctx) {
    if (input.NetworkCardIndex !== undefined && input.NetworkCardIndex !== 0)
      throw parameterNotImplemented('AttachNetworkInterface', 'NetworkCardIndex');
    if (input.EnaSrdSpecification !== undefined) throw parameterNotImplemented('AttachNetworkInterface', 'EnaSrdSpecification');
    const deviceIndex = input.DeviceIndex ?? 0;
    const row = await ctx.transact(async (tx) => {
      const card = await requireRow(tx, Interfaces, 'networkInterface', input.NetworkInterfaceId);
      refuseManaged(card);
      const instance = await checkAttachable(tx, card, input.InstanceId, deviceIndex);
      return attachInterface(tx, ctx, card, { instanceId: instance.id, deviceIndex, deleteOnTermination: false });
    });
    return { AttachmentId: row.attachment?.id, NetworkCardIndex: 0 };
  },

  /** The primary interface stays (OperationNotPermitted); a public address given at launch goes, an Elastic IP moves along (ENI-009). */
  async DetachNetworkInterface(input, ctx) {
    await ctx.transact(async (tx) => {
      const row = await findAttached(tx, input.AttachmentId ?? '');
      if (row.attachment?.deviceIndex === 0) {
        throw new AwsError('OperationNotPermitted', 'The network interface at device index 0 cannot be detached.');
      }
      const { attachment: _gone, ...rest } = await dropPublicIp(tx, row);
      await tx.table(Interfaces).put(rest);
      tx.hint('networks', row.vpcId);
    });
    return {};
  },

  /** One attribute per call. */
  async ModifyNetworkInterfaceAttribute(input, ctx) {
    const { Description, Groups, SourceDestCheck, Attachment, NetworkInterfaceId, DryRun: _dryRun, ...others } = input;
    const other = Object.entries(others).find(([, value]) => value !== undefined);
    if (other !== undefined) throw parameterNotImplemented('ModifyNetworkInterfaceAttribute', other[0]);
    const given = [Description, Groups, SourceDestCheck, Attachment].filter((one) => one !== undefined).length;
    if (given === 0) throw missingParameter('attribute');
    if (given > 1) throw new AwsError('InvalidParameterCombination', 'Fields for multiple attribute types specified');
    await ctx.transact(async (tx) => {
      const row = await requireRow(tx, Interfaces, 'networkInterface', NetworkInterfaceId);
      refuseManaged(row);
      const changed: InterfaceRow = {
        ...row,
        description: Description?.Value ?? row.description,
        sourceDestCheck: SourceDestCheck?.Value ?? row.sourceDestCheck,
        groups: Groups === undefined ? row.groups : await checkGroups(tx, (await tx.table(Vpcs).get(row.vpcId))!, Groups),
      };
      if (Attachment !== undefined) {
        if (row.attachment === undefined || row.attachment.id !== Attachment.AttachmentId)
          throw notFound('networkInterfaceAttachment', Attachment.AttachmentId ?? '');
        changed.attachment = {
          ...row.attachment,
          deleteOnTermination: Attachment.DeleteOnTermination ?? row.attachment.deleteOnTermination,
        };
      }
      await tx.table(Interfaces).put(changed);
      tx.hint('networks', row.vpcId);
    });
    return {};
  },
};

export const networkInterfaceAuthorisations: AuthorisationsOf<EC2> = {
  DetachNetworkInterface: async (input, ctx) => {
    const row = (await ctx.table(Interfaces).list()).find((one) => one.attachment?.id === input.AttachmentId);
    return checkTagged(row?.attachment === undefined ? [input.AttachmentId ?? ''] : [row.id, row.attachment.instanceId], ctx);
  },
  CreateNetworkInterface: async (input, ctx) => [
    {
      resource: ec2Arn(ctx, 'network-interface', '*'),
      conditions: requestTagConditions(input.TagSpecifications?.flatMap(({ Tags = [] }) => Tags)),
    },
    ...(await checkTagged([input.SubnetId ?? '', ...(input.Groups ?? [])], ctx)),
  ],
  DeleteNetworkInterface: (input, ctx) => checkTagged([input.NetworkInterfaceId ?? ''], ctx),
  AttachNetworkInterface: (input, ctx) => checkTagged([input.NetworkInterfaceId ?? '', input.InstanceId ?? ''], ctx),
  ModifyNetworkInterfaceAttribute: (input, ctx) => checkTagged([input.NetworkInterfaceId ?? ''], ctx),
};
