/** GetAccountAuthorizationDetails: every user, group, role and policy of the account in one list, with how they belong together. */
import type { GroupDetail, IAM, ManagedPolicyDetail, PolicyDetail, RoleDetail, UserDetail } from '@aws-sdk/client-iam';
import type { Context } from '../../kernel/context.ts';
import type { HandlersOf } from '../../kernel/service.ts';
import { groupArn, policyArn, roleArn, userArn } from './arns.ts';
import { awsManagedPolicies } from './aws-managed.ts';
import { describeBoundary } from './boundaries.ts';
import { dateIfAny, dateOf } from './dates.ts';
import { encodeDocument } from './documents.ts';
import { groupsOf } from './groups.ts';
import { describeInstanceProfile } from './instance-profiles.ts';
import { countAttachments, countBoundaryUses, describeAttached } from './managed-policies.ts';
import { pageItems } from './paging.ts';
import { RequestCheck } from './rules.ts';
import {
  Groups,
  InstanceProfiles,
  Policies,
  type PolicyRow,
  PolicyVersions,
  type PrincipalRow,
  type RoleRow,
  Roles,
  type UserRow,
  Users,
} from './state.ts';
import { describeTags } from './tags.ts';
import { showTrust } from './trust.ts';

const filters = ['User', 'Role', 'Group', 'LocalManagedPolicy', 'AWSManagedPolicy'];

/** One entry of the list, before it is described. Keys sort in the order in which the list runs. */
type Listed =
  | { key: string; user: UserRow }
  | { key: string; group: PrincipalRow }
  | { key: string; role: RoleRow }
  | { key: string; policy: PolicyRow }
  | { key: string; aws: string };

function inlineOf(row: PrincipalRow): PolicyDetail[] {
  return Object.entries(row.inline).map(([PolicyName, document]) => ({ PolicyName, PolicyDocument: encodeDocument(document) }));
}

async function describeUserDetail(ctx: Context, row: UserRow): Promise<UserDetail> {
  return {
    Path: row.path,
    UserName: row.name,
    UserId: row.id,
    Arn: userArn(ctx.account, row),
    CreateDate: dateOf(row.created),
    UserPolicyList: inlineOf(row),
    GroupList: (await groupsOf(ctx, row.groups)).map(({ name }) => name),
    AttachedManagedPolicies: row.attached.map(describeAttached),
    PermissionsBoundary: describeBoundary(row.boundary),
    Tags: describeTags(row.tags),
  };
}

function describeGroupDetail(account: string, row: PrincipalRow): GroupDetail {
  return {
    Path: row.path,
    GroupName: row.name,
    GroupId: row.id,
    Arn: groupArn(account, row),
    CreateDate: dateOf(row.created),
    GroupPolicyList: inlineOf(row),
    AttachedManagedPolicies: row.attached.map(describeAttached),
  };
}

async function describeRoleDetail(ctx: Context, row: RoleRow): Promise<RoleDetail> {
  const profiles = await ctx.table(InstanceProfiles).byIndex('byRole', [row.id]);
  return {
    Path: row.path,
    RoleName: row.name,
    RoleId: row.id,
    Arn: roleArn(ctx.account, row),
    CreateDate: dateOf(row.created),
    AssumeRolePolicyDocument: encodeDocument(await showTrust(ctx, row)),
    InstanceProfileList: await Promise.all(profiles.map((profile) => describeInstanceProfile(ctx, ctx.account, profile))),
    RolePolicyList: inlineOf(row),
    AttachedManagedPolicies: row.attached.map(describeAttached),
    PermissionsBoundary: describeBoundary(row.boundary),
    Tags: describeTags(row.tags),
    RoleLastUsed: row.lastUsed === undefined ? {} : { LastUsedDate: dateIfAny(row.lastUsed.at), Region: row.lastUsed.region },
  };
}

async function describeOwnPolicy(ctx: Context, row: PolicyRow): Promise<ManagedPolicyDetail> {
  const arn = policyArn(ctx.account, row);
  const versions = await ctx.table(PolicyVersions).list({ prefix: [row.id], reverse: true });
  return {
    PolicyName: row.name,
    PolicyId: row.id,
    Arn: arn,
    Path: row.path,
    DefaultVersionId: `v${row.defaultVersion}`,
    AttachmentCount: await countAttachments(ctx, arn),
    PermissionsBoundaryUsageCount: await countBoundaryUses(ctx, arn),
    IsAttachable: true,
    Description: row.description,
    CreateDate: dateOf(row.created),
    UpdateDate: dateOf(row.updated),
    PolicyVersionList: versions.map(({ number, document, created }) => ({
      Document: encodeDocument(document),
      VersionId: `v${number}`,
      IsDefaultVersion: number === row.defaultVersion,
      CreateDate: dateOf(created),
    })),
  };
}

async function describeAwsPolicy(ctx: Context, arn: string): Promise<ManagedPolicyDetail> {
  const policy = awsManagedPolicies().get(arn);
  if (policy === undefined) throw new Error(`${arn} is listed and not packed.`);
  const updated = dateOf(policy.updated);
  return {
    PolicyName: policy.name,
    PolicyId: policy.id,
    Arn: arn,
    Path: policy.path,
    DefaultVersionId: policy.version,
    AttachmentCount: await countAttachments(ctx, arn),
    PermissionsBoundaryUsageCount: await countBoundaryUses(ctx, arn),
    IsAttachable: true,
    Description: policy.description,
    CreateDate: updated,
    UpdateDate: updated,
    PolicyVersionList: [
      { Document: encodeDocument(policy.document), VersionId: policy.version, IsDefaultVersion: true, CreateDate: updated },
    ],
  };
}

/** Everything of the sorts asked for. Of AWS's policies those in use: "AWS managed policies that are attached". */
async function listAll(ctx: Context, wanted: readonly string[]): Promise<Listed[]> {
  const has = (sort: string): boolean => wanted.length === 0 || wanted.includes(sort);
  const users = await ctx.table(Users).list();
  const groups = await ctx.table(Groups).list();
  const roles = await ctx.table(Roles).list();
  const listed: Listed[] = [];
  if (has('User')) for (const user of users) listed.push({ key: `1 ${user.name.toLowerCase()}`, user });
  if (has('Group')) for (const group of groups) listed.push({ key: `2 ${group.name.toLowerCase()}`, group });
  if (has('Role')) for (const role of roles) listed.push({ key: `3 ${role.name.toLowerCase()}`, role });
  if (has('LocalManagedPolicy'))
    for (const policy of await ctx.table(Policies).list()) listed.push({ key: `4 ${policy.name.toLowerCase()}`, policy });
  if (has('AWSManagedPolicy')) {
    const used = [...users, ...groups, ...roles].flatMap(({ attached }) => attached);
    const bounds = [...users, ...roles].map(({ boundary }) => boundary).filter((arn) => arn !== undefined);
    const aws = [...new Set([...used, ...bounds])].filter((arn) => awsManagedPolicies().has(arn));
    for (const arn of aws.sort()) listed.push({ key: `5 ${arn}`, aws: arn });
  }
  return listed;
}

export const authorizationDetailHandlers: HandlersOf<IAM> = {
  async GetAccountAuthorizationDetails(input, ctx) {
    const wanted = input.Filter ?? [];
    const check = new RequestCheck().paging(input);
    for (const filter of wanted) check.oneOf('filter', filter, filters);
    check.done();
    const scope = `GetAccountAuthorizationDetails ${[...wanted].sort().join(' ')}`;
    const { items, page } = pageItems(scope, await listAll(ctx, wanted), ({ key }) => [key], input);
    const users: UserDetail[] = [];
    const groups: GroupDetail[] = [];
    const roles: RoleDetail[] = [];
    const policies: ManagedPolicyDetail[] = [];
    for (const item of items) {
      if ('user' in item) users.push(await describeUserDetail(ctx, item.user));
      else if ('group' in item) groups.push(describeGroupDetail(ctx.account, item.group));
      else if ('role' in item) roles.push(await describeRoleDetail(ctx, item.role));
      else if ('policy' in item) policies.push(await describeOwnPolicy(ctx, item.policy));
      else policies.push(await describeAwsPolicy(ctx, item.aws));
    }
    return { UserDetailList: users, GroupDetailList: groups, RoleDetailList: roles, Policies: policies, ...page };
  },
};
