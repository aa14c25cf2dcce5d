/** VPCs of private zones: associated by their owners, or by others whom the zone's account has authorised ("Associating an Amazon VPC … different accounts"). */
import type { Route53, VPC } from '@aws-sdk/client-route-53';
import { RequestCheck } from '../../kernel/request-check.ts';
import type { Context, Transaction } from '../../kernel/context.ts';
import { AwsError } from '../../kernel/errors.ts';
import type { HandlersOf } from '../../kernel/service.ts';
import { error, noSuchHostedZone } from './errors.ts';
import { bareId } from './names.ts';
import { type ZoneOwnerRow, ZoneOwners, type ZoneRow, Zones, type ZoneVpc } from './state.ts';
import { addChange, refuseSameName } from './zones.ts';
import { describeChange, requireZone } from './zone-lookup.ts';

const vpcsMax = 300;
const listMax = 50;

/** The VPC, which the caller's account must own. Throws InvalidVPCId. */
export async function checkVpc(ctx: Context, vpc: VPC): Promise<ZoneVpc> {
  const found = readVpc(vpc);
  const known = await ctx
    .asService()
    .inScope({ region: found.region })
    .call('ec2')
    .describeVpcs({ VpcIds: [found.id] })
    .catch((thrown: unknown) => {
      if (!(thrown instanceof AwsError)) throw thrown;
      return undefined;
    });
  if (known?.Vpcs?.[0] === undefined)
    throw error('InvalidVPCId', `The VPC ID is not valid or the VPC does not exist: ${found.id} in region ${found.region}`);
  return found;
}

function readVpc(vpc: VPC): ZoneVpc {
  const { VPCId: id = '' } = vpc;
  const region: string = vpc.VPCRegion ?? '';
  new RequestCheck('InvalidInput').length('vPC.vPCId', id, 1, 1024).length('vPC.vPCRegion', region, 1, 64).done();
  return { id, region };
}

function requirePrivate(zone: ZoneRow): readonly ZoneVpc[] {
  if (zone.vpcs === undefined)
    throw error('PublicZoneVPCAssociation', `The hosted zone ${zone.id} is public: a VPC cannot be associated with it.`);
  return zone.vpcs;
}

const sameVpc = (one: ZoneVpc, other: ZoneVpc): boolean => one.id === other.id && one.region === other.region;

/** A zone of any account, with its owner. Throws NoSuchHostedZone. */
async function findAnywhere(
  tx: Pick<Context, 'table' | 'tableIn'> | Transaction,
  id: string | undefined,
): Promise<{ owner: ZoneOwnerRow; zone: ZoneRow }> {
  const owner = await tx.table(ZoneOwners).get(bareId(id));
  const zone = owner === undefined ? undefined : await tx.tableIn({ account: owner.account, region: '' }, Zones).get(owner.id);
  if (owner === undefined || zone === undefined) throw noSuchHostedZone(bareId(id));
  return { owner, zone };
}

const toApi = ({ id, region }: ZoneVpc): VPC => ({ VPCId: id, VPCRegion: region as VPC['VPCRegion'] });

export const vpcHandlers: HandlersOf<Route53> = {
  async AssociateVPCWithHostedZone(input, ctx) {
    const vpc = await checkVpc(ctx, input.VPC ?? {});
    const change = await ctx.transact(async (tx) => {
      const { owner, zone } = await findAnywhere(tx, input.HostedZoneId);
      const vpcs = requirePrivate(zone);
      if (owner.account !== ctx.account && !zone.authorized.some((one) => sameVpc(one, vpc)))
        throw error('NotAuthorizedException', `The VPC: ${vpc.id} has not authorized to associate with your hosted zone.`, 401);
      await refuseSameName(tx, zone.name, vpc.id);
      if (vpcs.length >= vpcsMax) throw error('LimitsExceeded', `The hosted zone ${zone.id} has ${vpcsMax} VPCs already.`);
      await tx.tableIn({ account: owner.account, region: '' }, Zones).put({ ...zone, vpcs: [...vpcs, vpc] });
      return addChange(ctx, tx, zone.id, input.Comment);
    });
    return { ChangeInfo: describeChange(change) };
  },

  /** By the owner of the zone, or of the VPC. The last VPC stays. */
  async DisassociateVPCFromHostedZone(input, ctx) {
    const { owner: zoneOwner } = await findAnywhere(ctx, input.HostedZoneId);
    const vpc = zoneOwner.account === ctx.account ? readVpc(input.VPC ?? {}) : await checkVpc(ctx, input.VPC ?? {});
    const change = await ctx.transact(async (tx) => {
      const { owner, zone } = await findAnywhere(tx, input.HostedZoneId);
      const vpcs = requirePrivate(zone);
      const rest = vpcs.filter((one) => !sameVpc(one, vpc));
      if (rest.length === vpcs.length)
        throw error(
          'VPCAssociationNotFound',
          `The VPC ${vpc.id} in region ${vpc.region} is not associated with the hosted zone.`,
          404,
        );
      if (rest.length === 0)
        throw error('LastVPCAssociation', `The VPC ${vpc.id} is the last one that is associated with the hosted zone.`);
      await tx.tableIn({ account: owner.account, region: '' }, Zones).put({ ...zone, vpcs: rest });
      return addChange(ctx, tx, zone.id, input.Comment);
    });
    return { ChangeInfo: describeChange(change) };
  },

  async CreateVPCAssociationAuthorization(input, ctx) {
    const vpc = readVpc(input.VPC ?? {});
    return ctx.transact(async (tx) => {
      const zone = await requireZone(tx, input.HostedZoneId);
      requirePrivate(zone);
      const authorized = [...zone.authorized.filter((one) => !sameVpc(one, vpc)), vpc];
      await tx.table(Zones).put({ ...zone, authorized });
      return { HostedZoneId: zone.id, VPC: toApi(vpc) };
    });
  },

  async DeleteVPCAssociationAuthorization(input, ctx) {
    const vpc = readVpc(input.VPC ?? {});
    return ctx.transact(async (tx) => {
      const zone = await requireZone(tx, input.HostedZoneId);
      const authorized = zone.authorized.filter((one) => !sameVpc(one, vpc));
      if (authorized.length === zone.authorized.length)
        throw error('VPCAssociationAuthorizationNotFound', `The VPC ${vpc.id} is not authorized for the hosted zone.`, 404);
      await tx.table(Zones).put({ ...zone, authorized });
      return {};
    });
  },

  async ListVPCAssociationAuthorizations(input, ctx) {
    const zone = await requireZone(ctx, input.HostedZoneId);
    const limit = Math.min(input.MaxResults ?? listMax, listMax);
    const start = input.NextToken === undefined ? 0 : zone.authorized.findIndex(({ id }) => id === input.NextToken) + 1;
    if (input.NextToken !== undefined && start === 0) throw error('InvalidPaginationToken', 'The pagination token is not valid.');
    const page = zone.authorized.slice(start, start + limit);
    const last = page.at(-1);
    const more = start + page.length < zone.authorized.length && last !== undefined;
    return { HostedZoneId: zone.id, VPCs: page.map(toApi), ...(more ? { NextToken: last.id } : {}) };
  },

  async ListHostedZonesByVPC(input, ctx) {
    const limit = Math.min(input.MaxItems ?? 100, 100);
    const vpc = await checkVpc(ctx, input as VPC);
    const owners = await ctx.everywhere(Zones);
    const held = owners
      .filter(({ row }) => row.vpcs?.some((one) => sameVpc(one, vpc)) === true)
      .sort((a, b) => (a.row.id < b.row.id ? -1 : 1));
    const start = input.NextToken === undefined ? 0 : held.findIndex(({ row }) => row.id === input.NextToken) + 1;
    if (input.NextToken !== undefined && start === 0) throw error('InvalidPaginationToken', 'The pagination token is not valid.');
    const page = held.slice(start, start + limit);
    const last = page.at(-1);
    return {
      HostedZoneSummaries: page.map(({ scope, row }) => ({
        HostedZoneId: row.id,
        Name: row.name,
        Owner: { OwningAccount: scope.account },
      })),
      MaxItems: limit,
      ...(start + page.length < held.length && last !== undefined ? { NextToken: last.row.id } : {}),
    };
  },
};
