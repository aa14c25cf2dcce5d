/** ModifyInstancePlacement: another group, partition, tenancy or Dedicated Host for a stopped instance. */
import type { EC2, ModifyInstancePlacementRequest } from '@aws-sdk/client-ec2';
import type { Transaction } from '../../../kernel/context.ts';
import { AwsError, parameterNotImplemented } from '../../../kernel/errors.ts';
import type { AuthorisationsOf, HandlersOf } from '../../../kernel/service.ts';
import { invalidParameterCombination, missingParameter, notFound } from '../errors.ts';
import { DedicatedHosts } from '../hosts/state.ts';
import { type InstanceRow, Instances } from '../instances/state.ts';
import { instanceTypes } from '../instances/type-catalogue.ts';
import { requireRow } from '../lookup.ts';
import { checkTagged } from '../tags.ts';
import { checkStrategy } from './place.ts';
import { checkPartition, requireGroup } from './placement-groups.ts';

async function regroup(tx: Transaction, row: InstanceRow, input: ModifyInstancePlacementRequest): Promise<InstanceRow> {
  // An empty name takes the instance out of its group.
  if (input.GroupName === '')
    return { ...row, placement: { ...row.placement, groupId: undefined, groupName: undefined, partition: undefined } };
  const group =
    input.GroupName === undefined && input.GroupId === undefined
      ? undefined
      : await requireGroup(tx, { name: input.GroupName, id: input.GroupId });
  if (group === undefined) {
    if (input.PartitionNumber === undefined) return row;
    const own = row.placement.groupName === undefined ? undefined : await requireGroup(tx, { name: row.placement.groupName });
    checkPartition(own, input.PartitionNumber);
    return { ...row, placement: { ...row.placement, partition: input.PartitionNumber } };
  }
  checkStrategy(group, instanceTypes.get(row.type)!, row.tenancy);
  checkPartition(group, input.PartitionNumber);
  return {
    ...row,
    placement: { ...row.placement, groupId: group.id, groupName: group.name, partition: input.PartitionNumber },
  };
}

/** Between a Dedicated Host and dedicated instances only: shared hardware is chosen at launch, or not at all. */
async function rehost(tx: Transaction, row: InstanceRow, input: ModifyInstancePlacementRequest): Promise<InstanceRow> {
  const { Tenancy: tenancy, HostId: hostId, Affinity: affinity } = input;
  if (tenancy === undefined && hostId === undefined && affinity === undefined) return row;
  const wanted = tenancy ?? row.tenancy;
  if (row.tenancy === 'default' && wanted !== 'default')
    throw invalidParameterCombination(`You cannot change the tenancy of an instance from 'default' to '${wanted}'.`);
  if (row.tenancy !== 'default' && wanted === 'default')
    throw invalidParameterCombination(`You cannot change the tenancy of an instance from '${row.tenancy}' to 'default'.`);
  if ((hostId !== undefined || affinity !== undefined) && wanted !== 'host')
    throw invalidParameterCombination('The host ID and the affinity can be specified only with the tenancy host.');
  if (hostId !== undefined && (await tx.table(DedicatedHosts).get(hostId)) === undefined) throw notFound('dedicatedHost', hostId);
  return {
    ...row,
    tenancy: wanted,
    // Where it stood last no longer counts.
    place: undefined,
    placement: {
      ...row.placement,
      hostId: wanted === 'host' ? (hostId ?? row.placement.hostId) : undefined,
      affinity: wanted === 'host' ? (affinity ?? row.placement.affinity ?? 'default') : undefined,
    },
  };
}

export const placementHandlers: HandlersOf<EC2> = {
  /** Throws IncorrectInstanceState unless the instance is stopped. */
  async ModifyInstancePlacement(input, ctx) {
    if (input.HostResourceGroupArn !== undefined)
      throw parameterNotImplemented('ModifyInstancePlacement', 'HostResourceGroupArn');
    const { InstanceId: _id, HostResourceGroupArn: _arn, ...changes } = input;
    if (Object.values(changes).every((value) => value === undefined)) throw missingParameter('tenancy');
    await ctx.transact(async (tx) => {
      const row = await requireRow(tx, Instances, 'instance', input.InstanceId);
      if (row.state !== 'stopped')
        throw new AwsError('IncorrectInstanceState', `The instance '${row.id}' is not in the 'stopped' state.`);
      await tx.table(Instances).put(await rehost(tx, await regroup(tx, row, input), input));
    });
    return { Return: true };
  },
};

export const placementAuthorisations: AuthorisationsOf<EC2> = {
  ModifyInstancePlacement: (input, ctx) =>
    checkTagged([input.InstanceId ?? '', ...(input.HostId === undefined ? [] : [input.HostId])], ctx),
};
