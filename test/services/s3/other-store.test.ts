/** Bytes in a store elsewhere that speaks S3 (`pilvi start --blobs`): here in a second cloud, which goes away and comes back. */
import { createHash, randomBytes } from 'node:crypto';
import { mkdtemp, readdir, rm, stat } from 'node:fs/promises';
import net, { type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { S3 } from '@aws-sdk/client-s3';
import { Upload } from '@aws-sdk/lib-storage';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { admin, eventually, freshAccount, type OwnCloud, refused, startOwnCloud } from '../../support/cloud.ts';
import { clientOf, freshName } from './support.ts';

const mebibyte = 1024 * 1024;
const owner = '555566667777';
const env = { AWS_ACCESS_KEY_ID: owner, AWS_SECRET_ACCESS_KEY: 'test' };
const away = 'The request cannot be handled now: the store that holds the bytes of this cloud does not answer.';

let port = 0;
let store: OwnCloud;
let cloud: OwnCloud;
/** The store as its owner sees it. */
let behind: S3;
const place = () => `s3://bytes/of/pilvi?endpoint=http://127.0.0.1:${port}`;

async function freePort(): Promise<number> {
  const server = net.createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const { port: free } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return free;
}

const startStore = (data?: string) => startOwnCloud({ ...(data === undefined ? {} : { data }), args: ['--port', String(port)] });

beforeAll(async () => {
  port = await freePort();
  store = await startStore();
  const credentials = { accessKeyId: owner, secretAccessKey: 'test' };
  behind = new S3({ endpoint: store.endpoint, region: 'us-east-1', credentials, forcePathStyle: true });
  await behind.createBucket({ Bucket: 'bytes' });
  cloud = await startOwnCloud({ args: ['--blobs', place()], env });
}, 60_000);
afterAll(async () => {
  await cloud?.stop();
  await store?.stop();
});

/** Keys of blobs in the store, and unfinished uploads. */
async function stored(): Promise<string[]> {
  const { Contents = [] } = await behind.listObjectsV2({ Bucket: 'bytes', Prefix: 'of/pilvi/' });
  const { Uploads = [] } = await behind.listMultipartUploads({ Bucket: 'bytes' });
  return [
    ...Contents.map(({ Key = '' }) => Key).filter((key) => key !== 'of/pilvi/cloud'),
    ...Uploads.map(({ Key }) => `unfinished ${Key}`),
  ];
}

async function bytesOf(s3: S3, input: Parameters<S3['getObject']>[0]): Promise<Buffer> {
  return Buffer.from((await (await s3.getObject(input)).Body?.transformToByteArray()) ?? []);
}

async function freshHere(): Promise<{ s3: S3; Bucket: string }> {
  const account = freshAccount(cloud.endpoint);
  const s3 = clientOf(account);
  const Bucket = freshName(account);
  await s3.createBucket({ Bucket });
  return { s3, Bucket };
}

test('large objects lie sealed in the store, small ones do not, and what is deleted goes there too', async () => {
  const { s3, Bucket } = await freshHere();
  const bodies = new Map([
    ['small', Buffer.from('small')],
    ['one', Buffer.alloc(3 * mebibyte, 'plain text ')],
    ['parts', randomBytes(9 * mebibyte + 7)],
  ]);
  for (const [Key, Body] of bodies) await s3.putObject({ Bucket, Key, Body });
  const uploaded = randomBytes(6 * mebibyte);
  await new Upload({ client: s3, params: { Bucket, Key: 'upload', Body: uploaded } }).done();
  bodies.set('upload', uploaded);
  const keys = await stored();
  expect(keys).toHaveLength(2 + 2);
  const sizes: number[] = [];
  for (const Key of keys) {
    const sealed = await bytesOf(behind, { Bucket: 'bytes', Key });
    sizes.push(sealed.byteLength);
    expect(sealed.includes('plain text')).toBe(false);
  }
  expect(sizes.sort((a, b) => a - b)).toEqual([mebibyte, 3 * mebibyte, 5 * mebibyte, 9 * mebibyte + 7]);
  for (const [Key, body] of bodies) expect((await bytesOf(s3, { Bucket, Key })).equals(body), Key).toBe(true);
  const range = await bytesOf(s3, { Bucket, Key: 'parts', Range: 'bytes=4000001-9000000' });
  expect(range.equals(bodies.get('parts')!.subarray(4_000_001, 9_000_001))).toBe(true);
  await s3.copyObject({ Bucket, Key: 'copy', CopySource: `${Bucket}/parts` });
  await s3.deleteObject({ Bucket, Key: 'parts' });
  expect((await bytesOf(s3, { Bucket, Key: 'copy' })).equals(bodies.get('parts')!)).toBe(true);
  for (const Key of ['copy', 'one', 'upload', 'small']) await s3.deleteObject({ Bucket, Key });
  await eventually(async () => expect(await stored()).toEqual([]), { why: 'nothing is left in the store' });
}, 60_000);

test('a store that is away makes requests fail that need it, and loses nothing', async () => {
  const { s3, Bucket } = await freshHere();
  const Body = randomBytes(9 * mebibyte);
  await s3.putObject({ Bucket, Key: 'kept', Body });
  await s3.putObject({ Bucket, Key: 'gone', Body });
  // One of them is deleted while the store is away.
  const before = (await stored()).slice(1);
  await store.kill();
  await refused(s3.putObject({ Bucket, Key: 'lost', Body }), 'ServiceUnavailable', away, 503);
  await refused(s3.putObject({ Bucket, Key: 'lost', Body: randomBytes(100_000) }), 'ServiceUnavailable', away, 503);
  await refused(s3.getObject({ Bucket, Key: 'kept' }), 'ServiceUnavailable', away, 503);
  await refused(s3.copyObject({ Bucket, Key: 'lost', CopySource: `${Bucket}/kept` }), 'ServiceUnavailable', away, 503);
  // What needs no bytes from there goes on: rows, and what lies in them.
  await s3.putObject({ Bucket, Key: 'small', Body: 'fits a row' });
  expect((await bytesOf(s3, { Bucket, Key: 'small' })).toString()).toBe('fits a row');
  await s3.deleteObject({ Bucket, Key: 'gone' });
  expect((await s3.headObject({ Bucket, Key: 'kept' })).ContentLength).toBe(Body.byteLength);
  store = await startStore(store.data);
  await eventually(async () => expect((await bytesOf(s3, { Bucket, Key: 'kept' })).equals(Body)).toBe(true), {
    why: 'the store answers again',
  });
  await refused(s3.headObject({ Bucket, Key: 'lost' }), 'NotFound', undefined, 404);
  await s3.putObject({ Bucket, Key: 'after', Body });
  await eventually(async () => expect(await stored()).toHaveLength(before.length + 1), { why: 'nothing else is in the store' });
  expect((await s3.listObjectsV2({ Bucket })).Contents?.map(({ Key }) => Key)).toEqual(['after', 'kept', 'small']);
}, 60_000);

test('a cloud that was killed finds its bytes again, and removes what belongs to nobody', async () => {
  const { s3, Bucket } = await freshHere();
  const before = (await stored()).length;
  const acknowledged = new Map<string, string>();
  const writing = Array.from({ length: 8 }, async (_, index) => {
    const Body = randomBytes((index < 4 ? 1 : 9) * mebibyte);
    const done = await s3.putObject({ Bucket, Key: `k${index}`, Body }).catch(() => undefined);
    if (done === undefined) return;
    acknowledged.set(`k${index}`, createHash('sha256').update(Body).digest('hex'));
  });
  await eventually(() => expect(acknowledged.size).toBeGreaterThan(1), { why: 'some are acknowledged' });
  await cloud.kill();
  await Promise.all(writing);
  cloud = await startOwnCloud({ data: cloud.data, args: ['--blobs', place()], env });
  const config = await s3.config.credentials();
  const again = new S3({ endpoint: cloud.endpoint, region: 'us-east-1', credentials: config, forcePathStyle: true });
  const keys = (await again.listObjectsV2({ Bucket })).Contents?.map(({ Key = '' }) => Key) ?? [];
  expect(keys).toEqual(expect.arrayContaining([...acknowledged.keys()]));
  for (const [Key, digest] of acknowledged) {
    const hash = createHash('sha256').update(await bytesOf(again, { Bucket, Key }));
    expect(hash.digest('hex'), Key).toBe(digest);
  }
  await eventually(async () => expect(await stored()).toHaveLength(before + keys.length), { why: 'the rest is swept' });
  expect(await readdir(path.join(cloud.data, 'blobs', 'new'))).toEqual([]);
}, 60_000);

test('a reset of the cloud takes the bytes along', async () => {
  const { s3, Bucket } = await freshHere();
  await s3.putObject({ Bucket, Key: 'k', Body: randomBytes(mebibyte) });
  expect((await stored()).length).toBeGreaterThan(0);
  await admin('POST', 'reset', {}, cloud.endpoint);
  expect(await stored()).toEqual([]);
  const again = await freshHere();
  await again.s3.putObject({ Bucket: again.Bucket, Key: 'k', Body: randomBytes(mebibyte) });
  expect(await stored()).toHaveLength(1);
});

test('a cloud starts while its store is away, and says so', async () => {
  await cloud.kill();
  await store.kill();
  cloud = await startOwnCloud({ data: cloud.data, args: ['--blobs', place()], env });
  expect(cloud.output()).toContain('The store of --blobs does not answer yet.');
  const { s3, Bucket } = await freshHere();
  await s3.putObject({ Bucket, Key: 'small', Body: 'fits a row' });
  await refused(s3.putObject({ Bucket, Key: 'k', Body: randomBytes(mebibyte) }), 'ServiceUnavailable', away, 503);
  store = await startStore(store.data);
  await eventually(() => s3.putObject({ Bucket, Key: 'k', Body: randomBytes(mebibyte) }), { why: 'the store answers' });
});

test('a place belongs to one cloud, and a folder to one place', async () => {
  const folder = await mkdtemp(path.join(tmpdir(), 'pilvi-place-'));
  const start = (more: Parameters<typeof startOwnCloud>[0]) => startOwnCloud({ data: folder, ...more });
  try {
    await expect(start({ args: ['--blobs', place()], env })).rejects.toThrow('has the bytes of another cloud');
    // The folder has been given to that place all the same.
    await expect(start({})).rejects.toThrow('start it with --blobs for that place');
    await expect(start({ args: ['--blobs', 's3://bytes'], env })).rejects.toThrow('no endpoint; it should be s3://BUCKET');
    await expect(start({ args: ['--blobs', 'https://bytes'], env })).rejects.toThrow('no bucket; it should be s3://BUCKET');
    const none = { AWS_ACCESS_KEY_ID: undefined, AWS_SECRET_ACCESS_KEY: undefined } as unknown as Record<string, string>;
    await expect(start({ args: ['--blobs', place()], env: none })).rejects.toThrow('needs AWS_ACCESS_KEY_ID');
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
  if (cloud.limits.length > 0) return;
  expect((await stat(path.join(cloud.data, 'blobs.sock'))).mode & 0o777).toBe(0o600);
}, 60_000);
