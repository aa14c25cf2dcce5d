/** API keys and usage plans: who must show one, what plan it belongs to, throttles and quotas of the plan ("Usage plans and API keys for REST APIs"). */
import type { Method } from '@aws-sdk/client-api-gateway';
import type { Context } from '../../../kernel/context.ts';
import { type ApiKeyRow, ApiKeys, PlanKeys, type UsagePlanRow, UsagePlans, Usages } from '../state.ts';
import { accountLimit, type Limit, takeTokens } from './buckets.ts';
import { type Call, Refusal, valuesOf } from './call.ts';

interface Plan {
  key: ApiKeyRow;
  plan: UsagePlanRow;
}

/** The key that a call shows, with the plan that lets it in. Throws Refusal INVALID_API_KEY when the method wants one and there is none that fits. */
export async function requireKey(call: Call, method: Method): Promise<Plan | undefined> {
  const source = call.served.facts.apiKeySource;
  const value =
    source === 'AUTHORIZER'
      ? (call.authorizer?.['usageIdentifierKey'] as string | undefined)
      : valuesOf(call.headers, 'x-api-key')?.[0];
  if (method.apiKeyRequired !== true) return undefined;
  const key = value === undefined ? undefined : await call.ctx.table(ApiKeys).firstByIndex('value', [value]);
  const plan = key?.enabled === true ? await planOf(call, key) : undefined;
  if (key === undefined || plan === undefined) throw new Refusal('INVALID_API_KEY', 'Forbidden');
  call.identity.apiKey = key.value;
  call.identity.apiKeyId = key.id;
  return { key, plan };
}

async function planOf(call: Call, key: ApiKeyRow): Promise<UsagePlanRow | undefined> {
  for (const { plan } of await call.ctx.table(PlanKeys).byIndex('key', [key.id])) {
    const row = await call.ctx.table(UsagePlans).get(plan);
    if (row?.apiStages.some(({ apiId, stage }) => apiId === call.api && stage === call.stage.name) === true) return row;
  }
  return undefined;
}

/** Takes a token of every throttle that bears on the call. Throws Refusal THROTTLED. */
export function throttle(call: Call, plan: Plan | undefined): void {
  const { account, region } = call.ctx;
  const scope = `${account}/${region}/${call.api}/${call.stage.name}`;
  const limits: Limit[] = [accountLimit(call.ctx)];
  const setting = settingOf(call);
  if (setting?.throttlingRateLimit !== undefined || setting?.throttlingBurstLimit !== undefined)
    limits.push({
      key: `${scope}/${call.resourcePath}/${call.method}`,
      rate: setting.throttlingRateLimit ?? 10_000,
      burst: setting.throttlingBurstLimit ?? 5_000,
    });
  if (plan !== undefined) {
    const own = plan.plan.apiStages.find(({ apiId, stage }) => apiId === call.api && stage === call.stage.name);
    const methodThrottle = own?.throttle?.[`${call.resourcePath}/${call.method}`];
    for (const [name, limit] of [
      ['plan', plan.plan.throttle],
      [`method ${call.resourcePath}/${call.method}`, methodThrottle],
    ] as const) {
      if (limit === undefined) continue;
      const key = `${account}/${region}/${plan.plan.id}/${plan.key.id}/${name}`;
      limits.push({ key, rate: limit.rateLimit ?? 10_000, burst: limit.burstLimit ?? 5_000 });
    }
  }
  if (!takeTokens(call.ctx.clock, limits)) throw new Refusal('THROTTLED', 'Too Many Requests');
}

/** Settings of the method: its own, else the stage's. */
export function settingOf({ stage, resourcePath, method }: Pick<Call, 'stage' | 'resourcePath' | 'method'>) {
  const path = resourcePath.length > 1 ? resourcePath.slice(1) : resourcePath;
  return stage.methodSettings[`${path}/${method}`] ?? stage.methodSettings['*/*'];
}

const day = 86_400_000;

/** `2026-11-21` of a time. */
export function dayOf(at: number): string {
  return new Date(at).toISOString().slice(0, 10);
}

/** First day of the quota's period that a time lies in. */
function periodStart(quota: { period?: string | undefined; offset?: number | undefined }, at: number): string {
  const date = new Date(at);
  const offset = quota.offset ?? 0;
  if (quota.period === 'DAY') return dayOf(at);
  if (quota.period === 'WEEK') return dayOf(at - ((date.getUTCDay() - offset + 7) % 7) * day);
  const first = Date.UTC(date.getUTCFullYear(), date.getUTCMonth(), 1 + offset);
  return dayOf(first > at ? Date.UTC(date.getUTCFullYear(), date.getUTCMonth() - 1, 1 + offset) : first);
}

/** Counts the call against the plan's quota. Throws Refusal QUOTA_EXCEEDED. */
export async function countUse(ctx: Context, plan: Plan | undefined): Promise<void> {
  if (plan === undefined) return;
  const { id, quota } = plan.plan;
  const today = dayOf(ctx.now);
  const allowed = await ctx.transact(async (tx) => {
    const table = tx.table(Usages);
    const row = (await table.get(id, plan.key.id, today)) ?? { plan: id, key: plan.key.id, day: today, used: 0, extra: 0 };
    if (quota?.limit !== undefined) {
      const start = periodStart(quota, ctx.now);
      const rows = (await table.list({ prefix: [id, plan.key.id] })).filter((other) => other.day >= start);
      const used = rows.reduce((sum, other) => sum + other.used, 0);
      const extra = rows.reduce((sum, other) => sum + other.extra, 0);
      if (used >= quota.limit + extra) return false;
    }
    await table.put({ ...row, used: row.used + 1 });
    return true;
  });
  if (!allowed) throw new Refusal('QUOTA_EXCEEDED', 'Limit Exceeded');
}
