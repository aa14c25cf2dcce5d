/** Groups of a pool and who is in them (Developer Guide, "Adding groups to a user pool"). */
import type { CognitoIdentityProvider, GroupType } from '@aws-sdk/client-cognito-identity-provider';
import type { Context } from '../../kernel/context.ts';
import { AwsError } from '../../kernel/errors.ts';
import type { HandlersOf } from '../../kernel/service.ts';
import { describeUser } from './accounts.ts';
import { noSuchGroup } from './errors.ts';
import { pageFor, requirePool, requireUser } from './lookup.ts';
import { type GroupRow, Groups, Memberships, type PoolRow, type UserRow, Users } from './state.ts';

const listMax = 60;

function describe(row: GroupRow): GroupType {
  return {
    GroupName: row.name,
    UserPoolId: row.pool,
    Description: row.description,
    RoleArn: row.roleArn,
    Precedence: row.precedence,
    CreationDate: new Date(row.created),
    LastModifiedDate: new Date(row.changed),
  };
}

async function requireGroup(ctx: Context, pool: PoolRow, name = ''): Promise<GroupRow> {
  const row = await ctx.table(Groups).get(pool.id, name);
  if (row === undefined) throw noSuchGroup();
  return row;
}

/** The groups of a user: "the group with the lowest Precedence value takes priority", those without one come last. */
export async function groupsOf(ctx: Context, user: Pick<UserRow, 'pool' | 'key'>): Promise<GroupRow[]> {
  const memberships = await ctx.table(Memberships).byIndex('user', [user.pool, user.key]);
  const rows = await Promise.all(memberships.map(({ group }) => ctx.table(Groups).get(user.pool, group)));
  const rank = ({ precedence }: GroupRow): number => precedence ?? Number.POSITIVE_INFINITY;
  return rows.filter((row) => row !== undefined).sort((a, b) => (rank(a) === rank(b) ? 0 : rank(a) - rank(b)));
}

export const groupHandlers: HandlersOf<CognitoIdentityProvider> = {
  async CreateGroup(input, ctx) {
    const pool = await requirePool(ctx, input.UserPoolId);
    const row: GroupRow = {
      pool: pool.id,
      name: input.GroupName ?? '',
      description: input.Description,
      precedence: input.Precedence,
      roleArn: input.RoleArn,
      created: ctx.now,
      changed: ctx.now,
    };
    await ctx.transact(async (tx) => {
      if ((await tx.table(Groups).get(pool.id, row.name)) !== undefined)
        throw new AwsError('GroupExistsException', 'A group with the name already exists.');
      await tx.table(Groups).put(row);
    });
    return { Group: describe(row) };
  },

  async GetGroup(input, ctx) {
    const pool = await requirePool(ctx, input.UserPoolId);
    return { Group: describe(await requireGroup(ctx, pool, input.GroupName)) };
  },

  async UpdateGroup(input, ctx) {
    const pool = await requirePool(ctx, input.UserPoolId);
    const before = await requireGroup(ctx, pool, input.GroupName);
    const row = {
      ...before,
      description: input.Description ?? before.description,
      precedence: input.Precedence ?? before.precedence,
      roleArn: input.RoleArn ?? before.roleArn,
      changed: ctx.now,
    };
    await ctx.transact((tx) => tx.table(Groups).put(row));
    return { Group: describe(row) };
  },

  async DeleteGroup(input, ctx) {
    const pool = await requirePool(ctx, input.UserPoolId);
    const { name } = await requireGroup(ctx, pool, input.GroupName);
    await ctx.transact(async (tx) => {
      for (const { user } of await tx.table(Memberships).list({ prefix: [pool.id, name] }))
        await tx.table(Memberships).delete(pool.id, name, user);
      await tx.table(Groups).delete(pool.id, name);
    });
    return {};
  },

  async ListGroups(input, ctx) {
    const pool = await requirePool(ctx, input.UserPoolId);
    const rows = await ctx.table(Groups).list({ prefix: [pool.id] });
    const page = { limit: input.Limit || listMax, token: input.NextToken };
    const { items, token } = pageFor(`ListGroups ${pool.id}`, rows, (row) => [row.name], page);
    return { Groups: items.map(describe), NextToken: token };
  },

  async AdminAddUserToGroup(input, ctx) {
    const pool = await requirePool(ctx, input.UserPoolId);
    const { name } = await requireGroup(ctx, pool, input.GroupName);
    await ctx.transact(async (tx) => {
      const { key } = await requireUser(tx, pool, input.Username);
      await tx.table(Memberships).put({ pool: pool.id, group: name, user: key });
    });
    return {};
  },

  async AdminRemoveUserFromGroup(input, ctx) {
    const pool = await requirePool(ctx, input.UserPoolId);
    const { name } = await requireGroup(ctx, pool, input.GroupName);
    await ctx.transact(async (tx) => {
      const { key } = await requireUser(tx, pool, input.Username);
      await tx.table(Memberships).delete(pool.id, name, key);
    });
    return {};
  },

  async AdminListGroupsForUser(input, ctx) {
    const pool = await requirePool(ctx, input.UserPoolId);
    const rows = await groupsOf(ctx, await requireUser(ctx, pool, input.Username));
    const sorted = rows.toSorted((a, b) => (a.name < b.name ? -1 : 1));
    const page = { limit: input.Limit || listMax, token: input.NextToken };
    const { items, token } = pageFor(`AdminListGroupsForUser ${pool.id} ${input.Username}`, sorted, (row) => [row.name], page);
    return { Groups: items.map(describe), NextToken: token };
  },

  async ListUsersInGroup(input, ctx) {
    const pool = await requirePool(ctx, input.UserPoolId);
    const { name } = await requireGroup(ctx, pool, input.GroupName);
    const rows = await ctx.table(Memberships).list({ prefix: [pool.id, name] });
    const page = { limit: input.Limit || listMax, token: input.NextToken };
    const { items, token } = pageFor(`ListUsersInGroup ${pool.id} ${name}`, rows, (row) => [row.user], page);
    const users = await Promise.all(items.map(({ user }) => ctx.table(Users).get(pool.id, user)));
    return { Users: users.filter((user) => user !== undefined).map(describeUser), NextToken: token };
  },
};
