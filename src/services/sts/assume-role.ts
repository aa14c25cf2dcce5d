/**
 * AssumeRole. Who may is the kernel's to decide, from the checks below: the caller's own policies and the role's trust policy, for sts:AssumeRole and,
 * when the session gets tags or a source identity, for sts:TagSession and sts:SetSourceIdentity too.
 */
import type { AssumeRoleRequest, STS, Tag } from '@aws-sdk/client-sts';
import { parseArn } from '../../base/arn.ts';
import type { Context } from '../../kernel/context.ts';
import { parameterNotImplemented } from '../../kernel/errors.ts';
import type { AuthorisationsOf, Check, HandlersOf } from '../../kernel/service.ts';
import type { IamApi, RoleRow } from '../iam/api.ts';
import { accessDenied, notAuthorized, validationError } from './errors.ts';
import { takeMfa } from './mfa.ts';
import { durations, readSessionTags, StsCheck } from './rules.ts';
import { describeCredentials, openSession, readLimits, roleIdentity } from './sessions.ts';
import { trustsService } from './trust.ts';

export type Tags = Readonly<Record<string, string>>;

/** A role found by its ARN. */
export interface FoundRole {
  account: string;
  row: RoleRow;
  roleArn: string;
}

/** The role of this ARN, or undefined. Throws ValidationError for what is no role's ARN. */
export async function findRole(ctx: Context, arn: string): Promise<FoundRole | undefined> {
  if (parseArn(arn) === undefined) throw validationError(`${arn} is invalid`);
  const found = await (await ctx.internal<IamApi>('iam')).findRoleByArn(arn);
  return found === undefined
    ? undefined
    : { ...found, roleArn: (await ctx.internal<IamApi>('iam')).roleArn(found.account, found.row) };
}

/** Checks what AssumeRole's members are on their own. Throws ValidationError. */
function checkInput(input: AssumeRoleRequest): void {
  const { role } = durations;
  new StsCheck()
    .arn('roleArn', input.RoleArn)
    .name('roleSessionName', input.RoleSessionName, 64)
    .range('durationSeconds', input.DurationSeconds, role.min, role.max)
    .tags(input.Tags)
    .pattern('externalId', input.ExternalId, /^[\w+=,.@:/-]*$/, '[\\w+=,.@:\\/-]*')
    .length('externalId', input.ExternalId, 2, 1224)
    .name('sourceIdentity', input.SourceIdentity, 64)
    .mfa(input.SerialNumber, input.TokenCode)
    .done();
  if (input.ProvidedContexts !== undefined && input.ProvidedContexts.length > 0)
    throw parameterNotImplemented('AssumeRole', 'ProvidedContexts');
  if (input.MinimumSessionTokenSize !== undefined) throw parameterNotImplemented('AssumeRole', 'MinimumSessionTokenSize');
}

/** Tags that the session gets: those of the request and, in a chain of roles, the transitive ones of the caller's session. */
interface TagPlan {
  requested: Tags;
  all: Tags;
  transitiveKeys: readonly string[];
}

function planTags(ctx: Context, tags: readonly Tag[] | undefined, keys: readonly string[] | undefined): TagPlan {
  const requested = readSessionTags(tags);
  const lower = new Set(Object.keys(requested).map((key) => key.toLowerCase()));
  const transitive = [...new Set(keys ?? [])];
  const unknown = transitive.find((key) => !lower.has(key.toLowerCase()));
  if (unknown !== undefined)
    throw validationError(`The specified transitive tag key must be included in the requested tags: ${unknown}`);
  const inheritedKeys = ctx.caller.kind === 'role' ? (ctx.caller.session?.transitiveTagKeys ?? []) : [];
  const clash = inheritedKeys.find((key) => lower.has(key.toLowerCase()));
  if (clash !== undefined) {
    throw validationError(
      "One of the specified transitive tag keys can't be set because it conflicts with a transitive tag key from the calling session.",
    );
  }
  const inherited = Object.entries(ctx.caller.tags).filter(([key]) =>
    inheritedKeys.some((other) => other.toLowerCase() === key.toLowerCase()),
  );
  return {
    requested,
    all: { ...Object.fromEntries(inherited), ...requested },
    transitiveKeys: [...inheritedKeys, ...transitive],
  };
}

/** A source identity, once set, stays through a chain of roles and cannot be changed. */
function sourceIdentityOf(ctx: Context, wanted: string | undefined): string | undefined {
  const inherited = ctx.caller.session?.sourceIdentity;
  if (wanted !== undefined && /^aws:/i.test(wanted)) throw validationError('SourceIdentity must not begin with aws:');
  if (inherited !== undefined && wanted !== undefined && wanted !== inherited)
    throw accessDenied('SourceIdentity cannot be changed once it is set in a session');
  return inherited ?? wanted;
}

/** Seconds of the session. Throws ValidationError beyond the role's maximum, or one hour for a role assumed by a role. */
function secondsOf(ctx: Context, role: RoleRow, wanted: number | undefined): number {
  const seconds = wanted ?? durations.role.default;
  if (ctx.caller.kind === 'role' && seconds > durations.chainedMax) {
    throw validationError('The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining.');
  }
  if (seconds > role.maxSessionDuration)
    throw validationError('The requested DurationSeconds exceeds the MaxSessionDuration set for this role.');
  return seconds;
}

/** Condition keys of roles and of requests for their sessions. */
export function sessionConditions(
  role: RoleRow | undefined,
  input: { RoleSessionName?: string | undefined; DurationSeconds?: number | undefined },
  tags: Tags,
  transitiveKeys: readonly string[] = [],
): Record<string, string | readonly string[] | undefined> {
  const keys = Object.keys(tags);
  const roleTags = Object.entries(role?.tags ?? {}).flatMap(([key, value]) => [
    [`aws:ResourceTag/${key}`, value],
    [`iam:ResourceTag/${key}`, value],
  ]);
  return {
    ...Object.fromEntries(roleTags),
    ...Object.fromEntries(Object.entries(tags).map(([key, value]) => [`aws:RequestTag/${key}`, value])),
    'aws:TagKeys': keys.length === 0 ? undefined : keys,
    'sts:TransitiveTagKeys': transitiveKeys.length === 0 ? undefined : transitiveKeys,
    'sts:RoleSessionName': input.RoleSessionName,
    'sts:DurationSeconds': input.DurationSeconds === undefined ? undefined : String(input.DurationSeconds),
  };
}

/**
 * What AssumeRole asks. A role that does not exist trusts nobody, and is refused in the same words. Codes of MFA devices are taken here, because
 * trust policies may demand them.
 */
async function onAssumedRole(input: AssumeRoleRequest, ctx: Context): Promise<Check[]> {
  checkInput(input);
  const { RoleArn: resource = '' } = input;
  if (ctx.caller.kind === 'root') throw accessDenied('Roles may not be assumed by root accounts.');
  const role = await findRole(ctx, resource);
  const tags = planTags(ctx, input.Tags, input.TransitiveTagKeys);
  const sourceIdentity = sourceIdentityOf(ctx, input.SourceIdentity);
  const mfa = await takeMfa(ctx, input);
  const check = {
    resource,
    resourceAccount: parseArn(resource)?.account,
    resourcePolicy: role?.row.trust ?? '',
    trust: true,
    conditions: {
      ...sessionConditions(role?.row, input, tags.requested, input.TransitiveTagKeys ?? []),
      'sts:ExternalId': input.ExternalId,
      'sts:SourceIdentity': sourceIdentity,
      ...(mfa ? { 'aws:MultiFactorAuthPresent': 'true', 'aws:MultiFactorAuthAge': '0' } : {}),
    },
  };
  const checks: Check[] = [check];
  if (Object.keys(tags.all).length > 0) checks.push({ ...check, action: 'sts:TagSession' });
  if (sourceIdentity !== undefined) checks.push({ ...check, action: 'sts:SetSourceIdentity' });
  return checks;
}

export const assumeRoleHandlers: HandlersOf<STS> = {
  /** Throws ValidationError, AccessDenied, MalformedPolicyDocument, PackedPolicyTooLarge. */
  async AssumeRole(input, ctx) {
    const { RoleArn: arn = '', RoleSessionName: sessionName = '' } = input;
    checkInput(input);
    const role = await findRole(ctx, arn);
    // Services are not asked by the kernel, and must be trusted all the same.
    const service = ctx.caller.kind === 'service' ? ctx.caller.arn.replace(/\.amazonaws\.com$/, '') : undefined;
    if (role === undefined || (service !== undefined && !trustsService(ctx, service, role)))
      throw notAuthorized(ctx.caller.arn, 'sts:AssumeRole', arn);
    const seconds = secondsOf(ctx, role.row, input.DurationSeconds);
    const tags = planTags(ctx, input.Tags, input.TransitiveTagKeys);
    const limits = await readLimits(ctx, role.account, input, tags.all);
    const sourceIdentity = sourceIdentityOf(ctx, input.SourceIdentity);
    // A session of a role carries no MFA of its own ("Configure MFA-protected API access": AssumeRole).
    const facts = { issuedAt: ctx.now, tags: tags.all, transitiveTagKeys: tags.transitiveKeys, sourceIdentity };
    const identity = roleIdentity({ ...role, sessionName, facts, sessionTags: tags.all });
    const session = await openSession(ctx, { identity, seconds, limits });
    return {
      Credentials: describeCredentials(session),
      AssumedRoleUser: { AssumedRoleId: identity.userId, Arn: identity.arn },
      PackedPolicySize: limits.packedSize,
      SourceIdentity: sourceIdentity,
    };
  },
};

export const assumeRoleChecks: AuthorisationsOf<STS> = { AssumeRole: onAssumedRole };
