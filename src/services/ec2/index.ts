import { AwsError } from '../../kernel/errors.ts';
import { defineService } from '../../kernel/service.ts';
import { accountAttributeHandlers } from './account-attributes.ts';
import { addressAuthorisations, addressHandlers } from './addresses/addresses.ts';
import { freePublicIpsOf } from './addresses/public-pool.ts';
import { ec2Api } from './api.ts';
import { Addresses, PublicIps } from './addresses/state.ts';
import { dedicatedHostAuthorisations, dedicatedHostHandlers } from './hosts/dedicated-hosts.ts';
import { DedicatedHosts } from './hosts/state.ts';
import { describeImageHandlers } from './images/describe.ts';
import { LinkFaults, links } from './faults.ts';
import { imageAuthorisations, imageHandlers } from './images/images.ts';
import { forgetImagesOf } from './images/own.ts';
import { imagePermissionAuthorisations, imagePermissionHandlers } from './images/permissions.ts';
import { images } from './images/reconcile.ts';
import { registerImageAuthorisations, registerImageHandlers } from './images/register.ts';
import { ImageOwners, Images, Subscriptions } from './images/state.ts';
import { instanceAttributeAuthorisations, instanceAttributeHandlers } from './instances/attributes.ts';
import { describeInstanceAuthorisations, describeInstanceHandlers } from './instances/describe.ts';
import { instanceTypeHandlers } from './instances/instance-types.ts';
import { launchHandlers } from './instances/launch.ts';
import { checkLaunch } from './instances/launch-authorisation.ts';
import { lifecycleAuthorisations, lifecycleHandlers } from './instances/lifecycle.ts';
import { forgetInstance, machines, onMachineChange } from './instances/machines.ts';
import { sampleInstance } from './instances/metrics.ts';
import { monitoringAuthorisations, monitoringHandlers } from './instances/monitoring.ts';
import { profileAssociationAuthorisations, profileAssociationHandlers } from './instances/profile-associations.ts';
import { recoverInstance, recoveryAuthorisations, recoveryHandlers } from './instances/recovery.ts';
import { instanceStatusHandlers } from './instances/status.ts';
import { Instances, LaunchTokens } from './instances/state.ts';
import { networkInterfaceAuthorisations, networkInterfaceHandlers } from './interfaces/network-interfaces.ts';
import { privateAddressAuthorisations, privateAddressHandlers } from './interfaces/private-addresses.ts';
import { Interfaces } from './interfaces/state.ts';
import { keyPairAuthorisations, keyPairHandlers } from './key-pairs/key-pairs.ts';
import { forgetPushedKeys } from './key-pairs/pushed-keys.ts';
import { KeyPairs, PushedKeys } from './key-pairs/state.ts';
import { launchTemplateAuthorisations, launchTemplateHandlers } from './launch-templates/launch-templates.ts';
import { LaunchTemplates, LaunchTemplateVersions } from './launch-templates/state.ts';
import { launchTemplateVersionAuthorisations, launchTemplateVersionHandlers } from './launch-templates/versions.ts';
import { meterUsage } from './metering/metering.ts';
import { Metered, Used } from './metering/state.ts';
import { startMetadata } from './metadata/server.ts';
import { placementAuthorisations, placementHandlers } from './placement/modify.ts';
import { leavePlacesOf } from './placement/place.ts';
import { placementGroupAuthorisations, placementGroupHandlers } from './placement/placement-groups.ts';
import { Occupants, PlacementGroups } from './placement/state.ts';
import { forgetEndpointServicesOf } from './endpoint-services/connections.ts';
import { endpointZone, pathOf } from './endpoints/paths.ts';
import {
  networkingAuthorisations,
  networkingHandlers,
  networkingReconcilers,
  networkingTables,
  networkingTasks,
} from './networking.ts';
import { securityGroupRuleAuthorisations, securityGroupRuleHandlers } from './security-groups/rules.ts';
import { securityGroupAuthorisations, securityGroupHandlers } from './security-groups/security-groups.ts';
import { SecurityGroupRules, SecurityGroups } from './security-groups/state.ts';
import { spotAuthorisations, spotHandlers, spotTasks } from './spot/requests.ts';
import { SpotRequests } from './spot/state.ts';
import { tagAuthorisations, tagHandlers, withTagging } from './tags.ts';
import { attachmentAuthorisations, attachmentHandlers } from './volumes/attachments.ts';
import { encryptionHandlers } from './volumes/encryption.ts';
import { endVolumeModification, modificationAuthorisations, modificationHandlers } from './volumes/modifications.ts';
import { snapshots, volumes } from './volumes/plane.ts';
import { emptyRecycleBin, recycleBinAuthorisations, recycleBinHandlers } from './volumes/recycle-bin.ts';
import {
  moveFastRestores,
  moveSnapshotTier,
  snapshotTierAuthorisations,
  snapshotTierHandlers,
} from './volumes/snapshot-tiers.ts';
import { snapshotAuthorisations, snapshotHandlers } from './volumes/snapshots.ts';
import { EbsSettings, Snapshots, Volumes } from './volumes/state.ts';
import { volumeAuthorisations, volumeHandlers } from './volumes/volumes.ts';
import { networkAclAuthorisations, networkAclHandlers } from './vpc/network-acls.ts';
import { DhcpOptions, InternetGateways, NetworkAcls, RouteTables, Subnets, Vpcs } from './vpc/state.ts';
import { addDefaultVpc, defaultVpcAuthorisations, defaultVpcHandlers } from './vpc/default-vpc.ts';
import { networks } from './vpc/networks.ts';
import { internetGatewayAuthorisations, internetGatewayHandlers } from './vpc/internet-gateways.ts';
import { routeTableAuthorisations, routeTableHandlers } from './vpc/route-tables.ts';
import { subnetAuthorisations, subnetHandlers } from './vpc/subnets.ts';
import { vpcAuthorisations, vpcHandlers } from './vpc/vpcs.ts';
import { vpcZone } from './vpc/vpc-zone.ts';
import { ZoneGroups, zoneHandlers } from './zones.ts';

export default defineService({
  name: 'ec2',
  uses: ['cloudwatch', 'cloudwatch-logs', 'elastic-load-balancing-v2', 'iam', 'kms', 'rbin', 's3', 'ssm', 'sts'],
  tables: [
    ...[Vpcs, Subnets, RouteTables, InternetGateways, NetworkAcls, DhcpOptions, Interfaces, SecurityGroups, SecurityGroupRules],
    ...[
      LaunchTemplates,
      LaunchTemplateVersions,
      PlacementGroups,
      Occupants,
      DedicatedHosts,
      PushedKeys,
      ImageOwners,
      Subscriptions,
    ],
    ...networkingTables,
    ...[Addresses, PublicIps, Instances, LaunchTokens, Images, KeyPairs, ZoneGroups],
    ...[Volumes, Snapshots, EbsSettings, LinkFaults, SpotRequests, Metered, Used],
  ],
  handlers: {
    ...accountAttributeHandlers,
    ...zoneHandlers,
    ...vpcHandlers,
    ...subnetHandlers,
    ...routeTableHandlers,
    ...internetGatewayHandlers,
    ...networkingHandlers,
    ...defaultVpcHandlers,
    ...networkAclHandlers,
    ...securityGroupHandlers,
    ...securityGroupRuleHandlers,
    ...addressHandlers,
    ...imageHandlers,
    ...describeImageHandlers,
    ...imagePermissionHandlers,
    ...registerImageHandlers,
    ...instanceTypeHandlers,
    ...keyPairHandlers,
    ...networkInterfaceHandlers,
    ...privateAddressHandlers,
    ...instanceAttributeHandlers,
    ...launchHandlers,
    ...launchTemplateHandlers,
    ...launchTemplateVersionHandlers,
    ...recoveryHandlers,
    ...placementGroupHandlers,
    ...placementHandlers,
    ...dedicatedHostHandlers,
    ...describeInstanceHandlers,
    ...instanceStatusHandlers,
    ...lifecycleHandlers,
    ...monitoringHandlers,
    ...profileAssociationHandlers,
    ...volumeHandlers,
    ...attachmentHandlers,
    ...encryptionHandlers,
    ...modificationHandlers,
    ...recycleBinHandlers,
    ...snapshotHandlers,
    ...snapshotTierHandlers,
    ...spotHandlers,
    ...tagHandlers,
  },
  authorise: withTagging({
    ...vpcAuthorisations,
    ...subnetAuthorisations,
    ...routeTableAuthorisations,
    ...internetGatewayAuthorisations,
    ...networkingAuthorisations,
    ...securityGroupAuthorisations,
    ...addressAuthorisations,
    ...describeInstanceAuthorisations,
    ...lifecycleAuthorisations,
    ...monitoringAuthorisations,
    ...profileAssociationAuthorisations,
    ...volumeAuthorisations,
    ...attachmentAuthorisations,
    ...modificationAuthorisations,
    ...recycleBinAuthorisations,
    ...snapshotAuthorisations,
    ...snapshotTierAuthorisations,
    ...defaultVpcAuthorisations,
    ...networkAclAuthorisations,
    ...keyPairAuthorisations,
    ...networkInterfaceAuthorisations,
    ...privateAddressAuthorisations,
    ...instanceAttributeAuthorisations,
    ...tagAuthorisations,
    RunInstances: checkLaunch,
    ...launchTemplateAuthorisations,
    ...launchTemplateVersionAuthorisations,
    ...imageAuthorisations,
    ...imagePermissionAuthorisations,
    ...registerImageAuthorisations,
    ...recoveryAuthorisations,
    ...placementGroupAuthorisations,
    ...placementAuthorisations,
    ...dedicatedHostAuthorisations,
    ...securityGroupRuleAuthorisations,
    ...spotAuthorisations,
  }),
  paths: { pathOf },
  reconcilers: { links, networks, machines, images, volumes, snapshots, ...networkingReconcilers },
  watches: ['sampleInstance', 'collectFlows'],
  tasks: {
    ...{ emptyRecycleBin, endVolumeModification, moveFastRestores, moveSnapshotTier },
    forgetInstance,
    forgetPushedKeys,
    sampleInstance,
    meterUsage,
    recoverInstance,
    ...spotTasks,
    ...networkingTasks,
  },
  start: async (ctx) => {
    ctx.part('machines').onChange((status) => void onMachineChange(ctx, status));
    ctx.part('dns').register(vpcZone(ctx));
    ctx.part('dns').register(endpointZone(ctx));
    return startMetadata(ctx);
  },
  api: ec2Api,
  accountSetup: async (ctx) => {
    await addDefaultVpc(ctx);
  },
  onReset: async (account, ctx) => {
    if (account === undefined) return;
    await freePublicIpsOf(ctx, account);
    await leavePlacesOf(ctx, account);
    await forgetImagesOf(ctx, account);
    await forgetEndpointServicesOf(ctx, account);
  },
  /** DryRun asks only whether the call would be allowed, and is answered before anything is looked at ("DryRunOperation"). */
  before: (input) => {
    if (input['DryRun'] === true)
      throw new AwsError('DryRunOperation', 'Request would have succeeded, but DryRun flag is set.', { status: 412 });
  },
});
