/** Rows of replication that is measured. */
import type { Millis } from '../../../base/clock.ts';
import { defineTable } from '../../../store/tables.ts';

/** A version under way to its destinations by rules that measure that. */
export interface TrackedRow {
  bucket: string;
  key: string;
  sequence: number;
  bytes: number;
  since: Millis;
  /** Whether it was still under way when the time of Replication Time Control was over. */
  missed?: true | undefined;
  rules: readonly { id: string; target: string; timed: boolean }[];
}

/** What waits by one rule that is measured, and what its minute held. */
export interface RuleProgressRow {
  bucket: string;
  rule: string;
  /** Name of the destination. */
  target: string;
  operations: number;
  bytes: number;
  peakOperations: number;
  peakBytes: number;
  /** The longest way that ended in this minute. */
  latency: Millis;
  failed: number;
}

export const TrackedVersions = defineTable<TrackedRow>()({
  name: 's3.trackedVersions',
  scope: 'cloud',
  key: (row) => [row.bucket, row.key, row.sequence],
  indexes: { bySince: (row) => [row.bucket, row.since] },
});

export const ReplicationProgress = defineTable<RuleProgressRow>()({
  name: 's3.replicationProgress',
  scope: 'cloud',
  key: (row) => [row.bucket, row.rule],
});
