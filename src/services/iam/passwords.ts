/**
 * Passwords: how they are kept (scrypt, never in clear), and the account's rules for them. Source: IAM User Guide, "Set an account password
 * policy for IAM users", and its default policy, which holds while the account has set none.
 */
import { scrypt, timingSafeEqual } from 'node:crypto';
import { promisify } from 'node:util';
import type { Millis } from '../../base/clock.ts';
import { AwsError } from '../../kernel/errors.ts';
import type { LoginProfileRow, PasswordHash, PasswordPolicy } from './state.ts';

const derive = promisify<string, Uint8Array, number, { N: number; r: number; p: number }, Buffer>(scrypt);
/** Cost of one hash: some 20 ms, so that even 24 former passwords are compared within half a second. */
const cost = { N: 8192, r: 8, p: 1 };
const hashBytes = 32;
/** Bytes of salt that callers draw. */
export const saltBytes = 16;
/** Former passwords kept: the most that a policy can forbid to use again, the current one included. */
export const formerMax = 23;

/** Hashes a password with fresh salt. */
export async function hashPassword(password: string, salt: Uint8Array): Promise<PasswordHash> {
  return { salt, hash: new Uint8Array(await derive(password, salt, hashBytes, cost)) };
}

/** Whether this is the password that was hashed. */
export async function isPassword(password: string, { salt, hash }: PasswordHash): Promise<boolean> {
  return timingSafeEqual(await derive(password, salt, hashBytes, cost), hash);
}

/** What UpdateAccountPasswordPolicy sets where the request says nothing. */
export const policyDefaults: PasswordPolicy = {
  minimumLength: 6,
  requireSymbols: false,
  requireNumbers: false,
  requireUppercase: false,
  requireLowercase: false,
  allowUsersToChange: false,
};

const defaultMinimumLength = 8;
/** Sorts of characters, of four, that the default policy asks for. */
const defaultSorts = 3;
const symbols = /[!@#$%^&*()_+\-=[\]{}|']/;

const sorts = [
  { member: 'requireUppercase', form: /[A-Z]/, words: 'Password should have at least one uppercase letter' },
  { member: 'requireLowercase', form: /[a-z]/, words: 'Password should have at least one lowercase letter' },
  { member: 'requireNumbers', form: /[0-9]/, words: 'Password should have at least one number' },
  { member: 'requireSymbols', form: symbols, words: 'Password should have at least one symbol' },
] as const;

/** A password that the account's policy refuses. */
function policyViolation(message: string): AwsError {
  return new AwsError('PasswordPolicyViolation', message);
}

/** Throws PasswordPolicyViolation, with everything that is missing, when the password breaks the account's policy. */
export function checkPassword(password: string, policy: PasswordPolicy | undefined): void {
  const problems: string[] = [];
  const minimum = policy?.minimumLength ?? defaultMinimumLength;
  if ([...password].length < minimum) problems.push(`Password should have a minimum length of ${minimum}`);
  const missing = sorts.filter(({ form }) => !form.test(password));
  if (policy === undefined) {
    const lacking = defaultSorts - (sorts.length - missing.length);
    const choice = missing.map(({ words }) => words).join(', ');
    if (lacking > 0) problems.push(`Password should meet ${lacking} more of the following requirements: ${choice}`);
  } else problems.push(...missing.filter(({ member }) => policy[member]).map(({ words }) => words));
  if (problems.length > 0) throw policyViolation(problems.join(', '));
}

/** Throws PasswordPolicyViolation when the password is among the latest that the policy forbids to use again; the current one is the first of them. */
export async function checkReuse(password: string, profile: LoginProfileRow, policy: PasswordPolicy | undefined): Promise<void> {
  const forbidden = [profile.password, ...profile.former].slice(0, policy?.reusePrevention ?? 0);
  for (const hash of forbidden) {
    if (await isPassword(password, hash)) throw policyViolation('Password does not conform to the account password policy.');
  }
}

const dayMillis = 86_400_000;

/** When a password expires; undefined when it never does. */
function expiryOf(changed: Millis, policy: PasswordPolicy | undefined): Millis | undefined {
  return policy?.maxAge === undefined ? undefined : changed + policy.maxAge * dayMillis;
}

/** What a right password leads to: `change` demands a new one first, `expired` leaves it to an administrator. */
export type PasswordState = 'valid' | 'change' | 'expired';

/** The state of a password at a time: an expired one must be changed, or with HardExpiry cannot be by its user. */
export function passwordState(profile: LoginProfileRow, policy: PasswordPolicy | undefined, now: Millis): PasswordState {
  const expiry = expiryOf(profile.changed, policy);
  if (expiry !== undefined && expiry <= now) return policy?.hardExpiry === true ? 'expired' : 'change';
  return profile.resetRequired ? 'change' : 'valid';
}
