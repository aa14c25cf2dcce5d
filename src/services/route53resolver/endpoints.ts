/** Endpoints: addresses in a VPC at which its resolver answers others (inbound), or from which it asks others (outbound). */
import type { IpAddressRequest, ResolverEndpoint, Route53Resolver } from '@aws-sdk/client-route53resolver';
import { pageOf } from '../../base/paging.ts';
import { RequestCheck } from '../../kernel/request-check.ts';
import type { Context, Transaction } from '../../kernel/context.ts';
import { AwsError, parameterNotImplemented } from '../../kernel/errors.ts';
import type { HandlersOf } from '../../kernel/service.ts';
import type { Ec2Api } from '../ec2/api.ts';
import { exists, invalidParameter, invalidRequest, notFound } from './errors.ts';
import { type EndpointAddress, type EndpointRow, Endpoints, Rules } from './state.ts';
import { readTags } from './tags.ts';

/** Quotas on Route 53 Resolver: addresses of an endpoint, endpoints in a Region. */
const addressesMin = 2;
const addressesMax = 6;
const endpointsMax = 4;

export function endpointArn(ctx: Context, id: string): string {
  return `arn:aws:route53resolver:${ctx.region}:${ctx.account}:resolver-endpoint/${id}`;
}

export async function requireEndpoint(
  reading: Pick<Transaction | Context, 'table'>,
  id: string | undefined,
): Promise<EndpointRow> {
  const row = await reading.table(Endpoints).get(id ?? '');
  if (row === undefined) throw notFound('Resolver endpoint', id);
  return row;
}

function describe(ctx: Context, row: EndpointRow): ResolverEndpoint {
  return {
    Id: row.id,
    CreatorRequestId: row.creator,
    Arn: endpointArn(ctx, row.id),
    ...(row.name === undefined ? {} : { Name: row.name }),
    SecurityGroupIds: [...row.groups],
    Direction: row.direction,
    IpAddressCount: row.addresses.length,
    HostVPCId: row.vpcId,
    Status: row.status,
    StatusMessage: row.message,
    CreationTime: new Date(row.created).toISOString(),
    ModificationTime: new Date(row.modified).toISOString(),
    ResolverEndpointType: 'IPV4',
    Protocols: ['Do53'],
  };
}

/** Where the endpoint's addresses will be: subnets of one VPC, which must exist. Throws InvalidParameterException, InvalidRequestException. */
async function placeAddresses(ctx: Context, wanted: readonly IpAddressRequest[], groups: readonly string[]) {
  const ec2 = await ctx.internal<Ec2Api>('ec2');
  const addresses: EndpointAddress[] = [];
  const vpcs = new Set<string>();
  for (const { SubnetId: subnetId = '', Ip: ip } of wanted) {
    const subnet = await ec2.subnetFacts(subnetId);
    if (subnet === undefined) throw invalidRequest(`[RSLVR-00102] The subnet ID "${subnetId}" does not exist.`);
    vpcs.add(subnet.vpcId);
    addresses.push({ id: ctx.id('resolverAddress'), subnetId, zone: subnet.zone, ip, created: ctx.now });
  }
  const [vpcId = ''] = vpcs;
  if (vpcs.size > 1) throw invalidRequest('[RSLVR-00103] All subnets of a Resolver endpoint must be in the same VPC.');
  for (const group of groups)
    if ((await ec2.groupVpcs(group))?.includes(vpcId) !== true)
      throw invalidRequest(`[RSLVR-00104] The security group "${group}" does not exist in the VPC "${vpcId}".`);
  return { vpcId, addresses };
}

export const endpointHandlers: HandlersOf<Route53Resolver> = {
  async CreateResolverEndpoint(input, ctx) {
    for (const name of ['OutpostArn', 'PreferredInstanceType'] as const)
      if (input[name] !== undefined) throw parameterNotImplemented('CreateResolverEndpoint', name);
    if ((input.ResolverEndpointType ?? 'IPV4') !== 'IPV4')
      throw parameterNotImplemented('CreateResolverEndpoint', 'ResolverEndpointType');
    if ((input.Protocols ?? ['Do53']).some((protocol) => protocol !== 'Do53'))
      throw parameterNotImplemented('CreateResolverEndpoint', 'Protocols other than Do53');
    const { CreatorRequestId: creator = '', SecurityGroupIds: groups = [], IpAddresses: wanted = [], Direction } = input;
    new RequestCheck()
      .length('creatorRequestId', creator, 1, 255)
      .length('name', input.Name, 0, 64)
      .oneOf('direction', Direction, ['INBOUND', 'OUTBOUND'])
      .done();
    if (wanted.some(({ Ipv6 }) => Ipv6 !== undefined))
      throw parameterNotImplemented('CreateResolverEndpoint', 'IpAddresses.Ipv6');
    if (groups.length === 0) throw invalidParameter('[RSLVR-00105] At least one security group is needed.', 'SecurityGroupIds');
    if (wanted.length < addressesMin || wanted.length > addressesMax)
      throw invalidRequest(
        `[RSLVR-00400] A Resolver endpoint needs at least ${addressesMin} IP addresses and can have ${addressesMax}.`,
      );
    const tags = readTags(input.Tags ?? []);
    const { vpcId, addresses } = await placeAddresses(ctx, wanted, groups);
    const row = await ctx.transact(async (tx) => {
      if ((await tx.table(Endpoints).firstByIndex('byCreator', [creator])) !== undefined)
        throw exists(`[RSLVR-00201] Resolver Endpoint with creator request id "${creator}" already exists.`, 'ResolverEndpoint');
      if ((await tx.table(Endpoints).count()) >= endpointsMax)
        throw new AwsError('LimitExceededException', `[RSLVR-00301] The limit of ${endpointsMax} Resolver endpoints is reached.`);
      const made: EndpointRow = {
        id: ctx.id(Direction === 'INBOUND' ? 'resolverEndpointIn' : 'resolverEndpointOut'),
        ...{ creator, name: input.Name, direction: Direction as EndpointRow['direction'], groups, vpcId, addresses, tags },
        ...{ status: 'CREATING', message: 'Creating the Resolver Endpoint', created: ctx.now, modified: ctx.now },
        secret: Buffer.from(ctx.bytes(24)).toString('hex'),
      };
      await tx.table(Endpoints).put(made);
      tx.hint('endpoints', made.id);
      return made;
    });
    return { ResolverEndpoint: describe(ctx, row) };
  },

  async GetResolverEndpoint(input, ctx) {
    return { ResolverEndpoint: describe(ctx, await requireEndpoint(ctx, input.ResolverEndpointId)) };
  },

  async ListResolverEndpoints(input, ctx) {
    if (input.Filters !== undefined) throw parameterNotImplemented('ListResolverEndpoints', 'Filters');
    const limit = input.MaxResults ?? 100;
    const all = await ctx.table(Endpoints).list();
    const page = pageOf(all, ({ id }) => [id], { scope: 'endpoints', token: input.NextToken, limit });
    if (page === undefined) throw new AwsError('InvalidNextTokenException', 'The value of NextToken is not valid.');
    return {
      ResolverEndpoints: page.items.map((row) => describe(ctx, row)),
      MaxResults: limit,
      ...(page.nextToken === undefined ? {} : { NextToken: page.nextToken }),
    };
  },

  async ListResolverEndpointIpAddresses(input, ctx) {
    const row = await requireEndpoint(ctx, input.ResolverEndpointId);
    const limit = input.MaxResults ?? 100;
    const all = [...row.addresses].sort((a, b) => (a.id < b.id ? -1 : 1));
    const page = pageOf(all, ({ id }) => [id], { scope: 'endpoint addresses', token: input.NextToken, limit });
    if (page === undefined) throw new AwsError('InvalidNextTokenException', 'The value of NextToken is not valid.');
    return {
      IpAddresses: page.items.map(({ id, subnetId, ip, interfaceId, created }) => ({
        IpId: id,
        SubnetId: subnetId,
        ...(ip === undefined ? {} : { Ip: ip }),
        Status: interfaceId === undefined ? 'CREATING' : 'ATTACHED',
        StatusMessage: interfaceId === undefined ? 'The IP address is being made.' : 'This IP address is operational.',
        CreationTime: new Date(created).toISOString(),
        ModificationTime: new Date(row.modified).toISOString(),
      })),
      MaxResults: limit,
      ...(page.nextToken === undefined ? {} : { NextToken: page.nextToken }),
    };
  },

  /** Renames; what an endpoint consists of stays. */
  async UpdateResolverEndpoint(input, ctx) {
    for (const name of ['ResolverEndpointType', 'UpdateIpAddresses', 'Protocols'] as const)
      if (input[name] !== undefined) throw parameterNotImplemented('UpdateResolverEndpoint', name);
    new RequestCheck().length('name', input.Name, 0, 64).done();
    return ctx.transact(async (tx) => {
      const row = { ...(await requireEndpoint(tx, input.ResolverEndpointId)), name: input.Name, modified: ctx.now };
      await tx.table(Endpoints).put(row);
      return { ResolverEndpoint: describe(ctx, row) };
    });
  },

  async DeleteResolverEndpoint(input, ctx) {
    return ctx.transact(async (tx) => {
      const row = await requireEndpoint(tx, input.ResolverEndpointId);
      const rules = await tx.table(Rules).byIndex('byEndpoint', [row.id]);
      if (rules.length > 0)
        throw invalidRequest(
          `[RSLVR-00600] Cannot delete resolver endpoint unless its related resolver rules are deleted. The following rules still exist for this resolver endpoint: ${rules.map(({ id }) => `"${id}"`).join(', ')}`,
        );
      const next: EndpointRow = { ...row, status: 'DELETING', message: 'Deleting the Resolver Endpoint', modified: ctx.now };
      await tx.table(Endpoints).put(next);
      tx.hint('endpoints', row.id);
      return { ResolverEndpoint: describe(ctx, next) };
    });
  },
};
