import { defineService } from '../../kernel/service.ts';

export default defineService({
  name: 'sts',
  global: true,
  tables: [],
  handlers: {
    /** Needs no permission: "even if an administrator attaches a policy that explicitly denies access" (STS API Reference). */
    GetCallerIdentity: (_input, ctx) => ({ UserId: ctx.caller.userId, Account: ctx.caller.account, Arn: ctx.caller.arn }),
  },
  authorise: { GetCallerIdentity: 'none' },
});
