/**
 * Computes metric math: numbers, series and lists of series. Operations between series join points of equal time. Source: CloudWatch User Guide,
 * "Using math expressions with CloudWatch metrics", "Supported functions".
 */
import { type Expression, MathError, type Operator } from './math-parse.ts';
import type { Series } from './series.ts';

export interface Labelled {
  label: string;
  series: Series;
}

export type MathValue =
  | { kind: 'number'; value: number }
  | { kind: 'text'; value: string }
  | { kind: 'series'; series: Series }
  | { kind: 'list'; items: readonly Labelled[] };

/** What an expression is computed in. */
export interface MathScope {
  /** Value of another query, by id. */
  query(id: string): Promise<MathValue>;
  /** All metrics of the request whose id contains the text: METRICS(). */
  metrics(containing: string): Promise<readonly Labelled[]>;
  search(expression: string, statistic: string, period: number | undefined): Promise<readonly Labelled[]>;
  /** Seconds of the period of what is computed. */
  period: number;
  /** All times of the range, for TIME_SERIES and FILL. */
  grid(): readonly number[];
}

const single = (value: number): MathValue => ({ kind: 'number', value });
const series = (at: number[], values: number[]): MathValue => ({ kind: 'series', series: { at, values } });

const binary: Readonly<Record<Operator, (a: number, b: number) => number>> = {
  '+': (a, b) => a + b,
  '-': (a, b) => a - b,
  '*': (a, b) => a * b,
  '/': (a, b) => a / b,
  '%': (a, b) => a % b,
  '^': (a, b) => a ** b,
  '==': (a, b) => Number(a === b),
  '!=': (a, b) => Number(a !== b),
  '<': (a, b) => Number(a < b),
  '<=': (a, b) => Number(a <= b),
  '>': (a, b) => Number(a > b),
  '>=': (a, b) => Number(a >= b),
  AND: (a, b) => Number(a !== 0 && b !== 0),
  OR: (a, b) => Number(a !== 0 || b !== 0),
};

/** A function of each value; a result that is no number (division by zero) leaves the point out. */
function each({ at, values }: Series, change: (value: number, at: number, index: number) => number): Series {
  const result: Series = { at: [], values: [] };
  values.forEach((value, index) => {
    const time = at[index] ?? 0;
    const changed = change(value, time, index);
    if (!Number.isFinite(changed)) return;
    result.at.push(time);
    result.values.push(changed);
  });
  return result;
}

function join(a: Series, b: Series, operation: (a: number, b: number) => number): Series {
  const other = new Map(b.at.map((at, index) => [at, b.values[index] ?? 0]));
  return each(a, (value, at) => operation(value, other.get(at) ?? Number.NaN));
}

function combine(left: MathValue, right: MathValue, operation: (a: number, b: number) => number): MathValue {
  if (left.kind === 'text' || right.kind === 'text') throw new MathError('Operands must be numbers or time series');
  if (left.kind === 'number' && right.kind === 'number') return single(operation(left.value, right.value));
  if (left.kind === 'list' && right.kind === 'list') throw new MathError('Two arrays of time series cannot be combined');
  if (left.kind === 'list') return mapList(left.items, (item) => combine({ kind: 'series', series: item }, right, operation));
  if (right.kind === 'list') return mapList(right.items, (item) => combine(left, { kind: 'series', series: item }, operation));
  if (left.kind === 'series' && right.kind === 'series')
    return { kind: 'series', series: join(left.series, right.series, operation) };
  if (left.kind === 'series' && right.kind === 'number')
    return { kind: 'series', series: each(left.series, (value) => operation(value, right.value)) };
  if (left.kind === 'number' && right.kind === 'series')
    return { kind: 'series', series: each(right.series, (value) => operation(left.value, value)) };
  throw new MathError('Operands must be numbers or time series');
}

function mapList(items: readonly Labelled[], change: (item: Series) => MathValue): MathValue {
  return {
    kind: 'list',
    items: items.map(({ label, series: item }) => {
      const changed = change(item);
      if (changed.kind !== 'series') throw new MathError('The function cannot be used on an array of time series');
      return { label, series: changed.series };
    }),
  };
}

/** The same of a series or of each series of a list. */
function perSeries(value: MathValue, change: (item: Series) => Series): MathValue {
  if (value.kind === 'series') return { kind: 'series', series: change(value.series) };
  if (value.kind === 'list') return mapList(value.items, (item) => ({ kind: 'series', series: change(item) }));
  throw new MathError('A time series is needed');
}

const reducers: Readonly<Record<string, (values: readonly number[]) => number>> = {
  AVG: (values) => sum(values) / values.length,
  SUM: sum,
  MIN: (values) => values.reduce((a, b) => Math.min(a, b)),
  MAX: (values) => values.reduce((a, b) => Math.max(a, b)),
  STDDEV: (values) => {
    const mean = sum(values) / values.length;
    return Math.sqrt(sum(values.map((value) => (value - mean) ** 2)) / values.length);
  },
};

function sum(values: readonly number[]): number {
  return values.reduce((a, b) => a + b, 0);
}

/** A list becomes one series, time by time; a series becomes a number. */
function reduce(value: MathValue, of: (values: readonly number[]) => number): MathValue {
  if (value.kind === 'number') return single(of([value.value]));
  if (value.kind === 'series') return single(value.series.values.length === 0 ? Number.NaN : of(value.series.values));
  if (value.kind !== 'list') throw new MathError('A time series is needed');
  const byTime = new Map<number, number[]>();
  for (const { series: item } of value.items)
    for (const [index, at] of item.at.entries()) byTime.set(at, [...(byTime.get(at) ?? []), item.values[index] ?? 0]);
  const at = [...byTime.keys()].sort((a, b) => a - b);
  return series(
    at,
    at.map((time) => of(byTime.get(time) ?? [])),
  );
}

const perValue: Readonly<Record<string, (value: number) => number>> = {
  ABS: Math.abs,
  CEIL: Math.ceil,
  FLOOR: Math.floor,
  LOG: Math.log,
  LOG10: Math.log10,
};

const timeParts: Readonly<Record<string, (time: Date) => number>> = {
  MINUTE: (time) => time.getUTCMinutes(),
  HOUR: (time) => time.getUTCHours(),
  DAY: (time) => time.getUTCDay() || 7,
  DATE: (time) => time.getUTCDate(),
  MONTH: (time) => time.getUTCMonth() + 1,
  YEAR: (time) => time.getUTCFullYear(),
  EPOCH: (time) => Math.floor(time.getTime() / 1000),
};

type MathFunction = (parameters: readonly MathValue[], scope: MathScope) => MathValue | Promise<MathValue>;

function needSeries(value: MathValue | undefined): Series {
  if (value?.kind !== 'series') throw new MathError('A time series is needed');
  return value.series;
}

function numberOf(value: MathValue | undefined): number | undefined {
  return value?.kind === 'number' ? value.value : undefined;
}

/** Change from the point before, divided by `by(seconds)`. */
function differences(item: Series, value: (now: number, before: number, seconds: number) => number): Series {
  const changed = each(item, (now, at, index) =>
    index === 0 ? Number.NaN : value(now, item.values[index - 1] ?? 0, (at - (item.at[index - 1] ?? 0)) / 1000),
  );
  return changed;
}

function fill([value, filler]: readonly MathValue[], scope: MathScope): MathValue {
  if (value === undefined || filler === undefined) throw new MathError('FILL needs two parameters');
  return perSeries(value, (item) => {
    const known = new Map(item.at.map((at, index) => [at, index]));
    const result: Series = { at: [], values: [] };
    for (const at of scope.grid()) {
      const filled = known.has(at) ? item.values[known.get(at) ?? 0] : fillerAt(filler, item, at);
      if (filled === undefined) continue;
      result.at.push(at);
      result.values.push(filled);
    }
    return result;
  });
}

function fillerAt(filler: MathValue, item: Series, at: number): number | undefined {
  if (filler.kind === 'number') return filler.value;
  if (filler.kind === 'series') return filler.series.values[filler.series.at.indexOf(at)];
  if (filler.kind !== 'text') return undefined;
  const before = item.at.findLastIndex((time) => time < at);
  if (filler.value === 'REPEAT') return item.values[before];
  if (filler.value !== 'LINEAR') throw new MathError(`FILL does not know ${filler.value}`);
  const after = item.at.findIndex((time) => time > at);
  if (before < 0 || after < 0) return undefined;
  const [x0 = 0, x1 = 1, y0 = 0, y1 = 0] = [item.at[before], item.at[after], item.values[before], item.values[after]];
  return y0 + ((y1 - y0) * (at - x0)) / (x1 - x0);
}

function choose([condition, yes, no]: readonly MathValue[]): MathValue {
  if (condition === undefined || yes === undefined) throw new MathError('IF needs two or three parameters');
  if (condition.kind === 'number') return condition.value !== 0 ? yes : (no ?? series([], []));
  const at = (value: MathValue | undefined, time: number): number => {
    if (value === undefined) return Number.NaN;
    if (value.kind === 'number') return value.value;
    const item = needSeries(value);
    return item.values[item.at.indexOf(time)] ?? Number.NaN;
  };
  return { kind: 'series', series: each(needSeries(condition), (value, time) => at(value === 0 ? no : yes, time)) };
}

function sorted([value, key, order, count]: readonly MathValue[]): MathValue {
  if (value?.kind !== 'list') throw new MathError('SORT needs an array of time series');
  const by = key?.kind === 'text' || key?.kind === 'number' ? String(key.value) : 'AVG';
  const reducer = reducers[by] ?? reducers['SUM'];
  const weight = ({ series: { values } }: Labelled) =>
    values.length === 0 ? Number.NEGATIVE_INFINITY : (reducer?.(values) ?? 0);
  const sign = order?.kind === 'text' && order.value === 'DESC' ? -1 : 1;
  const items = [...value.items].sort((a, b) => sign * (weight(a) - weight(b)));
  return { kind: 'list', items: items.slice(0, numberOf(count) ?? items.length) };
}

const functions: Readonly<Record<string, MathFunction>> = {
  IF: (parameters) => choose(parameters),
  FILL: fill,
  SORT: (parameters) => sorted(parameters),
  SLICE: ([value, from, to]) => {
    if (value?.kind !== 'list') throw new MathError('SLICE needs an array of time series');
    return { kind: 'list', items: value.items.slice(numberOf(from) ?? 0, numberOf(to)) };
  },
  FIRST: ([value]) => endOf(value, 0),
  LAST: ([value]) => endOf(value, -1),
  RATE: ([value = single(0)]) =>
    perSeries(value, (item) => differences(item, (now, before, seconds) => (now - before) / seconds)),
  DIFF: ([value = single(0)]) => perSeries(value, (item) => differences(item, (now, before) => now - before)),
  DIFF_TIME: ([value = single(0)]) => perSeries(value, (item) => differences(item, (_now, _before, seconds) => seconds)),
  RUNNING_SUM: ([value = single(0)]) =>
    perSeries(value, (item) => {
      let total = 0;
      return each(item, (now) => (total += now));
    }),
  REMOVE_EMPTY: ([value]) => {
    if (value?.kind !== 'list') return value ?? single(0);
    return { kind: 'list', items: value.items.filter(({ series: { at } }) => at.length > 0) };
  },
  METRIC_COUNT: ([value]) => single(value?.kind === 'list' ? value.items.length : 1),
  DATAPOINT_COUNT: ([value = single(0)]) =>
    value.kind === 'list' ? reduce(value, (values) => values.length) : single(needSeries(value).at.length),
  PERIOD: (_parameters, scope) => single(scope.period),
  TIME_SERIES: ([value], scope) => {
    const at = [...scope.grid()];
    return series(
      at,
      at.map(() => numberOf(value) ?? 0),
    );
  },
  METRICS: async ([value], scope) => ({
    kind: 'list',
    items: await scope.metrics(value?.kind === 'text' ? value.value : ''),
  }),
  SEARCH: async ([expression, statistic, period], scope) => {
    if (expression?.kind !== 'text' || statistic?.kind !== 'text')
      throw new MathError('SEARCH needs an expression and a statistic');
    return { kind: 'list', items: await scope.search(expression.value, statistic.value, numberOf(period)) };
  },
};

function endOf(value: MathValue | undefined, index: number): MathValue {
  if (value?.kind === 'series') return single(value.series.values.at(index) ?? Number.NaN);
  const item = value?.kind === 'list' ? value.items.at(index) : undefined;
  if (item === undefined) throw new MathError('An array of time series is needed');
  return { kind: 'series', series: item.series };
}

/** Whether AWS has the function and Pilvi has not: refused as such rather than as a mistake. */
export const functionsLeftOut = ['ANOMALY_DETECTION_BAND', 'INSIGHT_RULE_METRIC', 'SERVICE_QUOTA', 'LAMBDA', 'DB_PERF_INSIGHTS'];

/** The value of an expression. Throws MathError. */
export async function computeMath(expression: Expression, scope: MathScope): Promise<MathValue> {
  switch (expression.kind) {
    case 'number':
      return single(expression.value);
    case 'text':
      return { kind: 'text', value: expression.value };
    case 'name':
      // Words such as REPEAT, LINEAR, ASC and MAX stand for themselves as parameters.
      return /^[a-z]/.test(expression.name) ? scope.query(expression.name) : { kind: 'text', value: expression.name };
    case 'negate':
      return combine(single(0), await computeMath(expression.of, scope), binary['-']);
    case 'binary':
      return combine(
        await computeMath(expression.left, scope),
        await computeMath(expression.right, scope),
        binary[expression.operator],
      );
    case 'list':
      return listOf(await Promise.all(expression.items.map((item) => computeMath(item, scope))));
    default:
      return call(expression.name, await Promise.all(expression.parameters.map((item) => computeMath(item, scope))), scope);
  }
}

function listOf(values: readonly MathValue[]): MathValue {
  return {
    kind: 'list',
    items: values.flatMap((value, index) =>
      value.kind === 'list' ? value.items : [{ label: String(index), series: needSeries(value) }],
    ),
  };
}

function call(name: string, parameters: readonly MathValue[], scope: MathScope): MathValue | Promise<MathValue> {
  const [first = single(0)] = parameters;
  const reducer = reducers[name];
  if (reducer !== undefined) return reduce(parameters.length > 1 ? listOf(parameters) : first, reducer);
  const change = perValue[name];
  if (change !== undefined)
    return first.kind === 'number' ? single(change(first.value)) : perSeries(first, (item) => each(item, change));
  const part = timeParts[name];
  if (part !== undefined) return perSeries(first, (item) => each(item, (_value, at) => part(new Date(at))));
  const found = functions[name];
  if (found === undefined) throw new MathError(`Unsupported function '${name}'`);
  return found(parameters, scope);
}
