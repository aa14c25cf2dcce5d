/**
 * The policy simulator: the same engine that decides requests, asked about requests that nobody makes. It takes the context it is given and
 * nothing else, and touches no resource.
 */
import type { EvaluationResult, IAM, SimulateCustomPolicyRequest, Statement } from '@aws-sdk/client-iam';
import { parseArn } from '../../base/arn.ts';
import type { Context } from '../../kernel/context.ts';
import { parameterNotImplemented } from '../../kernel/errors.ts';
import { contextKeysFor, type Simulation, simulate } from '../../kernel/policy/simulate.ts';
import type { MatchedStatement, PolicyPrincipal, PolicyRequest, PolicySet } from '../../kernel/policy/types.ts';
import { type PolicyKind, validatePolicy } from '../../kernel/policy/validate.ts';
import type { AuthorisationsOf, Check, HandlersOf } from '../../kernel/service.ts';
import { parseEntityArn, userArn } from './arns.ts';
import { resourceTags } from './authorise.ts';
import { invalidInput } from './errors.ts';
import { pageItems } from './paging.ts';
import { boundaryOf, type Entity, type NamedPolicy, policiesOf, requireEntity, withGroups } from './policy-sources.ts';
import { RequestCheck } from './rules.ts';
import { type IdentityRow, Users } from './state.ts';

const actionForm = /^[a-zA-Z0-9-]+:[a-zA-Z0-9]+$/;

/** A policy that takes part: how the answer names it, and its text. */
interface Source {
  id: string;
  document: string;
}

/** Everything a simulation is made from. */
interface Scene {
  principal: PolicyPrincipal;
  identity: readonly Source[];
  boundary?: Source | undefined;
  resource?: Source | undefined;
  serviceControl?: readonly (readonly string[])[] | undefined;
}

function checkTexts(texts: readonly string[] | undefined, kind: PolicyKind): void {
  for (const text of texts ?? []) {
    const result = validatePolicy(text, kind);
    if (!result.ok) throw invalidInput(result.message);
  }
}

function numbered(list: string, texts: readonly string[] | undefined): Source[] {
  return (texts ?? []).map((document, index) => ({ id: `${list}.${index + 1}`, document }));
}

type SimulationInput = Omit<SimulateCustomPolicyRequest, 'PolicyInputList'> & { PolicyInputList?: string[] | undefined };

/** Checks what both operations take. Throws ValidationError, InvalidInput, and 501 for resource handling options. */
function checkInput(input: SimulationInput): void {
  new RequestCheck().paging(input).done();
  if (input.ResourceHandlingOption !== undefined) throw parameterNotImplemented('SimulateCustomPolicy', 'ResourceHandlingOption');
  checkTexts(input.PolicyInputList, 'identity');
  checkTexts(input.PermissionsBoundaryPolicyInputList, 'identity');
  if ((input.PermissionsBoundaryPolicyInputList?.length ?? 0) > 1)
    throw invalidInput('Only one permissions boundary policy can be specified.');
  if (input.ResourcePolicy !== undefined) {
    checkTexts([input.ResourcePolicy], 'resource');
    if (input.CallerArn === undefined) throw invalidInput('CallerArn is required when ResourcePolicy is specified.');
  }
  for (const { ServiceControlPolicyInputList } of input.OrderedOrganizationPolicyInputList ?? [])
    checkTexts(ServiceControlPolicyInputList, 'scp');
  const bad = (input.ActionNames ?? []).find((action) => !actionForm.test(action));
  if (bad !== undefined) throw invalidInput(`Invalid ActionName: ${bad}`);
  for (const arn of input.ResourceArns ?? [])
    if (arn !== '*' && parseArn(arn) === undefined) throw invalidInput(`ResourceArn ${arn} is not valid.`);
}

/** The user who makes the simulated calls; CallerArn must name a user ("not an assumed role, federated user, or a service principal"). */
function callerOf(ctx: Context, callerArn: string | undefined, row?: IdentityRow): PolicyPrincipal {
  if (callerArn === undefined) {
    const arn = userArn(ctx.account, { path: '/', name: 'simulated' });
    return { type: 'User', account: ctx.account, arn };
  }
  const parsed = parseEntityArn('user', callerArn);
  if (parsed === undefined) throw invalidInput(`CallerArn ${callerArn} is not the ARN of a user.`);
  const principal: PolicyPrincipal = { type: 'User', account: parsed.account, arn: callerArn };
  return row === undefined ? principal : { ...principal, uniqueId: row.id };
}

function contextOf(input: SimulationInput): Map<string, readonly string[]> {
  const entries = input.ContextEntries ?? [];
  return new Map(
    entries.map(({ ContextKeyName = '', ContextKeyValues = [] }) => [ContextKeyName.toLowerCase(), ContextKeyValues]),
  );
}

/** A key as the policies spell it: the engine folds case. */
function spelling(texts: readonly string[], key: string): string {
  for (const text of texts) {
    const at = text.toLowerCase().indexOf(key);
    if (at >= 0) return text.slice(at, at + key.length);
  }
  return key;
}

function describeStatement(scene: Scene, matched: MatchedStatement & { span: Simulation['matched'][number]['span'] }): Statement {
  const source =
    matched.source === 'identity'
      ? scene.identity[matched.policyIndex]
      : matched.source === 'boundary'
        ? scene.boundary
        : matched.source === 'resource'
          ? scene.resource
          : undefined;
  const position = (at: { line: number; column: number } | undefined) =>
    at === undefined ? undefined : { Line: at.line, Column: at.column };
  return {
    SourcePolicyId: source?.id ?? matched.source,
    SourcePolicyType: 'IAM Policy' as Statement['SourcePolicyType'],
    StartPosition: position(matched.span?.start),
    EndPosition: position(matched.span?.end),
  };
}

function simulateOne(scene: Scene, policies: PolicySet, request: PolicyRequest): EvaluationResult {
  const result = simulate(request, policies);
  const texts = [...policies.identity, policies.boundary ?? '', policies.resource ?? ''];
  const crossAccount = request.resourceAccount !== request.principal.account;
  const details: EvaluationResult['EvalDecisionDetails'] = {};
  const identity = result.bySource.get('identity');
  const resource = result.bySource.get('resource');
  if (identity !== undefined) details['IAM Policy'] = identity;
  if (resource !== undefined) details['Resource Policy'] = resource;
  return {
    EvalActionName: request.action,
    EvalResourceName: request.resource,
    EvalDecision: result.decision,
    MatchedStatements: result.matched.map((matched) => describeStatement(scene, matched)),
    MissingContextValues: result.missingContext.map((key) => spelling(texts, key)),
    EvalDecisionDetails: crossAccount ? details : undefined,
    OrganizationsDecisionDetail:
      result.allowedByOrganizations === undefined ? undefined : { AllowedByOrganizations: result.allowedByOrganizations },
    PermissionsBoundaryDecisionDetail:
      result.allowedByBoundary === undefined ? undefined : { AllowedByPermissionsBoundary: result.allowedByBoundary },
  };
}

/** One result per action and resource, in pages. */
function simulateAll(ctx: Context, input: SimulationInput, scene: Scene) {
  const policies: PolicySet = {
    identity: scene.identity.map(({ document }) => document),
    boundary: scene.boundary?.document,
    resource: scene.resource?.document,
    serviceControl: scene.serviceControl,
  };
  const context = contextOf(input);
  const owner = /\d{12}/.exec(input.ResourceOwner ?? '')?.[0];
  const resources = input.ResourceArns?.length ? input.ResourceArns : ['*'];
  const questions = (input.ActionNames ?? []).flatMap((action) => resources.map((resource) => ({ action, resource })));
  const { items, page } = pageItems(
    `Simulate ${ctx.operation} ${questions.length}`,
    questions.map((question, index) => ({ ...question, index })),
    ({ index }) => [index],
    input,
  );
  const results = items.map(({ action, resource }) => {
    const resourceAccount = owner ?? scene.principal.account;
    return simulateOne(scene, policies, { principal: scene.principal, action, resource, resourceAccount, context });
  });
  return { EvaluationResults: results, ...page };
}

/** As the simulator names the policies of a principal: `user_ann_inline`, and managed ones by name. */
function sourceOf({ entity, name, arn, document }: NamedPolicy): Source {
  return { id: arn === undefined ? `${entity.kind}_${entity.row.name}_${name}` : name, document };
}

async function sourcesOf(ctx: Context, entity: Entity): Promise<Source[]> {
  const entities = await withGroups(ctx, ctx.account, entity);
  return (await policiesOf(ctx, ctx.account, entities)).map(sourceOf);
}

function levelsOf(input: SimulationInput): readonly (readonly string[])[] | undefined {
  return input.OrderedOrganizationPolicyInputList?.map(({ ServiceControlPolicyInputList = [] }) => ServiceControlPolicyInputList);
}

function boundarySource(input: SimulationInput): Source | undefined {
  return numbered('PermissionsBoundaryPolicyInputList', input.PermissionsBoundaryPolicyInputList)[0];
}

function resourceSource({ ResourcePolicy: document }: SimulationInput): Source | undefined {
  return document === undefined ? undefined : { id: 'ResourcePolicy', document };
}

/** Keys in the policies' own spelling, each once. */
function spelledKeys(texts: readonly string[]): string[] {
  return contextKeysFor(texts).map((key) => spelling(texts, key));
}

export const simulateHandlers: HandlersOf<IAM> = {
  /** Throws InvalidInput for policies that are none. */
  SimulateCustomPolicy(input, ctx) {
    checkInput(input);
    return simulateAll(ctx, input, {
      principal: callerOf(ctx, input.CallerArn),
      identity: numbered('PolicyInputList', input.PolicyInputList),
      boundary: boundarySource(input),
      resource: resourceSource(input),
      serviceControl: levelsOf(input),
    });
  },

  /** The policies of a user (with its groups), group or role, and those given besides. Throws NoSuchEntity. */
  async SimulatePrincipalPolicy(input, ctx) {
    checkInput(input);
    if (input.PolicyExclusionList !== undefined && input.PolicyExclusionList.length > 0)
      throw parameterNotImplemented('SimulatePrincipalPolicy', 'PolicyExclusionList');
    const entity = await requireEntity(ctx, ctx.account, input.PolicySourceArn ?? '');
    const isUser = entity.kind === 'user';
    if (input.ResourcePolicy !== undefined && input.CallerArn === undefined && !isUser)
      throw invalidInput('CallerArn is required when ResourcePolicy is specified.');
    const own = await boundaryOf(ctx, ctx.account, entity);
    const principal = callerOf(
      ctx,
      input.CallerArn ?? (isUser ? entity.arn : undefined),
      isUser && (input.CallerArn ?? entity.arn) === entity.arn ? (entity.row as IdentityRow) : undefined,
    );
    return simulateAll(ctx, input, {
      principal,
      identity: [...(await sourcesOf(ctx, entity)), ...numbered('PolicyInputList', input.PolicyInputList)],
      boundary: boundarySource(input) ?? (own === undefined ? undefined : { id: 'PermissionsBoundary', document: own }),
      resource: resourceSource(input),
      serviceControl: levelsOf(input),
    });
  },

  GetContextKeysForCustomPolicy({ PolicyInputList: texts = [] }) {
    checkTexts(texts, 'identity');
    return { ContextKeyNames: spelledKeys(texts) };
  },

  async GetContextKeysForPrincipalPolicy({ PolicySourceArn: arn = '', PolicyInputList: texts = [] }, ctx) {
    checkTexts(texts, 'identity');
    const sources = await sourcesOf(ctx, await requireEntity(ctx, ctx.account, arn));
    return { ContextKeyNames: spelledKeys([...sources.map(({ document }) => document), ...texts]) };
  },
};

/** Authorised on the identity whose policies are read. */
async function onPolicySource(
  { PolicySourceArn: arn = '' }: { PolicySourceArn?: string | undefined },
  ctx: Context,
): Promise<Check[]> {
  const user = parseEntityArn('user', arn);
  const row = user === undefined ? undefined : await ctx.table(Users).get(user.name.toLowerCase());
  return [{ resource: arn, conditions: resourceTags(row?.tags) }];
}

export const simulateChecks: AuthorisationsOf<IAM> = {
  SimulatePrincipalPolicy: onPolicySource,
  GetContextKeysForPrincipalPolicy: onPolicySource,
};
