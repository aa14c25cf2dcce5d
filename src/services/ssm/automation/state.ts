/** Rows of automation executions. */
import type { Millis } from '../../../base/clock.ts';
import type { Identity } from '../../../kernel/caller.ts';
import type { Value } from '../../../store/store.ts';
import { defineTable } from '../../../store/tables.ts';

export type AutomationStatus = 'Pending' | 'InProgress' | 'Success' | 'Failed' | 'TimedOut' | 'Cancelled';

export interface StepRow {
  id: string;
  name: string;
  action: string;
  status: AutomationStatus;
  attempts: number;
  started?: Millis | undefined;
  ended?: Millis | undefined;
  inputs: Readonly<Record<string, string>>;
  outputs: Readonly<Record<string, readonly string[]>>;
  /** What the action waits for: ids that it made. */
  data?: Value | undefined;
  failure?: string | undefined;
}

export interface AutomationRow {
  id: string;
  document: string;
  documentVersion: string;
  /** As given. */
  parameters: Readonly<Record<string, readonly string[]>>;
  /** Whose rights it has: the role's that it was given, or those of who started it. */
  identity: Identity;
  executedBy: string;
  status: AutomationStatus;
  steps: readonly StepRow[];
  /** Name of the step that runs. */
  current?: string | undefined;
  started: Millis;
  ended?: Millis | undefined;
  failure?: string | undefined;
}

export const Automations = defineTable<AutomationRow>()({ name: 'ssm.automations', scope: 'region', key: (row) => [row.id] });
