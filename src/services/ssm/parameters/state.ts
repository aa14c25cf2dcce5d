/**
 * Rows of Parameter Store. A parameter row says which version is in force and carries the tags; each version is a row of its own with all that it
 * said, because the history shows it whole. Secure values lie as KMS gave them back.
 */
import type { Millis } from '../../../base/clock.ts';
import { defineTable } from '../../../store/tables.ts';

export type TagMap = Readonly<Record<string, string>>;
export type ParameterType = 'String' | 'StringList' | 'SecureString';
export type Tier = 'Standard' | 'Advanced';

export interface ParameterRow {
  name: string;
  /** Number of the version in force. */
  version: number;
  tags: TagMap;
}

export const Parameters = defineTable<ParameterRow>()({ name: 'ssm.parameters', scope: 'region', key: (row) => [row.name] });

export interface PolicyRow {
  type: 'Expiration' | 'ExpirationNotification' | 'NoChangeNotification';
  /** As given. */
  text: string;
  due: Millis;
  status: 'Pending' | 'Finished';
}

/** A value as kept: in the clear, encrypted by KMS itself, or under a data key of KMS. */
export type StoredValue = { plain: string } | { ciphertext: Uint8Array } | { key: Uint8Array; sealed: Uint8Array };

export interface VersionRow {
  parameter: string;
  version: number;
  type: ParameterType;
  value: StoredValue;
  keyId?: string | undefined;
  tier: Tier;
  dataType: string;
  description?: string | undefined;
  allowedPattern?: string | undefined;
  policies: readonly PolicyRow[];
  modified: Millis;
  /** ARN of who wrote it. */
  user: string;
  labels: readonly string[];
}

export const Versions = defineTable<VersionRow>()({
  name: 'ssm.parameterVersions',
  scope: 'region',
  key: (row) => [row.parameter, row.version],
});
