import type { IAM } from '@aws-sdk/client-iam';
import { expect, test } from 'vitest';
import { refused } from '../../support/cloud.ts';
import { allow, policy, rooted, userWithKey } from './support.ts';

const trust = (principal: unknown, more: object = {}): string =>
  policy({ Effect: 'Allow', Principal: principal, Action: 'sts:AssumeRole', ...more });
const ec2 = trust({ Service: 'ec2.amazonaws.com' });

test('IAM-036 a role is created, read, changed, listed and deleted', async () => {
  const { account, iam } = rooted();
  const { Role: made } = await iam.createRole({
    RoleName: 'Web',
    Path: '/app/',
    AssumeRolePolicyDocument: ec2,
    Description: 'web servers',
    Tags: [{ Key: 'team', Value: 'blue' }],
  });
  expect(made).toMatchObject({
    RoleName: 'Web',
    Path: '/app/',
    Arn: `arn:aws:iam::${account.id}:role/app/Web`,
    MaxSessionDuration: 3600,
    Tags: [{ Key: 'team', Value: 'blue' }],
  });
  expect(made?.RoleId).toMatch(/^AROA[A-Z2-7]{17}$/);
  expect(decodeURIComponent(made?.AssumeRolePolicyDocument ?? '')).toBe(ec2);
  await refused(
    iam.createRole({ RoleName: 'WEB', AssumeRolePolicyDocument: ec2 }),
    'EntityAlreadyExists',
    'Role with name WEB already exists.',
    409,
  );
  await iam.updateRole({ RoleName: 'Web', Description: 'servers', MaxSessionDuration: 7200 });
  expect((await iam.getRole({ RoleName: 'web' })).Role).toMatchObject({ Description: 'servers', MaxSessionDuration: 7200 });
  await refused(
    iam.updateRole({ RoleName: 'Web', MaxSessionDuration: 3599 }),
    'ValidationError',
    "1 validation error detected: Value at 'maxSessionDuration' failed to satisfy constraint: Member must have value greater than or equal to 3600",
    400,
  );
  await refused(iam.updateRole({ RoleName: 'Web', MaxSessionDuration: 43_201 }), 'ValidationError', undefined, 400);
  expect((await iam.listRoles({ PathPrefix: '/app/' })).Roles?.map(({ RoleName }) => RoleName)).toEqual(['Web']);
  expect((await iam.listRoles({ PathPrefix: '/other/' })).Roles).toEqual([]);
  await iam.tagRole({ RoleName: 'Web', Tags: [{ Key: 'env', Value: 'prod' }] });
  await iam.untagRole({ RoleName: 'Web', TagKeys: ['team'] });
  expect((await iam.listRoleTags({ RoleName: 'Web' })).Tags).toEqual([{ Key: 'env', Value: 'prod' }]);
  await iam.deleteRole({ RoleName: 'Web' });
  await refused(iam.getRole({ RoleName: 'Web' }), 'NoSuchEntity', 'The role with name Web cannot be found.', 404);
});

test('IAM-036 a role is not deleted while something hangs on it', async () => {
  const { iam } = rooted();
  await iam.createRole({ RoleName: 'r', AssumeRolePolicyDocument: ec2 });
  await iam.createInstanceProfile({ InstanceProfileName: 'p' });
  await iam.addRoleToInstanceProfile({ InstanceProfileName: 'p', RoleName: 'r' });
  await iam.attachRolePolicy({ RoleName: 'r', PolicyArn: 'arn:aws:iam::aws:policy/AdministratorAccess' });
  await iam.putRolePolicy({ RoleName: 'r', PolicyName: 'i', PolicyDocument: policy(allow('s3:*')) });
  const refuse = (what: string) =>
    refused(iam.deleteRole({ RoleName: 'r' }), 'DeleteConflict', `Cannot delete entity, must ${what} first.`, 409);
  await refuse('remove roles from instance profile');
  await iam.removeRoleFromInstanceProfile({ InstanceProfileName: 'p', RoleName: 'r' });
  await refuse('detach all policies');
  await iam.detachRolePolicy({ RoleName: 'r', PolicyArn: 'arn:aws:iam::aws:policy/AdministratorAccess' });
  await refuse('delete policies');
  await iam.deleteRolePolicy({ RoleName: 'r', PolicyName: 'i' });
  await iam.deleteRole({ RoleName: 'r' });
});

test('IAM-018 IAM-017 trust policies take the principals there are and no others', async () => {
  const { account, iam } = rooted();
  await iam.createUser({ UserName: 'ann', Path: '/eng/' });
  await iam.createGroup({ GroupName: 'devs' });
  await iam.createRole({ RoleName: 'base', AssumeRolePolicyDocument: ec2 });
  const of = (kind: string): string => `arn:aws:iam::${account.id}:${kind}`;
  const good = [
    { AWS: account.id },
    { AWS: of('root') },
    { AWS: of('user/eng/ann') },
    { AWS: [of('role/base'), of('user/eng/ann')] },
    { AWS: '*' },
    { Service: ['lambda.amazonaws.com', 'ec2.amazonaws.com'] },
    { Federated: of('saml-provider/corp') },
    { Federated: 'accounts.google.com' },
  ];
  for (const [index, principal] of good.entries()) {
    await iam.createRole({ RoleName: `good${index}`, AssumeRolePolicyDocument: trust(principal) });
  }
  const { Role: shown } = await iam.getRole({ RoleName: 'good0' });
  expect(JSON.parse(decodeURIComponent(shown?.AssumeRolePolicyDocument ?? '')).Statement[0].Principal).toEqual({
    AWS: of('root'),
  });
  const create = (document: string) => iam.createRole({ RoleName: 'bad', AssumeRolePolicyDocument: document });
  const bad: [unknown, string][] = [
    [{ AWS: of('user/ann') }, `Invalid principal in policy: "AWS":"${of('user/ann')}"`],
    [{ AWS: of('user/nobody') }, `Invalid principal in policy: "AWS":"${of('user/nobody')}"`],
    [{ AWS: of('group/devs') }, `Invalid principal in policy: "AWS":"${of('group/devs')}"`],
    [{ AWS: of('role/none') }, `Invalid principal in policy: "AWS":"${of('role/none')}"`],
    [{ Service: 'ec2' }, 'Invalid principal in policy: "SERVICE":"ec2"'],
    [{ Federated: 'example.com' }, 'Invalid principal in policy: "FEDERATED":"example.com"'],
  ];
  for (const [principal, message] of bad) await refused(create(trust(principal)), 'MalformedPolicyDocument', message, 400);
  await refused(create(policy(allow('sts:AssumeRole'))), 'MalformedPolicyDocument', undefined, 400);
  await refused(
    create(trust({ Service: 'ec2.amazonaws.com' }, { Resource: '*' })),
    'MalformedPolicyDocument',
    'Has prohibited field Resource',
    400,
  );
  await refused(create('nonsense'), 'MalformedPolicyDocument', 'This policy contains invalid Json', 400);
  // Identity-based policies name no principal.
  await refused(
    iam.createPolicy({ PolicyName: 'p', PolicyDocument: policy({ ...allow('s3:*'), Principal: '*' }) }),
    'MalformedPolicyDocument',
    'Policy document should not specify a principal.',
    400,
  );
  await refused(
    iam.updateAssumeRolePolicy({ RoleName: 'base', PolicyDocument: trust({ AWS: of('group/devs') }) }),
    'MalformedPolicyDocument',
    undefined,
    400,
  );
});

test('IAM-020 a policy reaches the resources it names', async () => {
  const root = rooted();
  const { account, iam } = root;
  const ann = await userWithKey(root, 'ann');
  for (const UserName of ['b1', 'b2']) await iam.createUser({ UserName, Path: '/team/' });
  const on = (name: string): string => policy(allow('iam:GetUser', `arn:aws:iam::${account.id}:user/team/${name}`));
  await iam.putUserPolicy({ UserName: 'ann', PolicyName: 'one', PolicyDocument: on('b1') });
  await ann.iam.getUser({ UserName: 'b1' });
  await refused(
    ann.iam.getUser({ UserName: 'b2' }),
    'AccessDenied',
    `User: arn:aws:iam::${account.id}:user/ann is not authorized to perform: iam:GetUser on resource: arn:aws:iam::${account.id}:user/team/b2 because no identity-based policy allows the iam:GetUser action`,
    403,
  );
  await iam.putUserPolicy({ UserName: 'ann', PolicyName: 'two', PolicyDocument: on('*') });
  await ann.iam.getUser({ UserName: 'b2' });
  await refused(ann.iam.getUser({ UserName: 'ann' }), 'AccessDenied', undefined, 403);
});

test('only service-linked roles have their path', async () => {
  const { iam } = rooted();
  await refused(
    iam.createRole({ RoleName: 'r', Path: '/aws-service-role/x/', AssumeRolePolicyDocument: ec2 }),
    'InvalidInput',
    undefined,
    400,
  );
});

test('roles have inline and attached policies and a boundary', async () => {
  const { account, iam } = rooted();
  await iam.createRole({ RoleName: 'r', AssumeRolePolicyDocument: ec2 });
  const { Policy: made } = await iam.createPolicy({ PolicyName: 'm', PolicyDocument: policy(allow('s3:*')) });
  await iam.attachRolePolicy({ RoleName: 'r', PolicyArn: made?.Arn });
  expect((await iam.listAttachedRolePolicies({ RoleName: 'r' })).AttachedPolicies).toEqual([
    { PolicyName: 'm', PolicyArn: made?.Arn },
  ]);
  expect((await iam.listEntitiesForPolicy({ PolicyArn: made?.Arn })).PolicyRoles?.map(({ RoleName }) => RoleName)).toEqual(['r']);
  await iam.putRolePolicy({ RoleName: 'r', PolicyName: 'i', PolicyDocument: policy(allow('ec2:*')) });
  expect((await iam.listRolePolicies({ RoleName: 'r' })).PolicyNames).toEqual(['i']);
  const inline = await iam.getRolePolicy({ RoleName: 'r', PolicyName: 'i' });
  expect(decodeURIComponent(inline.PolicyDocument ?? '')).toBe(policy(allow('ec2:*')));
  await iam.putRolePermissionsBoundary({ RoleName: 'r', PermissionsBoundary: made?.Arn });
  expect((await iam.getRole({ RoleName: 'r' })).Role?.PermissionsBoundary?.PermissionsBoundaryArn).toBe(made?.Arn);
  await iam.deleteRolePermissionsBoundary({ RoleName: 'r' });
  expect((await iam.getRole({ RoleName: 'r' })).Role?.PermissionsBoundary).toBeUndefined();
  await refused(
    iam.getRolePolicy({ RoleName: 'r', PolicyName: 'x' }),
    'NoSuchEntity',
    'The role policy with name x cannot be found.',
    404,
  );
  const gone = `arn:aws:iam::${account.id}:policy/gone`;
  await refused(iam.attachRolePolicy({ RoleName: 'r', PolicyArn: gone }), 'NoSuchEntity', undefined, 404);
  await refused(iam.detachRolePolicy({ RoleName: 'r', PolicyArn: gone }), 'NoSuchEntity', undefined, 404);
});

test('an instance profile holds one role, and putting it there needs iam:PassRole', async () => {
  const root = rooted();
  const { account, iam } = root;
  const { InstanceProfile: made } = await iam.createInstanceProfile({ InstanceProfileName: 'web', Path: '/app/' });
  expect(made).toMatchObject({ Arn: `arn:aws:iam::${account.id}:instance-profile/app/web`, Roles: [] });
  expect(made?.InstanceProfileId).toMatch(/^AIPA[A-Z2-7]{17}$/);
  await refused(
    iam.createInstanceProfile({ InstanceProfileName: 'WEB' }),
    'EntityAlreadyExists',
    'Instance Profile WEB already exists.',
    409,
  );
  for (const RoleName of ['one', 'two']) await iam.createRole({ RoleName, AssumeRolePolicyDocument: ec2 });
  const ann = await userWithKey(root, 'ann');
  const add = (client: IAM, RoleName: string) => client.addRoleToInstanceProfile({ InstanceProfileName: 'web', RoleName });
  await iam.putUserPolicy({
    UserName: 'ann',
    PolicyName: 'p',
    PolicyDocument: policy(allow('iam:AddRoleToInstanceProfile')),
  });
  await refused(
    add(ann.iam, 'one'),
    'AccessDenied',
    `User: arn:aws:iam::${account.id}:user/ann is not authorized to perform: iam:PassRole on resource: arn:aws:iam::${account.id}:role/one because no identity-based policy allows the iam:PassRole action`,
    403,
  );
  await iam.putUserPolicy({
    UserName: 'ann',
    PolicyName: 'q',
    PolicyDocument: policy(
      allow('iam:PassRole', '*', { Condition: { StringEquals: { 'iam:PassedToService': 'ec2.amazonaws.com' } } }),
    ),
  });
  await add(ann.iam, 'one');
  await refused(add(iam, 'two'), 'LimitExceeded', 'Cannot exceed quota for InstanceSessionsPerInstanceProfile: 1', 409);
  const { InstanceProfile: held } = await iam.getInstanceProfile({ InstanceProfileName: 'web' });
  expect(held?.Roles?.map(({ RoleName }) => RoleName)).toEqual(['one']);
  expect((await iam.listInstanceProfilesForRole({ RoleName: 'one' })).InstanceProfiles).toHaveLength(1);
  expect((await iam.listInstanceProfiles({ PathPrefix: '/app/' })).InstanceProfiles).toHaveLength(1);
  await refused(
    iam.removeRoleFromInstanceProfile({ InstanceProfileName: 'web', RoleName: 'two' }),
    'NoSuchEntity',
    'The role with name two cannot be found.',
    404,
  );
  await refused(
    iam.deleteInstanceProfile({ InstanceProfileName: 'web' }),
    'DeleteConflict',
    'Cannot delete entity, must remove roles from instance profile first.',
    409,
  );
  await iam.removeRoleFromInstanceProfile({ InstanceProfileName: 'web', RoleName: 'one' });
  await iam.tagInstanceProfile({ InstanceProfileName: 'web', Tags: [{ Key: 'a', Value: '1' }] });
  expect((await iam.listInstanceProfileTags({ InstanceProfileName: 'web' })).Tags).toEqual([{ Key: 'a', Value: '1' }]);
  await iam.deleteInstanceProfile({ InstanceProfileName: 'web' });
  await refused(
    iam.getInstanceProfile({ InstanceProfileName: 'web' }),
    'NoSuchEntity',
    'The Instance Profile with name web cannot be found.',
    404,
  );
});

test('a service-linked role is its service’s alone', async () => {
  const { account, iam } = rooted();
  const { Role: made } = await iam.createServiceLinkedRole({ AWSServiceName: 'autoscaling.amazonaws.com' });
  expect(made).toMatchObject({
    RoleName: 'AWSServiceRoleForAutoScaling',
    Arn: `arn:aws:iam::${account.id}:role/aws-service-role/autoscaling.amazonaws.com/AWSServiceRoleForAutoScaling`,
  });
  const words =
    "Cannot perform the operation on the protected role 'AWSServiceRoleForAutoScaling' - this role is only modifiable by AWS";
  const RoleName = 'AWSServiceRoleForAutoScaling';
  await refused(iam.deleteRole({ RoleName }), 'UnmodifiableEntity', words, 400);
  await iam.updateRole({ RoleName, Description: 'scales' });
  expect((await iam.getRole({ RoleName })).Role?.Description).toBe('scales');
  await iam.tagRole({ RoleName, Tags: [{ Key: 'team', Value: 'a' }] });
  expect((await iam.listRoleTags({ RoleName })).Tags).toEqual([{ Key: 'team', Value: 'a' }]);
  await iam.untagRole({ RoleName, TagKeys: ['team'] });
  expect((await iam.listRoleTags({ RoleName })).Tags).toEqual([]);
  await refused(iam.updateRole({ RoleName, MaxSessionDuration: 7200 }), 'UnmodifiableEntity', words, 400);
  await refused(iam.updateAssumeRolePolicy({ RoleName, PolicyDocument: ec2 }), 'UnmodifiableEntity', words, 400);
  await refused(
    iam.putRolePolicy({ RoleName, PolicyName: 'p', PolicyDocument: policy(allow('*')) }),
    'UnmodifiableEntity',
    words,
    400,
  );
  await refused(
    iam.createServiceLinkedRole({ AWSServiceName: 'autoscaling.amazonaws.com' }),
    'InvalidInput',
    /^Service role name AWSServiceRoleForAutoScaling has been taken in this account/,
    400,
  );
  await refused(iam.createServiceLinkedRole({ AWSServiceName: 'none.amazonaws.com' }), 'InvalidInput', undefined, 400);
  await refused(
    iam.createServiceLinkedRole({ AWSServiceName: 'rds.amazonaws.com', CustomSuffix: 'x' }),
    'InvalidInput',
    'Custom suffix is not allowed for rds.amazonaws.com',
    400,
  );
  await iam.createServiceLinkedRole({ AWSServiceName: 'autoscaling.amazonaws.com', CustomSuffix: 'two' });
  const { DeletionTaskId } = await iam.deleteServiceLinkedRole({ RoleName });
  expect(DeletionTaskId).toMatch(
    /^task\/aws-service-role\/autoscaling\.amazonaws\.com\/AWSServiceRoleForAutoScaling\/[0-9a-f-]{36}$/,
  );
  expect((await iam.getServiceLinkedRoleDeletionStatus({ DeletionTaskId })).Status).toBe('SUCCEEDED');
  await refused(iam.getRole({ RoleName }), 'NoSuchEntity', undefined, 404);
  await refused(iam.getServiceLinkedRoleDeletionStatus({ DeletionTaskId: 'task/none' }), 'NoSuchEntity', undefined, 404);
});
