/**
 * What CloudWatch keeps. Data points lie in chunks: one row holds an hour of a metric's minutes, or ten minutes of its seconds (high resolution),
 * so that a million points are some ten thousand rows and reading a range touches only its own. Points of high resolution count in the minutes too.
 */
import { defineTable } from '../../store/tables.ts';

export type Dimensions = Readonly<Record<string, string>>;

export interface MetricRow {
  namespace: string;
  name: string;
  dimensions: Dimensions;
  /** Digest of namespace, name and dimensions. */
  id: string;
  /** Latest time for which there is a point. */
  last: number;
}

/** The values of one second or minute and one unit. */
export interface PointRow {
  at: number;
  unit: string;
  count: number;
  sum: number;
  min: number;
  max: number;
  /** Value and how often, ascending; absent when only a statistic set is known. Many different values are kept as ranges of one percent. */
  values?: readonly (readonly [value: number, count: number])[] | undefined;
}

export interface ChunkRow {
  metric: string;
  /** Seconds of a point: 60 or 1. */
  resolution: number;
  start: number;
  points: readonly PointRow[];
}

export type AlarmState = 'OK' | 'ALARM' | 'INSUFFICIENT_DATA';

/** What metric and composite alarms share. */
export interface AlarmBase {
  name: string;
  description?: string | undefined;
  updated: number;
  actionsEnabled: boolean;
  okActions: readonly string[];
  alarmActions: readonly string[];
  insufficientDataActions: readonly string[];
  state: AlarmState;
  reason: string;
  reasonData?: string | undefined;
  stateUpdated: number;
  transitioned: number;
  tags: Readonly<Record<string, string>>;
}

/** A metric of a query, as stored: the official shape with plain members. */
export interface QueryRow {
  id: string;
  expression?: string | undefined;
  label?: string | undefined;
  returnData: boolean;
  period?: number | undefined;
  stat?:
    | { namespace: string; name: string; dimensions: Dimensions; period: number; stat: string; unit?: string | undefined }
    | undefined;
}

export interface MetricAlarmRow extends AlarmBase {
  kind: 'metric';
  /** One metric with its statistic, or queries of which one returns data. */
  queries: readonly QueryRow[];
  /** Whether the alarm was given as Metrics, and is shown so. */
  asQueries: boolean;
  evaluationPeriods: number;
  datapointsToAlarm?: number | undefined;
  threshold: number;
  operator: string;
  missing: 'breaching' | 'notBreaching' | 'ignore' | 'missing';
  missingGiven: boolean;
  lowSamples?: string | undefined;
}

export interface CompositeAlarmRow extends AlarmBase {
  kind: 'composite';
  rule: string;
  /** Names of the alarms in the rule. */
  children: readonly string[];
  suppressor?: string | undefined;
  waitSeconds?: number | undefined;
  extensionSeconds?: number | undefined;
}

export type AlarmRow = MetricAlarmRow | CompositeAlarmRow;

export interface AlarmHistoryRow {
  alarm: string;
  kind: AlarmRow['kind'];
  at: number;
  ordinal: string;
  type: 'ConfigurationUpdate' | 'StateUpdate' | 'Action';
  summary: string;
  data: string;
}

export interface DashboardRow {
  name: string;
  body: string;
  updated: number;
}

export const Metrics = defineTable<MetricRow>()({
  name: 'cloudwatch.metrics',
  scope: 'region',
  key: (row) => [row.namespace, row.name, row.id],
});

export const Chunks = defineTable<ChunkRow>()({
  name: 'cloudwatch.points',
  scope: 'region',
  key: (row) => [row.metric, row.resolution, row.start],
});

export const Alarms = defineTable<AlarmRow>()({
  name: 'cloudwatch.alarms',
  scope: 'region',
  key: (row) => [row.name],
  indexes: { byChild: (row) => (row.kind === 'composite' ? row.children.map((child) => [child]) : undefined) },
});

export const AlarmHistory = defineTable<AlarmHistoryRow>()({
  name: 'cloudwatch.alarm-history',
  scope: 'region',
  key: (row) => [row.alarm, row.at, row.ordinal],
});

export const Dashboards = defineTable<DashboardRow>()({
  name: 'cloudwatch.dashboards',
  scope: 'account',
  key: (row) => [row.name],
});
