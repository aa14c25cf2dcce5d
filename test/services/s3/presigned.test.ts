/** Presigned URLs and forms by Signature Version 2, as the older official SDK and boto3 make them, and what Version 4 moves into the URL. */
import { execFile } from 'node:child_process';
import { createHmac } from 'node:crypto';
import http from 'node:http';
import { promisify } from 'node:util';
import { IAMClient, CreateAccessKeyCommand, CreateUserCommand } from '@aws-sdk/client-iam';
import { PutObjectCommand } from '@aws-sdk/client-s3';
import { STSClient, GetSessionTokenCommand } from '@aws-sdk/client-sts';
import { getSignedUrl } from '@aws-sdk/s3-request-presigner';
import aws from 'aws-sdk';
import { describe, expect, inject, test } from 'vitest';
import { clientOf, freshBucket, freshName, type TestBucket, textOf } from './support.ts';

const run = promisify(execFile);

/** The older SDK, which signs by Version 2. */
function oldClient(
  { account }: TestBucket,
  more: { accessKeyId?: string; secretAccessKey?: string; sessionToken?: string; region?: string } = {},
): aws.S3 {
  return new aws.S3({
    endpoint: inject('endpoint'),
    region: 'us-east-1',
    accessKeyId: account.id,
    secretAccessKey: 'test',
    signatureVersion: 's3',
    s3ForcePathStyle: true,
    maxRetries: 0,
    ...more,
  });
}

async function fetched(url: string, init?: RequestInit): Promise<{ status: number; text: string }> {
  const answer = await fetch(url, init);
  return { status: answer.status, text: await answer.text() };
}

describe('a URL presigned by Signature Version 2', () => {
  test('reads and writes what it names, with the signer’s rights', async () => {
    const at = await freshBucket();
    const old = oldClient(at);
    const Key = 'dir/ä b+c&d.txt';
    const put = old.getSignedUrl('putObject', { Bucket: at.Bucket, Key, ContentType: 'text/plain', Metadata: { a: 'x' } });
    expect(put).toContain('AWSAccessKeyId=');
    expect((await fetched(put, { method: 'PUT', body: 'hello', headers: { 'content-type': 'text/plain' } })).status).toBe(200);
    expect((await at.s3.headObject({ Bucket: at.Bucket, Key })).Metadata).toEqual({ a: 'x' });
    const ResponseContentType = 'text/x y';
    const get = old.getSignedUrl('getObject', { Bucket: at.Bucket, Key, ResponseContentType });
    const answer = await fetch(get);
    expect([answer.status, answer.headers.get('content-type'), await answer.text()]).toEqual([200, ResponseContentType, 'hello']);
    const remove = old.getSignedUrl('deleteObject', { Bucket: at.Bucket, Key });
    expect((await fetched(remove, { method: 'DELETE' })).status).toBe(204);
    expect((await fetched(get)).status).toBe(404);
  });

  test('goes with the bucket in the host’s name too', async () => {
    const at = await freshBucket();
    await at.s3.putObject({ Bucket: at.Bucket, Key: 'k', Body: 'virtual' });
    const { port, hostname } = new URL(inject('endpoint'));
    const Expires = String(Math.floor(Date.now() / 1000) + 60);
    const Signature = createHmac('sha1', 'test').update(`GET\n\n\n${Expires}\n/${at.Bucket}/k`).digest('base64');
    const query = new URLSearchParams({ AWSAccessKeyId: at.account.id, Expires, Signature });
    const options = { hostname, port, path: `/k?${query}`, headers: { host: `${at.Bucket}.s3.localhost:${port}` }, agent: false };
    const status = await new Promise((resolve, reject) => {
      http.get(options, (answer) => resolve(answer.resume().statusCode)).on('error', reject);
    });
    expect(status).toBe(200);
  });

  test('is refused when anything of it is changed, and after its time', async () => {
    const at = await freshBucket();
    const { s3, Bucket } = at;
    await s3.putObject({ Bucket, Key: 'k', Body: 'x' });
    await s3.putObject({ Bucket, Key: 'other', Body: 'y' });
    const url = oldClient(at).getSignedUrl('getObject', { Bucket, Key: 'k' });
    const mismatch = { status: 403, text: expect.stringContaining('<Code>SignatureDoesNotMatch</Code>') };
    expect(await fetched(url.replace('/k?', '/other?'))).toMatchObject(mismatch);
    expect(await fetched(`${url}&versionId=null`)).toMatchObject(mismatch);
    expect(await fetched(url, { method: 'DELETE' })).toMatchObject(mismatch);
    expect(await fetched(url, { headers: { 'x-amz-meta-a': 'b' } })).toMatchObject(mismatch);
    expect(await fetched(url.replace(/Expires=\d+/, 'Expires=9999999999'))).toMatchObject(mismatch);
    const Expires = '1700000000';
    const Signature = createHmac('sha1', 'test').update(`GET\n\n\n${Expires}\n/${Bucket}/k`).digest('base64');
    const query = new URLSearchParams({ AWSAccessKeyId: at.account.id, Expires, Signature });
    const expired = await fetched(`${inject('endpoint')}/${Bucket}/k?${query}`);
    expect(expired).toMatchObject({ status: 403, text: expect.stringContaining('<Message>Request has expired</Message>') });
    expect(expired.text).toMatch(/<Expires>\d{4}-\d\d-\d\dT/);
    const parts = 'Query-string authentication requires the Signature, Expires and AWSAccessKeyId parameters';
    expect(await fetched(url.replace(/&Signature=[^&]*/, ''))).toMatchObject({
      status: 403,
      text: expect.stringContaining(parts),
    });
    expect(await fetched(url.replace(/Expires=\d+/, 'Expires=soon'))).toMatchObject({
      status: 403,
      text: expect.stringContaining('Invalid date (should be seconds since epoch): soon'),
    });
    expect(await fetched(url.replace(`=${at.account.id}`, '=AKIAIOSFODNN7EXAMPLE'))).toMatchObject({
      status: 403,
      text: expect.stringContaining('<Code>InvalidAccessKeyId</Code>'),
    });
  });

  test('needs the rights of a user and the token of a session', async () => {
    const at = await freshBucket();
    const { s3, Bucket, account } = at;
    await s3.putObject({ Bucket, Key: 'k', Body: 'x' });
    const iam = new IAMClient(account.config());
    await iam.send(new CreateUserCommand({ UserName: 'u' }));
    const { AccessKey } = await iam.send(new CreateAccessKeyCommand({ UserName: 'u' }));
    const key = { accessKeyId: AccessKey?.AccessKeyId ?? '', secretAccessKey: AccessKey?.SecretAccessKey ?? '' };
    const denied = await fetched(oldClient(at, key).getSignedUrl('getObject', { Bucket, Key: 'k' }));
    expect(denied).toMatchObject({ status: 403, text: expect.stringContaining('is not authorized to perform: s3:GetObject') });
    const { Credentials } = await new STSClient(account.config()).send(new GetSessionTokenCommand({}));
    const session = {
      accessKeyId: Credentials?.AccessKeyId ?? '',
      secretAccessKey: Credentials?.SecretAccessKey ?? '',
      sessionToken: Credentials?.SessionToken ?? '',
    };
    const url = oldClient(at, session).getSignedUrl('getObject', { Bucket, Key: 'k' });
    expect(await fetched(url)).toEqual({ status: 200, text: 'x' });
    expect((await fetched(url.replace(/x-amz-security-token=[^&]*/, 'x-amz-security-token=other'))).status).toBe(403);
  });

  test('is taken in old Regions, not in new ones, and not for keys of KMS', async () => {
    const at = await freshBucket();
    const legacy = 'The authorization mechanism you have provided is not supported. Please use AWS4-HMAC-SHA256.';
    for (const [region, status] of [
      ['eu-west-1', 200],
      ['eu-central-1', 400],
    ] as const) {
      const s3 = clientOf(at.account, { region });
      const Bucket = freshName(at.account);
      await s3.createBucket({ Bucket, CreateBucketConfiguration: { LocationConstraint: region } });
      await s3.putObject({ Bucket, Key: 'k', Body: region });
      const answer = await fetched(oldClient(at).getSignedUrl('getObject', { Bucket, Key: 'k' }));
      expect(answer).toEqual({ status, text: status === 200 ? region : expect.stringContaining(legacy) });
    }
    await at.s3.putObject({ Bucket: at.Bucket, Key: 'kms', Body: 'x', ServerSideEncryption: 'aws:kms' });
    const sealed = await fetched(oldClient(at).getSignedUrl('getObject', { Bucket: at.Bucket, Key: 'kms' }));
    expect(sealed).toMatchObject({ status: 400, text: expect.stringContaining('require AWS Signature Version 4.') });
  });

  test('can be forbidden by a policy on the signature’s version', async () => {
    const at = await freshBucket();
    const { s3, Bucket } = at;
    await s3.putObject({ Bucket, Key: 'k', Body: 'x' });
    const Condition = { StringEquals: { 's3:signatureversion': 'AWS' } };
    const Statement = { Effect: 'Deny', Principal: '*', Action: 's3:*', Resource: `arn:aws:s3:::${Bucket}/*`, Condition };
    await s3.putBucketPolicy({ Bucket, Policy: JSON.stringify({ Version: '2012-10-17', Statement }) });
    expect((await fetched(oldClient(at).getSignedUrl('getObject', { Bucket, Key: 'k' }))).status).toBe(403);
    expect(await textOf(s3, { Bucket, Key: 'k' })).toBe('x');
  });

  test('as the aws CLI makes it unasked', async (context) => {
    const found = await run('aws', ['--version']).then(
      () => true,
      () => false,
    );
    context.skip(!found, 'needs aws');
    const at = await freshBucket();
    await at.s3.putObject({ Bucket: at.Bucket, Key: 'k', Body: 'cli' });
    const { stdout } = await run('aws', ['s3', 'presign', `s3://${at.Bucket}/k`], { env: at.account.env() });
    expect(await fetched(stdout.trim())).toEqual({ status: 200, text: 'cli' });
  });
});

describe('Signature Version 2', () => {
  test('signs in the header too, with a time that is now', async () => {
    const at = await freshBucket();
    const old = oldClient(at);
    await old.putObject({ Bucket: at.Bucket, Key: 'k', Body: 'header' }).promise();
    expect((await old.getObject({ Bucket: at.Bucket, Key: 'k' }).promise()).Body?.toString()).toBe('header');
    const late = oldClient(at);
    late.config.update({ systemClockOffset: -20 * 60_000 });
    await expect(late.getObject({ Bucket: at.Bucket, Key: 'k' }).promise()).rejects.toMatchObject({
      code: 'RequestTimeTooSkewed',
    });
    const wrong = oldClient(at, { secretAccessKey: 'wrong' });
    await expect(wrong.listObjects({ Bucket: at.Bucket }).promise()).rejects.toMatchObject({ code: 'SignatureDoesNotMatch' });
    const bad = await fetched(`${inject('endpoint')}/${at.Bucket}/k`, { headers: { authorization: 'AWS nothing' } });
    expect(bad).toMatchObject({ status: 400, text: expect.stringContaining('Expected AwsAccessKeyId:signature') });
  });

  test('signs forms', async () => {
    const { s3, Bucket, account } = await freshBucket();
    const conditions = [{ bucket: Bucket }, { key: 'form' }];
    const text = JSON.stringify({ expiration: new Date(Date.now() + 60_000).toISOString(), conditions });
    const policy = Buffer.from(text).toString('base64');
    const post = (secret: string): Promise<{ status: number; text: string }> => {
      const form = new FormData();
      const signature = createHmac('sha1', secret).update(policy).digest('base64');
      for (const [name, value] of Object.entries({ key: 'form', AWSAccessKeyId: account.id, policy, signature }))
        form.set(name, value);
      form.set('file', new Blob(['content']));
      return fetched(`${inject('endpoint')}/${Bucket}`, { method: 'POST', body: form });
    };
    expect((await post('test')).status).toBe(204);
    expect(await textOf(s3, { Bucket, Key: 'form' })).toBe('content');
    expect(await post('wrong')).toMatchObject({ status: 403, text: expect.stringContaining('SignatureDoesNotMatch') });
  });
});

test('headers that Version 4 moved into the URL count as if they had been sent', async () => {
  const { s3, Bucket } = await freshBucket();
  const url = await getSignedUrl(
    s3,
    new PutObjectCommand({ Bucket, Key: 'k', Metadata: { a: 'b' }, StorageClass: 'STANDARD_IA' }),
  );
  expect(url).toContain('x-amz-meta-a=b');
  expect((await fetched(url, { method: 'PUT', body: 'x' })).status).toBe(200);
  expect(await s3.headObject({ Bucket, Key: 'k' })).toMatchObject({ Metadata: { a: 'b' }, StorageClass: 'STANDARD_IA' });
});
