/** Rows of users as every way to make and change one shares them. */
import type { AttributeType, UserType } from '@aws-sdk/client-cognito-identity-provider';
import type { Context, Transaction } from '../../kernel/context.ts';
import { aliasExists, invalidParameter, usernameExists } from './errors.ts';
import { requireUser } from './lookup.ts';
import { aliasesOf, isEmail, keyOf } from './rules.ts';
import { Memberships, type PoolRow, Sessions, type UserRow, type UserStatus, Users } from './state.ts';

/** Attributes as answers list them. */
export function listAttributes(attributes: Readonly<Record<string, string>>, only?: readonly string[]): AttributeType[] {
  const readable = only === undefined ? undefined : new Set([...only, 'sub']);
  return Object.entries(attributes)
    .filter(([name]) => readable === undefined || readable.has(name))
    .map(([Name, Value]) => ({ Name, Value }));
}

/** A user as lists show it. */
export function describeUser(row: UserRow): UserType {
  return {
    Username: row.username,
    Attributes: listAttributes(row.attributes),
    UserCreateDate: new Date(row.created),
    UserLastModifiedDate: new Date(row.changed),
    Enabled: row.enabled,
    UserStatus: row.status,
  };
}

/** The attribute in whose place a name is given, in pools without names of their own. Throws InvalidParameterException for neither. */
function nameAttribute({ usernameAttributes }: PoolRow, name: string): 'email' | 'phone_number' | undefined {
  if (usernameAttributes.length === 0) return undefined;
  const found = isEmail(name) ? 'email' : /^\+\d+$/.test(name) ? 'phone_number' : undefined;
  if (found === undefined || !usernameAttributes.includes(found)) {
    const words = { email: 'an email', phone_number: 'a phone number' };
    throw invalidParameter(
      usernameAttributes.length > 1
        ? 'Username should be either an email or a phone number.'
        : `Username should be ${words[usernameAttributes[0] ?? 'email']}.`,
    );
  }
  return found;
}

/** A new user without a password, not yet written. Throws InvalidParameterException for a name that the pool does not take. */
export function newUser(
  ctx: Context,
  pool: PoolRow,
  name: string,
  attributes: Readonly<Record<string, string>>,
  status: UserStatus,
): UserRow {
  const sub = ctx.uuid();
  const named = nameAttribute(pool, name);
  if (pool.aliasAttributes.includes('email') && isEmail(name))
    throw invalidParameter('Username cannot be of email format, since user pool is configured for email alias.');
  const all = { ...(named === undefined ? {} : { [named]: name }), ...attributes, sub };
  const username = named === undefined ? name : sub;
  return {
    pool: pool.id,
    key: keyOf(pool, username),
    username,
    attributes: all,
    status,
    enabled: true,
    created: ctx.now,
    changed: ctx.now,
    codes: {},
    failures: { count: 0, until: 0 },
    aliases: aliasesOf(pool, all),
  };
}

/** Writes a new user. Throws UsernameExistsException with these words; for an address that another signs in by, with its own. */
export async function insertUser(tx: Transaction, pool: PoolRow, user: UserRow, words: string): Promise<void> {
  const users = tx.table(Users);
  if ((await users.get(pool.id, user.key)) !== undefined) throw usernameExists(words);
  for (const alias of user.aliases)
    if ((await users.firstByIndex('alias', [pool.id, alias])) !== undefined) {
      const attribute = alias.split(':')[0] ?? '';
      if (pool.usernameAttributes.length > 0) throw usernameExists(words);
      throw aliasExists(attribute);
    }
  await users.put(user);
}

/** Changes a user in one transaction: `change` returns what differs. Throws UserNotFoundException, AliasExistsException. */
export async function changeUser(
  ctx: Context,
  pool: PoolRow,
  name: string | undefined,
  change: (user: UserRow, tx: Transaction) => Partial<UserRow> | Promise<Partial<UserRow>>,
): Promise<UserRow> {
  return ctx.transact(async (tx) => {
    const before = await requireUser(tx, pool, name);
    const merged = { ...before, ...(await change(before, tx)), changed: ctx.now };
    const after = { ...merged, aliases: aliasesOf(pool, merged.attributes) };
    for (const alias of after.aliases.filter((entry) => !before.aliases.includes(entry))) {
      const other = await tx.table(Users).firstByIndex('alias', [pool.id, alias]);
      if (other !== undefined && other.key !== before.key) throw aliasExists(alias.split(':')[0] ?? '');
    }
    await tx.table(Users).put(after);
    return after;
  });
}

/** Removes a user, its memberships and its sign-ins. */
export async function removeUser(tx: Transaction, user: UserRow): Promise<void> {
  await tx.table(Users).delete(user.pool, user.key);
  for (const { group } of await tx.table(Memberships).byIndex('user', [user.pool, user.key]))
    await tx.table(Memberships).delete(user.pool, group, user.key);
  await signOut(tx, user);
}

/** Ends every sign-in of a user: refresh tokens, and what access tokens can do here. */
export async function signOut(tx: Transaction, user: Pick<UserRow, 'pool' | 'key'>): Promise<void> {
  for (const { token } of await tx.table(Sessions).byIndex('user', [user.pool, user.key]))
    await tx.table(Sessions).delete(user.pool, token);
}

/**
 * A user's attributes after a change. An address that was changed is not verified any more, unless the change says so. Throws InvalidParameterException
 * for one that the pool's schema makes immutable once it is set.
 */
export function changedAttributes(
  { custom }: PoolRow,
  before: Readonly<Record<string, string>>,
  changes: Readonly<Record<string, string>>,
): Record<string, string> {
  for (const { Name = '', Mutable } of custom)
    if (Mutable === false && before[Name] !== undefined && changes[Name] !== undefined && changes[Name] !== before[Name])
      throw invalidParameter(`Attributes did not conform to the schema: ${Name}: Attribute cannot be updated.\n`);
  const all = { ...before, ...changes };
  for (const name of ['email', 'phone_number'])
    if (changes[name] !== undefined && changes[name] !== before[name] && changes[`${name}_verified`] === undefined)
      all[`${name}_verified`] = 'false';
  return all;
}
