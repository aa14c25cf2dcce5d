import { randomBytes } from 'node:crypto';
import { expect, test } from 'vitest';
import { refused } from '../../support/cloud.ts';
import { allow, policy, rooted, userWithKey } from './support.ts';

test('IAM-055 an account has one alias, which no other account has', async () => {
  const one = rooted();
  const other = rooted();
  const alias = `alias-${randomBytes(6).toString('hex')}`;
  await one.iam.createAccountAlias({ AccountAlias: alias });
  expect((await one.iam.listAccountAliases({})).AccountAliases).toEqual([alias]);
  await refused(
    other.iam.createAccountAlias({ AccountAlias: alias }),
    'EntityAlreadyExistsException',
    `The account alias ${alias} already exists.`,
    409,
  );
  await one.iam.createAccountAlias({ AccountAlias: `${alias}-2` });
  expect((await one.iam.listAccountAliases({})).AccountAliases).toEqual([`${alias}-2`]);
  await other.iam.createAccountAlias({ AccountAlias: alias });
  await refused(
    one.iam.deleteAccountAlias({ AccountAlias: alias }),
    'NoSuchEntityException',
    `The account alias ${alias} cannot be found.`,
    404,
  );
  await one.iam.deleteAccountAlias({ AccountAlias: `${alias}-2` });
  expect((await one.iam.listAccountAliases({})).AccountAliases).toEqual([]);
});

test('aliases are lower-case names and no account numbers', async () => {
  const { iam } = rooted();
  for (const AccountAlias of ['ab', 'Upper', '-front', 'back-', 'two--hyphens', '123456789012', 'a'.repeat(64)]) {
    await refused(
      iam.createAccountAlias({ AccountAlias }),
      'ValidationError',
      /^1 validation error detected: Value at 'accountAlias'/,
      400,
    );
  }
});

test('IAM-056 the account summary counts what there is and names the quotas', async () => {
  const { account, iam } = rooted();
  const before = (await iam.getAccountSummary({})).SummaryMap ?? {};
  expect(before).toEqual({
    ...before,
    UsersQuota: 5000,
    GroupsQuota: 300,
    RolesQuota: 1000,
    PoliciesQuota: 1500,
    InstanceProfilesQuota: 1000,
    ServerCertificatesQuota: 20,
    GroupsPerUserQuota: 10,
    AccessKeysPerUserQuota: 2,
    SigningCertificatesPerUserQuota: 2,
    AttachedPoliciesPerUserQuota: 10,
    AttachedPoliciesPerGroupQuota: 10,
    AttachedPoliciesPerRoleQuota: 10,
    VersionsPerPolicyQuota: 5,
    PolicyVersionsInUseQuota: 10000,
    PolicySizeQuota: 6144,
    UserPolicySizeQuota: 2048,
    GroupPolicySizeQuota: 5120,
    RolePolicySizeQuota: 10240,
    AssumeRolePolicySizeQuota: 2048,
    GlobalEndpointTokenVersion: 1,
    Users: 0,
    Groups: 0,
    Policies: 0,
    AccountMFAEnabled: 0,
  });
  await iam.createUser({ UserName: 'u' });
  await iam.createGroup({ GroupName: 'g' });
  await iam.createPolicy({ PolicyName: 'p', PolicyDocument: policy(allow('s3:*')) });
  await iam.createPolicyVersion({
    PolicyArn: `arn:aws:iam::${account.id}:policy/p`,
    PolicyDocument: policy(allow('s3:Get*')),
  });
  expect((await iam.getAccountSummary({})).SummaryMap).toEqual({
    ...before,
    Users: 1,
    Groups: 1,
    Policies: 1,
    PolicyVersionsInUse: 2,
  });
});

test('GetUser without a name tells who asks', async () => {
  const root = rooted();
  expect((await root.iam.getUser({})).User).toMatchObject({
    Arn: `arn:aws:iam::${root.account.id}:root`,
    UserId: root.account.id,
  });
  const user = await userWithKey(root, 'u');
  await refused(user.iam.getUser({}), 'AccessDenied', undefined, 403);
  await root.iam.putUserPolicy({ UserName: 'u', PolicyName: 'p', PolicyDocument: policy(allow('iam:GetUser')) });
  expect((await user.iam.getUser({})).User?.UserName).toBe('u');
});
