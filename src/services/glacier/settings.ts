/** What is set on a vault: its access policy, its lock, its tags ("Vault Access Policies", "Vault Lock", "Tagging"). */
import type { Glacier } from '@aws-sdk/client-glacier';
import { validatePolicy } from '../../kernel/policy/validate.ts';
import type { HandlersOf, Task } from '../../kernel/service.ts';
import { accessDenied, invalidParameter, limitExceeded, missingParameter, notFound } from './errors.ts';
import { atAccount, changeVault, requireVault, vaultArn } from './lookup.ts';
import { day, limits } from './rules.ts';
import { Vaults } from './state.ts';

/** Throws MissingParameterValueException, InvalidParameterValueException. */
function readPolicy(text: string | undefined): string {
  if (text === undefined || text === '') throw missingParameter('Policy');
  if (Buffer.byteLength(text) > limits.policyCharsMax)
    throw invalidParameter(`The policy is larger than the maximum allowed: ${limits.policyCharsMax} bytes.`);
  const result = validatePolicy(text, 'resource');
  if (!result.ok) throw invalidParameter(`Invalid policy: ${result.message}`);
  return text;
}

const lockedText = 'The vault is locked, its lock policy can no longer be changed.';

export const settingHandlers: HandlersOf<Glacier> = {
  async SetVaultAccessPolicy(input, ctx) {
    const policy = readPolicy(input.policy?.Policy);
    await changeVault(ctx, input, (row) => ({ ...row, policy }));
    return {};
  },

  async GetVaultAccessPolicy(input, ctx) {
    const at = atAccount(ctx, input);
    const { policy, name } = await requireVault(at, at, input);
    if (policy === undefined) throw notFound(`No vault access policy is set for vault: ${vaultArn(at, name)}`);
    return { policy: { Policy: policy } };
  },

  async DeleteVaultAccessPolicy(input, ctx) {
    await changeVault(ctx, input, (row) => ({ ...row, policy: undefined }));
    return {};
  },

  /** The policy holds at once, to be tried out; unless it is completed within a day it goes again. Throws AccessDeniedException once locked. */
  async InitiateVaultLock(input, ctx) {
    const at = atAccount(ctx, input);
    const policy = readPolicy(input.policy?.Policy);
    const id = ctx.id('archiveJob');
    await at.transact(async (tx) => {
      const row = await requireVault(tx, at, input);
      if (row.lock !== undefined)
        throw accessDenied(row.lock.expires === undefined ? lockedText : 'The vault lock is in progress: abort it first.');
      const expires = ctx.now + day;
      await tx.table(Vaults).put({ ...row, lock: { id, policy, created: ctx.now, expires } });
      await tx.schedule({ task: 'lockExpired', key: row.name, due: expires, payload: { vault: row.name, id } });
    });
    return { lockId: id };
  },

  /** For ever. Completing it again with the same id changes nothing. */
  async CompleteVaultLock(input, ctx) {
    const at = atAccount(ctx, input);
    await at.transact(async (tx) => {
      const row = await requireVault(tx, at, input);
      const { lock } = row;
      if (lock === undefined) throw invalidParameter(`The vault lock is not in progress for vault: ${vaultArn(at, row.name)}`);
      if (lock.id !== input.lockId) {
        if (lock.expires === undefined) throw accessDenied(lockedText);
        throw invalidParameter(`Invalid lock ID: ${input.lockId}`);
      }
      await tx.table(Vaults).put({ ...row, lock: { ...lock, expires: undefined } });
      await tx.unschedule('lockExpired', row.name);
    });
    return {};
  },

  /** Safe to repeat while nothing is locked. */
  async AbortVaultLock(input, ctx) {
    const at = atAccount(ctx, input);
    await at.transact(async (tx) => {
      const row = await requireVault(tx, at, input);
      if (row.lock !== undefined && row.lock.expires === undefined) throw accessDenied(lockedText);
      await tx.table(Vaults).put({ ...row, lock: undefined });
      await tx.unschedule('lockExpired', row.name);
    });
    return {};
  },

  async GetVaultLock(input, ctx) {
    const at = atAccount(ctx, input);
    const { lock, name } = await requireVault(at, at, input);
    if (lock === undefined) throw notFound(`No vault lock policy is set for vault: ${vaultArn(at, name)}`);
    return {
      Policy: lock.policy,
      State: lock.expires === undefined ? 'Locked' : 'InProgress',
      CreationDate: new Date(lock.created).toISOString(),
      ...(lock.expires === undefined ? {} : { ExpirationDate: new Date(lock.expires).toISOString() }),
    };
  },

  async AddTagsToVault(input, ctx) {
    const added = input.Tags ?? {};
    for (const [key, value] of Object.entries(added)) {
      if (key === '' || key.length > 128 || key.startsWith('aws:')) throw invalidParameter(`Invalid tag key: ${key}`);
      if (value.length > 256) throw invalidParameter(`Invalid tag value: ${value}`);
    }
    await changeVault(ctx, input, (row) => {
      const tags = { ...row.tags, ...added };
      if (Object.keys(tags).length > limits.tags) throw limitExceeded(`Tag count exceeds the limit: ${limits.tags}`);
      return { ...row, tags };
    });
    return {};
  },

  async RemoveTagsFromVault(input, ctx) {
    const gone = new Set(input.TagKeys);
    await changeVault(ctx, input, (row) => ({
      ...row,
      tags: Object.fromEntries(Object.entries(row.tags).filter(([key]) => !gone.has(key))),
    }));
    return {};
  },

  async ListTagsForVault(input, ctx) {
    const at = atAccount(ctx, input);
    return { Tags: { ...(await requireVault(at, at, input)).tags } };
  },
};

/** A lock that nobody completed in its day goes with its policy. */
export const lockExpired: Task = async ({ payload }, ctx) => {
  const { vault, id } = payload as { vault: string; id: string };
  await ctx.transact(async (tx) => {
    const row = await tx.table(Vaults).get(vault);
    if (row?.lock?.id === id && row.lock.expires !== undefined) await tx.table(Vaults).put({ ...row, lock: undefined });
  });
};
