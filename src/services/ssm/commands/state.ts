/** Rows of Run Command: a command, and its invocation on each instance. Both are forgotten after 30 days. */
import type { Target } from '@aws-sdk/client-ssm';
import type { Millis } from '../../../base/clock.ts';
import { defineTable } from '../../../store/tables.ts';

export interface CommandRow {
  id: string;
  document: string;
  documentVersion: string;
  comment: string;
  /** As given. */
  parameters: Readonly<Record<string, readonly string[]>>;
  instanceIds: readonly string[];
  targets: readonly Target[];
  requested: Millis;
  /** Seconds within which it must reach an instance. */
  timeoutSeconds: number;
  /** As given: a number, or a percentage. */
  maxConcurrency: string;
  maxErrors: string;
  bucket?: { name: string; prefix: string } | undefined;
  /** Log group of its output. */
  logGroup?: string | undefined;
  cancelled: boolean;
  /** Instances that the request means. */
  total: number;
  /** The State Manager association that runs it. */
  association?: string | undefined;
}

export const Commands = defineTable<CommandRow>()({ name: 'ssm.commands', scope: 'region', key: (row) => [row.id] });

export type InvocationStatus = 'Pending' | 'InProgress' | 'Success' | 'Failed' | 'TimedOut' | 'Cancelled' | 'Cancelling';

export interface PluginRow {
  name: string;
  action: string;
  status: InvocationStatus;
  details: string;
  code: number;
  started?: Millis | undefined;
  ended?: Millis | undefined;
  stdout: string;
  stderr: string;
}

export interface InvocationRow {
  command: string;
  instance: string;
  instanceName: string;
  document: string;
  requested: Millis;
  status: InvocationStatus;
  details: string;
  plugins: readonly PluginRow[];
}

export const Invocations = defineTable<InvocationRow>()({
  name: 'ssm.invocations',
  scope: 'region',
  key: (row) => [row.command, row.instance],
  indexes: { byInstance: (row) => [row.instance, row.requested, row.command] },
});
