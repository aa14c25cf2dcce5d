/**
 * What IAM offers to other services inside the process, for what AWS does internally: STS looks roles and trust policies up and checks codes of MFA
 * devices, EC2 finds the role of an instance profile, the console checks passwords. Types only may be imported from here.
 */
import { parseArn } from '../../base/arn.ts';
import type { Identity } from '../../kernel/caller.ts';
import type { Context } from '../../kernel/context.ts';
import { parseEntityArn, roleArn } from './arns.ts';
import { cannotBeFound } from './errors.ts';
import { policiesOfRole, policiesOfUser, userIdentity } from './identities.ts';
import { passwordPolicyOf } from './login-profiles.ts';
import { documentInForce } from './managed-policies.ts';
import { devicesOf, takeCode } from './mfa.ts';
import { type OidcProviderRow, OidcProviders, oidcArn } from './oidc-providers.ts';
import { isPassword, type PasswordState, passwordState } from './passwords.ts';
import { checkRootPassword, type RootAnswer } from './root.ts';
import { type SamlProviderRow, SamlProviders, samlArn } from './saml-providers.ts';
import {
  InstanceProfiles,
  type InstanceProfileRow,
  LoginProfiles,
  type MfaDeviceRow,
  type RoleRow,
  Roles,
  ServerCertificates,
  type ServerCertificateRow,
  type UserRow,
  Users,
} from './state.ts';

export type { OidcProviderRow } from './oidc-providers.ts';
export type { SamlProviderRow } from './saml-providers.ts';
export type { InstanceProfileRow, MfaDeviceRow, RoleRow, ServerCertificateRow, UserRow } from './state.ts';

/** What sign-in with a password leads to; `wrong` covers unknown users, so that names cannot be probed. */
export type PasswordAnswer = { state: 'wrong' } | { state: PasswordState; identity: Identity; devices: readonly MfaDeviceRow[] };

export interface IamApi {
  findUser(account: string, name: string): Promise<UserRow | undefined>;
  findUserById(account: string, id: string): Promise<UserRow | undefined>;
  findRole(account: string, name: string): Promise<RoleRow | undefined>;
  /** Throws NoSuchEntity. */
  requireRole(account: string, name: string): Promise<RoleRow>;
  /** By ARN: name compared without case, path with; undefined for a role that is not there. */
  findRoleByArn(arn: string): Promise<{ account: string; row: RoleRow } | undefined>;
  roleArn(account: string, row: RoleRow): string;
  findInstanceProfile(account: string, name: string): Promise<InstanceProfileRow | undefined>;
  /** The role of an instance profile, if it has one. */
  roleOf(account: string, profile: InstanceProfileRow): Promise<RoleRow | undefined>;
  policiesOfUser(account: string, row: UserRow): ReturnType<typeof policiesOfUser>;
  policiesOfRole(account: string, row: RoleRow): ReturnType<typeof policiesOfRole>;
  userIdentity(account: string, row: UserRow): Identity;
  /** Whether the device is enabled for the user, by unique id (the root user's is its account id). */
  hasMfaDevice(account: string, userId: string, serial: string): Promise<boolean>;
  /** Takes a code of a device of a user, by unique id (the root user's is its account id). True once for a right code. */
  takeMfaCode(account: string, userId: string, serial: string, code: string): Promise<boolean>;
  /** Checks a console password. Does not ask for codes: `devices` says whether one must be asked for. */
  checkPassword(account: string, userName: string, password: string): Promise<PasswordAnswer>;
  /** Checks a root user's e-mail address and password for the console. */
  checkRootPassword(email: string, password: string): Promise<RootAnswer>;
  /** The document in force of a managed policy that this account can use; undefined when there is none. */
  policyDocument(account: string, arn: string): Promise<string | undefined>;
  /** By issuer as a token names it, with its ARN. */
  findOidcProvider(account: string, issuer: string): Promise<{ arn: string; row: OidcProviderRow } | undefined>;
  /** By ARN. */
  findSamlProvider(arn: string): Promise<{ account: string; row: SamlProviderRow } | undefined>;
  /** A server certificate with its private key, for what terminates TLS. */
  findServerCertificate(account: string, name: string): Promise<ServerCertificateRow | undefined>;
}

/** The api over a context of IAM's own. */
export function createApi(system: Context): IamApi {
  const of = (account: string): Context => system.inScope({ account });
  const findRole = (account: string, name: string) => of(account).table(Roles).get(name.toLowerCase());
  return {
    findUser: (account, name) => of(account).table(Users).get(name.toLowerCase()),
    findUserById: (account, id) => of(account).table(Users).firstByIndex('byId', [id]),
    findRole,
    async requireRole(account, name) {
      const row = await findRole(account, name);
      if (row === undefined) throw cannotBeFound('role', name);
      return row;
    },
    async findRoleByArn(arn) {
      const parsed = parseEntityArn('role', arn);
      if (parsed === undefined) return undefined;
      const row = await findRole(parsed.account, parsed.name);
      return row === undefined || row.path !== parsed.path ? undefined : { account: parsed.account, row };
    },
    roleArn,
    findInstanceProfile: (account, name) => of(account).table(InstanceProfiles).get(name.toLowerCase()),
    async roleOf(account, profile) {
      return profile.role === undefined ? undefined : of(account).table(Roles).firstByIndex('byId', [profile.role]);
    },
    policiesOfUser: (account, row) => policiesOfUser(of(account), account, row),
    policiesOfRole: (account, row) => policiesOfRole(of(account), account, row),
    userIdentity,
    hasMfaDevice: async (account, userId, serial) =>
      (await devicesOf(of(account), userId)).some((device) => device.serial === serial),
    takeMfaCode: (account, userId, serial, code) => takeCode(of(account), userId, serial, code),
    async findOidcProvider(account, issuer) {
      const row = await of(account)
        .table(OidcProviders)
        .get(issuer.replace(/^https?:\/\//, '').replace(/\/$/, ''));
      return row === undefined ? undefined : { arn: oidcArn(account, row.url), row };
    },
    async findSamlProvider(arn) {
      const account = parseArn(arn)?.account ?? '';
      const row = await of(account)
        .table(SamlProviders)
        .get(arn.slice(samlArn(account, '').length));
      return row === undefined || samlArn(account, row.name) !== arn ? undefined : { account, row };
    },
    policyDocument: (account, arn) => documentInForce(of(account), account, arn),
    checkPassword: (account, userName, password) => checkPassword(of(account), userName, password),
    checkRootPassword: (email, password) => checkRootPassword(system, email, password),
    findServerCertificate: (account, name) => of(account).table(ServerCertificates).get(name.toLowerCase()),
  };
}

async function checkPassword(ctx: Context, userName: string, password: string): Promise<PasswordAnswer> {
  const user = await ctx.table(Users).get(userName.toLowerCase());
  const profile = user === undefined ? undefined : await ctx.table(LoginProfiles).get(user.id);
  if (user === undefined || profile === undefined || !(await isPassword(password, profile.password))) return { state: 'wrong' };
  const state = passwordState(profile, await passwordPolicyOf(ctx), ctx.now);
  return { state, identity: userIdentity(ctx.account, user), devices: await devicesOf(ctx, user.id) };
}
