/** What each operation is authorised on: "Actions, resources, and condition keys for AWS Elastic Load Balancing V2". */
import type { ElasticLoadBalancingV2 } from '@aws-sdk/client-elastic-load-balancing-v2';
import type { Context } from '../../kernel/context.ts';
import type { AuthorisationsOf, Check } from '../../kernel/service.ts';
import { balancerArn, groupArn } from './arns.ts';
import { tagsOf } from './tags.ts';

interface TagsOfRequest {
  Tags?: readonly { Key?: string | undefined; Value?: string | undefined }[] | undefined;
  TagKeys?: readonly string[] | undefined;
}

function requestConditions({ Tags = [], TagKeys = [] }: TagsOfRequest): NonNullable<Check['conditions']> {
  const keys = [...Tags.map(({ Key = '' }) => Key), ...TagKeys];
  return {
    ...Object.fromEntries(Tags.map(({ Key = '', Value = '' }) => [`aws:RequestTag/${Key}`, Value])),
    'aws:TagKeys': keys.length === 0 ? undefined : keys,
  };
}

async function on(ctx: Context, arn: string | undefined, more: Check['conditions'] = {}): Promise<Check> {
  if (arn === undefined) return { resource: '*' };
  const tags = Object.entries((await tagsOf(ctx, arn)) ?? {});
  return {
    resource: arn,
    conditions: {
      ...more,
      ...Object.fromEntries(tags.map(([key, value]) => [`aws:ResourceTag/${key}`, value])),
      ...Object.fromEntries(tags.map(([key, value]) => [`elasticloadbalancing:ResourceTag/${key}`, value])),
    },
  };
}

const onBalancer = async (input: { LoadBalancerArn?: string | undefined }, ctx: Context): Promise<Check[]> => [
  await on(ctx, input.LoadBalancerArn),
];
const onGroup = async (input: { TargetGroupArn?: string | undefined }, ctx: Context): Promise<Check[]> => [
  await on(ctx, input.TargetGroupArn),
];
const onListener = async (input: { ListenerArn?: string | undefined }, ctx: Context): Promise<Check[]> => [
  await on(ctx, input.ListenerArn),
];
const onRule = async (input: { RuleArn?: string | undefined }, ctx: Context): Promise<Check[]> => [await on(ctx, input.RuleArn)];
const onAll = (arns: readonly string[] | undefined, ctx: Context, request: TagsOfRequest): Promise<Check[]> =>
  Promise.all((arns ?? []).map((arn) => on(ctx, arn, requestConditions(request))));

export const authorisations: AuthorisationsOf<ElasticLoadBalancingV2> = {
  CreateLoadBalancer: (input, ctx) => [
    {
      resource: balancerArn(ctx, input.Type === 'network' ? 'network' : 'application', input.Name ?? '*', '*'),
      conditions: {
        ...requestConditions(input),
        'elasticloadbalancing:Scheme': input.Scheme,
        'elasticloadbalancing:Subnet': input.Subnets,
        'elasticloadbalancing:SecurityGroup': input.SecurityGroups,
      },
    },
  ],
  DeleteLoadBalancer: onBalancer,
  ModifyLoadBalancerAttributes: onBalancer,
  SetIpAddressType: onBalancer,
  SetSecurityGroups: async (input, ctx) => [
    await on(ctx, input.LoadBalancerArn, { 'elasticloadbalancing:SecurityGroup': input.SecurityGroups }),
  ],
  SetSubnets: async (input, ctx) => [await on(ctx, input.LoadBalancerArn, { 'elasticloadbalancing:Subnet': input.Subnets })],
  CreateTargetGroup: (input, ctx) => [{ resource: groupArn(ctx, input.Name ?? '*', '*'), conditions: requestConditions(input) }],
  DeleteTargetGroup: onGroup,
  ModifyTargetGroup: onGroup,
  ModifyTargetGroupAttributes: onGroup,
  RegisterTargets: onGroup,
  DeregisterTargets: onGroup,
  CreateListener: async (input, ctx) => {
    const conditions = {
      ...requestConditions(input),
      'elasticloadbalancing:ListenerProtocol': input.Protocol,
      'elasticloadbalancing:SecurityPolicy': input.SslPolicy,
    };
    return [await on(ctx, input.LoadBalancerArn, conditions)];
  },
  ModifyListener: async (input, ctx) => [
    await on(ctx, input.ListenerArn, {
      'elasticloadbalancing:ListenerProtocol': input.Protocol,
      'elasticloadbalancing:SecurityPolicy': input.SslPolicy,
    }),
  ],
  ModifyListenerAttributes: onListener,
  DeleteListener: onListener,
  AddListenerCertificates: onListener,
  RemoveListenerCertificates: onListener,
  CreateRule: async (input, ctx) => [await on(ctx, input.ListenerArn, requestConditions(input))],
  ModifyRule: onRule,
  DeleteRule: onRule,
  SetRulePriorities: (input, ctx) => Promise.all((input.RulePriorities ?? []).map(({ RuleArn }) => on(ctx, RuleArn))),
  AddTags: (input, ctx) => onAll(input.ResourceArns, ctx, input),
  RemoveTags: (input, ctx) => onAll(input.ResourceArns, ctx, input),
};
