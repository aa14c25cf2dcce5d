/**
 * Regions, zones and edge locations of the real cloud's commercial partition, with the names, ids and opt-in defaults that an account sees.
 * What an account has opted in to is a row of the service that handles it; here is only what is the same for everybody. The facts are rows in
 * region-data.ts; this file gives them their shape. Rejected: asking an SDK package, since none lists zones.
 */
import { edgeRows, instanceFamilyGaps, localZoneRows, regionRows, serviceGaps, wavelengthRows } from './region-data.ts';

/** Whether an account may use it at once. Regions opened before March 2019 and Availability Zones need no opting in. */
export type OptIn = 'opt-in-not-required' | 'not-opted-in';

export type ZoneType = 'availability-zone' | 'local-zone' | 'wavelength-zone';

export interface ZoneInfo {
  /** `ap-northeast-2a`, `us-west-2-lax-1a`, `us-east-1-wl1-bos-wlz-1`. */
  name: string;
  /** The same physical place in every account: `apne2-az1`, `usw2-lax1-az1`, `use1-wl1-bos-wlz1`. */
  id: string;
  type: ZoneType;
  region: string;
  /** What is opted in to as one: `ap-northeast-2-zg-1`, `us-west-2-lax-1`, `us-east-1-wl1`. */
  groupName: string;
  groupLongName: string;
  /** From where addresses are advertised: the Region, or the location of the zone. */
  networkBorderGroup: string;
  /** For Local and Wavelength Zones: the Availability Zone that handles their control plane. */
  parentZoneName?: string;
  parentZoneId?: string;
  optIn: OptIn;
  /** Who runs the 5G network around a Wavelength Zone. */
  carrier?: string;
}

export interface RegionInfo {
  /** `ap-northeast-2`. */
  name: string;
  /** `Asia Pacific (Seoul)`. */
  longName: string;
  geography: string;
  /** Host name of the EC2 endpoint, as DescribeRegions prints it. */
  endpoint: string;
  optIn: OptIn;
  /** Availability Zones by name, then Local Zones, then Wavelength Zones. */
  zones: readonly ZoneInfo[];
}

export interface EdgeLocation {
  /** Airport code: first part of X-Amz-Cf-Pop. */
  code: string;
  city: string;
  /** ISO 3166, two letters. */
  country: string;
  /** Points of presence in that city. */
  pops: number;
  /** Degrees. */
  latitude: number;
  longitude: number;
}

function availabilityZones(region: string, prefix: string, longName: string, zones: string): ZoneInfo[] {
  return zones.split(' ').map((zone) => ({
    name: `${region}${zone.charAt(0)}`,
    id: `${prefix}-az${zone.slice(1)}`,
    type: 'availability-zone',
    region,
    groupName: `${region}-zg-1`,
    groupLongName: `${longName} 1`,
    networkBorderGroup: region,
    optIn: 'opt-in-not-required',
  }));
}

function localZones(region: string, prefix: string): ZoneInfo[] {
  return localZoneRows
    .filter(([parent]) => parent === region)
    .flatMap(([, location, letters, parent, groupLongName]) =>
      [...letters].map(
        (letter, index): ZoneInfo => ({
          name: `${region}-${location}${letter}`,
          id: `${prefix}-${location.replace('-', '')}-az${index + 1}`,
          type: 'local-zone',
          region,
          groupName: `${region}-${location}`,
          groupLongName,
          networkBorderGroup: `${region}-${location}`,
          parentZoneId: `${prefix}-az${parent}`,
          optIn: 'not-opted-in',
        }),
      ),
    );
}

function wavelengthZones(region: string, prefix: string): ZoneInfo[] {
  return wavelengthRows
    .filter(([parent]) => parent === region)
    .flatMap(([, number, groupLongName, carrier, locations]) =>
      locations.split(' ').map(
        (location): ZoneInfo => ({
          name: `${region}-${number}-${location}-wlz-1`,
          id: `${prefix}-${number}-${location}-wlz1`,
          type: 'wavelength-zone',
          region,
          groupName: `${region}-${number}`,
          groupLongName,
          networkBorderGroup: `${region}-${number}-${location}-wlz-1`,
          parentZoneId: `${prefix}-az1`,
          optIn: 'not-opted-in',
          carrier,
        }),
      ),
    );
}

function regionOf([name, prefix, longName, geography, optIn, zones]: (typeof regionRows)[number]): RegionInfo {
  const own = availabilityZones(name, prefix, longName, zones);
  const outer = [...localZones(name, prefix), ...wavelengthZones(name, prefix)].map((zone) => {
    const parent = own.find(({ id }) => id === zone.parentZoneId);
    return parent ? { ...zone, parentZoneName: parent.name } : zone;
  });
  return {
    name,
    longName,
    geography,
    endpoint: `ec2.${name}.amazonaws.com`,
    optIn: optIn ? 'not-opted-in' : 'opt-in-not-required',
    zones: [...own, ...outer],
  };
}

/** All Regions of the partition `aws`. */
export const regions: readonly RegionInfo[] = regionRows.map(regionOf);

const regionsByName: ReadonlyMap<string, RegionInfo> = new Map(regions.map((region) => [region.name, region]));
const zonesByName: ReadonlyMap<string, ZoneInfo> = new Map(
  regions.flatMap(({ zones }) => zones.flatMap((zone) => [[zone.name, zone] as const, [zone.id, zone] as const])),
);
const prefixes: ReadonlyMap<string, string> = new Map(regionRows.map(([name, prefix]) => [name, prefix]));

/** CloudFront's places outside China, which belongs to another partition. */
export const edgeLocations: readonly EdgeLocation[] = edgeRows.map(([code, city, country, pops, latitude, longitude]) => ({
  code,
  city,
  country,
  pops,
  latitude,
  longitude,
}));

/** The Region of this code, or undefined. Codes of other partitions (`cn-north-1`, `us-gov-west-1`) are unknown here. */
export function findRegion(name: string): RegionInfo | undefined {
  return regionsByName.get(name);
}

/** The zone of this name (`us-east-1a`) or id (`use1-az6`), or undefined. */
export function findZone(nameOrId: string): ZoneInfo | undefined {
  return zonesByName.get(nameOrId);
}

/** Whether a row of the form `only a b` or `not a b` admits the Region; no row admits all. */
function admits(gap: string | undefined, region: string): boolean {
  const prefix = prefixes.get(region);
  if (prefix === undefined) return false;
  if (gap === undefined) return true;
  const [word, ...listed] = gap.split(' ');
  return listed.includes(prefix) === (word === 'only');
}

/** Whether the Region has the service (INFRA-011). The name is that of models/, as `elastic-beanstalk`. False for an unknown Region. */
export function isServiceOffered(service: string, region: string): boolean {
  return admits(Object.hasOwn(serviceGaps, service) ? serviceGaps[service] : undefined, region);
}

/** Whether the Region offers an instance type (INFRA-011), judged by its family: `t2` of `t2.micro`. False for an unknown Region. */
export function isInstanceTypeOffered(instanceType: string, region: string): boolean {
  const family = instanceType.split('.')[0] ?? '';
  return admits(Object.hasOwn(instanceFamilyGaps, family) ? instanceFamilyGaps[family] : undefined, region);
}

/** Whether a region set, as Signature Version 4A signs it, has a Region: its entries are names, or patterns such as `us-*` and `*`. */
export function coversRegion(set: readonly string[], region: string): boolean {
  return set.some((pattern) => {
    const star = pattern.indexOf('*');
    if (star < 0) return pattern === region;
    return new RegExp(`^${pattern.replace(/[.+?^${}()|[\]\\]/g, '\\$&').replaceAll('*', '.*')}$`).test(region);
  });
}
