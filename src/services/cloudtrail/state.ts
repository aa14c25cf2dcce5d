/** What CloudTrail keeps beside the kernel's record of calls: trails, calls on data that a trail asked for, and the keys that sign digests. */
import type { CallRow } from '../../kernel/recorder.ts';
import { defineTable } from '../../store/tables.ts';

export interface EventSelectorRow {
  readWrite: 'All' | 'ReadOnly' | 'WriteOnly';
  management: boolean;
  data: readonly { type: string; values: readonly string[] }[];
  excludedSources: readonly string[];
}

export interface TrailRow {
  name: string;
  bucket: string;
  prefix?: string | undefined;
  topic?: string | undefined;
  multiRegion: boolean;
  globalEvents: boolean;
  validation: boolean;
  logGroupArn?: string | undefined;
  logRoleArn?: string | undefined;
  kmsKeyId?: string | undefined;
  /** Of this life of the name. */
  life: string;
  logging: boolean;
  started?: number | undefined;
  stopped?: number | undefined;
  /** Calls before this time have been delivered. */
  deliveredTo: number;
  lastDelivery?: number | undefined;
  lastError?: string | undefined;
  lastLogDelivery?: number | undefined;
  lastLogError?: string | undefined;
  lastDigest?: number | undefined;
  /** Files delivered since the last digest. */
  undigested: readonly { bucket: string; key: string; hash: string; from: number; to: number }[];
  previousDigest?: { bucket: string; key: string; hash: string; signature: string } | undefined;
  selectors: readonly EventSelectorRow[];
  tags: Readonly<Record<string, string>>;
}

/** A call on data that waits for delivery to one trail. */
export interface DataCallRow extends CallRow {
  trail: string;
}

/** A key pair that signs the digests of a Region. */
export interface DigestKeyRow {
  fingerprint: string;
  publicKey: string;
  privateKey: string;
  from: number;
}

export const Trails = defineTable<TrailRow>()({ name: 'cloudtrail.trails', scope: 'region', key: (row) => [row.name] });

export const DataCalls = defineTable<DataCallRow>()({
  name: 'cloudtrail.data-calls',
  scope: 'region',
  key: (row) => [row.trail, row.at, row.requestId],
});

export const DigestKeys = defineTable<DigestKeyRow>()({
  name: 'cloudtrail.digest-keys',
  scope: 'region',
  key: (row) => [row.fingerprint],
});
