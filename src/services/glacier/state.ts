/**
 * Glacier's rows. A deleted archive stays as a row until the next inventory, which is the last that has to know that it was there when the one before
 * was made; its bytes stay only as long as a job that has it ready.
 */
import type { Millis } from '../../base/clock.ts';
import type { ContentRow, GarbageRow } from '../../kernel/sealed-bytes.ts';
import { defineTable } from '../../store/tables.ts';

export interface VaultRow {
  name: string;
  created: Millis;
  /** As of the last inventory; absent before the first. */
  inventory?: { at: Millis; count: number; bytes: number } | undefined;
  /** The first change since the last inventory. */
  changed?: Millis | undefined;
  tags: Readonly<Record<string, string>>;
  /** Access policy. */
  policy?: string | undefined;
  lock?: LockRow | undefined;
  notification?: { topic: string; events: readonly string[] } | undefined;
}

export interface LockRow {
  id: string;
  policy: string;
  created: Millis;
  /** Absent once it is locked, which is for ever. */
  expires?: Millis | undefined;
}

export interface PartContent {
  id: string;
  bytes: number;
}

export interface ArchiveRow {
  vault: string;
  id: string;
  created: Millis;
  description: string;
  bytes: number;
  treeHash: string;
  contents: readonly PartContent[];
  /** The key of its bytes, sealed by the cloud's vault. */
  wrapped: Uint8Array;
  deleted?: Millis | undefined;
}

export interface UploadRow {
  vault: string;
  id: string;
  created: Millis;
  description: string;
  partBytes: number;
  wrapped: Uint8Array;
}

export interface PartRow {
  uploadId: string;
  start: number;
  bytes: number;
  treeHash: string;
  content: PartContent;
}

export interface JobRow {
  vault: string;
  id: string;
  created: Millis;
  action: 'ArchiveRetrieval' | 'InventoryRetrieval';
  description?: string | undefined;
  topic?: string | undefined;
  tier: string;
  status: 'InProgress' | 'Succeeded' | 'Failed';
  message?: string | undefined;
  completed?: Millis | undefined;
  /** Of an archive: which one, and [start, end) of it. */
  archive?:
    | { id: string; bytes: number; treeHash: string; start: number; end: number; rangeHash?: string | undefined }
    | undefined;
  /** Of an inventory: what was asked for. */
  inventory?: InventoryAsk | undefined;
  /** What an inventory gave. */
  output?: { contents: readonly PartContent[]; bytes: number; wrapped: Uint8Array } | undefined;
}

export interface InventoryAsk {
  format: 'JSON' | 'CSV';
  from?: Millis | undefined;
  until?: Millis | undefined;
  limit?: number | undefined;
  /** The archive behind which it begins. */
  marker?: string | undefined;
  /** Where the next one would begin; known when the job has completed and stopped at its limit. */
  next?: string | undefined;
}

/** An account's limits in a Region on what is retrieved. */
export interface RetrievalPolicyRow {
  id: 'policy';
  rules: readonly { Strategy: string; BytesPerHour?: number | undefined }[];
}

export const Vaults = defineTable<VaultRow>()({ name: 'glacier.vaults', scope: 'region', key: (row) => [row.name] });

export const Archives = defineTable<ArchiveRow>()({
  name: 'glacier.archives',
  scope: 'region',
  key: (row) => [row.vault, row.id],
});

export const Uploads = defineTable<UploadRow>()({ name: 'glacier.uploads', scope: 'region', key: (row) => [row.vault, row.id] });

export const Parts = defineTable<PartRow>()({ name: 'glacier.parts', scope: 'region', key: (row) => [row.uploadId, row.start] });

export const Jobs = defineTable<JobRow>()({
  name: 'glacier.jobs',
  scope: 'region',
  key: (row) => [row.vault, row.id],
  indexes: {
    byArchive: (row) => row.archive && [row.vault, row.archive.id],
    byTime: (row) => [row.created],
  },
});

export const RetrievalPolicies = defineTable<RetrievalPolicyRow>()({
  name: 'glacier.retrievalPolicies',
  scope: 'region',
  key: (row) => [row.id],
});

export const Contents = defineTable<ContentRow>()({ name: 'glacier.contents', scope: 'cloud', key: (row) => [row.id] });

export const Garbage = defineTable<GarbageRow>()({ name: 'glacier.garbage', scope: 'cloud', key: (row) => [row.id] });
