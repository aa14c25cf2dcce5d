/** VPC links of REST APIs: each leads to one network load balancer of the account ("Set up VPC links V1 in API Gateway"). */
import type { APIGateway, VpcLink } from '@aws-sdk/client-api-gateway';
import type { Context, Transaction } from '../../../kernel/context.ts';
import type { HandlersOf, Task } from '../../../kernel/service.ts';
import { badRequest, noSuch } from '../errors.ts';
import { frontOf } from '../links.ts';
import { pageItems } from '../lookup.ts';
import { applyPatch } from '../patch.ts';
import { type Definition, Snapshots, Stages, type VpcLinkRow, VpcLinks } from '../state.ts';
import { checkTags } from './tags.ts';

function describeLink({ tags, ...row }: VpcLinkRow): VpcLink {
  return { ...row, tags: { ...tags } };
}

async function requireLink(from: Pick<Context, 'table'> | Pick<Transaction, 'table'>, id = ''): Promise<VpcLinkRow> {
  const row = await from.table(VpcLinks).get(id);
  if (row === undefined) throw noSuch('Vpc Link');
  return row;
}

/** Throws BadRequestException while a deployed method leads through the link. */
async function checkUnused(tx: Transaction, id: string): Promise<void> {
  for (const stage of await tx.table(Stages).list()) {
    const snapshot = await tx.table(Snapshots).get(stage.api, stage.deploymentId);
    const user = snapshot === undefined ? undefined : userOf(snapshot.definition, id);
    if (user !== undefined)
      throw badRequest(
        `Cannot delete vpc link. Vpc link '${id}', is referenced in [${user}:${stage.name}] in format of [Method:Resource:Stage].`,
      );
  }
}

function userOf({ resources }: Definition, id: string): string | undefined {
  for (const resource of Object.values(resources))
    for (const [verb, { methodIntegration }] of Object.entries(resource.methods))
      if (methodIntegration?.connectionId === id) return `${verb}:${resource.id}`;
  return undefined;
}

export const linkHandlers: HandlersOf<APIGateway> = {
  async CreateVpcLink(input, ctx) {
    const { name = '', targetArns = [] } = input;
    if (name === '') throw badRequest('Name is required');
    if (targetArns.length !== 1) throw badRequest('Exactly one target ARN must be specified');
    const row: VpcLinkRow = {
      id: ctx.id('gatewayPart'),
      name,
      description: input.description,
      targetArns,
      status: 'PENDING',
      tags: checkTags(input.tags),
    };
    await ctx.transact(async (tx) => {
      await tx.table(VpcLinks).put(row);
      await tx.schedule({ task: 'openLink', key: row.id, due: ctx.now });
    });
    return describeLink(row);
  },

  async GetVpcLink(input, ctx) {
    return describeLink(await requireLink(ctx, input.vpcLinkId));
  },

  async GetVpcLinks(input, ctx) {
    const { items, ...page } = pageItems('GetVpcLinks', await ctx.table(VpcLinks).list(), ({ id }) => id, input);
    return { items: items.map(describeLink), ...page };
  },

  UpdateVpcLink(input, ctx) {
    return ctx.transact(async (tx) => {
      const row = await requireLink(tx, input.vpcLinkId);
      const changed = applyPatch(row, input.patchOperations, { '/name': 'text', '/description': 'text' });
      await tx.table(VpcLinks).put(changed);
      return describeLink(changed);
    });
  },

  async DeleteVpcLink(input, ctx) {
    await ctx.transact(async (tx) => {
      const { id } = await requireLink(tx, input.vpcLinkId);
      await checkUnused(tx, id);
      await tx.table(VpcLinks).delete(id);
    });
    return {};
  },
};

/** Looks whether what a link leads to is a network load balancer of the account. */
export const openLink: Task = async ({ key }, ctx) => {
  const row = await ctx.table(VpcLinks).get(key);
  if (row?.status !== 'PENDING') return;
  const arn = row.targetArns[0] ?? '';
  const wellFormed = /^arn:aws[a-z-]*:elasticloadbalancing:[^:]+:\d{12}:loadbalancer\/net\/[^/]+\/[^/]+$/.test(arn);
  const found = wellFormed && (await frontOf(ctx, arn)) !== undefined;
  await ctx.transact((tx) =>
    tx.table(VpcLinks).update([key], (known) => ({
      ...known,
      status: found ? 'AVAILABLE' : 'FAILED',
      statusMessage: found ? 'Your vpc link is ready for use' : wellFormed ? 'NLB not found' : 'NLB ARN is malformed',
    })),
  );
};
