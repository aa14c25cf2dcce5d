/** What requests of S3 Control have in common: whose account they are for, and how they say what is blocked. */
import type { PublicAccessBlockConfiguration } from '@aws-sdk/client-s3-control';
import type { Context } from '../../kernel/context.ts';
import { AwsError } from '../../kernel/errors.ts';

/** Throws AccessDenied for an account that is not the caller's. */
export function requireOwn(ctx: Context, account: string | undefined): string {
  if (account === undefined || account !== ctx.caller.account)
    throw new AwsError('AccessDenied', 'Access Denied', { status: 403 });
  return account;
}

/** The four settings; `blocked` stands for a configuration that is not given, a setting left out of one is off. */
export function readBlock(asked: PublicAccessBlockConfiguration | undefined, blocked: boolean) {
  const setting = (value: boolean | undefined): boolean => (asked === undefined ? blocked : value === true);
  return {
    BlockPublicAcls: setting(asked?.BlockPublicAcls),
    IgnorePublicAcls: setting(asked?.IgnorePublicAcls),
    BlockPublicPolicy: setting(asked?.BlockPublicPolicy),
    RestrictPublicBuckets: setting(asked?.RestrictPublicBuckets),
  };
}
