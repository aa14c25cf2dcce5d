/** GetObject and HeadObject: conditions, ranges, parts, and the headers that go with the bytes. */
import type { GetObjectCommandInput, GetObjectCommandOutput, S3 } from '@aws-sdk/client-s3';
import type { Context } from '../../../kernel/context.ts';
import { AwsError } from '../../../kernel/errors.ts';
import type { AuthorisationsOf, HandlersOf } from '../../../kernel/service.ts';
import { expirationHeader } from '../buckets/lifecycle.ts';
import { readChecks } from '../access/checks.ts';
import { describeChecksum } from '../checksums.ts';
import { begun, collectPieces, openContents } from '../contents.ts';
import { invalidArgument, invalidRequest, preconditionFailed, s3Error } from '../errors.ts';
import { requireBucket, requireVersion } from '../lookup.ts';
import { tieringsOf } from '../buckets/tiering.ts';
import { restoreHeader } from '../later/restore.ts';
import { archiveTierOf } from '../later/tiers.ts';
import { isArchived } from '../rules.ts';
import { checkCustomerKey, describeSeal, openSeal } from '../sealing.ts';
import { type BucketRow, type VersionRow, Versions } from '../state.ts';
import { changeVersion, sameEtag } from './commit.ts';
import { checkZone } from './zones.ts';

/** Ranges up to this size are answered whole: a stream costs more. */
const wholeBytesMax = 256 * 1024;
/** A key whose version is replaced while it is opened is read again, so often. */
const triesMax = 5;
const accessNotedMillis = 86_400_000;

export interface ReadCondition {
  IfMatch?: string | undefined;
  IfNoneMatch?: string | undefined;
  IfModifiedSince?: Date | undefined;
  IfUnmodifiedSince?: Date | undefined;
}

/** HTTP dates have no milliseconds. */
function seconds(millis: number): number {
  return Math.floor(millis / 1000) * 1000;
}

/**
 * Conditions in the order and combination of RFC 9110, 13.2.2, as S3 has them. Throws PreconditionFailed (412), and NotModified (304) with the tag.
 */
export function checkReadCondition(ask: ReadCondition, row: VersionRow): void {
  const modified = seconds(row.created);
  if (ask.IfMatch !== undefined) {
    if (!sameEtag(ask.IfMatch, row.etag)) throw preconditionFailed('If-Match');
  } else if (ask.IfUnmodifiedSince !== undefined && modified > ask.IfUnmodifiedSince.getTime()) {
    throw preconditionFailed('If-Unmodified-Since');
  }
  const unchanged =
    ask.IfNoneMatch !== undefined
      ? sameEtag(ask.IfNoneMatch, row.etag)
      : ask.IfModifiedSince !== undefined && modified <= ask.IfModifiedSince.getTime();
  if (!unchanged) return;
  const headers = { etag: `"${row.etag}"`, 'last-modified': new Date(modified).toUTCString() };
  throw new AwsError('NotModified', 'Not Modified', { status: 304, headers });
}

interface Range {
  start: number;
  /** Exclusive. */
  end: number;
}

/**
 * The bytes that a Range header asks for; undefined for no header, and for one that cannot be read or asks for several ranges, which HTTP has us
 * ignore. Throws InvalidRange when none of the bytes exist.
 */
export function readRange(header: string | undefined, bytes: number): Range | undefined {
  const match = /^bytes=(\d*)-(\d*)$/.exec(header?.trim() ?? '');
  if (match === null || (match[1] === '' && match[2] === '')) return undefined;
  const [, from = '', to = ''] = match;
  const range =
    from === ''
      ? { start: Math.max(bytes - Number(to), 0), end: bytes }
      : { start: Number(from), end: to === '' ? bytes : Math.min(Number(to) + 1, bytes) };
  if (from !== '' && to !== '' && Number(to) < Number(from)) return undefined;
  if (range.start < range.end) return range;
  throw new AwsError('InvalidRange', 'The requested range is not satisfiable', {
    status: 416,
    members: { RangeRequested: header, ActualObjectSize: String(bytes) },
    headers: { 'content-range': `bytes */${bytes}` },
  });
}

/** The bytes of one part as uploaded. Throws InvalidPartNumber for one that there is not. */
function partRange(row: VersionRow, number: number): Range {
  if (row.multipart !== true) {
    if (number === 1) return { start: 0, end: row.bytes };
    throw noSuchPart(number, 1);
  }
  let start = 0;
  for (const part of row.contents ?? []) {
    if (part.number === number) return { start, end: start + part.bytes };
    start += part.bytes;
  }
  throw noSuchPart(number, row.contents?.length ?? 0);
}

function noSuchPart(asked: number, count: number): AwsError {
  const members = { PartNumberRequested: String(asked), ActualPartCount: String(count) };
  return s3Error('InvalidPartNumber', 'The requested partnumber is not satisfiable', 416, members);
}

type Asked = Pick<GetObjectCommandInput, 'Range' | 'PartNumber' | 'ChecksumMode'> & ReadCondition;

/** What a request wants of a version: the range, whether it is a part of the whole. */
function readWanted(ask: Asked, row: VersionRow): { range: Range; partial: boolean } {
  if (ask.PartNumber !== undefined) {
    if (ask.Range !== undefined) throw invalidRequest('Cannot specify both Range header and partNumber query parameter');
    if (ask.PartNumber < 1 || ask.PartNumber > 10_000) {
      throw invalidArgument(
        'Part number must be an integer between 1 and 10000, inclusive',
        'partNumber',
        String(ask.PartNumber),
      );
    }
    return { range: partRange(row, ask.PartNumber), partial: row.bytes > 0 };
  }
  const range = readRange(ask.Range, row.bytes);
  return { range: range ?? { start: 0, end: row.bytes }, partial: range !== undefined };
}

/** The headers that answers about an object carry. */
function describeObject(row: VersionRow, bucket: BucketRow, ask: Asked): Partial<GetObjectCommandOutput> {
  const { range, partial } = readWanted(ask, row);
  const { headers } = row;
  const expires = headers.expires === undefined ? undefined : new Date(headers.expires);
  const tagCount = Object.keys(row.tags).length;
  return {
    AcceptRanges: 'bytes',
    LastModified: new Date(seconds(row.created)),
    ContentLength: range.end - range.start,
    ETag: `"${row.etag}"`,
    ContentType: headers.contentType ?? 'binary/octet-stream',
    CacheControl: headers.cacheControl,
    ContentDisposition: headers.contentDisposition,
    ContentEncoding: headers.contentEncoding,
    ContentLanguage: headers.contentLanguage,
    Expires: expires === undefined || Number.isNaN(expires.getTime()) ? undefined : expires,
    Metadata: { ...row.metadata },
    ContentRange: partial ? `bytes ${range.start}-${range.end - 1}/${row.bytes}` : undefined,
    PartsCount: ask.PartNumber !== undefined && row.multipart === true ? row.contents?.length : undefined,
    StorageClass: row.storageClass === 'STANDARD' ? undefined : (row.storageClass as 'GLACIER'),
    TagCount: tagCount === 0 ? undefined : tagCount,
    VersionId: bucket.versioning === undefined ? undefined : row.versionId,
    WebsiteRedirectLocation: row.websiteRedirect,
    Restore: restoreHeader(row),
    ReplicationStatus: row.replication,
    ObjectLockMode: row.retention?.mode,
    ObjectLockRetainUntilDate: row.retention && new Date(row.retention.until),
    ObjectLockLegalHoldStatus: row.legalHold === undefined ? undefined : row.legalHold ? 'ON' : 'OFF',
    ...describeSeal(row.seal),
    ...(ask.ChecksumMode === 'ENABLED' && !partial ? describeChecksum(row.checksum) : {}),
  };
}

/** `response-*` parameters replace what is stored; only signed requests may have them. Throws InvalidRequest. */
function overridesOf(input: GetObjectCommandInput, ctx: Context): Partial<GetObjectCommandOutput> {
  const given = {
    CacheControl: input.ResponseCacheControl,
    ContentDisposition: input.ResponseContentDisposition,
    ContentEncoding: input.ResponseContentEncoding,
    ContentLanguage: input.ResponseContentLanguage,
    ContentType: input.ResponseContentType,
    Expires: input.ResponseExpires,
  };
  const entries = Object.entries(given).filter(([, value]) => value !== undefined);
  if (entries.length > 0 && ctx.caller.kind === 'anonymous') {
    throw invalidRequest('Request specific response headers cannot be used for anonymous GET requests.');
  }
  return Object.fromEntries(entries);
}

/** Opened bytes of a version from `start` to `end`: whole when small, else a stream. Undefined when the version went away meanwhile. */
async function readBytes(
  ctx: Context,
  row: VersionRow,
  key: Uint8Array,
  { start, end }: Range,
): Promise<Uint8Array | AsyncIterable<Uint8Array> | undefined> {
  if (start >= end) return new Uint8Array();
  const open = await openContents(ctx, row.contents ?? [], key, start, end);
  if (open === undefined) return undefined;
  return end - start <= wholeBytesMax ? collectPieces(open) : begun(open);
}

/** When a current version expires; versions asked for by id do not tell. */
async function expirationMember(
  ctx: Context,
  bucket: string,
  row: VersionRow,
  ask: { VersionId?: string | undefined },
): Promise<{ Expiration?: string }> {
  const header = ask.VersionId === undefined ? await expirationHeader(ctx, bucket, row) : undefined;
  return header === undefined ? {} : { Expiration: header };
}

/** The archive tier of an object of Intelligent-Tiering, if it is in one. */
async function archiveOf(ctx: Context, row: VersionRow): Promise<ReturnType<typeof archiveTierOf>> {
  if (row.storageClass !== 'INTELLIGENT_TIERING') return undefined;
  return archiveTierOf(row, await tieringsOf(ctx, row.bucket), ctx.now);
}

/** Notes a read of an object of Intelligent-Tiering, once a day at most: it makes the object a frequent one. */
export async function noteAccess(ctx: Context, row: VersionRow): Promise<void> {
  if (row.storageClass !== 'INTELLIGENT_TIERING' || ctx.now - (row.accessed ?? row.created) < accessNotedMillis) return;
  await ctx.transact(async (tx) => {
    const current = await tx.table(Versions).get(row.bucket, row.key, -row.sequence);
    if (current?.versionId === row.versionId) await changeVersion(tx, { ...current, accessed: ctx.now });
  });
}

/** Throws InvalidObjectState for an archived object that is not restored. */
export async function checkReadable(ctx: Context, row: VersionRow): Promise<void> {
  checkZone(ctx, row.zone);
  const tier = row.storageClass === 'INTELLIGENT_TIERING' ? await archiveOf(ctx, row) : undefined;
  if (tier !== undefined) {
    const members = { StorageClass: row.storageClass, AccessTier: tier };
    throw s3Error('InvalidObjectState', "The operation is not valid for the object's access tier", 403, members);
  }
  if (!isArchived(row.storageClass) || row.restore?.expires !== undefined) return;
  const text = "The operation is not valid for the object's storage class";
  throw s3Error('InvalidObjectState', text, 403, { StorageClass: row.storageClass });
}

export const getHandlers: HandlersOf<S3> = {
  /** The bytes stay those of the version that was found, whatever happens to the object while they flow. */
  async GetObject(input, ctx) {
    const bucket = await requireBucket(ctx, input);
    const overrides = overridesOf(input, ctx);
    for (let tries = 1; ; tries += 1) {
      const row = await requireVersion(ctx, input);
      checkReadCondition(input, row);
      await checkReadable(ctx, row);
      const described = { ...describeObject(row, bucket, input), ...(await expirationMember(ctx, bucket.name, row, input)) };
      const key = row.seal === undefined ? new Uint8Array() : await openSeal(ctx, bucket.region, row.seal, input);
      const body = await readBytes(ctx, row, key, readWanted(input, row).range);
      if (body !== undefined) await noteAccess(ctx, row);
      if (body !== undefined)
        return { ...described, ...overrides, Body: body as unknown as NonNullable<GetObjectCommandOutput['Body']> };
      if (tries >= triesMax) throw new Error(`The bytes of ${bucket.name}/${row.key} are missing.`);
    }
  },

  async HeadObject(input, ctx) {
    const bucket = await requireBucket(ctx, input);
    const row = await requireVersion(ctx, input, 'HEAD');
    checkReadCondition(input, row);
    checkCustomerKey(row.seal, input);
    const { Body: _body, ...described } = describeObject(row, bucket, input);
    const archive = await archiveOf(ctx, row);
    const archived = archive === undefined ? {} : { ArchiveStatus: archive };
    return { ...described, ...archived, ...(await expirationMember(ctx, bucket.name, row, input)), ...overridesOf(input, ctx) };
  },
};

export const getChecks: AuthorisationsOf<S3> = {
  GetObject: (input, ctx) => readChecks(ctx, input, versioned(input, 's3:GetObject', 's3:GetObjectVersion')),
  HeadObject: (input, ctx) => readChecks(ctx, input, versioned(input, 's3:GetObject', 's3:GetObjectVersion')),
};

/** The action for the current version, or the one for a version by its id. */
export function versioned(ask: { VersionId?: string | undefined }, current: string, byId: string): string {
  return ask.VersionId === undefined ? current : byId;
}
