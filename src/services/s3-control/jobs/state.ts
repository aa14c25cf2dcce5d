/** Rows of batch jobs, and of what each has to do. */
import type { Millis } from '../../../base/clock.ts';
import type { Value } from '../../../store/store.ts';
import { defineTable } from '../../../store/tables.ts';

export type JobStatus = 'Preparing' | 'Suspended' | 'Ready' | 'Active' | 'Complete' | 'Failed' | 'Cancelled';

export interface JobRow {
  id: string;
  created: Millis;
  status: JobStatus;
  priority: number;
  roleArn: string;
  /** Operation, manifest and report in the API's form. */
  operation: Value;
  manifest: Value;
  report: Value;
  description?: string | undefined;
  confirmation: boolean;
  token: string;
  total: number;
  succeeded: number;
  failed: number;
  failure?: { code: string; reason: string } | undefined;
  statusReason?: string | undefined;
  suspended?: Millis | undefined;
  ended?: Millis | undefined;
}

/** One object of a job's manifest, and how it went. */
export interface EntryRow {
  job: string;
  index: number;
  bucket: string;
  key: string;
  versionId?: string | undefined;
  outcome?: { ok: boolean; code: string; status: string; message: string } | undefined;
}

export const BatchJobs = defineTable<JobRow>()({
  name: 's3-control.jobs',
  scope: 'region',
  key: (row) => [row.id],
  indexes: { byToken: (row) => [row.token], waiting: (row) => (isWaiting(row) ? [-row.priority, row.created] : undefined) },
});

function isWaiting({ status }: JobRow): boolean {
  return status === 'Ready' || status === 'Active';
}

export const BatchEntries = defineTable<EntryRow>()({
  name: 's3-control.entries',
  scope: 'region',
  key: (row) => [row.job, row.index],
});
