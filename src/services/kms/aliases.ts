/** Aliases: names of keys, of their own account and Region. Source: AWS KMS Developer Guide, "Aliases"; API Reference, CreateAlias. */
import type { AliasListEntry, KMS } from '@aws-sdk/client-kms';
import type { Context, Scope, Transaction } from '../../kernel/context.ts';
import { AwsError } from '../../kernel/errors.ts';
import { RequestCheck } from '../../kernel/request-check.ts';
import type { HandlersOf } from '../../kernel/service.ts';
import { aliasNotFound, alreadyExists, limitExceeded, validationError } from './errors.ts';
import { aliasArn, checkState, keyArn, ownKeyId } from './key-ids.ts';
import { pageList, requireRow } from './keys.ts';
import { aliasForm, aliasPattern, limits } from './rules.ts';
import { type AliasRow, Aliases, type KeyRow } from './state.ts';

const prefix = 'alias/';

/** Throws ValidationException, or NotAuthorizedException for names that AWS keeps for itself. */
function checkName(name: string | undefined): string {
  new RequestCheck()
    .length('aliasName', name, 1, limits.aliasCharsMax)
    .pattern('aliasName', name, aliasForm, aliasPattern)
    .done();
  if (name?.startsWith(prefix) !== true || name === prefix)
    throw validationError(
      'Alias must start with the prefix "alias/". Please see https://docs.aws.amazon.com/kms/latest/developerguide/kms-alias.html',
    );
  if (name.startsWith('alias/aws/')) throw new AwsError('NotAuthorizedException', '');
  return name;
}

/** The key that an alias shall name: neither waiting for deletion nor with 50 aliases. */
async function requireTarget(ctx: Context, tx: Transaction, id: string): Promise<KeyRow> {
  const row = await requireRow(ctx, id, tx);
  checkState(keyArn(ctx, id), row.state === 'Disabled' ? { ...row, state: 'Enabled' } : row, ['Enabled', 'PendingImport']);
  const count = (await tx.table(Aliases).byIndex('byKey', [id], { limit: limits.aliasesPerKeyMax })).length;
  if (count >= limits.aliasesPerKeyMax)
    throw limitExceeded(`The key ${keyArn(ctx, id)} has reached the quota of ${limits.aliasesPerKeyMax} aliases.`);
  return row;
}

function describeAlias(scope: Scope, row: AliasRow): AliasListEntry {
  return {
    AliasName: row.name,
    AliasArn: aliasArn(scope, row.name),
    TargetKeyId: row.key,
    CreationDate: new Date(row.created),
    LastUpdatedDate: new Date(row.updated),
  };
}

export const aliasHandlers: HandlersOf<KMS> = {
  /** Throws AlreadyExistsException, NotFoundException, LimitExceededException, KMSInvalidStateException. */
  async CreateAlias(input, ctx) {
    const name = checkName(input.AliasName);
    const key = ownKeyId(ctx, input.TargetKeyId);
    await ctx.transact(async (tx) => {
      if ((await tx.table(Aliases).get(name)) !== undefined)
        throw alreadyExists(`An alias with the name ${aliasArn(ctx, name)} already exists`);
      await requireTarget(ctx, tx, key);
      await tx.table(Aliases).put({ name, key, created: ctx.now, updated: ctx.now });
    });
    return {};
  },

  /** Old and new key must be alike: same usage, both symmetric, both asymmetric or both HMAC. */
  async UpdateAlias(input, ctx) {
    const name = checkName(input.AliasName);
    const key = ownKeyId(ctx, input.TargetKeyId);
    await ctx.transact(async (tx) => {
      const alias = await tx.table(Aliases).get(name);
      if (alias === undefined) throw aliasNotFound(aliasArn(ctx, name));
      const [old, target] = [await requireRow(ctx, alias.key, tx), await requireTarget(ctx, tx, key)];
      const kind = ({ spec }: KeyRow): string => /^(SYMMETRIC|HMAC)/.exec(spec)?.[0] ?? 'ASYMMETRIC';
      if (old.usage !== target.usage || kind(old) !== kind(target))
        throw validationError('Alias can only be updated to a key of the same type and usage as its current key.');
      await tx.table(Aliases).put({ ...alias, key, updated: ctx.now });
    });
    return {};
  },

  async DeleteAlias(input, ctx) {
    const name = checkName(input.AliasName);
    await ctx.transact(async (tx) => {
      if (!(await tx.table(Aliases).delete(name))) throw aliasNotFound(aliasArn(ctx, name));
    });
    return {};
  },

  async ListAliases(input, ctx) {
    const key = input.KeyId === undefined ? undefined : ownKeyId(ctx, input.KeyId);
    if (key !== undefined) await requireRow(ctx, key);
    const rows = key === undefined ? await ctx.table(Aliases).list() : await ctx.table(Aliases).byIndex('byKey', [key]);
    const { items, page } = pageList(`ListAliases ${key ?? ''}`, rows, (row) => row.name, input);
    return { Aliases: items.map((row) => describeAlias(ctx, row)), ...page };
  },
};
