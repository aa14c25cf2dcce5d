/** Metric data queries, as GetMetricData and alarms use them: reading, checking, computing. */
import type { MetricDataQuery } from '@aws-sdk/client-cloudwatch';
import type { Context } from '../../kernel/context.ts';
import { parameterNotImplemented } from '../../kernel/errors.ts';
import { invalidValue, validationError } from './errors.ts';
import { computeMath, functionsLeftOut, type Labelled, type MathValue } from './math.ts';
import { MathError, namesIn, parseMath } from './math-parse.ts';
import { parseStatistic } from './points.ts';
import { checkPeriod, checkStatistic, checkUnit, describeDimensions, readDimensions } from './rules.ts';
import { searchMetrics } from './search.ts';
import { readSeries, type Series } from './series.ts';
import type { QueryRow } from './state.ts';

/** Reads queries. Throws ValidationError and kin in the words of GetMetricData; `operation` names the caller in refusals. */
export function readQueries(operation: string, queries: readonly MetricDataQuery[]): QueryRow[] {
  const ids = new Set<string>();
  const rows = queries.map((query, index): QueryRow => {
    const { Id: id = '', MetricStat: stat, Expression: expression } = query;
    const at = `MetricDataQueries.member.${index + 1}`;
    if (query.AccountId !== undefined) throw parameterNotImplemented(operation, 'AccountId');
    if (!/^[a-z][a-zA-Z0-9_]*$/.test(id))
      throw validationError(`The value ${id} for parameter ${at}.Id is not matching the expected pattern ^[a-z][a-zA-Z0-9_]*$.`);
    if (ids.has(id)) throw validationError(`The value for parameter ${at}.Id is a duplicate: ${id}.`);
    ids.add(id);
    if ((stat === undefined) === (expression === undefined))
      throw validationError(`Exactly one of the parameters ${at}.Expression and ${at}.MetricStat must be specified.`);
    const { Label: label, ReturnData: returnData = true, Period: period } = query;
    if (period !== undefined) checkPeriod(period, `${at}.Period`);
    if (stat === undefined) return { id, expression, label, returnData, period };
    const { Metric: metric, Period = 0, Stat = '', Unit: unit } = stat;
    checkPeriod(Period, `${at}.MetricStat.Period`);
    checkStatistic(Stat, `${at}.MetricStat.Stat`);
    checkUnit(unit, `${at}.MetricStat.Unit`);
    const { Namespace: namespace = '', MetricName: name = '' } = metric ?? {};
    if (namespace === '' || name === '')
      throw invalidValue(`The parameters ${at}.MetricStat.Metric.Namespace and MetricName are required.`);
    const dimensions = readDimensions(metric?.Dimensions, `${at}.MetricStat.Metric.Dimensions`);
    return { id, label, returnData, stat: { namespace, name, dimensions, period: Period, stat: Stat, unit } };
  });
  for (const row of rows) if (row.expression !== undefined) checkExpression(operation, row.id, row.expression, ids);
  return rows;
}

function checkExpression(operation: string, id: string, text: string, ids: ReadonlySet<string>): void {
  const left = functionsLeftOut.find((name) => new RegExp(`\\b${name}\\s*\\(`, 'i').test(text));
  if (left !== undefined) throw parameterNotImplemented(operation, `Expression with ${left}`);
  if (/^\s*SELECT\b/i.test(text)) throw parameterNotImplemented(operation, 'Expression of Metrics Insights');
  try {
    const unknown = namesIn(parseMath(text)).find((name) => !ids.has(name));
    if (unknown !== undefined) throw new MathError(`Undefined identifier: ${unknown}`);
  } catch (error) {
    if (error instanceof MathError) throw validationError(`Error in expression '${id}': ${error.message}`);
    throw error;
  }
}

/** The official shape of a stored query. */
export function describeQuery({ id, expression, label, returnData, period, stat }: QueryRow): MetricDataQuery {
  return {
    Id: id,
    Expression: expression,
    Label: label,
    ReturnData: returnData,
    Period: period,
    MetricStat:
      stat === undefined
        ? undefined
        : {
            Metric: { Namespace: stat.namespace, MetricName: stat.name, Dimensions: describeDimensions(stat.dimensions) },
            Period: stat.period,
            Stat: stat.stat,
            Unit: stat.unit as 'None' | undefined,
          },
  };
}

/** Queries over a range of time, each computed once. */
export class QueryRun {
  readonly #ctx: Context;
  readonly #rows: ReadonlyMap<string, QueryRow>;
  readonly #from: number;
  readonly #to: number;
  readonly #values = new Map<string, Promise<MathValue>>();

  /** Times in milliseconds; `to` is exclusive. Periods begin at `from` plus a multiple of theirs. */
  constructor(ctx: Context, rows: readonly QueryRow[], from: number, to: number) {
    this.#ctx = ctx;
    this.#rows = new Map(rows.map((row) => [row.id, row]));
    this.#from = from;
    this.#to = to;
  }

  /** Series of a query, labelled. Throws ValidationError when its expression has no series as its result. */
  async series(row: QueryRow): Promise<readonly Labelled[]> {
    const value = await this.#valueOf(row, []);
    if (value.kind === 'series') return [{ label: row.label ?? row.stat?.name ?? row.id, series: value.series }];
    if (value.kind === 'list')
      return value.items.map((item) => ({ ...item, label: row.label === undefined ? item.label : `${row.label} ${item.label}` }));
    throw validationError(`Error in expression '${row.id}': The expression must return time series`);
  }

  #valueOf(row: QueryRow, path: readonly string[]): Promise<MathValue> {
    if (path.includes(row.id)) throw validationError(`Error in expression '${row.id}': Circular dependency`);
    const known = this.#values.get(row.id);
    if (known !== undefined) return known;
    const value = row.stat === undefined ? this.#compute(row, [...path, row.id]) : this.#read(row.stat);
    this.#values.set(row.id, value);
    return value;
  }

  async #read(stat: NonNullable<QueryRow['stat']>): Promise<MathValue> {
    const statistic = parseStatistic(stat.stat);
    if (statistic === undefined) throw new Error(`A statistic was stored unchecked: ${stat.stat}`);
    const { namespace, name, dimensions, unit, period } = stat;
    const range = { namespace, name, dimensions, unit, period, from: this.#from, to: this.#to };
    return { kind: 'series', series: await readSeries(this.#ctx, range, statistic) };
  }

  async #compute(row: QueryRow, path: readonly string[]): Promise<MathValue> {
    const period = row.period ?? this.#periodOf(row, new Set());
    try {
      return await computeMath(parseMath(row.expression ?? ''), {
        period,
        query: (id) => {
          const other = this.#rows.get(id);
          if (other === undefined) throw new MathError(`Undefined identifier: ${id}`);
          return this.#valueOf(other, path);
        },
        metrics: (containing) => this.#metrics(containing),
        search: (expression, statistic, every) => this.#search(expression, statistic, every ?? period),
        grid: () => this.#grid(period),
      });
    } catch (error) {
      if (error instanceof MathError) throw validationError(`Error in expression '${row.id}': ${error.message}`);
      throw error;
    }
  }

  async #metrics(containing: string): Promise<Labelled[]> {
    const rows = [...this.#rows.values()].filter(({ id, stat }) => stat !== undefined && id.includes(containing));
    const found = await Promise.all(rows.map((row) => this.series(row)));
    return found.flat();
  }

  async #search(expression: string, name: string, period: number): Promise<Labelled[]> {
    const statistic = parseStatistic(name);
    if (statistic === undefined) throw new MathError(`SEARCH does not know the statistic ${name}`);
    const metrics = await searchMetrics(this.#ctx, expression);
    return Promise.all(
      metrics.map(async (metric) => {
        const { namespace, dimensions } = metric;
        const range = { namespace, name: metric.name, dimensions, period, from: this.#from, to: this.#to };
        const label = [...Object.values(dimensions), metric.name].join(' ');
        return { label, series: await readSeries(this.#ctx, range, statistic) };
      }),
    );
  }

  #grid(period: number): number[] {
    const grid: number[] = [];
    for (let at = this.#from; at < this.#to; at += period * 1000) grid.push(at);
    return grid;
  }

  /** The longest period among the metrics that an expression stands on; 300 when it stands on none. */
  #periodOf(row: QueryRow, seen: Set<string>): number {
    if (row.stat !== undefined) return row.stat.period;
    if (seen.has(row.id)) return 0;
    seen.add(row.id);
    const text = row.expression ?? '';
    const names = /\bMETRICS\s*\(/i.test(text) ? [...this.#rows.keys()] : namesIn(parseMath(text));
    const periods = names.flatMap((id) =>
      ((other) => (other === undefined ? [] : [this.#periodOf(other, seen)]))(this.#rows.get(id)),
    );
    return Math.max(0, ...periods) || 300;
  }
}

/** Newest first, or oldest first. */
export function inOrder(series: Series, ascending: boolean): Series {
  return ascending ? series : { at: series.at.toReversed(), values: series.values.toReversed() };
}
