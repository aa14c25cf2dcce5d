/** Passwords of users: made, checked, and the lock after too many wrong ones (Developer Guide, "Lockout behavior"). */
import type { Context } from '../../kernel/context.ts';
import { notAuthorized } from './errors.ts';
import { failuresFree, lockMillisMax } from './rules.ts';
import { isPassword, type Owner, verifierOf } from './srp.ts';
import { type PoolRow, type UserRow, Users } from './state.ts';

const saltBytes = 16;
const kinds = ['ABCDEFGHJKLMNPQRSTUVWXYZ', 'abcdefghijkmnpqrstuvwxyz', '23456789', '!@#$%^&*-_'] as const;

/** Who the user is in the protocol of its password. */
export function ownerOf(pool: Pick<PoolRow, 'id'>, user: Pick<UserRow, 'username'>): Owner {
  return { poolName: pool.id.split('_')[1] ?? '', username: user.username };
}

/** What is kept of a new password. */
export function keep(
  ctx: Context,
  pool: PoolRow,
  user: Pick<UserRow, 'username'>,
  password: string,
): NonNullable<UserRow['password']> {
  const salt = Buffer.from(ctx.bytes(saltBytes)).toString('hex');
  return { salt, verifier: verifierOf(ownerOf(pool, user), password, salt) };
}

/** A temporary password that every policy takes. */
export function temporaryPassword(ctx: Context, { passwords }: PoolRow): string {
  const length = Math.max(8, passwords.MinimumLength);
  const bytes = ctx.bytes(length);
  return Array.from(bytes, (byte, index) => {
    const alphabet = kinds[index % kinds.length] ?? kinds[0];
    return alphabet.charAt(byte % alphabet.length);
  }).join('');
}

/** Throws NotAuthorizedException while the user is locked. */
export function checkLock(ctx: Context, { failures }: UserRow): void {
  if (failures.until > ctx.now) throw notAuthorized('Password attempts exceeded');
}

/** Whether a password is the user's; a wrong one counts towards the lock, a right one ends the count. */
export async function tryPassword(ctx: Context, pool: PoolRow, user: UserRow, password: string): Promise<boolean> {
  checkLock(ctx, user);
  const right = user.password !== undefined && isPassword(ownerOf(pool, user), password, user.password);
  await noteAttempt(ctx, user, right);
  return right;
}

/** Counts an attempt. */
export async function noteAttempt(ctx: Context, user: UserRow, right: boolean): Promise<void> {
  if (right && user.failures.count === 0) return;
  await ctx.transact(async (tx) => {
    const row = await tx.table(Users).get(user.pool, user.key);
    if (row === undefined) return;
    const count = right ? 0 : row.failures.count + 1;
    const lock = count < failuresFree ? 0 : Math.min(lockMillisMax, 1000 * 2 ** (count - failuresFree));
    await tx.table(Users).put({ ...row, failures: { count, until: lock === 0 ? 0 : ctx.now + lock } });
  });
}
