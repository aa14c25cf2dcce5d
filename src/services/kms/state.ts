/**
 * KMS's rows. A key's material lies apart from the key, because it has versions (rotation) and outlives no key. Material is sealed under the cloud's
 * master key: no row, and no copy of the store alone, holds it in the clear. Replicas of a multi-Region key are keys of their own that hold the
 * same material under the same id; what they share is written to all of them in one transaction.
 */
import type { Millis } from '../../base/clock.ts';
import { defineTable, type Table, type TableReader } from '../../store/tables.ts';

/** Reads tables, inside a transaction or outside: a Context or a Transaction. */
export interface Reading {
  table<Row, Index extends string>(table: Table<Row, Index>): TableReader<Row, Index>;
}

/** Tags by key, in the order in which they were first given. */
export type TagMap = Readonly<Record<string, string>>;

export type KeyState = 'Enabled' | 'Disabled' | 'PendingDeletion' | 'PendingImport' | 'PendingReplicaDeletion';
export type KeyUsage = 'ENCRYPT_DECRYPT' | 'SIGN_VERIFY' | 'GENERATE_VERIFY_MAC' | 'KEY_AGREEMENT';
export type KeyOrigin = 'AWS_KMS' | 'EXTERNAL';

/** The family that a multi-Region key belongs to; the same on each of its members. */
export interface MultiRegion {
  primary: string;
  replicas: readonly string[];
}

export interface KeyRow {
  id: string;
  created: Millis;
  description: string;
  spec: string;
  usage: KeyUsage;
  origin: KeyOrigin;
  /** `AWS` for the keys behind alias/aws/…, which customers cannot change. */
  manager: 'AWS' | 'CUSTOMER';
  state: KeyState;
  /** The key policy, as given. */
  policy: string;
  tags: TagMap;
  /** Number of the material that encrypts; 0 while nothing was imported. */
  current: number;
  /** Deletion that waits: days asked for, and when it is due (absent while a primary key waits for its replicas). */
  deletion?: { days: number; due?: Millis | undefined } | undefined;
  multiRegion?: MultiRegion | undefined;
  /** Automatic rotation. */
  rotation?: { days: number; next: Millis } | undefined;
  /** Rotations on demand so far: ten at most in a key's life. */
  rotationsOnDemand?: number | undefined;
}

export const Keys = defineTable<KeyRow>()({ name: 'kms.keys', scope: 'region', key: (row) => [row.id] });

export interface MaterialRow {
  key: string;
  /** From 1; ciphertexts carry it. */
  number: number;
  /** As KeyMaterialId shows it: 64 hexadecimal digits. */
  id: string;
  /** Secret bytes, sealed: the key itself for symmetric and HMAC keys, PKCS #8 for key pairs. Absent once deleted or expired. */
  sealed?: Uint8Array | undefined;
  /** SubjectPublicKeyInfo of key pairs. */
  publicKey?: Uint8Array | undefined;
  created: Millis;
  rotated?: 'AUTOMATIC' | 'ON_DEMAND' | undefined;
  imported?: { expires?: Millis | undefined; description?: string | undefined } | undefined;
}

export const Materials = defineTable<MaterialRow>()({
  name: 'kms.materials',
  scope: 'region',
  key: (row) => [row.key, row.number],
});

export interface AliasRow {
  /** With its prefix: `alias/orders`. */
  name: string;
  /** Id of the key. */
  key: string;
  created: Millis;
  updated: Millis;
}

export const Aliases = defineTable<AliasRow>()({
  name: 'kms.aliases',
  scope: 'region',
  key: (row) => [row.name],
  indexes: { byKey: (row) => [row.key, row.name] },
});

export interface GrantRow {
  key: string;
  id: string;
  name?: string | undefined;
  created: Millis;
  grantee: string;
  retiring?: string | undefined;
  operations: readonly string[];
  constraints?: { equals?: TagMap | undefined; subset?: TagMap | undefined } | undefined;
  /** ARN of the principal that made it: its account counts as issuing account. */
  issuer: string;
}

export const Grants = defineTable<GrantRow>()({
  name: 'kms.grants',
  scope: 'region',
  key: (row) => [row.key, row.id],
  indexes: { byRetiring: (row) => (row.retiring === undefined ? undefined : [row.retiring]) },
});
