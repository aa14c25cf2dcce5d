import { randomUUID } from 'node:crypto';
import { S3 } from '@aws-sdk/client-s3';
import { expect, test } from 'vitest';
import { refused } from '../../support/cloud.ts';
import { newKey, policy, rooted, statement } from './support.ts';

test('KMS-004 who may read an encrypted object is decided by the key’s policy, IAM policies and grants', async () => {
  const root = rooted();
  const { account, iam, kms } = root;
  const s3 = new S3({ ...account.config(), forcePathStyle: true });
  const Bucket = `b-${randomUUID()}`;
  await s3.createBucket({ Bucket });
  const KeyId = await newKey(kms);
  const put = { Bucket, Body: 'secret', ServerSideEncryption: 'aws:kms', SSEKMSKeyId: KeyId } as const;
  await s3.putObject({ ...put, Key: 'open' });
  await iam.createUser({ UserName: 'reader' });
  const allow = (...actions: string[]) =>
    iam.putUserPolicy({ UserName: 'reader', PolicyName: 'p', PolicyDocument: policy(statement('Allow', actions)) });
  const { AccessKey } = await iam.createAccessKey({ UserName: 'reader' });
  const reader = new S3({ ...account.configFor(AccessKey ?? {}), forcePathStyle: true });
  const arn = `arn:aws:iam::${account.id}:user/reader`;
  const read = async () => (await reader.getObject({ Bucket, Key: 'open' })).Body?.transformToString();

  await allow('s3:GetObject');
  await refused(read(), 'AccessDenied', undefined, 403);
  await allow('s3:GetObject', 'kms:Decrypt');
  expect(await read()).toBe('secret');
  await allow('s3:GetObject');
  const { GrantId } = await kms.createGrant({ KeyId, GranteePrincipal: arn, Operations: ['Decrypt'] });
  expect(await read()).toBe('secret');
  await kms.revokeGrant({ KeyId, GrantId });
  await refused(read(), 'AccessDenied', undefined, 403);
  // Under a policy that does not name the account, IAM policies alone allow nothing.
  await iam.createUser({ UserName: 'holder' });
  const Policy = policy(statement('Allow', 'kms:*', { Principal: { AWS: `arn:aws:iam::${account.id}:user/holder` } }));
  await kms.putKeyPolicy({ KeyId, Policy, BypassPolicyLockoutSafetyCheck: true });
  await allow('s3:GetObject', 'kms:*');
  await refused(read(), 'AccessDenied', undefined, 403);
});
