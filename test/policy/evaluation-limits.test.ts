/**
 * More rules of the evaluation-logic pages: other accounts, callers without policies of their own, and what only limits. Source: IAM User
 * Guide, "Policy evaluation for requests within a single account", "Cross-account policy evaluation logic", "Permissions boundaries",
 * "Session policies", "Principal", "NotPrincipal"; AWS Organizations User Guide, "SCP evaluation", "RCP evaluation".
 */
import {
  ours,
  theirs,
  bucket,
  alice,
  bob,
  root,
  workerRole,
  session,
  guestRole,
  guest,
  service,
  anonymous,
  linked,
  policy,
  allow,
  deny,
  grant,
  refuse,
  other,
  table,
  context,
} from './cases.ts';

table('resources whose policy must allow (keys, roles)', [
  ['no resource policy', alice, { identity: [allow()], resourceMustAllow: true }, 'implicit-resource'],
  [
    'a resource policy that does not name the account',
    alice,
    { identity: [allow()], resource: grant({ AWS: theirs }), resourceMustAllow: true },
    'implicit-resource',
  ],
  [
    'one that does, and the identity policy',
    alice,
    { identity: [allow()], resource: grant({ AWS: ours }), resourceMustAllow: true },
    'allowed',
  ],
  ['one that does, alone', alice, { resource: grant({ AWS: ours }), resourceMustAllow: true }, 'implicit-identity'],
  ['one that names the user, alone', alice, { resource: grant({ AWS: alice.arn }), resourceMustAllow: true }, 'allowed'],
  ['root is refused too', root, { resource: grant({ AWS: alice.arn }), resourceMustAllow: true }, 'implicit-resource'],
  ['root where the account is named', root, { resource: grant({ AWS: ours }), resourceMustAllow: true }, 'allowed'],
]);

table('across accounts', [
  ['both sides allow', bob, { identity: [allow()], resource: grant({ AWS: bob.arn }) }, 'allowed'],
  [
    'the account is named and the identity policy allows',
    bob,
    { identity: [allow()], resource: grant({ AWS: theirs }) },
    'allowed',
  ],
  ['everybody is named and the identity policy allows', bob, { identity: [allow()], resource: grant('*') }, 'allowed'],
  ['the resource policy alone', bob, { resource: grant({ AWS: bob.arn }) }, 'implicit-identity'],
  ['everybody named, alone', bob, { resource: grant('*') }, 'implicit-identity'],
  ['the identity policy alone', bob, { identity: [allow()] }, 'implicit-resource'],
  ['the role is named', guest, { identity: [allow()], resource: grant({ AWS: guestRole }) }, 'allowed'],
  ['the session is named: its role must allow nevertheless', guest, { resource: grant({ AWS: guest.arn }) }, 'implicit-identity'],
  [
    'the session is named: its boundary limits nevertheless',
    guest,
    { identity: [allow()], boundary: other, resource: grant({ AWS: guest.arn }) },
    'implicit-boundary',
  ],
  [
    'the session is named: its session policy limits nevertheless',
    guest,
    { identity: [allow()], session: [other], resource: grant({ AWS: guest.arn }) },
    'implicit-session',
  ],
  ['another account is named', bob, { identity: [allow()], resource: grant({ AWS: '333333333333' }) }, 'implicit-resource'],
  [
    'its service control policy limits',
    bob,
    { identity: [allow()], resource: grant('*'), serviceControl: [[other]] },
    'implicit-service-control',
  ],
  ['a deny in the identity policy', bob, { identity: [allow(), deny()], resource: grant('*') }, 'explicit-identity'],
  [
    'a deny in the resource policy',
    bob,
    {
      identity: [allow()],
      resource: policy(
        { Effect: 'Allow', Principal: '*', Action: '*', Resource: '*' },
        { Effect: 'Deny', Principal: { AWS: theirs }, Action: '*', Resource: '*' },
      ),
    },
    'explicit-resource',
  ],
]);

table('services, anonymous callers, identity providers', [
  ['a service needs the resource policy', service, {}, 'implicit-resource'],
  ['a service that is named', service, { resource: grant({ Service: 'sns.amazonaws.com' }) }, 'allowed'],
  ['another service is named', service, { resource: grant({ Service: 'sqs.amazonaws.com' }) }, 'implicit-resource'],
  ['a service among everybody', service, { resource: grant('*') }, 'allowed'],
  [
    'a service by another of its names',
    service,
    { resource: grant({ Service: 'sns.eu-west-1.amazonaws.com' }) },
    'allowed',
    context({ 'aws:principalservicenameslist': ['sns.amazonaws.com', 'sns.eu-west-1.amazonaws.com'] }),
  ],
  [
    'a service for the wrong source',
    service,
    { resource: grant({ Service: service.arn }, { Condition: { ArnEquals: { 'aws:SourceArn': 'arn:aws:sns:*:*:a' } } }) },
    'implicit-resource',
    context({ 'aws:sourcearn': `arn:aws:sns:eu-west-1:${ours}:b` }),
  ],
  ['a service is denied with everybody', service, { resource: refuse('*') }, 'explicit-resource'],
  ['a service has no identity policies that could allow', service, { identity: [allow()] }, 'implicit-resource'],
  ['service control policies do not bind services', service, { resource: grant('*'), serviceControl: [[other]] }, 'allowed'],
  [
    'resource control policies do',
    service,
    { resource: grant('*'), resourceControl: [[refuse('*')]] },
    'explicit-resource-control',
  ],
  ['nobody without credentials by default', anonymous, {}, 'implicit-resource'],
  ['everybody, also without credentials', anonymous, { resource: grant('*') }, 'allowed'],
  ['everybody as {"AWS": "*"}', anonymous, { resource: grant({ AWS: '*' }) }, 'allowed'],
  ['an account does not name those without credentials', anonymous, { resource: grant({ AWS: ours }) }, 'implicit-resource'],
  [
    'everybody, on a condition that fails',
    anonymous,
    { resource: grant('*', { Condition: { IpAddress: { 'aws:SourceIp': '10.0.0.0/8' } } }) },
    'implicit-resource',
    context({ 'aws:sourceip': '192.0.2.1' }),
  ],
]);

table('service control policies', [
  ['no organisation', alice, { identity: [allow()], serviceControl: [] }, 'allowed'],
  [
    'every level allows',
    alice,
    { identity: [allow()], serviceControl: [[allow('*')], [allow('s3:*')], [allow('*')]] },
    'allowed',
  ],
  [
    'one level does not',
    alice,
    { identity: [allow()], serviceControl: [[allow('*')], [other], [allow('*')]] },
    'implicit-service-control',
  ],
  [
    'a level without policies allows nothing',
    alice,
    { identity: [allow()], serviceControl: [[allow('*')], []] },
    'implicit-service-control',
  ],
  ['within a level any policy may allow', alice, { identity: [allow()], serviceControl: [[other, allow()]] }, 'allowed'],
  [
    'a deny at any level',
    alice,
    { identity: [allow()], serviceControl: [[allow('*'), deny()], [allow('*')]] },
    'explicit-service-control',
  ],
  ['they grant nothing', alice, { serviceControl: [[allow('*')]] }, 'implicit-identity'],
  [
    'they limit what a resource policy grants directly',
    alice,
    { resource: grant({ AWS: alice.arn }), serviceControl: [[other]] },
    'implicit-service-control',
  ],
  ['they do not bind service-linked roles', linked, { identity: [allow()], serviceControl: [[other, deny()]] }, 'allowed'],
  ['they bind other roles', session, { identity: [allow()], serviceControl: [[other]] }, 'implicit-service-control'],
]);

table('resource control policies', [
  ['every level allows', alice, { identity: [allow()], resourceControl: [[grant('*')], [grant('*')]] }, 'allowed'],
  [
    'one level does not',
    alice,
    { identity: [allow()], resourceControl: [[grant('*')], [grant('*', { Action: 'sqs:*' })]] },
    'implicit-resource-control',
  ],
  ['a deny', alice, { identity: [allow()], resourceControl: [[grant('*'), refuse('*')]] }, 'explicit-resource-control'],
  [
    'a deny outside the organisation',
    bob,
    {
      identity: [allow()],
      resource: grant('*'),
      resourceControl: [[grant('*'), refuse('*', { Condition: { StringNotEqualsIfExists: { 'aws:PrincipalOrgID': 'o-1' } } })]],
    },
    'explicit-resource-control',
    context({ 'aws:principalorgid': 'o-2' }),
  ],
  [
    'and inside',
    bob,
    {
      identity: [allow()],
      resource: grant('*'),
      resourceControl: [[grant('*'), refuse('*', { Condition: { StringNotEqualsIfExists: { 'aws:PrincipalOrgID': 'o-1' } } })]],
    },
    'allowed',
    context({ 'aws:principalorgid': 'o-1' }),
  ],
  [
    'they bind anonymous callers',
    anonymous,
    { resource: grant('*'), resourceControl: [[refuse('*')]] },
    'explicit-resource-control',
  ],
  ['they do not bind service-linked roles', linked, { identity: [allow()], resourceControl: [[refuse('*')]] }, 'allowed'],
]);

table('endpoint policies', [
  ['the endpoint lets it pass', alice, { identity: [allow()], endpoint: grant('*') }, 'allowed'],
  [
    'the endpoint is for other resources',
    alice,
    { identity: [allow()], endpoint: grant('*', { Resource: `${bucket}-2/*` }) },
    'implicit-endpoint',
  ],
  ['the endpoint denies', alice, { identity: [allow()], endpoint: refuse('*') }, 'explicit-endpoint'],
  ['an endpoint grants nothing', alice, { endpoint: grant('*') }, 'implicit-identity'],
  ['the endpoint is for another account', alice, { identity: [allow()], endpoint: grant({ AWS: theirs }) }, 'implicit-endpoint'],
  ['the endpoint is for this account', alice, { identity: [allow()], endpoint: grant({ AWS: ours }) }, 'allowed'],
]);

const exceptFor = (NotPrincipal: unknown): string => policy({ Effect: 'Deny', NotPrincipal, Action: 's3:*', Resource: '*' });

table('NotPrincipal', [
  [
    'spares a user listed with its account',
    alice,
    { identity: [allow()], resource: exceptFor({ AWS: [alice.arn, ours] }) },
    'allowed',
  ],
  [
    'denies a user listed without its account',
    alice,
    { identity: [allow()], resource: exceptFor({ AWS: alice.arn }) },
    'explicit-resource',
  ],
  [
    'denies other users of the account',
    { ...alice, arn: `${alice.arn}2` },
    { identity: [allow()], resource: exceptFor({ AWS: [alice.arn, ours] }) },
    'explicit-resource',
  ],
  [
    'spares a session listed with role and account',
    session,
    { identity: [allow()], resource: exceptFor({ AWS: [session.arn, workerRole, `arn:aws:iam::${ours}:root`] }) },
    'allowed',
  ],
  [
    'denies a session listed without its role',
    session,
    { identity: [allow()], resource: exceptFor({ AWS: [session.arn, ours] }) },
    'explicit-resource',
  ],
  ['spares root by its account', root, { resource: exceptFor({ AWS: ours }) }, 'allowed'],
  ['denies anonymous callers', anonymous, { resource: exceptFor({ AWS: ours }) }, 'explicit-resource'],
  [
    'spares a service',
    service,
    {
      resource: policy(
        { Effect: 'Deny', NotPrincipal: { Service: service.arn }, Action: '*', Resource: '*' },
        { Effect: 'Allow', Principal: '*', Action: '*', Resource: '*' },
      ),
    },
    'allowed',
  ],
  [
    'denies whoever has a boundary, listed or not',
    alice,
    { identity: [allow()], boundary: allow(), resource: exceptFor({ AWS: [alice.arn, ours] }) },
    'explicit-resource',
  ],
  [
    'with Allow grants nothing',
    alice,
    { resource: policy({ Effect: 'Allow', NotPrincipal: { AWS: bob.arn }, Action: '*', Resource: '*' }) },
    'implicit-identity',
  ],
]);
