/** The accelerated endpoint of a bucket: open when it is enabled, by the official client's own switch. */
import { S3 } from '@aws-sdk/client-s3';
import http from 'node:http';
import { NodeHttpHandler } from '@smithy/node-http-handler';
import { expect, inject, test } from 'vitest';
import { refused } from '../../support/cloud.ts';
import { clientOf, freshBucket, freshName, textOf } from './support.ts';

test('a bucket answers at s3-accelerate once that is enabled, and no longer when it is suspended', async () => {
  const { account, s3, Bucket } = await freshBucket();
  await s3.putObject({ Bucket, Key: 'k', Body: 'near' });
  const { port } = new URL(inject('endpoint'));
  const lookup = (_host: string, options: { all?: boolean }, done: (...args: unknown[]) => void): void =>
    options.all === true ? done(null, [{ address: '127.0.0.1', family: 4 }]) : done(null, '127.0.0.1', 4);
  const near = new S3({
    ...account.config(),
    endpoint: `http://s3-accelerate.localhost:${port}`,
    requestHandler: new NodeHttpHandler({ httpAgent: new http.Agent({ lookup: lookup as never }) }),
  });
  const off = 'S3 Transfer Acceleration is not configured on this bucket';
  expect((await s3.getBucketAccelerateConfiguration({ Bucket })).Status).toBe(undefined);
  await refused(near.getObject({ Bucket, Key: 'k' }), 'InvalidRequest', off, 400);
  await s3.putBucketAccelerateConfiguration({ Bucket, AccelerateConfiguration: { Status: 'Enabled' } });
  expect((await s3.getBucketAccelerateConfiguration({ Bucket })).Status).toBe('Enabled');
  expect(await textOf(near, { Bucket, Key: 'k' })).toBe('near');
  await near.putObject({ Bucket, Key: 'new', Body: 'by the edge' });
  expect(await textOf(s3, { Bucket, Key: 'new' })).toBe('by the edge');
  await s3.putBucketAccelerateConfiguration({ Bucket, AccelerateConfiguration: { Status: 'Suspended' } });
  await refused(near.putObject({ Bucket, Key: 'k', Body: 'x' }), 'InvalidRequest', off, 400);
  await refused(
    s3.putBucketAccelerateConfiguration({ Bucket, AccelerateConfiguration: { Status: 'On' as 'Enabled' } }),
    'MalformedXML',
    undefined,
    400,
  );
  const dotted = `dotted.${freshName(account)}`;
  await clientOf(account).createBucket({ Bucket: dotted });
  await refused(
    s3.putBucketAccelerateConfiguration({ Bucket: dotted, AccelerateConfiguration: { Status: 'Enabled' } }),
    'InvalidRequest',
    'S3 Transfer Acceleration is not supported for buckets with periods (.) in their names',
    400,
  );
});
