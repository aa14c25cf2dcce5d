/**
 * Generated requests and policies. Names come from small sets, so that statements often match, almost match, and contradict each other.
 */
import fc from 'fast-check';
import type { PolicyPrincipal, PolicyRequest, PolicySet } from '../../src/kernel/policy/types.ts';

const ours = '111111111111';
const theirs = '222222222222';

const principals: readonly PolicyPrincipal[] = [
  { type: 'User', account: ours, arn: `arn:aws:iam::${ours}:user/alice` },
  { type: 'User', account: theirs, arn: `arn:aws:iam::${theirs}:user/bob` },
  { type: 'Account', account: ours, arn: `arn:aws:iam::${ours}:root` },
  { type: 'Account', account: theirs, arn: `arn:aws:iam::${theirs}:root` },
  {
    type: 'AssumedRole',
    account: ours,
    arn: `arn:aws:sts::${ours}:assumed-role/worker/s1`,
    roleArn: `arn:aws:iam::${ours}:role/worker`,
  },
  {
    type: 'AssumedRole',
    account: theirs,
    arn: `arn:aws:sts::${theirs}:assumed-role/guest/s2`,
    roleArn: `arn:aws:iam::${theirs}:role/guest`,
  },
  {
    type: 'AssumedRole',
    account: ours,
    arn: `arn:aws:sts::${ours}:assumed-role/AWSServiceRoleForX/s3`,
    roleArn: `arn:aws:iam::${ours}:role/aws-service-role/x.amazonaws.com/AWSServiceRoleForX`,
  },
  {
    type: 'FederatedUser',
    account: ours,
    arn: `arn:aws:sts::${ours}:federated-user/carol`,
    userArn: `arn:aws:iam::${ours}:user/alice`,
  },
  { type: 'AWSService', account: '', arn: 'sns.amazonaws.com' },
  { type: 'WebIdentity', account: '', arn: `arn:aws:iam::${ours}:oidc-provider/idp.example` },
  { type: 'Anonymous', account: '', arn: '*' },
];

const actions = ['s3:GetObject', 's3:PutObject', 's3:ListBucket', 'sqs:SendMessage', 'SQS:ReceiveMessage'];
const actionPatterns = [
  '*',
  's3:*',
  's3:Get*',
  'S3:?etObject',
  's3:*Object',
  's3:GetObject',
  'sqs:*Message',
  'sqs:SendMessage',
  'iam:*',
  's3:Get??????',
];

const resources = [
  'arn:aws:s3:::photos/alice/cat.jpg',
  'arn:aws:s3:::photos/bob/dog:1.jpg',
  'arn:aws:s3:::photos',
  `arn:aws:sqs:eu-west-1:${ours}:jobs`,
  `arn:aws:sqs:us-east-1:${theirs}:jobs-fifo`,
  '*',
];
const resourcePatterns = [
  '*',
  'arn:aws:s3:::photos/*',
  `arn:aws:s3:::photos/\${aws:username}/*`,
  `arn:aws:s3:::photos/\${aws:username, 'bob'}/*`,
  `arn:aws:s3:::photos/bob/dog:1\${?}jpg`,
  'arn:aws:s3:::photos',
  'arn:aws:s3:::*:1.jpg',
  'arn:aws:s3',
  'arn:aws:sqs:*:jobs',
  'arn:aws:sqs:eu-*-1:*:jobs',
  'arn:aws:sqs:eu-west-?:111111111111:*',
  `arn:aws:sqs:*:*:jobs*`,
  `arn:aws:sqs:\${aws:username}:*:*`,
  'arn:*:s3:::ph?tos/*.jpg',
];

const contextValues: Readonly<Record<string, readonly string[]>> = {
  'aws:username': ['alice', 'bob', 'a*e', ''],
  'aws:sourceip': ['203.0.113.9', '203.0.114.9', '2001:db8::9', 'nonsense'],
  'aws:currenttime': ['2026-01-01T00:00:00Z', '2026-06-01T12:30:00Z', '1767225600'],
  'aws:securetransport': ['true', 'false', 'True'],
  'aws:multifactorauthage': ['10', '3600', '3600.5'],
  'aws:principalarn': [`arn:aws:iam::${ours}:user/alice`, `arn:aws:iam::${ours}:role/path/worker`, 'not-an-arn'],
  'aws:tagkeys': ['team', 'cost', 'Team'],
  'app:blob': ['aGVsbG8=', 'd29ybGQ='],
};

const wantedValues: Readonly<Record<string, readonly [string, readonly string[]][]>> = {
  'aws:username': [
    [
      'String',
      ['alice', 'ALICE', 'b*', '*', '?ob', `\${aws:username}`, `a\${*}e`, `\${aws:nothing}`, `\${aws:nothing, 'alice'}`, ''],
    ],
    ['Null', ['true', 'false']],
  ],
  'aws:sourceip': [
    ['IpAddress', ['203.0.113.0/24', '203.0.113.9', '0.0.0.0/0', '2001:db8::/32', '::/0']],
    ['Null', ['true', 'false']],
  ],
  'aws:currenttime': [['Date', ['2026-01-01T00:00:00Z', '2026-03-01', '1767225600', '2026-06-01T12:30:00+00:00']]],
  'aws:securetransport': [['Bool', ['true', 'false', 'TRUE']]],
  'aws:multifactorauthage': [['Numeric', ['10', '3600', '1000.25', '-1']]],
  'aws:principalarn': [
    [
      'Arn',
      [
        `arn:aws:iam::${ours}:user/alice`,
        `arn:aws:iam::*:role/*`,
        'arn:aws:iam::1*:*',
        `arn:*:*::${ours}:user/al?ce`,
        '*',
        'arn:*',
      ],
    ],
  ],
  'aws:tagkeys': [['String', ['team', 'cost', 't*', 'other']]],
  'app:blob': [['Binary', ['aGVsbG8=', 'eA==']]],
};

const operatorsOf: Readonly<Record<string, readonly string[]>> = {
  String: [
    'StringEquals',
    'StringNotEquals',
    'StringEqualsIgnoreCase',
    'StringNotEqualsIgnoreCase',
    'StringLike',
    'StringNotLike',
  ],
  Numeric: [
    'NumericEquals',
    'NumericNotEquals',
    'NumericLessThan',
    'NumericLessThanEquals',
    'NumericGreaterThan',
    'NumericGreaterThanEquals',
  ],
  Date: ['DateEquals', 'DateNotEquals', 'DateLessThan', 'DateLessThanEquals', 'DateGreaterThan', 'DateGreaterThanEquals'],
  Bool: ['Bool'],
  Binary: ['BinaryEquals'],
  IpAddress: ['IpAddress', 'NotIpAddress'],
  Arn: ['ArnEquals', 'ArnLike', 'ArnNotEquals', 'ArnNotLike'],
  Null: ['Null'],
};

const oneOf = <Value>(values: readonly Value[]): fc.Arbitrary<Value> => fc.constantFrom(...values);
const someOf = <Value>(values: readonly Value[], max = 3): fc.Arbitrary<Value[]> =>
  fc.array(oneOf(values), { minLength: 1, maxLength: max });
const often = <Value>(value: fc.Arbitrary<Value>, times: number): fc.Arbitrary<Value | undefined> =>
  fc.oneof({ weight: times, arbitrary: value }, { weight: 1, arbitrary: fc.constant(undefined) });
const rarely = <Value>(value: fc.Arbitrary<Value>, times: number): fc.Arbitrary<Value | undefined> =>
  fc.oneof({ weight: 1, arbitrary: value }, { weight: times, arbitrary: fc.constant(undefined) });

export interface GeneratedCondition {
  operator: string;
  key: string;
  values: string[];
}

export const condition: fc.Arbitrary<GeneratedCondition> = oneOf(Object.keys(wantedValues)).chain((key) =>
  oneOf(wantedValues[key]!).chain(([family, values]) =>
    fc
      .record({
        name: oneOf(operatorsOf[family]!),
        set: fc.oneof(
          { weight: 3, arbitrary: fc.constant('') },
          { weight: 2, arbitrary: oneOf(['ForAllValues:', 'ForAnyValue:']) },
        ),
        suffix: oneOf(['', '', 'IfExists']),
        values: someOf(values),
        key: oneOf([key, key.toUpperCase()]),
      })
      .map((parts) => ({
        operator: family === 'Null' ? 'Null' : `${parts.set}${parts.name}${parts.suffix}`,
        key: parts.key,
        values: parts.values,
      })),
  ),
);

export const context: fc.Arbitrary<ReadonlyMap<string, readonly string[]>> = fc
  .record(
    Object.fromEntries(
      Object.entries(contextValues).map(([key, values]) => [
        key,
        often(
          fc.oneof(
            { weight: 5, arbitrary: someOf(values, 1) },
            { weight: 2, arbitrary: someOf(values, 3) },
            { weight: 1, arbitrary: fc.constant<string[]>([]) },
          ),
          2,
        ),
      ]),
    ),
  )
  .map(
    (record) =>
      new Map(
        Object.entries(record).flatMap(([key, values]): [string, readonly string[]][] =>
          values === undefined ? [] : [[key, values]],
        ),
      ),
  );

const awsNames = [
  '*',
  ours,
  theirs,
  ...principals.filter(({ account }) => account !== '').map(({ arn }) => arn),
  `arn:aws:iam::${ours}:role/worker`,
  `arn:aws:iam::${theirs}:role/guest`,
];

const principalElement: fc.Arbitrary<unknown> = fc.oneof(
  { weight: 1, arbitrary: fc.constant('*') },
  { weight: 6, arbitrary: someOf(awsNames, 4).map((names) => ({ AWS: names })) },
  { weight: 2, arbitrary: oneOf([{ Service: 'sns.amazonaws.com' }, { Service: ['sqs.amazonaws.com'] }]) },
  { weight: 1, arbitrary: fc.constant({ Federated: `arn:aws:iam::${ours}:oidc-provider/idp.example` }) },
);

/** Who or what a list names, or everything else. */
const eitherList = (name: string, values: readonly string[]): fc.Arbitrary<Record<string, unknown>> =>
  fc.oneof(
    { weight: 5, arbitrary: someOf(values).map((list) => ({ [name]: list.length === 1 ? list[0] : list })) },
    { weight: 1, arbitrary: someOf(values, 2).map((list) => ({ [`Not${name}`]: list })) },
  );

function statement(withPrincipal: boolean, denies: number): fc.Arbitrary<Record<string, unknown>> {
  const who = fc.oneof(
    { weight: 6, arbitrary: principalElement.map((value) => ({ Principal: value })) },
    { weight: 1, arbitrary: principalElement.map((value) => ({ NotPrincipal: value })) },
  );
  return fc
    .record({
      effect: fc.oneof({ weight: 4, arbitrary: fc.constant('Allow') }, { weight: denies, arbitrary: fc.constant('Deny') }),
      who: withPrincipal ? who : fc.constant({}),
      action: eitherList('Action', actionPatterns),
      resource: eitherList('Resource', resourcePatterns),
      conditions: fc.oneof(
        { weight: 2, arbitrary: fc.constant([]) },
        { weight: 1, arbitrary: fc.array(condition, { minLength: 1, maxLength: 2 }) },
      ),
    })
    .map(({ effect, who: principal, action, resource, conditions }) => {
      const block: Record<string, Record<string, string[]>> = {};
      for (const { operator, key, values } of conditions) block[operator] = { ...block[operator], [key]: values };
      return { Effect: effect, ...principal, ...action, ...resource, ...(conditions.length > 0 ? { Condition: block } : {}) };
    });
}

const everything = JSON.stringify({ Version: '2012-10-17', Statement: { Effect: 'Allow', Action: '*', Resource: '*' } });
const everythingToAll = JSON.stringify({ Statement: { Effect: 'Allow', Principal: '*', Action: '*', Resource: '*' } });

function policy(withPrincipal: boolean, denies = 1): fc.Arbitrary<string> {
  return fc
    .record({
      version: oneOf(['2012-10-17', '2012-10-17', '2012-10-17', '2008-10-17', undefined]),
      statements: fc.array(statement(withPrincipal, denies), { minLength: 1, maxLength: 3 }),
    })
    .map(({ version, statements }) => JSON.stringify({ Version: version, Statement: statements }));
}

/** Mostly what limits little, so that the other policies matter. */
const limiting = (withPrincipal: boolean): fc.Arbitrary<string> =>
  fc.oneof(
    { weight: 2, arbitrary: fc.constant(withPrincipal ? everythingToAll : everything) },
    { weight: 1, arbitrary: policy(withPrincipal, 1) },
  );

export const policySet: fc.Arbitrary<PolicySet> = fc.record({
  identity: fc.array(policy(false), { maxLength: 2 }),
  boundary: rarely(limiting(false), 3),
  session: rarely(fc.array(limiting(false), { minLength: 1, maxLength: 2 }), 3),
  serviceControl: rarely(fc.array(fc.array(limiting(false), { maxLength: 2 }), { maxLength: 3 }), 4),
  resourceControl: rarely(fc.array(fc.array(limiting(true), { minLength: 1, maxLength: 2 }), { maxLength: 2 }), 5),
  resource: often(policy(true), 1),
  resourceMustAllow: oneOf([undefined, undefined, true]),
  endpoint: rarely(limiting(true), 6),
});

export const request: fc.Arbitrary<PolicyRequest> = fc.record({
  principal: oneOf(principals),
  action: oneOf(actions),
  resource: oneOf(resources),
  resourceAccount: oneOf([ours, ours, theirs]),
  context,
});
