/** DAX's rows. Names are the keys: they are unique in an account and Region. */
import type { Millis } from '../../base/clock.ts';
import { defineTable } from '../../store/tables.ts';

export type TagMap = Readonly<Record<string, string>>;

export interface NodeRow {
  /** `cluster-a` */
  id: string;
  zone: string;
  subnetId: string;
  status: 'creating' | 'available' | 'rebooting' | 'deleting';
  created: Millis;
  /** Values of the parameter group as the node read them when it started. */
  itemMillis: number;
  queryMillis: number;
  parameterGroup: string;
  interfaceId?: string | undefined;
  address?: string | undefined;
}

export interface ClusterRow {
  name: string;
  /** Part of the DNS names, unique in the cloud: `x1y2z3`. */
  label: string;
  description?: string | undefined;
  nodeType: string;
  status: 'creating' | 'available' | 'modifying' | 'deleting' | 'creation-failed';
  roleArn: string;
  subnetGroup: string;
  vpcId: string;
  groups: readonly string[];
  parameterGroup: string;
  maintenanceWindow: string;
  /** Clients' connections are encrypted. */
  tls: boolean;
  /** Nodes keep nothing on a disk, so there is nothing that would not be encrypted there. */
  sse: boolean;
  /** Of encrypted clusters: PEM, the private key sealed. For all names, so that nodes may come and go. */
  certificate?: { chain: string; sealedKey: Uint8Array } | undefined;
  created: Millis;
  nodes: readonly NodeRow[];
  /** The node that takes writes: stays the same while it can. */
  primary?: string | undefined;
  tags: TagMap;
}

export const Clusters = defineTable<ClusterRow>()({ name: 'dax.clusters', scope: 'region', key: (row) => [row.name] });

/** Whose a label is. */
export interface LabelRow {
  label: string;
  account: string;
  region: string;
  cluster: string;
}

export const Labels = defineTable<LabelRow>()({
  name: 'dax.labels',
  scope: 'cloud',
  key: (row) => [row.label],
  indexes: { byAccount: (row) => [row.account] },
});

export interface SubnetGroupRow {
  name: string;
  description?: string | undefined;
  vpcId: string;
  subnets: readonly { id: string; zone: string }[];
}

export const SubnetGroups = defineTable<SubnetGroupRow>()({
  name: 'dax.subnetGroups',
  scope: 'region',
  key: (row) => [row.name],
});

export interface ParameterGroupRow {
  name: string;
  description?: string | undefined;
  values: Readonly<Record<string, string>>;
}

export const ParameterGroups = defineTable<ParameterGroupRow>()({
  name: 'dax.parameterGroups',
  scope: 'region',
  key: (row) => [row.name],
});

export interface EventRow {
  number: number;
  source: string;
  type: 'CLUSTER' | 'PARAMETER_GROUP' | 'SUBNET_GROUP';
  message: string;
  at: Millis;
}

export const Events = defineTable<EventRow>()({ name: 'dax.events', scope: 'region', key: (row) => [row.at, row.number] });

/** A list of attribute names, which clients of a cluster know by its number. */
export interface NameListRow {
  label: string;
  number: number;
  /** Hash of the names. */
  hash: string;
  names: readonly string[];
}

export const NameLists = defineTable<NameListRow>()({
  name: 'dax.nameLists',
  scope: 'region',
  key: (row) => [row.label, row.number],
  indexes: { byHash: (row) => [row.label, row.hash] },
});

export const tables = [Clusters, Labels, SubnetGroups, ParameterGroups, Events, NameLists];
