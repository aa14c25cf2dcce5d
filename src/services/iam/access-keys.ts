/**
 * Access keys of users, and of the root user when root makes keys for itself. The secret leaves the cloud once, in the answer that creates the
 * key. Last use is written from the record of finished calls, in batches.
 */
import type { AccessKeyMetadata, IAM } from '@aws-sdk/client-iam';
import { accountOfAccessKeyId, newAccessKeyId } from '../../base/access-key-id.ts';
import { idKinds, IdSource } from '../../base/ids.ts';
import type { Context } from '../../kernel/context.ts';
import type { AuthorisationsOf, CallRecord, Check, HandlersOf } from '../../kernel/service.ts';
import { userArn } from './arns.ts';
import { onUser } from './authorise.ts';
import { dateOf } from './dates.ts';
import { accessDenied, idCannotBeFound, quotaExceeded } from './errors.ts';
import { pageItems } from './paging.ts';
import { quotas, RequestCheck, sizes } from './rules.ts';
import { type AccessKeyRow, AccessKeys, type Reading, Roles, Users } from './state.ts';
import { type Owner, requireOwner } from './users.ts';

const statuses = ['Active', 'Inactive'] as const;

/** The key of this owner. Throws NoSuchEntity, also for a key of somebody else. */
async function requireKey(reading: Reading, owner: Owner, id: string): Promise<AccessKeyRow> {
  const row = await reading.table(AccessKeys).get(id);
  if (row === undefined || row.user !== owner.id) throw idCannotBeFound('Access Key', id);
  return row;
}

/** Without the secret. */
function describeKey(owner: Owner, row: AccessKeyRow): AccessKeyMetadata {
  return {
    UserName: owner.name === '' ? undefined : owner.name,
    AccessKeyId: row.id,
    Status: row.active ? 'Active' : 'Inactive',
    CreateDate: dateOf(row.created),
  };
}

const checkOwner = (name: string | undefined): RequestCheck => new RequestCheck().name('userName', name, sizes.existingUserName);

const checkKeyId = (check: RequestCheck, id: string | undefined): RequestCheck =>
  check.length('accessKeyId', id, 16, 128).pattern('accessKeyId', id, /^\w+$/, '[\\w]+');

export const accessKeyHandlers: HandlersOf<IAM> = {
  /** At most two keys per user (ACCESS-006). Throws NoSuchEntity, LimitExceeded. */
  async CreateAccessKey({ UserName: name }, ctx) {
    checkOwner(name).done();
    const ids = new IdSource((count) => ctx.bytes(count));
    const id = newAccessKeyId(ids, idKinds.accessKey.prefix, ctx.account);
    const secret = ctx.id('secretKey');
    const owner = await ctx.transact(async (tx) => {
      const found = await requireOwner(tx, ctx, name);
      const keys = tx.table(AccessKeys);
      if ((await keys.byIndex('byUser', [found.id])).length >= quotas.AccessKeysPerUser) {
        throw quotaExceeded('AccessKeysPerUser', quotas.AccessKeysPerUser);
      }
      await keys.put({ id, secret, user: found.id, active: true, created: ctx.now });
      return found;
    });
    return {
      AccessKey: {
        UserName: owner.name,
        AccessKeyId: id,
        Status: 'Active',
        SecretAccessKey: secret,
        CreateDate: dateOf(ctx.now),
      },
    };
  },

  async ListAccessKeys(input, ctx) {
    checkOwner(input.UserName).paging(input).done();
    const owner = await requireOwner(ctx, ctx, input.UserName);
    const rows = await ctx.table(AccessKeys).byIndex('byUser', [owner.id]);
    const { items, page } = pageItems(`ListAccessKeys ${owner.id}`, rows, (row) => [row.created, row.id], input);
    return { AccessKeyMetadata: items.map((row) => describeKey(owner, row)), ...page };
  },

  /** An inactive key signs nothing until it is active again. */
  async UpdateAccessKey({ UserName: name, AccessKeyId: id = '', Status: status }, ctx) {
    checkKeyId(checkOwner(name), id).oneOf('status', status, statuses).done();
    await ctx.transact(async (tx) => {
      const row = await requireKey(tx, await requireOwner(tx, ctx, name), id);
      await tx.table(AccessKeys).put({ ...row, active: status === 'Active' });
    });
    return {};
  },

  async DeleteAccessKey({ UserName: name, AccessKeyId: id = '' }, ctx) {
    checkKeyId(checkOwner(name), id).done();
    await ctx.transact(async (tx) => {
      const row = await requireKey(tx, await requireOwner(tx, ctx, name), id);
      await tx.table(AccessKeys).delete(row.id);
    });
    return {};
  },

  /** A key that the account does not have is answered with AccessDenied, as the real service does: whether it exists elsewhere stays unknown. */
  async GetAccessKeyLastUsed({ AccessKeyId: id = '' }, ctx) {
    checkKeyId(new RequestCheck(), id).done();
    const row = await ctx.table(AccessKeys).get(id);
    if (row === undefined) {
      throw accessDenied(
        `User: ${ctx.caller.arn} is not authorized to perform iam:GetAccessKeyLastUsed on resource: access key ${id}`,
      );
    }
    const user = await ctx.table(Users).firstByIndex('byId', [row.user]);
    const { lastUsed } = row;
    return {
      UserName: user?.name,
      AccessKeyLastUsed:
        lastUsed === undefined
          ? { ServiceName: 'N/A', Region: 'N/A' }
          : { LastUsedDate: dateOf(lastUsed.at), ServiceName: lastUsed.service, Region: lastUsed.region },
    };
  },
};

/** Authorised on the user whose key it is. */
async function onKeyOwner(input: { AccessKeyId?: string | undefined }, ctx: Context): Promise<Check[]> {
  const row = await ctx.table(AccessKeys).get(input.AccessKeyId ?? '');
  const user = row === undefined ? undefined : await ctx.table(Users).firstByIndex('byId', [row.user]);
  return [{ resource: user === undefined ? '*' : userArn(ctx.account, user) }];
}

export const accessKeyChecks: AuthorisationsOf<IAM> = {
  CreateAccessKey: onUser,
  ListAccessKeys: onUser,
  UpdateAccessKey: onUser,
  DeleteAccessKey: onUser,
  GetAccessKeyLastUsed: onKeyOwner,
};

/** Service as last-used information names it: the prefix of its actions. */
const serviceOf = (call: CallRecord): string => call.action.slice(0, call.action.indexOf(':'));

/**
 * Writes when keys and roles were last used, one write per key and role of a batch. Every signed call counts, also one that was denied. Calls of a
 * deleted key or role leave no trace.
 */
export async function recordUse(batch: readonly CallRecord[], ctx: Context): Promise<void> {
  const keys = new Map<string, CallRecord>();
  const roles = new Map<string, CallRecord>();
  for (const call of batch) {
    if (call.accessKeyId?.startsWith('AKIA') === true) keys.set(call.accessKeyId, call);
    const { roleArn } = call.identity.principal;
    if (call.identity.kind === 'role' && roleArn !== undefined) roles.set(roleArn, call);
  }
  if (keys.size === 0 && roles.size === 0) return;
  await ctx.transact(async (tx) => {
    for (const [id, call] of keys) {
      const scope = { account: accountOfAccessKeyId(id) ?? '', region: '' };
      const lastUsed = { at: call.at, service: serviceOf(call), region: call.region };
      await tx.tableIn(scope, AccessKeys).update([id], (row) => ({ ...row, lastUsed }));
    }
    for (const [arn, call] of roles) {
      const scope = { account: call.identity.account, region: '' };
      const name = arn.slice(arn.lastIndexOf('/') + 1).toLowerCase();
      const lastUsed = { at: call.at, region: call.region };
      await tx.tableIn(scope, Roles).update([name], (row) => ({ ...row, lastUsed }));
    }
  });
}
