/** Limits and pure checks of user pools. Source: Developer Guide, "Working with user attributes", "Adding user pool password requirements", "Quotas". */
import type { AttributeType, SchemaAttributeType } from '@aws-sdk/client-cognito-identity-provider';
import type { Millis } from '../../base/clock.ts';
import { invalidParameter, invalidPassword } from './errors.ts';
import type { ClientRow, PoolRow, SignInAttribute } from './state.ts';

const second: Millis = 1000;
const minute = 60 * second;
const hour = 60 * minute;
const day = 24 * hour;

/** "Codes … are valid for 24 hours" (sign-up and attributes), one hour (a forgotten password). */
export const signUpCodeMillis: Millis = 24 * hour;
export const resetCodeMillis: Millis = hour;
/** "AuthSessionValidity: … 3 minutes" */
export const challengeMillis: Millis = 3 * minute;
const tokenMillisDefault: Millis = hour;
export const refreshDaysDefault = 30;
/** "after five failed attempts": the first lock is a second, doubled with each failure up to about 15 minutes. */
export const failuresFree = 5;
export const lockMillisMax: Millis = 15 * minute;
export const flowsDefault: readonly string[] = ['ALLOW_CUSTOM_AUTH', 'ALLOW_USER_SRP_AUTH', 'ALLOW_REFRESH_TOKEN_AUTH'];
export const flowsKnown: readonly string[] = [
  'ALLOW_ADMIN_USER_PASSWORD_AUTH',
  'ALLOW_CUSTOM_AUTH',
  'ALLOW_USER_PASSWORD_AUTH',
  'ALLOW_USER_SRP_AUTH',
  'ALLOW_REFRESH_TOKEN_AUTH',
];

const text = (name: string, max = '2048', min = '0'): SchemaAttributeType => ({
  Name: name,
  AttributeDataType: 'String',
  DeveloperOnlyAttribute: false,
  Mutable: true,
  Required: false,
  StringAttributeConstraints: { MinLength: min, MaxLength: max },
});
const truth = (name: string): SchemaAttributeType => ({
  Name: name,
  AttributeDataType: 'Boolean',
  DeveloperOnlyAttribute: false,
  Mutable: true,
  Required: false,
});

/** The standard attributes of OpenID Connect that every pool has. */
export const standardAttributes: readonly SchemaAttributeType[] = [
  { ...text('sub', '2048', '1'), Mutable: false, Required: true },
  ...['name', 'given_name', 'family_name', 'middle_name', 'nickname', 'preferred_username', 'profile', 'picture', 'website'].map(
    (name) => text(name),
  ),
  text('email'),
  truth('email_verified'),
  text('gender'),
  text('birthdate', '10', '10'),
  ...['zoneinfo', 'locale', 'phone_number'].map((name) => text(name)),
  truth('phone_number_verified'),
  text('address'),
  {
    Name: 'updated_at',
    AttributeDataType: 'Number',
    DeveloperOnlyAttribute: false,
    Mutable: true,
    Required: false,
    NumberAttributeConstraints: { MinValue: '0' },
  },
];

/** Throws InvalidPasswordException with the first rule of the pool that a password breaks. */
export function checkPassword({ passwords }: PoolRow, password: string): void {
  if ([...password].length < passwords.MinimumLength) throw invalidPassword('Password not long enough');
  if (passwords.RequireUppercase && !/[A-Z]/.test(password)) throw invalidPassword('Password must have uppercase characters');
  if (passwords.RequireLowercase && !/[a-z]/.test(password)) throw invalidPassword('Password must have lowercase characters');
  if (passwords.RequireNumbers && !/\d/.test(password)) throw invalidPassword('Password must have numeric characters');
  if (passwords.RequireSymbols && !/[\^$*.[\]{}()?"!@#%&/\\,><':;|_~`=+\- ]/.test(password.trim()))
    throw invalidPassword('Password must have symbol characters');
}

const phone = /^\+\d{4,15}$/;
const email = /^[^\s@]+@[^\s@]+$/;

export const isEmail = (value: string): boolean => email.test(value);

export type Sender = 'user' | 'administrator';

/**
 * The attributes of a request as a record. Throws InvalidParameterException for one that the pool has not, that is not of its form, or that this
 * sender may not set: `sub`, and of users whether an address is verified.
 */
export function readAttributes(
  pool: PoolRow,
  list: readonly AttributeType[] | undefined,
  sender: Sender,
): Record<string, string> {
  const schema = new Map([...standardAttributes, ...pool.custom].map((attribute) => [attribute.Name ?? '', attribute]));
  const values: Record<string, string> = {};
  for (const { Name: name = '', Value: value = '' } of list ?? []) {
    const known = schema.get(name);
    if (known === undefined)
      throw invalidParameter(`Attributes did not conform to the schema: ${name}: Attribute does not exist in the schema.\n`);
    const isAdministrators = name.endsWith('_verified') || known.DeveloperOnlyAttribute === true;
    if (name === 'sub' || (sender === 'user' && isAdministrators))
      throw invalidParameter(`Attributes did not conform to the schema: ${name}: Attribute cannot be updated.\n`);
    checkValue(known, value);
    values[name] = value;
  }
  return values;
}

function checkValue(
  {
    Name: name = '',
    StringAttributeConstraints: lengths,
    NumberAttributeConstraints: bounds,
    AttributeDataType: type,
  }: SchemaAttributeType,
  value: string,
): void {
  if (name === 'email' && value !== '' && !email.test(value)) throw invalidParameter('Invalid email address format.');
  if (name === 'phone_number' && value !== '' && !phone.test(value)) throw invalidParameter('Invalid phone number format.');
  if (type === 'Boolean' && !/^(true|false)$/i.test(value))
    throw invalidParameter(`Attributes did not conform to the schema: ${name}: Attribute must be a boolean\n`);
  if (type === 'Number' && (value === '' || Number.isNaN(Number(value))))
    throw invalidParameter(`Attributes did not conform to the schema: ${name}: Attribute must be a number\n`);
  const { MinValue = Number.NEGATIVE_INFINITY, MaxValue = Number.POSITIVE_INFINITY } = bounds ?? {};
  if (type === 'Number' && (Number(value) < Number(MinValue) || Number(value) > Number(MaxValue)))
    throw invalidParameter(
      `Attributes did not conform to the schema: ${name}: Number must be between ${MinValue} and ${MaxValue}\n`,
    );
  const { MinLength, MaxLength } = lengths ?? {};
  if (MaxLength !== undefined && value.length > Number(MaxLength))
    throw invalidParameter(
      `Attributes did not conform to the schema: ${name}: String must be no longer than ${MaxLength} characters\n`,
    );
  if (MinLength !== undefined && value.length < Number(MinLength))
    throw invalidParameter(
      `Attributes did not conform to the schema: ${name}: String must be at least ${MinLength} characters\n`,
    );
}

/** Throws InvalidParameterException for attributes that the pool wants and a new user has not. */
export function checkRequired({ required }: PoolRow, attributes: Readonly<Record<string, string>>): void {
  const missing = required.filter((name) => attributes[name] === undefined);
  if (missing.length > 0)
    throw invalidParameter(
      `Attributes did not conform to the schema: ${missing.map((name) => `${name}: The attribute ${name} is required\n`).join('')}`,
    );
}

/** What a user with these attributes can sign in by, beside its own name. Other names than usernames count only once they are verified. */
export function aliasesOf(pool: PoolRow, attributes: Readonly<Record<string, string>>): string[] {
  const named = pool.usernameAttributes.filter((name) => attributes[name] !== undefined);
  const beside = pool.aliasAttributes.filter(
    (name) => attributes[name] !== undefined && (name === 'preferred_username' || attributes[`${name}_verified`] === 'true'),
  );
  return [...named, ...beside].map((name) => aliasOf(pool, name, attributes[name] ?? ''));
}

/** The form in which an alias is found. */
export function aliasOf(pool: PoolRow, attribute: SignInAttribute, value: string): string {
  return `${attribute}:${keyOf(pool, value)}`;
}

/** The form in which a name is found. */
export function keyOf({ caseSensitive }: PoolRow, name: string): string {
  return caseSensitive ? name : name.toLowerCase();
}

const unitMillis: Readonly<Record<string, Millis>> = { seconds: second, minutes: minute, hours: hour, days: day };

/** How long a client's tokens are good, in milliseconds. */
export function validityOf({ validity, units }: Pick<ClientRow, 'validity' | 'units'>): {
  access: Millis;
  id: Millis;
  refresh: Millis;
} {
  const of = (value: number | undefined, unit: string): Millis =>
    value === undefined ? tokenMillisDefault : value * (unitMillis[unit] ?? hour);
  return {
    access: of(validity.access, units.access ?? 'hours'),
    id: of(validity.id, units.id ?? 'hours'),
    refresh: of(validity.refresh, units.refresh ?? 'days'),
  };
}
