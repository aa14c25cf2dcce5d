/**
 * IAM's rows. All are scoped to the account, because IAM is global (IAM-001). Names are unique without regard to case, so keys hold them in
 * lower case. What belongs to a user names it by its unique id and not by its name: a rename then touches one row, and a deleted user's parts can
 * never fall to a new user of the same name. Rejected: copies of names in member lists, which every rename would have to chase.
 */
import type { Millis } from '../../base/clock.ts';
import { defineTable, type Table, type TableReader } from '../../store/tables.ts';

/** Reads tables, inside a transaction or outside: a Context or a Transaction. */
export interface Reading {
  table<Row, Index extends string>(table: Table<Row, Index>): TableReader<Row, Index>;
}

/** Tags by key, in the order in which they were first given. */
export type TagMap = Readonly<Record<string, string>>;

/** What users, groups and roles have in common. */
export interface PrincipalRow {
  name: string;
  path: string;
  id: string;
  created: Millis;
  /** Inline policies: name to document, as given. */
  inline: Readonly<Record<string, string>>;
  /** ARNs of attached managed policies, in order of attachment. */
  attached: readonly string[];
}

/** What users and roles have in common: identities that can sign requests. */
export interface IdentityRow extends PrincipalRow {
  tags: TagMap;
  /** ARN of the managed policy that bounds its permissions. */
  boundary?: string | undefined;
}

export interface UserRow extends IdentityRow {
  /** Unique ids of the groups it belongs to. */
  groups: readonly string[];
  passwordLastUsed?: Millis | undefined;
}

export const Users = defineTable<UserRow>()({
  name: 'iam.users',
  scope: 'account',
  key: (row) => [row.name.toLowerCase()],
  indexes: {
    byGroup: (row) => row.groups.map((group) => [group]),
    byPolicy: (row) => row.attached.map((arn) => [arn]),
    byBoundary: (row) => (row.boundary === undefined ? undefined : [row.boundary]),
    byId: (row) => [row.id],
  },
  unique: ['byId'],
});

export const Groups = defineTable<PrincipalRow>()({
  name: 'iam.groups',
  scope: 'account',
  key: (row) => [row.name.toLowerCase()],
  indexes: { byPolicy: (row) => row.attached.map((arn) => [arn]), byId: (row) => [row.id] },
  unique: ['byId'],
});

export interface RoleRow extends IdentityRow {
  description?: string | undefined;
  /** Seconds, 3600 to 43200. */
  maxSessionDuration: number;
  /** Trust policy: who may assume it. Users and roles stand in it by unique id. */
  trust: string;
  /** Accounts of those users and roles, by unique id. */
  trusted: Readonly<Record<string, string>>;
  lastUsed?: { at: Millis; region: string } | undefined;
  /** The service that owns it, as `autoscaling.amazonaws.com`: only the service changes such a role. */
  serviceLinked?: string | undefined;
}

export const Roles = defineTable<RoleRow>()({
  name: 'iam.roles',
  scope: 'account',
  key: (row) => [row.name.toLowerCase()],
  indexes: {
    byPolicy: (row) => row.attached.map((arn) => [arn]),
    byBoundary: (row) => (row.boundary === undefined ? undefined : [row.boundary]),
    byId: (row) => [row.id],
  },
  unique: ['byId'],
});

export interface InstanceProfileRow {
  name: string;
  path: string;
  id: string;
  created: Millis;
  /** Unique id of its role; at most one. */
  role?: string | undefined;
  tags: TagMap;
}

export const InstanceProfiles = defineTable<InstanceProfileRow>()({
  name: 'iam.instanceProfiles',
  scope: 'account',
  key: (row) => [row.name.toLowerCase()],
  indexes: { byRole: (row) => (row.role === undefined ? undefined : [row.role]), byId: (row) => [row.id] },
  unique: ['byId'],
});

/** A customer managed policy. Its ARN follows from path and name; neither ever changes. */
export interface PolicyRow {
  name: string;
  path: string;
  id: string;
  description?: string | undefined;
  created: Millis;
  updated: Millis;
  /** Number of the version in force. */
  defaultVersion: number;
  /** Highest number ever given: numbers are not used twice. */
  lastVersion: number;
  tags: TagMap;
}

export const Policies = defineTable<PolicyRow>()({
  name: 'iam.policies',
  scope: 'account',
  key: (row) => [row.name.toLowerCase()],
});

export interface PolicyVersionRow {
  policy: string;
  number: number;
  document: string;
  created: Millis;
}

/** Versions of customer managed policies, by unique id of the policy. Apart from the policies, because documents may be long. */
export const PolicyVersions = defineTable<PolicyVersionRow>()({
  name: 'iam.policyVersions',
  scope: 'account',
  key: (row) => [row.policy, row.number],
});

/** What belongs to one user: `user` is its unique id. */
interface OwnedRow {
  user: string;
  created: Millis;
}

export interface AccessKeyRow extends OwnedRow {
  id: string;
  secret: string;
  active: boolean;
  lastUsed?: { at: Millis; service: string; region: string } | undefined;
}

export const AccessKeys = defineTable<AccessKeyRow>()({
  name: 'iam.accessKeys',
  scope: 'account',
  key: (row) => [row.id],
  indexes: { byUser: (row) => [row.user, row.created] },
});

/** A password as kept: never the password itself. */
export interface PasswordHash {
  salt: Uint8Array;
  hash: Uint8Array;
}

export interface LoginProfileRow extends OwnedRow {
  password: PasswordHash;
  /** When the password was set: its age counts from here. */
  changed: Millis;
  resetRequired: boolean;
  /** Former passwords, latest first, for the reuse rule. */
  former: readonly PasswordHash[];
}

export const LoginProfiles = defineTable<LoginProfileRow>()({
  name: 'iam.loginProfiles',
  scope: 'account',
  key: (row) => [row.user],
});

export interface MfaDeviceRow {
  /** ARN of a virtual device, serial number of a hardware token. */
  serial: string;
  virtual: boolean;
  /** Shared secret of the time-based codes. */
  seed: Uint8Array;
  created: Millis;
  tags: TagMap;
  /** Unique id of its user, or the account id for the root user; absent while unassigned. */
  user?: string | undefined;
  enabled?: Millis | undefined;
  /** Time steps by which the device's clock is off, as found when it was enabled or synchronised. */
  drift: number;
  /** Latest time step whose code was taken: no code works twice. */
  usedStep: number;
}

export const MfaDevices = defineTable<MfaDeviceRow>()({
  name: 'iam.mfaDevices',
  scope: 'account',
  key: (row) => [row.serial],
  indexes: { byUser: (row) => (row.user === undefined ? undefined : [row.user]) },
});

export interface SshKeyRow extends OwnedRow {
  id: string;
  /** `ssh-rsa AAAA…` */
  body: string;
  fingerprint: string;
  active: boolean;
}

export const SshKeys = defineTable<SshKeyRow>()({
  name: 'iam.sshKeys',
  scope: 'account',
  key: (row) => [row.id],
  indexes: { byUser: (row) => [row.user, row.created] },
});

export interface SigningCertificateRow extends OwnedRow {
  id: string;
  body: string;
  /** SHA-256 of the certificate, which must be unique. */
  fingerprint: string;
  active: boolean;
}

export const SigningCertificates = defineTable<SigningCertificateRow>()({
  name: 'iam.signingCertificates',
  scope: 'account',
  key: (row) => [row.id],
  indexes: { byUser: (row) => [row.user, row.created], byFingerprint: (row) => [row.fingerprint] },
});

export interface ServiceCredentialRow extends OwnedRow {
  id: string;
  /** `codecommit.amazonaws.com` */
  service: string;
  /** User name, or for API keys (Bedrock, CloudWatch Logs) their alias. */
  login: string;
  password: PasswordHash;
  active: boolean;
  expires?: Millis | undefined;
}

export const ServiceCredentials = defineTable<ServiceCredentialRow>()({
  name: 'iam.serviceCredentials',
  scope: 'account',
  key: (row) => [row.id],
  indexes: { byUser: (row) => [row.user, row.created] },
});

export interface ServerCertificateRow {
  name: string;
  path: string;
  id: string;
  uploaded: Millis;
  expires: Millis;
  body: string;
  chain?: string | undefined;
  /** Private key in PEM, for what terminates TLS in the cloud; no API shows it. */
  privateKey: string;
  tags: TagMap;
}

export const ServerCertificates = defineTable<ServerCertificateRow>()({
  name: 'iam.serverCertificates',
  scope: 'account',
  key: (row) => [row.name.toLowerCase()],
});

export interface PasswordPolicy {
  minimumLength: number;
  requireSymbols: boolean;
  requireNumbers: boolean;
  requireUppercase: boolean;
  requireLowercase: boolean;
  allowUsersToChange: boolean;
  /** Days, 1 to 1095; absent when passwords do not expire. */
  maxAge?: number | undefined;
  /** 1 to 24; absent when passwords may be used again. */
  reusePrevention?: number | undefined;
  hardExpiry?: boolean | undefined;
}

export interface AccountRow {
  alias?: string | undefined;
  passwordPolicy?: PasswordPolicy | undefined;
  /** When the account was first met: the creation time of its root user. */
  created: Millis;
  /** When the root user last signed in to the console. */
  passwordLastUsed?: Millis | undefined;
}

/** The account's own settings: one row. */
export const AccountSettings = defineTable<AccountRow>()({
  name: 'iam.account',
  scope: 'account',
  key: () => ['settings'],
});

export interface AliasRow {
  alias: string;
  account: string;
}

/**
 * Aliases are unique in the whole cloud. A row here is only a claim: the alias is taken while its account's settings say so too, which frees it
 * when the account is reset.
 */
export const Aliases = defineTable<AliasRow>()({ name: 'iam.aliases', scope: 'cloud', key: (row) => [row.alias] });
