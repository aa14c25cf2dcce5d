/** Policies of users: inline, attached, and the permissions boundary. */
import type { IAM } from '@aws-sdk/client-iam';
import type { AuthorisationsOf, HandlersOf } from '../../kernel/service.ts';
import { onUser } from './authorise.ts';
import { checkBoundary } from './boundaries.ts';
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
import { RequestCheck, sizes } from './rules.ts';
import { type UserRow, Users } from './state.ts';
import { requireUser } from './users.ts';

const users: EntitySort<UserRow> = {
  noun: 'user',
  table: Users,
  attachedQuota: 'PoliciesPerUser',
  inlineSizeMax: sizes.userInline,
};

const checkName = (name: string | undefined): RequestCheck => new RequestCheck().name('userName', name, sizes.existingUserName);

export const userPolicyHandlers: HandlersOf<IAM> = {
  async PutUserPolicy({ UserName, PolicyName = '', PolicyDocument = '' }, ctx) {
    checkInlineMembers(checkName(UserName), PolicyName, PolicyDocument);
    await ctx.transact(async (tx) => putInlinePolicy(tx, users, await requireUser(tx, UserName), PolicyName, PolicyDocument));
    return {};
  },

  async GetUserPolicy({ UserName, PolicyName = '' }, ctx) {
    checkName(UserName).name('policyName', PolicyName, sizes.policyName).done();
    const row = await requireUser(ctx, UserName);
    return { UserName: row.name, PolicyName, PolicyDocument: readInlinePolicy(users, row, PolicyName) };
  },

  async DeleteUserPolicy({ UserName, PolicyName = '' }, ctx) {
    checkName(UserName).name('policyName', PolicyName, sizes.policyName).done();
    await ctx.transact(async (tx) => deleteInlinePolicy(tx, users, await requireUser(tx, UserName), PolicyName));
    return {};
  },

  async ListUserPolicies(input, ctx) {
    checkName(input.UserName).paging(input).done();
    return pageInlinePolicies(await requireUser(ctx, input.UserName), input);
  },

  async AttachUserPolicy({ UserName, PolicyArn }, ctx) {
    const arn = checkAttachMembers(checkName(UserName), PolicyArn);
    await ctx.transact(async (tx) => attachPolicy(tx, ctx.account, users, await requireUser(tx, UserName), arn));
    return {};
  },

  async DetachUserPolicy({ UserName, PolicyArn }, ctx) {
    const arn = checkAttachMembers(checkName(UserName), PolicyArn);
    await ctx.transact(async (tx) => detachPolicy(tx, users, await requireUser(tx, UserName), arn));
    return {};
  },

  async ListAttachedUserPolicies(input, ctx) {
    checkName(input.UserName).policyPath('pathPrefix', input.PathPrefix).paging(input).done();
    return pageAttachedPolicies(await requireUser(ctx, input.UserName), input);
  },

  async PutUserPermissionsBoundary({ UserName: name, PermissionsBoundary: arn = '' }, ctx) {
    new RequestCheck().name('userName', name, sizes.userName).done();
    await ctx.transact(async (tx) => {
      const row = await requireUser(tx, name);
      await checkBoundary(tx, ctx.account, arn);
      await tx.table(Users).put({ ...row, boundary: arn });
    });
    return {};
  },

  /** Also succeeds when there is none: the user ends without a boundary either way. */
  async DeleteUserPermissionsBoundary({ UserName: name }, ctx) {
    new RequestCheck().name('userName', name, sizes.userName).done();
    await ctx.transact(async (tx) => {
      const row = await requireUser(tx, name);
      await tx.table(Users).put({ ...row, boundary: undefined });
    });
    return {};
  },
};

export const userPolicyChecks: AuthorisationsOf<IAM> = {
  PutUserPolicy: onUser,
  GetUserPolicy: onUser,
  DeleteUserPolicy: onUser,
  ListUserPolicies: onUser,
  AttachUserPolicy: onUser,
  DetachUserPolicy: onUser,
  ListAttachedUserPolicies: onUser,
  PutUserPermissionsBoundary: onUser,
  DeleteUserPermissionsBoundary: onUser,
};
