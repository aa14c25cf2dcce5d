/** A disk that is full: the cloud says so, keeps what it has acknowledged, and goes on when there is room again. */
import { execFile } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import type { S3 } from '@aws-sdk/client-s3';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { eventually, freshAccount, type OwnCloud, startOwnCloud } from '../../support/cloud.ts';
import { clientOf, freshName } from './support.ts';

const run = promisify(execFile);
const mebibyte = 1024 * 1024;
const isRoot = process.getuid?.() === 0;

let folder = '';
let cloud: OwnCloud;

beforeEach((context) => context.skip(!isRoot, 'needs root'));
beforeAll(async () => {
  if (!isRoot) return;
  folder = await mkdtemp(path.join(tmpdir(), 'pilvi-full-'));
  await run('mount', ['-t', 'tmpfs', '-o', 'size=48m', 'tmpfs', folder]);
  cloud = await startOwnCloud({ data: path.join(folder, 'data') });
}, 40_000);
afterAll(async () => {
  await cloud?.stop().catch(() => undefined);
  if (folder !== '') await run('umount', ['-l', folder]).catch(() => undefined);
  await rm(folder, { recursive: true, force: true });
});

async function digestOf(s3: S3, Bucket: string, Key: string): Promise<string> {
  const { Body } = await s3.getObject({ Bucket, Key });
  return createHash('sha256')
    .update((await Body?.transformToByteArray()) ?? '')
    .digest('hex');
}

test('large objects are refused when the disk is full, and nothing that was acknowledged is lost', async () => {
  const account = freshAccount(cloud.endpoint);
  const s3 = clientOf(account);
  const Bucket = freshName(account);
  await s3.createBucket({ Bucket });
  const kept = new Map<string, string>();
  let refusal: Error & { $metadata?: { httpStatusCode?: number } } = new Error('none');
  for (let count = 0; count < 20; count += 1) {
    const Body = randomBytes(4 * mebibyte);
    const Key = `large-${count}`;
    try {
      await s3.putObject({ Bucket, Key, Body });
      kept.set(Key, createHash('sha256').update(Body).digest('hex'));
    } catch (error) {
      refusal = error as Error;
      break;
    }
  }
  expect([refusal.name, refusal.$metadata?.httpStatusCode]).toEqual(['ServiceUnavailable', 503]);
  expect(kept.size).toBeGreaterThan(2);
  const listed = (await s3.listObjectsV2({ Bucket })).Contents?.map(({ Key }) => Key);
  expect(listed?.sort()).toEqual([...kept.keys()].sort());
  for (const [Key, digest] of kept) expect(await digestOf(s3, Bucket, Key)).toBe(digest);
  // Small ones still fit, and room comes back with what is deleted.
  await s3.putObject({ Bucket, Key: 'small', Body: 'fits' });
  await s3.deleteObject({ Bucket, Key: 'large-0' });
  const Body = randomBytes(3 * mebibyte);
  await eventually(() => s3.putObject({ Bucket, Key: 'after', Body }), { why: 'there is room again' });
  expect(await digestOf(s3, Bucket, 'after')).toBe(createHash('sha256').update(Body).digest('hex'));
  for (const [Key, digest] of kept) if (Key !== 'large-0') expect(await digestOf(s3, Bucket, Key)).toBe(digest);
}, 60_000);

test('a cloud whose log lies on the full disk goes on, and writes its log again when there is room', async () => {
  const data = path.join(folder, 'background');
  const filling = path.join(folder, 'filling');
  const pilvi = (...words: string[]) => run(process.execPath, ['dist/pilvi.js', ...words, '--data', data]);
  await pilvi('start', '--detach', '--port', '0');
  try {
    const { port } = JSON.parse(await readFile(path.join(data, 'pilvi.json'), 'utf8')) as { port: number };
    const account = freshAccount(`http://127.0.0.1:${port}`);
    const s3 = clientOf(account, { maxAttempts: 1 });
    const Bucket = freshName(account);
    await s3.createBucket({ Bucket });
    await expect(run('dd', ['if=/dev/zero', `of=${filling}`, 'bs=64k'])).rejects.toThrow('No space left on device');
    const logged = async (): Promise<number> =>
      (await readFile(path.join(data, 'pilvi.log'), 'utf8')).split('A request was refused').length;
    const before = await logged();
    const refusal = { name: 'ServiceUnavailable', $metadata: { httpStatusCode: 503 } };
    const refuse = async (): Promise<void> => {
      const put = s3.putObject({ Bucket, Key: 'row', Body: randomBytes(60_000) });
      await expect(put).rejects.toMatchObject(refusal);
    };
    // The log grows into the rest of its last page; only then can a line not be written.
    for (let count = 0; count < 60; count += 1) await refuse();
    // A little room: enough for lines of the log, not for the bytes of an object.
    await run('truncate', ['-s', '-16384', filling]);
    await eventually(
      async () => {
        await refuse();
        expect(await logged()).toBeGreaterThan(before);
      },
      { why: 'the log is written again' },
    );
    await rm(filling);
    await eventually(() => s3.putObject({ Bucket, Key: 'row', Body: 'fits' }), { why: 'there is room again' });
  } finally {
    await rm(filling, { force: true });
    await pilvi('stop');
    await rm(data, { recursive: true, force: true });
  }
}, 60_000);

test('rows that no longer fit are refused, and those that were acknowledged are there after a restart', async () => {
  const account = freshAccount(cloud.endpoint);
  const s3 = clientOf(account);
  const Bucket = freshName(account);
  await s3.createBucket({ Bucket });
  const kept: string[] = [];
  let refusal: Error & { $metadata?: { httpStatusCode?: number } } = new Error('none');
  for (let count = 0; count < 2000; count += 1) {
    try {
      await s3.putObject({ Bucket, Key: `row-${String(count).padStart(4, '0')}`, Body: randomBytes(60_000) });
      kept.push(`row-${String(count).padStart(4, '0')}`);
    } catch (error) {
      refusal = error as Error;
      break;
    }
  }
  expect(kept.length).toBeGreaterThan(10);
  expect([refusal.name, refusal.$metadata?.httpStatusCode]).toEqual(['ServiceUnavailable', 503]);
  expect(refusal.message).toContain('the disk that holds the state of this cloud is full');
  const keys = async (client: S3): Promise<unknown> => (await client.listObjectsV2({ Bucket })).Contents?.map(({ Key }) => Key);
  expect(await keys(s3)).toEqual(kept);
  await cloud.kill();
  // Room for the start.
  await run('mount', ['-o', 'remount,size=96m', folder]);
  cloud = await startOwnCloud({ data: path.join(folder, 'data') });
  const again = clientOf({ ...account, config: (more) => ({ ...account.config(more), endpoint: cloud.endpoint }) });
  expect(await keys(again)).toEqual(kept);
  await again.putObject({ Bucket, Key: 'row-last', Body: 'fits' });
  expect(await keys(again)).toEqual([...kept, 'row-last']);
}, 60_000);
