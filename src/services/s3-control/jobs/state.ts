/** Rows of batch jobs, and of what each has to do. */
import type { Millis } from '../../../base/clock.ts';
import type { Value } from '../../../store/store.ts';
import { defineTable } from '../../../store/tables.ts';

export type JobStatus = 'New' | 'Preparing' | 'Suspended' | 'Ready' | 'Active' | 'Paused' | 'Complete' | 'Failed' | 'Cancelled';

export interface JobRow {
  id: string;
  created: Millis;
  status: JobStatus;
  priority: number;
  roleArn: string;
  /** Operation, manifest or its generator, and report in the API's form, as `packed`. */
  operation: Value;
  manifest?: Value | undefined;
  generator?: Value | undefined;
  report: Value;
  /** Where the generated manifest was written. */
  generated?: { arn: string; etag: string } | undefined;
  tags: Readonly<Record<string, string>>;
  description?: string | undefined;
  confirmation: boolean;
  token: string;
  total: number;
  succeeded: number;
  failed: number;
  failure?: { code: string; reason: string } | undefined;
  statusReason?: string | undefined;
  suspended?: Millis | undefined;
  /** Milliseconds in the state Active before `activeSince`, which is absent in other states. */
  activeMillis: Millis;
  activeSince?: Millis | undefined;
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

/** What a request has sent, as a row can hold it: times become a member that `unpacked` reads. */
export function packed(sent: unknown): Value {
  if (sent instanceof Date) return { [timeMember]: sent.getTime() };
  if (Array.isArray(sent)) return sent.map(packed);
  if (typeof sent !== 'object' || sent === null) return sent as Value;
  return Object.fromEntries(
    Object.entries(sent).flatMap(([name, value]) => (value === undefined ? [] : [[name, packed(value)]])),
  );
}

/** The opposite of `packed`. */
export function unpacked<T>(row: Value | undefined): T {
  return unpack(row) as T;
}

/** No member of a request has such a name. */
const timeMember = '$time';

function unpack(value: Value | undefined): unknown {
  if (Array.isArray(value)) return value.map(unpack);
  if (typeof value !== 'object' || value === null || value instanceof Uint8Array) return value;
  const members = value as { readonly [member: string]: Value | undefined };
  const time = members[timeMember];
  if (typeof time === 'number') return new Date(time);
  return Object.fromEntries(Object.entries(members).map(([name, member]) => [name, unpack(member)]));
}

export const BatchJobs = defineTable<JobRow>()({
  name: 's3-control.jobs',
  scope: 'region',
  key: (row) => [row.id],
  indexes: { byToken: (row) => [row.token], waiting: (row) => (isWaiting(row) ? [-row.priority, row.created] : undefined) },
});

function isWaiting({ status }: JobRow): boolean {
  return status === 'Ready' || status === 'Active' || status === 'Paused';
}

export const BatchEntries = defineTable<EntryRow>()({
  name: 's3-control.entries',
  scope: 'region',
  key: (row) => [row.job, row.index],
});
