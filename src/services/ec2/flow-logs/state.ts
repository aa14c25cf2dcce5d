/** Rows of flow logs, and of records that wait for their file. */
import type { Millis } from '../../../base/clock.ts';
import { defineTable } from '../../../store/tables.ts';
import type { TagMap } from '../vpc/state.ts';

export type FlowLogDestination =
  | { kind: 'cloud-watch-logs'; group: string; roleArn: string }
  | { kind: 's3'; bucket: string; folder: string; hive: boolean; hourly: boolean };

export interface FlowLogRow {
  id: string;
  resourceType: 'VPC' | 'Subnet' | 'NetworkInterface';
  resourceId: string;
  vpcId: string;
  traffic: 'ACCEPT' | 'REJECT' | 'ALL';
  intervalSeconds: 60 | 600;
  format: string;
  destination: FlowLogDestination;
  /** As it was given, and is compared and shown; absent for a log group given by name. */
  destinationArn?: string | undefined;
  created: Millis;
  /** End of the last minute that was looked at. */
  seen: Millis;
  /** Why the last delivery failed; absent after one that did not. */
  failure?: string | undefined;
  token?: string | undefined;
  tags: TagMap;
}

export const FlowLogs = defineTable<FlowLogRow>()({
  name: 'ec2.flowLogs',
  scope: 'region',
  key: (row) => [row.id],
  indexes: {
    byVpc: (row) => [row.vpcId],
    byToken: (row) => (row.token === undefined ? undefined : [row.token]),
  },
});

/** Records of one look, until the next file takes them. */
export interface FlowLinesRow {
  logId: string;
  at: Millis;
  lines: readonly string[];
}

export const FlowLines = defineTable<FlowLinesRow>()({
  name: 'ec2.flowLines',
  scope: 'region',
  key: (row) => [row.logId, row.at],
});

/** Whether the flow log covers an interface. */
export function covers({ resourceId }: FlowLogRow, card: { id: string; subnetId: string; vpcId: string }): boolean {
  return resourceId === card.id || resourceId === card.subnetId || resourceId === card.vpcId;
}
