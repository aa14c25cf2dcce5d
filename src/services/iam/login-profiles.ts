/** Console passwords of users. Hashing takes long and is no store call, so it happens before the transaction, which then checks that nothing moved. */
import type { IAM, LoginProfile } from '@aws-sdk/client-iam';
import { AwsError } from '../../kernel/errors.ts';
import type { Context } from '../../kernel/context.ts';
import type { AuthorisationsOf, CallRecord, Check, HandlersOf } from '../../kernel/service.ts';
import { onUser } from './authorise.ts';
import { dateOf } from './dates.ts';
import { accessDenied, entityAlreadyExists, noSuchEntity, temporarilyUnmodifiable } from './errors.ts';
import { checkPassword, checkReuse, formerMax, hashPassword, isPassword, saltBytes } from './passwords.ts';
import { RequestCheck, sizes } from './rules.ts';
import {
  AccountSettings,
  type LoginProfileRow,
  LoginProfiles,
  type PasswordHash,
  type PasswordPolicy,
  type Reading,
  Users,
} from './state.ts';
import { requireUser } from './users.ts';

/** The name given, or the caller's own. */
const nameOf = (name: string | undefined, ctx: Context): string | undefined => name ?? ctx.caller.userName;

/** The account's password policy, if it has set one. */
export async function passwordPolicyOf(reading: Reading): Promise<PasswordPolicy | undefined> {
  return (await reading.table(AccountSettings).get('settings'))?.passwordPolicy;
}

function noProfile(userName: string): Error {
  return noSuchEntity(`Login Profile for User ${userName} cannot be found.`);
}

async function requireProfile(reading: Reading, user: { id: string; name: string }): Promise<LoginProfileRow> {
  const row = await reading.table(LoginProfiles).get(user.id);
  if (row === undefined) throw noProfile(user.name);
  return row;
}

function describeProfile(userName: string, row: LoginProfileRow): LoginProfile {
  return { UserName: userName, CreateDate: dateOf(row.created), PasswordResetRequired: row.resetRequired };
}

function checkPasswordMember(check: RequestCheck, member: string, password: string | undefined): RequestCheck {
  if (password !== undefined) check.pattern(member, password, /^[\t\n\r -\u00ff]*$/, '[\\u0009\\u000A\\u000D\\u0020-\\u00FF]+');
  return check.length(member, password, 1, 128);
}

/** The profile with a new password; the old one joins the former ones. */
function withPassword(row: LoginProfileRow, password: PasswordHash, changed: number): LoginProfileRow {
  return { ...row, password, changed, former: [row.password, ...row.former].slice(0, formerMax) };
}

/** Throws EntityTemporarilyUnmodifiable when the profile changed while the new password was hashed. */
async function putUnlessMoved(ctx: Context, read: LoginProfileRow, next: LoginProfileRow, name: string): Promise<void> {
  await ctx.transact(async (tx) => {
    const row = await requireProfile(tx, { id: read.user, name });
    if (Buffer.compare(row.password.hash, read.password.hash) !== 0) {
      throw temporarilyUnmodifiable(`Login Profile for User ${name} cannot be modified while login profile is being modified.`);
    }
    await tx.table(LoginProfiles).put(next);
  });
}

export const loginProfileHandlers: HandlersOf<IAM> = {
  /** Throws NoSuchEntity, EntityAlreadyExists, PasswordPolicyViolation. */
  async CreateLoginProfile({ UserName, Password: password, PasswordResetRequired: resetRequired = false }, ctx) {
    const check = new RequestCheck().name('userName', UserName, sizes.userName);
    checkPasswordMember(check, 'password', password).done();
    const name = nameOf(UserName, ctx);
    await requireUser(ctx, name);
    // Only sign-in sessions, which carry no password of their own, may leave it out.
    if (password === undefined)
      throw new AwsError('ValidationError', 'Must specify password when calling with non-User credentials');
    checkPassword(password, await passwordPolicyOf(ctx));
    const hashed = await hashPassword(password, ctx.bytes(saltBytes));
    return ctx.transact(async (tx) => {
      const user = await requireUser(tx, name);
      if ((await tx.table(LoginProfiles).get(user.id)) !== undefined) {
        throw entityAlreadyExists(`Login Profile for user ${user.name} already exists.`);
      }
      const row = { user: user.id, created: ctx.now, password: hashed, changed: ctx.now, resetRequired, former: [] };
      await tx.table(LoginProfiles).put(row);
      return { LoginProfile: describeProfile(user.name, row) };
    });
  },

  async GetLoginProfile({ UserName }, ctx) {
    new RequestCheck().name('userName', UserName, sizes.userName).done();
    const user = await requireUser(ctx, nameOf(UserName, ctx));
    return { LoginProfile: describeProfile(user.name, await requireProfile(ctx, user)) };
  },

  /** An administrator's change: no old password is asked for. Throws NoSuchEntity, PasswordPolicyViolation. */
  async UpdateLoginProfile({ UserName, Password: password, PasswordResetRequired: resetRequired }, ctx) {
    const check = new RequestCheck().name('userName', UserName, sizes.userName);
    checkPasswordMember(check, 'password', password).done();
    const user = await requireUser(ctx, UserName);
    const row = await requireProfile(ctx, user);
    let next: LoginProfileRow = { ...row, resetRequired: resetRequired ?? row.resetRequired };
    if (password !== undefined) {
      const policy = await passwordPolicyOf(ctx);
      checkPassword(password, policy);
      await checkReuse(password, row, policy);
      next = withPassword(next, await hashPassword(password, ctx.bytes(saltBytes)), ctx.now);
    }
    await putUnlessMoved(ctx, row, next, user.name);
    return {};
  },

  async DeleteLoginProfile({ UserName }, ctx) {
    new RequestCheck().name('userName', UserName, sizes.userName).done();
    await ctx.transact(async (tx) => {
      const user = await requireUser(tx, nameOf(UserName, ctx));
      if (!(await tx.table(LoginProfiles).delete(user.id))) throw noProfile(user.name);
    });
    return {};
  },

  /** The caller's own password. Throws InvalidUserType for others than users, AccessDenied for a wrong old one, PasswordPolicyViolation. */
  async ChangePassword({ OldPassword: old = '', NewPassword: password = '' }, ctx) {
    const check = checkPasswordMember(new RequestCheck(), 'oldPassword', old);
    checkPasswordMember(check, 'newPassword', password).done();
    if (ctx.caller.kind !== 'user') throw new AwsError('InvalidUserType', 'Only IAM Users can change their own password.');
    const user = await requireUser(ctx, ctx.caller.userName);
    const row = await requireProfile(ctx, user);
    if (!(await isPassword(old, row.password))) throw accessDenied('The old password was incorrect.');
    const policy = await passwordPolicyOf(ctx);
    checkPassword(password, policy);
    await checkReuse(password, row, policy);
    const next = withPassword({ ...row, resetRequired: false }, await hashPassword(password, ctx.bytes(saltBytes)), ctx.now);
    await putUnlessMoved(ctx, row, next, user.name);
    return {};
  },
};

/**
 * With AllowUsersToChangePassword every user may change its own password without a policy of its own ("Permit IAM users to change their own
 * passwords"). That grant is the account's, so it is given as the resource's: an explicit deny still wins.
 */
export async function onOwnPassword(_input: unknown, ctx: Context): Promise<Check[]> {
  const { caller } = ctx;
  const resource = caller.arn;
  if (caller.kind !== 'user' || (await passwordPolicyOf(ctx))?.allowUsersToChange !== true) return [{ resource }];
  const grant = {
    Effect: 'Allow',
    Principal: { AWS: caller.arn },
    Action: ['iam:ChangePassword', 'iam:GetAccountPasswordPolicy'],
    Resource: '*',
  };
  return [{ resource, resourcePolicy: JSON.stringify({ Version: '2012-10-17', Statement: [grant] }) }];
}

/** Notes when users and root last signed in to the console, from the record of finished calls. */
export async function recordSignIns(batch: readonly CallRecord[], ctx: Context): Promise<void> {
  const entered = batch.filter(({ action, errorMessage }) => action === 'signin:ConsoleLogin' && errorMessage === undefined);
  if (entered.length === 0) return;
  await ctx.transact(async (tx) => {
    for (const { identity, account, at: passwordLastUsed } of entered) {
      const scope = { account, region: '' };
      const user = await tx.tableIn(scope, Users).firstByIndex('byId', [identity.userId]);
      if (user !== undefined) await tx.tableIn(scope, Users).put({ ...user, passwordLastUsed });
      else if (identity.kind === 'root')
        await tx.tableIn(scope, AccountSettings).update(['settings'], (row) => ({ ...row, passwordLastUsed }));
    }
  });
}

export const loginProfileChecks: AuthorisationsOf<IAM> = {
  CreateLoginProfile: onUser,
  GetLoginProfile: onUser,
  UpdateLoginProfile: onUser,
  DeleteLoginProfile: onUser,
  ChangePassword: onOwnPassword,
};
