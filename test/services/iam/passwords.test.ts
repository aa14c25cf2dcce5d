import { expect, test } from 'vitest';
import { refused } from '../../support/cloud.ts';
import { allow, deny, many, policy, rooted, userWithKey } from './support.ts';

const violation = 'PasswordPolicyViolationException';

test('a login profile is created, read, changed and deleted', async () => {
  const { iam } = rooted();
  const UserName = 'u';
  await iam.createUser({ UserName });
  const { LoginProfile: made } = await iam.createLoginProfile({ UserName, Password: 'Correct-Horse-7' });
  expect(made).toMatchObject({ UserName, PasswordResetRequired: false });
  await refused(
    iam.createLoginProfile({ UserName, Password: 'Correct-Horse-7' }),
    'EntityAlreadyExistsException',
    'Login Profile for user u already exists.',
    409,
  );
  await iam.updateLoginProfile({ UserName, PasswordResetRequired: true });
  expect((await iam.getLoginProfile({ UserName })).LoginProfile).toEqual({ ...made, PasswordResetRequired: true });
  await iam.deleteLoginProfile({ UserName });
  const missing = 'Login Profile for User u cannot be found.';
  await refused(iam.getLoginProfile({ UserName }), 'NoSuchEntityException', missing, 404);
  await refused(iam.deleteLoginProfile({ UserName }), 'NoSuchEntityException', missing, 404);
  await refused(iam.updateLoginProfile({ UserName, Password: 'Correct-Horse-7' }), 'NoSuchEntityException', missing, 404);
  await refused(
    iam.createLoginProfile({ UserName: 'nobody', Password: 'Correct-Horse-7' }),
    'NoSuchEntityException',
    'The user with name nobody cannot be found.',
    404,
  );
});

test('while the account has no policy of its own, eight characters of three sorts are asked for', async () => {
  const { iam } = rooted();
  await iam.createUser({ UserName: 'u' });
  const create = (Password: string) => iam.createLoginProfile({ UserName: 'u', Password });
  await refused(create('Ab1-'), violation, 'Password should have a minimum length of 8', 400);
  await refused(
    create('lowercase8'),
    violation,
    'Password should meet 1 more of the following requirements: Password should have at least one uppercase letter, Password should have at least one symbol',
    400,
  );
  await create('Lowercase8');
});

test('the password policy is set, read and deleted as a whole', async () => {
  const { account, iam } = rooted();
  const missing = `The Password Policy with domain name ${account.id} cannot be found.`;
  await refused(iam.getAccountPasswordPolicy({}), 'NoSuchEntityException', missing, 404);
  await iam.updateAccountPasswordPolicy({});
  expect((await iam.getAccountPasswordPolicy({})).PasswordPolicy).toEqual({
    MinimumPasswordLength: 6,
    RequireSymbols: false,
    RequireNumbers: false,
    RequireUppercaseCharacters: false,
    RequireLowercaseCharacters: false,
    AllowUsersToChangePassword: false,
    ExpirePasswords: false,
  });
  const whole = {
    MinimumPasswordLength: 10,
    RequireSymbols: true,
    RequireNumbers: true,
    RequireUppercaseCharacters: true,
    RequireLowercaseCharacters: true,
    AllowUsersToChangePassword: true,
    MaxPasswordAge: 60,
    PasswordReusePrevention: 3,
    HardExpiry: true,
  };
  await iam.updateAccountPasswordPolicy(whole);
  expect((await iam.getAccountPasswordPolicy({})).PasswordPolicy).toEqual({ ...whole, ExpirePasswords: true });
  // No partial updates: what is left out goes back to its default.
  await iam.updateAccountPasswordPolicy({ MinimumPasswordLength: 7 });
  expect((await iam.getAccountPasswordPolicy({})).PasswordPolicy).toMatchObject({
    RequireSymbols: false,
    ExpirePasswords: false,
  });
  await refused(
    iam.updateAccountPasswordPolicy({ MinimumPasswordLength: 129, PasswordReusePrevention: 25, MaxPasswordAge: 1096 }),
    'ValidationError',
    "3 validation errors detected: Value at 'minimumPasswordLength' failed to satisfy constraint: Member must have value less than or equal to 128; Value at 'passwordReusePrevention' failed to satisfy constraint: Member must have value less than or equal to 24; Value at 'maxPasswordAge' failed to satisfy constraint: Member must have value less than or equal to 1095",
    400,
  );
  await iam.deleteAccountPasswordPolicy({});
  await refused(iam.getAccountPasswordPolicy({}), 'NoSuchEntityException', missing, 404);
  await refused(
    iam.deleteAccountPasswordPolicy({}),
    'NoSuchEntityException',
    'The account policy with name PasswordPolicy cannot be found.',
    404,
  );
});

test('IAM-031 the password policy sets the least length, 6 to 128', async () => {
  const { iam } = rooted();
  await iam.createUser({ UserName: 'u' });
  const atMember = (constraint: string) =>
    `1 validation error detected: Value at 'minimumPasswordLength' failed to satisfy constraint: Member must have value ${constraint}`;
  await refused(
    iam.updateAccountPasswordPolicy({ MinimumPasswordLength: 5 }),
    'ValidationError',
    atMember('greater than or equal to 6'),
    400,
  );
  await refused(
    iam.updateAccountPasswordPolicy({ MinimumPasswordLength: 129 }),
    'ValidationError',
    atMember('less than or equal to 128'),
    400,
  );
  await iam.updateAccountPasswordPolicy({ MinimumPasswordLength: 12 });
  await refused(
    iam.createLoginProfile({ UserName: 'u', Password: 'Eight-88' }),
    violation,
    'Password should have a minimum length of 12',
    400,
  );
  await iam.createLoginProfile({ UserName: 'u', Password: 'twelve-chars' });
  await refused(iam.updateLoginProfile({ UserName: 'u', Password: 'elevenchars' }), violation, undefined, 400);
  await iam.updateAccountPasswordPolicy({ MinimumPasswordLength: 128 });
  await refused(iam.updateLoginProfile({ UserName: 'u', Password: 'x'.repeat(127) }), violation, undefined, 400);
  await iam.updateLoginProfile({ UserName: 'u', Password: 'x'.repeat(128) });
});

test.each([
  ['RequireUppercaseCharacters', 'lower-case-1', 'Password should have at least one uppercase letter'],
  ['RequireLowercaseCharacters', 'UPPER-CASE-1', 'Password should have at least one lowercase letter'],
  ['RequireNumbers', 'No-Digits-Here', 'Password should have at least one number'],
  ['RequireSymbols', 'NoSymbols123', 'Password should have at least one symbol'],
] as const)('IAM-032 the password policy can demand %s', async (member, Password, words) => {
  const { iam } = rooted();
  await iam.createUser({ UserName: 'u' });
  await iam.updateAccountPasswordPolicy({ [member]: true });
  await refused(iam.createLoginProfile({ UserName: 'u', Password }), violation, words, 400);
  await iam.updateAccountPasswordPolicy({});
  await iam.createLoginProfile({ UserName: 'u', Password });
});

test('IAM-032 everything that a password lacks is named', async () => {
  const { iam } = rooted();
  await iam.createUser({ UserName: 'u' });
  await iam.updateAccountPasswordPolicy({
    MinimumPasswordLength: 9,
    RequireUppercaseCharacters: true,
    RequireLowercaseCharacters: true,
    RequireNumbers: true,
    RequireSymbols: true,
  });
  await refused(
    iam.createLoginProfile({ UserName: 'u', Password: 'short' }),
    violation,
    'Password should have a minimum length of 9, Password should have at least one uppercase letter, Password should have at least one number, Password should have at least one symbol',
    400,
  );
  await iam.createLoginProfile({ UserName: 'u', Password: 'Long-Enough-9' });
});

test('IAM-033 users change their own password when the password policy, or one of their own, allows it', async () => {
  const root = rooted();
  const user = await userWithKey(root, 'u');
  const change = (OldPassword: string, NewPassword: string) => user.iam.changePassword({ OldPassword, NewPassword });
  await root.iam.createLoginProfile({ UserName: 'u', Password: 'First-Pass-1', PasswordResetRequired: true });
  await root.iam.updateAccountPasswordPolicy({ AllowUsersToChangePassword: false });
  const arn = `arn:aws:iam::${root.account.id}:user/u`;
  await refused(
    change('First-Pass-1', 'Second-Pass-2'),
    'AccessDenied',
    `User: ${arn} is not authorized to perform: iam:ChangePassword on resource: ${arn} because no identity-based policy allows the iam:ChangePassword action`,
    403,
  );
  await root.iam.updateAccountPasswordPolicy({ AllowUsersToChangePassword: true });
  await change('First-Pass-1', 'Second-Pass-2');
  expect((await root.iam.getLoginProfile({ UserName: 'u' })).LoginProfile?.PasswordResetRequired).toBe(false);
  await refused(change('First-Pass-1', 'Third-Pass-3'), 'AccessDenied', 'The old password was incorrect.', 403);
  // The grant comes with the right to read the rules, and a deny outweighs it.
  await user.iam.getAccountPasswordPolicy({});
  await root.iam.putUserPolicy({ UserName: 'u', PolicyName: 'p', PolicyDocument: policy(deny('iam:ChangePassword')) });
  await refused(change('Second-Pass-2', 'Third-Pass-3'), 'AccessDenied', /explicit deny/, 403);
  await root.iam.updateAccountPasswordPolicy({});
  await root.iam.putUserPolicy({ UserName: 'u', PolicyName: 'p', PolicyDocument: policy(allow('iam:ChangePassword', arn)) });
  await change('Second-Pass-2', 'Third-Pass-3');
  await refused(
    root.iam.changePassword({ OldPassword: 'Third-Pass-3', NewPassword: 'Fourth-Pass-4' }),
    'InvalidUserTypeException',
    'Only IAM Users can change their own password.',
    400,
  );
});

test('the password policy can make passwords expire after 1 to 1095 days', async () => {
  const { iam } = rooted();
  const atMember = (constraint: string) =>
    `1 validation error detected: Value at 'maxPasswordAge' failed to satisfy constraint: Member must have value ${constraint}`;
  await refused(
    iam.updateAccountPasswordPolicy({ MaxPasswordAge: 0 }),
    'ValidationError',
    atMember('greater than or equal to 1'),
  );
  await refused(
    iam.updateAccountPasswordPolicy({ MaxPasswordAge: 1096 }),
    'ValidationError',
    atMember('less than or equal to 1095'),
  );
  await iam.updateAccountPasswordPolicy({ MaxPasswordAge: 90, HardExpiry: true });
  expect((await iam.getAccountPasswordPolicy({})).PasswordPolicy).toMatchObject({
    ExpirePasswords: true,
    MaxPasswordAge: 90,
    HardExpiry: true,
  });
  await iam.updateAccountPasswordPolicy({ MinimumPasswordLength: 8 });
  expect((await iam.getAccountPasswordPolicy({})).PasswordPolicy).toMatchObject({ ExpirePasswords: false });
});

test('IAM-035 the password policy can forbid the last 1 to 24 passwords', async () => {
  const root = rooted();
  const user = await userWithKey(root, 'u');
  await refused(
    root.iam.updateAccountPasswordPolicy({ PasswordReusePrevention: 25 }),
    'ValidationError',
    "1 validation error detected: Value at 'passwordReusePrevention' failed to satisfy constraint: Member must have value less than or equal to 24",
    400,
  );
  await refused(root.iam.updateAccountPasswordPolicy({ PasswordReusePrevention: 0 }), 'ValidationError', undefined, 400);
  const [first = '', second = '', third = '', fourth = ''] = many(4, (index) => `Password-${index}`);
  await root.iam.createLoginProfile({ UserName: 'u', Password: first });
  await root.iam.updateAccountPasswordPolicy({ PasswordReusePrevention: 3, AllowUsersToChangePassword: true });
  const change = (OldPassword: string, NewPassword: string) => user.iam.changePassword({ OldPassword, NewPassword });
  await change(first, second);
  await change(second, third);
  for (const used of [first, second, third]) {
    await refused(change(third, used), violation, 'Password does not conform to the account password policy.', 400);
  }
  await refused(root.iam.updateLoginProfile({ UserName: 'u', Password: second }), violation, undefined, 400);
  await change(third, fourth);
  // The first is now the fourth last.
  await change(fourth, first);
});
