/** Block Public Access of an account. */
import { S3Control } from '@aws-sdk/client-s3-control';
import { expect, test } from 'vitest';
import { freshAccount, refused } from '../../support/cloud.ts';
import { freshBucket } from '../s3/support.ts';

const all = { BlockPublicAcls: true, IgnorePublicAcls: true, BlockPublicPolicy: true, RestrictPublicBuckets: true };

test('an account closes all of its buckets to the public, whatever these allow', async () => {
  const { account, s3, Bucket } = await freshBucket();
  const { endpoint } = account.config();
  const control = new S3Control({
    ...account.config(),
    // The client would put the account's number before the address.
    endpointProvider: () => ({ url: new URL(endpoint) }),
    disableHostPrefix: true,
  });
  const AccountId = account.id;
  const none = 'The public access block configuration was not found';
  await refused(control.getPublicAccessBlock({ AccountId }), 'NoSuchPublicAccessBlockConfiguration', none, 404);
  await s3.deletePublicAccessBlock({ Bucket });
  const statement = { Effect: 'Allow', Principal: '*', Action: 's3:GetObject', Resource: `arn:aws:s3:::${Bucket}/*` };
  const Policy = JSON.stringify({ Version: '2012-10-17', Statement: [statement] });
  await s3.putBucketPolicy({ Bucket, Policy });
  await s3.putObject({ Bucket, Key: 'k', Body: 'x' });
  const anonymous = async () => (await fetch(`${endpoint}/${Bucket}/k`)).status;
  expect(await anonymous()).toBe(200);
  await control.putPublicAccessBlock({ AccountId, PublicAccessBlockConfiguration: all });
  expect((await control.getPublicAccessBlock({ AccountId })).PublicAccessBlockConfiguration).toEqual(all);
  expect(await anonymous()).toBe(403);
  await refused(s3.putBucketPolicy({ Bucket, Policy }), 'AccessDenied', /BlockPublicPolicy/, 403);
  await control.deletePublicAccessBlock({ AccountId });
  expect(await anonymous()).toBe(200);
  const other = freshAccount().id;
  await refused(control.getPublicAccessBlock({ AccountId: other }), 'AccessDenied', 'Access Denied', 403);
  await refused(
    control.putPublicAccessBlock({ AccountId: other, PublicAccessBlockConfiguration: all }),
    'AccessDenied',
    'Access Denied',
    403,
  );
});
