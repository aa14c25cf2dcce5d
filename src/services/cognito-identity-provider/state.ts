/**
 * Rows of user pools. Passwords are kept as SRP verifiers only, from which nobody learns them; signing keys and client secrets are sealed. Callers
 * without a signature name a pool or a client by its id alone, so a directory tells where each of them lives.
 */
import type { PasswordPolicyType, SchemaAttributeType } from '@aws-sdk/client-cognito-identity-provider';
import type { Millis } from '../../base/clock.ts';
import { defineTable } from '../../store/tables.ts';

export type SignInAttribute = 'email' | 'phone_number' | 'preferred_username';
export type VerifiedAttribute = 'email' | 'phone_number';
export type TagMap = Readonly<Record<string, string>>;

/** A pair of keys for tokens: the public one as a JSON Web Key, the private one in PKCS 8, sealed. */
export interface SigningKey {
  kid: string;
  publicKey: Readonly<Record<string, string>>;
  sealed: Uint8Array;
}

export interface MessageTemplate {
  subject: string;
  body: string;
}

export interface PoolRow {
  id: string;
  name: string;
  created: Millis;
  changed: Millis;
  passwords: Required<Omit<PasswordPolicyType, 'PasswordHistorySize'>>;
  /** Users sign in by one of these instead of a name of their own. */
  usernameAttributes: readonly VerifiedAttribute[];
  /** Users may sign in by one of these beside their name. */
  aliasAttributes: readonly SignInAttribute[];
  autoVerified: readonly VerifiedAttribute[];
  caseSensitive: boolean;
  adminOnly: boolean;
  deletionProtected: boolean;
  custom: readonly SchemaAttributeType[];
  required: readonly string[];
  /** Where codes for a forgotten password go, the first first; undefined for the default. */
  recovery?: readonly VerifiedAttribute[] | undefined;
  verification: MessageTemplate;
  invitation: MessageTemplate;
  tags: TagMap;
  keys: { id: SigningKey; access: SigningKey };
}

export const Pools = defineTable<PoolRow>()({ name: 'cognito.pools', scope: 'region', key: (row) => [row.id] });

export interface ValidityUnits {
  access: string;
  id: string;
  refresh: string;
}

export interface ClientRow {
  pool: string;
  id: string;
  name: string;
  /** Sealed. */
  secret?: Uint8Array | undefined;
  created: Millis;
  changed: Millis;
  flows: readonly string[];
  /** As given, in the units beside; undefined for the default. */
  validity: { access?: number | undefined; id?: number | undefined; refresh: number };
  units: Partial<ValidityUnits>;
  hidesUsers: boolean;
  revokes: boolean;
  readable?: readonly string[] | undefined;
  writable?: readonly string[] | undefined;
}

export const Clients = defineTable<ClientRow>()({ name: 'cognito.clients', scope: 'region', key: (row) => [row.pool, row.id] });

export interface PlaceRow {
  id: string;
  account: string;
  region: string;
  /** Of a client: its pool. */
  pool: string;
}

/** Where pools and clients are. */
export const Places = defineTable<PlaceRow>()({ name: 'cognito.places', scope: 'cloud', key: (row) => [row.id] });

export type UserStatus = 'UNCONFIRMED' | 'CONFIRMED' | 'FORCE_CHANGE_PASSWORD' | 'RESET_REQUIRED';

export interface CodeFacts {
  code: string;
  until: Millis;
  /** Attribute that it was sent to. */
  attribute: VerifiedAttribute;
}

export interface UserRow {
  pool: string;
  /** The name in lower case where the pool does not tell case apart. */
  key: string;
  username: string;
  attributes: Readonly<Record<string, string>>;
  /** Undefined until there is a password. */
  password?: { salt: string; verifier: string } | undefined;
  /** When a temporary password ends. */
  temporaryUntil?: Millis | undefined;
  status: UserStatus;
  enabled: boolean;
  created: Millis;
  changed: Millis;
  codes: {
    signUp?: CodeFacts | undefined;
    reset?: CodeFacts | undefined;
    email?: CodeFacts | undefined;
    phone_number?: CodeFacts | undefined;
  };
  failures: { count: number; until: Millis };
  /** What it can sign in by beside its key: `email:a@b`, in the pool's case. */
  aliases: readonly string[];
}

export const Users = defineTable<UserRow>()({
  name: 'cognito.users',
  scope: 'region',
  key: (row) => [row.pool, row.key],
  indexes: {
    alias: (row) => row.aliases.map((alias) => [row.pool, alias]),
    sub: (row) => [row.pool, row.attributes['sub'] ?? ''],
  },
});

export interface GroupRow {
  pool: string;
  name: string;
  description?: string | undefined;
  precedence?: number | undefined;
  roleArn?: string | undefined;
  created: Millis;
  changed: Millis;
}

export const Groups = defineTable<GroupRow>()({ name: 'cognito.groups', scope: 'region', key: (row) => [row.pool, row.name] });

export interface MembershipRow {
  pool: string;
  group: string;
  user: string;
}

export const Memberships = defineTable<MembershipRow>()({
  name: 'cognito.memberships',
  scope: 'region',
  key: (row) => [row.pool, row.group, row.user],
  indexes: { user: (row) => [row.pool, row.user] },
});

/** A sign-in: while it is there and not over, its refresh token is good, and the access tokens that came from it are not revoked. */
export interface SessionRow {
  /** SHA-256 of the refresh token, in hexadecimal. */
  token: string;
  pool: string;
  client: string;
  user: string;
  /** `origin_jti` of its tokens. */
  origin: string;
  authenticated: Millis;
  until: Millis;
}

export const Sessions = defineTable<SessionRow>()({
  name: 'cognito.sessions',
  scope: 'region',
  key: (row) => [row.pool, row.token],
  indexes: { user: (row) => [row.pool, row.user], origin: (row) => [row.pool, row.origin] },
});
