/** GetCostAndUsage: what was used and what it costs at list price, by day or month, grouped and filtered by dimensions. */
import type { CostExplorer, Expression, GetCostAndUsageCommandInput, ResultByTime } from '@aws-sdk/client-cost-explorer';
import { parsePageToken, formatPageToken } from '../../base/paging.ts';
import type { Context } from '../../kernel/context.ts';
import { AwsError, parameterNotImplemented } from '../../kernel/errors.ts';
import type { AuthorisationsOf, HandlersOf } from '../../kernel/service.ts';
import { costOf, unitOf } from './prices.ts';
import { Usage, type UsageRow } from '../../kernel/usage.ts';

/** Costs that are the same as long as there are no discounts, refunds and reservations. */
const costMetrics = ['AmortizedCost', 'BlendedCost', 'NetAmortizedCost', 'NetUnblendedCost', 'UnblendedCost'];
const metrics = [...costMetrics, 'UsageQuantity'];
/** Periods in one answer. */
const periodsMax = 100;

const dimensions: Readonly<Record<string, (row: UsageRow, ctx: Context) => string>> = {
  SERVICE: (row) => row.service,
  USAGE_TYPE: (row) => row.usageType,
  OPERATION: (row) => row.operation,
  REGION: (row) => row.region,
  LINKED_ACCOUNT: (_row, ctx) => ctx.account,
};

function validation(message: string): AwsError {
  return new AwsError('ValidationException', message);
}

function dimensionOf(key: string | undefined): (row: UsageRow, ctx: Context) => string {
  const found = dimensions[key ?? ''];
  if (found === undefined) throw parameterNotImplemented('GetCostAndUsage', `the dimension ${key}`);
  return found;
}

/** Whether a row is one of those that a filter asks for. */
function matches(filter: Expression | undefined, row: UsageRow, ctx: Context): boolean {
  if (filter === undefined) return true;
  for (const name of ['Tags', 'CostCategories'] as const)
    if (filter[name] !== undefined) throw parameterNotImplemented('GetCostAndUsage', `Filter.${name}`);
  if (filter.And !== undefined) return filter.And.every((part) => matches(part, row, ctx));
  if (filter.Or !== undefined) return filter.Or.some((part) => matches(part, row, ctx));
  if (filter.Not !== undefined) return !matches(filter.Not, row, ctx);
  const { Key, Values = [], MatchOptions = ['EQUALS'] } = filter.Dimensions ?? {};
  if (MatchOptions.some((option) => option !== 'EQUALS'))
    throw parameterNotImplemented('GetCostAndUsage', 'Filter.Dimensions.MatchOptions');
  return Values.includes(dimensionOf(Key)(row, ctx));
}

interface Period {
  Start: string;
  /** Exclusive. */
  End: string;
}

function readPeriod(asked: GetCostAndUsageCommandInput['TimePeriod']): Period {
  const { Start = '', End = '' } = asked ?? {};
  for (const day of [Start, End])
    if (!/^\d{4}-\d\d-\d\d$/.test(day) || Number.isNaN(Date.parse(day)))
      throw validation('Start time or end time is invalid. Use the format yyyy-MM-dd.');
  if (Start >= End) throw validation(`Start date (and hour) should be before end date (and hour)`);
  return { Start, End };
}

/** The days or months of a period; the first and the last month may be parts of one. */
function splitPeriod({ Start, End }: Period, granularity: string | undefined): Period[] {
  const periods: Period[] = [];
  for (let start = Start; start < End; ) {
    const date = new Date(start);
    const [year, month, day] = [date.getUTCFullYear(), date.getUTCMonth(), date.getUTCDate()];
    const next = granularity === 'DAILY' ? Date.UTC(year, month, day + 1) : Date.UTC(year, month + 1, 1);
    const text = new Date(next).toISOString().slice(0, 10);
    const end = text < End ? text : End;
    periods.push({ Start: start, End: end });
    start = end;
  }
  return periods;
}

/** Sums of rows. Amounts of different units have no unit together, as in AWS. */
function sumOf(rows: readonly UsageRow[], wanted: readonly string[]): Record<string, { Amount: string; Unit: string }> {
  const cost = rows.reduce((sum, row) => sum + costOf(row), 0);
  const amount = rows.reduce((sum, row) => sum + row.amount, 0);
  const units = new Set(rows.map(unitOf));
  const [unit = 'N/A'] = units;
  const figures = wanted.map((metric) => {
    if (metric !== 'UsageQuantity') return [metric, { Amount: formatAmount(cost), Unit: 'USD' }];
    return [metric, { Amount: formatAmount(amount), Unit: units.size === 1 ? unit : 'N/A' }];
  });
  return Object.fromEntries(figures);
}

/** Ten decimals at most, as Cost Explorer answers. */
function formatAmount(value: number): string {
  return String(Number(value.toFixed(10))).includes('e') ? value.toFixed(10) : String(Number(value.toFixed(10)));
}

function describe(period: Period, rows: readonly UsageRow[], input: GetCostAndUsageCommandInput, ctx: Context): ResultByTime {
  const wanted = input.Metrics ?? [];
  const groupBy = input.GroupBy ?? [];
  const base = { TimePeriod: period, Estimated: true };
  if (groupBy.length === 0) return { ...base, Total: sumOf(rows, wanted), Groups: [] };
  const groups = new Map<string, { keys: string[]; rows: UsageRow[] }>();
  for (const row of rows) {
    const keys = groupBy.map(({ Key }) => dimensionOf(Key)(row, ctx));
    const group = groups.get(JSON.stringify(keys)) ?? { keys, rows: [] };
    group.rows.push(row);
    groups.set(JSON.stringify(keys), group);
  }
  const sorted = [...groups.values()].sort((a, b) => (a.keys.join() < b.keys.join() ? -1 : 1));
  return { ...base, Total: {}, Groups: sorted.map((group) => ({ Keys: group.keys, Metrics: sumOf(group.rows, wanted) })) };
}

function check(input: GetCostAndUsageCommandInput): void {
  const { Granularity: granularity, Metrics: wanted = [], GroupBy: groupBy = [] } = input;
  if (granularity !== 'DAILY' && granularity !== 'MONTHLY')
    throw parameterNotImplemented('GetCostAndUsage', `Granularity ${granularity}`);
  if (wanted.length === 0) throw validation('At least one metric must be specified.');
  const unknown = wanted.find((metric) => !metrics.includes(metric));
  if (unknown === 'NormalizedUsageAmount') throw parameterNotImplemented('GetCostAndUsage', `the metric ${unknown}`);
  if (unknown !== undefined) throw validation(`Invalid metric: ${unknown}`);
  if (groupBy.length > 2) throw validation('A maximum of two group definitions are allowed.');
  for (const { Type: type, Key: key } of groupBy) {
    if (type !== 'DIMENSION') throw parameterNotImplemented('GetCostAndUsage', `GroupBy.Type ${type}`);
    dimensionOf(key);
  }
  if (input.BillingViewArn !== undefined) throw parameterNotImplemented('GetCostAndUsage', 'BillingViewArn');
}

/** Without a view of its own, a request is about the account's primary one ("Actions, resources, and condition keys for AWS Cost Explorer"). */
export const costChecks: AuthorisationsOf<CostExplorer> = {
  GetCostAndUsage: (_input, ctx) => [{ resource: `arn:aws:billing::${ctx.account}:billingview/primary` }],
};

export const costHandlers: HandlersOf<CostExplorer> = {
  /** Days end at midnight UTC; storage is known once a day, requests within a moment. */
  async GetCostAndUsage(input, ctx) {
    check(input);
    const whole = readPeriod(input.TimePeriod);
    const scope = `GetCostAndUsage ${whole.Start} ${whole.End} ${input.Granularity}`;
    const [from] = input.NextPageToken === undefined ? [''] : (parsePageToken(scope, input.NextPageToken) ?? [undefined]);
    if (from === undefined) throw new AwsError('InvalidNextTokenException', 'The pagination token is invalid.');
    const periods = splitPeriod(whole, input.Granularity).filter(({ Start }) => Start > String(from));
    const page = periods.slice(0, periodsMax);
    const last = page.at(-1);
    const results: ResultByTime[] = [];
    for (const period of page) {
      const rows = await ctx.table(Usage).list({ after: [period.Start], before: [period.End] });
      const asked = rows.filter((row) => matches(input.Filter, row, ctx));
      results.push(describe(period, asked, input, ctx));
    }
    const more = last !== undefined && periods.length > page.length;
    return {
      ResultsByTime: results,
      ...(input.GroupBy === undefined ? {} : { GroupDefinitions: input.GroupBy }),
      DimensionValueAttributes: [],
      ...(more ? { NextPageToken: formatPageToken(scope, [last.Start]) } : {}),
    };
  },
};
