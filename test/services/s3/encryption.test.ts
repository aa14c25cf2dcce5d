/** Server-side encryption, and that bytes on disk are not the bytes that were sent. */
import { createHash, randomBytes } from 'node:crypto';
import { execFileSync } from 'node:child_process';
import { CreateAccessKeyCommand, CreateUserCommand, IAMClient, PutUserPolicyCommand } from '@aws-sdk/client-iam';
import { CreateKeyCommand, DisableKeyCommand, EnableKeyCommand, KMSClient } from '@aws-sdk/client-kms';
import { S3 } from '@aws-sdk/client-s3';
import { expect, test } from 'vitest';
import { freshAccount, refused, startOwnCloud } from '../../support/cloud.ts';
import { freshBucket, textOf } from './support.ts';

const unblocked = {
  Rules: [
    {
      ApplyServerSideEncryptionByDefault: { SSEAlgorithm: 'AES256' as const },
      BlockedEncryptionTypes: { EncryptionType: ['NONE' as const] },
    },
  ],
};

function customerKey() {
  const key = randomBytes(32);
  return {
    SSECustomerAlgorithm: 'AES256',
    SSECustomerKey: key.toString('base64'),
    SSECustomerKeyMD5: createHash('md5').update(key).digest('base64'),
  };
}

test('S3-022 every new object is encrypted with SSE-S3', async () => {
  const { s3, Bucket } = await freshBucket();
  expect((await s3.putObject({ Bucket, Key: 'k', Body: 'x' })).ServerSideEncryption).toBe('AES256');
  expect((await s3.headObject({ Bucket, Key: 'k' })).ServerSideEncryption).toBe('AES256');
  const { ServerSideEncryptionConfiguration } = await s3.getBucketEncryption({ Bucket });
  expect(ServerSideEncryptionConfiguration?.Rules?.[0]?.ApplyServerSideEncryptionByDefault).toEqual({ SSEAlgorithm: 'AES256' });
  await refused(
    s3.putObject({ Bucket, Key: 'k', Body: 'x', ServerSideEncryption: 'DES' as 'AES256' }),
    'InvalidArgument',
    undefined,
    400,
  );
});

test('S3-024 SSE-C is blocked until it is enabled', async () => {
  const { s3, Bucket } = await freshBucket();
  const key = customerKey();
  await refused(s3.putObject({ Bucket, Key: 'k', Body: 'x', ...key }), 'AccessDenied', undefined, 403);
  await s3.putBucketEncryption({ Bucket, ServerSideEncryptionConfiguration: unblocked });
  await s3.putObject({ Bucket, Key: 'k', Body: 'secret', ...key });
  expect(await textOf(s3, { Bucket, Key: 'k', ...key })).toBe('secret');
  await refused(
    s3.getObject({ Bucket, Key: 'k' }),
    'InvalidRequest',
    /^The object was stored using a form of Server Side Encryption/,
    400,
  );
  await refused(s3.getObject({ Bucket, Key: 'k', ...customerKey() }), 'AccessDenied', 'Access Denied', 403);
  await refused(
    s3.putObject({ Bucket, Key: 'k', Body: 'x', ...key, SSECustomerAlgorithm: 'AES128' }),
    'InvalidEncryptionAlgorithmError',
    'The encryption request you specified is not valid. Supported value: AES256.',
    400,
  );
  await s3.putObject({ Bucket, Key: 'plain', Body: 'x' });
  await refused(
    s3.getObject({ Bucket, Key: 'plain', ...key }),
    'InvalidRequest',
    'The encryption parameters are not applicable to this object.',
    400,
  );
});

test('S3-023 is offered with keys of S3, of KMS, doubly, and of the customer; the disk never has the plaintext', async () => {
  const cloud = await startOwnCloud();
  try {
    const account = freshAccount(cloud.endpoint);
    const s3 = new S3({ ...account.config(), forcePathStyle: true });
    const kms = new KMSClient(account.config());
    const Bucket = `sealed-${account.id}`;
    await s3.createBucket({ Bucket });
    await s3.putBucketEncryption({ Bucket, ServerSideEncryptionConfiguration: unblocked });
    const { KeyMetadata } = await kms.send(new CreateKeyCommand({}));
    const plain = `the plaintext of ${account.id} `;
    const key = customerKey();
    const kinds = {
      s3: {},
      kms: { ServerSideEncryption: 'aws:kms' as const, SSEKMSKeyId: KeyMetadata?.KeyId },
      managed: { ServerSideEncryption: 'aws:kms' as const },
      dsse: { ServerSideEncryption: 'aws:kms:dsse' as const, SSEKMSKeyId: KeyMetadata?.KeyId },
      customer: key,
    };
    for (const [name, kind] of Object.entries(kinds)) {
      for (const [size, Body] of [
        ['small', plain],
        ['large', plain.repeat(10_000)],
      ] as const) {
        await s3.putObject({ Bucket, Key: `${name}-${size}`, Body, ...kind });
        expect(await textOf(s3, { Bucket, Key: `${name}-${size}`, ...(name === 'customer' ? key : {}) })).toBe(Body);
      }
    }
    const head = (name: string, more: object = {}) => s3.headObject({ Bucket, Key: `${name}-small`, ...more });
    expect((await head('s3')).ServerSideEncryption).toBe('AES256');
    expect(await head('kms')).toMatchObject({ ServerSideEncryption: 'aws:kms', SSEKMSKeyId: KeyMetadata?.Arn });
    expect(await head('dsse')).toMatchObject({ ServerSideEncryption: 'aws:kms:dsse', SSEKMSKeyId: KeyMetadata?.Arn });
    expect((await head('managed')).SSEKMSKeyId).toMatch(/^arn:aws:kms:us-east-1:\d{12}:key\//);
    expect(await head('customer', key)).toMatchObject({
      SSECustomerAlgorithm: 'AES256',
      SSECustomerKeyMD5: key.SSECustomerKeyMD5,
    });
    await refused(s3.getObject({ Bucket, Key: 'customer-small' }), 'InvalidRequest', undefined, 400);
    // grep tells by its status whether it found something; 1 is nothing.
    expect(() => execFileSync('grep', ['-r', '-q', '-a', `the plaintext of ${account.id}`, cloud.data])).toThrow(
      expect.objectContaining({ status: 1 }),
    );
    const iam = new IAMClient(account.config());
    await iam.send(new CreateUserCommand({ UserName: 'reader' }));
    const PolicyDocument = JSON.stringify({
      Version: '2012-10-17',
      Statement: [{ Effect: 'Allow', Action: 's3:*', Resource: '*' }],
    });
    await iam.send(new PutUserPolicyCommand({ UserName: 'reader', PolicyName: 'p', PolicyDocument }));
    const { AccessKey } = await iam.send(new CreateAccessKeyCommand({ UserName: 'reader' }));
    const reader = new S3({ ...account.configFor(AccessKey ?? {}), forcePathStyle: true });
    expect(await textOf(reader, { Bucket, Key: 's3-small' })).toBe(plain);
    await refused(reader.getObject({ Bucket, Key: 'kms-small' }), 'AccessDenied', /kms:Decrypt/, 403);
    await kms.send(new DisableKeyCommand({ KeyId: KeyMetadata?.KeyId }));
    await refused(s3.getObject({ Bucket, Key: 'kms-small' }), 'KMS.DisabledException', undefined, 400);
    await kms.send(new EnableKeyCommand({ KeyId: KeyMetadata?.KeyId }));
    expect(await textOf(s3, { Bucket, Key: 'kms-small' })).toBe(plain);
  } finally {
    await cloud.stop();
  }
}, 60_000);
