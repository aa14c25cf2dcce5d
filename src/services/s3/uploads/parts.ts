/** Parts of uploads: sent in any order and as often as wanted, listed, and put together in the end. */
import type { CompletedPart, S3 } from '@aws-sdk/client-s3';
import { createHash } from 'node:crypto';
import type { ChecksumAlgorithm } from '../../../base/checksum.ts';
import type { Context } from '../../../kernel/context.ts';
import { abortMembers } from '../buckets/lifecycle.ts';
import { AwsError } from '../../../kernel/errors.ts';
import type { AuthorisationsOf, HandlersOf } from '../../../kernel/service.ts';
import { objectCheck, writeConditions } from '../access/checks.ts';
import {
  checkContent,
  checkMd5Form,
  describeChecksum,
  expectedChecksum,
  joinChecksums,
  memberOf,
  sentChecksum,
} from '../checksums.ts';
import { type Body, bodyOf, discardContent, dropContents, keepContent, type StoredContent, storeContent } from '../contents.ts';
import { badDigest, invalidArgument, invalidRequest, malformedXml, s3Error } from '../errors.ts';
import { announceCreated } from '../events.ts';
import { atBucket, requireBucket } from '../lookup.ts';
import { checkWriteCondition, commitVersion, sameEtag } from '../objects/commit.ts';
import { checkLength } from '../objects/put.ts';
import { canonicalId, partBytesMin, partsMax } from '../rules.ts';
import { type CustomerKeyAsk, describeSeal, openSeal } from '../sealing.ts';
import { type BucketRow, type ChecksumValue, Contents, type PartRow, Parts, type UploadRow } from '../state.ts';
import { removeUpload, requireUpload, type UploadAsk } from './uploads.ts';

/** Throws InvalidArgument. */
function checkPartNumber(number: number | undefined): number {
  if (number === undefined || !Number.isInteger(number) || number < 1 || number > partsMax) {
    throw invalidArgument(`Part number must be an integer between 1 and ${partsMax}, inclusive`, 'partNumber', String(number));
  }
  return number;
}

export interface PartAsk extends UploadAsk, CustomerKeyAsk {
  PartNumber?: number | undefined;
  ContentMD5?: string | undefined;
}

/** Stores one part, in place of an earlier one of its number. Throws NoSuchUpload also when the upload ends meanwhile. */
export async function putPart(
  ctx: Context,
  bucket: BucketRow,
  ask: PartAsk & Readonly<Record<string, unknown>>,
  body: Body | AsyncIterable<Uint8Array>,
): Promise<{ part: PartRow; upload: UploadRow; sent: Record<string, string> }> {
  const number = checkPartNumber(ask.PartNumber);
  const upload = await requireUpload(ctx, ask);
  checkMd5Form(ask.ContentMD5);
  const expected = expectedChecksum(ask, body, upload.checksum?.algorithm);
  if (upload.checksum !== undefined && expected.algorithm !== upload.checksum.algorithm) {
    const text = `Checksum Type mismatch occurred, expected checksum Type: ${upload.checksum.algorithm.toLowerCase()}, actual checksum Type: ${expected.algorithm.toLowerCase()}`;
    throw invalidRequest(text);
  }
  const key = await openSeal(ctx, bucket.region, upload.seal, ask);
  // An upload begun without a checksum gets S3's own over the whole, whatever the parts bring.
  const kept = upload.checksum?.algorithm ?? 'CRC64NVME';
  const stored = await storeContent(ctx, body, key, [...new Set([expected.algorithm, kept])]);
  try {
    const value = await checkContent(stored, body, expected, ask.ContentMD5);
    const part = await commitPart(ctx, bucket, {
      ask,
      number,
      stored,
      checksum: { algorithm: kept, value: stored.checksums.get(kept) ?? '' },
    });
    await keepContent(ctx, stored.row);
    return { part, upload, sent: { [memberOf(expected.algorithm)]: value } };
  } catch (error) {
    if (error instanceof AwsError) await discardContent(ctx, stored.row);
    throw error;
  }
}

interface NewPart {
  ask: UploadAsk;
  number: number;
  stored: StoredContent;
  checksum: { algorithm: ChecksumAlgorithm; value: string };
}

async function commitPart(ctx: Context, bucket: BucketRow, { ask, number, stored, checksum }: NewPart): Promise<PartRow> {
  return atBucket(ctx, bucket).transact(async (tx) => {
    const upload = await requireUpload(tx, ask);
    const old = await tx.table(Parts).get(upload.id, number);
    if (old !== undefined) await dropContents(tx, [{ id: old.content, bytes: old.bytes }]);
    const row: PartRow = {
      uploadId: upload.id,
      number,
      bytes: stored.bytes,
      etag: stored.md5.toString('hex'),
      modified: ctx.now,
      content: stored.row?.id ?? '',
      checksum,
    };
    await tx.table(Parts).put(row);
    if (stored.row !== undefined) await tx.table(Contents).put(stored.row);
    return row;
  });
}

/** A part's checksum as members of an answer; shown when the upload was begun with one, or the client sent it. */
function describePart(part: PartRow): Record<string, string> {
  return part.checksum === undefined ? {} : { [memberOf(part.checksum.algorithm)]: part.checksum.value };
}

/** The parts that a client wants put together, in its order. Throws MalformedXML, InvalidPartOrder, InvalidPart, EntityTooSmall, InvalidRequest. */
function chooseParts(asked: readonly CompletedPart[], stored: readonly PartRow[], upload: UploadRow): PartRow[] {
  if (asked.length === 0 || asked.length > partsMax) throw malformedXml();
  const byNumber = new Map(stored.map((part) => [part.number, part]));
  let before = 0;
  const chosen = asked.map((one) => {
    const number = one.PartNumber ?? 0;
    if (number <= before)
      throw s3Error(
        'InvalidPartOrder',
        'The list of parts was not in ascending order. Parts must be ordered by part number.',
        400,
        { UploadId: upload.id },
      );
    before = number;
    const part = byNumber.get(number);
    if (part === undefined || one.ETag === undefined || !sameEtag(one.ETag, part.etag)) throw invalidPart(upload, one);
    checkPartChecksum(one, part, upload);
    return part;
  });
  for (const [index, part] of chosen.entries()) {
    if (index === chosen.length - 1 || part.bytes >= partBytesMin) continue;
    const members = {
      ProposedSize: String(part.bytes),
      MinSizeAllowed: String(partBytesMin),
      PartNumber: String(part.number),
      ETag: part.etag,
    };
    throw s3Error('EntityTooSmall', 'Your proposed upload is smaller than the minimum allowed size', 400, members);
  }
  return chosen;
}

function invalidPart(upload: UploadRow, { PartNumber, ETag }: CompletedPart): AwsError {
  const text =
    "One or more of the specified parts could not be found.  The part may not have been uploaded, or the specified entity tag may not match the part's entity tag.";
  return s3Error('InvalidPart', text, 400, { UploadId: upload.id, PartNumber: String(PartNumber ?? ''), ETag: ETag ?? '' });
}

/** A composite checksum is made of parts' checksums that the client repeats. */
function checkPartChecksum(asked: CompletedPart, part: PartRow, upload: UploadRow): void {
  const { checksum } = upload;
  if (checksum === undefined || part.checksum === undefined) return;
  const sent = asked[memberOf(checksum.algorithm)];
  if (sent === undefined && checksum.type === 'COMPOSITE') {
    const text = `The upload was created using a ${checksum.algorithm.toLowerCase()} checksum. The complete request must include the checksum for each part. It was missing for part ${part.number} in the request.`;
    throw invalidRequest(text);
  }
  if (sent !== undefined && sent !== part.checksum.value) throw invalidPart(upload, asked);
}

/** The checksum of the finished object; none when parts came with different algorithms. Throws BadDigest for another than the client promised. */
function finishChecksum(
  upload: UploadRow,
  parts: readonly PartRow[],
  ask: Readonly<Record<string, unknown>>,
): ChecksumValue | undefined {
  const kind = upload.checksum ?? { algorithm: 'CRC64NVME', type: 'FULL_OBJECT' };
  if (parts.some(({ checksum }) => checksum?.algorithm !== kind.algorithm)) return undefined;
  const joined = joinChecksums(
    kind,
    parts.map(({ checksum, bytes }) => ({ checksum: checksum?.value ?? '', bytes })),
  );
  const sent = sentChecksumOfWhole(ask, kind.algorithm);
  if (sent !== undefined && sent !== joined.value.replace(/-\d+$/, '') && sent !== joined.value)
    throw badDigest(kind.algorithm.toLowerCase());
  return joined;
}

function sentChecksumOfWhole(ask: Readonly<Record<string, unknown>>, algorithm: ChecksumAlgorithm): string | undefined {
  const composite = ask[memberOf(algorithm)];
  if (typeof composite === 'string' && /-\d+$/.test(composite)) return composite;
  const sent = sentChecksum(ask);
  return sent?.algorithm === algorithm ? sent.value : undefined;
}

/** The entity tag of parts: MD5 of their MD5s, and their number. */
function etagOfParts(parts: readonly PartRow[]): string {
  const hash = createHash('md5');
  for (const { etag } of parts) hash.update(Buffer.from(etag, 'hex'));
  return `${hash.digest('hex')}-${parts.length}`;
}

export const partHandlers: HandlersOf<S3> = {
  async UploadPart(input, ctx) {
    const bucket = await requireBucket(ctx, input);
    const body = bodyOf(input.Body);
    checkLength(body);
    const { part, upload, sent } = await putPart(ctx, bucket, input as unknown as Record<string, unknown>, body);
    return { ETag: `"${part.etag}"`, ...sent, ...describeSeal(upload.seal) };
  },

  async ListParts(input, ctx) {
    await requireBucket(ctx, input);
    const upload = await requireUpload(ctx, input);
    const { MaxParts: asked = 1000, PartNumberMarker: marker } = input;
    if (asked < 0)
      throw invalidArgument('Argument max-parts must be an integer between 0 and 2147483647', 'max-parts', String(asked));
    const limit = Math.min(asked, 1000);
    const from = Number(marker ?? 0);
    if (!Number.isInteger(from) || from < 0)
      throw invalidArgument(
        'Argument part-number-marker must be an integer between 0 and 2147483647',
        'part-number-marker',
        marker,
      );
    const rows = await ctx.table(Parts).list({ prefix: [upload.id], after: [upload.id, from], limit: limit + 1 });
    const page = rows.slice(0, limit);
    const more = rows.length > limit;
    return {
      Bucket: upload.bucket,
      Key: upload.key,
      UploadId: upload.id,
      ...(await abortMembers(ctx, upload.bucket, upload)),
      PartNumberMarker: String(from),
      MaxParts: limit,
      IsTruncated: more,
      ...(page.length === 0 ? {} : { NextPartNumberMarker: String(page.at(-1)?.number) }),
      Parts: page.map((part) => ({
        PartNumber: part.number,
        LastModified: new Date(part.modified),
        ETag: `"${part.etag}"`,
        Size: part.bytes,
        ...(upload.checksum === undefined ? {} : describePart(part)),
      })),
      Initiator: { ID: upload.initiator.id, DisplayName: upload.initiator.name },
      Owner: { ID: canonicalId(upload.owner) },
      StorageClass: upload.storageClass as 'STANDARD',
      ...(upload.checksum === undefined
        ? {}
        : { ChecksumAlgorithm: upload.checksum.algorithm, ChecksumType: upload.checksum.type }),
    };
  },

  /** The parts named become the object; others of the upload are dropped. Nothing is copied. */
  async CompleteMultipartUpload(input, ctx) {
    const bucket = await requireBucket(ctx, input);
    checkWriteCondition(input);
    const { row } = await atBucket(ctx, bucket).transact(async (tx) => {
      const upload = await requireUpload(tx, input);
      const parts = chooseParts(input.MultipartUpload?.Parts ?? [], await tx.table(Parts).list({ prefix: [upload.id] }), upload);
      const bytes = parts.reduce((sum, part) => sum + part.bytes, 0);
      if (input.MpuObjectSize !== undefined && Number(input.MpuObjectSize) !== bytes) {
        throw invalidRequest("The provided 'x-amz-mp-object-size' header does not match the size of the object.");
      }
      const {
        id: _id,
        initiated: _initiated,
        initiator: _initiator,
        bucket: _bucket,
        checksum: _checksum,
        ...description
      } = upload;
      const committed = await commitVersion(
        tx,
        ctx,
        bucket.name,
        {
          ...description,
          created: ctx.now,
          bytes,
          etag: etagOfParts(parts),
          contents: parts.map((part) => ({
            id: part.content,
            bytes: part.bytes,
            number: part.number,
            checksum: part.checksum?.value,
          })),
          checksum: finishChecksum(upload, parts, input as unknown as Record<string, unknown>),
          multipart: true,
        },
        input,
      );
      await removeUpload(tx, upload, new Set(parts.map(({ content }) => content)));
      await announceCreated(tx, ctx, committed.bucket, committed.row, 'CompleteMultipartUpload');
      return committed;
    });
    return {
      Location: `http://${bucket.name}.s3.amazonaws.com/${encodeURIComponent(row.key)}`,
      Bucket: bucket.name,
      Key: row.key,
      ETag: `"${row.etag}"`,
      ...describeChecksum(row.checksum),
      ...describeSeal(row.seal),
      ...(bucket.versioning === undefined ? {} : { VersionId: row.versionId }),
    };
  },
};

export const partChecks: AuthorisationsOf<S3> = {
  UploadPart: async (input, ctx) => [await objectCheck(ctx, input, 's3:PutObject', writeConditions({}))],
  ListParts: async (input, ctx) => [await objectCheck(ctx, input)],
  CompleteMultipartUpload: async (input, ctx) => [
    await objectCheck(ctx, input, 's3:PutObject', writeConditions({ IfMatch: input.IfMatch, IfNoneMatch: input.IfNoneMatch })),
  ],
};
