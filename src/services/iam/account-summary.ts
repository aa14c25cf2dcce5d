/** GetAccountSummary: what the account has, and what it may have. */
import type { IAM } from '@aws-sdk/client-iam';
import type { HandlersOf } from '../../kernel/service.ts';
import { devicesOf } from './mfa.ts';
import { quotas, sizes } from './rules.ts';
import {
  AccessKeys,
  Groups,
  InstanceProfiles,
  MfaDevices,
  Policies,
  PolicyVersions,
  type Reading,
  Roles,
  ServerCertificates,
  SigningCertificates,
  Users,
} from './state.ts';

/** How many of something outside these tables the account has; identity providers are counted by their owner. */
export type Count = (reading: Reading) => Promise<number>;

/** Handlers for the summary; `countProviders` counts OpenID Connect and SAML providers. */
export function accountSummaryHandlers(countProviders: Count): HandlersOf<IAM> {
  return {
    async GetAccountSummary(_input, ctx) {
      const devices = await ctx.table(MfaDevices).list();
      const exists = (row: unknown): number => (row === undefined ? 0 : 1);
      return {
        SummaryMap: {
          Users: await ctx.table(Users).count(),
          UsersQuota: quotas.UsersPerAccount,
          Groups: await ctx.table(Groups).count(),
          GroupsQuota: quotas.GroupsPerAccount,
          Roles: await ctx.table(Roles).count(),
          RolesQuota: quotas.RolesPerAccount,
          InstanceProfiles: await ctx.table(InstanceProfiles).count(),
          InstanceProfilesQuota: quotas.InstanceProfilesPerAccount,
          Policies: await ctx.table(Policies).count(),
          PoliciesQuota: quotas.PoliciesPerAccount,
          PolicyVersionsInUse: await ctx.table(PolicyVersions).count(),
          PolicyVersionsInUseQuota: quotas.PolicyVersionsInUse,
          VersionsPerPolicyQuota: quotas.VersionsPerPolicy,
          ServerCertificates: await ctx.table(ServerCertificates).count(),
          ServerCertificatesQuota: quotas.ServerCertificatesPerAccount,
          Providers: await countProviders(ctx),
          MFADevices: devices.length,
          MFADevicesInUse: devices.filter(({ user }) => user !== undefined).length,
          AccountMFAEnabled: exists((await devicesOf(ctx, ctx.account))[0]),
          AccountAccessKeysPresent: exists(await ctx.table(AccessKeys).firstByIndex('byUser', [ctx.account])),
          AccountSigningCertificatesPresent: exists(await ctx.table(SigningCertificates).firstByIndex('byUser', [ctx.account])),
          // Root of an account of this cloud always has its sign-in.
          AccountPasswordPresent: 1,
          AccessKeysPerUserQuota: quotas.AccessKeysPerUser,
          GroupsPerUserQuota: quotas.GroupsPerUser,
          SigningCertificatesPerUserQuota: quotas.CertificatesPerUser,
          AttachedPoliciesPerUserQuota: quotas.PoliciesPerUser,
          AttachedPoliciesPerGroupQuota: quotas.PoliciesPerGroup,
          AttachedPoliciesPerRoleQuota: quotas.PoliciesPerRole,
          PolicySizeQuota: sizes.managedPolicy,
          UserPolicySizeQuota: sizes.userInline,
          GroupPolicySizeQuota: sizes.groupInline,
          RolePolicySizeQuota: sizes.roleInline,
          AssumeRolePolicySizeQuota: sizes.trustPolicy,
          GlobalEndpointTokenVersion: 1,
        },
      };
    },
  };
}
