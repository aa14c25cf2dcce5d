/**
 * Firehose's rows. A record that was taken lies in the stream's buffer until its destination has it, under the stream's id, so that a stream of the
 * same name made later never sees it.
 */
import type { Millis } from '../../base/clock.ts';
import { defineTable } from '../../store/tables.ts';

export type TagMap = Readonly<Record<string, string>>;

export interface LoggingSpec {
  enabled: boolean;
  group?: string | undefined;
  stream?: string | undefined;
}

export type Compression = 'UNCOMPRESSED' | 'GZIP' | 'ZIP' | 'Snappy' | 'HADOOP_SNAPPY';

export interface S3Spec {
  role: string;
  bucketArn: string;
  prefix?: string | undefined;
  errorPrefix?: string | undefined;
  sizeMb: number;
  intervalSeconds: number;
  compression: Compression;
  /** ARN of a KMS key; S3's own default without. */
  kmsKey?: string | undefined;
  logging: LoggingSpec;
  extension?: string | undefined;
  timeZone: string;
}

export interface HttpSpec {
  url: string;
  name?: string | undefined;
  /** Sealed. */
  accessKey?: string | undefined;
  role?: string | undefined;
  sizeMb: number;
  intervalSeconds: number;
  encoding: 'NONE' | 'GZIP';
  attributes: readonly { name: string; value: string }[];
  retrySeconds: number;
  backup: 'FailedDataOnly' | 'AllData';
  logging: LoggingSpec;
}

/** A function that records go through. */
export interface LambdaStep {
  type: 'Lambda';
  arn: string;
  role?: string | undefined;
  retries: number;
  sizeMb: number;
  intervalSeconds: number;
}

/** What is done to records before they are delivered. */
export type ProcessingStep =
  | LambdaStep
  | { type: 'AppendDelimiterToRecord'; delimiter: string }
  /** Without a delimiter: JSON objects on end. */
  | { type: 'RecordDeAggregation'; delimiter: string | undefined }
  | { type: 'MetadataExtraction'; query: string; keys: Readonly<Record<string, readonly string[]>> }
  | { type: 'Decompression' };

export interface PartitioningSpec {
  retrySeconds: number;
}

export interface StreamRow {
  name: string;
  id: string;
  status: 'CREATING' | 'ACTIVE' | 'DELETING';
  type: 'DirectPut' | 'KinesisStreamAsSource';
  source?: { arn: string; role: string } | undefined;
  created: Millis;
  updated?: Millis | undefined;
  version: number;
  /** Where records go, or what could not be delivered to `http`. */
  s3: S3Spec;
  http?: HttpSpec | undefined;
  /** In the order in which they run. */
  processing?: readonly ProcessingStep[] | undefined;
  /** Objects by the keys of their records. */
  partitioning?: PartitioningSpec | undefined;
  tags: TagMap;
}

export const Streams = defineTable<StreamRow>()({ name: 'firehose.streams', scope: 'region', key: (row) => [row.name] });

/** What lies in a stream's buffer, by the stream's id. */
export interface BufferRow {
  stream: string;
  /** Records taken so far. */
  last: number;
  bytes: number;
  /** When its oldest record came; absent while it is empty. */
  oldest?: Millis | undefined;
  /** While its destination refuses: since when, how often, and when it is tried next. */
  failing?: { since: Millis; attempts: number } | undefined;
}

export const Buffers = defineTable<BufferRow>()({ name: 'firehose.buffers', scope: 'region', key: (row) => [row.stream] });

export interface RecordRow {
  stream: string;
  index: number;
  data: Uint8Array;
  at: Millis;
  /** What the stream's processing made of it and is not delivered yet; absent before. */
  outcome?: readonly Piece[] | undefined;
}

/** What is delivered of a record. */
export interface Piece {
  data: Uint8Array;
  /** Keys of its partition. */
  keys?: Readonly<Record<string, string>> | undefined;
  /** Why it could not be processed; `data` is then as it was put. */
  failure?: { code: string; message: string; attempts: number; arn?: string | undefined } | undefined;
}

export const Records = defineTable<RecordRow>()({
  name: 'firehose.records',
  scope: 'region',
  key: (row) => [row.stream, row.index],
});

/** How far a shard of the source has been read. */
export interface PositionRow {
  stream: string;
  shard: string;
  sequence?: string | undefined;
  ended: boolean;
}

export const Positions = defineTable<PositionRow>()({
  name: 'firehose.positions',
  scope: 'region',
  key: (row) => [row.stream, row.shard],
});

export const tables = [Streams, Buffers, Records, Positions] as const;
