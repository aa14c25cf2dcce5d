/**
 * Signing in: flows, the challenges on their way, and their answers (API Reference, InitiateAuth, RespondToAuthChallenge; Developer Guide,
 * "Authentication flows"). What the server must remember between two steps travels in the session, sealed.
 */
import { createHash } from 'node:crypto';
import type {
  AdminInitiateAuthResponse,
  CognitoIdentityProvider,
  InitiateAuthResponse,
} from '@aws-sdk/client-cognito-identity-provider';
import { AwsError, parameterNotImplemented } from '../../kernel/errors.ts';
import type { Context } from '../../kernel/context.ts';
import type { HandlersOf } from '../../kernel/service.ts';
import { changeUser, changedAttributes } from './accounts.ts';
import {
  codeMismatch,
  invalidParameter,
  noSuchUser,
  notAuthorized,
  notConfirmed,
  resetRequired,
  wrongPassword,
} from './errors.ts';
import { checkSecretHash, type Door, doorOf, findUser, requireClient, requirePool } from './lookup.ts';
import { checkLock, keep, noteAttempt, ownerOf, tryPassword } from './passwords.ts';
import { challengeMillis, checkPassword, checkRequired, readAttributes } from './rules.ts';
import { refresh, revoke, signIn } from './sessions.ts';
import { isClientValue, publicValue, sameText, signatureOf } from './srp.ts';
import type { PoolRow, UserRow } from './state.ts';

type Parameters = Readonly<Record<string, string>>;
type Answer = InitiateAuthResponse & AdminInitiateAuthResponse;

const srpSecretBytes = 32;

interface ChallengeState {
  kind: 'password' | 'new-password';
  pool: string;
  client: string;
  user: string;
  until: number;
  /** Of SRP: the server's b and the client's A, in hexadecimal. */
  secret?: string;
  clientValue?: string;
}

function seal(ctx: Context, state: ChallengeState): string {
  return Buffer.from(ctx.part('vault').seal(Buffer.from(JSON.stringify(state)), 'cognito-challenge')).toString('base64');
}

/** What a session holds. Throws NotAuthorizedException for one that is over, CodeMismatchException for one that is none. */
function openSession({ ctx, client }: Door, kind: ChallengeState['kind'], sealed: string | undefined): ChallengeState {
  let state: ChallengeState;
  try {
    const bytes = Buffer.from(sealed ?? '', 'base64');
    state = JSON.parse(ctx.part('vault').open(bytes, 'cognito-challenge').toString()) as ChallengeState;
  } catch {
    throw kind === 'password' ? wrongPassword() : codeMismatchSession();
  }
  if (state.kind !== kind || state.client !== client.id) throw codeMismatchSession();
  if (state.until <= ctx.now) throw notAuthorized('Invalid session for the user, session is expired.');
  return state;
}

function codeMismatchSession(): AwsError {
  return new AwsError(codeMismatch().code, 'Invalid session for the user.');
}

function need(parameters: Parameters | undefined, name: string): string {
  const value = parameters?.[name];
  if (value === undefined || value === '') throw invalidParameter(`Missing required parameter ${name}`);
  return value;
}

/** Throws what keeps a user from signing in whatever its password. */
function checkMaySignIn(user: UserRow): void {
  if (!user.enabled) throw notAuthorized('User is disabled.');
}

/** What follows a right password: tokens, or what must be done before. */
async function proceed(door: Door, user: UserRow): Promise<Answer> {
  const { ctx, client } = door;
  if (user.status === 'UNCONFIRMED') throw notConfirmed();
  if (user.status === 'RESET_REQUIRED') throw resetRequired();
  if (user.status === 'CONFIRMED') return { ChallengeParameters: {}, AuthenticationResult: await signIn(door, user) };
  if ((user.temporaryUntil ?? 0) <= ctx.now)
    throw notAuthorized('Temporary password has expired and must be reset by an administrator.');
  const { sub: _sub, ...shown } = user.attributes;
  const missing = door.pool.required.filter((name) => user.attributes[name] === undefined);
  return {
    ChallengeName: 'NEW_PASSWORD_REQUIRED',
    Session: seal(ctx, {
      kind: 'new-password',
      pool: user.pool,
      client: client.id,
      user: user.key,
      until: ctx.now + challengeMillis,
    }),
    ChallengeParameters: {
      USER_ID_FOR_SRP: user.username,
      requiredAttributes: JSON.stringify(missing.map((name) => `userAttributes.${name}`)),
      userAttributes: JSON.stringify(shown),
    },
  };
}

function unknownUser({ client }: Door): AwsError {
  return client.hidesUsers ? wrongPassword() : noSuchUser();
}

async function byPassword(door: Door, parameters: Parameters | undefined): Promise<Answer> {
  const name = need(parameters, 'USERNAME');
  const password = need(parameters, 'PASSWORD');
  checkSecretHash(door, name, parameters?.['SECRET_HASH']);
  const user = await findUser(door.ctx, door.pool, name);
  if (user === undefined) throw unknownUser(door);
  checkMaySignIn(user);
  if (!(await tryPassword(door.ctx, door.pool, user, password))) throw wrongPassword();
  return proceed(door, user);
}

async function bySrp(door: Door, parameters: Parameters | undefined): Promise<Answer> {
  const { ctx, pool, client } = door;
  const name = need(parameters, 'USERNAME');
  const clientValue = need(parameters, 'SRP_A');
  checkSecretHash(door, name, parameters?.['SECRET_HASH']);
  if (!isClientValue(clientValue)) throw invalidParameter('SRP_A is not correctly formatted.');
  const user = await findUser(ctx, pool, name);
  if (user === undefined && !client.hidesUsers) throw noSuchUser();
  if (user !== undefined) {
    checkMaySignIn(user);
    checkLock(ctx, user);
  }
  // Who is not there, or has no password, gets a challenge like everybody: its salt stays the same, and no answer is right.
  const { salt, verifier } = user?.password ?? decoy(pool, name);
  const secret = Buffer.from(ctx.bytes(srpSecretBytes)).toString('hex');
  const until = ctx.now + challengeMillis;
  const username = user?.username ?? name;
  const state: ChallengeState = {
    kind: 'password',
    pool: pool.id,
    client: client.id,
    user: username,
    until,
    secret,
    clientValue,
  };
  return {
    ChallengeName: 'PASSWORD_VERIFIER',
    ChallengeParameters: {
      SALT: salt,
      SECRET_BLOCK: seal(ctx, state),
      SRP_B: publicValue(verifier, secret),
      USERNAME: username,
      USER_ID_FOR_SRP: username,
    },
  };
}

function decoy({ keys }: PoolRow, name: string): { salt: string; verifier: string } {
  const salt = createHash('sha256').update(keys.id.sealed).update(name).digest('hex').slice(0, 32);
  return { salt, verifier: createHash('sha512').update(salt).digest('hex') };
}

async function answerSrp(door: Door, responses: Parameters | undefined): Promise<Answer> {
  const { ctx, pool } = door;
  const block = need(responses, 'PASSWORD_CLAIM_SECRET_BLOCK');
  const signature = need(responses, 'PASSWORD_CLAIM_SIGNATURE');
  const timestamp = need(responses, 'TIMESTAMP');
  const name = need(responses, 'USERNAME');
  checkSecretHash(door, name, responses?.['SECRET_HASH']);
  const state = openSession(door, 'password', block);
  const user = await findUser(ctx, pool, state.user);
  if (user?.password === undefined) throw wrongPassword();
  checkMaySignIn(user);
  checkLock(ctx, user);
  const expected = signatureOf({
    ...ownerOf(pool, user),
    verifier: user.password.verifier,
    secret: state.secret ?? '0',
    clientValue: state.clientValue ?? '0',
    secretBlock: Buffer.from(block, 'base64'),
    timestamp,
  });
  const right = sameText(expected, signature);
  await noteAttempt(ctx, user, right);
  if (!right) throw wrongPassword();
  return proceed(door, user);
}

async function answerNewPassword(door: Door, responses: Parameters | undefined, session: string | undefined): Promise<Answer> {
  const { ctx, pool } = door;
  const name = need(responses, 'USERNAME');
  const password = need(responses, 'NEW_PASSWORD');
  checkSecretHash(door, name, responses?.['SECRET_HASH']);
  const state = openSession(door, 'new-password', session);
  checkPassword(pool, password);
  const given = Object.entries(responses ?? {}).filter(([key]) => key.startsWith('userAttributes.'));
  const list = given.map(([key, Value]) => ({ Name: key.slice('userAttributes.'.length), Value }));
  const changes = readAttributes(pool, list, 'user');
  const user = await changeUser(ctx, pool, state.user, (row) => {
    if (row.status !== 'FORCE_CHANGE_PASSWORD') throw codeMismatchSession();
    const attributes = changedAttributes(pool, row.attributes, changes);
    checkRequired(pool, attributes);
    return { attributes, password: keep(ctx, pool, row, password), status: 'CONFIRMED', temporaryUntil: undefined };
  });
  return { ChallengeParameters: {}, AuthenticationResult: await signIn(door, user) };
}

/** Starts a flow. `admin`: the caller signed with AWS credentials. */
async function begin(door: Door, flow: string | undefined, parameters: Parameters | undefined, admin: boolean): Promise<Answer> {
  const allows = (name: string): boolean => door.client.flows.includes(name);
  switch (flow) {
    case 'USER_PASSWORD_AUTH':
      if (admin) throw invalidParameter('Initiate Auth method not supported.');
      if (!allows('ALLOW_USER_PASSWORD_AUTH')) throw invalidParameter('USER_PASSWORD_AUTH flow not enabled for this client');
      return byPassword(door, parameters);
    case 'ADMIN_USER_PASSWORD_AUTH':
    case 'ADMIN_NO_SRP_AUTH':
      if (!admin) throw invalidParameter('Initiate Auth method not supported.');
      if (!allows('ALLOW_ADMIN_USER_PASSWORD_AUTH')) throw invalidParameter('Auth flow not enabled for this client');
      return byPassword(door, parameters);
    case 'USER_SRP_AUTH':
      if (!allows('ALLOW_USER_SRP_AUTH')) throw invalidParameter('USER_SRP_AUTH is not enabled for the client.');
      return bySrp(door, parameters);
    case 'REFRESH_TOKEN':
    case 'REFRESH_TOKEN_AUTH':
      if (!allows('ALLOW_REFRESH_TOKEN_AUTH')) throw invalidParameter('Auth flow not enabled for this client');
      return { ChallengeParameters: {}, AuthenticationResult: await refresh(door, need(parameters, 'REFRESH_TOKEN')) };
    default:
      throw parameterNotImplemented(admin ? 'AdminInitiateAuth' : 'InitiateAuth', `AuthFlow ${String(flow)}`);
  }
}

function respond(
  door: Door,
  name: string | undefined,
  responses: Parameters | undefined,
  session: string | undefined,
): Promise<Answer> {
  if (name === 'PASSWORD_VERIFIER') return answerSrp(door, responses);
  if (name === 'NEW_PASSWORD_REQUIRED') return answerNewPassword(door, responses, session);
  throw parameterNotImplemented('RespondToAuthChallenge', `ChallengeName ${String(name)}`);
}

async function adminDoor(ctx: Context, poolId: string | undefined, clientId: string | undefined): Promise<Door> {
  const pool = await requirePool(ctx, poolId);
  return { ctx, pool, client: await requireClient(ctx, pool.id, clientId) };
}

export const signInHandlers: HandlersOf<CognitoIdentityProvider> = {
  async InitiateAuth(input, ctx) {
    return begin(await doorOf(ctx, input.ClientId), input.AuthFlow, input.AuthParameters, false);
  },

  async RespondToAuthChallenge(input, ctx) {
    return respond(await doorOf(ctx, input.ClientId), input.ChallengeName, input.ChallengeResponses, input.Session);
  },

  async AdminInitiateAuth(input, ctx) {
    return begin(await adminDoor(ctx, input.UserPoolId, input.ClientId), input.AuthFlow, input.AuthParameters, true);
  },

  async AdminRespondToAuthChallenge(input, ctx) {
    const door = await adminDoor(ctx, input.UserPoolId, input.ClientId);
    return respond(door, input.ChallengeName, input.ChallengeResponses, input.Session);
  },

  /** Throws UnsupportedOperationException where the client does not revoke, NotAuthorizedException for a wrong secret. */
  async RevokeToken(input, ctx) {
    const door = await doorOf(ctx, input.ClientId);
    if (!door.client.revokes)
      throw new AwsError('UnsupportedOperationException', 'Token revocation is not enabled for this client.');
    if (door.client.secret !== undefined) {
      const secret = door.ctx.part('vault').open(door.client.secret, 'cognito-client').toString();
      if (!sameText(secret, input.ClientSecret ?? '')) throw new AwsError('UnauthorizedException', 'Client secret is invalid.');
    }
    await revoke(door, input.Token ?? '');
    return {};
  },
};
