/** What batch jobs do beside copies and tags, the lists they make themselves, and how they take turns. */
import { gunzipSync } from 'node:zlib';
import { IAM } from '@aws-sdk/client-iam';
import type { CreateJobRequest, JobManifestGeneratorFilter } from '@aws-sdk/client-s3-control';
import { expect, test } from 'vitest';
import { machinesRefused, refused } from '../../support/cloud.ts';
import { serverless } from '../lambda/support.ts';
import { freshName, textOf } from '../s3/support.ts';
import { batch, controlOf } from './support.ts';

test('jobs lock versions, hold them, give them ACLs, and copy them with new metadata', async () => {
  const { s3, Bucket, lists, manifest, create, reaches } = await batch({ ObjectLockEnabledForBucket: true });
  await s3.putBucketOwnershipControls({ Bucket, OwnershipControls: { Rules: [{ ObjectOwnership: 'ObjectWriter' }] } });
  const { VersionId } = await s3.putObject({ Bucket, Key: 'a', Body: 'old' });
  await s3.putObject({ Bucket, Key: 'a', Body: 'new' });
  const Manifest = await manifest(`${Bucket},a,${VersionId}\n`, ['Bucket', 'Key', 'VersionId']);
  const done = async (Operation: CreateJobRequest['Operation']) => {
    const { JobId } = await create({ Manifest, Operation });
    expect((await reaches(JobId, 'Complete'))?.ProgressSummary?.NumberOfTasksSucceeded).toBe(1);
  };
  const old = { Bucket, Key: 'a', VersionId };
  const RetainUntilDate = new Date('2199-01-01T00:00:00Z');
  await done({ S3PutObjectRetention: { Retention: { Mode: 'GOVERNANCE', RetainUntilDate } } });
  expect((await s3.getObjectRetention(old)).Retention).toEqual({ Mode: 'GOVERNANCE', RetainUntilDate });
  await done({ S3PutObjectRetention: { BypassGovernanceRetention: true, Retention: {} } });
  await done({ S3PutObjectLegalHold: { LegalHold: { Status: 'ON' } } });
  expect((await s3.getObjectLegalHold(old)).LegalHold?.Status).toBe('ON');
  await refused(s3.getObjectLegalHold({ Bucket, Key: 'a' }), 'NoSuchObjectLockConfiguration', undefined, 404);
  await done({ S3PutObjectAcl: { AccessControlPolicy: { CannedAccessControlList: 'bucket-owner-read' } } });
  const owner = (await s3.getObjectAcl(old)).Owner;
  const Grantee = { TypeIdentifier: 'id' as const, Identifier: owner?.ID };
  const AccessControlList = { Owner: { ID: owner?.ID }, Grants: [{ Grantee, Permission: 'READ' as const }] };
  await done({ S3PutObjectAcl: { AccessControlPolicy: { AccessControlList } } });
  expect((await s3.getObjectAcl(old)).Grants?.map((grant) => grant.Permission)).toContain('READ');
  await done({
    S3PutObjectCopy: {
      TargetResource: `arn:aws:s3:::${lists}`,
      MetadataDirective: 'REPLACE',
      NewObjectMetadata: { ContentType: 'text/x', UserMetadata: { a: '1' }, SSEAlgorithm: 'AES256' },
      NewObjectTagging: [{ Key: 't', Value: 'é=1' }],
      ChecksumAlgorithm: 'SHA256',
    },
  });
  const copy = { Bucket: lists, Key: 'a' };
  expect(await textOf(s3, copy)).toBe('old');
  const head = await s3.headObject({ ...copy, ChecksumMode: 'ENABLED' });
  expect(head).toMatchObject({ ContentType: 'text/x', Metadata: { a: '1' }, TagCount: 1 });
  expect(head.ChecksumSHA256).toBeDefined();
  const Condition = { S3PutObjectCopy: { TargetResource: `arn:aws:s3:::${lists}`, ModifiedSinceConstraint: RetainUntilDate } };
  const { JobId } = await create({ Manifest, Operation: Condition });
  expect((await reaches(JobId, 'Complete'))?.ProgressSummary?.NumberOfTasksFailed).toBe(1);
});

test('a job makes its list itself, by a filter, and writes it down', async () => {
  const { s3, Bucket, AccountId, control, lists, create, reaches, grant } = await batch();
  await s3.putBucketVersioning({ Bucket, VersioningConfiguration: { Status: 'Enabled' } });
  for (const [Key, Body] of [
    ['logs/a.txt', 'long enough'],
    ['logs/b.txt', 'x'],
    ['logs/c c.txt', 'long enough too'],
    ['other.txt', 'long enough'],
    ['logs/d.bin', 'long enough'],
  ] as const)
    await s3.putObject({ Bucket, Key, Body });
  await s3.putObject({ Bucket, Key: 'logs/e.txt', Body: 'long enough', StorageClass: 'STANDARD_IA' });
  await s3.putObject({ Bucket, Key: 'logs/a.txt', Body: 'again, long enough' });
  await s3.deleteObject({ Bucket, Key: 'logs/a.txt' });
  const Operation = { S3PutObjectTagging: { TagSet: [{ Key: 'k', Value: 'v' }] } };
  const generated = (Filter: JobManifestGeneratorFilter, output = false): Partial<CreateJobRequest> => ({
    Operation,
    ManifestGenerator: {
      S3JobManifestGenerator: {
        SourceBucket: `arn:aws:s3:::${Bucket}`,
        Filter,
        EnableManifestOutput: output,
        ManifestOutputLocation: {
          Bucket: `arn:aws:s3:::${lists}`,
          ManifestPrefix: 'made',
          ManifestFormat: 'S3InventoryReport_CSV_20211130',
        },
      },
    },
  });
  const { JobId } = await create(
    generated(
      {
        KeyNameConstraint: { MatchAnyPrefix: ['logs/', 'nothing/'], MatchAnySuffix: ['.txt'] },
        ObjectSizeGreaterThanBytes: 1,
        MatchAnyStorageClass: ['STANDARD'],
        CreatedAfter: new Date(0),
        MatchAnyObjectEncryption: [{ SSES3: {} }],
      },
      true,
    ),
  );
  const job = await reaches(JobId, 'Complete');
  // Two versions of a.txt and one of "c c.txt": no delete marker, nothing small, of another class, name or folder.
  expect(job?.ProgressSummary).toMatchObject({ TotalNumberOfTasks: 3, NumberOfTasksSucceeded: 3 });
  expect((await s3.getObjectTagging({ Bucket, Key: 'logs/c c.txt' })).TagSet).toHaveLength(1);
  expect((await s3.getObjectTagging({ Bucket, Key: 'logs/b.txt' })).TagSet).toHaveLength(0);
  const { Format, Location } = job?.GeneratedManifestDescriptor ?? {};
  expect(Format).toBe('S3InventoryReport_CSV_20211130');
  const Key = Location?.ObjectArn?.replace(`arn:aws:s3:::${lists}/`, '') ?? '';
  expect(Key).toBe(`made/${JobId}/manifest.json`);
  const { files } = JSON.parse(await textOf(s3, { Bucket: lists, Key })) as { files: { key: string }[] };
  const list = await (await s3.getObject({ Bucket: lists, Key: files[0]?.key ?? '' })).Body?.transformToByteArray();
  const lines = gunzipSync(list ?? '')
    .toString()
    .trim()
    .split('\n');
  expect(lines.map((line) => line.split(',')[1])).toEqual(['"logs/a.txt"', '"logs/a.txt"', '"logs/c%20c.txt"']);
  expect(job?.ManifestGenerator?.S3JobManifestGenerator?.Filter?.CreatedAfter).toEqual(new Date(0));

  const nothing = await create(generated({ CreatedBefore: new Date(0) }));
  expect((await reaches(nothing.JobId, 'Complete'))?.ProgressSummary?.TotalNumberOfTasks).toBe(0);
  const none = await create(generated({ ObjectReplicationStatuses: ['FAILED'], EligibleForReplication: true }));
  expect((await reaches(none.JobId, 'Complete'))?.ProgressSummary?.TotalNumberOfTasks).toBe(0);
  await grant('s3:GetObject');
  const refusedJob = await create(generated({}));
  expect((await reaches(refusedJob.JobId, 'Failed'))?.FailureReasons?.[0]?.FailureCode).toBe('AccessDenied');
  const far = generated({}, true);
  const generator = far.ManifestGenerator?.S3JobManifestGenerator;
  const ManifestOutputLocation = { Bucket: 'elsewhere', ManifestFormat: 'S3InventoryReport_CSV_20211130' as const };
  const wrong = { S3JobManifestGenerator: { ...generator!, ManifestOutputLocation } };
  const text = 'The output location of a manifest must be the ARN of a bucket.';
  await refused(create({ ...far, ManifestGenerator: wrong }), 'InvalidRequest', text, 400);
  expect((await control.listJobs({ AccountId, JobStatuses: ['Failed'] })).Jobs).toHaveLength(1);
});

test('a job of higher priority goes first, and one that mostly fails stops', { timeout: 90_000 }, async () => {
  const { Bucket, AccountId, control, manifest, create, reaches, s3, account } = await batch();
  await s3.putObject({ Bucket, Key: 'there', Body: 'x' });
  const Operation = { S3DeleteObjectTagging: {} };
  const lines = Array.from({ length: 2500 }, (_, index) => `${Bucket},${index < 1000 ? 'there' : `missing-${index}`}\n`);
  const many = await manifest(lines.join(''));
  const Tags = [{ Key: 'team', Value: 'red' }];
  const slow = await create({ Manifest: many, Operation, Priority: 1, ConfirmationRequired: true, Tags });
  const quick = await create({
    Manifest: await manifest(`${Bucket},there\n`),
    Operation,
    Priority: 2,
    ConfirmationRequired: true,
  });
  for (const { JobId } of [slow, quick]) await reaches(JobId, 'Suspended');
  for (const { JobId } of [slow, quick]) await control.updateJobStatus({ AccountId, JobId, RequestedJobStatus: 'Ready' });
  const failed = await reaches(slow.JobId, 'Failed');
  const first = await reaches(quick.JobId, 'Complete');
  expect(failed?.FailureReasons?.[0]?.FailureCode).toBe('JobFailureThresholdExceeded');
  expect(failed?.ProgressSummary).toMatchObject({ NumberOfTasksSucceeded: 1000, NumberOfTasksFailed: 1050 });
  expect(first?.TerminationDate?.getTime()).toBeLessThanOrEqual(failed?.TerminationDate?.getTime() ?? 0);

  const { JobId } = slow;
  expect((await control.getJobTagging({ AccountId, JobId })).Tags).toEqual(Tags);
  await control.putJobTagging({ AccountId, JobId, Tags: [{ Key: 'team', Value: 'blue' }] });
  const iam = new IAM(account.config());
  await iam.createUser({ UserName: 'blue' });
  const { AccessKey } = await iam.createAccessKey({ UserName: 'blue' });
  const Condition = { StringEquals: { 'aws:ResourceTag/team': 'blue' } };
  const Statement = [{ Effect: 'Allow', Action: 's3:DescribeJob', Resource: '*', Condition }];
  const PolicyDocument = JSON.stringify({ Version: '2012-10-17', Statement });
  await iam.putUserPolicy({ UserName: 'blue', PolicyName: 'p', PolicyDocument });
  const blue = controlOf(account, { credentials: account.configFor(AccessKey!).credentials });
  expect((await blue.describeJob({ AccountId, JobId })).Job?.Status).toBe('Failed');
  await refused(blue.describeJob({ AccountId, JobId: quick.JobId }), 'AccessDenied', undefined, 403);
  await control.deleteJobTagging({ AccountId, JobId });
  expect((await control.getJobTagging({ AccountId, JobId })).Tags ?? []).toEqual([]);
  await refused(control.getJobTagging({ AccountId, JobId: freshName(account) }), 'NoSuchJob', undefined, 404);
});

test('a job calls a function for each object, with arguments, and again for what failed for a time', async (context) => {
  context.skip(machinesRefused() !== undefined, machinesRefused());
  const { account, s3, Bucket, lists, manifest, report, create, reaches, grant } = await batch();
  await grant(['s3:*', 'lambda:InvokeFunction']);
  const { make } = await serverless(account);
  const source = `let calls = 0;
export const handler = async ({ invocationSchemaVersion, invocationId, job, tasks: [task] }) => {
  calls += 1;
  const resultCode = task.s3Key === 'bad' ? 'PermanentFailure' : calls === 1 ? 'TemporaryFailure' : 'Succeeded';
  const resultString = [task.s3Bucket, task.s3Key, task.s3VersionId, job.userArguments.color].join(' ');
  return { invocationSchemaVersion, invocationId, treatMissingKeysAs: 'PermanentFailure', results: [{ taskId: task.taskId, resultCode, resultString }] };
};`;
  const FunctionArn = await make('task', source);
  const LambdaInvoke = { FunctionArn, InvocationSchemaVersion: '2.0', UserArguments: { color: 'red' } };
  const Manifest = await manifest(`${Bucket},a%20b\n${Bucket},bad\n`);
  const { JobId } = await create({ Manifest, Operation: { LambdaInvoke }, Report: report() });
  const done = await reaches(JobId, 'Complete');
  expect(done?.ProgressSummary).toMatchObject({ NumberOfTasksSucceeded: 1, NumberOfTasksFailed: 1 });
  const { Contents = [] } = await s3.listObjectsV2({ Bucket: lists, Prefix: `reports/job-${JobId}/results/` });
  const rows = await Promise.all(Contents.map(({ Key = '' }) => textOf(s3, { Bucket: lists, Key })));
  expect(rows.sort()).toEqual([
    `${Bucket},a%20b,,succeeded,,200,${Bucket} a%20b  red\n`,
    `${Bucket},bad,,failed,PermanentFailure,400,${Bucket} bad  red\n`,
  ]);
});
