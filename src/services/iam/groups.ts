/** Groups of users: create, read, rename, list, delete, and who is a member. A group holds users only (IAM-008). */
import type { Group, IAM } from '@aws-sdk/client-iam';
import type { AuthorisationsOf, HandlersOf } from '../../kernel/service.ts';
import { groupArn } from './arns.ts';
import { onGroup, onNewGroup, onPath, onUser } from './authorise.ts';
import { dateOf } from './dates.ts';
import { alreadyExists, cannotBeFound, deleteConflict, quotaExceeded } from './errors.ts';
import { byKey, pageItems, pageRows } from './paging.ts';
import { quotas, RequestCheck, sizes } from './rules.ts';
import { Groups, type PrincipalRow, type Reading, Users } from './state.ts';
import { describeUser, requireUser } from './users.ts';

/** The group of this name. Throws NoSuchEntity. */
export async function requireGroup(reading: Reading, name: string | undefined): Promise<PrincipalRow> {
  const row = await reading.table(Groups).get((name ?? '').toLowerCase());
  if (row === undefined) throw cannotBeFound('group', name ?? '');
  return row;
}

/** The groups of these unique ids. */
export async function groupsOf(reading: Reading, ids: readonly string[]): Promise<PrincipalRow[]> {
  const rows: PrincipalRow[] = [];
  for (const id of ids) {
    const row = await reading.table(Groups).firstByIndex('byId', [id]);
    if (row !== undefined) rows.push(row);
  }
  return rows;
}

/** A group as the API shows it. */
function describeGroup(account: string, row: PrincipalRow): Group {
  return {
    Path: row.path,
    GroupName: row.name,
    GroupId: row.id,
    Arn: groupArn(account, row),
    CreateDate: dateOf(row.created),
  };
}

const checkName = (name: string | undefined): RequestCheck => new RequestCheck().name('groupName', name, sizes.groupName);

export const groupHandlers: HandlersOf<IAM> = {
  async CreateGroup({ GroupName: name = '', Path: path = '/' }, ctx) {
    checkName(name).path('path', path).done();
    const row: PrincipalRow = { name, path, id: ctx.id('group'), created: ctx.now, inline: {}, attached: [] };
    await ctx.transact(async (tx) => {
      const groups = tx.table(Groups);
      if ((await groups.get(name.toLowerCase())) !== undefined) throw alreadyExists('Group', name);
      if ((await groups.count()) >= quotas.GroupsPerAccount) throw quotaExceeded('GroupsPerAccount', quotas.GroupsPerAccount);
      await groups.put(row);
    });
    return { Group: describeGroup(ctx.account, row) };
  },

  /** The group with a page of its users. */
  async GetGroup(input, ctx) {
    checkName(input.GroupName).paging(input).done();
    const row = await requireGroup(ctx, input.GroupName);
    const users = (await ctx.table(Users).byIndex('byGroup', [row.id])).sort(byKey((user) => user.name.toLowerCase()));
    const { items, page } = pageItems(`GetGroup ${row.id}`, users, (user) => [user.name.toLowerCase()], input);
    return { Group: describeGroup(ctx.account, row), Users: items.map((user) => describeUser(ctx.account, user)), ...page };
  },

  async ListGroups(input, ctx) {
    new RequestCheck().pathPrefix(input.PathPrefix).paging(input).done();
    const prefix = input.PathPrefix ?? '/';
    const { items, page } = await pageRows(`ListGroups ${prefix}`, ctx.table(Groups), input, (row) =>
      row.path.startsWith(prefix),
    );
    return { Groups: items.map((row) => describeGroup(ctx.account, row)), ...page };
  },

  /** Renames or moves a group; members and policies stay. */
  async UpdateGroup({ GroupName: name, NewGroupName: newName, NewPath: newPath }, ctx) {
    checkName(name).path('newPath', newPath).name('newGroupName', newName, sizes.groupName).done();
    await ctx.transact(async (tx) => {
      const groups = tx.table(Groups);
      const row = await requireGroup(tx, name);
      const changed = { ...row, name: newName ?? row.name, path: newPath ?? row.path };
      const moved = changed.name.toLowerCase() !== row.name.toLowerCase();
      if (moved && (await groups.get(changed.name.toLowerCase())) !== undefined) throw alreadyExists('Group', changed.name);
      if (moved) await groups.delete(row.name.toLowerCase());
      await groups.put(changed);
    });
    return {};
  },

  async DeleteGroup({ GroupName: name }, ctx) {
    checkName(name).done();
    await ctx.transact(async (tx) => {
      const row = await requireGroup(tx, name);
      const conflict = (what: string): Error => deleteConflict(`Cannot delete entity, must ${what} first.`);
      if (row.attached.length > 0) throw conflict('detach all policies');
      if (Object.keys(row.inline).length > 0) throw conflict('delete policies');
      if ((await tx.table(Users).firstByIndex('byGroup', [row.id])) !== undefined) throw conflict('remove users from group');
      await tx.table(Groups).delete(row.name.toLowerCase());
    });
    return {};
  },

  /** A member is not added twice. The user is looked for first, as the real service does. Throws NoSuchEntity, LimitExceeded. */
  async AddUserToGroup({ GroupName, UserName }, ctx) {
    checkName(GroupName).name('userName', UserName, sizes.existingUserName).done();
    await ctx.transact(async (tx) => {
      const user = await requireUser(tx, UserName);
      const group = await requireGroup(tx, GroupName);
      if (user.groups.includes(group.id)) return;
      if (user.groups.length >= quotas.GroupsPerUser) throw quotaExceeded('GroupsPerUser', quotas.GroupsPerUser);
      await tx.table(Users).put({ ...user, groups: [...user.groups, group.id] });
    });
    return {};
  },

  /** Removing a user that is no member succeeds. Throws NoSuchEntity. */
  async RemoveUserFromGroup({ GroupName, UserName }, ctx) {
    checkName(GroupName).name('userName', UserName, sizes.existingUserName).done();
    await ctx.transact(async (tx) => {
      const user = await requireUser(tx, UserName);
      const group = await requireGroup(tx, GroupName);
      await tx.table(Users).put({ ...user, groups: user.groups.filter((id) => id !== group.id) });
    });
    return {};
  },

  async ListGroupsForUser(input, ctx) {
    new RequestCheck().name('userName', input.UserName, sizes.existingUserName).paging(input).done();
    const user = await requireUser(ctx, input.UserName);
    const groups = (await groupsOf(ctx, user.groups)).sort(byKey((row) => row.name.toLowerCase()));
    const { items, page } = pageItems(`ListGroupsForUser ${user.id}`, groups, (row) => [row.name.toLowerCase()], input);
    return { Groups: items.map((row) => describeGroup(ctx.account, row)), ...page };
  },
};

export const groupChecks: AuthorisationsOf<IAM> = {
  CreateGroup: onNewGroup,
  GetGroup: onGroup,
  ListGroups: onPath('group'),
  UpdateGroup: onGroup,
  DeleteGroup: onGroup,
  AddUserToGroup: onGroup,
  RemoveUserFromGroup: onGroup,
  ListGroupsForUser: onUser,
};
