/** Versions, delete markers, object lock. */
import { describe, expect, test } from 'vitest';
import { refused } from '../../support/cloud.ts';
import { freshBucket, textOf } from './support.ts';

const locked = 'Access Denied because object protected by object lock.';

describe('a versioned bucket', () => {
  test('S3-035 keeps what is overwritten, and cannot become unversioned', async () => {
    const { s3, Bucket } = await freshBucket();
    const Key = 'k';
    await s3.putObject({ Bucket, Key, Body: 'before' });
    await s3.putBucketVersioning({ Bucket, VersioningConfiguration: { Status: 'Enabled' } });
    const first = await s3.putObject({ Bucket, Key, Body: 'one' });
    const second = await s3.putObject({ Bucket, Key, Body: 'two' });
    const { Versions } = await s3.listObjectVersions({ Bucket });
    expect(Versions?.map(({ VersionId, IsLatest }) => [VersionId, IsLatest])).toEqual([
      [second.VersionId, true],
      [first.VersionId, false],
      ['null', false],
    ]);
    expect(await textOf(s3, { Bucket, Key, VersionId: first.VersionId })).toBe('one');
    expect(await textOf(s3, { Bucket, Key, VersionId: second.VersionId })).toBe('two');
    expect(await textOf(s3, { Bucket, Key, VersionId: 'null' })).toBe('before');
    const absent = `${first.VersionId?.slice(0, -1)}9`;
    await refused(
      s3.getObject({ Bucket, Key, VersionId: absent }),
      'NoSuchVersion',
      'The specified version does not exist.',
      404,
    );
    const malformed = s3.getObject({ Bucket, Key, VersionId: `${first.VersionId}x` });
    await refused(malformed, 'InvalidArgument', 'Invalid version id specified', 400);
    await refused(
      s3.putBucketVersioning({ Bucket, VersioningConfiguration: {} }),
      'IllegalVersioningConfigurationException',
      'The Versioning element must be specified',
      400,
    );
    await s3.putBucketVersioning({ Bucket, VersioningConfiguration: { Status: 'Suspended' } });
    expect((await s3.getBucketVersioning({ Bucket })).Status).toBe('Suspended');
    await s3.putObject({ Bucket, Key, Body: 'three' });
    const after = await s3.listObjectVersions({ Bucket });
    expect(after.Versions?.map(({ VersionId }) => VersionId)).toEqual(['null', second.VersionId, first.VersionId]);
  });

  test('S3-036 places a delete marker instead of deleting', async () => {
    const { s3, Bucket } = await freshBucket();
    const Key = 'k';
    await s3.putBucketVersioning({ Bucket, VersioningConfiguration: { Status: 'Enabled' } });
    const { VersionId: stored } = await s3.putObject({ Bucket, Key, Body: 'kept' });
    const { DeleteMarker, VersionId } = await s3.deleteObject({ Bucket, Key });
    expect(DeleteMarker).toBe(true);
    await refused(s3.getObject({ Bucket, Key }), 'NoSuchKey', 'The specified key does not exist.', 404);
    await refused(
      s3.getObject({ Bucket, Key, VersionId }),
      'MethodNotAllowed',
      'The specified method is not allowed against this resource.',
      405,
    );
    expect((await s3.listObjectsV2({ Bucket })).KeyCount).toBe(0);
    await refused(s3.deleteBucket({ Bucket }), 'BucketNotEmpty', undefined, 409);
    expect(await s3.deleteObject({ Bucket, Key, VersionId })).toMatchObject({ DeleteMarker: true, VersionId });
    expect(await textOf(s3, { Bucket, Key })).toBe('kept');
    await s3.deleteObject({ Bucket, Key, VersionId: stored });
    await refused(s3.getObject({ Bucket, Key }), 'NoSuchKey', 'The specified key does not exist.', 404);
    await s3.deleteBucket({ Bucket });
  });
});

describe('object lock', () => {
  test('protects versions until their time, and legal holds until they are lifted', async () => {
    const { s3, Bucket } = await freshBucket({ ObjectLockEnabledForBucket: true });
    const until = new Date(Date.now() + 86_400_000);
    const governed = await s3.putObject({
      Bucket,
      Key: 'g',
      Body: 'x',
      ObjectLockMode: 'GOVERNANCE',
      ObjectLockRetainUntilDate: until,
    });
    const held = await s3.putObject({ Bucket, Key: 'h', Body: 'x', ObjectLockLegalHoldStatus: 'ON' });
    const bound = await s3.putObject({
      Bucket,
      Key: 'c',
      Body: 'x',
      ObjectLockMode: 'COMPLIANCE',
      ObjectLockRetainUntilDate: until,
    });
    for (const [Key, { VersionId }] of Object.entries({ g: governed, h: held, c: bound })) {
      await refused(s3.deleteObject({ Bucket, Key, VersionId }), 'AccessDenied', locked, 403);
    }
    const shorter = { Mode: 'COMPLIANCE' as const, RetainUntilDate: new Date(until.getTime() - 60_000) };
    await refused(
      s3.putObjectRetention({ Bucket, Key: 'c', Retention: shorter, BypassGovernanceRetention: true }),
      'AccessDenied',
      locked,
      403,
    );
    await refused(
      s3.deleteObject({ Bucket, Key: 'c', VersionId: bound.VersionId, BypassGovernanceRetention: true }),
      'AccessDenied',
      locked,
      403,
    );
    await s3.deleteObject({ Bucket, Key: 'g', VersionId: governed.VersionId, BypassGovernanceRetention: true });
    await s3.putObjectLegalHold({ Bucket, Key: 'h', LegalHold: { Status: 'OFF' } });
    await s3.deleteObject({ Bucket, Key: 'h', VersionId: held.VersionId });
    // A delete marker may always be placed.
    expect((await s3.deleteObject({ Bucket, Key: 'c' })).DeleteMarker).toBe(true);
  });

  test('has a default, and needs versioning', async () => {
    const { s3, Bucket } = await freshBucket();
    const ObjectLockConfiguration = {
      ObjectLockEnabled: 'Enabled' as const,
      Rule: { DefaultRetention: { Mode: 'GOVERNANCE' as const, Days: 1 } },
    };
    await refused(s3.putObjectLockConfiguration({ Bucket, ObjectLockConfiguration }), 'InvalidBucketState', undefined, 409);
    await refused(s3.getObjectLockConfiguration({ Bucket }), 'ObjectLockConfigurationNotFoundError', undefined, 404);
    await refused(
      s3.putObject({ Bucket, Key: 'k', Body: 'x', ObjectLockLegalHoldStatus: 'ON' }),
      'InvalidRequest',
      'Bucket is missing Object Lock Configuration',
      400,
    );
    await s3.putBucketVersioning({ Bucket, VersioningConfiguration: { Status: 'Enabled' } });
    await s3.putObjectLockConfiguration({ Bucket, ObjectLockConfiguration });
    const { VersionId } = await s3.putObject({ Bucket, Key: 'k', Body: 'x' });
    expect((await s3.getObjectRetention({ Bucket, Key: 'k' })).Retention?.Mode).toBe('GOVERNANCE');
    await refused(s3.deleteObject({ Bucket, Key: 'k', VersionId }), 'AccessDenied', locked, 403);
    await refused(
      s3.putBucketVersioning({ Bucket, VersioningConfiguration: { Status: 'Suspended' } }),
      'InvalidBucketState',
      'An Object Lock configuration is present on this bucket, so the versioning state cannot be changed.',
      409,
    );
  });
});
