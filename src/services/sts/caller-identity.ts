/** Who am I. */
import type { STS } from '@aws-sdk/client-sts';
import type { AuthorisationsOf, HandlersOf } from '../../kernel/service.ts';

export const callerIdentityHandlers: HandlersOf<STS> = {
  GetCallerIdentity: (_input, ctx) => ({ UserId: ctx.caller.userId, Account: ctx.caller.account, Arn: ctx.caller.arn }),
};

export const callerIdentityAuthorisations: AuthorisationsOf<STS> = {
  /** Needs no permission, "even if an administrator attaches a policy that explicitly denies access" (STS API Reference). */
  GetCallerIdentity: 'none',
};
