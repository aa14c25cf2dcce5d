/** Rows of query logging: an account's configurations, and for the name servers which zones are logged. */
import { defineTable } from '../../store/tables.ts';

export interface QueryLogRow {
  id: string;
  zone: string;
  /** ARN of the log group. */
  group: string;
}

export const QueryLogs = defineTable<QueryLogRow>()({
  name: 'route53.queryLogs',
  scope: 'account',
  key: (row) => [row.id],
  indexes: { byZone: (row) => [row.zone] },
});

export const LoggedZones = defineTable<{ zone: string; account: string; group: string }>()({
  name: 'route53.loggedZones',
  scope: 'cloud',
  key: (row) => [row.zone],
});
