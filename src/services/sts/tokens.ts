/** GetSessionToken and GetFederationToken: temporary credentials of users and of the root user, by their long-term keys. */
import type { STS } from '@aws-sdk/client-sts';
import type { Caller, Identity } from '../../kernel/caller.ts';
import type { Context } from '../../kernel/context.ts';
import { parameterNotImplemented } from '../../kernel/errors.ts';
import type { AuthorisationsOf, HandlersOf } from '../../kernel/service.ts';
import { sessionConditions } from './assume-role.ts';
import { notWithSession } from './errors.ts';
import { takeMfa } from './mfa.ts';
import { durations, readSessionTags, StsCheck } from './rules.ts';
import { describeCredentials, openSession, readLimits } from './sessions.ts';

/** The caller without what belongs to the one request. */
function identityOfCaller(caller: Caller): Identity {
  const { kind, account, arn, userId, userName, principal, tags } = caller;
  return { kind, account, arn, userId, userName, principal, tags };
}

function secondsOf(ctx: Context, wanted: number | undefined): number {
  const seconds = wanted ?? durations.token.default;
  return ctx.caller.kind === 'root' ? Math.min(seconds, durations.rootMax) : seconds;
}

export const tokenHandlers: HandlersOf<STS> = {
  /** The session may do what its user may; with a code of an MFA device, also what demands MFA. Throws AccessDenied for a wrong code. */
  async GetSessionToken(input, ctx) {
    const { token } = durations;
    new StsCheck()
      .range('durationSeconds', input.DurationSeconds, token.min, token.max)
      .mfa(input.SerialNumber, input.TokenCode)
      .done();
    if (input.MinimumSessionTokenSize !== undefined) throw parameterNotImplemented('GetSessionToken', 'MinimumSessionTokenSize');
    const mfaAt = (await takeMfa(ctx, input)) ? ctx.now : undefined;
    const identity = {
      ...identityOfCaller(ctx.caller),
      session: { issuedAt: ctx.now, mfaAt, tags: {}, transitiveTagKeys: [] },
    };
    const seconds = secondsOf(ctx, input.DurationSeconds);
    const session = await openSession(ctx, { identity, seconds, limits: { packedSize: undefined } });
    return { Credentials: describeCredentials(session) };
  },

  /** A federated user has what both its session policies and its user's own allow; without session policies nothing. */
  async GetFederationToken(input, ctx) {
    const { Name: name = '', Tags } = input;
    const { token } = durations;
    new StsCheck().name('name', name, 32).range('durationSeconds', input.DurationSeconds, token.min, token.max).tags(Tags).done();
    if (input.MinimumSessionTokenSize !== undefined)
      throw parameterNotImplemented('GetFederationToken', 'MinimumSessionTokenSize');
    const { account, arn: userArn } = ctx.caller;
    const tags = readSessionTags(Tags);
    const limits = await readLimits(ctx, account, input, tags);
    const arn = `arn:aws:sts::${account}:federated-user/${name}`;
    const identity: Identity = {
      kind: 'federated',
      account,
      arn,
      userId: `${account}:${name}`,
      principal: { type: 'FederatedUser', account, arn, userArn },
      tags,
      session: { issuedAt: ctx.now, tags, transitiveTagKeys: [] },
    };
    const session = await openSession(ctx, { identity, seconds: secondsOf(ctx, input.DurationSeconds), limits });
    return {
      Credentials: describeCredentials(session),
      FederatedUser: { FederatedUserId: identity.userId, Arn: arn },
      PackedPolicySize: limits.packedSize,
    };
  },
};

/** What each sort of temporary credentials may call of STS ("Compare AWS STS credentials"). Throws AccessDenied. */
export function refuseSessions(_input: unknown, ctx: Context): void {
  const { caller, operation } = ctx;
  if (caller.session === undefined || operation === 'GetCallerIdentity') return;
  const federation = operation === 'GetSessionToken' || operation === 'GetFederationToken';
  if (caller.kind === 'role' ? federation : caller.kind === 'federated' || operation !== 'AssumeRole')
    throw notWithSession(operation);
}

export const tokenChecks: AuthorisationsOf<STS> = {
  /** "No permissions are required for users to perform this operation." */
  GetSessionToken: 'none',
  GetFederationToken(input, ctx) {
    const resource = `arn:aws:sts::${ctx.account}:federated-user/${input.Name ?? ''}`;
    const conditions = sessionConditions(undefined, input, readSessionTags(input.Tags));
    const check = { resource, conditions };
    return (input.Tags ?? []).length === 0 ? [check] : [check, { ...check, action: 'sts:TagSession' }];
  },
};
