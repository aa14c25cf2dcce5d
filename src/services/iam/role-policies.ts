/** Policies of roles: inline, attached, and the permissions boundary. Those of service-linked roles only their service changes. */
import type { IAM } from '@aws-sdk/client-iam';
import type { AuthorisationsOf, HandlersOf } from '../../kernel/service.ts';
import { onRole } from './authorise.ts';
import { boundaryOperations, policyOperations } from './policy-operations.ts';
import { sizes } from './rules.ts';
import { requireOwnRole, requireRole } from './roles.ts';
import { Roles } from './state.ts';

const holder = {
  noun: 'role',
  table: Roles,
  attachedQuota: 'PoliciesPerRole',
  inlineSizeMax: sizes.roleInline,
  member: 'RoleName',
  nameMax: sizes.roleName,
  find: requireRole,
  findOwn: requireOwnRole,
} as const;

const policies = policyOperations(holder);
const boundary = boundaryOperations(holder, sizes.roleName);

export const rolePolicyHandlers: HandlersOf<IAM> = {
  PutRolePolicy: policies.put,
  GetRolePolicy: policies.get,
  DeleteRolePolicy: policies.remove,
  ListRolePolicies: policies.list,
  AttachRolePolicy: policies.attach,
  DetachRolePolicy: policies.detach,
  ListAttachedRolePolicies: policies.listAttached,
  PutRolePermissionsBoundary: boundary.put,
  DeleteRolePermissionsBoundary: boundary.remove,
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
