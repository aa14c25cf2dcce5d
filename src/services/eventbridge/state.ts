/** EventBridge's rows. Events that were accepted and not handed on yet are rows too, so that none is lost in a crash. */
import type { Millis } from '../../base/clock.ts';
import { defineTable } from '../../store/tables.ts';

export type TagMap = Readonly<Record<string, string>>;

export interface BusRow {
  name: string;
  description?: string | undefined;
  /** JSON text. */
  policy?: string | undefined;
  created: Millis;
  modified: Millis;
  tags: TagMap;
}

/** The default bus has a row only when something about it was changed. */
export const Buses = defineTable<BusRow>()({ name: 'eventbridge.buses', scope: 'region', key: (row) => [row.name] });

export interface RuleRow {
  bus: string;
  name: string;
  description?: string | undefined;
  /** JSON text. */
  pattern?: string | undefined;
  schedule?: string | undefined;
  enabled: boolean;
  roleArn?: string | undefined;
  created: Millis;
  tags: TagMap;
}

export const Rules = defineTable<RuleRow>()({ name: 'eventbridge.rules', scope: 'region', key: (row) => [row.bus, row.name] });

export interface TargetRow {
  bus: string;
  rule: string;
  id: string;
  arn: string;
  roleArn?: string | undefined;
  input?: string | undefined;
  inputPath?: string | undefined;
  transformer?: { paths: Readonly<Record<string, string>>; template: string } | undefined;
  /** Of a FIFO queue. */
  group?: string | undefined;
  deadLetters?: string | undefined;
  retry?: { retries?: number | undefined; ageSeconds?: number | undefined } | undefined;
  /** Of a Kinesis stream. */
  partitionKeyPath?: string | undefined;
  /** Of an API destination. */
  http?:
    | { path: readonly string[]; headers: Readonly<Record<string, string>>; query: Readonly<Record<string, string>> }
    | undefined;
}

export const Targets = defineTable<TargetRow>()({
  name: 'eventbridge.targets',
  scope: 'region',
  key: (row) => [row.bus, row.rule, row.id],
  indexes: { byArn: (row) => [row.arn] },
});

/** An event in the form in which targets see it. */
export interface BusEvent {
  version: '0';
  id: string;
  'detail-type': string;
  source: string;
  account: string;
  time: string;
  region: string;
  resources: readonly string[];
  /** Of an event that a replay sends once more. */
  'replay-name'?: string | undefined;
  /** JSON text. */
  detail: string;
}

export interface PendingRow {
  bus: string;
  at: Millis;
  event: BusEvent;
  /** Handed on from another bus: goes to no further one, so that events cannot run in circles. */
  forwarded?: boolean | undefined;
  /** The only rules that see it, by their ARNs: of a replay. */
  rules?: readonly string[] | undefined;
}

export const Pending = defineTable<PendingRow>()({
  name: 'eventbridge.pending',
  scope: 'region',
  key: (row) => [row.bus, row.at, row.event.id],
});

export interface ArchiveRow {
  name: string;
  /** The bus whose events it keeps. */
  bus: string;
  description?: string | undefined;
  /** JSON text; all events when absent. */
  pattern?: string | undefined;
  /** 0: for ever. */
  retentionDays: number;
  created: Millis;
  events: number;
  bytes: number;
}

export const Archives = defineTable<ArchiveRow>()({
  name: 'eventbridge.archives',
  scope: 'region',
  key: (row) => [row.name],
  indexes: { byBus: (row) => [row.bus] },
});

export interface ArchivedRow {
  archive: string;
  at: Millis;
  event: BusEvent;
}

export const Archived = defineTable<ArchivedRow>()({
  name: 'eventbridge.archived',
  scope: 'region',
  key: (row) => [row.archive, row.at, row.event.id],
});

export interface ReplayRow {
  name: string;
  archive: string;
  bus: string;
  description?: string | undefined;
  /** ARNs of the only rules that see its events; all when absent. */
  rules?: readonly string[] | undefined;
  from: Millis;
  to: Millis;
  state: 'STARTING' | 'RUNNING' | 'CANCELLING' | 'COMPLETED' | 'CANCELLED' | 'FAILED';
  reason?: string | undefined;
  started: Millis;
  ended?: Millis | undefined;
  /** Time and id of the last event that went out. */
  last?: { at: Millis; id: string } | undefined;
}

export const Replays = defineTable<ReplayRow>()({ name: 'eventbridge.replays', scope: 'region', key: (row) => [row.name] });

export type AuthorizationType = 'API_KEY' | 'BASIC' | 'OAUTH_CLIENT_CREDENTIALS';

/** A header, query or body parameter of requests; the value of a secret one lies in the connection's secret. */
export interface HttpParameter {
  key: string;
  value?: string | undefined;
  secret: boolean;
}

export type HttpPart = 'header' | 'query' | 'body';
export type HttpParts = Readonly<Record<HttpPart, readonly HttpParameter[]>>;

export interface ConnectionRow {
  name: string;
  /** Ends its ARN. */
  id: string;
  description?: string | undefined;
  type: AuthorizationType;
  state: 'CREATING' | 'AUTHORIZING' | 'AUTHORIZED' | 'DEAUTHORIZED';
  reason?: string | undefined;
  /** Where key, password, client secret and secret parameters are kept. */
  secretArn: string;
  /** Name of the API key's header, the user, or the client's id. */
  principal: string;
  oauth?: { endpoint: string; method: string; parts: HttpParts } | undefined;
  /** What every request gets. */
  parts: HttpParts;
  /** Sealed, with its end. */
  token?: { sealed: Uint8Array; expires: Millis } | undefined;
  created: Millis;
  modified: Millis;
  authorized?: Millis | undefined;
}

export const Connections = defineTable<ConnectionRow>()({
  name: 'eventbridge.connections',
  scope: 'region',
  key: (row) => [row.name],
});

export interface DestinationRow {
  name: string;
  id: string;
  description?: string | undefined;
  connection: string;
  endpoint: string;
  method: string;
  /** Requests a second. */
  rate: number;
  created: Millis;
  modified: Millis;
}

export const Destinations = defineTable<DestinationRow>()({
  name: 'eventbridge.api-destinations',
  scope: 'region',
  key: (row) => [row.name],
});

export const tables = [Buses, Rules, Targets, Pending, Archives, Archived, Replays, Connections, Destinations] as const;
