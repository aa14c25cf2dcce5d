/**
 * The engine and an independent evaluator agree on generated cases. A disagreement prints the smallest case that fast-check finds.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { compileCondition } from '../../src/kernel/policy/conditions.ts';
import { evaluate, evaluateTrust } from '../../src/kernel/policy/evaluate.ts';
import { compilePattern } from '../../src/kernel/policy/pattern.ts';
import { simulate } from '../../src/kernel/policy/simulate.ts';
import type { Decision } from '../../src/kernel/policy/types.ts';
import { condition, context, policySet, request } from './arbitraries.ts';
import { naiveCondition, naiveEvaluate } from './naive.ts';

const decisionsRun = 5_000;
const conditionsRun = 10_000;
const patternsRun = 5_000;
const suiteMs = 120_000;

function kind(decision: Decision): 'allowed' | 'explicit' | 'implicit' {
  if (decision.allowed) return 'allowed';
  return decision.reason.startsWith('explicit') ? 'explicit' : 'implicit';
}

describe('agreement with the naive evaluator', () => {
  it('decides generated requests alike', { timeout: suiteMs }, () => {
    const seen = { allowed: 0, explicit: 0, implicit: 0 };
    fc.assert(
      fc.property(request, policySet, (question, policies) => {
        const decision = evaluate(question, policies);
        seen[kind(decision)]++;
        expect(kind(decision)).toBe(naiveEvaluate(question, policies));
      }),
      { numRuns: decisionsRun },
    );
    // The cases are worth something only if they reach all three answers often.
    for (const count of Object.values(seen)) expect(count).toBeGreaterThan(decisionsRun / 20);
  });

  it('decides generated conditions alike', { timeout: suiteMs }, () => {
    const seen = { true: 0, false: 0 };
    fc.assert(
      fc.property(
        condition,
        context,
        fc.constantFrom('2012-10-17', '2008-10-17'),
        ({ operator, key, values }, given, version) => {
          const holds = compileCondition(operator, key, values, version === '2012-10-17').holds(given);
          seen[`${holds}`]++;
          expect(holds).toBe(naiveCondition(operator, key, values, version, given));
        },
      ),
      { numRuns: conditionsRun },
    );
    for (const count of Object.values(seen)) expect(count).toBeGreaterThan(conditionsRun / 10);
  });

  it('matches generated wildcards as a regular expression does', { timeout: suiteMs }, () => {
    const pattern = fc.array(fc.constantFrom('a', 'b', ':', '*', '?'), { maxLength: 8 }).map((parts) => parts.join(''));
    const text = fc.array(fc.constantFrom('a', 'b', ':'), { maxLength: 10 }).map((parts) => parts.join(''));
    fc.assert(
      fc.property(pattern, text, (wanted, value) => {
        const source = wanted.replaceAll('*', '.*').replaceAll('?', '.');
        expect(compilePattern(wanted, 'text', true).matches(value, new Map())).toBe(new RegExp(`^${source}$`).test(value));
      }),
      { numRuns: patternsRun },
    );
  });

  it('matches generated ARN patterns as a regular expression per segment does', { timeout: suiteMs }, () => {
    const segment = fc.array(fc.constantFrom('a', 'b', '*', '?'), { maxLength: 4 }).map((parts) => parts.join(''));
    const plain = fc.array(fc.constantFrom('a', 'b'), { maxLength: 4 }).map((parts) => parts.join(''));
    const arn = (part: fc.Arbitrary<string>): fc.Arbitrary<string> =>
      fc.array(part, { minLength: 5, maxLength: 7 }).map((parts) => `arn:${parts.join(':')}`);
    const confined = (mode: 'resource' | 'arn', wanted: string): string =>
      wanted
        .split(':')
        .map((part, index) => {
          if (index >= 5) return part.replaceAll('*', '.*').replaceAll('?', '.');
          const open = mode === 'resource' && part.endsWith('*');
          const body = (open ? part.slice(0, -1) : part).replaceAll('*', '[^:]*').replaceAll('?', '[^:]');
          return open ? `${body}.*` : body;
        })
        .join(':');
    fc.assert(
      fc.property(fc.constantFrom('resource', 'arn'), arn(segment), arn(plain), (mode, wanted, value) => {
        const expected = new RegExp(`^${confined(mode, wanted)}$`).test(value);
        expect(compilePattern(wanted, mode, true).matches(value, new Map())).toBe(expected);
      }),
      { numRuns: patternsRun },
    );
  });
});

describe('properties of decisions', () => {
  const runs = { numRuns: 1_000 };

  it('a deny of everything, anywhere it is asked, denies', { timeout: suiteMs }, () => {
    const deny = JSON.stringify({
      Version: '2012-10-17',
      Statement: [{ Effect: 'Deny', Principal: '*', Action: '*', Resource: '*' }],
    });
    fc.assert(
      fc.property(
        request,
        policySet,
        fc.constantFrom('identity', 'session', 'boundary', 'resource', 'endpoint'),
        (question, policies, place) => {
          const value = place === 'identity' || place === 'session' ? [...(policies[place] ?? []), deny] : deny;
          const decision = evaluate(question, { ...policies, [place]: value });
          expect(kind(decision)).toBe('explicit');
        },
      ),
      runs,
    );
  });

  it('a further policy that only denies never opens anything', { timeout: suiteMs }, () => {
    const deny = JSON.stringify({ Version: '2012-10-17', Statement: [{ Effect: 'Deny', Action: 's3:*', Resource: '*' }] });
    fc.assert(
      fc.property(request, policySet, (question, policies) => {
        const before = evaluate(question, policies).allowed;
        const after = evaluate(question, { ...policies, identity: [...policies.identity, deny] }).allowed;
        expect(after && !before).toBe(false);
      }),
      runs,
    );
  });

  it('a boundary never opens anything', { timeout: suiteMs }, () => {
    fc.assert(
      fc.property(request, policySet, ({ ...question }, { boundary, ...policies }) => {
        if (boundary === undefined) return;
        const without = evaluate(question, policies).allowed;
        expect(evaluate(question, { ...policies, boundary }).allowed && !without).toBe(false);
      }),
      runs,
    );
  });

  it('a trust policy is a resource policy that must allow', { timeout: suiteMs }, () => {
    fc.assert(
      fc.property(request, policySet, (question, policies) => {
        const { resource = '', ...others } = policies;
        expect(kind(evaluateTrust(question, resource, others))).toBe(
          naiveEvaluate(question, { ...others, resource: resource === '' ? undefined : resource, resourceMustAllow: true }),
        );
      }),
      runs,
    );
  });

  it('the simulator decides as the engine does, and places each statement', { timeout: suiteMs }, () => {
    const words = { allowed: 'allowed', explicit: 'explicitDeny', implicit: 'implicitDeny' };
    fc.assert(
      fc.property(request, policySet, (question, policies) => {
        const decision = evaluate(question, policies);
        const simulation = simulate(question, policies);
        expect(simulation.decision).toBe(words[kind(decision)]);
        expect(simulation.matched.map(({ span, ...statement }) => statement)).toEqual(decision.matched);
        for (const { span } of simulation.matched) expect(span).toBeDefined();
      }),
      runs,
    );
  });
});
