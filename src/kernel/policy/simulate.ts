/**
 * What the policy simulator of IAM (SimulateCustomPolicy, SimulatePrincipalPolicy, GetContextKeysFor…) tells about a decision. Same engine,
 * more detail: nothing is decided here.
 * Source: IAM API Reference, EvaluationResult.
 */
import { compilePolicy } from './compile.ts';
import { statementSpans, type Span } from './document.ts';
import { judgeAll, matchedOf, type PolicySource, reasonOf, textsOf, type Verdict } from './evaluate.ts';
import type { DenyReason, MatchedStatement, PolicyRequest, PolicySet } from './types.ts';

export type SimulatedDecision = 'allowed' | 'explicitDeny' | 'implicitDeny';

export interface Simulation {
  decision: SimulatedDecision;
  reason: DenyReason | undefined;
  /** Statements that made the decision, with their place in their policy's text. */
  matched: readonly (MatchedStatement & { span: Span | undefined })[];
  /** Condition keys and variables that the policies name and the context lacks, in lower case. */
  missingContext: readonly string[];
  /** What each kind of policy says on its own; only kinds that take part. */
  bySource: ReadonlyMap<PolicySource, SimulatedDecision>;
  /** Whether the permission boundary allows; undefined without one. */
  allowedByBoundary: boolean | undefined;
  /** Whether all service control policies allow; undefined without any. */
  allowedByOrganizations: boolean | undefined;
}

/** Condition keys and variables that policies name, in lower case, each once (GetContextKeysForCustomPolicy). @throws as `compilePolicy` */
export function contextKeysFor(texts: readonly string[]): string[] {
  return [...new Set(texts.flatMap((text) => compilePolicy(text).contextKeys))];
}

function decisionOf(verdict: Verdict): SimulatedDecision {
  if (verdict.denies) return 'explicitDeny';
  return verdict.allows ? 'allowed' : 'implicitDeny';
}

function allowedBy(verdict: Verdict | undefined): boolean | undefined {
  return verdict === undefined ? undefined : decisionOf(verdict) === 'allowed';
}

/** Decides one action on one resource and explains it. @throws as `evaluate` */
export function simulate(request: PolicyRequest, policies: PolicySet): Simulation {
  const verdicts = judgeAll(request, policies);
  const reason = reasonOf(request, policies, verdicts);
  const texts = textsOf(policies);
  const spansOf = new Map<string, readonly Span[]>();
  const matched = matchedOf(verdicts, reason).map((statement) => {
    const text = texts.filter(({ source }) => source === statement.source)[statement.policyIndex]?.text ?? '';
    const spans = spansOf.get(text) ?? statementSpans(text);
    spansOf.set(text, spans);
    return { ...statement, span: spans[statement.statementIndex] };
  });
  const taking = Object.values(verdicts).filter((verdict: Verdict | undefined): verdict is Verdict => verdict !== undefined);
  return {
    decision: reason === undefined ? 'allowed' : reason.startsWith('explicit') ? 'explicitDeny' : 'implicitDeny',
    reason,
    matched,
    missingContext: contextKeysFor(texts.map(({ text }) => text)).filter((key) => (request.context.get(key)?.length ?? 0) === 0),
    bySource: new Map(taking.map((verdict) => [verdict.source, decisionOf(verdict)])),
    allowedByBoundary: allowedBy(verdicts.boundary),
    allowedByOrganizations: allowedBy(verdicts.serviceControl),
  };
}
