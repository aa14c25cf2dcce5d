/**
 * Regions and zones as an account sees them. Local Zones and Wavelength Zones are used after opting in to their group. Opt-in Regions
 * count as opted in: the account API that switches them is not part of this cloud, and refusing them would leave no way in.
 */
import type { AvailabilityZone, EC2 } from '@aws-sdk/client-ec2';
import { findRegion, findZone, type RegionInfo, regions, type ZoneInfo } from '../../base/regions.ts';
import type { Context } from '../../kernel/context.ts';
import { AwsError } from '../../kernel/errors.ts';
import type { HandlersOf } from '../../kernel/service.ts';
import { defineTable } from '../../store/tables.ts';
import { invalidParameterValue, missingParameter } from './errors.ts';
import { applyFilters } from './filters.ts';

interface ZoneGroupRow {
  name: string;
}

/** Zone groups that an account has opted in to. */
export const ZoneGroups = defineTable<ZoneGroupRow>()({ name: 'ec2.zoneGroups', scope: 'region', key: (row) => [row.name] });

/** Zones of the Region in which the account can make subnets: its Availability Zones, then opted-in Local and Wavelength Zones. */
export async function offeredZones(ctx: Context): Promise<ZoneInfo[]> {
  const groups = new Set((await ctx.table(ZoneGroups).list()).map((row) => row.name));
  return (findRegion(ctx.region)?.zones ?? []).filter((zone) => zone.type === 'availability-zone' || groups.has(zone.groupName));
}

function describeZone(zone: ZoneInfo, optedIn: boolean, down: boolean): AvailabilityZone {
  const own = zone.type === 'availability-zone';
  return {
    ZoneName: zone.name,
    ZoneId: zone.id,
    ZoneType: zone.type,
    RegionName: zone.region,
    State: down ? 'unavailable' : 'available',
    OptInStatus: own ? 'opt-in-not-required' : optedIn ? 'opted-in' : 'not-opted-in',
    GroupName: zone.groupName,
    GroupLongName: zone.groupLongName,
    NetworkBorderGroup: zone.networkBorderGroup,
    ParentZoneName: zone.parentZoneName,
    ParentZoneId: zone.parentZoneId,
    Messages: down ? [{ Message: `The zone ${zone.name} is down.` }] : [],
  };
}

const noTags = { tags: {} } as const;

export const zoneHandlers: HandlersOf<EC2> = {
  /** Lists the Regions whose use needs no opting in or is opted in to; with AllRegions also others, of which there are none here. */
  DescribeRegions(input) {
    const wanted = input.RegionNames;
    const unknown = wanted?.find((name) => findRegion(name) === undefined);
    if (unknown !== undefined) throw invalidParameterValue(`Invalid region: ${unknown}`);
    const rows = regions
      .filter(({ name }) => wanted === undefined || wanted.includes(name))
      .map((region) => ({ ...region, ...noTags }));
    const optInStatus = (region: RegionInfo) => (region.optIn === 'not-opted-in' ? ('opted-in' as const) : region.optIn);
    const passing = applyFilters(rows, input.Filters, {
      'region-name': (row) => row.name,
      endpoint: (row) => row.endpoint,
      'opt-in-status': optInStatus,
    });
    return {
      Regions: passing.map((region) => ({
        RegionName: region.name,
        Endpoint: region.endpoint,
        OptInStatus: optInStatus(region),
      })),
    };
  },

  /** Lists the zones that can be used; with AllAvailabilityZones also those not opted in to. Names and ids of another Region are refused. */
  async DescribeAvailabilityZones(input, ctx) {
    const groups = new Set((await ctx.table(ZoneGroups).list()).map((row) => row.name));
    const all = findRegion(ctx.region)?.zones ?? [];
    for (const [names, member] of [
      [input.ZoneNames, 'name'],
      [input.ZoneIds, 'id'],
    ] as const) {
      const unknown = names?.find((wanted) => !all.some((zone) => zone[member] === wanted));
      if (unknown !== undefined)
        throw invalidParameterValue(`Invalid availability zone${member === 'id' ? '-id' : ''}: [${unknown}]`);
    }
    const rows = all
      .filter((zone) => input.AllAvailabilityZones === true || zone.type === 'availability-zone' || groups.has(zone.groupName))
      .filter((zone) => (input.ZoneNames?.includes(zone.name) ?? true) && (input.ZoneIds?.includes(zone.id) ?? true))
      .map((zone) => ({
        ...zone,
        ...noTags,
        shown: describeZone(zone, groups.has(zone.groupName), ctx.part('zones').downSince(zone.name) !== undefined),
      }));
    const passing = applyFilters(rows, input.Filters, {
      'zone-name': (row) => row.name,
      'zone-id': (row) => row.id,
      'zone-type': (row) => row.type,
      'region-name': (row) => row.region,
      'group-name': (row) => row.groupName,
      'group-long-name': (row) => row.groupLongName,
      'opt-in-status': (row) => row.shown.OptInStatus,
      'parent-zone-id': (row) => row.parentZoneId,
      'parent-zone-name': (row) => row.parentZoneName,
      state: (row) => row.shown.State,
      message: (row) => row.shown.Messages?.map(({ Message }) => Message),
    });
    return { AvailabilityZones: passing.map((row) => row.shown) };
  },

  /** Opts in to a group of Local or Wavelength Zones; opting out is done by AWS support only, so it is refused as AWS refuses it. */
  async ModifyAvailabilityZoneGroup(input, ctx) {
    const { GroupName: name, OptInStatus: status } = input;
    if (name === undefined) throw missingParameter('groupName');
    const zone = findRegion(ctx.region)?.zones.find(({ groupName }) => groupName === name);
    if (zone === undefined || findZone(zone.name) === undefined)
      throw invalidParameterValue(`Invalid availability zone group: [${name}]`);
    if (zone.type === 'availability-zone')
      throw invalidParameterValue(`The zone group ${name} does not support opt-in or opt-out.`);
    if (status === 'not-opted-in') {
      throw new AwsError('OptInRequired', 'To opt out of a zone group, contact AWS Support.');
    }
    await ctx.transact((tx) => tx.table(ZoneGroups).put({ name }));
    return { Return: true };
  },
};
