/** What S3 is for recovery after the loss of a Region, in a cloud of one's own. */
import { IAM } from '@aws-sdk/client-iam';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { admin, advanceClock, eventually, freshAccount, type OwnCloud, refused, startOwnCloud } from '../../support/cloud.ts';
import { clientOf, freshName, textOf } from './support.ts';

const hour = 3_600_000;
const day = 24 * hour;

let cloud: OwnCloud;
beforeAll(async () => {
  cloud = await startOwnCloud();
}, 40_000);
afterAll(() => cloud.stop());

test('DR-004 a backup in an archive class of another Region is restored there when the first is lost', async () => {
  const account = freshAccount(cloud.endpoint);
  const [a, b] = [clientOf(account), clientOf(account, { region: 'eu-west-1' })];
  const [source, target] = [freshName(account), freshName(account)];
  await a.createBucket({ Bucket: source });
  await b.createBucket({ Bucket: target, CreateBucketConfiguration: { LocationConstraint: 'eu-west-1' } });
  for (const [s3, Bucket] of [
    [a, source],
    [b, target],
  ] as const)
    await s3.putBucketVersioning({ Bucket, VersioningConfiguration: { Status: 'Enabled' } });
  const iam = new IAM(account.config());
  const policy = (more: object): string => JSON.stringify({ Version: '2012-10-17', Statement: [{ Effect: 'Allow', ...more }] });
  const AssumeRolePolicyDocument = policy({ Principal: { Service: 's3.amazonaws.com' }, Action: 'sts:AssumeRole' });
  const { Role } = await iam.createRole({ RoleName: 'copies', AssumeRolePolicyDocument });
  const PolicyDocument = policy({ Action: 's3:*', Resource: '*' });
  await iam.putRolePolicy({ RoleName: 'copies', PolicyName: 'copies', PolicyDocument });
  const Destination = { Bucket: `arn:aws:s3:::${target}` };
  const DeleteMarkerReplication = { Status: 'Disabled' } as const;
  const copied = { Status: 'Enabled', Priority: 1, Filter: { Prefix: '' }, DeleteMarkerReplication, Destination } as const;
  await a.putBucketReplication({ Bucket: source, ReplicationConfiguration: { Role: Role?.Arn, Rules: [copied] } });
  const archived = { ID: 'archive', Status: 'Enabled', Filter: { Prefix: '' } } as const;
  await b.putBucketLifecycleConfiguration({
    Bucket: target,
    LifecycleConfiguration: { Rules: [{ ...archived, Transitions: [{ Days: 1, StorageClass: 'GLACIER' }] }] },
  });
  const Body = 'backup '.repeat(30_000);
  await a.putObject({ Bucket: source, Key: 'backup', Body });
  await eventually(
    async () => expect((await b.headObject({ Bucket: target, Key: 'backup' })).ReplicationStatus).toBe('REPLICA'),
    { why: 'the backup is in the other Region' },
  );
  await advanceClock(cloud.endpoint, 3 * day);
  expect((await b.headObject({ Bucket: target, Key: 'backup' })).StorageClass).toBe('GLACIER');
  await admin('POST', 'chaos/region', { region: 'us-east-1', down: true }, cloud.endpoint);
  await refused(a.getObject({ Bucket: source, Key: 'backup' }), 'ServiceUnavailable', undefined, 503);
  await refused(b.getObject({ Bucket: target, Key: 'backup' }), 'InvalidObjectState', undefined, 403);
  const RestoreRequest = { Days: 2, GlacierJobParameters: { Tier: 'Standard' } } as const;
  await b.restoreObject({ Bucket: target, Key: 'backup', RestoreRequest });
  // What the restore takes is part of the time to recover: three to five hours in this tier.
  let hours = 0;
  for (; hours < 12; hours += 1) {
    const { Restore } = await b.headObject({ Bucket: target, Key: 'backup' });
    if (Restore?.includes('ongoing-request="false"') === true) break;
    await refused(b.getObject({ Bucket: target, Key: 'backup' }), 'InvalidObjectState', undefined, 403);
    await advanceClock(cloud.endpoint, hour);
  }
  expect(hours).toBeGreaterThanOrEqual(3);
  expect(hours).toBeLessThanOrEqual(5);
  expect(await textOf(b, { Bucket: target, Key: 'backup' })).toBe(Body);
}, 60_000);
