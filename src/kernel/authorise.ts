/**
 * Decides whether a call may happen, before its handler runs. Handlers never decide who may call: they, at most, say which resources and
 * condition values an input names (`authorise` in the service's definition).
 */
import { sealMessage } from './authorization-message.ts';
import type { Caller } from './caller.ts';
import type { Context } from './context.ts';
import { conditionContext } from './condition-keys.ts';
import { AwsError } from './errors.ts';
import { policiesOf } from './identity.ts';
import { evaluate, evaluateTrust } from './policy/evaluate.ts';
import { actionOf } from './policy/operations.ts';
import type { Decision, DenyReason, PolicySet } from './policy/types.ts';
import type { Registry } from './registry.ts';
import type { Authorisation, Check, ServiceDefinition } from './service.ts';

/** What an operation asks of policies; `*` where the service says nothing. */
const anyResource: readonly Check[] = [{ resource: '*' }];

/** How this operation of the service is authorised. */
export function authorisationOf(definition: ServiceDefinition, operation: string): Authorisation<unknown> {
  const all = definition.authorise as Readonly<Record<string, Authorisation<unknown>>> | undefined;
  return all?.[operation] ?? (() => anyResource);
}

/** Checks a call against every policy that has a say. Throws the service's access-denied error in AWS's wording. */
export async function authorise(
  registry: Registry,
  definition: ServiceDefinition,
  input: unknown,
  ctx: Context,
  contextFor: (service: string) => Context,
): Promise<void> {
  const rule = authorisationOf(definition, ctx.operation);
  const { caller } = ctx;
  if (rule === 'none' || rule === 'anonymous' || actsFreely(caller)) return;
  await authoriseChecks(registry, definition.name, await rule(input, ctx), ctx, contextFor);
}

/** Decides checks; for `ctx.permit` too. Throws the service's access-denied error for the first that is not allowed. */
export async function authoriseChecks(
  registry: Registry,
  service: string,
  asked: readonly Check[],
  ctx: Context,
  contextFor: (service: string) => Context,
): Promise<void> {
  const { caller } = ctx;
  if (actsFreely(caller)) return;
  const checks = asked.some(({ through }) => through !== undefined)
    ? asked.flatMap((check) => (check.through === undefined ? [check] : [check.through, check]))
    : asked;
  // The root user is bound by nothing but control policies and resource policies; most requests of a test suite end here.
  if (
    caller.kind === 'root' &&
    caller.endpointPolicy === undefined &&
    registry.holder('control-policies') === undefined &&
    checks.every((check) => ownAndOpen(check, caller.account))
  )
    return;
  const policies = { ...(await policiesOf(registry, caller, contextFor)), endpoint: caller.endpointPolicy };
  for (const check of checks) {
    const decision = decide(check, service, policies, ctx);
    if (decision.allowed) continue;
    ctx.trace(`authorise: denied ${check.action ?? actionOf(service, ctx.operation)} on ${check.resource}: ${decision.reason}`);
    throw await accessDenied(service, check, decision, ctx);
  }
}

/** A service acting for itself is the cloud's own hand; one that acts on account of a resource is held to the policies of what it touches. */
function actsFreely(caller: Caller): boolean {
  return caller.kind === 'service' && caller.sourceArn === undefined;
}

function ownAndOpen(check: Check, account: string): boolean {
  const open = check.resourcePolicy === undefined && check.resourceMustAllow !== true;
  return open && (check.resourceAccount === undefined || check.resourceAccount === account);
}

function decide(check: Check, service: string, policies: PolicySet, ctx: Context): Decision {
  const request = {
    principal: ctx.caller.principal,
    action: check.action ?? actionOf(service, ctx.operation),
    resource: check.resource,
    resourceAccount: check.resourceAccount ?? ctx.caller.account,
    context: conditionContext(ctx.caller, ctx.region, ctx.now, check),
  };
  if (check.trust === true) return evaluateTrust(request, check.resourcePolicy ?? '', policies);
  return evaluate(request, { ...policies, resource: check.resourcePolicy, resourceMustAllow: check.resourceMustAllow });
}

/** The reason clause that AWS appends ("Access denied error message formats", IAM User Guide). */
const because: Record<DenyReason, (action: string) => string> = {
  'explicit-identity': () => 'with an explicit deny in an identity-based policy',
  'explicit-boundary': () => 'with an explicit deny in a permissions boundary',
  'explicit-session': () => 'with an explicit deny in a session policy',
  'explicit-service-control': () => 'with an explicit deny in a service control policy',
  'explicit-resource-control': () => 'with an explicit deny in a resource control policy',
  'explicit-resource': () => 'with an explicit deny in a resource-based policy',
  'explicit-endpoint': () => 'with an explicit deny in a VPC endpoint policy',
  'implicit-identity': (action) => `because no identity-based policy allows the ${action} action`,
  'implicit-boundary': (action) => `because no permissions boundary allows the ${action} action`,
  'implicit-session': (action) => `because no session policy allows the ${action} action`,
  'implicit-service-control': (action) => `because no service control policy allows the ${action} action`,
  'implicit-resource-control': (action) => `because no resource control policy allows the ${action} action`,
  'implicit-resource': (action) => `because no resource-based policy allows the ${action} action`,
  'implicit-endpoint': (action) => `because no VPC endpoint policy allows the ${action} action`,
};

/** Code and status of an access denied error; they differ by the service's age and protocol. */
const deniedCodes: Readonly<Record<string, { code: string; status: number }>> = {
  ec2: { code: 'UnauthorizedOperation', status: 403 },
  iam: { code: 'AccessDenied', status: 403 },
  glacier: { code: 'AccessDeniedException', status: 403 },
  sts: { code: 'AccessDenied', status: 403 },
  s3: { code: 'AccessDenied', status: 403 },
  's3-control': { code: 'AccessDenied', status: 403 },
  'auto-scaling': { code: 'AccessDenied', status: 403 },
  'elastic-load-balancing': { code: 'AccessDenied', status: 403 },
  'elastic-load-balancing-v2': { code: 'AccessDenied', status: 403 },
  cloudformation: { code: 'AccessDenied', status: 403 },
  cloudwatch: { code: 'AccessDenied', status: 403 },
  rds: { code: 'AccessDenied', status: 403 },
  elasticache: { code: 'AccessDenied', status: 403 },
  redshift: { code: 'AccessDenied', status: 403 },
  sns: { code: 'AuthorizationError', status: 403 },
  sqs: { code: 'AccessDenied', status: 403 },
  'route-53': { code: 'AccessDenied', status: 403 },
  cloudfront: { code: 'AccessDenied', status: 403 },
};

type Denial = Extract<Decision, { allowed: false }>;

/**
 * Roles say no more than that: neither whether the role exists nor which policy lacks the allow; only the caller's own explicit denies are named.
 */
function clauseOf(check: Check, reason: DenyReason, action: string): string {
  const silent = check.trust === true && (reason.startsWith('implicit') || reason === 'explicit-resource');
  return silent ? '' : ` ${because[reason](action)}`;
}

async function accessDenied(service: string, check: Check, denial: Denial, ctx: Context): Promise<AwsError> {
  const named = check.action ?? actionOf(service, ctx.operation);
  // SQS alone prints its actions in lower case.
  const action = service === 'sqs' ? named.toLowerCase() : named;
  const clause = clauseOf(check, denial.reason, action);
  const detail = `User: ${ctx.caller.arn} is not authorized to perform: ${action} on resource: ${check.resource}${clause}`;
  const { code, status } = deniedCodes[service] ?? { code: 'AccessDeniedException', status: 400 };
  if (service === 's3') return new AwsError(code, s3Denial(ctx.caller, check, detail), { status });
  if (service !== 'ec2') return new AwsError(code, detail, { status });
  const encoded = await sealMessage(ctx, ctx.caller.account, describeDenial(check, action, denial, ctx));
  const message = `You are not authorized to perform this operation. ${detail}. Encoded authorization failure message: ${encoded}`;
  return new AwsError(code, message, { status });
}

/** S3 tells details to callers of the resource's own account only, and puts the resource in quotes ("Access denied (403 Forbidden) errors"). */
function s3Denial(caller: Caller, check: Check, detail: string): string {
  const own = caller.account !== '' && (check.resourceAccount ?? caller.account) === caller.account;
  return own ? detail.replace(`on resource: ${check.resource}`, () => `on resource: "${check.resource}"`) : 'Access Denied';
}

/** The decision as DecodeAuthorizationMessage shows it (STS API Reference). */
function describeDenial(check: Check, action: string, denial: Denial, ctx: Context): string {
  const conditions = conditionContext(ctx.caller, ctx.region, ctx.now, check);
  const items = <T>(list: readonly T[]): { items: readonly T[] } => ({ items: list });
  return JSON.stringify({
    allowed: false,
    explicitDeny: denial.reason.startsWith('explicit'),
    matchedStatements: items(
      denial.matched.map(({ sid, source, statementIndex }) => ({ statementId: sid ?? '', source, statementIndex })),
    ),
    failures: items([]),
    context: {
      principal: { id: ctx.caller.userId, name: ctx.caller.userName, arn: ctx.caller.arn },
      action,
      resource: check.resource,
      conditions: items([...conditions].map(([key, values]) => ({ key, values: items(values.map((value) => ({ value }))) }))),
    },
  });
}
