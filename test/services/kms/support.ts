/** What KMS tests share: clients of a fresh account, users with a policy. */
import { randomUUID } from 'node:crypto';
import { IAM } from '@aws-sdk/client-iam';
import { KMS } from '@aws-sdk/client-kms';
import { freshAccount, type TestAccount } from '../../support/cloud.ts';

export interface Rooted {
  account: TestAccount;
  iam: IAM;
  kms: KMS;
}

/** Clients of an account's root user. */
export function rooted(endpoint?: string): Rooted {
  const account = freshAccount(endpoint);
  return { account, iam: new IAM(account.config()), kms: new KMS(account.config()) };
}

/** The id of a new key. */
export async function newKey(kms: KMS, input: Parameters<KMS['createKey']>[0] = {}): Promise<string> {
  const { KeyMetadata } = await kms.createKey(input);
  return KeyMetadata?.KeyId ?? '';
}

export function statement(effect: 'Allow' | 'Deny', action: string | string[], more: Record<string, unknown> = {}) {
  return { Effect: effect, Action: action, Resource: '*', ...more };
}

export function policy(...statements: object[]): string {
  return JSON.stringify({ Version: '2012-10-17', Statement: statements });
}

/** A new user with these statements in one inline policy, or none; its ARN and its KMS client. */
export async function user({ account, iam }: Rooted, ...statements: object[]): Promise<{ arn: string; kms: KMS }> {
  const UserName = `u-${randomUUID()}`;
  const { User } = await iam.createUser({ UserName });
  if (statements.length > 0) await iam.putUserPolicy({ UserName, PolicyName: 'p', PolicyDocument: policy(...statements) });
  const { AccessKey } = await iam.createAccessKey({ UserName });
  return { arn: User?.Arn ?? '', kms: new KMS(account.configFor(AccessKey ?? {})) };
}
