/**
 * Directory buckets (S3 Express One Zone): what is different there from general purpose buckets ("Differences for directory buckets", "Directory
 * bucket naming rules"). Their objects are like others, in one zone, under one storage class, and with no versions, tags or ACLs.
 */
import { findZone, type ZoneInfo } from '../../../base/regions.ts';
import type { Context } from '../../../kernel/context.ts';
import type { Check } from '../../../kernel/service.ts';
import { actionOf } from '../../../kernel/policy/operations.ts';
import { accessDenied, invalidArgument, invalidBucketName, methodNotAllowed, s3Error } from '../errors.ts';
import type { BucketRow } from '../state.ts';

type Input = Readonly<Record<string, unknown>>;

const nameEnd = '--x-s3';

/** Condition keys by which a session knows its bucket and what it may do there (directory/sessions.ts). */
export const sessionBucketKey = 's3express:sessionbucket';
export const sessionModeKey = 's3express:sessionmode';

/** Operations on objects, at the zone's endpoint: authorised as CreateSession. The others change the bucket, at the Region's. */
const reading: readonly string[] = ['GetObject', 'GetObjectAttributes', 'HeadObject', 'HeadBucket', 'ListObjectsV2'];
const readingUploads: readonly string[] = ['ListMultipartUploads', 'ListParts'];
const writing: readonly string[] = [
  ...['AbortMultipartUpload', 'CompleteMultipartUpload', 'CopyObject', 'CreateMultipartUpload', 'DeleteObject', 'DeleteObjects'],
  ...['PutObject', 'RenameObject', 'UploadPart', 'UploadPartCopy'],
];
const regional: readonly string[] = [
  ...['CreateBucket', 'DeleteBucket', 'DeleteBucketEncryption', 'DeleteBucketLifecycle', 'DeleteBucketPolicy'],
  ...['GetBucketEncryption', 'GetBucketLifecycleConfiguration', 'GetBucketPolicy', 'PutBucketEncryption'],
  ...['PutBucketLifecycleConfiguration', 'PutBucketPolicy'],
];
const zonal: ReadonlySet<string> = new Set([...reading, ...readingUploads, ...writing, 'CreateSession']);
const readOnly: ReadonlySet<string> = new Set([...reading, ...readingUploads]);
const offered: ReadonlySet<string> = new Set([...zonal, ...regional]);

export function isDirectoryName(name: unknown): name is string {
  return typeof name === 'string' && name.endsWith(nameEnd);
}

/** The zone in the name `base--use1-az4--x-s3`. Throws InvalidBucketName. */
export function zoneOfName(name: string): ZoneInfo {
  const [, base = '', id = ''] = /^(.+)--([a-z0-9]+-az\d+)--x-s3$/.exec(name) ?? [];
  const zone = findZone(id);
  if (zone === undefined || zone.id !== id || name.length > 63 || !/^[a-z0-9](?:[a-z0-9-]*[a-z0-9])?$/.test(base)) {
    throw invalidBucketName(name);
  }
  return zone;
}

/** Members of PutObject and its kin that directory buckets do not have. */
const refusedMembers: readonly string[] = [
  ...[
    'ACL',
    'GrantFullControl',
    'GrantRead',
    'GrantReadACP',
    'GrantWriteACP',
    'Tagging',
    'TaggingDirective',
    'WebsiteRedirectLocation',
  ],
  ...['ObjectLockMode', 'ObjectLockRetainUntilDate', 'ObjectLockLegalHoldStatus', 'SSECustomerAlgorithm', 'RequestPayer'],
];

/**
 * Refuses what a request may not ask of a directory bucket, and a session outside its bucket. Throws MethodNotAllowed, AccessDenied, NotImplemented,
 * InvalidArgument.
 */
export function checkDirectoryRequest(input: Input, ctx: Context): void {
  const session = ctx.caller.session?.claims?.[sessionBucketKey]?.[0];
  const directory = isDirectoryName(input['Bucket']);
  if (session !== undefined && session !== input['Bucket']) throw accessDenied();
  if (!directory) return;
  if (!offered.has(ctx.operation)) throw methodNotAllowed(ctx.operation, 'BUCKET');
  for (const name of refusedMembers) {
    if (input[name] === undefined) continue;
    const text = 'A header you provided implies functionality that is not implemented';
    throw s3Error('NotImplemented', text, 501, { Header: name });
  }
  if (typeof input['VersionId'] === 'string' && input['VersionId'] !== 'null')
    throw invalidArgument('Invalid version id specified', 'versionId', input['VersionId']);
  if (ctx.operation === 'ListObjectsV2') checkListing(input);
}

/** "Directory buckets only support prefixes that end in a delimiter", the only one is the slash, and there is no StartAfter. */
function checkListing({ Prefix: prefix, Delimiter: delimiter, StartAfter: after }: Input): void {
  if (typeof delimiter === 'string' && delimiter !== '' && delimiter !== '/')
    throw invalidArgument('This bucket does not support a delimiter other than /', 'delimiter', delimiter);
  if (typeof prefix === 'string' && prefix !== '' && !prefix.endsWith('/'))
    throw invalidArgument('This bucket does not support a prefix that does not end in a delimiter', 'prefix', prefix);
  if (after !== undefined) throw s3Error('NotImplemented', 'This bucket does not support StartAfter', 501);
}

export function arnOfDirectory({ name, region, account }: Pick<BucketRow, 'name' | 'region' | 'account'>): string {
  return `arn:aws:s3express:${region}:${account}:bucket/${name}`;
}

/** What an operation on a directory bucket is authorised on. Throws AccessDenied for a write in a session that only reads. */
export function directoryCheck(ctx: Context, bucket: BucketRow): Check {
  const operation = ctx.operation;
  const mode = ctx.caller.session?.claims?.[sessionModeKey]?.[0];
  const reads = readOnly.has(operation);
  if (mode === 'ReadOnly' && !reads && operation !== 'CreateSession') throw accessDenied();
  const isZonal = zonal.has(operation);
  return {
    action: isZonal ? 's3express:CreateSession' : actionOf('s3', operation).replace(/^s3:/, 's3express:'),
    resource: arnOfDirectory(bucket),
    resourceAccount: bucket.account,
    resourcePolicy: bucket.policy,
    conditions: { 's3express:SessionMode': isZonal ? (mode ?? (reads ? 'ReadOnly' : 'ReadWrite')) : undefined },
  };
}
