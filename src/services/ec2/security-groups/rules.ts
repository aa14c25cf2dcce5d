/** Rules of security groups: authorise, revoke, change, describe. Only allow rules exist (SG-004). */
import type { EC2, IpPermission, SecurityGroupRule, SecurityGroupRuleRequest, TagSpecification } from '@aws-sdk/client-ec2';
import type { Context, Transaction } from '../../../kernel/context.ts';
import { AwsError } from '../../../kernel/errors.ts';
import { quotaOf, quotas } from '../../../kernel/quotas.ts';
import type { AuthorisationsOf, HandlersOf } from '../../../kernel/service.ts';
import { invalidParameterCombination, missingParameter, notFound } from '../errors.ts';
import { applyFilters } from '../filters.ts';
import { rowsByIds } from '../lookup.ts';
import { page } from '../paging.ts';
import { describeTags, ec2Arn, tagsFor } from '../tags.ts';
import { describePermissions, formatProtocol, parsePermissions, type RuleDraft, ruleText, sameRule } from './permissions.ts';
import { resolvePeer, vpcsOf, weightOf } from './peers.ts';
import { checkGroup, requireGroup } from './security-groups.ts';
import { type SecurityGroupRow, type SecurityGroupRuleRow, SecurityGroupRules, SecurityGroups } from './state.ts';

/** The older form of the Authorize and Revoke calls, one permission in the request itself. */
interface FlatPermission {
  IpPermissions?: IpPermission[] | undefined;
  IpProtocol?: string | undefined;
  FromPort?: number | undefined;
  ToPort?: number | undefined;
  CidrIp?: string | undefined;
  SourceSecurityGroupName?: string | undefined;
  SourceSecurityGroupOwnerId?: string | undefined;
}

function permissionsOf(input: FlatPermission): IpPermission[] {
  const {
    IpPermissions: sets,
    IpProtocol,
    FromPort,
    ToPort,
    CidrIp,
    SourceSecurityGroupName: peer,
    SourceSecurityGroupOwnerId: owner,
  } = input;
  if (sets !== undefined && (IpProtocol !== undefined || CidrIp !== undefined)) {
    throw invalidParameterCombination(
      'The parameter ipPermissions may not be used together with its older forms ipProtocol and cidrIp.',
    );
  }
  if (sets !== undefined) return sets;
  if (peer !== undefined && IpProtocol === undefined) {
    // "By default … all ICMP, TCP and UDP" for a source group without protocol (EC2-Classic's meaning, kept for the default VPC).
    return [{ IpProtocol: '-1', UserIdGroupPairs: [{ GroupName: peer, UserId: owner }] }];
  }
  if (IpProtocol === undefined) throw missingParameter('ipPermissions');
  const pairs = peer === undefined ? [] : [{ GroupName: peer, UserId: owner }];
  return [{ IpProtocol, FromPort, ToPort, IpRanges: CidrIp === undefined ? [] : [{ CidrIp }], UserIdGroupPairs: pairs }];
}

async function draftsOf(
  tx: Transaction,
  ctx: Context,
  group: SecurityGroupRow,
  permissions: readonly IpPermission[],
): Promise<RuleDraft[]> {
  const names = new Map((await tx.table(SecurityGroups).byIndex('byVpc', [group.vpcId])).map((row) => [row.name, row.id]));
  return parsePermissions(permissions, ctx.account, (name) => {
    const id = names.get(name);
    if (id === undefined) throw new AwsError('InvalidGroup.NotFound', `The security group '${name}' does not exist`);
    return id;
  });
}

function tooManyRules(): AwsError {
  return new AwsError('RulesPerSecurityGroupLimitExceeded', 'The maximum number of rules per security group has been reached.');
}

async function authoriseRules(
  ctx: Context,
  input: FlatPermission & { GroupId?: string; GroupName?: string; TagSpecifications?: TagSpecification[] },
  egress: boolean,
): Promise<SecurityGroupRuleRow[]> {
  const permissions = permissionsOf(input);
  const tags = tagsFor('security-group-rule', input.TagSpecifications);
  return ctx.transact(async (tx) => {
    const group = await requireGroup(tx, input.GroupId, input.GroupName);
    const drafts = await draftsOf(tx, ctx, group, permissions);
    const existing = (await tx.table(SecurityGroupRules).byIndex('byGroup', [group.id])).filter((rule) => rule.egress === egress);
    const added: SecurityGroupRuleRow[] = [];
    for (const given of drafts) {
      const draft = await resolvePeer(tx, ctx, group, given);
      if ([...existing, ...added].some((rule) => sameRule(rule, draft))) {
        throw new AwsError('InvalidPermission.Duplicate', `the specified rule "${ruleText(draft)}" already exists`);
      }
      added.push({ ...draft, id: ctx.id('securityGroupRule'), groupId: group.id, egress, tags });
    }
    const weight = await weightOf(tx, ctx.region, [...existing, ...added]);
    if (Math.max(weight.ipv4, weight.ipv6) > (await quotaOf(tx, quotas.rulesPerGroup))) {
      throw tooManyRules();
    }
    for (const rule of added) await tx.table(SecurityGroupRules).put(rule);
    for (const vpcId of vpcsOf(group)) tx.hint('networks', vpcId);
    return added;
  });
}

async function revokeRules(
  ctx: Context,
  input: FlatPermission & { GroupId?: string; GroupName?: string; SecurityGroupRuleIds?: string[] },
  egress: boolean,
): Promise<{ revoked: SecurityGroupRuleRow[]; unknown: RuleDraft[] }> {
  const ids = input.SecurityGroupRuleIds;
  const permissions = ids === undefined ? permissionsOf(input) : [];
  return ctx.transact(async (tx) => {
    const group = await requireGroup(tx, input.GroupId, input.GroupName);
    const existing = (await tx.table(SecurityGroupRules).byIndex('byGroup', [group.id])).filter((rule) => rule.egress === egress);
    const missing = ids?.find((id) => !existing.some((rule) => rule.id === id));
    if (missing !== undefined) throw notFound('securityGroupRule', missing);
    const drafts =
      ids === undefined ? await draftsOf(tx, ctx, group, permissions) : existing.filter((rule) => ids.includes(rule.id));
    const unknown = drafts.filter((draft) => !existing.some((rule) => sameRule(rule, draft)));
    // In a VPC a rule that is not there is no error for the whole call unless nothing matches ("RevokeSecurityGroupIngress").
    if (unknown.length > 0 && unknown.length === drafts.length) {
      throw new AwsError('InvalidPermission.NotFound', 'The specified rule does not exist in this security group.');
    }
    const revoked = existing.filter((rule) => drafts.some((draft) => sameRule(rule, draft)));
    for (const rule of revoked) await tx.table(SecurityGroupRules).delete(rule.id);
    for (const vpcId of vpcsOf(group)) tx.hint('networks', vpcId);
    return { revoked, unknown };
  });
}

function describeRule(ctx: Context, rule: SecurityGroupRuleRow): SecurityGroupRule {
  const { peer } = rule;
  return {
    SecurityGroupRuleId: rule.id,
    SecurityGroupRuleArn: ec2Arn(ctx, 'security-group-rule', rule.id),
    GroupId: rule.groupId,
    GroupOwnerId: ctx.account,
    IsEgress: rule.egress,
    IpProtocol: formatProtocol(rule.protocol),
    FromPort: rule.from ?? -1,
    ToPort: rule.to ?? -1,
    CidrIpv4: peer.kind === 'ipv4' ? peer.cidr : undefined,
    CidrIpv6: peer.kind === 'ipv6' ? peer.cidr : undefined,
    PrefixListId: peer.kind === 'prefix-list' ? peer.id : undefined,
    ReferencedGroupInfo:
      peer.kind === 'group'
        ? {
            GroupId: peer.groupId,
            UserId: peer.account,
            VpcId: peer.vpcId,
            VpcPeeringConnectionId: peer.peeringId,
            PeeringStatus: peer.peeringId === undefined ? undefined : 'active',
          }
        : undefined,
    Description: rule.description,
    Tags: describeTags(rule.tags),
  };
}

/** One rule in the form of ModifySecurityGroupRules, as a permission set. */
function permissionOfRequest(request: SecurityGroupRuleRequest): IpPermission {
  const { IpProtocol, FromPort, ToPort, CidrIpv4, CidrIpv6, ReferencedGroupId, PrefixListId, Description } = request;
  const peers = [CidrIpv4, CidrIpv6, ReferencedGroupId, PrefixListId].filter((one) => one !== undefined);
  if (peers.length > 1)
    throw invalidParameterCombination(
      'Only one of cidrIp, cidrIpv6, sourcePrefixListId, or sourceSecurityGroupId can be specified',
    );
  return {
    IpProtocol,
    FromPort,
    ToPort,
    IpRanges: CidrIpv4 === undefined ? [] : [{ CidrIp: CidrIpv4, Description }],
    Ipv6Ranges: CidrIpv6 === undefined ? [] : [{ CidrIpv6, Description }],
    PrefixListIds: PrefixListId === undefined ? [] : [{ PrefixListId, Description }],
    UserIdGroupPairs: ReferencedGroupId === undefined ? [] : [{ GroupId: ReferencedGroupId, Description }],
  };
}

async function updateDescriptions(
  ctx: Context,
  input: {
    GroupId?: string;
    GroupName?: string;
    IpPermissions?: IpPermission[];
    SecurityGroupRuleDescriptions?: { SecurityGroupRuleId?: string; Description?: string }[];
  },
  egress: boolean,
): Promise<void> {
  await ctx.transact(async (tx) => {
    const group = await requireGroup(tx, input.GroupId, input.GroupName);
    const existing = (await tx.table(SecurityGroupRules).byIndex('byGroup', [group.id])).filter((rule) => rule.egress === egress);
    const wanted = [
      ...(await draftsOf(tx, ctx, group, input.IpPermissions ?? [])).map((draft) => ({
        description: draft.description,
        rule: existing.find((rule) => sameRule(rule, draft)),
      })),
      ...(input.SecurityGroupRuleDescriptions ?? []).map((one) => ({
        description: one.Description,
        rule: existing.find((rule) => rule.id === one.SecurityGroupRuleId),
      })),
    ];
    if (wanted.length === 0) throw missingParameter('ipPermissions');
    for (const { rule, description } of wanted) {
      if (rule === undefined)
        throw new AwsError('InvalidPermission.NotFound', 'The specified rule does not exist in this security group.');
      await tx.table(SecurityGroupRules).put({ ...rule, description });
    }
  });
}

export const securityGroupRuleHandlers: HandlersOf<EC2> = {
  async AuthorizeSecurityGroupIngress(input, ctx) {
    const rules = await authoriseRules(ctx, input as FlatPermission, false);
    return { Return: true, SecurityGroupRules: rules.map((rule) => describeRule(ctx, rule)) };
  },

  async AuthorizeSecurityGroupEgress(input, ctx) {
    const rules = await authoriseRules(ctx, input as FlatPermission, true);
    return { Return: true, SecurityGroupRules: rules.map((rule) => describeRule(ctx, rule)) };
  },

  async RevokeSecurityGroupIngress(input, ctx) {
    const { unknown } = await revokeRules(ctx, input as FlatPermission, false);
    return { Return: true, UnknownIpPermissions: describePermissions(unknown) };
  },

  async RevokeSecurityGroupEgress(input, ctx) {
    const { unknown } = await revokeRules(ctx, input as FlatPermission, true);
    return { Return: true, UnknownIpPermissions: describePermissions(unknown) };
  },

  async DescribeSecurityGroupRules(input, ctx) {
    const rows = await rowsByIds(ctx, SecurityGroupRules, 'securityGroupRule', input.SecurityGroupRuleIds);
    const passing = applyFilters(rows, input.Filters, {
      'group-id': (row) => row.groupId,
      'security-group-rule-id': (row) => row.id,
    });
    const { rows: shown, nextToken } = page('DescribeSecurityGroupRules', passing, (row) => row.id, input, {
      ids: input.SecurityGroupRuleIds,
    });
    return { SecurityGroupRules: shown.map((rule) => describeRule(ctx, rule)), NextToken: nextToken };
  },

  /** Replaces whole rules by id; the direction stays. */
  async ModifySecurityGroupRules(input, ctx) {
    await ctx.transact(async (tx) => {
      const group = await requireGroup(tx, input.GroupId, undefined);
      for (const { SecurityGroupRuleId: id = '', SecurityGroupRule: request = {} } of input.SecurityGroupRules ?? []) {
        const rule = await tx.table(SecurityGroupRules).get(id);
        if (rule === undefined || rule.groupId !== group.id) throw notFound('securityGroupRule', id);
        const [given] = await draftsOf(tx, ctx, group, [permissionOfRequest(request)]);
        const draft = await resolvePeer(tx, ctx, group, given!);
        const others = (await tx.table(SecurityGroupRules).byIndex('byGroup', [group.id])).filter(
          (one) => one.egress === rule.egress && one.id !== id,
        );
        if (others.some((one) => sameRule(one, draft)))
          throw new AwsError('InvalidPermission.Duplicate', `the specified rule "${ruleText(draft)}" already exists`);
        const weight = await weightOf(tx, ctx.region, [...others, draft]);
        if (Math.max(weight.ipv4, weight.ipv6) > (await quotaOf(tx, quotas.rulesPerGroup))) throw tooManyRules();
        const { id: ruleId, groupId, egress, tags } = rule;
        await tx.table(SecurityGroupRules).put({ ...draft, id: ruleId, groupId, egress, tags });
      }
      for (const vpcId of vpcsOf(group)) tx.hint('networks', vpcId);
    });
    return { Return: true };
  },

  async UpdateSecurityGroupRuleDescriptionsIngress(input, ctx) {
    await updateDescriptions(ctx, input, false);
    return { Return: true };
  },

  async UpdateSecurityGroupRuleDescriptionsEgress(input, ctx) {
    await updateDescriptions(ctx, input, true);
    return { Return: true };
  },
};

export const securityGroupRuleAuthorisations: AuthorisationsOf<EC2> = {
  AuthorizeSecurityGroupIngress: checkGroup,
  AuthorizeSecurityGroupEgress: checkGroup,
  RevokeSecurityGroupIngress: checkGroup,
  RevokeSecurityGroupEgress: checkGroup,
  ModifySecurityGroupRules: checkGroup,
  UpdateSecurityGroupRuleDescriptionsIngress: checkGroup,
  UpdateSecurityGroupRuleDescriptionsEgress: checkGroup,
};
