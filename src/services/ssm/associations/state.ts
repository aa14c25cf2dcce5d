/** Rows of State Manager's associations. What became of their runs is in the rows of the commands that they made. */
import type { Target } from '@aws-sdk/client-ssm';
import type { Millis } from '../../../base/clock.ts';
import { defineTable } from '../../../store/tables.ts';

export interface AssociationRow {
  id: string;
  associationName?: string | undefined;
  document: string;
  documentVersion?: string | undefined;
  parameters: Readonly<Record<string, readonly string[]>>;
  targets: readonly Target[];
  /** Given by InstanceId instead of targets. */
  instanceId?: string | undefined;
  schedule?: string | undefined;
  onlyAtSchedule: boolean;
  maxConcurrency?: string | undefined;
  maxErrors?: string | undefined;
  bucket?: { name: string; prefix: string } | undefined;
  created: Millis;
  lastExecution?: Millis | undefined;
  /** Command of the last run. */
  lastCommand?: string | undefined;
}

export const Associations = defineTable<AssociationRow>()({ name: 'ssm.associations', scope: 'region', key: (row) => [row.id] });
