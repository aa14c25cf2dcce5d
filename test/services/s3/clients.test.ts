/** Clients of other makers, each with a real workload: aws s3, rclone, s3cmd, s3fs. */
import { execFile, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { access, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, inject, test, type TestContext } from 'vitest';
import { eventually } from '../../support/cloud.ts';
import { freshBucket, type TestBucket } from './support.ts';

const run = promisify(execFile);
let folder = '';
/** Files of a tree by their paths, some of which need several parts. */
const files = new Map<string, Buffer>([
  ['small.txt', Buffer.from('small')],
  ['empty', Buffer.alloc(0)],
  ['dir/sub/ä b+c&d.bin', randomBytes(100_000)],
  ['dir/large.bin', randomBytes(18 * 1024 * 1024)],
]);

beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'pilvi-s3-'));
  await writeTree(path.join(folder, 'tree'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

async function writeTree(at: string): Promise<void> {
  for (const [name, bytes] of files) {
    await mkdir(path.dirname(path.join(at, name)), { recursive: true });
    await writeFile(path.join(at, name), bytes);
  }
}

async function expectTree(at: string): Promise<void> {
  for (const [name, bytes] of files) expect((await readFile(path.join(at, name))).equals(bytes), name).toBe(true);
}

async function expectKeys({ s3, Bucket }: TestBucket, prefix = ''): Promise<void> {
  const keys = (await s3.listObjectsV2({ Bucket, Prefix: prefix })).Contents?.map(({ Key }) => Key?.slice(prefix.length));
  expect(keys?.filter((key) => !key?.endsWith('/') && key !== '').sort()).toEqual([...files.keys()].sort());
}

async function requireProgram(context: TestContext, name: string): Promise<void> {
  const found = await run('which', [name]).then(
    () => true,
    () => false,
  );
  context.skip(!found, `${name} is not installed`);
}

describe('the client', { timeout: 120_000 }, () => {
  test('aws s3 copies, lists, syncs, moves and removes', async (context) => {
    await requireProgram(context, 'aws');
    const at = await freshBucket();
    const aws = async (...args: string[]): Promise<string> => (await run('aws', args, { env: at.account.env() })).stdout;
    const url = `s3://${at.Bucket}`;
    await aws('s3', 'cp', '--recursive', path.join(folder, 'tree'), url);
    await expectKeys(at);
    expect(await aws('s3', 'ls', '--recursive', url)).toContain('dir/large.bin');
    await aws('s3', 'sync', url, path.join(folder, 'aws'));
    await expectTree(path.join(folder, 'aws'));
    await aws('s3', 'mv', `${url}/small.txt`, `${url}/moved.txt`);
    expect(await aws('s3', 'cp', `${url}/moved.txt`, '-')).toBe('small');
    expect(JSON.parse(await aws('s3api', 'head-object', '--bucket', at.Bucket, '--key', 'moved.txt'))).toMatchObject({
      ContentLength: 5,
    });
    await aws('s3', 'rb', '--force', url);
    await expect(aws('s3', 'ls', url)).rejects.toThrow(/NoSuchBucket/);
  });

  test('rclone copies, checks, syncs and purges', async (context) => {
    await requireProgram(context, 'rclone');
    const at = await freshBucket();
    const env = {
      PATH: process.env['PATH'] ?? '',
      RCLONE_CONFIG: path.join(folder, 'rclone.conf'),
      RCLONE_CONFIG_P_TYPE: 's3',
      // As AWS it would address buckets by host name, whatever it is told.
      RCLONE_CONFIG_P_PROVIDER: 'Other',
      RCLONE_CONFIG_P_ENDPOINT: inject('endpoint'),
      RCLONE_CONFIG_P_REGION: 'us-east-1',
      RCLONE_CONFIG_P_ACCESS_KEY_ID: at.account.id,
      RCLONE_CONFIG_P_SECRET_ACCESS_KEY: 'test',
      RCLONE_CONFIG_P_FORCE_PATH_STYLE: 'true',
      RCLONE_S3_UPLOAD_CUTOFF: '10M',
    };
    const rclone = async (...args: string[]): Promise<string> => (await run('rclone', args, { env })).stdout;
    // Made by rclone itself, which sends ACLs unless told otherwise.
    await at.s3.deleteBucket({ Bucket: at.Bucket });
    const remote = `p:${at.Bucket}`;
    await rclone('mkdir', remote);
    await rclone('copy', path.join(folder, 'tree'), remote);
    await expectKeys(at);
    await rclone('check', path.join(folder, 'tree'), remote);
    await rclone('sync', remote, path.join(folder, 'rclone'));
    await expectTree(path.join(folder, 'rclone'));
    await rclone('moveto', `${remote}/small.txt`, `${remote}/moved.txt`);
    expect(await rclone('cat', `${remote}/moved.txt`)).toBe('small');
    expect(await rclone('lsf', remote)).toBe('dir/\nempty\nmoved.txt\n');
    await rclone('purge', remote);
  });

  test('s3cmd puts, gets, signs and deletes', async (context) => {
    await requireProgram(context, 's3cmd');
    const at = await freshBucket();
    const { host } = new URL(inject('endpoint'));
    const common = [
      `--access_key=${at.account.id}`,
      '--secret_key=test',
      '--no-ssl',
      `--host=${host}`,
      `--host-bucket=${host}`,
      '--region=us-east-1',
    ];
    const env = { PATH: process.env['PATH'] ?? '', HOME: folder, LC_ALL: 'C.UTF-8' };
    const s3cmd = async (...args: string[]): Promise<string> => (await run('s3cmd', [...common, ...args], { env })).stdout;
    await s3cmd('sync', `${path.join(folder, 'tree')}/`, `s3://${at.Bucket}/`);
    await expectKeys(at);
    await mkdir(path.join(folder, 's3cmd'));
    await s3cmd('sync', `s3://${at.Bucket}/`, `${path.join(folder, 's3cmd')}/`);
    await expectTree(path.join(folder, 's3cmd'));
    expect(await s3cmd('info', `s3://${at.Bucket}/small.txt`)).toMatch(/File size:\s+5/);
    await s3cmd('cp', `s3://${at.Bucket}/small.txt`, `s3://${at.Bucket}/copy.txt`);
    await s3cmd('del', '--recursive', '--force', `s3://${at.Bucket}`);
    expect(await s3cmd('ls', `s3://${at.Bucket}`)).toBe('');
  });

  test('s3fs mounts a bucket as a folder', async (context) => {
    await requireProgram(context, 's3fs');
    context.skip(process.getuid?.() !== 0, 'needs root');
    context.skip(
      await access('/dev/fuse').then(
        () => false,
        () => true,
      ),
      'needs /dev/fuse',
    );
    const at = await freshBucket();
    const mount = path.join(folder, 'mount');
    const passwords = path.join(folder, 'passwd');
    await mkdir(mount);
    await writeFile(passwords, `${at.account.id}:test`, { mode: 0o600 });
    const options = `url=${inject('endpoint')},use_path_request_style,passwd_file=${passwords},sigv4,endpoint=us-east-1,multipart_size=10`;
    const child = spawn('s3fs', [at.Bucket, mount, '-f', '-o', options], { stdio: 'ignore' });
    try {
      await eventually(async () => expect((await run('mountpoint', [mount])).stdout).toContain('is a mountpoint'), {
        why: 's3fs mounts',
      });
      await writeTree(mount);
      await expectKeys(at);
      await expectTree(mount);
      await rm(path.join(mount, 'small.txt'));
      expect((await readdir(mount)).sort()).toEqual(['dir', 'empty']);
    } finally {
      await run('umount', [mount]).catch(() => undefined);
      child.kill();
    }
  });
});
