/** What sessions of web identities and of SAML assertions have in common: the provider has proven who it is, the role decides whether it may. */
import type { AssumeRoleWithWebIdentityResponse } from '@aws-sdk/client-sts';
import type { SessionFacts } from '../../kernel/caller.ts';
import type { Context } from '../../kernel/context.ts';
import type { PolicyPrincipal } from '../../kernel/policy/types.ts';
import type { FoundRole } from './assume-role.ts';
import { sessionConditions } from './assume-role.ts';
import { notAuthorizedToPerform, validationError } from './errors.ts';
import type { SessionPolicyInput } from './rules.ts';
import { describeCredentials, openSession, readLimits, roleIdentity } from './sessions.ts';
import { isTrusted } from './trust.ts';

export interface FederatedInput extends SessionPolicyInput {
  DurationSeconds?: number | undefined;
}

/** A subject that its provider vouches for. */
export interface Federated {
  /** The operation's action, `sts:AssumeRoleWithWebIdentity` or `sts:AssumeRoleWithSAML`. */
  action: string;
  type: 'WebIdentity' | 'Saml';
  provider: string;
  sessionName: string;
  seconds: number;
  /** Condition keys that the token or assertion gives, kept by the session. */
  claims: Readonly<Record<string, readonly string[]>>;
  tags: Readonly<Record<string, string>>;
  transitiveTagKeys: readonly string[];
  sourceIdentity?: string | undefined;
}

type Opened = Pick<AssumeRoleWithWebIdentityResponse, 'Credentials' | 'AssumedRoleUser' | 'PackedPolicySize' | 'SourceIdentity'>;

/** Asks the role's trust policy and opens the session. Throws AccessDenied, ValidationError. */
export async function openFederated(
  ctx: Context,
  role: FoundRole | undefined,
  input: FederatedInput,
  federated: Federated,
): Promise<Opened> {
  const { action, type, provider, sessionName, claims, tags, transitiveTagKeys, sourceIdentity } = federated;
  if (role === undefined) throw notAuthorizedToPerform(action);
  const principal: PolicyPrincipal = { type, account: '', arn: provider };
  const conditions = {
    ...sessionConditions(
      role.row,
      { RoleSessionName: sessionName, DurationSeconds: input.DurationSeconds },
      tags,
      transitiveTagKeys,
    ),
    ...claims,
    'aws:FederatedProvider': provider,
    'sts:SourceIdentity': sourceIdentity,
  };
  const actions = [action];
  if (Object.keys(tags).length > 0) actions.push('sts:TagSession');
  if (sourceIdentity !== undefined) actions.push('sts:SetSourceIdentity');
  for (const asked of actions) {
    if (!isTrusted(ctx, { ...role, principal, action: asked, conditions })) throw notAuthorizedToPerform(asked);
  }
  if (federated.seconds > role.row.maxSessionDuration)
    throw validationError('The requested DurationSeconds exceeds the MaxSessionDuration set for this role.');
  const limits = await readLimits(ctx, role.account, input, tags);
  const facts: SessionFacts = {
    issuedAt: ctx.now,
    tags,
    transitiveTagKeys,
    sourceIdentity,
    federatedProvider: provider,
    claims,
  };
  const identity = roleIdentity({ ...role, sessionName, facts, sessionTags: tags });
  const session = await openSession(ctx, { identity, seconds: federated.seconds, limits });
  return {
    Credentials: describeCredentials(session),
    AssumedRoleUser: { AssumedRoleId: identity.userId, Arn: identity.arn },
    PackedPolicySize: limits.packedSize,
    SourceIdentity: sourceIdentity,
  };
}
