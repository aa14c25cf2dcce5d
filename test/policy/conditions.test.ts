/**
 * Every condition operator, in tables: what holds, and at least as often what does not. Source of the expectations: IAM User Guide, "Condition
 * operators", "Set operators for multivalued context keys", "Variables and tags".
 */
import { describe, expect, it } from 'vitest';
import { compileCondition, parseOperator } from '../../src/kernel/policy/conditions.ts';

type Values = string | string[] | undefined;

const key = 'test:Key';

function holds(
  operator: string,
  wanted: string | string[],
  given: Values,
  more: Record<string, string> = {},
  version2012 = true,
): boolean {
  const context = new Map(Object.entries(more).map(([name, value]): [string, string[]] => [name, [value]]));
  if (given !== undefined) context.set(key.toLowerCase(), Array.isArray(given) ? given : [given]);
  return compileCondition(operator, key, Array.isArray(wanted) ? wanted : [wanted], version2012).holds(context);
}

/** Operator, value or values in the policy, value or values in the request, whether it holds. */
type Row = readonly [string, string | string[], Values, boolean];

function table(name: string, rows: readonly Row[]): void {
  describe(name, () => {
    it.each(rows)('%s %j against %j: %s', (operator, wanted, given, expected) => {
      expect(holds(operator, wanted, given)).toBe(expected);
    });
  });
}

table('string operators', [
  ['StringEquals', 'blue', 'blue', true],
  ['StringEquals', 'blue', 'Blue', false],
  ['StringEquals', 'blue', 'blue ', false],
  ['StringEquals', 'b*', 'blue', false],
  ['StringEquals', 'b*', 'b*', true],
  ['StringEquals', ['red', 'blue'], 'blue', true],
  ['StringEquals', ['red', 'green'], 'blue', false],
  ['StringEquals', '', '', true],
  ['StringEquals', [], 'blue', false],
  ['StringNotEquals', 'blue', 'blue', false],
  ['StringNotEquals', 'blue', 'Blue', true],
  ['StringNotEquals', ['red', 'blue'], 'blue', false],
  ['StringNotEquals', ['red', 'green'], 'blue', true],
  ['StringNotEquals', [], 'blue', true],
  ['StringEqualsIgnoreCase', 'blue', 'BLUE', true],
  ['StringEqualsIgnoreCase', 'blue', 'blues', false],
  ['StringNotEqualsIgnoreCase', 'blue', 'BLUE', false],
  ['StringNotEqualsIgnoreCase', 'blue', 'red', true],
  ['StringLike', 'b*e', 'blue', true],
  ['StringLike', 'b*e', 'bluer', false],
  ['StringLike', 'B*', 'blue', false],
  ['StringLike', 'bl?e', 'blue', true],
  ['StringLike', 'bl?e', 'ble', false],
  ['StringLike', 'b??', 'blue', false],
  ['StringLike', '*', '', true],
  ['StringLike', '?', '', false],
  ['StringLike', '*a*b*', 'xxaxxbxx', true],
  ['StringLike', '*a*b*', 'xxbxxaxx', false],
  ['StringLike', 'a*a', 'a', false],
  ['StringLike', 'a.c', 'abc', false],
  ['StringLike', 'arn:*:finance/*', 'arn:aws:x:us:1:store/abc:2:finance/doc', true],
  ['StringNotLike', 'b*', 'blue', false],
  ['StringNotLike', 'b*', 'red', true],
]);

table('numeric operators', [
  ['NumericEquals', '10', '10', true],
  ['NumericEquals', '10', '10.0', true],
  ['NumericEquals', '10', '11', false],
  ['NumericEquals', '10', 'ten', false],
  ['NumericEquals', 'ten', 'ten', false],
  ['NumericEquals', '', '', false],
  ['NumericNotEquals', '10', '10', false],
  ['NumericNotEquals', '10', '11', true],
  ['NumericLessThan', '10', '9.5', true],
  ['NumericLessThan', '10', '10', false],
  ['NumericLessThan', '10', '9e0', true],
  ['NumericLessThan', '-1', '-2', true],
  ['NumericLessThan', '9', '10', false],
  ['NumericLessThanEquals', '10', '10', true],
  ['NumericLessThanEquals', '10', '10.01', false],
  ['NumericGreaterThan', '10', '11', true],
  ['NumericGreaterThan', '10', '10', false],
  ['NumericGreaterThanEquals', '10', '10', true],
  ['NumericGreaterThanEquals', '10', '9', false],
  ['NumericGreaterThanEquals', ['10', '5'], '6', true],
]);

table('date operators', [
  ['DateEquals', '2026-01-01T00:00:00Z', '2026-01-01T00:00:00Z', true],
  ['DateEquals', '2026-01-01T00:00:00Z', '2026-01-01T01:00:00+01:00', true],
  ['DateEquals', '2026-01-01T00:00:00Z', '2025-12-31T19:00:00-05:00', true],
  ['DateEquals', '2026-01-01', '2026-01-01T00:00:00.000Z', true],
  ['DateEquals', '2026', '1767225600', false],
  ['DateEquals', '2026-01', '1767225600', true],
  ['DateEquals', '1767225600', '2026-01-01T00:00:00Z', true],
  ['DateEquals', '2026-01-01', '2026-01-02', false],
  ['DateEquals', '2026-01-01', 'tomorrow', false],
  ['DateEquals', 'tomorrow', 'tomorrow', false],
  ['DateNotEquals', '2026-01-01', '2026-01-01', false],
  ['DateNotEquals', '2026-01-01', '2026-01-02', true],
  ['DateLessThan', '2026-03-01T00:00:00Z', '2026-02-28T23:59:59Z', true],
  ['DateLessThan', '2026-03-01T00:00:00Z', '2026-03-01T00:00:00Z', false],
  ['DateLessThan', '2024-03-01', '2024-02-29T23:59:59.999Z', true],
  ['DateLessThan', '2024-02-29', '2024-02-28T23:59:59Z', true],
  ['DateLessThan', '1970-01-01', '-0001-06-01', true],
  ['DateLessThanEquals', '2026-03-01', '2026-03-01', true],
  ['DateLessThanEquals', '2026-03-01', '2026-03-01T00:00:01Z', false],
  ['DateGreaterThan', '2026-03-01', '2026-03-01T00:00:00.001Z', true],
  ['DateGreaterThan', '2026-03-01', '2026-03-01', false],
  ['DateGreaterThan', '2100-02-28', '2100-03-01', true],
  ['DateGreaterThanEquals', '2026-03-01', '2026-03-01', true],
  ['DateGreaterThanEquals', '2026-03-01', '2026-02-28', false],
  ['DateGreaterThanEquals', '2026-13-01', '2027-01-01', false],
]);

table('boolean and binary operators', [
  ['Bool', 'true', 'true', true],
  ['Bool', 'true', 'TRUE', true],
  ['Bool', 'True', 'true', true],
  ['Bool', 'true', 'false', false],
  ['Bool', 'false', 'false', true],
  ['Bool', 'false', 'no', false],
  ['Bool', 'yes', 'yes', false],
  ['Bool', ['true', 'false'], 'false', true],
  ['BinaryEquals', 'QmluYXJ5', 'QmluYXJ5', true],
  ['BinaryEquals', 'QmluYXJ5', 'QmluYXJ6', false],
  ['BinaryEquals', 'QQ==', 'QQ', true],
  ['BinaryEquals', 'QQ==', 'qq==', false],
]);

table('address operators', [
  ['IpAddress', '203.0.113.0/24', '203.0.113.255', true],
  ['IpAddress', '203.0.113.0/24', '203.0.114.0', false],
  ['IpAddress', '203.0.113.7', '203.0.113.7', true],
  ['IpAddress', '203.0.113.7', '203.0.113.8', false],
  ['IpAddress', '203.0.113.7/24', '203.0.113.8', true],
  ['IpAddress', '10.0.0.0/7', '11.255.255.255', true],
  ['IpAddress', '10.0.0.0/7', '12.0.0.0', false],
  ['IpAddress', '0.0.0.0/0', '8.8.8.8', true],
  ['IpAddress', '0.0.0.0/0', '2001:db8::1', false],
  ['IpAddress', '::/0', '8.8.8.8', false],
  ['IpAddress', '2001:DB8:1234:5678::/64', '2001:db8:1234:5678:9::1', true],
  ['IpAddress', '2001:DB8:1234:5678::/64', '2001:db8:1234:5679::1', false],
  ['IpAddress', '2001:db8::1', '2001:0db8:0:0:0:0:0:1', true],
  ['IpAddress', '203.0.113.0/24', '::ffff:203.0.113.9', true],
  ['IpAddress', '::ffff:203.0.113.0/120', '203.0.113.9', true],
  ['IpAddress', '::ffff:203.0.113.0/120', '203.0.114.9', false],
  ['IpAddress', '203.0.113.0/33', '203.0.113.9', false],
  ['IpAddress', '203.0.113/24', '203.0.113.9', false],
  ['IpAddress', '203.0.113.0/24', 'not an address', false],
  ['IpAddress', ['10.0.0.0/8', '203.0.113.0/24'], '203.0.113.9', true],
  ['NotIpAddress', '203.0.113.0/24', '203.0.113.9', false],
  ['NotIpAddress', '203.0.113.0/24', '203.0.114.9', true],
  ['NotIpAddress', ['10.0.0.0/8', '203.0.113.0/24'], '203.0.113.9', false],
  ['NotIpAddress', ['10.0.0.0/8', '203.0.113.0/24'], '192.0.2.1', true],
]);

const topic = 'arn:aws:sns:us-east-2:111122223333:jobs';

table('ARN operators', [
  ['ArnEquals', topic, topic, true],
  ['ArnEquals', 'arn:aws:sns:*:111122223333:jobs', topic, true],
  ['ArnLike', 'arn:aws:sns:us-*:1*3:j?bs', topic, true],
  ['ArnLike', topic, topic.toUpperCase(), false],
  ['ArnLike', 'arn:aws:sns:*:jobs', topic, false],
  ['ArnLike', 'arn:aws:sns:us-?:111122223333:jobs', topic, false],
  // The example of the documentation: a string operator would match, an ARN operator compares component by component.
  [
    'ArnLike',
    'arn:aws:someservice:*:111122223333:finance/*',
    'arn:aws:someservice:us-east-2:999999999999:store/abc:111122223333:finance/document.txt',
    false,
  ],
  [
    'StringLike',
    'arn:aws:someservice:*:111122223333:finance/*',
    'arn:aws:someservice:us-east-2:999999999999:store/abc:111122223333:finance/document.txt',
    true,
  ],
  ['ArnLike', 'arn:aws:logs:*:*:log-group:*', 'arn:aws:logs:eu-west-1:1:log-group:a:log-stream:b', true],
  ['ArnLike', 'arn:aws:sns', topic, true],
  ['ArnLike', 'arn:aws:sqs', topic, false],
  ['ArnLike', '*', topic, true],
  ['ArnLike', 'jobs', 'jobs', false],
  ['ArnLike', topic, 'jobs', false],
  ['ArnNotEquals', topic, topic, false],
  ['ArnNotEquals', 'arn:aws:sns:*:*:other', topic, true],
  ['ArnNotLike', 'arn:aws:sns:*:*:j*', topic, false],
  ['ArnNotLike', ['arn:aws:sns:*:*:x', 'arn:aws:sns:*:*:y'], topic, true],
]);

table('a key that is absent', [
  ['StringEquals', 'a', undefined, false],
  ['StringLike', '*', undefined, false],
  ['NumericLessThan', '10', undefined, false],
  ['DateGreaterThan', '2020-01-01', undefined, false],
  ['Bool', 'false', undefined, false],
  ['BinaryEquals', 'QQ==', undefined, false],
  ['IpAddress', '0.0.0.0/0', undefined, false],
  ['ArnLike', '*', undefined, false],
  ['StringNotEquals', 'a', undefined, true],
  ['StringNotLike', '*', undefined, true],
  ['StringNotEqualsIgnoreCase', 'a', undefined, true],
  ['NumericNotEquals', '1', undefined, true],
  ['DateNotEquals', '2020-01-01', undefined, true],
  ['NotIpAddress', '0.0.0.0/0', undefined, true],
  ['ArnNotLike', '*', undefined, true],
  ['StringEqualsIfExists', 'a', undefined, true],
  ['StringEqualsIfExists', 'a', 'b', false],
  ['StringNotEqualsIfExists', 'a', undefined, true],
  ['StringNotEqualsIfExists', 'a', 'a', false],
  ['BoolIfExists', 'false', undefined, true],
  ['BoolIfExists', 'false', 'true', false],
  ['IpAddressIfExists', '10.0.0.0/8', undefined, true],
  ['IpAddressIfExists', '10.0.0.0/8', '11.0.0.1', false],
  ['Null', 'true', undefined, true],
  ['Null', 'false', undefined, false],
  ['Null', 'true', 'x', false],
  ['Null', 'false', 'x', true],
  ['Null', 'true', [], true],
  ['Null', 'false', '', true],
  ['Null', 'maybe', 'x', false],
]);

table('set operators', [
  ['ForAllValues:StringEquals', ['a', 'b', 'c'], ['a', 'b'], true],
  ['ForAllValues:StringEquals', ['a', 'b', 'c'], ['a', 'd'], false],
  ['ForAllValues:StringEquals', ['a'], undefined, true],
  ['ForAllValues:StringEquals', ['a'], [], true],
  ['ForAllValues:StringLike', ['a*', 'b'], ['ax', 'b'], true],
  ['ForAllValues:StringLike', ['a*', 'b'], ['ax', 'bx'], false],
  ['ForAllValues:StringNotEquals', ['a', 'b'], ['c', 'd'], true],
  ['ForAllValues:StringNotEquals', ['a', 'b'], ['c', 'a'], false],
  ['ForAnyValue:StringEquals', ['a', 'b'], ['b', 'z'], true],
  ['ForAnyValue:StringEquals', ['a', 'b'], ['y', 'z'], false],
  ['ForAnyValue:StringEquals', ['a'], undefined, false],
  ['ForAnyValue:StringEquals', ['a'], [], false],
  ['ForAnyValue:StringNotEquals', ['a', 'b'], ['a', 'z'], true],
  ['ForAnyValue:StringNotEquals', ['a', 'b'], ['a', 'b'], false],
  ['ForAnyValue:StringNotEquals', ['a'], undefined, false],
  ['ForAnyValue:StringEqualsIfExists', ['a'], undefined, true],
  ['ForAnyValue:StringEqualsIfExists', ['a'], ['b'], false],
  ['ForAllValues:NumericLessThan', ['5'], ['1', '4'], true],
  ['ForAllValues:NumericLessThan', ['5'], ['1', '6'], false],
  ['StringEquals', ['a'], ['a', 'b'], true],
  ['StringNotEquals', ['a'], ['a', 'b'], false],
]);

describe('policy variables in conditions', () => {
  const user = { 'aws:username': 'alice', 'aws:principaltag/team': 'Blue', 'app:star': 'a*' };
  const rows: readonly (readonly [string, string | string[], Values, boolean])[] = [
    ['StringEquals', `\${aws:username}`, 'alice', true],
    ['StringEquals', `\${aws:username}`, 'bob', false],
    ['StringEquals', `\${AWS:UserName}/x`, 'alice/x', true],
    ['StringEquals', `\${aws:PrincipalTag/team}`, 'blue', false],
    ['StringEqualsIgnoreCase', `\${aws:PrincipalTag/team}`, 'blue', true],
    ['StringEqualsIgnoreCase', `\${aws:PrincipalTag/team}`, 'red', false],
    ['StringLike', `home/\${aws:username}/*`, 'home/alice/x', true],
    ['StringLike', `home/\${aws:username}/*`, 'home/bob/x', false],
    ['StringLike', `\${app:star}`, 'a*', true],
    ['StringLike', `\${app:star}`, 'abc', false],
    ['StringLike', `a\${*}c*`, 'a*cd', true],
    ['StringLike', `a\${*}c*`, 'abcd', false],
    ['StringLike', `a\${?}`, 'a?', true],
    ['StringLike', `a\${?}`, 'ab', false],
    ['StringEquals', `\${$}{aws:username}`, `\${aws:username}`, true],
    ['StringEquals', `\${aws:nothing, 'nobody'}`, 'nobody', true],
    ['StringEquals', `\${aws:nothing, 'nobody'}`, 'alice', false],
    ['StringEquals', `\${aws:username, 'nobody'}`, 'nobody', false],
    ['StringEquals', `\${aws:nothing, ''}x`, 'x', true],
    ['StringEquals', `\${aws:nothing}`, `\${aws:nothing}`, false],
    ['StringEquals', [`\${aws:nothing}`, 'alice'], 'alice', true],
    ['StringNotEquals', `\${aws:nothing}`, 'alice', false],
    ['StringNotEquals', [`\${aws:nothing}`, 'bob'], 'alice', false],
    ['StringNotEquals', `\${aws:nothing, 'bob'}`, 'alice', true],
    ['StringNotLike', `\${aws:username}*`, 'alice2', false],
    ['ArnLike', `arn:aws:iam::1:user/\${aws:username}`, 'arn:aws:iam::1:user/alice', true],
    ['ArnLike', `arn:aws:iam::1:user/\${aws:username}`, 'arn:aws:iam::1:user/bob', false],
    ['ArnNotLike', `arn:aws:iam::1:user/\${aws:nothing}`, 'arn:aws:iam::1:user/bob', false],
    ['Bool', `\${app:flag}`, 'true', true],
    ['Bool', `\${app:flag}`, 'false', false],
    ['StringEquals', '${', '${', true],
    ['StringEquals', `\${}`, `\${}`, true],
    ['StringEquals', `\${a,b}`, `\${a,b}`, true],
  ];
  it.each(rows)('%s %j against %j: %s', (operator, wanted, given, expected) => {
    expect(holds(operator, wanted, given, { ...user, 'app:flag': 'TRUE' })).toBe(expected);
  });

  it('are text in policies of version 2008-10-17', () => {
    expect(holds('StringEquals', `\${aws:username}`, 'alice', user, false)).toBe(false);
    expect(holds('StringEquals', `\${aws:username}`, `\${aws:username}`, user, false)).toBe(true);
    expect(holds('StringNotEquals', `\${aws:nothing}`, 'alice', user, false)).toBe(true);
  });

  it('have no value when the key has several', () => {
    const context = new Map([
      ['test:key', ['a']],
      ['aws:tagkeys', ['a', 'b']],
    ]);
    expect(compileCondition('StringEquals', key, [`\${aws:TagKeys}`], true).holds(context)).toBe(false);
  });

  it('are not replaced in numbers, dates and addresses', () => {
    expect(holds('NumericEquals', `\${app:n}`, '5', { 'app:n': '5' })).toBe(false);
    expect(holds('DateEquals', `\${app:n}`, '5', { 'app:n': '5' })).toBe(false);
    expect(holds('IpAddress', `\${app:n}`, '1.2.3.4', { 'app:n': '1.2.3.4' })).toBe(false);
  });
});

describe('names of operators and keys', () => {
  it('keys are compared without case', () => {
    expect(compileCondition('StringEquals', 'AWS:SourceVpc', ['v'], true).holds(new Map([['aws:sourcevpc', ['v']]]))).toBe(true);
  });

  it.each([
    'Equals',
    'stringequals',
    'StringEqualsifexists',
    'ForSomeValues:StringEquals',
    'ForAnyValue::StringEquals',
    '',
    'constructor',
  ])('%j is no operator', (name) => {
    expect(parseOperator(name)).toBeUndefined();
    expect(() => compileCondition(name, key, ['x'], true)).toThrow(/does not exist/);
  });

  it.each(['Null', 'ForAnyValue:StringLikeIfExists', 'ForAllValues:Bool', 'NotIpAddress'])('%j is one', (name) => {
    expect(parseOperator(name)).toBeDefined();
  });
});
