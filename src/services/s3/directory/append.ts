/** Appending: PutObject with WriteOffsetBytes, in directory buckets alone ("Appending data to objects in directory buckets"). */
import type { PutObjectCommandInput } from '@aws-sdk/client-s3';
import type { Context } from '../../../kernel/context.ts';
import { AwsError } from '../../../kernel/errors.ts';
import { checkContent, checkMd5Form, expectedChecksum, joinChecksums } from '../checksums.ts';
import { type Body, discardContent, keepContent, storeContent } from '../contents.ts';
import { invalidRequest, methodNotAllowed, noSuchKey, s3Error } from '../errors.ts';
import { currentVersion, requireBucket } from '../lookup.ts';
import { changeVersion, checkCondition } from '../objects/commit.ts';
import { checkLength } from '../objects/put.ts';
import { openSeal } from '../sealing.ts';
import { Contents, type VersionRow } from '../state.ts';

/** Parts that an object may have been appended from. */
const partsMax = 10_000;

function wrongOffset(offset: number, bytes: number): AwsError {
  const text = 'The write offset value that you specified does not match the current object size.';
  return s3Error('InvalidWriteOffset', text, 400, { WriteOffset: String(offset), ObjectSize: String(bytes) });
}

/**
 * Adds bytes at the end of an object that is there. They get the seal of the object, so that it stays one. Throws NoSuchKey, InvalidWriteOffset when
 * the offset is not the end, also when somebody else was faster, InvalidRequest for another checksum algorithm than the object's, TooManyParts.
 */
export async function appendObject(
  ctx: Context,
  input: Omit<PutObjectCommandInput, 'Body'> & { WriteOffsetBytes: number },
  body: Body,
): Promise<VersionRow> {
  const bucket = await requireBucket(ctx, input);
  if (bucket.zone === undefined) throw methodNotAllowed('PutObject', 'OBJECT');
  const { Key: key = '', WriteOffsetBytes: offset } = input;
  const found = await currentVersion(ctx, bucket.name, key);
  if (found === undefined) throw noSuchKey(key);
  if (found.bytes !== offset) throw wrongOffset(offset, found.bytes);
  checkLength(body);
  checkMd5Form(input.ContentMD5);
  const { checksum, seal } = found;
  if (seal === undefined || checksum === undefined || checksum.type !== 'FULL_OBJECT' || checksum.algorithm.startsWith('SHA'))
    throw invalidRequest('This object cannot be appended to: its checksum cannot be continued.');
  const expected = expectedChecksum(input as unknown as Record<string, unknown>, body, checksum.algorithm);
  if (expected.algorithm !== checksum.algorithm)
    throw invalidRequest(`The object has a checksum of ${checksum.algorithm}; data is appended with the same.`);
  const sealKey = await openSeal(ctx, bucket.region, seal, input);
  const stored = await storeContent(ctx, body, sealKey, [expected.algorithm]);
  try {
    const value = await checkContent(stored, body, expected, input.ContentMD5);
    const row = await ctx.transact(async (tx) => {
      const current = await currentVersion(tx, bucket.name, key);
      if (current === undefined) throw noSuchKey(key);
      // The same length is not enough: another object under the key has another seal.
      if (current.bytes !== offset || current.etag !== found.etag) throw wrongOffset(offset, current.bytes);
      checkCondition(input, key, current);
      const contents = [
        ...(current.contents ?? []),
        ...(stored.row === undefined ? [] : [{ id: stored.row.id, bytes: stored.bytes }]),
      ];
      if (contents.length > partsMax)
        throw s3Error('TooManyParts', 'You have exceeded the maximum number of parts for this object.', 400);
      const pieces = [
        { checksum: checksum.value, bytes: current.bytes },
        { checksum: value, bytes: stored.bytes },
      ];
      const changed: VersionRow = {
        ...current,
        contents,
        bytes: current.bytes + stored.bytes,
        created: ctx.now,
        etag: Buffer.from(ctx.bytes(16)).toString('hex'),
        checksum: joinChecksums(checksum, pieces),
      };
      await changeVersion(tx, changed);
      if (stored.row !== undefined) await tx.table(Contents).put(stored.row);
      return changed;
    });
    await keepContent(ctx, stored.row);
    return row;
  } catch (error) {
    if (error instanceof AwsError) await discardContent(ctx, stored.row);
    throw error;
  }
}
