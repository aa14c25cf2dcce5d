/** Routing policies of record sets ("Choosing a routing policy"): which one a set has, what of it may not occur twice, and its rule for the plane. */
import type { ResourceRecordSet } from '@aws-sdk/client-route-53';
import type { ChoiceRule } from '../../planes/dns/hosted/types.ts';
import { regionPlaces } from '../../base/geography.ts';
import { findLocalZone } from './places.ts';
import type { RecordSetRow } from './state.ts';

export type Policy =
  | 'simple'
  | 'weighted'
  | 'latency'
  | 'failover'
  | 'geolocation'
  | 'geoproximity'
  | 'multivalue answer'
  | 'cidr';

type Routing = RecordSetRow['routing'];

/** Policies that a set asks for; a sound one has one at most. */
export function policiesOf(set: Routing): Policy[] {
  const found: Policy[] = [];
  if (set.Weight !== undefined) found.push('weighted');
  if (set.Region !== undefined) found.push('latency');
  if (set.Failover !== undefined) found.push('failover');
  if (set.GeoLocation !== undefined) found.push('geolocation');
  if (set.GeoProximityLocation !== undefined) found.push('geoproximity');
  if (set.MultiValueAnswer !== undefined) found.push('multivalue answer');
  if (set.CidrRoutingConfig !== undefined) found.push('cidr');
  return found;
}

export function policyOf(set: Routing): Policy {
  return policiesOf(set)[0] ?? 'simple';
}

/** What only one set of a name and type may have, with the words that name it; undefined where sets may be alike. */
export function uniquePart({ Region, Failover, GeoLocation: geo, CidrRoutingConfig: cidr }: Routing): string | undefined {
  if (Region !== undefined) return `region ${Region}`;
  if (Failover !== undefined) return `failover ${Failover}`;
  if (cidr !== undefined) return `CIDR location ${cidr.CollectionId} ${cidr.LocationName}`;
  if (geo === undefined) return undefined;
  const parts = [geo.ContinentCode, geo.CountryCode, geo.SubdivisionCode].filter((part) => part !== undefined);
  return `geolocation ${parts.join(' ')}`;
}

/** The members of a set that are its routing. */
export function routingOf(set: ResourceRecordSet): Routing {
  const names = [
    'Weight',
    'Region',
    'Failover',
    'GeoLocation',
    'MultiValueAnswer',
    'CidrRoutingConfig',
    'GeoProximityLocation',
  ] as const;
  return Object.fromEntries(names.filter((name) => set[name] !== undefined).map((name) => [name, set[name]]));
}

/** The rule by which the plane chooses. `blocksOf` gives a CIDR location's blocks. */
export function ruleOf(
  routing: Routing,
  blocksOf: (collection: string, location: string) => readonly string[],
): ChoiceRule | undefined {
  const {
    Weight,
    Region,
    Failover,
    GeoLocation: geo,
    GeoProximityLocation: near,
    MultiValueAnswer,
    CidrRoutingConfig: cidr,
  } = routing;
  if (Weight !== undefined) return { kind: 'weight', weight: Weight };
  if (Failover !== undefined) return { kind: 'failover', primary: Failover === 'PRIMARY' };
  // Latency is not measured: the nearest Region is taken for the fastest.
  if (Region !== undefined) return { kind: 'distance', ...placeOfRegion(Region), bias: 0 };
  if (geo !== undefined)
    return {
      kind: 'place',
      continent: geo.ContinentCode,
      country: geo.CountryCode === '*' ? undefined : geo.CountryCode,
      subdivision: geo.SubdivisionCode,
    };
  if (near !== undefined) {
    const { AWSRegion, LocalZoneGroup, Coordinates, Bias: bias = 0 } = near;
    if (Coordinates !== undefined)
      return { kind: 'distance', latitude: Number(Coordinates.Latitude), longitude: Number(Coordinates.Longitude), bias };
    const region = AWSRegion ?? findLocalZone(LocalZoneGroup ?? '')?.region ?? '';
    return { kind: 'distance', ...placeOfRegion(region), bias };
  }
  if (cidr !== undefined)
    return {
      kind: 'blocks',
      blocks: cidr.LocationName === '*' ? '*' : blocksOf(cidr.CollectionId ?? '', cidr.LocationName ?? ''),
    };
  return MultiValueAnswer === true ? { kind: 'several' } : undefined;
}

function placeOfRegion(region: string): { latitude: number; longitude: number } {
  const [latitude, longitude] = regionPlaces[region] ?? [0, 0];
  return { latitude, longitude };
}
