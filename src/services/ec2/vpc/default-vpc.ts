/**
 * The default VPC that every new account has in every Region: 172.31.0.0/16, a /20 subnet in each zone, an Internet gateway and the route to it
 * ("Default VPCs", VPC User Guide; VPC-008). Accounts come into being when they are first used, so this runs then.
 */
import type { EC2 } from '@aws-sdk/client-ec2';
import { overlaps, parseCidr4 } from '../../../base/cidr.ts';
import type { Context, Transaction } from '../../../kernel/context.ts';
import { AwsError, parameterNotImplemented } from '../../../kernel/errors.ts';
import type { AuthorisationsOf, HandlersOf } from '../../../kernel/service.ts';
import { missingParameter } from '../errors.ts';
import { ec2Arn } from '../tags.ts';
import { offeredZones } from '../zones.ts';
import { InternetGateways, RouteTables, Subnets, type VpcRow, Vpcs } from './state.ts';
import { addSubnet, chooseZone, describeSubnet } from './subnets.ts';
import { addVpc, describeVpc } from './vpcs.ts';

const defaultCidr = '172.31.0.0/16';
/** Third octet of a zone's /20 block. */
const octetsPerZone = 16;

const blockOf = (index: number) => `172.31.${index * octetsPerZone}.0/20`;

/** Makes the default VPC of the context's account and Region. Throws DefaultVpcAlreadyExists. */
export async function addDefaultVpc(ctx: Context): Promise<VpcRow> {
  const zones = (await offeredZones(ctx)).filter((zone) => zone.type === 'availability-zone');
  return ctx.transact(async (tx) => {
    if ((await defaultVpcOf(tx)) !== undefined)
      throw new AwsError('DefaultVpcAlreadyExists', 'A Default VPC already exists for this account in this region.');
    const vpc = await addVpc(tx, ctx, { cidr: defaultCidr, isDefault: true, tenancy: 'default', tags: {} });
    for (const [index, zone] of zones.entries()) {
      await addSubnet(tx, ctx, vpc, { cidr: blockOf(index), zone: zone.name, zoneId: zone.id, defaultForZone: true, tags: {} });
    }
    await addGatewayRoute(tx, ctx, vpc);
    return vpc;
  });
}

async function addGatewayRoute(tx: Transaction, ctx: Context, vpc: VpcRow): Promise<void> {
  const id = ctx.id('internetGateway');
  await tx.table(InternetGateways).put({ id, vpcId: vpc.id, tags: {} });
  await tx.table(RouteTables).update([vpc.mainRouteTableId], (table) => ({
    ...table,
    routes: [...table.routes, { destination: '0.0.0.0/0', target: { kind: 'internet-gateway', id }, origin: 'CreateRoute' }],
  }));
}

async function defaultVpcOf(source: Pick<Context | Transaction, 'table'>): Promise<VpcRow | undefined> {
  return (await source.table(Vpcs).list()).find((row) => row.isDefault);
}

export const defaultVpcHandlers: HandlersOf<EC2> = {
  /** Brings a deleted default VPC back. */
  async CreateDefaultVpc(_input, ctx) {
    return { Vpc: { ...describeVpc(ctx, await addDefaultVpc(ctx)), State: 'pending' } };
  },

  /** Brings the default subnet of a zone back, in the first free /20 block. */
  async CreateDefaultSubnet(input, ctx) {
    if (input.Ipv6Native === true) throw parameterNotImplemented('CreateDefaultSubnet', 'Ipv6Native');
    if (input.AvailabilityZone === undefined && input.AvailabilityZoneId === undefined)
      throw missingParameter('availabilityZone');
    const place = await chooseZone(ctx, input.AvailabilityZone, input.AvailabilityZoneId);
    const row = await ctx.transact(async (tx) => {
      const vpc = await defaultVpcOf(tx);
      if (vpc === undefined)
        throw new AwsError('DefaultVpcDoesNotExist', 'No default VPC exists for this account in this region.');
      const subnets = await tx.table(Subnets).byIndex('byVpc', [vpc.id]);
      const existing = subnets.find((subnet) => subnet.defaultForZone && subnet.zone === place.zone);
      if (existing !== undefined) {
        throw new AwsError(
          'DefaultSubnetAlreadyExistsInAvailabilityZone',
          `'${existing.id}' is already the default subnet in ${place.zone}.`,
        );
      }
      const cidr = Array.from({ length: 256 / octetsPerZone }, (_one, index) => blockOf(index)).find(
        (block) => !subnets.some((subnet) => overlaps(parseCidr4(subnet.cidr)!, parseCidr4(block)!)),
      );
      if (cidr === undefined)
        throw new AwsError('InsufficientDefaultVpcAddressSpace', 'There is no room for another subnet in the default VPC.');
      return addSubnet(tx, ctx, vpc, { cidr, ...place, defaultForZone: true, tags: {} });
    });
    return { Subnet: await describeSubnet(ctx, row) };
  },
};

export const defaultVpcAuthorisations: AuthorisationsOf<EC2> = {
  CreateDefaultVpc: (_input, ctx) => [{ resource: ec2Arn(ctx, 'vpc', '*') }],
  CreateDefaultSubnet: (_input, ctx) => [{ resource: ec2Arn(ctx, 'subnet', '*') }],
};
