/** The account's own settings: alias and password policy. */
import type { IAM } from '@aws-sdk/client-iam';
import type { Context, Transaction } from '../../kernel/context.ts';
import type { AuthorisationsOf, Check, HandlersOf } from '../../kernel/service.ts';
import { cannotBeFound, entityAlreadyExists, noSuchEntity } from './errors.ts';
import { onOwnPassword } from './login-profiles.ts';
import { pageItems } from './paging.ts';
import { policyDefaults } from './passwords.ts';
import { RequestCheck } from './rules.ts';
import { type AccountRow, AccountSettings, Aliases } from './state.ts';

const aliasForm = /^[a-z0-9]([a-z0-9]|-(?!-)){1,61}[a-z0-9]$/;
const aliasPattern = '^[a-z0-9]([a-z0-9]|-(?!-)){1,61}[a-z0-9]$';

/** Notes when the account was first met: its root user's creation time. */
export async function setUpAccount(ctx: Context): Promise<void> {
  await ctx.transact(async (tx) => {
    if ((await tx.table(AccountSettings).get('settings')) === undefined) {
      await tx.table(AccountSettings).put({ created: ctx.now });
    }
  });
}

async function change(tx: Transaction, ctx: Context, members: Partial<AccountRow>): Promise<void> {
  const row = (await tx.table(AccountSettings).get('settings')) ?? { created: ctx.now };
  await tx.table(AccountSettings).put({ ...row, ...members });
}

function checkAlias(alias: string): void {
  const check = new RequestCheck().length('accountAlias', alias, 3, 63);
  if (alias.length >= 3 && alias.length <= 63) check.pattern('accountAlias', alias, aliasForm, aliasPattern);
  // "must not be a 12-digit number": it would be taken for an account id.
  if (/^\d{12}$/.test(alias)) check.constraint('accountAlias', 'Member must not be a 12-digit number');
  check.done();
}

export const accountHandlers: HandlersOf<IAM> = {
  /** An account has one alias: a new one replaces it. Throws ValidationError; EntityAlreadyExists when another account has it. */
  async CreateAccountAlias({ AccountAlias: alias = '' }, ctx) {
    checkAlias(alias);
    await ctx.transact(async (tx) => {
      const claim = await tx.table(Aliases).get(alias);
      const holder = claim && (await tx.tableIn({ account: claim.account, region: '' }, AccountSettings).get('settings'));
      if (holder?.alias === alias && claim?.account !== ctx.account) {
        throw entityAlreadyExists(`The account alias ${alias} already exists.`);
      }
      const old = (await tx.table(AccountSettings).get('settings'))?.alias;
      if (old !== undefined) await tx.table(Aliases).delete(old);
      await tx.table(Aliases).put({ alias, account: ctx.account });
      await change(tx, ctx, { alias });
    });
    return {};
  },

  async DeleteAccountAlias({ AccountAlias: alias = '' }, ctx) {
    checkAlias(alias);
    await ctx.transact(async (tx) => {
      if ((await tx.table(AccountSettings).get('settings'))?.alias !== alias) {
        throw noSuchEntity(`The account alias ${alias} cannot be found.`);
      }
      await tx.table(Aliases).delete(alias);
      await change(tx, ctx, { alias: undefined });
    });
    return {};
  },

  async ListAccountAliases(input, ctx) {
    new RequestCheck().paging(input).done();
    const alias = (await ctx.table(AccountSettings).get('settings'))?.alias;
    const { items, page } = pageItems('ListAccountAliases', alias === undefined ? [] : [alias], (name) => [name], input);
    return { AccountAliases: items, ...page };
  },

  /** "This operation does not support partial updates": what the request leaves out goes back to its default. */
  async UpdateAccountPasswordPolicy(input, ctx) {
    new RequestCheck()
      .range('minimumPasswordLength', input.MinimumPasswordLength, 6, 128)
      .range('passwordReusePrevention', input.PasswordReusePrevention, 1, 24)
      .range('maxPasswordAge', input.MaxPasswordAge, 1, 1095)
      .done();
    const passwordPolicy = {
      minimumLength: input.MinimumPasswordLength ?? policyDefaults.minimumLength,
      requireSymbols: input.RequireSymbols ?? policyDefaults.requireSymbols,
      requireNumbers: input.RequireNumbers ?? policyDefaults.requireNumbers,
      requireUppercase: input.RequireUppercaseCharacters ?? policyDefaults.requireUppercase,
      requireLowercase: input.RequireLowercaseCharacters ?? policyDefaults.requireLowercase,
      allowUsersToChange: input.AllowUsersToChangePassword ?? policyDefaults.allowUsersToChange,
      maxAge: input.MaxPasswordAge,
      reusePrevention: input.PasswordReusePrevention,
      hardExpiry: input.HardExpiry,
    };
    await ctx.transact((tx) => change(tx, ctx, { passwordPolicy }));
    return {};
  },

  async GetAccountPasswordPolicy(_input, ctx) {
    const policy = (await ctx.table(AccountSettings).get('settings'))?.passwordPolicy;
    if (policy === undefined) {
      throw noSuchEntity(`The Password Policy with domain name ${ctx.account} cannot be found.`);
    }
    return {
      PasswordPolicy: {
        MinimumPasswordLength: policy.minimumLength,
        RequireSymbols: policy.requireSymbols,
        RequireNumbers: policy.requireNumbers,
        RequireUppercaseCharacters: policy.requireUppercase,
        RequireLowercaseCharacters: policy.requireLowercase,
        AllowUsersToChangePassword: policy.allowUsersToChange,
        ExpirePasswords: policy.maxAge !== undefined,
        MaxPasswordAge: policy.maxAge,
        PasswordReusePrevention: policy.reusePrevention,
        HardExpiry: policy.hardExpiry,
      },
    };
  },

  async DeleteAccountPasswordPolicy(_input, ctx) {
    await ctx.transact(async (tx) => {
      const row = await tx.table(AccountSettings).get('settings');
      if (row?.passwordPolicy === undefined) throw cannotBeFound('account policy', 'PasswordPolicy');
      await change(tx, ctx, { passwordPolicy: undefined });
    });
    return {};
  },
};

/** Users who may change their password may also read the rules for it. */
async function onPasswordPolicy(input: unknown, ctx: Context): Promise<Check[]> {
  const checks = await onOwnPassword(input, ctx);
  return checks.map((check) => (check.resourcePolicy === undefined ? { ...check, resource: '*' } : check));
}

export const accountChecks: AuthorisationsOf<IAM> = {
  GetAccountPasswordPolicy: onPasswordPolicy,
};
