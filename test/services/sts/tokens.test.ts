import { EC2 } from '@aws-sdk/client-ec2';
import { STS } from '@aws-sdk/client-sts';
import { expect, test } from 'vitest';
import { refused } from '../../support/cloud.ts';
import { allow, deny, fromBase32, type KeyedUser, policy, type Rooted, rooted, totp, userWithKey } from '../iam/support.ts';
import { makeRole, secondsLeft, session, trusting, userArn } from './support.ts';

interface Device {
  serial: string;
  seed: Uint8Array;
}

/** A virtual MFA device of the user, enabled with the two codes before the present one. */
async function withDevice({ iam }: Rooted, user: KeyedUser): Promise<Device> {
  const { VirtualMFADevice: made } = await iam.createVirtualMFADevice({ VirtualMFADeviceName: user.name });
  const seed = fromBase32(Buffer.from(made?.Base32StringSeed ?? []).toString());
  const serial = made?.SerialNumber ?? '';
  await iam.enableMFADevice({
    UserName: user.name,
    SerialNumber: serial,
    AuthenticationCode1: totp(seed, -2),
    AuthenticationCode2: totp(seed, -1),
  });
  return { serial, seed };
}

const wrongCode = 'MultiFactorAuthentication failed with invalid MFA one time pass code. ';

test('STS-005 IAM-027 a code of an MFA device opens a session in which MFA is present', async () => {
  const root = rooted();
  const ann = await userWithKey(root, 'ann');
  const { serial, seed } = await withDevice(root, ann);
  const withMfa = { Condition: { Bool: { 'aws:MultiFactorAuthPresent': 'true' } } };
  const PolicyDocument = policy(allow(['iam:ListRoles', 'ec2:DescribeVpcs'], '*', withMfa));
  await root.iam.putUserPolicy({ UserName: 'ann', PolicyName: 'mfa', PolicyDocument });
  await refused(ann.iam.listRoles({}), 'AccessDenied', undefined, 403);
  const plain = session(root.account, (await ann.sts.getSessionToken({})).Credentials);
  await refused(plain.ec2.describeVpcs({}), 'UnauthorizedOperation', undefined, 403);
  const get = (SerialNumber?: string, TokenCode?: string) => ann.sts.getSessionToken({ SerialNumber, TokenCode });
  const code = totp(seed, 0);
  const wrong = code === '000000' ? '000001' : '000000';
  await refused(get(serial, wrong), 'AccessDenied', wrongCode, 403);
  await refused(
    get(`${serial}x`, code),
    'AccessDenied',
    'MultiFactorAuthentication failed, unable to validate MFA code.  Please verify your MFA serial number is valid and associated with this user.',
    403,
  );
  await refused(
    get(serial),
    'AccessDenied',
    'MultiFactorAuthentication failed, must provide both MFA serial number and one time pass code.',
    403,
  );
  const { Credentials: given } = await get(serial, code);
  expect(given?.AccessKeyId).toMatch(/^ASIA/);
  expect(Math.abs(secondsLeft(given) - 43_200)).toBeLessThan(10);
  const strong = session(root.account, given);
  expect((await strong.sts.getCallerIdentity({})).Arn).toBe(userArn(root.account, 'ann'));
  await strong.iam.listRoles({});
  await strong.ec2.describeVpcs({});
  // A code works once.
  await refused(get(serial, code), 'AccessDenied', wrongCode, 403);
});

test('IAM-027 a deny with BoolIfExists blocks every call made without MFA', async () => {
  const root = rooted();
  const ann = await userWithKey(root, 'ann');
  const { serial, seed } = await withDevice(root, ann);
  const without = { Condition: { BoolIfExists: { 'aws:MultiFactorAuthPresent': 'false' } } };
  await root.iam.putUserPolicy({ UserName: 'ann', PolicyName: 'p', PolicyDocument: policy(allow('*'), deny('*', '*', without)) });
  await refused(ann.iam.listUsers({}), 'AccessDenied', /with an explicit deny in an identity-based policy$/, 403);
  const { Credentials: plain } = await ann.sts.getSessionToken({});
  await refused(session(root.account, plain).ec2.describeVpcs({}), 'UnauthorizedOperation', undefined, 403);
  const { Credentials: given } = await ann.sts.getSessionToken({ SerialNumber: serial, TokenCode: totp(seed, 0) });
  await session(root.account, given).iam.listUsers({});
});

test('IAM-027 a role’s trust policy can demand MFA', async () => {
  const root = rooted();
  const ann = await userWithKey(root, 'ann');
  const { serial, seed } = await withDevice(root, ann);
  const withMfa = { Condition: { Bool: { 'aws:MultiFactorAuthPresent': 'true' } } };
  const RoleArn = await makeRole(root, 'r', trusting({ AWS: userArn(root.account, 'ann') }, withMfa));
  await refused(ann.sts.assumeRole({ RoleArn, RoleSessionName: 'work' }), 'AccessDenied', undefined, 403);
  await refused(
    ann.sts.assumeRole({ RoleArn, RoleSessionName: 'work', SerialNumber: serial, TokenCode: totp(seed, 40) }),
    'AccessDenied',
    wrongCode,
    403,
  );
  await ann.sts.assumeRole({ RoleArn, RoleSessionName: 'work', SerialNumber: serial, TokenCode: totp(seed, 0) });
});

test('session tokens of users without MFA call neither IAM nor most of STS', async () => {
  const root = rooted();
  const ann = await userWithKey(root, 'ann');
  await root.iam.putUserPolicy({ UserName: 'ann', PolicyName: 'p', PolicyDocument: policy(allow('*')) });
  const RoleArn = await makeRole(root, 'r', trusting({ AWS: userArn(root.account, 'ann') }));
  const plain = session(root.account, (await ann.sts.getSessionToken({ DurationSeconds: 900 })).Credentials);
  await refused(plain.iam.listUsers({}), 'InvalidClientTokenId', 'The security token included in the request is invalid', 403);
  await refused(plain.sts.getSessionToken({}), 'AccessDenied', 'Cannot call GetSessionToken with session credentials', 403);
  await refused(
    plain.sts.getFederationToken({ Name: 'fe' }),
    'AccessDenied',
    'Cannot call GetFederationToken with session credentials',
    403,
  );
  await plain.ec2.describeVpcs({});
  await plain.sts.assumeRole({ RoleArn, RoleSessionName: 'work' });
  await plain.sts.getCallerIdentity({});
});

test('a session token goes with its user: renamed it stays, deleted it is none', async () => {
  const root = rooted();
  const ann = await userWithKey(root, 'ann');
  await root.iam.putUserPolicy({ UserName: 'ann', PolicyName: 'p', PolicyDocument: policy(allow('ec2:DescribeVpcs')) });
  const held = session(root.account, (await ann.sts.getSessionToken({})).Credentials);
  await held.ec2.describeVpcs({});
  await root.iam.updateUser({ UserName: 'ann', NewUserName: 'anna' });
  await held.ec2.describeVpcs({});
  expect((await held.sts.getCallerIdentity({})).Arn).toBe(userArn(root.account, 'anna'));
  await root.iam.deleteAccessKey({ UserName: 'anna', AccessKeyId: ann.key.AccessKeyId });
  await root.iam.deleteUserPolicy({ UserName: 'anna', PolicyName: 'p' });
  await root.iam.deleteUser({ UserName: 'anna' });
  await refused(held.sts.getCallerIdentity({}), 'InvalidClientTokenId', undefined, 403);
});

test('session tokens last from 900 to 129600 seconds, and those of root an hour', async () => {
  const root = rooted();
  const ann = await userWithKey(root, 'ann');
  const get = async (DurationSeconds: number) => secondsLeft((await ann.sts.getSessionToken({ DurationSeconds })).Credentials);
  expect(Math.abs((await get(129_600)) - 129_600)).toBeLessThan(10);
  await refused(get(899), 'ValidationError', /Value '899' at 'durationSeconds'/, 400);
  await refused(get(129_601), 'ValidationError', /Member must have value less than or equal to 129600$/, 400);
  const answer = await new STS(root.account.config()).getSessionToken({ DurationSeconds: 129_600 });
  expect(Math.abs(secondsLeft(answer.Credentials) - 3600)).toBeLessThan(10);
  const rootSession = session(root.account, answer.Credentials);
  expect((await rootSession.sts.getCallerIdentity({})).Arn).toBe(`arn:aws:iam::${root.account.id}:root`);
  await rootSession.ec2.describeVpcs({});
});

test('IAM-018 a federated user has what its session policy and its user both allow', async () => {
  const root = rooted();
  const ann = await userWithKey(root, 'ann');
  const get = (Policy?: string) => ann.sts.getFederationToken({ Name: 'Fred', Policy });
  await refused(
    get(policy(allow('*'))),
    'AccessDenied',
    `User: ${userArn(root.account, 'ann')} is not authorized to perform: sts:GetFederationToken on resource: arn:aws:sts::${root.account.id}:federated-user/Fred because no identity-based policy allows the sts:GetFederationToken action`,
    403,
  );
  await root.iam.putUserPolicy({
    UserName: 'ann',
    PolicyName: 'p',
    PolicyDocument: policy(allow(['sts:GetFederationToken', 'ec2:DescribeVpcs', 'iam:*'])),
  });
  const answer = await get(policy(allow(['ec2:DescribeVpcs', 'ec2:DescribeSubnets', 'iam:*'])));
  expect(answer.FederatedUser).toEqual({
    FederatedUserId: `${root.account.id}:Fred`,
    Arn: `arn:aws:sts::${root.account.id}:federated-user/Fred`,
  });
  const fred = session(root.account, answer.Credentials);
  expect(await fred.sts.getCallerIdentity({})).toMatchObject({ UserId: `${root.account.id}:Fred` });
  await fred.ec2.describeVpcs({});
  await refused(fred.ec2.describeSubnets({}), 'UnauthorizedOperation', undefined, 403);
  await refused(fred.iam.listUsers({}), 'InvalidClientTokenId', undefined, 403);
  await refused(
    session(root.account, (await get()).Credentials).ec2.describeVpcs({}),
    'UnauthorizedOperation',
    /no session policy allows/,
    403,
  );
  await refused(get('{}'), 'MalformedPolicyDocument', undefined, 400);
});

test('the account of a key is told, and a refusal of EC2 can be decoded by who may', async () => {
  const root = rooted();
  const other = rooted();
  const ann = await userWithKey(root, 'ann');
  const sts = new STS(root.account.config());
  expect(await sts.getAccessKeyInfo({ AccessKeyId: ann.key.AccessKeyId })).toMatchObject({ Account: root.account.id });
  await refused(sts.getAccessKeyInfo({ AccessKeyId: 'AKIA000000000000' }), 'ValidationError', undefined, 400);
  const error = await refused(new EC2(root.account.configFor(ann.key)).describeVpcs({}), 'UnauthorizedOperation', undefined, 403);
  const [, EncodedMessage = ''] = /Encoded authorization failure message: ([\w-]+)$/.exec(error.message) ?? [];
  const { DecodedMessage } = await sts.decodeAuthorizationMessage({ EncodedMessage });
  expect(JSON.parse(DecodedMessage ?? '')).toMatchObject({
    allowed: false,
    explicitDeny: false,
    context: { principal: { arn: userArn(root.account, 'ann'), name: 'ann' }, action: 'ec2:DescribeVpcs', resource: '*' },
  });
  await refused(ann.sts.decodeAuthorizationMessage({ EncodedMessage }), 'AccessDenied', undefined, 403);
  const notValid = ['InvalidAuthorizationMessageException', 'Message is not valid', 400] as const;
  await refused(sts.decodeAuthorizationMessage({ EncodedMessage: `x${EncodedMessage.slice(1)}` }), ...notValid);
  await refused(new STS(other.account.config()).decodeAuthorizationMessage({ EncodedMessage }), ...notValid);
});
