import type { Route53Resolver } from '@aws-sdk/client-route53resolver';
import type { Context } from '../../kernel/context.ts';
import { type AuthorisationsOf, type Check, defineService } from '../../kernel/service.ts';
import { endpointArn, endpointHandlers } from './endpoints.ts';
import { endpointReconciler, forwardReconciler } from './nodes.ts';
import { ruleArn, ruleHandlers } from './rules.ts';
import { Associations, Endpoints, Rules, type TagMap } from './state.ts';
import { tagHandlers } from './tags.ts';

const held = (tags: TagMap | undefined) =>
  Object.fromEntries(Object.entries(tags ?? {}).map(([key, value]) => [`aws:ResourceTag/${key}`, value]));

const wanted = (tags: readonly { Key?: string | undefined; Value?: string | undefined }[] | undefined) => ({
  ...Object.fromEntries((tags ?? []).map(({ Key = '', Value = '' }) => [`aws:RequestTag/${Key}`, Value])),
  'aws:TagKeys': tags === undefined ? undefined : tags.map(({ Key = '' }) => Key),
});

async function onEndpoint(
  { ResolverEndpointId: id = '*' }: { ResolverEndpointId?: string | undefined },
  ctx: Context,
): Promise<Check[]> {
  return [{ resource: endpointArn(ctx, id), conditions: held((await ctx.table(Endpoints).get(id))?.tags) }];
}

async function onRule({ ResolverRuleId: id = '*' }: { ResolverRuleId?: string | undefined }, ctx: Context): Promise<Check[]> {
  return [{ resource: ruleArn(ctx, id), conditions: held((await ctx.table(Rules).get(id))?.tags) }];
}

/** "Actions, resources, and condition keys for Amazon Route 53 Resolver". */
const checks: AuthorisationsOf<Route53Resolver> = {
  CreateResolverEndpoint: (input, ctx) => [{ resource: endpointArn(ctx, '*'), conditions: wanted(input.Tags) }],
  GetResolverEndpoint: onEndpoint,
  ListResolverEndpointIpAddresses: onEndpoint,
  UpdateResolverEndpoint: onEndpoint,
  DeleteResolverEndpoint: onEndpoint,
  CreateResolverRule: (input, ctx) => [{ resource: ruleArn(ctx, '*'), conditions: wanted(input.Tags) }],
  GetResolverRule: onRule,
  UpdateResolverRule: onRule,
  DeleteResolverRule: onRule,
  AssociateResolverRule: onRule,
  DisassociateResolverRule: onRule,
  GetResolverRuleAssociation: async ({ ResolverRuleAssociationId: id = '' }, ctx) =>
    onRule({ ResolverRuleId: (await ctx.table(Associations).get(id))?.rule }, ctx),
  TagResource: (input) => [{ resource: input.ResourceArn ?? '*', conditions: wanted(input.Tags) }],
  UntagResource: (input) => [{ resource: input.ResourceArn ?? '*', conditions: { 'aws:TagKeys': input.TagKeys ?? [] } }],
  ListTagsForResource: (input) => [{ resource: input.ResourceArn ?? '*' }],
};

export default defineService({
  name: 'route53resolver',
  uses: ['ec2'],
  tables: [Endpoints, Rules, Associations],
  handlers: { ...endpointHandlers, ...ruleHandlers, ...tagHandlers },
  authorise: checks,
  reconcilers: { endpoints: endpointReconciler, forwards: forwardReconciler },
});
