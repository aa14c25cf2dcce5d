/** Changes of objects as events of the bus: EventBridge's form ("Amazon S3 event message structure", EventBridge). Delivered in the bucket's account. */
import type { Context, Transaction } from '../../kernel/context.ts';
import type { BucketRow, VersionRow } from './state.ts';

/** What brought a change about, as `reason` of the event. */
export type ChangeReason =
  | 'PutObject'
  | 'POST Object'
  | 'CopyObject'
  | 'CompleteMultipartUpload'
  | 'DeleteObject'
  | 'Lifecycle Expiration';

/** Announces a new object. */
export async function announceCreated(
  tx: Transaction,
  ctx: Context,
  bucket: BucketRow,
  row: VersionRow,
  reason: ChangeReason,
): Promise<void> {
  await announce(tx, ctx, bucket, row, 'Object Created', { reason, object: { size: row.bytes, etag: row.etag } });
}

/** Announces that an object, or one version of it, is gone. */
export async function announceDeleted(
  tx: Transaction,
  ctx: Context,
  bucket: BucketRow,
  row: Pick<VersionRow, 'key' | 'versionId' | 'sequence'>,
  deletion: { reason: ChangeReason; marker: boolean },
): Promise<void> {
  const type = deletion.marker ? 'Delete Marker Created' : 'Permanently Deleted';
  await announce(tx, ctx, bucket, row, 'Object Deleted', { reason: deletion.reason, 'deletion-type': type, object: {} });
}

async function announce(
  tx: Transaction,
  ctx: Context,
  bucket: BucketRow,
  row: Pick<VersionRow, 'key' | 'versionId' | 'sequence'>,
  detailType: string,
  detail: { reason: ChangeReason; 'deletion-type'?: string; object: { size?: number; etag?: string } },
): Promise<void> {
  const version = row.versionId === 'null' ? {} : { 'version-id': row.versionId };
  await tx.emit({
    source: 'aws.s3',
    detailType,
    resources: [`arn:aws:s3:::${bucket.name}`],
    detail: {
      version: '0',
      bucket: { name: bucket.name },
      ...detail,
      object: {
        key: row.key,
        ...detail.object,
        ...version,
        sequencer: row.sequence.toString(16).toUpperCase().padStart(18, '0'),
      },
      'request-id': ctx.requestId,
      requester: ctx.caller.account,
      'source-ip-address': ctx.caller.sourceIp,
    },
  });
}
