/**
 * Lambda's rows. What a function is made of belongs to a version; the one that can be changed is `$LATEST`, number 0. Environment variables lie sealed,
 * and code as a blob: what is unpacked on the host can be made again from it.
 */
import type { Millis } from '../../base/clock.ts';
import { defineTable } from '../../store/tables.ts';

export type TagMap = Readonly<Record<string, string>>;

export interface CodeSpec {
  /** Name of the unpacked code, by its content. */
  name: string;
  /** Base64. */
  sha256: string;
  bytes: number;
  /** The archive: inline when small. */
  blob: string;
  inline?: Uint8Array | undefined;
}

export interface VpcSpec {
  subnetIds: readonly string[];
  groupIds: readonly string[];
  vpcId: string;
  ip6: boolean;
}

export interface LoggingSpec {
  format: 'Text' | 'JSON';
  group: string;
  application?: string | undefined;
  system?: string | undefined;
}

export interface VersionRow {
  function: string;
  /** 0 is `$LATEST`. */
  number: number;
  runtime: string;
  role: string;
  handler: string;
  description: string;
  timeout: number;
  memory: number;
  disk: number;
  code: CodeSpec;
  layers: readonly string[];
  /** Sealed JSON. */
  environment?: Uint8Array | undefined;
  kmsKey?: string | undefined;
  deadLetters?: string | undefined;
  tracing: 'Active' | 'PassThrough';
  vpc?: VpcSpec | undefined;
  architecture: 'x86_64' | 'arm64';
  logging: LoggingSpec;
  modified: Millis;
  revision: string;
  /** A change is being taken over until its job has fired; calls use what was before it. */
  pending?: 'create' | 'update' | undefined;
  state: 'Pending' | 'Active' | 'Failed';
  reason?: { code: string; text: string } | undefined;
}

export const Versions = defineTable<VersionRow>()({
  name: 'lambda.versions',
  scope: 'region',
  key: (row) => [row.function, row.number],
});

export interface FunctionRow {
  name: string;
  /** Numbers given to versions so far. */
  lastVersion: number;
  tags: TagMap;
  /** Reserved concurrency. */
  reserved?: number | undefined;
  recursive: 'Allow' | 'Terminate';
  created: Millis;
}

export const Functions = defineTable<FunctionRow>()({ name: 'lambda.functions', scope: 'region', key: (row) => [row.name] });

export interface AliasRow {
  function: string;
  name: string;
  version: number;
  description: string;
  /** A second version and the share of calls that it gets. */
  routed?: { version: number; weight: number } | undefined;
  revision: string;
}

export const Aliases = defineTable<AliasRow>()({
  name: 'lambda.aliases',
  scope: 'region',
  key: (row) => [row.function, row.name],
});

export interface LayerRow {
  name: string;
  /** Number of its last version. */
  last: number;
}

export const Layers = defineTable<LayerRow>()({ name: 'lambda.layers', scope: 'region', key: (row) => [row.name] });

export interface LayerVersionRow {
  layer: string;
  number: number;
  description: string;
  license?: string | undefined;
  runtimes: readonly string[];
  architectures: readonly string[];
  code: CodeSpec;
  created: Millis;
  /** Its policy. */
  statements: readonly string[];
  revision: string;
}

export const LayerVersions = defineTable<LayerVersionRow>()({
  name: 'lambda.layer-versions',
  scope: 'region',
  key: (row) => [row.layer, row.number],
});

/** Resource policy of a function (`qualifier` empty), a version or an alias. */
export interface PolicyRow {
  function: string;
  qualifier: string;
  statements: readonly string[];
  revision: string;
}

export const Policies = defineTable<PolicyRow>()({
  name: 'lambda.policies',
  scope: 'region',
  key: (row) => [row.function, row.qualifier],
});

/** How asynchronous calls of a function, version or alias are tried; `qualifier` empty for `$LATEST`. */
export interface EventInvokeRow {
  function: string;
  qualifier: string;
  retries?: number | undefined;
  ageSeconds?: number | undefined;
  onSuccess?: string | undefined;
  onFailure?: string | undefined;
  modified: Millis;
}

export const EventInvokes = defineTable<EventInvokeRow>()({
  name: 'lambda.event-invokes',
  scope: 'region',
  key: (row) => [row.function, row.qualifier],
});

/** A call that was accepted and is not over. */
export interface AsyncRow {
  /** The request id of all its attempts. */
  id: string;
  function: string;
  qualifier?: string | undefined;
  payload: Uint8Array;
  clientContext?: string | undefined;
  accepted: Millis;
  /** Attempts that the function has failed. */
  failed: number;
  /** Attempts that never reached it. */
  held: number;
}

export const AsyncCalls = defineTable<AsyncRow>()({ name: 'lambda.async-calls', scope: 'region', key: (row) => [row.id] });

export interface UrlRow {
  function: string;
  /** Empty for `$LATEST`, else an alias. */
  qualifier: string;
  id: string;
  auth: 'NONE' | 'AWS_IAM';
  mode: 'BUFFERED' | 'RESPONSE_STREAM';
  cors?: CorsSpec | undefined;
  created: Millis;
  modified: Millis;
}

export interface CorsSpec {
  credentials?: boolean | undefined;
  headers?: readonly string[] | undefined;
  methods?: readonly string[] | undefined;
  origins?: readonly string[] | undefined;
  exposed?: readonly string[] | undefined;
  maxAge?: number | undefined;
}

export const Urls = defineTable<UrlRow>()({ name: 'lambda.urls', scope: 'region', key: (row) => [row.function, row.qualifier] });

/** Whose function a URL's id leads to. */
export interface UrlHostRow {
  id: string;
  account: string;
  region: string;
  function: string;
  qualifier: string;
}

export const UrlHosts = defineTable<UrlHostRow>()({ name: 'lambda.url-hosts', scope: 'cloud', key: (row) => [row.id] });

export interface MappingRow {
  uuid: string;
  /** Name, and qualifier when one was given. */
  function: string;
  qualifier?: string | undefined;
  sourceArn: string;
  enabled: boolean;
  state: 'Creating' | 'Enabled' | 'Disabled' | 'Updating' | 'Deleting';
  batchSize: number;
  windowSeconds: number;
  filters: readonly string[];
  reportFailures: boolean;
  /** SQS. */
  concurrencyMax?: number | undefined;
  /** Streams. */
  position?: 'TRIM_HORIZON' | 'LATEST' | 'AT_TIMESTAMP' | undefined;
  positionAt?: Millis | undefined;
  retries?: number | undefined;
  ageSeconds?: number | undefined;
  bisect?: boolean | undefined;
  parallel?: number | undefined;
  tumblingSeconds?: number | undefined;
  onFailure?: string | undefined;
  lastResult: string;
  modified: Millis;
  tags: TagMap;
}

export const Mappings = defineTable<MappingRow>()({ name: 'lambda.mappings', scope: 'region', key: (row) => [row.uuid] });

/** How far a mapping has read a shard of its stream. */
export interface PositionRow {
  mapping: string;
  shard: string;
  /** Last record that is done with. */
  sequence?: string | undefined;
  ended: boolean;
  /** When a mapping that begins with what comes began with the shard; 0 for a shard that came later than the mapping, which is read whole. */
  since?: Millis | undefined;
  /** The tumbling window that is open. */
  window?: WindowState | undefined;
}

export interface WindowState {
  start: Millis;
  end: Millis;
  /** What the function has answered last, as JSON. */
  state: string;
}

export const Positions = defineTable<PositionRow>()({
  name: 'lambda.positions',
  scope: 'region',
  key: (row) => [row.mapping, row.shard],
});

/** Environments that are to wait ready, of a version or alias. */
export interface ProvisionedRow {
  function: string;
  qualifier: string;
  requested: number;
  ready: number;
  status: 'IN_PROGRESS' | 'READY' | 'FAILED';
  reason?: string | undefined;
  modified: Millis;
}

export const Provisioned = defineTable<ProvisionedRow>()({
  name: 'lambda.provisioned',
  scope: 'region',
  key: (row) => [row.function, row.qualifier],
});

export const tables = [
  Functions,
  Versions,
  Aliases,
  Policies,
  Layers,
  LayerVersions,
  EventInvokes,
  AsyncCalls,
  Urls,
  UrlHosts,
  Mappings,
  Positions,
  Provisioned,
] as const;
