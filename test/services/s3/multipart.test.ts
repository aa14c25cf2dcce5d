/** Multipart uploads. */
import { createHash } from 'node:crypto';
import { Upload } from '@aws-sdk/lib-storage';
import { S3Client } from '@aws-sdk/client-s3';
import { describe, expect, test } from 'vitest';
import { refused } from '../../support/cloud.ts';
import { freshBucket, type TestBucket, textOf } from './support.ts';

const mebibyte = 1 << 20;
const Key = 'parts';
const unknown =
  'The specified upload does not exist. The upload ID may be invalid, or the upload may have been aborted or completed.';

function piece(number: number, bytes = 5 * mebibyte): Buffer {
  return Buffer.alloc(bytes, `part ${number} `);
}

async function begin({ s3, Bucket }: TestBucket): Promise<string> {
  return (await s3.createMultipartUpload({ Bucket, Key })).UploadId ?? '';
}

async function send({ s3, Bucket }: TestBucket, UploadId: string, PartNumber: number, Body: Buffer) {
  const { ETag } = await s3.uploadPart({ Bucket, Key, UploadId, PartNumber, Body });
  return { PartNumber, ETag };
}

describe('an upload in parts', () => {
  test('S3-045 takes them in any order and at once, and puts them together', async () => {
    const at = await freshBucket();
    const { s3, Bucket } = at;
    const UploadId = await begin(at);
    const bodies = new Map([3, 1, 2].map((number) => [number, piece(number, number === 3 ? 1000 : 5 * mebibyte + number)]));
    const sent = await Promise.all([...bodies].map(([number, body]) => send(at, UploadId, number, body)));
    const Parts = sent.sort((a, b) => a.PartNumber - b.PartNumber);
    const { ETag } = await s3.completeMultipartUpload({ Bucket, Key, UploadId, MultipartUpload: { Parts } });
    const md5s = Parts.map(({ PartNumber }) =>
      createHash('md5')
        .update(bodies.get(PartNumber) ?? '')
        .digest(),
    );
    expect(ETag).toBe(`"${createHash('md5').update(Buffer.concat(md5s)).digest('hex')}-3"`);
    const whole = Buffer.concat([1, 2, 3].map((number) => bodies.get(number) ?? Buffer.alloc(0)));
    const got = Buffer.from((await (await s3.getObject({ Bucket, Key })).Body?.transformToByteArray()) ?? []);
    expect(got.equals(whole)).toBe(true);
    const border = 5 * mebibyte + 1;
    expect(await textOf(s3, { Bucket, Key, Range: `bytes=${border - 4}-${border + 3}` })).toBe(
      whole.subarray(border - 4, border + 4).toString(),
    );
    const second = await s3.getObject({ Bucket, Key, PartNumber: 3 });
    expect([second.PartsCount, second.ContentLength, second.$metadata.httpStatusCode]).toEqual([3, 1000, 206]);
    await refused(
      s3.getObject({ Bucket, Key, PartNumber: 4 }),
      'InvalidPartNumber',
      'The requested partnumber is not satisfiable',
      416,
    );
  });

  test('S3-046 goes on where it was interrupted, or is given up', async () => {
    const at = await freshBucket();
    const { s3, Bucket } = at;
    const UploadId = await begin(at);
    const one = await send(at, UploadId, 1, piece(1));
    const three = await send(at, UploadId, 3, piece(3));
    const { Parts } = await s3.listParts({ Bucket, Key, UploadId });
    expect(Parts?.map(({ PartNumber, Size, ETag }) => [PartNumber, Size, ETag])).toEqual([
      [1, 5 * mebibyte, one.ETag],
      [3, 5 * mebibyte, three.ETag],
    ]);
    const two = await send(at, UploadId, 2, piece(2));
    await s3.completeMultipartUpload({ Bucket, Key, UploadId, MultipartUpload: { Parts: [one, two, three] } });
    const got = Buffer.from((await (await s3.getObject({ Bucket, Key })).Body?.transformToByteArray()) ?? []);
    expect(got.equals(Buffer.concat([piece(1), piece(2), piece(3)]))).toBe(true);
    const other = await begin(at);
    await send(at, other, 1, piece(1));
    expect((await s3.listMultipartUploads({ Bucket })).Uploads?.map((upload) => upload.UploadId)).toEqual([other]);
    await s3.abortMultipartUpload({ Bucket, Key, UploadId: other });
    await refused(s3.listParts({ Bucket, Key, UploadId: other }), 'NoSuchUpload', unknown, 404);
    expect((await s3.listMultipartUploads({ Bucket })).Uploads).toBeUndefined();
  });

  test('refuses parts that do not fit', async () => {
    const at = await freshBucket();
    const { s3, Bucket } = at;
    const UploadId = await begin(at);
    const small = await send(at, UploadId, 1, piece(1, mebibyte));
    const last = await send(at, UploadId, 2, piece(2, mebibyte));
    const complete = (Parts: { PartNumber: number; ETag: string | undefined }[]) =>
      s3.completeMultipartUpload({ Bucket, Key, UploadId, MultipartUpload: { Parts } });
    await refused(
      complete([small, last]),
      'EntityTooSmall',
      'Your proposed upload is smaller than the minimum allowed size',
      400,
    );
    await refused(complete([last, small]), 'InvalidPartOrder', /^The list of parts was not in ascending order/, 400);
    await refused(
      complete([{ ...small, ETag: '"0"' }]),
      'InvalidPart',
      /^One or more of the specified parts could not be found/,
      400,
    );
    await refused(complete([{ PartNumber: 7, ETag: small.ETag }]), 'InvalidPart', undefined, 400);
    await refused(complete([]), 'MalformedXML', undefined, 400);
    const number = 'Part number must be an integer between 1 and 10000, inclusive';
    for (const wrong of [0, 10_001]) await refused(send(at, UploadId, wrong, piece(1, 10)), 'InvalidArgument', number, 400);
    await refused(send(at, 'none', 1, piece(1, 10)), 'NoSuchUpload', unknown, 404);
    await complete([small]);
    expect((await s3.headObject({ Bucket, Key })).ContentLength).toBe(mebibyte);
    await refused(complete([small]), 'NoSuchUpload', unknown, 404);
  });

  test('numbers parts up to ten thousand', async () => {
    const at = await freshBucket();
    const { s3, Bucket } = at;
    const UploadId = await begin(at);
    await send(at, UploadId, 10_000, piece(10_000, 10));
    expect((await s3.listParts({ Bucket, Key, UploadId, MaxParts: 1 })).NextPartNumberMarker).toBe('10000');
  });

  test('has a checksum of its parts or of the whole', async () => {
    const at = await freshBucket();
    const { s3, Bucket } = at;
    for (const [ChecksumAlgorithm, ChecksumType] of [
      ['SHA256', 'COMPOSITE'],
      ['CRC32', 'COMPOSITE'],
      ['CRC32C', 'FULL_OBJECT'],
      ['CRC64NVME', 'FULL_OBJECT'],
    ] as const) {
      const { UploadId } = await s3.createMultipartUpload({ Bucket, Key, ChecksumAlgorithm, ChecksumType });
      const Parts = [];
      for (const PartNumber of [1, 2]) {
        const part = await s3.uploadPart({ Bucket, Key, UploadId, PartNumber, Body: piece(PartNumber), ChecksumAlgorithm });
        Parts.push({ ...part, PartNumber, $metadata: undefined });
      }
      const done = await s3.completeMultipartUpload({ Bucket, Key, UploadId, MultipartUpload: { Parts }, ChecksumType });
      expect(done.ChecksumType).toBe(ChecksumType);
      const member = `Checksum${ChecksumAlgorithm}` as const;
      if (ChecksumType === 'COMPOSITE') expect(done[member]).toMatch(/-2$/);
      else {
        const single = await s3.putObject({
          Bucket,
          Key: 'single',
          Body: Buffer.concat([piece(1), piece(2)]),
          ChecksumAlgorithm,
        });
        expect(done[member]).toBe(single[member]);
      }
    }
    await refused(
      s3.createMultipartUpload({ Bucket, Key, ChecksumAlgorithm: 'SHA256', ChecksumType: 'FULL_OBJECT' }),
      'InvalidRequest',
      'The FULL_OBJECT checksum type cannot be used with the sha256 checksum algorithm.',
      400,
    );
  });

  test('copies parts out of other objects', async () => {
    const at = await freshBucket();
    const { s3, Bucket } = at;
    await s3.putObject({ Bucket, Key: 'source', Body: Buffer.concat([piece(1), piece(2)]) });
    const UploadId = await begin(at);
    const CopySource = `${Bucket}/source`;
    const copied = await s3.uploadPartCopy({
      Bucket,
      Key,
      UploadId,
      PartNumber: 1,
      CopySource,
      CopySourceRange: `bytes=0-${5 * mebibyte - 1}`,
    });
    const whole = await s3.uploadPartCopy({ Bucket, Key, UploadId, PartNumber: 2, CopySource });
    const Parts = [copied, whole].map(({ CopyPartResult }, index) => ({ PartNumber: index + 1, ETag: CopyPartResult?.ETag }));
    await s3.completeMultipartUpload({ Bucket, Key, UploadId, MultipartUpload: { Parts } });
    const got = Buffer.from((await (await s3.getObject({ Bucket, Key })).Body?.transformToByteArray()) ?? []);
    expect(got.equals(Buffer.concat([piece(1), piece(1), piece(2)]))).toBe(true);
    const range = (CopySourceRange: string) =>
      s3.uploadPartCopy({ Bucket, Key: 'x', UploadId: 'none', PartNumber: 1, CopySource, CopySourceRange });
    await refused(range('bytes=0-'), 'InvalidArgument', /must be of the form/, 400);
    await refused(
      range(`bytes=0-${10 * mebibyte}`),
      'InvalidArgument',
      `Range specified is not valid for source object of size: ${10 * mebibyte}`,
      400,
    );
  });

  test('is what the official uploader makes of a large body', async () => {
    const { account, s3, Bucket } = await freshBucket();
    const Body = Buffer.concat([piece(1), piece(2), piece(3)]);
    const client = new S3Client({ ...account.config(), forcePathStyle: true });
    await new Upload({ client, params: { Bucket, Key, Body } }).done();
    const got = Buffer.from((await (await s3.getObject({ Bucket, Key })).Body?.transformToByteArray()) ?? []);
    expect(got.equals(Body)).toBe(true);
    expect((await s3.headObject({ Bucket, Key })).ETag).toMatch(/-3"$/);
  });
});
