/** What CloudWatch offers to other services inside the process, and what it asks of those whose policies alarms start. Types only may be imported from here. */
import type { Context, Scope } from '../../kernel/context.ts';
import { addData } from './series.ts';
import type { AlarmState, Dimensions } from './state.ts';

/** A point of a metric that a service publishes about its resources. */
export interface ServiceDatum {
  name: string;
  dimensions: Dimensions;
  /** Milliseconds of cloud time. */
  at: number;
  unit?: string | undefined;
  /** A single value, or what a period held: percentiles need `values` (value and count). */
  value:
    | number
    | { values: readonly (readonly [value: number, count: number])[] }
    | { count: number; sum: number; min: number; max: number };
}

export interface CloudWatchApi {
  /** Adds data to metrics of a service's own namespace, such as `AWS/ApplicationELB`; cheaper than PutMetricData, and in one transaction. */
  putMetrics(scope: Scope, namespace: string, data: readonly ServiceDatum[]): Promise<void>;
}

/** An alarm's action on a policy of a scaling service: given at the change of state, and every minute again while the alarm stays in it. */
export interface AlarmAction {
  /** ARN of the scaling policy. */
  action: string;
  alarmName: string;
  alarmArn: string;
  state: AlarmState;
  /** Value of the newest point and the threshold, for step policies. */
  value: number | undefined;
  /** Points of the evaluated periods, oldest first, which step policies aggregate. */
  values: readonly number[];
  threshold: number;
  at: number;
}

/** The api of services whose policies can be actions of alarms (`auto-scaling`, `application-auto-scaling`). */
export interface AlarmReceiver {
  onAlarm(scope: Scope, action: AlarmAction): Promise<void>;
}

/** The api over a context of CloudWatch's own. */
export function createApi(system: Context): CloudWatchApi {
  return {
    async putMetrics(scope, namespace, data) {
      const rows = data.map(({ name, dimensions, at, unit = 'None', value }) => ({
        namespace,
        name,
        dimensions,
        at,
        unit,
        resolution: 60 as const,
        sample:
          typeof value === 'number'
            ? { values: [[value, 1]] as const }
            : 'values' in value
              ? { values: value.values }
              : { set: value },
      }));
      await system.inScope(scope).transact((tx) => addData(tx, rows));
    },
  };
}
