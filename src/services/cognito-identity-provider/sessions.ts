/** Sign-ins: the three tokens that one gives, and what an access token proves (Developer Guide, "Understanding user pool JSON web tokens"). */
import { createHash } from 'node:crypto';
import type { AuthenticationResultType } from '@aws-sdk/client-cognito-identity-provider';
import type { JWTPayload } from 'jose';
import type { Context } from '../../kernel/context.ts';
import type { Task } from '../../kernel/service.ts';
import { notAuthorized } from './errors.ts';
import { groupsOf } from './groups.ts';
import { issuerOf, signToken, verifyToken } from './keys.ts';
import { type Door, findPool } from './lookup.ts';
import { validityOf } from './rules.ts';
import { type ClientRow, type PoolRow, type SessionRow, Sessions, type UserRow, Users } from './state.ts';

const refreshBytes = 192;
const scopeOfSignIn = 'aws.cognito.signin.user.admin';
/** After its end a sign-in is known as one that is over for as long. */
const rememberedMillis = 30 * 86_400_000;

function digest(token: string): string {
  return createHash('sha256').update(token).digest('hex');
}

const seconds = (millis: number): number => Math.floor(millis / 1000);

/** Claims that are not text in tokens. */
const truths = new Set(['email_verified', 'phone_number_verified']);

function attributeClaims(client: ClientRow, user: UserRow): JWTPayload {
  const entries = Object.entries(user.attributes).filter(
    ([name]) => name !== 'sub' && (client.readable === undefined || client.readable.includes(name)),
  );
  return Object.fromEntries(entries.map(([name, value]) => [name, truths.has(name) ? value === 'true' : value]));
}

/** ID and access token of a sign-in. */
async function tokensOf({ ctx, pool, client }: Door, user: UserRow, session: SessionRow): Promise<AuthenticationResultType> {
  const groups = await groupsOf(ctx, user);
  const validity = validityOf(client);
  const sub = user.attributes['sub'] ?? '';
  const shared: JWTPayload = {
    sub,
    ...(groups.length === 0 ? {} : { 'cognito:groups': groups.map(({ name }) => name) }),
    iss: issuerOf(pool.id),
    origin_jti: session.origin,
    event_id: ctx.uuid(),
    auth_time: seconds(session.authenticated),
    iat: seconds(ctx.now),
  };
  const roles = groups.flatMap(({ roleArn }) => roleArn ?? []);
  const [AccessToken, IdToken] = await Promise.all([
    signToken(ctx, pool.keys.access, {
      ...shared,
      client_id: client.id,
      token_use: 'access',
      scope: scopeOfSignIn,
      exp: seconds(ctx.now + validity.access),
      jti: ctx.uuid(),
      username: user.username,
    }),
    signToken(ctx, pool.keys.id, {
      ...shared,
      ...attributeClaims(client, user),
      ...(roles.length === 0 ? {} : { 'cognito:roles': roles, 'cognito:preferred_role': roles[0] }),
      'cognito:username': user.username,
      aud: client.id,
      token_use: 'id',
      exp: seconds(ctx.now + validity.id),
      jti: ctx.uuid(),
    }),
  ]);
  return { AccessToken, IdToken, ExpiresIn: seconds(validity.access), TokenType: 'Bearer' };
}

/** Signs a user in. */
export async function signIn(door: Door, user: UserRow): Promise<AuthenticationResultType> {
  const { ctx, pool, client } = door;
  const token = Buffer.from(ctx.bytes(refreshBytes)).toString('base64url');
  const session: SessionRow = {
    token: digest(token),
    pool: pool.id,
    client: client.id,
    user: user.key,
    origin: ctx.uuid(),
    authenticated: ctx.now,
    until: ctx.now + validityOf(client).refresh,
  };
  await ctx.transact(async (tx) => {
    await tx.table(Sessions).put(session);
    await tx.schedule({
      task: 'forgetSession',
      key: session.token,
      due: session.until + rememberedMillis,
      payload: { pool: pool.id },
    });
  });
  return { ...(await tokensOf(door, user, session)), RefreshToken: token };
}

/** Forgets a sign-in whose tokens are all over. */
export const forgetSession: Task = async (job, ctx) => {
  const { pool } = job.payload as { pool: string };
  await ctx.transact((tx) => tx.table(Sessions).delete(pool, job.key));
};

async function findSession({ ctx, pool, client }: Door, token: string): Promise<SessionRow> {
  const session = await ctx.table(Sessions).get(pool.id, digest(token));
  if (session === undefined || session.client !== client.id) throw notAuthorized('Invalid Refresh Token');
  if (session.until <= ctx.now) throw notAuthorized('Refresh Token has expired');
  return session;
}

/** New tokens for a refresh token, which stays the same. Throws NotAuthorizedException. */
export async function refresh(door: Door, token: string): Promise<AuthenticationResultType> {
  const session = await findSession(door, token);
  const user = await door.ctx.table(Users).get(door.pool.id, session.user);
  if (user === undefined) throw notAuthorized('Invalid Refresh Token');
  if (!user.enabled) throw notAuthorized('User is disabled.');
  return tokensOf(door, user, session);
}

/** Ends one sign-in by its refresh token; one that is gone already is no error. */
export async function revoke(door: Door, token: string): Promise<void> {
  await door.ctx.transact((tx) => tx.table(Sessions).delete(door.pool.id, digest(token)));
}

/** Who an access token is of: a context in the pool's account and Region, the pool and the user. */
export interface Bearer {
  ctx: Context;
  pool: PoolRow;
  user: UserRow;
  clientId: string;
}

function poolIdOf(token: string): string {
  try {
    const claims = JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString()) as { iss?: unknown };
    return String(claims.iss).split('/').at(-1) ?? '';
  } catch {
    return '';
  }
}

/** The bearer of an access token. Throws NotAuthorizedException for one that is none, is over, or was revoked. */
export async function bearerOf(ctx: Context, token = ''): Promise<Bearer> {
  const place = await findPool(ctx, poolIdOf(token));
  if (place === undefined) throw notAuthorized('Invalid Access Token');
  const verdict = await verifyToken(place.ctx, place.pool, token);
  if ('problem' in verdict)
    throw notAuthorized(verdict.problem === 'expired' ? 'Access Token has expired' : 'Invalid Access Token');
  const { token_use: use, origin_jti: origin, client_id: clientId } = verdict.claims;
  if (use !== 'access') throw notAuthorized('Invalid Access Token');
  const session = await place.ctx.table(Sessions).firstByIndex('origin', [place.pool.id, String(origin)]);
  if (session === undefined) throw notAuthorized('Access Token has been revoked');
  const user = await place.ctx.table(Users).get(place.pool.id, session.user);
  if (user === undefined) throw notAuthorized('Invalid Access Token');
  if (!user.enabled) throw notAuthorized('User is disabled.');
  return { ...place, user, clientId: String(clientId) };
}
