/** Rows of retention rules. */
import type { Millis } from '../../base/clock.ts';
import { defineTable } from '../../store/tables.ts';

export interface TagPattern {
  key: string;
  /** Absent: any value. */
  value?: string | undefined;
}

export interface RuleRow {
  id: string;
  type: 'EBS_SNAPSHOT' | 'EC2_IMAGE';
  days: number;
  description: string;
  /** Tag-level rule: resources with one of these; empty: Region-level, all. */
  include: readonly TagPattern[];
  lock: 'locked' | 'pending_unlock' | 'unlocked';
  unlockDelayDays?: number | undefined;
  unlocksAt?: Millis | undefined;
  tags: Readonly<Record<string, string>>;
}

export const Rules = defineTable<RuleRow>()({ name: 'rbin.rules', scope: 'region', key: (row) => [row.id] });

/** The retention period in milliseconds. */
export function periodMillis({ days }: RuleRow): number {
  return days * 24 * 3_600_000;
}
