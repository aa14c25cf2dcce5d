/** Which resource each operation is authorised on: "Actions, resources, and condition keys for Amazon Route 53". */
import type { ResourceRecordSet, Route53 } from '@aws-sdk/client-route-53';
import type { AuthorisationsOf, Check } from '../../kernel/service.ts';
import { bareId, normalName } from './names.ts';

const on = (type: string, id: string | undefined, conditions: Check['conditions'] = {}): Check[] => [
  { resource: `arn:aws:route53:::${type}/${bareId(id)}`, conditions },
];

const ofVpc = (vpc: { VPCId?: string | undefined; VPCRegion?: string | undefined } | undefined): Check['conditions'] => ({
  'route53:VPCs': vpc === undefined ? undefined : `VPCId=${vpc.VPCId},VPCRegion=${vpc.VPCRegion}`,
});

function changeConditions(
  changes: readonly { Action?: string | undefined; ResourceRecordSet?: ResourceRecordSet | undefined }[],
) {
  return {
    'route53:ChangeResourceRecordSetsActions': changes.map(({ Action = '' }) => Action),
    'route53:ChangeResourceRecordSetsRecordTypes': changes.map(({ ResourceRecordSet: set }) => set?.Type ?? ''),
    'route53:ChangeResourceRecordSetsNormalizedRecordNames': changes.map(({ ResourceRecordSet: set }) =>
      normalName(set?.Name ?? '').replace(/\.$/, ''),
    ),
  };
}

export const authorisations: AuthorisationsOf<Route53> = {
  CreateHostedZone: (input) => [{ resource: '*', conditions: ofVpc(input.VPC) }],
  GetHostedZone: (input) => on('hostedzone', input.Id),
  DeleteHostedZone: (input) => on('hostedzone', input.Id),
  UpdateHostedZoneComment: (input) => on('hostedzone', input.Id),
  GetHostedZoneLimit: (input) => on('hostedzone', input.HostedZoneId),
  ListHostedZonesByVPC: (input) => [{ resource: '*', conditions: ofVpc(input) }],
  AssociateVPCWithHostedZone: (input) => on('hostedzone', input.HostedZoneId, ofVpc(input.VPC)),
  DisassociateVPCFromHostedZone: (input) => on('hostedzone', input.HostedZoneId, ofVpc(input.VPC)),
  CreateVPCAssociationAuthorization: (input) => on('hostedzone', input.HostedZoneId, ofVpc(input.VPC)),
  DeleteVPCAssociationAuthorization: (input) => on('hostedzone', input.HostedZoneId, ofVpc(input.VPC)),
  ListVPCAssociationAuthorizations: (input) => on('hostedzone', input.HostedZoneId),
  ChangeResourceRecordSets: (input) => on('hostedzone', input.HostedZoneId, changeConditions(input.ChangeBatch?.Changes ?? [])),
  ListResourceRecordSets: (input) => on('hostedzone', input.HostedZoneId),
  CreateQueryLoggingConfig: (input) => on('hostedzone', input.HostedZoneId),
  ListQueryLoggingConfigs: (input) =>
    input.HostedZoneId === undefined ? [{ resource: '*' }] : on('hostedzone', input.HostedZoneId),
  GetQueryLoggingConfig: (input) => on('queryloggingconfig', input.Id),
  DeleteQueryLoggingConfig: (input) => on('queryloggingconfig', input.Id),
  CreateTrafficPolicyInstance: (input) => [
    ...on('hostedzone', input.HostedZoneId),
    ...on('trafficpolicy', input.TrafficPolicyId),
  ],
  CreateTrafficPolicyVersion: (input) => on('trafficpolicy', input.Id),
  GetTrafficPolicy: (input) => on('trafficpolicy', input.Id),
  DeleteTrafficPolicy: (input) => on('trafficpolicy', input.Id),
  GetTrafficPolicyInstance: (input) => on('trafficpolicyinstance', input.Id),
  UpdateTrafficPolicyInstance: (input) => on('trafficpolicyinstance', input.Id),
  DeleteTrafficPolicyInstance: (input) => on('trafficpolicyinstance', input.Id),
  GetChange: (input) => on('change', input.Id),
  ChangeTagsForResource: (input) => on(input.ResourceType ?? '', input.ResourceId),
  ListTagsForResource: (input) => on(input.ResourceType ?? '', input.ResourceId),
  ListTagsForResources: (input) => (input.ResourceIds ?? []).flatMap((id) => on(input.ResourceType ?? '', id)),
  GetHealthCheck: (input) => on('healthcheck', input.HealthCheckId),
  UpdateHealthCheck: (input) => on('healthcheck', input.HealthCheckId),
  DeleteHealthCheck: (input) => on('healthcheck', input.HealthCheckId),
  GetHealthCheckStatus: (input) => on('healthcheck', input.HealthCheckId),
  GetHealthCheckLastFailureReason: (input) => on('healthcheck', input.HealthCheckId),
  ChangeCidrCollection: (input) => on('cidrcollection', input.Id),
  DeleteCidrCollection: (input) => on('cidrcollection', input.Id),
  ListCidrLocations: (input) => on('cidrcollection', input.CollectionId),
  ListCidrBlocks: (input) => on('cidrcollection', input.CollectionId),
  GetReusableDelegationSet: (input) => on('delegationset', input.Id),
  DeleteReusableDelegationSet: (input) => on('delegationset', input.Id),
  GetReusableDelegationSetLimit: (input) => on('delegationset', input.DelegationSetId),
};
