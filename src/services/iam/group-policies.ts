/** Policies of groups, which their members have: inline and attached. */
import type { IAM } from '@aws-sdk/client-iam';
import type { AuthorisationsOf, HandlersOf } from '../../kernel/service.ts';
import { onGroup } from './authorise.ts';
import { policyOperations } from './policy-operations.ts';
import { sizes } from './rules.ts';
import { requireGroup } from './groups.ts';
import { Groups } from './state.ts';

const holder = {
  noun: 'group',
  table: Groups,
  attachedQuota: 'PoliciesPerGroup',
  inlineSizeMax: sizes.groupInline,
  member: 'GroupName',
  nameMax: sizes.groupName,
  find: requireGroup,
  findOwn: requireGroup,
} as const;

const policies = policyOperations(holder);

export const groupPolicyHandlers: HandlersOf<IAM> = {
  PutGroupPolicy: policies.put,
  GetGroupPolicy: policies.get,
  DeleteGroupPolicy: policies.remove,
  ListGroupPolicies: policies.list,
  AttachGroupPolicy: policies.attach,
  DetachGroupPolicy: policies.detach,
  ListAttachedGroupPolicies: policies.listAttached,
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
