/**
 * Grant tokens let a grant work before it has reached all of KMS. Here a grant works at once, so a token adds nothing; but one that is none is refused,
 * as AWS refuses it. A token names its grant.
 */
import type { Context } from '../../kernel/context.ts';
import { AwsError } from '../../kernel/errors.ts';
import { RequestCheck } from '../../kernel/request-check.ts';
import { Grants } from './state.ts';

/** Where a grant is: its key's account and Region, its key, its id. */
export interface GrantPlace {
  account: string;
  region: string;
  key: string;
  grant: string;
}

const tokensMax = 10;

export function formatGrantToken({ account, region, key, grant }: GrantPlace): string {
  return Buffer.from(JSON.stringify([account, region, key, grant])).toString('base64');
}

/** The grant that a token names. Throws InvalidGrantTokenException for what is no token. */
export function parseGrantToken(token: string): GrantPlace {
  try {
    const parts: unknown = JSON.parse(Buffer.from(token, 'base64').toString('utf8'));
    if (Array.isArray(parts) && parts.length === 4 && parts.every((part) => typeof part === 'string')) {
      const [account, region, key, grant] = parts as [string, string, string, string];
      return { account, region, key, grant };
    }
  } catch {
    // Falls through to the refusal.
  }
  throw new AwsError('InvalidGrantTokenException', 'Invalid grant token');
}

/** Refuses tokens that name no grant. Throws InvalidGrantTokenException, ValidationException. */
export async function checkGrantTokens(ctx: Context, tokens: readonly string[] | undefined): Promise<void> {
  if (tokens === undefined) return;
  new RequestCheck().count('grantTokens', tokens, 0, tokensMax).done();
  for (const token of tokens) {
    const { key, grant, ...scope } = parseGrantToken(token);
    if ((await ctx.tableIn(scope, Grants).get(key, grant)) === undefined)
      throw new AwsError('InvalidGrantTokenException', 'Invalid grant token');
  }
}
