import { expect, test } from 'vitest';
import { refused } from '../../support/cloud.ts';
import { allow, many, policy, rooted, userWithKey } from './support.ts';

test('IAM-003 a group is created, read, changed and deleted', async () => {
  const { account, iam } = rooted();
  const { Group: made } = await iam.createGroup({ GroupName: 'Ops', Path: '/team/' });
  expect(made).toMatchObject({ GroupName: 'Ops', Path: '/team/', Arn: `arn:aws:iam::${account.id}:group/team/Ops` });
  expect(made?.GroupId).toMatch(/^AGPA[A-Z2-7]{17}$/);
  expect((await iam.getGroup({ GroupName: 'ops' })).Group).toEqual(made);
  await refused(
    iam.createGroup({ GroupName: 'OPS' }),
    'EntityAlreadyExistsException',
    'Group with name OPS already exists.',
    409,
  );
  await iam.updateGroup({ GroupName: 'Ops', NewGroupName: 'sre', NewPath: '/' });
  expect((await iam.getGroup({ GroupName: 'sre' })).Group).toMatchObject({
    GroupId: made?.GroupId,
    Arn: `arn:aws:iam::${account.id}:group/sre`,
  });
  await refused(iam.getGroup({ GroupName: 'Ops' }), 'NoSuchEntityException', 'The group with name Ops cannot be found.', 404);
  await iam.createGroup({ GroupName: 'dev', Path: '/team/' });
  await refused(
    iam.updateGroup({ GroupName: 'dev', NewGroupName: 'SRE' }),
    'EntityAlreadyExistsException',
    'Group with name SRE already exists.',
    409,
  );
  expect((await iam.listGroups({ PathPrefix: '/team/' })).Groups?.map(({ GroupName }) => GroupName)).toEqual(['dev']);
  await iam.deleteGroup({ GroupName: 'sre' });
  await refused(iam.deleteGroup({ GroupName: 'sre' }), 'NoSuchEntityException', 'The group with name sre cannot be found.', 404);
});

test('IAM-007 users are placed into groups and taken out again', async () => {
  const { iam } = rooted();
  for (const UserName of ['ann', 'ben', 'cem']) await iam.createUser({ UserName });
  await iam.createGroup({ GroupName: 'g' });
  for (const UserName of ['cem', 'ann', 'ann']) await iam.addUserToGroup({ GroupName: 'g', UserName });
  expect((await iam.getGroup({ GroupName: 'g' })).Users?.map(({ UserName }) => UserName)).toEqual(['ann', 'cem']);
  expect((await iam.listGroupsForUser({ UserName: 'ann' })).Groups?.map(({ GroupName }) => GroupName)).toEqual(['g']);
  const page = await iam.getGroup({ GroupName: 'g', MaxItems: 1 });
  expect(page).toMatchObject({ IsTruncated: true });
  expect((await iam.getGroup({ GroupName: 'g', MaxItems: 1, Marker: page.Marker })).Users?.[0]?.UserName).toBe('cem');
  // Taking out a user that is no member is no error.
  await iam.removeUserFromGroup({ GroupName: 'g', UserName: 'ben' });
  await iam.removeUserFromGroup({ GroupName: 'g', UserName: 'ann' });
  expect((await iam.getGroup({ GroupName: 'g' })).Users?.map(({ UserName }) => UserName)).toEqual(['cem']);
  await refused(
    iam.addUserToGroup({ GroupName: 'none', UserName: 'ann' }),
    'NoSuchEntityException',
    'The group with name none cannot be found.',
    404,
  );
  await refused(
    iam.removeUserFromGroup({ GroupName: 'none', UserName: 'nobody' }),
    'NoSuchEntityException',
    'The user with name nobody cannot be found.',
    404,
  );
});

test('IAM-008 a group cannot be a member of a group', async () => {
  const { iam } = rooted();
  await iam.createGroup({ GroupName: 'inner' });
  await iam.createGroup({ GroupName: 'outer' });
  await refused(
    iam.addUserToGroup({ GroupName: 'outer', UserName: 'inner' }),
    'NoSuchEntityException',
    'The user with name inner cannot be found.',
    404,
  );
});

test('IAM-009 a user belongs to at most ten groups and has the permissions of all of them', async () => {
  const root = rooted();
  const user = await userWithKey(root, 'joiner');
  for (const GroupName of many(11, (index) => `g${index}`)) await root.iam.createGroup({ GroupName });
  await root.iam.putGroupPolicy({ GroupName: 'g0', PolicyName: 'p', PolicyDocument: policy(allow('iam:ListGroups')) });
  await root.iam.putGroupPolicy({ GroupName: 'g9', PolicyName: 'p', PolicyDocument: policy(allow('iam:ListUsers')) });
  await refused(user.iam.listGroups({}), 'AccessDenied');
  for (const GroupName of many(10, (index) => `g${index}`)) await root.iam.addUserToGroup({ GroupName, UserName: user.name });
  expect((await user.iam.listGroups({})).Groups).toHaveLength(11);
  expect((await user.iam.listUsers({})).Users).toHaveLength(1);
  await refused(
    root.iam.addUserToGroup({ GroupName: 'g10', UserName: user.name }),
    'LimitExceededException',
    'Cannot exceed quota for GroupsPerUser: 10',
    409,
  );
  // One more time into a group that it is in already is no eleventh group.
  await root.iam.addUserToGroup({ GroupName: 'g3', UserName: user.name });
});

test('IAM-010 leaving a group takes its permissions away', async () => {
  const root = rooted();
  const user = await userWithKey(root, 'member');
  await root.iam.createGroup({ GroupName: 'readers' });
  const { Policy: managed } = await root.iam.createPolicy({ PolicyName: 'read', PolicyDocument: policy(allow('iam:List*')) });
  await root.iam.attachGroupPolicy({ GroupName: 'readers', PolicyArn: managed?.Arn });
  await refused(user.iam.listUsers({}), 'AccessDenied');
  await root.iam.addUserToGroup({ GroupName: 'readers', UserName: user.name });
  await user.iam.listUsers({});
  // Renaming either changes nothing of it.
  await root.iam.updateGroup({ GroupName: 'readers', NewGroupName: 'viewers' });
  await user.iam.listUsers({});
  await root.iam.removeUserFromGroup({ GroupName: 'viewers', UserName: user.name });
  await refused(
    user.iam.listUsers({}),
    'AccessDenied',
    `User: arn:aws:iam::${root.account.id}:user/member is not authorized to perform: iam:ListUsers on resource: arn:aws:iam::${root.account.id}:user/ because no identity-based policy allows the iam:ListUsers action`,
    403,
  );
});

test('IAM-050 a group is deleted only when it is empty and has no policies', async () => {
  const { iam } = rooted();
  const GroupName = 'g';
  await iam.createGroup({ GroupName });
  await iam.createUser({ UserName: 'u' });
  const conflict = (what: string) =>
    refused(iam.deleteGroup({ GroupName }), 'DeleteConflictException', `Cannot delete entity, must ${what} first.`, 409);
  await iam.attachGroupPolicy({ GroupName, PolicyArn: 'arn:aws:iam::aws:policy/AdministratorAccess' });
  await conflict('detach all policies');
  await iam.detachGroupPolicy({ GroupName, PolicyArn: 'arn:aws:iam::aws:policy/AdministratorAccess' });
  await iam.putGroupPolicy({ GroupName, PolicyName: 'i', PolicyDocument: policy(allow('sts:*')) });
  await conflict('delete policies');
  await iam.deleteGroupPolicy({ GroupName, PolicyName: 'i' });
  await iam.addUserToGroup({ GroupName, UserName: 'u' });
  await conflict('remove users from group');
  await iam.removeUserFromGroup({ GroupName, UserName: 'u' });
  await iam.deleteGroup({ GroupName });
});
