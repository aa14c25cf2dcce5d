/** Trust policies, what a decision tells about itself, and documents that are not well formed. */
import { describe, expect, it } from 'vitest';
import { evaluateTrust } from '../../src/kernel/policy/evaluate.ts';
import type { PolicyPrincipal, PolicyRequest, PolicySet } from '../../src/kernel/policy/types.ts';
import {
  ours,
  theirs,
  bucket,
  object,
  alice,
  bob,
  root,
  service,
  workerRole,
  session,
  policy,
  allow,
  deny,
  grant,
  other,
  decide,
  outcome,
  context,
  type Statement,
} from './cases.ts';

describe('trust policies', () => {
  const role = `arn:aws:iam::${ours}:role/target`;
  const trust = (Principal: unknown, more: Statement = {}): string =>
    JSON.stringify({ Version: '2012-10-17', Statement: [{ Effect: 'Allow', Principal, Action: 'sts:AssumeRole', ...more }] });
  const mayAssume = allow('sts:AssumeRole', role);

  function assume(
    principal: PolicyPrincipal,
    trustPolicy: string,
    policies: Partial<PolicySet> = {},
    request: Partial<PolicyRequest> = {},
  ): string {
    const question = {
      principal,
      action: 'sts:AssumeRole',
      resource: role,
      resourceAccount: ours,
      context: new Map(),
      ...request,
    };
    const decision = evaluateTrust(question, trustPolicy, { identity: [], ...policies });
    return decision.allowed ? 'allowed' : decision.reason;
  }

  const web = { type: 'WebIdentity', account: '', arn: `arn:aws:iam::${ours}:oidc-provider/idp.example` } as const;
  const saml = { type: 'Saml', account: '', arn: `arn:aws:iam::${ours}:saml-provider/corp` } as const;
  const externalId = { Condition: { StringEquals: { 'sts:ExternalId': 'x' } } };

  it.each<[string, PolicyPrincipal, string, Partial<PolicySet>, string, Partial<PolicyRequest>?]>([
    ['the user is named', alice, trust({ AWS: alice.arn }), {}, 'allowed'],
    ['the account is named, and the user may not', alice, trust({ AWS: ours }), {}, 'implicit-identity'],
    ['the account is named, and the user may', alice, trust({ AWS: ours }), { identity: [mayAssume] }, 'allowed'],
    ['the user may, and nobody names it', alice, trust({ AWS: bob.arn }), { identity: [mayAssume] }, 'implicit-resource'],
    [
      'the user may assume another role',
      alice,
      trust({ AWS: ours }),
      { identity: [allow('sts:AssumeRole', `${role}2`)] },
      'implicit-identity',
    ],
    ['the caller’s role is named', session, trust({ AWS: workerRole }), {}, 'allowed'],
    [
      'the caller’s role is named, its boundary does not allow',
      session,
      trust({ AWS: workerRole }),
      { boundary: other },
      'implicit-boundary',
    ],
    [
      'the trust policy names another action',
      alice,
      trust({ AWS: alice.arn }, { Action: 'sts:TagSession' }),
      {},
      'implicit-resource',
    ],
    ['root where the account is trusted', root, trust({ AWS: ours }), {}, 'allowed'],
    ['root where it is not', root, trust({ AWS: bob.arn }), {}, 'implicit-resource'],
    ['another account is trusted and its user may', bob, trust({ AWS: theirs }), { identity: [mayAssume] }, 'allowed'],
    ['another account is trusted, its user may not', bob, trust({ AWS: theirs }), {}, 'implicit-identity'],
    ['another account’s user is named, and may not', bob, trust({ AWS: bob.arn }), {}, 'implicit-identity'],
    ['another account’s user may, and is not trusted', bob, trust({ AWS: ours }), { identity: [mayAssume] }, 'implicit-resource'],
    ['the external id is missing', bob, trust({ AWS: theirs }, externalId), { identity: [mayAssume] }, 'implicit-resource'],
    [
      'the external id is wrong',
      bob,
      trust({ AWS: theirs }, externalId),
      { identity: [mayAssume] },
      'implicit-resource',
      context({ 'sts:externalid': 'y' }),
    ],
    [
      'the external id is right',
      bob,
      trust({ AWS: theirs }, externalId),
      { identity: [mayAssume] },
      'allowed',
      context({ 'sts:externalid': 'x' }),
    ],
    ['a deny in the identity policy', alice, trust({ AWS: alice.arn }), { identity: [deny('sts:*')] }, 'explicit-identity'],
    [
      'a deny in the trust policy',
      alice,
      policy(
        { Effect: 'Allow', Principal: { AWS: ours }, Action: 'sts:AssumeRole' },
        { Effect: 'Deny', Principal: { AWS: alice.arn }, Action: 'sts:AssumeRole' },
      ),
      { identity: [mayAssume] },
      'explicit-resource',
    ],
    [
      'a service that is trusted',
      { ...service, arn: 'ec2.amazonaws.com' },
      trust({ Service: 'ec2.amazonaws.com' }),
      {},
      'allowed',
    ],
    [
      'a service that is not',
      { ...service, arn: 'lambda.amazonaws.com' },
      trust({ Service: 'ec2.amazonaws.com' }),
      {},
      'implicit-resource',
    ],
    [
      'an identity provider that is trusted',
      web,
      trust({ Federated: web.arn }, { Action: 'sts:AssumeRoleWithWebIdentity' }),
      {},
      'allowed',
      { action: 'sts:AssumeRoleWithWebIdentity' },
    ],
    [
      'an identity provider that is not',
      web,
      trust({ Federated: saml.arn }, { Action: 'sts:AssumeRoleWithWebIdentity' }),
      {},
      'implicit-resource',
      { action: 'sts:AssumeRoleWithWebIdentity' },
    ],
    [
      'a token for another audience',
      web,
      trust({ Federated: web.arn }, { Action: 'sts:*', Condition: { StringEquals: { 'idp.example:aud': 'app' } } }),
      {},
      'implicit-resource',
      { action: 'sts:AssumeRoleWithWebIdentity', ...context({ 'idp.example:aud': 'other' }) },
    ],
    [
      'a SAML provider that is trusted',
      saml,
      trust({ Federated: saml.arn }, { Action: 'sts:AssumeRoleWithSAML' }),
      {},
      'allowed',
      { action: 'sts:AssumeRoleWithSAML' },
    ],
    [
      'a SAML provider named as an AWS principal',
      saml,
      trust({ AWS: saml.arn }, { Action: 'sts:AssumeRoleWithSAML' }),
      {},
      'implicit-resource',
      { action: 'sts:AssumeRoleWithSAML' },
    ],
    ['no trust policy', alice, '', { identity: [mayAssume] }, 'implicit-resource'],
  ])('%s', (_, principal, trustPolicy, policies, expected, request) => {
    expect(assume(principal, trustPolicy, policies, request)).toBe(expected);
  });
});

describe('what a decision tells', () => {
  it('the statements that allow, by policy, place and Sid', () => {
    const named = policy(
      { Sid: 'First', Effect: 'Allow', Action: 'sqs:*', Resource: '*' },
      { Sid: 'Second', Effect: 'Allow', Action: 's3:Get*', Resource: '*' },
    );
    expect(decide(alice, { identity: [other, named] })).toEqual({
      allowed: true,
      matched: [{ source: 'identity', policyIndex: 1, statementIndex: 1, sid: 'Second' }],
    });
  });

  it('only the statements that deny, for an explicit deny', () => {
    const decision = decide(alice, {
      identity: [allow(), deny()],
      resource: grant('*'),
      serviceControl: [[allow('*')], [allow('*'), deny()]],
    });
    expect(decision).toMatchObject({
      allowed: false,
      reason: 'explicit-service-control',
      matched: [
        { source: 'service-control', policyIndex: 2, statementIndex: 0 },
        { source: 'identity', policyIndex: 1, statementIndex: 0 },
      ],
    });
  });

  it('the keys that statements on this action miss, and no others', () => {
    const identity = [
      allow('s3:GetObject', '*', { Condition: { StringEquals: { 'aws:PrincipalTag/Team': 'x', 's3:Given': 'y' } } }),
      allow('s3:PutObject', '*', { Condition: { StringEquals: { 'app:unrelated': 'x' } } }),
    ];
    const resource = grant({ AWS: bob.arn }, { Condition: { Bool: { 'app:others': 'true' } } });
    const decision = decide(alice, { identity, resource }, context({ 's3:given': 'y' }));
    expect(decision).toMatchObject({ allowed: false, missingContext: ['aws:principaltag/team'] });
  });
});

describe('documents', () => {
  it('may hold one statement instead of a list, and one value instead of many', () => {
    const text = JSON.stringify({
      Version: '2012-10-17',
      Statement: { Effect: 'Allow', Action: 's3:GetObject', Resource: [object] },
    });
    expect(outcome(alice, { identity: [text] })).toBe('allowed');
  });

  it('of no stated version are of 2008-10-17, without variables', () => {
    const text = JSON.stringify({ Statement: { Effect: 'Allow', Action: 's3:*', Resource: `${bucket}/\${aws:username}/*` } });
    const request = { ...context({ 'aws:username': 'alice' }), resource: `${bucket}/alice/x` };
    expect(outcome(alice, { identity: [text] }, request)).toBe('implicit-identity');
  });

  it.each([
    ['no JSON', '{'],
    ['an unknown operator', allow('s3:*', '*', { Condition: { StringEqualsish: { 'a:b': 'c' } } })],
    ['a repeated member', '{"Statement":{"Effect":"Deny","Effect":"Allow","Action":"*","Resource":"*"}}'],
  ])('that are not well formed allow nothing: %s', (_, text) => {
    expect(() => decide(alice, { identity: [allow(), text] })).toThrow();
  });

  it('are read again after the cache has turned over', () => {
    const texts = Array.from({ length: 9_000 }, (_, index) => allow('s3:GetObject', `${bucket}/${index}`));
    for (const [index, text] of texts.entries()) {
      expect(outcome(alice, { identity: [text] }, { resource: `${bucket}/${index}` })).toBe('allowed');
    }
    expect(outcome(alice, { identity: [texts[0]!] }, { resource: `${bucket}/0` })).toBe('allowed');
    expect(outcome(alice, { identity: [texts[0]!] }, { resource: `${bucket}/1` })).toBe('implicit-identity');
  });
});
