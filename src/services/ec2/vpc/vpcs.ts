/** VPCs: create with everything that comes along (main route table, default network ACL, default security group), describe, modify, delete. */
import type { EC2, Vpc, VpcIpv6CidrBlockAssociation } from '@aws-sdk/client-ec2';
import { contains, parseCidr4 } from '../../../base/cidr.ts';
import type { Context, Transaction } from '../../../kernel/context.ts';
import { AwsError, parameterNotImplemented } from '../../../kernel/errors.ts';
import { quotaOf, quotas } from '../../../kernel/quotas.ts';
import type { AuthorisationsOf, HandlersOf } from '../../../kernel/service.ts';
import { dependencyViolation, invalidParameterValue, missingParameter } from '../errors.ts';
import { applyFilters } from '../filters.ts';
import { Interfaces } from '../interfaces/state.ts';
import { EgressOnlyGateways } from '../ipv6/state.ts';
import { addVpcBlock } from '../ipv6/blocks.ts';
import { requireRow, rowsByIds } from '../lookup.ts';
import { page } from '../paging.ts';
import { endPeeringsOf } from '../peering/peerings.ts';
import { addDefaultGroup } from '../security-groups/default-group.ts';
import { SecurityGroupRules, SecurityGroups } from '../security-groups/state.ts';
import { checkTagged, describeTags, ec2Arn, requestTagConditions, tagsFor } from '../tags.ts';
import { checkVpcCidr } from './cidr-rules.ts';
import { DhcpOptions, InternetGateways, NetworkAcls, RouteTables, Subnets, type TagMap, type VpcRow, Vpcs } from './state.ts';

interface NewVpc {
  cidr: string;
  isDefault: boolean;
  tenancy: VpcRow['tenancy'];
  tags: TagMap;
}

/** Puts a VPC and all that AWS makes with it into the transaction. */
export async function addVpc(tx: Transaction, ctx: Context, { cidr, isDefault, tenancy, tags }: NewVpc): Promise<VpcRow> {
  const id = ctx.id('vpc');
  const row: VpcRow = {
    id,
    cidrs: [{ cidr, associationId: ctx.id('vpcCidrAssociation') }],
    isDefault,
    tenancy,
    dhcpOptionsId: await requireDefaultDhcpOptions(tx, ctx),
    dnsSupport: true,
    dnsHostnames: isDefault,
    mainRouteTableId: ctx.id('routeTable'),
    defaultNetworkAclId: ctx.id('networkAcl'),
    defaultSecurityGroupId: ctx.id('securityGroup'),
    tags,
  };
  await tx.table(Vpcs).put(row);
  await tx.table(RouteTables).put({
    id: row.mainRouteTableId,
    vpcId: id,
    mainAssociationId: ctx.id('routeTableAssociation'),
    routes: [{ destination: cidr, target: { kind: 'local' }, origin: 'CreateRouteTable' }],
    tags: {},
  });
  const everything = { allow: true, protocol: -1, cidr: '0.0.0.0/0', number: 100 };
  await tx.table(NetworkAcls).put({
    id: row.defaultNetworkAclId,
    vpcId: id,
    isDefault: true,
    entries: [
      { ...everything, egress: true },
      { ...everything, egress: false },
    ],
    tags: {},
  });
  await addDefaultGroup(tx, ctx, row);
  tx.hint('networks', id);
  return row;
}

/** The Region's default option set, made when the first VPC needs it. */
async function requireDefaultDhcpOptions(tx: Transaction, ctx: Context): Promise<string> {
  const existing = (await tx.table(DhcpOptions).list()).find((row) => row.isDefault === true);
  if (existing !== undefined) return existing.id;
  const id = ctx.id('dhcpOptions');
  const domain = ctx.region === 'us-east-1' ? 'ec2.internal' : `${ctx.region}.compute.internal`;
  await tx
    .table(DhcpOptions)
    .put({ id, isDefault: true, options: { 'domain-name': [domain], 'domain-name-servers': ['AmazonProvidedDNS'] }, tags: {} });
  return id;
}

/** The IPv6 block as VPCs show it. */
export function describeIpv6(ctx: Context, { ipv6 }: VpcRow): VpcIpv6CidrBlockAssociation[] {
  if (ipv6 === undefined) return [];
  return [
    {
      AssociationId: ipv6.associationId,
      Ipv6CidrBlock: ipv6.cidr,
      Ipv6CidrBlockState: { State: 'associated' },
      Ipv6Pool: 'Amazon',
      NetworkBorderGroup: ctx.region,
      Ipv6AddressAttribute: 'public',
      IpSource: 'amazon',
    },
  ];
}

/** A VPC as the API shows it. */
export function describeVpc(ctx: Context, row: VpcRow): Vpc {
  return {
    VpcId: row.id,
    OwnerId: ctx.account,
    State: 'available',
    CidrBlock: row.cidrs[0]?.cidr,
    CidrBlockAssociationSet: row.cidrs.map(({ cidr, associationId }) => ({
      AssociationId: associationId,
      CidrBlock: cidr,
      CidrBlockState: { State: 'associated' },
    })),
    Ipv6CidrBlockAssociationSet: describeIpv6(ctx, row),
    IsDefault: row.isDefault,
    InstanceTenancy: row.tenancy,
    DhcpOptionsId: row.dhcpOptionsId,
    BlockPublicAccessStates: { InternetGatewayBlockMode: 'off' },
    Tags: describeTags(row.tags),
  };
}

export const vpcHandlers: HandlersOf<EC2> = {
  /** Throws MissingParameter without a block, InvalidVpc.Range, VpcLimitExceeded. */
  async CreateVpc(input, ctx) {
    for (const name of ['Ipv4IpamPoolId', 'Ipv6IpamPoolId', 'Ipv6Pool', 'Ipv6CidrBlock', 'VpcEncryptionControl'] as const) {
      if (input[name] !== undefined) throw parameterNotImplemented('CreateVpc', name);
    }
    if (input.CidrBlock === undefined) throw missingParameter('cidrBlock');
    const cidr = checkVpcCidr(input.CidrBlock);
    const tenancy = input.InstanceTenancy ?? 'default';
    if (tenancy !== 'default' && tenancy !== 'dedicated')
      throw invalidParameterValue(`Value (${tenancy}) for parameter instanceTenancy is invalid.`);
    const tags = tagsFor('vpc', input.TagSpecifications);
    const row = await ctx.transact(async (tx) => {
      if ((await tx.table(Vpcs).count()) >= (await quotaOf(tx, quotas.vpcs)))
        throw new AwsError('VpcLimitExceeded', 'The maximum number of VPCs has been reached.');
      const vpc = await addVpc(tx, ctx, { cidr, isDefault: false, tenancy, tags });
      return input.AmazonProvidedIpv6CidrBlock === true ? addVpcBlock(tx, ctx, vpc) : vpc;
    });
    return { Vpc: { ...describeVpc(ctx, row), State: 'pending' } };
  },

  async DescribeVpcs(input, ctx) {
    const rows = await rowsByIds(ctx, Vpcs, 'vpc', input.VpcIds);
    const passing = applyFilters(rows, input.Filters, {
      'vpc-id': (row) => row.id,
      cidr: (row) => row.cidrs[0]?.cidr,
      'cidr-block': (row) => row.cidrs[0]?.cidr,
      'cidr-block-association.cidr-block': (row) => row.cidrs.map(({ cidr }) => cidr),
      'cidr-block-association.association-id': (row) => row.cidrs.map(({ associationId }) => associationId),
      'cidr-block-association.state': () => 'associated',
      'ipv6-cidr-block-association.ipv6-cidr-block': (row) => row.ipv6?.cidr,
      'ipv6-cidr-block-association.ipv6-pool': (row) => (row.ipv6 === undefined ? undefined : 'Amazon'),
      'ipv6-cidr-block-association.association-id': (row) => row.ipv6?.associationId,
      'ipv6-cidr-block-association.state': (row) => (row.ipv6 === undefined ? undefined : 'associated'),
      'dhcp-options-id': (row) => row.dhcpOptionsId,
      'is-default': (row) => row.isDefault,
      isDefault: (row) => row.isDefault,
      'owner-id': () => ctx.account,
      state: () => 'available',
    });
    const { rows: shown, nextToken } = page('DescribeVpcs', passing, (row) => row.id, input, { ids: input.VpcIds });
    return { Vpcs: shown.map((row) => describeVpc(ctx, row)), NextToken: nextToken };
  },

  /** Refuses while anything but what came with the VPC is left in it (DependencyViolation). */
  async DeleteVpc(input, ctx) {
    await ctx.transact(async (tx) => {
      const row = await requireRow(tx, Vpcs, 'vpc', input.VpcId);
      const inside = [Subnets, InternetGateways, EgressOnlyGateways, Interfaces] as const;
      for (const table of inside) {
        if (
          (await tx.table<{ vpcId?: string | undefined }, 'byVpc'>(table as never).firstByIndex('byVpc', [row.id])) !== undefined
        )
          throw inUse(row.id);
      }
      const groups = await tx.table(SecurityGroups).byIndex('byVpc', [row.id]);
      const tables = await tx.table(RouteTables).byIndex('byVpc', [row.id]);
      const acls = await tx.table(NetworkAcls).byIndex('byVpc', [row.id]);
      if (groups.length > 1 || tables.length > 1 || acls.length > 1) throw inUse(row.id);
      for (const rule of await tx.table(SecurityGroupRules).byIndex('byGroup', [row.defaultSecurityGroupId]))
        await tx.table(SecurityGroupRules).delete(rule.id);
      await tx.table(SecurityGroups).delete(row.defaultSecurityGroupId);
      await tx.table(RouteTables).delete(row.mainRouteTableId);
      await tx.table(NetworkAcls).delete(row.defaultNetworkAclId);
      for (const group of await tx.table(SecurityGroups).byIndex('byOtherVpc', [row.id]))
        await tx.table(SecurityGroups).put({ ...group, otherVpcs: group.otherVpcs?.filter((id) => id !== row.id) });
      await endPeeringsOf(tx, ctx, row.id);
      await tx.table(Vpcs).delete(row.id);
      tx.hint('networks', row.id);
    });
    return {};
  },

  /** One attribute per call, as AWS demands. DNS names need DNS support. */
  async ModifyVpcAttribute(input, ctx) {
    if (input.EnableNetworkAddressUsageMetrics !== undefined)
      throw parameterNotImplemented('ModifyVpcAttribute', 'EnableNetworkAddressUsageMetrics');
    const { EnableDnsSupport: support, EnableDnsHostnames: hostnames } = input;
    if (support !== undefined && hostnames !== undefined)
      throw new AwsError('InvalidParameterCombination', 'Only one attribute may be specified at a time');
    if (support === undefined && hostnames === undefined)
      throw new AwsError('InvalidParameterCombination', 'Either EnableDnsSupport or EnableDnsHostnames must be specified');
    await ctx.transact(async (tx) => {
      const row = await requireRow(tx, Vpcs, 'vpc', input.VpcId);
      if (hostnames?.Value === true && !row.dnsSupport)
        throw new AwsError('InvalidParameterCombination', 'DNS Hostnames can only be enabled if DNS Support is enabled');
      await tx
        .table(Vpcs)
        .put({ ...row, dnsSupport: support?.Value ?? row.dnsSupport, dnsHostnames: hostnames?.Value ?? row.dnsHostnames });
      tx.hint('networks', row.id);
    });
    return {};
  },

  async DescribeVpcAttribute(input, ctx) {
    const row = await requireRow(ctx, Vpcs, 'vpc', input.VpcId);
    switch (input.Attribute) {
      case 'enableDnsSupport':
        return { VpcId: row.id, EnableDnsSupport: { Value: row.dnsSupport } };
      case 'enableDnsHostnames':
        return { VpcId: row.id, EnableDnsHostnames: { Value: row.dnsHostnames } };
      case 'enableNetworkAddressUsageMetrics':
        return { VpcId: row.id, EnableNetworkAddressUsageMetrics: { Value: false } };
      default:
        throw invalidParameterValue(`Value (${input.Attribute ?? ''}) for parameter attribute is invalid. Unknown attribute.`);
    }
  },
};

function inUse(vpcId: string): AwsError {
  return dependencyViolation(`The vpc '${vpcId}' has dependencies and cannot be deleted.`);
}

export const vpcAuthorisations: AuthorisationsOf<EC2> = {
  CreateVpc: (input, ctx) => [
    {
      resource: ec2Arn(ctx, 'vpc', '*'),
      conditions: requestTagConditions(input.TagSpecifications?.flatMap(({ Tags = [] }) => Tags)),
    },
  ],
  DeleteVpc: (input, ctx) => checkTagged([input.VpcId ?? ''], ctx),
  ModifyVpcAttribute: (input, ctx) => checkTagged([input.VpcId ?? ''], ctx),
  DescribeVpcAttribute: (input, ctx) => checkTagged([input.VpcId ?? ''], ctx),
};

/** Whether a block lies in one of a VPC's blocks. */
export function insideVpc(row: VpcRow, cidr: string): boolean {
  const block = parseCidr4(cidr);
  return block !== undefined && row.cidrs.some((own) => contains(parseCidr4(own.cidr)!, block));
}
