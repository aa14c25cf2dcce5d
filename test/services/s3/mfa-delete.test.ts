/** MFA delete: what only the root user with a device may do. */
import type { S3 } from '@aws-sdk/client-s3';
import { expect, test } from 'vitest';
import { refused } from '../../support/cloud.ts';
import { allow, fromBase32, policy, type Rooted, rooted, totp, userWithKey } from '../iam/support.ts';
import { clientOf, freshName } from './support.ts';

const missing = 'Mfa Authentication must be used for this request';
const enabled = { Status: 'Enabled', MFADelete: 'Enabled' } as const;
const disabled = { Status: 'Enabled', MFADelete: 'Disabled' } as const;

/** A device of the root user, as headers with codes that still work, one for each step of time: two of them. */
async function rootDevice({ account, iam }: Rooted, name: string): Promise<{ serial: string; headers: [string, string] }> {
  const { VirtualMFADevice: device } = await iam.createVirtualMFADevice({ VirtualMFADeviceName: name });
  const seed = fromBase32(Buffer.from(device?.Base32StringSeed ?? []).toString());
  const serial = device?.SerialNumber ?? '';
  const time = Date.now();
  const [AuthenticationCode1, AuthenticationCode2] = [totp(seed, -2, time), totp(seed, -1, time)];
  await iam.enableMFADevice({ UserName: account.id, SerialNumber: serial, AuthenticationCode1, AuthenticationCode2 });
  return { serial, headers: [`${serial} ${totp(seed, 0, time)}`, `${serial} ${totp(seed, 1, time)}`] };
}

async function versioned(root: Rooted): Promise<{ s3: S3; Bucket: string }> {
  const s3 = clientOf(root.account);
  const Bucket = freshName(root.account);
  await s3.createBucket({ Bucket });
  await s3.putBucketVersioning({ Bucket, VersioningConfiguration: { Status: 'Enabled' } });
  return { s3, Bucket };
}

test('MFA delete keeps versions and versioning from everybody without a code of the root user', async () => {
  const root = rooted();
  const { s3, Bucket } = await versioned(root);
  const [first, second] = [await rootDevice(root, 'one'), await rootDevice(root, 'two')];
  expect(await s3.getBucketVersioning({ Bucket })).not.toHaveProperty('MFADelete');
  await refused(s3.putBucketVersioning({ Bucket, VersioningConfiguration: enabled }), 'AccessDenied', missing, 403);
  await s3.putBucketVersioning({ Bucket, VersioningConfiguration: enabled, MFA: first.headers[0] });
  expect(await s3.getBucketVersioning({ Bucket })).toMatchObject(enabled);

  const { VersionId } = await s3.putObject({ Bucket, Key: 'k', Body: 'x' });
  await refused(s3.deleteObject({ Bucket, Key: 'k', VersionId }), 'AccessDenied', missing, 403);
  // The code that turned it on was used.
  await refused(
    s3.deleteObject({ Bucket, Key: 'k', VersionId, MFA: first.headers[0] }),
    'TokenCodeInvalidError',
    'The serial number and/or token code you provided is not valid.',
    400,
  );
  for (const change of [{ Status: 'Suspended' as const }, { Status: 'Enabled' as const }, disabled])
    await refused(s3.putBucketVersioning({ Bucket, VersioningConfiguration: change }), 'AccessDenied', missing, 403);
  // A delete marker may always be placed; taking it away is deleting a version.
  const marker = await s3.deleteObject({ Bucket, Key: 'k' });
  expect(marker.DeleteMarker).toBe(true);
  await refused(s3.deleteObject({ Bucket, Key: 'k', VersionId: marker.VersionId }), 'AccessDenied', missing, 403);
  await s3.deleteObject({ Bucket, Key: 'k', VersionId: marker.VersionId, MFA: first.headers[1] });

  await s3.putObject({ Bucket, Key: 'plain', Body: 'x' });
  const Objects = [{ Key: 'plain' }, { Key: 'k', VersionId }];
  await refused(s3.deleteObjects({ Bucket, Delete: { Objects } }), 'AccessDenied', missing, 403);
  expect((await s3.listObjectsV2({ Bucket })).KeyCount, 'nothing of the refused request was done').toBe(2);
  const { Deleted, Errors } = await s3.deleteObjects({ Bucket, Delete: { Objects }, MFA: second.headers[0] });
  expect([Deleted?.map(({ Key }) => Key), Errors]).toEqual([['plain', 'k'], undefined]);

  await s3.putBucketVersioning({ Bucket, VersioningConfiguration: disabled, MFA: second.headers[1] });
  expect(await s3.getBucketVersioning({ Bucket })).toMatchObject(disabled);
  const { VersionId: later } = await s3.putObject({ Bucket, Key: 'k', Body: 'y' });
  await s3.deleteObject({ Bucket, Key: 'k', VersionId: later });
});

test('MFA delete takes the header in its form, from the bucket owner’s root user and a device of theirs', async () => {
  const root = rooted();
  const { s3, Bucket } = await versioned(root);
  const { serial, headers } = await rootDevice(root, 'mine');
  const put = (client: S3, MFA: string) => client.putBucketVersioning({ Bucket, VersioningConfiguration: enabled, MFA });
  const form = 'Mfa header is invalid -- the header should be formatted as {serialNumber}(space){tokenCode}';
  for (const header of ['123456', `${serial}123456`, `${serial} 12345`, `${serial} abcdef`])
    await refused(put(s3, header), 'InvalidArgument', form, 400);
  const other = serial.replace('mine', 'other');
  await refused(
    put(s3, `${other} 123456`),
    'NotDeviceOwnerError',
    `The device with serial number ${other} that generated token 123456 is not owned by the authenticated user`,
    400,
  );
  const { name, key } = await userWithKey(root, 'admin');
  await root.iam.putUserPolicy({ UserName: name, PolicyName: 'all', PolicyDocument: policy(allow('*')) });
  const user = clientOf({ ...root.account, config: (overrides) => ({ ...root.account.configFor(key), ...overrides }) });
  await refused(put(user, headers[0]), 'AccessDenied', 'This operation may only be performed by the bucket owner', 403);
  await put(s3, headers[0]);
  const { VersionId } = await user.putObject({ Bucket, Key: 'k', Body: 'x' });
  await refused(user.deleteObject({ Bucket, Key: 'k', VersionId }), 'AccessDenied', missing, 403);
  await refused(
    user.deleteObject({ Bucket, Key: 'k', VersionId, MFA: headers[1] }),
    'AccessDenied',
    'This operation may only be performed by the bucket owner',
    403,
  );
});

test('MFA delete and lifecycle exclude each other', async () => {
  const root = rooted();
  const { s3, Bucket } = await versioned(root);
  const { headers } = await rootDevice(root, 'phone');
  const LifecycleConfiguration = {
    Rules: [{ ID: 'r', Status: 'Enabled' as const, Filter: { Prefix: '' }, Expiration: { Days: 1 } }],
  };
  await s3.putBucketLifecycleConfiguration({ Bucket, LifecycleConfiguration });
  await refused(
    s3.putBucketVersioning({ Bucket, VersioningConfiguration: enabled, MFA: headers[0] }),
    'InvalidBucketState',
    'Mfa Authentication is not supported on a bucket with lifecycle configuration. Delete lifecycle configuration before enabling Mfa Authentication.',
    409,
  );
  await s3.deleteBucketLifecycle({ Bucket });
  await s3.putBucketVersioning({ Bucket, VersioningConfiguration: enabled, MFA: headers[1] });
  await refused(s3.putBucketLifecycleConfiguration({ Bucket, LifecycleConfiguration }), 'InvalidBucketState', undefined, 409);
});
