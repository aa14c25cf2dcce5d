/** Metric filters: matching lines become data points of a metric ("Creating metrics from log events using filters"). */
import type { CloudWatchLogs, MetricFilter } from '@aws-sdk/client-cloudwatch-logs';
import type { Context, Transaction } from '../../kernel/context.ts';
import { parameterNotImplemented } from '../../kernel/errors.ts';
import type { HandlersOf, Task } from '../../kernel/service.ts';
import { invalidParameter, limitExceeded, notFound } from './errors.ts';
import { pageOfTable, requireGroup } from './groups.ts';
import { parseFilterPattern } from './filter-pattern.ts';
import { isNumber } from './filter-values.ts';
import { readPattern } from './patterns.ts';
import { LogsCheck, quotas } from './rules.ts';
import { type LogEventRow, type MetricFilterRow, MetricFilters } from './state.ts';

/** Most dimensions of a filter's metric (MetricTransformation). */
const dimensionsMax = 3;

/** Values of one metric, dimension set and second. */
type Point = {
  namespace: string;
  metric: string;
  unit?: string | undefined;
  dimensions: Readonly<Record<string, string>>;
  at: number;
  values: number[];
};

function describeFilter(row: MetricFilterRow): MetricFilter {
  const dimensions = Object.keys(row.dimensions).length === 0 ? undefined : { ...row.dimensions };
  return {
    filterName: row.name,
    filterPattern: row.pattern,
    logGroupName: row.group,
    creationTime: row.created,
    metricTransformations: [
      {
        metricName: row.metric,
        metricNamespace: row.namespace,
        metricValue: row.value,
        defaultValue: row.defaultValue,
        unit: (row.unit ?? 'None') as 'None',
        dimensions,
      },
    ],
  };
}

/** Data points that a filter makes of these events; lines that do not match give its default value, if it has one. */
function pointsOf(row: MetricFilterRow, events: readonly LogEventRow[]): Point[] {
  const pattern = parseFilterPattern(row.pattern);
  const points = new Map<string, Point>();
  for (const event of events) {
    const match = pattern(event.message);
    const text = row.value.startsWith('$') ? match?.extract(row.value) : row.value;
    const value = match === undefined || text === undefined || !isNumber(text) ? row.defaultValue : Number(text);
    if (value === undefined) continue;
    const dimensions = Object.entries(row.dimensions).flatMap(([name, selector]) => {
      const found = match?.extract(selector);
      return found === undefined || found === '' ? [] : [[name, found]];
    });
    // A metric with dimensions has no points for lines that lack one of them.
    if (dimensions.length < Object.keys(row.dimensions).length) continue;
    const at = Math.floor(event.at / 1000) * 1000;
    const key = JSON.stringify([at, dimensions]);
    const { namespace, metric, unit } = row;
    const point = points.get(key) ?? {
      namespace,
      metric,
      unit,
      dimensions: Object.fromEntries(dimensions) as Record<string, string>,
      at,
      values: [],
    };
    point.values.push(value);
    points.set(key, point);
  }
  return [...points.values()];
}

/** Asks for the data points that a group's filters make of new events, with their commit. */
export async function publishMatches(
  tx: Transaction,
  ctx: Context,
  group: string,
  events: readonly LogEventRow[],
): Promise<void> {
  const filters = await tx.table(MetricFilters).list({ prefix: [group] });
  const points = filters.flatMap((row) => pointsOf(row, events));
  if (points.length > 0) await tx.schedule({ task: 'publish', key: ctx.uuid(), due: ctx.now, payload: { points } });
}

/** Entries of one PutMetricData call. */
const dataPerCall = 1000;

/** Hands data points to CloudWatch. */
export const publish: Task = async ({ payload }, ctx) => {
  const { points } = payload as unknown as { points: readonly Point[] };
  for (const namespace of new Set(points.map((point) => point.namespace))) {
    const data = points
      .filter((point) => point.namespace === namespace)
      .map(({ metric, unit, dimensions, at, values }) => ({
        MetricName: metric,
        Timestamp: new Date(at),
        Unit: unit as 'None' | undefined,
        Dimensions: Object.entries(dimensions).map(([Name, Value]) => ({ Name, Value })),
        ...countsOf(values),
      }));
    for (let start = 0; start < data.length; start += dataPerCall)
      await ctx.call('cloudwatch').putMetricData({ Namespace: namespace, MetricData: data.slice(start, start + dataPerCall) });
  }
};

function countsOf(values: readonly number[]): { Values: number[]; Counts: number[] } {
  const counts = new Map<number, number>();
  for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1);
  return { Values: [...counts.keys()], Counts: [...counts.values()] };
}

export const metricFilterHandlers: HandlersOf<CloudWatchLogs> = {
  /** Replaces a filter of the same name. Throws LimitExceededException at a hundred filters of a group. */
  async PutMetricFilter(input, ctx) {
    const { logGroupName: group = '', filterName: name = '', filterPattern: pattern = '', metricTransformations = [] } = input;
    new LogsCheck().group(group).filterName(name).count('metricTransformations', metricTransformations, 1, 1).done();
    for (const parameter of ['applyOnTransformedLogs', 'fieldSelectionCriteria', 'emitSystemFieldDimensions'] as const)
      if (input[parameter] !== undefined && input[parameter] !== false)
        throw parameterNotImplemented('PutMetricFilter', parameter);
    readPattern(pattern);
    const [transformation] = metricTransformations;
    if (transformation === undefined) throw invalidParameter('A metric transformation is required.');
    const { metricName: metric = '', metricNamespace: namespace = '', metricValue: value = '', ...rest } = transformation;
    if (!value.startsWith('$') && !isNumber(value))
      throw invalidParameter(`Invalid metric transformation: metricValue '${value}' is neither a number nor a selector.`);
    const dimensions = rest.dimensions ?? {};
    if (Object.keys(dimensions).length > dimensionsMax)
      throw invalidParameter(`Invalid metric transformation: At most ${dimensionsMax} dimensions are allowed.`);
    if (Object.keys(dimensions).length > 0 && rest.defaultValue !== undefined)
      throw invalidParameter('Invalid metric transformation: dimensions and default value are mutually exclusive properties.');
    await ctx.transact(async (tx) => {
      await requireGroup(tx, group);
      const filters = tx.table(MetricFilters);
      if ((await filters.get(group, name)) === undefined && (await filters.count([group])) >= quotas.metricFiltersPerGroup)
        throw limitExceeded('Resource limit exceeded.');
      await filters.put({
        group,
        name,
        pattern,
        created: ctx.now,
        namespace,
        metric,
        value,
        defaultValue: rest.defaultValue,
        unit: rest.unit,
        dimensions,
      });
    });
    return {};
  },

  async DescribeMetricFilters(input, ctx) {
    const { logGroupName: group, filterNamePrefix: prefix, metricName, metricNamespace } = input;
    new LogsCheck().group(group).limit(input.limit, 50).done();
    if ((metricName === undefined) !== (metricNamespace === undefined))
      throw invalidParameter('metricName and metricNamespace must both be specified, or neither.');
    if (group !== undefined) await requireGroup(ctx, group);
    const { rows, nextToken } = await pageOfTable(
      `DescribeMetricFilters ${group} ${prefix} ${metricName} ${metricNamespace}`,
      ctx.table(MetricFilters),
      { ...input, prefix: group === undefined ? [] : [group] },
      (row) =>
        (prefix === undefined || row.name.startsWith(prefix)) &&
        (metricName === undefined || (row.metric === metricName && row.namespace === metricNamespace)),
    );
    return { metricFilters: rows.map(describeFilter), nextToken };
  },

  async DeleteMetricFilter(input, ctx) {
    const { logGroupName: group = '', filterName: name = '' } = input;
    new LogsCheck().group(group).filterName(name).done();
    await ctx.transact(async (tx) => {
      await requireGroup(tx, group);
      if (!(await tx.table(MetricFilters).delete(group, name))) throw notFound('metric filter');
    });
    return {};
  },

  TestMetricFilter(input) {
    const { logEventMessages: messages = [] } = input;
    new LogsCheck().count('logEventMessages', messages, 1, 50).done();
    const pattern = readPattern(input.filterPattern ?? '');
    return {
      matches: messages.flatMap((eventMessage, index) => {
        const match = pattern(eventMessage);
        return match === undefined ? [] : [{ eventNumber: index + 1, eventMessage, extractedValues: { ...match.extracted } }];
      }),
    };
  },
};
