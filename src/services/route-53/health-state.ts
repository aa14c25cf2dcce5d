/** Health checks' rows: what is to be watched, and what the checkers saw. Two rows, so that probing never collides with a user's change. */
import type { HealthCheckConfig } from '@aws-sdk/client-route-53';
import type { Millis } from '../../base/clock.ts';
import { defineTable } from '../../store/tables.ts';

/** `HealthCheckConfig` as plain data, defaults filled in. */
export type CheckConfig = Omit<HealthCheckConfig, 'AlarmIdentifier'> & {
  AlarmIdentifier?: { Region?: string; Name?: string } | undefined;
};

export interface HealthCheckRow {
  id: string;
  callerReference: string;
  version: number;
  config: CheckConfig;
  created: Millis;
}

export const HealthChecks = defineTable<HealthCheckRow>()({
  name: 'route53.healthChecks',
  scope: 'account',
  key: (row) => [row.id],
  indexes: {
    byReference: (row) => [row.callerReference],
    byChild: (row) => (row.config.ChildHealthChecks ?? []).map((child) => [child]),
  },
});

/** One of the checkers around the world, and its verdict. */
export interface CheckerRow {
  region: string;
  ip: string;
  healthy: boolean;
  /** Results in a row that contradict the verdict. */
  against: number;
  at: Millis;
  status: string;
  failure?: { at: Millis; status: string } | undefined;
}

export interface HealthStateRow {
  id: string;
  /** The verdict of all, inversion included. */
  healthy: boolean;
  /** When each Region's checkers look next is in the scheduler; here is what they saw. */
  checkers: readonly CheckerRow[];
}

export const HealthStates = defineTable<HealthStateRow>()({
  name: 'route53.healthStates',
  scope: 'account',
  key: (row) => [row.id],
});
