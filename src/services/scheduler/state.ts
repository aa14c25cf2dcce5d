/** Rows of EventBridge Scheduler. */
import type { Millis } from '../../base/clock.ts';
import { defineTable } from '../../store/tables.ts';

export type TagMap = Readonly<Record<string, string>>;

export interface GroupRow {
  name: string;
  created: Millis;
  modified: Millis;
  tags: TagMap;
  /** Token of the request that made it: the same one again makes nothing. */
  token?: string | undefined;
  /** Its schedules are being removed. */
  deleting?: boolean | undefined;
}

/** The group `default` has a row only when somebody tagged it. */
export const Groups = defineTable<GroupRow>()({ name: 'scheduler.groups', scope: 'region', key: (row) => [row.name] });

export interface TargetFacts {
  arn: string;
  roleArn: string;
  input?: string | undefined;
  deadLetters?: string | undefined;
  retry?: { retries?: number | undefined; ageSeconds?: number | undefined } | undefined;
  /** Of a FIFO queue, of a stream, of an event bus. */
  group?: string | undefined;
  partitionKey?: string | undefined;
  bus?: { detailType: string; source: string } | undefined;
}

export interface ScheduleRow {
  group: string;
  name: string;
  expression: string;
  timezone?: string | undefined;
  start?: Millis | undefined;
  end?: Millis | undefined;
  description?: string | undefined;
  enabled: boolean;
  target: TargetFacts;
  /** Minutes within which an invocation may come late; absent: none. */
  windowMinutes?: number | undefined;
  /** The schedule goes after its last invocation. */
  deleteAfter: boolean;
  /** Its last invocation, after which it goes. */
  ending?: string | undefined;
  created: Millis;
  modified: Millis;
  token?: string | undefined;
}

export const Schedules = defineTable<ScheduleRow>()({
  name: 'scheduler.schedules',
  scope: 'region',
  key: (row) => [row.group, row.name],
});

export const tables = [Groups, Schedules] as const;
