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

export const tables = [Functions, Versions, Aliases, Policies] as const;
