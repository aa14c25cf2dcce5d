/**
 * The arithmetic of data points: adding values to a point, joining points of a period, and the statistics of what came together. Pure. Source:
 * CloudWatch User Guide, "CloudWatch statistics definitions" and "Percentiles".
 */
import type { PointRow } from './state.ts';

/** Different values that a point keeps exactly; beyond them it keeps ranges. */
const exactValues = 500;
/** Width of a range: two values in it differ by about a percent. */
const rangeRatio = 1.01;

/** Values with their counts, as PutMetricData brings them, or a statistic set without values. */
export type Sample =
  | { values: readonly (readonly [value: number, count: number])[] }
  | { set: { count: number; sum: number; min: number; max: number } };

/** A point of this one sample. */
export function pointOf(at: number, unit: string, sample: Sample): PointRow {
  if ('set' in sample) return { at, unit, ...sample.set, values: valuesOfSet(sample.set) };
  const values = ordered(sample.values);
  let [count, sum] = [0, 0];
  for (const [value, times] of values) {
    count += times;
    sum += value * times;
  }
  return { at, unit, count, sum, min: values[0]?.[0] ?? 0, max: values.at(-1)?.[0] ?? 0, values };
}

/** Percentiles of a statistic set are known when it holds one value ("Percentiles": SampleCount 1, or Min and Max equal). */
function valuesOfSet({ count, sum, min, max }: { count: number; sum: number; min: number; max: number }): PointRow['values'] {
  if (count === 1) return [[sum, 1]];
  return min === max ? [[min, count]] : undefined;
}

/** Both points in one, at the time and with the unit of the first. */
export function joinPoints(a: PointRow, b: PointRow): PointRow {
  return {
    at: a.at,
    unit: a.unit,
    count: a.count + b.count,
    sum: a.sum + b.sum,
    min: Math.min(a.min, b.min),
    max: Math.max(a.max, b.max),
    values: a.values === undefined || b.values === undefined ? undefined : ordered([...a.values, ...b.values]),
  };
}

function ordered(pairs: readonly (readonly [number, number])[]): (readonly [number, number])[] {
  const counts = new Map<number, number>();
  for (const [value, count] of pairs) counts.set(value, (counts.get(value) ?? 0) + count);
  const keep = counts.size <= exactValues ? counts : inRanges(counts);
  return [...keep].sort(([a], [b]) => a - b);
}

function inRanges(counts: ReadonlyMap<number, number>): Map<number, number> {
  const ranges = new Map<number, number>();
  for (const [value, count] of counts) {
    const size = Math.abs(value);
    const range = size < 1e-9 ? 0 : Math.sign(value) * rangeRatio ** Math.round(Math.log(size) / Math.log(rangeRatio));
    ranges.set(range, (ranges.get(range) ?? 0) + count);
  }
  return ranges;
}

const bound = '(\\d{1,2}(?:\\.\\d{1,10})?|100(?:\\.0{1,10})?)';
const simple = new RegExp(`^(p|tm|wm|tc|ts)${bound}$`);
const ranged = /^(TM|WM|TC|TS|PR)\((-?[\d.]*%?):(-?[\d.]*%?)\)$/i;

/** Computes a statistic; undefined when the point cannot tell it (percentiles of a statistic set). */
export type Statistic = (point: PointRow) => number | undefined;

/** Reads the name of a statistic (`Average`, `p99`, `tm90`, `TM(10%:90%)`, `IQM`). Undefined when there is none of that name. */
export function parseStatistic(name: string): Statistic | undefined {
  switch (name) {
    case 'Average':
      return ({ sum, count }) => (count === 0 ? undefined : sum / count);
    case 'Sum':
      return ({ sum }) => sum;
    case 'Minimum':
      return ({ min }) => min;
    case 'Maximum':
      return ({ max }) => max;
    case 'SampleCount':
      return ({ count }) => count;
    case 'IQM':
      return trimmed('tm', { from: 25, to: 75 });
    default:
      return parseExtended(name);
  }
}

function parseExtended(name: string): Statistic | undefined {
  const [, kind, percent] = simple.exec(name) ?? [];
  if (kind === 'p') return (point) => percentile(point, Number(percent));
  if (kind !== undefined) return trimmed(kind, { from: 0, to: Number(percent) });
  const [, rangeKind, low = '', high = ''] = ranged.exec(name) ?? [];
  if (rangeKind === undefined || (low === '' && high === '')) return undefined;
  const percents = [low, high].filter((text) => text !== '').every((text) => text.endsWith('%'));
  const values = [low, high].every((text) => !text.endsWith('%'));
  const kindName = rangeKind.toLowerCase();
  if (percents && kindName !== 'pr')
    return trimmed(kindName, { from: low === '' ? 0 : Number.parseFloat(low), to: high === '' ? 100 : Number.parseFloat(high) });
  if (!values) return undefined;
  const min = low === '' ? Number.NEGATIVE_INFINITY : Number(low);
  const max = high === '' ? Number.POSITIVE_INFINITY : Number(high);
  return (point) => withinValues(point, kindName, min, max);
}

/** The smallest value below which the given share of the samples lies. */
function percentile({ values, count }: PointRow, percent: number): number | undefined {
  if (values === undefined) return undefined;
  const wanted = (percent / 100) * count;
  let seen = 0;
  for (const [value, times] of values) {
    seen += times;
    if (seen >= wanted) return value;
  }
  return values.at(-1)?.[0];
}

/** Trimmed mean, count and sum, and the winsorized mean, of the samples between two shares. */
function trimmed(kind: string, { from, to }: { from: number; to: number }): Statistic {
  return (point) => {
    const { values, count } = point;
    if (values === undefined) return undefined;
    const [first, last] = [(from / 100) * count, (to / 100) * count];
    let [seen, kept, sum] = [0, 0, 0];
    let [lowest, highest] = [Number.NaN, Number.NaN];
    for (const [value, times] of values) {
      const part = Math.max(0, Math.min(seen + times, last) - Math.max(seen, first));
      seen += times;
      if (part <= 0) continue;
      if (Number.isNaN(lowest)) lowest = value;
      highest = value;
      kept += part;
      sum += value * part;
    }
    if (kind === 'tc') return kept;
    if (kind === 'ts') return sum;
    if (kept === 0) return undefined;
    return kind === 'tm' ? sum / kept : (sum + lowest * first + highest * (count - last)) / count;
  };
}

function withinValues({ values, count }: PointRow, kind: string, min: number, max: number): number | undefined {
  if (values === undefined) return undefined;
  const inside = values.filter(([value]) => value > min && value <= max);
  const kept = inside.reduce((total, [, times]) => total + times, 0);
  const sum = inside.reduce((total, [value, times]) => total + value * times, 0);
  if (kind === 'tc') return kept;
  if (kind === 'ts') return sum;
  if (kind === 'pr') return (100 * kept) / count;
  if (kind === 'tm') return kept === 0 ? undefined : sum / kept;
  const clamped = values.reduce((total, [value, times]) => total + Math.min(max, Math.max(min, value)) * times, 0);
  return clamped / count;
}
