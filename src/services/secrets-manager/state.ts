/**
 * Rows of Secrets Manager. A secret holds its versions' labels and times; values lie apart, encrypted under a data key of KMS, which is asked anew for
 * every read. A replica in another Region is a row of its own, written by the primary's task only.
 */
import type { Millis } from '../../base/clock.ts';
import { defineTable } from '../../store/tables.ts';

export type TagMap = Readonly<Record<string, string>>;

export interface VersionFacts {
  created: Millis;
  /** Staging labels; a version without any is deprecated. */
  stages: readonly string[];
  accessed?: Millis | undefined;
}

export interface ReplicaFacts {
  region: string;
  kmsKeyId?: string | undefined;
  /** Replace a secret of that name which is there already. */
  overwrite: boolean;
  status: 'InProgress' | 'InSync' | 'Failed';
  message: string;
}

/** When a secret is rotated: every so many days, or by an expression; undefined when only by hand. */
export interface RotationRules {
  days?: number | undefined;
  expression?: string | undefined;
  durationHours?: number | undefined;
}

export interface RotationFacts {
  enabled: boolean;
  /** As given: the ARN of the function. */
  lambda: string;
  rules: RotationRules;
  /** When these rules were set: rates count from that day. */
  since: Millis;
  rotated?: Millis | undefined;
  /** Of the next rotation by its rules: when it begins, and the end of its window, which requests show. */
  next?: { due: Millis; windowEnd: Millis } | undefined;
  /** A rotation that has begun and is not done: its version, the token that its function is given, and how often it was tried. */
  pending?: { version: string; token: string; attempts: number } | undefined;
}

export interface SecretRow {
  name: string;
  /** Six characters that AWS adds to the name in the ARN. */
  suffix: string;
  description?: string | undefined;
  /** As given; the account's aws/secretsmanager when absent. */
  kmsKeyId?: string | undefined;
  created: Millis;
  changed: Millis;
  /** Start of the day of the last read. */
  accessed?: Millis | undefined;
  /** When it was deleted, and when that becomes final. */
  deleted?: { at: Millis; due: Millis } | undefined;
  tags: TagMap;
  policy?: string | undefined;
  rotation?: RotationFacts | undefined;
  /** By version id. */
  versions: Readonly<Record<string, VersionFacts>>;
  /** Of a primary: where its replicas are. */
  replicas?: readonly ReplicaFacts[] | undefined;
  /** Of a primary with replicas, and of replicas. */
  primaryRegion?: string | undefined;
}

export const Secrets = defineTable<SecretRow>()({
  name: 'secretsmanager.secrets',
  scope: 'region',
  key: (row) => [row.name],
});

export interface ValueRow {
  secret: string;
  version: string;
  kind: 'string' | 'binary';
  /** Data key, wrapped by KMS. */
  key: Uint8Array;
  /** ARN of the KMS key that wrapped it. */
  kmsKey: string;
  /** AES-256-GCM: nonce, tag, value. */
  sealed: Uint8Array;
}

export const Values = defineTable<ValueRow>()({
  name: 'secretsmanager.values',
  scope: 'region',
  key: (row) => [row.secret, row.version],
});
