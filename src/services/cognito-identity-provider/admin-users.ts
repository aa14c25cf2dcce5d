/** What administrators do with users (API Reference, the operations that begin with Admin; Developer Guide, "Creating user accounts as administrator"). */
import type { CognitoIdentityProvider } from '@aws-sdk/client-cognito-identity-provider';
import { parameterNotImplemented } from '../../kernel/errors.ts';
import type { HandlersOf } from '../../kernel/service.ts';
import {
  changeUser,
  describeUser,
  insertUser,
  listAttributes,
  newUser,
  removeUser,
  signOut,
  changedAttributes,
} from './accounts.ts';
import { invalidParameter, notAuthorized } from './errors.ts';
import { invite, sendCode, wayToRecover } from './letters.ts';
import { pageFor, requirePool, requireUser } from './lookup.ts';
import { keep, temporaryPassword } from './passwords.ts';
import { checkPassword, checkRequired, readAttributes, resetCodeMillis } from './rules.ts';
import { matcherOf } from './user-filter.ts';
import { type UserRow, Users } from './state.ts';

const dayMillis = 86_400_000;
/** "Limit: … maximum value of 60". */
const listMax = 60;

export const adminUserHandlers: HandlersOf<CognitoIdentityProvider> = {
  /** Throws UsernameExistsException, InvalidPasswordException, InvalidParameterException; UserNotFoundException for RESEND. */
  async AdminCreateUser(input, ctx) {
    const pool = await requirePool(ctx, input.UserPoolId);
    if (input.ForceAliasCreation === true) throw parameterNotImplemented('AdminCreateUser', 'ForceAliasCreation');
    const password = input.TemporaryPassword ?? temporaryPassword(ctx, pool);
    checkPassword(pool, password);
    const media = (input.DesiredDeliveryMediums ?? ['SMS']).map((medium) =>
      medium === 'EMAIL' ? ('email' as const) : ('phone_number' as const),
    );
    const temporaryUntil = ctx.now + pool.passwords.TemporaryPasswordValidityDays * dayMillis;
    const values = readAttributes(pool, input.UserAttributes, 'administrator');
    if (input.MessageAction === 'RESEND') {
      const user = await changeUser(ctx, pool, input.Username, async (row, tx) => {
        if (row.status !== 'FORCE_CHANGE_PASSWORD')
          throw invalidParameter(`Resend not possible. ${row.username} status is not FORCE_CHANGE_PASSWORD`);
        await invite(ctx, tx, pool, row, password, media);
        return { password: keep(ctx, pool, row, password), temporaryUntil };
      });
      return { User: describeUser(user) };
    }
    const fresh = newUser(ctx, pool, input.Username ?? '', values, 'FORCE_CHANGE_PASSWORD');
    checkRequired(pool, fresh.attributes);
    const user: UserRow = { ...fresh, password: keep(ctx, pool, fresh, password), temporaryUntil };
    await ctx.transact(async (tx) => {
      await insertUser(tx, pool, user, 'User account already exists');
      if (input.MessageAction !== 'SUPPRESS') await invite(ctx, tx, pool, user, password, media);
    });
    return { User: describeUser(user) };
  },

  async AdminGetUser(input, ctx) {
    const pool = await requirePool(ctx, input.UserPoolId);
    const { Attributes, ...user } = describeUser(await requireUser(ctx, pool, input.Username));
    return { ...user, Username: user.Username ?? '', UserAttributes: Attributes };
  },

  async AdminDeleteUser(input, ctx) {
    const pool = await requirePool(ctx, input.UserPoolId);
    await ctx.transact(async (tx) => removeUser(tx, await requireUser(tx, pool, input.Username)));
    return {};
  },

  async AdminSetUserPassword(input, ctx) {
    const pool = await requirePool(ctx, input.UserPoolId);
    const { Password: password = '', Permanent: permanent = false } = input;
    checkPassword(pool, password);
    await changeUser(ctx, pool, input.Username, (user) => ({
      password: keep(ctx, pool, user, password),
      status: permanent ? 'CONFIRMED' : 'FORCE_CHANGE_PASSWORD',
      temporaryUntil: permanent ? undefined : ctx.now + pool.passwords.TemporaryPasswordValidityDays * dayMillis,
      failures: { count: 0, until: 0 },
    }));
    return {};
  },

  async AdminConfirmSignUp(input, ctx) {
    const pool = await requirePool(ctx, input.UserPoolId);
    await changeUser(ctx, pool, input.Username, (user) => {
      if (user.status !== 'UNCONFIRMED') throw notAuthorized(`User cannot be confirmed. Current status is ${user.status}`);
      return { status: 'CONFIRMED', codes: { ...user.codes, signUp: undefined } };
    });
    return {};
  },

  async AdminDisableUser(input, ctx) {
    const pool = await requirePool(ctx, input.UserPoolId);
    // "revokes all access tokens for the user".
    await changeUser(ctx, pool, input.Username, async (user, tx) => {
      await signOut(tx, user);
      return { enabled: false };
    });
    return {};
  },

  async AdminEnableUser(input, ctx) {
    const pool = await requirePool(ctx, input.UserPoolId);
    await changeUser(ctx, pool, input.Username, () => ({ enabled: true }));
    return {};
  },

  async AdminResetUserPassword(input, ctx) {
    const pool = await requirePool(ctx, input.UserPoolId);
    await changeUser(ctx, pool, input.Username, async (user, tx) => {
      const attribute = wayToRecover(user, pool);
      if (attribute === undefined)
        throw invalidParameter('Cannot reset password for the user as there is no registered/verified email or phone_number');
      const reset = await sendCode(ctx, tx, pool, user, { attribute, millis: resetCodeMillis });
      return { status: 'RESET_REQUIRED', codes: { ...user.codes, reset } };
    });
    return {};
  },

  async AdminUpdateUserAttributes(input, ctx) {
    const pool = await requirePool(ctx, input.UserPoolId);
    const changes = readAttributes(pool, input.UserAttributes, 'administrator');
    await changeUser(ctx, pool, input.Username, (user) => ({ attributes: changedAttributes(pool, user.attributes, changes) }));
    return {};
  },

  async AdminDeleteUserAttributes(input, ctx) {
    const pool = await requirePool(ctx, input.UserPoolId);
    const gone = new Set(input.UserAttributeNames);
    if (gone.has('sub')) throw invalidParameter('Attributes did not conform to the schema: sub: Attribute cannot be deleted.\n');
    await changeUser(ctx, pool, input.Username, (user) => ({
      attributes: Object.fromEntries(Object.entries(user.attributes).filter(([name]) => !gone.has(name))),
    }));
    return {};
  },

  async AdminUserGlobalSignOut(input, ctx) {
    const pool = await requirePool(ctx, input.UserPoolId);
    await ctx.transact(async (tx) => signOut(tx, await requireUser(tx, pool, input.Username)));
    return {};
  },

  /** Throws InvalidParameterException for a filter that is none. */
  async ListUsers(input, ctx) {
    const pool = await requirePool(ctx, input.UserPoolId);
    const matches = matcherOf(input.Filter);
    const rows = (await ctx.table(Users).list({ prefix: [pool.id] })).filter(matches);
    const page = { limit: input.Limit || listMax, token: input.PaginationToken };
    const { items, token } = pageFor(`ListUsers ${pool.id} ${input.Filter ?? ''}`, rows, (row) => [row.key], page);
    const only = input.AttributesToGet;
    return {
      Users: items.map((row) => ({
        ...describeUser(row),
        Attributes: listAttributes(row.attributes).filter(({ Name = '' }) => only === undefined || only.includes(Name)),
      })),
      PaginationToken: token,
    };
  },
};
