/** Rows of managed nodes: instances whose agent has reported. */
import type { Millis } from '../../../base/clock.ts';
import { defineTable } from '../../../store/tables.ts';

export interface NodeRow {
  /** The instance's id. */
  id: string;
  status: 'Online' | 'ConnectionLost';
  registered: Millis;
  lastPing: Millis;
  /** Of its operating system: /etc/os-release. */
  platformName: string;
  platformVersion: string;
  computerName: string;
  address: string;
  /** ARN of the role by which its agent acts. */
  role: string;
}

export const Nodes = defineTable<NodeRow>()({ name: 'ssm.nodes', scope: 'region', key: (row) => [row.id] });
