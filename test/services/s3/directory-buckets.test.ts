/** Directory buckets of S3 Express One Zone, as the official client speaks to them: with sessions. */
import http from 'node:http';
import { IAMClient, CreateAccessKeyCommand, CreateUserCommand, PutUserPolicyCommand } from '@aws-sdk/client-iam';
import { EC2Client, DescribeVpcsCommand } from '@aws-sdk/client-ec2';
import { GetObjectCommand, S3 } from '@aws-sdk/client-s3';
import { getSignedUrl } from '@aws-sdk/s3-request-presigner';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  admin,
  advanceClock,
  eventually,
  freshAccount,
  type OwnCloud,
  refused,
  startOwnCloud,
  type TestAccount,
} from '../../support/cloud.ts';
import { clientOf, freshName, textOf } from './support.ts';

const CreateBucketConfiguration = {
  Location: { Type: 'AvailabilityZone', Name: 'use1-az4' },
  Bucket: { Type: 'Directory', DataRedundancy: 'SingleAvailabilityZone' },
} as const;

interface Directory {
  account: TestAccount;
  /** Makes and lists buckets. For an endpoint of one's own the client would open a session of a bucket before it is made. */
  control: S3;
  /** Speaks to objects by sessions that it opens by itself. */
  s3: S3;
  Bucket: string;
}

async function freshDirectory(account = freshAccount()): Promise<Directory> {
  const control = new S3({ ...account.config(), disableS3ExpressSessionAuth: true });
  const Bucket = `${freshName(account)}--use1-az4--x-s3`;
  await control.createBucket({ Bucket, CreateBucketConfiguration });
  return { account, control, s3: new S3(account.config()), Bucket };
}

/** Milliseconds of the 99th of a hundred reads, one after another over one connection. */
async function slowestOfHundred(url: string): Promise<number> {
  const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
  const read = (): Promise<void> =>
    new Promise((resolve, reject) => {
      const answered = (answer: http.IncomingMessage): void => {
        expect(answer.statusCode).toBe(200);
        answer.on('end', resolve).resume();
      };
      http.get(url, { agent }, answered).on('error', reject);
    });
  const times: number[] = [];
  for (let count = 0; count < 100; count += 1) {
    const before = performance.now();
    await read();
    times.push(performance.now() - before);
  }
  agent.destroy();
  return times.sort((a, b) => a - b)[98] ?? Number.POSITIVE_INFINITY;
}

async function userOf({ account, Bucket }: Directory, Condition: object): Promise<S3> {
  const iam = new IAMClient(account.config());
  const Resource = `arn:aws:s3express:us-east-1:${account.id}:bucket/${Bucket}`;
  const Statement = [{ Effect: 'Allow', Action: 's3express:CreateSession', Resource, Condition }];
  await iam.send(new CreateUserCommand({ UserName: 'user' }));
  const PolicyDocument = JSON.stringify({ Version: '2012-10-17', Statement });
  await iam.send(new PutUserPolicyCommand({ UserName: 'user', PolicyName: 'p', PolicyDocument }));
  const { AccessKey } = await iam.send(new CreateAccessKeyCommand({ UserName: 'user' }));
  return new S3({ ...account.configFor(AccessKey ?? {}), disableS3ExpressSessionAuth: true });
}

describe('a directory bucket', () => {
  test('S3-034 is in one zone, reached by sessions, under one storage class, in milliseconds', async () => {
    const { account, control, s3, Bucket } = await freshDirectory();
    const { Credentials, $metadata } = await control.createSession({ Bucket });
    expect($metadata.httpStatusCode).toBe(200);
    expect(Credentials?.Expiration?.getTime()).toBeGreaterThan(Date.now() + 200_000);
    await s3.putObject({ Bucket, Key: 'dir/k', Body: 'fast', StorageClass: 'EXPRESS_ONEZONE' });
    expect(await textOf(s3, { Bucket, Key: 'dir/k' })).toBe('fast');
    expect(await s3.headObject({ Bucket, Key: 'dir/k' })).toMatchObject({ StorageClass: 'EXPRESS_ONEZONE', ContentLength: 4 });
    expect(await s3.headBucket({ Bucket })).toMatchObject({
      BucketLocationType: 'AvailabilityZone',
      BucketLocationName: 'use1-az4',
      BucketRegion: 'us-east-1',
      BucketArn: `arn:aws:s3express:us-east-1:${account.id}:bucket/${Bucket}`,
    });
    // By a bare client: the official one takes longer than the answer. In rounds, and less what the cloud needs to say that it lives: other tests have
    // the processors too.
    const url = await getSignedUrl(control, new GetObjectCommand({ Bucket, Key: 'dir/k' }));
    const idle = `${new URL(url).origin}/_pilvi/health`;
    const latency = async () => (await slowestOfHundred(url)) - (await slowestOfHundred(idle));
    await eventually(async () => expect(await latency()).toBeLessThan(10), { why: 'the p99 is below 10 ms' });
    for (const StorageClass of ['STANDARD', 'GLACIER'] as const)
      await refused(s3.putObject({ Bucket, Key: 'x', Body: 'x', StorageClass }), 'InvalidStorageClass', undefined, 400);
    const asDirectory = control.createBucket({ Bucket: freshName(account), CreateBucketConfiguration });
    await refused(asDirectory, 'InvalidBucketName', undefined, 400);
    const general = clientOf(account);
    const plain = freshName(account);
    await general.createBucket({ Bucket: plain });
    await refused(control.createSession({ Bucket: plain }), 'MethodNotAllowed', undefined, 405);
    await refused(
      general.putObject({ Bucket: plain, Key: 'x', Body: 'x', StorageClass: 'EXPRESS_ONEZONE' }),
      'InvalidStorageClass',
    );
  });

  test('is made in the zone of its name, once, and listed apart from others', async () => {
    const { account, control, s3, Bucket } = await freshDirectory();
    const make = (name: string, more: object = {}) =>
      control.createBucket({ Bucket: name, CreateBucketConfiguration: { ...CreateBucketConfiguration, ...more } });
    await refused(make(Bucket), 'BucketAlreadyOwnedByYou', undefined, 409);
    await refused(freshDirectoryOf(freshAccount(), Bucket), 'BucketAlreadyExists', undefined, 409);
    for (const name of ['a--nowhere-az1--x-s3', 'dotted.name--use1-az4--x-s3', '-a--use1-az4--x-s3'])
      await refused(make(name), 'InvalidBucketName', 'The specified bucket is not valid.', 400);
    const location = { Location: { Type: 'AvailabilityZone', Name: 'use1-az5' } };
    await refused(make('other--use1-az4--x-s3', location), 'InvalidRequest', /does not match the one in the bucket name/, 400);
    await refused(make('far--usw2-az1--x-s3', { Location: { Type: 'AvailabilityZone', Name: 'usw2-az1' } }), 'InvalidRequest');
    await refused(
      control.createBucket({ Bucket: 'plain--use1-az4--x-s3' }),
      'InvalidRequest',
      /reserved for directory buckets/,
      400,
    );
    const other = await freshDirectory(account);
    const names = [Bucket, other.Bucket].sort();
    expect((await control.listDirectoryBuckets({})).Buckets?.map(({ Name }) => Name)).toEqual(names);
    const page = await control.listDirectoryBuckets({ MaxDirectoryBuckets: 1 });
    const { ContinuationToken } = page;
    expect((await control.listDirectoryBuckets({ ContinuationToken })).Buckets?.map(({ Name }) => Name)).toEqual(names.slice(1));
    expect((await s3.listBuckets({})).Buckets).toEqual([]);
    await s3.putObject({ Bucket, Key: 'k', Body: 'x' });
    await refused(control.deleteBucket({ Bucket }), 'BucketNotEmpty', undefined, 409);
    await s3.deleteObject({ Bucket, Key: 'k' });
    const { UploadId } = await s3.createMultipartUpload({ Bucket, Key: 'k' });
    await refused(control.deleteBucket({ Bucket }), 'BucketNotEmpty', undefined, 409);
    await s3.abortMultipartUpload({ Bucket, Key: 'k', UploadId });
    await control.deleteBucket({ Bucket });
  });

  test('lists by directories, and refuses what it does not have', async () => {
    const { control, s3, Bucket } = await freshDirectory();
    for (const Key of ['a/1', 'a/2', 'b/1']) await s3.putObject({ Bucket, Key, Body: Key });
    const listed = await s3.listObjectsV2({ Bucket, Delimiter: '/', Prefix: 'a/' });
    expect(listed.Contents?.map(({ Key, StorageClass }) => [Key, StorageClass])).toEqual([
      ['a/1', 'EXPRESS_ONEZONE'],
      ['a/2', 'EXPRESS_ONEZONE'],
    ]);
    await refused(s3.listObjectsV2({ Bucket, Prefix: 'a' }), 'InvalidArgument', undefined, 400);
    await refused(s3.listObjectsV2({ Bucket, Delimiter: '-' }), 'InvalidArgument', undefined, 400);
    await refused(s3.putObject({ Bucket, Key: 'k', Body: 'x', Tagging: 'a=b' }), 'NotImplemented', undefined, 501);
    await refused(s3.putObject({ Bucket, Key: 'k', Body: 'x', ACL: 'public-read' }), 'NotImplemented', undefined, 501);
    const VersioningConfiguration = { Status: 'Enabled' } as const;
    await refused(control.putBucketVersioning({ Bucket, VersioningConfiguration }), 'MethodNotAllowed', undefined, 405);
    const rule = { ID: 'r', Status: 'Enabled', Filter: {}, Transitions: [{ Days: 30, StorageClass: 'GLACIER' }] } as const;
    const LifecycleConfiguration = { Rules: [{ ...rule, Transitions: [...rule.Transitions] }] };
    const asked = control.putBucketLifecycleConfiguration({ Bucket, LifecycleConfiguration });
    await refused(asked, 'InvalidRequest', 'Directory buckets do not support lifecycle transitions.', 400);
    await refused(s3.getObjectTagging({ Bucket, Key: 'a/1' }), 'MethodNotAllowed', undefined, 405);
    const upload = await s3.createMultipartUpload({ Bucket, Key: 'large' });
    const part = { Bucket, Key: 'large', UploadId: upload.UploadId };
    const { ETag, ChecksumCRC32 } = await s3.uploadPart({ ...part, PartNumber: 1, Body: 'part' });
    await s3.completeMultipartUpload({ ...part, MultipartUpload: { Parts: [{ PartNumber: 1, ETag, ChecksumCRC32 }] } });
    await s3.copyObject({ Bucket, Key: 'copy', CopySource: `${Bucket}/large` });
    expect(await textOf(s3, { Bucket, Key: 'copy' })).toBe('part');
  });

  test('gives sessions what policies allow, reading or writing, in their bucket alone', async () => {
    const at = await freshDirectory();
    const { account, s3, Bucket } = at;
    await s3.putObject({ Bucket, Key: 'k', Body: 'x' });
    const user = await userOf(at, { StringEquals: { 's3express:SessionMode': 'ReadOnly' } });
    await refused(user.createSession({ Bucket, SessionMode: 'ReadWrite' }), 'AccessDenied', /s3express:CreateSession/, 403);
    const { Credentials } = await user.createSession({ Bucket, SessionMode: 'ReadOnly' });
    const reader = new S3({
      ...account.config(),
      disableS3ExpressSessionAuth: true,
      forcePathStyle: true,
      credentials: {
        accessKeyId: Credentials?.AccessKeyId ?? '',
        secretAccessKey: Credentials?.SecretAccessKey ?? '',
        sessionToken: Credentials?.SessionToken ?? '',
      },
    });
    expect(await textOf(reader, { Bucket, Key: 'k' })).toBe('x');
    await refused(reader.putObject({ Bucket, Key: 'k', Body: 'y' }), 'AccessDenied', 'Access Denied', 403);
    const other = await freshDirectory(account);
    await refused(reader.listObjectsV2({ Bucket: other.Bucket }), 'AccessDenied', 'Access Denied', 403);
    await refused(reader.listBuckets({}), 'AccessDenied', 'Access Denied', 403);
    const ec2 = new EC2Client({ ...account.config(), credentials: await reader.config.credentials() });
    await refused(ec2.send(new DescribeVpcsCommand({})), 'AuthFailure', undefined, 401);
    const stranger = new S3({ ...freshAccount().config(), disableS3ExpressSessionAuth: true });
    await refused(stranger.createSession({ Bucket }), 'AccessDenied', 'Access Denied', 403);
  });

  test('appends to objects at their end', async () => {
    const { account, s3, Bucket } = await freshDirectory();
    const at = { Bucket, Key: 'log' };
    await s3.putObject({ ...at, Body: 'one ', WriteOffsetBytes: 0 });
    const second = await s3.putObject({ ...at, Body: 'two ', WriteOffsetBytes: 4 });
    expect(second).toMatchObject({ Size: 8, ChecksumType: 'FULL_OBJECT' });
    const large = 'x'.repeat(300_000);
    await s3.putObject({ ...at, Body: large, WriteOffsetBytes: 8 });
    // The client checks the checksum of the whole.
    expect(await textOf(s3, { ...at, ChecksumMode: 'ENABLED' })).toBe(`one two ${large}`);
    expect(await textOf(s3, { ...at, Range: 'bytes=4-9' })).toBe('two xx');
    const wrong = 'The write offset value that you specified does not match the current object size.';
    await refused(s3.putObject({ ...at, Body: 'late', WriteOffsetBytes: 8 }), 'InvalidWriteOffset', wrong, 400);
    await refused(s3.putObject({ ...at, Body: 'late', WriteOffsetBytes: 0 }), 'InvalidWriteOffset', wrong, 400);
    await refused(s3.putObject({ Bucket, Key: 'none', Body: 'x', WriteOffsetBytes: 3 }), 'NoSuchKey', undefined, 404);
    const end = large.length + 8;
    const racing = await Promise.allSettled(
      ['a', 'b', 'c', 'd'].map((Body) => s3.putObject({ ...at, Body, WriteOffsetBytes: end })),
    );
    expect(racing.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
    expect((await s3.headObject(at)).ContentLength).toBe(end + 1);
    const general = clientOf(account);
    const plain = freshName(account);
    await general.createBucket({ Bucket: plain });
    await general.putObject({ Bucket: plain, Key: 'k', Body: 'x' });
    await refused(general.putObject({ Bucket: plain, Key: 'k', Body: 'y', WriteOffsetBytes: 1 }), 'MethodNotAllowed');
  });

  test('renames objects without touching their bytes', async () => {
    const { s3, Bucket } = await freshDirectory();
    await s3.putObject({ Bucket, Key: 'old name/ä', Body: 'bytes', Metadata: { a: 'b' } });
    const { ETag } = await s3.headObject({ Bucket, Key: 'old name/ä' });
    const rename = (Key: string, source: string, more: object = {}) =>
      s3.renameObject({ Bucket, Key, RenameSource: encodeURIComponent(source), ...more });
    await rename('new/name', 'old name/ä');
    expect(await s3.headObject({ Bucket, Key: 'new/name' })).toMatchObject({ ETag, Metadata: { a: 'b' } });
    expect(await textOf(s3, { Bucket, Key: 'new/name' })).toBe('bytes');
    await refused(s3.getObject({ Bucket, Key: 'old name/ä' }), 'NoSuchKey', undefined, 404);
    await refused(rename('x', 'old name/ä'), 'NoSuchKey', undefined, 404);
    await s3.putObject({ Bucket, Key: 'there', Body: 'other' });
    await refused(rename('there', 'new/name', { DestinationIfNoneMatch: '*' }), 'PreconditionFailed', undefined, 412);
    await refused(rename('there', 'new/name', { SourceIfMatch: '"none"' }), 'PreconditionFailed', undefined, 412);
    await rename('there', 'new/name');
    expect(await textOf(s3, { Bucket, Key: 'there' })).toBe('bytes');
    expect((await s3.listObjectsV2({ Bucket })).Contents?.map(({ Key }) => Key)).toEqual(['there']);
  });
});

function freshDirectoryOf(account: TestAccount, Bucket: string): Promise<unknown> {
  return new S3({ ...account.config(), disableS3ExpressSessionAuth: true }).createBucket({ Bucket, CreateBucketConfiguration });
}

describe('in a cloud of its own', () => {
  let cloud: OwnCloud;
  beforeAll(async () => {
    cloud = await startOwnCloud();
  }, 40_000);
  afterAll(() => cloud.stop());

  test('a directory bucket goes with its zone, and a session after five minutes', async () => {
    const { account, control, s3, Bucket } = await freshDirectory(freshAccount(cloud.endpoint));
    await s3.putObject({ Bucket, Key: 'k', Body: 'x' });
    await admin('POST', 'chaos/zone', { zone: 'use1-az4', down: true }, cloud.endpoint);
    await refused(s3.getObject({ Bucket, Key: 'k' }), 'ServiceUnavailable', undefined, 503);
    await refused(s3.putObject({ Bucket, Key: 'new', Body: 'x' }), 'ServiceUnavailable', undefined, 503);
    await admin('POST', 'chaos/zone', { zone: 'use1-az4', down: false }, cloud.endpoint);
    expect(await textOf(s3, { Bucket, Key: 'k' })).toBe('x');
    const { Credentials } = await control.createSession({ Bucket });
    const session = new S3({
      ...account.config(),
      disableS3ExpressSessionAuth: true,
      credentials: {
        accessKeyId: Credentials?.AccessKeyId ?? '',
        secretAccessKey: Credentials?.SecretAccessKey ?? '',
        sessionToken: Credentials?.SessionToken ?? '',
      },
    });
    expect(await textOf(session, { Bucket, Key: 'k' })).toBe('x');
    await advanceClock(cloud.endpoint, 5 * 60_000 + 1);
    await refused(session.getObject({ Bucket, Key: 'k' }), 'ExpiredToken', 'The provided token has expired.', 400);
  });
});
