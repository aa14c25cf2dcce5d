/** What of EC2 was used and has not been told to Cost Explorer yet. */
import type { Millis } from '../../../base/clock.ts';
import { defineTable } from '../../../store/tables.ts';

/** An amount of one kind of use on one day. */
export interface UsedRow {
  /** Beginning of the day. */
  day: Millis;
  service: string;
  usageType: string;
  operation: string;
  amount: number;
  /** What the amount costs, where the price is not one of a list. */
  cost?: number | undefined;
}

export const Used = defineTable<UsedRow>()({
  name: 'ec2.used',
  scope: 'region',
  key: (row) => [row.day, row.service, row.usageType, row.operation],
});

/** How far the use of all that stands is counted. */
export interface MeteredRow {
  id: 'until';
  until: Millis;
}

export const Metered = defineTable<MeteredRow>()({
  name: 'ec2.metered',
  scope: 'region',
  key: (row) => [row.id],
});
