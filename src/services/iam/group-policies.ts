/** Policies of groups, which their members have: inline and attached. */
import type { IAM } from '@aws-sdk/client-iam';
import type { AuthorisationsOf, HandlersOf } from '../../kernel/service.ts';
import { onGroup } from './authorise.ts';
import {
  attachPolicy,
  checkAttachMembers,
  checkInlineMembers,
  deleteInlinePolicy,
  detachPolicy,
  type EntitySort,
  pageAttachedPolicies,
  pageInlinePolicies,
  putInlinePolicy,
  readInlinePolicy,
} from './entity-policies.ts';
import { requireGroup } from './groups.ts';
import { RequestCheck, sizes } from './rules.ts';
import { Groups, type PrincipalRow } from './state.ts';

const groups: EntitySort<PrincipalRow> = {
  noun: 'group',
  table: Groups,
  attachedQuota: 'PoliciesPerGroup',
  inlineSizeMax: sizes.groupInline,
};

const checkName = (name: string | undefined): RequestCheck => new RequestCheck().name('groupName', name, sizes.groupName);

export const groupPolicyHandlers: HandlersOf<IAM> = {
  async PutGroupPolicy({ GroupName, PolicyName = '', PolicyDocument = '' }, ctx) {
    checkInlineMembers(checkName(GroupName), PolicyName, PolicyDocument);
    await ctx.transact(async (tx) => putInlinePolicy(tx, groups, await requireGroup(tx, GroupName), PolicyName, PolicyDocument));
    return {};
  },

  async GetGroupPolicy({ GroupName, PolicyName = '' }, ctx) {
    checkName(GroupName).name('policyName', PolicyName, sizes.policyName).done();
    const row = await requireGroup(ctx, GroupName);
    return { GroupName: row.name, PolicyName, PolicyDocument: readInlinePolicy(groups, row, PolicyName) };
  },

  async DeleteGroupPolicy({ GroupName, PolicyName = '' }, ctx) {
    checkName(GroupName).name('policyName', PolicyName, sizes.policyName).done();
    await ctx.transact(async (tx) => deleteInlinePolicy(tx, groups, await requireGroup(tx, GroupName), PolicyName));
    return {};
  },

  async ListGroupPolicies(input, ctx) {
    checkName(input.GroupName).paging(input).done();
    return pageInlinePolicies(await requireGroup(ctx, input.GroupName), input);
  },

  async AttachGroupPolicy({ GroupName, PolicyArn }, ctx) {
    const arn = checkAttachMembers(checkName(GroupName), PolicyArn);
    await ctx.transact(async (tx) => attachPolicy(tx, ctx.account, groups, await requireGroup(tx, GroupName), arn));
    return {};
  },

  async DetachGroupPolicy({ GroupName, PolicyArn }, ctx) {
    const arn = checkAttachMembers(checkName(GroupName), PolicyArn);
    await ctx.transact(async (tx) => detachPolicy(tx, groups, await requireGroup(tx, GroupName), arn));
    return {};
  },

  async ListAttachedGroupPolicies(input, ctx) {
    checkName(input.GroupName).policyPath('pathPrefix', input.PathPrefix).paging(input).done();
    return pageAttachedPolicies(await requireGroup(ctx, input.GroupName), input);
  },
};

export const groupPolicyChecks: AuthorisationsOf<IAM> = {
  PutGroupPolicy: onGroup,
  GetGroupPolicy: onGroup,
  DeleteGroupPolicy: onGroup,
  ListGroupPolicies: onGroup,
  AttachGroupPolicy: onGroup,
  DetachGroupPolicy: onGroup,
  ListAttachedGroupPolicies: onGroup,
};
