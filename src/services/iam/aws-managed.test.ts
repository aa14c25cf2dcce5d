import { expect, test } from 'vitest';
import { validatePolicy } from '../../kernel/policy/validate.ts';
import { awsManagedPolicies } from './aws-managed.ts';

const policies = [...awsManagedPolicies().values()];

test('the pack holds the well-known policies, each once, under its own path', () => {
  expect(policies.length).toBeGreaterThan(80);
  expect(new Set(policies.map(({ name }) => name)).size).toBe(policies.length);
  expect(new Set(policies.map(({ id }) => id)).size).toBe(policies.length);
  for (const arn of [
    'arn:aws:iam::aws:policy/AdministratorAccess',
    'arn:aws:iam::aws:policy/job-function/ViewOnlyAccess',
    'arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole',
    'arn:aws:iam::aws:policy/aws-service-role/AutoScalingServiceRolePolicy',
  ]) {
    expect(awsManagedPolicies().get(arn)?.arn).toBe(arn);
  }
});

test.each(policies.map((policy) => [policy.name, policy] as const))('%s is a policy', (_name, policy) => {
  expect(validatePolicy(policy.document, 'identity')).toMatchObject({ ok: true });
  expect(policy.id).toMatch(/^ANPA[A-Z2-7]{17}$/);
  expect(policy.version).toMatch(/^v[1-9]\d*$/);
  expect(new Date(policy.updated).getUTCFullYear()).toBeGreaterThan(2014);
});
