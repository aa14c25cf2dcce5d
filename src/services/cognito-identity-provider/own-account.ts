/** What a user does with its own account, by its access token. */
import type { CodeDeliveryDetailsType, CognitoIdentityProvider } from '@aws-sdk/client-cognito-identity-provider';
import type { HandlersOf } from '../../kernel/service.ts';
import { changeUser, listAttributes, removeUser, signOut, changedAttributes } from './accounts.ts';
import { invalidParameter, notAuthorized, wrongPassword } from './errors.ts';
import { checkCode, deliveryOf, sendCode } from './letters.ts';
import { requireClient } from './lookup.ts';
import { keep, tryPassword } from './passwords.ts';
import { checkPassword, readAttributes, signUpCodeMillis } from './rules.ts';
import { type Bearer, bearerOf } from './sessions.ts';
import type { VerifiedAttribute } from './state.ts';

function addressName(name: string | undefined): VerifiedAttribute {
  if (name !== 'email' && name !== 'phone_number') throw invalidParameter(`Attribute ${String(name)} cannot be verified.`);
  return name;
}

async function checkWritable({ ctx, pool, clientId }: Bearer, names: readonly string[]): Promise<void> {
  const { writable } = await requireClient(ctx, pool.id, clientId);
  if (writable !== undefined && names.some((name) => !writable.includes(name)))
    throw notAuthorized('A client attempted to write unauthorized attribute');
}

export const ownAccountHandlers: HandlersOf<CognitoIdentityProvider> = {
  async GetUser(input, ctx) {
    const bearer = await bearerOf(ctx, input.AccessToken);
    const { readable } = await requireClient(bearer.ctx, bearer.pool.id, bearer.clientId);
    return { Username: bearer.user.username, UserAttributes: listAttributes(bearer.user.attributes, readable) };
  },

  async ChangePassword(input, ctx) {
    const { ctx: inside, pool, user } = await bearerOf(ctx, input.AccessToken);
    const { ProposedPassword: proposed = '', PreviousPassword: previous = '' } = input;
    if (!(await tryPassword(inside, pool, user, previous))) throw wrongPassword();
    checkPassword(pool, proposed);
    await changeUser(inside, pool, user.username, (row) => ({ password: keep(inside, pool, row, proposed) }));
    return {};
  },

  async UpdateUserAttributes(input, ctx) {
    const bearer = await bearerOf(ctx, input.AccessToken);
    const { ctx: inside, pool, user } = bearer;
    const changes = readAttributes(pool, input.UserAttributes, 'user');
    await checkWritable(bearer, Object.keys(changes));
    const sent: CodeDeliveryDetailsType[] = [];
    await changeUser(inside, pool, user.username, async (row, tx) => {
      sent.length = 0;
      const attributes = changedAttributes(pool, row.attributes, changes);
      let { codes } = row;
      for (const attribute of pool.autoVerified)
        if (changes[attribute] !== undefined && changes[attribute] !== row.attributes[attribute]) {
          const next = { ...row, attributes };
          codes = { ...codes, [attribute]: await sendCode(inside, tx, pool, next, { attribute, millis: signUpCodeMillis }) };
          sent.push(deliveryOf(next, attribute));
        }
      return { attributes, codes };
    });
    return { CodeDeliveryDetailsList: sent };
  },

  async DeleteUserAttributes(input, ctx) {
    const bearer = await bearerOf(ctx, input.AccessToken);
    const gone = new Set(input.UserAttributeNames);
    await checkWritable(bearer, [...gone]);
    if (gone.has('sub')) throw invalidParameter('Attributes did not conform to the schema: sub: Attribute cannot be deleted.\n');
    await changeUser(bearer.ctx, bearer.pool, bearer.user.username, (row) => ({
      attributes: Object.fromEntries(Object.entries(row.attributes).filter(([name]) => !gone.has(name))),
    }));
    return {};
  },

  async GetUserAttributeVerificationCode(input, ctx) {
    const { ctx: inside, pool, user } = await bearerOf(ctx, input.AccessToken);
    const attribute = addressName(input.AttributeName);
    if ((user.attributes[attribute] ?? '') === '') throw invalidParameter(`User does not have the attribute ${attribute}.`);
    await changeUser(inside, pool, user.username, async (row, tx) => ({
      codes: { ...row.codes, [attribute]: await sendCode(inside, tx, pool, row, { attribute, millis: signUpCodeMillis }) },
    }));
    return { CodeDeliveryDetails: deliveryOf(user, attribute) };
  },

  async VerifyUserAttribute(input, ctx) {
    const { ctx: inside, pool, user } = await bearerOf(ctx, input.AccessToken);
    const attribute = addressName(input.AttributeName);
    await changeUser(inside, pool, user.username, (row) => {
      checkCode(inside, row.codes[attribute], input.Code);
      return {
        attributes: { ...row.attributes, [`${attribute}_verified`]: 'true' },
        codes: { ...row.codes, [attribute]: undefined },
      };
    });
    return {};
  },

  async GlobalSignOut(input, ctx) {
    const { ctx: inside, user } = await bearerOf(ctx, input.AccessToken);
    await inside.transact((tx) => signOut(tx, user));
    return {};
  },

  async DeleteUser(input, ctx) {
    const { ctx: inside, user } = await bearerOf(ctx, input.AccessToken);
    await inside.transact((tx) => removeUser(tx, user));
    return {};
  },
};
