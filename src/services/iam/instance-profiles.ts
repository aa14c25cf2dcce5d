/** Instance profiles: how a role gets to an instance. Each holds at most one role ("Using instance profiles"). */
import type { IAM, InstanceProfile } from '@aws-sdk/client-iam';
import type { Context, Transaction } from '../../kernel/context.ts';
import type { AuthorisationsOf, HandlersOf } from '../../kernel/service.ts';
import { instanceProfileArn } from './arns.ts';
import { onInstanceProfile, onNewInstanceProfile, onPath, onRole } from './authorise.ts';
import { dateOf } from './dates.ts';
import { cannotBeFound, deleteConflict, entityAlreadyExists, limitExceeded, quotaExceeded } from './errors.ts';
import { byKey, pageItems, pageRows } from './paging.ts';
import { describeRole, requireOwnRole, requireRole } from './roles.ts';
import { quotas, RequestCheck, sizes } from './rules.ts';
import { type InstanceProfileRow, InstanceProfiles, type Reading, Roles } from './state.ts';
import { checkNewTags, checkTagKeys, checkTagMembers, describeTags, pageTags, readTags, withoutTags, withTags } from './tags.ts';
import type { ReadingAnywhere } from './trust.ts';

/** The instance profile of this name. Throws NoSuchEntity. */
async function requireInstanceProfile(reading: Reading, name: string | undefined): Promise<InstanceProfileRow> {
  const row = await reading.table(InstanceProfiles).get((name ?? '').toLowerCase());
  if (row === undefined) throw cannotBeFound('Instance Profile', name ?? '');
  return row;
}

/** An instance profile as the API shows it, with its role in full. Lists leave tags out. */
export async function describeInstanceProfile(
  reading: Reading & ReadingAnywhere,
  account: string,
  row: InstanceProfileRow,
): Promise<InstanceProfile> {
  const role = row.role === undefined ? undefined : await reading.table(Roles).firstByIndex('byId', [row.role]);
  return {
    Path: row.path,
    InstanceProfileName: row.name,
    InstanceProfileId: row.id,
    Arn: instanceProfileArn(account, row),
    CreateDate: dateOf(row.created),
    Roles: role === undefined ? [] : [await describeRole(reading, account, role)],
  };
}

async function describeWhole(ctx: Context, row: InstanceProfileRow): Promise<InstanceProfile> {
  return { ...(await describeInstanceProfile(ctx, ctx.account, row)), Tags: describeTags(row.tags) };
}

const checkName = (name: string | undefined): RequestCheck =>
  new RequestCheck().name('instanceProfileName', name, sizes.instanceProfileName);

async function change(
  ctx: Context,
  name: string | undefined,
  body: (row: InstanceProfileRow, tx: Transaction) => Promise<InstanceProfileRow> | InstanceProfileRow,
): Promise<void> {
  await ctx.transact(async (tx) => {
    await tx.table(InstanceProfiles).put(await body(await requireInstanceProfile(tx, name), tx));
  });
}

export const instanceProfileHandlers: HandlersOf<IAM> = {
  /** Throws EntityAlreadyExists, LimitExceeded. */
  async CreateInstanceProfile({ InstanceProfileName: name = '', Path: path = '/', Tags }, ctx) {
    const tags = checkNewTags(checkName(name).path('path', path), Tags, 'sensitive');
    const row: InstanceProfileRow = { name, path, id: ctx.id('instanceProfile'), created: ctx.now, tags };
    await ctx.transact(async (tx) => {
      const profiles = tx.table(InstanceProfiles);
      if ((await profiles.get(name.toLowerCase())) !== undefined)
        throw entityAlreadyExists(`Instance Profile ${name} already exists.`);
      const quota = quotas.InstanceProfilesPerAccount;
      if ((await profiles.count()) >= quota) throw quotaExceeded('InstanceProfilesPerAccount', quota);
      await profiles.put(row);
    });
    return { InstanceProfile: await describeWhole(ctx, row) };
  },

  async GetInstanceProfile({ InstanceProfileName: name }, ctx) {
    checkName(name).done();
    return { InstanceProfile: await describeWhole(ctx, await requireInstanceProfile(ctx, name)) };
  },

  async ListInstanceProfiles(input, ctx) {
    new RequestCheck().pathPrefix(input.PathPrefix).paging(input).done();
    const prefix = input.PathPrefix ?? '/';
    const { items, page } = await pageRows(`ListInstanceProfiles ${prefix}`, ctx.table(InstanceProfiles), input, (row) =>
      row.path.startsWith(prefix),
    );
    return { InstanceProfiles: await Promise.all(items.map((row) => describeInstanceProfile(ctx, ctx.account, row))), ...page };
  },

  async ListInstanceProfilesForRole(input, ctx) {
    new RequestCheck().name('roleName', input.RoleName, sizes.roleName).paging(input).done();
    const role = await requireRole(ctx, input.RoleName);
    const rows = (await ctx.table(InstanceProfiles).byIndex('byRole', [role.id])).sort(byKey((row) => row.name.toLowerCase()));
    const { items, page } = pageItems(`ListInstanceProfilesForRole ${role.id}`, rows, (row) => [row.name.toLowerCase()], input);
    return { InstanceProfiles: await Promise.all(items.map((row) => describeInstanceProfile(ctx, ctx.account, row))), ...page };
  },

  /** Throws LimitExceeded when it holds a role already. */
  async AddRoleToInstanceProfile({ InstanceProfileName, RoleName }, ctx) {
    checkName(InstanceProfileName).name('roleName', RoleName, sizes.roleName).done();
    await change(ctx, InstanceProfileName, async (row, tx) => {
      const role = await requireOwnRole(tx, RoleName);
      if (row.role !== undefined) throw limitExceeded('Cannot exceed quota for InstanceSessionsPerInstanceProfile: 1');
      return { ...row, role: role.id };
    });
    return {};
  },

  async RemoveRoleFromInstanceProfile({ InstanceProfileName, RoleName }, ctx) {
    checkName(InstanceProfileName).name('roleName', RoleName, sizes.roleName).done();
    await change(ctx, InstanceProfileName, async (row, tx) => {
      const role = await requireRole(tx, RoleName);
      if (row.role !== role.id) throw cannotBeFound('role', RoleName ?? '');
      return { ...row, role: undefined };
    });
    return {};
  },

  async DeleteInstanceProfile({ InstanceProfileName: name }, ctx) {
    checkName(name).done();
    await ctx.transact(async (tx) => {
      const row = await requireInstanceProfile(tx, name);
      if (row.role !== undefined) throw deleteConflict('Cannot delete entity, must remove roles from instance profile first.');
      await tx.table(InstanceProfiles).delete(row.name.toLowerCase());
    });
    return {};
  },

  async TagInstanceProfile({ InstanceProfileName: name, Tags }, ctx) {
    checkTagMembers(checkName(name), Tags).done();
    const added = readTags(Tags, 'sensitive');
    await change(ctx, name, (row) => ({ ...row, tags: withTags(row.tags, added, 'sensitive') }));
    return {};
  },

  async UntagInstanceProfile({ InstanceProfileName: name, TagKeys }, ctx) {
    checkTagKeys(checkName(name), TagKeys);
    await change(ctx, name, (row) => ({ ...row, tags: withoutTags(row.tags, TagKeys ?? [], 'sensitive') }));
    return {};
  },

  async ListInstanceProfileTags(input, ctx) {
    checkName(input.InstanceProfileName).paging(input).done();
    const row = await requireInstanceProfile(ctx, input.InstanceProfileName);
    return pageTags(`ListInstanceProfileTags ${row.id}`, row.tags, input);
  },
};

/** Putting a role on a profile also needs iam:PassRole on the role ("Granting a user permissions to pass a role"). */
async function onAddedRole(
  input: { InstanceProfileName?: string | undefined; RoleName?: string | undefined },
  ctx: Context,
): ReturnType<typeof onRole> {
  const passed = (await onRole(input, ctx)).map((check) => ({
    ...check,
    action: 'iam:PassRole',
    conditions: { ...check.conditions, 'iam:PassedToService': 'ec2.amazonaws.com' },
  }));
  return [...(await onInstanceProfile(input, ctx)), ...passed];
}

export const instanceProfileChecks: AuthorisationsOf<IAM> = {
  CreateInstanceProfile: onNewInstanceProfile,
  GetInstanceProfile: onInstanceProfile,
  ListInstanceProfiles: onPath('instance-profile'),
  ListInstanceProfilesForRole: onRole,
  AddRoleToInstanceProfile: onAddedRole,
  RemoveRoleFromInstanceProfile: onInstanceProfile,
  DeleteInstanceProfile: onInstanceProfile,
  TagInstanceProfile: onInstanceProfile,
  UntagInstanceProfile: onInstanceProfile,
  ListInstanceProfileTags: onInstanceProfile,
};
