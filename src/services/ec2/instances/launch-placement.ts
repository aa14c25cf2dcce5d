/** Where an instance goes: its tenancy, placement group and Dedicated Host, checked at launch and taken at each start. */
import type { Placement, RunInstancesRequest } from '@aws-sdk/client-ec2';
import type { Context, Transaction } from '../../../kernel/context.ts';
import { parameterNotImplemented } from '../../../kernel/errors.ts';
import { invalidParameterCombination, invalidParameterValue } from '../errors.ts';
import { chooseHost, joinHost } from '../hosts/capacity.ts';
import { checkStrategy, takePlace } from '../placement/place.ts';
import { checkPartition, requireGroup } from '../placement/placement-groups.ts';
import { PlacementGroups } from '../placement/state.ts';
import { Vpcs } from '../vpc/state.ts';
import type { InstanceRow } from './state.ts';
import { type InstanceTypeInfo, instanceTypes } from './type-catalogue.ts';

export type Tenancy = InstanceRow['tenancy'];
const tenancies: readonly Tenancy[] = ['default', 'dedicated', 'host'];

/** What a launch asks for; the zone is planned with the subnet. */
export interface PlacementPlan {
  tenancy: Tenancy;
  placement: InstanceRow['placement'];
}

/** Clients that always write a parameter write nothing into it when they mean none. */
const given = (text: string | undefined): string | undefined => (text === '' ? undefined : text);

/** Throws InvalidPlacementGroup.Unknown, InvalidParameterCombination, InvalidParameterValue. */
export async function planPlacement(input: RunInstancesRequest, ctx: Context, type: InstanceTypeInfo): Promise<PlacementPlan> {
  const wanted: Placement = input.Placement ?? {};
  for (const name of ['SpreadDomain', 'HostResourceGroupArn'] as const)
    if (given(wanted[name]) !== undefined) throw parameterNotImplemented('RunInstances', `Placement.${name}`);
  const hostId = given(wanted.HostId);
  const tenancy = given(wanted.Tenancy) ?? (hostId === undefined ? 'default' : 'host');
  if (!tenancies.includes(tenancy as Tenancy))
    throw invalidParameterValue(`Value (${tenancy}) for parameter tenancy is invalid.`);
  if (hostId !== undefined && tenancy !== 'host')
    throw invalidParameterCombination('The host ID can be specified only with the tenancy host.');
  if (given(wanted.Affinity) !== undefined && tenancy !== 'host')
    throw invalidParameterCombination('The affinity can be specified only with the tenancy host.');
  if (tenancy !== 'default' && type.burstable && !type.name.startsWith('t3.'))
    throw invalidParameterCombination(`The tenancy '${tenancy}' is not supported for instances of type ${type.name}.`);
  const name = given(wanted.GroupName);
  const id = given(wanted.GroupId);
  const group = name === undefined && id === undefined ? undefined : await requireGroup(ctx, { name, id });
  if (group !== undefined) checkStrategy(group, type, tenancy);
  checkPartition(group, wanted.PartitionNumber);
  return {
    tenancy: tenancy as Tenancy,
    placement: {
      groupId: group?.id,
      groupName: group?.name,
      partition: wanted.PartitionNumber,
      hostId,
      affinity:
        tenancy === 'host'
          ? ((given(wanted.Affinity) as 'default' | 'host') ?? (hostId === undefined ? 'default' : 'host'))
          : undefined,
    },
  };
}

/** In a VPC for dedicated instances there are no others ("Amazon EC2 Dedicated Instances"). */
export async function tenancyIn(tx: Transaction, vpcId: string, tenancy: Tenancy): Promise<Tenancy> {
  return tenancy === 'default' && (await tx.table(Vpcs).get(vpcId))?.tenancy === 'dedicated' ? 'dedicated' : tenancy;
}

/**
 * The instance with a host under it. Throws InsufficientInstanceCapacity, InsufficientHostCapacity, InvalidPlacementGroup.InUse. An instance that was
 * on a Dedicated Host returns there by affinity, else to any that has room.
 */
export async function settle(tx: Transaction, ctx: Context, row: InstanceRow): Promise<InstanceRow> {
  const type = instanceTypes.get(row.type)!;
  const { placement } = row;
  if (row.tenancy === 'host') {
    const wanted = placement.affinity === 'host' || row.place === undefined ? placement.hostId : undefined;
    const host = await chooseHost(tx, ctx, { hostId: wanted, zone: row.zone, type });
    await joinHost(tx, ctx, row.id, host);
    return { ...row, place: host.place, placement: { ...placement, hostId: host.id } };
  }
  const group =
    placement.groupId === undefined ? undefined : await tx.table(PlacementGroups).firstByIndex('byId', [placement.groupId]);
  const taken = await takePlace(tx, ctx, {
    id: row.id,
    zone: row.zone,
    type,
    tenancy: row.tenancy,
    group,
    partition: placement.partition,
  });
  return { ...row, place: taken.place, placement: { ...placement, partition: taken.partition } };
}
