import { EC2 } from '@aws-sdk/client-ec2';
import { IAM } from '@aws-sdk/client-iam';
import { STS } from '@aws-sdk/client-sts';
import { expect, test } from 'vitest';
import { refused } from '../../support/cloud.ts';
import { allow, deny, policy, rooted, userWithKey } from './support.ts';

const admin = 'arn:aws:iam::aws:policy/AdministratorAccess';

test('IAM-002 every service authenticates the caller and then asks the policies', async () => {
  const root = rooted();
  const stranger = root.account.configFor({ AccessKeyId: 'AKIAIOSFODNN7EXAMPLE', SecretAccessKey: 'secret' });
  await refused(
    new IAM(stranger).listUsers({}),
    'InvalidClientTokenId',
    'The security token included in the request is invalid.',
    403,
  );
  await refused(
    new STS(stranger).getCallerIdentity({}),
    'InvalidClientTokenId',
    'The security token included in the request is invalid.',
    403,
  );
  await refused(new EC2(stranger).describeVpcs({}), 'AuthFailure', undefined, 401);
  const user = await userWithKey(root, 'u');
  await refused(user.iam.listUsers({}), 'AccessDenied', undefined, 403);
  await refused(user.ec2.describeVpcs({}), 'UnauthorizedOperation', undefined, 403);
  await root.iam.putUserPolicy({
    UserName: 'u',
    PolicyName: 'p',
    PolicyDocument: policy(allow(['iam:ListUsers', 'ec2:DescribeVpcs'])),
  });
  expect((await user.iam.listUsers({})).Users).toHaveLength(1);
  await user.ec2.describeVpcs({});
});

test('IAM-004 a new user may do nothing but say who it is', async () => {
  const root = rooted();
  const user = await userWithKey(root, 'fresh');
  const arn = `arn:aws:iam::${root.account.id}:user/fresh`;
  expect(await user.sts.getCallerIdentity({})).toMatchObject({ Account: root.account.id, Arn: arn });
  await refused(
    user.iam.getAccountSummary({}),
    'AccessDenied',
    `User: ${arn} is not authorized to perform: iam:GetAccountSummary on resource: * because no identity-based policy allows the iam:GetAccountSummary action`,
    403,
  );
  await refused(
    user.ec2.describeVpcs({}),
    'UnauthorizedOperation',
    /^You are not authorized to perform this operation\. User: arn/,
    403,
  );
  await root.iam.attachUserPolicy({ UserName: 'fresh', PolicyArn: admin });
  await user.iam.getAccountSummary({});
  await user.ec2.describeVpcs({});
  // An explicit deny does not take GetCallerIdentity away.
  await root.iam.putUserPolicy({ UserName: 'fresh', PolicyName: 'none', PolicyDocument: policy(deny('*')) });
  await user.sts.getCallerIdentity({});
});

test('IAM-011 permissions attached to a user or a group bound what it may do, until they are detached', async () => {
  const root = rooted();
  const user = await userWithKey(root, 'u');
  const { Policy: managed } = await root.iam.createPolicy({ PolicyName: 'read', PolicyDocument: policy(allow('iam:GetUser')) });
  const PolicyArn = managed?.Arn;
  const cycle = async (give: () => Promise<unknown>, take: () => Promise<unknown>) => {
    await refused(user.iam.getUser({}), 'AccessDenied');
    await give();
    expect((await user.iam.getUser({})).User?.UserName).toBe('u');
    await refused(user.iam.updateUser({ UserName: 'u', NewPath: '/x/' }), 'AccessDenied');
    await take();
    await refused(user.iam.getUser({}), 'AccessDenied');
  };
  await cycle(
    () => root.iam.attachUserPolicy({ UserName: 'u', PolicyArn }),
    () => root.iam.detachUserPolicy({ UserName: 'u', PolicyArn }),
  );
  await root.iam.createGroup({ GroupName: 'g' });
  await root.iam.addUserToGroup({ GroupName: 'g', UserName: 'u' });
  await cycle(
    () => root.iam.attachGroupPolicy({ GroupName: 'g', PolicyArn }),
    () => root.iam.detachGroupPolicy({ GroupName: 'g', PolicyArn }),
  );
});

test('IAM-016 a deny overrides every allow', async () => {
  const root = rooted();
  const user = await userWithKey(root, 'u');
  await root.iam.attachUserPolicy({ UserName: 'u', PolicyArn: admin });
  await root.iam.putUserPolicy({ UserName: 'u', PolicyName: 'd', PolicyDocument: policy(deny('iam:DeleteGroup')) });
  await user.iam.createGroup({ GroupName: 'g' });
  await refused(
    user.iam.deleteGroup({ GroupName: 'g' }),
    'AccessDenied',
    `User: arn:aws:iam::${root.account.id}:user/u is not authorized to perform: iam:DeleteGroup on resource: arn:aws:iam::${root.account.id}:group/g with an explicit deny in an identity-based policy`,
    403,
  );
  expect((await user.iam.listGroups({})).Groups).toHaveLength(1);
});

test('IAM-019 actions with wildcards allow what they match and nothing else', async () => {
  const root = rooted();
  const user = await userWithKey(root, 'u');
  await root.iam.putUserPolicy({ UserName: 'u', PolicyName: 'p', PolicyDocument: policy(allow('ec2:Describe*')) });
  await user.ec2.describeVpcs({});
  await refused(user.ec2.createVpc({ CidrBlock: '10.0.0.0/16' }), 'UnauthorizedOperation', undefined, 403);
  await refused(user.iam.listUsers({}), 'AccessDenied');
});

test('IAM-021 a condition on the source address puts a statement in force or not', async () => {
  const root = rooted();
  const user = await userWithKey(root, 'u');
  const put = (condition: Record<string, unknown>) =>
    root.iam.putUserPolicy({
      UserName: 'u',
      PolicyName: 'p',
      PolicyDocument: policy(allow('iam:ListUsers', '*', { Condition: condition })),
    });
  await put({ IpAddress: { 'aws:SourceIp': '203.0.113.0/24' } });
  await refused(user.iam.listUsers({}), 'AccessDenied');
  await put({ IpAddress: { 'aws:SourceIp': ['203.0.113.0/24', '127.0.0.0/8'] } });
  await user.iam.listUsers({});
  await put({ NotIpAddress: { 'aws:SourceIp': '127.0.0.0/8' } });
  await refused(user.iam.listUsers({}), 'AccessDenied');
  await put({ DateLessThan: { 'aws:CurrentTime': '2020-01-01T00:00:00Z' } });
  await refused(user.iam.listUsers({}), 'AccessDenied');
  await put({ StringEquals: { 'aws:RequestedRegion': 'us-east-1' }, Bool: { 'aws:SecureTransport': 'false' } });
  await user.iam.listUsers({});
  await put({});
  await user.iam.listUsers({});
});

test('IAM-021 conditions on tags: of the caller, of the resource, of the request', async () => {
  const root = rooted();
  const user = await userWithKey(root, 'lead');
  await root.iam.tagUser({ UserName: 'lead', Tags: [{ Key: 'team', Value: 'web' }] });
  await root.iam.createUser({ UserName: 'ours', Tags: [{ Key: 'team', Value: 'web' }] });
  await root.iam.createUser({ UserName: 'theirs', Tags: [{ Key: 'team', Value: 'data' }] });
  const same = { StringEquals: { 'iam:ResourceTag/team': '${aws:PrincipalTag/team}' } };
  const given = { StringEquals: { 'aws:RequestTag/team': 'web' }, 'ForAllValues:StringEquals': { 'aws:TagKeys': ['team'] } };
  await root.iam.putUserPolicy({
    UserName: 'lead',
    PolicyName: 'p',
    PolicyDocument: policy(
      allow(['iam:GetUser', 'iam:DeleteUser'], '*', { Condition: same }),
      allow('iam:CreateUser', '*', { Condition: given }),
    ),
  });
  await user.iam.getUser({ UserName: 'ours' });
  await refused(user.iam.getUser({ UserName: 'theirs' }), 'AccessDenied');
  await refused(user.iam.deleteUser({ UserName: 'theirs' }), 'AccessDenied');
  await user.iam.createUser({ UserName: 'new', Tags: [{ Key: 'team', Value: 'web' }] });
  await refused(user.iam.createUser({ UserName: 'untagged' }), 'AccessDenied');
  await refused(user.iam.createUser({ UserName: 'other', Tags: [{ Key: 'team', Value: 'data' }] }), 'AccessDenied');
  await refused(
    user.iam.createUser({
      UserName: 'more',
      Tags: [
        { Key: 'team', Value: 'web' },
        { Key: 'cost', Value: '1' },
      ],
    }),
    'AccessDenied',
  );
});

test('IAM-023 the root user may do everything, and nothing takes a policy for it', async () => {
  const { account, iam } = rooted();
  await iam.getAccountSummary({});
  await new EC2(account.config()).describeVpcs({});
  expect((await new STS(account.config()).getCallerIdentity({})).Arn).toBe(`arn:aws:iam::${account.id}:root`);
  for (const UserName of ['root', account.id]) {
    await refused(
      iam.attachUserPolicy({ UserName, PolicyArn: admin }),
      'NoSuchEntityException',
      `The user with name ${UserName} cannot be found.`,
      404,
    );
    await refused(
      iam.putUserPolicy({ UserName, PolicyName: 'p', PolicyDocument: policy(deny('*')) }),
      'NoSuchEntityException',
      `The user with name ${UserName} cannot be found.`,
      404,
    );
  }
  await refused(
    iam.putUserPermissionsBoundary({ UserName: 'root', PermissionsBoundary: admin }),
    'NoSuchEntityException',
    'The user with name root cannot be found.',
    404,
  );
});

test('IAM-023 access keys that root makes for itself are root too', async () => {
  const { account, iam } = rooted();
  const { AccessKey: key } = await iam.createAccessKey({});
  const sts = new STS(account.configFor(key ?? {}));
  expect(await sts.getCallerIdentity({})).toMatchObject({ Arn: `arn:aws:iam::${account.id}:root`, UserId: account.id });
  expect((await iam.getAccountSummary({})).SummaryMap).toMatchObject({ AccountAccessKeysPresent: 1 });
  await iam.deleteAccessKey({ AccessKeyId: key?.AccessKeyId });
  await refused(sts.getCallerIdentity({}), 'InvalidClientTokenId', undefined, 403);
});

test('IAM-048 a permissions boundary limits what policies give', async () => {
  const root = rooted();
  const user = await userWithKey(root, 'u');
  await root.iam.attachUserPolicy({ UserName: 'u', PolicyArn: admin });
  const { Policy: boundary } = await root.iam.createPolicy({ PolicyName: 'b', PolicyDocument: policy(allow('iam:List*')) });
  await root.iam.putUserPermissionsBoundary({ UserName: 'u', PermissionsBoundary: boundary?.Arn });
  expect((await root.iam.getUser({ UserName: 'u' })).User?.PermissionsBoundary?.PermissionsBoundaryArn).toBe(boundary?.Arn);
  expect((await root.iam.getPolicy({ PolicyArn: boundary?.Arn })).Policy?.PermissionsBoundaryUsageCount).toBe(1);
  await user.iam.listUsers({});
  await refused(
    user.iam.createGroup({ GroupName: 'g' }),
    'AccessDenied',
    `User: arn:aws:iam::${root.account.id}:user/u is not authorized to perform: iam:CreateGroup on resource: arn:aws:iam::${root.account.id}:group/g because no permissions boundary allows the iam:CreateGroup action`,
    403,
  );
  await refused(
    root.iam.deletePolicy({ PolicyArn: boundary?.Arn }),
    'DeleteConflictException',
    'Cannot delete a policy attached to entities.',
    409,
  );
  await root.iam.deleteUserPermissionsBoundary({ UserName: 'u' });
  await user.iam.createGroup({ GroupName: 'g' });
  await refused(
    root.iam.putUserPermissionsBoundary({
      UserName: 'u',
      PermissionsBoundary: `arn:aws:iam::${root.account.id}:policy/absent`,
    }),
    'NoSuchEntityException',
    `Scope ARN: arn:aws:iam::${root.account.id}:policy/absent does not exist or is not attachable.`,
    404,
  );
  await refused(
    root.iam.createUser({ UserName: 'v', PermissionsBoundary: 'not-an-arn-of-anything' }),
    'InvalidInputException',
    'ARN not-an-arn-of-anything is not valid.',
    400,
  );
});

test('IAM-048 who may create users only with a boundary cannot get around it', async () => {
  const root = rooted();
  const user = await userWithKey(root, 'delegate');
  const { Policy: boundary } = await root.iam.createPolicy({ PolicyName: 'b', PolicyDocument: policy(allow('iam:List*')) });
  const Condition = { StringEquals: { 'iam:PermissionsBoundary': boundary?.Arn } };
  await root.iam.putUserPolicy({
    UserName: 'delegate',
    PolicyName: 'p',
    PolicyDocument: policy(
      allow(['iam:CreateUser', 'iam:AttachUserPolicy', 'iam:PutUserPermissionsBoundary'], '*', { Condition }),
    ),
  });
  await refused(user.iam.createUser({ UserName: 'free' }), 'AccessDenied');
  await user.iam.createUser({ UserName: 'bound', PermissionsBoundary: boundary?.Arn });
  await user.iam.attachUserPolicy({ UserName: 'bound', PolicyArn: admin });
  await root.iam.createUser({ UserName: 'unbound' });
  await refused(user.iam.attachUserPolicy({ UserName: 'unbound', PolicyArn: admin }), 'AccessDenied');
  await refused(user.iam.putUserPermissionsBoundary({ UserName: 'bound', PermissionsBoundary: admin }), 'AccessDenied');
});
