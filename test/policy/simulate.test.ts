/** What the policy simulator needs: context keys, places of statements, decisions by kind of policy. Source: IAM API Reference, EvaluationResult. */
import { describe, expect, it } from 'vitest';
import { statementSpans } from '../../src/kernel/policy/document.ts';
import { contextKeysFor, simulate } from '../../src/kernel/policy/simulate.ts';
import { alice, allow, deny, grant, object, ours, policy } from './cases.ts';

const question = {
  principal: alice,
  action: 's3:GetObject',
  resource: object,
  resourceAccount: ours,
  context: new Map<string, string[]>(),
};

describe('contextKeysFor', () => {
  it('finds keys of conditions and variables, each once, in lower case', () => {
    const texts = [
      allow('s3:*', `arn:aws:s3:::b/\${aws:username}/*`, {
        Condition: { StringEquals: { 'aws:SourceVpc': `\${aws:PrincipalTag/Vpc, 'none'}` } },
      }),
      deny('*', '*', { Condition: { Bool: { 'AWS:SourceVpc': 'x' }, Null: { 's3:prefix': `\${*}` } } }),
    ];
    expect(contextKeysFor(texts)).toEqual(['aws:sourcevpc', 'aws:username', 'aws:principaltag/vpc', 's3:prefix']);
  });

  it('finds no variables in the older version', () => {
    const text = JSON.stringify({ Statement: { Effect: 'Allow', Action: 's3:*', Resource: `arn:aws:s3:::\${aws:username}` } });
    expect(contextKeysFor([text])).toEqual([]);
  });

  it('refuses what is no policy', () => {
    expect(() => contextKeysFor(['{'])).toThrow();
  });
});

describe('statementSpans', () => {
  it('counts lines and columns from one, to the character after the statement', () => {
    const text = '{\n  "Statement": [\n    {"Effect": "Allow", "Sid": "}]\\"{"},\n    {\n      "Effect": "Deny"\n    }\n  ]\n}';
    expect(statementSpans(text)).toEqual([
      { start: { line: 3, column: 5 }, end: { line: 3, column: 40 } },
      { start: { line: 4, column: 5 }, end: { line: 6, column: 6 } },
    ]);
  });

  it('finds a single statement, and none in what is no policy', () => {
    expect(statementSpans('{"Statement":{"Condition":{"Bool":{}}}}')).toEqual([
      { start: { line: 1, column: 14 }, end: { line: 1, column: 39 } },
    ]);
    expect(statementSpans('{"Statement":')).toEqual([]);
    expect(statementSpans('[]')).toEqual([]);
  });

  it('is not misled by a Statement inside a statement', () => {
    expect(statementSpans('{"Other":{"Statement":[{}]},"Statement":[{"Condition":{"Statement":{}}}]}')).toHaveLength(1);
  });
});

describe('simulate', () => {
  it('tells what each kind of policy says', () => {
    const simulation = simulate(question, {
      identity: [allow()],
      boundary: allow('sqs:*'),
      serviceControl: [[allow('*')]],
      resource: grant({ AWS: ours }),
    });
    expect(simulation).toMatchObject({
      decision: 'implicitDeny',
      reason: 'implicit-boundary',
      allowedByBoundary: false,
      allowedByOrganizations: true,
    });
    expect([...simulation.bySource].sort()).toEqual([
      ['boundary', 'implicitDeny'],
      ['identity', 'allowed'],
      ['resource', 'allowed'],
      ['service-control', 'allowed'],
    ]);
  });

  it('tells an explicit deny, and where it stands', () => {
    const text = policy(
      { Effect: 'Allow', Action: '*', Resource: '*' },
      { Sid: 'No', Effect: 'Deny', Action: 's3:*', Resource: '*' },
    );
    const simulation = simulate(question, { identity: [text], serviceControl: [[deny()]] });
    expect(simulation).toMatchObject({ decision: 'explicitDeny', allowedByBoundary: undefined, allowedByOrganizations: false });
    const no = simulation.matched.find(({ sid }) => sid === 'No');
    expect(text.slice((no?.span?.start.column ?? 0) - 1, (no?.span?.end.column ?? 0) - 1)).toContain('"Sid":"No"');
  });

  it('tells the context values that are missing, of all policies', () => {
    const identity = [
      allow('sqs:*', '*', { Condition: { Bool: { 'aws:SecureTransport': 'true' } } }),
      allow('s3:*', `arn:aws:s3:::\${aws:username}/*`),
    ];
    expect(simulate(question, { identity }).missingContext).toEqual(['aws:securetransport', 'aws:username']);
    const given = { ...question, context: new Map([['aws:securetransport', ['true']]]) };
    expect(simulate(given, { identity }).missingContext).toEqual(['aws:username']);
  });

  it('tells an allow', () => {
    expect(simulate(question, { identity: [allow()] })).toMatchObject({
      decision: 'allowed',
      reason: undefined,
      matched: [{ source: 'identity' }],
    });
  });
});
