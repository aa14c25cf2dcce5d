/** Users: create, read, rename, list, delete, tag. */
import type { IAM, User } from '@aws-sdk/client-iam';
import type { Context, Transaction } from '../../kernel/context.ts';
import type { AuthorisationsOf, HandlersOf } from '../../kernel/service.ts';
import { userArn } from './arns.ts';
import { onNewUser, onPath, onUser } from './authorise.ts';
import { checkBoundary, describeBoundary } from './boundaries.ts';
import { dateIfAny, dateOf } from './dates.ts';
import { alreadyExists, cannotBeFound, deleteConflict, quotaExceeded, validationError } from './errors.ts';
import { pageRows } from './paging.ts';
import { quotas, RequestCheck, sizes } from './rules.ts';
import {
  AccessKeys,
  AccountSettings,
  LoginProfiles,
  MfaDevices,
  ServiceCredentials,
  SigningCertificates,
  SshKeys,
  type Reading,
  type UserRow,
  Users,
} from './state.ts';
import {
  checkNewTags,
  checkTagKeys,
  checkTagMembers,
  describeTagsIfAny,
  pageTags,
  readTags,
  withoutTags,
  withTags,
} from './tags.ts';

/** The user of this name. Throws NoSuchEntity. */
export async function requireUser(reading: Reading, name: string | undefined): Promise<UserRow> {
  const row = await reading.table(Users).get((name ?? '').toLowerCase());
  if (row === undefined) throw cannotBeFound('user', name ?? '');
  return row;
}

/** Whose keys, devices and certificates an operation is about: a user's, or the root user's own. */
export interface Owner {
  /** Unique id; the root user's is its account id. */
  id: string;
  /** Empty for the root user. */
  name: string;
}

/**
 * The user named; without a name the caller itself, as AWS derives it from the access key that signs. Throws NoSuchEntity; ValidationError when
 * none is named and the caller is neither a user nor root.
 */
export async function requireOwner(reading: Reading, ctx: Context, name: string | undefined): Promise<Owner> {
  if (name === undefined && ctx.caller.kind === 'root') return { id: ctx.account, name: '' };
  if (name === undefined && ctx.caller.kind !== 'user') {
    throw validationError('Must specify userName when calling with non-User credentials');
  }
  const row = await requireUser(reading, name ?? ctx.caller.userName);
  return { id: row.id, name: row.name };
}

/** A user as lists show it: without tags and boundary. */
export function describeUser(account: string, row: UserRow): User {
  return {
    Path: row.path,
    UserName: row.name,
    UserId: row.id,
    Arn: userArn(account, row),
    CreateDate: dateOf(row.created),
    PasswordLastUsed: dateIfAny(row.passwordLastUsed),
  };
}

function describeWhole(account: string, row: UserRow): User {
  return {
    ...describeUser(account, row),
    PermissionsBoundary: describeBoundary(row.boundary),
    Tags: describeTagsIfAny(row.tags),
  };
}

/** The root user as GetUser shows it to root, and lists of devices to anyone. */
export async function describeRoot(ctx: Context): Promise<User> {
  const settings = await ctx.table(AccountSettings).get('settings');
  const arn = `arn:aws:iam::${ctx.account}:root`;
  const dates = {
    CreateDate: dateOf(settings?.created ?? ctx.now),
    PasswordLastUsed: dateIfAny(settings?.passwordLastUsed),
  };
  return { Path: '/', UserName: '', UserId: ctx.account, Arn: arn, ...dates };
}

/** What must be gone before a user is deleted, in the order in which it is asked for ("Deleting an IAM user", AWS CLI or API). */
async function checkDeletable(tx: Transaction, row: UserRow): Promise<void> {
  const conflict = (what: string): Error => deleteConflict(`Cannot delete entity, must ${what} first.`);
  if (row.attached.length > 0) throw conflict('detach all policies');
  if (Object.keys(row.inline).length > 0) throw conflict('delete policies');
  if (row.groups.length > 0) throw conflict('remove users from group');
  if ((await tx.table(LoginProfiles).get(row.id)) !== undefined) throw conflict('delete login profile');
  if ((await tx.table(AccessKeys).firstByIndex('byUser', [row.id])) !== undefined) throw conflict('delete access keys');
  if ((await tx.table(SigningCertificates).firstByIndex('byUser', [row.id])) !== undefined) throw conflict('delete certificates');
  if ((await tx.table(MfaDevices).firstByIndex('byUser', [row.id])) !== undefined) throw conflict('delete MFA device');
  const referenced =
    (await tx.table(SshKeys).firstByIndex('byUser', [row.id])) ??
    (await tx.table(ServiceCredentials).firstByIndex('byUser', [row.id]));
  if (referenced !== undefined) throw conflict('remove referenced objects');
}

export const userHandlers: HandlersOf<IAM> = {
  /** Names are unique in the account whatever their case. Throws EntityAlreadyExists, ValidationError, InvalidInput, NoSuchEntity (boundary), LimitExceeded. */
  async CreateUser(input, ctx) {
    const { UserName: name = '', Path: path = '/', PermissionsBoundary: boundary } = input;
    const check = new RequestCheck().name('userName', name, sizes.userName).path('path', path);
    const tags = checkNewTags(check, input.Tags, 'insensitive');
    const row: UserRow = {
      name,
      path,
      id: ctx.id('user'),
      created: ctx.now,
      inline: {},
      attached: [],
      groups: [],
      tags,
      boundary,
    };
    await ctx.transact(async (tx) => {
      const users = tx.table(Users);
      if ((await users.get(name.toLowerCase())) !== undefined) throw alreadyExists('User', name);
      if (boundary !== undefined) await checkBoundary(tx, ctx.account, boundary);
      if ((await users.count()) >= quotas.UsersPerAccount) throw quotaExceeded('UsersPerAccount', quotas.UsersPerAccount);
      await users.put(row);
    });
    return { User: describeWhole(ctx.account, row) };
  },

  /** Without a name: the caller. */
  async GetUser(input, ctx) {
    new RequestCheck().name('userName', input.UserName, sizes.existingUserName).done();
    if (input.UserName === undefined) {
      if (ctx.caller.kind === 'root') return { User: await describeRoot(ctx) };
      if (ctx.caller.kind !== 'user') throw validationError('Must specify userName when calling with non-User credentials');
    }
    return { User: describeWhole(ctx.account, await requireUser(ctx, input.UserName ?? ctx.caller.userName)) };
  },

  async ListUsers(input, ctx) {
    new RequestCheck().pathPrefix(input.PathPrefix).paging(input).done();
    const prefix = input.PathPrefix ?? '/';
    const { items, page } = await pageRows(`ListUsers ${prefix}`, ctx.table(Users), input, (row) => row.path.startsWith(prefix));
    return { Users: items.map((row) => describeUser(ctx.account, row)), ...page };
  },

  /** Renames or moves a user; everything that belongs to it follows, because it is known by unique id. */
  async UpdateUser(input, ctx) {
    const { UserName: name = '', NewUserName: newName, NewPath: newPath } = input;
    new RequestCheck()
      .name('userName', name, sizes.existingUserName)
      .path('newPath', newPath)
      .name('newUserName', newName, sizes.userName)
      .done();
    await ctx.transact(async (tx) => {
      const users = tx.table(Users);
      const row = await requireUser(tx, name);
      const changed = { ...row, name: newName ?? row.name, path: newPath ?? row.path };
      const moved = changed.name.toLowerCase() !== row.name.toLowerCase();
      if (moved && (await users.get(changed.name.toLowerCase())) !== undefined) throw alreadyExists('User', changed.name);
      if (moved) await users.delete(row.name.toLowerCase());
      await users.put(changed);
    });
    return {};
  },

  /** Refuses while anything still belongs to the user (DeleteConflict), unlike the console's all-in-one deletion. */
  async DeleteUser(input, ctx) {
    new RequestCheck().name('userName', input.UserName, sizes.existingUserName).done();
    await ctx.transact(async (tx) => {
      const row = await requireUser(tx, input.UserName);
      await checkDeletable(tx, row);
      await tx.table(Users).delete(row.name.toLowerCase());
    });
    return {};
  },

  async TagUser(input, ctx) {
    const check = new RequestCheck().name('userName', input.UserName, sizes.existingUserName);
    checkTagMembers(check, input.Tags).done();
    const added = readTags(input.Tags, 'insensitive');
    await ctx.transact(async (tx) => {
      const row = await requireUser(tx, input.UserName);
      await tx.table(Users).put({ ...row, tags: withTags(row.tags, added, 'insensitive') });
    });
    return {};
  },

  async UntagUser(input, ctx) {
    checkTagKeys(new RequestCheck().name('userName', input.UserName, sizes.existingUserName), input.TagKeys);
    await ctx.transact(async (tx) => {
      const row = await requireUser(tx, input.UserName);
      await tx.table(Users).put({ ...row, tags: withoutTags(row.tags, input.TagKeys ?? [], 'insensitive') });
    });
    return {};
  },

  async ListUserTags(input, ctx) {
    new RequestCheck().name('userName', input.UserName, sizes.existingUserName).paging(input).done();
    const row = await requireUser(ctx, input.UserName);
    return pageTags(`ListUserTags ${row.id}`, row.tags, input);
  },
};

export const userChecks: AuthorisationsOf<IAM> = {
  CreateUser: onNewUser,
  GetUser: onUser,
  ListUsers: onPath('user'),
  UpdateUser: onUser,
  DeleteUser: onUser,
  TagUser: onUser,
  UntagUser: onUser,
  ListUserTags: onUser,
};
