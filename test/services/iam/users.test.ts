import { IAM } from '@aws-sdk/client-iam';
import { expect, test } from 'vitest';
import { refused } from '../../support/cloud.ts';
import { many, policy, allow, rooted } from './support.ts';

const nameWords =
  'The specified value for userName is invalid. It must contain only alphanumeric characters and/or the following: +=,.@_-';
const pathWords =
  'The specified value for path is invalid. It must begin and end with / and contain only alphanumeric characters and/or / characters.';

test('IAM-001 a user made through one Region is there in every other, and its ARN names no Region', async () => {
  const { account, iam } = rooted();
  const here = new IAM(account.config({ region: 'eu-central-1' }));
  await here.createUser({ UserName: 'global' });
  const there = new IAM(account.config({ region: 'ap-southeast-2' }));
  const { Users: users } = await there.listUsers({});
  expect(users?.map(({ Arn }) => Arn)).toEqual([`arn:aws:iam::${account.id}:user/global`]);
  await refused(
    iam.createUser({ UserName: 'global' }),
    'EntityAlreadyExistsException',
    'User with name global already exists.',
    409,
  );
});

test('IAM-001 accounts do not share users', async () => {
  const one = rooted();
  const other = rooted();
  await one.iam.createUser({ UserName: 'mine' });
  expect((await other.iam.listUsers({})).Users).toEqual([]);
  await refused(
    other.iam.getUser({ UserName: 'mine' }),
    'NoSuchEntityException',
    'The user with name mine cannot be found.',
    404,
  );
});

test('IAM-003 a user is created, read, changed and deleted', async () => {
  const { account, iam } = rooted();
  const { User: made } = await iam.createUser({ UserName: 'Zoe', Path: '/eng/web/' });
  expect(made).toMatchObject({ UserName: 'Zoe', Path: '/eng/web/', Arn: `arn:aws:iam::${account.id}:user/eng/web/Zoe` });
  expect(made?.UserId).toMatch(/^AIDA[A-Z2-7]{17}$/);
  expect((await iam.getUser({ UserName: 'zoe' })).User).toEqual(made);
  await iam.updateUser({ UserName: 'Zoe', NewUserName: 'zoe.k', NewPath: '/' });
  const { User: renamed } = await iam.getUser({ UserName: 'zoe.k' });
  expect(renamed).toMatchObject({
    UserId: made?.UserId,
    CreateDate: made?.CreateDate,
    Arn: `arn:aws:iam::${account.id}:user/zoe.k`,
  });
  await refused(iam.getUser({ UserName: 'Zoe' }), 'NoSuchEntityException', 'The user with name Zoe cannot be found.', 404);
  await iam.deleteUser({ UserName: 'zoe.k' });
  await refused(iam.getUser({ UserName: 'zoe.k' }), 'NoSuchEntityException', 'The user with name zoe.k cannot be found.', 404);
  await refused(iam.deleteUser({ UserName: 'zoe.k' }), 'NoSuchEntityException', 'The user with name zoe.k cannot be found.', 404);
  await refused(
    iam.updateUser({ UserName: 'zoe.k', NewPath: '/x/' }),
    'NoSuchEntityException',
    'The user with name zoe.k cannot be found.',
    404,
  );
});

test('IAM-051 user names are unique whatever their case, and keep it', async () => {
  const { iam } = rooted();
  await iam.createUser({ UserName: 'Admin' });
  await iam.createUser({ UserName: 'other' });
  await refused(
    iam.createUser({ UserName: 'ADMIN' }),
    'EntityAlreadyExistsException',
    'User with name ADMIN already exists.',
    409,
  );
  await refused(
    iam.updateUser({ UserName: 'other', NewUserName: 'aDMIN' }),
    'EntityAlreadyExistsException',
    'User with name aDMIN already exists.',
    409,
  );
  await iam.updateUser({ UserName: 'Admin', NewUserName: 'admin' });
  expect((await iam.getUser({ UserName: 'ADMIN' })).User?.UserName).toBe('admin');
});

test('names and paths that break their rules are refused in the words of the service', async () => {
  const { iam } = rooted();
  await refused(iam.createUser({ UserName: 'a b' }), 'ValidationError', nameWords, 400);
  await refused(iam.createUser({ UserName: 'café' }), 'ValidationError', nameWords, 400);
  await refused(iam.getUser({ UserName: 'a/b' }), 'ValidationError', nameWords, 400);
  await refused(iam.createUser({ UserName: 'a', Path: 'eng' }), 'ValidationError', pathWords, 400);
  await refused(iam.createUser({ UserName: 'a', Path: '/eng' }), 'ValidationError', pathWords, 400);
  await refused(
    iam.createUser({ UserName: 'a'.repeat(65) }),
    'ValidationError',
    "1 validation error detected: Value at 'userName' failed to satisfy constraint: Member must have length less than or equal to 64",
    400,
  );
  await refused(
    iam.createUser({ UserName: '', Path: `/${'p'.repeat(511)}/` }),
    'ValidationError',
    "2 validation errors detected: Value at 'userName' failed to satisfy constraint: Member must have length greater than or equal to 1; Value at 'path' failed to satisfy constraint: Member must have length less than or equal to 512",
    400,
  );
  expect((await iam.listUsers({})).Users).toEqual([]);
});

test('lists come in pages and by path', async () => {
  const { iam } = rooted();
  for (const index of many(7, (number) => number)) {
    await iam.createUser({ UserName: `u${index}`, Path: index < 4 ? '/a/b/' : '/a/' });
  }
  const first = await iam.listUsers({ MaxItems: 3 });
  expect(first.Users?.map(({ UserName }) => UserName)).toEqual(['u0', 'u1', 'u2']);
  expect(first.IsTruncated).toBe(true);
  // What goes between two pages shifts nothing.
  await iam.deleteUser({ UserName: 'u2' });
  const second = await iam.listUsers({ MaxItems: 3, Marker: first.Marker });
  expect(second.Users?.map(({ UserName }) => UserName)).toEqual(['u3', 'u4', 'u5']);
  const third = await iam.listUsers({ MaxItems: 3, Marker: second.Marker });
  expect(third.Users?.map(({ UserName }) => UserName)).toEqual(['u6']);
  expect(third).toMatchObject({ IsTruncated: false });
  expect(third.Marker).toBeUndefined();
  const under = await iam.listUsers({ PathPrefix: '/a/b' });
  expect(under.Users?.map(({ UserName }) => UserName)).toEqual(['u0', 'u1', 'u3']);
  await refused(iam.listUsers({ Marker: 'nonsense' }), 'ValidationError', 'Invalid Marker.', 400);
  await refused(iam.listGroups({ Marker: first.Marker }), 'ValidationError', 'Invalid Marker.', 400);
  await refused(
    iam.listUsers({ MaxItems: 1001 }),
    'ValidationError',
    "1 validation error detected: Value at 'maxItems' failed to satisfy constraint: Member must have value less than or equal to 1000",
    400,
  );
});

test('IAM-050 a user is deleted only when nothing belongs to it any more', async () => {
  const { account, iam } = rooted();
  const UserName = 'busy';
  await iam.createUser({ UserName });
  const conflict = (what: string) =>
    refused(iam.deleteUser({ UserName }), 'DeleteConflictException', `Cannot delete entity, must ${what} first.`, 409);
  const document = policy(allow('sts:*'));
  const { Policy: managed } = await iam.createPolicy({ PolicyName: 'p', PolicyDocument: document });
  await iam.attachUserPolicy({ UserName, PolicyArn: managed?.Arn });
  await conflict('detach all policies');
  await iam.detachUserPolicy({ UserName, PolicyArn: managed?.Arn });
  await iam.putUserPolicy({ UserName, PolicyName: 'i', PolicyDocument: document });
  await conflict('delete policies');
  await iam.deleteUserPolicy({ UserName, PolicyName: 'i' });
  await iam.createGroup({ GroupName: 'g' });
  await iam.addUserToGroup({ GroupName: 'g', UserName });
  await conflict('remove users from group');
  await iam.removeUserFromGroup({ GroupName: 'g', UserName });
  await iam.createLoginProfile({ UserName, Password: 'Correct-Horse-7' });
  await conflict('delete login profile');
  await iam.deleteLoginProfile({ UserName });
  const { AccessKey: key } = await iam.createAccessKey({ UserName });
  await conflict('delete access keys');
  await iam.deleteAccessKey({ UserName, AccessKeyId: key?.AccessKeyId });
  const { ServiceSpecificCredential: credential } = await iam.createServiceSpecificCredential({
    UserName,
    ServiceName: 'codecommit.amazonaws.com',
  });
  await conflict('remove referenced objects');
  await iam.deleteServiceSpecificCredential({
    UserName,
    ServiceSpecificCredentialId: credential?.ServiceSpecificCredentialId,
  });
  await iam.deleteUser({ UserName });
  expect((await iam.listUsers({})).Users).toEqual([]);
  expect(managed?.Arn).toBe(`arn:aws:iam::${account.id}:policy/p`);
});

test('IAM-051 what belongs to a user follows when it is renamed, and never falls to a new user of the old name', async () => {
  const { iam } = rooted();
  await iam.createUser({ UserName: 'old' });
  await iam.createAccessKey({ UserName: 'old' });
  await iam.createLoginProfile({ UserName: 'old', Password: 'Correct-Horse-7' });
  await iam.putUserPolicy({ UserName: 'old', PolicyName: 'i', PolicyDocument: policy(allow('sts:*')) });
  await iam.createGroup({ GroupName: 'g' });
  await iam.addUserToGroup({ GroupName: 'g', UserName: 'old' });
  await iam.updateUser({ UserName: 'old', NewUserName: 'new' });
  expect((await iam.listAccessKeys({ UserName: 'new' })).AccessKeyMetadata?.[0]?.UserName).toBe('new');
  expect((await iam.getLoginProfile({ UserName: 'new' })).LoginProfile?.UserName).toBe('new');
  expect((await iam.listUserPolicies({ UserName: 'new' })).PolicyNames).toEqual(['i']);
  expect((await iam.getGroup({ GroupName: 'g' })).Users?.[0]?.UserName).toBe('new');
  await iam.createUser({ UserName: 'old' });
  expect((await iam.listAccessKeys({ UserName: 'old' })).AccessKeyMetadata).toEqual([]);
  expect((await iam.listGroupsForUser({ UserName: 'old' })).Groups).toEqual([]);
});

test('IAM-052 tags of a user: added, replaced, removed, and compared without case', async () => {
  const { iam } = rooted();
  const UserName = 'tagged';
  const { User: made } = await iam.createUser({
    UserName,
    Tags: [
      { Key: 'Team', Value: 'web' },
      { Key: 'stage', Value: '' },
    ],
  });
  expect(made?.Tags).toEqual([
    { Key: 'Team', Value: 'web' },
    { Key: 'stage', Value: '' },
  ]);
  await iam.tagUser({ UserName, Tags: [{ Key: 'TEAM', Value: 'data' }] });
  expect((await iam.listUserTags({ UserName })).Tags).toEqual([
    { Key: 'TEAM', Value: 'data' },
    { Key: 'stage', Value: '' },
  ]);
  await iam.untagUser({ UserName, TagKeys: ['team', 'absent'] });
  expect((await iam.getUser({ UserName })).User?.Tags).toEqual([{ Key: 'stage', Value: '' }]);
  const listed = (await iam.listUsers({})).Users?.[0];
  expect(listed?.Tags).toBeUndefined();
});

test('IAM-052 tags that break their rules are refused', async () => {
  const { iam } = rooted();
  const UserName = 'tagged';
  await iam.createUser({ UserName });
  const tag = (Key: string, Value = 'v') => iam.tagUser({ UserName, Tags: [{ Key, Value }] });
  const at = (member: string, constraint: string) =>
    `1 validation error detected: Value at '${member}' failed to satisfy constraint: ${constraint}`;
  const pattern = 'Member must satisfy regular expression pattern: [\\p{L}\\p{Z}\\p{N}_.:/=+\\-@]+';
  await refused(tag('what?'), 'ValidationError', at('tags.1.member.key', pattern), 400);
  await refused(
    tag('k'.repeat(129)),
    'ValidationError',
    at('tags.1.member.key', 'Member must have length less than or equal to 128'),
    400,
  );
  await refused(
    tag('k', 'v'.repeat(257)),
    'ValidationError',
    at('tags.1.member.value', 'Member must have length less than or equal to 256'),
    400,
  );
  await refused(
    iam.tagUser({
      UserName,
      Tags: [
        { Key: 'a', Value: '1' },
        { Key: 'A', Value: '2' },
      ],
    }),
    'InvalidInputException',
    'Duplicate tag keys found. Please note that Tag keys are case insensitive.',
    400,
  );
  await refused(
    iam.createUser({ UserName: 'more', Tags: many(51, (index) => ({ Key: `k${index}`, Value: '' })) }),
    'ValidationError',
    at('tags', 'Member must have length less than or equal to 50'),
    400,
  );
  await refused(tag('aws:team'), 'InvalidInputException', 'aws: prefixed tag key names are not allowed for external use.', 400);
  await iam.tagUser({ UserName, Tags: many(50, (index) => ({ Key: `k${index}`, Value: '' })) });
  await tag('k7', 'changed');
  await refused(tag('k50'), 'LimitExceededException', 'The number of tags has reached the maximum limit.', 409);
  await refused(
    iam.tagUser({ UserName: 'nobody', Tags: [] }),
    'NoSuchEntityException',
    'The user with name nobody cannot be found.',
    404,
  );
  const page = await iam.listUserTags({ UserName, MaxItems: 30 });
  const rest = await iam.listUserTags({ UserName, MaxItems: 30, Marker: page.Marker });
  expect([...(page.Tags ?? []), ...(rest.Tags ?? [])]).toHaveLength(50);
});
