/** Rows of VPCs and what lies in them. All of them belong to an account and a Region. */
import { defineTable } from '../../../store/tables.ts';

export type TagMap = Readonly<Record<string, string>>;

export interface VpcRow {
  id: string;
  /** IPv4 blocks, the primary one first. */
  cidrs: readonly { cidr: string; associationId: string }[];
  /** The IPv6 block of the provider's. */
  ipv6?: { cidr: string; associationId: string } | undefined;
  isDefault: boolean;
  tenancy: 'default' | 'dedicated';
  dhcpOptionsId: string;
  dnsSupport: boolean;
  dnsHostnames: boolean;
  mainRouteTableId: string;
  defaultNetworkAclId: string;
  defaultSecurityGroupId: string;
  tags: TagMap;
}

export const Vpcs = defineTable<VpcRow>()({ name: 'ec2.vpcs', scope: 'region', key: (row) => [row.id] });

export interface SubnetRow {
  id: string;
  vpcId: string;
  cidr: string;
  zone: string;
  zoneId: string;
  defaultForZone: boolean;
  mapPublicIp: boolean;
  ipv6?: { cidr: string; associationId: string } | undefined;
  /** New interfaces get an IPv6 address. */
  assignIpv6?: boolean | undefined;
  /** Explicit association; without one the subnet follows the VPC's main table. */
  routeTable?: { tableId: string; associationId: string } | undefined;
  networkAcl: { aclId: string; associationId: string };
  tags: TagMap;
}

export const Subnets = defineTable<SubnetRow>()({
  name: 'ec2.subnets',
  scope: 'region',
  key: (row) => [row.id],
  indexes: { byVpc: (row) => [row.vpcId] },
});

export type RouteTarget =
  | { kind: 'local' }
  | { kind: 'internet-gateway'; id: string }
  | { kind: 'network-interface'; id: string; instanceId?: string | undefined }
  | { kind: 'nat-gateway'; id: string }
  | { kind: 'peering'; id: string }
  | { kind: 'egress-only'; id: string }
  | { kind: 'endpoint'; id: string };

export interface RouteRow {
  /** A block, or the id of a prefix list. */
  destination: string;
  target: RouteTarget;
  origin: 'CreateRouteTable' | 'CreateRoute';
}

export interface RouteTableRow {
  id: string;
  vpcId: string;
  /** Of the main association, while this is the VPC's main table. */
  mainAssociationId?: string | undefined;
  routes: readonly RouteRow[];
  tags: TagMap;
}

export const RouteTables = defineTable<RouteTableRow>()({
  name: 'ec2.routeTables',
  scope: 'region',
  key: (row) => [row.id],
  indexes: { byVpc: (row) => [row.vpcId] },
});

export interface InternetGatewayRow {
  id: string;
  vpcId?: string | undefined;
  tags: TagMap;
}

export const InternetGateways = defineTable<InternetGatewayRow>()({
  name: 'ec2.internetGateways',
  scope: 'region',
  key: (row) => [row.id],
  indexes: { byVpc: (row) => (row.vpcId === undefined ? undefined : [row.vpcId]) },
});

export interface NetworkAclEntryRow {
  number: number;
  egress: boolean;
  allow: boolean;
  /** IP protocol number, -1 for all. */
  protocol: number;
  cidr: string;
  from?: number | undefined;
  to?: number | undefined;
  icmp?: { type: number; code: number } | undefined;
}

export interface NetworkAclRow {
  id: string;
  vpcId: string;
  isDefault: boolean;
  entries: readonly NetworkAclEntryRow[];
  tags: TagMap;
}

export const NetworkAcls = defineTable<NetworkAclRow>()({
  name: 'ec2.networkAcls',
  scope: 'region',
  key: (row) => [row.id],
  indexes: { byVpc: (row) => [row.vpcId] },
});

export interface DhcpOptionsRow {
  id: string;
  /** The Region's own set, which new VPCs get. */
  isDefault?: boolean | undefined;
  /** `domain-name`, `domain-name-servers`, … to their values. */
  options: Readonly<Record<string, readonly string[]>>;
  tags: TagMap;
}

export const DhcpOptions = defineTable<DhcpOptionsRow>()({ name: 'ec2.dhcpOptions', scope: 'region', key: (row) => [row.id] });
