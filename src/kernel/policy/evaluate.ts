/**
 * May this caller do this? Pure: a request, the policies that bear on it, a decision.
 *
 * The logic is the IAM User Guide's, "Policy evaluation logic": every policy is asked; one explicit deny decides. Then each kind of policy that
 * only limits (resource control, service control, endpoint) must allow, at every level. Then somebody must grant: the resource's policy, directly
 * or for the caller's account, or the caller's own policies, bounded by boundary and session policy. Across accounts both sides must grant.
 *
 * What is left to the caller of this module: which policies there are (no control policies for the management account, none of the services
 * that resource control policies do not reach), and that root users have no identity policies.
 */
import { compilePolicy, type Placement, type Question } from './compile.ts';
import { accountNamed, callerNamed, type Naming, notNamed, roleNamed } from './principals.ts';
import type { Decision, DenyReason, MatchedStatement, PolicyPrincipal, PolicyRequest, PolicySet } from './types.ts';

export type PolicySource = MatchedStatement['source'];

/** What the policies of one source say. */
export interface Verdict {
  source: PolicySource;
  allows: boolean;
  denies: boolean;
  /** How directly an allow of a resource's policy names the caller. */
  naming: Naming;
  allowedBy: readonly MatchedStatement[];
  deniedBy: readonly MatchedStatement[];
}

/** Verdicts of all sources; undefined where no such policy applies. */
export interface Verdicts {
  serviceControl: Verdict | undefined;
  resourceControl: Verdict | undefined;
  endpoint: Verdict | undefined;
  resource: Verdict | undefined;
  identity: Verdict;
  boundary: Verdict | undefined;
  session: Verdict | undefined;
}

const placements: Readonly<Record<PolicySource, Placement>> = {
  identity: 'attached',
  boundary: 'attached',
  session: 'attached',
  'service-control': 'attached',
  'resource-control': 'gate',
  endpoint: 'gate',
  resource: 'resource',
};

/** Most sources match nothing, or allow and do not deny: one list serves them all. */
const noStatements: readonly MatchedStatement[] = [];

/** Policies of one list, of which any may allow. `offset` is the place of the first in the whole list of its source. */
function judge(texts: readonly string[], source: PolicySource, question: Question, offset = 0): Verdict {
  let allowedBy: MatchedStatement[] | undefined;
  let deniedBy: MatchedStatement[] | undefined;
  let naming: Naming = notNamed;
  const placement = placements[source];
  for (let policyIndex = 0; policyIndex < texts.length; policyIndex++) {
    for (const statement of compilePolicy(texts[policyIndex]!).statements) {
      const found = statement.applies(question, placement);
      if (found === notNamed) continue;
      const matched = { source, policyIndex: offset + policyIndex, statementIndex: statement.index, sid: statement.sid };
      if (statement.deny) {
        deniedBy ??= [];
        deniedBy.push(matched);
      } else {
        allowedBy ??= [];
        allowedBy.push(matched);
        if (found > naming) naming = found;
      }
    }
  }
  return {
    source,
    allows: allowedBy !== undefined,
    denies: deniedBy !== undefined,
    naming,
    allowedBy: allowedBy ?? noStatements,
    deniedBy: deniedBy ?? noStatements,
  };
}

/** Levels of an organisation, from its root to the account: each must allow; within a level any policy may. */
function judgeLevels(
  levels: readonly (readonly string[])[] | undefined,
  source: PolicySource,
  question: Question,
): Verdict | undefined {
  if (levels === undefined || levels.length === 0) return undefined;
  let offset = 0;
  const verdicts = levels.map((level) => {
    const verdict = judge(level, source, question, offset);
    offset += level.length;
    return verdict;
  });
  return {
    source,
    allows: verdicts.every(({ allows }) => allows),
    denies: verdicts.some(({ denies }) => denies),
    naming: callerNamed,
    allowedBy: verdicts.flatMap(({ allowedBy }) => allowedBy),
    deniedBy: verdicts.flatMap(({ deniedBy }) => deniedBy),
  };
}

function judgeOne(text: string | undefined, source: PolicySource, question: Question): Verdict | undefined {
  return text === undefined || text === '' ? undefined : judge([text], source, question);
}

/** "SCPs do not affect any service-linked role", and neither do RCPs. */
export function isServiceLinked(principal: PolicyPrincipal): boolean {
  return principal.roleArn?.includes(':role/aws-service-role/') ?? false;
}

/** Asks every policy. @throws as `compilePolicy` for policies that are not well formed */
export function judgeAll(request: PolicyRequest, policies: PolicySet): Verdicts {
  const { principal } = request;
  const question: Question = {
    action: request.action.toLowerCase(),
    resource: request.resource,
    principal,
    context: request.context,
    bounded: policies.boundary !== undefined,
  };
  const linked = isServiceLinked(principal);
  // Service control policies bind the principals of an account; services and anonymous callers belong to none.
  const controlled = principal.account !== '' && !linked;
  return {
    serviceControl: controlled ? judgeLevels(policies.serviceControl, 'service-control', question) : undefined,
    resourceControl: linked ? undefined : judgeLevels(policies.resourceControl, 'resource-control', question),
    endpoint: judgeOne(policies.endpoint, 'endpoint', question),
    resource: judgeOne(policies.resource, 'resource', question),
    identity: judge(policies.identity, 'identity', question),
    boundary: judgeOne(policies.boundary, 'boundary', question),
    session: policies.session === undefined ? undefined : judge(policies.session, 'session', question),
  };
}

/** Sources in the order in which a deny is reported, and their reasons. */
function inOrder(verdicts: Verdicts): (Verdict | undefined)[] {
  const { serviceControl, resourceControl, endpoint, resource, identity, boundary, session } = verdicts;
  return [resourceControl, serviceControl, endpoint, resource, identity, boundary, session];
}

/** The policies of the caller's own side: identity (unless something else grants), then boundary, then session. */
function ownSide(verdicts: Verdicts, principal: PolicyPrincipal, granted: boolean): DenyReason | undefined {
  const { identity, boundary, session } = verdicts;
  if (!granted && !identity.allows) return 'implicit-identity';
  if (boundary?.allows === false) return 'implicit-boundary';
  // GetFederationToken without a policy gives a session that only resource-based policies can allow anything.
  const sessionAllows = session?.allows ?? principal.type !== 'FederatedUser';
  return sessionAllows ? undefined : 'implicit-session';
}

/** Why nobody grants the request, explicit denies and limits aside; undefined when somebody does. */
function missingGrant(request: PolicyRequest, verdicts: Verdicts, resourceMustAllow: boolean): DenyReason | undefined {
  const { principal } = request;
  const naming = verdicts.resource?.naming ?? notNamed;
  const { type } = principal;
  if (type === 'Anonymous' || type === 'AWSService' || type === 'WebIdentity' || type === 'Saml') {
    return naming === notNamed ? 'implicit-resource' : undefined;
  }
  if (principal.account !== request.resourceAccount) {
    const own = type === 'Account' ? undefined : ownSide(verdicts, principal, false);
    return own ?? (naming === notNamed ? 'implicit-resource' : undefined);
  }
  if (naming === callerNamed) return undefined;
  if (resourceMustAllow && naming < accountNamed) return 'implicit-resource';
  if (type === 'Account') return undefined;
  return ownSide(verdicts, principal, naming === roleNamed);
}

/** Turns verdicts into a decision without its statements: undefined is allowed. */
export function reasonOf(request: PolicyRequest, policies: PolicySet, verdicts: Verdicts): DenyReason | undefined {
  const ordered = inOrder(verdicts);
  for (const verdict of ordered) if (verdict?.denies) return `explicit-${verdict.source}`;
  for (const gate of [verdicts.resourceControl, verdicts.serviceControl, verdicts.endpoint]) {
    if (gate?.allows === false) return `implicit-${gate.source}`;
  }
  return missingGrant(request, verdicts, policies.resourceMustAllow === true);
}

/** Statements that decided: for an explicit deny those that deny; otherwise those that allow. */
export function matchedOf(verdicts: Verdicts, reason: DenyReason | undefined): MatchedStatement[] {
  const explicit = reason?.startsWith('explicit') ?? false;
  const matched: MatchedStatement[] = [];
  for (const verdict of inOrder(verdicts)) {
    if (verdict !== undefined) matched.push(...(explicit ? verdict.deniedBy : verdict.allowedBy));
  }
  return matched;
}

/** All texts of a set, source by source. */
export function textsOf(policies: PolicySet): { source: PolicySource; text: string }[] {
  const of = (source: PolicySource, texts: readonly (string | undefined)[]): { source: PolicySource; text: string }[] =>
    texts.filter((text) => text !== undefined && text !== '').map((text) => ({ source, text: text as string }));
  return [
    ...of('resource-control', policies.resourceControl?.flat() ?? []),
    ...of('service-control', policies.serviceControl?.flat() ?? []),
    ...of('endpoint', [policies.endpoint]),
    ...of('resource', [policies.resource]),
    ...of('identity', policies.identity),
    ...of('boundary', [policies.boundary]),
    ...of('session', policies.session ?? []),
  ];
}

/** Keys tested by statements that cover the request's action and resource, and absent from its context: with them the decision might differ. */
function missingContext(request: PolicyRequest, policies: PolicySet): string[] {
  const question: Question = { ...request, action: request.action.toLowerCase(), bounded: policies.boundary !== undefined };
  const missing = new Set<string>();
  for (const { source, text } of textsOf(policies)) {
    for (const statement of compilePolicy(text).statements) {
      if (!statement.covers(question)) continue;
      const placement = placements[source];
      if (placement !== 'attached' && statement.naming(question, placement) === notNamed) continue;
      for (const { key } of statement.conditions) if ((request.context.get(key)?.length ?? 0) === 0) missing.add(key);
    }
  }
  return [...missing];
}

/**
 * Decides a request.
 * @returns the decision with the statements that made it; for a denial also its reason and the condition keys that the context lacks
 * @throws DocumentError or Error when a policy is not well formed; nothing may be allowed then
 */
export function evaluate(request: PolicyRequest, policies: PolicySet): Decision {
  const verdicts = judgeAll(request, policies);
  const reason = reasonOf(request, policies, verdicts);
  const matched = matchedOf(verdicts, reason);
  if (reason === undefined) return { allowed: true, matched };
  return { allowed: false, reason, matched, missingContext: missingContext(request, policies) };
}

/**
 * Decides AssumeRole and its kin: `request.resource` is the role, `trustPolicy` its trust policy. A trust policy is a resource-based policy that
 * must allow: naming the caller suffices within the account, naming the account leaves it to the caller's own policies, and across accounts both
 * are needed ("IAM role trust policies … must explicitly allow access for principals"). Callers with a web identity or SAML assertion have no
 * policies of their own, so the trust policy alone decides.
 */
export function evaluateTrust(request: PolicyRequest, trustPolicy: string, policies: PolicySet): Decision {
  return evaluate(request, { ...policies, resource: trustPolicy, resourceMustAllow: true });
}
