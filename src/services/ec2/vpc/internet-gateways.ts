/** Internet gateways: one per VPC, attached and then named in a route table. */
import type { EC2, InternetGateway } from '@aws-sdk/client-ec2';
import type { Context } from '../../../kernel/context.ts';
import { AwsError } from '../../../kernel/errors.ts';
import { quotaOf, quotas } from '../../../kernel/quotas.ts';
import type { AuthorisationsOf, HandlersOf } from '../../../kernel/service.ts';
import { dependencyViolation } from '../errors.ts';
import { applyFilters } from '../filters.ts';
import { Interfaces } from '../interfaces/state.ts';
import { requireRow, rowsByIds } from '../lookup.ts';
import { page } from '../paging.ts';
import { checkTagged, describeTags, ec2Arn, requestTagConditions, tagsFor } from '../tags.ts';
import { type InternetGatewayRow, InternetGateways, Vpcs } from './state.ts';

function describeGateway(ctx: Context, row: InternetGatewayRow): InternetGateway {
  return {
    InternetGatewayId: row.id,
    OwnerId: ctx.account,
    Attachments: row.vpcId === undefined ? [] : [{ VpcId: row.vpcId, State: 'available' as never }],
    Tags: describeTags(row.tags),
  };
}

export const internetGatewayHandlers: HandlersOf<EC2> = {
  async CreateInternetGateway(input, ctx) {
    const row: InternetGatewayRow = { id: ctx.id('internetGateway'), tags: tagsFor('internet-gateway', input.TagSpecifications) };
    await ctx.transact(async (tx) => {
      if ((await tx.table(InternetGateways).count()) >= (await quotaOf(tx, quotas.internetGateways))) {
        throw new AwsError('InternetGatewayLimitExceeded', 'The maximum number of internet gateways has been reached.');
      }
      await tx.table(InternetGateways).put(row);
    });
    return { InternetGateway: describeGateway(ctx, row) };
  },

  async DescribeInternetGateways(input, ctx) {
    const rows = await rowsByIds(ctx, InternetGateways, 'internetGateway', input.InternetGatewayIds);
    const passing = applyFilters(rows, input.Filters, {
      'internet-gateway-id': (row) => row.id,
      'attachment.vpc-id': (row) => row.vpcId,
      'attachment.state': (row) => (row.vpcId === undefined ? undefined : 'available'),
      'owner-id': () => ctx.account,
    });
    const { rows: shown, nextToken } = page('DescribeInternetGateways', passing, (row) => row.id, input, {
      ids: input.InternetGatewayIds,
    });
    return { InternetGateways: shown.map((row) => describeGateway(ctx, row)), NextToken: nextToken };
  },

  /** Throws Resource.AlreadyAssociated for a gateway in use, InvalidParameterValue for a VPC that has one. */
  async AttachInternetGateway(input, ctx) {
    await ctx.transact(async (tx) => {
      const gateway = await requireRow(tx, InternetGateways, 'internetGateway', input.InternetGatewayId);
      const vpc = await requireRow(tx, Vpcs, 'vpc', input.VpcId);
      if (gateway.vpcId !== undefined) {
        throw new AwsError(
          'Resource.AlreadyAssociated',
          `resource ${gateway.id} is already attached to network ${gateway.vpcId}`,
        );
      }
      if ((await tx.table(InternetGateways).firstByIndex('byVpc', [vpc.id])) !== undefined) {
        throw new AwsError('InvalidParameterValue', `Network ${vpc.id} already has an internet gateway attached`);
      }
      await tx.table(InternetGateways).put({ ...gateway, vpcId: vpc.id });
      tx.hint('networks', vpc.id);
    });
    return {};
  },

  /** Refused while an interface of the VPC has a public address; routes to the gateway stay behind as black holes. */
  async DetachInternetGateway(input, ctx) {
    await ctx.transact(async (tx) => {
      const gateway = await requireRow(tx, InternetGateways, 'internetGateway', input.InternetGatewayId);
      const vpc = await requireRow(tx, Vpcs, 'vpc', input.VpcId);
      if (gateway.vpcId !== vpc.id)
        throw new AwsError('Gateway.NotAttached', `resource ${gateway.id} is not attached to network ${vpc.id}`);
      const cards = await tx.table(Interfaces).byIndex('byVpc', [vpc.id]);
      if (cards.some((card) => card.autoPublicIp !== undefined || card.addresses.some(({ elastic }) => elastic !== undefined))) {
        throw dependencyViolation(
          `Network ${vpc.id} has some mapped public address(es). Please unmap those public address(es) before detaching the gateway.`,
        );
      }
      await tx.table(InternetGateways).put({ ...gateway, vpcId: undefined });
      tx.hint('networks', vpc.id);
    });
    return {};
  },

  async DeleteInternetGateway(input, ctx) {
    await ctx.transact(async (tx) => {
      const gateway = await requireRow(tx, InternetGateways, 'internetGateway', input.InternetGatewayId);
      if (gateway.vpcId !== undefined)
        throw dependencyViolation(`The internetGateway '${gateway.id}' has dependencies and cannot be deleted.`);
      await tx.table(InternetGateways).delete(gateway.id);
    });
    return {};
  },
};

export const internetGatewayAuthorisations: AuthorisationsOf<EC2> = {
  CreateInternetGateway: (input, ctx) => [
    {
      resource: ec2Arn(ctx, 'internet-gateway', '*'),
      conditions: requestTagConditions(input.TagSpecifications?.flatMap(({ Tags = [] }) => Tags)),
    },
  ],
  AttachInternetGateway: (input, ctx) => checkTagged([input.InternetGatewayId ?? '', input.VpcId ?? ''], ctx),
  DetachInternetGateway: (input, ctx) => checkTagged([input.InternetGatewayId ?? '', input.VpcId ?? ''], ctx),
  DeleteInternetGateway: (input, ctx) => checkTagged([input.InternetGatewayId ?? ''], ctx),
};
