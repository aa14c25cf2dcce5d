/**
 * A second evaluator, for tests only: the IAM User Guide transcribed page by page, slowly and readably, sharing nothing with src/. Where the
 * engine compiles tokens, sets and verdicts, this parses the JSON for each question, makes regular expressions, asks node:net about addresses
 * and Date.parse about dates. It answers `allowed`, `explicit` (an explicit deny) or `implicit`.
 */
import { BlockList, isIPv4, isIPv6 } from 'node:net';

export interface NaivePrincipal {
  type: string;
  account: string;
  arn: string;
  roleArn?: string;
  userArn?: string;
}

export interface NaiveRequest {
  principal: NaivePrincipal;
  action: string;
  resource: string;
  resourceAccount: string;
  context: ReadonlyMap<string, readonly string[]>;
}

export interface NaivePolicies {
  identity: readonly string[];
  boundary?: string | undefined;
  session?: readonly string[] | undefined;
  serviceControl?: readonly (readonly string[])[] | undefined;
  resourceControl?: readonly (readonly string[])[] | undefined;
  resource?: string | undefined;
  resourceMustAllow?: boolean | undefined;
  endpoint?: string | undefined;
}

type Json = Record<string, unknown>;
type Context = ReadonlyMap<string, readonly string[]>;

const list = (value: unknown): unknown[] => (Array.isArray(value) ? value : value === undefined ? [] : [value]);
const texts = (value: unknown): string[] => list(value).map(String);
const quote = (text: string): string => text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');

// --- Variables -----------------------------------------------------------------------------------------------------------------------

/** Splits a text into what is literal for ever and what may hold wildcards. Null: a variable has no value. */
function substitute(text: string, version: string, context: Context): { text: string; literal: boolean }[] | null {
  if (version !== '2012-10-17') return [{ text, literal: false }];
  const parts: { text: string; literal: boolean }[] = [];
  let rest = text;
  for (;;) {
    const found = /\$\{(?:([*?$])|([^},'*?$]+?)(?:,\s*'([^']*)')?)\}/.exec(rest);
    if (found === null) return [...parts, { text: rest, literal: false }];
    parts.push({ text: rest.slice(0, found.index), literal: false });
    rest = rest.slice(found.index + found[0].length);
    if (found[1] !== undefined) parts.push({ text: found[1], literal: true });
    else {
      const values = context.get(found[2]!.trim().toLowerCase());
      const value = values?.length === 1 ? values[0] : found[3];
      if (value === undefined) return null;
      parts.push({ text: value, literal: true });
    }
  }
}

// --- Elements ------------------------------------------------------------------------------------------------------------------------

function actionMatches(pattern: string, action: string): boolean {
  return new RegExp(`^${quote(pattern).replaceAll('\\*', '.*').replaceAll('\\?', '.')}$`, 'i').test(action);
}

/** Wildcards stay within the segments of an ARN, but a star at a segment's end may go on beyond the colon; the sixth segment is free. */
function resourceMatches(pattern: string, resource: string, version: string, context: Context): boolean {
  if (pattern === '*') return true;
  const segments = pattern.split(':');
  if (segments[0] !== 'arn')
    return pattern.includes('*') || pattern.includes('?') ? actionMatchesExactCase(pattern, resource) : pattern === resource;
  while (segments.length < 6) segments.push('*');
  const head = segments.slice(0, 5).map((segment) => {
    const free = segment.endsWith('*');
    const body = quote(free ? segment.slice(0, -1) : segment)
      .replaceAll('\\*', '[^:]*')
      .replaceAll('\\?', '[^:]');
    return free ? `${body}.*` : body;
  });
  const tail = substitute(segments.slice(5).join(':'), version, context);
  if (tail === null) return false;
  const tailPattern = tail
    .map((part) => (part.literal ? quote(part.text) : quote(part.text).replaceAll('\\*', '.*').replaceAll('\\?', '.')))
    .join('');
  return new RegExp(`^${head.join(':')}:${tailPattern}$`, 's').test(resource);
}

function actionMatchesExactCase(pattern: string, text: string): boolean {
  return new RegExp(`^${quote(pattern).replaceAll('\\*', '.*').replaceAll('\\?', '.')}$`, 's').test(text);
}

// --- Conditions ----------------------------------------------------------------------------------------------------------------------

function plainText(wanted: string, version: string, context: Context): string | null {
  const parts = substitute(wanted, version, context);
  return parts === null ? null : parts.map((part) => part.text).join('');
}

function like(value: string, wanted: string, version: string, context: Context): boolean {
  const parts = substitute(wanted, version, context);
  if (parts === null) return false;
  const source = parts
    .map((part) => (part.literal ? quote(part.text) : quote(part.text).replaceAll('\\*', '.*').replaceAll('\\?', '.')))
    .join('');
  return new RegExp(`^${source}$`, 's').test(value);
}

function arnLike(value: string, wanted: string, version: string, context: Context): boolean {
  const parts = substitute(wanted, version, context);
  if (parts === null) return false;
  // Literal wildcards are hidden behind characters that no ARN has, so that the pattern can be cut at its colons.
  const hidden = parts
    .map((part) => (part.literal ? part.text.replaceAll('*', '\u0001').replaceAll('?', '\u0002') : part.text))
    .join('');
  if (hidden === '*') return true;
  const cut = (text: string): string[] => [...text.split(':').slice(0, 5), text.split(':').slice(5).join(':')];
  if (!hidden.startsWith('arn:') && hidden.split(':').length < 6) return false;
  if (value.split(':').length < 6) return false;
  const complete = hidden + ':*'.repeat(Math.max(0, 6 - hidden.split(':').length));
  const components = cut(value);
  return cut(complete).every((pattern, index) => {
    const source = quote(pattern)
      .replaceAll('\\*', '.*')
      .replaceAll('\\?', '.')
      .replaceAll('\u0001', '\\*')
      .replaceAll('\u0002', '\\?');
    return new RegExp(`^${source}$`, 's').test(components[index]!);
  });
}

function date(text: string): number {
  if (/^\d+$/.test(text)) return Number(text) * 1000;
  return Date.parse(/T/i.test(text) && !/(Z|[+-]\d\d:?\d\d)$/i.test(text) ? `${text}Z` : text);
}

function inRange(value: string, range: string): boolean {
  const [address = '', prefix] = range.split('/');
  const family = isIPv4(address) ? 'ipv4' : isIPv6(address) ? 'ipv6' : undefined;
  const valueFamily = isIPv4(value) ? 'ipv4' : isIPv6(value) ? 'ipv6' : undefined;
  if (family === undefined || family !== valueFamily) return false;
  const block = new BlockList();
  block.addSubnet(address, prefix === undefined ? (family === 'ipv4' ? 32 : 128) : Number(prefix), family);
  return block.check(value, family);
}

/** The positive form of each operator. */
function matchesValue(operator: string, value: string, wanted: string, version: string, context: Context): boolean {
  switch (operator) {
    case 'StringEquals':
      return value === plainText(wanted, version, context);
    case 'StringEqualsIgnoreCase':
      return value.toLowerCase() === plainText(wanted, version, context)?.toLowerCase();
    case 'StringLike':
      return like(value, wanted, version, context);
    case 'ArnEquals':
    case 'ArnLike':
      return arnLike(value, wanted, version, context);
    case 'NumericEquals':
      return Number(value) === Number(wanted);
    case 'NumericLessThan':
      return Number(value) < Number(wanted);
    case 'NumericLessThanEquals':
      return Number(value) <= Number(wanted);
    case 'NumericGreaterThan':
      return Number(value) > Number(wanted);
    case 'NumericGreaterThanEquals':
      return Number(value) >= Number(wanted);
    case 'DateEquals':
      return date(value) === date(wanted);
    case 'DateLessThan':
      return date(value) < date(wanted);
    case 'DateLessThanEquals':
      return date(value) <= date(wanted);
    case 'DateGreaterThan':
      return date(value) > date(wanted);
    case 'DateGreaterThanEquals':
      return date(value) >= date(wanted);
    case 'Bool':
      return (
        ['true', 'false'].includes(value.toLowerCase()) &&
        value.toLowerCase() === plainText(wanted, version, context)?.toLowerCase()
      );
    case 'BinaryEquals':
      return atob(value) === atob(wanted);
    case 'IpAddress':
      return inRange(value, wanted);
    default:
      throw new Error(`naive: ${operator}`);
  }
}

const positiveOf: Record<string, string> = {
  StringNotEquals: 'StringEquals',
  StringNotEqualsIgnoreCase: 'StringEqualsIgnoreCase',
  StringNotLike: 'StringLike',
  ArnNotEquals: 'ArnEquals',
  ArnNotLike: 'ArnLike',
  NumericNotEquals: 'NumericEquals',
  DateNotEquals: 'DateEquals',
  NotIpAddress: 'IpAddress',
};

/** One operator on one key. */
export function naiveCondition(
  operator: string,
  key: string,
  wanted: readonly string[],
  version: string,
  context: Context,
): boolean {
  const set = operator.startsWith('ForAllValues:') ? 'all' : operator.startsWith('ForAnyValue:') ? 'any' : 'none';
  let name = set === 'none' ? operator : operator.slice(operator.indexOf(':') + 1);
  const ifExists = name.endsWith('IfExists');
  if (ifExists) name = name.slice(0, -8);
  const values = context.get(key.toLowerCase()) ?? [];
  const missing = values.length === 0;
  if (name === 'Null')
    return wanted.some((text) => (text.toLowerCase() === 'true' && missing) || (text.toLowerCase() === 'false' && !missing));
  const negated = name in positiveOf;
  const positive = positiveOf[name] ?? name;
  if (missing && ifExists) return true;
  if (missing && set === 'all') return true;
  if (missing && set === 'any') return false;
  if (missing) return negated;
  // "Any attempt to match it fails and causes the statement to be invalid."
  if (negated && wanted.some((text) => substitute(text, version, context) === null)) return false;
  const matches = (value: string): boolean => wanted.some((text) => matchesValue(positive, value, text, version, context));
  if (set === 'all') return values.every((value) => (negated ? !matches(value) : matches(value)));
  if (set === 'any') return values.some((value) => (negated ? !matches(value) : matches(value)));
  return negated ? values.every((value) => !matches(value)) : values.some((value) => matches(value));
}

// --- Principals ----------------------------------------------------------------------------------------------------------------------

type Named = 'no' | 'account' | 'role' | 'self';

function everyone(element: unknown): boolean {
  return element === '*' || texts((element as Json)['AWS']).includes('*');
}

function accountListed(element: unknown, account: string): boolean {
  const aws = texts((element as Json)['AWS']);
  return account !== '' && (aws.includes(account) || aws.includes(`arn:aws:iam::${account}:root`));
}

function named(element: unknown, principal: NaivePrincipal): Named {
  if (everyone(element)) return 'self';
  const aws = texts((element as Json)['AWS']);
  if (principal.type === 'Anonymous') return 'no';
  if (principal.type === 'AWSService') return texts((element as Json)['Service']).includes(principal.arn) ? 'self' : 'no';
  if (principal.type === 'WebIdentity' || principal.type === 'Saml')
    return texts((element as Json)['Federated']).includes(principal.arn) ? 'self' : 'no';
  if (principal.type !== 'Account' && aws.includes(principal.arn)) return 'self';
  if (aws.includes(principal.roleArn ?? '-') || aws.includes(principal.userArn ?? '-')) return 'role';
  return accountListed(element, principal.account) ? 'account' : 'no';
}

/** NotPrincipal with Deny: account, role (or user) and session must all be listed for the caller to be spared. */
function spared(element: unknown, principal: NaivePrincipal): boolean {
  if (everyone(element)) return true;
  if (['Anonymous', 'AWSService', 'WebIdentity', 'Saml'].includes(principal.type)) return named(element, principal) === 'self';
  const aws = texts((element as Json)['AWS']);
  const chain = [principal.type === 'Account' ? undefined : principal.arn, principal.roleArn, principal.userArn].filter(
    (arn) => arn !== undefined,
  );
  return accountListed(element, principal.account) && chain.every((arn) => aws.includes(arn));
}

// --- Statements ----------------------------------------------------------------------------------------------------------------------

interface Hit {
  effect: 'Allow' | 'Deny';
  named: Named;
}

type Kind = 'attached' | 'resource' | 'gate';

function statementHit(statement: Json, version: string, request: NaiveRequest, kind: Kind, bounded: boolean): Hit | null {
  const effect = statement['Effect'] as 'Allow' | 'Deny';
  const matchesAction = (patterns: unknown): boolean => texts(patterns).some((pattern) => actionMatches(pattern, request.action));
  if ('Action' in statement ? !matchesAction(statement['Action']) : matchesAction(statement['NotAction'])) return null;
  const matchesResource = (patterns: unknown): boolean =>
    texts(patterns).some((pattern) => resourceMatches(pattern, request.resource, version, request.context));
  if ('Resource' in statement && !matchesResource(statement['Resource'])) return null;
  if ('NotResource' in statement) {
    const tails = texts(statement['NotResource']).map((pattern) => pattern.split(':').slice(5).join(':'));
    if (tails.some((tail) => substitute(tail, version, request.context) === null)) return null;
    if (matchesResource(statement['NotResource'])) return null;
  }
  let who: Named = 'self';
  if (kind !== 'attached') {
    if ('Principal' in statement) who = named(statement['Principal'], request.principal);
    else if ('NotPrincipal' in statement)
      who = effect === 'Deny' && (bounded || !spared(statement['NotPrincipal'], request.principal)) ? 'self' : 'no';
    else who = kind === 'gate' ? 'self' : 'no';
  }
  if (who === 'no') return null;
  for (const [operator, keys] of Object.entries((statement['Condition'] ?? {}) as Record<string, Json>)) {
    for (const [key, wanted] of Object.entries(keys)) {
      if (!naiveCondition(operator, key, texts(wanted), version, request.context)) return null;
    }
  }
  return { effect, named: who };
}

function hits(policies: readonly string[], request: NaiveRequest, kind: Kind, bounded: boolean): Hit[] {
  return policies.flatMap((text) => {
    const document = JSON.parse(text) as Json;
    const version = String(document['Version'] ?? '2008-10-17');
    return (list(document['Statement']) as Json[])
      .map((statement) => statementHit(statement, version, request, kind, bounded))
      .filter((hit) => hit !== null);
  });
}

// --- The flow chart ------------------------------------------------------------------------------------------------------------------

/** "How AWS enforcement code logic evaluates requests to allow or deny access", step by step. */
export function naiveEvaluate(request: NaiveRequest, policies: NaivePolicies): 'allowed' | 'explicit' | 'implicit' {
  const { principal } = request;
  const bounded = policies.boundary !== undefined;
  const ask = (set: readonly string[], kind: Kind): Hit[] => hits(set, request, kind, bounded);
  const allows = (found: readonly Hit[]): boolean => found.some((hit) => hit.effect === 'Allow');

  const linked = principal.roleArn?.includes(':role/aws-service-role/') ?? false;
  const hasAccount = !['Anonymous', 'AWSService'].includes(principal.type) && principal.account !== '';
  const control = hasAccount && !linked ? (policies.serviceControl ?? []).map((level) => ask(level, 'attached')) : [];
  const resourceControl = linked ? [] : (policies.resourceControl ?? []).map((level) => ask(level, 'gate'));
  const identity = ask(policies.identity, 'attached');
  const boundary = policies.boundary === undefined ? undefined : ask([policies.boundary], 'attached');
  const session = policies.session === undefined ? undefined : ask(policies.session, 'attached');
  const resource = policies.resource === undefined ? [] : ask([policies.resource], 'resource');
  const endpoint = policies.endpoint === undefined ? undefined : ask([policies.endpoint], 'gate');

  // Step 1. Deny evaluation.
  const everything = [
    ...control.flat(),
    ...resourceControl.flat(),
    ...identity,
    ...(boundary ?? []),
    ...(session ?? []),
    ...resource,
    ...(endpoint ?? []),
  ];
  if (everything.some((hit) => hit.effect === 'Deny')) return 'explicit';

  // Steps 2 and 3. RCPs and SCPs: an allow at every level. Then the endpoint.
  if (!resourceControl.every(allows)) return 'implicit';
  if (!control.every(allows)) return 'implicit';
  if (endpoint !== undefined && !allows(endpoint)) return 'implicit';

  const grants = resource.filter((hit) => hit.effect === 'Allow').map((hit) => hit.named);
  const withinBoundary = boundary === undefined || allows(boundary);
  const withinSession = session === undefined ? principal.type !== 'FederatedUser' : allows(session);

  // Principals without identity policies live by the resource's policy alone.
  if (['Anonymous', 'AWSService', 'WebIdentity', 'Saml'].includes(principal.type))
    return grants.length > 0 ? 'allowed' : 'implicit';

  const isRoot = principal.type === 'Account';
  if (principal.account !== request.resourceAccount) {
    // Cross-account: the trusted account allows its principal, and the trusting account's resource allows it.
    const trusted = isRoot || (allows(identity) && withinBoundary && withinSession);
    return trusted && grants.length > 0 ? 'allowed' : 'implicit';
  }
  // Step 4. Resource-based policies, by who is named.
  if (grants.includes('self')) return 'allowed';
  if (policies.resourceMustAllow === true && grants.length === 0) return 'implicit';
  if (isRoot) return 'allowed';
  // Steps 5 to 7. Identity-based policies, boundary, session policies; a grant to the role counts as the role's own.
  const granted = allows(identity) || grants.includes('role');
  return granted && withinBoundary && withinSession ? 'allowed' : 'implicit';
}
