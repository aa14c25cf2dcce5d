/**
 * Is this text a policy of its kind? Answers with the message that AWS gives, in the order AWS checks, since tools match on the messages.
 *
 * Two validators stand behind the real service. Identity policies (and session policies) go through IAM's own, whose answers are few and
 * general; policies with principals go through the one shared with S3, which names fields. Organizations answers every fault of a control
 * policy with one sentence. The order of identity checks is the one observed on the real service: syntax, version, the "legacy parser"
 * (case of Effect, dates, ARNs without vendor), Sids, presence of actions, form of resources, form of actions, presence of resources.
 *
 * Not judged here, because it needs the account: whether principals exist (`principalsOf` lists them), and size quotas by entity.
 * Source: IAM User Guide, "Grammar of the IAM JSON policy language"; answers of the real service as quoted in public issue trackers.
 */
import { parseOperator } from './conditions.ts';
import { DocumentError, isObject, type JsonObject, type PolicyDocument, parseJson, readDocument, textList } from './document.ts';
import { identityResourceFault, isLegacyFault } from './validate-resources.ts';
import { parseInstant } from './values.ts';

export type PolicyKind = 'identity' | 'session' | 'resource' | 'trust' | 'scp' | 'rcp';

/** `json`: the text is no JSON object at all, for which some services have a message of their own. */
export type PolicyFault = { ok: false; reason: 'json' | 'policy'; message: string };
export type PolicyValidation = { ok: true; document: PolicyDocument } | PolicyFault;

const versions = ['2008-10-17', '2012-10-17'];
const currentVersion = '2012-10-17';
const documentMembers = new Set(['Version', 'Id', 'Statement']);
const statementMembers = new Set([
  'Sid',
  'Effect',
  'Principal',
  'NotPrincipal',
  'Action',
  'NotAction',
  'Resource',
  'NotResource',
  'Condition',
]);
const principalKinds = new Set(['AWS', 'Service', 'Federated', 'CanonicalUser']);

/** Messages of IAM's own validator. */
const identityMessages = {
  syntax: 'Syntax errors in policy.',
  version: 'Policy document must be version 2012-10-17 or greater.',
  principal: 'Policy document should not specify a principal.',
  legacy: 'The policy failed legacy parsing',
  sidUnique: 'Statement IDs (SID) in a single policy must be unique.',
  sidForm: 'Statement IDs (SID) must be alpha-numeric. Check that your input satisfies the regular expression [0-9A-Za-z]*',
  actions: 'Policy statement must contain actions.',
  resources: 'Policy statement must contain resources.',
  vendor: 'Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc.',
  oneColon: 'Actions/Condition can contain only one colon.',
} as const;

/** The one message of Organizations. */
const controlMessage = 'The provided policy document does not meet the requirements of the specified policy type.';

/** A fault on the way through the checks; caught in `validatePolicy`. */
class Fault extends Error {}

function fail(message: string): never {
  throw new Fault(message);
}

function statementsOf(json: JsonObject): JsonObject[] | undefined {
  const { Statement: value } = json;
  const list = Array.isArray(value) ? value : [value];
  return list.length > 0 && list.every(isObject) ? list : undefined;
}

/** Whether a Condition element is one: operators to keys to values. An unknown operator may stand there only without keys. */
function isCondition(value: unknown): boolean {
  if (!isObject(value)) return false;
  return Object.entries(value).every(([operator, keys]) => {
    if (!isObject(keys)) return false;
    if (parseOperator(operator) === undefined && Object.keys(keys).length > 0) return false;
    return Object.values(keys).every((values) => textList(values) !== undefined);
  });
}

function isStringList(value: unknown): boolean {
  return typeof value === 'string' || (Array.isArray(value) && value.every((item) => typeof item === 'string'));
}

function isPrincipal(value: unknown): boolean {
  if (value === '*') return true;
  return isObject(value) && Object.entries(value).every(([kind, values]) => principalKinds.has(kind) && isStringList(values));
}

/** What both validators call a syntax error: unknown members, members of the wrong type, contradicting pairs. */
function hasStatementSyntax(statement: JsonObject): boolean {
  if (!Object.keys(statement).every((member) => statementMembers.has(member))) return false;
  for (const pair of ['Action', 'Resource', 'Principal'])
    if (statement[pair] !== undefined && statement[`Not${pair}`] !== undefined) return false;
  for (const member of ['Action', 'NotAction', 'Resource', 'NotResource']) {
    if (statement[member] !== undefined && !isStringList(statement[member])) return false;
  }
  if (statement['Sid'] !== undefined && typeof statement['Sid'] !== 'string') return false;
  return statement['Condition'] === undefined || isCondition(statement['Condition']);
}

function hasDocumentSyntax(json: JsonObject): boolean {
  if (!Object.keys(json).every((member) => documentMembers.has(member))) return false;
  return json['Id'] === undefined || typeof json['Id'] === 'string';
}

function listOf(value: unknown): string[] {
  return textList(value) ?? [];
}

/** Values of `Action` or `NotAction`, and of `Resource` or `NotResource`; undefined where neither stands. */
function elementOf(statement: JsonObject, member: 'Action' | 'Resource'): string[] | undefined {
  const value = statement[member] ?? statement[`Not${member}`];
  return value === undefined ? undefined : listOf(value);
}

function sidsOf(statements: readonly JsonObject[]): string[] {
  return statements.flatMap(({ Sid: sid }) => (typeof sid === 'string' && sid !== '' ? [sid] : []));
}

function hasDuplicates(texts: readonly string[]): boolean {
  return new Set(texts).size !== texts.length;
}

function checkDates(statement: JsonObject): void {
  const condition = statement['Condition'];
  if (!isObject(condition)) return;
  for (const [operator, keys] of Object.entries(condition)) {
    if (!isObject(keys) || !(parseOperator(operator)?.base.startsWith('Date') ?? false)) continue;
    for (const value of Object.values(keys).flatMap(listOf)) if (parseInstant(value) === undefined) fail(identityMessages.legacy);
  }
}

function checkIdentityAction(action: string): void {
  const parts = action.split(':');
  const vendor = parts[0]!;
  if (action === '*') return;
  if (parts.length === 1) fail(identityMessages.vendor);
  if (parts.length > 2) fail(identityMessages.oneColon);
  if (!/^[a-zA-Z0-9.-]+$/.test(vendor)) fail(`Vendor ${vendor} is not valid`);
}

/** First fault in the form of a resource. Throws at once for those that the legacy parser cannot read. */
function resourceFaultOf(statements: readonly JsonObject[]): string | undefined {
  for (const statement of statements) {
    for (const resource of elementOf(statement, 'Resource') ?? []) {
      if (isLegacyFault(resource)) fail(identityMessages.legacy);
      const fault = identityResourceFault(resource);
      if (fault !== undefined) return fault;
    }
  }
  return undefined;
}

function checkIdentity(json: JsonObject, kind: 'identity' | 'session'): void {
  const statements = statementsOf(json);
  if (!hasDocumentSyntax(json) || statements === undefined || !statements.every(hasStatementSyntax))
    fail(identityMessages.syntax);
  if (json['Version'] !== undefined && !versions.includes(String(json['Version']))) fail(identityMessages.syntax);
  for (const { Effect: effect } of statements) if (!/^(allow|deny)$/i.test(String(effect))) fail(identityMessages.syntax);
  // STS takes session policies of the older version as well.
  if (kind === 'identity' && json['Version'] !== currentVersion) fail(identityMessages.version);
  for (const statement of statements) {
    if (statement['Principal'] !== undefined || statement['NotPrincipal'] !== undefined) fail(identityMessages.principal);
  }
  for (const statement of statements) {
    if (statement['Effect'] !== 'Allow' && statement['Effect'] !== 'Deny') fail(identityMessages.legacy);
    checkDates(statement);
  }
  const resourceFault = resourceFaultOf(statements);
  const sids = sidsOf(statements);
  if (hasDuplicates(sids)) fail(identityMessages.sidUnique);
  if (!sids.every((sid) => /^[0-9A-Za-z]*$/.test(sid))) fail(identityMessages.sidForm);
  for (const statement of statements) if ((elementOf(statement, 'Action')?.length ?? 0) === 0) fail(identityMessages.actions);
  if (resourceFault !== undefined) fail(resourceFault);
  for (const statement of statements) for (const action of elementOf(statement, 'Action') ?? []) checkIdentityAction(action);
  for (const statement of statements) if ((elementOf(statement, 'Resource')?.length ?? 0) === 0) fail(identityMessages.resources);
}

function checkPrincipal(statement: JsonObject, kind: 'resource' | 'trust'): void {
  const { Principal: principal, NotPrincipal: notPrincipal, Effect: effect } = statement;
  if (notPrincipal !== undefined) {
    if (effect === 'Allow') fail('Allow with NotPrincipal is not allowed.');
    if (kind === 'trust') fail('AssumeRole policy must not contain NotPrincipal field.');
  }
  const value = principal ?? notPrincipal;
  if (value === undefined) fail('Missing required field Principal');
  if (kind === 'trust' && value === '*') fail('AssumeRolepolicy contained an invalid principal: "STAR":"*".');
  if (typeof value === 'string' && value !== '*') fail('Principal must be a JSON object.');
  if (isObject(value)) {
    if (Object.keys(value).length === 0) fail('Missing required field Principal cannot be empty!');
    for (const [name, values] of Object.entries(value)) {
      const known = principalKinds.has(name) && !(kind === 'trust' && name === 'CanonicalUser');
      if (!known) fail(`Invalid principal in policy: "${name}"`);
      checkPrincipalValues(name, values);
    }
  }
  if (!isPrincipal(value)) fail('Syntax error in policy.');
}

/** A group is no principal, and names hold no wildcards ("You cannot use a wildcard to match part of a principal name or ARN"). */
function checkPrincipalValues(kind: string, values: unknown): void {
  for (const value of listOf(values)) {
    const wildcard = /[*?]/.test(value) && value !== '*';
    const awsForm =
      /^(\*|\d{12}|A[A-Z0-9]{15,}|arn:[a-z-]+:(iam|sts)::(\d{12}|cloudfront):(root|user\/.+|role\/.+|assumed-role\/.+\/.+|federated-user\/.+))$/;
    const bad = kind === 'AWS' ? !awsForm.test(value) || wildcard : wildcard || value === '';
    if (bad) fail(`Invalid principal in policy: "${kind === 'AWS' ? kind : kind.toUpperCase()}":"${value}"`);
  }
}

function checkTrustActions(statement: JsonObject): void {
  if (!(elementOf(statement, 'Action') ?? []).every((action) => /^sts:/i.test(action))) {
    fail('AssumeRole policy may only specify STS AssumeRole actions.');
  }
  if (statement['Resource'] !== undefined) fail('Has prohibited field Resource');
  if (statement['NotResource'] !== undefined) fail('AssumeRole policy must not contain resources.');
}

function checkWithPrincipals(json: JsonObject, kind: 'resource' | 'trust'): void {
  if (!hasDocumentSyntax(json)) fail('Syntax error in policy.');
  if (json['Version'] !== undefined && !versions.includes(String(json['Version'])))
    fail('The policy must contain a valid version string');
  if (json['Statement'] === undefined) fail('Missing required field Statement');
  if (Array.isArray(json['Statement']) && json['Statement'].length === 0) fail('Could not parse the policy: Statement is empty!');
  const statements = statementsOf(json) ?? fail('Syntax error in policy.');
  for (const statement of statements) {
    const { Effect: effect } = statement;
    if (effect === undefined || effect === '') fail('Missing required field Effect');
    if (effect !== 'Allow' && effect !== 'Deny') fail(`Invalid effect: ${String(effect)}`);
    checkPrincipal(statement, kind);
    if (!hasStatementSyntax(statement)) fail('Syntax error in policy.');
    if ((elementOf(statement, 'Action')?.length ?? 0) === 0) fail('Missing required field Action');
    if (kind === 'trust') checkTrustActions(statement);
    else if ((elementOf(statement, 'Resource')?.length ?? 0) === 0) fail('Missing required field Resource');
  }
  if (hasDuplicates(sidsOf(statements))) fail('The Statement Ids in the policy are not unique');
}

/**
 * Control policies. Since 2025 service control policies have the whole language but principals; resource control policies only deny, everybody,
 * and name their actions.
 */
function checkControl(json: JsonObject, kind: 'scp' | 'rcp'): void {
  const statements = statementsOf(json);
  if (!hasDocumentSyntax(json) || json['Version'] !== currentVersion || statements === undefined) fail(controlMessage);
  for (const statement of statements) {
    const { Effect: effect, Principal: principal, NotPrincipal: notPrincipal, NotAction: notAction } = statement;
    const actions = elementOf(statement, 'Action') ?? [];
    const resources = elementOf(statement, 'Resource') ?? [];
    const wellFormed =
      hasStatementSyntax(statement) && actions.length > 0 && resources.length > 0 && !resources.some(isLegacyFault);
    const vendors = actions.every((action) => /^(\*|[a-zA-Z0-9.-]+:[^:]+)$/.test(action));
    const ofScp = (effect === 'Allow' || effect === 'Deny') && principal === undefined;
    const ofRcp =
      effect === 'Deny' && (principal === '*' || (isObject(principal) && principal['AWS'] === '*')) && notAction === undefined;
    if (!wellFormed || !vendors || notPrincipal !== undefined || !(kind === 'scp' ? ofScp : ofRcp)) fail(controlMessage);
    if (kind === 'rcp' && actions.includes('*')) fail(controlMessage);
  }
  if (hasDuplicates(sidsOf(statements))) fail(controlMessage);
}

function check(json: JsonObject, kind: PolicyKind): void {
  if (kind === 'identity' || kind === 'session') checkIdentity(json, kind);
  else if (kind === 'resource' || kind === 'trust') checkWithPrincipals(json, kind);
  else checkControl(json, kind);
}

const jsonMessages: Readonly<Record<PolicyKind, string>> = {
  identity: identityMessages.syntax,
  session: identityMessages.syntax,
  resource: 'This policy contains invalid Json',
  trust: 'This policy contains invalid Json',
  scp: controlMessage,
  rcp: controlMessage,
};

/**
 * Judges a policy document.
 * @returns the document, or the message of IAM's MalformedPolicyDocument (S3: MalformedPolicy, Organizations: MalformedPolicyDocumentException).
 *   Documents beyond `documentCharsMax` characters, `documentDepthMax` levels or `documentStatementsMax` statements count as no JSON.
 */
export function validatePolicy(text: string, kind: PolicyKind): PolicyValidation {
  let json: JsonObject;
  try {
    json = parseJson(text);
  } catch (error) {
    if (error instanceof DocumentError) return { ok: false, reason: 'json', message: jsonMessages[kind] };
    throw error;
  }
  try {
    check(json, kind);
  } catch (error) {
    if (error instanceof Fault) return { ok: false, reason: 'policy', message: error.message };
    throw error;
  }
  return { ok: true, document: readDocument(json) };
}

/** Principals that a document names, each once, for the service that must see that they exist. `*` is left out. */
export function principalsOf(document: PolicyDocument): { kind: string; value: string }[] {
  const found = new Map<string, { kind: string; value: string }>();
  for (const { principal, notPrincipal } of document.statements) {
    for (const element of [principal, notPrincipal]) {
      for (const [kind, values] of element?.byKind ?? []) {
        for (const value of values) if (value !== '*') found.set(`${kind} ${value}`, { kind, value });
      }
    }
  }
  return [...found.values()];
}
