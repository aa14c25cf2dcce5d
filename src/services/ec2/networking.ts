/** The nouns around VPCs that were built together, gathered for the service's definition: index.ts has one line for all of them. */
import type { EC2 } from '@aws-sdk/client-ec2';
import type { AuthorisationsOf, HandlersOf } from '../../kernel/service.ts';
import { endpointServiceAuthorisations, endpointServiceHandlers } from './endpoint-services/configurations.ts';
import { endpointConnectionAuthorisations, endpointConnectionHandlers } from './endpoint-services/connections.ts';
import { EndpointConnections, EndpointServiceOwners, EndpointServices, ServiceNames } from './endpoint-services/state.ts';
import { vpcEndpointAuthorisations, vpcEndpointHandlers } from './endpoints/endpoints.ts';
import { VpcEndpoints } from './endpoints/state.ts';
import { collectFlows } from './flow-logs/collect.ts';
import { flowLogAuthorisations, flowLogHandlers } from './flow-logs/flow-logs.ts';
import { FlowLines, FlowLogs } from './flow-logs/state.ts';
import { ipv6Authorisations, ipv6Handlers } from './ipv6/ipv6.ts';
import { EgressOnlyGateways } from './ipv6/state.ts';
import { mirrorFilterAuthorisations, mirrorFilterHandlers } from './mirroring/filters.ts';
import { mirrorSessionAuthorisations, mirrorSessionHandlers } from './mirroring/sessions.ts';
import { MirrorFilters, MirrorSessions, MirrorTargets } from './mirroring/state.ts';
import { forgetNatGateway, natGatewayAuthorisations, natGatewayHandlers, natGateways } from './nat/nat-gateways.ts';
import { NatGateways } from './nat/state.ts';
import { expirePeering, forgetPeering, peeringAuthorisations, peeringHandlers } from './peering/peerings.ts';
import { Peerings, PeeringSides } from './peering/state.ts';
import { prefixListAuthorisations, prefixListHandlers } from './prefix-lists/prefix-lists.ts';
import { PrefixLists } from './prefix-lists/state.ts';
import { vpcAssociationAuthorisations, vpcAssociationHandlers } from './security-groups/vpc-associations.ts';
import { cidrAssociationAuthorisations, cidrAssociationHandlers } from './vpc/cidr-associations.ts';
import { dhcpOptionsAuthorisations, dhcpOptionsHandlers } from './vpc/dhcp-options.ts';

export const networkingTables = [
  NatGateways,
  Peerings,
  PeeringSides,
  PrefixLists,
  EgressOnlyGateways,
  VpcEndpoints,
  EndpointServices,
  EndpointServiceOwners,
  EndpointConnections,
  ServiceNames,
  FlowLogs,
  FlowLines,
  MirrorTargets,
  MirrorFilters,
  MirrorSessions,
];

export const networkingHandlers: HandlersOf<EC2> = {
  ...dhcpOptionsHandlers,
  ...cidrAssociationHandlers,
  ...ipv6Handlers,
  ...natGatewayHandlers,
  ...vpcEndpointHandlers,
  ...endpointServiceHandlers,
  ...endpointConnectionHandlers,
  ...flowLogHandlers,
  ...mirrorFilterHandlers,
  ...mirrorSessionHandlers,
  ...peeringHandlers,
  ...prefixListHandlers,
  ...vpcAssociationHandlers,
};

export const networkingAuthorisations: AuthorisationsOf<EC2> = {
  ...dhcpOptionsAuthorisations,
  ...cidrAssociationAuthorisations,
  ...ipv6Authorisations,
  ...natGatewayAuthorisations,
  ...vpcEndpointAuthorisations,
  ...endpointServiceAuthorisations,
  ...endpointConnectionAuthorisations,
  ...flowLogAuthorisations,
  ...mirrorFilterAuthorisations,
  ...mirrorSessionAuthorisations,
  ...peeringAuthorisations,
  ...prefixListAuthorisations,
  ...vpcAssociationAuthorisations,
};

export const networkingReconcilers = { natGateways };
export const networkingTasks = { forgetNatGateway, expirePeering, forgetPeering, collectFlows };
