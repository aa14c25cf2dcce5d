/**
 * Putting instances on hosts: when they start, by capacity, tenancy and placement group ("Placement strategies for your Amazon EC2 instances"). A
 * stopped instance stands nowhere. A full or broken zone, rack or partition is InsufficientInstanceCapacity.
 */
import type { Context, Transaction } from '../../../kernel/context.ts';
import { AwsError } from '../../../kernel/errors.ts';
import { insufficientCapacity } from '../capacity.ts';
import { invalidParameterCombination } from '../errors.ts';
import type { InstanceTypeInfo } from '../instances/type-catalogue.ts';
import { hostCapacity, hostPlaces, isInPartition, rackOf, rackPlace, racksPerZone } from './floor-plan.ts';
import { type OccupantRow, Occupants, type PlacementGroupRow } from './state.ts';

/** Running instances of a spread group in one zone ("Spread placement groups"). */
const spreadPerZoneMax = 7;

export interface Placing {
  id: string;
  zone: string;
  type: InstanceTypeInfo;
  /** `default`: hosts are shared with other accounts. */
  tenancy: string;
  group?: PlacementGroupRow | undefined;
  /** Wanted partition; the emptiest when absent. */
  partition?: number | undefined;
}

/** Racks in an order that begins somewhere else for each instance, so that a zone fills evenly. */
function racksFrom(id: string): number[] {
  const start = [...id].reduce((sum, letter) => (sum * 31 + letter.charCodeAt(0)) % 65_521, 7);
  return Array.from({ length: racksPerZone }, (_none, index) => (start + index) % racksPerZone);
}

function members(tx: Transaction, group: PlacementGroupRow, zone?: string): Promise<OccupantRow[]> {
  return tx.table(Occupants).byIndex('byGroup', zone === undefined ? [group.id] : [group.id, zone]);
}

/** The partition with the fewest instances, the first of equals ("distributes instances evenly"). */
function emptiestPartition(rows: readonly OccupantRow[], partitions: number): number {
  const counts = Array.from({ length: partitions }, (_none, index) => rows.filter((row) => row.partition === index + 1).length);
  return counts.indexOf(Math.min(...counts)) + 1;
}

interface Choice {
  racks: string[];
  partition?: number | undefined;
}

/** Racks that the group's strategy allows. Throws InvalidPlacementGroup.InUse for a cluster in another zone. */
async function chooseRacks(tx: Transaction, ctx: Context, placing: Placing): Promise<Choice> {
  const { group, zone, type } = placing;
  const order = racksFrom(placing.id);
  const all = order.map((rack) => rackPlace(zone, rack));
  if (group === undefined) return { racks: all };
  if (group.strategy === 'spread') {
    const here = await members(tx, group, zone);
    if (here.length >= spreadPerZoneMax) throw insufficientCapacity(ctx, zone, type.name);
    const taken = new Set(here.map((row) => rackOf(row.place)));
    return { racks: all.filter((rack) => !taken.has(rack)) };
  }
  if (group.strategy === 'partition') {
    const partitions = group.partitions ?? 1;
    const partition = placing.partition ?? emptiestPartition(await members(tx, group), partitions);
    return {
      partition,
      racks: order.filter((rack) => isInPartition(rack, partition, partitions)).map((rack) => rackPlace(zone, rack)),
    };
  }
  const [first] = await members(tx, group);
  if (first === undefined) return { racks: all };
  if (first.zone !== zone) {
    throw new AwsError(
      'InvalidPlacementGroup.InUse',
      `The placement group '${group.name}' is in use in another availability zone: ${first.zone}`,
    );
  }
  return { racks: [rackOf(first.place)] };
}

/** Whether a host has room for one more, beside whom it may stand. */
async function hasRoom(tx: Transaction, ctx: Context, place: string, placing: Placing): Promise<boolean> {
  const there = await tx.table(Occupants).byIndex('byPlace', [place]);
  if (there.length === 0) return true;
  const dedicated = placing.tenancy !== 'default';
  if (there.some((row) => row.dedicated !== dedicated || (dedicated && row.account !== ctx.account))) return false;
  if (there.some((row) => row.id.startsWith('h-'))) return false;
  const vcpus = there.reduce((sum, row) => sum + row.vcpus, placing.type.vcpus);
  const memoryMiB = there.reduce((sum, row) => sum + row.memoryMiB, placing.type.memoryMiB);
  return vcpus <= hostCapacity.vcpus && memoryMiB <= hostCapacity.memoryMiB;
}

/** Puts an instance on a host and says where. Throws InsufficientInstanceCapacity, InvalidPlacementGroup.InUse. */
export async function takePlace(
  tx: Transaction,
  ctx: Context,
  placing: Placing,
): Promise<{ place: string; partition?: number | undefined }> {
  const faults = ctx.part('zones');
  const { racks, partition } = await chooseRacks(tx, ctx, placing);
  const host = placing.id.charCodeAt(placing.id.length - 1);
  for (const rack of racks) {
    if (faults.downSince(rack) !== undefined) continue;
    for (const place of hostPlaces(rack, host)) {
      if (faults.downSince(place) !== undefined || !(await hasRoom(tx, ctx, place, placing))) continue;
      await tx.table(Occupants).put({
        id: placing.id,
        account: ctx.account,
        zone: placing.zone,
        place,
        vcpus: placing.type.vcpus,
        memoryMiB: placing.type.memoryMiB,
        dedicated: placing.tenancy !== 'default',
        groupId: placing.group?.id,
        partition,
      });
      return { place, partition };
    }
  }
  throw insufficientCapacity(ctx, placing.zone, placing.type.name);
}

/** The zone that a cluster's instances are in; undefined for other strategies and for a cluster without any. */
export async function zoneOfCluster(tx: Transaction, group: PlacementGroupRow | undefined): Promise<string | undefined> {
  if (group === undefined || group.strategy === 'spread' || group.strategy === 'partition') return undefined;
  return (await members(tx, group))[0]?.zone;
}

/** The host is free of it again. Safe to repeat. */
export async function leavePlace(tx: Transaction, id: string): Promise<void> {
  await tx.table(Occupants).delete(id);
}

/** Takes all of an account off the hosts, before its rows go. */
export async function leavePlacesOf(ctx: Context, account: string): Promise<void> {
  await ctx.transact(async (tx) => {
    for (const { id } of await tx.table(Occupants).byIndex('byAccount', [account])) await tx.table(Occupants).delete(id);
  });
}

/** Throws what AWS throws for a type or tenancy that a strategy does not take. */
export function checkStrategy(group: PlacementGroupRow, type: InstanceTypeInfo, tenancy: string): void {
  if (group.strategy === 'cluster' && type.burstable) {
    throw invalidParameterCombination(
      `Cluster placement groups are not supported by the '${type.name}' instance type. Specify a supported instance type or change the placement group strategy, and try again.`,
    );
  }
  if (group.strategy === 'spread' && tenancy !== 'default')
    throw invalidParameterCombination('Spread placement groups are not supported for Dedicated Instances.');
  if (tenancy === 'host') throw invalidParameterCombination('Dedicated Hosts cannot be launched in placement groups.');
}
