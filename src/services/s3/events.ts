/**
 * Changes of objects, told: to the destinations of the bucket's notification configuration ("Event message structure"), and as events of the bus where
 * the configuration has EventBridge on ("Using EventBridge"). The transaction is in the bucket's account and Region.
 */
import type { Value } from '../../store/store.ts';
import type { Context, Transaction } from '../../kernel/context.ts';
import { covers } from './buckets/notifications.ts';
import { sendLater } from './later/destinations.ts';
import { canonicalId } from './rules.ts';
import { type BucketRow, Configs, type NotificationConfig, type VersionRow } from './state.ts';

/** What brought a change about, as `reason` of the event. */
export type ChangeReason =
  | 'PutObject'
  | 'POST Object'
  | 'CopyObject'
  | 'CompleteMultipartUpload'
  | 'DeleteObject'
  | 'Lifecycle Expiration';

/** One change in both of its forms. */
export interface Change {
  /** `ObjectCreated:Put`; notifications are asked for by it with `s3:` before. */
  name: string;
  /** EventBridge's: `Object Created`. Absent of what it is not told. */
  detailType?: string;
  /** Members of the detail beside those that all events have. */
  detail?: Record<string, Value>;
  /** Member of the record beside the usual ones. */
  glacier?: Value;
  replication?: Value;
  /** What the event tells of the object beside its key and version. */
  object?: { size?: number; etag?: string };
}

const createdNames: Readonly<Partial<Record<ChangeReason, string>>> = {
  PutObject: 'Put',
  'POST Object': 'Post',
  CopyObject: 'Copy',
  CompleteMultipartUpload: 'CompleteMultipartUpload',
};

/** Announces a new object. */
export async function announceCreated(
  tx: Transaction,
  ctx: Context,
  bucket: BucketRow,
  row: VersionRow,
  reason: ChangeReason,
): Promise<void> {
  const object = { size: row.bytes, etag: row.etag };
  const name = `ObjectCreated:${createdNames[reason]}`;
  await announce(tx, ctx, bucket, row, { name, detailType: 'Object Created', detail: { reason }, object });
}

/** Announces that an object, or one version of it, is gone. */
export async function announceDeleted(
  tx: Transaction,
  ctx: Context,
  bucket: BucketRow,
  row: Pick<VersionRow, 'key' | 'versionId' | 'sequence'>,
  deletion: { reason: ChangeReason; marker: boolean },
): Promise<void> {
  const { reason, marker } = deletion;
  const name = `${reason === 'DeleteObject' ? 'ObjectRemoved' : 'LifecycleExpiration'}:${marker ? 'DeleteMarkerCreated' : 'Delete'}`;
  const detail = { reason, 'deletion-type': marker ? 'Delete Marker Created' : 'Permanently Deleted' };
  await announce(tx, ctx, bucket, row, { name, detailType: 'Object Deleted', detail });
}

/** Tells a change to all who asked for it. */
export async function announce(
  tx: Transaction,
  ctx: Context,
  bucket: BucketRow,
  row: Pick<VersionRow, 'key' | 'versionId' | 'sequence'>,
  change: Change,
): Promise<void> {
  const config = (await tx.table(Configs).get(bucket.name, 'notification', ''))?.config as NotificationConfig | undefined;
  if (config === undefined) return;
  if (config.eventBridge && change.detailType !== undefined) await emit(tx, ctx, bucket, row, change);
  for (const { id, arn, events, prefix, suffix } of config.rules) {
    if (!row.key.startsWith(prefix) || !row.key.endsWith(suffix)) continue;
    if (!events.some((asked) => covers(asked, `s3:${change.name}`))) continue;
    const body = JSON.stringify({ Records: [recordOf(ctx, bucket, row, change, id)] });
    await sendLater(tx, ctx, { bucket: bucket.name, account: bucket.account, arn, body });
  }
}

async function emit(
  tx: Transaction,
  ctx: Context,
  bucket: BucketRow,
  row: Pick<VersionRow, 'key' | 'versionId' | 'sequence'>,
  { detailType = '', detail = {}, object = {} }: Change,
): Promise<void> {
  const version = row.versionId === 'null' ? {} : { 'version-id': row.versionId };
  await tx.emit({
    source: 'aws.s3',
    detailType,
    resources: [`arn:aws:s3:::${bucket.name}`],
    detail: {
      version: '0',
      bucket: { name: bucket.name },
      object: { key: row.key, ...object, ...version, sequencer: sequencerOf(row) },
      'request-id': ctx.requestId,
      requester: ctx.caller.kind === 'service' ? 's3.amazonaws.com' : ctx.caller.account,
      'source-ip-address': ctx.caller.sourceIp,
      ...detail,
    },
  });
}

/** Orders the events of one key: hexadecimal digits that grow. */
function sequencerOf({ sequence }: Pick<VersionRow, 'sequence'>): string {
  return Math.max(Math.floor(sequence), 0).toString(16).toUpperCase().padStart(18, '0');
}

/** Families of events that came later have later versions of the record. */
function recordVersion(name: string): string {
  if (name.startsWith('Replication:')) return '2.2';
  return /^(Lifecycle|IntelligentTiering|ObjectAcl|ObjectTagging)/.test(name) ? '2.3' : '2.1';
}

function recordOf(
  ctx: Context,
  bucket: BucketRow,
  row: Pick<VersionRow, 'key' | 'versionId' | 'sequence'>,
  { name, object, glacier, replication }: Change,
  configurationId: string,
) {
  return {
    eventVersion: recordVersion(name),
    eventSource: 'aws:s3',
    awsRegion: bucket.region,
    eventTime: new Date(ctx.now).toISOString(),
    eventName: name,
    userIdentity: { principalId: ctx.caller.kind === 'service' ? 's3.amazonaws.com' : `AWS:${ctx.caller.userId}` },
    requestParameters: { sourceIPAddress: ctx.caller.sourceIp },
    responseElements: { 'x-amz-request-id': ctx.requestId, 'x-amz-id-2': ctx.requestId },
    s3: {
      s3SchemaVersion: '1.0',
      configurationId,
      bucket: {
        name: bucket.name,
        ownerIdentity: { principalId: canonicalId(bucket.account) },
        arn: `arn:aws:s3:::${bucket.name}`,
      },
      object: {
        // "The key value is URL encoded", with + for a space and slashes as they are.
        key: encodeURIComponent(row.key).replaceAll('%20', '+').replaceAll('%2F', '/'),
        ...(object === undefined ? {} : { size: object.size, eTag: object.etag }),
        ...(row.versionId === 'null' ? {} : { versionId: row.versionId }),
        sequencer: sequencerOf(row),
      },
    },
    ...(glacier === undefined ? {} : { glacierEventData: glacier }),
    ...(replication === undefined ? {} : { replicationEventData: replication }),
  };
}
