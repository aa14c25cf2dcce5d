/** Reading and writing data points in their chunks, and periods of statistics from them. */
import type { Context, Transaction } from '../../kernel/context.ts';
import { joinPoints, type Sample, pointOf, type Statistic } from './points.ts';
import { metricId, times } from './rules.ts';
import { type ChunkRow, Chunks, type Dimensions, Metrics, type PointRow } from './state.ts';

/** Milliseconds that a row of points covers, by resolution in seconds. */
const chunkSpan: Readonly<Record<number, number>> = { 1: 10 * times.minute, 60: times.hour };

/** One value, set or list of values for a metric. */
export interface Datum {
  namespace: string;
  name: string;
  dimensions: Dimensions;
  at: number;
  unit: string;
  /** Seconds: 1 for high resolution. */
  resolution: 1 | 60;
  sample: Sample;
}

/** Adds data to its metrics: each row of points is read and written once, however many of the data fall into it. */
export async function addData(tx: Transaction, data: readonly Datum[]): Promise<void> {
  const newest = new Map<string, Datum>();
  const chunks = new Map<string, ChunkRow>();
  for (const datum of data) {
    const id = metricId(datum.namespace, datum.name, datum.dimensions);
    if ((newest.get(id)?.at ?? Number.NEGATIVE_INFINITY) < datum.at) newest.set(id, datum);
    await addPoint(tx, chunks, id, 60, datum);
    if (datum.resolution === 1) await addPoint(tx, chunks, id, 1, datum);
  }
  for (const chunk of chunks.values()) await tx.table(Chunks).put(chunk);
  for (const [id, { namespace, name, dimensions, at }] of newest) {
    const known = await tx.table(Metrics).get(namespace, name, id);
    if (known === undefined || known.last < at) await tx.table(Metrics).put({ namespace, name, dimensions, id, last: at });
  }
}

async function addPoint(
  tx: Transaction,
  chunks: Map<string, ChunkRow>,
  metric: string,
  resolution: number,
  { at, unit, sample }: Datum,
): Promise<void> {
  const span = chunkSpan[resolution] ?? times.hour;
  const start = Math.floor(at / span) * span;
  const step = resolution * 1000;
  const point = pointOf(Math.floor(at / step) * step, unit, sample);
  const key = `${metric} ${resolution} ${start}`;
  const chunk = chunks.get(key) ??
    (await tx.table(Chunks).get(metric, resolution, start)) ?? { metric, resolution, start, points: [] };
  chunks.set(key, { ...chunk, points: withPoint(chunk.points, point) });
}

/** The points with one more, in order of time, joined where there is one of its time and unit. */
function withPoint(points: readonly PointRow[], point: PointRow): readonly PointRow[] {
  const last = points.at(-1);
  if (last === undefined || last.at < point.at) return [...points, point];
  const index = points.findIndex(({ at, unit }) => at === point.at && unit === point.unit);
  if (index >= 0) return points.with(index, joinPoints(points[index] ?? point, point));
  const next = points.findIndex(({ at }) => at > point.at);
  return points.toSpliced(next < 0 ? points.length : next, 0, point);
}

/** What of a metric is wanted. */
export interface Range {
  namespace: string;
  name: string;
  dimensions: Dimensions;
  unit?: string | undefined;
  /** Milliseconds; `to` is exclusive. */
  from: number;
  to: number;
  /** Seconds. */
  period: number;
}

/** Points of whole periods, in order of time; a period begins at `from` plus a multiple of it. Units are not mixed: the first is taken. */
export async function readPeriods(ctx: Context, range: Range): Promise<PointRow[]> {
  const { namespace, name, dimensions, period, to } = range;
  const resolution = period < 60 ? 1 : 60;
  const from = Math.max(range.from, earliest(ctx.now, period));
  const span = chunkSpan[resolution] ?? times.hour;
  const metric = metricId(namespace, name, dimensions);
  const step = period * 1000;
  const periods: PointRow[] = [];
  let unit = range.unit;
  const chunks = await ctx.table(Chunks).list({
    prefix: [metric, resolution],
    after: [metric, resolution, Math.floor(from / span) * span - 1],
    before: [metric, resolution, to],
  });
  for (const { points } of chunks) {
    for (const point of points) {
      if (point.at < from || point.at >= to) continue;
      unit ??= point.unit;
      if (point.unit !== unit) continue;
      const at = range.from + Math.floor((point.at - range.from) / step) * step;
      const last = periods.at(-1);
      if (last?.at === at) periods[periods.length - 1] = joinPoints(last, point);
      else periods.push({ ...point, at });
    }
  }
  return periods;
}

/** The oldest time for which a period can still be asked ("Metrics retention"). */
function earliest(now: number, period: number): number {
  if (period < 60) return now - times.keptSeconds;
  if (period % 300 !== 0) return now - times.keptMinutes;
  return now - (period % 3600 === 0 ? times.keptHours : times.keptFiveMinutes);
}

/** Times and values of one statistic. */
export interface Series {
  at: number[];
  values: number[];
}

/** A statistic over the periods of a range. */
export async function readSeries(ctx: Context, range: Range, statistic: Statistic): Promise<Series> {
  const series: Series = { at: [], values: [] };
  for (const point of await readPeriods(ctx, range)) {
    const value = statistic(point);
    if (value === undefined) continue;
    series.at.push(point.at);
    series.values.push(value);
  }
  return series;
}
