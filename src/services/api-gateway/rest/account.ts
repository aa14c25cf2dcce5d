/** What is set for an account in a Region: the role by which the gateway writes logs. */
import type { Account, APIGateway } from '@aws-sdk/client-api-gateway';
import type { HandlersOf } from '../../../kernel/service.ts';
import { badRequest } from '../errors.ts';
import { applyPatch } from '../patch.ts';
import { accountBurst, accountRate } from '../run/buckets.ts';
import { type AccountRow, Accounts } from '../state.ts';

function describeAccount(row: AccountRow | undefined): Account {
  return {
    cloudwatchRoleArn: row?.cloudwatchRoleArn,
    throttleSettings: { burstLimit: accountBurst, rateLimit: accountRate },
    features: ['UsagePlans'],
    apiKeyVersion: '4',
  };
}

export const accountHandlers: HandlersOf<APIGateway> = {
  async GetAccount(_input, ctx) {
    return describeAccount(await ctx.table(Accounts).get('account'));
  },

  async UpdateAccount(input, ctx) {
    return ctx.transact(async (tx) => {
      const row = (await tx.table(Accounts).get('account')) ?? {};
      const changed = applyPatch(row, input.patchOperations, { '/cloudwatchRoleArn': 'text', '/features': 'list' } as const);
      const { cloudwatchRoleArn: arn } = changed;
      if (arn !== undefined && arn !== '' && !/^arn:aws:iam::\d{12}:role\/.+$/.test(arn))
        throw badRequest(
          'The role ARN does not have required permissions configured. Please grant trust permission for API Gateway and add the required role policy.',
        );
      const saved: AccountRow = arn === '' || arn === undefined ? {} : { cloudwatchRoleArn: arn };
      await tx.table(Accounts).put(saved);
      return describeAccount(saved);
    });
  },
};
