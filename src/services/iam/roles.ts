/** Roles: create, read, change, list, delete, tag. A role is assumed, so it has a trust policy and neither password nor keys (IAM-036). */
import type { IAM, Role } from '@aws-sdk/client-iam';
import type { Context } from '../../kernel/context.ts';
import type { AuthorisationsOf, HandlersOf } from '../../kernel/service.ts';
import { roleArn } from './arns.ts';
import { onNewRole, onPath, onRole } from './authorise.ts';
import { checkBoundary, describeBoundary } from './boundaries.ts';
import { dateIfAny, dateOf } from './dates.ts';
import { encodeDocument } from './documents.ts';
import { alreadyExists, cannotBeFound, deleteConflict, invalidInput, quotaExceeded, unmodifiable } from './errors.ts';
import { pageRows } from './paging.ts';
import { quotas, RequestCheck, sizes } from './rules.ts';
import { InstanceProfiles, type Reading, type RoleRow, Roles } from './state.ts';
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
import { checkTrust, type ReadingAnywhere, resolveTrust, showTrust } from './trust.ts';

/** Seconds ("MaxSessionDuration": one hour to twelve). */
export const sessionSeconds = { min: 3600, max: 43_200, default: 3600 } as const;
const descriptionForm = /^[\t\n\r\u0020-\u007e\u00a1-\u00ff]*$/;
const descriptionPattern = '[\\u0009\\u000A\\u000D\\u0020-\\u007E\\u00A1-\\u00FF]*';

/** The role of this name. Throws NoSuchEntity. */
export async function requireRole(reading: Reading, name: string | undefined): Promise<RoleRow> {
  const row = await reading.table(Roles).get((name ?? '').toLowerCase());
  if (row === undefined) throw cannotBeFound('role', name ?? '');
  return row;
}

/** The same, refusing roles that only their service changes. Throws UnmodifiableEntity. */
export async function requireOwnRole(reading: Reading, name: string | undefined): Promise<RoleRow> {
  const row = await requireRole(reading, name);
  if (row.serviceLinked !== undefined) throw unmodifiable(row.name);
  return row;
}

/** A role as lists show it: without tags, boundary and last use. */
export async function describeRole(reading: ReadingAnywhere, account: string, row: RoleRow): Promise<Role> {
  return {
    Path: row.path,
    RoleName: row.name,
    RoleId: row.id,
    Arn: roleArn(account, row),
    CreateDate: dateOf(row.created),
    AssumeRolePolicyDocument: encodeDocument(await showTrust(reading, row)),
    Description: row.description,
    MaxSessionDuration: row.maxSessionDuration,
  };
}

async function describeWhole(reading: ReadingAnywhere, account: string, row: RoleRow): Promise<Role> {
  return {
    ...(await describeRole(reading, account, row)),
    PermissionsBoundary: describeBoundary(row.boundary),
    Tags: describeTagsIfAny(row.tags),
    RoleLastUsed: row.lastUsed === undefined ? {} : { LastUsedDate: dateIfAny(row.lastUsed.at), Region: row.lastUsed.region },
  };
}

function checkRoleMembers(
  check: RequestCheck,
  input: { Description?: string | undefined; MaxSessionDuration?: number | undefined },
): RequestCheck {
  return check
    .length('description', input.Description, 0, 1000)
    .pattern('description', input.Description, descriptionForm, descriptionPattern)
    .range('maxSessionDuration', input.MaxSessionDuration, sessionSeconds.min, sessionSeconds.max);
}

/** A description is the account's to write, also on a service-linked role ("Editing a service-linked role description"). */
async function changeDescription(ctx: Context, name: string | undefined, change: (row: RoleRow) => RoleRow): Promise<RoleRow> {
  return ctx.transact(async (tx) => {
    const changed = change(await requireRole(tx, name));
    await tx.table(Roles).put(changed);
    return changed;
  });
}

async function changeRole(ctx: Context, name: string | undefined, change: (row: RoleRow) => RoleRow): Promise<RoleRow> {
  return ctx.transact(async (tx) => {
    const changed = change(await requireOwnRole(tx, name));
    await tx.table(Roles).put(changed);
    return changed;
  });
}

export const roleHandlers: HandlersOf<IAM> = {
  /** Throws EntityAlreadyExists, MalformedPolicyDocument, LimitExceeded, and what tags and boundary demand. */
  async CreateRole(input, ctx) {
    const { RoleName: name = '', Path: path = '/', AssumeRolePolicyDocument: trust = '', PermissionsBoundary: boundary } = input;
    const check = checkRoleMembers(new RequestCheck().name('roleName', name, sizes.roleName).path('path', path), input);
    const tags = checkNewTags(check, input.Tags, 'insensitive');
    // Service control policies spare roles of this path, so only service-linked ones may have it.
    if (path.startsWith('/aws-service-role/'))
      throw invalidInput('The path /aws-service-role/ is reserved for service-linked roles.');
    checkTrust(trust);
    const row = await ctx.transact(async (tx) => {
      if ((await tx.table(Roles).get(name.toLowerCase())) !== undefined) throw alreadyExists('Role', name);
      if (boundary !== undefined) await checkBoundary(tx, ctx.account, boundary);
      if ((await tx.table(Roles).count()) >= quotas.RolesPerAccount)
        throw quotaExceeded('RolesPerAccount', quotas.RolesPerAccount);
      const role: RoleRow = {
        name,
        path,
        id: ctx.id('role'),
        created: ctx.now,
        description: input.Description,
        maxSessionDuration: input.MaxSessionDuration ?? sessionSeconds.default,
        ...(await resolveTrust(tx, trust)),
        inline: {},
        attached: [],
        boundary,
        tags,
      };
      await tx.table(Roles).put(role);
      return role;
    });
    const { RoleLastUsed: _unused, ...shown } = await describeWhole(ctx, ctx.account, row);
    return { Role: shown };
  },

  async GetRole(input, ctx) {
    new RequestCheck().name('roleName', input.RoleName, sizes.roleName).done();
    return { Role: await describeWhole(ctx, ctx.account, await requireRole(ctx, input.RoleName)) };
  },

  async ListRoles(input, ctx) {
    new RequestCheck().pathPrefix(input.PathPrefix).paging(input).done();
    const prefix = input.PathPrefix ?? '/';
    const { items, page } = await pageRows(`ListRoles ${prefix}`, ctx.table(Roles), input, (row) => row.path.startsWith(prefix));
    return { Roles: await Promise.all(items.map((row) => describeRole(ctx, ctx.account, row))), ...page };
  },

  async UpdateRole(input, ctx) {
    checkRoleMembers(new RequestCheck().name('roleName', input.RoleName, sizes.roleName), input).done();
    const changing = input.MaxSessionDuration === undefined ? changeDescription : changeRole;
    await changing(ctx, input.RoleName, (row) => ({
      ...row,
      description: input.Description ?? row.description,
      maxSessionDuration: input.MaxSessionDuration ?? row.maxSessionDuration,
    }));
    return {};
  },

  async UpdateRoleDescription(input, ctx) {
    checkRoleMembers(new RequestCheck().name('roleName', input.RoleName, sizes.roleName), {
      Description: input.Description,
    }).done();
    const row = await changeDescription(ctx, input.RoleName, (old) => ({ ...old, description: input.Description }));
    return { Role: await describeRole(ctx, ctx.account, row) };
  },

  async UpdateAssumeRolePolicy({ RoleName, PolicyDocument = '' }, ctx) {
    new RequestCheck().name('roleName', RoleName, sizes.roleName).done();
    checkTrust(PolicyDocument, 'policyDocument');
    await ctx.transact(async (tx) => {
      const row = await requireOwnRole(tx, RoleName);
      await tx.table(Roles).put({ ...row, ...(await resolveTrust(tx, PolicyDocument, row.trusted)) });
    });
    return {};
  },

  /** Refuses while policies or instance profiles hang on it ("Deleting an IAM role"). */
  async DeleteRole(input, ctx) {
    new RequestCheck().name('roleName', input.RoleName, sizes.roleName).done();
    await ctx.transact(async (tx) => {
      const row = await requireOwnRole(tx, input.RoleName);
      const conflict = (what: string): Error => deleteConflict(`Cannot delete entity, must ${what} first.`);
      if ((await tx.table(InstanceProfiles).firstByIndex('byRole', [row.id])) !== undefined)
        throw conflict('remove roles from instance profile');
      if (row.attached.length > 0) throw conflict('detach all policies');
      if (Object.keys(row.inline).length > 0) throw conflict('delete policies');
      await tx.table(Roles).delete(row.name.toLowerCase());
    });
    return {};
  },

  async TagRole(input, ctx) {
    checkTagMembers(new RequestCheck().name('roleName', input.RoleName, sizes.roleName), input.Tags).done();
    const added = readTags(input.Tags, 'insensitive');
    await changeDescription(ctx, input.RoleName, (row) => ({ ...row, tags: withTags(row.tags, added, 'insensitive') }));
    return {};
  },

  async UntagRole(input, ctx) {
    checkTagKeys(new RequestCheck().name('roleName', input.RoleName, sizes.roleName), input.TagKeys);
    await changeDescription(ctx, input.RoleName, (row) => ({
      ...row,
      tags: withoutTags(row.tags, input.TagKeys ?? [], 'insensitive'),
    }));
    return {};
  },

  async ListRoleTags(input, ctx) {
    new RequestCheck().name('roleName', input.RoleName, sizes.roleName).paging(input).done();
    const row = await requireRole(ctx, input.RoleName);
    return pageTags(`ListRoleTags ${row.id}`, row.tags, input);
  },
};

export const roleChecks: AuthorisationsOf<IAM> = {
  CreateRole: onNewRole,
  GetRole: onRole,
  ListRoles: onPath('role'),
  UpdateRole: onRole,
  UpdateRoleDescription: onRole,
  UpdateAssumeRolePolicy: onRole,
  DeleteRole: onRole,
  TagRole: onRole,
  UntagRole: onRole,
  ListRoleTags: onRole,
};
