/** Kinesis' rows. A record lies under its stream's id, so that a stream of the same name made later never sees it. */
import type { Millis } from '../../base/clock.ts';
import { defineTable } from '../../store/tables.ts';

export interface StreamRow {
  name: string;
  id: string;
  mode: 'PROVISIONED' | 'ON_DEMAND';
  status: 'CREATING' | 'ACTIVE' | 'UPDATING' | 'DELETING';
  created: Millis;
  retentionHours: number;
  /** Shards made so far: their numbers are not used twice. */
  shardsMade: number;
  tags: Readonly<Record<string, string>>;
  /** Records put from now on are encrypted with this key of KMS, as named by the caller. */
  kmsKey?: string | undefined;
  /** Metrics that are told of each shard. */
  shardMetrics?: readonly string[] | undefined;
  /** KiB that one record may have; 1 MiB where nothing is said. */
  recordKib?: number | undefined;
  /** When its capacity mode was changed lately. */
  modeChanges?: readonly Millis[] | undefined;
  /** Resource policy, as its JSON text. */
  policy?: string | undefined;
}

export const Streams = defineTable<StreamRow>()({ name: 'kinesis.streams', scope: 'region', key: (row) => [row.name] });

export interface ShardRow {
  stream: string;
  number: number;
  parent?: number | undefined;
  adjacentParent?: number | undefined;
  /** Hash keys from and to, both inclusive: 128-bit numbers as decimal text. */
  from: string;
  to: string;
  created: Millis;
  /** Set when it takes no more records. */
  closed?: Millis | undefined;
  /** Records taken so far. */
  last: number;
}

/** By the stream's id. */
export const Shards = defineTable<ShardRow>()({
  name: 'kinesis.shards',
  scope: 'region',
  key: (row) => [row.stream, row.number],
});

export interface RecordRow {
  stream: string;
  shard: number;
  index: number;
  key: string;
  data: Uint8Array;
  /** Wrapped data key of encrypted data. */
  dataKey?: Uint8Array | undefined;
  at: Millis;
}

export const Records = defineTable<RecordRow>()({
  name: 'kinesis.records',
  scope: 'region',
  key: (row) => [row.stream, row.shard, row.index],
});

/** A consumer with enhanced fan-out. */
export interface ConsumerRow {
  /** The stream's id. */
  stream: string;
  name: string;
  arn: string;
  status: 'CREATING' | 'ACTIVE' | 'DELETING';
  created: Millis;
  tags: Readonly<Record<string, string>>;
  policy?: string | undefined;
}

export const Consumers = defineTable<ConsumerRow>()({
  name: 'kinesis.consumers',
  scope: 'region',
  key: (row) => [row.stream, row.name],
});

export const tables = [Streams, Shards, Records, Consumers] as const;
