/** Policies of users: inline, attached, and the permissions boundary. */
import type { IAM } from '@aws-sdk/client-iam';
import type { AuthorisationsOf, HandlersOf } from '../../kernel/service.ts';
import { onUser } from './authorise.ts';
import { boundaryOperations, policyOperations } from './policy-operations.ts';
import { sizes } from './rules.ts';
import { Users } from './state.ts';
import { requireUser } from './users.ts';

const holder = {
  noun: 'user',
  table: Users,
  attachedQuota: 'PoliciesPerUser',
  inlineSizeMax: sizes.userInline,
  member: 'UserName',
  nameMax: sizes.existingUserName,
  find: requireUser,
  findOwn: requireUser,
} as const;

const policies = policyOperations(holder);
const boundary = boundaryOperations(holder, sizes.userName);

export const userPolicyHandlers: HandlersOf<IAM> = {
  PutUserPolicy: policies.put,
  GetUserPolicy: policies.get,
  DeleteUserPolicy: policies.remove,
  ListUserPolicies: policies.list,
  AttachUserPolicy: policies.attach,
  DetachUserPolicy: policies.detach,
  ListAttachedUserPolicies: policies.listAttached,
  PutUserPermissionsBoundary: boundary.put,
  DeleteUserPermissionsBoundary: boundary.remove,
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
