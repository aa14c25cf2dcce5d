/** Operations of IPv6: blocks of subnets, addresses of interfaces, egress-only internet gateways. */
import type { EC2, EgressOnlyInternetGateway } from '@aws-sdk/client-ec2';
import type { Transaction } from '../../../kernel/context.ts';
import { AwsError, parameterNotImplemented } from '../../../kernel/errors.ts';
import { quotaOf, quotas } from '../../../kernel/quotas.ts';
import type { AuthorisationsOf, HandlersOf } from '../../../kernel/service.ts';
import { invalidParameterCombination, invalidParameterValue, missingParameter } from '../errors.ts';
import { applyFilters } from '../filters.ts';
import { Instances } from '../instances/state.ts';
import { instanceTypes } from '../instances/type-catalogue.ts';
import { type InterfaceRow, Interfaces } from '../interfaces/state.ts';
import { requireRow, rowsByIds } from '../lookup.ts';
import { page } from '../paging.ts';
import { checkTagged, describeTags, ec2Arn, requestTagConditions, tagsFor } from '../tags.ts';
import { Subnets, Vpcs } from '../vpc/state.ts';
import { checkSubnetBlock, claimAddress6, freeAddress6 } from './blocks.ts';
import { type EgressOnlyGatewayRow, EgressOnlyGateways } from './state.ts';

function describeGateway(row: EgressOnlyGatewayRow): EgressOnlyInternetGateway {
  return {
    EgressOnlyInternetGatewayId: row.id,
    Attachments: [{ VpcId: row.vpcId, State: 'attached' }],
    Tags: describeTags(row.tags),
  };
}

async function checkRoom(tx: Transaction, row: InterfaceRow, count: number): Promise<void> {
  const instance = row.attachment === undefined ? undefined : await tx.table(Instances).get(row.attachment.instanceId);
  // An interface takes as many IPv6 addresses as its type allows IPv4 ones ("IP addresses per network interface per instance type").
  const types = instance === undefined ? [...instanceTypes.values()] : [instanceTypes.get(instance.type)];
  const most = Math.max(...types.map((type) => type?.addressesPerInterfaceMax ?? 1));
  if ((row.addresses6 ?? []).length + count > most)
    throw new AwsError('PrivateIpAddressLimitExceeded', 'Number of IPv6 addresses will exceed limit.');
}

export const ipv6Handlers: HandlersOf<EC2> = {
  /** Throws InvalidSubnet.Range, InvalidSubnet.Conflict, and InvalidParameterValue for a subnet that has a block. */
  async AssociateSubnetCidrBlock(input, ctx) {
    for (const name of ['Ipv6IpamPoolId', 'Ipv6NetmaskLength'] as const)
      if (input[name] !== undefined) throw parameterNotImplemented('AssociateSubnetCidrBlock', name);
    if (input.Ipv6CidrBlock === undefined) throw missingParameter('ipv6CidrBlock');
    const associationId = ctx.id('subnetCidrAssociation');
    const cidr = await ctx.transact(async (tx) => {
      const subnet = await requireRow(tx, Subnets, 'subnet', input.SubnetId);
      const vpc = (await tx.table(Vpcs).get(subnet.vpcId))!;
      if (subnet.ipv6 !== undefined)
        throw invalidParameterValue(`The subnet ${subnet.id} already has an IPv6 CIDR block associated with it.`);
      const block = checkSubnetBlock(input.Ipv6CidrBlock!, vpc, await tx.table(Subnets).byIndex('byVpc', [vpc.id]));
      await tx.table(Subnets).put({ ...subnet, ipv6: { cidr: block, associationId } });
      tx.hint('networks', vpc.id);
      return block;
    });
    return {
      SubnetId: input.SubnetId,
      Ipv6CidrBlockAssociation: {
        AssociationId: associationId,
        Ipv6CidrBlock: cidr,
        Ipv6CidrBlockState: { State: 'associating' },
      },
    };
  },

  /** Refused while interfaces have addresses of it. */
  async DisassociateSubnetCidrBlock(input, ctx) {
    const id = input.AssociationId ?? '';
    const { subnetId, cidr } = await ctx.transact(async (tx) => {
      const subnet = (await tx.table(Subnets).list()).find((row) => row.ipv6?.associationId === id);
      if (subnet?.ipv6 === undefined)
        throw new AwsError(
          'InvalidSubnetCidrBlockAssociationID.NotFound',
          `The subnet CIDR block with association ID ${id} does not exist`,
        );
      const cards = await tx.table(Interfaces).byIndex('bySubnet', [subnet.id]);
      if (cards.some((card) => (card.addresses6 ?? []).length > 0))
        throw new AwsError('InvalidCidrBlock.InUse', `The subnet ${subnet.id} has addresses of ${subnet.ipv6.cidr} in use.`);
      const { ipv6, ...rest } = subnet;
      await tx.table(Subnets).put({ ...rest, assignIpv6: false });
      tx.hint('networks', subnet.vpcId);
      return { subnetId: subnet.id, cidr: ipv6.cidr };
    });
    return {
      SubnetId: subnetId,
      Ipv6CidrBlockAssociation: { AssociationId: id, Ipv6CidrBlock: cidr, Ipv6CidrBlockState: { State: 'disassociating' } },
    };
  },

  async AssignIpv6Addresses(input, ctx) {
    for (const name of ['Ipv6Prefixes', 'Ipv6PrefixCount'] as const)
      if (input[name] !== undefined) throw parameterNotImplemented('AssignIpv6Addresses', name);
    const { Ipv6Addresses: wanted = [], Ipv6AddressCount: count = 0 } = input;
    if (wanted.length > 0 && count > 0)
      throw invalidParameterCombination('Only one of ipv6Addresses and ipv6AddressCount may be given.');
    if (wanted.length === 0 && count < 1) throw missingParameter('ipv6AddressCount');
    const added = await ctx.transact(async (tx) => {
      const row = await requireRow(tx, Interfaces, 'networkInterface', input.NetworkInterfaceId);
      await checkRoom(tx, row, wanted.length > 0 ? wanted.length : count);
      const subnet = await requireRow(tx, Subnets, 'subnet', row.subnetId);
      const addresses: string[] = [];
      for (const text of wanted) addresses.push(await claimAddress6(tx, subnet, text));
      while (wanted.length === 0 && addresses.length < count) addresses.push(await freeAddress6(tx, ctx, subnet));
      await tx.table(Interfaces).put({ ...row, addresses6: [...(row.addresses6 ?? []), ...addresses] });
      tx.hint('networks', row.vpcId);
      return addresses;
    });
    return { NetworkInterfaceId: input.NetworkInterfaceId, AssignedIpv6Addresses: added, AssignedIpv6Prefixes: [] };
  },

  async UnassignIpv6Addresses(input, ctx) {
    if (input.Ipv6Prefixes !== undefined) throw parameterNotImplemented('UnassignIpv6Addresses', 'Ipv6Prefixes');
    const gone = input.Ipv6Addresses ?? [];
    if (gone.length === 0) throw missingParameter('ipv6Addresses');
    await ctx.transact(async (tx) => {
      const row = await requireRow(tx, Interfaces, 'networkInterface', input.NetworkInterfaceId);
      const own = row.addresses6 ?? [];
      if (!gone.every((address) => own.includes(address)))
        throw invalidParameterValue(`Some of the specified addresses are not assigned to interface ${row.id}`);
      await tx.table(Interfaces).put({ ...row, addresses6: own.filter((address) => !gone.includes(address)) });
      tx.hint('networks', row.vpcId);
    });
    return { NetworkInterfaceId: input.NetworkInterfaceId, UnassignedIpv6Addresses: gone, UnassignedIpv6Prefixes: [] };
  },

  async CreateEgressOnlyInternetGateway(input, ctx) {
    const tags = tagsFor('egress-only-internet-gateway', input.TagSpecifications);
    const row = await ctx.transact(async (tx) => {
      const vpc = await requireRow(tx, Vpcs, 'vpc', input.VpcId);
      if ((await tx.table(EgressOnlyGateways).count()) >= (await quotaOf(tx, quotas.egressOnlyGateways)))
        throw new AwsError(
          'EgressOnlyInternetGatewayLimitExceeded',
          'The maximum number of egress-only internet gateways has been reached.',
        );
      const gateway: EgressOnlyGatewayRow = { id: ctx.id('egressOnlyGateway'), vpcId: vpc.id, tags };
      await tx.table(EgressOnlyGateways).put(gateway);
      return gateway;
    });
    return { EgressOnlyInternetGateway: describeGateway(row), ClientToken: input.ClientToken };
  },

  async DescribeEgressOnlyInternetGateways(input, ctx) {
    const ids = input.EgressOnlyInternetGatewayIds;
    const rows = await rowsByIds(ctx, EgressOnlyGateways, 'egressOnlyGateway', ids);
    const passing = applyFilters(rows, input.Filters, {});
    const found = page('DescribeEgressOnlyInternetGateways', passing, (row) => row.id, input, { ids });
    return { EgressOnlyInternetGateways: found.rows.map(describeGateway), NextToken: found.nextToken };
  },

  /** Routes to it stay as black holes. */
  async DeleteEgressOnlyInternetGateway(input, ctx) {
    await ctx.transact(async (tx) => {
      const row = await requireRow(tx, EgressOnlyGateways, 'egressOnlyGateway', input.EgressOnlyInternetGatewayId);
      await tx.table(EgressOnlyGateways).delete(row.id);
      tx.hint('networks', row.vpcId);
    });
    return { ReturnCode: true };
  },
};

export const ipv6Authorisations: AuthorisationsOf<EC2> = {
  AssociateSubnetCidrBlock: (input, ctx) => checkTagged([input.SubnetId ?? ''], ctx),
  DisassociateSubnetCidrBlock: async (input, ctx) => {
    const subnet = (await ctx.table(Subnets).list()).find((row) => row.ipv6?.associationId === input.AssociationId);
    return checkTagged([subnet?.id ?? input.AssociationId ?? ''], ctx);
  },
  AssignIpv6Addresses: (input, ctx) => checkTagged([input.NetworkInterfaceId ?? ''], ctx),
  UnassignIpv6Addresses: (input, ctx) => checkTagged([input.NetworkInterfaceId ?? ''], ctx),
  CreateEgressOnlyInternetGateway: async (input, ctx) => [
    {
      resource: ec2Arn(ctx, 'egress-only-internet-gateway', '*'),
      conditions: requestTagConditions(input.TagSpecifications?.flatMap(({ Tags = [] }) => Tags)),
    },
    ...(await checkTagged([input.VpcId ?? ''], ctx)),
  ],
  DeleteEgressOnlyInternetGateway: (input, ctx) => checkTagged([input.EgressOnlyInternetGatewayId ?? ''], ctx),
};
