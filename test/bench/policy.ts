/**
 * How many decisions a second one core makes. Numbers, not tests: what is measured is the engine alone, policies already compiled.
 */
import { performance } from 'node:perf_hooks';
import { evaluate } from '../../src/kernel/policy/evaluate.ts';
import type { PolicyRequest, PolicySet } from '../../src/kernel/policy/types.ts';
import { validatePolicy } from '../../src/kernel/policy/validate.ts';

const account = '111111111111';
const roundMs = 400;
const rounds = 3;

function document(...statements: readonly object[]): string {
  return JSON.stringify({ Version: '2012-10-17', Statement: statements });
}

const context: ReadonlyMap<string, readonly string[]> = new Map<string, readonly string[]>([
  ['aws:username', ['alice']],
  ['aws:sourceip', ['203.0.113.9']],
  ['aws:principaltag/team', ['blue']],
  ['aws:resourcetag/team', ['blue']],
  ['aws:currenttime', ['2026-01-01T00:00:00Z']],
  ['aws:securetransport', ['true']],
]);

const request: PolicyRequest = {
  principal: { type: 'User', account, arn: `arn:aws:iam::${account}:user/alice` },
  action: 's3:GetObject',
  resource: 'arn:aws:s3:::photos/alice/cat.jpg',
  resourceAccount: account,
  context,
};

const readOnly = document({ Effect: 'Allow', Action: ['s3:GetObject', 's3:ListBucket'], Resource: 'arn:aws:s3:::photos/*' });

/** A service list as long as the managed ReadOnlyAccess policy's. */
const longList = document({
  Effect: 'Allow',
  Action: Array.from({ length: 600 }, (_, index) => `service${index}:Get*`).concat('s3:Get*', 's3:List*'),
  Resource: '*',
});

const conditional = document(
  { Effect: 'Allow', Action: 's3:*', Resource: [`arn:aws:s3:::photos/\${aws:username}/*`, 'arn:aws:s3:::photos'] },
  {
    Effect: 'Allow',
    Action: 'ec2:*',
    Resource: '*',
    Condition: {
      StringEquals: { 'aws:ResourceTag/team': `\${aws:PrincipalTag/team}` },
      IpAddress: { 'aws:SourceIp': '203.0.113.0/24' },
    },
  },
  { Effect: 'Deny', Action: '*', Resource: '*', Condition: { Bool: { 'aws:SecureTransport': 'false' } } },
);

const everything = document({ Effect: 'Allow', Action: '*', Resource: '*' });

const cases: readonly { name: string; request: PolicyRequest; policies: PolicySet }[] = [
  { name: 'policy: one identity policy, allowed', request, policies: { identity: [readOnly] } },
  {
    name: 'policy: one identity policy, denied',
    request: { ...request, action: 's3:PutObject' },
    policies: { identity: [readOnly] },
  },
  { name: 'policy: 602 action patterns', request, policies: { identity: [longList] } },
  { name: 'policy: variables and conditions', request, policies: { identity: [conditional] } },
  {
    name: 'policy: identity, boundary, two SCP levels, resource policy',
    request,
    policies: {
      identity: [readOnly, conditional],
      boundary: everything,
      serviceControl: [[everything], [everything]],
      resource: document({ Effect: 'Allow', Principal: { AWS: account }, Action: 's3:*', Resource: 'arn:aws:s3:::photos/*' }),
    },
  },
];

/** Calls a second of `call`, the best of a few rounds. */
function rate(call: () => unknown): number {
  let best = 0;
  for (let round = 0; round < rounds; round++) {
    const start = performance.now();
    let calls = 0;
    while (performance.now() - start < roundMs) {
      for (let index = 0; index < 1_000; index++) call();
      calls += 1_000;
    }
    best = Math.max(best, (calls * 1_000) / (performance.now() - start));
  }
  return Math.round(best);
}

/** Decisions and validations a second on one core. */
export async function bench(): Promise<{ name: string; value: number; unit: string }[]> {
  const results = cases.map(({ name, request: question, policies }) => ({
    name,
    value: rate(() => evaluate(question, policies)),
    unit: 'decisions/s',
  }));
  const validated = rate(() => validatePolicy(conditional, 'identity'));
  return [...results, { name: 'policy: validation of a document', value: validated, unit: 'documents/s' }];
}
