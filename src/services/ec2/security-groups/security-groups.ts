/** Security groups: create, describe, delete. */
import type { EC2, SecurityGroup } from '@aws-sdk/client-ec2';
import type { Context, Transaction } from '../../../kernel/context.ts';
import { AwsError } from '../../../kernel/errors.ts';
import { quotaOf, quotas } from '../../../kernel/quotas.ts';
import type { AuthorisationsOf, HandlersOf } from '../../../kernel/service.ts';
import { dependencyViolation, invalidParameterValue, missingParameter } from '../errors.ts';
import { applyFilters } from '../filters.ts';
import { Interfaces } from '../interfaces/state.ts';
import { openEgress } from '../ipv6/blocks.ts';
import { requireRow, rowsByIds } from '../lookup.ts';
import { page } from '../paging.ts';
import { checkTagged, describeTags, ec2Arn, requestTagConditions, tagsFor } from '../tags.ts';
import { Vpcs } from '../vpc/state.ts';
import { describePermissions, formatProtocol } from './permissions.ts';
import { type SecurityGroupRow, type SecurityGroupRuleRow, SecurityGroupRules, SecurityGroups } from './state.ts';

const textForm = /^[a-zA-Z0-9. _\-:/()#,@[\]+=&;{}!$*]{1,255}$/;

function checkText(text: string | undefined, parameter: 'groupName' | 'groupDescription'): string {
  if (text === undefined || text === '') throw missingParameter(parameter === 'groupName' ? 'GroupName' : 'GroupDescription');
  if (text.length > 255)
    throw invalidParameterValue(
      `Value (${text}) for parameter ${parameter} is invalid. Character sets beyond ASCII are not supported.`,
    );
  if (!textForm.test(text))
    throw invalidParameterValue(
      `Value (${text}) for parameter ${parameter} is invalid. Character sets beyond ASCII are not supported.`,
    );
  return text;
}

/** The default VPC of the Region, for calls that name none. Throws VPCIdNotSpecified. */
async function requireDefaultVpcId(source: Pick<Context | Transaction, 'table'>): Promise<string> {
  const found = (await source.table(Vpcs).list()).find((vpc) => vpc.isDefault);
  if (found === undefined) throw new AwsError('VPCIdNotSpecified', 'No default VPC for this user');
  return found.id;
}

async function describeGroup(
  ctx: Context,
  row: SecurityGroupRow,
  rules: readonly SecurityGroupRuleRow[],
): Promise<SecurityGroup> {
  return {
    GroupId: row.id,
    GroupName: row.name,
    Description: row.description,
    OwnerId: ctx.account,
    VpcId: row.vpcId,
    SecurityGroupArn: ec2Arn(ctx, 'security-group', row.id),
    IpPermissions: describePermissions(rules.filter((rule) => !rule.egress)),
    IpPermissionsEgress: describePermissions(rules.filter((rule) => rule.egress)),
    Tags: describeTags(row.tags),
  };
}

/** The group named by id, or by name in the default VPC. */
export async function requireGroup(
  tx: Pick<Context | Transaction, 'table'>,
  id: string | undefined,
  name: string | undefined,
): Promise<SecurityGroupRow> {
  if (id !== undefined) return requireRow(tx, SecurityGroups, 'securityGroup', id);
  if (name === undefined) throw missingParameter('groupName or groupId');
  const vpcId = await requireDefaultVpcId(tx);
  const row = await tx.table(SecurityGroups).firstByIndex('byVpc', [vpcId, name]);
  if (row === undefined)
    throw new AwsError('InvalidGroup.NotFound', `The security group '${name}' does not exist in default VPC '${vpcId}'`);
  return row;
}

interface GroupWithRules extends SecurityGroupRow {
  rules: readonly SecurityGroupRuleRow[];
}

function ruleFilters(egress: boolean) {
  const rules = (row: GroupWithRules) => row.rules.filter((rule) => rule.egress === egress);
  const prefix = egress ? 'egress.ip-permission' : 'ip-permission';
  return {
    [`${prefix}.cidr`]: (row: GroupWithRules) => rules(row).map(({ peer }) => (peer.kind === 'ipv4' ? peer.cidr : undefined)),
    [`${prefix}.ipv6-cidr`]: (row: GroupWithRules) =>
      rules(row).map(({ peer }) => (peer.kind === 'ipv6' ? peer.cidr : undefined)),
    [`${prefix}.prefix-list-id`]: (row: GroupWithRules) =>
      rules(row).map(({ peer }) => (peer.kind === 'prefix-list' ? peer.id : undefined)),
    [`${prefix}.group-id`]: (row: GroupWithRules) =>
      rules(row).map(({ peer }) => (peer.kind === 'group' ? peer.groupId : undefined)),
    [`${prefix}.user-id`]: (row: GroupWithRules) =>
      rules(row).map(({ peer }) => (peer.kind === 'group' ? peer.account : undefined)),
    [`${prefix}.from-port`]: (row: GroupWithRules) =>
      rules(row).map(({ from }) => (from === undefined ? undefined : String(from))),
    [`${prefix}.to-port`]: (row: GroupWithRules) => rules(row).map(({ to }) => (to === undefined ? undefined : String(to))),
    [`${prefix}.protocol`]: (row: GroupWithRules) => rules(row).map(({ protocol }) => formatProtocol(protocol)),
  };
}

export const securityGroupHandlers: HandlersOf<EC2> = {
  /** New groups let nothing in and everything out (SG-002, SG-003). Throws InvalidGroup.Duplicate. */
  async CreateSecurityGroup(input, ctx) {
    const name = checkText(input.GroupName, 'groupName');
    const description = checkText(input.Description, 'groupDescription');
    if (name.toLowerCase() === 'default')
      throw new AwsError('InvalidParameterValue', 'Cannot use reserved security group name: default');
    if (/^sg-/i.test(name))
      throw invalidParameterValue(
        `Value (${name}) for parameter GroupName is invalid. Group names may not be in the format sg-*.`,
      );
    const tags = tagsFor('security-group', input.TagSpecifications);
    const row = await ctx.transact(async (tx) => {
      const vpcId = input.VpcId ?? (await requireDefaultVpcId(tx));
      const vpc = await requireRow(tx, Vpcs, 'vpc', vpcId);
      if ((await tx.table(SecurityGroups).firstByIndex('byVpc', [vpcId, name])) !== undefined) {
        throw new AwsError('InvalidGroup.Duplicate', `The security group '${name}' already exists for VPC '${vpcId}'`);
      }
      if ((await tx.table(SecurityGroups).count()) >= (await quotaOf(tx, quotas.securityGroups))) {
        throw new AwsError('SecurityGroupLimitExceeded', 'The maximum number of security groups has been reached.');
      }
      const group: SecurityGroupRow = { id: ctx.id('securityGroup'), vpcId, name, description, tags };
      await tx.table(SecurityGroups).put(group);
      await tx.table(SecurityGroupRules).put({
        id: ctx.id('securityGroupRule'),
        groupId: group.id,
        egress: true,
        protocol: -1,
        peer: { kind: 'ipv4', cidr: '0.0.0.0/0' },
        tags: {},
      });
      if (vpc.ipv6 !== undefined) await tx.table(SecurityGroupRules).put(openEgress(ctx, group.id));
      return group;
    });
    return { GroupId: row.id, SecurityGroupArn: ec2Arn(ctx, 'security-group', row.id), Tags: describeTags(tags) };
  },

  async DescribeSecurityGroups(input, ctx) {
    let rows = await rowsByIds(ctx, SecurityGroups, 'securityGroup', input.GroupIds);
    if (input.GroupNames !== undefined && input.GroupNames.length > 0) {
      const vpcId = await requireDefaultVpcId(ctx);
      const missing = input.GroupNames.find((name) => !rows.some((row) => row.name === name && row.vpcId === vpcId));
      if (missing !== undefined)
        throw new AwsError('InvalidGroup.NotFound', `The security group '${missing}' does not exist in default VPC '${vpcId}'`);
      rows = rows.filter((row) => row.vpcId === vpcId && input.GroupNames?.includes(row.name));
    }
    const full = await Promise.all(
      rows.map(
        async (row): Promise<GroupWithRules> => ({
          ...row,
          rules: await ctx.table(SecurityGroupRules).byIndex('byGroup', [row.id]),
        }),
      ),
    );
    const passing = applyFilters(full, input.Filters, {
      'group-id': (row) => row.id,
      'group-name': (row) => row.name,
      description: (row) => row.description,
      'owner-id': () => ctx.account,
      'vpc-id': (row) => row.vpcId,
      ...ruleFilters(false),
      ...ruleFilters(true),
    });
    const { rows: shown, nextToken } = page('DescribeSecurityGroups', passing, (row) => row.id, input, { ids: input.GroupIds });
    return { SecurityGroups: await Promise.all(shown.map((row) => describeGroup(ctx, row, row.rules))), NextToken: nextToken };
  },

  /** Refuses the default group, groups that interfaces carry, and groups that rules of others name (SG-016). */
  async DeleteSecurityGroup(input, ctx) {
    const id = await ctx.transact(async (tx) => {
      const row = await requireGroup(tx, input.GroupId, input.GroupName);
      if (row.name === 'default')
        throw new AwsError('CannotDelete', `the specified group: "${row.id}" name: "default" cannot be deleted by a user`);
      const rules = await tx.table(SecurityGroupRules).byIndex('byGroup', [row.id]);
      const named = (await tx.table(SecurityGroupRules).byIndex('byPeerGroup', [row.id])).some((rule) => rule.groupId !== row.id);
      if (named || (await tx.table(Interfaces).firstByIndex('byGroup', [row.id])) !== undefined) {
        throw dependencyViolation(`resource ${row.id} has a dependent object`);
      }
      for (const rule of rules) await tx.table(SecurityGroupRules).delete(rule.id);
      await tx.table(SecurityGroups).delete(row.id);
      return row.id;
    });
    return { Return: true, GroupId: id };
  },
};

/** Resource checks for operations on one group. */
export async function checkGroup(input: { GroupId?: string | undefined; GroupName?: string | undefined }, ctx: Context) {
  const id = input.GroupId ?? (await requireGroup(ctx, undefined, input.GroupName).catch(() => undefined))?.id ?? '*';
  const row = await ctx.table(SecurityGroups).get(id);
  return checkTagged([id], ctx, row === undefined ? {} : { 'ec2:Vpc': ec2Arn(ctx, 'vpc', row.vpcId) });
}

export const securityGroupAuthorisations: AuthorisationsOf<EC2> = {
  CreateSecurityGroup: async (input, ctx) => [
    {
      resource: ec2Arn(ctx, 'security-group', '*'),
      conditions: requestTagConditions(input.TagSpecifications?.flatMap(({ Tags = [] }) => Tags)),
    },
    ...(input.VpcId === undefined ? [] : await checkTagged([input.VpcId], ctx)),
  ],
  DeleteSecurityGroup: checkGroup,
};
