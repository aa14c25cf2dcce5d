/** PutObject: bytes in, and all that goes with an object from its first moment. */
import type { PutObjectCommandInput, S3 } from '@aws-sdk/client-s3';
import type { Context } from '../../../kernel/context.ts';
import { isOwnService } from '../../../kernel/caller.ts';
import { AwsError } from '../../../kernel/errors.ts';
import type { AuthorisationsOf, HandlersOf } from '../../../kernel/service.ts';
import { asksAcl, type AclAsk, isPublic, readAclHeaders } from '../access/grants.ts';
import { expirationHeader } from '../buckets/lifecycle.ts';
import { writeChecks } from '../access/checks.ts';
import { blockOf } from '../access/public-access.ts';
import { checkContent, checkMd5Form, describeChecksum, expectedChecksum } from '../checksums.ts';
import { type Body, bodyOf, bytesOf, discardContent, keepContent, storeContent } from '../contents.ts';
import { accessDenied, entityTooLarge, invalidArgument, invalidRequest, s3Error } from '../errors.ts';
import { announceCreated, type ChangeReason } from '../events.ts';
import { appendObject } from '../directory/append.ts';
import { isDirectoryName } from '../directory/rules.ts';
import { atBucket, currentVersion, requireBucket } from '../lookup.ts';
import { checkKey, putBytesMax, readMetadata, readStorageClass, readTagHeader } from '../rules.ts';
import { describeSeal, newSealing, type Sealing } from '../sealing.ts';
import { type BucketRow, Contents, type Grant, type Retention, type SystemHeaders, type VersionRow } from '../state.ts';
import { checkWriteCondition, commitVersion, type VersionDraft } from './commit.ts';

/** Members that describe an object, shared by PutObject, CopyObject and CreateMultipartUpload. */
export interface DescriptionAsk extends AclAsk {
  CacheControl?: string | undefined;
  ContentDisposition?: string | undefined;
  ContentEncoding?: string | undefined;
  ContentLanguage?: string | undefined;
  ContentType?: string | undefined;
  Expires?: Date | string | undefined;
  Metadata?: Record<string, string> | undefined;
  StorageClass?: string | undefined;
  Tagging?: string | undefined;
  WebsiteRedirectLocation?: string | undefined;
  ObjectLockMode?: string | undefined;
  ObjectLockRetainUntilDate?: Date | undefined;
  ObjectLockLegalHoldStatus?: string | undefined;
}

export type Description = Pick<
  VersionRow,
  'metadata' | 'headers' | 'storageClass' | 'tags' | 'grants' | 'websiteRedirect' | 'retention' | 'legalHold'
>;

/** System headers of a request. `aws-chunked` is how the body came, not what it is. */
function readSystemHeaders(ask: DescriptionAsk): SystemHeaders {
  const encoding = ask.ContentEncoding?.split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '' && part !== 'aws-chunked')
    .join(',');
  return {
    contentType: ask.ContentType,
    cacheControl: ask.CacheControl,
    contentDisposition: ask.ContentDisposition,
    contentEncoding: encoding === '' ? undefined : encoding,
    contentLanguage: ask.ContentLanguage,
    expires: ask.Expires instanceof Date ? ask.Expires.toUTCString() : ask.Expires,
  };
}

/** Everything a request says about its object beside the bytes. Throws what is wrong with any of it. */
export async function readDescription(ctx: Context, bucket: BucketRow, owner: string, ask: DescriptionAsk): Promise<Description> {
  const redirect = ask.WebsiteRedirectLocation;
  if (redirect !== undefined && !/^(https?:\/\/|\/)/.test(redirect)) {
    throw s3Error(
      'InvalidRedirectLocation',
      "The website redirect location must have a prefix of 'http://' or 'https://' or '/'.",
      400,
    );
  }
  return {
    metadata: readMetadata(ask.Metadata),
    headers: readSystemHeaders(ask),
    storageClass: readStorageClass(ask.StorageClass, bucket.zone !== undefined),
    tags: readTagHeader(ask.Tagging),
    grants: await readGrants(ctx, bucket, owner, ask),
    websiteRedirect: redirect,
    ...readLock(ctx, bucket, ask),
  };
}

/** ACL of a new object. With BucketOwnerEnforced only the canned ACL bucket-owner-full-control is taken, as what holds anyway. */
async function readGrants(ctx: Context, bucket: BucketRow, owner: string, ask: AclAsk): Promise<Grant[]> {
  if (!asksAcl(ask)) return [];
  if (bucket.ownership === 'BucketOwnerEnforced') {
    if (ask.ACL === 'bucket-owner-full-control') return [];
    throw s3Error('AccessControlListNotSupported', 'The bucket does not allow ACLs', 400);
  }
  const grants = readAclHeaders(ask, bucket.account, owner, 'object');
  if (isPublic(grants) && (await blockOf(ctx, bucket)).BlockPublicAcls) throw accessDenied();
  return grants;
}

function readLock(ctx: Context, bucket: BucketRow, ask: DescriptionAsk): { retention?: Retention; legalHold?: boolean } {
  const { ObjectLockMode: mode, ObjectLockRetainUntilDate: until, ObjectLockLegalHoldStatus: hold } = ask;
  if (mode === undefined && until === undefined && hold === undefined) return {};
  if (!bucket.lockEnabled) throw invalidRequest('Bucket is missing Object Lock Configuration');
  if ((mode === undefined) !== (until === undefined)) {
    throw invalidArgument('x-amz-object-lock-retain-until-date and x-amz-object-lock-mode must both be supplied');
  }
  if (mode !== undefined && mode !== 'GOVERNANCE' && mode !== 'COMPLIANCE')
    throw invalidArgument('Unknown wormMode directive.', 'x-amz-object-lock-mode', mode);
  if (until !== undefined && until.getTime() <= ctx.now) throw invalidArgument('The retain until date must be in the future!');
  if (hold !== undefined && hold !== 'ON' && hold !== 'OFF')
    throw invalidArgument("Legal Hold must be either of 'ON' or 'OFF'", 'x-amz-object-lock-legal-hold', hold);
  return {
    ...(mode === undefined ? {} : { retention: { mode, until: until?.getTime() ?? 0 } }),
    ...(hold === undefined ? {} : { legalHold: hold === 'ON' }),
  };
}

/** Who owns what the caller writes: the bucket's owner, unless the bucket leaves objects to their writers ("Controlling ownership of objects"). */
export function ownerOf(ctx: Context, bucket: BucketRow, ask: AclAsk): string {
  const writer = ctx.caller.account;
  if (bucket.ownership === 'BucketOwnerEnforced' || writer === '') return bucket.account;
  if (bucket.ownership === 'BucketOwnerPreferred' && ask.ACL === 'bucket-owner-full-control') return bucket.account;
  return writer;
}

/** Bytes of a PUT as announced. Throws MissingContentLength, EntityTooLarge. */
export function checkLength(body: Body, bytesMax = putBytesMax): void {
  const bytes = bytesOf(body);
  if (bytes === undefined) throw s3Error('MissingContentLength', 'You must provide the Content-Length HTTP header.', 411);
  if (bytes > bytesMax) throw entityTooLarge(bytes, bytesMax);
}

/** The entity tag of bytes: their MD5 where S3 encrypts for itself, else something that is not the MD5 ("Object", ETag). */
export function etagOf(ctx: Context, sealing: Sealing, md5: Buffer): string {
  return sealing.seal.kind === 'AES256' ? md5.toString('hex') : Buffer.from(ctx.bytes(16)).toString('hex');
}

/** What object lock is to keep must have come whole: such a PUT brings a digest ("How S3 Object Lock works"). Throws InvalidRequest. */
function checkLockDigest(
  ctx: Context,
  bucket: BucketRow,
  { retention, legalHold }: Description,
  digest: string | undefined,
): void {
  const locks = retention !== undefined || legalHold !== undefined || bucket.lockRule !== undefined;
  if (!locks || digest !== undefined || isOwnService(ctx.caller)) return;
  const text = 'Content-MD5 OR x-amz-checksum- HTTP header is required for Put Object requests with Object Lock parameters';
  throw invalidRequest(text);
}

function trailerOf(body: Body): string | undefined {
  return 'announcedTrailer' in body ? body.announcedTrailer : undefined;
}

/** Stores a whole object that came in one request: PutObject and POST forms. */
async function putObject(
  ctx: Context,
  input: Omit<PutObjectCommandInput, 'Body'>,
  body: Body,
  reason: ChangeReason,
): Promise<VersionRow> {
  const bucket = await requireBucket(ctx, input);
  const { Key: key = '' } = input;
  checkKey(key);
  checkLength(body);
  checkMd5Form(input.ContentMD5);
  checkWriteCondition(input);
  const expected = expectedChecksum(input as unknown as Record<string, unknown>, body);
  const owner = ownerOf(ctx, bucket, input);
  const description = await readDescription(ctx, bucket, owner, input);
  if (reason === 'PutObject') checkLockDigest(ctx, bucket, description, input.ContentMD5 ?? expected.value ?? trailerOf(body));
  const sealing = await newSealing(ctx, bucket, key, input);
  const stored = await storeContent(ctx, body, sealing.key, [expected.algorithm]);
  try {
    const value = await checkContent(stored, body, expected, input.ContentMD5);
    const draft: VersionDraft = {
      key,
      created: ctx.now,
      owner,
      bytes: stored.bytes,
      etag: bucket.zone === undefined ? etagOf(ctx, sealing, stored.md5) : Buffer.from(ctx.bytes(16)).toString('hex'),
      contents: stored.row === undefined ? [] : [{ id: stored.row.id, bytes: stored.bytes }],
      seal: sealing.seal,
      checksum: { algorithm: expected.algorithm, type: 'FULL_OBJECT', value },
      ...description,
    };
    const { row } = await atBucket(ctx, bucket).transact(async (tx) => {
      const committed = await commitVersion(tx, ctx, bucket.name, draft, input);
      if (stored.row !== undefined) await tx.table(Contents).put(stored.row);
      await announceCreated(tx, ctx, committed.bucket, committed.row, reason);
      return committed;
    });
    await keepContent(ctx, stored.row);
    return row;
  } catch (error) {
    // A refusal was before the commit; after it nothing throws but what leaves the row in place.
    if (error instanceof AwsError) await discardContent(ctx, stored.row);
    throw error;
  }
}

/** Whether a directory bucket has the object already: writing at its start is then appending to nothing. */
async function isThere(
  ctx: Context,
  { Bucket = '', Key = '' }: { Bucket?: string | undefined; Key?: string | undefined },
): Promise<boolean> {
  return !isDirectoryName(Bucket) || (await currentVersion(ctx, Bucket, Key)) !== undefined;
}

/** What PutObject answers. Buckets that never had versioning show no version id. */
function describeWritten(row: VersionRow, bucket: BucketRow): Record<string, string | boolean | number | undefined> {
  return {
    ETag: `"${row.etag}"`,
    ...describeChecksum(row.checksum),
    ...describeSeal(row.seal),
    ...(bucket.versioning === undefined ? {} : { VersionId: row.versionId }),
  };
}

export const putHandlers: HandlersOf<S3> = {
  /** Replaces the object or adds a version. Throws what is wrong with the body when it has been read; then nothing has changed. */
  async PutObject(input, ctx) {
    const { WriteOffsetBytes } = input;
    const appends = WriteOffsetBytes !== undefined && (WriteOffsetBytes > 0 || (await isThere(ctx, input)));
    if (appends) {
      const row = await appendObject(ctx, { ...input, WriteOffsetBytes }, bodyOf(input.Body));
      return { ...describeWritten(row, await requireBucket(ctx, input)), Size: row.bytes };
    }
    const row = await putObject(ctx, input, bodyOf(input.Body), 'PutObject');
    const header = await expirationHeader(ctx, row.bucket, row);
    return { ...describeWritten(row, await requireBucket(ctx, input)), ...(header === undefined ? {} : { Expiration: header }) };
  },
};

export const putChecks: AuthorisationsOf<S3> = {
  PutObject: (input, ctx) => writeChecks(ctx, input as unknown as Record<string, unknown>),
};
