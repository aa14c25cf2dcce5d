/** Multipart uploads: begun, given up, listed ("Uploading and copying objects using multipart upload"). */
import type { MultipartUpload, S3 } from '@aws-sdk/client-s3';
import type { Context, Transaction } from '../../../kernel/context.ts';
import type { AuthorisationsOf, HandlersOf } from '../../../kernel/service.ts';
import { bucketCheck, listConditions, objectCheck, writeChecks } from '../access/checks.ts';
import { abortMembers } from '../buckets/lifecycle.ts';
import { algorithmOf, checkType, defaultType } from '../checksums.ts';
import { dropContents } from '../contents.ts';
import { invalidRequest, noSuchUpload } from '../errors.ts';
import { type Reading, requireBucket } from '../lookup.ts';
import { describePrefixes, readListAsk } from '../objects/list.ts';
import { ownerOf, readDescription } from '../objects/put.ts';
import { walkKeys } from '../objects/walk.ts';
import { canonicalId, checkKey } from '../rules.ts';
import { describeSeal, newSealing } from '../sealing.ts';
import { type ChecksumValue, Parts, type UploadRow, Uploads } from '../state.ts';

export interface UploadAsk {
  Bucket?: string | undefined;
  Key?: string | undefined;
  UploadId?: string | undefined;
}

/** The upload of a request. Throws NoSuchUpload. */
export async function requireUpload(
  reading: Reading,
  { Bucket: bucket = '', Key: key = '', UploadId: id = '' }: UploadAsk,
): Promise<UploadRow> {
  const row = id === '' ? undefined : await reading.table(Uploads).get(bucket, key, id);
  if (row === undefined) throw noSuchUpload(id);
  return row;
}

/** Removes an upload and the contents of all its parts, but those that `kept` names. */
export async function removeUpload(tx: Transaction, upload: UploadRow, kept: ReadonlySet<string>): Promise<void> {
  for (const part of await tx.table(Parts).list({ prefix: [upload.id] })) {
    await tx.table(Parts).delete(upload.id, part.number);
    if (!kept.has(part.content)) await dropContents(tx, [{ id: part.content, bytes: part.bytes }]);
  }
  await tx.table(Uploads).delete(upload.bucket, upload.key, upload.id);
}

function readChecksum(algorithm: string | undefined, type: string | undefined): Omit<ChecksumValue, 'value'> | undefined {
  if (algorithm === undefined) {
    if (type !== undefined)
      throw invalidRequest('The x-amz-checksum-type header can only be used with the x-amz-checksum-algorithm header.');
    return undefined;
  }
  const known = algorithmOf(algorithm);
  if (known === undefined) {
    throw invalidRequest(
      'Checksum algorithm provided is unsupported. Please try again with any of the valid types: [CRC32, CRC32C, CRC64NVME, SHA1, SHA256]',
    );
  }
  const asked = type ?? defaultType(known);
  checkType(known, asked);
  return { algorithm: known, type: asked };
}

export const uploadHandlers: HandlersOf<S3> = {
  async CreateMultipartUpload(input, ctx) {
    const bucket = await requireBucket(ctx, input);
    const { Key: key = '' } = input;
    checkKey(key);
    const checksum = readChecksum(input.ChecksumAlgorithm, input.ChecksumType);
    const owner = ownerOf(ctx, bucket, input);
    const description = await readDescription(ctx, bucket, owner, input);
    const { seal } = await newSealing(ctx, bucket, key, input);
    const row: UploadRow = {
      bucket: bucket.name,
      key,
      id: ctx.id('multipartUpload'),
      initiated: ctx.now,
      initiator: {
        id: ctx.caller.kind === 'root' ? canonicalId(ctx.caller.account) : ctx.caller.arn,
        name: ctx.caller.userName ?? '',
      },
      owner,
      seal,
      checksum,
      ...description,
    };
    await ctx.transact((tx) => tx.table(Uploads).put(row));
    return {
      Bucket: bucket.name,
      Key: key,
      UploadId: row.id,
      ...(await abortMembers(ctx, bucket.name, row)),
      ...describeSeal(seal),
      ...(checksum === undefined ? {} : { ChecksumAlgorithm: checksum.algorithm, ChecksumType: checksum.type }),
    };
  },

  async AbortMultipartUpload(input, ctx) {
    const bucket = await requireBucket(ctx, input);
    await ctx.inScope({ account: bucket.account, region: bucket.region }).transact(async (tx) => {
      await removeUpload(tx, await requireUpload(tx, input), new Set());
    });
    return {};
  },

  async ListMultipartUploads(input, ctx) {
    const { Bucket: bucket = '', KeyMarker: keyMarker = '', UploadIdMarker: idMarker = '' } = input;
    await requireBucket(ctx, input);
    const ask = readListAsk({ ...input, MaxKeys: input.MaxUploads }, 'max-uploads');
    // The upload-id marker counts only together with a key marker; uploads of that key behind it come first.
    const rest = keyMarker === '' || idMarker === '' ? [] : await uploadsBehind(ctx, bucket, keyMarker, idMarker);
    const { rows, prefixes, next } = await walkKeys(
      { ...ask, after: keyMarker, limit: Math.max(ask.limit - rest.length, 0) },
      readUploads(ctx, bucket),
    );
    const page = [...rest, ...rows];
    const last = page.at(-1);
    return {
      Bucket: bucket,
      KeyMarker: ask.encode(keyMarker),
      UploadIdMarker: idMarker,
      Prefix: ask.encode(ask.prefix),
      ...(ask.delimiter === '' ? {} : { Delimiter: ask.encode(ask.delimiter) }),
      MaxUploads: ask.maxKeys,
      IsTruncated: next !== undefined,
      ...(next === undefined
        ? {}
        : { NextKeyMarker: ask.encode(next), ...(last?.key === next ? { NextUploadIdMarker: last.id } : {}) }),
      ...(input.EncodingType === undefined ? {} : { EncodingType: input.EncodingType }),
      Uploads: page.map((row) => describeUpload(row, ask.encode)),
      CommonPrefixes: describePrefixes(prefixes, ask.encode),
    };
  },
};

function describeUpload(row: UploadRow, encode: (text: string) => string): MultipartUpload {
  return {
    UploadId: row.id,
    Key: encode(row.key),
    Initiated: new Date(row.initiated),
    StorageClass: row.storageClass as 'STANDARD',
    Owner: { ID: canonicalId(row.owner) },
    Initiator: { ID: row.initiator.id, DisplayName: row.initiator.name },
    ...(row.checksum === undefined ? {} : { ChecksumAlgorithm: row.checksum.algorithm, ChecksumType: row.checksum.type }),
  };
}

async function uploadsBehind(ctx: Context, bucket: string, key: string, id: string): Promise<UploadRow[]> {
  return ctx.table(Uploads).list({ prefix: [bucket, key], after: [bucket, key, id] });
}

/** Uploads in order of key; a batch never ends within a key, because the walk goes on behind its last key. */
function readUploads(ctx: Context, bucket: string): (from: string, inclusive: boolean, limit: number) => Promise<UploadRow[]> {
  const uploads = ctx.table(Uploads);
  return async (from, inclusive, limit) => {
    const after = from === '' ? {} : { after: inclusive ? [bucket, from] : [bucket, from, '\u{10ffff}'] };
    const rows = await uploads.list({ prefix: [bucket], ...after, limit });
    const end = rows.at(-1);
    if (end === undefined || rows.length < limit) return rows;
    return [...rows, ...(await uploads.list({ prefix: [bucket, end.key], after: [bucket, end.key, end.id] }))];
  };
}

export const uploadChecks: AuthorisationsOf<S3> = {
  CreateMultipartUpload: (input, ctx) => writeChecks(ctx, input as unknown as Record<string, unknown>),
  AbortMultipartUpload: async (input, ctx) => [await objectCheck(ctx, input)],
  ListMultipartUploads: async (input, ctx) => [
    await bucketCheck(ctx, input, undefined, listConditions({ ...input, MaxKeys: input.MaxUploads })),
  ],
};
