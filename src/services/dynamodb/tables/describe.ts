/** Tables as answers show them. */
import type {
  GlobalSecondaryIndexDescription,
  KeySchemaElement,
  ProvisionedThroughputDescription,
  TableDescription,
} from '@aws-sdk/client-dynamodb';
import type { Millis } from '../../../base/clock.ts';
import type { Context, Scope, Transaction } from '../../../kernel/context.ts';
import type { KeyNames } from '../keys.ts';
import { statusOf } from '../lookup.ts';
import { Counts, type IndexRow, type OnDemandLimits, type TableRow, type Throughput } from '../state.ts';

/** Names and roles of key attributes. */
export function describeKeys({ hash, range }: KeyNames): KeySchemaElement[] {
  const keys: KeySchemaElement[] = [{ AttributeName: hash, KeyType: 'HASH' }];
  if (range !== undefined) keys.push({ AttributeName: range, KeyType: 'RANGE' });
  return keys;
}

const day = 86_400_000;

function describeThroughput(throughput: Throughput | undefined, now: Millis): ProvisionedThroughputDescription {
  const { read = 0, write = 0, lastIncrease, lastDecrease, decreases = 0 } = throughput ?? {};
  const today = lastDecrease !== undefined && Math.floor(lastDecrease / day) === Math.floor(now / day);
  return {
    ...(lastIncrease === undefined ? {} : { LastIncreaseDateTime: new Date(lastIncrease) }),
    ...(lastDecrease === undefined ? {} : { LastDecreaseDateTime: new Date(lastDecrease) }),
    NumberOfDecreasesToday: today ? decreases : 0,
    ReadCapacityUnits: read,
    WriteCapacityUnits: write,
  };
}

function describeOnDemand(limits: OnDemandLimits | undefined) {
  if (limits === undefined) return undefined;
  return { MaxReadRequestUnits: limits.read ?? -1, MaxWriteRequestUnits: limits.write ?? -1 };
}

/** ARN of an index. */
function indexArn(table: Pick<TableRow, 'arn'>, name: string): string {
  return `${table.arn}/index/${name}`;
}

/** ARN of a table's stream. */
export function streamArn(table: Pick<TableRow, 'arn'>, label: string): string {
  return `${table.arn}/stream/${label}`;
}

async function describeIndex(
  reading: Context | Transaction,
  scope: Scope,
  table: TableRow,
  index: IndexRow,
  now: Millis,
): Promise<GlobalSecondaryIndexDescription> {
  const counted = await reading.tableIn(scope, Counts).get(index.space);
  return {
    IndexName: index.name,
    KeySchema: describeKeys(index),
    Projection: {
      ProjectionType: index.projection,
      ...(index.nonKey.length > 0 ? { NonKeyAttributes: [...index.nonKey] } : {}),
    },
    IndexSizeBytes: counted?.bytes ?? 0,
    ItemCount: counted?.items ?? 0,
    IndexArn: indexArn(table, index.name),
    ...(index.global
      ? {
          IndexStatus: index.backfilling === true || index.status === 'DELETING' ? index.status : statusOf(index, now),
          ...(index.backfilling === true ? { Backfilling: true } : {}),
          ProvisionedThroughput: describeThroughput(index.throughput, now),
          OnDemandThroughput: describeOnDemand(index.onDemand),
        }
      : {}),
  };
}

/** A table as DescribeTable shows it. AWS brings counts up to date every six hours; here they always are. */
export async function describeTable(
  reading: Context | Transaction,
  scope: Scope,
  row: TableRow,
  now: Millis,
): Promise<TableDescription> {
  const counted = await reading.tableIn(scope, Counts).get(row.space);
  const indexes = await Promise.all(row.indexes.map((index) => describeIndex(reading, scope, row, index, now)));
  const some = <T>(list: readonly T[]): T[] | undefined => (list.length === 0 ? undefined : [...list]);
  return {
    AttributeDefinitions: row.attributes.map(({ name, type }) => ({ AttributeName: name, AttributeType: type })),
    TableName: row.name,
    KeySchema: describeKeys(row),
    TableStatus: statusOf(row, now),
    CreationDateTime: new Date(row.created),
    ProvisionedThroughput: describeThroughput(row.throughput, now),
    TableSizeBytes: counted?.bytes ?? 0,
    ItemCount: counted?.items ?? 0,
    TableArn: row.arn,
    TableId: row.id,
    ...describeBilling(row),
    LocalSecondaryIndexes: some(indexes.filter((_, at) => !row.indexes[at]!.global)),
    GlobalSecondaryIndexes: some(indexes.filter((_, at) => row.indexes[at]!.global)),
    ...describeStream(row),
    SSEDescription:
      row.encryption === undefined ? undefined : { Status: 'ENABLED', SSEType: 'KMS', KMSMasterKeyArn: row.encryption.keyArn },
    RestoreSummary:
      row.restored === undefined
        ? undefined
        : {
            SourceBackupArn: row.restored.backupArn,
            SourceTableArn: row.restored.tableArn,
            RestoreDateTime: new Date(row.restored.at),
            RestoreInProgress: statusOf(row, now) === 'CREATING',
          },
    TableClassSummary:
      row.tableClass === undefined
        ? undefined
        : {
            TableClass: row.tableClass,
            ...(row.tableClassSince === undefined ? {} : { LastUpdateDateTime: new Date(row.tableClassSince) }),
          },
    DeletionProtectionEnabled: row.deletionProtection,
    ...describeReplicas(scope, row),
    WarmThroughput: { ReadUnitsPerSecond: 12_000, WriteUnitsPerSecond: 4000, Status: 'ACTIVE', ...warmOf(row) },
  };
}

/** Warm throughput of a provisioned table is what is provisioned, where that is less ("Understanding warm throughput"). */
function warmOf(row: TableRow) {
  return row.billing === 'PROVISIONED'
    ? { ReadUnitsPerSecond: row.throughput.read, WriteUnitsPerSecond: row.throughput.write }
    : {};
}

function describeBilling(row: TableRow) {
  if (row.billingSince === undefined) return {};
  return {
    BillingModeSummary: {
      BillingMode: row.billing,
      ...(row.billing === 'PAY_PER_REQUEST' ? { LastUpdateToPayPerRequestDateTime: new Date(row.billingSince) } : {}),
    },
    OnDemandThroughput: describeOnDemand(row.onDemand),
  };
}

function describeStream(row: TableRow) {
  return {
    ...(row.stream === undefined ? {} : { StreamSpecification: { StreamEnabled: true, StreamViewType: row.stream.view } }),
    ...(row.latestStream === undefined
      ? {}
      : { LatestStreamLabel: row.latestStream, LatestStreamArn: streamArn(row, row.latestStream) }),
  };
}

function describeReplicas(scope: Scope, row: TableRow) {
  if (row.replicas === undefined) return {};
  const regions = row.replicas.filter((region) => region !== scope.region);
  return {
    GlobalTableVersion: '2019.11.21',
    Replicas: regions.map((RegionName) => ({
      RegionName,
      ReplicaStatus: 'ACTIVE' as const,
      ReplicaArn: row.arn.replace(`:${scope.region}:`, `:${RegionName}:`),
    })),
  };
}
