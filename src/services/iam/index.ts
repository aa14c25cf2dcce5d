/**
 * IAM: identities, what they may do, and what they sign with. Files are one per noun; each exports its handlers and, beside them, what each operation
 * is authorised on. A further noun adds its two lines to the lists below.
 */
import { defineService } from '../../kernel/service.ts';
import { accessKeyChecks, accessKeyHandlers, recordUse } from './access-keys.ts';
import { accountChecks, accountHandlers, setUpAccount } from './account.ts';
import { accountSummaryHandlers } from './account-summary.ts';
import { createApi } from './api.ts';
import { authorizationDetailHandlers } from './authorization-details.ts';
import { groupPolicyChecks, groupPolicyHandlers } from './group-policies.ts';
import { groupChecks, groupHandlers } from './groups.ts';
import { refuseWeakSessions } from './callers.ts';
import { credentialSource, policySource } from './identities.ts';
import { instanceProfileChecks, instanceProfileHandlers } from './instance-profiles.ts';
import { AccessReports, Accesses, lastAccessedChecks, lastAccessedHandlers, recordAccess } from './last-accessed.ts';
import { loginProfileChecks, loginProfileHandlers, recordSignIns } from './login-profiles.ts';
import { mfaChecks, mfaHandlers } from './mfa.ts';
import { OidcProviders, oidcProviderChecks, oidcProviderHandlers } from './oidc-providers.ts';
import { policyChecks, policyHandlers, policyVersionHandlers } from './policies.ts';
import { policyEntityHandlers } from './policy-entities.ts';
import { CredentialReports, reportHandlers } from './reports.ts';
import { rolePolicyChecks, rolePolicyHandlers } from './role-policies.ts';
import { roleChecks, roleHandlers } from './roles.ts';
import { SamlProviders, samlProviderChecks, samlProviderHandlers } from './saml-providers.ts';
import { serverCertificateChecks, serverCertificateHandlers } from './server-certificates.ts';
import { serviceCredentialChecks, serviceCredentialHandlers } from './service-credentials.ts';
import { RoleDeletions, serviceLinkedRoleChecks, serviceLinkedRoleHandlers } from './service-linked-roles.ts';
import { signingCertificateChecks, signingCertificateHandlers } from './signing-certificates.ts';
import { simulateChecks, simulateHandlers } from './simulate.ts';
import { sshKeyChecks, sshKeyHandlers } from './ssh-keys.ts';
import {
  AccessKeys,
  AccountSettings,
  Aliases,
  Groups,
  InstanceProfiles,
  LoginProfiles,
  MfaDevices,
  Policies,
  PolicyVersions,
  Roles,
  ServerCertificates,
  ServiceCredentials,
  SigningCertificates,
  SshKeys,
  Users,
} from './state.ts';
import { userPolicyChecks, userPolicyHandlers } from './user-policies.ts';
import { userChecks, userHandlers } from './users.ts';

export default defineService({
  name: 'iam',
  global: true,
  tables: [
    Users,
    Groups,
    Roles,
    InstanceProfiles,
    Policies,
    PolicyVersions,
    AccessKeys,
    LoginProfiles,
    MfaDevices,
    SshKeys,
    SigningCertificates,
    ServiceCredentials,
    ServerCertificates,
    AccountSettings,
    Aliases,
    OidcProviders,
    SamlProviders,
    RoleDeletions,
    CredentialReports,
    Accesses,
    AccessReports,
  ],
  handlers: {
    ...userHandlers,
    ...userPolicyHandlers,
    ...groupHandlers,
    ...groupPolicyHandlers,
    ...roleHandlers,
    ...rolePolicyHandlers,
    ...instanceProfileHandlers,
    ...policyHandlers,
    ...policyVersionHandlers,
    ...policyEntityHandlers,
    ...accessKeyHandlers,
    ...loginProfileHandlers,
    ...mfaHandlers,
    ...sshKeyHandlers,
    ...signingCertificateHandlers,
    ...serviceCredentialHandlers,
    ...serverCertificateHandlers,
    ...accountHandlers,
    ...serviceLinkedRoleHandlers,
    ...oidcProviderHandlers,
    ...samlProviderHandlers,
    ...simulateHandlers,
    ...reportHandlers,
    ...lastAccessedHandlers,
    ...authorizationDetailHandlers,
    ...accountSummaryHandlers(
      async (reading) => (await reading.table(OidcProviders).count()) + (await reading.table(SamlProviders).count()),
    ),
  },
  authorise: {
    ...userChecks,
    ...userPolicyChecks,
    ...groupChecks,
    ...groupPolicyChecks,
    ...roleChecks,
    ...rolePolicyChecks,
    ...instanceProfileChecks,
    ...policyChecks,
    ...accessKeyChecks,
    ...loginProfileChecks,
    ...mfaChecks,
    ...sshKeyChecks,
    ...signingCertificateChecks,
    ...serviceCredentialChecks,
    ...serverCertificateChecks,
    ...accountChecks,
    ...serviceLinkedRoleChecks,
    ...oidcProviderChecks,
    ...samlProviderChecks,
    ...simulateChecks,
    ...lastAccessedChecks,
  },
  before: refuseWeakSessions,
  accountSetup: setUpAccount,
  credentials: credentialSource,
  policies: policySource,
  async records(batch, ctx) {
    await recordUse(batch, ctx);
    await recordAccess(batch, ctx);
    await recordSignIns(batch, ctx);
  },
  api: createApi,
});
