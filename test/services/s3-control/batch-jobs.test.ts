/** S3 Batch Operations: one thing done to all objects of a list, with a role's rights. */
import { createHash } from 'node:crypto';
import { IAM } from '@aws-sdk/client-iam';
import { type CreateJobRequest, type JobStatus, S3Control } from '@aws-sdk/client-s3-control';
import { expect, inject, test } from 'vitest';
import { eventually, refused } from '../../support/cloud.ts';
import { freshBucket, freshName, textOf } from '../s3/support.ts';

async function batch() {
  const { account, s3, Bucket } = await freshBucket();
  const control = new S3Control({
    ...account.config(),
    // The client would put the account's number before the address.
    endpointProvider: () => ({ url: new URL(inject('endpoint')) }),
    disableHostPrefix: true,
  });
  const iam = new IAM(account.config());
  const AccountId = account.id;
  const trust = { Effect: 'Allow', Principal: { Service: 'batchoperations.s3.amazonaws.com' }, Action: 'sts:AssumeRole' };
  const AssumeRolePolicyDocument = JSON.stringify({ Version: '2012-10-17', Statement: [trust] });
  const { Role } = await iam.createRole({ RoleName: 'batch', AssumeRolePolicyDocument });
  const grant = (Action: string | string[]) =>
    iam.putRolePolicy({
      RoleName: 'batch',
      PolicyName: 'p',
      PolicyDocument: JSON.stringify({ Version: '2012-10-17', Statement: [{ Effect: 'Allow', Action, Resource: '*' }] }),
    });
  await grant(['s3:*']);
  const lists = freshName(account);
  await s3.createBucket({ Bucket: lists });
  const manifest = async (text: string): Promise<CreateJobRequest['Manifest']> => {
    const { ETag } = await s3.putObject({ Bucket: lists, Key: 'manifest.csv', Body: text });
    const Location = { ObjectArn: `arn:aws:s3:::${lists}/manifest.csv`, ETag };
    return { Spec: { Format: 'S3BatchOperations_CSV_20180820', Fields: ['Bucket', 'Key'] }, Location };
  };
  const report = (ReportScope: 'AllTasks' | 'FailedTasksOnly' = 'AllTasks') =>
    ({ Enabled: true, Bucket: `arn:aws:s3:::${lists}`, Prefix: 'reports', Format: 'Report_CSV_20180820', ReportScope }) as const;
  const create = (over: Partial<CreateJobRequest>) =>
    control.createJob({ AccountId, Priority: 1, RoleArn: Role?.Arn, Report: { Enabled: false }, ...over } as CreateJobRequest);
  const job = async (JobId: string | undefined) => (await control.describeJob({ AccountId, JobId })).Job;
  const reaches = (JobId: string | undefined, status: JobStatus) =>
    eventually(
      async () => {
        const found = await job(JobId);
        expect(found?.Status).toBe(status);
        return found;
      },
      { why: `the job becomes ${status}` },
    );
  return { account, s3, Bucket, control, AccountId, lists, manifest, report, create, job, reaches, grant };
}

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
  const first = await create({ Manifest, Operation, ConfirmationRequired: true, Priority: 5 });
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
  await refused(create({ Manifest, Operation: { S3PutObjectAcl: {} } }), 'NotImplemented', /Operation\.S3PutObjectAcl/, 501);
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
