/** Batch replication: what was there before the rule, and what failed, by a job ("Replicating existing objects with Batch Replication"). */
import { expect, test } from 'vitest';
import { eventually } from '../../support/cloud.ts';
import { freshName, textOf } from '../s3/support.ts';
import { batch } from './support.ts';

const versioned = { VersioningConfiguration: { Status: 'Enabled' as const } };

test('a job replicates versions older than the rule and those that failed, and reports why others cannot be', async () => {
  const { account, s3, Bucket, lists, role, manifest, report, create, reaches, grant } = await batch();
  const target = freshName(account);
  await s3.createBucket({ Bucket: target });
  for (const name of [Bucket, target]) await s3.putBucketVersioning({ Bucket: name, ...versioned });
  const first = await s3.putObject({ Bucket, Key: 'in/a', Body: 'one', Tagging: 't=1' });
  await s3.putObject({ Bucket, Key: 'in/a', Body: 'two' });
  await s3.putObject({ Bucket, Key: 'out/b', Body: 'x' });
  const DeleteMarkerReplication = { Status: 'Disabled' as const };
  const Destination = { Bucket: `arn:aws:s3:::${target}` };
  const Rules = [{ Status: 'Enabled' as const, Priority: 1, Filter: { Prefix: 'in/' }, DeleteMarkerReplication, Destination }];
  await s3.putBucketReplication({ Bucket, ReplicationConfiguration: { Role: role, Rules } });
  const ManifestGenerator = (statuses: ('NONE' | 'FAILED')[]) => ({
    S3JobManifestGenerator: {
      SourceBucket: `arn:aws:s3:::${Bucket}`,
      EnableManifestOutput: false,
      Filter: { EligibleForReplication: true, ObjectReplicationStatuses: statuses },
    },
  });
  const Operation = { S3ReplicateObject: {} };
  const job = await create({ ManifestGenerator: ManifestGenerator(['NONE']), Operation });
  expect((await reaches(job.JobId, 'Complete'))?.ProgressSummary).toMatchObject({ NumberOfTasksSucceeded: 2 });
  expect(await textOf(s3, { Bucket: target, Key: 'in/a', VersionId: first.VersionId })).toBe('one');
  expect(await textOf(s3, { Bucket: target, Key: 'in/a' })).toBe('two');
  const old = await s3.headObject({ Bucket: target, Key: 'in/a', VersionId: first.VersionId });
  expect([old.ReplicationStatus, old.TagCount]).toEqual(['REPLICA', 1]);
  expect((await s3.headObject({ Bucket, Key: 'in/a' })).ReplicationStatus).toBe('COMPLETED');

  // The role may not write replicas: the live copy fails, and the job says why; once it may, a job brings it up to date.
  await grant(['s3:Get*', 's3:PutObject', 's3:InitiateReplication', 's3:PutInventoryConfiguration']);
  await s3.putObject({ Bucket, Key: 'in/c', Body: 'late' });
  const status = async () => (await s3.headObject({ Bucket, Key: 'in/c' })).ReplicationStatus;
  await eventually(async () => expect(await status()).toBe('FAILED'), { why: 'the role may not' });
  const failed = await create({ ManifestGenerator: ManifestGenerator(['FAILED']), Operation, Report: report('FailedTasksOnly') });
  expect((await reaches(failed.JobId, 'Complete'))?.ProgressSummary).toMatchObject({ NumberOfTasksFailed: 1 });
  const { Contents = [] } = await s3.listObjectsV2({ Bucket: lists, Prefix: `reports/job-${failed.JobId}/results/` });
  expect(await textOf(s3, { Bucket: lists, Key: Contents[0]?.Key ?? '' })).toMatch(/,failed,DstPutObjectNotPermitted,400,/);
  await grant(['s3:*']);
  const again = await create({ ManifestGenerator: ManifestGenerator(['FAILED']), Operation });
  expect((await reaches(again.JobId, 'Complete'))?.ProgressSummary).toMatchObject({ NumberOfTasksSucceeded: 1 });
  expect(await status()).toBe('COMPLETED');
  expect(await textOf(s3, { Bucket: target, Key: 'in/c' })).toBe('late');

  // What no rule takes is refused, and so is a role without s3:InitiateReplication.
  const { VersionId } = await s3.headObject({ Bucket, Key: 'out/b' });
  const fields = ['Bucket', 'Key', 'VersionId'] as const;
  const Manifest = await manifest(`${Bucket},out/b,${VersionId}\n`, [...fields]);
  const outside = await create({ Manifest, Operation });
  expect((await reaches(outside.JobId, 'Complete'))?.ProgressSummary).toMatchObject({ NumberOfTasksFailed: 1 });
  await grant(['s3:Get*', 's3:PutObject', 's3:ReplicateObject']);
  const weak = await create({
    Manifest: await manifest(`${Bucket},in/c,${first.VersionId}\n`, [...fields]),
    Operation,
    Report: report(),
  });
  expect((await reaches(weak.JobId, 'Complete'))?.ProgressSummary).toMatchObject({ NumberOfTasksFailed: 1 });
  const told = await s3.listObjectsV2({ Bucket: lists, Prefix: `reports/job-${weak.JobId}/results/` });
  expect(await textOf(s3, { Bucket: lists, Key: told.Contents?.[0]?.Key ?? '' })).toMatch(/,failed,AccessDenied,403,/);
});
