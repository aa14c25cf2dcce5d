/** Wildcards, ARN segments and variables in Action and Resource. Source: IAM User Guide, "Action", "Resource", "Variables and tags". */
import { describe, expect, it } from 'vitest';
import { compilePattern, variableKeys } from '../../src/kernel/policy/pattern.ts';

const context = new Map([
  ['aws:username', ['alice']],
  ['aws:principaltag/path', ['a/b']],
  ['aws:tagkeys', ['x', 'y']],
]);

function matches(pattern: string, resource: string): boolean {
  return compilePattern(pattern, 'resource', true).matches(resource, context);
}

describe('Resource', () => {
  const queue = 'arn:aws:sqs:eu-west-1:111122223333:jobs';
  it.each([
    ['*', queue, true],
    ['*', '*', true],
    [queue, queue, true],
    [queue, `${queue}x`, false],
    [queue, queue.replace('jobs', 'Jobs'), false],
    ['arn:aws:sqs:*:111122223333:jobs', queue, true],
    ['arn:aws:sqs:*:444455556666:jobs', queue, false],
    ['arn:aws:sqs:eu-*:*:jobs', queue, true],
    ['arn:aws:sqs:us-*:*:jobs', queue, false],
    ['arn:aws:sqs:eu-west-?:*:jobs', queue, true],
    ['arn:aws:sqs:eu-west-??:*:jobs', queue, false],
    ['arn:aws:sqs:*:*:job?', queue, true],
    ['arn:aws:sqs:*:*:j*', queue, true],
    ['arn:aws:sqs:*:*:j', queue, false],
    ['arn:aws:sns:*:*:*', queue, false],
    ['arn:aws:sqs:*', queue, true],
    ['arn:aws:sqs', queue, true],
    ['arn:aws:sqs:eu-west-1', queue, true],
    ['arn:aws:sqs:us-east-1', queue, false],
    ['arn:aws:s', queue, false],
    ['arn:*:sqs:*:*:jobs', queue, true],
    // A star inside a segment stays there; one at its end may go on beyond the colon.
    ['arn:aws:sqs:e*1:*:jobs', queue, true],
    ['arn:aws:sqs:e*3:jobs', queue, false],
    ['arn:aws:sqs:e*:jobs:*', queue, false],
    ['arn:aws:sqs:e*:jobs:*', `${queue}:dead`, true],
    ['arn:aws:sqs:e*1:jobs:*', `${queue}:dead`, false],
    ['arn:aws:logs:*:*:log-group:/app/*', 'arn:aws:logs:eu-west-1:1:log-group:/app/x:log-stream:y', true],
    ['arn:aws:logs:*:*:log-group:/app/*:log-stream:*', 'arn:aws:logs:eu-west-1:1:log-group:/app/x:log-stream:y', true],
    ['arn:aws:logs:*:*:log-group:/app/*:log-stream:*', 'arn:aws:logs:eu-west-1:1:log-group:/db/x:log-stream:y', false],
    ['arn:aws:s3:::photos/*', 'arn:aws:s3:::photos/a/b/c', true],
    ['arn:aws:s3:::photos/*', 'arn:aws:s3:::photos', false],
    ['arn:aws:s3:::photos*', 'arn:aws:s3:::photos-2/x', true],
    ['arn:aws:s3:::photos/*.jpg', 'arn:aws:s3:::photos/a:b.jpg', true],
    ['arn:aws:s3:::photos/*.jpg', 'arn:aws:s3:::photos/a.png', false],
    ['arn:aws:s3:::a*b*c', 'arn:aws:s3:::aXbYc', true],
    ['arn:aws:s3:::a*b*c', 'arn:aws:s3:::aXcYb', false],
    ['arn:aws:s3:::photos/*', '*', false],
    ['not-an-arn', 'not-an-arn', true],
  ])('%s against %s: %s', (pattern, resource, expected) => {
    expect(matches(pattern, resource)).toBe(expected);
  });
});

describe('variables in Resource', () => {
  it.each([
    [`arn:aws:s3:::home/\${aws:username}/*`, 'arn:aws:s3:::home/alice/x', true],
    [`arn:aws:s3:::home/\${aws:username}/*`, 'arn:aws:s3:::home/bob/x', false],
    [`arn:aws:s3:::home/\${AWS:USERNAME}`, 'arn:aws:s3:::home/alice', true],
    [`arn:aws:s3:::\${aws:PrincipalTag/path}/x`, 'arn:aws:s3:::a/b/x', true],
    [`arn:aws:s3:::home/\${aws:userid}/*`, `arn:aws:s3:::home/\${aws:userid}/x`, false],
    [`arn:aws:s3:::home/\${aws:userid, 'public'}`, 'arn:aws:s3:::home/public', true],
    [`arn:aws:s3:::home/\${aws:userid, 'public'}`, 'arn:aws:s3:::home/private', false],
    [`arn:aws:s3:::home/\${aws:TagKeys}`, 'arn:aws:s3:::home/x', false],
    [`arn:aws:s3:::a\${*}b`, 'arn:aws:s3:::a*b', true],
    [`arn:aws:s3:::a\${*}b`, 'arn:aws:s3:::axb', false],
    [`arn:aws:s3:::a\${?}b`, 'arn:aws:s3:::axb', false],
    [`arn:aws:s3:::a\${$}b`, 'arn:aws:s3:::a$b', true],
    // Only after the fifth colon; before it they are text.
    [`arn:aws:iam::\${aws:username}:user/x`, 'arn:aws:iam::alice:user/x', false],
    [`arn:aws:\${aws:username}:::x`, 'arn:aws:alice:::x', false],
  ])('%s against %s: %s', (pattern, resource, expected) => {
    expect(matches(pattern, resource)).toBe(expected);
  });

  it('are text when the policy is of the older version', () => {
    const pattern = compilePattern(`arn:aws:s3:::\${aws:username}`, 'resource', false);
    expect(pattern.matches('arn:aws:s3:::alice', context)).toBe(false);
    expect(pattern.matches(`arn:aws:s3:::\${aws:username}`, context)).toBe(true);
  });

  it('are found by key', () => {
    expect(variableKeys(`a\${aws:UserName}b\${*}c\${aws:x, 'y'}`)).toEqual(['aws:username', 'aws:x']);
    expect(variableKeys('${open')).toEqual([]);
  });
});

describe('hostile patterns', () => {
  it('take no exponential time', () => {
    const pattern = `${'*a'.repeat(400)}b`;
    const text = 'a'.repeat(4_000);
    expect(compilePattern(pattern, 'text', true).matches(text, context)).toBe(false);
    const arn = `arn:aws:${'*a'.repeat(200)}x:*:*:${'?*'.repeat(200)}b`;
    expect(compilePattern(arn, 'resource', true).matches(`arn:aws:${text}:r:1:${text}`, context)).toBe(false);
  });
});
