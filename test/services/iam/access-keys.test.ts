import { EC2 } from '@aws-sdk/client-ec2';
import { STS } from '@aws-sdk/client-sts';
import { expect, test } from 'vitest';
import { eventually, refused } from '../../support/cloud.ts';
import { allow, policy, rooted, userWithKey } from './support.ts';

const invalid = 'The security token included in the request is invalid.';

test('ACCESS-004 requests are signed with an access key; an unknown, inactive or wrong one is refused', async () => {
  const root = rooted();
  const user = await userWithKey(root, 'u');
  expect((await user.sts.getCallerIdentity({})).Arn).toBe(`arn:aws:iam::${root.account.id}:user/u`);
  const wrong = root.account.configFor({ ...user.key, SecretAccessKey: 'x'.repeat(40) });
  await refused(new STS(wrong).getCallerIdentity({}), 'SignatureDoesNotMatch', undefined, 403);
  await refused(new EC2(wrong).describeVpcs({}), 'AuthFailure', undefined, 401);
  await root.iam.updateAccessKey({ UserName: 'u', AccessKeyId: user.key.AccessKeyId, Status: 'Inactive' });
  await refused(user.sts.getCallerIdentity({}), 'InvalidClientTokenId', invalid, 403);
  await refused(user.ec2.describeVpcs({}), 'AuthFailure', undefined, 401);
  await root.iam.updateAccessKey({ UserName: 'u', AccessKeyId: user.key.AccessKeyId, Status: 'Active' });
  await user.sts.getCallerIdentity({});
  await root.iam.deleteAccessKey({ UserName: 'u', AccessKeyId: user.key.AccessKeyId });
  await refused(user.sts.getCallerIdentity({}), 'InvalidClientTokenId', invalid, 403);
});

test('ACCESS-005 a key is an id and a secret; the secret is shown once', async () => {
  const { iam } = rooted();
  await iam.createUser({ UserName: 'u' });
  const { AccessKey: key } = await iam.createAccessKey({ UserName: 'u' });
  expect(key).toMatchObject({ UserName: 'u', Status: 'Active' });
  expect(key?.AccessKeyId).toMatch(/^AKIA[A-Z2-7]{16}$/);
  expect(key?.SecretAccessKey).toMatch(/^[A-Za-z0-9+/]{40}$/);
  const { AccessKeyMetadata: listed } = await iam.listAccessKeys({ UserName: 'u' });
  expect(listed).toEqual([{ UserName: 'u', AccessKeyId: key?.AccessKeyId, Status: 'Active', CreateDate: key?.CreateDate }]);
});

test('ACCESS-006 a user has at most two keys', async () => {
  const { iam } = rooted();
  await iam.createUser({ UserName: 'u' });
  const { AccessKey: first } = await iam.createAccessKey({ UserName: 'u' });
  await iam.createAccessKey({ UserName: 'u' });
  await refused(
    iam.createAccessKey({ UserName: 'u' }),
    'LimitExceededException',
    'Cannot exceed quota for AccessKeysPerUser: 2',
    409,
  );
  // An inactive key counts too.
  await iam.updateAccessKey({ UserName: 'u', AccessKeyId: first?.AccessKeyId, Status: 'Inactive' });
  await refused(iam.createAccessKey({ UserName: 'u' }), 'LimitExceededException', undefined, 409);
  const { AccessKeyMetadata: listed } = await iam.listAccessKeys({ UserName: 'u' });
  expect(listed?.map(({ Status }) => Status)).toEqual(['Inactive', 'Active']);
  const page = await iam.listAccessKeys({ UserName: 'u', MaxItems: 1 });
  expect((await iam.listAccessKeys({ UserName: 'u', MaxItems: 1, Marker: page.Marker })).AccessKeyMetadata?.[0]).toEqual(
    listed?.[1],
  );
});

test('ACCESS-007 users manage their own keys when a policy allows it, and nobody else’s', async () => {
  const root = rooted();
  const user = await userWithKey(root, 'self');
  await userWithKey(root, 'other');
  await refused(user.iam.createAccessKey({}), 'AccessDenied');
  await root.iam.putUserPolicy({
    UserName: 'self',
    PolicyName: 'keys',
    PolicyDocument: policy(allow('iam:*AccessKey*', `arn:aws:iam::${root.account.id}:user/\${aws:username}`)),
  });
  const { AccessKey: made } = await user.iam.createAccessKey({});
  expect(made?.UserName).toBe('self');
  await user.iam.updateAccessKey({ UserName: 'self', AccessKeyId: made?.AccessKeyId, Status: 'Inactive' });
  expect((await user.iam.listAccessKeys({})).AccessKeyMetadata).toHaveLength(2);
  await user.iam.deleteAccessKey({ AccessKeyId: made?.AccessKeyId });
  const arn = `arn:aws:iam::${root.account.id}:user`;
  await refused(
    user.iam.createAccessKey({ UserName: 'other' }),
    'AccessDenied',
    `User: ${arn}/self is not authorized to perform: iam:CreateAccessKey on resource: ${arn}/other because no identity-based policy allows the iam:CreateAccessKey action`,
    403,
  );
  await refused(user.iam.listAccessKeys({ UserName: 'other' }), 'AccessDenied');
});

test('IAM-005 users work side by side with credentials of their own', async () => {
  const root = rooted();
  const one = await userWithKey(root, 'one');
  const two = await userWithKey(root, 'two');
  await root.iam.deleteAccessKey({ UserName: 'one', AccessKeyId: one.key.AccessKeyId });
  await refused(one.sts.getCallerIdentity({}), 'InvalidClientTokenId', invalid, 403);
  expect((await two.sts.getCallerIdentity({})).Arn).toBe(`arn:aws:iam::${root.account.id}:user/two`);
  // A key of one user is no key of another.
  await refused(
    root.iam.deleteAccessKey({ UserName: 'one', AccessKeyId: two.key.AccessKeyId }),
    'NoSuchEntityException',
    `The Access Key with id ${two.key.AccessKeyId} cannot be found.`,
    404,
  );
});

test('IAM-051 a key goes on working when its user is renamed or moved, under the new name', async () => {
  const root = rooted();
  const user = await userWithKey(root, 'before');
  const { UserId } = await user.sts.getCallerIdentity({});
  await root.iam.updateUser({ UserName: 'before', NewUserName: 'after', NewPath: '/staff/' });
  expect(await user.sts.getCallerIdentity({})).toMatchObject({ UserId, Arn: `arn:aws:iam::${root.account.id}:user/staff/after` });
});

test('IAM-053 when a key was last used, and where', async () => {
  const root = rooted();
  const user = await userWithKey(root, 'u');
  const { AccessKeyId } = user.key;
  expect(await root.iam.getAccessKeyLastUsed({ AccessKeyId })).toMatchObject({
    UserName: 'u',
    AccessKeyLastUsed: { ServiceName: 'N/A', Region: 'N/A' },
  });
  await refused(new EC2(root.account.configFor(user.key, 'eu-west-1')).describeVpcs({}), 'UnauthorizedOperation');
  await eventually(
    async () =>
      expect((await root.iam.getAccessKeyLastUsed({ AccessKeyId })).AccessKeyLastUsed).toMatchObject({
        ServiceName: 'ec2',
        Region: 'eu-west-1',
      }),
    { why: 'a call, also a denied one, is noted with its key' },
  );
  const { AccessKeyLastUsed: used } = await root.iam.getAccessKeyLastUsed({ AccessKeyId });
  expect(Math.abs((used?.LastUsedDate?.getTime() ?? 0) - Date.now())).toBeLessThan(60_000);
  await refused(
    root.iam.getAccessKeyLastUsed({ AccessKeyId: 'AKIAIOSFODNN7EXAMPLE' }),
    'AccessDenied',
    `User: arn:aws:iam::${root.account.id}:root is not authorized to perform iam:GetAccessKeyLastUsed on resource: access key AKIAIOSFODNN7EXAMPLE`,
    403,
  );
});

test('key operations refuse what they cannot find', async () => {
  const { iam } = rooted();
  await iam.createUser({ UserName: 'u' });
  const id = 'AKIAIOSFODNN7EXAMPLE';
  await refused(
    iam.createAccessKey({ UserName: 'nobody' }),
    'NoSuchEntityException',
    'The user with name nobody cannot be found.',
    404,
  );
  await refused(
    iam.updateAccessKey({ UserName: 'u', AccessKeyId: id, Status: 'Active' }),
    'NoSuchEntityException',
    `The Access Key with id ${id} cannot be found.`,
    404,
  );
  await refused(
    iam.updateAccessKey({ UserName: 'u', AccessKeyId: id, Status: 'Broken' as 'Active' }),
    'ValidationError',
    "1 validation error detected: Value at 'status' failed to satisfy constraint: Member must satisfy enum value set: [Active, Inactive]",
    400,
  );
});
