/** VPC links with interfaces of their own in subnets of the account ("Set up VPC links V2 in API Gateway"). */
import type { ApiGatewayV2, VpcLink } from '@aws-sdk/client-apigatewayv2';
import type { Context, Transaction } from '../../../kernel/context.ts';
import { AwsError } from '../../../kernel/errors.ts';
import type { HandlersOf, Task } from '../../../kernel/service.ts';
import type { Ec2Api } from '../../ec2/api.ts';
import { badRequest, conflict, notFound } from '../errors.ts';
import { holderOf } from '../links.ts';
import { checkTags } from '../rest/tags.ts';
import { pageItems } from './lookup.ts';
import { Definitions, type OwnLinkRow, OwnLinks } from './state.ts';

/** "Subnets per VPC link: 10", "Security groups per VPC link: 10". */
const subnetsMax = 10;
const groupsMax = 10;

function describeLink(row: OwnLinkRow): VpcLink {
  return {
    CreatedDate: new Date(row.created),
    Name: row.name,
    SecurityGroupIds: row.groupIds,
    SubnetIds: row.subnetIds,
    Tags: { ...row.tags },
    VpcLinkId: row.id,
    VpcLinkStatus: row.status,
    VpcLinkStatusMessage: row.statusMessage,
    VpcLinkVersion: 'V2',
  };
}

async function requireLink(from: Pick<Context, 'table'> | Pick<Transaction, 'table'>, id = ''): Promise<OwnLinkRow> {
  const row = await from.table(OwnLinks).get(id);
  if (row === undefined) throw notFound(`Invalid VpcLink identifier specified ${id}`);
  return row;
}

/** The VPC of the subnets. Throws BadRequestException unless all subnets and groups are there and in one VPC. */
async function checkPlace(ctx: Context, subnetIds: readonly string[], groupIds: readonly string[]): Promise<string> {
  if (subnetIds.length === 0 || subnetIds.length > subnetsMax)
    throw badRequest(`Between 1 and ${subnetsMax} subnets must be specified`);
  if (groupIds.length > groupsMax) throw badRequest(`At most ${groupsMax} security groups can be specified`);
  const ec2 = await ctx.internal<Ec2Api>('ec2');
  const vpcs = new Set<string>();
  for (const id of subnetIds) {
    const facts = await ec2.subnetFacts(id);
    if (facts === undefined) throw badRequest(`Invalid subnet ID specified: ${id}`);
    vpcs.add(facts.vpcId);
  }
  const [vpcId = ''] = vpcs;
  for (const id of groupIds)
    if ((await ec2.groupVpcs(id))?.includes(vpcId) !== true) throw badRequest(`Invalid security group ID specified: ${id}`);
  if (vpcs.size > 1) throw badRequest('All subnets must be in the same VPC');
  return vpcId;
}

export const linkHandlers: HandlersOf<ApiGatewayV2> = {
  async CreateVpcLink(input, ctx) {
    const { Name: name = '', SubnetIds: subnetIds = [], SecurityGroupIds: groupIds = [] } = input;
    if (name === '') throw badRequest('Name is required');
    const vpcId = await checkPlace(ctx, subnetIds, groupIds);
    const row: OwnLinkRow = {
      ...{ id: ctx.id('gatewayPart'), name, subnetIds, groupIds, vpcId, created: ctx.now, tags: checkTags(input.Tags) },
      status: 'PENDING',
      statusMessage: 'VPC link is provisioning ENIs',
    };
    await ctx.transact(async (tx) => {
      await tx.table(OwnLinks).put(row);
      await tx.schedule({ task: 'openLink', key: row.id, due: ctx.now });
    });
    return describeLink(row);
  },

  async GetVpcLink(input, ctx) {
    return describeLink(await requireLink(ctx, input.VpcLinkId));
  },

  async GetVpcLinks(input, ctx) {
    const { Items, ...page } = pageItems('GetVpcLinks', await ctx.table(OwnLinks).list(), ({ id }) => id, input);
    return { Items: Items.map(describeLink), ...page };
  },

  UpdateVpcLink(input, ctx) {
    return ctx.transact(async (tx) => {
      const row = await requireLink(tx, input.VpcLinkId);
      const changed = { ...row, name: input.Name ?? row.name };
      await tx.table(OwnLinks).put(changed);
      return describeLink(changed);
    });
  },

  async DeleteVpcLink(input, ctx) {
    await ctx.transact(async (tx) => {
      const row = await requireLink(tx, input.VpcLinkId);
      for (const { api, definition } of await tx.table(Definitions).list())
        if (Object.values(definition.integrations).some(({ ConnectionId }) => ConnectionId === row.id))
          throw conflict(`Cannot delete VPC link '${row.id}', it is referenced by an integration of API '${api}'`);
      await tx.table(OwnLinks).put({ ...row, status: 'DELETING', statusMessage: 'VPC link is deleting ENIs' });
      await tx.schedule({ task: 'closeLink', key: row.id, due: ctx.now });
    });
    return {};
  },
};

/** Makes a link's interfaces, one in each subnet. */
export const openLink: Task = async ({ key }, ctx) => {
  const row = await ctx.table(OwnLinks).get(key);
  if (row?.status !== 'PENDING') return;
  const ec2 = await ctx.internal<Ec2Api>('ec2');
  const settle = (status: OwnLinkRow['status'], statusMessage: string): Promise<unknown> =>
    ctx.transact((tx) => tx.table(OwnLinks).update([key], (known) => ({ ...known, status, statusMessage })));
  try {
    const groups = row.groupIds.length > 0 ? row.groupIds : [(await ec2.vpcFacts(row.vpcId))?.defaultGroup ?? ''];
    for (const subnetId of row.subnetIds)
      await ec2.holdInterface({
        ...{ subnetId, groups, holder: holderOf(row.id), interfaceType: 'api_gateway_managed', publicIp: false },
        description: `VPC Link Interface for API Gateway link ${row.id}`,
      });
  } catch (error) {
    if (!(error instanceof AwsError)) throw error;
    await settle('FAILED', error.message);
    return;
  }
  await ec2.applyNetwork(row.vpcId);
  await settle('AVAILABLE', 'VPC link is ready to route traffic');
};

/** Gives a link's interfaces back. */
export const closeLink: Task = async ({ key }, ctx) => {
  const ec2 = await ctx.internal<Ec2Api>('ec2');
  for (const { id } of await ec2.heldBy(holderOf(key))) {
    await ctx.part('dials').forget(id);
    await ec2.releaseInterface(id);
  }
  await ctx.transact((tx) => tx.table(OwnLinks).delete(key));
};
