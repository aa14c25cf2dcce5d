/** What an account lets be retrieved in a Region ("Data Retrieval Policies"). They bear on standard retrievals of archives alone. */
import type { Glacier } from '@aws-sdk/client-glacier';
import type { Millis } from '../../base/clock.ts';
import type { Transaction } from '../../kernel/context.ts';
import type { HandlersOf } from '../../kernel/service.ts';
import { invalidParameter, missingParameter, policyEnforced } from './errors.ts';
import { requireOwn } from './lookup.ts';
import { hour } from './rules.ts';
import { Jobs, RetrievalPolicies } from './state.ts';

/** "10 GB of your Glacier data per month for free". */
const freeBytes = 10 * 1024 ** 3;

/** Throws PolicyEnforcedException when this retrieval is more than the policy has left: of the hour, or of the month's free bytes. */
export async function enforceRetrieval(
  tx: Transaction,
  now: Millis,
  tier: string,
  { start, end }: { start: number; end: number },
): Promise<void> {
  const [rule] = (await tx.table(RetrievalPolicies).get('policy'))?.rules ?? [];
  if (rule === undefined || rule.Strategy === 'None' || tier !== 'Standard') return;
  const date = new Date(now);
  const since = rule.Strategy === 'FreeTier' ? Date.UTC(date.getUTCFullYear(), date.getUTCMonth()) : now - hour;
  const jobs = await tx.table(Jobs).byIndex('byTime', [], { after: [since] });
  const used = jobs.reduce(
    (sum, job) => sum + (job.tier === 'Standard' && job.archive ? job.archive.end - job.archive.start : 0),
    0,
  );
  const allowed = rule.Strategy === 'FreeTier' ? freeBytes : (rule.BytesPerHour ?? 0);
  if (used + end - start > allowed) throw policyEnforced();
}

export const retrievalPolicyHandlers: HandlersOf<Glacier> = {
  /** One rule: BytesPerHour, FreeTier or None. Throws InvalidParameterValueException. */
  async SetDataRetrievalPolicy(input, ctx) {
    requireOwn(ctx, input);
    const rules = input.Policy?.Rules;
    const [rule] = rules ?? [];
    if (rules === undefined || rule === undefined) throw missingParameter('Rules');
    if (rules.length > 1) throw invalidParameter('Invalid policy: only one rule is allowed.');
    const { Strategy, BytesPerHour } = rule;
    if (Strategy === undefined || !['BytesPerHour', 'FreeTier', 'None'].includes(Strategy))
      throw invalidParameter(`Invalid strategy: ${Strategy ?? 'null'}`);
    if ((Strategy === 'BytesPerHour') !== (BytesPerHour !== undefined) || (BytesPerHour ?? 1) < 1)
      throw invalidParameter(`Invalid BytesPerHour: ${BytesPerHour ?? 'null'}`);
    await ctx.transact((tx) => tx.table(RetrievalPolicies).put({ id: 'policy', rules: [{ Strategy, BytesPerHour }] }));
    return {};
  },

  /** Without one, nothing is limited. */
  async GetDataRetrievalPolicy(input, ctx) {
    requireOwn(ctx, input);
    const { rules } = (await ctx.table(RetrievalPolicies).get('policy')) ?? { rules: [{ Strategy: 'None' }] };
    return { Policy: { Rules: rules.map((rule) => ({ ...rule })) } };
  },
};
