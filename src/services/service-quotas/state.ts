import type { Millis } from '../../base/clock.ts';
import { defineTable } from '../../store/tables.ts';

/** A request to raise a quota. */
export interface RequestRow {
  id: string;
  created: Millis;
  updated: Millis;
  service: string;
  code: string;
  value: number;
  status: 'PENDING' | 'APPROVED' | 'DENIED';
  /** The requester as Service Quotas shows it: JSON. */
  requester: string;
}

export const Requests = defineTable<RequestRow>()({
  name: 'service-quotas.requests',
  scope: 'region',
  key: (row) => [row.created, row.id],
  indexes: { byId: (row) => [row.id], byCode: (row) => [row.code, row.created] },
});
