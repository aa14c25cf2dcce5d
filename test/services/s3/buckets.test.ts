/** Buckets: names, Regions, owners. */
import { S3 } from '@aws-sdk/client-s3';
import { describe, expect, inject, test } from 'vitest';
import { freshAccount, refused } from '../../support/cloud.ts';
import { sendSigned } from '../../support/raw.ts';
import { clientOf, freshBucket, freshName, textOf } from './support.ts';

describe('a bucket', () => {
  test('S3-004 has a name in the namespace of all accounts and lives in one Region', async () => {
    const { s3, account, Bucket } = await freshBucket();
    const other = clientOf(freshAccount());
    await refused(
      other.createBucket({ Bucket }),
      'BucketAlreadyExists',
      'The requested bucket name is not available. The bucket namespace is shared by all users of the system. Please select a different name and try again.',
      409,
    );
    const slash = await fetch(`${inject('endpoint')}/a%2Fb`, { method: 'PUT' });
    expect(slash.status).not.toBe(200);
    await refused(s3.createBucket({ Bucket: 'Not_Good' }), 'InvalidBucketName', 'The specified bucket is not valid.', 400);
    const ireland = clientOf(account, { region: 'eu-west-1' });
    const name = freshName(account);
    await ireland.createBucket({ Bucket: name, CreateBucketConfiguration: { LocationConstraint: 'eu-west-1' } });
    expect((await ireland.getBucketLocation({ Bucket: name })).LocationConstraint).toBe('eu-west-1');
    expect((await s3.getBucketLocation({ Bucket: name })).LocationConstraint).toBe('eu-west-1');
    expect((await s3.getBucketLocation({ Bucket })).LocationConstraint).toBeUndefined();
  });

  test.each([
    'ab',
    'a'.repeat(64),
    'Upper-case',
    'under_score',
    '-start',
    'end-',
    'two..dots',
    '192.168.5.4',
    'xn--start',
    'sthree-start',
    'end-s3alias',
    'end--ol-s3',
    'end.mrap',
  ])('cannot be called %s', async (Bucket) => {
    const s3 = clientOf(freshAccount());
    await refused(s3.createBucket({ Bucket }), 'InvalidBucketName', 'The specified bucket is not valid.', 400);
  });

  test('is asked for in its own Region', async () => {
    const { s3, account, Bucket } = await freshBucket();
    const ireland = clientOf(account, { region: 'eu-west-1' });
    const error = await refused(ireland.listObjectsV2({ Bucket }), 'PermanentRedirect', undefined, 301);
    expect(error).toMatchObject({ Endpoint: `${Bucket}.s3.us-east-1.amazonaws.com`, Bucket });
    expect((await s3.headBucket({ Bucket })).BucketRegion).toBe('us-east-1');
    const following = new S3({ ...account.config({ region: 'eu-west-1' }), forcePathStyle: true, followRegionRedirects: true });
    expect((await following.listObjectsV2({ Bucket })).KeyCount).toBe(0);
  });

  test('INFRA-005 keeps its objects in its Region', async () => {
    const account = freshAccount();
    const seoul = clientOf(account, { region: 'ap-northeast-2' });
    const Bucket = freshName(account);
    await seoul.createBucket({ Bucket, CreateBucketConfiguration: { LocationConstraint: 'ap-northeast-2' } });
    await seoul.putObject({ Bucket, Key: 'k', Body: 'here' });
    expect((await seoul.getBucketLocation({ Bucket })).LocationConstraint).toBe('ap-northeast-2');
    const tokyo = clientOf(account, { region: 'ap-northeast-1' });
    await refused(tokyo.getObject({ Bucket, Key: 'k' }), 'PermanentRedirect', undefined, 301);
    expect(await textOf(seoul, { Bucket, Key: 'k' })).toBe('here');
  });

  test('is made where the endpoint is', async () => {
    const account = freshAccount();
    const ireland = clientOf(account, { region: 'eu-west-1' });
    const Bucket = freshName(account);
    // The official client names the Region by itself.
    const silent = await sendSigned({
      service: 's3',
      account: account.id,
      region: 'eu-west-1',
      method: 'PUT',
      path: `/${Bucket}`,
    });
    expect(silent.status).toBe(400);
    expect(silent.body).toContain(
      '<Code>IllegalLocationConstraintException</Code><Message>The unspecified location constraint is incompatible for the region specific endpoint this request was sent to.</Message>',
    );
    await refused(
      ireland.createBucket({ Bucket, CreateBucketConfiguration: { LocationConstraint: 'eu-central-1' } }),
      'IllegalLocationConstraintException',
      'The eu-central-1 location constraint is incompatible for the region specific endpoint this request was sent to.',
      400,
    );
    await refused(
      clientOf(account).createBucket({ Bucket, CreateBucketConfiguration: { LocationConstraint: 'mars-1' as 'EU' } }),
      'InvalidLocationConstraint',
      'The specified location-constraint is not valid',
      400,
    );
  });

  test('may be made again by its owner in us-east-1 only', async () => {
    const { s3, account, Bucket } = await freshBucket();
    await s3.putObject({ Bucket, Key: 'k', Body: 'still here' });
    await s3.createBucket({ Bucket });
    expect(await textOf(s3, { Bucket, Key: 'k' })).toBe('still here');
    const ireland = clientOf(account, { region: 'eu-west-1' });
    const input = { Bucket: freshName(account), CreateBucketConfiguration: { LocationConstraint: 'eu-west-1' as const } };
    await ireland.createBucket(input);
    await refused(ireland.createBucket(input), 'BucketAlreadyOwnedByYou', /you already own it\.$/, 409);
  });

  test('is deleted with uploads on their way, and none of them comes back with its name', async () => {
    const { s3, Bucket } = await freshBucket();
    const { UploadId } = await s3.createMultipartUpload({ Bucket, Key: 'k' });
    await s3.uploadPart({ Bucket, Key: 'k', UploadId, PartNumber: 1, Body: 'x' });
    await s3.createMultipartUpload({ Bucket, Key: 'k' });
    await s3.deleteBucket({ Bucket });
    await refused(s3.uploadPart({ Bucket, Key: 'k', UploadId, PartNumber: 2, Body: 'x' }), 'NoSuchBucket', undefined, 404);
    await s3.createBucket({ Bucket });
    expect((await s3.listMultipartUploads({ Bucket })).Uploads).toBeUndefined();
    await refused(s3.listParts({ Bucket, Key: 'k', UploadId }), 'NoSuchUpload', undefined, 404);
    await refused(
      s3.completeMultipartUpload({ Bucket, Key: 'k', UploadId, MultipartUpload: { Parts: [{ PartNumber: 1, ETag: 'x' }] } }),
      'NoSuchUpload',
      undefined,
      404,
    );
  });

  test('is deleted when it is empty', async () => {
    const { s3, Bucket } = await freshBucket();
    await s3.putObject({ Bucket, Key: 'k', Body: 'x' });
    await refused(s3.deleteBucket({ Bucket }), 'BucketNotEmpty', 'The bucket you tried to delete is not empty', 409);
    await s3.deleteObject({ Bucket, Key: 'k' });
    await s3.deleteBucket({ Bucket });
    await refused(s3.getObject({ Bucket, Key: 'k' }), 'NoSuchBucket', 'The specified bucket does not exist', 404);
    await refused(s3.deleteBucket({ Bucket }), 'NoSuchBucket', 'The specified bucket does not exist', 404);
    await refused(s3.headBucket({ Bucket }), 'NotFound', undefined, 404);
  });

  test('is listed to its owner alone, by page, prefix and Region', async () => {
    const { s3, account, Bucket } = await freshBucket();
    const names = [Bucket, freshName(account), freshName(account)].sort();
    for (const name of names) await s3.createBucket({ Bucket: name });
    const first = await s3.listBuckets({ MaxBuckets: 2 });
    const second = await s3.listBuckets({ MaxBuckets: 2, ContinuationToken: first.ContinuationToken });
    expect([...(first.Buckets ?? []), ...(second.Buckets ?? [])].map(({ Name }) => Name)).toEqual(names);
    expect(second.ContinuationToken).toBeUndefined();
    expect((await s3.listBuckets({ BucketRegion: 'eu-west-1' })).Buckets).toEqual([]);
    expect((await clientOf(freshAccount()).listBuckets({})).Buckets).toEqual([]);
    await refused(s3.listBuckets({ MaxBuckets: 10_001 }), 'InvalidArgument', undefined, 400);
    await refused(
      s3.listBuckets({ ContinuationToken: 'x' }),
      'InvalidArgument',
      'The continuation token provided is incorrect',
      400,
    );
  });

  test('is addressed by path and by name', async () => {
    const { s3, account, Bucket } = await freshBucket();
    await s3.putObject({ Bucket, Key: 'dir/a b+c.txt', Body: 'same' });
    const { port } = new URL(inject('endpoint'));
    const path = '/dir/a%20b%2Bc.txt';
    expect((await sendSigned({ service: 's3', account: account.id, method: 'GET', path: `/${Bucket}${path}` })).body).toBe(
      'same',
    );
    for (const suffix of [
      's3.localhost',
      's3.us-east-1.localhost',
      'localhost.localstack.cloud',
      's3.localhost.localstack.cloud',
    ]) {
      const headers = { host: `${Bucket}.${suffix}:${port}` };
      expect(await sendSigned({ service: 's3', account: account.id, method: 'GET', path, headers })).toMatchObject({
        status: 200,
        body: 'same',
      });
    }
  });
});
