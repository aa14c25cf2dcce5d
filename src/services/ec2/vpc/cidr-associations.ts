/** Further blocks of a VPC: associated and taken away; the first one stays ("Add or remove a CIDR block from your VPC"). */
import type { EC2 } from '@aws-sdk/client-ec2';
import { contains, overlaps, parseCidr4 } from '../../../base/cidr.ts';
import type { Context, Transaction } from '../../../kernel/context.ts';
import { AwsError, parameterNotImplemented } from '../../../kernel/errors.ts';
import { quotaOf, quotas } from '../../../kernel/quotas.ts';
import type { AuthorisationsOf, HandlersOf } from '../../../kernel/service.ts';
import { missingParameter } from '../errors.ts';
import { addVpcBlock, removeVpcBlock } from '../ipv6/blocks.ts';
import { requireRow } from '../lookup.ts';
import { checkTagged } from '../tags.ts';
import { checkFurtherCidr } from './cidr-rules.ts';
import { RouteTables, Subnets, type VpcRow, Vpcs } from './state.ts';
import { describeIpv6 } from './vpcs.ts';

const unimplemented = [
  ...(['Ipv4IpamPoolId', 'Ipv4NetmaskLength', 'Ipv6CidrBlock', 'Ipv6Pool'] as const),
  ...(['Ipv6CidrBlockNetworkBorderGroup', 'Ipv6IpamPoolId', 'Ipv6NetmaskLength'] as const),
];

/** A new block may not be larger than, or equal to, a destination that a route of the VPC names: its local route would cover it. */
async function checkRoutes(tx: Transaction, vpc: VpcRow, cidr: string): Promise<void> {
  for (const table of await tx.table(RouteTables).byIndex('byVpc', [vpc.id]))
    for (const { destination, target } of table.routes) {
      const route = target.kind === 'local' ? undefined : parseCidr4(destination);
      if (route !== undefined && contains(parseCidr4(cidr)!, route))
        throw new AwsError('InvalidVpc.Range', `The CIDR '${cidr}' conflicts with the route ${destination} in ${table.id}.`);
    }
}

/** One IPv6 block of the provider's per VPC here; AWS allows five, of several pools. */
async function associateIpv6(ctx: Context, vpcId: string | undefined) {
  const row = await ctx.transact(async (tx) => {
    const vpc = await requireRow(tx, Vpcs, 'vpc', vpcId);
    if (vpc.ipv6 !== undefined) throw parameterNotImplemented('AssociateVpcCidrBlock', 'a second AmazonProvidedIpv6CidrBlock');
    return addVpcBlock(tx, ctx, vpc);
  });
  const [shown] = describeIpv6(ctx, row);
  return { VpcId: row.id, Ipv6CidrBlockAssociation: { ...shown, Ipv6CidrBlockState: { State: 'associating' } as const } };
}

async function disassociateIpv6(ctx: Context, row: VpcRow) {
  const [shown] = describeIpv6(ctx, row);
  await ctx.transact(async (tx) => removeVpcBlock(tx, await requireRow(tx, Vpcs, 'vpc', row.id)));
  return { VpcId: row.id, Ipv6CidrBlockAssociation: { ...shown, Ipv6CidrBlockState: { State: 'disassociating' } as const } };
}

export const cidrAssociationHandlers: HandlersOf<EC2> = {
  /** Throws CidrLimitExceeded for the sixth, InvalidVpc.Range, CidrConflict. Every route table of the VPC gets its local route. */
  async AssociateVpcCidrBlock(input, ctx) {
    const named = unimplemented.find((name) => input[name] !== undefined);
    if (named !== undefined) throw parameterNotImplemented('AssociateVpcCidrBlock', named);
    if (input.AmazonProvidedIpv6CidrBlock === true) return associateIpv6(ctx, input.VpcId);
    if (input.CidrBlock === undefined) throw missingParameter('cidrBlock');
    const associationId = ctx.id('vpcCidrAssociation');
    const cidr = await ctx.transact(async (tx) => {
      const vpc = await requireRow(tx, Vpcs, 'vpc', input.VpcId);
      const wanted = checkFurtherCidr(
        input.CidrBlock!,
        vpc.cidrs.map((one) => one.cidr),
      );
      const most = await quotaOf(tx, quotas.cidrsPerVpc);
      if (vpc.cidrs.length >= most)
        throw new AwsError('CidrLimitExceeded', `This network '${vpc.id}' has met its maximum number of allowed CIDRs: ${most}`);
      await checkRoutes(tx, vpc, wanted);
      await tx.table(Vpcs).put({ ...vpc, cidrs: [...vpc.cidrs, { cidr: wanted, associationId }] });
      for (const table of await tx.table(RouteTables).byIndex('byVpc', [vpc.id])) {
        const local = { destination: wanted, target: { kind: 'local' }, origin: 'CreateRouteTable' } as const;
        await tx.table(RouteTables).put({ ...table, routes: [local, ...table.routes] });
      }
      tx.hint('networks', vpc.id);
      return wanted;
    });
    return {
      VpcId: input.VpcId,
      CidrBlockAssociation: { AssociationId: associationId, CidrBlock: cidr, CidrBlockState: { State: 'associating' } },
    };
  },

  /** Throws OperationNotPermitted for the primary block, InvalidCidrBlock.InUse while subnets lie in it. */
  async DisassociateVpcCidrBlock(input, ctx) {
    const id = input.AssociationId ?? '';
    const dual = (await ctx.table(Vpcs).list()).find((row) => row.ipv6?.associationId === id);
    if (dual !== undefined) return disassociateIpv6(ctx, dual);
    const { vpcId, cidr } = await ctx.transact(async (tx) => {
      const vpc = (await tx.table(Vpcs).list()).find((row) => row.cidrs.some((one) => one.associationId === id));
      const found = vpc?.cidrs.find((one) => one.associationId === id);
      if (vpc === undefined || found === undefined)
        throw new AwsError(
          'InvalidVpcCidrBlockAssociationIdError.NotFound',
          `The vpc CIDR block association ID '${id}' does not exist`,
        );
      if (found === vpc.cidrs[0])
        throw new AwsError(
          'OperationNotPermitted',
          `The vpc CIDR block with association ID ${id} may not be disassociated. It is the primary IPv4 CIDR block of the VPC`,
        );
      const block = parseCidr4(found.cidr)!;
      const subnets = await tx.table(Subnets).byIndex('byVpc', [vpc.id]);
      if (subnets.some((subnet) => overlaps(block, parseCidr4(subnet.cidr)!)))
        throw new AwsError('InvalidCidrBlock.InUse', `The vpc ${vpc.id} currently has a subnet within CIDR block ${found.cidr}`);
      await tx.table(Vpcs).put({ ...vpc, cidrs: vpc.cidrs.filter((one) => one !== found) });
      for (const table of await tx.table(RouteTables).byIndex('byVpc', [vpc.id])) {
        const routes = table.routes.filter((one) => one.target.kind !== 'local' || one.destination !== found.cidr);
        await tx.table(RouteTables).put({ ...table, routes });
      }
      tx.hint('networks', vpc.id);
      return { vpcId: vpc.id, cidr: found.cidr };
    });
    return {
      VpcId: vpcId,
      CidrBlockAssociation: { AssociationId: id, CidrBlock: cidr, CidrBlockState: { State: 'disassociating' } },
    };
  },
};

export const cidrAssociationAuthorisations: AuthorisationsOf<EC2> = {
  AssociateVpcCidrBlock: (input, ctx) => checkTagged([input.VpcId ?? ''], ctx),
  DisassociateVpcCidrBlock: async (input, ctx) => {
    const vpcs = await ctx.table(Vpcs).list();
    const vpc = vpcs.find((row) =>
      [...row.cidrs, ...(row.ipv6 === undefined ? [] : [row.ipv6])].some(
        ({ associationId }) => associationId === input.AssociationId,
      ),
    );
    return checkTagged([vpc?.id ?? input.AssociationId ?? ''], ctx);
  },
};
