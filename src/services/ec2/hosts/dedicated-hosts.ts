/** Dedicated Hosts: allocated, listed, changed, released. */
import type { EC2, Host, UnsuccessfulItem } from '@aws-sdk/client-ec2';
import { findZone, isInstanceTypeOffered } from '../../../base/regions.ts';
import type { Context } from '../../../kernel/context.ts';
import { AwsError, parameterNotImplemented } from '../../../kernel/errors.ts';
import type { AuthorisationsOf, HandlersOf } from '../../../kernel/service.ts';
import { invalidParameterCombination, invalidParameterValue, missingParameter, notFound } from '../errors.ts';
import { applyFilters } from '../filters.ts';
import { instanceTypes } from '../instances/type-catalogue.ts';
import { rowsByIds } from '../lookup.ts';
import { page } from '../paging.ts';
import { leavePlace, takePlace } from '../placement/place.ts';
import { checkTagged, describeTags, ec2Arn, requestTagConditions, tagsFor } from '../tags.ts';
import { familyOf, hostVcpus, instancesOn, roomFor } from './capacity.ts';
import { type DedicatedHostRow, DedicatedHosts } from './state.ts';

async function describeHost(ctx: Context, row: DedicatedHostRow): Promise<Host> {
  const on = await instancesOn(ctx, row);
  const sizes = [...instanceTypes.values()].filter((type) =>
    row.instanceType === undefined ? familyOf(type.name) === row.family : type.name === row.instanceType,
  );
  const total = hostVcpus(row.family);
  const used = on.reduce((sum, one) => sum + (instanceTypes.get(one.type)?.vcpus ?? 0), 0);
  const capacities = await Promise.all(
    sizes.map(async (type) => ({
      InstanceType: type.name,
      AvailableCapacity: await roomFor(ctx, row, type),
      TotalCapacity: Math.floor(total / type.vcpus),
    })),
  );
  const failed = ctx.part('zones').downSince(row.place) !== undefined;
  return {
    HostId: row.id,
    OwnerId: ctx.account,
    AvailabilityZone: row.zone,
    AvailabilityZoneId: row.zoneId,
    AutoPlacement: row.autoPlacement,
    HostRecovery: 'off',
    HostMaintenance: 'off',
    AllowsMultipleInstanceTypes: row.instanceType === undefined ? 'on' : 'off',
    State: row.state === 'released' ? 'released' : failed ? 'permanent-failure' : 'available',
    AllocationTime: new Date(row.allocated),
    ReleaseTime: row.released === undefined ? undefined : new Date(row.released),
    ClientToken: row.clientToken,
    MemberOfServiceLinkedResourceGroup: false,
    HostProperties: {
      InstanceFamily: row.instanceType === undefined ? row.family : undefined,
      InstanceType: row.instanceType,
      Sockets: 2,
      Cores: total / 2,
      TotalVCpus: total,
    },
    AvailableCapacity: { AvailableInstanceCapacity: capacities, AvailableVCpus: total - used },
    Instances: on.map((one) => ({ InstanceId: one.id, InstanceType: one.type, OwnerId: ctx.account })),
    Tags: describeTags(row.tags),
  };
}

interface Wanted {
  zone: { name: string; id: string };
  instanceType?: string | undefined;
  family: string;
}

function wantedHost(
  input: {
    InstanceType?: string | undefined;
    InstanceFamily?: string | undefined;
    AvailabilityZone?: string | undefined;
    AvailabilityZoneId?: string | undefined;
  },
  region: string,
): Wanted {
  const { InstanceType: type, InstanceFamily: family } = input;
  if ((type === undefined) === (family === undefined))
    throw invalidParameterCombination('You must specify either an instance type or an instance family, but not both.');
  const zoneName = input.AvailabilityZone ?? input.AvailabilityZoneId;
  if (zoneName === undefined) throw missingParameter('AvailabilityZone');
  const zone = findZone(zoneName);
  if (zone?.region !== region) throw invalidParameterValue(`Invalid availability zone: [${zoneName}]`);
  const info = type === undefined ? undefined : instanceTypes.get(type);
  if (type !== undefined && (info === undefined || !isInstanceTypeOffered(type, region)))
    throw invalidParameterValue(`Invalid value '${type}' for InstanceType.`);
  const members = [...instanceTypes.values()].filter((one) => familyOf(one.name) === (family ?? familyOf(type ?? '')));
  if (members.length === 0) throw invalidParameterValue(`Invalid value '${family}' for InstanceFamily.`);
  if (members.some((one) => one.burstable && !one.name.startsWith('t3.')))
    throw new AwsError('Unsupported', `Dedicated Hosts are not supported for ${type ?? family}.`);
  return { zone, instanceType: type, family: family ?? familyOf(type ?? '') };
}

export const dedicatedHostHandlers: HandlersOf<EC2> = {
  /** Each takes an empty host of the zone. Throws InsufficientInstanceCapacity. */
  async AllocateHosts(input, ctx) {
    for (const name of ['OutpostArn', 'AssetIds', 'CpuOptions'] as const)
      if (input[name] !== undefined) throw parameterNotImplemented('AllocateHosts', name);
    for (const name of ['HostMaintenance', 'HostRecovery'] as const)
      if (input[name] === 'on') throw parameterNotImplemented('AllocateHosts', name);
    const wanted = wantedHost(input, ctx.region);
    const quantity = input.Quantity ?? 1;
    if (quantity < 1) throw invalidParameterValue(`Value (${quantity}) for parameter quantity is invalid.`);
    const tags = tagsFor('dedicated-host', input.TagSpecifications);
    const largest = [...instanceTypes.values()]
      .filter((type) => familyOf(type.name) === wanted.family)
      .reduce((a, b) => (a.vcpus >= b.vcpus ? a : b));
    const ids = await ctx.transact(async (tx) => {
      if (input.ClientToken !== undefined) {
        const earlier = await tx.table(DedicatedHosts).byIndex('byClientToken', [input.ClientToken]);
        if (earlier.length > 0) return earlier.map(({ id }) => id);
      }
      const made: string[] = [];
      for (let index = 0; index < quantity; index += 1) {
        const id = ctx.id('dedicatedHost');
        // As large as a host, so that nothing else fits beside it.
        const type = { ...largest, vcpus: Number.MAX_SAFE_INTEGER };
        const { place } = await takePlace(tx, ctx, { id, zone: wanted.zone.name, type, tenancy: 'host' });
        await tx.table(DedicatedHosts).put({
          id,
          zone: wanted.zone.name,
          zoneId: wanted.zone.id,
          instanceType: wanted.instanceType,
          family: wanted.family,
          autoPlacement: input.AutoPlacement ?? 'on',
          state: 'available',
          allocated: ctx.now,
          clientToken: input.ClientToken,
          place,
          tags,
        });
        made.push(id);
      }
      return made;
    });
    return { HostIds: ids };
  },

  async DescribeHosts(input, ctx) {
    const rows = await rowsByIds(ctx, DedicatedHosts, 'dedicatedHost', input.HostIds);
    const passing = applyFilters(rows, input.Filter, {
      'auto-placement': (row) => row.autoPlacement,
      'availability-zone': (row) => row.zone,
      'client-token': (row) => row.clientToken,
      'host-reservation-id': () => undefined,
      'instance-type': (row) => row.instanceType,
      state: (row) => row.state,
    });
    const found = page('DescribeHosts', passing, (row) => row.id, input, { ids: input.HostIds });
    return { Hosts: await Promise.all(found.rows.map((row) => describeHost(ctx, row))), NextToken: found.nextToken };
  },

  async ModifyHosts(input, ctx) {
    for (const name of ['InstanceType', 'InstanceFamily'] as const)
      if (input[name] !== undefined) throw parameterNotImplemented('ModifyHosts', name);
    for (const name of ['HostMaintenance', 'HostRecovery'] as const)
      if (input[name] === 'on') throw parameterNotImplemented('ModifyHosts', name);
    await ctx.transact(async (tx) => {
      for (const row of await rowsByIds(tx, DedicatedHosts, 'dedicatedHost', input.HostIds ?? [])) {
        await tx.table(DedicatedHosts).put({
          ...row,
          autoPlacement: input.AutoPlacement ?? row.autoPlacement,
        });
      }
    });
    return { Successful: input.HostIds ?? [], Unsuccessful: [] };
  },

  /** Each by itself: one that holds instances stays, with the reason. */
  async ReleaseHosts(input, ctx) {
    const kept: UnsuccessfulItem[] = [];
    const released: string[] = [];
    await ctx.transact(async (tx) => {
      released.length = 0;
      kept.length = 0;
      for (const id of input.HostIds ?? []) {
        const row = await tx.table(DedicatedHosts).get(id);
        const on = row === undefined ? [] : await instancesOn(tx, row);
        if (row === undefined || row.state === 'released') {
          const error = notFound('dedicatedHost', id);
          kept.push({ ResourceId: id, Error: { Code: error.code, Message: error.message } });
        } else if (on.length > 0) {
          const message = `Dedicated host ${id} cannot be released as it is occupied.`;
          kept.push({ ResourceId: id, Error: { Code: 'Client.InvalidHost.Occupied', Message: message } });
        } else {
          await leavePlace(tx, id);
          await tx.table(DedicatedHosts).put({ ...row, state: 'released', released: ctx.now });
          released.push(id);
        }
      }
    });
    return { Successful: released, Unsuccessful: kept };
  },
};

export const dedicatedHostAuthorisations: AuthorisationsOf<EC2> = {
  AllocateHosts: (input, ctx) => [
    {
      resource: ec2Arn(ctx, 'dedicated-host', '*'),
      conditions: requestTagConditions(input.TagSpecifications?.flatMap(({ Tags = [] }) => Tags)),
    },
  ],
  ModifyHosts: (input, ctx) => checkTagged(input.HostIds ?? [], ctx),
  ReleaseHosts: (input, ctx) => checkTagged(input.HostIds ?? [], ctx),
};
