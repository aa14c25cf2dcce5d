/**
 * The model of predictive scaling: pure, and much simpler than AWS's learned one. The load of an hour to come is the load of the same hour of the same
 * weekday a week before; where history does not reach back that far, the mean of the same hour of the days that it holds, newer days counting more.
 * Capacity follows by proportion: history tells how much scaling metric a unit of load makes on one instance.
 */
import type { Millis } from '../../base/clock.ts';

export const hour: Millis = 3_600_000;
export const historyMax: Millis = 14 * 24 * hour;
/** "Predictive scaling needs at least 24 hours of historical data". */
const historyMin: Millis = 24 * hour;
const horizon: Millis = 48 * hour;

/** Values by the beginning of their hour. */
export type Hourly = ReadonlyMap<Millis, number>;

/** Share of its weight that a day keeps a day later. */
const fading = 0.7;

/** The load of one hour; undefined when history has nothing of that hour of the day. */
function loadAt(history: Hourly, at: Millis): number | undefined {
  const lastWeek = history.get(at - 7 * 24 * hour);
  if (lastWeek !== undefined) return lastWeek;
  let [sum, weights] = [0, 0];
  for (const [time, value] of history) {
    const days = (at - time) / (24 * hour);
    if (days <= 0 || !Number.isInteger(days)) continue;
    const weight = fading ** days;
    sum += value * weight;
    weights += weight;
  }
  return weights === 0 ? undefined : sum / weights;
}

/** Whether the history spans enough time for a forecast. */
export function isEnough(history: Hourly, now: Millis): boolean {
  const first = Math.min(...history.keys());
  return history.size > 0 && now - first >= historyMin;
}

/** Scaling metric that a unit of load makes on one instance, over all hours for which all three are known; undefined without any. */
export function ratioOf(load: Hourly, scaling: Hourly, capacity: (at: Millis) => number): number | undefined {
  let [made, caused] = [0, 0];
  for (const [at, value] of load) {
    const metric = scaling.get(at);
    if (metric === undefined || value <= 0) continue;
    made += metric * capacity(at);
    caused += value;
  }
  return caused === 0 ? undefined : made / caused;
}

export interface Forecast {
  at: readonly Millis[];
  load: readonly number[];
  capacity: readonly number[];
}

/** The 48 hours from `from`, hour by hour. */
export function forecastFrom(from: Millis, load: Hourly, ratio: number, target: number): Forecast {
  const hours = Array.from({ length: horizon / hour }, (_none, index) => from + index * hour);
  const known = hours.flatMap((at) => {
    const value = loadAt(load, at);
    return value === undefined ? [] : [{ at, value }];
  });
  return {
    at: known.map(({ at }) => at),
    load: known.map(({ value }) => value),
    capacity: known.map(({ value }) => Math.ceil((value * ratio) / target - 1e-9)),
  };
}
