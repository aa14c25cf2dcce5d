/** Usage plans: which keys may call which stages, how fast, and how often in a period. */
import type { APIGateway, QuotaSettings, UsagePlan, UsagePlanKey } from '@aws-sdk/client-api-gateway';
import type { Context, Transaction } from '../../../kernel/context.ts';
import type { HandlersOf } from '../../../kernel/service.ts';
import { badRequest, conflict, notFound } from '../errors.ts';
import { pageItems } from '../lookup.ts';
import { applyPatch, type PatchRules } from '../patch.ts';
import { dayOf } from '../run/keys.ts';
import { type ApiKeyRow, ApiKeys, PlanKeys, Stages, type UsagePlanRow, UsagePlans, Usages } from '../state.ts';
import { requireKeyRow } from './keys.ts';
import { checkTags } from './tags.ts';

function describePlan(row: UsagePlanRow): UsagePlan {
  return { ...row, apiStages: row.apiStages.map((stage) => ({ ...stage })), tags: { ...row.tags } };
}

async function requirePlan(from: Pick<Context, 'table'> | Pick<Transaction, 'table'>, id = ''): Promise<UsagePlanRow> {
  const row = await from.table(UsagePlans).get(id);
  if (row === undefined) throw notFound('Invalid Usage Plan ID specified');
  return row;
}

function checkQuota(quota: QuotaSettings | undefined): void {
  if (quota === undefined) return;
  const { limit = 0, offset = 0, period } = quota;
  if (limit <= 0) throw badRequest('Usage Plan quota limit must be greater than 0');
  if (period === undefined) throw badRequest('Usage Plan quota period must be specified');
  if (!['DAY', 'WEEK', 'MONTH'].includes(period)) throw badRequest('Usage Plan quota period must be DAY, WEEK or MONTH');
  const offsetMax = { DAY: 0, WEEK: 6, MONTH: 27 }[period];
  if (offset < 0 || offset > offsetMax)
    throw badRequest(
      period === 'DAY'
        ? 'Usage Plan quota offset must be zero in the DAY period'
        : `Usage Plan quota offset must be between 0 and ${offsetMax} in the ${period} period`,
    );
}

async function checkPlan(tx: Transaction, row: UsagePlanRow): Promise<UsagePlanRow> {
  if (row.name.trim() === '') throw badRequest('Usage plan name is required');
  checkQuota(row.quota);
  for (const { rateLimit = 0, burstLimit = 0 } of [row.throttle ?? {}])
    if (rateLimit < 0 || burstLimit < 0) throw badRequest('Throttle limits must not be negative');
  for (const { apiId = '', stage = '' } of row.apiStages)
    if ((await tx.table(Stages).get(apiId, stage)) === undefined)
      throw notFound(`Invalid API Stage {api: ${apiId}, stage: ${stage}} specified for usage plan`);
  return row;
}

function splitStage(value: string): { apiId: string; stage: string } {
  const [apiId = '', stage = ''] = value.split(':');
  return { apiId, stage };
}

const rules: PatchRules<UsagePlanRow> = {
  '/name': 'text',
  '/description': 'text',
  '/productCode': 'text',
  '/throttle/rateLimit': 'number',
  '/throttle/burstLimit': 'number',
  '/quota/limit': 'number',
  '/quota/offset': 'number',
  '/quota/period': 'text',
  '/throttle'(draft, { op }) {
    if (op !== 'remove') throw badRequest('Only removal is supported for /throttle');
    delete draft.throttle;
  },
  '/quota'(draft, { op }) {
    if (op !== 'remove') throw badRequest('Only removal is supported for /quota');
    delete draft.quota;
  },
  '/apiStages'(draft, { op, value = '' }) {
    const named = splitStage(value);
    const isNamed = ({ apiId, stage }: { apiId?: string | undefined; stage?: string | undefined }): boolean =>
      apiId === named.apiId && stage === named.stage;
    if (op === 'add' && draft.apiStages.some(isNamed))
      throw conflict(`UsagePlan ${draft.id} already contains stage ${named.apiId}:${named.stage}`);
    const others = draft.apiStages.filter((stage) => !isNamed(stage));
    draft.apiStages = op === 'remove' ? others : [...others, named];
  },
  '/apiStages/*/throttle/*/rateLimit': (draft, { value, keys }) => setMethodThrottle(draft, keys, { rateLimit: Number(value) }),
  '/apiStages/*/throttle/*/burstLimit': (draft, { value, keys }) => setMethodThrottle(draft, keys, { burstLimit: Number(value) }),
  '/apiStages/*/throttle/*'(draft, { op, keys: [stage = '', method = ''] }) {
    if (op !== 'remove') throw badRequest('Only removal is supported for the throttle of a method');
    const { apiId, stage: name } = splitStage(stage);
    delete draft.apiStages.find((own) => own.apiId === apiId && own.stage === name)?.throttle?.[method];
  },
};

/** Terraform names a method in a path as it is, `…/throttle//pets/GET/rateLimit`; others escape its slashes, as patches demand. */
function escapedMethod(path: string | undefined): string | undefined {
  return path?.replace(
    /^(\/apiStages\/[^/]+\/throttle\/)(\/.+?)(\/(?:rateLimit|burstLimit))?$/,
    (_, head: string, method: string, last = '') => `${head}${method.replaceAll('/', '~1')}${last}`,
  );
}

function setMethodThrottle(
  draft: UsagePlanRow,
  [stage = '', method = '']: readonly string[],
  limit: { rateLimit?: number; burstLimit?: number },
): void {
  const { apiId, stage: name } = splitStage(stage);
  const own = draft.apiStages.find((item) => item.apiId === apiId && item.stage === name);
  if (own === undefined) throw notFound(`Invalid API Stage {api: ${apiId}, stage: ${name}} specified for usage plan`);
  own.throttle = { ...own.throttle, [method]: { ...own.throttle?.[method], ...limit } };
}

function describePlanKey({ id, value, name }: ApiKeyRow): UsagePlanKey {
  return { id, type: 'API_KEY', value, name };
}

async function requirePlanKey(ctx: Context, plan = '', key = ''): Promise<ApiKeyRow> {
  if ((await ctx.table(PlanKeys).get(plan, key)) === undefined) throw notFound('Invalid Usage Plan Key ID specified');
  return requireKeyRow(ctx, key);
}

export const planHandlers: HandlersOf<APIGateway> = {
  async CreateUsagePlan(input, ctx) {
    const tags = checkTags(input.tags);
    return ctx.transact(async (tx) => {
      const row = await checkPlan(tx, {
        id: ctx.id('gatewayPart'),
        name: input.name ?? '',
        description: input.description,
        apiStages: input.apiStages ?? [],
        throttle: input.throttle,
        quota: input.quota && { offset: 0, ...input.quota },
        tags,
      });
      await tx.table(UsagePlans).put(row);
      return describePlan(row);
    });
  },

  async GetUsagePlan(input, ctx) {
    return describePlan(await requirePlan(ctx, input.usagePlanId));
  },

  async GetUsagePlans(input, ctx) {
    const rows = await ctx.table(UsagePlans).list();
    const own =
      input.keyId === undefined
        ? undefined
        : new Set((await ctx.table(PlanKeys).byIndex('key', [input.keyId])).map(({ plan }) => plan));
    const wanted = rows.filter(({ id }) => own === undefined || own.has(id));
    const { items, ...page } = pageItems('GetUsagePlans', wanted, ({ id }) => id, input);
    return { items: items.map(describePlan), ...page };
  },

  async UpdateUsagePlan(input, ctx) {
    return ctx.transact(async (tx) => {
      const operations = input.patchOperations?.map((one) => ({ ...one, path: escapedMethod(one.path) }));
      const changed = await checkPlan(tx, applyPatch(await requirePlan(tx, input.usagePlanId), operations, rules));
      await tx.table(UsagePlans).put(changed);
      return describePlan(changed);
    });
  },

  async DeleteUsagePlan(input, ctx) {
    await ctx.transact(async (tx) => {
      const { id, apiStages } = await requirePlan(tx, input.usagePlanId);
      if (apiStages.length > 0) throw badRequest(`Cannot delete Usage Plan '${id}' because API Stages are associated with it`);
      await tx.table(UsagePlans).delete(id);
      for (const { key } of await tx.table(PlanKeys).list({ prefix: [id] })) await tx.table(PlanKeys).delete(id, key);
      for (const { key, day } of await tx.table(Usages).list({ prefix: [id] })) await tx.table(Usages).delete(id, key, day);
    });
    return {};
  },

  async CreateUsagePlanKey(input, ctx) {
    if (input.keyType !== 'API_KEY') throw badRequest('Usage plan key type must be API_KEY');
    return ctx.transact(async (tx) => {
      const { id: plan, apiStages } = await requirePlan(tx, input.usagePlanId);
      const key = await requireKeyRow(tx, input.keyId);
      if ((await tx.table(PlanKeys).get(plan, key.id)) !== undefined)
        throw conflict(`Usage Plan Key for Key ID ${key.id} and Usage Plan ID ${plan} already exists`);
      // "An API key can be associated with one usage plan for each stage".
      for (const { plan: other } of await tx.table(PlanKeys).byIndex('key', [key.id])) {
        const { apiStages: theirs = [] } = (await tx.table(UsagePlans).get(other)) ?? {};
        const shared = apiStages.find(({ apiId, stage }) => theirs.some((own) => own.apiId === apiId && own.stage === stage));
        if (shared !== undefined)
          throw conflict(`Unable to complete operation due to concurrent usage plans for stage ${shared.apiId}:${shared.stage}`);
      }
      await tx.table(PlanKeys).put({ plan, key: key.id });
      return describePlanKey(key);
    });
  },

  async GetUsagePlanKey(input, ctx) {
    await requirePlan(ctx, input.usagePlanId);
    return describePlanKey(await requirePlanKey(ctx, input.usagePlanId, input.keyId));
  },

  async GetUsagePlanKeys(input, ctx) {
    const { id } = await requirePlan(ctx, input.usagePlanId);
    const links = await ctx.table(PlanKeys).list({ prefix: [id] });
    const rows = (await Promise.all(links.map(({ key }) => ctx.table(ApiKeys).get(key)))).filter((row) => row !== undefined);
    const named = rows.filter(({ name = '' }) => input.nameQuery === undefined || name.startsWith(input.nameQuery));
    const { items, ...page } = pageItems(`GetUsagePlanKeys ${id}`, named, (row) => row.id, input);
    return { items: items.map(describePlanKey), ...page };
  },

  async DeleteUsagePlanKey(input, ctx) {
    await requirePlan(ctx, input.usagePlanId);
    await requirePlanKey(ctx, input.usagePlanId, input.keyId);
    await ctx.transact((tx) => tx.table(PlanKeys).delete(input.usagePlanId ?? '', input.keyId ?? ''));
    return {};
  },

  async GetUsage(input, ctx) {
    const { id, quota } = await requirePlan(ctx, input.usagePlanId);
    const { startDate = '', endDate = '' } = input;
    if (!isDay(startDate) || !isDay(endDate) || startDate > endDate)
      throw badRequest('Invalid date range specified: dates must be of the form YYYY-MM-DD');
    const rows = await ctx.table(Usages).list({ prefix: input.keyId === undefined ? [id] : [id, input.keyId] });
    const days: string[] = [];
    for (let at = Date.parse(startDate); at <= Date.parse(endDate); at += 86_400_000) days.push(dayOf(at));
    const items: Record<string, number[][]> = {};
    for (const key of new Set(rows.map((row) => row.key))) {
      const own = new Map(rows.filter((row) => row.key === key).map((row) => [row.day, row]));
      let used = 0;
      items[key] = days.map((day) => {
        const row = own.get(day);
        used += row?.used ?? 0;
        return [row?.used ?? 0, Math.max(0, (quota?.limit ?? 0) + (row?.extra ?? 0) - used)];
      });
    }
    return { usagePlanId: id, startDate, endDate, items };
  },

  async UpdateUsage(input, ctx) {
    const { id, quota } = await requirePlan(ctx, input.usagePlanId);
    const { id: key } = await requirePlanKey(ctx, id, input.keyId);
    if (quota?.limit === undefined) throw badRequest('Usage Plan has no quota');
    const limit = quota.limit;
    const today = dayOf(ctx.now);
    const values = (input.patchOperations ?? []).map(({ op, path, value = '' }) => {
      if (op !== 'replace' || path !== '/remaining' || !/^\d+$/.test(value))
        throw badRequest(`Invalid patch path  '${path}' specified for op '${op}'. Must be one of: [/remaining]`);
      return Number(value);
    });
    const remaining = values.at(-1) ?? 0;
    await ctx.transact(async (tx) => {
      const row = (await tx.table(Usages).get(id, key, today)) ?? { plan: id, key, day: today, used: 0, extra: 0 };
      await tx.table(Usages).put({ ...row, extra: remaining - (limit - row.used) });
    });
    return { usagePlanId: id, startDate: today, endDate: today, items: { [key]: [[0, remaining]] } };
  },
};

function isDay(text: string): boolean {
  return /^\d{4}-\d\d-\d\d$/.test(text) && !Number.isNaN(Date.parse(text));
}
