/** Who may do what: identities, bucket policies, ACLs, Block Public Access, requester pays. */
import { CreateAccessKeyCommand, CreateUserCommand, IAMClient, PutUserPolicyCommand } from '@aws-sdk/client-iam';
import { describe, expect, inject, test } from 'vitest';
import { freshAccount, refused, type TestAccount } from '../../support/cloud.ts';
import https from 'node:https';
import { GetObjectCommand, S3 } from '@aws-sdk/client-s3';
import { getSignedUrl } from '@aws-sdk/s3-request-presigner';
import { clientOf, freshBucket, type TestBucket, textOf } from './support.ts';

const open = { BlockPublicAcls: false, IgnorePublicAcls: false, BlockPublicPolicy: false, RestrictPublicBuckets: false };
const closed = { BlockPublicAcls: true, IgnorePublicAcls: true, BlockPublicPolicy: true, RestrictPublicBuckets: true };

function statement(Bucket: string, more: object): string {
  return JSON.stringify({
    Version: '2012-10-17',
    Statement: [{ Effect: 'Allow', Principal: '*', Action: 's3:GetObject', Resource: `arn:aws:s3:::${Bucket}/*`, ...more }],
  });
}

/** An anonymous GET. */
async function visit({ Bucket }: TestBucket, Key: string): Promise<{ status: number; body: string }> {
  const answer = await fetch(`${inject('endpoint')}/${Bucket}/${Key}`);
  return { status: answer.status, body: await answer.text() };
}

async function userOf(account: TestAccount, policy: object): Promise<S3> {
  const iam = new IAMClient(account.config());
  await iam.send(new CreateUserCommand({ UserName: 'user' }));
  await iam.send(
    new PutUserPolicyCommand({
      UserName: 'user',
      PolicyName: 'p',
      PolicyDocument: JSON.stringify({ Version: '2012-10-17', Statement: [policy] }),
    }),
  );
  const { AccessKey } = await iam.send(new CreateAccessKeyCommand({ UserName: 'user' }));
  return new S3({ ...account.configFor(AccessKey ?? {}), forcePathStyle: true });
}

describe('a new bucket', () => {
  test('S3-009 is its owner’s alone', async () => {
    const at = await freshBucket();
    const { s3, Bucket } = at;
    await s3.putObject({ Bucket, Key: 'k', Body: 'mine' });
    expect(await visit(at, 'k')).toMatchObject({ status: 403, body: expect.stringContaining('<Code>AccessDenied</Code>') });
    await refused(clientOf(freshAccount()).getObject({ Bucket, Key: 'k' }), 'AccessDenied', 'Access Denied', 403);
    expect(await textOf(s3, { Bucket, Key: 'k' })).toBe('mine');
  });

  test('S3-016 has all of Block Public Access on', async () => {
    const { s3, Bucket } = await freshBucket();
    expect((await s3.getPublicAccessBlock({ Bucket })).PublicAccessBlockConfiguration).toEqual(closed);
    const Policy = statement(Bucket, {});
    await refused(
      s3.putBucketPolicy({ Bucket, Policy }),
      'AccessDenied',
      /because public policies are prevented by the BlockPublicPolicy setting/,
      403,
    );
    await s3.putPublicAccessBlock({ Bucket, PublicAccessBlockConfiguration: { ...closed, BlockPublicPolicy: false } });
    await s3.putBucketPolicy({ Bucket, Policy });
  });
});

describe('an identity policy', () => {
  test('S3-010 allows what it says', async () => {
    const { account, s3, Bucket } = await freshBucket();
    await s3.putObject({ Bucket, Key: 'k', Body: 'x' });
    const user = await userOf(account, { Effect: 'Allow', Action: 's3:GetObject', Resource: `arn:aws:s3:::${Bucket}/*` });
    expect(await textOf(user, { Bucket, Key: 'k' })).toBe('x');
    const arn = `arn:aws:iam::${account.id}:user/user`;
    await refused(
      user.putObject({ Bucket, Key: 'k', Body: 'y' }),
      'AccessDenied',
      `User: ${arn} is not authorized to perform: s3:PutObject on resource: "arn:aws:s3:::${Bucket}/k" because no identity-based policy allows the s3:PutObject action`,
      403,
    );
    // Who may not list does not learn what is missing.
    await refused(user.getObject({ Bucket, Key: 'none' }), 'AccessDenied', /is not authorized to perform: s3:ListBucket/, 403);
    const many = await user.deleteObjects({ Bucket, Delete: { Objects: [{ Key: 'k' }] } });
    expect(many.Errors).toMatchObject([{ Key: 'k', Code: 'AccessDenied' }]);
  });
});

describe('a bucket policy', () => {
  test('S3-011 grants another account access, until it is deleted', async () => {
    const { s3, Bucket } = await freshBucket();
    await s3.putObject({ Bucket, Key: 'k', Body: 'shared' });
    const other = freshAccount();
    const user = await userOf(other, { Effect: 'Allow', Action: 's3:GetObject', Resource: `arn:aws:s3:::${Bucket}/*` });
    await refused(user.getObject({ Bucket, Key: 'k' }), 'AccessDenied', 'Access Denied', 403);
    await s3.putBucketPolicy({ Bucket, Policy: statement(Bucket, { Principal: { AWS: other.id } }) });
    expect(await textOf(user, { Bucket, Key: 'k' })).toBe('shared');
    expect(JSON.parse((await s3.getBucketPolicy({ Bucket })).Policy ?? '').Statement[0].Principal).toEqual({ AWS: other.id });
    await s3.deleteBucketPolicy({ Bucket });
    await refused(user.getObject({ Bucket, Key: 'k' }), 'AccessDenied', 'Access Denied', 403);
    await refused(s3.getBucketPolicy({ Bucket }), 'NoSuchBucketPolicy', 'The bucket policy does not exist', 404);
  });

  test('S3-012 makes all objects public, and must be a policy', async () => {
    const at = await freshBucket();
    const { s3, Bucket } = at;
    await s3.putPublicAccessBlock({ Bucket, PublicAccessBlockConfiguration: open });
    await s3.putObject({ Bucket, Key: 'a', Body: 'one' });
    await s3.putObject({ Bucket, Key: 'b/c', Body: 'two' });
    await s3.putBucketPolicy({ Bucket, Policy: statement(Bucket, {}) });
    expect([await visit(at, 'a'), await visit(at, 'b/c')]).toEqual([
      { status: 200, body: 'one' },
      { status: 200, body: 'two' },
    ]);
    expect((await s3.getBucketPolicyStatus({ Bucket })).PolicyStatus).toEqual({ IsPublic: true });
    const put = await fetch(`${inject('endpoint')}/${Bucket}/a`, { method: 'PUT', body: 'changed' });
    expect(put.status).toBe(403);
    for (const Policy of [
      'no policy',
      '{',
      '{"Version":"2012-10-17"}',
      statement('another-bucket', {}),
      statement(Bucket, { Effect: 'Perhaps' }),
    ]) {
      await refused(s3.putBucketPolicy({ Bucket, Policy }), 'MalformedPolicy', undefined, 400);
    }
  });

  test('S3-013 is at most 20 KB', async () => {
    const { s3, Bucket } = await freshBucket();
    const policy = (bytes: number): string => {
      const short = statement(Bucket, { Principal: { AWS: '111122223333' }, Sid: '' });
      return short.replace('"Sid":""', `"Sid":"${'S'.repeat(bytes - short.length)}"`);
    };
    await s3.putBucketPolicy({ Bucket, Policy: policy(20_480) });
    await refused(
      s3.putBucketPolicy({ Bucket, Policy: policy(20_481) }),
      'PolicyTooLarge',
      'Policy exceeds the maximum allowed document size.',
      400,
    );
  });

  test('denies even the owner, who can take it back', async () => {
    const { s3, Bucket } = await freshBucket();
    await s3.putObject({ Bucket, Key: 'k', Body: 'x' });
    await s3.putBucketPolicy({
      Bucket,
      Policy: statement(Bucket, {
        Effect: 'Deny',
        Action: 's3:*',
        Resource: [`arn:aws:s3:::${Bucket}`, `arn:aws:s3:::${Bucket}/*`],
      }),
    });
    await refused(s3.getObject({ Bucket, Key: 'k' }), 'AccessDenied', /with an explicit deny in a resource-based policy$/, 403);
    await s3.deleteBucketPolicy({ Bucket });
    expect(await textOf(s3, { Bucket, Key: 'k' })).toBe('x');
  });

  test('may ask for prefixes, tags and encryption', async () => {
    const { account, s3, Bucket } = await freshBucket();
    const user = await userOf(account, { Effect: 'Allow', Action: 's3:*', Resource: '*' });
    const Statement = [
      {
        Effect: 'Deny',
        Principal: '*',
        Action: 's3:ListBucket',
        Resource: `arn:aws:s3:::${Bucket}`,
        Condition: { StringNotLike: { 's3:prefix': 'own/*' } },
      },
      {
        Effect: 'Deny',
        Principal: '*',
        Action: 's3:GetObject',
        Resource: `arn:aws:s3:::${Bucket}/*`,
        Condition: { StringEquals: { 's3:ExistingObjectTag/secret': 'yes' } },
      },
      {
        Effect: 'Deny',
        Principal: '*',
        Action: 's3:PutObject',
        Resource: `arn:aws:s3:::${Bucket}/*`,
        Condition: { StringEquals: { 's3:x-amz-storage-class': 'GLACIER' } },
      },
    ];
    await s3.putBucketPolicy({ Bucket, Policy: JSON.stringify({ Version: '2012-10-17', Statement }) });
    await user.putObject({ Bucket, Key: 'own/k', Body: 'x' });
    await user.putObject({ Bucket, Key: 's', Body: 'x', Tagging: 'secret=yes' });
    expect((await user.listObjectsV2({ Bucket, Prefix: 'own/' })).KeyCount).toBe(1);
    const deny = /explicit deny in a resource-based policy$/;
    await refused(user.listObjectsV2({ Bucket }), 'AccessDenied', deny, 403);
    expect(await textOf(user, { Bucket, Key: 'own/k' })).toBe('x');
    await refused(user.getObject({ Bucket, Key: 's' }), 'AccessDenied', deny, 403);
    await refused(user.putObject({ Bucket, Key: 'k', Body: 'x', StorageClass: 'GLACIER' }), 'AccessDenied', deny, 403);
  });
});

test('S3-015 Block Public Access overrides policies and ACLs, whatever CORS says', async () => {
  const at = await freshBucket({ ObjectOwnership: 'ObjectWriter' });
  const { s3, Bucket } = at;
  await s3.putPublicAccessBlock({ Bucket, PublicAccessBlockConfiguration: open });
  await s3.putObject({ Bucket, Key: 'by-acl', Body: 'x', ACL: 'public-read' });
  expect((await visit(at, 'by-acl')).status).toBe(200);
  await s3.putObject({ Bucket, Key: 'by-policy', Body: 'x' });
  expect((await visit(at, 'by-policy')).status).toBe(403);
  await s3.putBucketPolicy({ Bucket, Policy: statement(Bucket, {}) });
  expect((await visit(at, 'by-policy')).status).toBe(200);
  await s3.putBucketCors({ Bucket, CORSConfiguration: { CORSRules: [{ AllowedMethods: ['GET'], AllowedOrigins: ['*'] }] } });
  await s3.putPublicAccessBlock({ Bucket, PublicAccessBlockConfiguration: closed });
  expect([(await visit(at, 'by-policy')).status, (await visit(at, 'by-acl')).status]).toEqual([403, 403]);
  await refused(s3.putObjectAcl({ Bucket, Key: 'by-policy', ACL: 'public-read' }), 'AccessDenied', 'Access Denied', 403);
  await s3.deletePublicAccessBlock({ Bucket });
  expect([(await visit(at, 'by-policy')).status, (await visit(at, 'by-acl')).status]).toEqual([200, 200]);
  await refused(
    s3.getPublicAccessBlock({ Bucket }),
    'NoSuchPublicAccessBlockConfiguration',
    'The public access block configuration was not found',
    404,
  );
});

describe('access control lists', () => {
  test('S3-014 are off for new buckets, and grant single objects where they are on', async () => {
    const off = await freshBucket();
    await off.s3.putObject({ Bucket: off.Bucket, Key: 'k', Body: 'x' });
    const text = 'The bucket does not allow ACLs';
    await refused(
      off.s3.putObjectAcl({ Bucket: off.Bucket, Key: 'k', ACL: 'public-read' }),
      'AccessControlListNotSupported',
      text,
      400,
    );
    await refused(
      off.s3.putObject({ Bucket: off.Bucket, Key: 'k', Body: 'x', ACL: 'public-read' }),
      'AccessControlListNotSupported',
      text,
      400,
    );
    for (const ObjectOwnership of ['BucketOwnerPreferred', 'ObjectWriter'] as const) {
      const at = await freshBucket();
      const { s3, Bucket } = at;
      await s3.putBucketOwnershipControls({ Bucket, OwnershipControls: { Rules: [{ ObjectOwnership }] } });
      await s3.putPublicAccessBlock({ Bucket, PublicAccessBlockConfiguration: open });
      for (const Key of ['shown', 'hidden']) await s3.putObject({ Bucket, Key, Body: 'x' });
      await s3.putObjectAcl({ Bucket, Key: 'shown', ACL: 'public-read' });
      expect([(await visit(at, 'shown')).status, (await visit(at, 'hidden')).status]).toEqual([200, 403]);
      await s3.putObjectAcl({ Bucket, Key: 'shown', ACL: 'private' });
      expect((await visit(at, 'shown')).status).toBe(403);
    }
  });

  test('grant another account by its canonical id', async () => {
    const { s3, Bucket } = await freshBucket({ ObjectOwnership: 'ObjectWriter' });
    const other = clientOf(freshAccount());
    const id = (await other.listBuckets({})).Owner?.ID;
    await s3.putObject({ Bucket, Key: 'k', Body: 'x', GrantRead: `id="${id}"` });
    expect(await textOf(other, { Bucket, Key: 'k' })).toBe('x');
    await refused(other.listObjectsV2({ Bucket }), 'AccessDenied', 'Access Denied', 403);
    const { Grants, Owner } = await s3.getObjectAcl({ Bucket, Key: 'k' });
    expect(Grants).toEqual([
      { Grantee: { Type: 'CanonicalUser', ID: Owner?.ID }, Permission: 'FULL_CONTROL' },
      { Grantee: { Type: 'CanonicalUser', ID: id }, Permission: 'READ' },
    ]);
    await refused(s3.putObjectAcl({ Bucket, Key: 'k', ACL: 'nonsense' as 'private' }), 'InvalidArgument', undefined, 400);
    await refused(s3.putObjectAcl({ Bucket, Key: 'k', GrantRead: 'id=abc' }), 'InvalidArgument', 'Invalid id', 400);
  });
});

test('S3-026 a policy can demand TLS', async () => {
  const { account, s3, Bucket } = await freshBucket();
  await s3.putObject({ Bucket, Key: 'k', Body: 'x' });
  const user = await userOf(account, { Effect: 'Allow', Action: 's3:*', Resource: '*' });
  const Policy = statement(Bucket, { Effect: 'Deny', Action: 's3:*', Condition: { Bool: { 'aws:SecureTransport': 'false' } } });
  await s3.putBucketPolicy({ Bucket, Policy });
  await refused(user.getObject({ Bucket, Key: 'k' }), 'AccessDenied', /explicit deny in a resource-based policy$/, 403);
  const url = await getSignedUrl(user, new GetObjectCommand({ Bucket, Key: 'k' }));
  expect((await fetch(url)).status).toBe(403);
  const ca = await (await fetch(`${inject('endpoint')}/_pilvi/ca.pem`)).text();
  const answer = await new Promise<{ status: number | undefined; body: string }>((resolve, reject) => {
    https
      .get(url.replace('http:', 'https:'), { ca, servername: 'localhost', agent: false }, (response) => {
        let body = '';
        response.setEncoding('utf8').on('data', (chunk: string) => {
          body += chunk;
        });
        response.on('end', () => resolve({ status: response.statusCode, body }));
      })
      .on('error', reject);
  });
  expect(answer).toEqual({ status: 200, body: 'x' });
});

test('a requester pays where the owner does not', async () => {
  const { s3, Bucket } = await freshBucket();
  const other = freshAccount();
  await s3.putObject({ Bucket, Key: 'k', Body: 'x' });
  await s3.putBucketPolicy({ Bucket, Policy: statement(Bucket, { Principal: { AWS: other.id } }) });
  await s3.putBucketRequestPayment({ Bucket, RequestPaymentConfiguration: { Payer: 'Requester' } });
  await refused(clientOf(other).getObject({ Bucket, Key: 'k' }), 'AccessDenied', 'Access Denied', 403);
  expect(await textOf(clientOf(other), { Bucket, Key: 'k', RequestPayer: 'requester' })).toBe('x');
  expect(await textOf(s3, { Bucket, Key: 'k' })).toBe('x');
});
