/** EventBridge's rows. Events that were accepted and not handed on yet are rows too, so that none is lost in a crash. */
import type { Millis } from '../../base/clock.ts';
import { defineTable } from '../../store/tables.ts';

export type TagMap = Readonly<Record<string, string>>;

export interface BusRow {
  name: string;
  description?: string | undefined;
  /** JSON text. */
  policy?: string | undefined;
  created: Millis;
  modified: Millis;
  tags: TagMap;
}

/** The default bus has a row only when something about it was changed. */
export const Buses = defineTable<BusRow>()({ name: 'eventbridge.buses', scope: 'region', key: (row) => [row.name] });

export interface RuleRow {
  bus: string;
  name: string;
  description?: string | undefined;
  /** JSON text. */
  pattern?: string | undefined;
  schedule?: string | undefined;
  enabled: boolean;
  roleArn?: string | undefined;
  created: Millis;
  tags: TagMap;
}

export const Rules = defineTable<RuleRow>()({ name: 'eventbridge.rules', scope: 'region', key: (row) => [row.bus, row.name] });

export interface TargetRow {
  bus: string;
  rule: string;
  id: string;
  arn: string;
  roleArn?: string | undefined;
  input?: string | undefined;
  inputPath?: string | undefined;
  transformer?: { paths: Readonly<Record<string, string>>; template: string } | undefined;
  /** Of a FIFO queue. */
  group?: string | undefined;
  deadLetters?: string | undefined;
  retry?: { retries?: number | undefined; ageSeconds?: number | undefined } | undefined;
  /** Of a Kinesis stream. */
  partitionKeyPath?: string | undefined;
}

export const Targets = defineTable<TargetRow>()({
  name: 'eventbridge.targets',
  scope: 'region',
  key: (row) => [row.bus, row.rule, row.id],
  indexes: { byArn: (row) => [row.arn] },
});

/** An event in the form in which targets see it. */
export interface BusEvent {
  version: '0';
  id: string;
  'detail-type': string;
  source: string;
  account: string;
  time: string;
  region: string;
  resources: readonly string[];
  /** JSON text. */
  detail: string;
}

export interface PendingRow {
  bus: string;
  at: Millis;
  event: BusEvent;
  /** Handed on from another bus: goes to no further one, so that events cannot run in circles. */
  forwarded?: boolean | undefined;
}

export const Pending = defineTable<PendingRow>()({
  name: 'eventbridge.pending',
  scope: 'region',
  key: (row) => [row.bus, row.at, row.event.id],
});

export const tables = [Buses, Rules, Targets, Pending] as const;
