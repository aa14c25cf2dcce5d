/** Client-side encryption by AWS's own client for Ruby (Debian's ruby-aws-sdk-s3), the one with an encryption client that Debian packages. */
import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { promisify } from 'node:util';
import { expect, inject, test } from 'vitest';
import { freshBucket } from './support.ts';

const run = promisify(execFile);

const script = `
require 'aws-sdk-s3'
endpoint, id, bucket, key, action, text = ARGV
plain = Aws::S3::Client.new(endpoint: endpoint, region: 'us-east-1', access_key_id: id, secret_access_key: 'test', force_path_style: true)
client = Aws::S3::EncryptionV2::Client.new(client: plain, encryption_key: [key].pack('H*'), key_wrap_schema: :aes_gcm,
  content_encryption_schema: :aes_gcm_no_padding, security_profile: :v2)
if action == 'put'
  client.put_object(bucket: bucket, key: 'secret', body: text)
else
  print client.get_object(bucket: bucket, key: 'secret').body.read
end
`;

test('S3-025 what a client encrypted is kept as it came, and only the client reads it', async (context) => {
  const found = await run('ruby', ['-e', "require 'aws-sdk-s3'"]).then(
    () => true,
    () => false,
  );
  context.skip(!found, 'needs ruby-aws-sdk-s3');
  const { account, s3, Bucket } = await freshBucket();
  const ruby = async (key: string, ...words: string[]): Promise<string> =>
    (await run('ruby', ['-e', script, inject('endpoint'), account.id, Bucket, key, ...words])).stdout;
  const key = randomBytes(32).toString('hex');
  const text = 'nobody but the client reads this';
  await ruby(key, 'put', text);
  const { Body, Metadata, ContentLength } = await s3.getObject({ Bucket, Key: 'secret' });
  const kept = Buffer.from((await Body?.transformToByteArray()) ?? []);
  // AES-GCM: as long as the text, and sixteen bytes of tag.
  expect(ContentLength).toBe(text.length + 16);
  expect(kept.includes('nobody')).toBe(false);
  expect(Metadata).toMatchObject({
    'x-amz-cek-alg': 'AES/GCM/NoPadding',
    'x-amz-wrap-alg': 'AES/GCM',
    'x-amz-key-v2': expect.stringMatching(/^[A-Za-z0-9+/]+=*$/),
    'x-amz-iv': expect.any(String),
  });
  expect(await ruby(key, 'get')).toBe(text);
  await expect(ruby(randomBytes(32).toString('hex'), 'get')).rejects.toThrow();
}, 40_000);
