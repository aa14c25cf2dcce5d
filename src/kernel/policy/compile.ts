/**
 * From a policy's text to matchers, once. The compiled form answers one question per statement: does it apply to this request, and how
 * directly does it name the caller? What follows from that is evaluate.ts's business.
 *
 * Compiled documents are kept in a cache by text, bounded in entries and characters. It holds two generations, because moving an entry to
 * the end of a Map on every hit costs more than the evaluation; an entry not asked for while a whole generation fills is dropped.
 */
import { type CompiledCondition, compileCondition } from './conditions.ts';
import { type PolicyDocument, parseDocument, type StatementElement } from './document.ts';
import { compilePattern, type Pattern, type PolicyContext, variableKeys } from './pattern.ts';
import { callerNamed, compilePrincipal, type Naming, namingOf, notNamed, type PrincipalMatcher, sparedBy } from './principals.ts';
import type { PolicyPrincipal } from './types.ts';

/** The version from which `${…}` is a variable. */
const variablesVersion = '2012-10-17';

/** A request as statements see it. */
export interface Question {
  /** In lower case. */
  action: string;
  resource: string;
  principal: PolicyPrincipal;
  context: PolicyContext;
  /** Whether a permission boundary is attached to the caller. */
  bounded: boolean;
}

/**
 * Where a document is attached, as far as that changes how it reads. `attached`: to the caller, so Principal has no meaning. `resource`: a
 * statement must name principals. `gate`: an endpoint or resource control policy, where a statement without Principal means everybody.
 */
export type Placement = 'attached' | 'resource' | 'gate';

class CompiledStatement {
  readonly index: number;
  readonly sid: string | undefined;
  readonly deny: boolean;
  readonly #actions: ActionMatcher;
  readonly #resources: ResourceMatcher | undefined;
  readonly #principal: PrincipalMatcher | undefined;
  readonly #notPrincipal: PrincipalMatcher | undefined;
  readonly conditions: readonly CompiledCondition[];

  constructor(element: StatementElement, index: number, variables: boolean) {
    this.index = index;
    this.sid = element.sid;
    this.deny = element.effect === 'Deny';
    this.#actions = new ActionMatcher(
      element.actions ?? element.notActions ?? [],
      element.actions === undefined && element.notActions !== undefined,
    );
    const resources = element.resources ?? element.notResources;
    this.#resources =
      resources === undefined ? undefined : new ResourceMatcher(resources, element.resources === undefined, variables);
    this.#principal = element.principal === undefined ? undefined : compilePrincipal(element.principal);
    this.#notPrincipal = element.notPrincipal === undefined ? undefined : compilePrincipal(element.notPrincipal);
    this.conditions = element.conditions.map(({ operator, key, values }) => compileCondition(operator, key, values, variables));
  }

  /** How the statement applies to a request; `notNamed` where it does not. */
  applies(question: Question, placement: Placement): Naming {
    if (!this.covers(question)) return notNamed;
    const naming = placement === 'attached' ? callerNamed : this.naming(question, placement);
    if (naming === notNamed) return notNamed;
    for (const condition of this.conditions) if (!condition.holds(question.context)) return notNamed;
    return naming;
  }

  /** Whether action and resource match, conditions and principals aside. A statement without Resource (trust policies) covers its own. */
  covers(question: Question): boolean {
    return (
      this.#actions.matches(question.action) &&
      (this.#resources === undefined || this.#resources.matches(question.resource, question.context))
    );
  }

  /**
   * How directly the statement names the caller. An Allow with NotPrincipal grants nothing: "using it with Effect Allow is not supported". A
   * Deny with NotPrincipal hits every caller that has a permission boundary, whoever is listed ("NotPrincipal", key points).
   */
  naming(question: Question, placement: Placement): Naming {
    const { principal, context, bounded } = question;
    if (this.#principal !== undefined) return namingOf(this.#principal, principal, context);
    if (this.#notPrincipal === undefined) return placement === 'gate' ? callerNamed : notNamed;
    if (!this.deny) return notNamed;
    return bounded || !sparedBy(this.#notPrincipal, principal, context) ? callerNamed : notNamed;
  }
}

/** Action or NotAction: names without wildcards in a set, patterns by the service they name. */
class ActionMatcher {
  readonly #names = new Set<string>();
  readonly #patterns = new Map<string, Pattern[]>();
  readonly #anyService: Pattern[] = [];
  readonly #negated: boolean;
  readonly #everything: boolean;

  constructor(actions: readonly string[], negated: boolean) {
    this.#negated = negated;
    this.#everything = actions.includes('*');
    for (const action of actions) this.#add(action.toLowerCase());
  }

  #add(action: string): void {
    if (!/[*?]/.test(action)) {
      this.#names.add(action);
      return;
    }
    const pattern = compilePattern(action, 'text', false);
    const colon = action.indexOf(':');
    const service = action.slice(0, colon);
    if (colon === -1 || /[*?]/.test(service)) this.#anyService.push(pattern);
    else if (this.#patterns.has(service)) this.#patterns.get(service)!.push(pattern);
    else this.#patterns.set(service, [pattern]);
  }

  matches(action: string): boolean {
    return this.#listed(action) !== this.#negated;
  }

  #listed(action: string): boolean {
    if (this.#everything || this.#names.has(action)) return true;
    const patterns = this.#patterns.size === 0 ? undefined : this.#patterns.get(action.slice(0, action.indexOf(':')));
    if (patterns !== undefined && anyMatches(patterns, action, noContext)) return true;
    return this.#anyService.length > 0 && anyMatches(this.#anyService, action, noContext);
  }
}

const noContext: PolicyContext = new Map();

function anyMatches(patterns: readonly Pattern[], text: string, context: PolicyContext): boolean {
  for (const pattern of patterns) if (pattern.matches(text, context)) return true;
  return false;
}

class ResourceMatcher {
  readonly #patterns: readonly Pattern[];
  readonly #negated: boolean;

  constructor(resources: readonly string[], negated: boolean, variables: boolean) {
    this.#patterns = resources.map((resource) => compilePattern(resource, 'resource', variables));
    this.#negated = negated;
  }

  matches(resource: string, context: PolicyContext): boolean {
    const listed = anyMatches(this.#patterns, resource, context);
    return this.#negated ? !listed && this.#patterns.every((pattern) => pattern.resolves(context)) : listed;
  }
}

export interface CompiledPolicy {
  statements: readonly CompiledStatement[];
  /** Keys that its conditions test and its variables name, in lower case. */
  contextKeys: readonly string[];
}

function contextKeysOf(document: PolicyDocument, variables: boolean): string[] {
  const keys = new Set<string>();
  for (const statement of document.statements) {
    const texts = [...(statement.resources ?? []), ...(statement.notResources ?? [])];
    for (const { key, values } of statement.conditions) {
      keys.add(key.toLowerCase());
      texts.push(...values);
    }
    if (variables) for (const text of texts) for (const key of variableKeys(text)) keys.add(key);
  }
  return [...keys];
}

function compileDocument(document: PolicyDocument): CompiledPolicy {
  const variables = document.version === variablesVersion;
  return {
    statements: document.statements.map((statement, index) => new CompiledStatement(statement, index, variables)),
    contextKeys: contextKeysOf(document, variables),
  };
}

const cacheEntriesMax = 4_096;
const cacheCharsMax = 16 * 1024 * 1024;

/** Compiled policies by text; a cache, rebuilt at will. */
let compiledPolicyCache = new Map<string, CompiledPolicy>();
let compiledPolicyCacheOld = new Map<string, CompiledPolicy>();
let compiledPolicyCacheChars = 0;

/**
 * The compiled form of a policy's text.
 * @throws DocumentError for text that is no policy, Error for an unknown condition operator: stored policies were validated before
 */
export function compilePolicy(text: string): CompiledPolicy {
  const found = compiledPolicyCache.get(text);
  if (found !== undefined) return found;
  const policy = compiledPolicyCacheOld.get(text) ?? compileDocument(parseDocument(text));
  if (compiledPolicyCache.size >= cacheEntriesMax / 2 || compiledPolicyCacheChars + text.length > cacheCharsMax / 2) {
    compiledPolicyCacheOld = compiledPolicyCache;
    compiledPolicyCache = new Map();
    compiledPolicyCacheChars = 0;
  }
  compiledPolicyCache.set(text, policy);
  compiledPolicyCacheChars += text.length;
  return policy;
}
