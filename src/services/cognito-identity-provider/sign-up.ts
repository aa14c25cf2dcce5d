/** Users who make their own accounts, and who forgot their passwords (Developer Guide, "Signing up and confirming user accounts"). */
import type { CodeDeliveryDetailsType, CognitoIdentityProvider } from '@aws-sdk/client-cognito-identity-provider';
import type { Millis } from '../../base/clock.ts';
import type { HandlersOf } from '../../kernel/service.ts';
import { changeUser, insertUser, newUser } from './accounts.ts';
import { codeExpired, invalidParameter, noSuchUser, notAuthorized } from './errors.ts';
import { checkCode, deliveryOf, sendCode, wayTo, wayToRecover } from './letters.ts';
import { checkSecretHash, type Door, doorOf, findUser } from './lookup.ts';
import { checkLock, keep } from './passwords.ts';
import { checkPassword, checkRequired, readAttributes, resetCodeMillis, signUpCodeMillis } from './rules.ts';
import type { PoolRow, UserRow, VerifiedAttribute } from './state.ts';

/** The user that a caller without a signature names; `words` for one that is not there, where the client does not hide that. */
async function requireNamed(door: Door, name: string | undefined, words: string, hidden: Error): Promise<UserRow> {
  const user = await findUser(door.ctx, door.pool, name);
  if (user !== undefined) return user;
  throw door.client.hidesUsers ? hidden : noSuchUser(words);
}

/**
 * Sends a code to the user that a caller without a signature names; `way` says by which attribute, or throws why not. Where the client hides who has
 * an account, the answer for nobody is as if it had been sent.
 */
async function codeTo(
  door: Door,
  { Username: name, SecretHash: hash }: { Username?: string | undefined; SecretHash?: string | undefined },
  kind: 'signUp' | 'reset',
  millis: Millis,
  way: (user: UserRow, pool: PoolRow) => VerifiedAttribute,
): Promise<{ CodeDeliveryDetails: CodeDeliveryDetailsType }> {
  const { ctx, pool, client } = door;
  checkSecretHash(door, name ?? '', hash);
  if ((await findUser(ctx, pool, name)) === undefined) {
    if (!client.hidesUsers) throw noSuchUser('Username/client id combination not found.');
    return { CodeDeliveryDetails: deliveryOf({ attributes: { email: name ?? '' } }, 'email') };
  }
  const user = await changeUser(ctx, pool, name, async (row, tx) => {
    const code = await sendCode(ctx, tx, pool, row, { attribute: way(row, pool), millis });
    return { codes: { ...row.codes, [kind]: code } };
  });
  return { CodeDeliveryDetails: deliveryOf(user, user.codes[kind]?.attribute ?? 'email') };
}

export const signUpHandlers: HandlersOf<CognitoIdentityProvider> = {
  /** Throws InvalidPasswordException, UsernameExistsException, NotAuthorizedException, InvalidParameterException. */
  async SignUp(input, ctx) {
    const door = await doorOf(ctx, input.ClientId);
    const { Username: name = '', Password: password } = input;
    checkSecretHash(door, name, input.SecretHash);
    const { pool, client } = door;
    if (pool.adminOnly) throw notAuthorized('SignUp is not permitted for this user pool');
    if (password === undefined) throw invalidParameter('Password is required.');
    checkPassword(pool, password);
    const values = readAttributes(pool, input.UserAttributes, 'user');
    for (const attribute of Object.keys(values))
      if (client.writable !== undefined && !client.writable.includes(attribute))
        throw notAuthorized('A client attempted to write unauthorized attribute');
    const fresh = newUser(door.ctx, pool, name, values, 'UNCONFIRMED');
    checkRequired(pool, fresh.attributes);
    const user = { ...fresh, password: keep(door.ctx, pool, fresh, password) };
    const attribute = wayTo(user, pool.autoVerified);
    await door.ctx.transact(async (tx) => {
      const signUp = attribute && (await sendCode(door.ctx, tx, pool, user, { attribute, millis: signUpCodeMillis }));
      const words =
        pool.usernameAttributes.length > 0 ? 'An account with the given email already exists.' : 'User already exists';
      await insertUser(tx, pool, { ...user, codes: { signUp } }, words);
    });
    return {
      UserConfirmed: false,
      UserSub: user.attributes['sub'] ?? '',
      CodeDeliveryDetails: attribute && deliveryOf(user, attribute),
    };
  },

  /** Throws CodeMismatchException, ExpiredCodeException, UserNotFoundException, NotAuthorizedException. */
  async ConfirmSignUp(input, ctx) {
    const door = await doorOf(ctx, input.ClientId);
    checkSecretHash(door, input.Username ?? '', input.SecretHash);
    await requireNamed(door, input.Username, 'Username/client id combination not found.', codeExpired());
    await changeUser(door.ctx, door.pool, input.Username, (user) => {
      if (user.status !== 'UNCONFIRMED') throw notAuthorized(`User cannot be confirmed. Current status is ${user.status}`);
      const { attribute } = checkCode(door.ctx, user.codes.signUp, input.ConfirmationCode);
      return {
        status: 'CONFIRMED',
        attributes: { ...user.attributes, [`${attribute}_verified`]: 'true' },
        codes: { ...user.codes, signUp: undefined },
      };
    });
    return {};
  },

  async ResendConfirmationCode(input, ctx) {
    return codeTo(await doorOf(ctx, input.ClientId), input, 'signUp', signUpCodeMillis, (row, pool) => {
      if (row.status !== 'UNCONFIRMED') throw invalidParameter('User is already confirmed.');
      const attribute = wayTo(row, pool.autoVerified);
      if (attribute === undefined) throw invalidParameter('Cannot resend codes. Auto verification not turned on.');
      return attribute;
    });
  },

  async ForgotPassword(input, ctx) {
    return codeTo(await doorOf(ctx, input.ClientId), input, 'reset', resetCodeMillis, (row, pool) => {
      if (!row.enabled) throw notAuthorized('User is disabled.');
      if (row.status === 'FORCE_CHANGE_PASSWORD') throw notAuthorized('User password cannot be reset in the current state.');
      const attribute = wayToRecover(row, pool);
      if (attribute === undefined)
        throw invalidParameter('Cannot reset password for the user as there is no registered/verified email or phone_number');
      return attribute;
    });
  },

  async ConfirmForgotPassword(input, ctx) {
    const door = await doorOf(ctx, input.ClientId);
    checkSecretHash(door, input.Username ?? '', input.SecretHash);
    const { Password: password = '' } = input;
    checkPassword(door.pool, password);
    const found = await requireNamed(door, input.Username, 'Username/client id combination not found.', codeExpired());
    checkLock(door.ctx, found);
    await changeUser(door.ctx, door.pool, input.Username, (user) => {
      const { attribute } = checkCode(door.ctx, user.codes.reset, input.ConfirmationCode);
      return {
        status: 'CONFIRMED',
        password: keep(door.ctx, door.pool, user, password),
        attributes: { ...user.attributes, [`${attribute}_verified`]: 'true' },
        codes: { ...user.codes, reset: undefined },
      };
    });
    return {};
  },
};
