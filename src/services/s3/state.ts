/**
 * S3's rows. Bucket names are one namespace for all accounts, so everything lies in cloud-scoped tables under the bucket's name.
 *
 * Versions has every version of every object, newest first under its key, in unversioned buckets too; Objects says which one is current, with what
 * a listing shows, and nothing of keys whose newest version is a delete marker. So a listing costs what it returns, and never meets a deleted key.
 * Contents are bytes: small ones in the row, large ones as blobs of the plane.
 */
import type { Millis } from '../../base/clock.ts';
import type { ContentRow, GarbageRow } from '../../kernel/sealed-bytes.ts';
import type { Value } from '../../store/store.ts';
import { defineTable } from '../../store/tables.ts';

export interface Grant {
  /** Canonical user id, or the URI of a group. */
  grantee: string;
  kind: 'CanonicalUser' | 'Group';
  permission: 'FULL_CONTROL' | 'READ' | 'WRITE' | 'READ_ACP' | 'WRITE_ACP';
}

export interface PublicBlock {
  BlockPublicAcls: boolean;
  IgnorePublicAcls: boolean;
  BlockPublicPolicy: boolean;
  RestrictPublicBuckets: boolean;
}

export interface DefaultEncryption {
  algorithm: 'AES256' | 'aws:kms' | 'aws:kms:dsse';
  kmsKeyId?: string | undefined;
  bucketKey: boolean;
  /** SSE-C is refused unless this is false. */
  blocksCustomerKeys: boolean;
}

export interface CorsRule {
  id?: string | undefined;
  allowedHeaders: readonly string[];
  allowedMethods: readonly string[];
  allowedOrigins: readonly string[];
  exposeHeaders: readonly string[];
  maxAgeSeconds?: number | undefined;
}

export interface Retention {
  mode: 'GOVERNANCE' | 'COMPLIANCE';
  until: Millis;
}

export interface BucketRow {
  name: string;
  account: string;
  region: string;
  /** Of a directory bucket: the zone that has all of it. */
  zone?: string | undefined;
  created: Millis;
  versioning?: 'Enabled' | 'Suspended' | undefined;
  /** MFA delete; absent until it is first set. */
  mfaDelete?: 'Enabled' | 'Disabled' | undefined;
  tags: Readonly<Record<string, string>>;
  policy?: string | undefined;
  publicBlock?: PublicBlock | undefined;
  ownership?: 'BucketOwnerEnforced' | 'BucketOwnerPreferred' | 'ObjectWriter' | undefined;
  grants: readonly Grant[];
  encryption: DefaultEncryption;
  cors?: readonly CorsRule[] | undefined;
  requesterPays: boolean;
  /** Transfer Acceleration; absent until it is first set. */
  acceleration?: 'Enabled' | 'Suspended' | undefined;
  /** Object lock, once enabled, stays; `lockRule` is the default retention. */
  lockEnabled: boolean;
  lockRule?: { mode: 'GOVERNANCE' | 'COMPLIANCE'; days?: number | undefined; years?: number | undefined } | undefined;
}

/** Settings that requests for objects do not need, in the API's own form. */
export interface ConfigRow {
  bucket: string;
  kind: ConfigKind;
  /** Empty where a bucket has one of its kind. */
  id: string;
  config: Value;
}

export type ConfigKind =
  | 'website'
  | 'notification'
  | 'logging'
  | 'inventory'
  | 'lifecycle'
  | 'replication'
  | 'accelerate'
  | 'tiering'
  | 'ended-tiering';

/** Where requests for a bucket are logged. */
export interface LoggingConfig {
  target: string;
  prefix: string;
  /** By whose date objects are filed in folders; they lie side by side when absent. */
  partition?: 'EventTime' | 'DeliveryTime' | undefined;
  /** Whether that was asked for, or is the default. */
  simple: boolean;
}

/** What a bucket lists of itself, how often and where. */
export interface InventoryConfig {
  enabled: boolean;
  target: string;
  /** The account that must own it, where that was said. */
  targetAccount?: string | undefined;
  targetPrefix: string;
  /** Empty for every key. */
  prefix: string;
  allVersions: boolean;
  /** Optional columns, in the order of the file. */
  fields: readonly string[];
  weekly: boolean;
  /** CSV when absent, as of configurations from before there was a choice. */
  format?: 'CSV' | 'ORC' | 'Parquet' | undefined;
  /** As asked for: under S3's own keys, or under one of KMS. The destination's default when absent. */
  encryption?: { kmsKeyId?: string | undefined } | undefined;
  /** In the API's form. */
  asked: Value;
}

/** A request that was logged and is not delivered yet. */
export interface LogLineRow {
  bucket: string;
  at: Millis;
  id: string;
  line: string;
}

/** Whom a bucket tells of its changes. */
export interface NotificationConfig {
  rules: readonly NotificationRule[];
  eventBridge: boolean;
}

export interface NotificationRule {
  id: string;
  /** Of a queue, a topic or a function. */
  arn: string;
  /** As asked for, `s3:ObjectCreated:*`. */
  events: readonly string[];
  /** Empty for every key. */
  prefix: string;
  suffix: string;
}

export interface TieringConfig {
  enabled: boolean;
  /** Empty for every key. */
  prefix: string;
  tags: readonly { key: string; value: string }[];
  /** Days without access until each archive tier; absent for one that is not used. */
  archiveDays?: number | undefined;
  deepArchiveDays?: number | undefined;
  /** When it was deleted or replaced: what it had archived by then stays archived. */
  ended?: Millis | undefined;
  /** In the API's form. */
  asked: Value;
}

export interface ReplicationConfig {
  /** ARN of the role by which S3 replicates. */
  role: string;
  rules: readonly ReplicationRuleRow[];
  /** The rules in the API's form. */
  asked: Value;
}

export interface ReplicationRuleRow {
  id: string;
  enabled: boolean;
  priority: number;
  /** Empty for every key. */
  prefix: string;
  tags: readonly { key: string; value: string }[];
  /** Name of the destination. */
  bucket: string;
  /** Whether delete markers go along. */
  markers: boolean;
  ownedByDestination: boolean;
  /** That of the object when absent. */
  storageClass?: string | undefined;
  /** For objects under KMS, which are left out without it. */
  kmsKeyId?: string | undefined;
  /** Whether what is changed on replicas goes out too. */
  replicaModifications?: boolean | undefined;
  /** Whether what waits is measured, and whether Replication Time Control is on. */
  metrics?: boolean | undefined;
  timeControl?: boolean | undefined;
}

export interface LifecycleConfig {
  rules: readonly StoredRule[];
  minimumSize: 'all_storage_classes_128K' | 'varies_by_storage_class';
}

/** A lifecycle rule in the API's form, with times for dates and always with an ID. */
export interface StoredRule {
  ID: string;
  Status: string;
  Prefix?: string | undefined;
  Filter?:
    | (SizeFilter & { Tag?: StoredTag | undefined; And?: (SizeFilter & { Tags?: readonly StoredTag[] }) | undefined })
    | undefined;
  Expiration?:
    | { Date?: Millis | undefined; Days?: number | undefined; ExpiredObjectDeleteMarker?: boolean | undefined }
    | undefined;
  Transitions?:
    | readonly { Date?: Millis | undefined; Days?: number | undefined; StorageClass?: string | undefined }[]
    | undefined;
  NoncurrentVersionTransitions?:
    | readonly {
        NoncurrentDays?: number | undefined;
        StorageClass?: string | undefined;
        NewerNoncurrentVersions?: number | undefined;
      }[]
    | undefined;
  NoncurrentVersionExpiration?: { NoncurrentDays?: number | undefined; NewerNoncurrentVersions?: number | undefined } | undefined;
  AbortIncompleteMultipartUpload?: { DaysAfterInitiation?: number | undefined } | undefined;
}

interface StoredTag {
  Key?: string | undefined;
  Value?: string | undefined;
}

interface SizeFilter {
  Prefix?: string | undefined;
  ObjectSizeGreaterThan?: number | undefined;
  ObjectSizeLessThan?: number | undefined;
}

/** How the bytes of a version are sealed: under a key of their own, which is kept wrapped. */
export interface Seal {
  kind: 'AES256' | 'aws:kms' | 'aws:kms:dsse' | 'customer';
  /** The wrapped data key: by the cloud's vault, by KMS (its ciphertext), or by the customer's. */
  wrapped: Uint8Array;
  kmsKeyArn?: string | undefined;
  /** Encryption context given by the caller, base 64 of JSON as sent. */
  context?: string | undefined;
  bucketKey?: boolean | undefined;
  /** Digest of the customer's key, base 64 of MD5. */
  customerKeyMd5?: string | undefined;
}

export interface ChecksumValue {
  algorithm: 'CRC32' | 'CRC32C' | 'CRC64NVME' | 'SHA1' | 'SHA256';
  type: 'FULL_OBJECT' | 'COMPOSITE';
  /** Base 64; a composite one ends in `-` and the number of parts. */
  value: string;
}

/** Headers that are kept with an object and given back. */
export interface SystemHeaders {
  contentType?: string | undefined;
  cacheControl?: string | undefined;
  contentDisposition?: string | undefined;
  contentEncoding?: string | undefined;
  contentLanguage?: string | undefined;
  expires?: string | undefined;
}

export interface VersionRow {
  bucket: string;
  key: string;
  /** Grows with each version of the key; the newest has the largest. A replica that came late has one between those of its neighbours. */
  sequence: number;
  /** `null` for what was written without versioning. */
  versionId: string;
  created: Millis;
  /** Account that owns it. */
  owner: string;
  /** A delete marker has nothing of what follows. */
  marker?: true | undefined;
  bytes: number;
  etag: string;
  /** Contents in order; one unless it came in parts. Empty for an empty object. */
  contents: readonly PartContent[] | undefined;
  seal?: Seal | undefined;
  metadata: Readonly<Record<string, string>>;
  headers: SystemHeaders;
  storageClass: string;
  /** The one zone that has the bytes; absent of what is spread over several. */
  zone?: string | undefined;
  tags: Readonly<Record<string, string>>;
  grants: readonly Grant[];
  checksum?: ChecksumValue | undefined;
  /** Whether it came by multipart upload; its parts are then countable. */
  multipart?: true | undefined;
  websiteRedirect?: string | undefined;
  retention?: Retention | undefined;
  legalHold?: boolean | undefined;
  /** When an object of Intelligent-Tiering was last read or came into the class, to the day; its creation when absent. */
  accessed?: Millis | undefined;
  /** Absent of what no rule takes. */
  replication?: 'PENDING' | 'COMPLETED' | 'FAILED' | 'REPLICA' | undefined;
  /** Of an archived object: for how many days it was or is being restored, and, once it is, until when it can be read. */
  restore?: { days: number; expires?: Millis | undefined } | undefined;
}

export interface PartContent {
  /** Id of the content. */
  id: string;
  bytes: number;
  /** Number of the part as uploaded, and its checksum, where it is known. */
  number?: number | undefined;
  checksum?: string | undefined;
}

/** A current version as listings show it. */
export interface ObjectRow {
  bucket: string;
  key: string;
  sequence: number;
  created: Millis;
  bytes: number;
  etag: string;
  storageClass: string;
  owner: string;
  checksum?: Omit<ChecksumValue, 'value'> | undefined;
}

export interface UploadRow {
  bucket: string;
  key: string;
  id: string;
  initiated: Millis;
  initiator: { id: string; name: string };
  owner: string;
  seal: Seal;
  metadata: Readonly<Record<string, string>>;
  headers: SystemHeaders;
  storageClass: string;
  tags: Readonly<Record<string, string>>;
  grants: readonly Grant[];
  checksum?: Omit<ChecksumValue, 'value'> | undefined;
  websiteRedirect?: string | undefined;
  retention?: Retention | undefined;
  legalHold?: boolean | undefined;
}

export interface PartRow {
  uploadId: string;
  number: number;
  bytes: number;
  etag: string;
  modified: Millis;
  content: string;
  checksum?: Omit<ChecksumValue, 'type'> | undefined;
}

/** Credentials of a directory bucket for some minutes. */
export interface SessionRow {
  accessKeyId: string;
  secret: string;
  token: string;
  bucket: string;
  expires: Millis;
  /** Who asked, with the session's bounds among its claims. */
  identity: Value;
}

/** An entrance of a bucket with a policy of its own. */
export interface AccessPointRow {
  /** Account that made it; names are unique there and in its Region. */
  account: string;
  region: string;
  name: string;
  /** Stands for it wherever a bucket's name is asked. */
  alias: string;
  bucket: string;
  bucketAccount: string;
  /** Only requests that come out of this VPC are let in. */
  vpcId?: string | undefined;
  policy?: string | undefined;
  publicBlock: PublicBlock;
  created: Millis;
}

/** An entrance to several buckets, each of another Region. */
export interface MultiRegionPointRow {
  account: string;
  name: string;
  /** `mfzwi23gnjvgw.mrap`, by which data is reached. */
  alias: string;
  created: Millis;
  status: 'CREATING' | 'READY' | 'DELETING';
  publicBlock: PublicBlock;
  buckets: readonly MultiRegionBucket[];
  /** As it holds, and as it was asked for and does not hold yet everywhere. */
  policy?: string | undefined;
  proposed?: string | undefined;
}

export interface MultiRegionBucket {
  bucket: string;
  account: string;
  region: string;
  /** Whether requests are routed there. */
  active: boolean;
}

/** Settings of an account. */
export interface AccountRow {
  account: string;
  publicBlock?: PublicBlock | undefined;
}

export const Buckets = defineTable<BucketRow>()({
  name: 's3.buckets',
  scope: 'cloud',
  key: (row) => [row.name],
  indexes: { byAccount: (row) => [row.account] },
});

export const Configs = defineTable<ConfigRow>()({
  name: 's3.configs',
  scope: 'cloud',
  key: (row) => [row.bucket, row.kind, row.id],
});

export const LogLines = defineTable<LogLineRow>()({
  name: 's3.logLines',
  scope: 'cloud',
  key: (row) => [row.bucket, row.at, row.id],
});

export const Objects = defineTable<ObjectRow>()({ name: 's3.objects', scope: 'cloud', key: (row) => [row.bucket, row.key] });

export const Versions = defineTable<VersionRow>()({
  name: 's3.versions',
  scope: 'cloud',
  key: (row) => [row.bucket, row.key, -row.sequence],
});

export const Contents = defineTable<ContentRow>()({ name: 's3.contents', scope: 'cloud', key: (row) => [row.id] });

export const Garbage = defineTable<GarbageRow>()({ name: 's3.garbage', scope: 'cloud', key: (row) => [row.id] });

export const Uploads = defineTable<UploadRow>()({
  name: 's3.uploads',
  scope: 'cloud',
  key: (row) => [row.bucket, row.key, row.id],
});

export const Parts = defineTable<PartRow>()({ name: 's3.parts', scope: 'cloud', key: (row) => [row.uploadId, row.number] });

export const Accounts = defineTable<AccountRow>()({ name: 's3.accounts', scope: 'cloud', key: (row) => [row.account] });

export const AccessPoints = defineTable<AccessPointRow>()({
  name: 's3.accessPoints',
  scope: 'cloud',
  key: (row) => [row.account, row.region, row.name],
  indexes: { byAlias: (row) => [row.alias], byBucket: (row) => [row.bucket] },
});

export const MultiRegionPoints = defineTable<MultiRegionPointRow>()({
  name: 's3.multiRegionPoints',
  scope: 'cloud',
  key: (row) => [row.account, row.name],
  indexes: { byAlias: (row) => [row.alias] },
});

export const Sessions = defineTable<SessionRow>()({
  name: 's3.sessions',
  scope: 'cloud',
  key: (row) => [row.accessKeyId],
  indexes: { byBucket: (row) => [row.bucket, row.expires] },
});
