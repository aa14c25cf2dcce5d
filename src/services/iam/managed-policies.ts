/** Managed policies of both kinds, customer's and AWS's, by ARN: what attaching, boundaries and evaluation need. */
import type { AttachedPolicy } from '@aws-sdk/client-iam';
import { parseEntityArn, policyArn } from './arns.ts';
import { type AwsManagedPolicy, awsManagedPolicies } from './aws-managed.ts';
import { invalidArn } from './errors.ts';
import { RequestCheck } from './rules.ts';
import { Groups, Policies, type PolicyRow, PolicyVersions, type Reading, Roles, Users } from './state.ts';

/** A managed policy found: exactly one of `row` (customer) and `aws`. */
export interface FoundPolicy {
  arn: string;
  name: string;
  path: string;
  row?: PolicyRow | undefined;
  aws?: AwsManagedPolicy | undefined;
}

/** Checks the form of a policy's ARN. Throws ValidationError, InvalidInput. */
export function checkPolicyArn(arn: string | undefined, member = 'policyArn'): string {
  new RequestCheck().length(member, arn, 20, 2048).done();
  if (arn === undefined || parseEntityArn('policy', arn) === undefined) throw invalidArn(arn ?? '');
  return arn;
}

/** The policy of this ARN, if this account can use it. ARNs are compared with case. */
export async function findPolicy(reading: Reading, account: string, arn: string): Promise<FoundPolicy | undefined> {
  const aws = awsManagedPolicies().get(arn);
  if (aws !== undefined) return { arn, name: aws.name, path: aws.path, aws };
  const parsed = parseEntityArn('policy', arn);
  if (parsed?.account !== account) return undefined;
  const row = await reading.table(Policies).get(parsed.name.toLowerCase());
  if (row === undefined || policyArn(account, row) !== arn) return undefined;
  return { arn, name: row.name, path: row.path, row };
}

/** The document in force of the policy of this ARN; undefined when there is no such policy. */
export async function documentInForce(reading: Reading, account: string, arn: string): Promise<string | undefined> {
  const found = await findPolicy(reading, account, arn);
  if (found?.row === undefined) return found?.aws?.document;
  return (await reading.table(PolicyVersions).get(found.row.id, found.row.defaultVersion))?.document;
}

/** How many users, groups and roles have the policy attached. */
export async function countAttachments(reading: Reading, arn: string): Promise<number> {
  const users = await reading.table(Users).byIndex('byPolicy', [arn]);
  const groups = await reading.table(Groups).byIndex('byPolicy', [arn]);
  const roles = await reading.table(Roles).byIndex('byPolicy', [arn]);
  return users.length + groups.length + roles.length;
}

/** How many users and roles are bounded by the policy. */
export async function countBoundaryUses(reading: Reading, arn: string): Promise<number> {
  const users = await reading.table(Users).byIndex('byBoundary', [arn]);
  const roles = await reading.table(Roles).byIndex('byBoundary', [arn]);
  return users.length + roles.length;
}

/** An attached policy as lists show it. */
export function describeAttached(arn: string): AttachedPolicy {
  return { PolicyArn: arn, PolicyName: parseEntityArn('policy', arn)?.name };
}
