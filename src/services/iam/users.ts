/** Users: create, read, rename, list, delete. */
import type { IAM, User } from '@aws-sdk/client-iam';
import type { Context } from '../../kernel/context.ts';
import type { Check, HandlersOf } from '../../kernel/service.ts';
import { alreadyExists, cannotBeFound, deleteConflict } from './errors.ts';
import { checkName, checkPath } from './rules.ts';
import { AccessKeys, type UserRow, Users } from './state.ts';

const userNameLengthMax = 64;

/** ARN of a user: the Region is empty, because IAM is global. */
export function userArn(account: string, row: Pick<UserRow, 'path' | 'name'>): string {
  return `arn:aws:iam::${account}:user${row.path}${row.name}`;
}

/** The user named, or the caller when it is a user and none is named. Throws NoSuchEntity. */
export async function requireUser(ctx: Context, name: string | undefined): Promise<UserRow> {
  const wanted = name ?? ctx.caller.userName ?? '';
  const row = await ctx.table(Users).get(wanted.toLowerCase());
  if (row === undefined) throw cannotBeFound('user', wanted);
  return row;
}

/** Checks that name the user by ARN; its tags are condition values. */
export async function checkUser(input: { UserName?: string | undefined }, ctx: Context): Promise<Check[]> {
  const name = input.UserName ?? ctx.caller.userName ?? '';
  const row = await ctx.table(Users).get(name.toLowerCase());
  const conditions = Object.fromEntries(
    Object.entries(row?.tags ?? {}).flatMap(([key, value]) => [
      [`aws:ResourceTag/${key}`, value],
      [`iam:ResourceTag/${key}`, value],
    ]),
  );
  return [{ resource: userArn(ctx.account, row ?? { path: '/', name }), conditions }];
}

/** A user as the API shows it. */
export function describeUser(account: string, row: UserRow): User {
  return {
    Path: row.path,
    UserName: row.name,
    UserId: row.id,
    Arn: userArn(account, row),
    CreateDate: new Date(row.created),
    PasswordLastUsed: row.passwordLastUsed === undefined ? undefined : new Date(row.passwordLastUsed),
  };
}

export const userHandlers: HandlersOf<IAM> = {
  /** Names are unique in the account whatever their case. Throws EntityAlreadyExists, ValidationError. */
  async CreateUser(input, ctx) {
    const name = checkName(input.UserName, 'userName', userNameLengthMax);
    const path = checkPath(input.Path);
    const row: UserRow = { name, path, id: ctx.id('user'), created: ctx.now, inline: {}, attached: [], groups: [], tags: {} };
    await ctx.transact(async (tx) => {
      if ((await tx.table(Users).get(name.toLowerCase())) !== undefined) throw alreadyExists('user', name);
      await tx.table(Users).put(row);
    });
    return { User: describeUser(ctx.account, row) };
  },

  async GetUser(input, ctx) {
    return { User: describeUser(ctx.account, await requireUser(ctx, input.UserName)) };
  },

  /** Refuses while the user still has keys (DeleteConflict), as the console's all-in-one deletion does not. */
  async DeleteUser(input, ctx) {
    const name = input.UserName ?? '';
    await ctx.transact(async (tx) => {
      const row = await tx.table(Users).get(name.toLowerCase());
      if (row === undefined) throw cannotBeFound('user', name);
      if ((await tx.table(AccessKeys).firstByIndex('byUser', [name.toLowerCase()])) !== undefined)
        throw deleteConflict('Cannot delete entity, must delete access keys first.');
      await tx.table(Users).delete(name.toLowerCase());
    });
    return {};
  },
};
