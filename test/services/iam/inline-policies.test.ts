import { expect, test } from 'vitest';
import { refused } from '../../support/cloud.ts';
import { allow, policy, rooted, userWithKey } from './support.ts';

test('IAM-012 an inline policy belongs to one identity and goes with it', async () => {
  const root = rooted();
  const { iam } = root;
  const one = await userWithKey(root, 'one');
  const other = await userWithKey(root, 'other');
  const document = policy(allow('iam:ListUsers'));
  await iam.putUserPolicy({ UserName: 'one', PolicyName: 'Mine', PolicyDocument: document });
  await one.iam.listUsers({});
  await refused(other.iam.listUsers({}), 'AccessDenied');
  const found = await iam.getUserPolicy({ UserName: 'ONE', PolicyName: 'Mine' });
  expect(found).toMatchObject({ UserName: 'one', PolicyName: 'Mine' });
  expect(decodeURIComponent(found.PolicyDocument ?? '')).toBe(document);
  expect((await iam.listUserPolicies({ UserName: 'one' })).PolicyNames).toEqual(['Mine']);
  expect((await iam.listPolicies({ Scope: 'Local' })).Policies).toEqual([]);
  await refused(
    iam.getUserPolicy({ UserName: 'other', PolicyName: 'Mine' }),
    'NoSuchEntityException',
    'The user policy with name Mine cannot be found.',
    404,
  );
  await iam.putUserPolicy({ UserName: 'one', PolicyName: 'Mine', PolicyDocument: policy(allow('iam:ListGroups')) });
  await refused(one.iam.listUsers({}), 'AccessDenied');
  await one.iam.listGroups({});
  await iam.deleteUserPolicy({ UserName: 'one', PolicyName: 'Mine' });
  await refused(one.iam.listGroups({}), 'AccessDenied');
  await refused(
    iam.deleteUserPolicy({ UserName: 'one', PolicyName: 'Mine' }),
    'NoSuchEntityException',
    'The user policy with name Mine cannot be found.',
    404,
  );
});

test('IAM-012 inline policies of a group go to its members', async () => {
  const root = rooted();
  const { iam } = root;
  const user = await userWithKey(root, 'u');
  await iam.createGroup({ GroupName: 'g' });
  await iam.addUserToGroup({ GroupName: 'g', UserName: 'u' });
  await iam.putGroupPolicy({ GroupName: 'g', PolicyName: 'p', PolicyDocument: policy(allow('iam:ListUsers')) });
  await user.iam.listUsers({});
  expect((await iam.listGroupPolicies({ GroupName: 'g' })).PolicyNames).toEqual(['p']);
  expect(decodeURIComponent((await iam.getGroupPolicy({ GroupName: 'g', PolicyName: 'p' })).PolicyDocument ?? '')).toContain(
    'iam:ListUsers',
  );
  await iam.deleteGroupPolicy({ GroupName: 'g', PolicyName: 'p' });
  await refused(user.iam.listUsers({}), 'AccessDenied');
  await refused(
    iam.getGroupPolicy({ GroupName: 'g', PolicyName: 'p' }),
    'NoSuchEntityException',
    'The group policy with name p cannot be found.',
    404,
  );
});

test('IAM-046 all inline policies of a user hold 2,048 characters together, of a group 5,120', async () => {
  const { iam } = rooted();
  await iam.createUser({ UserName: 'u' });
  await iam.createGroup({ GroupName: 'g' });
  const ofSize = (size: number) => {
    const empty = policy(allow('s3:*', 'arn:aws:s3:::'));
    return policy(allow('s3:*', `arn:aws:s3:::${'b'.repeat(size - empty.length)}`));
  };
  const putUser = (PolicyName: string, size: number) =>
    iam.putUserPolicy({ UserName: 'u', PolicyName, PolicyDocument: ofSize(size) });
  await putUser('a', 1024);
  await putUser('b', 1024);
  await refused(putUser('c', 200), 'LimitExceededException', 'Maximum policy size of 2048 bytes exceeded for user u', 409);
  await putUser('b', 824);
  await putUser('c', 200);
  await refused(
    iam.putGroupPolicy({ GroupName: 'g', PolicyName: 'a', PolicyDocument: ofSize(5121) }),
    'LimitExceededException',
    'Maximum policy size of 5120 bytes exceeded for group g',
    409,
  );
  await iam.putGroupPolicy({ GroupName: 'g', PolicyName: 'a', PolicyDocument: ofSize(5120).replaceAll(',', ', \n') });
});

test('inline documents follow the same grammar', async () => {
  const { iam } = rooted();
  await iam.createUser({ UserName: 'u' });
  const put = (PolicyDocument: string, PolicyName = 'p') => iam.putUserPolicy({ UserName: 'u', PolicyName, PolicyDocument });
  await refused(put('{'), 'MalformedPolicyDocumentException', 'Syntax errors in policy.', 400);
  await refused(
    put(policy({ Effect: 'Allow', Principal: '*', Action: 's3:*', Resource: '*' })),
    'MalformedPolicyDocumentException',
    'Policy document should not specify a principal.',
    400,
  );
  await refused(
    put(policy({ Effect: 'Allow', Action: 's3:*' })),
    'MalformedPolicyDocumentException',
    'Policy statement must contain resources.',
    400,
  );
  await refused(
    put(policy(allow('s3:*')), 'a/b'),
    'ValidationError',
    'The specified value for policyName is invalid. It must contain only alphanumeric characters and/or the following: +=,.@_-',
    400,
  );
  await refused(
    iam.putUserPolicy({ UserName: 'nobody', PolicyName: 'p', PolicyDocument: policy(allow('s3:*')) }),
    'NoSuchEntityException',
    'The user with name nobody cannot be found.',
    404,
  );
});
