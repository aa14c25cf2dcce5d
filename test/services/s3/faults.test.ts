/** Bad input and bad moments: broken bodies, hostile XML, many writers, a killed cloud. */
import { createHash } from 'node:crypto';
import net from 'node:net';
import { readdir } from 'node:fs/promises';
import path from 'node:path';
import { S3 } from '@aws-sdk/client-s3';
import { SignatureV4 } from '@smithy/signature-v4';
import { describe, expect, inject, test } from 'vitest';
import { eventually, freshAccount, refused, startOwnCloud } from '../../support/cloud.ts';
import { sendSigned, statusOf } from '../../support/raw.ts';
import { Sha256 } from '../../support/sign.ts';
import { freshBucket, textOf } from './support.ts';

/** Sends the head of a signed PUT and `sent` bytes of its body, then closes the connection. */
async function breakOff(
  account: string,
  target: string,
  announced: number,
  sent: number,
  endpoint = inject('endpoint'),
): Promise<string> {
  const { host, hostname, port } = new URL(endpoint);
  const signer = new SignatureV4({
    service: 's3',
    region: 'us-east-1',
    credentials: { accessKeyId: account, secretAccessKey: 'test' },
    sha256: Sha256,
    uriEscapePath: false,
  });
  const headers = { host, 'x-amz-content-sha256': 'UNSIGNED-PAYLOAD', 'content-length': String(announced) };
  const signed = await signer.sign({ method: 'PUT', protocol: 'http:', hostname, port: Number(port), path: target, headers });
  const head = Object.entries(signed.headers).map(([name, value]) => `${name}: ${value}\r\n`);
  return new Promise((resolve) => {
    const socket = net.connect(Number(port), hostname);
    let answer = '';
    socket.setEncoding('latin1').on('data', (chunk: string) => {
      answer += chunk;
    });
    socket.on('error', () => undefined).on('close', () => resolve(answer));
    socket.write(`PUT ${target} HTTP/1.1\r\n${head.join('')}\r\n`);
    socket.end(Buffer.alloc(sent, 'x'));
  });
}

describe('a body', () => {
  test.each([
    [100, 10],
    [5_000_000, 4_000_000],
  ])('of %d bytes that ends after %d leaves nothing', async (announced, sent) => {
    const { account, s3, Bucket } = await freshBucket();
    const answer = await breakOff(account.id, `/${Bucket}/k`, announced, sent);
    expect([0, 400]).toContain(statusOf(answer));
    await refused(s3.headObject({ Bucket, Key: 'k' }), 'NotFound', undefined, 404);
  });

  test('S3-047 is at most 5 GiB, and parts have their bounds', async () => {
    const { account, s3, Bucket } = await freshBucket();
    const answer = await breakOff(account.id, `/${Bucket}/k`, 5 * 1024 ** 3 + 1, 1000);
    expect(answer).toContain('<Code>EntityTooLarge</Code>');
    expect(answer).toContain('<MaxSizeAllowed>5368709120</MaxSizeAllowed>');
    const { UploadId } = await s3.createMultipartUpload({ Bucket, Key: 'k' });
    const Parts = [];
    for (const PartNumber of [1, 2]) {
      const { ETag } = await s3.uploadPart({ Bucket, Key: 'k', UploadId, PartNumber, Body: Buffer.alloc(1 << 20) });
      Parts.push({ PartNumber, ETag });
    }
    await refused(
      s3.completeMultipartUpload({ Bucket, Key: 'k', UploadId, MultipartUpload: { Parts } }),
      'EntityTooSmall',
      'Your proposed upload is smaller than the minimum allowed size',
      400,
    );
    await refused(
      s3.uploadPart({ Bucket, Key: 'k', UploadId, PartNumber: 10_001, Body: 'x' }),
      'InvalidArgument',
      'Part number must be an integer between 1 and 10000, inclusive',
      400,
    );
  });
});

test.each([
  ['an entity bomb', '<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><Delete><Object><Key>&b;</Key></Object></Delete>'],
  ['endless depth', '<Delete>'.repeat(10_000)],
  ['what is no XML', 'key=value'],
  ['another element', '<Remove/>'],
  [
    'an external entity',
    '<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]><Delete><Object><Key>&a;</Key></Object></Delete>',
  ],
])('%s is no document', async (_what, body) => {
  const { account, Bucket } = await freshBucket();
  const headers = { 'content-md5': createHash('md5').update(body).digest('base64') };
  const request = { service: 's3', account: account.id, path: `/${Bucket}`, query: { delete: '' }, headers, body };
  const answer = await sendSigned(request);
  expect([answer.status, answer.body]).toEqual([400, expect.stringContaining('<Code>MalformedXML</Code>')]);
  expect(answer.body).not.toContain('root:');
});

test('of many writers to one key the last acknowledged wins, whole', async () => {
  const { s3, Bucket } = await freshBucket();
  const acknowledged: string[] = [];
  await Promise.all(
    Array.from({ length: 30 }, async (_, writer) => {
      const body = String(writer % 10).repeat(writer % 2 === 0 ? 100 : 200_000);
      await s3.putObject({ Bucket, Key: 'k', Body: body });
      acknowledged.push(body);
    }),
  );
  const stored = await textOf(s3, { Bucket, Key: 'k' });
  expect(acknowledged).toContain(stored);
  await s3.putObject({ Bucket, Key: 'k', Body: 'last' });
  expect(await textOf(s3, { Bucket, Key: 'k' })).toBe('last');
});

test('a reader gets the object whole although it is replaced and deleted meanwhile', async () => {
  const { s3, Bucket } = await freshBucket();
  const bytes = 20 * 1024 * 1024;
  await s3.putObject({ Bucket, Key: 'k', Body: Buffer.alloc(bytes, 'a') });
  const { Body } = await s3.getObject({ Bucket, Key: 'k' });
  await s3.putObject({ Bucket, Key: 'k', Body: Buffer.alloc(bytes, 'b') });
  await s3.deleteObject({ Bucket, Key: 'k' });
  const got = Buffer.from((await Body?.transformToByteArray()) ?? []);
  expect(got.equals(Buffer.alloc(bytes, 'a'))).toBe(true);
});

test('a killed cloud keeps every acknowledged object and nothing of the others', async () => {
  const cloud = await startOwnCloud();
  const account = freshAccount(cloud.endpoint);
  const s3 = new S3({ ...account.config(), forcePathStyle: true });
  const Bucket = `killed-${account.id}`;
  await s3.createBucket({ Bucket });
  const bodies = new Map<string, Buffer>();
  const acknowledged = new Set<string>();
  const writing = Array.from({ length: 40 }, async (_, index) => {
    const Key = `k${index}`;
    bodies.set(Key, Buffer.alloc(index % 2 === 0 ? 1000 : 1_000_000 + index, `body ${index} `));
    const stored = await s3.putObject({ Bucket, Key, Body: bodies.get(Key) }).catch(() => undefined);
    if (stored !== undefined) acknowledged.add(Key);
  });
  const broken = breakOff(account.id, `/${Bucket}/broken`, 50_000_000, 20_000_000, cloud.endpoint);
  await eventually(() => expect(acknowledged.size).toBeGreaterThan(10), { why: 'some are acknowledged' });
  await cloud.kill();
  await Promise.all([...writing, broken]);
  const again = await startOwnCloud({ data: cloud.data });
  try {
    const reader = new S3({
      ...freshAccount(again.endpoint).config(),
      credentials: { accessKeyId: account.id, secretAccessKey: 'test' },
      forcePathStyle: true,
    });
    const keys = (await reader.listObjectsV2({ Bucket })).Contents?.map(({ Key }) => Key ?? '') ?? [];
    for (const Key of acknowledged) expect(keys).toContain(Key);
    for (const Key of keys) {
      const got = Buffer.from((await (await reader.getObject({ Bucket, Key })).Body?.transformToByteArray()) ?? []);
      expect(got.equals(bodies.get(Key) ?? Buffer.alloc(0)), Key).toBe(true);
    }
    expect(keys).not.toContain('broken');
    expect(await readdir(path.join(cloud.data, 'blobs', 'new'))).toEqual([]);
    const large = keys.filter((key) => (bodies.get(key)?.length ?? 0) > 100_000).length;
    const blobs = (await readdir(path.join(cloud.data, 'blobs'), { recursive: true })).filter((name) =>
      /\/[0-9a-f]{32}$/.test(name),
    );
    expect(blobs).toHaveLength(large);
  } finally {
    await again.stop();
  }
}, 60_000);
