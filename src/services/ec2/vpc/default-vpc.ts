/**
 * The default VPC that every new account has in every Region: 172.31.0.0/16, a /20 subnet in each zone, an Internet gateway and the route to it
 * ("Default VPCs", VPC User Guide; VPC-008). Accounts come into being when they are first used, so this runs then.
 */
import type { Context, Transaction } from '../../../kernel/context.ts';
import { offeredZones } from '../zones.ts';
import { InternetGateways, RouteTables, type VpcRow } from './state.ts';
import { addSubnet } from './subnets.ts';
import { addVpc } from './vpcs.ts';

const defaultCidr = '172.31.0.0/16';
/** Third octet of a zone's /20 block. */
const octetsPerZone = 16;

/** Makes the default VPC of the context's account and Region. */
export async function addDefaultVpc(ctx: Context): Promise<VpcRow> {
  const zones = await offeredZones(ctx);
  return ctx.transact(async (tx) => {
    const vpc = await addVpc(tx, ctx, { cidr: defaultCidr, isDefault: true, tenancy: 'default', tags: {} });
    for (const [index, zone] of zones.entries()) {
      const cidr = `172.31.${index * octetsPerZone}.0/20`;
      await addSubnet(tx, ctx, vpc, { cidr, zone: zone.name, zoneId: zone.id, defaultForZone: true, tags: {} });
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
    routes: [...table.routes, { cidr: '0.0.0.0/0', target: { kind: 'internet-gateway', id }, origin: 'CreateRoute' }],
  }));
}
