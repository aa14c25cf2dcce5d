/** Policies of roles: inline, attached, and the permissions boundary. Those of service-linked roles only their service changes. */
import type { IAM } from '@aws-sdk/client-iam';
import type { AuthorisationsOf, HandlersOf } from '../../kernel/service.ts';
import { onRole } from './authorise.ts';
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
import { type RoleRow, Roles } from './state.ts';
import { requireOwnRole, requireRole } from './roles.ts';

const roles: EntitySort<RoleRow> = {
  noun: 'role',
  table: Roles,
  attachedQuota: 'PoliciesPerRole',
  inlineSizeMax: sizes.roleInline,
};

const checkName = (name: string | undefined): RequestCheck => new RequestCheck().name('roleName', name, sizes.roleName);

export const rolePolicyHandlers: HandlersOf<IAM> = {
  async PutRolePolicy({ RoleName, PolicyName = '', PolicyDocument = '' }, ctx) {
    checkInlineMembers(checkName(RoleName), PolicyName, PolicyDocument);
    await ctx.transact(async (tx) => putInlinePolicy(tx, roles, await requireOwnRole(tx, RoleName), PolicyName, PolicyDocument));
    return {};
  },

  async GetRolePolicy({ RoleName, PolicyName = '' }, ctx) {
    checkName(RoleName).name('policyName', PolicyName, sizes.policyName).done();
    const row = await requireRole(ctx, RoleName);
    return { RoleName: row.name, PolicyName, PolicyDocument: readInlinePolicy(roles, row, PolicyName) };
  },

  async DeleteRolePolicy({ RoleName, PolicyName = '' }, ctx) {
    checkName(RoleName).name('policyName', PolicyName, sizes.policyName).done();
    await ctx.transact(async (tx) => deleteInlinePolicy(tx, roles, await requireOwnRole(tx, RoleName), PolicyName));
    return {};
  },

  async ListRolePolicies(input, ctx) {
    checkName(input.RoleName).paging(input).done();
    return pageInlinePolicies(await requireRole(ctx, input.RoleName), input);
  },

  async AttachRolePolicy({ RoleName, PolicyArn }, ctx) {
    const arn = checkAttachMembers(checkName(RoleName), PolicyArn);
    await ctx.transact(async (tx) => attachPolicy(tx, ctx.account, roles, await requireOwnRole(tx, RoleName), arn));
    return {};
  },

  async DetachRolePolicy({ RoleName, PolicyArn }, ctx) {
    const arn = checkAttachMembers(checkName(RoleName), PolicyArn);
    await ctx.transact(async (tx) => detachPolicy(tx, roles, await requireOwnRole(tx, RoleName), arn));
    return {};
  },

  async ListAttachedRolePolicies(input, ctx) {
    checkName(input.RoleName).policyPath('pathPrefix', input.PathPrefix).paging(input).done();
    return pageAttachedPolicies(await requireRole(ctx, input.RoleName), input);
  },

  async PutRolePermissionsBoundary({ RoleName: name, PermissionsBoundary: arn = '' }, ctx) {
    new RequestCheck().name('roleName', name, sizes.roleName).done();
    await ctx.transact(async (tx) => {
      const row = await requireOwnRole(tx, name);
      await checkBoundary(tx, ctx.account, arn);
      await tx.table(Roles).put({ ...row, boundary: arn });
    });
    return {};
  },

  /** Also succeeds when there is none: the role ends without a boundary either way. */
  async DeleteRolePermissionsBoundary({ RoleName: name }, ctx) {
    new RequestCheck().name('roleName', name, sizes.roleName).done();
    await ctx.transact(async (tx) => {
      const row = await requireOwnRole(tx, name);
      await tx.table(Roles).put({ ...row, boundary: undefined });
    });
    return {};
  },
};

export const rolePolicyChecks: AuthorisationsOf<IAM> = {
  PutRolePolicy: onRole,
  GetRolePolicy: onRole,
  DeleteRolePolicy: onRole,
  ListRolePolicies: onRole,
  AttachRolePolicy: onRole,
  DetachRolePolicy: onRole,
  ListAttachedRolePolicies: onRole,
  PutRolePermissionsBoundary: onRole,
  DeleteRolePermissionsBoundary: onRole,
};
