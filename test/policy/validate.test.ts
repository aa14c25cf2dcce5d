/**
 * Policy documents and what AWS says of those it refuses. The identity cases are answers of the real service to CreatePolicy and Put…Policy, those
 * with principals answers to CreateRole, UpdateAssumeRolePolicy and PutBucketPolicy, as public issue trackers and recorded tests quote them.
 */
import { describe, expect, it } from 'vitest';
import { documentCharsMax, documentDepthMax, documentStatementsMax } from '../../src/kernel/policy/document.ts';
import { type PolicyKind, principalsOf, validatePolicy } from '../../src/kernel/policy/validate.ts';

type Statement = Record<string, unknown>;

const one = (statement: unknown, more: Record<string, unknown> = {}): string =>
  JSON.stringify({ Version: '2012-10-17', ...more, Statement: statement });
const good: Statement = { Effect: 'Allow', Action: 's3:ListBucket', Resource: 'arn:aws:s3:::example' };
const withGood = (change: Statement, without: string[] = []): string => {
  const statement = { ...good, ...change };
  return one(Object.fromEntries(Object.entries(statement).filter(([member]) => !without.includes(member))));
};

/** `ok`, or the message. */
function verdict(text: string, kind: PolicyKind): string {
  const result = validatePolicy(text, kind);
  return result.ok ? 'ok' : result.message;
}

const syntax = 'Syntax errors in policy.';
const version = 'Policy document must be version 2012-10-17 or greater.';
const legacy = 'The policy failed legacy parsing';
const vendor = 'Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc.';
const actions = 'Policy statement must contain actions.';
const resources = 'Policy statement must contain resources.';
const principal = 'Policy document should not specify a principal.';
const iamPath =
  'IAM resource path must either be "*" or start with user/, federated-user/, role/, group/, instance-profile/, mfa/, server-certificate/, ' +
  'policy/, sms-mfa/, saml-provider/, oidc-provider/, report/, access-report/.';

const dateIs = (value: string): Statement => ({ Condition: { DateLessThan: { 'aws:CurrentTime': value } } });

describe('identity policies that are refused', () => {
  it.each([
    ['not JSON', 'This is not a json document', syntax],
    ['an empty object', '{}', syntax],
    ['a list', '[]', syntax],
    ['null', 'null', syntax],
    ['an empty text', '', syntax],
    ['no version', JSON.stringify({ Statement: good }), version],
    ['an old version', one(good, { Version: '2008-10-17' }), version],
    ['an unknown version', one(good, { Version: '2020-01-01' }), syntax],
    ['no statement', JSON.stringify({ Version: '2012-10-17' }), syntax],
    ['a null statement', one(null), syntax],
    ['no statements in the list', one([]), syntax],
    ['a statement that is text', one(['afd']), syntax],
    ['another member', one(good, { Extra: 'x' }), syntax],
    ['another member in the statement', withGood({ Extra: 'x' }), syntax],
    ['an Id that is a list', one(good, { Id: ['x'] }), syntax],
    ['no Effect', withGood({}, ['Effect']), syntax],
    ['an unknown Effect', withGood({ Effect: 'Maybe' }), syntax],
    ['an Effect in the wrong case', withGood({ Effect: 'denY' }), legacy],
    ['an Effect in the wrong case, before the version', JSON.stringify({ Statement: { ...good, Effect: 'denY' } }), version],
    ['a Principal', withGood({ Principal: '*' }), principal],
    ['a NotPrincipal', withGood({ NotPrincipal: { AWS: '111111111111' } }), principal],
    ['Action and NotAction', withGood({ NotAction: 's3:PutObject' }), syntax],
    ['Action and an empty NotAction', withGood({ NotAction: [] }), syntax],
    ['Resource and NotResource', withGood({ NotResource: '*' }), syntax],
    ['a number as Action', withGood({ Action: 123 }), syntax],
    ['an object as Action', withGood({ Action: {} }), syntax],
    ['a list in the list', withGood({ Action: [[]] }), syntax],
    ['an object as Resource', withGood({ Resource: { a: 'x' } }), syntax],
    ['an object among resources', withGood({ Resource: ['adfdf', {}] }), syntax],
    ['a Sid that is an object', withGood({ Sid: {} }), syntax],
    ['a Sid that is a list', withGood({ Sid: [] }), syntax],
    ['no actions', withGood({}, ['Action']), actions],
    ['an empty list of actions', withGood({ Action: [] }), actions],
    ['only an Effect', one({ Effect: 'Allow' }), actions],
    ['no actions in the first of two', one([{ Effect: 'Deny' }, good]), actions],
    ['no resources', withGood({}, ['Resource']), resources],
    ['an empty list of resources', withGood({ Resource: [] }), resources],
    ['a bad action before missing resources', one({ Effect: 'Allow', Action: 'invalid' }), vendor],
    ['an action without service', withGood({ Action: 'GetObject' }), vendor],
    ['an empty action', withGood({ Action: '' }), vendor],
    ['an empty NotAction', one({ Effect: 'Allow', NotAction: '', Resource: '*' }), vendor],
    ['an action with two colons', withGood({ Action: 's3:List:Bucket' }), 'Actions/Condition can contain only one colon.'],
    ['a service with a space', withGood({ Action: 'a a:ListBucket' }), 'Vendor a a is not valid'],
    ['an empty service', withGood({ Action: ':GetObject' }), 'Vendor  is not valid'],
    ['a service with a wildcard', withGood({ Action: 's*:GetObject' }), 'Vendor s* is not valid'],
    [
      'two Sids alike',
      one([
        { ...good, Sid: 'x' },
        { ...good, Sid: 'x' },
      ]),
      'Statement IDs (SID) in a single policy must be unique.',
    ],
    [
      'two Sids alike, before other faults',
      one([
        { ...good, Sid: 'x' },
        { Sid: 'x', Effect: 'Allow' },
      ]),
      'Statement IDs (SID) in a single policy must be unique.',
    ],
    [
      'a Sid with a blank',
      withGood({ Sid: 'My statement' }),
      'Statement IDs (SID) must be alpha-numeric. Check that your input satisfies the regular expression [0-9A-Za-z]*',
    ],
    [
      'a repeated member',
      '{"Version":"2012-10-17","Statement":{"Effect":"Deny","Effect":"Allow","Action":"*","Resource":"*"}}',
      syntax,
    ],
    [
      'a repeated operator',
      '{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*","Condition":{"Bool":{"a":"true"},"Bool":{"b":"true"}}}}',
      syntax,
    ],
  ])('%s', (_, text, message) => {
    expect(verdict(text, 'identity')).toBe(message);
  });
});

describe('conditions that are refused', () => {
  it.each([
    ['a list', [], syntax],
    ['a text', 'a', syntax],
    ['an operator with a text', { a: 'b' }, syntax],
    ['a date operator with a text', { DateGreaterThan: 'b' }, syntax],
    ['an operator with a list', { DateGreaterThan: [] }, syntax],
    ['a key with an object', { DateGreaterThan: { a: {} } }, syntax],
    ['a key with null', { StringEquals: { a: null } }, syntax],
    ['an unknown operator', { x: { a: '1' } }, syntax],
    ['a doubled colon', { 'ForAnyValue::StringEqualsIfExists': { a: 'asf' } }, syntax],
    ['an operator in lower case', { stringequals: { a: 'b' } }, syntax],
  ])('%s', (_, condition, message) => {
    expect(verdict(withGood({ Condition: condition }), 'identity')).toBe(message);
  });

  it.each([
    'sdfdsf',
    '234-13',
    '2016-12-13t2:00:00.593194+1',
    '2016-12-13t2:00:00.1999999999+10:59',
    '9223372036854775808',
    '2026-01-32',
    '',
  ])('the date %j', (value) => {
    expect(verdict(withGood(dateIs(value)), 'identity')).toBe(legacy);
  });

  it.each([
    '01T',
    '2019-07-01T13:20:15Z',
    '2016-12-13T21:20:37.593194+00:00',
    '2016-12-13t2:00:00.593194+23',
    '-292275054',
    '1767225600',
    '2026',
  ])('but not the date %j', (value) => {
    expect(verdict(withGood(dateIs(value)), 'identity')).toBe('ok');
  });
});

describe('resources that are refused', () => {
  it.each([
    ['invalid resource', 'Resource invalid resource must be in ARN format or "*".'],
    ['', 'Resource  must be in ARN format or "*".'],
    ['a:bsdfdsafsad', 'Partition "bsdfdsafsad" is not valid for resource "arn:bsdfdsafsad:*:*:*:*".'],
    ['a:b:cadfsdf', 'Partition "b" is not valid for resource "arn:b:cadfsdf:*:*:*".'],
    ['a:b:c:d:e:f:g:h', 'Partition "b" is not valid for resource "arn:b:c:d:e:f:g:h".'],
    ['aws:s3:::example_bucket', 'Partition "s3" is not valid for resource "arn:s3:::example_bucket:*".'],
    ['s3::example-bucket/*', 'Partition "" is not valid for resource "arn::example-bucket/*:*:*:*".'],
    ['arn:aws2:s3:::example-bucket/*', 'Partition "aws2" is not valid for resource "arn:aws2:s3:::example-bucket/*".'],
    ['arn:aws', 'Resource vendor must be fully qualified and cannot contain regexes.'],
    ['arn:aws:*:*:*:*', 'Resource vendor must be fully qualified and cannot contain regexes.'],
    ['arn:aws:s?:::x', 'Resource vendor must be fully qualified and cannot contain regexes.'],
    ['arn:aws:iam:us-east-1::example', 'IAM resource arn:aws:iam:us-east-1::example cannot contain region information.'],
    ['arn:aws:s3:us-east-1::example', 'Resource arn:aws:s3:us-east-1::example can not contain region information.'],
    ['arn:aws:iam:::example', iamPath],
    ['arn:aws:iam::111111111111:root', iamPath],
    ['arn:aws:s3::example', legacy],
    ['arn:aws::::example', legacy],
    ['arn:aws::fdsasf', legacy],
    ['arn:awss3::example-bucket/*', legacy],
  ])('%j', (resource, message) => {
    expect(verdict(withGood({ Resource: resource }), 'identity')).toBe(message);
    expect(verdict(withGood({ NotResource: [resource] }, ['Resource']), 'identity')).toBe(message);
  });

  it('says the fault of the resource before that of the action', () => {
    expect(verdict(withGood({ Action: 's:3:ListBucket', Resource: 'sdfsadf' }), 'identity')).toBe(
      'Resource sdfsadf must be in ARN format or "*".',
    );
  });

  it('says the first of two faults', () => {
    expect(verdict(withGood({ Resource: ['arn:error:s3:::example', 'arn:error:s3::example'] }), 'identity')).toBe(
      'Partition "error" is not valid for resource "arn:error:s3:::example".',
    );
  });
});

describe('identity policies that are accepted', () => {
  it.each<[string, Statement | Statement[]]>([
    ['a list of resources', { ...good, Resource: ['arn:aws:s3:::a', '*'] }],
    ['an action that no service has', { ...good, Action: 'iam: asdf safdsf af ' }],
    ['all actions', { ...good, Action: '*' }],
    ['a list of one statement', [good]],
    ['NotAction', { Effect: 'Allow', NotAction: 's3:ListBucket', Resource: '*' }],
    ['NotResource', { Effect: 'Deny', Action: 's3:*', NotResource: ['arn:aws:s3:::a/b', 'arn:aws:s3:::a/*'] }],
    [
      'services nobody knows',
      { ...good, Action: 'aaaaaadsfdsafsadfsadfaaaaa:x', Resource: 'arn:aws:invalid-service:us-east-1::x' },
    ],
    ['services with dots and hyphens', { ...good, Action: ['s3-s:x', 's3.s:x'] }],
    ['an incomplete ARN', { ...good, Resource: 'arn:aws:fdsasf' }],
    ['other partitions', { ...good, Resource: ['arn:aws-cn:s3:::a', 'arn:aws-us-gov:s3:::a', 'arn:*:s3:::a'] }],
    [
      'IAM resources',
      {
        ...good,
        Resource: ['arn:aws:iam:::user/x', 'arn:aws:iam::*:*', 'arn:aws:iam::1:role/*', `arn:aws:iam::*:mfa/\${aws:username}`],
      },
    ],
    ['S3 resources that have a Region', { ...good, Resource: ['arn:aws:s3:eu-west-1:1:accesspoint/x', 'arn:aws:s3:*:*:job/*'] }],
    ['an empty condition', { ...good, Condition: {} }],
    ['an operator without keys', { ...good, Condition: { DateGreaterThan: {} } }],
    ['a key without values', { ...good, Condition: { DateGreaterThan: { a: [] } } }],
    ['unknown operators without keys', { ...good, Condition: { x: {}, y: {} } }],
    ['set operators', { ...good, Condition: { 'ForAllValues:StringEquals': { 'aws:TagKeys': 'Department' } } }],
    ['IfExists', { ...good, Condition: { 'ForAnyValue:StringEqualsIfExists': { a: 'asf' } } }],
    [
      'booleans and numbers unquoted',
      { ...good, Condition: { Bool: { 'aws:SecureTransport': true }, NumericLessThan: { 's3:max-keys': [10] } } },
    ],
    ['one Sid, one without', [{ ...good, Sid: 'sdf' }, good]],
    [
      'two empty Sids',
      [
        { ...good, Sid: '' },
        { ...good, Sid: '' },
      ],
    ],
  ])('%s', (_, statement) => {
    expect(verdict(one(statement), 'identity')).toBe('ok');
  });

  it('an Id', () => {
    expect(verdict(one(good, { Id: 'x' }), 'identity')).toBe('ok');
  });

  it('give the document', () => {
    const result = validatePolicy(one([{ ...good, Sid: 'A' }, good], { Id: 'x' }), 'identity');
    expect(result).toMatchObject({
      ok: true,
      document: { version: '2012-10-17', id: 'x', statements: [{ sid: 'A', actions: ['s3:ListBucket'] }, { sid: undefined }] },
    });
  });
});

describe('session policies', () => {
  it('may be of the older version', () => {
    expect(verdict(JSON.stringify({ Statement: good }), 'session')).toBe('ok');
    expect(verdict(one(good, { Version: '2008-10-17' }), 'session')).toBe('ok');
    expect(verdict(one(good, { Version: '2008-10-18' }), 'session')).toBe(syntax);
  });

  it('name no principals', () => {
    expect(verdict(withGood({ Principal: '*' }), 'session')).toBe(principal);
  });
});

const trusting: Statement = { Effect: 'Allow', Principal: { Service: 'ec2.amazonaws.com' }, Action: 'sts:AssumeRole' };
const trust = (change: Statement, without: string[] = []): string =>
  one(Object.fromEntries(Object.entries({ ...trusting, ...change }).filter(([member]) => !without.includes(member))));

describe('trust policies', () => {
  it.each([
    ['not JSON', '{', 'This policy contains invalid Json'],
    ['an unknown version', one(trusting, { Version: '2020-01-01' }), 'The policy must contain a valid version string'],
    ['no statement', JSON.stringify({ Version: '2012-10-17' }), 'Missing required field Statement'],
    ['no statements', one([]), 'Could not parse the policy: Statement is empty!'],
    ['another member', one(trusting, { Extra: 'x' }), 'Syntax error in policy.'],
    ['no Effect', trust({}, ['Effect']), 'Missing required field Effect'],
    ['an unknown Effect', trust({ Effect: 'allow' }), 'Invalid effect: allow'],
    ['no Principal', trust({}, ['Principal']), 'Missing required field Principal'],
    ['an empty Principal', trust({ Principal: {} }), 'Missing required field Principal cannot be empty!'],
    ['everybody as a star', trust({ Principal: '*' }), 'AssumeRolepolicy contained an invalid principal: "STAR":"*".'],
    ['a text as Principal', trust({ Principal: 'ec2.amazonaws.com' }), 'Principal must be a JSON object.'],
    ['a kind that is none', trust({ Principal: { Group: 'x' } }), 'Invalid principal in policy: "Group"'],
    ['a canonical user', trust({ Principal: { CanonicalUser: 'x' } }), 'Invalid principal in policy: "CanonicalUser"'],
    [
      'a group',
      trust({ Principal: { AWS: 'arn:aws:iam::111111111111:group/g' } }),
      'Invalid principal in policy: "AWS":"arn:aws:iam::111111111111:group/g"',
    ],
    [
      'a pattern of users',
      trust({ Principal: { AWS: 'arn:aws:iam::111111111111:user/*' } }),
      'Invalid principal in policy: "AWS":"arn:aws:iam::111111111111:user/*"',
    ],
    ['no account', trust({ Principal: { AWS: ['12345'] } }), 'Invalid principal in policy: "AWS":"12345"'],
    [
      'a pattern of services',
      trust({ Principal: { Service: '*.amazonaws.com' } }),
      'Invalid principal in policy: "SERVICE":"*.amazonaws.com"',
    ],
    ['an empty service', trust({ Principal: { Service: '' } }), 'Invalid principal in policy: "SERVICE":""'],
    ['a number as principal', trust({ Principal: { Service: 5 } }), 'Syntax error in policy.'],
    [
      'Allow with NotPrincipal',
      trust({ NotPrincipal: { AWS: '111111111111' } }, ['Principal']),
      'Allow with NotPrincipal is not allowed.',
    ],
    [
      'Deny with NotPrincipal',
      trust({ Effect: 'Deny', NotPrincipal: { AWS: '111111111111' } }, ['Principal']),
      'AssumeRole policy must not contain NotPrincipal field.',
    ],
    ['no Action', trust({}, ['Action']), 'Missing required field Action'],
    ['another service’s action', trust({ Action: 's3:GetObject' }), 'AssumeRole policy may only specify STS AssumeRole actions.'],
    ['all actions', trust({ Action: '*' }), 'AssumeRole policy may only specify STS AssumeRole actions.'],
    ['a Resource', trust({ Resource: '*' }), 'Has prohibited field Resource'],
    ['a NotResource', trust({ NotResource: '*' }), 'AssumeRole policy must not contain resources.'],
    ['an unknown operator', trust({ Condition: { Sometimes: { a: 'b' } } }), 'Syntax error in policy.'],
    [
      'two Sids alike',
      one([
        { ...trusting, Sid: 'x' },
        { ...trusting, Sid: 'x' },
      ]),
      'The Statement Ids in the policy are not unique',
    ],
  ])('refused: %s', (_, text, message) => {
    expect(verdict(text, 'trust')).toBe(message);
  });

  it.each<[string, Statement]>([
    ['a service', {}],
    ['an account', { Principal: { AWS: '111111111111' } }],
    ['everybody, typed', { Principal: { AWS: '*' } }],
    [
      'users, roles, sessions',
      {
        Principal: {
          AWS: [
            'arn:aws:iam::111111111111:user/p/x',
            'arn:aws:iam::111111111111:role/x',
            'arn:aws:sts::111111111111:assumed-role/x/s',
          ],
        },
      },
    ],
    ['a unique id', { Principal: { AWS: 'AROAWORKERWORKERWORK' } }],
    [
      'identity providers',
      {
        Principal: { Federated: ['arn:aws:iam::111111111111:oidc-provider/idp.example', 'cognito-identity.amazonaws.com'] },
        Action: 'sts:AssumeRoleWithWebIdentity',
      },
    ],
    ['tagging', { Action: ['sts:AssumeRole', 'sts:TagSession'] }],
    ['an external id', { Condition: { StringEquals: { 'sts:ExternalId': 'x' } } }],
  ])('accepted: %s', (_, change) => {
    expect(verdict(trust(change), 'trust')).toBe('ok');
    expect(verdict(one({ ...trusting, ...change }, { Version: '2008-10-17' }), 'trust')).toBe('ok');
  });
});

const granting: Statement = { Effect: 'Allow', Principal: '*', Action: 's3:GetObject', Resource: 'arn:aws:s3:::a/*' };

describe('resource policies', () => {
  it.each([
    ['not JSON', 'x', 'This policy contains invalid Json'],
    ['no Principal', one({ ...granting, Principal: undefined }), 'Missing required field Principal'],
    ['no Resource', one({ ...granting, Resource: undefined }), 'Missing required field Resource'],
    ['no Action', one({ ...granting, Action: [] }), 'Missing required field Action'],
    [
      'a group',
      one({ ...granting, Principal: { AWS: 'arn:aws:iam::111111111111:group/g' } }),
      'Invalid principal in policy: "AWS":"arn:aws:iam::111111111111:group/g"',
    ],
    ['Principal and NotPrincipal', one({ ...granting, Effect: 'Deny', NotPrincipal: '*' }), 'Syntax error in policy.'],
    [
      'Allow with NotPrincipal',
      one({ ...granting, Principal: undefined, NotPrincipal: { AWS: '111111111111' } }),
      'Allow with NotPrincipal is not allowed.',
    ],
  ])('refused: %s', (_, text, message) => {
    expect(verdict(text, 'resource')).toBe(message);
  });

  it.each<[string, string]>([
    ['everybody', one(granting)],
    ['no version and an Id', JSON.stringify({ Id: 'my policy', Statement: [granting] })],
    ['a Sid with blanks', one({ ...granting, Sid: 'public read' })],
    ['a canonical user', one({ ...granting, Principal: { CanonicalUser: 'a'.repeat(64) } })],
    [
      'Deny with NotPrincipal',
      one({ ...granting, Effect: 'Deny', Principal: undefined, NotPrincipal: { AWS: ['111111111111'] } }),
    ],
    ['a federated session', one({ ...granting, Principal: { AWS: 'arn:aws:sts::111111111111:federated-user/carol' } })],
    [
      'an origin access identity',
      one({ ...granting, Principal: { AWS: 'arn:aws:iam::cloudfront:user/CloudFront Origin Access Identity E1' } }),
    ],
  ])('accepted: %s', (_, text) => {
    expect(verdict(text, 'resource')).toBe('ok');
  });

  it('tell whether the text was no JSON at all', () => {
    expect(validatePolicy('x', 'resource')).toMatchObject({ ok: false, reason: 'json' });
    expect(validatePolicy(one([]), 'resource')).toMatchObject({ ok: false, reason: 'policy' });
  });

  it('tell the principals they name', () => {
    const text = one([
      { ...granting, Principal: { AWS: ['111111111111', '*'], Service: 'sns.amazonaws.com' } },
      { ...granting, Effect: 'Deny', Principal: undefined, NotPrincipal: { AWS: '111111111111' } },
      granting,
    ]);
    const result = validatePolicy(text, 'resource');
    expect(result.ok && principalsOf(result.document)).toEqual([
      { kind: 'AWS', value: '111111111111' },
      { kind: 'Service', value: 'sns.amazonaws.com' },
    ]);
  });
});

describe('control policies', () => {
  const refused = 'The provided policy document does not meet the requirements of the specified policy type.';
  const control: Statement = { Effect: 'Deny', Action: 's3:*', Resource: '*' };
  it.each<[string, PolicyKind, string]>([
    ['not JSON', 'scp', '{'],
    ['no version', 'scp', JSON.stringify({ Statement: control })],
    ['a Principal', 'scp', one({ ...control, Principal: '*' })],
    ['a NotPrincipal', 'scp', one({ ...control, NotPrincipal: { AWS: '*' } })],
    ['no Resource', 'scp', one({ ...control, Resource: undefined })],
    ['no Action', 'scp', one({ ...control, Action: undefined })],
    ['an action without service', 'scp', one({ ...control, Action: 'GetObject' })],
    ['an Effect in lower case', 'scp', one({ ...control, Effect: 'deny' })],
    ['an unknown operator', 'scp', one({ ...control, Condition: { Sometimes: { a: 'b' } } })],
    [
      'two Sids alike',
      'scp',
      one([
        { ...control, Sid: 'x' },
        { ...control, Sid: 'x' },
      ]),
    ],
    ['an allow of resources', 'rcp', one({ ...control, Effect: 'Allow', Principal: '*' })],
    ['no Principal', 'rcp', one(control)],
    ['one account as Principal', 'rcp', one({ ...control, Principal: { AWS: '111111111111' } })],
    ['NotAction', 'rcp', one({ Effect: 'Deny', Principal: '*', NotAction: 's3:*', Resource: '*' })],
    ['all actions', 'rcp', one({ ...control, Principal: '*', Action: '*' })],
  ])('refused: %s (%s)', (_, kind, text) => {
    expect(verdict(text, kind)).toBe(refused);
  });

  it.each<[string, PolicyKind, string]>([
    ['a deny', 'scp', one(control)],
    ['all actions allowed', 'scp', one({ Effect: 'Allow', Action: '*', Resource: '*' })],
    [
      'NotAction',
      'scp',
      one({
        Effect: 'Deny',
        NotAction: ['iam:*'],
        Resource: '*',
        Condition: { StringNotEquals: { 'aws:RequestedRegion': 'eu-west-1' } },
      }),
    ],
    [
      'an allow of a resource on a condition',
      'scp',
      one({
        Effect: 'Allow',
        Action: 's3:*Object',
        Resource: 'arn:aws:s3:::a/*',
        Condition: { Bool: { 'aws:SecureTransport': 'true' } },
      }),
    ],
    ['a deny to everybody', 'rcp', one({ ...control, Principal: '*' })],
    ['a deny to everybody, typed', 'rcp', one({ ...control, Principal: { AWS: '*' } })],
  ])('accepted: %s (%s)', (_, kind, text) => {
    expect(verdict(text, kind)).toBe('ok');
  });
});

describe('hostile documents', () => {
  it('that are too long', () => {
    const text = one({ ...good, Sid: 'x'.repeat(documentCharsMax) });
    expect(verdict(text, 'identity')).toBe(syntax);
    expect(verdict(one({ ...good, Sid: 'x'.repeat(documentCharsMax - 200) }), 'identity')).toBe('ok');
  });

  it('that nest too deeply', () => {
    for (const depth of [documentDepthMax, 60_000]) {
      const nested = `${'['.repeat(depth)}${']'.repeat(depth)}`;
      expect(verdict(`{"Version":"2012-10-17","Statement":${nested}}`, 'identity')).toBe(syntax);
      expect(verdict(nested, 'trust')).toBe('This policy contains invalid Json');
    }
  });

  it('that nest too deeply inside a statement', () => {
    const nested = (depth: number): string => `{"Statement":{"Effect":${'['.repeat(depth)}${']'.repeat(depth)}}}`;
    expect(validatePolicy(nested(documentDepthMax - 2), 'trust')).toMatchObject({ reason: 'policy' });
    expect(validatePolicy(nested(documentDepthMax - 1), 'trust')).toMatchObject({ reason: 'json' });
  });

  it('that have too many statements', () => {
    const many = `{"Version":"2012-10-17","Statement":[${'{},'.repeat(documentStatementsMax)}{}]}`;
    expect(verdict(many, 'identity')).toBe(syntax);
    expect(verdict(many, 'trust')).toBe('This policy contains invalid Json');
  });

  it.each([
    '{"__proto__":{"Version":"2012-10-17"}}',
    '{"Version":"2012-10-17","Statement":{"__proto__":{"Effect":"Allow"}}}',
    '{"constructor":1}',
  ])('that name inherited members: %s', (text) => {
    expect(verdict(text, 'identity')).toBe(syntax);
  });
});
