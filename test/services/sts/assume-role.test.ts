import { EC2 } from '@aws-sdk/client-ec2';
import { IAM } from '@aws-sdk/client-iam';
import { STS } from '@aws-sdk/client-sts';
import { expect, test } from 'vitest';
import { advanceClock, freshAccount, refused, startOwnCloud } from '../../support/cloud.ts';
import { allow, deny, policy, rooted, userWithKey } from '../iam/support.ts';
import { makeRole, roleArn, secondsLeft, session, trusting, userArn } from './support.ts';

test('STS-001 IAM-036 a role is assumed by whom it trusts, and its session has the role’s rights and not the caller’s', async () => {
  const root = rooted();
  const ann = await userWithKey(root, 'ann');
  const eve = await userWithKey(root, 'eve');
  for (const UserName of ['ann', 'eve'])
    await root.iam.putUserPolicy({ UserName, PolicyName: 'p', PolicyDocument: policy(allow('ec2:DescribeVpcs')) });
  const role = await makeRole(root, 'reader', trusting({ AWS: userArn(root.account, 'ann') }), allow('iam:ListUsers'));
  const answer = await ann.sts.assumeRole({ RoleArn: role, RoleSessionName: 'work' });
  expect(answer.Credentials?.AccessKeyId).toMatch(/^ASIA[A-Z2-7]{16}$/);
  expect(answer.Credentials?.SecretAccessKey).toHaveLength(40);
  expect(answer.AssumedRoleUser?.Arn).toBe(`arn:aws:sts::${root.account.id}:assumed-role/reader/work`);
  expect(answer.AssumedRoleUser?.AssumedRoleId).toMatch(/^AROA[A-Z2-7]{17}:work$/);
  expect(answer.PackedPolicySize).toBeUndefined();
  const work = session(root.account, answer.Credentials);
  expect(await work.sts.getCallerIdentity({})).toMatchObject({
    Account: root.account.id,
    Arn: answer.AssumedRoleUser?.Arn,
    UserId: answer.AssumedRoleUser?.AssumedRoleId,
  });
  expect((await work.iam.listUsers({})).Users).toHaveLength(2);
  await ann.ec2.describeVpcs({});
  await refused(work.ec2.describeVpcs({}), 'UnauthorizedOperation', /assumed-role\/reader\/work is not authorized/, 403);
  await refused(
    eve.sts.assumeRole({ RoleArn: role, RoleSessionName: 'work' }),
    'AccessDenied',
    `User: ${userArn(root.account, 'eve')} is not authorized to perform: sts:AssumeRole on resource: ${role}`,
    403,
  );
  // Who may not assume roles does not learn which there are.
  const none = roleArn(root.account, 'none');
  await refused(
    ann.sts.assumeRole({ RoleArn: none, RoleSessionName: 'work' }),
    'AccessDenied',
    `User: ${userArn(root.account, 'ann')} is not authorized to perform: sts:AssumeRole on resource: ${none}`,
    403,
  );
});

test('STS-001 a session’s key needs exactly its secret and its token', async () => {
  const root = rooted();
  const ann = await userWithKey(root, 'ann');
  const role = await makeRole(root, 'r', trusting({ AWS: userArn(root.account, 'ann') }));
  const { Credentials: given } = await ann.sts.assumeRole({ RoleArn: role, RoleSessionName: 'work' });
  const sts = (change: object): STS => new STS(root.account.configFor({ ...given, ...change }));
  await refused(sts({ SessionToken: undefined }).getCallerIdentity({}), 'InvalidClientTokenId', undefined, 403);
  await refused(sts({ SessionToken: `${given?.SessionToken}x` }).getCallerIdentity({}), 'InvalidClientTokenId', undefined, 403);
  await refused(sts({ SecretAccessKey: 'x'.repeat(40) }).getCallerIdentity({}), 'SignatureDoesNotMatch', undefined, 403);
});

test('IAM-036 a role has neither password nor keys', async () => {
  const root = rooted();
  await makeRole(root, 'r', trusting({ Service: 'ec2.amazonaws.com' }));
  const words = 'The user with name r cannot be found.';
  await refused(root.iam.createLoginProfile({ UserName: 'r', Password: 'Secret-1234' }), 'NoSuchEntity', words, 404);
  await refused(root.iam.createAccessKey({ UserName: 'r' }), 'NoSuchEntity', words, 404);
});

test('the root user assumes no role', async () => {
  const root = rooted();
  const role = await makeRole(root, 'r', trusting({ AWS: root.account.id }));
  await refused(
    new STS(root.account.config()).assumeRole({ RoleArn: role, RoleSessionName: 'work' }),
    'AccessDenied',
    'Roles may not be assumed by root accounts.',
    403,
  );
});

test('IAM-018 a trust policy that names the account leaves it to the account’s own policies', async () => {
  const root = rooted();
  const ann = await userWithKey(root, 'ann');
  const role = await makeRole(root, 'r', trusting({ AWS: root.account.id }));
  await refused(ann.sts.assumeRole({ RoleArn: role, RoleSessionName: 'work' }), 'AccessDenied', undefined, 403);
  await root.iam.putUserPolicy({ UserName: 'ann', PolicyName: 'p', PolicyDocument: policy(allow('sts:AssumeRole', role)) });
  await ann.sts.assumeRole({ RoleArn: role, RoleSessionName: 'work' });
  await root.iam.putUserPolicy({ UserName: 'ann', PolicyName: 'n', PolicyDocument: policy(deny('sts:*')) });
  await refused(
    ann.sts.assumeRole({ RoleArn: role, RoleSessionName: 'work' }),
    'AccessDenied',
    `User: ${userArn(root.account, 'ann')} is not authorized to perform: sts:AssumeRole on resource: ${role} with an explicit deny in an identity-based policy`,
  );
});

test('IAM-038 principals of another account work here through a role that trusts it', async () => {
  const here = rooted();
  const there = rooted();
  const bea = await userWithKey(there, 'bea');
  const role = await makeRole(here, 'guest', trusting({ AWS: there.account.id }), allow('iam:ListRoles'));
  // Both sides must allow: the role trusts the account, the account must let its user go.
  await refused(bea.sts.assumeRole({ RoleArn: role, RoleSessionName: 'visit' }), 'AccessDenied', undefined, 403);
  await there.iam.putUserPolicy({ UserName: 'bea', PolicyName: 'p', PolicyDocument: policy(allow('sts:AssumeRole')) });
  const answer = await bea.sts.assumeRole({ RoleArn: role, RoleSessionName: 'visit' });
  const visit = session(there.account, answer.Credentials);
  expect((await visit.sts.getCallerIdentity({})).Account).toBe(here.account.id);
  expect((await visit.iam.listRoles({})).Roles?.map(({ RoleName }) => RoleName)).toEqual(['guest']);
  await here.iam.updateAssumeRolePolicy({ RoleName: 'guest', PolicyDocument: trusting({ AWS: here.account.id }) });
  await refused(
    bea.sts.assumeRole({ RoleArn: role, RoleSessionName: 'visit' }),
    'AccessDenied',
    `User: ${userArn(there.account, 'bea')} is not authorized to perform: sts:AssumeRole on resource: ${role}`,
    403,
  );
});

test('STS-002 a session lasts an hour, and from 900 seconds up to the role’s maximum', async () => {
  const root = rooted();
  const ann = await userWithKey(root, 'ann');
  const role = await makeRole(root, 'r', trusting({ AWS: userArn(root.account, 'ann') }));
  const assume = (DurationSeconds?: number) => ann.sts.assumeRole({ RoleArn: role, RoleSessionName: 'work', DurationSeconds });
  expect(Math.abs(secondsLeft((await assume()).Credentials) - 3600)).toBeLessThan(10);
  expect(Math.abs(secondsLeft((await assume(900)).Credentials) - 900)).toBeLessThan(10);
  await refused(
    assume(899),
    'ValidationError',
    "1 validation error detected: Value '899' at 'durationSeconds' failed to satisfy constraint: Member must have value greater than or equal to 900",
    400,
  );
  const beyond = 'The requested DurationSeconds exceeds the MaxSessionDuration set for this role.';
  await refused(assume(3601), 'ValidationError', beyond, 400);
  await root.iam.updateRole({ RoleName: 'r', MaxSessionDuration: 43_200 });
  expect(Math.abs(secondsLeft((await assume(43_200)).Credentials) - 43_200)).toBeLessThan(10);
  await refused(assume(43_201), 'ValidationError', /Member must have value less than or equal to 43200$/, 400);
  await root.iam.updateRole({ RoleName: 'r', MaxSessionDuration: 7200 });
  await refused(assume(7201), 'ValidationError', beyond, 400);
});

test('STS-002 a role assumed by a role’s session lasts an hour at most', async () => {
  const root = rooted();
  const ann = await userWithKey(root, 'ann');
  const first = await makeRole(root, 'first', trusting({ AWS: userArn(root.account, 'ann') }));
  const second = await makeRole(root, 'second', trusting({ AWS: first }));
  await root.iam.updateRole({ RoleName: 'second', MaxSessionDuration: 43_200 });
  const one = session(root.account, (await ann.sts.assumeRole({ RoleArn: first, RoleSessionName: 'one' })).Credentials);
  await refused(
    one.sts.assumeRole({ RoleArn: second, RoleSessionName: 'two', DurationSeconds: 3601 }),
    'ValidationError',
    'The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining.',
    400,
  );
  const two = await one.sts.assumeRole({ RoleArn: second, RoleSessionName: 'two', DurationSeconds: 3600 });
  expect(two.AssumedRoleUser?.Arn).toBe(`arn:aws:sts::${root.account.id}:assumed-role/second/two`);
  await refused(one.sts.getSessionToken({}), 'AccessDenied', 'Cannot call GetSessionToken with session credentials', 403);
  await refused(one.sts.getFederationToken({ Name: 'x1' }), 'AccessDenied', undefined, 403);
});

test('STS-003 temporary credentials stop working when they expire', async () => {
  const cloud = await startOwnCloud();
  try {
    const root = rooted(cloud.endpoint);
    const ann = await userWithKey(root, 'ann');
    const role = await makeRole(root, 'r', trusting({ AWS: userArn(root.account, 'ann') }), allow('ec2:DescribeVpcs'));
    const answer = await ann.sts.assumeRole({ RoleArn: role, RoleSessionName: 'work', DurationSeconds: 900 });
    const work = session(root.account, answer.Credentials);
    await work.sts.getCallerIdentity({});
    await advanceClock(cloud.endpoint, 880_000);
    await work.ec2.describeVpcs({});
    await advanceClock(cloud.endpoint, 21_000);
    await refused(work.sts.getCallerIdentity({}), 'ExpiredToken', 'The security token included in the request is expired', 403);
    await refused(new EC2(root.account.configFor(answer.Credentials ?? {})).describeVpcs({}), 'RequestExpired', undefined, 400);
    // Two days later the session itself has been swept, and is like any unknown key.
    await advanceClock(cloud.endpoint, 2 * 86_400_000);
    await refused(work.sts.getCallerIdentity({}), 'InvalidClientTokenId', undefined, 403);
    await ann.sts.getCallerIdentity({});
  } finally {
    await cloud.stop();
  }
}, 60_000);

test('IAM-018 a principal made again under its name is another one', async () => {
  const root = rooted();
  const ann = await userWithKey(root, 'ann');
  const role = await makeRole(root, 'r', trusting({ AWS: userArn(root.account, 'ann') }));
  await ann.sts.assumeRole({ RoleArn: role, RoleSessionName: 'work' });
  const shown = async (): Promise<string> =>
    decodeURIComponent((await root.iam.getRole({ RoleName: 'r' })).Role?.AssumeRolePolicyDocument ?? '');
  expect(await shown()).toContain(`"AWS":"${userArn(root.account, 'ann')}"`);
  await root.iam.deleteAccessKey({ UserName: 'ann', AccessKeyId: ann.key.AccessKeyId });
  await root.iam.deleteUser({ UserName: 'ann' });
  expect(await shown()).toMatch(/"AWS":"AIDA[A-Z2-7]{17}"/);
  const other = await userWithKey(root, 'ann');
  await refused(other.sts.assumeRole({ RoleArn: role, RoleSessionName: 'work' }), 'AccessDenied', undefined, 403);
  await root.iam.updateAssumeRolePolicy({ RoleName: 'r', PolicyDocument: trusting({ AWS: userArn(root.account, 'ann') }) });
  await other.sts.assumeRole({ RoleArn: role, RoleSessionName: 'work' });
});

test('a renamed user stays trusted, and is shown by its new name', async () => {
  const root = rooted();
  const ann = await userWithKey(root, 'ann');
  const role = await makeRole(root, 'r', trusting({ AWS: userArn(root.account, 'ann') }));
  await root.iam.updateUser({ UserName: 'ann', NewUserName: 'anna' });
  await ann.sts.assumeRole({ RoleArn: role, RoleSessionName: 'work' });
  const { Role } = await root.iam.getRole({ RoleName: 'r' });
  expect(decodeURIComponent(Role?.AssumeRolePolicyDocument ?? '')).toContain(userArn(root.account, 'anna'));
});

test('IAM-018 a deleted role’s sessions may do nothing, also when a role of its name is made again', async () => {
  const root = rooted();
  const ann = await userWithKey(root, 'ann');
  const trust = trusting({ AWS: userArn(root.account, 'ann') });
  const role = await makeRole(root, 'r', trust, allow('iam:ListUsers'));
  const work = session(root.account, (await ann.sts.assumeRole({ RoleArn: role, RoleSessionName: 'work' })).Credentials);
  await work.iam.listUsers({});
  await root.iam.deleteRolePolicy({ RoleName: 'r', PolicyName: 'may' });
  await root.iam.deleteRole({ RoleName: 'r' });
  await refused(work.iam.listUsers({}), 'AccessDenied', undefined, 403);
  await makeRole(root, 'r', trust, allow('iam:ListUsers'));
  await refused(work.iam.listUsers({}), 'AccessDenied', undefined, 403);
});

test('trust policies ask for external ids and session names', async () => {
  const root = rooted();
  const ann = await userWithKey(root, 'ann');
  const ofAnn = { AWS: userArn(root.account, 'ann') };
  const outside = await makeRole(root, 'outside', trusting(ofAnn, { Condition: { StringEquals: { 'sts:ExternalId': 'e-42' } } }));
  await refused(ann.sts.assumeRole({ RoleArn: outside, RoleSessionName: 'work' }), 'AccessDenied', undefined, 403);
  await refused(
    ann.sts.assumeRole({ RoleArn: outside, RoleSessionName: 'work', ExternalId: 'e-43' }),
    'AccessDenied',
    undefined,
    403,
  );
  await ann.sts.assumeRole({ RoleArn: outside, RoleSessionName: 'work', ExternalId: 'e-42' });
  const named = await makeRole(
    root,
    'named',
    trusting(ofAnn, { Condition: { StringLike: { 'sts:RoleSessionName': '${aws:username}' } } }),
  );
  await refused(ann.sts.assumeRole({ RoleArn: named, RoleSessionName: 'work' }), 'AccessDenied', undefined, 403);
  await ann.sts.assumeRole({ RoleArn: named, RoleSessionName: 'ann' });
});

test('session policies only narrow', async () => {
  const root = rooted();
  const ann = await userWithKey(root, 'ann');
  const role = await makeRole(root, 'r', trusting({ AWS: userArn(root.account, 'ann') }), allow('iam:List*'));
  const { Policy: managed } = await root.iam.createPolicy({ PolicyName: 'm', PolicyDocument: policy(allow('iam:ListRoles')) });
  const narrow = await ann.sts.assumeRole({
    RoleArn: role,
    RoleSessionName: 'work',
    Policy: policy(allow(['iam:ListUsers', 'ec2:*'])),
    PolicyArns: [{ arn: managed?.Arn }],
  });
  expect(narrow.PackedPolicySize).toBeGreaterThan(0);
  expect(narrow.PackedPolicySize).toBeLessThanOrEqual(100);
  const work = session(root.account, narrow.Credentials);
  await work.iam.listUsers({});
  await work.iam.listRoles({});
  await refused(work.iam.listGroups({}), 'AccessDenied', /because no session policy allows the iam:ListGroups action$/, 403);
  await refused(work.ec2.describeVpcs({}), 'UnauthorizedOperation', undefined, 403);
  const assume = (more: object) => ann.sts.assumeRole({ RoleArn: role, RoleSessionName: 'work', ...more });
  await refused(assume({ Policy: '{' }), 'MalformedPolicyDocument', undefined, 400);
  await refused(assume({ PolicyArns: [{ arn: `${managed?.Arn}x` }] }), 'ValidationError', undefined, 400);
  const long = policy(
    ...Array.from({ length: 60 }, (_, index) => allow(`iam:Get${index}`, `arn:aws:iam::${index}11111111111:user/x`)),
  );
  await refused(assume({ Policy: long }), 'PackedPolicyTooLarge', /^Packed policy consumes \d+% of allotted space/, 400);
});

test('session tags must be allowed, count as the principal’s, and go on when transitive', async () => {
  const root = rooted();
  const ann = await userWithKey(root, 'ann');
  const tagging = { Action: ['sts:AssumeRole', 'sts:TagSession'] };
  const plain = await makeRole(root, 'plain', trusting({ AWS: userArn(root.account, 'ann') }));
  const Tags = [{ Key: 'team', Value: 'blue' }];
  await refused(
    ann.sts.assumeRole({ RoleArn: plain, RoleSessionName: 'work', Tags }),
    'AccessDenied',
    `User: ${userArn(root.account, 'ann')} is not authorized to perform: sts:TagSession on resource: ${plain}`,
    403,
  );
  const ofTeam = allow('iam:ListUsers', '*', { Condition: { StringEquals: { 'aws:PrincipalTag/team': 'blue' } } });
  const only = { Condition: { StringEquals: { 'aws:RequestTag/team': ['blue', 'red'] } } };
  const first = await makeRole(root, 'first', trusting({ AWS: userArn(root.account, 'ann') }, { ...tagging, ...only }), ofTeam);
  const second = await makeRole(root, 'second', trusting({ AWS: first }, tagging), ofTeam);
  const assume = (more: object) => ann.sts.assumeRole({ RoleArn: first, RoleSessionName: 'work', ...more });
  await refused(assume({ Tags: [{ Key: 'team', Value: 'green' }] }), 'AccessDenied', undefined, 403);
  await refused(assume({ Tags, TransitiveTagKeys: ['other'] }), 'ValidationError', undefined, 400);
  const red = session(root.account, (await assume({ Tags: [{ Key: 'team', Value: 'red' }] })).Credentials);
  await refused(red.iam.listUsers({}), 'AccessDenied', undefined, 403);
  const blue = session(root.account, (await assume({ Tags })).Credentials);
  await blue.iam.listUsers({});
  const lost = await blue.sts.assumeRole({ RoleArn: second, RoleSessionName: 'two' });
  await refused(session(root.account, lost.Credentials).iam.listUsers({}), 'AccessDenied', undefined, 403);
  const kept = session(root.account, (await assume({ Tags, TransitiveTagKeys: ['team'] })).Credentials);
  const next = await kept.sts.assumeRole({ RoleArn: second, RoleSessionName: 'two' });
  await session(root.account, next.Credentials).iam.listUsers({});
  await refused(
    kept.sts.assumeRole({ RoleArn: second, RoleSessionName: 'two', Tags: [{ Key: 'Team', Value: 'red' }] }),
    'ValidationError',
    "One of the specified transitive tag keys can't be set because it conflicts with a transitive tag key from the calling session.",
    400,
  );
});

test('a source identity must be allowed, is kept through a chain, and cannot be changed', async () => {
  const root = rooted();
  const ann = await userWithKey(root, 'ann');
  const more = { Action: ['sts:AssumeRole', 'sts:SetSourceIdentity'] };
  const first = await makeRole(root, 'first', trusting({ AWS: userArn(root.account, 'ann') }, more));
  const second = await makeRole(root, 'second', trusting({ AWS: first }, more));
  const plain = await makeRole(root, 'plain', trusting({ AWS: [userArn(root.account, 'ann'), first] }));
  await refused(
    ann.sts.assumeRole({ RoleArn: plain, RoleSessionName: 'work', SourceIdentity: 'ann' }),
    'AccessDenied',
    /sts:SetSourceIdentity on resource/,
    403,
  );
  const answer = await ann.sts.assumeRole({ RoleArn: first, RoleSessionName: 'work', SourceIdentity: 'ann' });
  expect(answer.SourceIdentity).toBe('ann');
  const one = session(root.account, answer.Credentials);
  expect((await one.sts.assumeRole({ RoleArn: second, RoleSessionName: 'two' })).SourceIdentity).toBe('ann');
  await refused(one.sts.assumeRole({ RoleArn: plain, RoleSessionName: 'two' }), 'AccessDenied', undefined, 403);
  await refused(
    one.sts.assumeRole({ RoleArn: second, RoleSessionName: 'two', SourceIdentity: 'eve' }),
    'AccessDenied',
    undefined,
    403,
  );
});

test('members that break their rules are refused with their value', async () => {
  const root = rooted();
  const ann = await userWithKey(root, 'ann');
  const role = roleArn(root.account, 'r');
  await refused(ann.sts.assumeRole({ RoleArn: 'r', RoleSessionName: 'ok' }), 'ValidationError', undefined, 400);
  await refused(
    ann.sts.assumeRole({ RoleArn: 'not-an-arn-but-long-enough', RoleSessionName: 'ok' }),
    'ValidationError',
    'not-an-arn-but-long-enough is invalid',
    400,
  );
  await refused(
    ann.sts.assumeRole({ RoleArn: role, RoleSessionName: 'a b' }),
    'ValidationError',
    "1 validation error detected: Value 'a b' at 'roleSessionName' failed to satisfy constraint: Member must satisfy regular expression pattern: [\\w+=,.@-]*",
    400,
  );
  await refused(
    ann.sts.assumeRole({ RoleArn: role, RoleSessionName: 'x', DurationSeconds: 1 }),
    'ValidationError',
    /^2 validation errors detected: Value 'x' at 'roleSessionName' .*; Value '1' at 'durationSeconds'/,
    400,
  );
});

test('a session survives the death of the cloud, and a managed session policy counts as it is now', async () => {
  const first = await startOwnCloud();
  const root = rooted(first.endpoint);
  const ann = await userWithKey(root, 'ann');
  const role = await makeRole(root, 'r', trusting({ AWS: userArn(root.account, 'ann') }), allow('iam:List*'));
  const { Policy: made } = await root.iam.createPolicy({ PolicyName: 'm', PolicyDocument: policy(allow('iam:ListRoles')) });
  const answer = await ann.sts.assumeRole({ RoleArn: role, RoleSessionName: 'work', PolicyArns: [{ arn: made?.Arn }] });
  await first.kill();
  const second = await startOwnCloud({ data: first.data });
  try {
    const again = freshAccount(second.endpoint);
    const work = session(again, answer.Credentials);
    expect((await work.sts.getCallerIdentity({})).Arn).toBe(answer.AssumedRoleUser?.Arn);
    await work.iam.listRoles({});
    await refused(work.iam.listUsers({}), 'AccessDenied', /because no session policy allows/, 403);
    const iam = new IAM(again.config({ credentials: { accessKeyId: root.account.id, secretAccessKey: 'test' } }));
    const PolicyDocument = policy(allow('iam:ListUsers'));
    await iam.createPolicyVersion({ PolicyArn: made?.Arn, PolicyDocument, SetAsDefault: true });
    await work.iam.listUsers({});
    await refused(work.iam.listRoles({}), 'AccessDenied', undefined, 403);
  } finally {
    await second.stop();
  }
}, 60_000);
