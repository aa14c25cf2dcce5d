import { defineService } from '../../kernel/service.ts';
import { groupPolicyChecks, groupPolicyHandlers } from './group-policies.ts';
import { groupChecks, groupHandlers } from './groups.ts';
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
  ],
  handlers: {
    ...userHandlers,
    ...userPolicyHandlers,
    ...groupHandlers,
    ...groupPolicyHandlers,
  },
  authorise: {
    ...userChecks,
    ...userPolicyChecks,
    ...groupChecks,
    ...groupPolicyChecks,
  },
});
