/** CopyObject and UploadPartCopy: bytes from an object that the caller may read to one that it may write ("Copying, moving, and renaming objects"). */
import type { CopyObjectCommandInput, S3 } from '@aws-sdk/client-s3';
import type { ChecksumAlgorithm } from '../../../base/checksum.ts';
import type { Context } from '../../../kernel/context.ts';
import { AwsError } from '../../../kernel/errors.ts';
import type { AuthorisationsOf, Check, HandlersOf } from '../../../kernel/service.ts';
import { objectCheck, type PaidAsk, readChecks, writeChecks } from '../access/checks.ts';
import { algorithmOf, describeChecksum } from '../checksums.ts';
import { discardContent, keepContent, openContents, storeContent } from '../contents.ts';
import { invalidArgument, invalidRequest, preconditionFailed, s3Error } from '../errors.ts';
import { announceCreated } from '../events.ts';
import { atBucket, checkVersionId, findBucket, findVersion, isVersionId, requireBucket, requireVersion } from '../lookup.ts';
import { checkKey, putBytesMax } from '../rules.ts';
import { describeSeal, newSealing, openSeal } from '../sealing.ts';
import { type AccessPointRow, type BucketRow, type ChecksumValue, Contents, type VersionRow } from '../state.ts';
import { putPart } from '../uploads/parts.ts';
import { checkWriteCondition, commitVersion, sameEtag } from './commit.ts';
import { checkReadable, noteAccess, readRange } from './get.ts';
import { type Description, etagOf, ownerOf, readDescription } from './put.ts';

interface Source {
  Bucket: string;
  Key: string;
  VersionId?: string | undefined;
}

/** Reads `x-amz-copy-source`: `/bucket/key?versionId=…`, URL-encoded. Throws InvalidArgument. */
function readCopySource(header: string | undefined): Source {
  const [, path = '', versionId] = /^\/?(.*?)(?:\?versionId=([^&]*))?$/.exec(header ?? '') ?? [];
  let decoded: string;
  try {
    decoded = decodeURIComponent(path);
  } catch {
    throw invalidArgument(
      'Copy Source must mention the source bucket and key: sourcebucket/sourcekey',
      'x-amz-copy-source',
      header,
    );
  }
  const slash = decoded.indexOf('/');
  if (slash <= 0 || slash === decoded.length - 1) {
    throw invalidArgument(
      'Copy Source must mention the source bucket and key: sourcebucket/sourcekey',
      'x-amz-copy-source',
      header,
    );
  }
  if (versionId === '') throw invalidArgument('Version id cannot be the empty string', 'x-amz-copy-source', '');
  return {
    Bucket: decoded.slice(0, slash),
    Key: decoded.slice(slash + 1),
    ...(versionId === undefined ? {} : { VersionId: versionId }),
  };
}

type SourceAsk = Pick<
  CopyObjectCommandInput,
  | 'CopySource'
  | 'CopySourceIfMatch'
  | 'CopySourceIfNoneMatch'
  | 'CopySourceIfModifiedSince'
  | 'CopySourceIfUnmodifiedSince'
  | 'CopySourceSSECustomerAlgorithm'
  | 'CopySourceSSECustomerKey'
  | 'CopySourceSSECustomerKeyMD5'
  | 'ExpectedSourceBucketOwner'
  | 'RequestPayer'
> & { sourceAccessPoint?: AccessPointRow | undefined };

interface OpenSource {
  bucket: BucketRow;
  row: VersionRow;
  key: Uint8Array;
}

/** The source bucket may be in another Region than the one asked, which is the destination's. */
async function sourceContext(ctx: Context, ask: SourceAsk): Promise<{ there: Context; source: Source & PaidAsk }> {
  const source = {
    ...readCopySource(ask.CopySource),
    ExpectedBucketOwner: ask.ExpectedSourceBucketOwner,
    RequestPayer: ask.RequestPayer,
    accessPoint: ask.sourceAccessPoint,
  };
  const { region } = await findBucket(ctx, { Bucket: source.Bucket });
  return { there: ctx.inScope({ region }), source };
}

async function openSource(ctx: Context, ask: SourceAsk): Promise<OpenSource> {
  const { there, source } = await sourceContext(ctx, ask);
  const bucket = await requireBucket(there, source);
  if (source.VersionId !== undefined) await checkSourceVersion(there, { ...source, VersionId: source.VersionId });
  const row = await requireVersion(there, source);
  checkSourceCondition(ask, row);
  await checkReadable(ctx, row);
  const customer = {
    SSECustomerAlgorithm: ask.CopySourceSSECustomerAlgorithm,
    SSECustomerKey: ask.CopySourceSSECustomerKey,
    SSECustomerKeyMD5: ask.CopySourceSSECustomerKeyMD5,
  };
  const key = row.seal === undefined ? new Uint8Array() : await openSeal(ctx, bucket.region, row.seal, customer);
  await noteAccess(ctx, row);
  return { bucket, row, key };
}

/** Throws InvalidArgument for what is no version's id, InvalidRequest for a delete marker's. */
async function checkSourceVersion(
  there: Context,
  { Bucket, Key, VersionId }: Required<Pick<Source, 'Bucket' | 'Key' | 'VersionId'>> & { VersionId: string },
): Promise<void> {
  checkVersionId(VersionId, 'x-amz-copy-source');
  const version = await findVersion(there, Bucket, Key, VersionId);
  if (version?.marker !== true) return;
  throw invalidRequest('The source of a copy request may not specifically refer to a delete marker by version id.');
}

/** All conditions of a copy that do not hold answer 412, also the ones that answer 304 to a GET (CopyObject). */
function checkSourceCondition(ask: SourceAsk, row: VersionRow): void {
  const modified = Math.floor(row.created / 1000) * 1000;
  const {
    CopySourceIfMatch: match,
    CopySourceIfNoneMatch: none,
    CopySourceIfModifiedSince: since,
    CopySourceIfUnmodifiedSince: until,
  } = ask;
  if (match !== undefined) {
    if (!sameEtag(match, row.etag)) throw preconditionFailed('x-amz-copy-source-If-Match');
  } else if (until !== undefined && modified > until.getTime()) {
    throw preconditionFailed('x-amz-copy-source-If-Unmodified-Since');
  }
  if (none !== undefined) {
    if (sameEtag(none, row.etag)) throw preconditionFailed('x-amz-copy-source-If-None-Match');
  } else if (since !== undefined && modified <= since.getTime()) {
    throw preconditionFailed('x-amz-copy-source-If-Modified-Since');
  }
}

async function openPieces(
  ctx: Context,
  { bucket, row, key }: OpenSource,
  start: number,
  end: number,
): Promise<AsyncIterable<Uint8Array> | Uint8Array> {
  if (start >= end) return new Uint8Array();
  const open = await openContents(ctx, row.contents ?? [], key, start, end);
  if (open === undefined) {
    const text = 'The source object changed while it was copied. Please try again.';
    throw s3Error('OperationAborted', text, 409, { Bucket: bucket.name, Key: row.key });
  }
  return open.pieces;
}

/** What the copy is described by: the source's description, or the request's, each for metadata and for tags. */
async function describeCopy(
  ctx: Context,
  input: CopyObjectCommandInput,
  bucket: BucketRow,
  owner: string,
  row: VersionRow,
): Promise<Description> {
  const { MetadataDirective: metadata = 'COPY', TaggingDirective: tagging = 'COPY' } = input;
  if (metadata !== 'COPY' && metadata !== 'REPLACE')
    throw invalidArgument('Unknown metadata directive.', 'x-amz-metadata-directive', metadata);
  if (tagging !== 'COPY' && tagging !== 'REPLACE')
    throw invalidArgument('Unknown tagging directive.', 'x-amz-tagging-directive', tagging);
  const asked = await readDescription(ctx, bucket, owner, tagging === 'REPLACE' ? input : { ...input, Tagging: undefined });
  return {
    ...asked,
    ...(metadata === 'COPY' ? { metadata: row.metadata, headers: row.headers } : {}),
    ...(tagging === 'COPY' ? { tags: row.tags } : {}),
  };
}

function refuseNothingChanged(input: CopyObjectCommandInput, source: VersionRow): void {
  const same =
    source.bucket === input.Bucket && source.key === input.Key && readCopySource(input.CopySource).VersionId === undefined;
  const changes =
    input.MetadataDirective === 'REPLACE' ||
    input.TaggingDirective === 'REPLACE' ||
    (input.StorageClass !== undefined && input.StorageClass !== source.storageClass) ||
    input.ServerSideEncryption !== undefined ||
    input.SSECustomerAlgorithm !== undefined ||
    input.WebsiteRedirectLocation !== undefined;
  if (same && !changes) {
    throw invalidRequest(
      "This copy request is illegal because it is trying to copy an object to itself without changing the object's metadata, storage class, website redirect location or encryption attributes.",
    );
  }
}

/** The checksum of a copy: as asked, else of the source's kind, else S3's own. Composite ones become full ones, for the copy is one piece. */
function checksumOfCopy(input: CopyObjectCommandInput, row: VersionRow): ChecksumAlgorithm {
  if (input.ChecksumAlgorithm === undefined) return row.checksum?.algorithm ?? 'CRC64NVME';
  const asked = algorithmOf(input.ChecksumAlgorithm);
  if (asked === undefined)
    throw invalidRequest(
      'Checksum algorithm provided is unsupported. Please try again with any of the valid types: [CRC32, CRC32C, CRC64NVME, SHA1, SHA256]',
    );
  return asked;
}

export const copyHandlers: HandlersOf<S3> = {
  /** The copy is a new object of its own, encrypted as its bucket has it, with an ACL of its own. */
  async CopyObject(input, ctx) {
    const bucket = await requireBucket(ctx, input);
    const { Key: key = '' } = input;
    checkKey(key);
    checkWriteCondition(input);
    const { VersionId: version } = readCopySource(input.CopySource);
    if (version !== undefined && !isVersionId(version)) throw invalidRequest('Invalid Request');
    const source = await openSource(ctx, input);
    const { row } = source;
    if (row.bytes > putBytesMax) {
      throw invalidRequest(
        `The specified copy source is larger than the maximum allowable size for a copy source: ${putBytesMax}`,
      );
    }
    refuseNothingChanged(input, row);
    const owner = ownerOf(ctx, bucket, input);
    const description = await describeCopy(ctx, input, bucket, owner, row);
    const algorithm = checksumOfCopy(input, row);
    const sealing = await newSealing(ctx, bucket, key, input);
    const stored = await storeContent(ctx, await openPieces(ctx, source, 0, row.bytes), sealing.key, [algorithm]);
    const checksum: ChecksumValue = { algorithm, type: 'FULL_OBJECT', value: stored.checksums.get(algorithm) ?? '' };
    try {
      const copy = await atBucket(ctx, bucket).transact(async (tx) => {
        const committed = await commitVersion(
          tx,
          ctx,
          bucket.name,
          {
            key,
            created: ctx.now,
            owner,
            bytes: stored.bytes,
            etag: etagOf(ctx, sealing, stored.md5),
            contents: stored.row === undefined ? [] : [{ id: stored.row.id, bytes: stored.bytes }],
            seal: sealing.seal,
            checksum,
            ...description,
          },
          { IfMatch: input.IfMatch, IfNoneMatch: input.IfNoneMatch },
        );
        if (stored.row !== undefined) await tx.table(Contents).put(stored.row);
        await announceCreated(tx, ctx, committed.bucket, committed.row, 'CopyObject');
        return committed.row;
      });
      await keepContent(ctx, stored.row);
      return {
        CopyObjectResult: { ETag: `"${copy.etag}"`, LastModified: new Date(copy.created), ...describeChecksum(copy.checksum) },
        ...describeSeal(copy.seal),
        ...(source.bucket.versioning === undefined ? {} : { CopySourceVersionId: row.versionId }),
        ...(bucket.versioning === undefined ? {} : { VersionId: copy.versionId }),
      };
    } catch (error) {
      if (error instanceof AwsError) await discardContent(ctx, stored.row);
      throw error;
    }
  },

  async UploadPartCopy(input, ctx) {
    const bucket = await requireBucket(ctx, input);
    const source = await openSource(ctx, input);
    const { row } = source;
    const range =
      input.CopySourceRange === undefined ? { start: 0, end: row.bytes } : readCopyRange(input.CopySourceRange, row.bytes);
    if (range.end - range.start > putBytesMax) {
      throw invalidRequest(
        `The specified copy source is larger than the maximum allowable size for a copy source: ${putBytesMax}`,
      );
    }
    const pieces = await openPieces(ctx, source, range.start, range.end);
    const { part, upload, sent } = await putPart(ctx, bucket, input as unknown as Record<string, unknown>, pieces);
    return {
      CopyPartResult: { ETag: `"${part.etag}"`, LastModified: new Date(part.modified), ...sent },
      ...describeSeal(upload.seal),
      ...(source.bucket.versioning === undefined ? {} : { CopySourceVersionId: row.versionId }),
    };
  },
};

/** Unlike a GET's, a copy's range must name both ends, and lie within the source. */
function readCopyRange(header: string, bytes: number): { start: number; end: number } {
  const range = /^bytes=\d+-\d+$/.test(header) ? readRange(header, bytes) : undefined;
  if (range === undefined) {
    const text =
      'The x-amz-copy-source-range value must be of the form bytes=first-last where first and last are the zero-based offsets of the first and last bytes to copy';
    throw invalidArgument(text, 'x-amz-copy-source-range', header);
  }
  if (Number(header.slice(header.lastIndexOf('-') + 1)) >= bytes) {
    throw invalidArgument(`Range specified is not valid for source object of size: ${bytes}`, 'x-amz-copy-source-range', header);
  }
  return range;
}

async function sourceChecks(ctx: Context, ask: SourceAsk): Promise<Check[]> {
  const { there, source } = await sourceContext(ctx, ask);
  return readChecks(there, source, source.VersionId === undefined ? 's3:GetObject' : 's3:GetObjectVersion');
}

export const copyChecks: AuthorisationsOf<S3> = {
  CopyObject: async (input, ctx) => [
    ...(await writeChecks(ctx, input as unknown as Record<string, unknown>, 's3:PutObject')),
    ...(await sourceChecks(ctx, input)),
  ],
  UploadPartCopy: async (input, ctx) => [await objectCheck(ctx, input, 's3:PutObject'), ...(await sourceChecks(ctx, input))],
};
