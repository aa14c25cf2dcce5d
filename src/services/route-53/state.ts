/** Route 53's rows. Accounts hold them; what name servers share stands in rows of the cloud. */
import type { ResourceRecordSet } from '@aws-sdk/client-route-53';
import type { Millis } from '../../base/clock.ts';
import { defineTable } from '../../store/tables.ts';
import { reversedName } from './names.ts';

export type TagMap = Readonly<Record<string, string>>;

export interface ZoneVpc {
  region: string;
  id: string;
}

export interface ZoneRow {
  id: string;
  /** In normal form, with the dot at the end. */
  name: string;
  callerReference: string;
  comment?: string | undefined;
  /** Of a private zone: at least one; undefined for public ones. */
  vpcs?: readonly ZoneVpc[] | undefined;
  delegationSet?: string | undefined;
  nameServers: readonly string[];
  created: Millis;
  /** Other accounts' VPCs that may be associated. */
  authorized: readonly ZoneVpc[];
  recordCount: number;
}

export const Zones = defineTable<ZoneRow>()({
  name: 'route53.zones',
  scope: 'account',
  key: (row) => [row.id],
  indexes: { byReference: (row) => [row.callerReference], byName: (row) => [reversedName(row.name)] },
});

/** Who holds a zone: VPCs of other accounts are associated by its id alone. */
export interface ZoneOwnerRow {
  id: string;
  account: string;
  name: string;
  created: Millis;
  nameServers: readonly string[];
}

export const ZoneOwners = defineTable<ZoneOwnerRow>()({
  name: 'route53.zoneOwners',
  scope: 'cloud',
  key: (row) => [row.id],
  indexes: { byName: (row) => [row.name] },
});

export interface RecordSetRow {
  zone: string;
  /** In normal form. */
  name: string;
  type: string;
  /** Empty for simple records. */
  setIdentifier: string;
  ttl?: number | undefined;
  values: readonly string[];
  alias?: { zone: string; name: string; evaluate: boolean } | undefined;
  /** Members of its routing policy, as given. */
  routing: Pick<
    ResourceRecordSet,
    'Weight' | 'Region' | 'Failover' | 'GeoLocation' | 'MultiValueAnswer' | 'CidrRoutingConfig' | 'GeoProximityLocation'
  >;
  healthCheck?: string | undefined;
  trafficPolicyInstance?: string | undefined;
}

export const RecordSets = defineTable<RecordSetRow>()({
  name: 'route53.recordSets',
  scope: 'account',
  key: (row) => [row.zone, reversedName(row.name), row.type, row.setIdentifier],
  indexes: {
    byCollection: (row) =>
      row.routing.CidrRoutingConfig === undefined ? undefined : [row.routing.CidrRoutingConfig.CollectionId ?? ''],
  },
});

export interface ChangeRow {
  id: string;
  zone?: string | undefined;
  status: 'PENDING' | 'INSYNC';
  submitted: Millis;
  comment?: string | undefined;
}

export const Changes = defineTable<ChangeRow>()({
  name: 'route53.changes',
  scope: 'account',
  key: (row) => [row.id],
  indexes: { pending: (row) => (row.status === 'PENDING' ? [row.zone ?? ''] : undefined) },
});

export interface DelegationSetRow {
  id: string;
  callerReference: string;
  nameServers: readonly string[];
}

export const DelegationSets = defineTable<DelegationSetRow>()({
  name: 'route53.delegationSets',
  scope: 'account',
  key: (row) => [row.id],
  indexes: { byReference: (row) => [row.callerReference] },
});

export interface TagsRow {
  type: string;
  id: string;
  tags: TagMap;
}

export const Tags = defineTable<TagsRow>()({ name: 'route53.tags', scope: 'account', key: (row) => [row.type, row.id] });

export interface CidrCollectionRow {
  id: string;
  name: string;
  callerReference: string;
  version: number;
  locations: Readonly<Record<string, readonly string[]>>;
}

export const CidrCollections = defineTable<CidrCollectionRow>()({
  name: 'route53.cidrCollections',
  scope: 'account',
  key: (row) => [row.id],
  indexes: { byName: (row) => [row.name] },
});

/** Where clients are, as the user has set it. */
export interface PlaceRow {
  cidr: string;
  continent?: string | undefined;
  country?: string | undefined;
  subdivision?: string | undefined;
  latitude?: number | undefined;
  longitude?: number | undefined;
}

export const Places = defineTable<PlaceRow>()({ name: 'route53.places', scope: 'cloud', key: (row) => [row.cidr] });
