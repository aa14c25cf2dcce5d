/** IAM Access Analyzer by its official client: findings come with policies that let others in, and resolve with them. */
import { AccessAnalyzer } from '@aws-sdk/client-accessanalyzer';
import { S3 } from '@aws-sdk/client-s3';
import { describe, expect, test } from 'vitest';
import { allow, policy, rooted, userWithKey } from '../iam/support.ts';

const other = '999988887777';

async function analyzed() {
  const root = rooted();
  const analyzer = new AccessAnalyzer(root.account.config());
  const { arn: analyzerArn = '' } = await analyzer.createAnalyzer({ analyzerName: 'outside', type: 'ACCOUNT' });
  const s3 = new S3({ ...root.account.config(), forcePathStyle: true });
  const bucket = { Bucket: `shared-${root.account.id}` };
  await s3.createBucket(bucket);
  const share = (principal: string, more: object = {}) =>
    s3.putBucketPolicy({
      ...bucket,
      Policy: policy({ ...allow('s3:GetObject', `arn:aws:s3:::${bucket.Bucket}/*`), Principal: { AWS: principal }, ...more }),
    });
  const findings = async () => (await analyzer.listFindings({ analyzerArn })).findings ?? [];
  return { root, analyzer, analyzerArn, s3, bucket, share, findings };
}

test('IAM-043 a bucket policy that lets another account in is a finding until it is removed', async () => {
  const { root, s3, bucket, share, findings, analyzer, analyzerArn } = await analyzed();
  expect(await findings()).toEqual([]);
  await share(`arn:aws:iam::${root.account.id}:root`);
  expect(await findings()).toEqual([]);
  await share(`arn:aws:iam::${other}:root`);
  const [finding, ...rest] = await findings();
  expect(rest).toEqual([]);
  expect(finding).toMatchObject({
    status: 'ACTIVE',
    resource: `arn:aws:s3:::${bucket.Bucket}`,
    resourceType: 'AWS::S3::Bucket',
    principal: { AWS: other },
    action: ['s3:GetObject'],
    condition: {},
    isPublic: false,
    resourceOwnerAccount: root.account.id,
  });
  await analyzer.updateFindings({ analyzerArn, status: 'ARCHIVED', ids: [finding?.id ?? ''] });
  expect((await findings()).map(({ status }) => status)).toEqual(['ARCHIVED']);
  await analyzer.updateFindings({ analyzerArn, status: 'ACTIVE', resourceArn: `arn:aws:s3:::${bucket.Bucket}` });
  await s3.deleteBucketPolicy(bucket);
  expect((await findings()).map(({ id, status }) => [id, status])).toEqual([[finding?.id, 'RESOLVED']]);
  await share(`arn:aws:iam::${other}:root`);
  expect((await findings()).map(({ id, status }) => [id, status])).toEqual([[finding?.id, 'ACTIVE']]);
  const active = await analyzer.listFindings({ analyzerArn, filter: { status: { eq: ['RESOLVED'] } } });
  expect(active.findings).toEqual([]);
});

test('a role that another account may assume is one; services, the account itself and what is held to it are none', async () => {
  const { root, findings, share } = await analyzed();
  const trust = (Principal: object, more: object = {}) =>
    policy({ Effect: 'Allow', Principal, Action: 'sts:AssumeRole', ...more });
  const external = { Condition: { StringEquals: { 'sts:ExternalId': 'x' } } };
  const documents = {
    service: trust({ Service: 'ec2.amazonaws.com' }),
    own: trust({ AWS: root.account.id }),
    shared: trust({ AWS: other }, external),
  };
  for (const [RoleName, AssumeRolePolicyDocument] of Object.entries(documents))
    await root.iam.createRole({ RoleName, AssumeRolePolicyDocument });
  await share('*', { Condition: { StringEquals: { 'aws:PrincipalAccount': root.account.id } } });
  const found = await findings();
  expect(found.map(({ resource, principal, condition }) => [resource, principal, condition])).toEqual([
    [`arn:aws:iam::${root.account.id}:role/shared`, { AWS: other }, { 'sts:ExternalId': 'x' }],
  ]);
});

describe('refusals', () => {
  test('names, quotas, doubles and strangers', async () => {
    const { analyzer, analyzerArn, root } = await analyzed();
    const create = (analyzerName: string) => analyzer.createAnalyzer({ analyzerName, type: 'ACCOUNT' });
    await expect(create('1st')).rejects.toMatchObject({ name: 'ValidationException', message: 'Invalid analyzer name.' });
    await expect(create('outside')).rejects.toMatchObject({ name: 'ConflictException' });
    await expect(create('second')).rejects.toMatchObject({ name: 'ServiceQuotaExceededException' });
    await expect(analyzer.createAnalyzer({ analyzerName: 'o', type: 'ORGANIZATION' })).rejects.toMatchObject({
      name: 'NotImplemented',
    });
    await expect(analyzer.listFindings({ analyzerArn: `${analyzerArn}x` })).rejects.toMatchObject({
      name: 'ResourceNotFoundException',
    });
    await expect(analyzer.listFindings({ analyzerArn: 'arn' })).rejects.toMatchObject({ name: 'ValidationException' });
    await expect(analyzer.getFinding({ analyzerArn, id: 'none' })).rejects.toMatchObject({ name: 'ResourceNotFoundException' });
    const user = await userWithKey(root, 'nobody');
    const stranger = new AccessAnalyzer(root.account.configFor(user.key));
    await expect(stranger.listFindings({ analyzerArn })).rejects.toMatchObject({ name: 'AccessDeniedException' });
    await analyzer.deleteAnalyzer({ analyzerName: 'outside' });
    await expect(analyzer.getAnalyzer({ analyzerName: 'outside' })).rejects.toMatchObject({ name: 'ResourceNotFoundException' });
    expect((await analyzer.listAnalyzers({})).analyzers).toEqual([]);
  });
});
