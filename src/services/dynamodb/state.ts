/** Rows of DynamoDB. Items are rows of their own space, so that a deleted table's name can be used again while its items are still being swept. */
import type { Millis } from '../../base/clock.ts';
import type { Key, Value as StoreValue } from '../../store/store.ts';
import { defineTable } from '../../store/tables.ts';
import type { KeyNames, KeyType } from './keys.ts';

export interface Throughput {
  read: number;
  write: number;
  lastIncrease?: Millis | undefined;
  lastDecrease?: Millis | undefined;
  /** Decreases on the day of `lastDecrease`. */
  decreases: number;
}

export interface IndexRow extends KeyNames {
  name: string;
  /** Where its entries lie. */
  space: string;
  global: boolean;
  projection: 'ALL' | 'KEYS_ONLY' | 'INCLUDE';
  nonKey: readonly string[];
  status: 'CREATING' | 'ACTIVE' | 'UPDATING' | 'DELETING';
  /** When a change that does no work is over. */
  until?: Millis | undefined;
  backfilling?: boolean | undefined;
  throughput?: Throughput | undefined;
  onDemand?: OnDemandLimits | undefined;
}

export interface OnDemandLimits {
  read?: number | undefined;
  write?: number | undefined;
}

export type StreamView = 'KEYS_ONLY' | 'NEW_IMAGE' | 'OLD_IMAGE' | 'NEW_AND_OLD_IMAGES';

export interface StreamSetting {
  /** Time of creation as ISO text: the last part of its ARN. */
  label: string;
  view: StreamView;
}

export interface TableRow extends KeyNames {
  name: string;
  /** TableId. */
  id: string;
  /** Where its items lie. */
  space: string;
  arn: string;
  created: Millis;
  status: 'CREATING' | 'ACTIVE' | 'UPDATING' | 'DELETING';
  /** When a change that does no work is over. */
  until?: Millis | undefined;
  /** In the order of the request. */
  attributes: readonly { name: string; type: KeyType }[];
  billing: 'PROVISIONED' | 'PAY_PER_REQUEST';
  /** Absent when the request did not name a mode, as DescribeTable shows it. */
  billingSince?: Millis | undefined;
  throughput: Throughput;
  onDemand?: OnDemandLimits | undefined;
  indexes: readonly IndexRow[];
  stream?: StreamSetting | undefined;
  /** Label of the latest stream, also after it was disabled. */
  latestStream?: string | undefined;
  deletionProtection: boolean;
  tableClass?: 'STANDARD' | 'STANDARD_INFREQUENT_ACCESS' | undefined;
  tableClassSince?: Millis | undefined;
  encryption?: { keyArn: string } | undefined;
  tags: Readonly<Record<string, string>>;
  timeToLive?: { attribute: string; enabled: boolean; changed: Millis } | undefined;
  /** Point-in-time recovery: since when, and for how many days. */
  recovery?: { since: Millis; days: number } | undefined;
  policy?: { document: string; revision: string } | undefined;
  /** Where it was restored from. */
  restored?: { backupArn?: string | undefined; tableArn: string; at: Millis } | undefined;
  /** Changes are logged because a backup is being copied. */
  copying?: boolean | undefined;
  /** Other Regions with a replica; the row of each replica names all the others. */
  replicas?: readonly string[] | undefined;
}

/** Size and JSON of an item. The key is with it only on the way in (see `itemRow`). */
export type ItemRow = readonly [size: number, json: string];

const rowKey = Symbol('key');

/** A row to be put under this key. The key is not stored again: an item holds its key attributes. */
export function itemRow(key: Key, size: number, json: string): ItemRow {
  const row: [number, string] & { [rowKey]?: Key } = [size, json];
  row[rowKey] = key;
  return row;
}

function keyOfRow(row: ItemRow): Key {
  const key = (row as ItemRow & { [rowKey]?: Key })[rowKey];
  if (key === undefined) throw new Error('A row of an item that was read has no key; make it anew with itemRow.');
  return key;
}

export const Tables = defineTable<TableRow>()({ name: 'dynamodb.tables', scope: 'region', key: (row) => [row.name] });
export const Items = defineTable<ItemRow>()({ name: 'dynamodb.items', scope: 'region', key: keyOfRow });
/** Entries of indexes: copies of what the index projects. */
export const Entries = defineTable<ItemRow>()({ name: 'dynamodb.entries', scope: 'region', key: keyOfRow });

/** Items and bytes of a space. */
export interface CountRow {
  space: string;
  items: number;
  bytes: number;
  /** Sequence of the last change, where changes are logged. */
  at?: Millis | undefined;
  count?: number | undefined;
}
export const Counts = defineTable<CountRow>()({ name: 'dynamodb.counts', scope: 'region', key: (row) => [row.space] });

/** Answers of TransactWriteItems and ExecuteTransaction by their token, for ten minutes. */
export interface TokenRow {
  token: string;
  /** Digest of the request. */
  request: string;
  expires: Millis;
  output: StoreValue;
}
export const Tokens = defineTable<TokenRow>()({
  name: 'dynamodb.tokens',
  scope: 'region',
  key: (row) => [row.token],
  indexes: { byExpiry: (row) => [row.expires] },
});

/**
 * One change of an item: what streams show, what point-in-time recovery undoes, what replicas follow. One log serves all three; it is kept as long as the
 * longest of them wants.
 */
export interface ChangeRow {
  space: string;
  /** Cloud time, never falling within a table, and a number within it: together the sequence number. */
  at: Millis;
  count: number;
  /** JSON of the key attributes. */
  keys: string;
  before?: readonly [size: number, json: string] | undefined;
  after?: readonly [size: number, json: string] | undefined;
  /** Who did it, when it was not a user: `ttl`, or the Region that a replica's change came from. */
  by?: string | undefined;
  /** When it was made in the Region where it was made, for the last writer to win; replicas only. */
  stamp?: Millis | undefined;
}
export const Changes = defineTable<ChangeRow>()({
  name: 'dynamodb.changes',
  scope: 'region',
  key: (row) => [row.space, row.at, row.count],
});

/** A position in a log of changes. */
export interface Position {
  at: Millis;
  count: number;
}

/** A stream of a table, enabled or lately disabled. */
export interface StreamRow {
  table: string;
  label: string;
  arn: string;
  view: StreamView;
  space: string;
  hash: string;
  range?: string | undefined;
  created: Millis;
  /** The last change before it began, and the last before it was disabled. */
  after: Position;
  until?: Position | undefined;
  ended?: Millis | undefined;
}
export const Streams = defineTable<StreamRow>()({
  name: 'dynamodb.streams',
  scope: 'region',
  key: (row) => [row.table, row.label],
});

/** When an item of a global table was last written, and where: the later one wins. Kept for deleted items too. */
export interface StampRow {
  space: string;
  /** Key of the item. */
  key: Key;
  at: Millis;
  region: string;
}
export const Stamps = defineTable<StampRow>()({
  name: 'dynamodb.stamps',
  scope: 'region',
  key: (row) => [row.space, ...row.key],
});

/** How far the changes of a table have been brought to a replica. */
export interface CursorRow extends Position {
  space: string;
  region: string;
}
export const Cursors = defineTable<CursorRow>()({
  name: 'dynamodb.cursors',
  scope: 'region',
  key: (row) => [row.space, row.region],
});

/** An item that will expire. */
export interface ExpiryRow {
  space: string;
  /** Seconds of the epoch. */
  at: number;
  key: Key;
}
export const Expiries = defineTable<ExpiryRow>()({
  name: 'dynamodb.expiries',
  scope: 'region',
  key: (row) => [row.space, row.at, ...row.key],
});

/** A backup on demand: its items lie in a space of their own. */
export interface BackupRow {
  name: string;
  arn: string;
  created: Millis;
  status: 'CREATING' | 'AVAILABLE';
  /** The table as it was. */
  table: TableRow;
  space: string;
  items: number;
  bytes: number;
}
export const Backups = defineTable<BackupRow>()({
  name: 'dynamodb.backups',
  scope: 'region',
  key: (row) => [row.arn],
});

/** An export to S3. */
export interface ExportRow {
  arn: string;
  id: string;
  table: TableRow;
  token?: string | undefined;
  /** Of incremental exports: changes of this period, the end not included. */
  period?: { from: Millis; to: Millis; view: 'NEW_IMAGE' | 'NEW_AND_OLD_IMAGES' } | undefined;
  /** The moment that it shows, and when it began and ended. */
  at: Millis;
  started: Millis;
  ended?: Millis | undefined;
  status: 'IN_PROGRESS' | 'COMPLETED' | 'FAILED';
  failure?: { code: string; message: string } | undefined;
  bucket: string;
  prefix?: string | undefined;
  items: number;
  bytes: number;
}
export const Exports = defineTable<ExportRow>()({
  name: 'dynamodb.exports',
  scope: 'region',
  key: (row) => [row.arn],
});

/** An import from S3 into a new table. */
export interface ImportRow {
  arn: string;
  id: string;
  /** The table as it was to be made. */
  table: TableRow;
  token: string;
  started: Millis;
  ended?: Millis | undefined;
  status: 'IN_PROGRESS' | 'COMPLETED' | 'FAILED';
  failure?: { code: string; message: string } | undefined;
  source: { bucket: string; prefix?: string | undefined; owner?: string | undefined };
  format: 'DYNAMODB_JSON' | 'CSV';
  compression: 'GZIP' | 'ZSTD' | 'NONE';
  delimiter?: string | undefined;
  header?: readonly string[] | undefined;
  /** TableCreationParameters as they were given. */
  creation: StoreValue;
  imported: number;
  errors: number;
  /** Unpacked; absent until it has ended. */
  bytes?: number | undefined;
}
export const Imports = defineTable<ImportRow>()({
  name: 'dynamodb.imports',
  scope: 'region',
  key: (row) => [row.arn],
});
