/**
 * When an alarm changes its state: pure. Source: CloudWatch User Guide, "Evaluating an alarm", "Configuring how CloudWatch alarms treat missing data".
 */
import type { AlarmState, MetricAlarmRow } from './state.ts';

export type Verdict = { state: AlarmState; reason: string; recent: readonly number[] } | 'keep';

const comparisons: Readonly<Record<string, { test: (value: number, threshold: number) => boolean; words: string }>> = {
  GreaterThanOrEqualToThreshold: { test: (value, threshold) => value >= threshold, words: 'greater than or equal to' },
  GreaterThanThreshold: { test: (value, threshold) => value > threshold, words: 'greater than' },
  LessThanThreshold: { test: (value, threshold) => value < threshold, words: 'less than' },
  LessThanOrEqualToThreshold: { test: (value, threshold) => value <= threshold, words: 'less than or equal to' },
};

/** Comparison operators of fixed thresholds; those of anomaly detection bands are not built. */
export const comparisonOperators = Object.keys(comparisons);

/** Periods before the evaluated ones that are looked at when some of those are missing. */
export const extraPeriods = 2;

/** A point of the evaluation range, oldest first; undefined where the metric has none. */
export interface Evaluated {
  at: number;
  value: number | undefined;
}

/** Numbers as CloudWatch prints them: `3.0`. */
function shown(value: number): string {
  return Number.isInteger(value) && Math.abs(value) < 1e7 ? `${value}.0` : String(value);
}

function date(at: number): string {
  const [day, time] = new Date(at).toISOString().split('T');
  const [year = '', month, number] = (day ?? '').split('-');
  return `${number}/${month}/${year.slice(2)} ${(time ?? '').slice(0, 8)}`;
}

const plural = (count: number): string => (count === 1 ? '' : 's');

type Point = { at: number; value: number };

/**
 * The state that the points of a range ask for. `range` holds the evaluated periods and, before them, the extra ones; `keep` leaves the state as it is.
 * With as many real points as periods, the newest of those decide and missing ones do not count; with fewer, the alarm's treatment fills up.
 */
export function evaluateAlarm(alarm: MetricAlarmRow, range: readonly Evaluated[]): Verdict {
  const { evaluationPeriods: periods, datapointsToAlarm: needed = periods, missing } = alarm;
  const comparison = comparisons[alarm.operator];
  if (comparison === undefined) throw new Error(`An alarm was stored with the operator ${alarm.operator}.`);
  const breaches = ({ value }: Point): boolean => comparison.test(value, alarm.threshold);
  const real = range.filter((point): point is Point => point.value !== undefined).slice(-periods);
  const bad = real.filter(breaches);
  const good = real.filter((point) => !breaches(point));
  const words = (points: readonly Point[], breaching: boolean, of: number): string => {
    const list = points.map(({ value, at }) => `${shown(value)} (${date(at)})`).join(', ');
    const was = points.length === 1 ? 'was' : 'were';
    const transition = breaching
      ? `${needed} datapoint${plural(needed)} for OK -> ALARM`
      : `${periods - needed + 1} datapoint${plural(periods - needed + 1)} for ALARM -> OK`;
    return `Threshold Crossed: ${points.length} out of the last ${of} datapoints [${list}] ${was} ${breaching ? '' : 'not '}${comparison.words} the threshold (${shown(alarm.threshold)}) (minimum ${transition} transition).`;
  };
  const alarming = (): Verdict => ({
    state: 'ALARM',
    reason: words(bad, true, real.length),
    recent: real.map(({ value }) => value),
  });
  const fine = (): Verdict => ({ state: 'OK', reason: words(good, false, real.length), recent: real.map(({ value }) => value) });
  if (bad.length >= needed) return alarming();
  if (real.length >= periods) return fine();
  const unknown = periods - real.length;
  if (real.length === 0) return withoutPoints(alarm, unknown);
  if (missing === 'breaching') return bad.length + unknown >= needed && good.length < periods - needed + 1 ? alarming() : fine();
  if (missing === 'notBreaching' || bad.length === 0) return fine();
  if (missing === 'ignore') return 'keep';
  // "… goes to ALARM when the oldest available breaching datapoint during the Evaluation Periods is at least as old as the value of Datapoints to Alarm,
  // and all other more recent data points are breaching or missing".
  const oldest = range.slice(-periods).findIndex((point) => point.value !== undefined && breaches(point as Point));
  const newerAreBad = good.every(({ at }) => at < (range.slice(-periods)[oldest]?.at ?? 0));
  return oldest >= 0 && periods - oldest >= needed && newerAreBad ? alarming() : 'keep';
}

function withoutPoints({ missing, evaluationPeriods }: MetricAlarmRow, unknown: number): Verdict {
  if (missing === 'ignore') return 'keep';
  if (missing === 'missing')
    return {
      state: 'INSUFFICIENT_DATA',
      reason: `Insufficient Data: ${unknown} datapoint${plural(unknown)} ${unknown === 1 ? 'was' : 'were'} unknown.`,
      recent: [],
    };
  const treated = missing === 'breaching' ? '[Breaching]' : '[NonBreaching]';
  const reason = `Threshold Crossed: no datapoints were received for ${evaluationPeriods} period${plural(evaluationPeriods)} and ${unknown} missing datapoint${plural(unknown)} ${unknown === 1 ? 'was' : 'were'} treated as ${treated}.`;
  return { state: missing === 'breaching' ? 'ALARM' : 'OK', reason, recent: [] };
}
