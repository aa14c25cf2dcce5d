/** S3 Batch Operations: one thing done to all objects of a list, with a role's rights. */
import { createHash } from 'node:crypto';
import { expect, test } from 'vitest';
import { eventually, refused } from '../../support/cloud.ts';
import { textOf } from '../s3/support.ts';
import { batch } from './support.ts';

test('a job tags and copies what its manifest lists, and reports what went wrong', async () => {
  const { s3, Bucket, AccountId, control, lists, manifest, report, create, reaches } = await batch();
  for (const Key of ['a', 'b c', 'd']) await s3.putObject({ Bucket, Key, Body: Key });
  const Manifest = await manifest(`${Bucket},a\n${Bucket},b%20c\n"${Bucket}","missing"\n`);
  const TagSet = [{ Key: 'team', Value: 'red' }];
  const { JobId } = await create({ Manifest, Operation: { S3PutObjectTagging: { TagSet } }, Report: report() });
  const done = await reaches(JobId, 'Complete');
  expect(done?.ProgressSummary).toMatchObject({ TotalNumberOfTasks: 3, NumberOfTasksSucceeded: 2, NumberOfTasksFailed: 1 });
  expect(done?.JobArn).toBe(`arn:aws:s3:us-east-1:${AccountId}:job/${JobId}`);
  expect((await s3.getObjectTagging({ Bucket, Key: 'b c' })).TagSet).toEqual(TagSet);
  expect((await s3.getObjectTagging({ Bucket, Key: 'd' })).TagSet).toEqual([]);
  const Key = `reports/job-${JobId}/manifest.json`;
  const written = await eventually(() => textOf(s3, { Bucket: lists, Key }), { why: 'the report is written' });
  const { Results, Format } = JSON.parse(written) as { Format: string; Results: Record<string, string>[] };
  expect(Format).toBe('Report_CSV_20180820');
  expect(Results.map((result) => result['TaskExecutionStatus'])).toEqual(['succeeded', 'failed']);
  const failed = await textOf(s3, { Bucket: lists, Key: Results[1]?.['Key'] ?? '' });
  expect(failed).toBe(`${Bucket},missing,,failed,NoSuchKey,404,The specified key does not exist.\n`);
  expect(Results[1]?.['MD5Checksum']).toBe(createHash('md5').update(failed).digest('hex'));

  const copied = await create({
    Manifest: await manifest(`${Bucket},a\n${Bucket},b%20c\n`),
    Operation: {
      S3PutObjectCopy: { TargetResource: `arn:aws:s3:::${lists}`, TargetKeyPrefix: 'copies', StorageClass: 'STANDARD_IA' },
    },
  });
  await reaches(copied.JobId, 'Complete');
  expect(await textOf(s3, { Bucket: lists, Key: 'copies/b c' })).toBe('b c');
  expect((await s3.headObject({ Bucket: lists, Key: 'copies/a' })).StorageClass).toBe('STANDARD_IA');
  const untagged = await create({ Manifest: await manifest(`${Bucket},a\n`), Operation: { S3DeleteObjectTagging: {} } });
  await reaches(untagged.JobId, 'Complete');
  expect((await s3.getObjectTagging({ Bucket, Key: 'a' })).TagSet).toEqual([]);
  const { Jobs } = await control.listJobs({ AccountId, JobStatuses: ['Complete'] });
  expect(Jobs?.map((one) => one.Operation).sort()).toEqual(['S3DeleteObjectTagging', 'S3PutObjectCopy', 'S3PutObjectTagging']);
});

test('a job waits for its confirmation, can be cancelled, and does only what its role may', async () => {
  const { s3, Bucket, AccountId, control, manifest, create, reaches, grant } = await batch();
  await s3.putObject({ Bucket, Key: 'cold', Body: 'x', StorageClass: 'GLACIER' });
  const Manifest = await manifest(`${Bucket},cold\n`);
  const Operation = { S3InitiateRestoreObject: { ExpirationInDays: 2, GlacierJobTier: 'BULK' as const } };
  const first = await create({ Manifest, Operation, ConfirmationRequired: undefined, Priority: 5 });
  const waiting = await reaches(first.JobId, 'Suspended');
  expect([waiting?.SuspendedCause, waiting?.Priority]).toEqual(['AwaitingConfirmation', 5]);
  expect((await s3.headObject({ Bucket, Key: 'cold' })).Restore).toBeUndefined();
  const { JobId = '' } = first;
  expect((await control.updateJobPriority({ AccountId, JobId, Priority: 9 })).Priority).toBe(9);
  await control.updateJobStatus({ AccountId, JobId, RequestedJobStatus: 'Ready' });
  expect((await reaches(JobId, 'Complete'))?.ProgressSummary?.NumberOfTasksSucceeded).toBe(1);
  expect((await s3.headObject({ Bucket, Key: 'cold' })).Restore).toBe('ongoing-request="true"');
  const late = control.updateJobStatus({ AccountId, JobId, RequestedJobStatus: 'Cancelled' });
  await refused(late, 'JobStatusException', 'A job that is Complete cannot become Cancelled.', 400);

  const second = await create({ Manifest, Operation: { S3DeleteObjectTagging: {} }, ConfirmationRequired: true });
  await reaches(second.JobId, 'Suspended');
  await control.updateJobStatus({ AccountId, JobId: second.JobId, RequestedJobStatus: 'Cancelled', StatusUpdateReason: 'no' });
  expect((await reaches(second.JobId, 'Cancelled'))?.StatusUpdateReason).toBe('no');

  await grant('s3:GetObject');
  const weak = await create({ Manifest, Operation: { S3DeleteObjectTagging: {} } });
  expect((await reaches(weak.JobId, 'Complete'))?.ProgressSummary).toMatchObject({ NumberOfTasksFailed: 1 });
  await grant('s3:ListBucket');
  const blind = await create({ Manifest, Operation: { S3DeleteObjectTagging: {} } });
  expect((await reaches(blind.JobId, 'Failed'))?.FailureReasons?.[0]?.FailureCode).toBe('AccessDenied');
});

test('jobs that cannot be are refused', async () => {
  const { AccountId, control, Bucket, manifest, create } = await batch();
  const Manifest = await manifest(`${Bucket},a\n`);
  const Operation = { S3DeleteObjectTagging: {} };
  const JobId = '00000000-0000-4000-8000-000000000000';
  await refused(control.describeJob({ AccountId, JobId }), 'NoSuchJob', 'The specified job does not exist.', 404);
  await refused(control.describeJob({ AccountId: '123456789012', JobId }), 'AccessDenied', undefined, 403);
  await refused(create({ Manifest, Operation: {} }), 'InvalidRequest', 'Exactly one operation must be specified.', 400);
  const checksum = { S3ComputeObjectChecksum: {} };
  await refused(create({ Manifest, Operation: checksum }), 'NotImplemented', /Operation\.S3ComputeObjectChecksum/, 501);
  const versions = 'The manifest of a replication must contain VersionId.';
  await refused(create({ Manifest, Operation: { S3ReplicateObject: {} } }), 'InvalidRequest', versions, 400);
  const quick = { S3InitiateRestoreObject: { ExpirationInDays: 1, GlacierJobTier: 'EXPEDITED' as 'BULK' } };
  await refused(create({ Manifest, Operation: quick }), 'InvalidRequest', 'The tier of a restore must be BULK or STANDARD.');
  const old = { LambdaInvoke: { FunctionArn: 'f', UserArguments: { a: '1' } } };
  await refused(create({ Manifest, Operation: old }), 'InvalidRequest', /need the invocation schema version 2\.0/);
  const Tags = Array.from({ length: 51 }, (_, index) => ({ Key: `k${index}`, Value: '' }));
  await refused(create({ Manifest, Operation, Tags }), 'TooManyTagsException', 'A job can have at most 50 tags.', 400);
  const ManifestGenerator = { S3JobManifestGenerator: { SourceBucket: `arn:aws:s3:::${Bucket}`, EnableManifestOutput: false } };
  const both = 'Either a manifest or a manifest generator must be specified, but not both.';
  await refused(create({ Manifest, ManifestGenerator, Operation }), 'InvalidRequest', both, 400);
  await refused(
    create({ Manifest, Operation, Priority: -1 }),
    'InvalidRequest',
    'The priority must be between 0 and 2147483647.',
  );
  await refused(create({ Operation }), 'InvalidRequest', 'A manifest must be specified.');
  const fields = { Spec: { ...Manifest!.Spec!, Fields: ['Bucket' as const] }, Location: Manifest!.Location };
  await refused(
    create({ Manifest: fields, Operation }),
    'InvalidRequest',
    'The fields of a manifest must contain Bucket and Key.',
  );
  const far = { S3PutObjectCopy: { TargetResource: 'elsewhere' } };
  await refused(create({ Manifest, Operation: far }), 'InvalidRequest', 'The target of a copy must be the ARN of a bucket.');
  const ClientRequestToken = 'same';
  const one = await create({ Manifest, Operation, ClientRequestToken });
  expect((await create({ Manifest, Operation, ClientRequestToken })).JobId).toBe(one.JobId);
});
