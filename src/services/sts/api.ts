/** What STS offers to other services inside the process: credentials of roles for what runs on their behalf. Types only may be imported from here. */
import type { Millis } from '../../base/clock.ts';
import { parseArn } from '../../base/arn.ts';
import type { Identity } from '../../kernel/caller.ts';
import type { Context } from '../../kernel/context.ts';
import type { IamApi } from '../iam/api.ts';
import { notAuthorized } from './errors.ts';
import { openSession, roleIdentity } from './sessions.ts';
import { trustsService } from './trust.ts';

export interface ServiceCredentials {
  accessKeyId: string;
  secretAccessKey: string;
  sessionToken: string;
  expires: Millis;
  issuedAt: Millis;
}

/** Seconds that credentials of instances last ("Retrieve security credentials from instance metadata": about six hours). */
const instanceSeconds = 21_600;
const noTags = { tags: {}, transitiveTagKeys: [] };

export interface StsApi {
  /**
   * Credentials of an instance's role, for the metadata service; `sessionName` is the instance's id. Throws NoSuchEntity when the role is gone,
   * AccessDenied when it does not trust ec2.amazonaws.com.
   */
  instanceCredentials(input: { account: string; roleName: string; sessionName: string }): Promise<ServiceCredentials>;
  /**
   * Credentials of a role for a service that acts by it (Lambda, ECS tasks): `service` as in `lambda`, which the role must trust. Throws as above.
   */
  serviceCredentials(input: {
    account: string;
    roleName: string;
    sessionName: string;
    service: string;
    seconds: number;
  }): Promise<ServiceCredentials>;
  /** Credentials of a user or root who has signed in to the console, with a code of an MFA device or without. */
  consoleSession(input: { identity: Identity; seconds: number; mfa: boolean }): Promise<ServiceCredentials>;
  /**
   * The identity of a session of a role by which a service acts inside the process (EventBridge's targets, subscriptions of log groups), for
   * `ctx.asIdentity`. `service` must be trusted by the role. Throws NoSuchEntity, AccessDenied.
   */
  roleIdentity(input: { roleArn: string; sessionName: string; service: string }): Promise<Identity>;
}

/** The api over a context of STS's own. */
export function createApi(system: Context): StsApi {
  const open = async (identity: Identity, seconds: number): Promise<ServiceCredentials> => {
    const session = await openSession(system, { identity, seconds, limits: { packedSize: undefined } });
    return {
      accessKeyId: session.id,
      secretAccessKey: session.secret,
      sessionToken: session.token,
      expires: session.expires,
      issuedAt: session.created,
    };
  };
  const identityFor = async (input: { account: string; roleName: string; sessionName: string; service: string }) => {
    const { account, sessionName, service } = input;
    const iam = await system.internal<IamApi>('iam');
    const row = await iam.requireRole(account, input.roleName);
    const roleArn = iam.roleArn(account, row);
    if (!trustsService(system, service, { account, row, roleArn }))
      throw notAuthorized(`${service}.amazonaws.com`, 'sts:AssumeRole', roleArn);
    const facts = { issuedAt: system.now, ...noTags };
    return roleIdentity({ account, row, roleArn, sessionName, facts, sessionTags: {} });
  };
  const serviceCredentials: StsApi['serviceCredentials'] = async ({ seconds, ...input }) =>
    open(await identityFor(input), seconds);
  return {
    serviceCredentials,
    consoleSession: ({ identity, seconds, mfa }) => {
      const session = { issuedAt: system.now, mfaAt: mfa ? system.now : undefined, console: true, ...noTags };
      return open({ ...identity, session }, seconds);
    },
    roleIdentity: ({ roleArn, ...input }) => {
      const arn = parseArn(roleArn);
      return identityFor({ ...input, account: arn?.account ?? '', roleName: arn?.resource.split('/').at(-1) ?? '' });
    },
    instanceCredentials: (input) => serviceCredentials({ ...input, service: 'ec2', seconds: instanceSeconds }),
  };
}
