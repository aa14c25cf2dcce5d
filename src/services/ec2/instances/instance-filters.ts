/**
 * Filters of DescribeInstances. Most need nothing but the row, and are asked before anything is joined; the indexes answer for states and subnets, so
 * that a few instances among thousands are found without reading all.
 */
import type { Filter } from '@aws-sdk/client-ec2';
import type { Context } from '../../../kernel/context.ts';
import type { FilterValues } from '../filters.ts';
import type { InterfaceRow } from '../interfaces/state.ts';
import { rowsByIds } from '../lookup.ts';
import { type ShownInstance, stateCodes } from './describe.ts';
import { type InstanceRow, Instances } from './state.ts';

/** Filters that the row alone answers. */
export const rowFilters = (ctx: Context): FilterValues<InstanceRow> => ({
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
  'vpc-id': (row) => (row.state === 'terminated' ? undefined : row.vpcId),
  'subnet-id': (row) => (row.state === 'terminated' ? undefined : row.subnetId),
  'availability-zone': (row) => row.zone,
  architecture: (row) => row.boot.architecture,
  hypervisor: () => 'xen',
  'virtualization-type': () => 'hvm',
  'root-device-type': () => 'ebs',
  'root-device-name': (row) => row.rootDeviceName,
  tenancy: (row) => row.tenancy,
  'instance-lifecycle': (row) => (row.spot === undefined ? undefined : 'spot'),
  'spot-instance-request-id': (row) => row.spot?.requestId,
  'placement-group-name': (row) => row.placement.groupName,
  'placement-partition-number': (row) => row.placement.partition,
  'host-id': (row) => row.placement.hostId,
  affinity: (row) => row.placement.affinity,
  'monitoring-state': (row) => (row.monitoring ? 'enabled' : 'disabled'),
  reason: (row) => row.transitionReason,
  'state-reason-code': (row) => row.stateReason?.code,
  'state-reason-message': (row) => row.stateReason?.message,
  'iam-instance-profile.arn': (row) => row.profileArn,
  'maintenance-options.auto-recovery': (row) => row.autoRecovery,
  'metadata-options.http-tokens': (row) => row.metadata.httpTokens,
  'metadata-options.http-endpoint': (row) => row.metadata.endpoint,
  'metadata-options.http-put-response-hop-limit': (row) => row.metadata.hopLimit,
  'metadata-options.instance-metadata-tags': (row) => row.metadata.tags,
  'hibernation-options.configured': (row) => row.hibernation === true,
  'current-instance-boot-mode': () => 'legacy-bios',
  'ena-support': () => true,
  platform: () => undefined,
  'platform-details': () => 'Linux/UNIX',
  'usage-operation': () => 'RunInstances',
  'launch-time': (row) => new Date(row.launchedAt).toISOString(),
});

const cardValues = (read: (card: InterfaceRow) => string | boolean | number | undefined) => (row: ShownInstance) =>
  row.cards.map((card) => {
    const value = read(card);
    return value === undefined ? undefined : String(value);
  });
const addresses = (row: ShownInstance) => row.cards.flatMap((card) => card.addresses);
const mappings = (row: ShownInstance) => row.shown.BlockDeviceMappings ?? [];
const groupIds = (row: ShownInstance) => row.cards[0]?.groups ?? [];
const groupNames = (row: ShownInstance) => (row.shown.SecurityGroups ?? []).map(({ GroupName }) => GroupName);

/** Filters that need interfaces, groups or volumes. */
export const joinedFilters: FilterValues<ShownInstance> = {
  'private-ip-address': (row) => row.shown.PrivateIpAddress,
  'ip-address': (row) => row.shown.PublicIpAddress,
  'private-dns-name': (row) => row.shown.PrivateDnsName,
  'dns-name': (row) => row.shown.PublicDnsName,
  'source-dest-check': (row) => row.shown.SourceDestCheck,
  'block-device-mapping.device-name': (row) => mappings(row).map(({ DeviceName }) => DeviceName),
  'block-device-mapping.volume-id': (row) => mappings(row).map(({ Ebs }) => Ebs?.VolumeId),
  'block-device-mapping.status': (row) => mappings(row).map(({ Ebs }) => Ebs?.Status),
  'block-device-mapping.delete-on-termination': (row) => mappings(row).map(({ Ebs }) => String(Ebs?.DeleteOnTermination)),
  'block-device-mapping.attach-time': (row) => mappings(row).map(({ Ebs }) => Ebs?.AttachTime?.toISOString()),
  'instance.group-id': groupIds,
  'instance.group-name': groupNames,
  'group-id': groupIds,
  'group-name': groupNames,
  'network-interface.network-interface-id': cardValues((card) => card.id),
  'network-interface.subnet-id': cardValues((card) => card.subnetId),
  'network-interface.vpc-id': cardValues((card) => card.vpcId),
  'network-interface.availability-zone': cardValues((card) => card.zone),
  'network-interface.mac-address': cardValues((card) => card.mac),
  'network-interface.description': cardValues((card) => card.description),
  'network-interface.source-dest-check': cardValues((card) => card.sourceDestCheck),
  'network-interface.requester-managed': cardValues((card) => card.holder !== undefined),
  'network-interface.status': cardValues((card) => (card.attachment === undefined ? 'available' : 'in-use')),
  'network-interface.attachment.attachment-id': cardValues((card) => card.attachment?.id),
  'network-interface.attachment.device-index': cardValues((card) => card.attachment?.deviceIndex),
  'network-interface.attachment.delete-on-termination': cardValues((card) => card.attachment?.deleteOnTermination),
  'network-interface.attachment.instance-id': cardValues((card) => card.attachment?.instanceId),
  'network-interface.attachment.status': cardValues((card) => (card.attachment === undefined ? undefined : 'attached')),
  'network-interface.addresses.private-ip-address': (row) => addresses(row).map(({ address }) => address),
  'network-interface.addresses.primary': (row) =>
    row.cards.flatMap((card) => card.addresses.map((_one, index) => String(index === 0))),
  'network-interface.addresses.association.public-ip': (row) => [
    ...addresses(row).map(({ elastic }) => elastic?.publicIp),
    ...row.cards.map((card) => card.autoPublicIp),
  ],
  'network-interface.association.allocation-id': (row) => addresses(row).map(({ elastic }) => elastic?.allocationId),
  'network-interface.association.association-id': (row) => addresses(row).map(({ elastic }) => elastic?.associationId),
  'network-interface.association.public-ip': (row) => [
    ...addresses(row).map(({ elastic }) => elastic?.publicIp),
    ...row.cards.map((card) => card.autoPublicIp),
  ],
  'network-interface.group-id': (row) => row.cards.flatMap((card) => card.groups),
};

/** Filters by who can answer them; names that nobody knows stay with the rows, whose engine refuses them. */
export function splitFilters(filters: readonly Filter[] | undefined): { plain: Filter[]; joined: Filter[] } {
  const isJoined = ({ Name = '' }: Filter): boolean => Object.hasOwn(joinedFilters, Name);
  return { plain: (filters ?? []).filter((one) => !isJoined(one)), joined: (filters ?? []).filter(isJoined) };
}

/** Values of a filter that are names, not patterns; undefined when there is no such filter. */
function plainValues(filters: readonly Filter[] | undefined, name: string): readonly string[] | undefined {
  const values = filters?.find(({ Name }) => Name === name)?.Values;
  return values === undefined || values.some((value) => /[*?\\]/.test(value)) ? undefined : values;
}

/** Rows that the filters may let through, in order of id: those of the ids, or found by an index, or all. */
export async function candidates(
  ctx: Context,
  ids: readonly string[] | undefined,
  filters: readonly Filter[] | undefined,
): Promise<InstanceRow[]> {
  if (ids !== undefined && ids.length > 0) return rowsByIds(ctx, Instances, 'instance', ids);
  for (const [name, index] of [
    ['subnet-id', 'bySubnet'],
    ['client-token', 'byClientToken'],
    ['reservation-id', 'byReservation'],
    ['host-id', 'byHost'],
    ['instance-state-name', 'byState'],
  ] as const) {
    const values = plainValues(filters, name);
    if (values === undefined) continue;
    const found = await Promise.all([...new Set(values)].map((value) => ctx.table(Instances).byIndex(index, [value])));
    return found.flat().sort((a, b) => (a.id < b.id ? -1 : 1));
  }
  return ctx.table(Instances).list();
}
