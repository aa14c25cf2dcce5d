/**
 * Asks a role's trust policy about callers that the kernel's authorisation does not: services acting for themselves, and holders of a token or
 * assertion of an identity provider.
 */
import { conditionContext } from '../../kernel/condition-keys.ts';
import { type Caller, serviceCaller } from '../../kernel/caller.ts';
import type { Context } from '../../kernel/context.ts';
import { evaluateTrust } from '../../kernel/policy/evaluate.ts';
import type { PolicyPrincipal } from '../../kernel/policy/types.ts';
import type { Check } from '../../kernel/service.ts';
import type { RoleRow } from '../iam/api.ts';

export interface TrustQuestion {
  principal: PolicyPrincipal;
  action: string;
  account: string;
  row: RoleRow;
  roleArn: string;
  conditions: NonNullable<Check['conditions']>;
}

/** Whether the role's trust policy lets this principal in. */
export function isTrusted(ctx: Context, question: TrustQuestion, caller: Caller = ctx.caller): boolean {
  const { principal, action, account, row, roleArn, conditions } = question;
  const context = conditionContext(caller, ctx.region, ctx.now, { resource: roleArn, resourceAccount: account, conditions });
  const request = { principal, action, resource: roleArn, resourceAccount: account, context };
  return evaluateTrust(request, row.trust, { identity: [] }).allowed;
}

/** Whether the role trusts a service, as `ec2`. */
export function trustsService(ctx: Context, service: string, role: { account: string; row: RoleRow; roleArn: string }): boolean {
  const caller = serviceCaller(service, role.account);
  const conditions = { 'aws:SourceAccount': role.account };
  return isTrusted(ctx, { ...role, principal: caller.principal, action: 'sts:AssumeRole', conditions }, caller);
}
