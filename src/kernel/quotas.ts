/**
 * Quotas: how much of something an account may have in a Region. The list is data, with the real cloud's codes and default values; a row is there only for a quota
 * that was raised, which the Service Quotas service does. Services ask with `quotaOf` where they used to have a constant. Only what is asked for
 * stands here, so that whatever can be raised really rises.
 */
import { defineTable } from '../store/tables.ts';
import type { Context, Transaction } from './context.ts';

export interface Quota {
  /** As Service Quotas names services: not always the endpoint's name. */
  service: keyof typeof quotaServices;
  code: string;
  name: string;
  value: number;
  /** No request above this is granted. */
  most?: number;
}

/** Names of services that have quotas, by Service Quotas' code. */
export const quotaServices = {
  ec2: 'Amazon Elastic Compute Cloud (Amazon EC2)',
  elasticloadbalancing: 'Elastic Load Balancing (ELB)',
  vpc: 'Amazon Virtual Private Cloud (Amazon VPC)',
} as const;

/** "Amazon VPC quotas", "Amazon EC2 service quotas", "Quotas for your Classic Load Balancer". */
export const quotas = {
  elasticIps: { service: 'ec2', code: 'L-0263D0A3', name: 'EC2-VPC Elastic IPs', value: 5 },
  classicLoadBalancers: {
    service: 'elasticloadbalancing',
    code: 'L-E9E9831D',
    name: 'Classic Load Balancers per Region',
    value: 20,
  },
  vpcs: { service: 'vpc', code: 'L-F678F1CE', name: 'VPCs per Region', value: 5 },
  subnetsPerVpc: { service: 'vpc', code: 'L-407747CB', name: 'Subnets per VPC', value: 200 },
  cidrsPerVpc: { service: 'vpc', code: 'L-83CA0A9D', name: 'IPv4 CIDR blocks per VPC', value: 5, most: 50 },
  routeTablesPerVpc: { service: 'vpc', code: 'L-589F43AA', name: 'Route tables per VPC', value: 200 },
  routesPerTable: { service: 'vpc', code: 'L-93826ACB', name: 'Routes per route table', value: 500, most: 1000 },
  internetGateways: { service: 'vpc', code: 'L-A4707A72', name: 'Internet gateways per Region', value: 5 },
  egressOnlyGateways: { service: 'vpc', code: 'L-45FE3B85', name: 'Egress-only internet gateways per Region', value: 5 },
  natGatewaysPerZone: { service: 'vpc', code: 'L-FE5A380F', name: 'NAT gateways per Availability Zone', value: 5 },
  securityGroups: { service: 'vpc', code: 'L-E79EC296', name: 'VPC security groups per Region', value: 2500 },
  rulesPerGroup: { service: 'vpc', code: 'L-0EA8095F', name: 'Inbound or outbound rules per security group', value: 60 },
  groupsPerInterface: { service: 'vpc', code: 'L-2AFB9258', name: 'Security groups per network interface', value: 5, most: 16 },
  networkAclsPerVpc: { service: 'vpc', code: 'L-B4A6D682', name: 'Network ACLs per VPC', value: 200 },
  rulesPerNetworkAcl: { service: 'vpc', code: 'L-2AEEBF1A', name: 'Rules per network ACL', value: 20, most: 40 },
  gatewayEndpoints: { service: 'vpc', code: 'L-1B52E74A', name: 'Gateway VPC endpoints per Region', value: 20 },
  interfaceEndpointsPerVpc: { service: 'vpc', code: 'L-29B6F2EB', name: 'Interface VPC endpoints per VPC', value: 50 },
  peeringsPerVpc: { service: 'vpc', code: 'L-7E9ECCDB', name: 'Active VPC peering connections per VPC', value: 50, most: 125 },
  outstandingPeerings: { service: 'vpc', code: 'L-DC9F7029', name: 'Outstanding VPC peering connection requests', value: 25 },
} as const satisfies Readonly<Record<string, Quota>>;

/** A quota that was raised. */
export interface RaisedQuotaRow {
  code: string;
  value: number;
}

export const RaisedQuotas = defineTable<RaisedQuotaRow>()({
  name: 'kernel.raisedQuotas',
  scope: 'region',
  key: (row) => [row.code],
});

/** What holds for the account in the Region of this context or transaction. */
export async function quotaOf(source: Pick<Context | Transaction, 'table'>, quota: Quota): Promise<number> {
  return (await source.table(RaisedQuotas).get(quota.code))?.value ?? quota.value;
}
