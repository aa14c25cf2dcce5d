/** Rows of endpoint services: what an account offers to others behind its load balancers, and who is connected to it. */
import { defineTable } from '../../../store/tables.ts';
import type { TagMap } from '../vpc/state.ts';

/** Whom a service is open to: `arn:aws:iam::123456789012:root`, a user, a role, or `*`. */
export interface AllowedPrincipalRow {
  id: string;
  arn: string;
}

export interface PrivateNameRow {
  name: string;
  state: 'pendingVerification' | 'verified' | 'failed';
  /** The TXT record that proves whose the domain is: `<recordName>.<domain>` holds `recordValue`. */
  recordName: string;
  recordValue: string;
}

export interface EndpointServiceRow {
  id: string;
  acceptance: boolean;
  /** ARNs of network load balancers. */
  balancers: readonly string[];
  principals: readonly AllowedPrincipalRow[];
  privateName?: PrivateNameRow | undefined;
  tags: TagMap;
}

export const EndpointServices = defineTable<EndpointServiceRow>()({
  name: 'ec2.endpointServices',
  scope: 'region',
  key: (row) => [row.id],
});

/** Whose a service is: its name does not tell the account. */
export interface EndpointServiceOwnerRow {
  id: string;
  account: string;
  region: string;
}

export const EndpointServiceOwners = defineTable<EndpointServiceOwnerRow>()({
  name: 'ec2.endpointServiceOwners',
  scope: 'cloud',
  key: (row) => [row.id],
  indexes: { byAccount: (row) => [row.account] },
});

/** An endpoint of any account that asks for a service, in the scope of the service; how it stands is in the endpoint's own row. */
export interface EndpointConnectionRow {
  id: string;
  serviceId: string;
  endpointId: string;
  /** Of the endpoint. */
  account: string;
}

export const EndpointConnections = defineTable<EndpointConnectionRow>()({
  name: 'ec2.endpointConnections',
  scope: 'region',
  key: (row) => [row.serviceId, row.endpointId],
});

/** The private name of a service as the names of a VPC hold it. */
export interface ServiceNameRow {
  vpcId: string;
  name: string;
  endpointId: string;
  account: string;
  region: string;
}

export const ServiceNames = defineTable<ServiceNameRow>()({
  name: 'ec2.endpointServiceNames',
  scope: 'cloud',
  key: (row) => [row.vpcId, row.name],
  indexes: { byAccount: (row) => [row.account] },
});
