/**
 * What CloudWatch Logs keeps. Events carry the id of their stream's life, not its name, so that a group or stream made again under an old name
 * does not show what its namesake held; the bytes of what was deleted go little by little (tasks.ts).
 */
import { defineTable } from '../../store/tables.ts';

export interface LogGroupRow {
  name: string;
  /** Of this life of the name. */
  id: string;
  created: number;
  /** Days; undefined keeps for ever. */
  retentionDays?: number | undefined;
  kmsKeyId?: string | undefined;
  class: 'STANDARD' | 'INFREQUENT_ACCESS' | 'DELIVERY';
  deletionProtected: boolean;
  tags: Readonly<Record<string, string>>;
}

export interface LogStreamRow {
  group: string;
  name: string;
  id: string;
  created: number;
  firstEvent?: number | undefined;
  lastEvent?: number | undefined;
  lastIngestion?: number | undefined;
  storedBytes: number;
  /** Number of the next event, so that events of one millisecond keep the order in which they came. */
  next: number;
}

export interface LogEventRow {
  groupId: string;
  streamId: string;
  stream: string;
  /** Milliseconds since the epoch, as the writer said. */
  at: number;
  ordinal: number;
  message: string;
  ingested: number;
}

export interface MetricFilterRow {
  group: string;
  name: string;
  pattern: string;
  created: number;
  namespace: string;
  metric: string;
  value: string;
  defaultValue?: number | undefined;
  unit?: string | undefined;
  dimensions: Readonly<Record<string, string>>;
}

export interface SubscriptionFilterRow {
  group: string;
  name: string;
  pattern: string;
  created: number;
  destination: string;
  roleArn?: string | undefined;
  distribution: 'Random' | 'ByLogStream';
}

export interface ResourcePolicyRow {
  name: string;
  document: string;
  updated: number;
}

export const LogGroups = defineTable<LogGroupRow>()({
  name: 'logs.groups',
  scope: 'region',
  key: (row) => [row.name],
});

export const LogStreams = defineTable<LogStreamRow>()({
  name: 'logs.streams',
  scope: 'region',
  key: (row) => [row.group, row.name],
  indexes: { byLastEvent: (row) => [row.group, row.lastEvent ?? 0] },
});

export const LogEvents = defineTable<LogEventRow>()({
  name: 'logs.events',
  scope: 'region',
  key: (row) => [row.groupId, row.streamId, row.at, row.ordinal],
  indexes: { byTime: (row) => [row.groupId, row.at, row.stream, row.ordinal] },
});

export const MetricFilters = defineTable<MetricFilterRow>()({
  name: 'logs.metric-filters',
  scope: 'region',
  key: (row) => [row.group, row.name],
});

export const SubscriptionFilters = defineTable<SubscriptionFilterRow>()({
  name: 'logs.subscription-filters',
  scope: 'region',
  key: (row) => [row.group, row.name],
});

export const ResourcePolicies = defineTable<ResourcePolicyRow>()({
  name: 'logs.resource-policies',
  scope: 'region',
  key: (row) => [row.name],
});
