/**
 * Functions in a VPC: one interface for each subnet and set of security groups, shared by all functions that name them, through which their environments
 * reach what the groups and routes let them ("Giving Lambda functions access to resources in an Amazon VPC", Hyperplane interfaces).
 */
import { createHash } from 'node:crypto';
import type { VpcConfig } from '@aws-sdk/client-lambda';
import { formatIp4, parseCidr4 } from '../../base/cidr.ts';
import type { Context } from '../../kernel/context.ts';
import { AwsError, parameterNotImplemented } from '../../kernel/errors.ts';
import type { NetworkAttachment } from '../../planes/functions/types.ts';
import type { Ec2Api } from '../ec2/api.ts';
import { actBy } from './asynchronous/destinations.ts';
import { invalidParameter } from './errors.ts';
import { type VersionRow, Versions, type VpcSpec } from './state.ts';

const holderPrefix = 'lambda/';
const subnetsMax = 16;
const groupsMax = 5;

function ec2Of(ctx: Context): Promise<Ec2Api> {
  return ctx.internal<Ec2Api>('ec2');
}

/** Name under which Lambda holds the interfaces of a set of groups: one in each subnet. */
function holderOf(groupIds: readonly string[]): string {
  return `${holderPrefix}${createHash('sha256')
    .update([...groupIds].sort().join())
    .digest('hex')
    .slice(0, 32)}`;
}

/** The network that an input names; undefined for none. Throws InvalidParameterValueException in EC2's words for what is not there. */
export async function readNetwork(ctx: Context, operation: string, input: VpcConfig, role: string): Promise<VpcSpec | undefined> {
  const { SubnetIds = [], SecurityGroupIds = [], Ipv6AllowedForDualStack } = input;
  if (SubnetIds.length === 0 && SecurityGroupIds.length === 0) return undefined;
  if (Ipv6AllowedForDualStack === true) throw parameterNotImplemented(operation, 'VpcConfig.Ipv6AllowedForDualStack');
  if (SubnetIds.length === 0 || SecurityGroupIds.length === 0)
    throw invalidParameter('SubnetIds and SecurityIds must coexist or be both empty list.');
  if (SubnetIds.length > subnetsMax || SecurityGroupIds.length > groupsMax)
    throw invalidParameter(`A function takes at most ${subnetsMax} subnets and ${groupsMax} security groups.`);
  const ec2 = await ec2Of(ctx);
  const failed = (call: string, code: string, message: string): AwsError =>
    invalidParameter(`Error occurred while ${call}. EC2 Error Code: ${code}. EC2 Error Message: ${message}`);
  const subnets = await Promise.all(
    SubnetIds.map(async (id) => {
      const facts = await ec2.subnetFacts(id);
      if (facts === undefined)
        throw failed('DescribeSubnets', 'InvalidSubnetID.NotFound', `The subnet ID '${id}' does not exist`);
      return facts;
    }),
  );
  const vpcId = subnets[0]?.vpcId ?? '';
  if (subnets.some((subnet) => subnet.vpcId !== vpcId))
    throw invalidParameter('Subnets and security groups must be in the same VPC.');
  for (const id of SecurityGroupIds) {
    const vpcs = await ec2.groupVpcs(id);
    if (vpcs === undefined)
      throw failed('DescribeSecurityGroups', 'InvalidGroup.NotFound', `The security group '${id}' does not exist`);
    if (!vpcs.includes(vpcId)) throw invalidParameter('Subnets and security groups must be in the same VPC.');
  }
  const acting = await actBy(ctx, role, 'lambda');
  await acting.permit({ action: 'ec2:CreateNetworkInterface', resource: '*' }).catch((error: unknown) => {
    if (!(error instanceof AwsError)) throw error;
    throw invalidParameter('The provided execution role does not have permissions to call CreateNetworkInterface on EC2');
  });
  return { subnetIds: SubnetIds, groupIds: SecurityGroupIds, vpcId, ip6: false };
}

async function hold(ctx: Context, { groupIds }: VpcSpec, subnetId: string) {
  return (await ec2Of(ctx)).holdInterface({
    subnetId,
    holder: holderOf(groupIds),
    interfaceType: 'lambda',
    groups: groupIds,
    description: `AWS Lambda VPC ENI-${subnetId}`,
    publicIp: false,
  });
}

/** Makes the interfaces of a function. Resolves with why they cannot be. */
export async function joinNetwork(ctx: Context, vpc: VpcSpec): Promise<VersionRow['reason']> {
  try {
    for (const subnetId of vpc.subnetIds) await hold(ctx, vpc, subnetId);
    return undefined;
  } catch (error) {
    if (!(error instanceof AwsError)) throw error;
    const code = error.code === 'InsufficientFreeAddressesInSubnet' ? 'SubnetOutOfIPAddresses' : 'InvalidSubnet';
    return { code, text: error.message };
  }
}

/** Where a new environment of a version is attached: the interface in any of its subnets whose zone works. */
export async function attach(ctx: Context, { vpc }: VersionRow): Promise<NetworkAttachment> {
  const { subnetIds, vpcId } = vpc as VpcSpec;
  const ec2 = await ec2Of(ctx);
  const zones = ctx.part('zones');
  const facts = await Promise.all(subnetIds.map((id) => ec2.subnetFacts(id)));
  const up = facts.flatMap((subnet) => (subnet !== undefined && zones.downSince(subnet.zone) === undefined ? [subnet.id] : []));
  const choice = up.length > 0 ? up : subnetIds;
  const subnetId = choice[(ctx.bytes(1)[0] ?? 0) % choice.length] ?? '';
  const held = await hold(ctx, vpc as VpcSpec, subnetId);
  await ec2.applyNetwork(vpcId);
  const block = parseCidr4((await ec2.vpcFacts(vpcId))?.cidrs[0] ?? '');
  // The resolver is at the network's base plus two ("Amazon DNS server").
  return { machine: held.id, address: held.address, resolver: block === undefined ? '' : formatIp4(block.base + 2) };
}

/** Gives back interfaces that no version needs any more. */
export async function releaseNetworks(ctx: Context): Promise<void> {
  const versions = await ctx.table(Versions).list();
  const needed = new Map<string, Set<string>>();
  for (const { vpc } of versions) {
    if (vpc === undefined) continue;
    const holder = holderOf(vpc.groupIds);
    needed.set(holder, new Set([...(needed.get(holder) ?? []), ...vpc.subnetIds]));
  }
  const ec2 = await ec2Of(ctx);
  for (const { id, holder, subnetId } of await ec2.heldUnder(holderPrefix))
    if (needed.get(holder)?.has(subnetId) !== true) await ec2.releaseInterface(id);
}
