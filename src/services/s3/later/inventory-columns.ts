/** What inventories say of each object, in the order of their files ("Amazon S3 Inventory list", "Working with the Object ACL field"). */
import type { Millis } from '../../../base/clock.ts';
import type { Context } from '../../../kernel/context.ts';
import { describeGrants } from '../access/grants.ts';
import { tieringsOf } from '../buckets/tiering.ts';
import { canonicalId } from '../rules.ts';
import type { BucketRow, InventoryConfig, LifecycleConfig, TieringConfig, VersionRow } from '../state.ts';
import { lifecycleOf } from './lifecycle.ts';
import { expiryOf } from './lifecycle-rules.ts';
import { tierOf } from './tiers.ts';

/** Times are milliseconds since 1970; null is nothing. */
export type InventoryCell = boolean | number | string | null;

export interface InventoryColumn {
  /** As a configuration and CSV name it, and as ORC and Parquet do. */
  field: string;
  name: string;
  type: 'boolean' | 'long' | 'string' | 'timestamp';
  /** Whether no object goes without. */
  required?: true;
  read: (entry: InventoryEntry) => InventoryCell;
}

/** A version, and what of its bucket is needed to describe it. */
export interface InventoryEntry {
  row: VersionRow;
  latest: boolean;
  at: InventoryScene;
}

export interface InventoryScene {
  bucket: BucketRow;
  lifecycle: LifecycleConfig | undefined;
  tierings: readonly TieringConfig[];
  now: Millis;
}

/** What the settings of a bucket say at the moment of its inventory. */
export async function readScene(ctx: Context, bucket: BucketRow, now: Millis): Promise<InventoryScene> {
  const [lifecycle, tierings] = await Promise.all([lifecycleOf(ctx, bucket.name), tieringsOf(ctx, bucket.name)]);
  return { bucket, lifecycle, tierings, now };
}

const encryptions: Readonly<Record<string, string>> = {
  AES256: 'SSE-S3',
  'aws:kms': 'SSE-KMS',
  'aws:kms:dsse': 'DSSE-KMS',
  customer: 'SSE-C',
};

const aclFormat = '2022-11-10';

/** The grants of an object as JSON in base 64. Where ACLs are off, the bucket's owner alone has control. */
function describeAcl({ row, at: { bucket } }: InventoryEntry): string {
  const enforced = bucket.ownership === 'BucketOwnerEnforced';
  const grants = describeGrants(enforced ? bucket.account : row.owner, enforced ? [] : row.grants);
  const list = grants.map(({ Grantee: grantee, Permission: permission }) =>
    grantee?.Type === 'Group'
      ? { uri: grantee.URI, permission, type: 'Group' }
      : { canonicalId: grantee?.ID, type: 'CanonicalUser', permission },
  );
  return Buffer.from(JSON.stringify({ version: aclFormat, status: 'AVAILABLE', grants: list })).toString('base64');
}

/** When the current version expires. "Objects with FAILED replication status will not have an expiration date populated." */
function expirationOf({ row, latest, at: { lifecycle } }: InventoryEntry): number | null {
  if (lifecycle === undefined || !latest || row.replication === 'FAILED') return null;
  return expiryOf(lifecycle, row)?.at ?? null;
}

function tierName({ row, at }: InventoryEntry): string | null {
  const tier = tierOf(row, at.tierings, at.now);
  return tier === 'ARCHIVE_INSTANT' ? 'ARCHIVE_INSTANT_ACCESS' : (tier ?? null);
}

const fixed: readonly InventoryColumn[] = [
  { field: 'Bucket', name: 'bucket', type: 'string', required: true, read: ({ row }) => row.bucket },
  { field: 'Key', name: 'key', type: 'string', required: true, read: ({ row }) => row.key },
];

const versionColumns: readonly InventoryColumn[] = [
  {
    field: 'VersionId',
    name: 'version_id',
    type: 'string',
    read: ({ row }) => (row.versionId === 'null' ? null : row.versionId),
  },
  { field: 'IsLatest', name: 'is_latest', type: 'boolean', read: ({ latest }) => latest },
  { field: 'IsDeleteMarker', name: 'is_delete_marker', type: 'boolean', read: ({ row }) => row.marker === true },
];

const optional: readonly InventoryColumn[] = [
  { field: 'Size', name: 'size', type: 'long', read: ({ row }) => row.bytes },
  {
    field: 'LastModifiedDate',
    name: 'last_modified_date',
    type: 'timestamp',
    read: ({ row }) => Math.floor(row.created / 1000) * 1000,
  },
  { field: 'ETag', name: 'e_tag', type: 'string', read: ({ row }) => row.etag },
  { field: 'StorageClass', name: 'storage_class', type: 'string', read: ({ row }) => row.storageClass },
  {
    field: 'IsMultipartUploaded',
    name: 'is_multipart_uploaded',
    type: 'boolean',
    read: ({ row }) => row.multipart === true,
  },
  { field: 'ReplicationStatus', name: 'replication_status', type: 'string', read: ({ row }) => row.replication ?? null },
  {
    field: 'EncryptionStatus',
    name: 'encryption_status',
    type: 'string',
    read: ({ row }) => encryptions[row.seal?.kind ?? ''] ?? 'NOT-SSE',
  },
  {
    field: 'ObjectLockRetainUntilDate',
    name: 'object_lock_retain_until_date',
    type: 'timestamp',
    read: ({ row }) => row.retention?.until ?? null,
  },
  { field: 'ObjectLockMode', name: 'object_lock_mode', type: 'string', read: ({ row }) => row.retention?.mode ?? null },
  {
    field: 'ObjectLockLegalHoldStatus',
    name: 'object_lock_legal_hold_status',
    type: 'string',
    read: ({ row: { legalHold } }) => (legalHold === undefined ? null : legalHold ? 'ON' : 'OFF'),
  },
  { field: 'IntelligentTieringAccessTier', name: 'intelligent_tiering_access_tier', type: 'string', read: tierName },
  {
    field: 'BucketKeyStatus',
    name: 'bucket_key_status',
    type: 'string',
    read: ({ row }) => (row.seal?.bucketKey === true ? 'ENABLED' : 'DISABLED'),
  },
  {
    field: 'ChecksumAlgorithm',
    name: 'checksum_algorithm',
    type: 'string',
    read: ({ row }) => row.checksum?.algorithm ?? null,
  },
  { field: 'ObjectAccessControlList', name: 'object_access_control_list', type: 'string', read: describeAcl },
  { field: 'ObjectOwner', name: 'object_owner', type: 'string', read: ({ row }) => canonicalId(row.owner) },
  { field: 'LifecycleExpirationDate', name: 'lifecycle_expiration_date', type: 'timestamp', read: expirationOf },
  {
    field: 'IntelligentTieringReferenceDate',
    name: 'intelligent_tiering_reference_date',
    type: 'timestamp',
    read: ({ row }) => (row.storageClass === 'INTELLIGENT_TIERING' ? (row.accessed ?? row.created) : null),
  },
];

export const inventoryFields: readonly string[] = optional.map(({ field }) => field);

/** What of a delete marker is said. */
const ofMarkers: ReadonlySet<string> = new Set([
  'Bucket',
  'Key',
  'VersionId',
  'IsLatest',
  'IsDeleteMarker',
  'LastModifiedDate',
  'ObjectOwner',
]);

/** The columns of an inventory, in order. */
export function columnsOf({ allVersions, fields }: Pick<InventoryConfig, 'allVersions' | 'fields'>): InventoryColumn[] {
  const asked = optional.filter(({ field }) => fields.includes(field));
  return [...fixed, ...(allVersions ? versionColumns : []), ...asked];
}

/** One row of the list. */
export function readCells(columns: readonly InventoryColumn[], entry: InventoryEntry): InventoryCell[] {
  return columns.map(({ field, read }) => (entry.row.marker === true && !ofMarkers.has(field) ? null : read(entry)));
}
