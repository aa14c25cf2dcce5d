/** Callers, short ways to write policies, and tables of cases, for the tests of evaluation. */
import { describe, expect, it } from 'vitest';
import { evaluate } from '../../src/kernel/policy/evaluate.ts';
import type { Decision, PolicyPrincipal, PolicyRequest, PolicySet } from '../../src/kernel/policy/types.ts';

export const ours = '111111111111';
export const theirs = '222222222222';
export const bucket = 'arn:aws:s3:::photos';
export const object = `${bucket}/cat.jpg`;

export const alice: PolicyPrincipal = {
  type: 'User',
  account: ours,
  arn: `arn:aws:iam::${ours}:user/alice`,
  uniqueId: 'AIDAALICEALICEALICE',
};
export const bob: PolicyPrincipal = { type: 'User', account: theirs, arn: `arn:aws:iam::${theirs}:user/bob` };
export const root: PolicyPrincipal = { type: 'Account', account: ours, arn: `arn:aws:iam::${ours}:root` };
export const theirRoot: PolicyPrincipal = { type: 'Account', account: theirs, arn: `arn:aws:iam::${theirs}:root` };
export const workerRole = `arn:aws:iam::${ours}:role/path/worker`;
export const session: PolicyPrincipal = {
  type: 'AssumedRole',
  account: ours,
  arn: `arn:aws:sts::${ours}:assumed-role/worker/s1`,
  roleArn: workerRole,
  uniqueId: 'AROAWORKERWORKERWORK',
};
export const guestRole = `arn:aws:iam::${theirs}:role/guest`;
export const guest: PolicyPrincipal = {
  type: 'AssumedRole',
  account: theirs,
  arn: `arn:aws:sts::${theirs}:assumed-role/guest/s2`,
  roleArn: guestRole,
};
export const federated: PolicyPrincipal = {
  type: 'FederatedUser',
  account: ours,
  arn: `arn:aws:sts::${ours}:federated-user/carol`,
  userArn: alice.arn,
};
export const service: PolicyPrincipal = { type: 'AWSService', account: '', arn: 'sns.amazonaws.com' };
export const anonymous: PolicyPrincipal = { type: 'Anonymous', account: '', arn: '*' };
export const linked: PolicyPrincipal = {
  type: 'AssumedRole',
  account: ours,
  arn: `arn:aws:sts::${ours}:assumed-role/AWSServiceRoleForX/s`,
  roleArn: `arn:aws:iam::${ours}:role/aws-service-role/x.amazonaws.com/AWSServiceRoleForX`,
};

export type Statement = Record<string, unknown>;

export const policy = (...statements: Statement[]): string => JSON.stringify({ Version: '2012-10-17', Statement: statements });
export const allow = (Action: string | string[] = 's3:*', Resource: string | string[] = '*', more: Statement = {}): string =>
  policy({ Effect: 'Allow', Action, Resource, ...more });
export const deny = (Action: string | string[] = 's3:*', Resource: string | string[] = '*', more: Statement = {}): string =>
  policy({ Effect: 'Deny', Action, Resource, ...more });
export const grant = (Principal: unknown, more: Statement = {}): string =>
  policy({ Effect: 'Allow', Principal, Action: 's3:*', Resource: '*', ...more });
export const refuse = (Principal: unknown, more: Statement = {}): string =>
  policy({ Effect: 'Deny', Principal, Action: 's3:*', Resource: '*', ...more });
export const other = allow('sqs:*');

export function decide(principal: PolicyPrincipal, policies: Partial<PolicySet>, request: Partial<PolicyRequest> = {}): Decision {
  const question = { principal, action: 's3:GetObject', resource: object, resourceAccount: ours, context: new Map(), ...request };
  return evaluate(question, { identity: [], ...policies });
}

/** `allowed`, or the reason of the denial. */
export function outcome(...parameters: Parameters<typeof decide>): string {
  const decision = decide(...parameters);
  return decision.allowed ? 'allowed' : decision.reason;
}

export type Row = readonly [string, PolicyPrincipal, Partial<PolicySet>, string, Partial<PolicyRequest>?];

export function table(name: string, rows: readonly Row[]): void {
  describe(name, () => {
    for (const [title, principal, policies, expected, request] of rows) {
      it(title, () => expect(outcome(principal, policies, request)).toBe(expected));
    }
  });
}

export const context = (entries: Record<string, string | string[]>): { context: Map<string, string[]> } => ({
  context: new Map(Object.entries(entries).map(([key, value]) => [key, Array.isArray(value) ? value : [value]])),
});
