/** What tests of roles and sessions share. */
import { EC2 } from '@aws-sdk/client-ec2';
import { IAM } from '@aws-sdk/client-iam';
import { type Credentials, STS } from '@aws-sdk/client-sts';
import type { TestAccount } from '../../support/cloud.ts';
import { type Rooted, type Statement, policy } from '../iam/support.ts';

/** A trust policy for principals of one kind, with what the statement says more. */
export function trusting(principal: Statement, more: Statement = {}): string {
  return policy({ Effect: 'Allow', Principal: principal, Action: 'sts:AssumeRole', ...more });
}

export const roleArn = (account: TestAccount, name: string): string => `arn:aws:iam::${account.id}:role/${name}`;
export const userArn = (account: TestAccount, name: string): string => `arn:aws:iam::${account.id}:user/${name}`;

/** A role that trusts whoever is named by ARN, and may do what the statements say. */
export async function makeRole(
  { account, iam }: Rooted,
  name: string,
  trust: string,
  ...statements: Statement[]
): Promise<string> {
  await iam.createRole({ RoleName: name, AssumeRolePolicyDocument: trust });
  if (statements.length > 0)
    await iam.putRolePolicy({ RoleName: name, PolicyName: 'may', PolicyDocument: policy(...statements) });
  return roleArn(account, name);
}

export interface SessionClients {
  iam: IAM;
  ec2: EC2;
  sts: STS;
}

/** Clients that sign with temporary credentials. */
export function session(account: TestAccount, credentials: Credentials | undefined): SessionClients {
  if (credentials === undefined) throw new Error('The answer held no credentials.');
  const config = account.configFor(credentials);
  return { iam: new IAM(config), ec2: new EC2(config), sts: new STS(config) };
}

/** Seconds until credentials expire, seen from a time. */
export function secondsLeft(credentials: Credentials | undefined, now: number = Date.now()): number {
  return Math.round(((credentials?.Expiration?.getTime() ?? 0) - now) / 1000);
}
