/** What other services may ask of user pools in process. */
import type { Context } from '../../kernel/context.ts';
import { verifyToken } from './keys.ts';
import { findPool } from './lookup.ts';

export interface CognitoApi {
  /** The claims of a token that this pool signed and that is not over; undefined for any other. Whether it was revoked is not asked. */
  claimsOf(poolArn: string, token: string): Promise<Readonly<Record<string, unknown>> | undefined>;
  /** Whether there is such a pool. */
  hasPool(poolArn: string): Promise<boolean>;
}

const idOf = (arn: string): string => arn.split(':userpool/')[1] ?? '';

export function createApi(ctx: Context): CognitoApi {
  return {
    async claimsOf(poolArn, token) {
      const found = await findPool(ctx, idOf(poolArn));
      if (found === undefined) return undefined;
      const verdict = await verifyToken(found.ctx, found.pool, token);
      return 'claims' in verdict ? verdict.claims : undefined;
    },
    async hasPool(poolArn) {
      return (await findPool(ctx, idOf(poolArn))) !== undefined;
    },
  };
}
