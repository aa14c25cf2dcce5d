/** Rows of traffic policies: each version of a policy, and the names at which versions are in force. */
import { defineTable } from '../../store/tables.ts';

export interface TrafficPolicyRow {
  id: string;
  version: number;
  name: string;
  type: string;
  document: string;
  comment?: string | undefined;
}

export const TrafficPolicies = defineTable<TrafficPolicyRow>()({
  name: 'route53.trafficPolicies',
  scope: 'account',
  key: (row) => [row.id, row.version],
  indexes: { byName: (row) => [row.name] },
});

export interface TrafficInstanceRow {
  id: string;
  zone: string;
  /** In normal form. */
  name: string;
  ttl: number;
  policy: string;
  version: number;
  type: string;
  state: 'Creating' | 'Updating' | 'Applied';
}

export const TrafficInstances = defineTable<TrafficInstanceRow>()({
  name: 'route53.trafficInstances',
  scope: 'account',
  key: (row) => [row.id],
  indexes: { byZone: (row) => [row.zone], byPolicy: (row) => [row.policy, row.version] },
});
