import { expect, test } from 'vitest';
import { refused } from '../../support/cloud.ts';
import { allow, many, policy, rooted, userWithKey } from './support.ts';

const admin = 'arn:aws:iam::aws:policy/AdministratorAccess';
const document = policy(allow('iam:ListUsers'));

test('IAM-052 a managed policy is created, read, listed and deleted', async () => {
  const { account, iam } = rooted();
  const { Policy: made } = await iam.createPolicy({
    PolicyName: 'Readers',
    Path: '/team/',
    Description: 'Who reads',
    PolicyDocument: document,
    Tags: [
      { Key: 'a', Value: 'lower' },
      { Key: 'A', Value: 'upper' },
    ],
  });
  const PolicyArn = `arn:aws:iam::${account.id}:policy/team/Readers`;
  expect(made).toMatchObject({
    PolicyName: 'Readers',
    Arn: PolicyArn,
    DefaultVersionId: 'v1',
    AttachmentCount: 0,
    PermissionsBoundaryUsageCount: 0,
    IsAttachable: true,
    Tags: [
      { Key: 'a', Value: 'lower' },
      { Key: 'A', Value: 'upper' },
    ],
  });
  expect(made?.PolicyId).toMatch(/^ANPA[A-Z2-7]{17}$/);
  expect((await iam.getPolicy({ PolicyArn })).Policy).toMatchObject({ Description: 'Who reads', PolicyId: made?.PolicyId });
  const { PolicyVersion: version } = await iam.getPolicyVersion({ PolicyArn, VersionId: 'v1' });
  expect(decodeURIComponent(version?.Document ?? '')).toBe(document);
  expect(version?.Document).toContain('%22iam%3AListUsers%22');
  const { Policies: local } = await iam.listPolicies({ Scope: 'Local', PathPrefix: '/team/' });
  expect(local?.map(({ Arn }) => Arn)).toEqual([PolicyArn]);
  expect(local?.[0]).not.toHaveProperty('Description');
  expect((await iam.listPolicies({ Scope: 'Local', PathPrefix: '/other/' })).Policies).toEqual([]);
  expect((await iam.listPolicyTags({ PolicyArn })).Tags?.map(({ Key }) => Key)).toEqual(['A', 'a']);
  await iam.untagPolicy({ PolicyArn, TagKeys: ['a'] });
  expect((await iam.getPolicy({ PolicyArn })).Policy?.Tags).toEqual([{ Key: 'A', Value: 'upper' }]);
  await iam.deletePolicy({ PolicyArn });
  await refused(iam.getPolicy({ PolicyArn }), 'NoSuchEntityException', `Policy ${PolicyArn} was not found.`, 404);
  await refused(iam.deletePolicy({ PolicyArn }), 'NoSuchEntityException', `Policy ${PolicyArn} was not found.`, 404);
});

test('a policy name is given once, whatever its path and case', async () => {
  const { iam } = rooted();
  await iam.createPolicy({ PolicyName: 'p', PolicyDocument: document });
  await refused(
    iam.createPolicy({ PolicyName: 'P', Path: '/x/', PolicyDocument: document }),
    'EntityAlreadyExistsException',
    'A policy called P already exists. Duplicate names are not allowed.',
    409,
  );
  await refused(
    iam.createPolicy({ PolicyName: 'q r', PolicyDocument: document }),
    'ValidationError',
    'The specified value for policyName is invalid. It must contain only alphanumeric characters and/or the following: +=,.@_-',
    400,
  );
});

test('IAM-013 a document has a known version and statements, and is returned as it was given', async () => {
  const { account, iam } = rooted();
  const create = (PolicyDocument: string) => iam.createPolicy({ PolicyName: 'p', PolicyDocument });
  const malformed = 'MalformedPolicyDocumentException';
  await refused(create('{"Version":"2012-10-17"}'), malformed, 'Syntax errors in policy.', 400);
  await refused(
    create(JSON.stringify({ Version: '2020-01-01', Statement: [allow('s3:*')] })),
    malformed,
    'Syntax errors in policy.',
    400,
  );
  await refused(
    create(JSON.stringify({ Statement: [allow('s3:*')] })),
    malformed,
    'Policy document must be version 2012-10-17 or greater.',
    400,
  );
  await refused(create('not json'), malformed, 'Syntax errors in policy.', 400);
  await refused(
    create(`{"Statement":"${'€'}"}`),
    'ValidationError',
    'The specified value for policyDocument is invalid. It must contain only printable ASCII characters.',
    400,
  );
  const odd = `{ "Version" : "2012-10-17",\n  "Statement" : { "Effect":"Allow", "Action":"s3:*", "Resource":"*" } }`;
  await create(odd);
  const PolicyArn = `arn:aws:iam::${account.id}:policy/p`;
  const { PolicyVersion: version } = await iam.getPolicyVersion({ PolicyArn, VersionId: 'v1' });
  expect(decodeURIComponent(version?.Document ?? '')).toBe(odd);
});

test('IAM-015 statement ids are optional and unique', async () => {
  const { iam } = rooted();
  const once = allow('s3:*', '*', { Sid: 'One' });
  await refused(
    iam.createPolicy({ PolicyName: 'p', PolicyDocument: policy(once, once) }),
    'MalformedPolicyDocumentException',
    'Statement IDs (SID) in a single policy must be unique.',
    400,
  );
  await refused(
    iam.createPolicy({ PolicyName: 'p', PolicyDocument: policy(allow('s3:*', '*', { Sid: 'No blanks' })) }),
    'MalformedPolicyDocumentException',
    undefined,
    400,
  );
  await iam.createPolicy({ PolicyName: 'p', PolicyDocument: policy(once, allow('s3:*'), allow('s3:*')) });
});

test('IAM-016 an effect other than Allow and Deny is refused', async () => {
  const { iam } = rooted();
  for (const statement of [{ Action: 's3:*', Resource: '*' }, allow('s3:*', '*', { Effect: 'Permit' })]) {
    await refused(
      iam.createPolicy({ PolicyName: 'p', PolicyDocument: policy(statement) }),
      'MalformedPolicyDocumentException',
      undefined,
      400,
    );
  }
});

test('IAM-046 a managed policy holds 6,144 characters, white space not counted', async () => {
  const { iam } = rooted();
  const empty = policy(allow('s3:*', ''));
  const filled = policy(allow('s3:*', `arn:aws:s3:::${'b'.repeat(6144 - empty.length - 13)}`));
  expect(filled).toHaveLength(6144);
  await iam.createPolicy({ PolicyName: 'full', PolicyDocument: filled.replaceAll(',', ' ,\n\t ') });
  await refused(
    iam.createPolicy({ PolicyName: 'over', PolicyDocument: filled.replace('bb', 'bbb') }),
    'LimitExceededException',
    'Cannot exceed quota for PolicySize: 6144',
    409,
  );
});

test('IAM-045 versions: at most five, numbers for ever, one in force', async () => {
  const root = rooted();
  const { iam, account } = root;
  const user = await userWithKey(root, 'u');
  await iam.createPolicy({ PolicyName: 'p', PolicyDocument: policy(allow('iam:ListUsers')) });
  const PolicyArn = `arn:aws:iam::${account.id}:policy/p`;
  await iam.attachUserPolicy({ UserName: 'u', PolicyArn });
  const groups = policy(allow('iam:ListGroups'));
  const { PolicyVersion: second } = await iam.createPolicyVersion({ PolicyArn, PolicyDocument: groups });
  expect(second).toMatchObject({ VersionId: 'v2', IsDefaultVersion: false });
  await user.iam.listUsers({});
  await refused(user.iam.listGroups({}), 'AccessDenied');
  await iam.setDefaultPolicyVersion({ PolicyArn, VersionId: 'v2' });
  await user.iam.listGroups({});
  await refused(user.iam.listUsers({}), 'AccessDenied');
  const { PolicyVersion: third } = await iam.createPolicyVersion({ PolicyArn, PolicyDocument: document, SetAsDefault: true });
  expect(third).toMatchObject({ VersionId: 'v3', IsDefaultVersion: true });
  await user.iam.listUsers({});
  for (const _ of many(2, (index) => index)) await iam.createPolicyVersion({ PolicyArn, PolicyDocument: groups });
  await refused(
    iam.createPolicyVersion({ PolicyArn, PolicyDocument: groups }),
    'LimitExceededException',
    'A managed policy can have up to 5 versions. Before you create a new version, you must delete an existing version.',
    409,
  );
  const versions = async () => (await iam.listPolicyVersions({ PolicyArn })).Versions?.map(({ VersionId }) => VersionId);
  expect(await versions()).toEqual(['v5', 'v4', 'v3', 'v2', 'v1']);
  const page = await iam.listPolicyVersions({ PolicyArn, MaxItems: 2 });
  expect((await iam.listPolicyVersions({ PolicyArn, MaxItems: 2, Marker: page.Marker })).Versions?.[0]?.VersionId).toBe('v3');
  await iam.deletePolicyVersion({ PolicyArn, VersionId: 'v5' });
  await iam.createPolicyVersion({ PolicyArn, PolicyDocument: groups });
  expect(await versions()).toEqual(['v6', 'v4', 'v3', 'v2', 'v1']);
  const missing = (version: string) => `Policy ${PolicyArn} version ${version} does not exist or is not attachable.`;
  await refused(
    iam.deletePolicyVersion({ PolicyArn, VersionId: 'v3' }),
    'DeleteConflictException',
    'Cannot delete the default version of a policy.',
    409,
  );
  await refused(iam.deletePolicyVersion({ PolicyArn, VersionId: 'v5' }), 'NoSuchEntityException', missing('v5'), 404);
  await refused(iam.getPolicyVersion({ PolicyArn, VersionId: 'v9' }), 'NoSuchEntityException', missing('v9'), 404);
  await refused(iam.setDefaultPolicyVersion({ PolicyArn, VersionId: 'v9' }), 'NoSuchEntityException', missing('v9'), 404);
  await refused(
    iam.setDefaultPolicyVersion({ PolicyArn, VersionId: 'latest' }),
    'ValidationError',
    "1 validation error detected: Value at 'versionId' failed to satisfy constraint: Member must satisfy regular expression pattern: v[1-9][0-9]*(\\.[A-Za-z0-9-]*)?",
    400,
  );
});

test('IAM-050 a policy is deleted only when nothing uses it and one version is left', async () => {
  const { account, iam } = rooted();
  await iam.createPolicy({ PolicyName: 'p', PolicyDocument: document });
  const PolicyArn = `arn:aws:iam::${account.id}:policy/p`;
  await iam.createGroup({ GroupName: 'g' });
  await iam.attachGroupPolicy({ GroupName: 'g', PolicyArn });
  await iam.createPolicyVersion({ PolicyArn, PolicyDocument: document });
  await refused(iam.deletePolicy({ PolicyArn }), 'DeleteConflictException', 'Cannot delete a policy attached to entities.', 409);
  await iam.detachGroupPolicy({ GroupName: 'g', PolicyArn });
  await refused(
    iam.deletePolicy({ PolicyArn }),
    'DeleteConflictException',
    "This policy has more than one version. Before you delete a policy, you must delete the policy's versions. The default version is deleted with the policy.",
    409,
  );
  await iam.deletePolicyVersion({ PolicyArn, VersionId: 'v2' });
  await iam.deletePolicy({ PolicyArn });
});

test('IAM-047 attaching: at most ten, each once, only what exists', async () => {
  const { account, iam } = rooted();
  await iam.createUser({ UserName: 'u' });
  const arnOf = (name: string) => `arn:aws:iam::${account.id}:policy/${name}`;
  for (const PolicyName of many(11, (index) => `p${index}`)) await iam.createPolicy({ PolicyName, PolicyDocument: document });
  for (const index of many(10, (number) => number)) await iam.attachUserPolicy({ UserName: 'u', PolicyArn: arnOf(`p${index}`) });
  await iam.attachUserPolicy({ UserName: 'u', PolicyArn: arnOf('p3') });
  await refused(
    iam.attachUserPolicy({ UserName: 'u', PolicyArn: arnOf('p10') }),
    'LimitExceededException',
    'Cannot exceed quota for PoliciesPerUser: 10',
    409,
  );
  expect((await iam.listAttachedUserPolicies({ UserName: 'u' })).AttachedPolicies).toHaveLength(10);
  expect((await iam.getPolicy({ PolicyArn: arnOf('p3') })).Policy?.AttachmentCount).toBe(1);
  await iam.detachUserPolicy({ UserName: 'u', PolicyArn: arnOf('p3') });
  await refused(
    iam.detachUserPolicy({ UserName: 'u', PolicyArn: arnOf('p3') }),
    'NoSuchEntityException',
    `Policy ${arnOf('p3')} was not found.`,
    404,
  );
  await refused(
    iam.attachUserPolicy({ UserName: 'u', PolicyArn: arnOf('absent') }),
    'NoSuchEntityException',
    `Policy ${arnOf('absent')} does not exist or is not attachable.`,
    404,
  );
  await refused(
    iam.attachUserPolicy({ UserName: 'u', PolicyArn: arnOf('P4') }),
    'NoSuchEntityException',
    `Policy ${arnOf('P4')} does not exist or is not attachable.`,
    404,
  );
  await refused(
    iam.attachUserPolicy({ UserName: 'u', PolicyArn: 'longpolicynamebutnoarn' }),
    'InvalidInputException',
    'ARN longpolicynamebutnoarn is not valid.',
    400,
  );
  await refused(
    iam.attachUserPolicy({ UserName: 'u', PolicyArn: 'short' }),
    'ValidationError',
    "1 validation error detected: Value at 'policyArn' failed to satisfy constraint: Member must have length greater than or equal to 20",
    400,
  );
});

test('who uses a policy is listed by kind', async () => {
  const { account, iam } = rooted();
  await iam.createPolicy({ PolicyName: 'p', PolicyDocument: document });
  const PolicyArn = `arn:aws:iam::${account.id}:policy/p`;
  for (const UserName of ['a', 'b', 'c']) await iam.createUser({ UserName, Path: UserName === 'c' ? '/x/' : '/' });
  await iam.createGroup({ GroupName: 'g' });
  await iam.attachGroupPolicy({ GroupName: 'g', PolicyArn });
  await iam.attachUserPolicy({ UserName: 'a', PolicyArn });
  await iam.attachUserPolicy({ UserName: 'c', PolicyArn });
  await iam.putUserPermissionsBoundary({ UserName: 'b', PermissionsBoundary: PolicyArn });
  const all = await iam.listEntitiesForPolicy({ PolicyArn });
  expect(all.PolicyGroups?.map(({ GroupName }) => GroupName)).toEqual(['g']);
  expect(all.PolicyUsers?.map(({ UserName }) => UserName)).toEqual(['a', 'b', 'c']);
  expect(all.PolicyRoles).toEqual([]);
  const usersFor = async (more: object) =>
    (await iam.listEntitiesForPolicy({ PolicyArn, EntityFilter: 'User', ...more })).PolicyUsers?.map(({ UserName }) => UserName);
  expect(await usersFor({ PolicyUsageFilter: 'PermissionsBoundary' })).toEqual(['b']);
  expect(await usersFor({ PolicyUsageFilter: 'PermissionsPolicy' })).toEqual(['a', 'c']);
  expect(await usersFor({ PathPrefix: '/x/' })).toEqual(['c']);
  const first = await iam.listEntitiesForPolicy({ PolicyArn, MaxItems: 2 });
  expect(first).toMatchObject({ IsTruncated: true, PolicyGroups: [{ GroupName: 'g' }], PolicyUsers: [{ UserName: 'a' }] });
  const { PolicyUsers: rest } = await iam.listEntitiesForPolicy({ PolicyArn, MaxItems: 2, Marker: first.Marker });
  expect(rest?.map(({ UserName }) => UserName)).toEqual(['b', 'c']);
  expect((await iam.getPolicy({ PolicyArn })).Policy).toMatchObject({ AttachmentCount: 3, PermissionsBoundaryUsageCount: 1 });
  const used = await iam.listPolicies({ OnlyAttached: true });
  expect(used.Policies?.map(({ Arn }) => Arn)).toEqual([PolicyArn]);
});

test('IAM-049 AWS managed policies can be read and attached, and not changed', async () => {
  const { account, iam } = rooted();
  await iam.createUser({ UserName: 'u' });
  await iam.attachUserPolicy({ UserName: 'u', PolicyArn: admin });
  const { Policy: found } = await iam.getPolicy({ PolicyArn: admin });
  expect(found).toMatchObject({
    PolicyName: 'AdministratorAccess',
    Path: '/',
    DefaultVersionId: 'v1',
    AttachmentCount: 1,
    Tags: [],
  });
  const { PolicyVersion: version } = await iam.getPolicyVersion({ PolicyArn: admin, VersionId: 'v1' });
  expect(JSON.parse(decodeURIComponent(version?.Document ?? ''))).toEqual({
    Version: '2012-10-17',
    Statement: [{ Effect: 'Allow', Action: '*', Resource: '*' }],
  });
  const denied = (operation: string) =>
    `User: arn:aws:iam::${account.id}:root is not authorized to perform: iam:${operation} on resource: policy ${admin}`;
  await refused(iam.deletePolicy({ PolicyArn: admin }), 'AccessDenied', denied('DeletePolicy'), 403);
  await refused(
    iam.createPolicyVersion({ PolicyArn: admin, PolicyDocument: document }),
    'AccessDenied',
    denied('CreatePolicyVersion'),
    403,
  );
  await refused(iam.tagPolicy({ PolicyArn: admin, Tags: [{ Key: 'k', Value: 'v' }] }), 'AccessDenied', denied('TagPolicy'), 403);
  await refused(
    iam.attachUserPolicy({ UserName: 'u', PolicyArn: 'arn:aws:iam::aws:policy/NoSuchAccess' }),
    'NoSuchEntityException',
    'Policy arn:aws:iam::aws:policy/NoSuchAccess does not exist or is not attachable.',
    404,
  );
});

test('IAM-049 AWS managed policies grant what they say', async () => {
  const root = rooted();
  const user = await userWithKey(root, 'viewer');
  await refused(user.ec2.describeVpcs({}), 'UnauthorizedOperation', undefined, 403);
  await root.iam.attachUserPolicy({ UserName: 'viewer', PolicyArn: 'arn:aws:iam::aws:policy/AmazonEC2ReadOnlyAccess' });
  await user.ec2.describeVpcs({});
  await refused(user.ec2.createVpc({ CidrBlock: '10.0.0.0/16' }), 'UnauthorizedOperation', undefined, 403);
  await refused(user.iam.listUsers({}), 'AccessDenied', undefined, 403);
  await root.iam.attachUserPolicy({ UserName: 'viewer', PolicyArn: 'arn:aws:iam::aws:policy/IAMReadOnlyAccess' });
  await user.iam.listUsers({});
  await refused(user.iam.createUser({ UserName: 'x' }), 'AccessDenied', undefined, 403);
});

test('AWS managed policies are listed in pages and by path; those of service-linked roles cannot be attached', async () => {
  const { iam } = rooted();
  const seen: string[] = [];
  for (let Marker: string | undefined, more = true; more; ) {
    const page = await iam.listPolicies({ Scope: 'AWS', MaxItems: 30, ...(Marker === undefined ? {} : { Marker }) });
    seen.push(...(page.Policies ?? []).map(({ Arn }) => Arn ?? ''));
    Marker = page.Marker;
    more = page.IsTruncated === true;
  }
  expect(seen.length).toBeGreaterThan(80);
  expect(new Set(seen).size).toBe(seen.length);
  const { Policies: jobs } = await iam.listPolicies({ Scope: 'AWS', PathPrefix: '/job-function/' });
  expect(jobs?.map(({ PolicyName }) => PolicyName)).toContain('DatabaseAdministrator');
  await iam.createUser({ UserName: 'u' });
  await refused(
    iam.attachUserPolicy({ UserName: 'u', PolicyArn: 'arn:aws:iam::aws:policy/aws-service-role/AutoScalingServiceRolePolicy' }),
    'PolicyNotAttachableException',
    'Cannot attach a Service Role Policy to a Customer User.',
    400,
  );
});
