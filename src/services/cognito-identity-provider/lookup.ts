/** Finding pools, clients and users by what requests name them. */
import { createHmac } from 'node:crypto';
import type { Context, Scope, Transaction } from '../../kernel/context.ts';
import type { TableReader } from '../../store/tables.ts';
import { type PageKey, pageOf } from '../../base/paging.ts';
import { invalidParameter, noSuchClient, noSuchPool, noSuchUser, notAuthorized } from './errors.ts';
import { aliasOf, keyOf } from './rules.ts';
import { sameText } from './srp.ts';
import { type ClientRow, Clients, Places, type PoolRow, Pools, type UserRow, Users } from './state.ts';

export function poolArn({ account, region }: Scope, id: string): string {
  return `arn:aws:cognito-idp:${region}:${account}:userpool/${id}`;
}

/** A pool of the caller's account and Region. Throws ResourceNotFoundException. */
export async function requirePool(ctx: Context, id = ''): Promise<PoolRow> {
  if (!/^[\w-]+_[0-9a-zA-Z]+$/.test(id))
    throw invalidParameter(
      `1 validation error detected: Value '${id}' at 'userPoolId' failed to satisfy constraint: Member must satisfy regular expression pattern: [\\w-]+_[0-9a-zA-Z]+`,
    );
  const row = await ctx.table(Pools).get(id);
  if (row === undefined) throw noSuchPool(id);
  return row;
}

export async function requireClient(ctx: Context, pool: string, id = ''): Promise<ClientRow> {
  const row = await ctx.table(Clients).get(pool, id);
  if (row === undefined) throw noSuchClient(id);
  return row;
}

/** What a caller without a signature works on: its pool, its client, and a context in their account and Region. */
export interface Door {
  ctx: Context;
  pool: PoolRow;
  client: ClientRow;
}

/** The door that a client's id opens. Throws ResourceNotFoundException. */
export async function doorOf(ctx: Context, clientId = ''): Promise<Door> {
  const place = await ctx.table(Places).get(clientId);
  if (place === undefined || place.id === place.pool) throw noSuchClient(clientId);
  const inside = ctx.inScope({ account: place.account, region: place.region });
  return { ctx: inside, pool: await requirePool(inside, place.pool), client: await requireClient(inside, place.pool, clientId) };
}

/** A pool by its id alone; undefined when there is none. */
export async function findPool(ctx: Context, id: string): Promise<{ ctx: Context; pool: PoolRow } | undefined> {
  const place = await ctx.table(Places).get(id);
  if (place === undefined) return undefined;
  const inside = ctx.inScope({ account: place.account, region: place.region });
  const pool = await inside.table(Pools).get(id);
  return pool && { ctx: inside, pool };
}

/** Checks SECRET_HASH, which clients with a secret must send: HMAC-SHA256 of name and client id. Throws NotAuthorizedException. */
export function checkSecretHash({ ctx, client }: Door, username: string, hash: string | undefined): void {
  if (client.secret === undefined) return;
  if (hash === undefined) throw notAuthorized(`Client ${client.id} is configured with secret but SECRET_HASH was not received`);
  const secret = ctx.part('vault').open(client.secret, 'cognito-client').toString();
  const right = createHmac('sha256', secret).update(`${username}${client.id}`).digest('base64');
  if (!sameText(right, hash)) throw notAuthorized(`Unable to verify secret hash for client ${client.id}`);
}

type Reader = { table: (table: typeof Users) => TableReader<UserRow, 'alias' | 'sub'> };

/** A user by name, sub or alias; undefined when there is none. */
export async function findUser(reader: Context | Transaction, pool: PoolRow, name = ''): Promise<UserRow | undefined> {
  const users = (reader as Reader).table(Users);
  const own = await users.get(pool.id, keyOf(pool, name));
  if (own !== undefined) return own;
  for (const attribute of [...pool.usernameAttributes, ...pool.aliasAttributes]) {
    const found = await users.firstByIndex('alias', [pool.id, aliasOf(pool, attribute, name)]);
    if (found !== undefined) return found;
  }
  return users.firstByIndex('sub', [pool.id, name]);
}

export async function requireUser(reader: Context | Transaction, pool: PoolRow, name: string | undefined): Promise<UserRow> {
  const user = await findUser(reader, pool, name);
  if (user === undefined) throw noSuchUser();
  return user;
}

/** One page of a list. Throws InvalidParameterException for a token that is not of this list. */
export function pageFor<T>(
  scope: string,
  items: readonly T[],
  keyOfItem: (item: T) => PageKey,
  { limit, token }: { limit: number; token: string | undefined },
): { items: T[]; token: string | undefined } {
  const page = pageOf(items, keyOfItem, { scope, token, limit });
  if (page === undefined) throw invalidParameter('Invalid pagination token.');
  return { items: page.items, token: page.nextToken };
}
